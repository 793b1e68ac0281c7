//! Reading a file once, block by block.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::open::open_for_reading;
use crate::outcome::{Failure, Outcome, Stage};

/// A file that is open for a single pass.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    size: u64,
}

impl SourceFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// If it cannot be read: `vanished` where the file is gone, `unreadable` otherwise, with the system's
    /// error.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let (file, size) = open_for_reading(path).map_err(|error| failure(&error))?;
        Ok(Self { file, size })
    }

    /// Its size when it was opened.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How many of its bytes were never written, if those are most of a large file (`super::holes`). Must be
    /// called before it is read.
    #[must_use]
    pub fn mostly_holes(&self) -> Option<u64> {
        super::holes::mostly_holes(&self.file, self.size)
    }

    /// Reads until the block is full or the file ends; returns the number of bytes read.
    ///
    /// # Errors
    /// If it cannot be read: `unreadable`, with the system's error.
    pub fn fill(&mut self, block: &mut [u8]) -> Result<usize, Failure> {
        let mut filled = 0;
        while filled < block.len() {
            match self.file.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        Ok(filled)
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
        assert_eq!(file.size(), 10);
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
