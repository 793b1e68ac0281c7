//! Progress of an import or a verification, on standard error; and Ctrl-C, which ends it.

use serde::Serialize;

use crate::known::ImportControl;
use crate::pipeline::CancelToken;

use super::count_progress::CountProgress;
use crate::source::size::Bytes;

/// What is watched.
#[derive(Debug)]
pub struct ImportProgress<'a> {
    /// The import.
    pub control: &'a ImportControl,
    /// Ctrl-C.
    pub cancel: &'a CancelToken,
    /// Bytes to read.
    pub bytes: u64,
}

/// The machine's form.
#[derive(Serialize)]
struct Report {
    bytes: u64,
    bytes_done: u64,
    records: u64,
    seconds: f64,
}

impl CountProgress for ImportProgress<'_> {
    fn total(&self) -> u64 {
        self.bytes
    }

    fn done(&self) -> u64 {
        self.control.bytes()
    }

    fn report(&self, done: u64, seconds: f64) -> impl Serialize {
        Report { bytes: self.bytes, bytes_done: done, records: self.control.records(), seconds }
    }

    fn in_words(&self, done: u64) -> String {
        let records = self.control.records();
        format!("{} of {}, {records} records", Bytes(done), Bytes(self.bytes))
    }

    fn end_on_interrupt(&self) {
        if self.cancel.is_cancelled() {
            self.control.cancel();
        }
    }
}
