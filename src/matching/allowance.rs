//! What a search may find, whether it is to end early, and how far it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Why a search ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// More pairs than were allowed.
    TooMany,
    /// So many of all pairs are within the radius that measuring every one takes less than keeping them.
    Saturated,
    /// The run was cancelled.
    Cancelled,
}

/// Shared by the threads of a search.
#[derive(Debug, Default)]
pub(super) struct Allowance<'a> {
    /// Pairs at most; `None` for any number.
    pub pairs: Option<u64>,
    pub cancelled: Option<&'a AtomicBool>,
    /// Hashes of the left side that were met by all of the right one, once for each pass.
    pub done: Option<&'a AtomicU64>,
    /// Pairs so far.
    pub found: AtomicU64,
}

impl Allowance<'_> {
    /// No limit, and nobody watches.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Counts pairs that were found.
    pub fn count(&self, pairs: usize) -> Result<(), Stop> {
        if self.cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)) {
            return Err(Stop::Cancelled);
        }
        let Some(limit) = self.pairs.filter(|_| pairs > 0) else { return Ok(()) };
        let before = self.found.fetch_add(pairs as u64, Ordering::Relaxed);
        if before + pairs as u64 > limit { Err(Stop::TooMany) } else { Ok(()) }
    }

    /// Counts hashes that are done.
    pub fn did(&self, hashes: f64) {
        if let Some(done) = self.done {
            done.fetch_add(hashes as u64, Ordering::Relaxed);
        }
    }

    /// Counts for a search on the GPU, which tells the pairs that came since and the share that is done of `work` hashes.
    pub fn watch(&self, work: f64) -> impl FnMut(usize, f64) -> Result<(), Stop> {
        let mut before = 0.0;
        move |pairs, share| {
            self.did((share - before) * work);
            before = share;
            self.count(pairs)
        }
    }
}
