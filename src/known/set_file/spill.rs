//! What an import spills for later.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::partial::Partial;

/// Bytes that a spill keeps in memory before it becomes a file.
const IN_MEMORY: usize = 4 << 20;

/// Bytes that are written now and read once, later: in memory while they are few, else in a file next to the
/// output.
#[derive(Debug)]
pub(super) struct Spill {
    output: PathBuf,
    what: &'static str,
    buffer: Vec<u8>,
    file: Option<Partial>,
}

impl Spill {
    pub fn new(output: &Path, what: &'static str) -> Self {
        Self { output: output.to_path_buf(), what, buffer: Vec::new(), file: None }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= IN_MEMORY {
            let file = match &mut self.file {
                Some(file) => file,
                None => self.file.insert(Partial::beside(&self.output, self.what)?),
            };
            file.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Gives all bytes to `sink`, in order.
    pub fn read<E: From<io::Error>>(mut self, mut sink: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if let Some(file) = &mut self.file {
            file.file.seek(SeekFrom::Start(0))?;
            let mut block = vec![0; 1 << 20];
            loop {
                let count = file.file.read(&mut block)?;
                if count == 0 {
                    break;
                }
                sink(&block[..count])?;
            }
        }
        sink(&self.buffer)
    }
}
