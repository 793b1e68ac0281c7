//! What is late, and what outlives the process.

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
    assert!(texts.len() == 1 && texts[0].starts_with(r"a\nb.jpg: decoding for 23 s (1.0 MB): "), "{texts:?}");
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
