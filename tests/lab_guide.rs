//! The guide for labs: every command that it shows is run as it is written.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Blocks of shell commands of a page of the documentation.
fn blocks(text: &str) -> Vec<&str> {
    let fenced = text.split("```sh\n").skip(1);
    fenced.map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn every_command_of_the_guide_runs_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/lab-guide.md")).unwrap();
    let blocks = blocks(&guide);
    assert!(blocks.len() > 12 && blocks[0].contains("cargo build --release"), "the first block installs");

    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tamis"), programs.join("tamis")).unwrap();
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    // Shell options make the first failure the last command; the blocks share their variables, as on a terminal.
    let script = format!("set -euo pipefail\n{}", blocks[1..].concat());
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&work)
        .env("PATH", path)
        .env("DATA", root.join("tests/data"))
        .env("TAMIS_CACHE_DIR", folder.path().join("cache"))
        .output()
        .unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");

    // The files that the guide promises.
    let read = |name: &str| fs::read_to_string(work.join(name)).unwrap();
    assert!(read("priorities.csv").lines().count() > 20);
    assert!(read("hits.csv").lines().count() > 5);
    assert!(
        read("report.html").contains("<html lang=\"en\"")
            && read("rapport.html").contains("<html lang=\"fr\"")
    );
    assert!(read("links.csv").lines().count() > 3, "{}", read("links.csv"));
    assert!(read("sets/lab-a.csv").contains("Lab A"));
    assert!(!read("sets/lab-a.csv").contains("IMG_"), "no names of files were asked for");
    assert!(fs::read(work.join("case.package")).unwrap().starts_with(b"age-encryption.org"));
    let seizure = root.join("tests/data/seizure");
    assert!(!seizure.join("case.sqlite").exists());
}
