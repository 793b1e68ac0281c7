//! Joins that are interrupted and resumed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::convert::Infallible;

use rand::prelude::*;
use tamis::matching::ItemHits;
use tamis::matching::join::JoinSink;
use tamis::matching::{Join, JoinControl, JoinError, JoinReport, JoinSettings};
use tamis::pdq::PdqHash;

/// Distinct hashes that are all near to each other.
fn near_equal(count: usize) -> Vec<PdqHash> {
    let mut random = StdRng::seed_from_u64(11);
    let base: [u64; 4] = random.random();
    (0..count as u64)
        .map(|number| PdqHash([base[0] ^ number, base[1] ^ 1 << (number % 7), base[2], base[3]]))
        .collect()
}

/// What a join handed out, and its checkpoints.
#[derive(Default)]
struct Kept {
    items: Vec<ItemHits>,
    reached: Vec<(usize, JoinReport)>,
}

impl JoinSink for Kept {
    type Error = Infallible;

    fn item(&mut self, hits: &ItemHits) -> Result<(), Infallible> {
        self.items.push(hits.clone());
        Ok(())
    }

    fn reached(&mut self, next: usize, report: &JoinReport) -> Result<(), Infallible> {
        assert!(
            self.items.last().is_none_or(|last| (last.left as usize) < next),
            "all handed out lie before it"
        );
        self.reached.push((next, report.clone()));
        Ok(())
    }
}

#[test]
fn a_join_resumes_from_every_checkpoint() {
    let hashes = near_equal(900);
    // So little memory that the list is cut into many chunks.
    let settings = JoinSettings { memory: 48 * 20_000, ..JoinSettings::default() };
    for join in [Join::with_itself(&hashes, settings), Join::new(&hashes, &hashes[..300], settings)] {
        let mut whole = Kept::default();
        let report = join.run_from(0, JoinReport::default(), &JoinControl::default(), &mut whole).unwrap();
        assert!(whole.reached.len() > 5, "{}", whole.reached.len());
        assert_eq!(whole.reached.last().unwrap().0, hashes.len());
        for (next, before) in whole.reached {
            let mut rest = Kept::default();
            let control = JoinControl::default();
            let again = join.run_from(next, before, &control, &mut rest).unwrap();
            let first = whole.items.partition_point(|hits| (hits.left as usize) < next);
            assert_eq!(rest.items, whole.items[first..], "from {next}");
            assert_eq!((again.hits, again.items_with_hits), (report.hits, report.items_with_hits));
            assert_eq!(control.items() as usize, hashes.len());
        }
    }
}

#[test]
fn a_sink_that_cannot_note_a_place_ends_the_join() {
    struct Full;
    impl JoinSink for Full {
        type Error = &'static str;

        fn item(&mut self, _: &ItemHits) -> Result<(), &'static str> {
            Ok(())
        }

        fn reached(&mut self, _: usize, _: &JoinReport) -> Result<(), &'static str> {
            Err("full")
        }
    }
    let hashes = near_equal(10);
    let join = Join::with_itself(&hashes, JoinSettings::default());
    let ended = join.run_from(0, JoinReport::default(), &JoinControl::default(), &mut Full);
    assert!(matches!(ended, Err(JoinError::Sink("full"))), "{ended:?}");
}

/// A disk that fills up, and a process that dies: both are simulated by a limit on the size of files.
#[cfg(unix)]
#[test]
fn an_interrupted_result_is_resumed() {
    use std::fs;
    use std::process::Command;

    use support::cli::{Cases, errors, expect, tamis};

    let folder = Cases::new();
    let hashes: Vec<String> = near_equal(2200).iter().map(|hash| format!("{hash}\n")).collect();
    let (list, whole, part) = (folder.path("list.txt"), folder.path("whole.csv"), folder.path("part.csv"));
    fs::write(&list, hashes.concat()).unwrap();
    let arguments = |output: &std::path::Path, distance: &str| -> Vec<std::ffi::OsString> {
        let options =
            ["join", "--self", "--max-memory", "64MiB", "--progress", "none", "--distance", distance];
        let paths = [list.as_os_str(), "--output".as_ref(), output.as_os_str()];
        options.iter().map(Into::into).chain(paths.into_iter().map(Into::into)).collect()
    };
    let join = |output, distance| tamis().args(arguments(output, distance)).output().unwrap();
    expect(0, &join(&whole, "31"));

    let limited = |before: &str, kibibytes: u32| {
        let script = format!("{before} ulimit -f {kibibytes}; exec \"$0\" \"$@\"");
        let program = env!("CARGO_BIN_EXE_tamis");
        Command::new("bash").arg("-c").arg(script).arg(program).args(arguments(&part, "31")).output().unwrap()
    };
    let megabytes = fs::metadata(&whole).unwrap().len() >> 20;
    assert!(megabytes > 30, "{megabytes}");

    // The disk is full before anything is whole: nothing stays.
    errors(1, &limited("trap '' XFSZ;", 100));
    assert!(!folder.path("part.csv.partial").exists() && !folder.path("part.csv.resume.json").exists());

    let full = errors(1, &limited("trap '' XFSZ;", 30_000));
    assert!(full.contains("cannot write: ") && full.contains("the same command resumes from here"), "{full}");
    assert!(!part.exists(), "a partial result never has the name of a whole one");

    let other = errors(1, &join(&part, "30"));
    assert!(other.contains("of other lists or with other options"), "{other}");
    let partial = folder.path("part.csv.partial");
    let written = fs::read(&partial).unwrap();
    let mut changed = written.clone();
    changed[1000] ^= 1;
    fs::write(&partial, changed).unwrap();
    let refused = errors(1, &join(&part, "31"));
    assert!(refused.contains("has changed since"), "{refused}");
    fs::write(&partial, written).unwrap();

    // Killed, with rows after the last note.
    let killed = limited("", 34_000);
    assert_eq!(killed.status.code(), None, "{}", String::from_utf8_lossy(&killed.stderr));

    let rest = errors(0, &join(&part, "31"));
    assert!(rest.contains("resuming an earlier run"), "{rest}");
    assert_eq!(fs::read(&part).unwrap(), fs::read(&whole).unwrap());
    let mut names: Vec<_> =
        fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["list.txt", "part.csv", "whole.csv"]);
}
