//! Progress of a join, on standard error; and Ctrl-C, which ends it.

use serde::Serialize;

use crate::matching::JoinControl;
use crate::pipeline::CancelToken;

use super::count_progress::CountProgress;

/// What is watched.
#[derive(Debug)]
pub struct JoinProgress<'a> {
    /// The join.
    pub control: &'a JoinControl,
    /// Ctrl-C.
    pub cancel: &'a CancelToken,
    /// Items of the left side.
    pub items: u64,
}

/// The machine's form.
#[derive(Serialize)]
struct Report {
    items: u64,
    items_done: u64,
    seconds: f64,
}

impl CountProgress for JoinProgress<'_> {
    fn total(&self) -> u64 {
        self.items
    }

    fn done(&self) -> u64 {
        self.control.items() as u64
    }

    fn report(&self, done: u64, seconds: f64) -> impl Serialize {
        Report { items: self.items, items_done: done, seconds }
    }

    fn in_words(&self, done: u64) -> String {
        format!("{done}/{} items joined", self.items)
    }

    fn end_on_interrupt(&self) {
        if self.cancel.is_cancelled() {
            self.control.cancel();
        }
    }
}
