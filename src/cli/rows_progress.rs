//! Progress in rows read or written, on standard error.

use serde::Serialize;

use crate::share::write::Watch;

use super::count_progress::CountProgress;

/// What is watched.
#[derive(Debug)]
pub struct RowsProgress<'a> {
    /// The work.
    pub watch: &'a Watch,
    /// Rows that there will be.
    pub rows: u64,
    /// What is done to them, as in "12/40 rows written".
    pub done: &'static str,
}

/// The machine's form.
#[derive(Serialize)]
struct Report {
    rows: u64,
    rows_done: u64,
    seconds: f64,
}

impl CountProgress for RowsProgress<'_> {
    fn total(&self) -> u64 {
        self.rows
    }

    fn done(&self) -> u64 {
        self.watch.rows()
    }

    fn report(&self, done: u64, seconds: f64) -> impl Serialize {
        Report { rows: self.rows, rows_done: done, seconds }
    }

    fn in_words(&self, done: u64) -> String {
        format!("{done}/{} rows {}", self.rows, self.done)
    }
}
