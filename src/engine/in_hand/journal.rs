//! The file `in-hand` of a case: a record of what is in hand that outlives the process.
//!
//! It has a slot for each thread that parses, at a fixed place. A file's record is one write before it is parsed, and one byte after.
//! Nothing is synced: the process dies, not the system, whose cache keeps both. A record that was torn has a wrong checksum and is
//! ignored.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::source::name::{path_bytes, path_from_bytes};
use crate::source::{Provenance, Step};

/// The name in the case's folder.
const NAME: &str = "in-hand";
/// Bytes from one slot to the next: records never share a page.
const STRIDE: usize = 8192;
/// Mark, checksum, SHA-256 of the content, what is done with it, length of the place.
const HEAD: usize = 1 + 8 + 32 + 1 + 2;
/// Maximum bytes of a place that are kept. The next run looks for the file there first; the content is identified by its digest.
const MAX_PLACE: usize = 4096;
/// Maximum slots that are read: more than a run has threads.
const MAX_SLOTS: usize = 8192;

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::engine) enum Work {
    /// Its bytes are read.
    Reading,
    /// Its first decoding, for a fingerprint.
    Decoding,
    /// Its decoding from pixels, for a confirmation.
    Verifying,
}

/// What is known of the content of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It is being parsed at the same time as others.
    InHand = 1,
    /// It is being parsed, and nothing else is.
    Alone = 2,
    /// An earlier run died with it in hand.
    Suspect = 3,
    /// Two runs died with it alone.
    LeftOut = 4,
    /// A run died with it alone: it is still suspect, because a kill looks the same.
    SuspectAgain = 5,
    /// It is being parsed alone for the second time.
    AloneAgain = 6,
}

impl Mark {
    const ALL: [Self; 6] =
        [Self::InHand, Self::Alone, Self::Suspect, Self::LeftOut, Self::SuspectAgain, Self::AloneAgain];
}

/// A record that an earlier run left.
#[derive(Debug)]
pub(super) struct Found {
    pub slot: usize,
    pub mark: Mark,
    pub sha256: [u8; 32],
    pub work: Work,
    pub place: Provenance,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the journal of a case, or creates it, and reads what is there.
    pub fn open(case: &Path) -> io::Result<(Self, Vec<Found>)> {
        let path = case.join(NAME);
        let bytes = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() <= (STRIDE * MAX_SLOTS) as u64 => {
                fs::read(&path)?
            }
            // This program did not write it.
            Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it is not a regular file")),
            Ok(_) => Vec::new(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let found = bytes.chunks(STRIDE).enumerate().filter_map(|(slot, bytes)| read(slot, bytes)).collect();
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        Ok((Self { file, path }, found))
    }

    /// Writes a record. Failures are ignored: a full disk fails the run by its database.
    pub fn write(&self, slot: usize, mark: Mark, sha256: &[u8; 32], work: Work, place: &Provenance) {
        let names = names_of(place);
        let mut record = Vec::with_capacity(HEAD + names.len());
        record.push(mark as u8);
        record.extend_from_slice(&[0; 8]);
        record.extend_from_slice(sha256);
        record.push(work as u8);
        record.extend_from_slice(&(names.len() as u16).to_le_bytes());
        record.extend_from_slice(&names);
        let checksum = checksum(&record[9..]);
        record[1..9].copy_from_slice(&checksum);
        let _ = write_at(&self.file, &record, offset(slot));
    }

    /// Changes the mark of a record, or clears it.
    pub fn mark(&self, slot: usize, mark: Option<Mark>) -> io::Result<()> {
        write_at(&self.file, &[mark.map_or(0, |mark| mark as u8)], offset(slot))
    }

    /// Removes the file, which is no longer needed.
    pub fn remove(&self) {
        // If it stays, the next run reads it and finds nothing.
        let _ = fs::remove_file(&self.path);
    }
}

fn read(slot: usize, bytes: &[u8]) -> Option<Found> {
    let mark = Mark::ALL.into_iter().find(|&mark| Some(&(mark as u8)) == bytes.first())?;
    let length = u16::from_le_bytes(bytes.get(HEAD - 2..HEAD)?.try_into().ok()?);
    let record = bytes.get(9..HEAD + usize::from(length))?;
    if bytes.get(1..9)? != checksum(record) {
        return None;
    }
    let sha256 = record.get(..32)?.try_into().ok()?;
    let work =
        [Work::Decoding, Work::Verifying].into_iter().find(|&work| record.get(32) == Some(&(work as u8)))?;
    Some(Found { slot, mark, sha256, work, place: place_of(&record[HEAD - 9..]) })
}

/// The source and the steps of a place, each after its length; what there is no room for is cut.
fn names_of(place: &Provenance) -> Vec<u8> {
    let mut names = Vec::new();
    let source = path_bytes(place.source()).into_owned();
    for name in std::iter::once(source).chain(place.steps().iter().map(Step::to_bytes)) {
        let Some(room) = MAX_PLACE.checked_sub(names.len() + 2) else { break };
        let name = &name[..name.len().min(room)];
        names.extend_from_slice(&(name.len() as u16).to_le_bytes());
        names.extend_from_slice(name);
    }
    names
}

/// The place of such bytes; a step that was cut is a name. Other bytes are a path, which is what records once had: the content is identified by
/// its digest, so that no record is lost for its place.
fn place_of(bytes: &[u8]) -> Provenance {
    let parts = parts_of(bytes).unwrap_or_default();
    let Some((source, steps)) = parts.split_first() else {
        return Provenance::of_file(path_from_bytes(bytes).into(), "");
    };
    let step = |name: &&[u8]| Step::from_bytes(name).unwrap_or_else(|_| Step::name(*name));
    let source: Arc<Path> = path_from_bytes(source).into();
    Provenance::new(source, steps.iter().map(step).collect())
}

fn parts_of(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (part, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        parts.push(part);
        bytes = rest;
    }
    bytes.is_empty().then_some(parts)
}

/// The checksum of everything but the mark, which changes alone.
fn checksum(record: &[u8]) -> [u8; 8] {
    let digest = Sha256::digest(record);
    std::array::from_fn(|index| digest[index])
}

const fn offset(slot: usize) -> u64 {
    slot as u64 * STRIDE as u64
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (bytes, offset) = (&bytes[written..], offset + written as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Extent;

    #[test]
    fn places_come_back_and_those_of_old_records_are_paths() {
        let source: Arc<Path> = Path::new("/seized").into();
        let chain = |name: &str| {
            let embedded = Step::Embedded(Extent { offset: 4, length: 5 });
            Provenance::new(Arc::clone(&source), vec![Step::name(name), embedded])
        };
        for place in [Provenance::of_file(Arc::clone(&source), ""), chain("a/b.zip"), chain("p2:ntfs")] {
            assert_eq!(place_of(&names_of(&place)), place);
        }
        let embedded = Step::Embedded(Extent { offset: 4, length: 5 }).to_bytes().len();
        for (room, whole) in
            [(0, true), (1, false), (embedded, false), (embedded + 2, false), (MAX_PLACE, false)]
        {
            let name = "x".repeat(MAX_PLACE - 6 - "/seized".len() - embedded + room);
            let names = names_of(&chain(&name));
            assert!(names.len() <= MAX_PLACE);
            let read = place_of(&names);
            assert_eq!(read == chain(&name), whole, "{room}");
            assert_eq!(read.source(), &*source);
            let Step::Name { name: begin, .. } = &read.steps()[0] else { panic!("{read:?}") };
            assert!(name.as_bytes().starts_with(begin) && begin.len() > MAX_PLACE / 2, "{room}");
        }
        let long = Provenance::of_file(Path::new(&"y".repeat(2 * MAX_PLACE)).into(), "a");
        assert_eq!(names_of(&long).len(), MAX_PLACE);
        let old = place_of(b"/seized/DCIM/a.jpg");
        assert_eq!(old.file().as_deref(), Some(Path::new("/seized/DCIM/a.jpg")));
    }
}
