//! Counters of a run, for whoever shows them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::profile::Profile;
use super::verify::VerdictCounts;

/// Counters that the stages of a run add to. Files count as done when they are stored.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    walking: AtomicBool,
    /// Where the time goes.
    pub profile: Profile,
    matching: AtomicBool,
    pub(super) files_found: AtomicU64,
    pub(super) files_done: AtomicU64,
    pub(super) files_skipped: AtomicU64,
    pub(super) bytes_found: AtomicU64,
    pub(super) bytes_done: AtomicU64,
    pub(super) pictures: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) to_match: AtomicU64,
    pub(super) matched: AtomicU64,
    pub(super) confirmed: AtomicU64,
    pub(super) refuted: AtomicU64,
    pub(super) unjudged: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            walking: AtomicBool::new(true),
            profile: Profile::default(),
            matching: AtomicBool::new(false),
            files_found: AtomicU64::new(0),
            files_done: AtomicU64::new(0),
            files_skipped: AtomicU64::new(0),
            bytes_found: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            pictures: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            to_match: AtomicU64::new(0),
            matched: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            refuted: AtomicU64::new(0),
            unjudged: AtomicU64::new(0),
        }
    }
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressSnapshot {
    /// Files that this run has to do, as far as the walk has come.
    pub files_found: u64,
    /// Of these, files that are stored.
    pub files_done: u64,
    /// Files that the case had already.
    pub files_skipped: u64,
    /// Bytes of the files found.
    pub bytes_found: u64,
    /// Bytes of the files done.
    pub bytes_done: u64,
    /// Pictures that were hashed.
    pub pictures: u64,
    /// Distinct hits that were stored: a content against a known record, however many items have the content.
    pub hits: u64,
    /// Contents of earlier runs that known sets have to be matched with, once a set.
    pub to_match: u64,
    /// Of these, contents that are matched.
    pub matched: u64,
    /// Candidates that were decoded for a verdict and are hits.
    pub confirmed: u64,
    /// Candidates that were decoded for a verdict and are none.
    pub refuted: u64,
    /// Candidates that could not be decoded for a verdict.
    pub unjudged: u64,
    /// Whether more files may be found.
    pub walking: bool,
    /// Whether there are known sets.
    pub matching: bool,
    /// Since the start of the run.
    pub elapsed: Duration,
}

impl Progress {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> ProgressSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProgressSnapshot {
            files_found: read(&self.files_found),
            files_done: read(&self.files_done),
            files_skipped: read(&self.files_skipped),
            bytes_found: read(&self.bytes_found),
            bytes_done: read(&self.bytes_done),
            pictures: read(&self.pictures),
            hits: read(&self.hits),
            to_match: read(&self.to_match),
            matched: read(&self.matched),
            confirmed: read(&self.confirmed),
            refuted: read(&self.refuted),
            unjudged: read(&self.unjudged),
            walking: self.walking.load(Ordering::Relaxed),
            matching: self.matching.load(Ordering::Relaxed),
            elapsed: self.started.elapsed(),
        }
    }

    pub(super) fn walk_ended(&self) {
        self.walking.store(false, Ordering::Relaxed);
    }

    pub(super) fn add_verdicts(&self, counts: VerdictCounts) {
        Self::add(&self.confirmed, counts.confirmed);
        Self::add(&self.refuted, counts.refuted);
        Self::add(&self.unjudged, counts.unjudged);
    }

    pub(super) fn matches(&self) {
        self.matching.store(true, Ordering::Relaxed);
    }

    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
