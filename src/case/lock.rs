//! One writer a case: the lock that says so, and telling a lock that somebody holds from a file system that has none.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use super::CaseError;
use super::folder::{LOCK, UNFINISHED, io_error};
use crate::source::name::escape_path;

/// How long a database may be locked by another program, such as an examiner's viewer, before that is an error.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Takes the case's lock, which is free again when the file is dropped or the process ends, however it does.
pub(super) fn lock(folder: &Path) -> Result<File, CaseError> {
    let path = folder.join(LOCK);
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|error| io_error("cannot open the case's lock", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CaseError::Refused(format!(
            "another run is writing to the case {}: wait for it to end, or use another case folder",
            escape_path(folder)
        ))),
        Err(TryLockError::Error(error)) => Err(no_locks(folder, &error.to_string())),
    }
}

/// Whether a database could not be used because of its locks; where it could not, why: SQLite calls it busy too where the file
/// system has none, and would be waited for until its patience ends.
pub(super) fn locks_failed(folder: &Path, error: &rusqlite::Error) -> Option<CaseError> {
    match error {
        rusqlite::Error::SqliteFailure(ffi::Error { code: ErrorCode::DatabaseBusy, .. }, _) => {
            probe(folder).err().map(|error| no_locks(folder, &error.to_string()))
        }
        // It comes where the locks of the log's index do not work.
        rusqlite::Error::SqliteFailure(ffi::Error { code: ErrorCode::FileLockingProtocolFailed, .. }, _) => {
            Some(no_locks(folder, &error.to_string()))
        }
        rusqlite::Error::SqliteFailure(ffi::Error { extended_code, .. }, _) => matches!(
            *extended_code,
            ffi::SQLITE_IOERR_LOCK
                | ffi::SQLITE_IOERR_UNLOCK
                | ffi::SQLITE_IOERR_RDLOCK
                | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
                | ffi::SQLITE_IOERR_SHMLOCK
                | ffi::SQLITE_IOERR_SHMMAP
        )
        .then(|| no_locks(folder, &error.to_string())),
        _ => None,
    }
}

/// Locks a database that nobody else knows of, as SQLite does it.
fn probe(folder: &Path) -> rusqlite::Result<()> {
    let path = folder.join(format!("{UNFINISHED}-probe-{}", std::process::id()));
    let result = Connection::open(&path).and_then(|connection| {
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK")
    });
    // A probe that cannot be removed is swept like all that a stopped run leaves.
    let _ = fs::remove_file(&path);
    match result {
        // A folder that cannot be written to says nothing of its locks.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => Ok(()),
        other => other,
    }
}

fn no_locks(folder: &Path, error: &str) -> CaseError {
    CaseError::Refused(format!(
        "the case folder {} lies where files cannot be locked ({error}), as on some network shares: use a folder on a disk of this \
         machine, and copy the case to the share when the run has ended",
        escape_path(folder)
    ))
}
