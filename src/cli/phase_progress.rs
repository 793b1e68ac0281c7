//! Progress of a phase at the end of a run, on standard error; and Ctrl-C, which ends it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::pipeline::CancelToken;

use super::count_progress::CountProgress;

/// What is watched.
#[derive(Debug)]
pub struct PhaseProgress<'a> {
    phase: &'static str,
    steps: u64,
    done: AtomicU64,
    cancel: &'a CancelToken,
}

/// The machine's form.
#[derive(Serialize)]
struct Report {
    phase: &'static str,
    steps: u64,
    steps_done: u64,
    seconds: f64,
}

impl<'a> PhaseProgress<'a> {
    /// A phase of so many steps.
    #[must_use]
    pub const fn new(phase: &'static str, steps: u64, cancel: &'a CancelToken) -> Self {
        Self { phase, steps, done: AtomicU64::new(0), cancel }
    }

    /// Counts `steps` more. Returns `false` if Ctrl-C was pressed.
    pub fn go_on(&self, steps: u64) -> bool {
        self.done.fetch_add(steps, Ordering::Relaxed);
        !self.cancel.is_cancelled()
    }
}

impl CountProgress for PhaseProgress<'_> {
    fn total(&self) -> u64 {
        self.steps
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn report(&self, done: u64, seconds: f64) -> impl Serialize {
        Report { phase: self.phase, steps: self.steps, steps_done: done, seconds }
    }

    fn in_words(&self, done: u64) -> String {
        format!("{}: {done}/{}", self.phase, self.steps)
    }
}
