//! The tables of digests in their order, for walking two sets side by side.

use super::layout::{Section, u32_at};
use super::{SetError, SetFile};

/// A table of digests: sorted by digest, then by record.
#[derive(Clone, Copy, Debug)]
pub(in crate::known) struct DigestTable<'a, const N: usize> {
    entries: &'a [u8],
}

impl<'a, const N: usize> DigestTable<'a, N> {
    /// How many digests it has.
    pub const fn len(self) -> usize {
        self.entries.len() / (N + 4)
    }

    /// A digest; empty beyond the end.
    pub fn digest(self, index: usize) -> &'a [u8] {
        self.entries.get(index * (N + 4)..index * (N + 4) + N).unwrap_or_default()
    }

    /// The record that a digest belongs to.
    pub fn record(self, index: usize) -> u32 {
        u32_at(self.entries, index * (N + 4) + N)
    }

    /// Where the digests end that are equal to the one at `start`.
    pub fn end_of(self, start: usize) -> usize {
        let digest = self.digest(start);
        (start..self.len()).find(|&index| self.digest(index) != digest).unwrap_or(self.len())
    }
}

impl SetFile {
    /// Its MD5s in their order.
    ///
    /// # Errors
    /// The file is damaged there.
    pub(in crate::known) fn md5_table(&self) -> Result<DigestTable<'_, 16>, SetError> {
        Ok(DigestTable { entries: self.table(Section::Md5)?.0 })
    }

    /// Its SHA-1s in their order.
    ///
    /// # Errors
    /// The file is damaged there.
    pub(in crate::known) fn sha1_table(&self) -> Result<DigestTable<'_, 20>, SetError> {
        Ok(DigestTable { entries: self.table(Section::Sha1)?.0 })
    }

    /// Its SHA-256s in their order.
    ///
    /// # Errors
    /// The file is damaged there.
    pub(in crate::known) fn sha256_table(&self) -> Result<DigestTable<'_, 32>, SetError> {
        Ok(DigestTable { entries: self.table(Section::Sha256)?.0 })
    }
}
