//! Progress of a comparison of two sets, on standard error; and Ctrl-C, which ends it.

use serde::Serialize;

use crate::known::compare::CompareControl;
use crate::pipeline::CancelToken;

use super::count_progress::CountProgress;

/// What is watched.
#[derive(Debug)]
pub(super) struct CompareProgress<'a> {
    /// The comparison.
    pub control: &'a CompareControl,
    /// Ctrl-C.
    pub cancel: &'a CancelToken,
    /// PhotoDNA values and hashes of the left side.
    pub values: u64,
}

/// The machine's form.
#[derive(Serialize)]
struct Report {
    values: u64,
    values_done: u64,
    seconds: f64,
}

impl CountProgress for CompareProgress<'_> {
    fn total(&self) -> u64 {
        self.values
    }

    fn done(&self) -> u64 {
        self.control.done()
    }

    fn report(&self, done: u64, seconds: f64) -> impl Serialize {
        Report { values: self.values, values_done: done, seconds }
    }

    fn in_words(&self, done: u64) -> String {
        format!("{done}/{} PhotoDNA values and PDQ hashes compared", self.values)
    }

    fn end_on_interrupt(&self) {
        if self.cancel.is_cancelled() {
            self.control.cancel();
        }
    }
}
