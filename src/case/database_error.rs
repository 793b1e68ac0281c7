//! What SQLite said, without its types.

use std::error::Error;
use std::fmt;

use super::CaseError;
use crate::source::name::escape;

/// Why the database could not do something; SQLite's own words, escaped.
#[derive(Debug)]
pub struct DatabaseError(rusqlite::Error);

impl DatabaseError {
    pub(super) const fn sqlite(&self) -> &rusqlite::Error {
        &self.0
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

/// An error of SQLite. Sealed: `?` works inside, and no user of the library needs the crate that it comes from.
pub trait SqliteError {
    /// What it is to a user of a case.
    fn case_error(self) -> CaseError;
}

impl SqliteError for rusqlite::Error {
    fn case_error(self) -> CaseError {
        match self.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => CaseError::Interrupted,
            _ => CaseError::Database(DatabaseError(self)),
        }
    }
}

#[doc(hidden)]
impl<E: SqliteError> From<E> for CaseError {
    fn from(error: E) -> Self {
        error.case_error()
    }
}
