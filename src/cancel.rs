//! Ending work early and in order: the one way in which anything is cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells work to finish what is in flight and take nothing new. Clones share it.
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
    #[cfg(feature = "case")]
    pub(crate) fn inner(&self) -> Self {
        Self { own: Arc::default(), outer: Some(Arc::clone(&self.own)) }
    }

    /// Ends the work early.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether the work is to end early.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.own.load(Ordering::Relaxed)
            || self.outer.as_ref().is_some_and(|outer| outer.load(Ordering::Relaxed))
    }
}
