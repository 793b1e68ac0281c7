//! The bytes of a set file, read where they are asked for and checked as they are read.
//!
//! The file is not memory-mapped. Truncating a mapped file would kill the program with a signal, and overwriting it
//! would change bytes after they were checked. What is read here is in our own memory and is compared with its chunk's
//! SHA-256 on every read, so no answer comes from changed bytes (`docs/decisions/hash-set-file.md`).

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::error::ReadFault;
use super::layout::{CHUNK, Extent, HEADER, Header, Section};

/// Checked chunks kept for each section: neighbouring records are read together.
const KEPT: usize = 8;

/// A chunk that was checked, by its number in its section.
type Kept = Option<(u64, Arc<[u8]>)>;

/// An open set file with its expected digests.
#[derive(Debug)]
pub(super) struct CheckedFile {
    /// Held open, with a shared lock where the system has it.
    file: File,
    pub header: Header,
    /// The SHA-256 of the header.
    pub identity: [u8; 32],
    /// The SHA-256 of every chunk, over all sections.
    digests: Vec<[u8; 32]>,
    /// [`KEPT`] slots for each section, indexed by chunk number.
    kept: Mutex<Vec<Kept>>,
    /// The file's metadata when its bytes were last known to be unchanged.
    stamp: Mutex<Stamp>,
}

impl CheckedFile {
    /// Opens a file, and reads its header and the digests of its chunks.
    ///
    /// # Errors
    /// If it cannot be read, or is not a set file.
    pub fn open(path: &Path) -> Result<Self, ReadFault> {
        let file = options().open(path)?;
        // Advisory: it keeps cooperating writers away. A network share without locks is still read.
        let _ = file.try_lock_shared();
        let stamp = Stamp::of(&file)?;
        let (header, identity) = read_header(&file, stamp.length)?;
        let digests = read_digests(&file, &header)?;
        let kept = Mutex::new(vec![None; Section::ALL.len() * KEPT]);
        Ok(Self { file, header, identity, digests, kept, stamp: Mutex::new(stamp) })
    }

    pub const fn extent(&self, section: Section) -> Extent {
        self.header.sections[section as usize]
    }

    /// Bytes of a section.
    ///
    /// # Errors
    /// If the range leaves the section, or the file is damaged there.
    pub fn bytes(&self, section: Section, start: u64, end: u64) -> Result<Vec<u8>, ReadFault> {
        if start > end || end > self.extent(section).length {
            let reason = format!("it is damaged: its section {} points outside itself", section.name());
            return Err(ReadFault::Damaged(reason));
        }
        let mut bytes = Vec::new();
        let mut at = start;
        while at < end {
            let number = at / CHUNK as u64;
            let chunk = self.kept_chunk(section, number)?;
            let from = (at % CHUNK as u64) as usize;
            let to = chunk.len().min(from + (end - at) as usize);
            bytes.extend_from_slice(chunk.get(from..to).unwrap_or_default());
            at += (to - from) as u64;
        }
        Ok(bytes)
    }

    /// A chunk of a section, read now or a while ago.
    fn kept_chunk(&self, section: Section, number: u64) -> Result<Arc<[u8]>, ReadFault> {
        let place = section as usize * KEPT + (number % KEPT as u64) as usize;
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some((known, chunk))) = kept().get(place)
            && *known == number
        {
            return Ok(Arc::clone(chunk));
        }
        let chunk: Arc<[u8]> = self.chunk(section, number)?.into();
        if let Some(kept) = kept().get_mut(place) {
            *kept = Some((number, Arc::clone(&chunk)));
        }
        Ok(chunk)
    }

    /// A chunk of a section, read and checked.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn chunk(&self, section: Section, number: u64) -> Result<Vec<u8>, ReadFault> {
        let extent = self.extent(section);
        let start = number * CHUNK as u64;
        let length = extent.length.saturating_sub(start).min(CHUNK as u64);
        let bytes = read(&self.file, extent.offset + start, length)?;
        let before: u64 = self.header.sections[..section as usize].iter().map(|extent| extent.chunks()).sum();
        let expected = self.digests.get((before + number) as usize);
        if expected != Some(&Sha256::digest(&bytes).into()) {
            return Err(ReadFault::Damaged(format!(
                "it is damaged: bytes {} to {} of the file are not what was written (section {}). Import its source \
                 again, or restore the file",
                extent.offset + start,
                extent.offset + start + length,
                section.name()
            )));
        }
        Ok(bytes)
    }

    /// Bytes as they are now, for a reader that checks them itself.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read_into(&self, section: Section, start: u64, bytes: &mut [u8]) -> Result<(), ReadFault> {
        Ok(read_exact_at(&self.file, bytes, self.extent(section).offset + start)?)
    }

    /// All of a section from its beginning.
    pub const fn stream(&self, section: Section) -> Stream<'_> {
        Stream { file: self, section, next: 0, chunk: Vec::new(), used: 0 }
    }

    /// Checks that the gaps between sections hold zeros.
    ///
    /// # Errors
    /// If they do not.
    pub fn check_padding(&self) -> Result<(), ReadFault> {
        let mut end = HEADER as u64;
        for section in Section::ALL {
            let extent = self.extent(section);
            let gap = read(&self.file, end, extent.offset - end)?;
            if gap.iter().any(|&byte| byte != 0) {
                let reason = format!("it is damaged before its section {}", section.name());
                return Err(ReadFault::Damaged(reason));
            }
            end = extent.offset + extent.length;
        }
        Ok(())
    }

    /// Refuses a file that changed since it was opened. While its metadata is unchanged nothing is read; otherwise the
    /// whole file is, unless `is_cancelled` ends that.
    ///
    /// # Errors
    /// If it was written to, can no longer be read, or was not read to its end.
    pub fn check_unchanged(&self, is_cancelled: &dyn Fn() -> bool) -> Result<(), ReadFault> {
        let now = Stamp::of(&self.file)?;
        // Not held while the file is read, which may take minutes.
        let stamp = || self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        if *stamp() == now {
            return Ok(());
        }
        // Renaming or changing permissions also changes times: the bytes decide.
        let (_, identity) = read_header(&self.file, now.length)?;
        if identity != self.identity {
            return Err(ReadFault::damaged("it is another set now"));
        }
        read_digests(&self.file, &self.header)?;
        // The digests of chunks have none of their own.
        for section in Section::ALL.into_iter().filter(|&section| section != Section::Checks) {
            for number in 0..self.extent(section).chunks() {
                if is_cancelled() {
                    return Err(ReadFault::Cancelled);
                }
                self.chunk(section, number)?;
            }
        }
        // The metadata from before the reading: the next check detects a change since then.
        *stamp() = now;
        Ok(())
    }
}

/// A section from its beginning, a chunk at a time.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    file: &'a CheckedFile,
    section: Section,
    /// The chunk after the one in hand.
    next: u64,
    chunk: Vec<u8>,
    used: usize,
}

impl Stream<'_> {
    /// Fills `into` with the next bytes.
    ///
    /// # Errors
    /// If the file is damaged there, or the section ends.
    pub fn read(&mut self, mut into: &mut [u8]) -> Result<(), ReadFault> {
        while !into.is_empty() {
            if self.used == self.chunk.len() {
                if self.next >= self.file.extent(self.section).chunks() {
                    let reason = format!("its section {} is cut off", self.section.name());
                    return Err(ReadFault::Damaged(reason));
                }
                self.chunk = self.file.chunk(self.section, self.next)?;
                self.next += 1;
                self.used = 0;
            }
            let available = self.chunk.get(self.used..).unwrap_or_default();
            let count = available.len().min(into.len());
            let (now, later) = into.split_at_mut(count);
            now.copy_from_slice(&available[..count]);
            self.used += count;
            into = later;
        }
        Ok(())
    }

    /// The next bytes of a fixed number.
    ///
    /// # Errors
    /// As for [`Stream::read`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadFault> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    /// The next so many bytes.
    ///
    /// # Errors
    /// As for [`Stream::read`].
    pub fn take(&mut self, length: u64, into: &mut Vec<u8>) -> Result<(), ReadFault> {
        into.clear();
        into.resize(length as usize, 0);
        self.read(into)
    }
}

/// Metadata of an open file that changes when the file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Time of the last status change (ctime), in seconds and nanoseconds: it cannot be set back.
    changed: Option<(i64, i64)>,
    /// Device and inode: constant for an open file, except on shares that lose it.
    file: Option<(u64, u64)>,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let data = file.metadata()?;
        #[cfg(unix)]
        let (changed, id) = {
            use std::os::unix::fs::MetadataExt;
            (Some((data.ctime(), data.ctime_nsec())), Some((data.dev(), data.ino())))
        };
        // The file is opened without write sharing, which Windows enforces.
        #[cfg(not(unix))]
        let (changed, id) = (None, None);
        Ok(Self { length: data.len(), modified: data.modified().ok(), changed, file: id })
    }
}

/// Opens the file: on Windows so that others cannot write to it, but may rename or replace it.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        const SHARE_READ: u32 = 1;
        const SHARE_DELETE: u32 = 4;
        options.share_mode(SHARE_READ | SHARE_DELETE);
    }
    options
}

fn read_header(file: &File, length: u64) -> Result<(Header, [u8; 32]), ReadFault> {
    let head = read(file, 0, length.min(HEADER as u64))?;
    Header::read(&head, length)
}

/// The digests of all chunks, checked against the header.
fn read_digests(file: &File, header: &Header) -> Result<Vec<[u8; 32]>, ReadFault> {
    let extent = header.sections[Section::Checks as usize];
    let bytes = read(file, extent.offset, extent.length)?;
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != header.checks_sha256 {
        return Err(ReadFault::damaged("it is damaged: the digests of its parts are not what was written"));
    }
    Ok(bytes.as_chunks::<32>().0.to_vec())
}

fn read(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    read_exact_at(file, &mut bytes, offset)?;
    Ok(bytes)
}

/// Reads without the file's position, which threads would share.
#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Reads at an offset, regardless of the file's position, which threads share.
#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                bytes = &mut std::mem::take(&mut bytes)[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}
