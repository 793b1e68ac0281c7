//! Runs whose stages fail, whose decoders do what no guard can stop, and whose process dies.
//!
//! What ends or holds a process runs in one of its own: this test program again, as `tamis`, with a parser that obeys the
//! last bytes of a file ([`parse`]).

use std::cell::Cell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio, exit};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use image::{ImageFormat, RgbImage};
use rand::prelude::*;
use rusqlite::Connection;

use super::in_hand::{InHand, Named, Work};
use super::{CancelToken, EngineError, IngestReport, IngestSettings, Progress, ingest};
use crate::case::made::spec;
use crate::case::{CaseError, CaseIdentity, CaseStore};
use crate::cli::args::Arguments;
use crate::known::{HashSet, ReadOptions};
use crate::matching::Backend;
use crate::pdq::Geometry;
use crate::source::Provenance;

/// What the program is called with, a line a word, where this process is one.
const ARGUMENTS: &str = "TAMIS_TEST_ARGUMENTS";

/// Set in such a process.
static PARSER: OnceLock<()> = OnceLock::new();

thread_local! {
    /// Whether the writer on this thread panics.
    static WRITER_PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Called with every file that is about to be parsed.
pub(super) fn parse(bytes: &[u8], work: Work) {
    if PARSER.get().is_none() {
        return;
    }
    match bytes {
        [.., b'V', b'D', b'I', b'E'] if work == Work::Verifying => std::process::abort(),
        [.., b'A', b'B', b'R', b'T'] => std::process::abort(),
        [.., b'P', b'A', b'N', b'C'] => panic!("a panic outside of the decoders' guard"),
        [.., b'H', b'A', b'N', b'G'] => thread::sleep(Duration::from_secs(3600)),
        [.., b'S', b'L', b'O', b'W'] => thread::sleep(Duration::from_millis(300)),
        _ => {}
    }
}

/// Set for a process that is not to come to the end of its stacks.
const STACKS_HANG: &str = "TAMIS_TEST_STACKS_HANG";

/// Called before stacks are made.
pub(super) fn stack() {
    if PARSER.get().is_some() && env::var_os(STACKS_HANG).is_some() {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Called before batches are written.
pub(super) fn write() {
    assert!(!WRITER_PANICS.get(), "a panic in the writer");
}

/// The program, where [`program`] started this process.
#[test]
fn this_process_as_the_program() {
    let Ok(arguments) = env::var(ARGUMENTS) else { return };
    PARSER.set(()).unwrap();
    let ended = crate::cli::run(&Arguments::parse_from(arguments.lines()));
    exit((0..=130).find(|&code| ExitCode::from(code) == ended).unwrap_or(255).into());
}

fn program(arguments: &[&str]) -> Child {
    command(arguments).spawn().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let arguments: Vec<&str> = ["tamis"].iter().chain(arguments).copied().collect();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "engine::tests::this_process_as_the_program", "--nocapture"])
        .env(ARGUMENTS, arguments.join("\n"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn settings() -> IngestSettings {
    IngestSettings::new(3, 3, 64 << 20)
}

/// Exit code and standard error.
fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    ended(&program(arguments).wait_with_output().unwrap())
}

/// A folder of small pictures, all different.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    fn new(pictures: u64) -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(made.path("source")).unwrap();
        (0..pictures).for_each(|seed| made.picture(&format!("{seed:04}.png"), seed, b""));
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    /// A picture with bytes behind its end, which decoders do not look at.
    fn picture(&self, name: &str, seed: u64, tail: &[u8]) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = RgbImage::from_fn(24, 24, |_, _| image::Rgb(random.random()));
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let mut bytes = bytes.into_inner();
        bytes.extend_from_slice(tail);
        fs::write(self.path("source").join(name), bytes).unwrap();
    }

    fn store(&self, case: &str) -> CaseStore {
        CaseStore::open_or_create(&self.path(case), &CaseIdentity::default(), &spec()).unwrap()
    }

    /// Ingests the folder; a run that has not ended after 20 seconds is taken for one that hangs.
    fn ingest(&self, mut store: CaseStore, panics: bool) -> Result<IngestReport, EngineError> {
        let sources = [self.path("source")];
        let known = self.known();
        let (done, ended) = sync_channel(1);
        thread::spawn(move || {
            WRITER_PANICS.set(panics);
            let (progress, cancel) = (Progress::default(), CancelToken::default());
            let backend = Backend::cpu("a test");
            let result = ingest(&mut store, &sources, &known, &backend, &settings(), &progress, &cancel);
            assert!(!cancel.is_cancelled(), "a fault is no interruption");
            drop(store);
            done.send(result).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(20)).expect("the run hangs")
    }

    /// The digests of every third picture are known.
    fn known(&self) -> Vec<HashSet> {
        let path = self.path("known.txt");
        if !path.exists() {
            let files = fs::read_dir(self.path("source")).unwrap().map(|entry| entry.unwrap().path());
            let mut files: Vec<PathBuf> = files.collect();
            files.sort();
            let line = |path: &PathBuf| {
                let digest = crate::source::sha256_of(&fs::read(path).unwrap());
                crate::source::digest::hex(&digest) + "\n"
            };
            let lines: String = files.iter().step_by(3).map(line).collect();
            fs::write(&path, format!("sha256\n{lines}")).unwrap();
        }
        let options = ReadOptions { geometry: None, skip_bad_lines: false, min_quality: 50, list: None };
        vec![HashSet::read(&path, &options).unwrap()]
    }

    #[cfg(unix)]
    fn items(&self, case: &str) -> i64 {
        let connection = Connection::open(self.path(case).join("case.sqlite")).unwrap();
        connection.query_row("SELECT count(*) FROM item", [], |row| row.get(0)).unwrap()
    }

    /// All items, contents and hits, in order.
    fn rows(&self, case: &str) -> Vec<String> {
        let connection = Connection::open(self.path(case).join("case.sqlite")).unwrap();
        let mut rows = Vec::new();
        for query in [
            "SELECT path || ' ' || outcome || ' ' || ifnull(reason, '') || ' ' || ifnull(sha256, '') || ' ' || ifnull(pdq, '')
             FROM items ORDER BY path",
            "SELECT path || ' ' || record || ' ' || confirmation FROM hits ORDER BY path, record",
        ] {
            let mut statement = connection.prepare(query).unwrap();
            rows.extend(statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
        }
        rows
    }
}

/// Waits until the case has some items.
fn some_are_stored(case: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let stored = Connection::open(case.join("case.sqlite"))
            .and_then(|connection| connection.query_row("SELECT count(*) FROM item", [], |row| row.get(0)));
        if stored.unwrap_or(0_i64) > 0 {
            return;
        }
        assert!(Instant::now() < deadline, "nothing is stored");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_database_that_is_full_ends_the_run_and_the_next_one_completes_the_case() {
    let made = Made::new(400);
    made.ingest(made.store("whole"), false).unwrap();
    let whole = made.rows("whole");
    assert_eq!(whole.len(), 400 + 134);
    // From the first page that is missing to the last ones.
    for (number, pages) in [0, 1, 5, 20, 40].into_iter().enumerate() {
        let case = format!("full {number}");
        let store = made.store(&case);
        let now: i64 = store.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.connection().pragma_update_and_check(None, "max_page_count", now + pages, |_| Ok(())).unwrap();
        let error = made.ingest(store, false).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, EngineError::Case(CaseError::Database(_))), "{text}");
        assert!(text.contains("make room on the case's disk and run the same command again"), "{text}");
        made.ingest(made.store(&case), false).unwrap();
        assert_eq!(made.rows(&case), whole, "{pages} pages");
    }
}

#[test]
fn a_database_that_another_program_holds_ends_the_run() {
    let made = Made::new(200);
    let store = made.store("CASE");
    store.connection().busy_timeout(Duration::from_millis(50)).unwrap();
    let other = Connection::open(made.path("CASE").join("case.sqlite")).unwrap();
    // As soon as there is something to hold it against.
    let held = thread::scope(|scope| {
        let run = scope.spawn(|| made.ingest(store, false));
        some_are_stored(&made.path("CASE"));
        let deadline = Instant::now() + Duration::from_secs(5);
        while other.execute_batch("BEGIN IMMEDIATE").is_err() {
            assert!(Instant::now() < deadline);
        }
        run.join().unwrap()
    });
    // It may have ended before the lock was had.
    if let Err(error) = held {
        assert!(error.to_string().contains("another program holds it"), "{error}");
    }
    drop(other);
    made.ingest(made.store("CASE"), false).unwrap();
    made.ingest(made.store("whole"), false).unwrap();
    assert_eq!(made.rows("CASE"), made.rows("whole"));
}

/// A suspect is tried before all others, and counted once, as a file that was found.
#[test]
fn a_suspect_is_no_file_that_the_case_had() {
    let made = Made::new(5);
    let mut store = made.store("CASE");
    let path = made.path("source").canonicalize().unwrap().join("0002.png");
    let bytes = fs::read(&path).unwrap();
    let dead = InHand::default();
    dead.open(&made.path("CASE")).unwrap();
    let sha256 = crate::source::sha256_of(&bytes);
    let place = Provenance::of_file(path.into(), "");
    let file = Named { place: &place, size: bytes.len() as u64, sha256: Some(&sha256) };
    // Never struck off, as where the process died.
    std::mem::forget(dead.take(Work::Decoding, file).unwrap());
    for (found, skipped) in [(5, 0), (0, 5)] {
        let (progress, cancel) = (Progress::default(), CancelToken::default());
        progress.take_up(&made.path("CASE")).unwrap();
        assert_eq!(progress.take_notices().len(), usize::from(found == 5));
        let backend = Backend::cpu("a test");
        let report =
            ingest(&mut store, &[made.path("source")], &[], &backend, &settings(), &progress, &cancel)
                .unwrap();
        let counts = progress.snapshot();
        assert_eq!((counts.files_found, counts.files_done), (found, found));
        assert_eq!((counts.files_skipped, report.skipped), (skipped, skipped));
    }
}

/// A run that is refused because of a later source or set leaves the case as it was.
#[test]
fn what_is_refused_changes_nothing_of_the_others() {
    let made = Made::new(5);
    fs::create_dir(made.path("other")).unwrap();
    fs::create_dir(made.path("source/below")).unwrap();
    let mut store = made.store("CASE");
    let (backend, cancel) = (Backend::cpu("a test"), CancelToken::default());
    let mut run = |sources: &[&str], known: &[HashSet], settings: &IngestSettings| {
        let sources: Vec<PathBuf> = sources.iter().map(|source| made.path(source)).collect();
        ingest(&mut store, &sources, known, &backend, settings, &Progress::default(), &cancel)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    run(&["source"], &made.known(), &settings()).unwrap();
    let standing = || {
        let connection = Connection::open(made.path("CASE").join("case.sqlite")).unwrap();
        let query = "SELECT (SELECT count(*) FROM source), (SELECT min(complete) FROM source), (SELECT count(*) FROM hit)";
        connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    };
    let before: (i64, i64, i64) = standing();
    assert_eq!(before, (1, 1, 2));
    for sources in [&["source", "source/below"][..], &["other", "source/below"], &["source", "gone"]] {
        run(sources, &[], &settings()).unwrap_err();
        assert_eq!(standing(), before, "{sources:?}");
    }
    // A set of another geometry, behind one whose settings changed.
    let codes = made.path("codes.csv");
    fs::write(&codes, format!("pdq,geometry\n{},te512\n", "0f".repeat(32))).unwrap();
    let options = ReadOptions { geometry: Some(Geometry::Te512), ..ReadOptions::default() };
    let mut sets = made.known();
    sets.push(HashSet::read(&codes, &options).unwrap());
    let error = run(&["source"], &sets, &IngestSettings { distance: 20, ..settings() }).unwrap_err();
    assert!(error.contains("codes.csv") && error.contains("geometry"), "{error}");
    assert_eq!(standing(), before);
}

#[test]
fn a_panic_of_the_writer_is_the_error_of_the_run() {
    let made = Made::new(200);
    let error = made.ingest(made.store("CASE"), true).unwrap_err();
    assert!(error.to_string().starts_with("writing: internal error: a panic in the writer"), "{error}");
    made.ingest(made.store("CASE"), false).unwrap();
    made.ingest(made.store("whole"), false).unwrap();
    assert_eq!(made.rows("CASE"), made.rows("whole"));
}

#[test]
fn a_panic_of_a_worker_ends_scan_and_hash_with_exit_code_1() {
    let made = Made::new(300);
    made.picture("0150x.png", 999, b"PANC");
    let (source, case) = (made.name("source"), made.name("CASE"));
    let output = made.name("codes.txt");
    let hash = ["hash", &source, "--jobs", "2", "--output", &output, "--quiet"];
    for arguments in [&["scan", &source, "--case", &case, "--jobs", "2", "--quiet"][..], &hash] {
        let started = Instant::now();
        let (code, errors) = run(arguments);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("tamis: decoding: internal error: a panic outside"), "{errors}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    assert!(!Path::new(&output).exists());
}

#[cfg(unix)]
mod dying {
    use super::*;

    fn interrupt(child: &Child, signal: &str) {
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// A file that takes the process with it is named at the next start, tried alone, and left out; the others are done.
    #[test]
    fn what_the_program_dies_with_alone_is_left_out() {
        let made = Made::new(60);
        made.picture("0030 bad.png", 999, b"ABRT");
        // A copy is the same.
        made.picture("0031 copy of bad.png", 999, b"ABRT");
        let (source, case) = (made.name("source"), made.name("CASE"));
        let scan = ["scan", &source, "--case", &case, "--jobs", "4", "--progress", "none"];
        let (code, errors) = run(&scan);
        assert_eq!(code, None, "it dies: {errors}");
        let before = made.items("CASE");
        let (code, errors) = run(&scan);
        assert_eq!(code, None, "it dies once more, alone: {errors}");
        let (code, _) = run(&scan);
        assert_eq!(code, None, "and again, since a kill looks like that too: {errors}");
        assert!(
            made.items("CASE") < before + 4,
            "before all others: only those that were in hand beside it are done"
        );
        assert!(
            errors.contains("in hand; where this run comes to them, each is tried again alone: "),
            "{errors}"
        );
        assert!(errors.contains("bad.png"), "{errors}");
        let (code, errors) = run(&scan);
        assert_eq!(code, Some(0), "{errors}");
        assert!(errors.contains("bad.png: the program died three times with it in hand"), "{errors}");
        let rows = made.rows("CASE");
        let crashed: Vec<&String> = rows.iter().filter(|row| row.contains(" crashed ")).collect();
        assert_eq!(crashed.len(), 2, "{crashed:?}");
        assert!(
            crashed.iter().all(|row| row.contains("the program died three times with this file in hand"))
        );
        assert_eq!(rows.iter().filter(|row| row.contains(" hashed ")).count(), 60);
        // Digested all the same.
        let digest = crate::source::sha256_of(&fs::read(made.path("source").join("0030 bad.png")).unwrap());
        assert!(crashed[0].contains(&crate::source::digest::hex(&digest)), "{crashed:?}");
        let notices: String = Connection::open(made.path("CASE").join("case.sqlite"))
            .unwrap()
            .query_row("SELECT group_concat(notices) FROM run", [], |row| row.get(0))
            .unwrap();
        assert!(notices.contains("tried again alone") && notices.contains("died three times"), "{notices}");
        // Nothing is done again, and it stays left out for a case that forgot its outcome.
        let (code, errors) = run(&scan);
        assert_eq!((code, errors.contains("bad.png")), (Some(0), false), "{errors}");
    }

    /// Runs over other material, or without a file, do not try it: it stays suspect.
    #[test]
    fn what_a_run_does_not_look_for_stays_suspect() {
        let made = Made::new(5);
        made.picture("bad.png", 999, b"ABRT");
        fs::create_dir(made.path("other")).unwrap();
        fs::write(made.path("other/text"), "no picture").unwrap();
        let [source, other, case] = ["source", "other", "CASE"].map(|name| made.name(name));
        let scan = |source: &str, more: &[&str]| {
            run(&[&["scan", source, "--case", &case, "--progress", "none"][..], more].concat())
        };
        assert_eq!(scan(&source, &[]).0, None);
        for (source, more) in [(&other, &[][..]), (&source, &["--exclude", "b*.png"][..])] {
            let (code, errors) = scan(source, more);
            assert_eq!(code, Some(0), "{errors}");
            assert!(made.path("CASE/in-hand").exists(), "after {source} {more:?}");
        }
        let (code, errors) = scan(&source, &[]);
        assert_eq!(code, None, "{errors}");
        assert!(errors.contains("each is tried again alone: ") && errors.contains("bad.png"), "{errors}");
        // The run that looks for it, and does not find it, forgets it.
        fs::remove_file(made.path("source/bad.png")).unwrap();
        assert_eq!(scan(&source, &[]).0, Some(0));
        assert!(!made.path("CASE/in-hand").exists());
    }

    /// The same for a picture that only its confirmation kills: it keeps its code from coefficients, and its hit stays unconfirmed.
    #[test]
    fn what_a_verdict_dies_with_alone_stays_unconfirmed() {
        let made = Made::new(20);
        let mut bytes = Vec::new();
        let wave =
            |x: u32, y: u32, by: u32| (128.0 + 90.0 * (f64::from(x * by + y * y / 97) / 41.0).sin()) as u8;
        let picture =
            RgbImage::from_fn(640, 640, |x, y| image::Rgb([wave(x, y, 1), wave(y, x, 2), wave(x, x, 1)]));
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
        bytes.extend_from_slice(b"VDIE");
        fs::write(made.path("source").join("bad.jpg"), bytes).unwrap();
        let (source, case, known) = (made.name("source"), made.name("CASE"), made.name("codes.txt"));
        let (code, errors) = run(&["hash", &made.name("source/bad.jpg"), "--quiet", "-o", &known]);
        assert_eq!(code, Some(0), "{errors}");
        let triage =
            ["triage", &source, "--case", &case, "--known", &known, "--jobs", "2", "--progress", "none"];
        let alone = "each is tried again alone: ";
        for told in ["", alone, alone] {
            let (code, errors) = run(&triage);
            assert_eq!((code, errors.contains(told)), (None, true), "it dies: {errors}");
            // A scan verifies nothing, and so clears nobody of it.
            let (code, errors) = run(&["scan", &source, "--case", &case, "--progress", "none"]);
            assert_eq!(code, Some(0), "{errors}");
        }
        let (code, errors) = run(&triage);
        assert_eq!(code, Some(0), "{errors}");
        let rows = made.rows("CASE");
        assert_eq!(rows.iter().filter(|row| row.contains(" hashed ")).count(), 21, "{rows:?}");
        assert!(
            rows.contains(&"bad.jpg 0 unconfirmed".into()) || rows.contains(&"bad.jpg 1 unconfirmed".into()),
            "{rows:?}"
        );
        // And it stays so: the next run, which tries again what is not confirmed, does not die.
        let (code, errors) = run(&["match", "--case", &case, "--known", &known, "--quiet"]);
        assert_eq!(code, Some(0), "{errors}");
    }

    /// A kill in the middle of a run condemns nothing, however often it comes.
    #[test]
    fn what_a_kill_finds_in_hand_is_hashed_by_the_next_run() {
        let made = Made::new(20);
        made.picture("slow.png", 998, b"HANG");
        made.picture("slow too.png", 997, b"SLOW");
        let (source, case) = (made.name("source"), made.name("CASE"));
        let scan = ["scan", &source, "--case", &case, "--jobs", "2", "--progress", "none"];
        let mut child = program(&scan);
        some_are_stored(&made.path("CASE"));
        child.kill().unwrap();
        child.wait().unwrap();
        // The record names it; Ctrl-C while it is tried alone is not its fault.
        for signal in ["-INT", "-TERM"] {
            let child = program(&scan);
            thread::sleep(Duration::from_millis(1500));
            interrupt(&child, signal);
            let pressed = Instant::now();
            let (code, errors) = ended(&child.wait_with_output().unwrap());
            assert!(pressed.elapsed() < Duration::from_secs(2), "{:?}", pressed.elapsed());
            assert_eq!(code, Some(130), "{errors}");
            assert!(errors.contains("each is tried again alone"), "{errors}");
            assert!(
                errors.contains("slow.png: decoding for ")
                    && errors.contains("; abandoned: the same command tries it again"),
                "{errors}"
            );
        }
        made.picture("slow.png", 998, b"HANGS NO MORE");
        let (code, errors) = run(&scan);
        assert_eq!(code, Some(0), "{errors}");
        let rows = made.rows("CASE");
        assert_eq!(rows.iter().filter(|row| row.contains(" hashed ")).count(), 22, "{rows:?}");
        assert!(!made.path("CASE").join("in-hand").exists());
        let connection = Connection::open(made.path("CASE").join("case.sqlite")).unwrap();
        let mut statement = connection.prepare("SELECT state FROM run ORDER BY id").unwrap();
        let states: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(states, ["died", "interrupted", "interrupted", "done"]);
    }

    /// `hash`, and a verification of `match`, with a decoder that never returns.
    #[test]
    fn ctrl_c_ends_every_command_whatever_a_decoder_does() {
        let made = Made::new(10);
        made.picture("9999.png", 998, b"HANG");
        let source = made.name("source");
        let child = program(&["hash", &source, "--quiet"]);
        thread::sleep(Duration::from_secs(1));
        interrupt(&child, "-INT");
        let pressed = Instant::now();
        let (code, errors) = ended(&child.wait_with_output().unwrap());
        assert!(pressed.elapsed() < Duration::from_secs(2), "{:?}", pressed.elapsed());
        assert_eq!(code, Some(130), "{errors}");
    }

    /// Stacks that do not come to an end are given up, and the run is recorded as interrupted, not as one that died.
    #[test]
    fn ctrl_c_ends_stacks_that_are_held_up() {
        let made = Made::new(10);
        let (source, case) = (made.name("source"), made.name("CASE"));
        assert_eq!(run(&["scan", &source, "--case", &case, "--quiet"]).0, Some(0));
        let mut stack = command(&["stack", "--case", &case, "--quiet"]);
        let child = stack.env(STACKS_HANG, "1").spawn().unwrap();
        let connection = Connection::open(made.path("CASE").join("case.sqlite")).unwrap();
        let state = || {
            let query = "SELECT state FROM run WHERE command = 'stack'";
            connection.query_row(query, [], |row| row.get::<_, String>(0)).unwrap_or_default()
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while state() != "running" {
            assert!(Instant::now() < deadline, "it does not begin");
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_millis(100));
        interrupt(&child, "-INT");
        let pressed = Instant::now();
        let (code, errors) = ended(&child.wait_with_output().unwrap());
        assert!(pressed.elapsed() < Duration::from_secs(2), "{:?}", pressed.elapsed());
        assert_eq!(code, Some(130), "{errors}");
        assert_eq!(state(), "interrupted");
    }
}
