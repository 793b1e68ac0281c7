//! What the threads of a run have in hand: what is late, and what was in hand when the program died.
//!
//! A decoder may take hours, or end the whole process: no guard stops an abort, a signal or the system's killer. So [`journal`] records
//! each file before it is parsed, and clears the record afterwards. What an earlier run died with is *suspect*: it is named, and an ingest
//! tries it again *alone*, with nothing else in a parser, before everything else. Only what the program dies with twice while it is alone is
//! *left out* from then on: a kill or a power cut looks the same, and one of those must not condemn a file. Contents are identified by their
//! SHA-256: a copy under another name is the same suspect.

mod journal;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::{Seek, SeekFrom, Write};
    use std::sync::mpsc::sync_channel;
    use std::thread;

    const JOURNAL: &str = "in-hand";

    fn at(name: &str) -> Provenance {
        Provenance::of_file(Path::new("").into(), name)
    }

    fn named<'a>(place: &'a Provenance, sha256: &'a [u8; 32]) -> Named<'a> {
        Named { place, size: 1_000_000, sha256: Some(sha256) }
    }

    fn opened(case: &Path) -> (InHand, Vec<String>) {
        let in_hand = InHand::default();
        let notices = in_hand.open(case).unwrap();
        (in_hand, notices)
    }

    #[test]
    fn a_file_is_late_once_after_twenty_seconds_and_two_a_megabyte() {
        let in_hand = InHand::default();
        let held = in_hand.take(Work::Decoding, named(&at("a\nb.jpg"), &[1; 32])).unwrap();
        let started = Instant::now();
        let after = |seconds| in_hand.late(started + Duration::from_secs(seconds));
        assert!(after(21).is_empty());
        let texts = after(23);
        assert!(
            texts.len() == 1 && texts[0].starts_with(r"a\nb.jpg: decoding for 23 s (1.0 MB): "),
            "{texts:?}"
        );
        assert!(after(1000).is_empty(), "once");
        drop(held);
        let held = in_hand.take(Work::Decoding, named(&at("b.jpg"), &[1; 32])).unwrap();
        held.waiting(|| assert!(after(1000).is_empty(), "a file that waits for memory is not late"));
        assert_eq!(after(1000).len(), 1);
        let _other = in_hand.watch(Work::Reading, &at("c"), 0);
        assert_eq!(in_hand.names().len(), 2);
    }

    /// A process that dies leaves the journal as it is while files are in hand.
    #[test]
    fn in_hand_and_twice_alone_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path();
        let (dead, notices) = opened(case);
        assert!(notices.is_empty());
        let _a = dead.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).unwrap();
        let _b = dead.take(Work::Decoding, named(&at("b.jpg"), &[2; 32])).unwrap();
        drop(dead.take(Work::Decoding, named(&at("done.jpg"), &[3; 32])).unwrap());

        let (second, notices) = opened(case);
        assert_eq!(
            notices,
            [
                "an earlier run died with 2 files in hand; where this run comes to them, each is tried again alone: a.jpg, b.jpg"
            ]
        );
        // One of them is fine, whatever its other trial shows, and it and all others can be taken as usual.
        drop(second.take(Work::Decoding, named(&at("b.jpg"), &[2; 32])).unwrap());
        drop(second.take(Work::Decoding, named(&at("b.jpg"), &[2; 32])).unwrap());
        let _a = second.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).unwrap();

        // Once alone may have been a kill; Ctrl-C does not count, nor does a run that does not reach it.
        let (again, notices) = opened(case);
        assert!(notices[0].ends_with("tried again alone: a.jpg"), "{notices:?}");
        let _interrupted = again.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).unwrap();
        again.release();
        opened(case);
        let (again, notices) = opened(case);
        assert!(notices[0].ends_with("tried again alone: a.jpg"), "{notices:?}");
        let _a = again.take(Work::Decoding, named(&at("copy of a.jpg"), &[1; 32])).unwrap();

        let (third, notices) = opened(case);
        assert_eq!(notices.len(), 1);
        assert!(
            notices[0].starts_with("copy of a.jpg: the program died three times with it in hand"),
            "{notices:?}"
        );
        let failure = third.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).unwrap_err();
        assert_eq!(failure.outcome, Outcome::Crashed);
        drop(third.take(Work::Decoding, named(&at("b.jpg"), &[2; 32])).unwrap());
        third.end(|_, _| true);
        // For ever, without another notice.
        let (fourth, notices) = opened(case);
        assert!(notices.is_empty());
        assert!(fourth.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).is_err());
        assert!(fourth.take(Work::Verifying, named(&at("a.jpg"), &[1; 32])).is_ok(), "that is another trial");
    }

    #[test]
    fn a_kill_with_others_in_hand_and_ctrl_c_alone_condemn_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path();
        let (killed, _) = opened(case);
        let _b = killed.take(Work::Decoding, named(&at("b.jpg"), &[9; 32])).unwrap();
        for _ in 0..3 {
            // Killed again before it is reached.
            let (_, notices) = opened(case);
            assert!(notices[0].ends_with("tried again alone: b.jpg"), "{notices:?}");
        }
        let (interrupted, _) = opened(case);
        let _alone = interrupted.take(Work::Decoding, named(&at("b.jpg"), &[9; 32])).unwrap();
        interrupted.release();
        // Nothing is recorded of what a thread still takes.
        let _late = interrupted.watch(Work::Decoding, &at("c.jpg"), 1);
        let (after, notices) = opened(case);
        assert!(notices[0].ends_with("tried again alone: b.jpg"), "{notices:?}");
        drop(after.take(Work::Decoding, named(&at("b.jpg"), &[9; 32])).unwrap());
        after.end(|_, _| false);
        assert!(!case.join(JOURNAL).exists());
        assert!(opened(case).1.is_empty());
    }

    #[test]
    fn a_run_forgets_the_suspects_that_it_looked_for_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let (dead, _) = opened(folder.path());
        let _gone = dead.take(Work::Decoding, named(&at("gone.jpg"), &[1; 32])).unwrap();
        let _other = dead.take(Work::Decoding, named(&at("other.jpg"), &[2; 32])).unwrap();
        let _verified = dead.take(Work::Verifying, named(&at("gone.jpg"), &[3; 32])).unwrap();
        let (part, _) = opened(folder.path());
        part.end(|_, _| false);
        let (whole, notices) = opened(folder.path());
        assert!(notices[0].contains("3 files"), "{notices:?}");
        assert_eq!(whole.suspects(), [at("gone.jpg"), at("other.jpg")]);
        whole.end(|place, work| *place == at("gone.jpg") && work == Work::Decoding);
        let (last, notices) = opened(folder.path());
        assert!(notices[0].ends_with("alone: other.jpg, gone.jpg"), "{notices:?}");
        last.end(|_, _| true);
        assert!(opened(folder.path()).1.is_empty());
    }

    #[test]
    fn a_suspect_waits_until_it_is_alone_and_others_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (dead, _) = opened(folder.path());
        let _a = dead.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).unwrap();
        let (in_hand, _) = opened(folder.path());
        let (took, taken) = sync_channel(2);
        let (end, ended) = sync_channel(1);
        let nothing =
            |taken: &std::sync::mpsc::Receiver<&str>| taken.recv_timeout(Duration::from_millis(50)).is_err();
        thread::scope(|scope| {
            let (in_hand, first) =
                (&in_hand, in_hand.take(Work::Decoding, named(&at("b.jpg"), &[2; 32])).unwrap());
            let (suspect, other) = (took.clone(), took.clone());
            let alone = scope.spawn(move || {
                let held = in_hand.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).unwrap();
                suspect.send("suspect").unwrap();
                ended.recv().unwrap();
                drop(held);
            });
            assert!(nothing(&taken), "somebody else is in a parser");
            drop(first);
            assert_eq!(taken.recv_timeout(Duration::from_secs(5)), Ok("suspect"));
            let company = scope.spawn(move || {
                drop(in_hand.take(Work::Decoding, named(&at("c.jpg"), &[3; 32])).unwrap());
                other.send("company").unwrap();
            });
            assert!(nothing(&taken), "the suspect is alone");
            end.send(()).unwrap();
            assert_eq!(taken.recv_timeout(Duration::from_secs(5)), Ok("company"));
            alone.join().unwrap();
            company.join().unwrap();
        });
    }

    #[test]
    fn a_record_that_was_torn_or_changed_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(JOURNAL);
        let (dead, _) = opened(folder.path());
        let _a = dead.take(Work::Decoding, named(&at("a.jpg"), &[1; 32])).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(opened(folder.path()).1.len(), 1, "as it was written it counts");
        for offset in 1..whole.len() {
            let mut changed = whole.clone();
            changed[offset] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(opened(folder.path()).1.is_empty(), "byte {offset}");
            fs::write(&path, &whole[..offset]).unwrap();
            assert!(opened(folder.path()).1.is_empty(), "cut at {offset}");
        }
        // Nothing of a foreign file counts, and unknown marks mean nothing.
        fs::write(&path, vec![0xff; 100_000]).unwrap();
        assert!(opened(folder.path()).1.is_empty());
        let mut file = File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&whole).unwrap();
        assert_eq!(opened(folder.path()).1.len(), 1);
    }

    #[test]
    fn a_path_longer_than_its_slot_is_cut_and_the_content_recognised_anyway() {
        let folder = tempfile::tempdir().unwrap();
        let (dead, _) = opened(folder.path());
        let long = "x".repeat(10_000);
        let _a = dead.take(Work::Decoding, named(&at(&long), &[1; 32])).unwrap();
        let _b = dead.take(Work::Decoding, named(&at("b.jpg"), &[2; 32])).unwrap();
        let (next, notices) = opened(folder.path());
        assert!(notices[0].contains("2 files") && notices[0].contains("b.jpg"), "{notices:?}");
        let _a = next.take(Work::Decoding, named(&at(&long), &[1; 32])).unwrap();
        let (again, _) = opened(folder.path());
        let _a = again.take(Work::Decoding, named(&at(&long), &[1; 32])).unwrap();
        let (last, _) = opened(folder.path());
        assert!(last.take(Work::Decoding, named(&at(&long), &[1; 32])).is_err());
    }
}
