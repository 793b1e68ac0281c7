//! Whether the database that is written to is still the one in the case's folder.
//!
//! A folder that is removed while a run writes to it takes the database's name away and leaves the open file, which takes
//! everything and keeps nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::CaseError;
use super::folder::io_error;

/// The place of an open database.
#[derive(Debug)]
pub(super) struct Place {
    database: PathBuf,
    /// What the system identifies the file by, where it does.
    file: Option<(u64, u64)>,
}

impl Place {
    /// The place of a database that was just opened.
    pub fn of(database: &Path) -> Result<Self, CaseError> {
        let metadata = fs::metadata(database).map_err(|error| io_error("cannot look at", database, error))?;
        Ok(Self { database: database.to_path_buf(), file: identity(&metadata) })
    }

    /// Refuses to continue if the name no longer exists, or belongs to another file.
    pub fn check(&self) -> Result<(), CaseError> {
        match fs::metadata(&self.database) {
            Ok(metadata) if identity(&metadata) == self.file => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("cannot look at", &self.database, error))
            }
            _ => Err(CaseError::Replaced { database: self.database.clone() }),
        }
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// A file that is open cannot be removed there.
#[cfg(not(unix))]
fn identity(_metadata: &fs::Metadata) -> Option<(u64, u64)> {
    None
}
