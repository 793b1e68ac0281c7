//! The Unix implementation: handles, and names relative to them.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::entry::{Kind, ListedName, NameStatus};
use crate::source::stamp::FileStamp;

/// The system rejects paths of this many bytes or more.
const LONGEST: usize = if cfg!(target_os = "linux") { 4096 } else { 1024 };

/// Whether anything was opened in a way that may have changed its time of last access. For the whole process, because it depends on its
/// user's rights, and one notice is enough.
static TIMES_CHANGED: AtomicBool = AtomicBool::new(false);

/// Whether this process has opened anything whose time of last access it could not keep.
pub(in crate::source) fn times_changed() -> bool {
    TIMES_CHANGED.load(Ordering::Relaxed)
}

/// An open folder.
#[derive(Debug)]
pub(in crate::source) struct Folder(Dir);

impl Folder {
    /// Opens a folder. No link is followed, neither at its end nor on the way to it.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::of(open(path, OFlags::DIRECTORY, LinkPolicy::of_this_system())?)
    }

    /// Opens a folder in this one.
    pub fn enter(&self, found: &ListedName) -> io::Result<Self> {
        let folder = self.0.fd()?;
        Self::of(keeping_times(OFlags::DIRECTORY, |flags| {
            LinkPolicy::Names.open(folder, found.name.as_bytes(), flags)
        })?)
    }

    fn of(opened: OwnedFd) -> io::Result<Self> {
        Ok(Self(Dir::new(opened)?))
    }

    /// The next name, in the system's order; `None` at the end.
    pub fn next(&mut self) -> Option<io::Result<ListedName>> {
        loop {
            let entry = match self.0.read()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            let name = entry.file_name();
            if name != c"." && name != c".." {
                let is_folder = entry.file_type() == FileType::Directory;
                let name = OsString::from_vec(name.to_bytes().to_vec());
                return Some(Ok(ListedName { name, is_folder, place: entry.ino() }));
            }
        }
    }

    /// Reads the status of a name.
    pub fn look(&self, found: &ListedName) -> io::Result<NameStatus> {
        status_at(self.0.fd()?, &found.name)
    }
}

/// Reads the status of a path named by the user: links on the way to it are followed. In a path that is too long for the system that
/// holds for its beginning.
pub(in crate::source) fn look(path: &Path) -> io::Result<NameStatus> {
    let (folder, name) = lowest(path, LinkPolicy::Followed)?;
    status_at(folder.as_ref().map_or(CWD, AsFd::as_fd), OsStr::from_bytes(name))
}

/// Opens what should be a file for reading. No link is followed, neither at its end nor on the way to it; a pipe is opened without
/// waiting for its other end.
pub(in crate::source) fn open_file(path: &Path) -> io::Result<File> {
    Ok(File::from(open(path, OFlags::NONBLOCK, LinkPolicy::of_this_system())?))
}

fn open(path: &Path, flags: OFlags, policy: LinkPolicy) -> io::Result<OwnedFd> {
    let (folder, name) = lowest(path, policy)?;
    let folder = folder.as_ref().map_or(CWD, AsFd::as_fd);
    Ok(keeping_times(flags, |flags| policy.open(folder, name, flags))?)
}

/// How links in a path are treated, and how it is cut into pieces that the system accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkPolicy {
    /// In as few pieces as possible, in which the system follows no link: Linux since 5.6.
    #[cfg(target_os = "linux")]
    Unlinked,
    /// Name by name, none of which may be a link.
    Names,
    /// In as few pieces as possible. Only the end of each must not be a link.
    Followed,
}

impl LinkPolicy {
    /// The fastest policy that follows no link.
    fn of_this_system() -> Self {
        #[cfg(target_os = "linux")]
        {
            static UNLINKED: LazyLock<bool> = LazyLock::new(|| {
                LinkPolicy::Unlinked.open(CWD, b"/", OFlags::PATH | OFlags::DIRECTORY).is_ok()
            });
            // Older kernels do not have the call, and containers may forbid it.
            if *UNLINKED {
                return Self::Unlinked;
            }
        }
        Self::Names
    }

    /// Maximum bytes of a piece, unless it is a single name.
    const fn longest(self) -> usize {
        match self {
            Self::Names => 0,
            _ => LONGEST - 1,
        }
    }

    fn open(self, folder: BorrowedFd<'_>, piece: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        if self == Self::Unlinked {
            let resolve = rustix::fs::ResolveFlags::NO_SYMLINKS;
            return rustix::fs::openat2(folder, piece, flags, Mode::empty(), resolve);
        }
        rustix::fs::openat(folder, piece, flags, Mode::empty())
    }
}

/// Opens the folder of the last piece of a path, if there are others.
fn lowest(path: &Path, policy: LinkPolicy) -> io::Result<(Option<OwnedFd>, &[u8])> {
    let mut pieces = pieces(path.as_os_str().as_bytes(), policy.longest());
    let last = pieces.pop().unwrap_or_default();
    let mut folder = None;
    for piece in pieces {
        let above = folder.as_ref().map_or(CWD, AsFd::as_fd);
        folder = Some(policy.open(above, piece, PASS_THROUGH | OFlags::DIRECTORY)?);
    }
    Ok((folder, last))
}

/// Splits a path between its names into pieces of at most `longest` bytes. A longer single name is also a piece; the system refuses it.
fn pieces(path: &[u8], longest: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = path;
    while rest.len() > longest {
        let slash = |from: usize| rest.iter().skip(from).position(|byte| *byte == b'/').map(|at| from + at);
        let within = rest[..=longest].iter().rposition(|byte| *byte == b'/');
        let Some(end) = within.or_else(|| slash(longest)) else { break };
        let piece = rest[..end].iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        // The root is a name of its own.
        pieces.push(&rest[..piece.max(usize::from(pieces.is_empty()))]);
        let next = rest[end..].iter().position(|byte| *byte != b'/').unwrap_or(rest.len() - end);
        rest = &rest[end + next..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Flags for opening a folder to pass through it, which neither reads it nor needs the right to.
#[cfg(target_os = "linux")]
const PASS_THROUGH: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS_THROUGH: OFlags = OFlags::RDONLY;

/// Opens for reading, without changing the time of last access if the system allows this user to ask for
/// that: the owner and root.
fn keeping_times(flags: OFlags, open: impl Fn(OFlags) -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY;
    #[cfg(target_os = "linux")]
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => {}
        result => return result,
    }
    let opened = open(flags)?;
    if !times_changed() && !keeps_times(opened.as_fd()) {
        TIMES_CHANGED.store(true, Ordering::Relaxed);
    }
    Ok(opened)
}

/// Whether a mount never changes times of last access.
fn keeps_times(opened: BorrowedFd<'_>) -> bool {
    #[cfg(target_os = "linux")]
    const KEEPING: StatVfsMountFlags = StatVfsMountFlags::RDONLY.union(StatVfsMountFlags::NOATIME);
    #[cfg(not(target_os = "linux"))]
    const KEEPING: StatVfsMountFlags = StatVfsMountFlags::RDONLY;
    rustix::fs::fstatvfs(opened).is_ok_and(|mount| mount.f_flag.intersects(KEEPING))
}

fn status_at(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<NameStatus> {
    let (file_type, stamp) = system_status(folder, name)?;
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
    Ok(NameStatus { kind, stamp })
}

/// The target of a link, if reading it does not change its time of last access: unlike for files, no flag
/// prevents that.
fn target(folder: BorrowedFd<'_>, name: &OsStr) -> Option<PathBuf> {
    // The current folder is not a handle that can be queried, and a path may begin on another mount.
    let parent = Path::new(name).parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.map_or(OsStr::new("."), Path::as_os_str);
    let parent =
        LinkPolicy::Followed.open(folder, parent.as_bytes(), PASS_THROUGH | OFlags::DIRECTORY).ok()?;
    if !keeps_times(parent.as_fd()) {
        return None;
    }
    let target = rustix::fs::readlinkat(folder, name, Vec::new()).ok()?;
    Some(PathBuf::from(OsString::from_vec(CStr::to_bytes(&target).to_vec())))
}

#[cfg(target_os = "linux")]
fn system_status(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<(FileType, FileStamp)> {
    use rustix::fs::{StatxFlags, StatxTimestamp, statx};
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let seen = match statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, wanted) {
        // A kernel before 4.11, or a container's filter.
        Err(Errno::NOSYS | Errno::PERM) => return plain_status(folder, name),
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
fn system_status(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<(FileType, FileStamp)> {
    plain_status(folder, name)
}

/// Without the time of creation.
fn plain_status(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<(FileType, FileStamp)> {
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

/// Creates nested folders, each with a name of that many bytes, and a file in the lowest. Returns the path of
/// that.
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
    let enter = |folder: BorrowedFd<'_>, name: &[u8]| {
        LinkPolicy::Names.open(folder, name, PASS_THROUGH | OFlags::DIRECTORY).unwrap()
    };
    let mut opened = enter(CWD, folder.as_os_str().as_bytes());
    for _ in 0..depth {
        rustix::fs::mkdirat(&opened, &name, Mode::RWXU).unwrap();
        opened = enter(opened.as_fd(), name.as_bytes());
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
    fn a_path_is_split_between_names() {
        let parts = |path: &'static str, longest| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            pieces(path.as_bytes(), longest).into_iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(parts("/ab/cd/ef", 9), ["/ab/cd/ef"]);
        assert_eq!(parts("/ab/cd/ef", 8), ["/ab/cd", "ef"]);
        assert_eq!(parts("/ab/cd//ef/gh", 5), ["/ab", "cd", "ef/gh"]);
        assert_eq!(parts("/ab/cd", 3), ["/ab", "cd"]);
        assert_eq!(parts("/ab/cd", 2), ["/", "ab", "cd"]);
        assert_eq!(parts("ab/cd", 2), ["ab", "cd"]);
        assert_eq!(parts("abcdef/gh", 3), ["abcdef", "gh"], "the system refuses what is too long");
        for (path, names) in [
            ("/ab/cd", &["/", "ab", "cd"][..]),
            ("ab//cd/", &["ab", "cd"]),
            ("/", &["/"]),
            (".", &["."]),
            ("", &[""]),
        ] {
            assert_eq!(parts(path, 0), names, "{path}");
        }
    }

    fn policies() -> Vec<LinkPolicy> {
        let policies = vec![LinkPolicy::Names, LinkPolicy::of_this_system()];
        assert!(cfg!(not(target_os = "linux")) || policies[0] != policies[1], "a kernel from before 2020");
        policies
    }

    #[test]
    fn what_has_links_on_its_way_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        let path = |name: &str| real.join(name);
        std::fs::create_dir_all(path("a/b/c")).unwrap();
        std::fs::write(path("a/b/c/file"), "x").unwrap();
        let opened = |policy, name: &str, flags| open(&path(name), flags, policy).is_ok();
        for policy in policies() {
            assert!(opened(policy, "a/b/c/file", OFlags::NONBLOCK), "{policy:?}");
            assert!(opened(policy, "a/b/c", OFlags::DIRECTORY), "{policy:?}");
        }
        // As an attacker could replace a folder between the walk and the opening.
        std::fs::rename(path("a/b"), path("a/real")).unwrap();
        std::os::unix::fs::symlink("real", path("a/b")).unwrap();
        assert!(File::open(path("a/b/c/file")).is_ok());
        for policy in policies() {
            assert!(opened(policy, "a/real/c/file", OFlags::NONBLOCK), "{policy:?}");
            assert!(!opened(policy, "a/b/c/file", OFlags::NONBLOCK), "{policy:?}");
            assert!(!opened(policy, "a/b/c", OFlags::DIRECTORY), "{policy:?}");
        }
        assert!(look(&path("a/b/c/file")).is_ok(), "a path named by the user may contain links");
    }

    #[test]
    fn a_path_of_any_length_is_looked_at_and_opened() {
        use std::io::Read;
        let folder = tempfile::tempdir().unwrap();
        let file = dig(folder.path(), 200, 60, "picture", b"at the bottom");
        assert!(file.as_os_str().len() > 2 * LONGEST);
        assert!(File::open(&file).is_err(), "the system accepts it: the test is void");
        for policy in policies() {
            let mut content = String::new();
            let opened = open(&file, OFlags::NONBLOCK, policy).unwrap();
            File::from(opened).read_to_string(&mut content).unwrap();
            assert_eq!(content, "at the bottom");
        }
        assert_eq!(look(&file).unwrap().stamp.size, Some(13));
        let gone = open_file(&file.with_file_name("gone")).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    /// A link anywhere after the beginning of a long path, as an attacker could replace a folder between the walk and the
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
    fn both_calls_give_the_same_status() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "abc").unwrap();
        let opened = Folder::open(folder.path()).unwrap();
        let (kind, stamp) = system_status(opened.0.fd().unwrap(), OsStr::new("a")).unwrap();
        let (plain_kind, plain) = plain_status(opened.0.fd().unwrap(), OsStr::new("a")).unwrap();
        assert_eq!((kind, FileStamp { created: None, ..stamp }), (plain_kind, plain));
        let std = FileStamp::from(&std::fs::metadata(folder.path().join("a")).unwrap());
        assert_eq!(stamp, std);
    }
}
