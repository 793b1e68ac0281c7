//! Records as they are read, in compact storage.

use super::hashes::{KnownCounts, KnownHash};
use super::record::MatchedDigests;
use crate::pdq::PdqHash;
use crate::source::name::escape;

/// One record of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Record<'a> {
    pub hash: Option<PdqHash>,
    pub quality: Option<u8>,
    pub md5: Option<[u8; 16]>,
    pub sha1: Option<[u8; 20]>,
    pub sha256: Option<[u8; 32]>,
    /// Raw values of the free columns; none may be missing at the end of a row.
    pub columns: Vec<&'a [u8]>,
    /// Malformed fields that are not used for matching, except those that are not UTF-8.
    pub odd_fields: u64,
}

/// Free columns of all records: names once, values in one text.
#[derive(Debug, Default)]
pub(super) struct Columns {
    names: Vec<String>,
    text: String,
    /// End of each cell in `text`, record by record.
    ends: Vec<u64>,
}

impl Columns {
    /// (name, value) of a record's cells that are not empty.
    pub fn of(&self, record: u32) -> Vec<(&str, &str)> {
        let width = self.names.len();
        let first = record as usize * width;
        let cell = |index: usize| {
            let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
            let end = self.ends.get(index).copied().unwrap_or(start);
            self.text.get(start as usize..end as usize).unwrap_or_default()
        };
        let cells = self.names.iter().enumerate().map(|(column, name)| (name.as_str(), cell(first + column)));
        cells.filter(|(_, value)| !value.is_empty()).collect()
    }

    fn push(&mut self, values: &[&[u8]]) {
        for value in values {
            self.text.push_str(&escape(value));
            self.ends.push(self.text.len() as u64);
        }
    }
}

/// Collects the records of a set.
#[derive(Debug, Default)]
pub(super) struct Builder {
    min_quality: u8,
    pub counts: KnownCounts,
    pub hashes: Vec<KnownHash>,
    pub md5: Vec<([u8; 16], u32)>,
    pub sha1: Vec<([u8; 20], u32)>,
    pub sha256: Vec<([u8; 32], u32)>,
    pub columns: Columns,
}

impl Builder {
    pub fn new(min_quality: u8) -> Self {
        Self { min_quality, ..Self::default() }
    }

    /// The names of the free columns; to be called before the first record. A repeated name gets a number.
    pub fn name_columns<'a>(&mut self, names: impl IntoIterator<Item = &'a [u8]>) {
        for name in names.into_iter().map(escape) {
            let taken = |names: &[String], name: &str| names.iter().any(|other| other == name);
            let mut unique = name.clone();
            let mut number = 2;
            while taken(&self.columns.names, &unique) {
                unique = format!("{name}_{number}");
                number += 1;
            }
            self.columns.names.push(unique);
        }
    }

    /// Adds a record with exactly one value for each named column.
    ///
    /// # Errors
    /// If there are more records than a set can number.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), String> {
        let number =
            u32::try_from(self.counts.records).map_err(|_| "more than 2³² records in one set".to_string())?;
        self.counts.records += 1;
        self.columns.push(&record.columns);
        let odd = record.columns.iter().filter(|value| std::str::from_utf8(value).is_err()).count();
        self.counts.odd_fields += odd as u64 + record.odd_fields;
        if let Some(hash) = record.hash {
            self.push_hash(KnownHash { record: number, hash, quality: record.quality });
        }
        let mut digests = MatchedDigests { md5: record.md5, sha1: record.sha1, sha256: record.sha256 };
        self.counts.trivial += u64::from(digests.set_trivial_aside());
        self.md5.extend(digests.md5.map(|digest| (digest, number)));
        self.sha1.extend(digests.sha1.map(|digest| (digest, number)));
        self.sha256.extend(digests.sha256.map(|digest| (digest, number)));
        self.counts.with_digests += u64::from(digests.any());
        Ok(())
    }

    fn push_hash(&mut self, hash: KnownHash) {
        if self.counts.takes(&hash, self.min_quality) {
            self.hashes.push(hash);
        }
    }
}

/// The value of each hex digit; 255 for all other characters.
const NIBBLES: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// The bytes of `2 N` hex digits; the reason where they are not.
pub(super) fn parse_hex<const N: usize>(text: &[u8], what: &str) -> Result<[u8; N], String> {
    if text.len() != 2 * N {
        let count = String::from_utf8_lossy(text).chars().count();
        let hint = match count {
            32 => " (is it an MD5?)",
            40 => " (is it a SHA-1?)",
            64 => " (is it a SHA-256 or a PDQ hash?)",
            _ => "",
        };
        return Err(format!("not {what}: {count} characters, expected {} hex digits{hint}", 2 * N));
    }
    let mut bytes = [0; N];
    for (index, (byte, pair)) in bytes.iter_mut().zip(text.chunks_exact(2)).enumerate() {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        if high | low > 15 {
            let place = 2 * index + if high > 15 { 1 } else { 2 };
            return Err(format!("not {what}: character {place} is not a hex digit"));
        }
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

/// A hash of 64 hex digits.
pub(super) fn parse_hash(text: &[u8]) -> Result<PdqHash, String> {
    parse_hex::<32>(text, "a PDQ hash").map(PdqHash::from_bytes)
}

/// A quality 0…100; `None` for an empty field.
pub(super) fn parse_quality(text: &[u8]) -> Result<Option<u8>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let quality = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&quality: &u8| quality <= 100);
    quality
        .map(Some)
        .ok_or_else(|| format!("the quality `{}` is not a whole number from 0 to 100", escape(text)))
}
