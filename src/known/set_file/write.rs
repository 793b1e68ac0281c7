//! Writing a set file as its records come, in bounded memory.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::layout::leading_bits;
use super::layout::{CHUNK, Extent, HEADER, Header, NO_QUALITY, Section, StoredFacts, directory_bits};
use super::manifest::Manifest;
use super::sort::Sorter;
use super::spill::Spill;
use super::{SetCounts, SetError};
use crate::known::control::ImportControl;
use crate::known::record::{KnownRecord, MatchedDigests, Spelling};
use crate::partial::Partial;

/// Entries between two checks for cancellation.
const LOOK: u32 = 1 << 16;

/// Bytes cut into chunks, each with its SHA-256.
#[derive(Debug, Default)]
struct Chunks {
    current: Sha256,
    filled: usize,
    digests: Vec<[u8; 32]>,
}

impl Chunks {
    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(CHUNK - self.filled));
            self.current.update(piece);
            self.filled += piece.len();
            bytes = rest;
            if self.filled == CHUNK {
                self.end();
            }
        }
    }

    /// Ends a section; its last chunk may be short.
    fn end(&mut self) {
        if self.filled > 0 {
            self.digests.push(self.current.finalize_reset().into());
            self.filled = 0;
        }
    }
}

/// The file that grows, section by section.
#[derive(Debug)]
struct Output {
    file: BufWriter<Partial>,
    position: u64,
    chunks: Chunks,
    header: Header,
}

impl Output {
    fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, Partial::beside(path, "")?);
        file.write_all(&[0; HEADER])?;
        Ok(Self { file, position: HEADER as u64, chunks: Chunks::default(), header: Header::default() })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.chunks.update(bytes);
        self.position += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Writes one section. The one before has ended.
    fn section<E: From<io::Error>>(
        &mut self,
        section: Section,
        (count, bits): (u64, u32),
        write: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let offset = self.begin()?;
        write(self)?;
        self.end(section, offset, count, bits);
        Ok(())
    }

    /// Pads to the next section boundary.
    fn begin(&mut self) -> io::Result<u64> {
        let padding = self.position.next_multiple_of(HEADER as u64) - self.position;
        self.file.write_all(&[0; HEADER][..padding as usize])?;
        self.position += padding;
        Ok(self.position)
    }

    fn end(&mut self, section: Section, offset: u64, count: u64, bits: u32) {
        self.chunks.end();
        self.header.sections[section as usize] =
            Extent { offset, length: self.position - offset, count, bits };
    }
}

/// A set file that is being written. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(in crate::known) struct SetWriter {
    path: PathBuf,
    output: Output,
    /// Bytes of `records` so far.
    records_length: u64,
    offsets: Spill,
    md5: Sorter<16>,
    sha1: Sorter<20>,
    sha256: Sorter<32>,
    hashes: Spill,
    photodna: Spill,
    counts: SetCounts,
    /// Buffer for one record.
    buffer: Vec<u8>,
}

impl SetWriter {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self, SetError> {
        let output = Output::create(path).map_err(|error| SetError::write(path, error))?;
        Ok(Self {
            path: path.to_path_buf(),
            output,
            records_length: 0,
            offsets: Spill::new(path, "offsets"),
            md5: Sorter::new(path, "md5"),
            sha1: Sorter::new(path, "sha1"),
            sha256: Sorter::new(path, "sha256"),
            hashes: Spill::new(path, "hashes"),
            photodna: Spill::new(path, "photodna"),
            counts: SetCounts::default(),
            buffer: Vec::new(),
        })
    }

    /// What was written so far.
    pub const fn counts(&self) -> SetCounts {
        self.counts
    }

    /// Malformed fields of a record that are not used for matching.
    pub const fn count_odd(&mut self, photodna_unread: bool, odd_fields: u64) {
        self.counts.photodna_unread += photodna_unread as u64;
        self.counts.odd_fields += odd_fields;
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If the disk is full, or there are more records than a set can number.
    pub fn push(&mut self, record: &KnownRecord<'_>) -> Result<(), SetError> {
        let number = u32::try_from(self.counts.records).ok().filter(|&number| number < u32::MAX);
        let number = number.ok_or(SetError::TooMany)?;
        self.store(record, number).map_err(|error| SetError::write(&self.path, error))
    }

    fn store(&mut self, record: &KnownRecord<'_>, number: u32) -> io::Result<()> {
        self.counts.records += 1;
        self.offsets.write(&self.records_length.to_le_bytes())?;
        self.buffer.clear();
        StoredFacts::write(&record.facts, record.media_size, &mut self.buffer);
        self.buffer.extend_from_slice(record.fields.as_bytes());
        self.records_length += self.buffer.len() as u64;
        self.output.write(&self.buffer)?;
        if record.facts.withdrawn {
            self.counts.withdrawn += 1;
            return Ok(());
        }
        let mut digests = MatchedDigests { md5: record.md5, sha1: record.sha1, sha256: record.sha256 };
        let trivial = digests.set_trivial_aside();
        self.counts.trivial += u64::from(trivial);
        if let Some(digest) = digests.md5 {
            self.counts.md5 += 1;
            self.md5.push(digest, number)?;
        }
        if let Some(digest) = digests.sha1 {
            self.counts.sha1 += 1;
            self.sha1.push(digest, number)?;
        }
        if let Some(digest) = digests.sha256 {
            self.counts.sha256 += 1;
            self.sha256.push(digest, number)?;
        }
        if let Some(hash) = record.hash {
            self.counts.hashes += 1;
            self.hashes.write(&number.to_le_bytes())?;
            self.hashes.write(&[record.quality.unwrap_or(NO_QUALITY), 0, 0, 0])?;
            self.hashes.write(&hash.to_bytes())?;
        }
        if let Some(value) = &record.photodna {
            self.counts.photodna += 1;
            let spelling = match value.spelling {
                Spelling::Base64 => 1,
                Spelling::Hex => 2,
            };
            self.photodna.write(&number.to_le_bytes())?;
            self.photodna.write(&[spelling, 0, 0, 0])?;
            self.photodna.write(&value.bytes)?;
        }
        self.counts.with_digests += u64::from(digests.any());
        let nothing = !digests.any() && record.hash.is_none() && !trivial;
        self.counts.nothing_to_match += u64::from(nothing);
        Ok(())
    }

    /// Writes the tables and the manifest, and gives the file its name. Returns the set's identity.
    ///
    /// # Errors
    /// If the disk is full, or `control` ended the import; no file is left then.
    pub fn finish(mut self, mut manifest: Manifest, control: &ImportControl) -> Result<[u8; 32], SetError> {
        let path = self.path.clone();
        let failed = |error| SetError::write(&path, error);
        let malformed_records = manifest.counts.malformed_records;
        manifest.counts = SetCounts { malformed_records, ..self.counts };
        self.offsets.write(&self.records_length.to_le_bytes()).map_err(failed)?;
        let Self { mut output, offsets, md5, sha1, sha256, hashes, photodna, counts, .. } = self;
        output.header.records = counts.records;
        output.end(Section::Records, HEADER as u64, counts.records, 0);
        copy(&mut output, Section::Offsets, counts.records, offsets, control)
            .map_err(|stop| stop.at(&path))?;
        table(&mut output, Section::Md5, md5, control).map_err(|stop| stop.at(&path))?;
        table(&mut output, Section::Sha1, sha1, control).map_err(|stop| stop.at(&path))?;
        table(&mut output, Section::Sha256, sha256, control).map_err(|stop| stop.at(&path))?;
        copy(&mut output, Section::Hashes, counts.hashes, hashes, control).map_err(|stop| stop.at(&path))?;
        copy(&mut output, Section::PhotoDna, counts.photodna, photodna, control)
            .map_err(|stop| stop.at(&path))?;
        let text = serde_json::to_vec(&manifest).map_err(|error| failed(error.into()))?;
        output.section(Section::Manifest, (1, 0), |out| out.write(&text)).map_err(failed)?;
        seal(output, &path).map_err(failed)
    }
}

/// What ends the writing of a section early.
enum Stop {
    Io(io::Error),
    Cancelled,
}

impl Stop {
    fn at(self, path: &Path) -> SetError {
        match self {
            Self::Io(error) => SetError::write(path, error),
            Self::Cancelled => SetError::Cancelled,
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn check(control: &ImportControl) -> Result<(), Stop> {
    if control.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
}

fn copy(
    output: &mut Output,
    section: Section,
    count: u64,
    spill: Spill,
    control: &ImportControl,
) -> Result<(), Stop> {
    output.section(section, (count, 0), |out| {
        spill.read(|bytes| {
            check(control)?;
            Ok(out.write(bytes)?)
        })
    })
}

/// Sorted digests, and their directory.
fn table<const N: usize>(
    output: &mut Output,
    section: Section,
    sorter: Sorter<N>,
    control: &ImportControl,
) -> Result<(), Stop> {
    let (count, bits) = (sorter.count(), directory_bits(sorter.count()));
    output.section(section, (count, bits), |out| {
        // Where each value of the leading bits begins. Records have 32-bit numbers, and a record has one digest of a kind.
        let mut directory: Vec<u32> = Vec::with_capacity((1 << bits) + 1);
        let mut written = 0_u32;
        let mut block = Vec::with_capacity(1 << 16);
        sorter.merge(|entry| {
            let value = leading_bits(&entry.digest, bits) as usize;
            if directory.len() <= value {
                directory.resize(value + 1, written);
            }
            block.extend_from_slice(&entry.digest);
            block.extend_from_slice(&entry.record.to_le_bytes());
            written += 1;
            if written.is_multiple_of(LOOK) {
                check(control)?;
            }
            if block.len() > (1 << 16) - 64 {
                out.write(&block)?;
                block.clear();
            }
            Ok::<(), Stop>(())
        })?;
        directory.resize((1 << bits) + 1, written);
        out.write(&block)?;
        for piece in directory.chunks(1 << 14) {
            let bytes: Vec<u8> = piece.iter().flat_map(|before| before.to_le_bytes()).collect();
            out.write(&bytes)?;
        }
        Ok(())
    })
}

/// Writes the chunks' digests and the header, and renames the file.
fn seal(mut output: Output, path: &Path) -> io::Result<[u8; 32]> {
    let digests: Vec<u8> = std::mem::take(&mut output.chunks.digests).concat();
    output.header.checks_sha256 = Sha256::digest(&digests).into();
    let offset = output.begin()?;
    output.write(&digests)?;
    output.end(Section::Checks, offset, digests.len() as u64 / 32, 0);
    output.header.file_length = output.position;
    let header = output.header.to_bytes();
    let mut partial = output.file.into_inner().map_err(io::IntoInnerError::into_error)?;
    partial.file.seek(SeekFrom::Start(0))?;
    partial.file.write_all(&header[..])?;
    partial.rename(path)?;
    header.last_chunk().copied().ok_or_else(|| io::Error::other("the header has no digest"))
}
