//! Watching an import and ending it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Progress and cancellation of an import, shared with the thread that watches it.
#[derive(Debug, Default)]
pub struct ImportControl {
    cancelled: Arc<AtomicBool>,
    bytes: AtomicU64,
    records: AtomicU64,
}

impl ImportControl {
    /// Cancels the import, which leaves nothing behind.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The same as a closure that can outlive `self`.
    pub(super) fn cancelled(&self) -> impl Fn() -> bool + Send + 'static {
        let cancelled = self.cancelled.clone();
        move || cancelled.load(Ordering::Relaxed)
    }

    /// Bytes of the sources that were read, or of the set that were verified.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records that were read.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(super) fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn add_record(&self) {
        self.records.fetch_add(1, Ordering::Relaxed);
    }
}
