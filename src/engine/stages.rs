//! How a run ends when one of its stages fails: all of them end, and the first fault is the run's.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::{CancelToken, EngineError};

/// The stages of a run. Each is run by [`Stages::run`], whose error or panic cancels the others; they close their channels
/// as they end, so that none waits for one that is gone.
#[derive(Debug)]
pub(super) struct Stages {
    /// Cancelled by whoever ends the run from outside, and by the first fault.
    pub cancel: CancelToken,
    fault: Mutex<Option<EngineError>>,
}

impl Stages {
    /// Stages that end when `cancel` is cancelled, which a fault of theirs leaves as it is.
    pub fn new(cancel: &CancelToken) -> Self {
        Self { cancel: cancel.inner(), fault: Mutex::new(None) }
    }

    /// Runs a stage, or one thread of it.
    pub fn run(&self, name: &'static str, stage: impl FnOnce() -> Result<(), EngineError>) {
        if let Err(fault) = unpanicked(name, stage) {
            self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
            self.cancel.cancel();
        }
    }

    /// [`Stages::run`] of one that cannot fail but by a panic.
    pub fn run_through(&self, name: &'static str, stage: impl FnOnce()) {
        self.run(name, || {
            stage();
            Ok(())
        });
    }

    /// What ended the run before its time, if anything did.
    ///
    /// # Errors
    /// The first fault.
    pub fn end(&self) -> Result<(), EngineError> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

/// Runs work of a run; a panic is its error. What it had in hand is dropped with it: a transaction rolls back, a channel closes.
pub(super) fn unpanicked<T>(
    stage: &'static str,
    work: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|payload| Err(EngineError::Panicked { stage, message: message(&*payload) }))
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_string()
}
