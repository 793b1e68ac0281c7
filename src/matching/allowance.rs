//! The limit, cancellation and progress of a search.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::cancel::CancelToken;

/// Why a search ended early.
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
    /// Maximum number of pairs; `None` for no limit.
    pub pairs: Option<u64>,
    pub cancel: Option<&'a CancelToken>,
    /// Left hashes that were compared with the whole right side, counted once for each pass.
    pub done: Option<&'a AtomicU64>,
    /// Pairs so far.
    pub found: AtomicU64,
}

impl Allowance<'_> {
    /// No limit, cancellation or progress.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Counts pairs that were found.
    pub fn count(&self, pairs: usize) -> Result<(), Stop> {
        if self.cancel.is_some_and(CancelToken::is_cancelled) {
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

    /// A callback for a search on the GPU, which reports the number of new pairs and the completed share of
    /// `work` hashes.
    pub fn watch(&self, work: f64) -> impl FnMut(usize, f64) -> Result<(), Stop> {
        let mut before = 0.0;
        move |pairs, share| {
            self.did((share - before) * work);
            before = share;
            self.count(pairs)
        }
    }
}
