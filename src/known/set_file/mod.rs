//! Set files: hash sets of many millions that open at once. [`layout`] describes the file.
//!
//! Opening reads the header, the digests of all chunks and the manifest. Every other byte is checked against its chunk's
//! SHA-256 when it is read, or its block's checksum ([`index`]), so no answer ever comes from damaged bytes.

mod checked;
mod error;
mod index;
mod layout;
mod manifest;
#[cfg(feature = "import")]
mod sort;
#[cfg(feature = "import")]
mod spill;
mod tables;
#[cfg(feature = "import")]
mod write;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::KnownHash;
use super::control::ImportControl;
use super::record::{PhotoDna, RecordFacts, Spelling};
use crate::pdq::PdqHash;
use crate::source::name::escape;
use checked::CheckedFile;
use error::ReadFault;
use index::{BLOCK, Index, MAX_READ};
use layout::{
    Extent, HASH_ENTRY, NO_QUALITY, PHOTODNA_ENTRY, Section, StoredFacts, leading_bits, u32_at, u64_at,
};

pub use error::SetError;
pub(in crate::known) use layout::MAGIC;
pub use manifest::{ImportedFile, Manifest, SetCounts};
pub(in crate::known) use tables::DigestTable;
#[cfg(feature = "import")]
pub(in crate::known) use write::SetWriter;

/// A record of a set file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// What is known about it.
    pub facts: RecordFacts<'static>,
    /// Size of the file in bytes, where the source gives it.
    pub media_size: Option<u64>,
    /// All of its fields as a JSON object, in the source's order.
    pub fields: String,
}

/// A set file that is open.
#[derive(Debug)]
pub struct SetFile {
    path: PathBuf,
    file: CheckedFile,
    manifest: Manifest,
    /// Of MD5s, SHA-1s and SHA-256s, once the tables were checked.
    indexes: OnceLock<[Index; 3]>,
}

/// Longest record: an import's longest record, with its escapes written out, is far shorter.
const MAX_STORED: u64 = 256 << 20;
/// Entries of a table between two checks for cancellation.
const LOOK: u64 = 1 << 16;

impl SetFile {
    /// Whether a file begins as set files do.
    #[must_use]
    pub fn is_one(head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    /// Opens a set file.
    ///
    /// # Errors
    /// If it cannot be read, is not a set file, or is damaged in a part that opening reads.
    pub fn open(path: &Path) -> Result<Self, SetError> {
        let file = CheckedFile::open(path).map_err(|fault| SetError::read(path, fault))?;
        let manifest = Manifest::empty();
        let mut set = Self { path: path.to_path_buf(), file, manifest, indexes: OnceLock::new() };
        let text = set.bytes(Section::Manifest, 0..set.extent(Section::Manifest).length)?;
        set.manifest = serde_json::from_slice(&text).map_err(|error| {
            set.damaged(format!("its manifest: {}", escape(error.to_string().as_bytes())))
        })?;
        if set.manifest.counts.records != set.file.header.records {
            return Err(set.damaged("its manifest contradicts its header".into()));
        }
        Ok(set)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 of its header, which covers the whole file: the identity of the set.
    #[must_use]
    pub const fn identity(&self) -> [u8; 32] {
        self.file.identity
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.file.header.file_length
    }

    /// How many records it has; they are numbered from 0.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.file.header.records
    }

    /// Records with this MD5, in their order.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn find_md5(&self, digest: &[u8; 16]) -> Result<Vec<u32>, SetError> {
        self.find(Section::Md5, digest)
    }

    /// Records with this SHA-1, in their order.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn find_sha1(&self, digest: &[u8; 20]) -> Result<Vec<u32>, SetError> {
        self.find(Section::Sha1, digest)
    }

    /// Records with this SHA-256, in their order.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn find_sha256(&self, digest: &[u8; 32]) -> Result<Vec<u32>, SetError> {
        self.find(Section::Sha256, digest)
    }

    /// One record.
    ///
    /// # Errors
    /// If there is no such record, or the file is damaged there.
    pub fn record(&self, number: u32) -> Result<StoredRecord, SetError> {
        if u64::from(number) >= self.records() {
            let (path, records) = (self.path.clone(), self.records());
            return Err(SetError::NoSuchRecord { path, record: number, records });
        }
        let number = u64::from(number);
        let offsets = self.bytes(Section::Offsets, number * 8..number * 8 + 16)?;
        let place = u64_at(&offsets, 0)..u64_at(&offsets, 8);
        self.check_place(number, &place)?;
        let bytes = self.bytes(Section::Records, place)?;
        let (facts, media_size, fields) = self.parse(number, &bytes)?;
        Ok(StoredRecord { facts: facts.into_owned(), media_size, fields: fields.to_string() })
    }

    fn check_place(&self, number: u64, place: &Range<u64>) -> Result<(), SetError> {
        let length = place.end.checked_sub(place.start);
        length
            .filter(|&length| length <= MAX_STORED)
            .map(|_| ())
            .ok_or_else(|| self.damaged(format!("the offset of record {} is not valid", number + 1)))
    }

    fn parse<'a>(
        &self,
        number: u64,
        bytes: &'a [u8],
    ) -> Result<(RecordFacts<'a>, Option<u64>, &'a str), SetError> {
        StoredFacts::read(bytes).ok_or_else(|| self.damaged(format!("record {} is not valid", number + 1)))
    }

    /// Its hashes, by record.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn hashes(&self) -> Result<Vec<KnownHash>, SetError> {
        let wrong = || self.damaged("its hashes are not valid".into());
        let mut stream = self.file.stream(Section::Hashes);
        let mut hashes: Vec<KnownHash> = Vec::with_capacity(self.extent(Section::Hashes).count as usize);
        for _ in 0..self.extent(Section::Hashes).count {
            let entry = stream.array::<HASH_ENTRY>().map_err(|fault| self.failed(fault))?;
            let record = u32_at(&entry, 0);
            let in_order = hashes.last().is_none_or(|last| last.record <= record);
            if !in_order || u64::from(record) >= self.records() || entry[4] > 100 && entry[4] != NO_QUALITY {
                return Err(wrong());
            }
            let hash = entry.last_chunk().map_or(PdqHash([0; 4]), |bytes| PdqHash::from_bytes(*bytes));
            hashes.push(KnownHash {
                record,
                hash,
                quality: Some(entry[4]).filter(|&quality| quality != NO_QUALITY),
            });
        }
        Ok(hashes)
    }

    /// Its PhotoDNA values, by record.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn photodna(&self) -> Result<Vec<(u32, PhotoDna)>, SetError> {
        let wrong = || self.damaged("its PhotoDNA values are not valid".into());
        let mut stream = self.file.stream(Section::PhotoDna);
        let count = self.extent(Section::PhotoDna).count;
        let mut values: Vec<(u32, PhotoDna)> = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let entry = stream.array::<PHOTODNA_ENTRY>().map_err(|fault| self.failed(fault))?;
            let spelling = match entry[4] {
                1 => Spelling::Base64,
                2 => Spelling::Hex,
                _ => return Err(wrong()),
            };
            let record = u32_at(&entry, 0);
            let in_order = values.last().is_none_or(|last| last.0 <= record);
            let bytes = entry.last_chunk().filter(|_| in_order && u64::from(record) < self.records());
            values.push((record, PhotoDna { bytes: *bytes.ok_or_else(wrong)?, spelling }));
        }
        Ok(values)
    }

    /// Checks the tables of digests and builds the in-memory index, so that each look-up reads one block.
    ///
    /// # Errors
    /// If the file is damaged, or `is_cancelled` ended the check.
    pub fn verify_tables(&self, is_cancelled: &(dyn Fn() -> bool + Sync)) -> Result<(), SetError> {
        self.check_tables(is_cancelled, &|_| {})
    }

    /// Refuses a file that was written to since it was opened. A file that was only renamed, or whose name was given to
    /// another file, is unchanged; finding that out may take reading all of it, which `is_cancelled` ends.
    ///
    /// # Errors
    /// If it was changed, can no longer be read, or was not read to its end.
    pub fn check_unchanged(&self, is_cancelled: &dyn Fn() -> bool) -> Result<(), SetError> {
        self.file.check_unchanged(is_cancelled).map_err(|fault| match fault {
            ReadFault::Io(_) | ReadFault::Cancelled => self.failed(fault),
            _ => SetError::Changed {
                path: self.path.clone(),
                reason: format!("it was changed while it was in use: {fault}"),
            },
        })
    }

    /// Checks every byte, and every record.
    ///
    /// # Errors
    /// If the file is damaged (with the place), or `control` ended the check.
    pub fn verify(&self, control: &ImportControl) -> Result<(), SetError> {
        self.file.check_padding().map_err(|fault| self.failed(fault))?;
        self.check_records(control)?;
        self.check_tables(&|| control.is_cancelled(), &|bytes| control.add_bytes(bytes))?;
        let values = self.photodna()?.len() as u64;
        let hashes = self.hashes()?.len() as u64;
        for section in [Section::PhotoDna, Section::Hashes, Section::Manifest, Section::Checks] {
            control.add_bytes(self.extent(section).length);
        }
        let counts = self.manifest.counts;
        let count = |section| self.extent(section).count;
        let counted = [count(Section::Md5), count(Section::Sha1), count(Section::Sha256), values, hashes];
        if counted != [counts.md5, counts.sha1, counts.sha256, counts.photodna, counts.hashes] {
            return Err(self.damaged("its manifest contradicts its tables".into()));
        }
        Ok(())
    }

    /// Checks that every record is valid, and that they fill their section.
    fn check_records(&self, control: &ImportControl) -> Result<(), SetError> {
        let failed = |fault| self.failed(fault);
        let (mut offsets, mut records) =
            (self.file.stream(Section::Offsets), self.file.stream(Section::Records));
        let mut record = Vec::new();
        let mut start = u64_at(&offsets.array::<8>().map_err(failed)?, 0);
        let first = start;
        for number in 0..self.records() {
            if number.is_multiple_of(LOOK) && control.is_cancelled() {
                return Err(SetError::Cancelled);
            }
            let place = start..u64_at(&offsets.array::<8>().map_err(failed)?, 0);
            self.check_place(number, &place)?;
            records.take(place.end - place.start, &mut record).map_err(failed)?;
            self.parse(number, &record)?;
            control.add_bytes(8 + record.len() as u64);
            control.add_record();
            start = place.end;
        }
        if (first, start) != (0, self.extent(Section::Records).length) {
            return Err(self.damaged("its records do not fill their section".into()));
        }
        Ok(())
    }

    /// [`SetFile::verify_tables`]; `checked` is called with the number of bytes checked since the last call.
    fn check_tables(
        &self,
        is_cancelled: &(dyn Fn() -> bool + Sync),
        checked: &(dyn Fn(u64) + Sync),
    ) -> Result<(), SetError> {
        let ((md5, sha1), sha256) = rayon::join(
            || {
                rayon::join(
                    || self.check_table::<16>(Section::Md5, is_cancelled, checked),
                    || self.check_table::<20>(Section::Sha1, is_cancelled, checked),
                )
            },
            || self.check_table::<32>(Section::Sha256, is_cancelled, checked),
        );
        let indexes = [md5?, sha1?, sha256?];
        // A second check of the same file has the same result.
        let _ = self.indexes.set(indexes);
        Ok(())
    }

    /// Checks that a table's digests are sorted, that its directory fits them, and that its records exist.
    fn check_table<const N: usize>(
        &self,
        section: Section,
        is_cancelled: &dyn Fn() -> bool,
        checked: &dyn Fn(u64),
    ) -> Result<Index, SetError> {
        let failed = |fault| self.failed(fault);
        let Extent { count, bits, length, .. } = self.extent(section);
        let mut index = Index::default();
        let mut block = [0; MAX_READ];
        let mut stream = self.file.stream(section);
        // The expected directory: at most a few megabytes.
        let mut directory: Vec<u32> = Vec::new();
        let mut last: Option<([u8; N], u32)> = None;
        for before in (0..count).step_by(BLOCK) {
            if before.is_multiple_of(LOOK) && is_cancelled() {
                return Err(SetError::Cancelled);
            }
            let entries = (count - before).min(BLOCK as u64) as usize;
            let block = &mut block[..entries * (N + 4)];
            stream.read(block).map_err(failed)?;
            index.push(block, N + 4);
            for (entry, number) in block.chunks_exact(N + 4).zip(before..) {
                let (&digest, record) = entry.split_first_chunk::<N>().unwrap_or((&[0; N], &[]));
                let value = leading_bits(&digest, bits) as usize;
                if directory.len() <= value {
                    directory.resize(value + 1, number as u32);
                }
                let entry = (digest, u32_at(record, 0));
                if last.is_some_and(|last| last >= entry) || u64::from(entry.1) >= self.records() {
                    return Err(self.damaged(format!("its {} are not sorted", section.name())));
                }
                last = Some(entry);
            }
        }
        directory.resize((1 << bits) + 1, count as u32);
        for expected in directory {
            if u32_at(&stream.array::<4>().map_err(failed)?, 0) != expected {
                return Err(self.damaged(format!("the directory of its {} is wrong", section.name())));
            }
        }
        checked(length);
        Ok(index)
    }

    /// Records with a digest, in their order.
    fn find<const N: usize>(&self, section: Section, digest: &[u8; N]) -> Result<Vec<u32>, SetError> {
        let index =
            self.indexes.get().and_then(|indexes| indexes.get(section as usize - Section::Md5 as usize));
        if let Some(index) = index {
            let read = |offset, bytes: &mut [u8]| self.file.read_into(section, offset, bytes);
            return index.find(digest, read).map_err(|fault| self.failed(fault));
        }
        let extent = self.extent(section);
        let size = (N + 4) as u64;
        let place = extent.count * size + u64::from(leading_bits(digest, extent.bits)) * 4;
        let bounds = self.bytes(section, place..place + 8)?;
        let (first, end) = (u64::from(u32_at(&bounds, 0)), u64::from(u32_at(&bounds, 4)));
        if first > end || end > extent.count {
            return Err(self.damaged(format!("the directory of its {} is wrong", section.name())));
        }
        let bucket = self.bytes(section, first * size..end * size)?;
        let entries: Vec<&[u8]> = bucket.chunks_exact(N + 4).collect();
        let start = entries.partition_point(|entry| entry[..N] < digest[..]);
        let same = entries[start..].iter().take_while(|entry| entry.starts_with(digest));
        Ok(same.map(|entry| u32_at(entry, N)).collect())
    }

    const fn extent(&self, section: Section) -> Extent {
        self.file.extent(section)
    }

    /// Bytes of a section, checked against the digests of the chunks that they lie in.
    fn bytes(&self, section: Section, range: Range<u64>) -> Result<Vec<u8>, SetError> {
        self.file.bytes(section, range.start, range.end).map_err(|fault| self.failed(fault))
    }

    fn failed(&self, fault: ReadFault) -> SetError {
        SetError::read(&self.path, fault)
    }

    fn damaged(&self, reason: String) -> SetError {
        SetError::Damaged { path: self.path.clone(), reason }
    }
}
