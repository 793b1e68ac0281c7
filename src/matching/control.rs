//! Progress and cancellation of a join.

use std::sync::atomic::{AtomicU64, Ordering};

use super::allowance::Stop;
use crate::cancel::CancelToken;

/// Progress and cancellation of a join, shared with the thread that watches it.
#[derive(Debug, Default)]
pub struct JoinControl {
    pub(super) cancel: CancelToken,
    /// Completed items.
    items: AtomicU64,
    /// Items of the current chunk, and how much of its work is done, in hashes times passes.
    chunk: AtomicU64,
    pub(super) done: AtomicU64,
    of: AtomicU64,
}

impl JoinControl {
    /// A join that ends when `cancel` is cancelled.
    #[must_use]
    pub fn new(cancel: &CancelToken) -> Self {
        Self { cancel: cancel.clone(), ..Self::default() }
    }

    /// Cancels the join, which then ends with [`JoinError::Cancelled`](super::JoinError::Cancelled).
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// What cancels it.
    #[must_use]
    pub const fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Completed items of the left side, with the completed share of the current chunk.
    #[must_use]
    pub fn items(&self) -> f64 {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        read(&self.items) + read(&self.chunk) * (read(&self.done) / read(&self.of).max(1.0)).min(1.0)
    }

    pub(super) fn begin(&self, items: usize, work: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.of.store(work, Ordering::Relaxed);
        self.chunk.store(items as u64, Ordering::Relaxed);
    }

    pub(super) fn end(&self, items: usize) {
        self.chunk.store(0, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }
}
