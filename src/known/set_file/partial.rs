//! Files that are not there if anything fails: made beside the output, removed when dropped, renamed when whole.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// So many names of partial files, left by killed runs, are passed over.
const MOST: u32 = 1000;
/// Bytes that a spill keeps in memory before it becomes a file.
const IN_MEMORY: usize = 4 << 20;

/// A new file beside an output.
#[derive(Debug)]
pub(super) struct Partial {
    pub path: PathBuf,
    pub file: File,
    /// Renamed: there is nothing to remove.
    done: bool,
}

impl Partial {
    /// Makes a new file `NAME.partial-WHAT` beside `output`; what is there under any name stays as it is.
    ///
    /// # Errors
    /// What the system said.
    pub fn beside(output: &Path, what: &str) -> io::Result<Self> {
        let mut number = 1;
        loop {
            let mut name = output.file_name().unwrap_or_default().to_os_string();
            name.push(".partial");
            if !what.is_empty() {
                name.push(format!("-{what}"));
            }
            if number > 1 {
                name.push(format!("-{number}"));
            }
            let path = output.with_file_name(name);
            match File::options().read(true).write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST => number += 1,
                Err(error) => return Err(error),
                Ok(file) => return Ok(Self { path, file, done: false }),
            }
        }
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// What the system said; the file is removed then.
    pub fn rename(mut self, output: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, output)?;
        self.done = true;
        // The name itself is durable only with its folder; not every system lets a folder be synced.
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            // There is nothing left to do about a file that cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Bytes that are written now and read once, later: in memory while they are few, else in a file beside the output.
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
