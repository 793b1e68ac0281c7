//! What can go wrong with a set file, by kind.

use std::io;
use std::path::{Path, PathBuf};

use crate::source::name::escape_path;

/// Why a set file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The system's error.
    #[error("{}: {source}", escape_path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The system's error about the file to be written.
    #[error("{}: cannot write: {source}", escape_path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is something else.
    #[error("{}: {}", escape_path(path), ReadFault::NotASetFile)]
    NotASetFile {
        /// The file.
        path: PathBuf,
    },
    /// It is a set file of another version.
    #[error("{}: {}", escape_path(path), ReadFault::OtherVersion { found: *found, expected: *expected })]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this program reads and writes.
        expected: u32,
    },
    /// It does not have the length that was written.
    #[error("{}: {}", escape_path(path), ReadFault::OtherLength { length: *length, written: *written })]
    OtherLength {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        length: u64,
        /// Bytes that were written; `None` where it ends within its header, which holds that.
        written: Option<u64>,
    },
    /// It has the length that was written, and other bytes.
    #[error("{}: {reason}", escape_path(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and how.
        reason: String,
    },
    /// It was written to since it was opened.
    #[error("{}: {reason}", escape_path(path))]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is different now.
        reason: String,
    },
    /// There is no record of this number.
    #[error("{}: it has {records} records, so none of the number {}", escape_path(path), u64::from(*record) + 1)]
    NoSuchRecord {
        /// The file.
        path: PathBuf,
        /// The record that was requested, from 0.
        record: u32,
        /// How many there are.
        records: u64,
    },
    /// More records than can be numbered.
    #[error("more than 2³² records in one set: import its parts into sets of their own")]
    TooMany,
    /// It was ended early.
    #[error("interrupted: nothing was left behind")]
    Cancelled,
}

/// Why bytes of a set file could not be read: a [`SetError`] without its path.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadFault {
    /// The system's error.
    #[error("{0}")]
    Io(io::Error),
    /// The file is something else.
    #[error("it is not a Tamis set file")]
    NotASetFile,
    /// It is a set file of another version.
    #[error("it has version {found} of the set file, this program reads {expected}: import its source again")]
    OtherVersion { found: u32, expected: u32 },
    /// It does not have the length that was written.
    #[error("{}", other_length(*length, *written))]
    OtherLength { length: u64, written: Option<u64> },
    /// They differ from what was written.
    #[error("{0}")]
    Damaged(String),
    /// They differ from what was read when the file was opened.
    #[error("{0}")]
    Changed(String),
    /// The work was cancelled before they were read.
    #[error("interrupted")]
    Cancelled,
}

impl From<io::Error> for ReadFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Changed("it was cut short while it was in use".into()),
            _ => Self::Io(error),
        }
    }
}

impl ReadFault {
    pub fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged(reason.into())
    }
}

impl SetError {
    pub(super) fn read(path: &Path, fault: ReadFault) -> Self {
        let path = path.to_path_buf();
        match fault {
            ReadFault::Io(source) => Self::Io { path, source },
            ReadFault::NotASetFile => Self::NotASetFile { path },
            ReadFault::OtherVersion { found, expected } => Self::OtherVersion { path, found, expected },
            ReadFault::OtherLength { length, written } => Self::OtherLength { path, length, written },
            ReadFault::Damaged(reason) => Self::Damaged { path, reason },
            ReadFault::Changed(reason) => Self::Changed { path, reason },
            ReadFault::Cancelled => Self::Cancelled,
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }
}

fn other_length(length: u64, written: Option<u64>) -> String {
    match written {
        Some(written) => format!("it has {length} bytes, and {written} were written: is it cut off?"),
        None => "it is cut off within its header".into(),
    }
}
