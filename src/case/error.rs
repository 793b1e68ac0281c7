//! What can go wrong with a case, by kind.
//!
//! The text of an error ends with the text of what caused it, so that it is complete on its own; `source()` returns that cause as a value.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::HashSpec;
use super::database_error::DatabaseError;
use super::schema::{SCHEMA_VERSION, UPGRADED_VERSION};
use crate::known::SetError;
use crate::pdq::Geometry;
use crate::source::digest::hex;
use crate::source::name::{escape, escape_path};

/// A cause whose type is private.
type Cause = Box<dyn Error + Send + Sync>;

/// What went wrong with a case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The database failed: disk full, damaged file, locked by another program.
    #[error("case database: {}{}", .0, .0.way_out())]
    Database(#[source] DatabaseError),
    /// A query was ended early through the flag given to [`CaseReader::hear`](super::CaseReader::hear).
    #[error("interrupted")]
    Interrupted,
    /// The system's error.
    #[error("{what}: {error}")]
    Io {
        /// What was tried, with the escaped path.
        what: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// Another process writes to the case.
    #[error(
        "{}: another run is writing to the case (wait for it to end, or use another case folder)",
        escape_path(folder)
    )]
    Locked {
        /// The case's folder.
        folder: PathBuf,
    },
    /// Files cannot be locked where the case is.
    #[error(
        "{}: the case folder lies where files cannot be locked ({source}), as on some network shares (use a folder on a disk of this \
         machine, and copy the case to the share when the run has ended)",
        escape_path(folder)
    )]
    NoLocks {
        /// The case's folder.
        folder: PathBuf,
        /// Why locking failed.
        source: Cause,
    },
    /// The case has the schema of another version of this program.
    #[error(
        "{}: the case has schema version {version}, and this program reads {SCHEMA_VERSION} ({})",
        escape_path(folder),
        version_way_out(folder, *version)
    )]
    OtherVersion {
        /// The case's folder.
        folder: PathBuf,
        /// The version of its schema.
        version: i32,
    },
    /// The folder holds no case.
    #[error("{}: {why}", escape_path(folder))]
    NotACase {
        /// The folder.
        folder: PathBuf,
        /// What it is instead.
        why: NotACase,
    },
    /// The database has tables, views or triggers that this program did not write.
    #[error(
        "{}: the case is not used: {fault}: another program changed its case.sqlite, or damaged it (restore it from a copy, or scan its \
         sources again into a new case folder)",
        escape_path(folder)
    )]
    ForeignSchema {
        /// The case's folder.
        folder: PathBuf,
        /// What is wrong with its schema.
        #[source]
        fault: SchemaFault,
    },
    /// The database holds a value that this program does not store.
    #[error("the case is damaged: {what}{}", cause(source.as_ref()))]
    Damaged {
        /// What is wrong.
        what: String,
        /// Why it cannot be read, where something else reports that.
        source: Option<Cause>,
    },
    /// The last changes of a case are in its log, which SQLite reads only where it can write.
    #[error(
        "{}: it holds the case's last changes, and cannot be read in a folder that cannot be written (copy the case's folder to where it \
         can)",
        escape_path(log)
    )]
    LogUnreadable {
        /// The log.
        log: PathBuf,
    },
    /// The database was removed or replaced while it was open.
    #[error(
        "{}: it was removed or replaced while it was written to, and what this run stored is lost with it (leave the case's folder where \
         it is, and run the same command again)",
        escape_path(database)
    )]
    Replaced {
        /// The database.
        database: PathBuf,
    },
    /// A new case was to be written where one exists.
    #[error("{}: it holds a case already (name a folder that does not exist yet)", escape_path(folder))]
    AlreadyACase {
        /// The folder.
        folder: PathBuf,
    },
    /// A case was to be upgraded that has this program's schema.
    #[error(
        "{}: the case has schema version {SCHEMA_VERSION} already (use it as it is)",
        escape_path(folder)
    )]
    NothingToUpgrade {
        /// The case's folder.
        folder: PathBuf,
    },
    /// A source lies inside or around one that the case has.
    #[error(
        "{}: the source {overlap} {other}, a source of this case already: its files would count twice (give {other} again to resume it, \
         or use another case folder)",
        escape_path(source_path),
        other = escape_path(other)
    )]
    SourceOverlaps {
        /// The source.
        source_path: PathBuf,
        /// How they lie.
        overlap: Overlap,
        /// The case's source.
        other: PathBuf,
    },
    /// An option contradicts the identity that the case records.
    #[error(
        "{}: the case has {option} `{}`, not `{}` (leave the option out, or use another case folder)",
        escape_path(folder),
        escape(stored.as_bytes()),
        escape(given.as_bytes())
    )]
    IdentityContradicted {
        /// The case's folder.
        folder: PathBuf,
        /// The option.
        option: &'static str,
        /// What the case has.
        stored: String,
        /// What was given.
        given: String,
    },
    /// The options ask for other hashes than the case keeps.
    #[error(
        "{}: the case keeps hashes of {}, which cannot be mixed with {} ({} another case folder)",
        escape_path(folder),
        spec_text(stored),
        spec_text(asked),
        spec_way_out(stored, asked)
    )]
    SpecContradicted {
        /// The case's folder.
        folder: PathBuf,
        /// The hashes of the case.
        stored: HashSpec,
        /// The hashes that were requested.
        asked: HashSpec,
    },
    /// The hashes of a set have another geometry than those of the case.
    #[error(
        "{}: the set's hashes have geometry {theirs}, this case's have {ours}, and the two cannot be compared (use a case created with \
         --geometry {theirs}, or, if the set's hashes are {ours} after all, --known-geometry {ours})",
        escape_path(set),
        theirs = theirs.name(),
        ours = ours.name()
    )]
    SetContradicted {
        /// The set's file.
        set: PathBuf,
        /// The geometry of its hashes.
        theirs: Geometry,
        /// The geometry of the case's hashes.
        ours: Geometry,
    },
    /// No stacks were computed yet.
    #[error("{folder}: the case has no stacks yet (`tamis stack --case {folder}` creates them)", folder = escape_path(folder))]
    NoStacks {
        /// The case's folder.
        folder: PathBuf,
    },
    /// No rules were applied yet.
    #[error(
        "{}: the case has no priorities yet (`tamis triage` and `tamis match` set them)",
        escape_path(folder)
    )]
    NoPriorities {
        /// The case's folder.
        folder: PathBuf,
    },
    /// A batch names a content that is neither in it nor in the case.
    #[error("the case does not have the content with the SHA-256 {}, which a hit names", hex(sha256))]
    NoSuchContent {
        /// The content's SHA-256.
        sha256: [u8; 32],
    },
    /// A record of a hash set cannot be read.
    #[error("{0}")]
    HashSet(#[source] SetError),
}

/// Why a folder is not a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotACase {
    /// It does not exist.
    #[error("there is no case here (`tamis triage` and `tamis scan` create one)")]
    Missing,
    /// It is a file.
    #[error("not a case, but a file (name a folder that does not exist yet, or one that Tamis created)")]
    File,
    /// It has no database.
    #[error("not a case: it has no case.sqlite (`tamis triage` and `tamis scan` create cases)")]
    NoDatabase,
    /// The run that was creating the case was stopped before it finished.
    #[error(
        "it holds no case yet: the run that was to create it was stopped (`tamis triage` and `tamis scan` create it)"
    )]
    Unfinished,
    /// It holds something else.
    #[error(
        "not a case: it holds other files, such as {} (name a folder that is empty or does not exist yet)",
        escape_path(file)
    )]
    OtherFiles {
        /// One of them.
        file: PathBuf,
    },
    /// Its database is another program's, or damaged.
    #[error(
        "not a case: its case.sqlite is not a database of Tamis, or it is damaged (name another folder, or restore it)"
    )]
    AnotherProgram,
    /// An older version of this program was killed before it stored anything outside the log.
    #[error(
        "not a case of this version: its case.sqlite is empty, and what it holds is in case.sqlite-wal alone, as an older tamis leaves it \
         that was killed (use the program that wrote it, or name another folder)"
    )]
    LogAlone,
}

/// How the schema of a database differs from this program's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaFault {
    /// Something in it has another text.
    #[error("its {kind} {name} is not as Tamis creates it")]
    Differs {
        /// Table, view, index or trigger; escaped.
        kind: String,
        /// Its name, escaped.
        name: String,
    },
    /// Something is in it that this program does not create.
    #[error("its {kind} {name} is not one that Tamis creates")]
    Unknown {
        /// Table, view, index or trigger; escaped.
        kind: String,
        /// Its name, escaped.
        name: String,
    },
    /// Something is not in it.
    #[error("it has no {kind} {name}")]
    Missing {
        /// Table, view, index or trigger.
        kind: String,
        /// Its name.
        name: String,
    },
    /// It is not the schema of that version.
    #[error("its schema is not one that Tamis wrote")]
    NotOurs,
    /// SQLite cannot read it.
    #[error("its schema cannot be read ({0})")]
    Unreadable(#[source] DatabaseError),
}

/// How a source lies to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It is inside the other.
    Inside,
    /// The other is inside it.
    Around,
}

impl std::fmt::Display for Overlap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Inside => "lies inside",
            Self::Around => "holds",
        })
    }
}

impl CaseError {
    /// A value that this program does not store.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), source: None }
    }

    /// A value that this program does not store, and that something else cannot read.
    pub(crate) fn damaged_by(what: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Damaged { what: what.into(), source: Some(source.into()) }
    }

    pub(super) fn not_a_case(folder: &Path, why: NotACase) -> Self {
        Self::NotACase { folder: folder.to_path_buf(), why }
    }
}

fn cause(source: Option<&Cause>) -> String {
    source.map_or_else(String::new, |source| format!(": {}", escape(source.to_string().as_bytes())))
}

fn version_way_out(folder: &Path, version: i32) -> String {
    match version {
        UPGRADED_VERSION => {
            format!("`tamis upgrade {} NEW` writes a new case with all that it holds", escape_path(folder))
        }
        version if version > SCHEMA_VERSION => "use the newer tamis that wrote it".into(),
        _ => "scan its sources again into a new case folder, or use the older tamis that wrote it".into(),
    }
}

fn spec_text(spec: &HashSpec) -> String {
    let (geometry, decode) = (spec.geometry.name(), spec.decode.name());
    format!("{} version {}, {geometry}, --decode {decode}", spec.algorithm, spec.version)
}

fn spec_way_out(stored: &HashSpec, asked: &HashSpec) -> &'static str {
    match (stored.geometry == asked.geometry, stored.decode == asked.decode) {
        (false, true) => "leave --geometry out, or use",
        (true, false) => "leave --decode out, or use",
        (false, false) => "leave --geometry and --decode out, or use",
        (true, true) => "use the version of tamis that created it, or",
    }
}

/// An error of SQLite. Sealed: `?` works inside, and no user of the library needs the crate that it comes from.
pub trait SqliteError {
    /// The error of a case that it becomes.
    fn case_error(self) -> CaseError;
}

impl SqliteError for rusqlite::Error {
    fn case_error(self) -> CaseError {
        match self.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => CaseError::Interrupted,
            _ => CaseError::Database(DatabaseError::new(self)),
        }
    }
}

#[doc(hidden)]
impl<E: SqliteError> From<E> for CaseError {
    fn from(error: E) -> Self {
        error.case_error()
    }
}
