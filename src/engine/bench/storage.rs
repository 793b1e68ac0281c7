//! How fast files are read: for the first time, and again.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde::Serialize;

use super::failures::Failures;
use super::sample::{Drawn, Picked, Promise};
use super::settings::{BenchSettings, part, rate};
use crate::engine::CancelToken;
use crate::outcome::Outcome;
use crate::source::SourceFile;

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;
/// Maximum bytes that are read of a file.
const MAX_OF_A_FILE: u64 = 64 << 20;
/// Maximum bytes of all files together.
const MAX_SAMPLE: u64 = 2 << 30;

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The disk, card or network.
    Storage,
    /// Partly from storage.
    Mixed,
    /// The system's cache in memory.
    Cache,
}

/// How fast the sample was read.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StorageRates {
    /// Threads that read at once.
    pub readers: usize,
    /// Bytes a second of all of them, the first time.
    pub first_bytes_per_second: f64,
    /// Files a second, the first time.
    pub first_files_per_second: f64,
    /// Bytes a second of all of them, the second time: from memory.
    pub second_bytes_per_second: f64,
    /// Where the first reading probably came from.
    pub first_from: Origin,
    /// The share of the first reading that the system counted as read from storage; absent if it does not count.
    pub storage_share: Option<f64>,
}

/// Reads the sample twice, and records what each file promises; `None` if nothing could be read.
pub(super) fn measure(
    picked: &mut Picked,
    settings: &BenchSettings,
    cancel: &CancelToken,
    failures: &mut Failures,
) -> Option<StorageRates> {
    let counted_before = counted_by_the_system();
    let started = Instant::now();
    let patience = settings.share(part::READING);
    let total = AtomicU64::new(0);
    let in_time = || {
        started.elapsed() < patience && total.load(Ordering::Relaxed) < MAX_SAMPLE && !cancel.is_cancelled()
    };
    let read: Vec<Mutex<Vec<Reading>>> = picked.runs.iter().map(|_| Mutex::default()).collect();
    each_run(settings.readers, &picked.runs, &|index, run, block| {
        let mut results = Vec::new();
        for file in run {
            // The first is read in any case, so that there is a figure.
            if !in_time() && total.load(Ordering::Relaxed) > 0 {
                break;
            }
            results.push(read_once(file, block, MAX_OF_A_FILE, &|bytes| {
                total.fetch_add(bytes, Ordering::Relaxed);
                in_time()
            }));
        }
        if let Ok(mut place) = read[index].lock() {
            *place = results;
        }
    });
    let first_seconds = started.elapsed().as_secs_f64();
    let counted =
        counted_before.zip(counted_by_the_system()).map(|(before, after)| after.saturating_sub(before));
    for (run, results) in picked.runs.iter_mut().zip(read) {
        let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (file, result) in run.iter_mut().zip(results) {
            match result {
                Ok(read) => file.read = Some(read),
                Err(outcome) => failures.add(outcome),
            }
        }
    }
    let read = || picked.runs.iter().flatten().filter_map(|file| file.read);
    let (files, bytes) = (read().count() as u64, read().map(|(bytes, _)| bytes).sum::<u64>());
    (picked.listing.sample_files, picked.listing.sample_bytes) = (files, bytes);
    if bytes == 0 || cancel.is_cancelled() {
        return None;
    }

    let started = Instant::now();
    each_run(settings.readers, &picked.runs, &|_, run, block| {
        for file in run {
            if let Some((bytes, _)) = file.read
                && !cancel.is_cancelled()
            {
                // It was read a moment ago; a failure now leaves the figure a little high.
                let _ = read_once(file, block, bytes, &|_| true);
            }
        }
    });
    let second_seconds = started.elapsed().as_secs_f64();
    let first = rate(bytes as f64, first_seconds);
    let second = rate(bytes as f64, second_seconds);
    let storage_share = counted.map(|counted| (counted as f64 / bytes as f64).min(1.0));
    Some(StorageRates {
        readers: settings.readers,
        first_bytes_per_second: first,
        first_files_per_second: rate(files as f64, first_seconds),
        second_bytes_per_second: second,
        first_from: origin(storage_share, first, second),
        storage_share,
    })
}

/// Bytes that were read, and what they promise.
type Reading = Result<(u64, Promise), Outcome>;

/// What is done with a run of files, by its index, with a block of memory.
type RunWork<'a> = dyn Fn(usize, &[Drawn], &mut [u8]) + Sync + 'a;

/// Runs of files, each by one of `readers` threads with a block of its own.
fn each_run(readers: usize, runs: &[Vec<Drawn>], work: &RunWork<'_>) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..readers.min(runs.len()) {
            scope.spawn(|| {
                let mut block = vec![0; BLOCK];
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(run) = runs.get(index) else { return };
                    work(index, run, &mut block);
                }
            });
        }
    });
}

/// Reads up to `maximum` bytes of a file, as long as `keep_going` returns `true` for each block.
fn read_once(file: &Drawn, block: &mut [u8], maximum: u64, keep_going: &dyn Fn(u64) -> bool) -> Reading {
    let failed = |failure: crate::outcome::Failure| failure.outcome;
    let mut source = SourceFile::at(&file.place).map_err(failed)?;
    let (mut size, mut promise) = (0, Promise::Nothing);
    while size < maximum {
        let room = (maximum - size).min(block.len() as u64) as usize;
        let filled = source.fill(&mut block[..room]).map_err(failed)?;
        if size == 0 {
            promise = Promise::of(&block[..filled]);
        }
        size += filled as u64;
        if !keep_going(filled as u64) || filled < room {
            break;
        }
    }
    Ok((size, promise))
}

/// Bytes that this process has read from storage so far, if the system counts them (Linux).
fn counted_by_the_system() -> Option<u64> {
    let counters = fs::read_to_string("/proc/self/io").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("read_bytes:"))?.trim().parse().ok()
}

/// Where a first reading came from, by what the system counted; if that is nothing (some network and shared file systems are not counted)
/// or unknown, by how much faster the second was.
fn origin(storage_share: Option<f64>, first: f64, second: f64) -> Origin {
    match storage_share {
        Some(share) if share >= 0.8 => Origin::Storage,
        Some(share) if share >= 0.05 => Origin::Mixed,
        _ if first * 3.0 < second => Origin::Storage,
        _ => Origin::Cache,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_counts_decides_and_otherwise_the_rates() {
        assert_eq!(origin(Some(1.0), 900.0, 1000.0), Origin::Storage);
        assert_eq!(origin(Some(0.5), 900.0, 1000.0), Origin::Mixed);
        assert_eq!(origin(Some(0.0), 900.0, 1000.0), Origin::Cache);
        assert_eq!(origin(Some(0.0), 100.0, 1000.0), Origin::Storage);
        assert_eq!(origin(None, 900.0, 1000.0), Origin::Cache);
        assert_eq!(origin(None, 100.0, 1000.0), Origin::Storage);
    }
}
