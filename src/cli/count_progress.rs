//! Progress of work that counts as it goes, on standard error: the one form for joins, imports, comparisons, rows and phases.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::args::ProgressStyle;
use super::console::Console;
use super::run_progress::{Form, beside};
use crate::cancel::CancelToken;
use crate::known::ImportControl;
use crate::known::compare::CompareControl;
use crate::matching::JoinControl;
use crate::share::write::Watch;
use crate::source::size::Bytes;

/// Time between two looks at the counter.
const LOOK: Duration = Duration::from_millis(50);

/// What a counter shows now.
type Counter<'a> = Box<dyn Fn() -> u64 + Sync + 'a>;

/// Work that counts as it goes, watched by another thread.
pub struct CountProgress<'a> {
    /// The phase, where a command has several; it begins the machine's form.
    phase: Option<&'static str>,
    /// What is counted: the name of the total in the machine's form.
    unit: &'static str,
    /// The same of what is done.
    unit_done: &'static str,
    /// The total amount of work.
    total: u64,
    /// How much is done.
    done: Counter<'a>,
    /// Another counter of the machine's form.
    more: Option<(&'static str, Counter<'a>)>,
    /// How much is done, for a person.
    words: Box<dyn Fn(u64) -> String + Sync + 'a>,
}

impl<'a> CountProgress<'a> {
    /// Items of a join.
    pub fn join(control: &'a JoinControl, items: u64) -> Self {
        Self {
            phase: None,
            unit: "items",
            unit_done: "items_done",
            total: items,
            done: Box::new(|| control.items() as u64),
            more: None,
            words: Box::new(move |done| format!("{done}/{items} items joined")),
        }
    }

    /// Bytes of an import or a verification.
    pub fn import(control: &'a ImportControl, bytes: u64) -> Self {
        Self {
            phase: None,
            unit: "bytes",
            unit_done: "bytes_done",
            total: bytes,
            done: Box::new(|| control.bytes()),
            more: Some(("records", Box::new(|| control.records()))),
            words: Box::new(move |done| {
                format!("{} of {}, {} records", Bytes(done), Bytes(bytes), control.records())
            }),
        }
    }

    /// Values of a comparison of two sets.
    pub fn comparison(control: &'a CompareControl, values: u64) -> Self {
        Self {
            phase: None,
            unit: "values",
            unit_done: "values_done",
            total: values,
            done: Box::new(|| control.done()),
            more: None,
            words: Box::new(move |done| format!("{done}/{values} PhotoDNA values and PDQ hashes compared")),
        }
    }

    /// Rows read or written; `participle` as in "12/40 rows written".
    pub fn rows(watch: &'a Watch, rows: u64, participle: &'static str) -> Self {
        Self {
            phase: None,
            unit: "rows",
            unit_done: "rows_done",
            total: rows,
            done: Box::new(|| watch.rows()),
            more: None,
            words: Box::new(move |done| format!("{done}/{rows} rows {participle}")),
        }
    }

    /// Steps of a phase at the end of a run.
    pub fn phase(phase: &'static str, steps: &'a Steps<'a>, total: u64) -> Self {
        Self {
            phase: Some(phase),
            unit: "steps",
            unit_done: "steps_done",
            total,
            done: Box::new(|| steps.done.load(Ordering::Relaxed)),
            more: None,
            words: Box::new(move |done| format!("{phase}: {done}/{total}")),
        }
    }

    /// Runs `work` on this thread while another shows how far it is.
    pub fn show<T>(&self, style: ProgressStyle, console: &Console, work: impl FnOnce() -> T) -> T {
        let form = Form::of(style, console);
        let started = Instant::now();
        let bar = (form == Form::Bar).then(|| console.bars().add(ProgressBar::new(self.total.max(1))));
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

    /// Shows once how far it is.
    fn draw(&self, form: Form, bar: Option<&ProgressBar>, started: Instant, console: &Console) {
        let done = (self.done)().min(self.total);
        match (form, bar) {
            (Form::Nothing, _) => {}
            (_, Some(bar)) => bar.set_position(done),
            (Form::Json, None) => {
                let report = Report { progress: self, done, seconds: started.elapsed().as_secs_f64() };
                if let Ok(text) = serde_json::to_string(&report) {
                    console.machine_line(&text);
                }
            }
            _ => console.note((self.words)(done)),
        }
    }
}

/// The machine's form.
struct Report<'a> {
    progress: &'a CountProgress<'a>,
    done: u64,
    seconds: f64,
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let CountProgress { phase, unit, unit_done, total, more, .. } = self.progress;
        let mut map = serializer.serialize_map(None)?;
        if let Some(phase) = phase {
            map.serialize_entry("phase", phase)?;
        }
        map.serialize_entry(unit, total)?;
        map.serialize_entry(unit_done, &self.done)?;
        if let Some((name, counter)) = more {
            map.serialize_entry(name, &counter())?;
        }
        map.serialize_entry("seconds", &self.seconds)?;
        map.end()
    }
}

/// Steps of a phase that are done, and Ctrl-C, which ends it.
#[derive(Debug)]
pub struct Steps<'a> {
    done: AtomicU64,
    cancel: &'a CancelToken,
}

impl<'a> Steps<'a> {
    /// None yet.
    pub const fn new(cancel: &'a CancelToken) -> Self {
        Self { done: AtomicU64::new(0), cancel }
    }

    /// Counts `steps` more. Returns `false` if Ctrl-C was pressed.
    pub fn count(&self, steps: u64) -> bool {
        self.done.fetch_add(steps, Ordering::Relaxed);
        !self.cancel.is_cancelled()
    }
}
