//! A file as memory, for reading.
#![allow(unsafe_code, reason = "mapping a file: see the block")]

use std::fs::File;
use std::io;

/// The bytes of a file, read by the system as they are touched.
#[derive(Debug)]
pub(super) struct Map {
    map: Option<memmap2::Mmap>,
    /// Held open, with a shared lock where the system has it, for as long as the map lives.
    _file: File,
}

impl Map {
    /// Maps all of a file.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(file: File) -> io::Result<Self> {
        // Advisory: whoever asks before writing is kept away. A network share without locks is read all the same.
        let _ = file.try_lock_shared();
        if file.metadata()?.len() == 0 {
            return Ok(Self { map: None, _file: file });
        }
        // SAFETY: the bytes must not change while they are borrowed. Set files are written under another name and renamed
        // into place, never written to again, and this one is held open and locked; the map is for reading only. What is
        // done with the bytes is sound whatever they are: every offset is checked at its use, and none of them is taken
        // for anything but a number or UTF-8 that was checked. If somebody cuts the file short all the same, the system
        // ends the program.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self { map: Some(map), _file: file })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}
