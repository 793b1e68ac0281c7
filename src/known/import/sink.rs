//! Takes the records of all formats: the profile classifies their categories, and the set file stores them.

use std::path::Path;

use super::error::{HeaderFault, ImportError};
use super::options::{ImportFormat, ImportOptions};
use crate::known::control::ImportControl;
use crate::known::record::KnownRecord;
use crate::known::set_file::{SetError, SetWriter};

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
        let category = category.map_err(|reason| ImportError::UnknownCategory {
            path: self.path.to_path_buf(),
            record: self.record,
            offset,
            reason: format!("{reason} --profile-file takes one of your own"),
        })?;
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
            let reason = format!("{reason} (use --skip-bad-records to count such records instead)");
            return Err(self.error(offset, reason));
        }
        self.malformed_records += 1;
        if self.first_malformed.is_none() {
            self.first_malformed = Some(self.error(offset, reason).to_string());
        }
        Ok(())
    }

    fn error(&self, offset: u64, reason: String) -> ImportError {
        ImportError::Record { path: self.path.to_path_buf(), record: self.record, offset, reason }
    }

    /// A fault of the document around the records, which ends the import regardless of the options.
    pub fn document(&mut self, offset: u64, reason: String) -> ImportError {
        self.record += 1;
        ImportError::Document { path: self.path.to_path_buf(), record: self.record, offset, reason }
    }

    /// The document ends before its end.
    pub fn cut_off(&mut self, offset: u64) -> ImportError {
        self.record += 1;
        ImportError::CutOff { path: self.path.to_path_buf(), record: self.record, offset }
    }

    /// The current source lacks what files of a format have.
    pub fn not_this_format(&self, format: ImportFormat, reason: impl Into<String>) -> ImportError {
        ImportError::NotThisFormat { path: self.path.to_path_buf(), format, reason: reason.into() }
    }

    /// The header of the current source cannot be used.
    pub fn header(&self, fault: HeaderFault) -> ImportError {
        ImportError::Header { path: self.path.to_path_buf(), fault }
    }

    pub fn skips(&self) -> bool {
        self.options.skip_bad_records
    }
}
