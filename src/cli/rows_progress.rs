//! How many rows were read or written, on standard error.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use crate::share::write::Watch;

use super::args::ProgressStyle;
use super::console::Console;
use super::progress::{Form, beside};

/// Time between two looks at the counter.
const LOOK: Duration = Duration::from_millis(50);

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

impl RowsProgress<'_> {
    /// Runs `work` on this thread while another shows how far it is.
    pub fn show<T>(&self, style: ProgressStyle, console: &Console, work: impl FnOnce() -> T) -> T {
        let form = Form::of(style, console);
        let started = Instant::now();
        let bar = (form == Form::Bar).then(|| console.bars().add(ProgressBar::new(self.rows.max(1))));
        let mut shown = started;
        let tick = || {
            if shown.elapsed() >= form.period() {
                shown = Instant::now();
                self.draw(form, bar.as_ref(), started, console);
            }
        };
        let last = || match &bar {
            Some(bar) => bar.finish_and_clear(),
            None if form == Form::Json => self.draw(form, None, started, console),
            None => {}
        };
        beside(LOOK, tick, last, work)
    }

    fn draw(&self, form: Form, bar: Option<&ProgressBar>, started: Instant, console: &Console) {
        let done = self.watch.rows().min(self.rows);
        match (form, bar) {
            (Form::Nothing, _) => {}
            (_, Some(bar)) => bar.set_position(done),
            (Form::Json, None) => {
                let report =
                    Report { rows: self.rows, rows_done: done, seconds: started.elapsed().as_secs_f64() };
                if let Ok(text) = serde_json::to_string(&report) {
                    console.machine_line(&text);
                }
            }
            _ => console.note(format!("{done}/{} rows {}", self.rows, self.done)),
        }
    }
}
