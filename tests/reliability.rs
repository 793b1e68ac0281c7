//! The real program under faults: disks that are full or fail, locks that do not work, and ends at any instant. After each, the same
//! command without the fault leads to a case whose exports are those of an undisturbed run, byte for byte.
//!
//! A bounded number runs here. `TAMIS_RELIABILITY=full cargo test --release --test reliability -- --nocapture --test-threads 1` runs
//! all that `docs/reliability.md` lists, and prints its rows.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]
#![cfg(unix)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rand::prelude::*;
use support::cli::{Cases, KNOWN, SEIZURE, tamis};
use support::faults::{Ended, Running, fail, failing_io, within};

/// How long a command may take, whatever happens to it.
const LIMIT: Duration = Duration::from_secs(60);

/// `full` if the whole table is to run, otherwise `bounded`.
fn often(bounded: usize, full: usize) -> usize {
    if std::env::var("TAMIS_RELIABILITY").is_ok_and(|wanted| wanted == "full") { full } else { bounded }
}

/// The outcomes of commands under one kind of fault.
struct Tally {
    what: &'static str,
    all: u32,
    refused: u32,
    done: u32,
    killed: u32,
    slowest: Duration,
}

impl Tally {
    fn of(what: &'static str) -> Self {
        Self { what, all: 0, refused: 0, done: 0, killed: 0, slowest: Duration::ZERO }
    }

    fn add(&mut self, ended: &Ended) {
        self.all += 1;
        self.slowest = self.slowest.max(ended.took);
        match ended.code {
            Some(0) => self.done += 1,
            Some(_) => self.refused += 1,
            None => self.killed += 1,
        }
    }

    /// A row of `docs/reliability.md`.
    fn print(&self) {
        let Self { what, all, refused, done, killed, slowest } = self;
        println!("| {what} | {all} | {done} | {refused} | {killed} | {:.2} s |", slowest.as_secs_f64());
    }
}

/// A seizure, and the result of an undisturbed run.
struct Undisturbed {
    cases: Cases,
    known: PathBuf,
    exports: Vec<Vec<u8>>,
    took: Duration,
}

impl Undisturbed {
    fn new() -> Self {
        Self::with(Cases::new(), KNOWN.into())
    }

    fn with(cases: Cases, known: PathBuf) -> Self {
        let mut whole = Self { cases, known, exports: Vec::new(), took: Duration::ZERO };
        whole.took = within(LIMIT, &mut whole.triage("whole")).took;
        whole.exports = whole.exports_of("whole");
        assert!(whole.exports.iter().all(|export| export.len() > 100));
        whole
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cases.path(name)
    }

    fn triage(&self, case: &str) -> Command {
        let mut command = tamis();
        command.args(["triage", SEIZURE, "--backend", "cpu", "--quiet", "--known"]).arg(&self.known);
        command.arg("--case").arg(self.path(case));
        command
    }

    fn export(&self, case: &str, what: &str) -> Command {
        let mut command = tamis();
        command.args(["export", what, "--case"]).arg(self.path(case));
        command
    }

    fn exports_of(&self, case: &str) -> Vec<Vec<u8>> {
        let export = |what| {
            let ended = within(LIMIT, &mut self.export(case, what));
            assert_eq!(ended.code, Some(0), "{ended:?}");
            ended.stdout
        };
        ["items", "hits", "stacks", "priorities"].map(export).into()
    }

    /// The same command without the fault leads to the same case, which is then removed.
    fn resumes(&self, case: &str, after: &str) {
        let ended = within(LIMIT, &mut self.triage(case));
        assert_eq!(ended.code, Some(0), "after {after}: {ended:?}");
        assert!(self.exports_of(case) == self.exports, "after {after} the exports are others");
        fs::remove_dir_all(self.path(case)).unwrap();
    }

    /// A triage into a new case under a fault ends, with a cause if it fails, and can be resumed.
    fn under_fault(&self, tally: &mut Tally, library: &Path, rules: &str) -> Ended {
        let ended = within(LIMIT, fail(&mut self.triage("faulty"), library, rules));
        assert!(matches!(ended.code, Some(0 | 1)), "{rules}: {ended:?}");
        assert_eq!(ended.code == Some(1), ended.stderr.starts_with("tamis: "), "{rules}: {ended:?}");
        tally.add(&ended);
        self.resumes("faulty", rules);
        ended
    }
}

/// The paths of the case that [`Undisturbed::under_fault`] creates.
const FAULTY: &str = "/faulty/";

fn moment(random: &mut StdRng, within: Duration) -> Duration {
    within.mul_f64(random.random())
}

#[test]
fn killed_while_the_case_is_made() {
    let whole = Undisturbed::new();
    let mut tally = Tally::of("kill -9 within the first 50 ms, while the case is created");
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..often(30, 220) {
        let running = Running::start(&mut whole.triage("faulty"));
        thread::sleep(moment(&mut random, Duration::from_millis(50)));
        tally.add(&running.kill());
        whole.resumes("faulty", "a kill");
    }
    tally.print();
}

#[test]
fn killed_in_triage() {
    let whole = Undisturbed::new();
    let mut tally = Tally::of("kill -9 in a triage, twice before it is resumed");
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..often(4, 60) {
        for _ in 0..2 {
            let running = Running::start(&mut whole.triage("faulty"));
            thread::sleep(moment(&mut random, whole.took));
            tally.add(&running.kill());
        }
        whole.resumes("faulty", "two kills");
    }
    tally.print();
}

#[test]
fn killed_in_an_export() {
    let whole = Undisturbed::new();
    let mut tally = Tally::of("kill -9 in an export: the file is whole, as it was before, or not there");
    let mut random = StdRng::seed_from_u64(3);
    let output = whole.path("items.csv");
    let export = || {
        let mut command = whole.export("whole", "items");
        command.arg("-o").arg(&output);
        command
    };
    let took = within(LIMIT, &mut export()).took;
    for number in 0..often(12, 100) {
        match number % 2 {
            0 => drop(fs::remove_file(&output)),
            _ => fs::write(&output, "what was there before").unwrap(),
        }
        let running = Running::start(&mut export());
        thread::sleep(moment(&mut random, took));
        tally.add(&running.kill());
        match fs::read(&output) {
            Ok(bytes) => {
                let before = number % 2 == 1 && bytes == b"what was there before";
                assert!(before || bytes == whole.exports[0], "half an export has its name");
            }
            Err(error) => assert!(number % 2 == 0, "{error}"),
        }
        assert_eq!(within(LIMIT, &mut export()).code, Some(0));
        assert!(fs::read(&output).unwrap() == whole.exports[0]);
    }
    tally.print();
}

#[test]
fn a_disk_that_is_full() {
    let Some(library) = failing_io() else { return };
    let whole = Undisturbed::new();
    let mut tally = Tally::of("the case's disk is full, after 0 bytes to 0.5 MB");
    let sizes = often(8, 50);
    let mut full = 0;
    for number in 0..sizes {
        let bytes = 500_000 * number / (sizes - 1).max(1);
        let ended = whole.under_fault(&mut tally, library, &format!("space:ENOSPC:{bytes}:{FAULTY}"));
        full += u32::from(ended.code == Some(1));
        assert!(
            ended.code == Some(0) || ended.stderr.contains("full") && ended.stderr.contains("again"),
            "{ended:?}"
        );
    }
    assert!(full > 2);
    tally.print();
}

/// The real thing, where we may mount it.
#[test]
fn a_file_system_that_is_full() {
    let whole = Undisturbed::new();
    let mut tally = Tally::of("a file system in memory of 4 KB to 0.4 MB, which grows for the resumption");
    let place = whole.path("faulty");
    for kilobytes in (4..=400).step_by(often(132, 12)) {
        fs::create_dir(&place).unwrap();
        let mount = |options: &str| {
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&place).status()
        };
        if !mount(&format!("size={kilobytes}k")).is_ok_and(|status| status.success()) {
            support::skip("no file system can be mounted");
            return;
        }
        let mut command = whole.triage("faulty/CASE");
        let ended = within(LIMIT, &mut command);
        assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
        tally.add(&ended);
        mount("remount,size=64m").unwrap();
        let resumed = within(LIMIT, &mut whole.triage("faulty/CASE"));
        assert_eq!(resumed.code, Some(0), "{kilobytes} KB, {ended:?}: {resumed:?}");
        assert!(whole.exports_of("faulty/CASE") == whole.exports);
        assert!(Command::new("umount").arg(&place).status().unwrap().success());
        fs::remove_dir(&place).unwrap();
    }
    tally.print();
}

#[test]
fn writing_and_syncing_that_fail() {
    let Some(library) = failing_io() else { return };
    let whole = Undisturbed::new();
    for (what, op, counts) in [
        ("a write of the case fails (EIO), after 0 writes and more", "write:EIO", often(4, 40)),
        ("a write of the case is over quota (EDQUOT)", "write:EDQUOT", often(1, 20)),
        ("syncing the case fails (EIO), after 0 syncs and more", "sync:EIO", often(4, 12)),
        ("a file of the case cannot be created (EROFS)", "open:EROFS", often(2, 6)),
        ("the case cannot get its name (EIO)", "rename:EIO", 1),
    ] {
        let mut tally = Tally::of(what);
        // There are many writes: those that create the case one by one, then every fifth.
        let after = |number: usize| if op.starts_with("write") { number * number.min(5) } else { number };
        for number in 0..counts {
            whole.under_fault(&mut tally, library, &format!("{op}:{}:{FAULTY}", after(number)));
        }
        tally.print();
    }
}

#[test]
fn reading_that_fails() {
    let Some(library) = failing_io() else { return };
    let whole = Undisturbed::new();
    let mut tally = Tally::of("reading the case fails (EIO) in a triage, after 0 reads and more");
    for number in 0..often(3, 20) {
        whole.under_fault(&mut tally, library, &format!("read:EIO:{}:{FAULTY}case.sqlite", number * 3));
    }
    tally.print();
    let mut tally = Tally::of("reading the case fails (EIO) in an export");
    for number in 0..often(3, 20) {
        let mut export = whole.export("whole", "hits");
        let ended =
            within(LIMIT, fail(&mut export, library, &format!("read:EIO:{number}:/whole/case.sqlite")));
        assert!(ended.code == Some(1) || ended.stdout == whole.exports[1], "{ended:?}");
        tally.add(&ended);
    }
    tally.print();
    let mut tally =
        Tally::of("reading a picture fails (EIO): that item is unreadable, and read at the resumption");
    for number in 0..often(2, 5) {
        let ended = whole.under_fault(&mut tally, library, &format!("read:EIO:{number}:/IMG_0001"));
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    tally.print();
}

#[test]
fn locks_that_fail() {
    let Some(library) = failing_io() else { return };
    let whole = Undisturbed::new();
    let mut tally = Tally::of("files cannot be locked: flock, fcntl or both, new cases and old");
    for rules in ["lock:ENOLCK:0:", "flock:EOPNOTSUPP:0:", "fcntl:ENOLCK:0:", "fcntl:EIO:0:"] {
        let explained = |ended: &Ended| {
            assert_eq!(ended.code, Some(1), "{rules}: {ended:?}");
            assert!(ended.stderr.contains("where files cannot be locked"), "{rules}: {ended:?}");
            assert!(ended.took < Duration::from_secs(10), "{rules}: {ended:?}");
        };
        explained(&whole.under_fault(&mut tally, library, &format!("{rules}{FAULTY}")));
        let ended = within(LIMIT, fail(&mut whole.triage("whole"), library, &format!("{rules}/whole/")));
        explained(&ended);
        tally.add(&ended);
        if !rules.starts_with("flock") {
            let mut export = whole.export("whole", "items");
            let ended = within(LIMIT, fail(&mut export, library, &format!("{rules}/whole/")));
            explained(&ended);
            tally.add(&ended);
        }
    }
    assert!(whole.exports_of("whole") == whole.exports);
    tally.print();
}

#[test]
fn an_output_whose_disk_is_full() {
    let Some(library) = failing_io() else { return };
    let whole = Undisturbed::new();
    let mut tally = Tally::of("an export's or a report's disk is full: no file has its name");
    let output = whole.path("output");
    for number in 0..often(4, 20) {
        let mut command = match number % 4 {
            0 => whole.export("whole", "items"),
            1 => whole.export("whole", "vics"),
            2 => whole.export("whole", "case-uco"),
            _ => {
                let mut report = tamis();
                report.arg("report").arg("--case").arg(whole.path("whole"));
                report
            }
        };
        let rules = format!("space:ENOSPC:{}:/output", number / 4 * 300);
        let ended = within(LIMIT, fail(command.arg("-o").arg(&output), library, &rules));
        assert!(ended.code == Some(1) && ended.stderr.contains("No space left"), "{rules}: {ended:?}");
        assert!(!output.exists(), "{rules}");
        tally.add(&ended);
    }
    tally.print();
}

#[test]
fn a_reader_that_closes_the_pipe() {
    let whole = Undisturbed::new();
    let mut tally = Tally::of("who reads the output closes the pipe");
    for number in 0..often(5, 20) {
        let what = ["items", "hits", "vics", "pdq", "case-uco"][number % 5];
        let begun = Instant::now();
        let mut command = whole.export("whole", what);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let ended = Ended { code: output.status.code(), stdout: Vec::new(), stderr, took: begun.elapsed() };
        assert!(ended.code == Some(0) && ended.stderr.is_empty(), "{what}: {ended:?}");
        tally.add(&ended);
    }
    tally.print();
}

/// A set file that somebody copies onto, or cuts short, while a triage uses it: the run ends with the set's name, or all was read before.
#[test]
fn a_set_that_is_overwritten_while_it_is_used() {
    let cases = Cases::new();
    let set = cases.path("set");
    let mut import = tamis();
    import.args(["known", "import", KNOWN, "--profile", "vic-us", "--quiet", "-o"]).arg(&set);
    let ended = within(LIMIT, &mut import);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let sound = fs::read(&set).unwrap();
    let whole = Undisturbed::with(cases, set.clone());
    let mut emptied = sound.clone();
    emptied[4096..].fill(0);
    let others = [&emptied[..], &sound[..sound.len() / 3], &[]];
    let mut tally = Tally::of("a set file is written over or cut short, in place, while a triage uses it");
    let mut random = StdRng::seed_from_u64(8);
    for number in 0..often(12, 90) {
        let mut command = whole.triage("faulty");
        let running = Running::start(&mut command);
        thread::sleep(moment(&mut random, whole.took));
        fs::write(&set, others[number % others.len()]).unwrap();
        let ended = running.end(LIMIT);
        fs::write(&set, &sound).unwrap();
        let named = || ended.stderr.contains(&*set.file_name().unwrap().to_string_lossy());
        assert!(ended.code == Some(0) || ended.code == Some(1) && named(), "{ended:?}");
        if ended.code == Some(0) {
            assert!(whole.exports_of("faulty") == whole.exports, "hits that are none, or too few");
        }
        tally.add(&ended);
        whole.resumes("faulty", "a set that was overwritten");
    }
    tally.print();
}

#[test]
fn two_runs_that_begin_one_case_together() {
    let whole = Arc::new(Undisturbed::new());
    let mut tally = Tally::of("two runs begin one case at the same time: one reports that the other writes");
    let mut refused = 0;
    for _ in 0..often(20, 40) {
        let barrier = Arc::new(Barrier::new(2));
        let runs = [(); 2].map(|()| {
            let (whole, barrier) = (whole.clone(), barrier.clone());
            thread::spawn(move || {
                let mut command = whole.triage("faulty");
                barrier.wait();
                within(LIMIT, &mut command)
            })
        });
        let ended = runs.map(|run| run.join().unwrap());
        assert!(ended.iter().any(|ended| ended.code == Some(0)), "{ended:?}");
        // If one begins only after the other has ended, both succeed.
        for loser in ended.iter().filter(|ended| ended.code != Some(0)) {
            refused += 1;
            assert!(loser.code == Some(1) && loser.stderr.contains("another run is writing"), "{loser:?}");
        }
        ended.iter().for_each(|ended| tally.add(ended));
        whole.resumes("faulty", "two runs at once");
    }
    assert!(refused > 0);
    tally.print();
}

/// A run whose files may not exceed some blocks, as under a quota, and that is not killed for it.
#[test]
fn files_that_may_not_grow() {
    let whole = Undisturbed::new();
    let mut tally = Tally::of("no file may grow over a size (ulimit -f)");
    for blocks in (0..often(4, 24)).map(|number| number * number * 2) {
        let triage = whole.triage("faulty");
        let mut command = Command::new("sh");
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("TAMIS_CACHE_DIR", whole.path("cache"));
        command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
        command.arg(triage.get_program()).args(triage.get_args().collect::<Vec<&OsStr>>());
        let ended = within(LIMIT, &mut command);
        assert!(matches!(ended.code, Some(0 | 1)), "{blocks}: {ended:?}");
        tally.add(&ended);
        whole.resumes("faulty", "a limit of a file's size");
    }
    tally.print();
}
