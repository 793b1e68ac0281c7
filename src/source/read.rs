//! Reading a file once, block by block.

use std::fs::File;
use std::io;
use std::path::Path;

use super::medium::Medium;
use super::open::open_for_reading;
use super::provenance::Provenance;
use crate::outcome::{Failure, Outcome, Stage};

/// A file that is open for reading.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    size: u64,
    /// Where [`SourceFile::fill`] goes on.
    position: u64,
}

impl SourceFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// If it cannot be read: `vanished` where the file is gone, `unreadable` otherwise, with the system's
    /// error.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let (file, size) = open_for_reading(path).map_err(|error| failure(&error))?;
        Ok(Self { file, size, position: 0 })
    }

    /// Opens what a provenance leads to.
    ///
    /// # Errors
    /// As [`SourceFile::open`]; `unreadable` where it is not a file of a folder.
    pub fn at(place: &Provenance) -> Result<Self, Failure> {
        let inside = || Failure::new(Outcome::Unreadable, Stage::Read, "it lies inside another file");
        Self::open(&place.file().ok_or_else(inside)?)
    }

    /// How many of its bytes were never written, if those are most of a large file (`super::holes`). Must be
    /// called before it is read.
    #[must_use]
    pub fn mostly_holes(&self) -> Option<u64> {
        super::holes::mostly_holes(&self.file, self.size)
    }

    /// Reads the next bytes until the block is full or the file ends; returns how many came.
    ///
    /// # Errors
    /// If it cannot be read: `unreadable`, with the system's error.
    pub fn fill(&mut self, block: &mut [u8]) -> Result<usize, Failure> {
        let filled = self.fill_at(self.position, block).map_err(|error| failure(&error))?;
        self.position += filled as u64;
        Ok(filled)
    }
}

impl Medium for SourceFile {
    /// Its size when it was opened; it may have grown since.
    fn len(&self) -> u64 {
        self.size
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
    }
}

/// The outcome of a file that could not be opened or read.
pub(super) fn failure(error: &io::Error) -> Failure {
    let outcome = match error.kind() {
        io::ErrorKind::NotFound => Outcome::Vanished,
        _ => Outcome::Unreadable,
    };
    Failure::new(outcome, Stage::Read, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn blocks_come_full_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"0123456789").unwrap();
        let mut file = SourceFile::open(&path).unwrap();
        assert_eq!(file.len(), 10);
        let mut block = [0; 4];
        let mut content = Vec::new();
        for expected in [4, 4, 2, 0] {
            let filled = file.fill(&mut block).unwrap();
            assert_eq!(filled, expected);
            content.extend_from_slice(&block[..filled]);
        }
        assert_eq!(content, b"0123456789");
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let gone = SourceFile::open(&folder.path().join("gone")).unwrap_err();
        assert_eq!(gone.outcome, Outcome::Vanished);
        let directory = SourceFile::open(folder.path()).unwrap_err();
        assert_eq!(directory.outcome, Outcome::Unreadable);
    }
}
