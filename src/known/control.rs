//! Watching an import and ending it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::cancel::CancelToken;

/// Progress and cancellation of an import, shared with the thread that watches it.
#[derive(Debug, Default)]
pub struct ImportControl {
    cancel: CancelToken,
    bytes: AtomicU64,
    records: AtomicU64,
}

impl ImportControl {
    /// An import that ends when `cancel` is cancelled.
    #[must_use]
    pub fn new(cancel: &CancelToken) -> Self {
        Self { cancel: cancel.clone(), ..Self::default() }
    }

    /// Cancels the import, which leaves nothing behind.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// The same as a closure that can outlive `self`.
    pub(super) fn cancelled(&self) -> impl Fn() -> bool + Send + 'static {
        let cancel = self.cancel.clone();
        move || cancel.is_cancelled()
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
