//! The tables of digests in their order, for walking two sets in parallel.

use super::checked::Stream;
use super::layout::{Section, u32_at};
use super::{SetError, SetFile};

/// A table of digests from its beginning: sorted by digest, then by record.
#[derive(Debug)]
pub(in crate::known) struct DigestTable<'a, const N: usize> {
    set: &'a SetFile,
    stream: Stream<'a>,
    /// Entries after the one in hand.
    left: u64,
    /// The next entry, where there is one.
    next: Option<([u8; N], u32)>,
}

/// Records of one digest, in their order.
#[derive(Debug)]
pub(in crate::known) struct Same<const N: usize> {
    pub digest: [u8; N],
    pub records: Vec<u32>,
}

impl<'a, const N: usize> DigestTable<'a, N> {
    fn new(set: &'a SetFile, section: Section) -> Result<Self, SetError> {
        let left = set.extent(section).count;
        let mut table = Self { set, stream: set.file.stream(section), left, next: None };
        table.advance()?;
        Ok(table)
    }

    fn advance(&mut self) -> Result<(), SetError> {
        self.next = None;
        if self.left > 0 {
            self.left -= 1;
            let failed = |fault| self.set.failed(fault);
            let digest = self.stream.array().map_err(failed)?;
            let record = self.stream.array::<4>().map_err(failed)?;
            self.next = Some((digest, u32_at(&record, 0)));
        }
        Ok(())
    }

    /// The next entry.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn entry(&mut self) -> Result<Option<([u8; N], u32)>, SetError> {
        let entry = self.next;
        if entry.is_some() {
            self.advance()?;
        }
        Ok(entry)
    }

    /// The next digest with all of its records.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn same(&mut self) -> Result<Option<Same<N>>, SetError> {
        let Some((digest, record)) = self.entry()? else { return Ok(None) };
        let mut records = vec![record];
        while let Some((_, record)) = self.next.filter(|(other, _)| *other == digest) {
            records.push(record);
            self.advance()?;
        }
        Ok(Some(Same { digest, records }))
    }
}

impl SetFile {
    /// Its MD5s in their order.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub(in crate::known) fn md5_table(&self) -> Result<DigestTable<'_, 16>, SetError> {
        DigestTable::new(self, Section::Md5)
    }

    /// Its SHA-1s in their order.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub(in crate::known) fn sha1_table(&self) -> Result<DigestTable<'_, 20>, SetError> {
        DigestTable::new(self, Section::Sha1)
    }

    /// Its SHA-256s in their order.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub(in crate::known) fn sha256_table(&self) -> Result<DigestTable<'_, 32>, SetError> {
        DigestTable::new(self, Section::Sha256)
    }
}
