//! Progress of a run, on standard error: a bar on a terminal, otherwise lines, or JSON Lines.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle as BarStyle};
use serde::Serialize;

use crate::engine::{Progress, ProgressSnapshot};
use crate::matching::Backend;

use super::args::ProgressStyle;
use super::console::Console;
use crate::source::size::Bytes;

/// Time between two looks for notices.
const LOOK: Duration = Duration::from_millis(200);

/// Shows one run's progress.
#[derive(Debug)]
pub struct ProgressDisplay<'a> {
    form: Form,
    console: &'a Console,
}

/// A form of progress, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Bar,
    Lines,
    Json,
    Nothing,
}

impl Form {
    /// The form that `style` means on this console. `--quiet` silences all but an explicit `json`.
    pub fn of(style: ProgressStyle, console: &Console) -> Self {
        match style {
            ProgressStyle::Json => Self::Json,
            _ if console.is_quiet() => Self::Nothing,
            ProgressStyle::None => Self::Nothing,
            ProgressStyle::Lines => Self::Lines,
            ProgressStyle::Auto if console.is_terminal() => Self::Bar,
            ProgressStyle::Auto => Self::Lines,
        }
    }

    /// Time between two looks at the counters.
    pub const fn period(self) -> Duration {
        match self {
            Self::Bar => Duration::from_millis(200),
            Self::Json => Duration::from_secs(1),
            Self::Lines | Self::Nothing => Duration::from_secs(10),
        }
    }
}

impl<'a> ProgressDisplay<'a> {
    /// The form that `style` means on this console. `--quiet` silences all but an explicit `json`.
    #[must_use]
    pub fn new(style: ProgressStyle, console: &'a Console) -> Self {
        Self { form: Form::of(style, console), console }
    }

    /// Runs `work` on this thread while another shows `progress`, and prints the notices of both `progress` and `backend`
    /// as they arise.
    pub fn show<T>(&self, progress: &Progress, backend: &Backend, work: impl FnOnce() -> T) -> T {
        if self.form == Form::Nothing && self.console.is_quiet() {
            return work();
        }
        let bar = (self.form == Form::Bar).then(|| self.bar());
        let mut drawn = Instant::now();
        let tick = || {
            self.console.warnings(backend.take_notices());
            self.console.warnings(progress.take_notices());
            if drawn.elapsed() >= self.form.period() {
                drawn = Instant::now();
                self.draw(&progress.snapshot(), bar.as_ref());
            }
        };
        let last = || match &bar {
            Some(bar) => bar.finish_and_clear(),
            None if self.form == Form::Json => self.draw(&progress.snapshot(), None),
            None => {}
        };
        beside(LOOK, tick, last, work)
    }

    fn bar(&self) -> ProgressBar {
        let bar = self.console.bars().add(ProgressBar::new(0));
        // The template is constant; the default bar is as good if it ever fails.
        if let Ok(style) = BarStyle::with_template("{bar:24} {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }

    fn draw(&self, snapshot: &ProgressSnapshot, bar: Option<&ProgressBar>) {
        match (self.form, bar) {
            (Form::Bar, Some(bar)) => {
                let (done, all) = share_done(snapshot);
                bar.set_length(all.max(1));
                bar.set_position(done);
                bar.set_message(line(snapshot));
            }
            (Form::Json, _) => {
                if let Ok(text) = serde_json::to_string(&Report::from(snapshot)) {
                    self.console.machine_line(&text);
                }
            }
            (Form::Nothing, _) => {}
            _ => self.console.note(line(snapshot)),
        }
    }
}

/// Runs `work` on this thread while another calls `tick` once per period, and `last` at the end, also if `work` panics.
pub(super) fn beside<T>(
    period: Duration,
    mut tick: impl FnMut() + Send,
    last: impl FnOnce() + Send,
    work: impl FnOnce() -> T,
) -> T {
    // Dropping the sender ends the other thread.
    let (running, ended) = sync_channel::<()>(0);
    thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                tick();
            }
            last();
        });
        let result = work();
        drop(running);
        result
    })
}

/// Contents of earlier runs are matched first, and counted; then files are read, and go by their bytes.
fn share_done(snapshot: &ProgressSnapshot) -> (u64, u64) {
    if snapshot.files_found == 0 && snapshot.to_match > 0 {
        (snapshot.matched, snapshot.to_match)
    } else {
        (snapshot.bytes_done, snapshot.bytes_found)
    }
}

/// One line for a person.
fn line(snapshot: &ProgressSnapshot) -> String {
    if snapshot.files_found == 0 && snapshot.to_match > 0 {
        return format!(
            "{}/{} stored files matched, {} distinct hits",
            snapshot.matched, snapshot.to_match, snapshot.hits
        );
    }
    let more = if snapshot.walking { "+" } else { "" };
    let mut text = format!(
        "{}/{}{more} files, {} of {}{more}, {:.0} pictures/s",
        snapshot.files_done,
        snapshot.files_found,
        Bytes(snapshot.bytes_done),
        Bytes(snapshot.bytes_found),
        pictures_per_second(snapshot)
    );
    if snapshot.matching {
        text.push_str(&format!(", {} distinct hits", snapshot.hits));
    }
    if let Some(seconds) = seconds_left(snapshot) {
        text.push_str(&format!(", {} left", duration(seconds)));
    }
    text
}

/// The machine's form of a snapshot: all counts since the start of the run.
#[derive(Serialize)]
struct Report {
    files_found: u64,
    files_done: u64,
    files_done_before: u64,
    bytes_found: u64,
    bytes_done: u64,
    pictures_hashed: u64,
    /// A content against a known record; the summary's hits count every copy.
    distinct_hits: u64,
    stored_to_match: u64,
    stored_matched: u64,
    candidates_confirmed: u64,
    candidates_refuted: u64,
    candidates_unverified: u64,
    walk_finished: bool,
    seconds: f64,
    pictures_per_second: f64,
    seconds_left: Option<u64>,
}

impl From<&ProgressSnapshot> for Report {
    fn from(snapshot: &ProgressSnapshot) -> Self {
        Self {
            files_found: snapshot.files_found,
            files_done: snapshot.files_done,
            files_done_before: snapshot.files_skipped,
            bytes_found: snapshot.bytes_found,
            bytes_done: snapshot.bytes_done,
            pictures_hashed: snapshot.pictures,
            distinct_hits: snapshot.hits,
            stored_to_match: snapshot.to_match,
            stored_matched: snapshot.matched,
            candidates_confirmed: snapshot.confirmed,
            candidates_refuted: snapshot.refuted,
            candidates_unverified: snapshot.unverified,
            walk_finished: !snapshot.walking,
            seconds: snapshot.elapsed.as_secs_f64(),
            pictures_per_second: pictures_per_second(snapshot),
            seconds_left: seconds_left(snapshot),
        }
    }
}

fn pictures_per_second(snapshot: &ProgressSnapshot) -> f64 {
    snapshot.pictures as f64 / snapshot.elapsed.as_secs_f64().max(1e-3)
}

/// By bytes, once the walk has found them all and there is a rate.
fn seconds_left(snapshot: &ProgressSnapshot) -> Option<u64> {
    let elapsed = snapshot.elapsed.as_secs_f64();
    if snapshot.walking || snapshot.bytes_done == 0 || elapsed < 2.0 {
        return None;
    }
    let left = snapshot.bytes_found.saturating_sub(snapshot.bytes_done);
    Some((left as f64 * elapsed / snapshot.bytes_done as f64).ceil() as u64)
}

/// `1 h 05 min`, `3 min 20 s`, `12 s`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halfway() -> ProgressSnapshot {
        ProgressSnapshot {
            files_found: 200,
            files_done: 100,
            files_skipped: 0,
            bytes_found: 4 << 30,
            bytes_done: 1 << 30,
            pictures: 90,
            hits: 3,
            to_match: 0,
            matched: 0,
            confirmed: 0,
            refuted: 0,
            unverified: 0,
            walking: false,
            matching: true,
            elapsed: Duration::from_secs(30),
        }
    }

    #[test]
    fn the_line_says_how_far_how_fast_and_how_long() {
        assert_eq!(
            line(&halfway()),
            "100/200 files, 1.0 GiB of 4.0 GiB, 3 pictures/s, 3 distinct hits, 1 min 30 s left"
        );
        let walking = ProgressSnapshot { walking: true, ..halfway() };
        assert_eq!(line(&walking), "100/200+ files, 1.0 GiB of 4.0 GiB+, 3 pictures/s, 3 distinct hits");
        let scanning = ProgressSnapshot { matching: false, ..walking };
        assert_eq!(line(&scanning), "100/200+ files, 1.0 GiB of 4.0 GiB+, 3 pictures/s");
        let matching = ProgressSnapshot { files_found: 0, to_match: 50, matched: 20, ..halfway() };
        assert_eq!(line(&matching), "20/50 stored files matched, 3 distinct hits");
    }

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(200), "3 min 20 s");
        assert_eq!(duration(3900), "1 h 05 min");
    }
}
