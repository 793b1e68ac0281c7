//! One writer per case: its lock, and whether a lock is held or the file system does not support locks.

use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use super::folder::{LOCK, UNFINISHED, io_error};
use super::{CaseError, DatabaseError};

/// How long a database may be locked by another program, such as an examiner's viewer, before that is an error.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Takes the case's lock. It is released when the file is dropped or the process ends, in any way.
pub(super) fn lock(folder: &Path) -> Result<File, CaseError> {
    let path = folder.join(LOCK);
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|error| io_error("cannot open the case's lock", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CaseError::Locked { folder: folder.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(no_locks(folder, error)),
    }
}

/// An error of the database as it is, or [`CaseError::NoLocks`] where that is its cause: SQLite also reports a database
/// as busy if its file system has no locks, and would wait until its timeout.
pub(super) fn explain_locks(folder: &Path, error: CaseError) -> CaseError {
    let CaseError::Database(error) = error else { return error };
    let Some(ffi::Error { code, extended_code }) = error.sqlite().sqlite_error() else {
        return CaseError::Database(error);
    };
    match code {
        ErrorCode::DatabaseBusy => match probe(folder) {
            Ok(()) => CaseError::Database(error),
            Err(cause) => no_locks(folder, DatabaseError::new(cause)),
        },
        // SQLite reports this if the locks of the log's index do not work.
        ErrorCode::FileLockingProtocolFailed => no_locks(folder, error),
        _ => match *extended_code {
            ffi::SQLITE_IOERR_LOCK
            | ffi::SQLITE_IOERR_UNLOCK
            | ffi::SQLITE_IOERR_RDLOCK
            | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
            | ffi::SQLITE_IOERR_SHMLOCK
            | ffi::SQLITE_IOERR_SHMMAP => no_locks(folder, error),
            _ => CaseError::Database(error),
        },
    }
}

/// Locks a database that no other process knows, as SQLite does.
fn probe(folder: &Path) -> rusqlite::Result<()> {
    let path = folder.join(format!("{UNFINISHED}-probe-{}", std::process::id()));
    let result = Connection::open(&path).and_then(|connection| {
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK")
    });
    // A probe that cannot be removed now is removed later, like everything that a stopped run leaves.
    let _ = fs::remove_file(&path);
    match result {
        // A folder that cannot be written shows nothing about its locks.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => Ok(()),
        other => other,
    }
}

fn no_locks(folder: &Path, source: impl Error + Send + Sync + 'static) -> CaseError {
    CaseError::NoLocks { folder: folder.to_path_buf(), source: Box::new(source) }
}
