//! The hashes of a set, and how many records of which kind it has.

use crate::pdq::PdqHash;

/// One record that has a hash to be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHash {
    /// The record.
    pub record: u32,
    /// Its hash.
    pub hash: PdqHash,
    /// Its quality, where the set gives one.
    pub quality: Option<u8>,
}

/// What was read, and what was set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct KnownCounts {
    /// Records.
    pub records: u64,
    /// Hashes that take part in matching.
    pub hashes: u64,
    /// Hashes among them whose quality the set does not state.
    pub hashes_without_quality: u64,
    /// Records with at least one digest.
    pub with_digests: u64,
    /// Hashes set aside because of their quality.
    pub low_quality: u64,
    /// Hashes set aside because they are all zero.
    pub null_hashes: u64,
    /// Records with a digest of trivial content (no bytes, or one byte repeated), which is set aside.
    pub trivial: u64,
    /// Malformed lines that were skipped.
    pub malformed_lines: u64,
    /// Malformed fields that are not used for matching: kept as far as possible.
    pub odd_fields: u64,
}
