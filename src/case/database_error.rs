//! An error of SQLite, without its types.

use std::error::Error;
use std::fmt;

use crate::source::name::escape;

/// Why a database operation failed: SQLite's own text, escaped.
#[derive(Debug)]
pub struct DatabaseError(rusqlite::Error);

impl DatabaseError {
    pub(super) const fn new(error: rusqlite::Error) -> Self {
        Self(error)
    }

    pub(super) const fn sqlite(&self) -> &rusqlite::Error {
        &self.0
    }

    /// What can be done about it.
    pub(super) fn way_out(&self) -> &'static str {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, ReadOnly, SystemIoFailure,
        };
        match self.0 {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => {
                ": the case holds a value that Tamis does not store there: restore it from a copy"
            }
            _ => match self.0.sqlite_error_code() {
                Some(DiskFull) => {
                    ": what was stored before is kept; make room on the case's disk and run the same command again"
                }
                Some(SystemIoFailure) => {
                    ": what was stored before is kept; see whether the case's disk is full or fails, and run the same command again"
                }
                Some(ReadOnly | CannotOpen) => {
                    ": the case's folder and its files must be writable: make them so, or copy the folder to where they are"
                }
                Some(DatabaseBusy | DatabaseLocked) => {
                    ": another program holds it, such as a database viewer: close that, and run the same command again"
                }
                Some(DatabaseCorrupt) => {
                    ": restore the case from a copy, or scan its sources again into a new one"
                }
                _ => "",
            },
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&escape(self.0.to_string().as_bytes()))
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
