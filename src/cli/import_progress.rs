//! How far an import or a verification is, on standard error; and Ctrl-C, which ends it.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use crate::known::ImportControl;
use crate::pipeline::CancelToken;

use super::args::ProgressStyle;
use super::config::MemorySize;
use super::console::Console;
use super::progress::{Form, beside};

/// Time between two looks at Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// What is watched.
#[derive(Debug)]
pub struct ImportProgress<'a> {
    /// The import.
    pub control: &'a ImportControl,
    /// Ctrl-C.
    pub cancel: &'a CancelToken,
    /// Bytes that there are to read.
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

impl ImportProgress<'_> {
    /// Runs `work` on this thread while another shows how far it is.
    pub fn show<T>(&self, style: ProgressStyle, console: &Console, work: impl FnOnce() -> T) -> T {
        let form = Form::of(style, console);
        let started = Instant::now();
        let bar = (form == Form::Bar).then(|| console.bars().add(ProgressBar::new(self.bytes.max(1))));
        let mut shown = started;
        let tick = || {
            if self.cancel.is_cancelled() {
                self.control.cancel();
            }
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
        let bytes_done = self.control.bytes().min(self.bytes);
        let records = self.control.records();
        match (form, bar) {
            (Form::Nothing, _) => {}
            (_, Some(bar)) => bar.set_position(bytes_done),
            (Form::Json, None) => {
                let seconds = started.elapsed().as_secs_f64();
                let report = Report { bytes: self.bytes, bytes_done, records, seconds };
                if let Ok(text) = serde_json::to_string(&report) {
                    console.machine_line(&text);
                }
            }
            _ => console.note(format!(
                "{} of {}, {records} records",
                MemorySize(bytes_done),
                MemorySize(self.bytes)
            )),
        }
    }
}
