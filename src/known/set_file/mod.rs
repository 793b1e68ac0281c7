//! Set files: known sets of many millions that open at once. [`layout`] describes the file.
//!
//! Opening reads the header, the digests of all chunks and the manifest. Every other byte is checked against its
//! chunk's SHA-256 when it is first touched, so that nothing is ever answered from damaged bytes.

mod layout;
mod manifest;
mod map;
mod sort;
mod spill;
mod tables;
mod write;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::KnownCode;
use super::control::ImportControl;
use super::record::{Facts, PhotoDna, Spelling};
use crate::pdq::Code;
use crate::source::name::{escape, escape_path};
use layout::{
    CHUNK, CODE_ENTRY, Extent, HEADER, Header, NO_QUALITY, PHOTODNA_ENTRY, Section, StoredFacts, directory,
    u32_at, u64_at,
};
use map::Map;
use sort::leading_bits;

pub(in crate::known) use layout::MAGIC;
pub use manifest::{Manifest, SetCounts, SourceFile};
pub(in crate::known) use tables::DigestTable;
pub(in crate::known) use write::SetWriter;

/// Why a set file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// What the system said.
    #[error("known set {}: {source}", escape_path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// What the system said of the file to be written.
    #[error("cannot write the known set {}: {source}", escape_path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It is no set file, or not as it was written.
    #[error("known set {}: {reason}", escape_path(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// More records than can be numbered.
    #[error("more than 2³² records in one set: import its parts into sets of their own")]
    TooMany,
    /// It was ended early.
    #[error("interrupted: nothing is left of it")]
    Cancelled,
}

impl SetError {
    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }
}

/// A record of a set file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord<'a> {
    /// What is known about it.
    pub facts: Facts<'a>,
    /// Size of the file in bytes, where the source gives it.
    pub media_size: Option<u64>,
    /// All of its fields as a JSON object, in the source's order.
    pub fields: &'a str,
}

/// A set file that is open.
#[derive(Debug)]
pub struct SetFile {
    path: PathBuf,
    map: Map,
    header: Header,
    identity: [u8; 32],
    manifest: Manifest,
    /// A bit a chunk, over all sections: it was found to be as it was written.
    sound: Vec<AtomicU64>,
}

impl SetFile {
    /// Whether a file begins as set files do.
    #[must_use]
    pub fn is_one(head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    /// Opens a set file.
    ///
    /// # Errors
    /// It cannot be read, is none, or is damaged where it was looked at.
    pub fn open(path: &Path) -> Result<Self, SetError> {
        let system = |source| SetError::Io { path: path.to_path_buf(), source };
        let damaged = |reason| SetError::Damaged { path: path.to_path_buf(), reason };
        let map = Map::new(File::open(path).map_err(system)?).map_err(system)?;
        let (header, identity) = Header::read(map.bytes(), map.bytes().len() as u64).map_err(damaged)?;
        let extent = header.sections[Section::Checks as usize];
        let checks = slice(map.bytes(), extent, 0..extent.length).unwrap_or_default();
        if <[u8; 32]>::from(Sha256::digest(checks)) != header.checks_sha256 {
            return Err(damaged(
                "it is damaged: the digests of its parts are not as they were written".into(),
            ));
        }
        let chunks: u64 = header.sections.iter().map(|extent| extent.chunks()).sum();
        let sound = (0..chunks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let placeholder = Manifest::empty();
        let mut set = Self { path: path.to_path_buf(), map, header, identity, manifest: placeholder, sound };
        let text = set.bytes(Section::Manifest, 0..set.extent(Section::Manifest).length)?;
        let manifest = serde_json::from_slice(text).map_err(|error| {
            set.damaged(format!("its manifest: {}", escape(error.to_string().as_bytes())))
        })?;
        set.manifest = manifest;
        if set.manifest.counts.records != set.header.records {
            return Err(set.damaged("its manifest contradicts its header".into()));
        }
        Ok(set)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 of its header, which holds that of all else: what identifies the set.
    #[must_use]
    pub const fn identity(&self) -> [u8; 32] {
        self.identity
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.header.file_length
    }

    /// How many records it has; they are numbered from 0.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.header.records
    }

    /// Records with this MD5, in their order.
    ///
    /// # Errors
    /// The file is damaged there.
    pub fn find_md5(&self, digest: &[u8; 16]) -> Result<Vec<u32>, SetError> {
        self.find(Section::Md5, digest)
    }

    /// Records with this SHA-1, in their order.
    ///
    /// # Errors
    /// The file is damaged there.
    pub fn find_sha1(&self, digest: &[u8; 20]) -> Result<Vec<u32>, SetError> {
        self.find(Section::Sha1, digest)
    }

    /// Records with this SHA-256, in their order.
    ///
    /// # Errors
    /// The file is damaged there.
    pub fn find_sha256(&self, digest: &[u8; 32]) -> Result<Vec<u32>, SetError> {
        self.find(Section::Sha256, digest)
    }

    /// One record.
    ///
    /// # Errors
    /// There is no such record, or the file is damaged there.
    pub fn record(&self, number: u32) -> Result<StoredRecord<'_>, SetError> {
        let number = u64::from(number);
        if number >= self.records() {
            let reason = format!("it has {} records, so none of the number {}", self.records(), number + 1);
            return Err(self.damaged(reason));
        }
        let offsets = self.bytes(Section::Offsets, number * 8..number * 8 + 16)?;
        let bytes = self.bytes(Section::Records, u64_at(offsets, 0)..u64_at(offsets, 8))?;
        let (facts, media_size, fields) = StoredFacts::read(bytes)
            .ok_or_else(|| self.damaged(format!("record {} is not as a record is written", number + 1)))?;
        Ok(StoredRecord { facts, media_size, fields })
    }

    /// Its codes, by record.
    ///
    /// # Errors
    /// The file is damaged there.
    pub fn codes(&self) -> Result<impl Iterator<Item = KnownCode> + '_, SetError> {
        let bytes = self.bytes(Section::Codes, 0..self.extent(Section::Codes).length)?;
        let (entries, _) = bytes.as_chunks::<CODE_ENTRY>();
        let wrong = |entry: &[u8; CODE_ENTRY]| {
            u64::from(u32_at(entry, 0)) >= self.records() || entry[4] > 100 && entry[4] != NO_QUALITY
        };
        if entries.iter().any(wrong) || !entries.is_sorted_by_key(|entry| u32_at(entry, 0)) {
            return Err(self.damaged("its codes are not as codes are written".into()));
        }
        Ok(entries.iter().map(|entry| {
            let code = entry.last_chunk().map_or(Code([0; 4]), |bytes| Code::from_bytes(*bytes));
            let quality = Some(entry[4]).filter(|&quality| quality != NO_QUALITY);
            KnownCode { record: u32_at(entry, 0), code, quality }
        }))
    }

    /// Its PhotoDNA values, by record.
    ///
    /// # Errors
    /// The file is damaged there.
    pub fn photodna(&self) -> Result<Vec<(u32, PhotoDna)>, SetError> {
        let bytes = self.bytes(Section::PhotoDna, 0..self.extent(Section::PhotoDna).length)?;
        let (entries, _) = bytes.as_chunks::<PHOTODNA_ENTRY>();
        let values = entries.iter().map(|entry| {
            let spelling = match entry[4] {
                1 => Spelling::Base64,
                2 => Spelling::Hex,
                _ => return None,
            };
            let record = Some(u32_at(entry, 0)).filter(|&record| u64::from(record) < self.records())?;
            Some((record, PhotoDna { bytes: *entry.last_chunk()?, spelling }))
        });
        let values: Option<Vec<(u32, PhotoDna)>> = values.collect();
        let values = values.filter(|values| values.is_sorted_by_key(|value| value.0));
        values.ok_or_else(|| self.damaged("its PhotoDNA values are not as they are written".into()))
    }

    /// Checks what matching reads: the tables of digests and the codes.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn verify_tables(&self) -> Result<(), SetError> {
        for section in [Section::Md5, Section::Sha1, Section::Sha256, Section::Codes] {
            self.bytes(section, 0..self.extent(section).length)?;
        }
        self.check_order::<16>(Section::Md5)?;
        self.check_order::<20>(Section::Sha1)?;
        self.check_order::<32>(Section::Sha256)
    }

    /// Checks every byte, and every record.
    ///
    /// # Errors
    /// The file is damaged, with the place; or `control` ended it.
    pub fn verify(&self, control: &ImportControl) -> Result<(), SetError> {
        self.check_padding()?;
        for section in Section::ALL {
            let extent = self.extent(section);
            for chunk in 0..extent.chunks() {
                if control.is_cancelled() {
                    return Err(SetError::Cancelled);
                }
                let range = chunk * CHUNK as u64..((chunk + 1) * CHUNK as u64).min(extent.length);
                control.add_bytes(range.end - range.start);
                self.bytes(section, range)?;
            }
        }
        self.verify_tables()?;
        self.photodna()?;
        let codes = self.codes()?.count() as u64;
        let counts = self.manifest.counts;
        let count = |section| self.extent(section).count;
        let counted =
            [count(Section::Md5), count(Section::Sha1), count(Section::Sha256), count(Section::PhotoDna)];
        if counted != [counts.md5, counts.sha1, counts.sha256, counts.photodna] || codes != counts.codes {
            return Err(self.damaged("its manifest contradicts its tables".into()));
        }
        for number in 0..self.records() {
            if number.is_multiple_of(1 << 16) && control.is_cancelled() {
                return Err(SetError::Cancelled);
            }
            self.record(number as u32)?;
            control.add_record();
        }
        Ok(())
    }

    /// The places between sections hold zeros.
    fn check_padding(&self) -> Result<(), SetError> {
        let mut end = HEADER as u64;
        for section in Section::ALL {
            let extent = self.extent(section);
            let gap = self.map.bytes().get(end as usize..extent.offset as usize).unwrap_or_default();
            if gap.iter().any(|&byte| byte != 0) {
                return Err(self.damaged(format!("it is damaged before its section {}", section.name())));
            }
            end = extent.offset + extent.length;
        }
        Ok(())
    }

    /// A table's digests are sorted, its directory is that of its digests, and its records exist.
    fn check_order<const N: usize>(&self, section: Section) -> Result<(), SetError> {
        let (entries, directory) = self.table(section)?;
        let bits = self.extent(section).bits;
        let entry_of = |index: usize| entries.get(index * (N + 4)..(index + 1) * (N + 4));
        let mut last: Option<&[u8]> = None;
        let mut bucket = 0;
        for (index, entry) in entries.chunks_exact(N + 4).enumerate() {
            let value = leading_bits(entry, bits);
            while bucket < value {
                bucket += 1;
                if u32_at(directory, bucket as usize * 4) as usize != index {
                    return Err(self.damaged(format!("the directory of its {} is wrong", section.name())));
                }
            }
            let record = u32_at(entry, N);
            let order = last.is_none_or(|last| (&last[..N], u32_at(last, N)) < (&entry[..N], record));
            if !order || u64::from(record) >= self.records() {
                return Err(
                    self.damaged(format!("its {} are not sorted as they are written", section.name()))
                );
            }
            last = entry_of(index);
        }
        let count = entries.len() / (N + 4);
        let rest =
            (bucket as usize + 1..=1 << bits).all(|value| u32_at(directory, value * 4) as usize == count);
        if !rest || u32_at(directory, 0) != 0 {
            return Err(self.damaged(format!("the directory of its {} is wrong", section.name())));
        }
        Ok(())
    }

    /// (entries, directory) of a table of digests.
    fn table(&self, section: Section) -> Result<(&[u8], &[u8]), SetError> {
        let extent = self.extent(section);
        let all = self.bytes(section, 0..extent.length)?;
        let end = extent.length.saturating_sub(directory(extent.bits));
        all.split_at_checked(end as usize)
            .ok_or_else(|| self.damaged(format!("its {} are cut off", section.name())))
    }

    /// Records with a digest, in their order.
    fn find<const N: usize>(&self, section: Section, digest: &[u8; N]) -> Result<Vec<u32>, SetError> {
        let extent = self.extent(section);
        let size = (N + 4) as u64;
        let place = extent.count * size + u64::from(leading_bits(digest, extent.bits)) * 4;
        let bounds = self.bytes(section, place..place + 8)?;
        let (first, end) = (u64::from(u32_at(bounds, 0)), u64::from(u32_at(bounds, 4)));
        if first > end || end > extent.count {
            return Err(self.damaged(format!("the directory of its {} is wrong", section.name())));
        }
        let bucket = self.bytes(section, first * size..end * size)?;
        let entry = |index: usize| bucket.get(index * (N + 4)..(index + 1) * (N + 4)).unwrap_or_default();
        let (mut low, mut high) = (0, bucket.len() / (N + 4));
        while low < high {
            let middle = usize::midpoint(low, high);
            if entry(middle).get(..N) < Some(&digest[..]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let same = (low..bucket.len() / (N + 4)).map(entry).take_while(|entry| entry.starts_with(digest));
        Ok(same.map(|entry| u32_at(entry, N)).collect())
    }

    const fn extent(&self, section: Section) -> Extent {
        self.header.sections[section as usize]
    }

    /// Bytes of a section, checked against the digests of the chunks that they lie in.
    fn bytes(&self, section: Section, range: Range<u64>) -> Result<&[u8], SetError> {
        let extent = self.extent(section);
        let bytes = slice(self.map.bytes(), extent, range.clone()).ok_or_else(|| {
            self.damaged(format!("it is damaged: its section {} points outside itself", section.name()))
        })?;
        // The section of digests was checked as a whole when the file was opened.
        if section != Section::Checks && !range.is_empty() {
            let before: u64 =
                self.header.sections[..section as usize].iter().map(|extent| extent.chunks()).sum();
            for chunk in range.start / CHUNK as u64..=(range.end - 1) / CHUNK as u64 {
                self.check_chunk(section, before + chunk, chunk)?;
            }
        }
        Ok(bytes)
    }

    /// Checks a chunk unless it was checked before; `number` counts over all sections.
    fn check_chunk(&self, section: Section, number: u64, chunk: u64) -> Result<(), SetError> {
        let (word, bit) = (self.sound.get(number as usize / 64), 1_u64 << (number % 64));
        if word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0) {
            return Ok(());
        }
        let extent = self.extent(section);
        let range = chunk * CHUNK as u64..((chunk + 1) * CHUNK as u64).min(extent.length);
        let bytes = slice(self.map.bytes(), extent, range).unwrap_or_default();
        let expected = slice(self.map.bytes(), self.extent(Section::Checks), number * 32..number * 32 + 32);
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        if expected != Some(&digest[..]) {
            return Err(self.damaged(format!(
                "it is damaged: bytes {} to {} of the file are not as they were written (section {}). Import its \
                 source again, or restore the file",
                extent.offset + chunk * CHUNK as u64,
                extent.offset + chunk * CHUNK as u64 + bytes.len() as u64,
                section.name()
            )));
        }
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }

    fn damaged(&self, reason: String) -> SetError {
        SetError::Damaged { path: self.path.clone(), reason }
    }
}

/// Bytes of a section; `None` where the range leaves it.
fn slice(file: &[u8], extent: Extent, range: Range<u64>) -> Option<&[u8]> {
    if range.start > range.end || range.end > extent.length {
        return None;
    }
    file.get((extent.offset + range.start) as usize..(extent.offset + range.end) as usize)
}
