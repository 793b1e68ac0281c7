//! What can go wrong with an import, by kind.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::options::ImportFormat;
use crate::known::error::SourceFault;
use crate::known::set_file::SetError;
use crate::pdq::Geometry;
use crate::source::name::{escape, escape_path};

/// A cause whose type is private.
type Cause = Box<dyn Error + Send + Sync>;

/// Why an import was refused. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A source cannot be read.
    #[error("{}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A source, as a whole, is not one that can be imported.
    #[error("{}: {fault}", escape_path(path))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        #[source]
        fault: SourceFault,
    },
    /// A source was recognised or stated to be of a format, and lacks what every file of that format has.
    #[error("{}: {reason}", escape_path(path))]
    NotThisFormat {
        /// The file.
        path: PathBuf,
        /// What it was read as.
        format: ImportFormat,
        /// What it lacks.
        reason: String,
    },
    /// The header of a table cannot be used.
    #[error("{}: {fault}", escape_path(path))]
    Header {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        #[source]
        fault: HeaderFault,
    },
    /// The hashes of a list have another geometry than [`ImportOptions::geometry`](super::ImportOptions::geometry).
    #[error("{}: the file states that its geometry is not {}: see --geometry", escape_path(path), given.name())]
    OtherGeometry {
        /// The file.
        path: PathBuf,
        /// What the file states.
        stated: Geometry,
        /// What the option states.
        given: Geometry,
    },
    /// SQLite cannot read a database of the NSRL.
    #[error("{}: as a database of the NSRL: {}", escape_path(path), escape(source.to_string().as_bytes()))]
    Database {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: Cause,
    },
    /// A database of the NSRL lacks its last changes, which are in a file next to it.
    #[error(
        "{}: its last changes are in {}, and not in the file itself: open it with SQLite once and close it",
        escape_path(path),
        escape_path(changes)
    )]
    PendingChanges {
        /// The database.
        path: PathBuf,
        /// The file with its last changes.
        changes: PathBuf,
    },
    /// A malformed record. [`ImportOptions::skip_bad_records`](super::ImportOptions::skip_bad_records) counts such records instead.
    #[error("{}: record {record}, byte {offset}: {reason}", escape_path(path))]
    Record {
        /// The file.
        path: PathBuf,
        /// Number in the file, from 1.
        record: u64,
        /// Offset in the file, from 0.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The profile does not have a record's category, which is never a reason to skip the record.
    #[error("{}: record {record}, byte {offset}: {reason}", escape_path(path))]
    UnknownCategory {
        /// The file.
        path: PathBuf,
        /// Number in the file, from 1.
        record: u64,
        /// Offset in the file, from 0.
        offset: u64,
        /// The category, those of the profile, and the way out.
        reason: String,
    },
    /// A JSON or XML document is malformed where that leaves open where its next record begins.
    #[error("{}: record {record}, byte {offset}: {reason}", escape_path(path))]
    Document {
        /// The file.
        path: PathBuf,
        /// Number in the file of the record that would have been next, from 1.
        record: u64,
        /// Offset in the file, from 0.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A JSON or XML document ends before its end.
    #[error(
        "{}: record {record}, byte {offset}: the file ends here, within the document: is it cut off?",
        escape_path(path)
    )]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Number in the file of the record that would have been next, from 1.
        record: u64,
        /// Offset in the file, from 0.
        offset: u64,
    },
    /// The set file cannot be written, or the import was ended.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// Why the header of a table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// There is none.
    #[error("it has no header")]
    Missing,
    /// Its quotes are malformed.
    #[error("{reason}")]
    Quotes {
        /// How.
        reason: String,
    },
    /// Two of its columns hold the same.
    #[error("two columns of the header hold the same as `{column}`")]
    Repeated {
        /// The second of them, escaped.
        column: String,
    },
    /// A [`ColumnMap`](super::ColumnMap) names a column that it does not have.
    #[error("--columns {field}={column}: the header has no such column")]
    NoSuchColumn {
        /// The field.
        field: String,
        /// The column, escaped.
        column: String,
    },
    /// None of its columns is known to hold what is matched: a [`ColumnMap`](super::ColumnMap) names one.
    #[error(
        "no column of the header is known to hold an MD5, SHA-1, SHA-256 or PDQ hash; name the column: --columns \
         md5=NAME,category=NAME (fields: {fields})"
    )]
    NothingMatched {
        /// The fields that there are.
        fields: String,
    },
}
