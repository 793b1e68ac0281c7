//! What can go wrong with hash sets and lists of hashes, by kind. An import has kinds of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::list_kind::ListKind;
use super::set_file::SetError;
use crate::decode::Format;
use crate::pdq::Geometry;
use crate::source::name::escape_path;

/// Why a file as a whole cannot be read as a list of hashes or digests, or as a source of an import.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceFault {
    /// It is a folder, a pipe or a device.
    #[error("not a file; {way_out}")]
    NotAFile {
        /// What to do.
        way_out: &'static str,
    },
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It has nothing but comments, blank lines or a header.
    #[error("it holds no records")]
    NoRecords,
    /// Malformed records are counted, and it has no others.
    #[error("{}", all_malformed(*line, first))]
    AllMalformed {
        /// The line of the first one, from 1; `None` where `first` names the place itself.
        line: Option<u64>,
        /// What is wrong with the first one.
        first: String,
    },
    /// Its bytes are not text.
    #[error(
        "this is not text: a list of hashes or digests is expected (see docs/known-sets.md); text in UTF-16 is to be saved as UTF-8"
    )]
    NotText,
    /// It is text in UTF-16.
    #[error("this is UTF-16 text: {way_out}")]
    Utf16 {
        /// What to do.
        way_out: &'static str,
    },
    /// It is text whose lines do not end in line feeds.
    #[error("its lines end in carriage returns alone: save it with line feeds")]
    LineEnds,
    /// It is a set file where a list is expected: [`SetFile`](super::SetFile) and [`HashSet`](super::HashSet) read it.
    #[error("this is a set file {way_out}")]
    SetFile {
        /// What is expected, or what takes it.
        way_out: &'static str,
    },
    /// It is a picture.
    #[error("this is a picture ({}), not a list; `tamis hash` lists the hashes of pictures", format.name())]
    Picture {
        /// Its format.
        format: Format,
    },
    /// It has no format that is recognised.
    #[error(
        "not a format that can be imported (docs/known-sets.md lists them). --columns states what the columns of a table hold, --format \
         what the file is"
    )]
    UnknownFormat,
    /// It states a geometry that there is not.
    #[error("its geometry `{stated}` is neither full nor te512")]
    UnknownGeometry {
        /// What it states, escaped.
        stated: String,
    },
    /// Its lines have another number of digits than what they were stated to be.
    #[error(
        "--list {} was given, but its lines have {digits} hex digits; a first line `{}` in the file states for this file alone what it is",
        given.name(),
        first_line(*digits)
    )]
    OtherDigits {
        /// What was stated.
        given: ListKind,
        /// Digits of a line.
        digits: usize,
    },
    /// Nothing states whether its lines are SHA-256s or PDQ hashes: [`ReadOptions::list`](super::ReadOptions::list) does.
    #[error(
        "its lines are 64 hex digits and nothing else, which fits both SHA-256s and PDQ hashes: state which with --list sha256 or --list \
         pdq, or with a first line `sha256` or `pdq` in the file"
    )]
    AmbiguousDigits,
}

/// Why a hash set was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KnownError {
    /// The file cannot be read.
    #[error("{}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not a list that can be read.
    #[error("{}: {fault}", escape_path(path))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        #[source]
        fault: SourceFault,
    },
    /// The file's hashes have another geometry than the option states.
    #[error("{}: {}", escape_path(path), other_geometry(*stated, *given, *is_set_file))]
    OtherGeometry {
        /// The file.
        path: PathBuf,
        /// What the file states.
        stated: Geometry,
        /// [`ReadOptions::geometry`](super::ReadOptions::geometry).
        given: Geometry,
        /// It is a set file, which records with what it was imported.
        is_set_file: bool,
    },
    /// More hashes than a set can number.
    #[error("{}: more than 2³² records in one set", escape_path(Path::new(name)))]
    TooMany {
        /// The set's name.
        name: String,
    },
    /// A malformed line.
    #[error("{}:{line}: {reason} (use --skip-bad-lines to count such lines instead)", escape_path(path))]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A set file that is damaged, or cannot be read.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// Why a list of hashes was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// It cannot be read.
    #[error("{}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not a list that can be read.
    #[error("{}: {fault}", escape_path(path))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        #[source]
        fault: SourceFault,
    },
    /// It is a table or a list of digests: a [`HashSet`](super::HashSet).
    #[error(
        "{}: expected a list of hashes, 64 hex digits per line, as `tamis hash` writes it (tables and digests are for `tamis triage \
         --known`)",
        escape_path(path)
    )]
    NotHashes {
        /// The file.
        path: PathBuf,
    },
    /// A list with orientations ends within a picture.
    #[error("{}: the last picture has {hashes} of 8 hashes: is the list cut off?", escape_path(path))]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Hashes of its last picture.
        hashes: usize,
    },
    /// A malformed line.
    #[error("{}:{line}: {reason}", escape_path(path))]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why nothing may be recorded as matched with a set.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetFault {
    /// Its file was written to since it was opened, or can no longer be read.
    #[error("{0}")]
    Changed(#[source] Arc<SetError>),
    /// The work was cancelled before this was checked.
    #[error("interrupted: it was not checked whether the set is unchanged since it was opened")]
    Unchecked,
}

fn all_malformed(line: Option<u64>, first: &str) -> String {
    match line {
        Some(line) => format!("none of its lines is a record; the first fault is on line {line}: {first}"),
        None => format!("it has no well-formed record; the first fault: {first}"),
    }
}

/// The first line by which a list of so many digits states what it is, with the backticks between two such lines.
const fn first_line(digits: usize) -> &'static str {
    match digits {
        32 => "md5",
        40 => "sha1",
        _ => "sha256` or `pdq",
    }
}

fn other_geometry(stated: Geometry, given: Geometry, is_set_file: bool) -> String {
    let (stated, given) = (stated.name(), given.name());
    if is_set_file {
        format!("it was imported with --geometry {stated}; leave --known-geometry out")
    } else {
        format!("the file states the geometry {stated}, the option {given}; leave --known-geometry out")
    }
}
