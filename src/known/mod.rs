//! Known sets: lists of digests and codes, with what is known about each.

use std::path::{Path, PathBuf};

use crate::pdq::{Code, Geometry};
use crate::source::Digests;

/// How a known set is to be read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The geometry its codes were made with.
    pub geometry: Geometry,
    /// Count malformed lines instead of refusing the set.
    pub skip_bad_lines: bool,
    /// Codes of a quality below this are set aside.
    pub min_quality: u8,
}

/// Why a known set was refused.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A known set in memory. Records are numbered from 0 in file order.
#[derive(Debug)]
pub struct KnownSet {}

/// One record that has a code to be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCode {
    /// The record.
    pub record: u32,
    /// Its code.
    pub code: Code,
    /// Its quality, where the set gives one.
    pub quality: Option<u8>,
}

/// Which digests of a record are those of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestMatch {
    /// The record.
    pub record: u32,
    /// The MD5s are equal.
    pub md5: bool,
    /// The SHA-1s are equal.
    pub sha1: bool,
    /// The SHA-256s are equal.
    pub sha256: bool,
}

/// What was read, and what was set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownCounts {
    /// Records.
    pub records: u64,
    /// Codes that take part in matching.
    pub codes: u64,
    /// Of these, codes whose quality the set does not give.
    pub codes_without_quality: u64,
    /// Records with at least one digest.
    pub with_digests: u64,
    /// Codes set aside because of their quality.
    pub low_quality: u64,
    /// Codes set aside because they are all zero.
    pub zero_codes: u64,
    /// Malformed lines that were skipped.
    pub bad_lines: u64,
}

impl KnownSet {
    /// Reads a set.
    ///
    /// # Errors
    /// File, line and reason of the first malformed line, or what the system said.
    pub fn read(path: &Path, options: &ReadOptions) -> Result<Self, KnownError> {
        let _ = (path, options);
        unimplemented!()
    }

    /// The name of the set: its file name without the extension.
    #[must_use]
    pub fn name(&self) -> &str {
        unimplemented!()
    }

    /// The file it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        unimplemented!()
    }

    /// SHA-256 of the file it was read from.
    #[must_use]
    pub fn file_sha256(&self) -> [u8; 32] {
        unimplemented!()
    }

    /// The geometry of its codes.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        unimplemented!()
    }

    /// What was read and set aside.
    #[must_use]
    pub fn counts(&self) -> KnownCounts {
        unimplemented!()
    }

    /// The codes that take part in matching, in record order.
    #[must_use]
    pub fn codes(&self) -> &[KnownCode] {
        unimplemented!()
    }

    /// Records with one of these digests, in record order.
    #[must_use]
    pub fn find_digests(&self, digests: &Digests) -> Vec<DigestMatch> {
        let _ = digests;
        unimplemented!()
    }

    /// The columns of a record, in the file's order: (column name, value), with empty ones left out.
    #[must_use]
    pub fn columns(&self, record: u32) -> Vec<(&str, &str)> {
        let _ = record;
        unimplemented!()
    }
}
