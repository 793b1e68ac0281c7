//! One source of an import: its bytes with their SHA-256.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::ImportError;
use crate::known::control::ImportControl;
use crate::known::error::SourceFault;

/// Bytes that decide what a file is.
const HEAD: usize = 64 << 10;

/// A source as it is read.
#[derive(Debug)]
pub(super) struct Source<'a> {
    path: PathBuf,
    file: File,
    sha256: Sha256,
    size: u64,
    /// The first bytes, read to recognise the format.
    head: Vec<u8>,
    /// How many of them were handed out.
    given: usize,
    control: &'a ImportControl,
}

impl<'a> Source<'a> {
    /// Opens a file and reads its beginning.
    ///
    /// # Errors
    /// If it cannot be read, or is not a file.
    pub fn open(path: &Path, control: &'a ImportControl) -> Result<Self, ImportError> {
        let system = |source| ImportError::Read { path: path.to_path_buf(), source };
        let mut file = File::open(path).map_err(system)?;
        if !file.metadata().map_err(system)?.is_file() {
            let fault = SourceFault::NotAFile { way_out: "give the lists themselves" };
            return Err(ImportError::Unusable { path: path.to_path_buf(), fault });
        }
        let mut head = Vec::with_capacity(HEAD);
        file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(system)?;
        let mut sha256 = Sha256::new();
        sha256.update(&head);
        let size = head.len() as u64;
        control.add_bytes(size);
        Ok(Self { path: path.to_path_buf(), file, sha256, size, head, given: 0, control })
    }

    pub fn head(&self) -> &[u8] {
        &self.head
    }

    pub fn unusable(&self, fault: SourceFault) -> ImportError {
        ImportError::Unusable { path: self.path.clone(), fault }
    }

    pub fn failed(&self, source: io::Error) -> ImportError {
        ImportError::Read { path: self.path.clone(), source }
    }

    /// Reads what is left, and gives the size and the SHA-256 of the whole file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn finish(mut self) -> Result<(u64, [u8; 32]), ImportError> {
        let mut block = vec![0; 1 << 20];
        while self.read(&mut block).map_err(|error| self.failed(error))? > 0 {}
        Ok((self.size, self.sha256.finalize().into()))
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = self.head.get(self.given..).unwrap_or_default();
        if !head.is_empty() {
            let count = head.len().min(buffer.len());
            buffer[..count].copy_from_slice(&head[..count]);
            self.given += count;
            return Ok(count);
        }
        if self.control.is_cancelled() {
            return Err(io::Error::other("interrupted"));
        }
        let count = self.file.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        self.size += count as u64;
        self.control.add_bytes(count as u64);
        Ok(count)
    }
}
