//! Takes the records of all formats: the profile classifies their categories, and the set file stores them.

use std::path::{Path, PathBuf};

use super::options::ImportOptions;
use crate::known::control::ImportControl;
use crate::known::record::KnownRecord;
use crate::known::set_file::{SetError, SetWriter};
use crate::source::name::escape_path;

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
        source: std::io::Error,
    },
    /// A source is not of the expected format.
    #[error("{}: {reason}", escape_path(path))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        reason: String,
    },
    /// A malformed record.
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
    /// The set file cannot be written, or the import was ended.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// What is wrong with a record.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where, from the beginning of the record.
    pub at: usize,
    pub reason: String,
}

impl Fault {
    pub fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self { at: 0, reason }
    }
}

/// A record as a reader gives it.
#[derive(Debug, Default)]
pub(super) struct Parsed<'a> {
    /// Its category is not classified yet.
    pub record: KnownRecord<'a>,
    /// It has a PhotoDNA field that is not a value of 144 bytes.
    pub photodna_unread: bool,
    /// Other malformed fields that are not used for matching: kept as far as possible.
    pub odd_fields: u64,
}

/// Where records go.
pub(super) struct Sink<'a> {
    pub writer: SetWriter,
    pub options: &'a ImportOptions,
    pub control: &'a ImportControl,
    /// The current source.
    pub path: &'a Path,
    /// Records of it, malformed ones too.
    pub record: u64,
    pub malformed_records: u64,
    /// Counts at the beginning of the source.
    pub malformed_before: u64,
    pub records_before: u64,
    /// The source's fields outside its records.
    pub about: serde_json::Map<String, serde_json::Value>,
    pub first_malformed: Option<String>,
}

impl<'a> Sink<'a> {
    pub fn begin(&mut self, path: &'a Path) {
        self.path = path;
        self.record = 0;
        self.malformed_before = self.malformed_records;
        self.records_before = self.writer.counts().records;
    }

    /// Takes the next record, which begins at `offset`.
    pub fn take(&mut self, offset: u64, parsed: Result<Parsed<'_>, Fault>) -> Result<(), ImportError> {
        self.record += 1;
        if self.control.is_cancelled() {
            return Err(SetError::Cancelled.into());
        }
        let Parsed { mut record, photodna_unread, odd_fields } = match parsed {
            Ok(parsed) => parsed,
            Err(fault) => return self.malformed(offset, fault),
        };
        // A category is never a reason to leave a record out, so --skip-bad-records does not skip it.
        let category = self.options.profile.category(record.facts.category.as_deref());
        let category = category
            .map_err(|reason| self.error(offset, format!("{reason} --profile-file takes one of your own")))?;
        record.facts.classification = category.map(|category| category.classification);
        self.writer.count_odd(photodna_unread, odd_fields);
        self.writer.push(&record)?;
        self.control.add_record();
        Ok(())
    }

    /// Counts a malformed record, or refuses the import.
    pub fn malformed(&mut self, offset: u64, fault: Fault) -> Result<(), ImportError> {
        let Fault { at, reason } = fault;
        let offset = offset + at as u64;
        if !self.options.skip_bad_records {
            return Err(self
                .error(offset, format!("{reason} (use --skip-bad-records to count such records instead)")));
        }
        self.malformed_records += 1;
        if self.first_malformed.is_none() {
            self.first_malformed = Some(self.error(offset, reason).to_string());
        }
        Ok(())
    }

    /// A fault that ends the import regardless of the options.
    pub fn error(&self, offset: u64, reason: String) -> ImportError {
        ImportError::Record { path: self.path.to_path_buf(), record: self.record, offset, reason }
    }

    /// The current source is not of the expected format.
    pub fn refused(&self, reason: String) -> ImportError {
        ImportError::Refused { path: self.path.to_path_buf(), reason }
    }

    pub fn skips(&self) -> bool {
        self.options.skip_bad_records
    }
}
