//! Opening evidence: for reading only, without following a link, without waiting on a pipe, and where
//! the system allows it without changing the time of last access.

use std::fs::File;
use std::io;
use std::path::Path;

use super::folder;
use super::name::for_system;

/// Opens a regular file with a path of any length for reading. The caller has checked its metadata; it may have been replaced
/// since, so the opened file is checked again. Returns its size too.
pub(super) fn open_for_reading(path: &Path) -> io::Result<(File, u64)> {
    let file = folder::open_file(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata.len()))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it became something other than a file"))
    }
}

/// Checks whether anything exists at a path of any length; a link counts.
///
/// # Errors
/// If there is nothing at this path, or its metadata cannot be read.
pub fn check_there(path: &Path) -> io::Result<()> {
    folder::look(&for_system(path)).map(drop)
}

/// A notice if this process has opened evidence whose times of last access it could not preserve: on a writable file system only a
/// file's owner and root may ask for that.
#[must_use]
pub fn access_times_notice() -> Option<String> {
    folder::times_changed().then(|| {
        "times of last access in the sources may have changed: their file system is mounted writable, and only the owner of a file \
         and root can read it without changing them (mount evidence read-only)"
            .into()
    })
}
