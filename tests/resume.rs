//! Stopping at any instant and resuming: nothing is lost, nothing counts twice.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]
#![cfg(unix)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::Value;
use support::cli::{Cases, errors, tamis};
use support::waves::Waves;

const PICTURES: usize = 400;

/// Pictures that take a while where they are decoded to pixels: the same one with other bytes behind its end, and a duplicate of every fourth.
fn slow_source(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let picture: DynamicImage = RgbImage::from_raw(1500, 1000, Waves::new(1).rgb(1500, 1000)).unwrap().into();
    let mut bytes = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
    for number in 0..PICTURES {
        let mut content = bytes.clone();
        content.extend_from_slice(&number.to_le_bytes());
        fs::write(folder.join(format!("{number:03}.jpg")), &content).unwrap();
        if number % 4 == 0 {
            fs::write(folder.join(format!("copy of {number:03}.jpg")), &content).unwrap();
        }
    }
}

fn start(source: &Path, case: &Path, known: &Path) -> Child {
    let mut command = tamis();
    command.arg("triage").arg(source).arg("--known").arg(known).arg("--case").arg(case);
    command.args(["--progress", "json", "--quiet", "--jobs", "1", "--decode", "pixels"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until some files are stored; returns how many.
fn some_are_done(child: &mut Child) -> u64 {
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let report: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let done = report["files_done"].as_u64().unwrap();
        if done > 0 {
            return done;
        }
    }
    panic!("the run ended before any file was done");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupted_run_resumes_where_it_stopped() {
    let cases = Cases::new();
    let source = cases.path("source");
    slow_source(&source);
    let known = cases.path("known.txt");
    let output =
        tamis().arg("hash").arg(source.join("000.jpg")).arg("--output").arg(&known).output().unwrap();
    errors(0, &output);
    let (source_name, known_name) = (source.to_str().unwrap(), known.to_str().unwrap());
    let arguments = ["triage", source_name, "--known", known_name, "--quiet", "--decode", "pixels"];
    let whole = cases.summary("whole", &arguments);
    assert_eq!(whole["discovered"], PICTURES + PICTURES / 4);
    let expected = cases.exports("whole");

    for (name, kill, code) in
        [("interrupted", "-INT", Some(130)), ("terminated", "-TERM", Some(130)), ("killed", "-KILL", None)]
    {
        let case = cases.path(name);
        let mut child = start(&source, &case, &known);
        some_are_done(&mut child);
        signal(&child, kill);
        assert_eq!(child.wait().unwrap().code(), code, "{name}");
        let before = cases.rows(name, "items").len();
        assert!(before > 0 && before < PICTURES, "{name}: {before} items were stored in the middle");
        let middle = cases.summary(name, &["match", "--known", known.to_str().unwrap(), "--quiet"]);
        assert_eq!(middle["incomplete_sources"], middle["sources"], "{name}: incomplete work is reported");
        let rest = cases.summary(name, &arguments);
        assert_eq!(rest["incomplete_sources"], serde_json::json!([]), "{name}");
        assert_eq!(cases.exports(name), expected, "{name}");
        assert_eq!(rest["unfinished"], 0);
        // What was stored is not read again; of what was in flight when the process was killed nothing was stored.
        let read_again = rest["run"]["files"].as_u64().unwrap() as usize;
        assert_eq!(before + read_again, PICTURES + PICTURES / 4, "{name}");
    }
}

/// The folder is listed when the run begins, and its last file is gone before its turn: decoding pixels takes
/// seconds, and little memory keeps the readers from running ahead.
#[test]
fn a_file_that_vanishes_is_an_outcome_and_the_others_are_unaffected() {
    let cases = Cases::new();
    let source = cases.path("source");
    slow_source(&source);
    let (name, all) = ("copy of 396.jpg", PICTURES + PICTURES / 4);
    let mut command = tamis();
    command.args(["scan", "--progress", "json", "--quiet", "--jobs", "1", "--decode", "pixels"]);
    command.args(["--max-memory", "64MiB"]).arg(&source).arg("--case").arg(cases.path("CASE"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut vanished = false;
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let report: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if report["files_found"].as_u64().unwrap() > 0 && !vanished {
            assert!(report["files_done"].as_u64().unwrap() < all as u64, "too late to vanish: {report}");
            fs::remove_file(source.join(name)).unwrap();
            vanished = true;
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let items = cases.rows("CASE", "items");
    let outcome = |row: &Value| (row["path"] == name, row["outcome"].as_str().unwrap().to_string());
    assert_eq!(items.len(), all);
    let gone: Vec<bool> = items
        .iter()
        .map(outcome)
        .filter(|(_, outcome)| outcome == "vanished")
        .map(|(is_it, _)| is_it)
        .collect();
    assert_eq!(gone, [true]);
    let failed = cases.rows("CASE", "errors");
    assert_eq!((failed.len(), &failed[0]["path"]), (1, &name.into()));
    // It keeps its outcome, and the case can be used.
    let again = cases.summary("CASE", &["scan", source.to_str().unwrap(), "--quiet"]);
    assert_eq!((&again["discovered"], &again["run"]["files"]), (&all.into(), &0.into()));
}

#[test]
fn a_second_run_on_the_same_case_is_refused_while_the_first_runs() {
    let cases = Cases::new();
    let source = cases.path("source");
    slow_source(&source);
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/known.csv");
    let case = cases.path("CASE");
    let mut child = start(&source, &case, &known);
    some_are_done(&mut child);
    let output = tamis().args(["scan", source.to_str().unwrap(), "--case"]).arg(&case).output().unwrap();
    assert!(errors(1, &output).contains("another run is writing to the case"));
    // Reading during a run works, and sees what is stored.
    assert!(!cases.rows("CASE", "items").is_empty());
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn hash_prints_an_unbroken_beginning_when_it_is_interrupted() {
    let cases = Cases::new();
    let source = cases.path("source");
    slow_source(&source);
    let mut child = tamis()
        .arg("hash")
        .arg(&source)
        .args(["--jobs", "2", "--quiet", "--decode", "pixels"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    signal(&child, "-INT");
    let mut paths = vec![first];
    paths.extend(lines.map(Result::unwrap));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut expected: Vec<String> =
        fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    expected.sort();
    assert!(paths.len() < expected.len());
    for (line, path) in paths.iter().zip(&expected) {
        assert!(line.ends_with(path.as_str()), "{line}");
    }
}
