//! Opening evidence: for reading only, without following a link, without waiting on a pipe, and where
//! the system allows it without changing the time of last access.

use std::fs::File;
use std::io;
use std::path::Path;

use super::folder;
use super::name::for_system;

/// Opens a regular file for reading, however long its path is. The caller has seen by its metadata that it is one; between that
/// look and this call it can have been replaced, so what was opened is looked at again. Its size comes with it.
pub(super) fn open_for_reading(path: &Path) -> io::Result<(File, u64)> {
    let file = folder::open_file(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata.len()))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it became something other than a file"))
    }
}

/// Looks whether there is anything at a path, however long that is; a link is something.
///
/// # Errors
/// If there is nothing at this path, or its metadata cannot be read.
pub fn check_there(path: &Path) -> io::Result<()> {
    folder::look(&for_system(path)).map(drop)
}

/// A note for people, where this process has opened evidence whose times of last access it could not keep: on a file system that is
/// written to, only a file's owner and root may ask for that.
#[must_use]
pub fn access_times_notice() -> Option<String> {
    folder::times_changed().then(|| {
        "times of last access in the sources may have changed: their file system is mounted writable, and only the owner of a file \
         and root can read it without; mount evidence read-only"
            .into()
    })
}
