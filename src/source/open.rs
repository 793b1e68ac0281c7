//! Opening evidence: for reading only, without following a link, without waiting on a pipe, and where
//! the system allows it without changing the time of last access.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a regular file for reading. The caller has seen by its metadata that it is one; between that
/// look and this call it can have been replaced, so what was opened is looked at again. Its size comes with it.
pub(super) fn open_for_reading(path: &Path) -> io::Result<(File, u64)> {
    let file = system::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata.len()))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it became something other than a file"))
    }
}

#[cfg(target_os = "linux")]
mod system {
    use super::{File, OpenOptions, Path, io};
    use std::os::unix::fs::OpenOptionsExt;

    /// A pipe is opened without waiting for its other end. The value is the same on every Linux
    /// architecture that Rust has but MIPS and SPARC, which take the portable way.
    const O_NONBLOCK: i32 = 0o4000;
    /// Reading leaves the time of last access as it is. Only the file's owner and root may ask for it.
    const O_NOATIME: i32 = 0o1_000_000;

    #[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "riscv64"))]
    const O_NOFOLLOW: i32 = 0o400_000;
    #[cfg(any(target_arch = "aarch64", target_arch = "arm", target_arch = "powerpc64"))]
    const O_NOFOLLOW: i32 = 0o100_000;
    #[cfg(not(any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "riscv64",
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "powerpc64"
    )))]
    const O_NOFOLLOW: i32 = 0;

    pub(super) fn open(path: &Path) -> io::Result<File> {
        let with = |flags: i32| OpenOptions::new().read(true).custom_flags(flags).open(path);
        match with(O_NONBLOCK | O_NOFOLLOW | O_NOATIME) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => with(O_NONBLOCK | O_NOFOLLOW),
            result => result,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{File, OpenOptions, Path, io};

    pub(super) fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }
}
