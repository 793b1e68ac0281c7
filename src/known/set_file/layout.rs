//! The layout of a set file, version 2. `docs/decisions/hash-set-file.md` explains why.
//!
//! All numbers are little-endian. A header of 4096 bytes, then sections, each at a multiple of 4096 bytes, with zeros
//! between them. Every section is cut into chunks of 64 KiB, and the section `checks` holds the SHA-256 of each chunk of
//! every other section, in the order of the header. The header holds the SHA-256 of `checks` and ends in its own, so the
//! header's digest identifies the whole file.
//!
//! | section | one entry |
//! |---|---|
//! | `records` | a record's facts, then its fields as JSON ([`StoredFacts`]) |
//! | `offsets` | u64: where a record begins in `records`; one more for the end |
//! | `md5`, `sha1`, `sha256` | (digest, u32 record), sorted; then 2^bits + 1 × u32, the directory: entries before each value of the leading bits |
//! | `hashes` | u32 record, u8 quality (255: none), 3 × 0, the 32 bytes of the hash's text; by record |
//! | `photodna` | u32 record, u8 spelling (1 base64, 2 hex), 3 × 0, 144 bytes; by record |
//! | `manifest` | JSON |
//! | `checks` | 32 bytes |

use sha2::{Digest, Sha256};

use super::error::ReadFault;
use crate::known::profile::Classification;
use crate::known::record::{PHOTODNA_BYTES, RecordFacts};

/// The first bytes of a set file.
pub(in crate::known) const MAGIC: &[u8; 8] = b"TAMISSET";
/// The version of this layout.
pub(super) const VERSION: u32 = 2;
/// Bytes of the header, and what sections are aligned to.
pub(super) const HEADER: usize = 4096;
/// Bytes of a chunk that has a digest of its own.
pub(super) const CHUNK: usize = 64 << 10;
/// Where the table of sections begins in the header.
const TABLE: usize = 32;
/// Bytes of one row of it.
const ROW: usize = 40;
/// Where the digests of `checks` and of the header itself are in the header.
const CHECKS_DIGEST: usize = HEADER - 64;
const OWN_DIGEST: usize = HEADER - 32;
/// Bytes of an entry of `hashes`.
pub(super) const HASH_ENTRY: usize = 40;
/// Bytes of an entry of `photodna`.
pub(super) const PHOTODNA_ENTRY: usize = 8 + PHOTODNA_BYTES;
/// A hash without a quality.
pub(super) const NO_QUALITY: u8 = 255;
/// Bytes before the texts of a record.
pub(super) const FACTS: usize = 20;
/// Leading bits of a digest that a table's directory has at most.
pub(super) const MAX_BITS: u32 = 20;

/// The first `bits` bits of a digest, at most [`MAX_BITS`].
pub(super) fn leading_bits(digest: &[u8], bits: u32) -> u32 {
    digest.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes) >> (32 - MAX_BITS)) >> (MAX_BITS - bits)
}

/// The sections, in their order in the file and in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Records,
    Offsets,
    Md5,
    Sha1,
    Sha256,
    Hashes,
    PhotoDna,
    Manifest,
    Checks,
}

impl Section {
    pub const ALL: [Self; 9] = [
        Self::Records,
        Self::Offsets,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Hashes,
        Self::PhotoDna,
        Self::Manifest,
        Self::Checks,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Offsets => "offsets",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Hashes => "hashes",
            Self::PhotoDna => "photodna",
            Self::Manifest => "manifest",
            Self::Checks => "checks",
        }
    }
}

/// Where a section is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub offset: u64,
    pub length: u64,
    /// Entries: digests, hashes, values, or records.
    pub count: u64,
    /// Of a table of digests: bits of its directory.
    pub bits: u32,
}

impl Extent {
    /// Chunks that it is cut into.
    pub const fn chunks(self) -> u64 {
        self.length.div_ceil(CHUNK as u64)
    }
}

/// What the header states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub file_length: u64,
    pub records: u64,
    /// In the order of [`Section::ALL`].
    pub sections: [Extent; Section::ALL.len()],
    pub checks_sha256: [u8; 32],
}

impl Header {
    /// Its 4096 bytes; the last 32 are their SHA-256.
    pub fn to_bytes(&self) -> Box<[u8; HEADER]> {
        let mut bytes = Box::new([0; HEADER]);
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(Section::ALL.len() as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.file_length.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.records.to_le_bytes());
        for (row, extent) in bytes[TABLE..].chunks_exact_mut(ROW).zip(self.sections) {
            row[..8].copy_from_slice(&extent.offset.to_le_bytes());
            row[8..16].copy_from_slice(&extent.length.to_le_bytes());
            row[16..24].copy_from_slice(&extent.count.to_le_bytes());
            row[24..28].copy_from_slice(&extent.bits.to_le_bytes());
        }
        bytes[CHECKS_DIGEST..OWN_DIGEST].copy_from_slice(&self.checks_sha256);
        let own = Sha256::digest(&bytes[..OWN_DIGEST]);
        bytes[OWN_DIGEST..].copy_from_slice(&own);
        bytes
    }

    /// Reads a header and checks all its offsets and lengths.
    ///
    /// # Errors
    /// If it is not that of a set file of this version and length, or contradicts itself.
    pub fn read(bytes: &[u8], file_length: u64) -> Result<(Self, [u8; 32]), ReadFault> {
        if !bytes.starts_with(MAGIC) {
            return Err(ReadFault::NotASetFile);
        }
        let cut_off = || ReadFault::OtherLength { length: file_length, written: None };
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or_else(cut_off)?;
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(ReadFault::OtherVersion { found: version, expected: VERSION });
        }
        let own: [u8; 32] = Sha256::digest(&header[..OWN_DIGEST]).into();
        if header[OWN_DIGEST..] != own {
            return Err(ReadFault::damaged("its header is damaged: its SHA-256 differs"));
        }
        let mut read =
            Self { file_length: u64_at(header, 16), records: u64_at(header, 24), ..Self::default() };
        if read.file_length != file_length {
            return Err(ReadFault::OtherLength { length: file_length, written: Some(read.file_length) });
        }
        read.checks_sha256.copy_from_slice(&header[CHECKS_DIGEST..OWN_DIGEST]);
        for (extent, row) in read.sections.iter_mut().zip(header[TABLE..].chunks_exact(ROW)) {
            *extent = Extent {
                offset: u64_at(row, 0),
                length: u64_at(row, 8),
                count: u64_at(row, 16),
                bits: u32_at(row, 24),
            };
        }
        read.check(u32_at(header, 12))?;
        // Bytes that are not read must be zero.
        if read.to_bytes()[..] != header[..] {
            return Err(ReadFault::damaged("its header holds unexpected bytes"));
        }
        Ok((read, own))
    }

    /// Checks that sections lie within the file without overlap, and that lengths fit the counts.
    fn check(&self, sections: u32) -> Result<(), ReadFault> {
        let wrong = |section: Section| {
            let name = section.name();
            ReadFault::Damaged(format!("its header contradicts itself about the section {name}"))
        };
        if sections as usize != Section::ALL.len() || self.records > 1 << 32 {
            return Err(ReadFault::damaged("its header contradicts itself"));
        }
        let mut end = HEADER as u64;
        for (section, extent) in Section::ALL.into_iter().zip(self.sections) {
            let Extent { offset, length, count, bits } = extent;
            let next = offset.checked_add(length).filter(|&next| next <= self.file_length);
            if offset != end.next_multiple_of(HEADER as u64) || bits > MAX_BITS {
                return Err(wrong(section));
            }
            let table = |entry: u64| {
                count.checked_mul(entry).and_then(|entries| entries.checked_add(directory(bits)))
            };
            let plain = bits == 0;
            let expected = match section {
                Section::Records => (plain && count == self.records).then_some(length),
                Section::Manifest => (plain && count == 1).then_some(length),
                Section::Offsets => (plain && count == self.records).then(|| (count + 1) * 8),
                Section::Md5 => table(20),
                Section::Sha1 => table(24),
                Section::Sha256 => table(36),
                Section::Hashes if plain => count.checked_mul(HASH_ENTRY as u64),
                Section::PhotoDna if plain => count.checked_mul(PHOTODNA_ENTRY as u64),
                Section::Checks if plain => {
                    let others = self.sections[..Section::Checks as usize].iter();
                    let chunks = others.map(|extent| extent.chunks()).sum::<u64>();
                    (count == chunks).then_some(chunks * 32)
                }
                Section::Hashes | Section::PhotoDna | Section::Checks => None,
            };
            end = next.filter(|_| expected == Some(length)).ok_or_else(|| wrong(section))?;
        }
        if end != self.file_length {
            return Err(ReadFault::damaged("its header contradicts the length of the file"));
        }
        Ok(())
    }
}

/// Bytes of the directory of a table of digests.
pub(super) const fn directory(bits: u32) -> u64 {
    ((1 << bits) + 1) * 4
}

/// Bits of a directory, so that about 32 digests share a value.
pub(super) const fn directory_bits(count: u64) -> u32 {
    let bits = (count / 32).checked_ilog2();
    match bits {
        None => 0,
        Some(bits) if bits > MAX_BITS => MAX_BITS,
        Some(bits) => bits,
    }
}

/// A number of four bytes; zero beyond the end, which callers have excluded.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// A number of eight bytes; zero beyond the end, which callers have excluded.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The bytes before a record's fields: u8 number of the classification (0: no category); u8 of four times two bits (0
/// unknown, 1 no, 2 yes) for victim identified, offender identified, distributed, precategorized, lowest first; u8 of
/// bits 0 withdrawn, 1 a size, 2 a category, 3 a series; u8 0; u32 length of the category, u32 length of the series, u64
/// size; the category, the series.
pub(super) struct StoredFacts;

impl StoredFacts {
    pub fn write(facts: &RecordFacts<'_>, size: Option<u64>, into: &mut Vec<u8>) {
        let state = |told: Option<bool>| told.map_or(0, |yes| 1 + u8::from(yes));
        let (category, series) = (facts.category.as_deref(), facts.series.as_deref());
        into.push(facts.classification.map_or(0, Classification::number));
        into.push(
            state(facts.victim_identified)
                | state(facts.offender_identified) << 2
                | state(facts.distributed) << 4
                | state(facts.precategorized) << 6,
        );
        into.push(
            u8::from(facts.withdrawn)
                | u8::from(size.is_some()) << 1
                | u8::from(category.is_some()) << 2
                | u8::from(series.is_some()) << 3,
        );
        into.push(0);
        let length = |text: Option<&str>| text.map_or(0, str::len) as u32;
        into.extend_from_slice(&length(category).to_le_bytes());
        into.extend_from_slice(&length(series).to_le_bytes());
        into.extend_from_slice(&size.unwrap_or(0).to_le_bytes());
        into.extend_from_slice(category.unwrap_or_default().as_bytes());
        into.extend_from_slice(series.unwrap_or_default().as_bytes());
    }

    /// (facts, size, fields) of a record; `None` where [`StoredFacts::write`] cannot have written it.
    pub fn read(record: &[u8]) -> Option<(RecordFacts<'_>, Option<u64>, &str)> {
        let (fixed, texts) = record.split_at_checked(FACTS)?;
        let (classification, states, bits) = (fixed[0], fixed[1], fixed[2]);
        let state = |shift: u32| match states >> shift & 3 {
            0 => Some(None),
            1 => Some(Some(false)),
            2 => Some(Some(true)),
            _ => None,
        };
        let (category, rest) = texts.split_at_checked(u32_at(fixed, 4) as usize)?;
        let (series, fields) = rest.split_at_checked(u32_at(fixed, 8) as usize)?;
        let text = |bit: u8, bytes| {
            let text = std::str::from_utf8(bytes).ok()?;
            Some((bits & bit != 0).then_some(text.into()))
        };
        let facts = RecordFacts {
            classification: if classification == 0 {
                None
            } else {
                Some(Classification::from_number(classification)?)
            },
            category: text(4, category)?,
            victim_identified: state(0)?,
            offender_identified: state(2)?,
            distributed: state(4)?,
            precategorized: state(6)?,
            series: text(8, series)?,
            withdrawn: bits & 1 != 0,
        };
        let size = (bits & 2 != 0).then(|| u64_at(fixed, 12));
        Some((facts, size, std::str::from_utf8(fields).ok()?))
    }
}
