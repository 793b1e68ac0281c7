//! What the threads of a run have in hand: what is late, and what was in hand when the program died.
//!
//! A decoder may take hours, or end the whole process: no guard stops an abort, a signal or the system's killer. So [`journal`] records
//! each file before it is parsed, and clears the record afterwards. What an earlier run died with is *suspect*: it is named, and an ingest
//! tries it again *alone*, with nothing else in a parser, before everything else. Only what the program dies with twice while it is alone is
//! *left out* from then on: a kill or a power cut looks the same, and one of those must not condemn a file. Contents are identified by their
//! SHA-256: a copy under another name is the same suspect.

mod journal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::outcome::{Failure, Outcome, Stage};
use crate::source::Provenance;
pub(super) use journal::Work;
use journal::{Found, Journal, Mark};

/// A file is late after this time, and this much more for each MB.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_PER_MB: Duration = Duration::from_secs(2);

/// What a program may die of: a content, and what is done with it. A program that survives its coefficients may still die of its pixels.
type Cause = ([u8; 32], Work);

/// The files that the threads of a run have in hand.
#[derive(Debug, Default)]
pub struct InHand {
    state: Mutex<State>,
    /// Absent without a case: then nothing is recorded.
    journal: OnceLock<Journal>,
    /// Suspects that were not tried yet. While there are any, every thread that parses holds `turn`: shared, or alone.
    suspects: AtomicUsize,
    turn: RwLock<()>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// The slots of suspects and of what is left out, by what the program died of.
    marked: HashMap<Cause, usize>,
    /// The user ended the run: no file caused its end.
    released: bool,
}

#[derive(Debug)]
enum Slot {
    Free,
    Busy(Busy),
    Suspect(Suspect),
    LeftOut,
}

/// What an earlier run died with, and this one has not tried yet.
#[derive(Debug)]
struct Suspect {
    /// Where it was.
    place: Provenance,
    work: Work,
    /// A run died with it alone.
    again: bool,
}

/// What earlier runs recorded of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marked {
    /// Also while it is tried.
    Suspect,
    LeftOut,
}

#[derive(Debug)]
struct Busy {
    work: Work,
    place: Provenance,
    size: u64,
    /// `None` while it waits for memory that others hold.
    since: Option<Instant>,
    named: bool,
    /// What its record is reset to if the user ends the run: for a suspect, what it was.
    before: Option<Mark>,
}

/// A file that a thread takes in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub place: &'a Provenance,
    pub size: u64,
    /// If digests are computed: only then can it be recognised.
    pub sha256: Option<&'a [u8; 32]>,
}

/// A file in hand, until it is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    in_hand: &'a InHand,
    slot: usize,
    recorded: bool,
    suspect: Option<Cause>,
    /// Released last.
    _turn: Turn<'a>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held, not read")]
enum Turn<'a> {
    Free,
    Shared(RwLockReadGuard<'a, ()>),
    Alone(RwLockWriteGuard<'a, ()>),
}

impl InHand {
    /// Opens the journal of a case, and returns notices of what earlier runs died with.
    pub(super) fn open(&self, case: &Path) -> std::io::Result<Vec<String>> {
        let (journal, mut found) = Journal::open(case)?;
        // What is left out stays so, whatever other records it has.
        found.sort_by_key(|found| match found.mark {
            Mark::AloneAgain | Mark::LeftOut => 0,
            Mark::Alone | Mark::SuspectAgain => 1,
            Mark::InHand | Mark::Suspect => 2,
        });
        let mut state = self.lock();
        let (mut suspects, mut notices) = (Vec::new(), Vec::new());
        for Found { slot, mark, sha256, work, place } in found {
            if state.marked.contains_key(&(sha256, work)) {
                journal.mark(slot, None)?;
                continue;
            }
            let name = place.to_string();
            let suspect = |again| Slot::Suspect(Suspect { place, work, again });
            let (kept, now) = match mark {
                Mark::InHand | Mark::Suspect => (suspect(false), Mark::Suspect),
                Mark::Alone | Mark::SuspectAgain => (suspect(true), Mark::SuspectAgain),
                Mark::AloneAgain | Mark::LeftOut => (Slot::LeftOut, Mark::LeftOut),
            };
            journal.mark(slot, Some(now))?;
            match mark {
                Mark::InHand | Mark::Suspect | Mark::Alone | Mark::SuspectAgain => suspects.push(name),
                Mark::AloneAgain => {
                    let then = match work {
                        Work::Verifying => "it is not verified, and its hits stay unconfirmed",
                        Work::Decoding | Work::Reading => {
                            "it is left out as crashed, and digested all the same"
                        }
                    };
                    notices.push(format!(
                        "{name}: the program died three times with it in hand, twice with nothing else: {then}"
                    ));
                }
                Mark::LeftOut => {}
            }
            state.keep(slot, kept);
            state.marked.insert((sha256, work), slot);
        }
        self.suspects.store(suspects.len(), Ordering::Release);
        if !suspects.is_empty() {
            let (number, names) = (suspects.len(), suspects.join(", "));
            let files = if number == 1 { "1 file" } else { &format!("{number} files") };
            notices.push(format!(
                "an earlier run died with {files} in hand; where this run comes to them, each is tried again alone: {names}"
            ));
        }
        let _ = self.journal.set(journal);
        Ok(notices)
    }

    /// The places of suspects that were not tried yet, to be tried before everything else.
    pub(super) fn suspects(&self) -> Vec<Provenance> {
        let mut places: Vec<Provenance> = Vec::new();
        for slot in &self.lock().slots {
            if let Slot::Suspect(Suspect { place, .. }) = slot
                && !places.contains(place)
            {
                places.push(place.clone());
            }
        }
        places
    }

    /// Takes a file in hand. Waits for its turn if it is suspect, or a suspect is being tried.
    ///
    /// # Errors
    /// If the file is left out; the error is its outcome.
    pub(super) fn take(&self, work: Work, file: Named<'_>) -> Result<Held<'_>, Failure> {
        let cause = file.sha256.map(|sha256| (*sha256, work));
        let marked = self.marked(cause);
        if marked == Some(Marked::LeftOut) {
            return Err(left_out());
        }
        let suspect = marked.is_some();
        let turn = if suspect {
            Turn::Alone(self.turn.write().unwrap_or_else(PoisonError::into_inner))
        } else if file.sha256.is_some() && self.suspects.load(Ordering::Acquire) > 0 {
            Turn::Shared(self.turn.read().unwrap_or_else(PoisonError::into_inner))
        } else {
            Turn::Free
        };
        Ok(self.hold(work, file, turn, suspect))
    }

    /// Takes a file in hand that is not parsed, but may be late.
    pub(super) fn watch(&self, work: Work, place: &Provenance, size: u64) -> Held<'_> {
        self.hold(work, Named { place, size, sha256: None }, Turn::Free, false)
    }

    fn hold<'a>(&'a self, work: Work, file: Named<'_>, turn: Turn<'a>, suspect: bool) -> Held<'a> {
        let Named { place, size, sha256 } = file;
        let since = Some(Instant::now());
        let mut state = self.lock();
        let cause = sha256.map(|sha256| (*sha256, work));
        let own = cause.filter(|_| suspect).and_then(|cause| state.marked.get(&cause).copied());
        let slot = own.or_else(|| state.free.pop()).unwrap_or(state.slots.len());
        if slot == state.slots.len() {
            state.slots.push(Slot::Free);
        }
        let alone = own.is_some();
        let (before, now) = match state.slots[slot] {
            Slot::Suspect(Suspect { again: true, .. }) => (Some(Mark::SuspectAgain), Mark::AloneAgain),
            _ if alone => (Some(Mark::Suspect), Mark::Alone),
            _ => (None, Mark::InHand),
        };
        state.slots[slot] =
            Slot::Busy(Busy { work, place: place.clone(), size, since, named: false, before });
        let journal = self.journal.get().filter(|_| !state.released);
        let recorded = sha256.zip(journal);
        if let Some((sha256, journal)) = recorded.filter(|_| alone) {
            // Within the lock, so that it undoes no later release.
            journal.write(slot, now, sha256, work, place);
        }
        drop(state);
        if let Some((sha256, journal)) = recorded.filter(|_| !alone) {
            journal.write(slot, now, sha256, work, place);
            if self.lock().released {
                // The user ended the run in between; a record that stays costs a trial.
                let _ = journal.mark(slot, None);
            }
        }
        let suspect = cause.filter(|_| alone);
        Held { in_hand: self, slot, recorded: recorded.is_some(), suspect, _turn: turn }
    }

    /// What earlier runs recorded of a content.
    fn marked(&self, cause: Option<Cause>) -> Option<Marked> {
        let state = self.lock();
        let slot = *state.marked.get(&cause?)?;
        Some(match state.slots[slot] {
            Slot::LeftOut => Marked::LeftOut,
            Slot::Suspect(_) | Slot::Busy(_) | Slot::Free => Marked::Suspect,
        })
    }

    /// Files that became late by `now`, as texts, each once.
    pub(super) fn late(&self, now: Instant) -> Vec<String> {
        let mut texts = Vec::new();
        for slot in &mut self.lock().slots {
            let Slot::Busy(busy) = slot else { continue };
            let patience = PATIENCE + PATIENCE_PER_MB.mul_f64(busy.size as f64 / 1e6);
            if !busy.named && busy.since.is_some_and(|since| now.saturating_duration_since(since) > patience)
            {
                busy.named = true;
                texts.push(format!(
                    "{}: Ctrl-C ends the run all the same, and --exclude leaves the file out",
                    busy.describe(now)
                ));
            }
        }
        texts
    }

    /// What is in hand, as texts.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let now = Instant::now();
        let describe = |slot: &Slot| match slot {
            Slot::Busy(busy) => Some(busy.describe(now)),
            _ => None,
        };
        self.lock().slots.iter().filter_map(describe).collect()
    }

    /// Clears all records, before the user ends the program in the middle: what is in hand did not cause it.
    pub fn release(&self) {
        let mut state = self.lock();
        state.released = true;
        let Some(journal) = self.journal.get() else { return };
        for (number, slot) in state.slots.iter().enumerate() {
            if let Slot::Busy(busy) = slot {
                // The end is near; a record that stays costs a trial.
                let _ = journal.mark(number, busy.before);
            }
        }
    }

    /// Ends the journal of a run. A suspect that was not tried stays one, unless `looked_for` returns for its place and for what was done with
    /// it that this run would have found it if it still existed.
    pub(super) fn end(&self, looked_for: impl Fn(&Provenance, Work) -> bool) {
        let state = self.lock();
        let Some(journal) = self.journal.get() else { return };
        let kept = |slot: &Slot| match slot {
            Slot::Free | Slot::Busy(_) => false,
            Slot::Suspect(Suspect { place, work, .. }) => !looked_for(place, *work),
            Slot::LeftOut => true,
        };
        if state.slots.iter().any(kept) {
            for (number, _) in state.slots.iter().enumerate().filter(|(_, slot)| !kept(slot)) {
                // A record that stays costs a trial of the next run.
                let _ = journal.mark(number, None);
            }
        } else {
            journal.remove();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts what an earlier run left into its slot.
    fn keep(&mut self, slot: usize, kept: Slot) {
        while self.slots.len() <= slot {
            self.free.push(self.slots.len());
            self.slots.push(Slot::Free);
        }
        self.free.retain(|&free| free != slot);
        self.slots[slot] = kept;
    }
}

impl Held<'_> {
    /// Waits for something that others hold, which does not count towards the file being late.
    pub fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.set_since(None);
        let got = wait();
        self.set_since(Some(Instant::now()));
        got
    }

    fn set_since(&self, to: Option<Instant>) {
        if let Slot::Busy(busy) = &mut self.in_hand.lock().slots[self.slot] {
            busy.since = to;
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let in_hand = self.in_hand;
        if let Some(journal) = in_hand.journal.get().filter(|_| self.recorded) {
            // Before another thread may take the slot.
            let _ = journal.mark(self.slot, None);
        }
        let mut state = in_hand.lock();
        state.slots[self.slot] = Slot::Free;
        state.free.push(self.slot);
        if let Some(cause) = self.suspect {
            state.marked.remove(&cause);
            in_hand.suspects.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Decoding => "decoding",
            Self::Verifying => "verifying",
        }
    }
}

impl Busy {
    fn describe(&self, now: Instant) -> String {
        let (name, megabytes) = (&self.place, self.size as f64 / 1e6);
        let seconds = self.since.map_or(0, |since| now.saturating_duration_since(since).as_secs());
        format!("{name}: {} for {seconds} s ({megabytes:.1} MB)", self.work.name())
    }
}

fn left_out() -> Failure {
    let reason =
        "the program died three times with this file in hand, twice with nothing else: it is not decoded";
    Failure::new(Outcome::Crashed, Stage::Decode, reason)
}
