//! Counters of a run, for whoever shows them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::in_hand::InHand;
use super::profile::Profile;
use super::verification_counts::VerificationCounts;
use crate::case::CaseError;
use crate::source::name::escape_path;
use crate::source::size::Bytes;
use crate::source::{Excludes, FileStamp};

/// Between two looks for files that are late.
const LOOK: Duration = Duration::from_secs(1);

/// Counters that the stages of a run add to. Files count as done when they are stored.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    walking: AtomicBool,
    /// Where the time goes.
    pub profile: Profile,
    /// What the run's threads have in hand.
    pub in_hand: Arc<InHand>,
    notices: Mutex<Notices>,
    matching: AtomicBool,
    pub(super) files_found: AtomicU64,
    pub(super) files_done: AtomicU64,
    pub(super) files_skipped: AtomicU64,
    pub(super) files_excluded: AtomicU64,
    pub(super) bytes_excluded: AtomicU64,
    pub(super) bytes_found: AtomicU64,
    pub(super) bytes_done: AtomicU64,
    pub(super) pictures: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) to_match: AtomicU64,
    pub(super) matched: AtomicU64,
    pub(super) confirmed: AtomicU64,
    pub(super) refuted: AtomicU64,
    pub(super) unverified: AtomicU64,
}

/// What a person should know while a run works.
#[derive(Debug, Default)]
struct Notices {
    all: Vec<String>,
    /// How many of them were taken.
    taken: usize,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            walking: AtomicBool::new(true),
            profile: Profile::default(),
            in_hand: Arc::default(),
            notices: Mutex::default(),
            matching: AtomicBool::new(false),
            files_found: AtomicU64::new(0),
            files_done: AtomicU64::new(0),
            files_skipped: AtomicU64::new(0),
            files_excluded: AtomicU64::new(0),
            bytes_excluded: AtomicU64::new(0),
            bytes_found: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            pictures: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            to_match: AtomicU64::new(0),
            matched: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            refuted: AtomicU64::new(0),
            unverified: AtomicU64::new(0),
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
    /// Contents of earlier runs that hash sets have to be matched with, once a set.
    pub to_match: u64,
    /// Of these, contents that are matched.
    pub matched: u64,
    /// Candidates that were decoded for a confirmation and are hits.
    pub confirmed: u64,
    /// Candidates that were decoded for a confirmation and are none.
    pub refuted: u64,
    /// Candidates that could not be decoded for a confirmation.
    pub unverified: u64,
    /// Whether more files may be found.
    pub walking: bool,
    /// Whether there are hash sets.
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
            unverified: read(&self.unverified),
            walking: self.walking.load(Ordering::Relaxed),
            matching: self.matching.load(Ordering::Relaxed),
            elapsed: self.started.elapsed(),
        }
    }

    /// Takes up what earlier runs of a case died with. To be called before the run, and what it says to be shown at once:
    /// the run may die again.
    ///
    /// # Errors
    /// The journal of the case cannot be read or written.
    pub fn take_up(&self, case: &Path) -> Result<(), CaseError> {
        let what = || format!("cannot open the list of what is in hand in {}", escape_path(case));
        let notices = self.in_hand.open(case).map_err(|error| CaseError::Io { what: what(), error })?;
        self.notice(notices);
        Ok(())
    }

    /// Something that a person should know.
    pub(super) fn notice(&self, texts: impl IntoIterator<Item = String>) {
        self.notices().all.extend(texts);
    }

    /// What came up since this was last asked.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        let mut notices = self.notices();
        let fresh = notices.all[notices.taken..].to_vec();
        notices.taken = notices.all.len();
        fresh
    }

    /// All that came up in the run.
    #[must_use]
    pub fn all_notices(&self) -> Vec<String> {
        self.notices().all.clone()
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn exclude(&self, stamp: &FileStamp) {
        Self::add(&self.files_excluded, 1);
        Self::add(&self.bytes_excluded, stamp.size.unwrap_or(0));
    }

    /// What `--exclude` left out, in words; `None` where it was not given.
    pub(super) fn excluded_notice(&self, exclude: &Excludes) -> Option<String> {
        let [files, bytes] =
            [&self.files_excluded, &self.bytes_excluded].map(|counter| counter.load(Ordering::Relaxed));
        let notice = || {
            format!(
                "{files} files ({}) were left out by --exclude {}, and are in no count",
                Bytes(bytes),
                exclude.shown()
            )
        };
        (!exclude.is_empty()).then(notice)
    }

    /// Runs `work` on this thread while another looks for files that are late, and names them.
    pub(super) fn watched<T>(&self, work: impl FnOnce() -> T) -> T {
        // Dropping the sender ends the other thread, also when the work panics.
        let (running, ended) = bounded::<()>(0);
        thread::scope(|scope| {
            scope.spawn(move || {
                while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    let late = self.in_hand.late(Instant::now());
                    self.notice(late);
                }
            });
            let result = work();
            drop(running);
            result
        })
    }

    pub(super) fn walk_ended(&self) {
        self.walking.store(false, Ordering::Relaxed);
    }

    pub(super) fn add_verifications(&self, counts: VerificationCounts) {
        Self::add(&self.confirmed, counts.confirmed);
        Self::add(&self.refuted, counts.refuted);
        Self::add(&self.unverified, counts.unverified);
    }

    pub(super) fn matches(&self) {
        self.matching.store(true, Ordering::Relaxed);
    }

    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
