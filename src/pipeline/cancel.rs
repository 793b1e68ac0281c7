//! Ending a run early and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells the stages of a run to finish what is in flight and take nothing new. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    own: Arc<AtomicBool>,
    /// What ends the run from outside, where this token is a run's own.
    outer: Option<Arc<AtomicBool>>,
}

impl CancelToken {
    /// A token that ends with this one, and that can be cancelled alone: a run that fails stops its stages without
    /// looking as if somebody had interrupted it.
    #[must_use]
    pub(super) fn inner(&self) -> Self {
        Self { own: Arc::default(), outer: Some(Arc::clone(&self.own)) }
    }

    /// Ends the run early.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end early.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.own.load(Ordering::Relaxed)
            || self.outer.as_ref().is_some_and(|outer| outer.load(Ordering::Relaxed))
    }
}
