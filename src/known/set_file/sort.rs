//! Digests sorted in bounded memory: runs are sorted and spilled to a file next to the output, then merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take, Write};
use std::path::{Path, PathBuf};

use crate::partial::Partial;

/// Bytes of entries that are sorted at once.
const RUN_BYTES: usize = 64 << 20;

/// A digest and its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry<const N: usize> {
    pub digest: [u8; N],
    pub record: u32,
}

impl<const N: usize> Entry<N> {
    /// Bytes in a file: the digest, then the record, little-endian.
    pub const BYTES: usize = N + 4;

    /// Its first eight bytes as a number that sorts as they do.
    fn prefix(&self) -> u64 {
        self.digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    fn read(source: &mut impl Read) -> io::Result<Self> {
        let (mut digest, mut record) = ([0; N], [0; 4]);
        source.read_exact(&mut digest)?;
        source.read_exact(&mut record)?;
        Ok(Self { digest, record: u32::from_le_bytes(record) })
    }
}

/// Collects entries in any order.
#[derive(Debug)]
pub(super) struct Sorter<const N: usize> {
    output: PathBuf,
    what: &'static str,
    run_entries: usize,
    entries: Vec<Entry<N>>,
    spill: Option<Partial>,
    /// (offset in bytes, entries) of each run in the spill.
    runs: Vec<(u64, u64)>,
    spilled: u64,
}

impl<const N: usize> Sorter<N> {
    pub fn new(output: &Path, what: &'static str) -> Self {
        let run_entries = RUN_BYTES / size_of::<Entry<N>>();
        let output = output.to_path_buf();
        Self { output, what, run_entries, entries: Vec::new(), spill: None, runs: Vec::new(), spilled: 0 }
    }

    /// Entries so far.
    pub fn count(&self) -> u64 {
        self.spilled + self.entries.len() as u64
    }

    pub fn push(&mut self, digest: [u8; N], record: u32) -> io::Result<()> {
        self.entries.push(Entry { digest, record });
        if self.entries.len() >= self.run_entries { self.spill_run() } else { Ok(()) }
    }

    fn sort(&mut self) {
        self.entries
            .sort_unstable_by(|left, right| left.prefix().cmp(&right.prefix()).then_with(|| left.cmp(right)));
    }

    fn spill_run(&mut self) -> io::Result<()> {
        self.sort();
        let partial = match &mut self.spill {
            Some(partial) => partial,
            None => self.spill.insert(Partial::beside(&self.output, self.what)?),
        };
        self.runs.push((self.spilled * Entry::<N>::BYTES as u64, self.entries.len() as u64));
        let mut block = Vec::with_capacity(1 << 20);
        for entry in self.entries.drain(..) {
            block.extend_from_slice(&entry.digest);
            block.extend_from_slice(&entry.record.to_le_bytes());
            self.spilled += 1;
            if block.len() >= (1 << 20) - Entry::<N>::BYTES {
                partial.file.write_all(&block)?;
                block.clear();
            }
        }
        partial.file.write_all(&block)
    }

    /// Gives all entries to `sink`, sorted by digest, then record.
    ///
    /// # Errors
    /// If the spill cannot be read, or the sink fails.
    pub fn merge<E: From<io::Error>>(
        mut self,
        mut sink: impl FnMut(&Entry<N>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sort();
        let Some(spill) = &self.spill else {
            return self.entries.iter().try_for_each(sink);
        };
        let mut runs = Vec::with_capacity(self.runs.len());
        let mut next = BinaryHeap::new();
        for (number, &(offset, entries)) in self.runs.iter().enumerate() {
            let mut run = Run::<N>::open(&spill.path, offset, entries)?;
            next.extend(run.next()?.map(|entry| Reverse((entry, number))));
            runs.push(run);
        }
        // The last run never left the memory.
        let mut resident = self.entries.iter().copied();
        let last = runs.len();
        next.extend(resident.next().map(|entry| Reverse((entry, last))));
        while let Some(mut lowest) = next.peek_mut() {
            let Reverse((entry, number)) = *lowest;
            sink(&entry)?;
            let following = match runs.get_mut(number) {
                Some(run) => run.next()?,
                None => resident.next(),
            };
            // Replacing the top costs less than removing it first.
            match following {
                Some(entry) => *lowest = Reverse((entry, number)),
                None => drop(PeekMut::pop(lowest)),
            }
        }
        Ok(())
    }
}

/// One sorted run in a spill.
struct Run<const N: usize> {
    source: BufReader<Take<File>>,
    left: u64,
}

impl<const N: usize> Run<N> {
    fn open(path: &Path, offset: u64, entries: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let source = BufReader::with_capacity(1 << 18, file.take(entries * Entry::<N>::BYTES as u64));
        Ok(Self { source, left: entries })
    }

    fn next(&mut self) -> io::Result<Option<Entry<N>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        Entry::read(&mut self.source).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use rand::prelude::*;

    use super::*;

    /// Sorting in memory is the oracle; runs are made small.
    #[test]
    fn runs_merge_into_one_order() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("set");
        let mut random = StdRng::seed_from_u64(1);
        for (run_entries, count) in [(usize::MAX, 1000), (7, 1000), (100, 100), (100, 99), (1, 5), (10, 0)] {
            let mut sorter = Sorter::<16>::new(&output, "md5");
            sorter.run_entries = run_entries;
            let mut expected = Vec::new();
            for record in 0..count {
                // Few values, so that digests come again.
                let digest = [random.random_range(0..50); 16];
                sorter.push(digest, record).unwrap();
                expected.push(Entry { digest, record });
            }
            expected.sort_unstable();
            assert_eq!(sorter.count(), u64::from(count));
            let mut merged = Vec::new();
            let sink = |entry: &Entry<16>| {
                merged.push(*entry);
                Ok::<(), io::Error>(())
            };
            sorter.merge(sink).unwrap();
            assert!(merged == expected, "{run_entries} {count}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a spill was left behind");
        }
    }
}
