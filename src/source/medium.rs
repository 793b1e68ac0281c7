//! How bytes are read, wherever they come from. There is no way to write: that evidence is only read is a matter of types.

use std::fmt;
use std::io;

/// Bytes that can be read at any offset, by several threads at a time.
pub trait Medium: fmt::Debug + Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Reads bytes from `offset` on; returns how many came, 0 only at the end or for an empty buffer.
    ///
    /// # Errors
    /// If the system cannot read them.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` on until the buffer is full or the bytes end; returns how many came.
    ///
    /// # Errors
    /// If the system cannot read them.
    fn fill_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(offset + filled as u64, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}
