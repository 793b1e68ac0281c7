//! Names are bytes: kept raw, escaped on output, the same way everywhere. `docs/names.md` is the
//! description for users.
//!
//! Printable UTF-8 stays as it is. Everything that could break a line, move a cursor, reorder or hide text is
//! written as an escape, and so is the backslash, so that the raw bytes can always be recovered.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::verbatim;

/// The printable form of raw bytes.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_escaped(&mut text, character);
        }
        for byte in chunk.invalid() {
            push_byte(&mut text, *byte);
        }
    }
    text
}

fn push_escaped(text: &mut String, character: char) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\0'..='\u{1f}' | '\u{7f}' => push_byte(text, character as u8),
        _ if is_hidden(character) => push_code_point(text, character),
        _ => text.push(character),
    }
}

fn push_byte(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}

fn push_code_point(text: &mut String, character: char) {
    let _ = write!(text, "\\u{{{:x}}}", u32::from(character));
}

/// Non-ASCII characters that are not visible as characters: C1 controls, separators, joiners, direction
/// marks, byte-order marks, tags.
#[must_use]
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Why a text is not the escaped form of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: `\\` does not begin an escape of docs/names.md")]
pub struct UnescapeError {
    /// Offset of the backslash in the text, in bytes.
    pub offset: usize,
}

/// The raw bytes of an escaped text: the inverse of [`escape`].
///
/// # Errors
/// If a backslash does not begin an escape.
pub fn unescape(text: &str) -> Result<Vec<u8>, UnescapeError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        let offset = text.len() - rest.len() + position;
        bytes.extend_from_slice(&rest.as_bytes()[..position]);
        rest = unescape_one(&rest[position + 1..], &mut bytes).ok_or(UnescapeError { offset })?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Reads one escape after its backslash; returns what follows it.
fn unescape_one<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let (kind, rest) = (text.chars().next()?, text.get(1..)?);
    match kind {
        '\\' => bytes.push(b'\\'),
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        'x' => {
            bytes.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
            return rest.get(2..);
        }
        'u' => {
            let (digits, rest) = rest.strip_prefix('{')?.split_once('}')?;
            let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    }
    Some(rest)
}

/// A text for CSV: with a leading apostrophe where a spreadsheet would take it for a formula.
///
/// Names of files and texts of hash sets are chosen by strangers, and a formula may send neighbouring cells to somebody. Other
/// formats have the text unchanged.
#[must_use]
pub fn guarded(text: &str) -> Cow<'_, str> {
    // Some spreadsheets treat the full-width forms alike.
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if text.starts_with(FORMULA) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The printable form of a path.
#[must_use]
pub fn escape_path(path: &Path) -> String {
    escape(&path_bytes(path))
}

/// The raw bytes of a path: as they are on Unix; on Windows UTF-8, with unpaired surrogates in the
/// three-byte form that UTF-8 would give them (WTF-8), and without the prefix that only the system needs (`super::verbatim`).
#[must_use]
pub fn path_bytes(path: &Path) -> Cow<'_, [u8]> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if cfg!(windows) { verbatim::plain(bytes) } else { Cow::Borrowed(bytes) }
}

/// The path of a raw name below a source, with `/` between folders; the source itself where the name is empty.
#[must_use]
pub fn below(source: &Path, relative: &[u8]) -> PathBuf {
    if relative.is_empty() { source.to_path_buf() } else { source.join(path_from_bytes(relative)) }
}

/// The path of raw bytes from [`path_bytes`].
#[cfg(unix)]
#[must_use]
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// A typed path in the form for the system: on Windows in the form that it does not rewrite (`super::verbatim`), elsewhere as it
/// is.
#[must_use]
pub fn for_system(path: &Path) -> PathBuf {
    #[cfg(windows)]
    if let Ok(current) = std::env::current_dir()
        && let Some(bytes) =
            verbatim::verbatim(path.as_os_str().as_encoded_bytes(), current.as_os_str().as_encoded_bytes())
    {
        return from_encoded(&bytes);
    }
    path.to_path_buf()
}

/// The path of raw bytes from [`path_bytes`], in the form for the system.
#[cfg(windows)]
#[must_use]
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    from_encoded(verbatim::absolute(bytes).as_deref().unwrap_or(bytes))
}

#[cfg(windows)]
fn from_encoded(bytes: &[u8]) -> PathBuf {
    use std::ffi::OsString;
    use std::os::windows::ffi::OsStringExt;
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, _)) = rest.split_first() {
        // A surrogate's three bytes are the only invalid UTF-8 that `path_bytes` returns.
        if let [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] = *rest {
            units.push(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f));
            rest = &rest[3..];
            continue;
        }
        let length = match first {
            0x00..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        let (character, after) = rest.split_at(length.min(rest.len()));
        units.extend(String::from_utf8_lossy(character).encode_utf16());
        rest = after;
    }
    PathBuf::from(OsString::from_wide(&units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::prelude::*;

    #[test]
    fn printable_names_stay_as_they_are() {
        for name in ["IMG_0001.jpg", "Fotos/été 2021/família ñ.png", "写真/１.jpg", "😀.gif", "a,b \"c\" 'd'"]
        {
            assert_eq!(escape(name.as_bytes()), name);
        }
    }

    #[test]
    fn what_could_fool_a_reader_is_escaped() {
        assert_eq!(escape(b"a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(escape(b"\x1b[31mred"), "\\x1b[31mred");
        assert_eq!(escape(b"back\\slash"), "back\\\\slash");
        assert_eq!(escape(b"\xff\xfe.jpg"), "\\xff\\xfe.jpg");
        assert_eq!(escape("gpj\u{202e}exe.".as_bytes()), "gpj\\u{202e}exe.");
        assert_eq!(escape("\u{9b}31m".as_bytes()), "\\u{9b}31m");
        assert_eq!(escape("\u{feff}\u{200b}".as_bytes()), "\\u{feff}\\u{200b}");
    }

    #[test]
    fn any_bytes_come_back() {
        let mut random = StdRng::seed_from_u64(7);
        let pieces: [&[u8]; 9] = [
            b"\\",
            b"\\x41",
            b"\\u{41}",
            b"\n",
            b"\xc3",
            b"\xed\xa0\x80",
            "é".as_bytes(),
            "\u{202e}".as_bytes(),
            b"}",
        ];
        for round in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..round % 12 {
                if random.random() {
                    bytes.extend_from_slice(pieces.choose(&mut random).unwrap());
                } else {
                    bytes.push(random.random());
                }
            }
            let text = escape(&bytes);
            assert!(!text.chars().any(|character| character.is_control() || is_hidden(character)), "{text}");
            assert_eq!(unescape(&text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_lone_backslash_is_no_escape() {
        for (text, offset) in
            [("\\", 0), ("ab\\q", 2), ("\\x4", 0), ("\\u{110000}", 0), ("\\u41", 0), ("\\é", 0)]
        {
            assert_eq!(unescape(text), Err(UnescapeError { offset }), "{text}");
        }
    }

    #[test]
    fn paths_come_back() {
        for name in ["a/b.jpg", "été/写真.png"] {
            let path = PathBuf::from(name);
            assert_eq!(path_from_bytes(&path_bytes(&path)), path);
        }
        #[cfg(unix)]
        assert_eq!(escape_path(&path_from_bytes(b"\xff\n")), "\\xff\\n");
    }
}
