//! What happens around the program: readers that close the pipe, disks that are full, a case that is removed, Ctrl-C.
//! `docs/reliability.md` is its table. What needs a decoder that misbehaves is in `src/engine/tests.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]
#![cfg(unix)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::Value;
use support::cli::{Cases, KNOWN, SEIZURE, errors, expect, tamis};
use support::waves::Waves;

/// A place for cases, with a key in it.
struct Place(Cases);

impl Place {
    fn path(&self, name: &str) -> String {
        self.0.path(name).to_str().unwrap().into()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tamis();
        command
            .args(arguments)
            .env("TAMIS_KEYS_DIR", self.0.path("keys"))
            // A driver of Mesa's complains where there is none.
            .env("XDG_RUNTIME_DIR", self.0.0.path())
            .env("TAMIS_PASSPHRASE", "a passphrase");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command whose reader takes so many bytes of the result and closes the pipe.
    fn read(&self, arguments: &[&str], bytes: usize) -> Output {
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = child.stdout.take().unwrap();
        let mut taken = vec![0; bytes];
        reader.read_exact(&mut taken).unwrap();
        drop(reader);
        child.wait_with_output().unwrap()
    }
}

/// A case of so many files that no export fits into a pipe.
fn large_case(place: &Place) -> String {
    let source = place.0.path("large");
    fs::create_dir(&source).unwrap();
    for number in 0..800 {
        let name =
            format!("a file with a name that takes some room in every row of an export {number:04}.txt");
        fs::write(source.join(name), format!("text {number}")).unwrap();
    }
    let case = place.path("LARGE");
    expect(0, &place.run(&["scan", source.to_str().unwrap(), "--case", &case, "--quiet"]));
    case
}

/// `tamis … | head`: whatever prints stops quietly, with exit code 0, before the first byte and in the middle.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place(Cases::new());
    let case = place.path("CASE");
    let triage = ["triage", SEIZURE, "--known", KNOWN, "--case", &case, "--quiet"];
    expect(0, &place.run(&triage));
    let [hashes, set, package, other] =
        ["hashes.txt", "known.set", "p.tar", "OTHER"].map(|name| place.path(name));
    expect(0, &place.run(&["hash", SEIZURE, "--quiet", "-o", &hashes]));
    expect(0, &place.run(&["known", "import", &hashes, "--profile", "known", "-o", &set, "--quiet"]));
    expect(0, &place.run(&["scan", SEIZURE, "--case", &other, "--quiet"]));
    expect(0, &place.run(&["key", "new", "--name", "Jo", "--agency", "Lab", "--contact", "x@y.example"]));
    expect(0, &place.run(&["share", "export", "--case", &case, "-o", &package, "--quiet"]));
    let on_case = ["--case", case.as_str()];
    let mut commands: Vec<Vec<&str>> = vec![
        triage.to_vec(),
        vec!["scan", SEIZURE, "--case", &case, "--quiet"],
        vec!["match", "--known", KNOWN, "--case", &case, "--quiet"],
        vec!["stack", "--case", &case, "--quiet"],
        vec!["report", "--case", &case, "--output", "-", "--quiet"],
        vec!["rules"],
        vec!["hash", SEIZURE, "--quiet"],
        vec!["hash", SEIZURE, "--quiet", "--format", "csv"],
        vec!["hash", SEIZURE, "--quiet", "--format", "jsonl"],
        vec!["join", "--self", &hashes, "--quiet"],
        vec!["join", "--self", &hashes, "--quiet", "--format", "jsonl"],
        vec!["join", "--self", &hashes, "--quiet", "--format", "parquet"],
        vec!["link", &case, &other, "--quiet"],
        vec!["known", "show", &set],
        vec!["known", "verify", &set],
        vec!["share", "show", &package],
        vec!["key", "show"],
        vec!["devices", "--backend", "cpu", "--quiet"],
        vec!["bench", "ingest", "--seconds", "1", "--backend", "cpu", "--quiet"],
        vec!["--help"],
        vec!["triage", "--help"],
    ];
    for what in ["items", "hits", "errors", "priorities", "stacks", "vics", "vics-case", "pdq", "case-uco"] {
        commands.push([&["export", what][..], &on_case].concat());
    }
    for format in ["jsonl", "parquet"] {
        commands.push([&["export", "items", "--format", format][..], &on_case].concat());
    }
    for arguments in &commands {
        // The reader has gone before anything is written, which takes its time.
        let output = place.read(arguments, 0);
        assert_eq!(errors(0, &output), "", "{arguments:?}");
    }
    let large = large_case(&place);
    for what in [&["items"][..], &["items", "--format", "jsonl"], &["case-uco"], &["vics-case"]] {
        let output = place.read(&[&["export"], what, &["--case", &large]].concat(), 100);
        assert_eq!(errors(0, &output), "", "{what:?}");
    }
    let output = place.read(&["hash", SEIZURE, "--quiet"], 10);
    assert_eq!(errors(0, &output), "");
    // The twin that must fail: a full disk is not a closed reader.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["export", "items", "--case", &case]).stdout(full).output().unwrap();
    assert!(errors(1, &output).contains("standard output: cannot write"));
}

/// Pictures that take a while where they are decoded to pixels.
fn slow_source(folder: &Path, pictures: usize) {
    fs::create_dir(folder).unwrap();
    let picture: DynamicImage = RgbImage::from_raw(1500, 1000, Waves::new(1).rgb(1500, 1000)).unwrap().into();
    let mut bytes = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
    for number in 0..pictures {
        let content = [&bytes[..], &number.to_le_bytes()].concat();
        fs::write(folder.join(format!("{number:03}.jpg")), content).unwrap();
    }
}

/// A scan that takes its time, once something of it is stored.
fn scan(place: &Place, source: &str, case: &str) -> Child {
    let arguments = [
        "scan",
        source,
        "--case",
        case,
        "--progress",
        "json",
        "--quiet",
        "--jobs",
        "1",
        "--decode",
        "pixels",
    ];
    let mut child = place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for line in lines.by_ref() {
        let report: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if report["files_done"].as_u64().unwrap() > 0 {
            break;
        }
    }
    // Its later output is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn wait(child: &mut Child, most: Duration) -> (Option<i32>, Duration) {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), started.elapsed());
        }
        assert!(started.elapsed() < most, "it did not end within {most:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_case_folder_that_is_removed_is_noticed_within_seconds() {
    let place = Place(Cases::new());
    let source = place.0.path("source");
    slow_source(&source, 300);
    let case = place.0.path("CASE");
    let mut child = scan(&place, source.to_str().unwrap(), case.to_str().unwrap());
    fs::rename(&case, place.0.path("elsewhere")).unwrap();
    let (code, took) = wait(&mut child, Duration::from_secs(10));
    assert_eq!(code, Some(1));
    println!("noticed after {took:?}");
    // Put back, it resumes.
    fs::rename(place.0.path("elsewhere"), &case).unwrap();
    let summary = place.0.summary("CASE", &["scan", source.to_str().unwrap(), "--quiet"]);
    assert_eq!(summary["discovered"], 300);
}

/// A disk that fills up, simulated by a limit on the size of files.
#[test]
fn a_disk_that_fills_up_ends_the_run_with_its_name_and_the_way_out() {
    let place = Place(Cases::new());
    let source = place.0.path("source");
    fs::create_dir(&source).unwrap();
    for number in 0..4000 {
        fs::write(source.join(format!("{number}.txt")), format!("text {number}")).unwrap();
    }
    let source = source.to_str().unwrap();
    place.0.summary("WHOLE", &["scan", source, "--quiet"]);
    let whole = place.0.exports("WHOLE");
    for blocks in [800, 1500] {
        let (name, program) = (format!("FULL{blocks}"), env!("CARGO_BIN_EXE_tamis"));
        let case = place.path(&name);
        let script =
            format!("trap '' XFSZ; ulimit -f {blocks}; exec {program} scan {source} --case {case} --quiet");
        let started = Instant::now();
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = errors(1, &output);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert!(text.contains("case database: ") && text.contains("run the same command again"), "{text}");
        place.0.summary(&name, &["scan", source, "--quiet"]);
        assert!(place.0.exports(&name) == whole, "{blocks} blocks");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn core_dumps_are_off() {
    let place = Place(Cases::new());
    let source = place.0.path("source");
    slow_source(&source, 50);
    let mut child = scan(&place, source.to_str().unwrap(), &place.path("CASE"));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"], "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_excluded_is_counted_reported_and_recorded() {
    let place = Place(Cases::new());
    let all = place.0.summary("ALL", &["scan", SEIZURE, "--quiet"]);
    let names: Vec<String> =
        place.0.rows("ALL", "items").iter().map(|row| row["path"].as_str().unwrap().to_string()).collect();
    let jpegs = names.iter().filter(|name| name.ends_with(".jpg")).count();
    assert!(jpegs > 0 && jpegs < names.len());
    let exclude = ["--exclude", "*.jpg", "--exclude", "no such folder/**"];
    let some = place.0.summary("SOME", &[&["scan", SEIZURE, "--quiet"][..], &exclude].concat());
    assert_eq!(some["discovered"].as_u64().unwrap() + jpegs as u64, all["discovered"].as_u64().unwrap());
    let notices = some["run"]["notices"].to_string();
    assert!(notices.contains(&format!("{jpegs} files (")), "{notices}");
    assert!(notices.contains("left out by --exclude *.jpg no such folder/**"), "{notices}");
    let connection = rusqlite::Connection::open(place.0.path("SOME").join("case.sqlite")).unwrap();
    let (settings, kept): (String, String) = connection
        .query_row("SELECT settings, notices FROM run", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert!(settings.contains(r#""exclude":["*.jpg","no such folder/**"]"#), "{settings}");
    assert!(kept.contains("left out by --exclude"), "{kept}");
    // The same files by `hash`, which reports it on standard error.
    let output = place.run(&["hash", SEIZURE, "--format", "jsonl", "--exclude", "*.jpg"]);
    assert!(errors(0, &output).contains(&format!("{jpegs} files (")), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), names.len() - jpegs);
    let refused = place.run(&["hash", SEIZURE, "--exclude", "[a"]);
    assert!(errors(2, &refused).contains("`[` begins a class that no `]` ends"));
}

/// An export that is interrupted leaves nothing and ends at once.
#[test]
fn ctrl_c_ends_an_export_and_leaves_nothing_of_it() {
    let place = Place(Cases::new());
    let case = large_case(&place);
    // Nobody reads: the export waits with a full pipe.
    let mut child = place
        .command(&["export", "case-uco", "--case", &case])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let (code, took) = wait(&mut child, Duration::from_secs(5));
    assert_eq!(code, Some(130));
    assert!(took < Duration::from_secs(2), "{took:?}");
}
