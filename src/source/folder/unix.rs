//! The Unix way: handles, and names relative to them.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::{Found, Kind, Look};
use crate::source::stamp::FileStamp;

/// The system takes no path of so many bytes or more.
const LONGEST: usize = if cfg!(target_os = "linux") { 4096 } else { 1024 };

/// The number of a file's entry on the disk.
pub(in crate::source) type Place = u64;

/// Whether anything was opened in a way that may have changed its time of last access. Of the process, because it depends on its user's
/// rights, and one notice is enough.
static TIMES_CHANGED: AtomicBool = AtomicBool::new(false);

/// Whether this process has opened anything whose time of last access it could not keep.
pub(in crate::source) fn times_changed() -> bool {
    TIMES_CHANGED.load(Ordering::Relaxed)
}

/// A folder that is open.
#[derive(Debug)]
pub(in crate::source) struct Folder(Dir);

impl Folder {
    /// Opens a folder. What is a link is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let at = At::path(path)?;
        Self::at(at.folder(), at.name)
    }

    /// Opens a folder in this one.
    pub fn enter(&self, found: &Found) -> io::Result<Self> {
        Self::at(self.0.fd()?, &found.name)
    }

    fn at(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<Self> {
        let opened = open_keeping_times(folder, name, OFlags::DIRECTORY)?;
        Ok(Self(Dir::new(opened)?))
    }

    /// The next name, in the system's order; `None` at the end.
    pub fn next(&mut self) -> Option<io::Result<Found>> {
        loop {
            let entry = match self.0.read()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            let name = entry.file_name();
            if name != c"." && name != c".." {
                let is_folder = entry.file_type() == FileType::Directory;
                let name = OsString::from_vec(name.to_bytes().to_vec());
                return Some(Ok(Found { name, is_folder, place: entry.ino() }));
            }
        }
    }

    /// Looks at a name.
    pub fn look(&self, found: &Found) -> io::Result<Look> {
        look_at(self.0.fd()?, &found.name)
    }
}

/// Looks at a path.
pub(in crate::source) fn look(path: &Path) -> io::Result<Look> {
    let at = At::path(path)?;
    look_at(at.folder(), at.name)
}

/// Opens what should be a file for reading: a link is not followed, a pipe is opened without waiting for its other end.
pub(in crate::source) fn open_file(path: &Path) -> io::Result<File> {
    let at = At::path(path)?;
    Ok(File::from(open_keeping_times(at.folder(), at.name, OFlags::NONBLOCK)?))
}

/// A folder, and a name in it that the system takes.
struct At<'a> {
    folder: Option<OwnedFd>,
    name: &'a OsStr,
}

impl<'a> At<'a> {
    /// A path as it is where it is short enough. Of a longer one the beginning is opened by one path, and each folder behind it in
    /// the one before.
    fn path(path: &'a Path) -> io::Result<Self> {
        let Some((beginning, names, name)) = split(path.as_os_str().as_bytes(), LONGEST) else {
            return Ok(Self { folder: None, name: path.as_os_str() });
        };
        let mut folder = open_on_the_way(CWD, beginning)?;
        for name in names {
            folder = open_on_the_way(folder.as_fd(), name)?;
        }
        Ok(Self { folder: Some(folder), name: OsStr::from_bytes(name) })
    }

    fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_ref().map_or(CWD, AsFd::as_fd)
    }
}

/// The beginning of a path, the folders behind it, and the last name.
type Split<'a> = (&'a [u8], Vec<&'a [u8]>, &'a [u8]);

/// Splits a path of `longest` bytes or more, so that the beginning has fewer; `None` where it is shorter, or has no place to be split at.
fn split(path: &[u8], longest: usize) -> Option<Split<'_>> {
    let beginning = path.get(..longest)?;
    let slash = beginning.iter().rposition(|byte| *byte == b'/')?;
    let beginning = if slash == 0 { &path[..1] } else { &path[..slash] };
    let mut names: Vec<&[u8]> =
        path[slash..].split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let name = names.pop()?;
    Some((beginning, names, name))
}

/// Opens a folder to go through it, which neither reads it nor needs the right to.
fn open_on_the_way(folder: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    #[cfg(target_os = "linux")]
    const WAY: OFlags = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    const WAY: OFlags = OFlags::RDONLY;
    let flags = WAY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// Opens for reading, without following a link, and without changing the time of last access where the system lets this user ask for
/// that: the owner and root.
fn open_keeping_times(folder: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    #[cfg(target_os = "linux")]
    match rustix::fs::openat(folder, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => {}
        result => return result,
    }
    let opened = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    if !times_changed() && !keeps_times(opened.as_fd()) {
        TIMES_CHANGED.store(true, Ordering::Relaxed);
    }
    Ok(opened)
}

/// Whether a mount leaves times of last access as they are, whoever reads.
fn keeps_times(opened: BorrowedFd<'_>) -> bool {
    #[cfg(target_os = "linux")]
    const KEEPING: StatVfsMountFlags = StatVfsMountFlags::RDONLY.union(StatVfsMountFlags::NOATIME);
    #[cfg(not(target_os = "linux"))]
    const KEEPING: StatVfsMountFlags = StatVfsMountFlags::RDONLY;
    rustix::fs::fstatvfs(opened).is_ok_and(|mount| mount.f_flag.intersects(KEEPING))
}

fn look_at(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<Look> {
    let (file_type, stamp) = system_look(folder, name)?;
    let kind = match file_type {
        FileType::Directory => Kind::Folder,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Link(target(folder, name)),
        FileType::Fifo => Kind::Special("named pipe"),
        FileType::Socket => Kind::Special("socket"),
        FileType::BlockDevice => Kind::Special("block device"),
        FileType::CharacterDevice => Kind::Special("character device"),
        _ => Kind::Special("not a regular file"),
    };
    Ok(Look { kind, stamp })
}

/// Where a link points to, if asking leaves its time of last access as it is: no flag keeps it, as for files.
fn target(folder: BorrowedFd<'_>, name: &OsStr) -> Option<PathBuf> {
    // The current folder is no handle that could be asked, and a path may begin on another mount.
    let parent = Path::new(name).parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.map_or(OsStr::new("."), Path::as_os_str);
    let parent = open_on_the_way(folder, parent.as_bytes()).ok()?;
    if !keeps_times(parent.as_fd()) {
        return None;
    }
    let target = rustix::fs::readlinkat(folder, name, Vec::new()).ok()?;
    Some(PathBuf::from(OsString::from_vec(CStr::to_bytes(&target).to_vec())))
}

#[cfg(target_os = "linux")]
fn system_look(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<(FileType, FileStamp)> {
    use rustix::fs::{StatxFlags, StatxTimestamp, statx};
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let seen = match statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, wanted) {
        // A kernel before 4.11, or a container's filter.
        Err(Errno::NOSYS | Errno::PERM) => return plain_look(folder, name),
        seen => seen?,
    };
    let time = |time: StatxTimestamp| FileStamp::time(time.tv_sec, i64::from(time.tv_nsec));
    let has = |time| seen.stx_mask & StatxFlags::bits(&time) != 0;
    let stamp = FileStamp {
        size: Some(seen.stx_size),
        modified: time(seen.stx_mtime),
        accessed: time(seen.stx_atime),
        created: if has(StatxFlags::BTIME) { time(seen.stx_btime) } else { None },
    };
    Ok((FileType::from_raw_mode(seen.stx_mode.into()), stamp))
}

#[cfg(not(target_os = "linux"))]
fn system_look(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<(FileType, FileStamp)> {
    plain_look(folder, name)
}

/// Without the time of creation.
fn plain_look(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<(FileType, FileStamp)> {
    let seen = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "their types differ between systems")]
    let stamp = FileStamp {
        size: u64::try_from(seen.st_size).ok(),
        modified: FileStamp::time(seen.st_mtime as i64, seen.st_mtime_nsec as i64),
        accessed: FileStamp::time(seen.st_atime as i64, seen.st_atime_nsec as i64),
        created: None,
    };
    Ok((FileType::from_raw_mode(seen.st_mode), stamp))
}

/// Makes folders within each other, each with a name of so many bytes, and a file in the lowest. Returns the path of that.
#[cfg(test)]
pub(in crate::source) fn dig(
    folder: &Path,
    name: usize,
    depth: usize,
    file: &str,
    content: &[u8],
) -> PathBuf {
    use std::io::Write;
    let name = "d".repeat(name);
    let mut path = folder.to_path_buf();
    let mut opened = open_on_the_way(CWD, folder.as_os_str().as_bytes()).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&opened, &name, Mode::RWXU).unwrap();
        opened = open_on_the_way(opened.as_fd(), name.as_bytes()).unwrap();
        path.push(&name);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&opened, file, flags, Mode::RUSR).unwrap();
    File::from(made).write_all(content).unwrap();
    path.join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_split_between_names() {
        let parts = |path: &'static str, longest| {
            split(path.as_bytes(), longest).map(|(beginning, names, name)| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                (text(beginning), names.into_iter().map(text).collect::<Vec<_>>(), text(name))
            })
        };
        let expected = |beginning: &str, names: &[&str], name: &str| {
            let names = names.iter().map(ToString::to_string).collect();
            Some((beginning.to_string(), names, name.to_string()))
        };
        assert_eq!(parts("/ab/cd/ef", 10), None);
        assert_eq!(parts("/ab/cd/ef", 9), expected("/ab/cd", &[], "ef"));
        assert_eq!(parts("/ab/cd//ef/gh", 5), expected("/ab", &["cd", "ef"], "gh"));
        assert_eq!(parts("/ab/cd", 2), expected("/", &["ab"], "cd"));
        assert_eq!(parts("ab/cd", 3), expected("ab", &[], "cd"));
        assert_eq!(parts("abcdef", 3), None, "nothing to split at: the system refuses it");
    }

    #[test]
    fn a_path_of_any_length_is_looked_at_and_opened() {
        use std::io::Read;
        let folder = tempfile::tempdir().unwrap();
        let file = dig(folder.path(), 200, 60, "picture", b"at the bottom");
        assert!(file.as_os_str().len() > 2 * LONGEST);
        assert!(File::open(&file).is_err(), "the system takes it: this shows nothing");
        let mut content = String::new();
        open_file(&file).unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "at the bottom");
        assert_eq!(look(&file).unwrap().stamp.size, Some(13));
        let gone = open_file(&file.with_file_name("gone")).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    /// A link anywhere behind the beginning of a long path, as an attacker could put in a folder's place between the walk and the
    /// opening.
    #[test]
    fn a_link_on_a_long_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let file = dig(folder.path(), 200, 30, "picture", b"x");
        let lowest = file.parent().unwrap();
        let up = Folder::open(lowest.parent().unwrap()).unwrap();
        let name = lowest.file_name().unwrap();
        rustix::fs::renameat(up.0.fd().unwrap(), name, up.0.fd().unwrap(), "real").unwrap();
        rustix::fs::symlinkat("real", up.0.fd().unwrap(), name).unwrap();
        assert!(open_file(&file).is_err());
        assert!(Folder::open(lowest).is_err());
        assert!(open_file(&lowest.with_file_name("real").join("picture")).is_ok());
    }

    #[test]
    fn both_looks_see_the_same() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "abc").unwrap();
        let opened = Folder::open(folder.path()).unwrap();
        let (kind, stamp) = system_look(opened.0.fd().unwrap(), OsStr::new("a")).unwrap();
        let (plain_kind, plain) = plain_look(opened.0.fd().unwrap(), OsStr::new("a")).unwrap();
        assert_eq!((kind, FileStamp { created: None, ..stamp }), (plain_kind, plain));
        let std = FileStamp::from(&std::fs::metadata(folder.path().join("a")).unwrap());
        assert_eq!(stamp, std);
    }
}
