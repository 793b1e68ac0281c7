//! Ending a run early and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells the stages of a run to finish what is in flight and take nothing new. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Ends the run early.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end early.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
