//! Verbatim Windows paths.
//!
//! Windows rewrites names before it opens them: `photo.jpg.` becomes `photo.jpg`, `NUL.jpg` a device, and paths over 260
//! characters fail. After `\\?\` it does none of that. So every path has that form below the command line, and is shown to
//! people, and kept in a case, without it.
//!
//! These are functions of bytes, in the form that [`super::name::path_bytes`] describes, so that they are tested on every system.

use std::borrow::Cow;

const VERBATIM: &[u8] = br"\\?\";
const VERBATIM_SHARE: &[u8] = br"\\?\UNC\";

/// Names that are devices when typed alone.
const DEVICES: [&str; 24] = [
    "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7",
    "COM8", "COM9", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// A typed path in the form that Windows does not rewrite; `current` is the current folder. `.` and `..` are resolved textually, as
/// Windows does.
///
/// `None` if it must stay unchanged: it has that form, names a device, or is relative to another drive's
/// current folder.
pub fn verbatim(path: &[u8], current: &[u8]) -> Option<Vec<u8>> {
    let is_device = DEVICES.iter().any(|device| device.as_bytes().eq_ignore_ascii_case(path));
    if path.is_empty() || is_device || is_namespace(path) {
        return None;
    }
    if let Some((root, rest)) = root(path) {
        return Some(behind(root, [rest]));
    }
    let current = plain(current);
    let (root, above) = root(&current)?;
    match path {
        [drive, b':', rest @ ..] => {
            let same = matches!(root, Root::Drive(current) if current.eq_ignore_ascii_case(drive));
            same.then(|| behind(root, [above, rest]))
        }
        // A server without a share.
        [first, second, ..] if is_separator(*first) && is_separator(*second) => None,
        [first, ..] if is_separator(*first) => Some(behind(root, [path])),
        _ => Some(behind(root, [above, path])),
    }
}

/// The same for a path that begins at a drive or a share; `None` for others.
pub fn absolute(path: &[u8]) -> Option<Vec<u8>> {
    root(path).map(|(root, rest)| behind(root, [rest]))
}

/// A path in the usual form: `C:\folder`, `\\server\share\folder`. Other forms stay unchanged.
pub fn plain(path: &[u8]) -> Cow<'_, [u8]> {
    if let Some(share) = path.strip_prefix(VERBATIM_SHARE) {
        return Cow::Owned([br"\\", share].concat());
    }
    match path.strip_prefix(VERBATIM) {
        Some(rest @ [drive, b':', b'\\', ..]) if drive.is_ascii_alphabetic() => Cow::Borrowed(rest),
        _ => Cow::Borrowed(path),
    }
}

/// The root of a path.
#[derive(Clone, Copy)]
enum Root<'a> {
    Drive(&'a u8),
    Share(&'a [u8], &'a [u8]),
}

/// The root of a path, and the rest.
fn root(path: &[u8]) -> Option<(Root<'_>, &[u8])> {
    match path {
        [drive, b':', separator, rest @ ..] if drive.is_ascii_alphabetic() && is_separator(*separator) => {
            Some((Root::Drive(drive), rest))
        }
        [first, second, rest @ ..]
            if is_separator(*first) && is_separator(*second) && !is_namespace(path) =>
        {
            let mut parts = rest.splitn(3, |byte| is_separator(*byte));
            let (server, share) = (parts.next()?, parts.next()?);
            let is_share = !server.is_empty() && !share.is_empty();
            is_share.then(|| (Root::Share(server, share), parts.next().unwrap_or_default()))
        }
        _ => None,
    }
}

/// `\\?\` and `\\.\`, in any spelling, and `\??\`: what follows is not a path of a drive or share.
fn is_namespace(path: &[u8]) -> bool {
    match path {
        [first, second, b'?' | b'.', rest @ ..] if is_separator(*first) && is_separator(*second) => {
            rest.first().is_none_or(|byte| is_separator(*byte))
        }
        _ => path.starts_with(br"\??\"),
    }
}

fn is_separator(byte: u8) -> bool {
    byte == b'\\' || byte == b'/'
}

fn behind<const PARTS: usize>(root: Root<'_>, parts: [&[u8]; PARTS]) -> Vec<u8> {
    let mut path = match root {
        Root::Drive(drive) => [VERBATIM, &[*drive, b':']].concat(),
        Root::Share(server, share) => [VERBATIM_SHARE, server, br"\", share].concat(),
    };
    let mut names: Vec<&[u8]> = Vec::new();
    for name in parts.into_iter().flat_map(|part| part.split(|byte| is_separator(*byte))) {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.is_empty() {
        path.push(b'\\');
    }
    for name in names {
        path.push(b'\\');
        path.extend_from_slice(name);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(path: &str, current: &str) -> Option<String> {
        verbatim(path.as_bytes(), current.as_bytes()).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn what_is_typed_is_what_is_opened() {
        let here = r"D:\work";
        for (path, expected) in [
            (r"C:\case\photo.jpg.", r"\\?\C:\case\photo.jpg."),
            (r"C:\case\photo.jpg ", r"\\?\C:\case\photo.jpg "),
            (r"C:/case//aux.png", r"\\?\C:\case\aux.png"),
            (r"NUL.jpg", r"\\?\D:\work\NUL.jpg"),
            (r"a\.\b\..\c", r"\\?\D:\work\a\c"),
            (r".", r"\\?\D:\work"),
            (r"..", r"\\?\D:\"),
            (r"..\..\..\x", r"\\?\D:\x"),
            (r"...\x", r"\\?\D:\work\...\x"),
            (r"\top", r"\\?\D:\top"),
            (r"d:sub", r"\\?\D:\work\sub"),
            (r"C:\", r"\\?\C:\"),
            (r"\\server\share\x.", r"\\?\UNC\server\share\x."),
            (r"\\server\share", r"\\?\UNC\server\share\"),
            (r"//server/share/a/b", r"\\?\UNC\server\share\a\b"),
            ("\u{e9}t\u{e9}.jpg", "\\\\?\\D:\\work\\\u{e9}t\u{e9}.jpg"),
        ] {
            assert_eq!(typed(path, here).as_deref(), Some(expected), "{path}");
        }
        assert_eq!(typed("x", r"\\server\share\a").as_deref(), Some(r"\\?\UNC\server\share\a\x"));
        assert_eq!(typed(r"\x", r"\\server\share\a").as_deref(), Some(r"\\?\UNC\server\share\x"));
        assert_eq!(typed("x", r"\\?\D:\deep").as_deref(), Some(r"\\?\D:\deep\x"));
    }

    #[test]
    fn what_is_no_path_of_a_drive_or_share_stays() {
        for path in [
            "",
            "NUL",
            "con",
            "com1",
            r"\\?\C:\x.",
            r"\\.\PhysicalDrive0",
            r"//./pipe/x",
            r"\??\C:\x",
            "E:x",
            r"\\server",
        ] {
            assert_eq!(typed(path, r"D:\work"), None, "{path}");
        }
        assert_eq!(typed("x", "/no/windows"), None);
    }

    #[test]
    fn people_see_no_prefix_and_it_comes_back() {
        for (system, shown) in [
            (r"\\?\C:\case\photo.jpg.", r"C:\case\photo.jpg."),
            (r"\\?\C:\", r"C:\"),
            (r"\\?\UNC\server\share\x ", r"\\server\share\x "),
        ] {
            assert_eq!(&*plain(system.as_bytes()), shown.as_bytes());
            assert_eq!(absolute(shown.as_bytes()).as_deref(), Some(system.as_bytes()));
        }
        for other in [r"\\?\Volume{0}\x", r"\\.\NUL", r"a\b", "/unix", ""] {
            assert_eq!(&*plain(other.as_bytes()), other.as_bytes());
            assert_eq!(absolute(other.as_bytes()), None, "{other}");
        }
    }
}
