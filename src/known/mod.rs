//! Known sets: lists of digests and codes, with what is known about each. `docs/known-sets.md` is the
//! description for users.

mod builder;
mod code_list;
mod digest_index;
mod lines;
mod read;
mod table;

use std::path::{Path, PathBuf};

use crate::pdq::{Code, Geometry};
use crate::source::Digests;
use crate::source::name::escape_path;

pub use code_list::{CodeList, ListError, names_orientations};

use builder::Columns;
use digest_index::DigestIndex;

/// How a known set is to be read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The geometry its codes were made with, if the file does not say it: `full` unless told. A file
    /// that says another is refused.
    pub geometry: Option<Geometry>,
    /// Count malformed lines instead of refusing the set.
    pub skip_bad_lines: bool,
    /// Codes of a quality below this are set aside.
    pub min_quality: u8,
}

/// Why a known set was refused.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// The file cannot be read.
    #[error("known set {}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no list at all, or contradicts the options.
    #[error("known set {}: {reason}", escape_path(path))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        reason: String,
    },
    /// A malformed line.
    #[error(
        "known set {}, line {line}: {reason} (--skip-bad-lines counts such lines instead)",
        escape_path(path)
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// A known set in memory. Records are numbered from 0 in file order.
#[derive(Debug)]
pub struct KnownSet {
    path: PathBuf,
    name: String,
    file_sha256: [u8; 32],
    geometry: Geometry,
    counts: KnownCounts,
    codes: Vec<KnownCode>,
    md5: DigestIndex<16>,
    sha1: DigestIndex<20>,
    sha256: DigestIndex<32>,
    columns: Columns,
    is_bare: bool,
}

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
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
    /// Reads a set in one pass.
    ///
    /// # Errors
    /// File, line and reason of the first malformed line; a file that is no list; or what the system said.
    pub fn read(path: &Path, options: &ReadOptions) -> Result<Self, KnownError> {
        read::read(path, options)
    }

    /// The name of the set: its file name without the extension, escaped.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file it was read from.
    #[must_use]
    pub const fn file_sha256(&self) -> [u8; 32] {
        self.file_sha256
    }

    /// The geometry of its codes.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// What was read and set aside.
    #[must_use]
    pub const fn counts(&self) -> KnownCounts {
        self.counts
    }

    /// Whether the file is nothing but 64 digits a line, with no word of what they are. They were taken for
    /// codes; SHA-256s look the same.
    #[must_use]
    pub const fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// The codes that take part in matching, in record order.
    #[must_use]
    pub fn codes(&self) -> &[KnownCode] {
        &self.codes
    }

    /// Records with one of these digests, in record order.
    #[must_use]
    pub fn find_digests(&self, digests: &Digests) -> Vec<DigestMatch> {
        let mut matches: Vec<DigestMatch> = Vec::new();
        let found = |record| DigestMatch { record, ..DigestMatch::default() };
        matches.extend(self.md5.find(&digests.md5).map(|record| DigestMatch { md5: true, ..found(record) }));
        matches
            .extend(self.sha1.find(&digests.sha1).map(|record| DigestMatch { sha1: true, ..found(record) }));
        matches.extend(
            self.sha256.find(&digests.sha256).map(|record| DigestMatch { sha256: true, ..found(record) }),
        );
        matches.sort_by_key(|found| found.record);
        matches.dedup_by(|next, first| {
            let same = next.record == first.record;
            if same {
                first.md5 |= next.md5;
                first.sha1 |= next.sha1;
                first.sha256 |= next.sha256;
            }
            same
        });
        matches
    }

    /// The columns of a record, in the file's order: (column name, value), both escaped
    /// (`source::name`), with empty ones left out.
    #[must_use]
    pub fn columns(&self, record: u32) -> Vec<(&str, &str)> {
        self.columns.of(record)
    }
}
