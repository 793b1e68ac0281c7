//! Ctrl-C: the first finishes what is in flight, for `GRACE` at most; the second ends the program at once.
//!
//! A thread held by a decoder or the disk cannot be stopped, and need not be waited for: what is stored is consistent at
//! every instant. So the program exits without it. The record of files in hand is cleared first, so that the next run does
//! not take them for the cause of a crash.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::case::{CaseStore, RunId};
use crate::engine::{CancelToken, InHand, Progress};

use super::error::CliError;

/// Time for work in flight, after the first Ctrl-C.
const GRACE: Duration = Duration::from_millis(1500);
/// Time to record the interruption, on a disk that may hang.
const LAST_WORDS: Duration = Duration::from_millis(350);
/// The exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// What has to be cleaned up when the program ends early.
static LOOSE_ENDS: Mutex<LooseEnds> = Mutex::new(LooseEnds { run: None, partial: Vec::new() });

struct LooseEnds {
    run: Option<CaseRun>,
    /// Files that are not complete.
    partial: Vec<PathBuf>,
}

/// A run of a case that is under way.
struct CaseRun {
    case: PathBuf,
    run: RunId,
    in_hand: Arc<InHand>,
}

/// A token that Ctrl-C (or a termination request) cancels. The program then ends within two seconds, whatever its threads
/// do, and at once on a second Ctrl-C, with exit code 130; a case is resumable after either.
///
/// # Errors
/// If the handler cannot be installed.
pub fn cancel_on_interrupt() -> Result<CancelToken, CliError> {
    let token = CancelToken::default();
    let cancelled = token.clone();
    ctrlc::set_handler(move || {
        if cancelled.is_cancelled() {
            leave_nothing();
            exit(INTERRUPTED.into());
        }
        cancelled.cancel();
        // Without a thread to wait on, the second Ctrl-C is still heard.
        let _ = thread::Builder::new().name("interrupt".into()).spawn(give_up);
    })
    .map_err(|error| CliError::Failed(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(token)
}

/// Names the run that an early end interrupts.
pub fn run_begins(case: &Path, run: RunId, progress: &Progress) {
    let in_hand = Arc::clone(&progress.in_hand);
    loose_ends().run = Some(CaseRun { case: case.to_path_buf(), run, in_hand });
}

/// A file that is not complete, and that is removed if the program ends early.
#[derive(Debug)]
pub struct Leftover(PathBuf);

impl Leftover {
    /// Removes `path` if the program ends before this is dropped.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        loose_ends().partial.push(path.to_path_buf());
        Self(path.to_path_buf())
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        loose_ends().partial.retain(|path| *path != self.0);
    }
}

/// Ends the program without waiting any longer for its threads.
fn give_up() {
    thread::sleep(GRACE);
    let (done, wait) = sync_channel(1);
    let _ = thread::Builder::new().name("last words".into()).spawn(move || {
        let given_up = leave_nothing();
        // Standard error may be closed, or locked by another thread.
        let mut text = String::new();
        for name in &given_up {
            text.push_str(&format!("{name}; abandoned: the same command tries it again\n"));
        }
        text.push_str("interrupted: finished work is stored, work in flight is not\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        if let Some(CaseRun { case, run, .. }) = &loose_ends().run {
            // If it cannot be written, the next run records that this one died.
            let _ = CaseStore::interrupt_run(case, *run, &given_up);
        }
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(LAST_WORDS);
    exit(INTERRUPTED.into());
}

/// Removes what an early end would leave: the record of files in hand, whose names it returns, and partial files.
fn leave_nothing() -> Vec<String> {
    let ends = loose_ends();
    for path in &ends.partial {
        // A file that stays is only untidy.
        let _ = fs::remove_file(path);
    }
    let Some(CaseRun { in_hand, .. }) = &ends.run else { return Vec::new() };
    let names = in_hand.names();
    in_hand.release();
    names
}

fn loose_ends() -> MutexGuard<'static, LooseEnds> {
    LOOSE_ENDS.lock().unwrap_or_else(PoisonError::into_inner)
}
