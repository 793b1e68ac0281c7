//! Memory for files that are held whole, given back to the system as soon as they are done with.
//!
//! Allocators keep what is freed, by the dozen of megabytes for each thread, which a budget of bytes in flight knows nothing of.

use std::ops::Deref;

use memmap2::MmapMut;

/// A buffer of so many bytes or more is a mapping of its own. The system clears its pages, which takes a twentieth of the time
/// that hashing a photograph does, so most photographs are left to the allocator.
const LARGE: usize = 4 << 20;

/// Bytes, as many as were put in, up to as many as there is room for.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    memory: Memory,
    filled: usize,
}

#[derive(Debug)]
enum Memory {
    Small(Vec<u8>),
    Large(MmapMut),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl Buffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        // Where the system refuses a mapping, the allocator may still have room, or ends the run as everywhere.
        let large = if capacity >= LARGE { MmapMut::map_anon(capacity).ok() } else { None };
        let memory = large.map_or_else(|| Memory::Small(vec![0; capacity]), Memory::Large);
        Self { memory, filled: 0 }
    }

    /// The room that is left.
    pub fn room(&mut self) -> &mut [u8] {
        let memory = match &mut self.memory {
            Memory::Small(bytes) => &mut bytes[..],
            Memory::Large(map) => &mut map[..],
        };
        &mut memory[self.filled..]
    }

    /// Counts the first `count` bytes of the room as put in.
    ///
    /// # Panics
    /// There is less room.
    pub fn put(&mut self, count: usize) {
        assert!(count <= self.room().len(), "more than there is room for");
        self.filled += count;
    }

    /// Puts bytes in.
    ///
    /// # Panics
    /// There is less room.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.room()[..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }
}

/// A full buffer.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { filled: bytes.len(), memory: Memory::Small(bytes) }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.memory {
            Memory::Small(bytes) => &bytes[..self.filled],
            Memory::Large(map) => &map[..self.filled],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_there_whatever_the_size() {
        for capacity in [0, 5, LARGE - 1, LARGE, LARGE + 4097] {
            let mut buffer = Buffer::new(capacity);
            assert!(buffer.is_empty());
            assert_eq!(buffer.room().len(), capacity);
            let half = vec![7; capacity / 2];
            buffer.extend_from_slice(&half);
            buffer.room().fill(9);
            let rest = buffer.room().len();
            buffer.put(rest / 2);
            let expected: Vec<u8> = [half, vec![9; rest / 2]].concat();
            assert!(*buffer == *expected, "{capacity}");
        }
        assert_eq!(*Buffer::from(vec![1, 2, 3]), [1, 2, 3]);
        assert!(Buffer::default().is_empty());
    }
}
