//! Ctrl-C: the first finishes what is in flight, for `GRACE` at most; the second ends the program at once.
//!
//! A thread that a decoder or the disk holds cannot be stopped, and need not be waited for: what is stored is whole at every
//! instant. So the program ends around it. What was in hand is struck off first, so that the next run does not take it for
//! the cause of a crash.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::case::{CaseStore, RunId};
use crate::pipeline::{CancelToken, InHand, Progress};

use super::error::CliError;

/// Time for what is in flight, after the first Ctrl-C.
const GRACE: Duration = Duration::from_millis(1500);
/// Time for the record of the end, on a disk that may hang.
const LAST_WORDS: Duration = Duration::from_millis(350);
/// The exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// What an end in the middle has to put in order.
static LOOSE_ENDS: Mutex<LooseEnds> = Mutex::new(LooseEnds { run: None, partial: Vec::new() });

struct LooseEnds {
    run: Option<CaseRun>,
    /// Files that are not whole.
    partial: Vec<PathBuf>,
}

/// A run of a case that is under way.
struct CaseRun {
    case: PathBuf,
    run: RunId,
    in_hand: Arc<InHand>,
}

/// A token that Ctrl-C (or a termination request) cancels. The program ends within two seconds of it, whatever its threads do,
/// and at a second Ctrl-C at once, with exit code 130; a case is resumable after either.
///
/// # Errors
/// The handler cannot be installed.
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

/// Names the run that an end in the middle interrupts.
pub fn run_begins(case: &Path, run: RunId, progress: &Progress) {
    let in_hand = Arc::clone(&progress.in_hand);
    loose_ends().run = Some(CaseRun { case: case.to_path_buf(), run, in_hand });
}

/// A file that is not whole, and that an end in the middle takes away.
#[derive(Debug)]
pub struct Leftover(PathBuf);

impl Leftover {
    /// Until it is dropped.
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

/// Ends the program around what does not end by itself.
fn give_up() {
    thread::sleep(GRACE);
    let (said, heard) = sync_channel(1);
    let _ = thread::Builder::new().name("last words".into()).spawn(move || {
        let given_up = leave_nothing();
        // Standard error may be closed, or held by who prints to it.
        let mut told = String::new();
        for name in &given_up {
            told.push_str(&format!("{name}; given up: the same command tries it again\n"));
        }
        told.push_str("interrupted: what was done is stored, what was in flight is not\n");
        let _ = std::io::stderr().write_all(told.as_bytes());
        if let Some(CaseRun { case, run, .. }) = &loose_ends().run {
            // Where it cannot be written the next run records that this one died.
            let _ = CaseStore::interrupt_run(case, *run, &given_up);
        }
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(LAST_WORDS);
    exit(INTERRUPTED.into());
}

/// Takes back what an end in the middle would leave: records of what is in hand, which it names, and partial files.
fn leave_nothing() -> Vec<String> {
    let ends = loose_ends();
    for path in &ends.partial {
        // It is only untidy where it stays.
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
