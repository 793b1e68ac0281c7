//! The in-memory index of a table of digests, by which a look-up reads one block of it.
//!
//! A table of ten million digests is hundreds of megabytes, and a national set has many tables: they stay in the file. In memory are the
//! first digest of each block of 64 and a checksum of its bytes, computed when the whole table is checked. A look-up reads one block; a
//! different checksum means it has changed since.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use super::error::ReadFault;
use super::layout::u32_at;

/// Digests of a block.
pub(super) const BLOCK: usize = 64;
/// Bytes of the largest block: of SHA-256s.
pub(super) const MAX_READ: usize = BLOCK * (32 + 4);

/// The blocks of a table.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The leading bytes of each block's first digest.
    firsts: Vec<u64>,
    /// The checksum of each block.
    sums: Vec<u64>,
    /// Entries of the table.
    count: u64,
    /// Random for each table and run, so that nobody can forge a block with an equal checksum.
    key: RandomState,
}

impl Index {
    /// Adds a block: whole entries, [`BLOCK`] but for the last.
    pub fn push(&mut self, block: &[u8], entry: usize) {
        self.firsts.push(leading(block));
        self.sums.push(self.key.hash_one(block));
        self.count += (block.len() / entry) as u64;
    }

    /// Records with a digest, in their order. `read` fills a buffer with the bytes of the table from an offset on.
    ///
    /// # Errors
    /// If the reader fails, or a block has changed.
    pub fn find<const N: usize>(
        &self,
        digest: &[u8; N],
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), ReadFault>,
    ) -> Result<Vec<u32>, ReadFault> {
        let mut buffer = [0; MAX_READ];
        let leading = leading(digest);
        let until = self.firsts.partition_point(|&first| first <= leading);
        // The last block that begins with a lower digest; usually the leading bytes decide.
        let mut low = self.firsts[..until].partition_point(|&first| first < leading).saturating_sub(1);
        let mut high = until;
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if self.block::<N>(middle, &mut buffer, &mut read)?[..N] < digest[..] {
                low = middle;
            } else {
                high = middle;
            }
        }
        let mut records = Vec::new();
        for number in low..until {
            for entry in self.block::<N>(number, &mut buffer, &mut read)?.chunks_exact(N + 4) {
                match entry[..N].cmp(&digest[..]) {
                    Ordering::Less => {}
                    Ordering::Equal => records.push(u32_at(entry, N)),
                    Ordering::Greater => return Ok(records),
                }
            }
        }
        Ok(records)
    }

    /// The bytes of a block, checked to be those of the table's check.
    fn block<'b, const N: usize>(
        &self,
        number: usize,
        buffer: &'b mut [u8; MAX_READ],
        read: &mut impl FnMut(u64, &mut [u8]) -> Result<(), ReadFault>,
    ) -> Result<&'b [u8], ReadFault> {
        let before = number * BLOCK;
        let entries = (self.count as usize - before).min(BLOCK);
        let bytes = &mut buffer[..entries * (N + 4)];
        read((before * (N + 4)) as u64, bytes)?;
        if self.sums.get(number) == Some(&self.key.hash_one(&*bytes)) {
            Ok(bytes)
        } else {
            Err(ReadFault::Changed("its digests were changed while it was in use".into()))
        }
    }
}

/// The first eight bytes as a number.
fn leading(digest: &[u8]) -> u64 {
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use rand::prelude::*;

    use super::*;

    /// A table with a digest that comes a thousand times, and many that share their leading bytes.
    fn table(random: &mut StdRng) -> Vec<([u8; 16], u32)> {
        let mut entries: Vec<([u8; 16], u32)> = (0..5000)
            .map(|record| {
                let mut digest: [u8; 16] = random.random();
                match record % 5 {
                    0 => digest = [9; 16],
                    1 => digest[..8].copy_from_slice(&[7; 8]),
                    _ => {}
                }
                (digest, record)
            })
            .collect();
        entries.sort_unstable();
        entries
    }

    fn bytes_of(entries: &[([u8; 16], u32)]) -> Vec<u8> {
        entries.iter().flat_map(|(digest, record)| [&digest[..], &record.to_le_bytes()].concat()).collect()
    }

    #[test]
    fn what_is_found_is_what_a_plain_search_finds() {
        let mut random = StdRng::seed_from_u64(1);
        for count in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5000] {
            let entries = &table(&mut random)[..count];
            let bytes = bytes_of(entries);
            let mut index = Index::default();
            bytes.chunks(BLOCK * 20).for_each(|block| index.push(block, 20));
            let read = |offset: u64, into: &mut [u8]| {
                into.copy_from_slice(&bytes[offset as usize..offset as usize + into.len()]);
                Ok(())
            };
            let absent = (0..200).map(|_| random.random::<[u8; 16]>());
            let absent: Vec<[u8; 16]> = absent.chain([[0; 16], [7; 16], [9; 16], [255; 16]]).collect();
            for digest in entries.iter().map(|(digest, _)| *digest).chain(absent) {
                let expected: Vec<u32> =
                    entries.iter().filter(|(other, _)| *other == digest).map(|(_, record)| *record).collect();
                assert_eq!(index.find(&digest, read).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_changed_block_is_no_answer() {
        let mut random = StdRng::seed_from_u64(2);
        let entries = table(&mut random);
        let mut bytes = bytes_of(&entries);
        let mut index = Index::default();
        bytes.chunks(BLOCK * 20).for_each(|block| index.push(block, 20));
        let (digest, _) = entries[3000];
        bytes[3000 * 20 + 5] ^= 1;
        let read = |offset: u64, into: &mut [u8]| {
            into.copy_from_slice(&bytes[offset as usize..offset as usize + into.len()]);
            Ok(())
        };
        assert!(matches!(index.find(&digest, read), Err(ReadFault::Changed(_))));
    }
}
