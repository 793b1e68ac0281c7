//! Progress of work that counts as it goes, on standard error; and Ctrl-C, which ends it.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use super::args::ProgressStyle;
use super::console::Console;
use super::progress::{Form, beside};

/// Time between two looks at Ctrl-C and the counter.
const LOOK: Duration = Duration::from_millis(50);

/// Work that counts as it goes, watched by another thread.
pub trait CountProgress: Sync {
    /// The total amount of work.
    fn total(&self) -> u64;

    /// How much is done.
    fn done(&self) -> u64;

    /// The machine's form of how much is done and for how long.
    fn report(&self, done: u64, seconds: f64) -> impl Serialize;

    /// How much is done, for a person.
    fn in_words(&self, done: u64) -> String;

    /// Ends the work if Ctrl-C was pressed; called repeatedly.
    fn end_on_interrupt(&self) {}

    /// Runs `work` on this thread while another shows how far it is.
    fn show<T>(&self, style: ProgressStyle, console: &Console, work: impl FnOnce() -> T) -> T {
        let form = Form::of(style, console);
        let started = Instant::now();
        let bar = (form == Form::Bar).then(|| console.bars().add(ProgressBar::new(self.total().max(1))));
        let mut shown = started;
        let tick = || {
            self.end_on_interrupt();
            if shown.elapsed() >= form.period() {
                shown = Instant::now();
                draw(self, form, bar.as_ref(), started, console);
            }
        };
        let last = || match &bar {
            Some(bar) => bar.finish_and_clear(),
            None if form == Form::Json => draw(self, form, None, started, console),
            None => {}
        };
        beside(LOOK, tick, last, work)
    }
}

/// Shows once how far it is.
fn draw(
    progress: &(impl CountProgress + ?Sized),
    form: Form,
    bar: Option<&ProgressBar>,
    started: Instant,
    console: &Console,
) {
    let done = progress.done().min(progress.total());
    match (form, bar) {
        (Form::Nothing, _) => {}
        (_, Some(bar)) => bar.set_position(done),
        (Form::Json, None) => {
            let report = progress.report(done, started.elapsed().as_secs_f64());
            if let Ok(text) = serde_json::to_string(&report) {
                console.machine_line(&text);
            }
        }
        _ => console.note(progress.in_words(done)),
    }
}
