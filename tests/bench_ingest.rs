//! `tamis bench ingest`, run as a user does. No test checks speed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;

use support::cli::{SEIZURE, errors, expect, run, tamis};

fn measured(arguments: &[&str]) -> Value {
    let output = run(["bench", "ingest", "--seconds", "1", "--format", "json"].iter().chain(arguments));
    serde_json::from_str(&expect(0, &output)).unwrap()
}

fn kinds<'a>(report: &'a Value, list: &str) -> Vec<&'a str> {
    report[list].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect()
}

/// Every rate is above zero, and the hours add up to the prediction.
fn check(report: &Value) {
    for digest in ["md5", "sha1", "sha256", "all"] {
        assert!(report["digests"][format!("{digest}_bytes_per_second")].as_f64().unwrap() > 0.0, "{report}");
    }
    for rate in report["decoding"].as_array().unwrap() {
        for per_second in ["megapixels_per_second", "files_per_second", "bytes_per_second"] {
            assert!(rate[per_second].as_f64().unwrap() > 0.0, "{rate}");
        }
    }
    for rate in report["hashing"].as_array().unwrap() {
        assert!(rate["failed"].is_string() || rate["pictures_per_second"].as_f64().unwrap() > 0.0, "{rate}");
    }
    let prediction = &report["prediction"];
    let stages = prediction["stages"].as_array().unwrap();
    let on_threads = |wanted: bool| {
        stages
            .iter()
            .filter(move |stage| stage["on_threads"] == wanted)
            .map(|stage| stage["hours"].as_f64().unwrap())
    };
    let threads = prediction["threads_hours"].as_f64().unwrap();
    assert!((on_threads(true).sum::<f64>() - threads).abs() < 1e-9 * threads);
    let hours = prediction["hours_per_terabyte"].as_f64().unwrap();
    assert_eq!(hours, on_threads(false).fold(threads, f64::max));
    assert!(stages.iter().any(|stage| stage["stage"] == prediction["limited_by"]), "{prediction}");
}

#[test]
fn without_a_folder_pictures_are_made_and_no_storage_is_measured() {
    let report = measured(&["--jobs", "1"]);
    check(&report);
    assert_eq!(report["made"], true);
    assert!(report["storage"].is_null() && report["listing"].is_null());
    assert_eq!(
        kinds(&report, "decoding"),
        ["jpeg_sequential_coefficients", "jpeg_pixels", "png", "other_pictures"]
    );
    assert_eq!(report["failed"], Value::Array(Vec::new()));
    // Decoding to pixels takes longer, on any machine.
    let prediction = &report["prediction"];
    let hours = |name: &str| prediction[name].as_f64().unwrap();
    assert!(hours("hours_per_terabyte_from_pixels") > hours("hours_per_terabyte"));
}

#[test]
fn a_folder_is_sampled_and_what_fails_is_counted() {
    let report = measured(&[SEIZURE]);
    check(&report);
    assert_eq!(report["made"], false);
    assert_eq!(
        (report["listing"]["files"].as_u64(), report["listing"]["complete"].as_bool()),
        (Some(22), Some(true))
    );
    assert_eq!(report["listing"]["sample_files"], 22);
    assert_eq!(report["listing"]["sample_bytes"], report["listing"]["bytes"], "a small folder is read whole");
    assert!(report["storage"]["first_bytes_per_second"].as_f64().unwrap() > 0.0);
    assert!(["storage", "mixed", "cache"].contains(&report["storage"]["first_from"].as_str().unwrap()));
    assert_eq!(kinds(&report, "contents"), ["jpeg_sequential", "png", "other_pictures", "digest_only"]);
    let failed = report["failed"].as_array().unwrap();
    for outcome in ["corrupt", "too_small"] {
        let count = failed.iter().find(|count| count["outcome"] == outcome);
        assert_eq!(count.unwrap()["files"], 1, "{failed:?}");
    }
}

#[cfg(unix)]
#[test]
fn sources_are_only_read_and_names_are_escaped() {
    use std::os::unix::fs::{MetadataExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let seizure = folder.path().join("seized\n\u{1b}[31m");
    fs::create_dir(&seizure).unwrap();
    let picture = seizure.join("picture.jpg");
    fs::copy(Path::new(SEIZURE).join("phone/DCIM/IMG_0001.jpg"), &picture).unwrap();
    symlink("/etc/passwd", seizure.join("link")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(seizure.join("pipe")).status().unwrap();
    assert!(pipe.success());
    let facts = || {
        let metadata = picture.metadata().unwrap();
        (metadata.mtime(), metadata.ctime(), metadata.atime(), fs::read_dir(&seizure).unwrap().count())
    };
    let (before, content) = (facts(), fs::read(&picture).unwrap());

    let output = tamis().args(["bench", "ingest", "--seconds", "1"]).arg(&seizure).output().unwrap();
    let text = expect(0, &output);
    assert!(text.contains(r"seized\n\x1b[31m"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("1 not_followed, 1 not_a_file"), "{text}");
    assert!(text.contains("limited by "), "{text}");
    assert_eq!(facts().0, before.0);
    assert_eq!((facts().1, facts().3, fs::read(&picture).unwrap()), (before.1, before.3, content));
}

#[test]
fn one_file_and_an_empty_folder_are_no_errors() {
    let file = measured(&["tests/data/seizure/laptop/Pictures/screenshot.png"]);
    check(&file);
    assert_eq!(kinds(&file, "decoding"), ["png"]);

    let folder = tempfile::tempdir().unwrap();
    let empty = measured(&[folder.path().to_str().unwrap()]);
    assert!(empty["prediction"].is_null() && empty["storage"].is_null());
    let notes = empty["notes"].to_string();
    assert!(notes.contains("nothing can be predicted"), "{notes}");
    let output = tamis().args(["bench", "ingest", "--seconds", "1"]).arg(folder.path()).output().unwrap();
    assert!(expect(0, &output).contains("no picture could be decoded"));
}

#[test]
fn wrong_usage_and_failures_have_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let gone = gone.to_str().unwrap();
    assert!(errors(2, &run(["bench", "ingest", gone])).contains("gone"));
    errors(2, &run(["bench"]));
    errors(2, &run(["bench", "ingest", "--seconds", "0"]));
    let inside = folder.path().join("result.json");
    let inside = inside.to_str().unwrap();
    errors(2, &run(["bench", "ingest", folder.path().to_str().unwrap(), "--output", inside]));
    assert!(!Path::new(inside).exists());
    errors(1, &run(["bench", "ingest", "--backend", "gpu:no such card", "--seconds", "1"]));
}

#[test]
fn the_result_goes_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let output = tamis()
        .args(["bench", "ingest", "--seconds", "1", "--format", "json", "--quiet", SEIZURE, "--output"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(expect(0, &output), "");
    check(&serde_json::from_slice(&fs::read(&path).unwrap()).unwrap());
}

#[cfg(unix)]
#[test]
fn it_can_be_interrupted() {
    let mut command = tamis();
    command.args(["bench", "ingest", "--seconds", "600", SEIZURE]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(expect(130, &child.wait_with_output().unwrap()), "");
}
