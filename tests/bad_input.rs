//! Bad input is data: each kind has its own named outcome or a clear error, and the rest of a run is unaffected.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, RgbImage};
use support::cli::{Cases, KNOWN, errors, expect, run, tamis, text};
use support::waves::Waves;

fn picture() -> DynamicImage {
    RgbImage::from_raw(300, 200, Waves::new(1).rgb(300, 200)).unwrap().into()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// A picture's header of 60,000 × 60,000 pixels and nothing behind it.
fn bomb() -> Vec<u8> {
    let mut bytes = b"P6 60000 60000 255\n".to_vec();
    bytes.extend([0; 100]);
    bytes
}

/// A folder with every kind of bad file that this system can create, and the expected outcome of each.
fn bad_folder(folder: &Path) -> Vec<(String, &'static str)> {
    let good = encoded(&picture(), ImageFormat::Png);
    let jpeg = encoded(&picture(), ImageFormat::Jpeg);
    let mut expected = Vec::new();
    let mut file = |name: &str, content: &[u8], outcome: &'static str| {
        fs::write(folder.join(name), content).unwrap();
        expected.push((name.to_string(), outcome));
    };
    file("good.png", &good, "hashed");
    file("zero.jpg", b"", "empty");
    file("truncated.jpg", &jpeg[..jpeg.len() / 2], "corrupt");
    file("truncated.png", &good[..good.len() / 2], "corrupt");
    file("mislabelled.gif", &jpeg, "hashed");
    file("text.jpg", b"these are words, whatever the name says", "other");
    file("1x1.png", &encoded(&RgbImage::new(1, 1).into(), ImageFormat::Png), "too_small");
    file("wide.png", &encoded(&RgbImage::new(65_535, 6).into(), ImageFormat::Png), "hashed");
    file("too-wide.png", &encoded(&RgbImage::new(65_536, 6).into(), ImageFormat::Png), "over_limit");
    file("bomb.ppm", &bomb(), "over_limit");
    file("noise.png", &[b"\x89PNG\r\n\x1a\n".as_slice(), &[0x5a; 5000]].concat(), "corrupt");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let raw = |name: &[u8]| folder.join(std::ffi::OsStr::from_bytes(name));
        let mut copy = |name: &[u8], shown: &str| {
            let mut content = good.clone();
            content.extend_from_slice(name);
            fs::write(raw(name), content).unwrap();
            expected.push((shown.to_string(), "hashed"));
        };
        copy(b"latin-\xe9.png", "latin-\\xe9.png");
        copy(b"line\nbreak.png", "line\\nbreak.png");
        copy(b"\x1b[31mred.png", "\\x1b[31mred.png");
        copy("right\u{202e}gnp.png".as_bytes(), "right\\u{202e}gnp.png");
        std::os::unix::fs::symlink(".", folder.join("loop")).unwrap();
        expected.push(("loop".into(), "not_followed"));
        std::os::unix::fs::symlink("good.png", folder.join("link.png")).unwrap();
        expected.push(("link.png".into(), "not_followed"));
        let made = std::process::Command::new("mkfifo").arg(folder.join("pipe")).status();
        if made.is_ok_and(|status| status.success()) {
            expected.push(("pipe".into(), "not_a_file"));
        }
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        expected.push(("socket".into(), "not_a_file"));
    }
    expected.sort();
    expected
}

#[test]
fn every_bad_file_has_its_outcome_and_the_others_are_unaffected() {
    let cases = Cases::new();
    let folder = cases.path("bad");
    fs::create_dir(&folder).unwrap();
    let expected = bad_folder(&folder);
    // A little memory, so that the bomb is over the limit on any machine.
    let summary = cases.summary(
        "CASE",
        &["triage", folder.to_str().unwrap(), "--known", KNOWN, "--quiet", "--max-memory", "512MiB"],
    );
    assert_eq!(summary["discovered"], expected.len());
    let rows = cases.rows("CASE", "items");
    let mut found: Vec<(String, &str)> =
        rows.iter().map(|row| (text(row, "path").to_string(), text(row, "outcome"))).collect();
    found.sort();
    assert_eq!(found, expected);
    for row in &rows {
        let failed = !["hashed", "duplicate"].contains(&text(row, "outcome"));
        assert_eq!(failed, !text(row, "reason").is_empty(), "{row}");
        assert_eq!(failed, !text(row, "stage").is_empty(), "{row}");
    }
    let errors = cases.rows("CASE", "errors");
    let with_errors = expected.iter().filter(|(_, outcome)| !["hashed", "other"].contains(outcome)).count();
    assert_eq!(errors.len(), with_errors);
    // Nothing of a name reaches a terminal raw.
    for text in cases.exports("CASE") {
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
    }
}

#[test]
fn hash_reports_unhashable_files_on_standard_error_only() {
    let cases = Cases::new();
    let folder = cases.path("bad");
    fs::create_dir(&folder).unwrap();
    let expected = bad_folder(&folder);
    let output = run(["hash", "--max-memory", "512MiB", folder.to_str().unwrap()]);
    let told = errors(0, &output);
    let lines = expect(0, &output);
    for (name, outcome) in &expected {
        let path = format!("{}/{name}", folder.display());
        let line = lines.lines().find(|line| line.ends_with(&format!(",{path}")));
        assert_eq!(line.is_some(), *outcome == "hashed", "{name}");
        assert_eq!(told.contains(&format!("{path}: {outcome}: ")), *outcome != "hashed", "{name} in\n{told}");
        if let Some(line) = line {
            let fields: Vec<&str> = line.splitn(3, ',').collect();
            assert!(
                fields[0].parse::<tamis::pdq::PdqHash>().is_ok() && fields[1].parse::<u8>().unwrap() <= 100
            );
        }
    }
    assert!(!lines.contains('\x1b') && !told.contains('\x1b'));
}

/// More memory, given later, decides what was over the limit before.
#[test]
fn what_was_over_the_limit_is_tried_again_with_more() {
    let cases = Cases::new();
    let folder = cases.path("large");
    fs::create_dir(&folder).unwrap();
    let (width, height) = (5000, 4600);
    let large: DynamicImage =
        RgbImage::from_raw(width, height, vec![90; (width * height * 3) as usize]).unwrap().into();
    fs::write(folder.join("large.png"), encoded(&large, ImageFormat::Png)).unwrap();
    let scan = |memory: &str| {
        cases.summary("CASE", &["scan", folder.to_str().unwrap(), "--quiet", "--max-memory", memory])
    };
    assert_eq!(scan("64MiB")["outcomes"][0]["outcome"], "over_limit");
    assert!(text(&cases.rows("CASE", "errors")[0], "reason").contains("raise --max-memory"));
    assert_eq!(scan("64MiB")["run"]["files"], 0, "with no more memory it is not tried again");
    assert_eq!(scan("512MiB")["outcomes"][0]["outcome"], "hashed");
    assert_eq!(scan("64MiB")["outcomes"][0]["outcome"], "hashed", "what is known stays known");
}

/// A link that was typed is followed, as a source is; links in folders are not.
#[cfg(unix)]
#[test]
fn a_link_that_is_typed_is_followed() {
    let cases = Cases::new();
    let folder = cases.path("source");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.png"), encoded(&picture(), ImageFormat::Png)).unwrap();
    std::os::unix::fs::symlink("a.png", folder.join("in-folder")).unwrap();
    let (to_file, to_folder, nowhere) =
        (cases.path("to-file"), cases.path("to-folder"), cases.path("nowhere"));
    std::os::unix::fs::symlink("source/a.png", &to_file).unwrap();
    std::os::unix::fs::symlink("source", &to_folder).unwrap();
    std::os::unix::fs::symlink("gone", &nowhere).unwrap();
    let output = tamis().arg("hash").args([&to_file, &nowhere, &to_folder]).output().unwrap();
    let lines = expect(0, &output);
    let paths: Vec<&str> = lines.lines().map(|line| line.splitn(3, ',').nth(2).unwrap()).collect();
    assert_eq!(paths, [to_file.to_str().unwrap(), to_folder.join("a.png").to_str().unwrap()]);
    let told = errors(0, &output);
    for path in [nowhere, to_folder.join("in-folder")] {
        assert!(told.contains(&format!("{}: not_followed: ", path.display())), "{told}");
    }
    let summary = cases.summary("CASE", &["scan", to_folder.to_str().unwrap(), "--quiet"]);
    assert_eq!(summary["discovered"], 2);
}

#[test]
fn hashing_shows_its_progress() {
    let told = errors(0, &run(["hash", "tests/data/seizure", "--progress", "json", "--quiet"]));
    let last: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&last["files_done"], &last["pictures_hashed"]), (&22.into(), &17.into()), "{told}");
    assert_eq!((&last["bytes_done"], &last["walk_finished"]), (&last["bytes_found"], &true.into()));
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_system_refuses_is_unreadable() {
    // A regular file whose first byte cannot be read, by anyone.
    let output = run(["hash", "/proc/self/mem"]);
    assert!(errors(0, &output).starts_with("/proc/self/mem: unreadable: "), "{output:?}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_source_that_grows_is_read_again() {
    let cases = Cases::new();
    let folder = cases.path("source");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.png"), encoded(&picture(), ImageFormat::Png)).unwrap();
    let scan = || cases.summary("CASE", &["scan", folder.to_str().unwrap(), "--quiet"]);
    assert_eq!(scan()["run"]["files"], 1);
    let mut file = File::options().append(true).open(folder.join("a.png")).unwrap();
    file.write_all(b"more").unwrap();
    drop(file);
    let output =
        tamis().args(["scan", folder.to_str().unwrap(), "--case"]).arg(cases.path("CASE")).output().unwrap();
    assert!(errors(0, &output).contains("1 files changed since the case last read them"));
    assert_eq!(cases.rows("CASE", "items").len(), 1);
}

fn refused(arguments: &[&str], case: &Path, exit: i32) -> String {
    errors(exit, &tamis().args(arguments).arg("--case").arg(case).output().unwrap())
}

#[test]
fn a_folder_that_is_no_case_is_refused() {
    let cases = Cases::new();
    let triage = ["triage", "tests/data/seizure", "--known", KNOWN, "--quiet"];
    let other = cases.path("holiday");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("diary.txt"), "dear diary").unwrap();
    let text = refused(&triage, &other, 1);
    assert!(
        text.contains(": not a case: it holds other files, such as diary.txt (name a folder that is empty"),
        "{text}"
    );
    assert!(refused(&["export", "hits"], &other, 1).contains("it has no case.sqlite"));
    assert!(
        refused(&["match", "--known", KNOWN], &cases.path("nowhere"), 1).contains(": there is no case here")
    );
    assert!(refused(&triage, &other.join("diary.txt"), 1).contains(": not a case, but a file"));
    let foreign = cases.path("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("case.sqlite"), "no database at all, but some text that is long enough").unwrap();
    for arguments in [&triage[..], &["export", "items"], &["match", "--known", KNOWN]] {
        let text = refused(arguments, &foreign, 1);
        assert!(text.contains("is not a database of Tamis, or it is damaged"), "{arguments:?}: {text}");
    }
    let connection = rusqlite::Connection::open(cases.path("other.sqlite")).unwrap();
    connection.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(connection);
    fs::rename(cases.path("other.sqlite"), foreign.join("case.sqlite")).unwrap();
    assert!(refused(&triage, &foreign, 1).contains("is not a database of Tamis"));
    // Nothing was written into the folders that are not cases.
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn a_known_set_that_is_a_picture_is_refused_before_anything_is_made() {
    let cases = Cases::new();
    let triage = ["triage", "tests/data/seizure", "--known", "tests/data/seizure/phone/DCIM/IMG_0001.jpg"];
    let text = refused(&triage, &cases.path("CASE"), 1);
    assert!(text.contains("this is a picture (jpeg), not a list"), "{text}");
    assert!(!cases.path("CASE").exists());
}

#[test]
fn wrong_usage_has_exit_code_2_and_touches_nothing() {
    let cases = Cases::new();
    let case = cases.path("CASE");
    for (arguments, expected) in [
        (vec!["triage", "tests/data/seizure"], "--known"),
        (
            vec!["triage", "--known", KNOWN, "tests/data/seizure"],
            "tests/data/seizure was taken as a hash set",
        ),
        (vec!["triage", "no/such/folder", "--known", KNOWN], "no/such/folder: cannot read this source: "),
        (vec!["triage", "tests/data/seizure", "--known", KNOWN, "--distance", "64"], "0..=63"),
        (vec!["triage", "tests/data/seizure", "--known", KNOWN, "--backend", "cuda"], "auto, cpu, gpu"),
        (vec!["scan", "tests/data/seizure", "--max-memory", "1K"], "the minimum is 64.0 MiB"),
        (vec!["sift"], "unrecognized subcommand"),
    ] {
        let text = refused(&arguments, &case, 2);
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(!case.exists(), "{arguments:?}");
    }
    // A case or a result inside the evidence.
    let source = cases.path("seizure");
    fs::create_dir(&source).unwrap();
    let inside = refused(&["scan", source.to_str().unwrap()], &source.join("CASE"), 2);
    assert!(inside.contains("Tamis never writes into evidence"), "{inside}");
    let output: PathBuf = source.join("hashes.txt");
    let hash = run(["hash", source.to_str().unwrap(), "--output", output.to_str().unwrap()]);
    assert!(errors(2, &hash).contains("Tamis never writes into evidence"));
    assert_eq!(fs::read_dir(&source).unwrap().count(), 0);
}

/// Every command that takes `--output`, aimed at evidence that is a file, lies in a folder, or belongs to an
/// earlier run of the case; at a hash set; and at the case itself.
#[test]
fn nothing_that_is_read_is_written_over() {
    let cases = Cases::new();
    let folder = cases.path("evidence");
    fs::create_dir(&folder).unwrap();
    let (single, inside, known) = (cases.path("a.png"), folder.join("b.png"), cases.path("set.txt"));
    fs::write(&single, encoded(&picture(), ImageFormat::Png)).unwrap();
    fs::write(&inside, encoded(&picture(), ImageFormat::Png)).unwrap();
    expect(0, &tamis().arg("hash").arg(&single).arg("--output").arg(&known).output().unwrap());
    let (single_text, folder_text) = (single.to_str().unwrap(), folder.to_str().unwrap());
    let known_text = known.to_str().unwrap();
    cases.summary("CASE", &["scan", single_text, folder_text, "--quiet"]);
    let case = cases.path("CASE");
    let case_text = case.to_str().unwrap();
    let new = folder.join("new.csv");
    let watched = [&single, &inside, &known, &case.join("case.sqlite")];
    let before = watched.map(|path| fs::read(path).unwrap());
    let mut refusals = 0;
    let mut refuse = |arguments: &[&str], output: &Path, reason: &str| {
        let text = errors(2, &tamis().args(arguments).arg("--output").arg(output).output().unwrap());
        assert!(text.contains(reason), "{arguments:?} to {}: {text}", output.display());
        refusals += 1;
    };
    let evidence = "Tamis never writes into evidence";
    let on_case = ["--case", case_text];
    for output in [&single, &inside, &new] {
        refuse(&["hash", single_text, folder_text], output, evidence);
        refuse(
            &["triage", single_text, folder_text, "--known", known_text, "--case", "no/case"],
            output,
            evidence,
        );
        // Sources of earlier runs, which only the case knows.
        refuse(&[&["export", "items"][..], &on_case].concat(), output, evidence);
        refuse(&[&["match", "--known", known_text][..], &on_case].concat(), output, evidence);
        refuse(&[&["scan", "tests/data/seizure"][..], &on_case].concat(), output, evidence);
    }
    let replace = "would replace";
    refuse(&["triage", folder_text, "--known", known_text, "--case", "no/case"], &known, replace);
    refuse(&[&["match", "--known", known_text][..], &on_case].concat(), &known, replace);
    refuse(&[&["export", "hits"][..], &on_case].concat(), &case.join("case.sqlite"), replace);
    assert_eq!(refusals, 18);
    assert!(watched.map(|path| fs::read(path).unwrap()) == before, "what was refused changed nothing");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    // The twin that must be allowed: a name next to the evidence.
    let beside = cases.path("items.csv");
    expect(
        0,
        &tamis().args(["export", "items", "--case", case_text, "--output"]).arg(&beside).output().unwrap(),
    );
    assert!(beside.is_file());
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_with_the_way_out() {
    let output = run(["hash", "tests/data/seizure", "--backend", "gpu:No Such Card"]);
    let text = errors(1, &output);
    assert!(
        text.contains("no GPU whose name contains `No Such Card`") && text.contains("--backend cpu"),
        "{text}"
    );
    assert!(output.stdout.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_sink_that_fails_ends_the_run() {
    let output = run(["hash", "tests/data/seizure", "--quiet", "--output", "/no/such/folder/x"]);
    assert!(errors(1, &output).contains("/no/such/folder/x: cannot write: "));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = tamis().args(["hash", "tests/data/seizure", "--quiet"]).stdout(full).output().unwrap();
    assert!(errors(1, &output).contains("cannot write"), "{output:?}");
}

#[test]
fn every_command_explains_itself() {
    for command in ["triage", "scan", "match", "export", "hash", "devices"] {
        let help = expect(0, &run([command, "--help"]));
        for option in ["--backend", "--jobs", "--max-memory", "--format", "--output", "--quiet", "--verbose"]
        {
            assert!(help.contains(option), "{command} {option}");
        }
    }
    let help = expect(0, &run(["--help"]));
    assert!(help.contains("130") && help.contains("tamis triage"), "{help}");
    assert!(expect(0, &run(["devices", "--format", "json"])).contains("\"auto\""));
}
