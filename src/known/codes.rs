//! The codes of a set, and how many records of which kind it has.

use crate::pdq::Code;

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
    /// Records with a digest of trivial content (no bytes, or one byte repeated), which is set aside.
    pub trivial: u64,
    /// Malformed lines that were skipped.
    pub bad_lines: u64,
    /// Fields that nothing is matched by and that are not as they should be: kept as they can be.
    pub odd_fields: u64,
}
