//! How far a join is, on standard error; and Ctrl-C, which ends it.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use crate::matching::JoinControl;
use crate::pipeline::CancelToken;

use super::args::ProgressStyle;
use super::console::Console;
use super::progress::{Form, beside};

/// Time between two looks at Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

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

impl JoinProgress<'_> {
    /// Runs `work` on this thread while another shows how far it is.
    pub fn show<T>(&self, style: ProgressStyle, console: &Console, work: impl FnOnce() -> T) -> T {
        let form = Form::of(style, console);
        let started = Instant::now();
        let bar = (form == Form::Bar).then(|| console.bars().add(ProgressBar::new(self.items.max(1))));
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
        let done = (self.control.items() as u64).min(self.items);
        match (form, bar) {
            (Form::Nothing, _) => {}
            (_, Some(bar)) => bar.set_position(done),
            (Form::Json, None) => {
                let report =
                    Report { items: self.items, items_done: done, seconds: started.elapsed().as_secs_f64() };
                if let Ok(text) = serde_json::to_string(&report) {
                    console.machine_line(&text);
                }
            }
            _ => console.note(format!("{done}/{} items joined", self.items)),
        }
    }
}
