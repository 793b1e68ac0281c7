//! Evidence is read whole, wherever it lies, and left as it is.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use sha2::{Digest, Sha256};
use support::cli::{Cases, errors, expect, outcomes, run, tamis, text};
use tamis::source::digest::hex;

/// Nested folders below `folder`, so deep that the system accepts no path to the lowest, which holds the files of the
/// sample seizure under distinct names. Returns the path of the lowest.
fn deep_seizure(folder: &Path) -> PathBuf {
    let name = "d".repeat(200);
    let open = |at: &dyn AsFd, name: &Path| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(at.as_fd(), name, flags, Mode::empty()).unwrap()
    };
    let (mut lowest, mut path) = (open(&CWD, folder), folder.to_path_buf());
    for _ in 0..25 {
        rustix::fs::mkdirat(&lowest, &name, Mode::RWXU).unwrap();
        lowest = open(&lowest, Path::new(&name));
        path.push(&name);
    }
    assert!(path.as_os_str().len() > 4096 && fs::metadata(&path).is_err());
    for (number, file) in files_below(Path::new("tests/data/seizure")).into_iter().enumerate() {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let name = format!("{number:02}-{}", file.file_name().unwrap().to_str().unwrap());
        let made = rustix::fs::openat(&lowest, name, flags, Mode::RUSR).unwrap();
        std::io::Write::write_all(&mut fs::File::from(made), &fs::read(file).unwrap()).unwrap();
    }
    path
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Files at paths that the system does not accept are treated like all others: found, read, verified from pixels,
/// hashed, shown in reports.
#[test]
fn no_path_is_too_long() {
    let cases = Cases::new();
    let folder = cases.path("source");
    fs::create_dir(&folder).unwrap();
    let lowest = deep_seizure(&folder);
    let known = ["--known", "tests/data/known.csv", "--quiet"];
    let triage = |case: &str, source: &str| cases.summary(case, &[&["triage", source][..], &known].concat());
    let (plain, deep) = (triage("PLAIN", "tests/data/seizure"), triage("DEEP", folder.to_str().unwrap()));
    assert_eq!(outcomes(&deep), outcomes(&plain));
    assert!(outcomes(&deep).contains(&("hashed".into(), 16)));
    let verifications = |case: &str| {
        let rows = cases.rows(case, "hits");
        let mut verifications: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    text(row, "sha256").to_string(),
                    text(row, "confirmation").to_string(),
                    row["distance"].as_u64(),
                )
            })
            .collect();
        verifications.sort();
        verifications
    };
    assert_eq!(verifications("DEEP"), verifications("PLAIN"));
    assert!(verifications("DEEP").iter().any(|(_, confirmation, _)| confirmation == "pixels"));

    // A later match opens candidates by their paths in the case.
    cases.summary("SCANNED", &["scan", folder.to_str().unwrap(), "--quiet"]);
    cases.summary("SCANNED", &[&["match"][..], &known].concat());
    assert_eq!(verifications("SCANNED"), verifications("PLAIN"));

    let hashes = |path: &Path| {
        let output = tamis().args(["hash", "--quiet"]).arg(path).output().unwrap();
        let mut hashes: Vec<String> = expect(0, &output).lines().map(|line| line[..64].to_string()).collect();
        hashes.sort();
        hashes
    };
    assert_eq!(hashes(&folder), hashes(Path::new("tests/data/seizure")));
    assert_eq!(hashes(&lowest).len(), 17, "also where it is typed");

    let page = cases.path("page.html");
    let mut report = tamis();
    let report = report
        .args(["report", "--thumbnails", "blurred", "--case"])
        .arg(cases.path("DEEP"))
        .arg("-o")
        .arg(&page);
    expect(0, &report.output().unwrap());
    assert!(fs::read_to_string(page).unwrap().matches("data:image/").count() > 5);
}

/// A program that runs as a user who is not root, if the tests are root's.
fn as_somebody(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    if rustix_is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

/// Scans as somebody; `None` where that user cannot run the program.
fn scan_as_somebody(cases: &Cases, source: &Path) -> Option<String> {
    let case = cases.path("CASE");
    if !case.exists() {
        fs::create_dir(&case).unwrap();
    }
    for path in [cases.0.path(), &case] {
        open_to_all(path);
    }
    let mut command = tamis();
    command.env("TAMIS_CACHE_DIR", &case).current_dir("/").arg("scan").arg(source).arg("--case").arg(&case);
    match as_somebody(command).output() {
        Ok(output) => Some(errors(0, &output) + &expect(0, &output)),
        Err(error) => {
            support::skip(&format!("the program cannot be run as another user: {error}"));
            None
        }
    }
}

/// Files that could not be read are tried again, and their earlier outcome is replaced.
#[test]
fn failures_end_when_they_are_over() {
    let cases = Cases::new();
    let folder = cases.path("source");
    let (sub, file) = (folder.join("sub"), folder.join("file.txt"));
    fs::create_dir_all(&sub).unwrap();
    fs::write(&file, "some text").unwrap();
    fs::write(sub.join("other.txt"), "other text").unwrap();
    for path in [&folder, &sub] {
        open_to_all(path);
    }
    let locked = |mode: u32| {
        for path in [&sub, &file] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    locked(0o000);
    if scan_as_somebody(&cases, &folder).is_none() {
        return;
    }
    let paths = |what| {
        let rows = cases.rows("CASE", what);
        rows.iter()
            .map(|row| (text(row, "path").to_string(), text(row, "outcome").to_string()))
            .collect::<Vec<_>>()
    };
    let pair = |path: &str, outcome: &str| (path.to_string(), outcome.to_string());
    assert_eq!(paths("errors"), [pair("file.txt", "unreadable"), pair("sub", "unreadable")]);
    // Still so: nothing was lost.
    scan_as_somebody(&cases, &folder).unwrap();
    assert_eq!(paths("errors"), [pair("file.txt", "unreadable"), pair("sub", "unreadable")]);
    locked(0o755);
    let said = scan_as_somebody(&cases, &folder).unwrap();
    assert_eq!(paths("errors"), [], "{said}");
    assert_eq!(paths("items"), [pair("file.txt", "other"), pair("sub/other.txt", "other")]);
}

/// A folder that failed and is gone was never read: that stays reported.
#[test]
fn a_folder_that_is_gone_stays_a_failure() {
    let cases = Cases::new();
    let folder = cases.path("source");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.txt"), "a").unwrap();
    let scan = || cases.summary("CASE", &["scan", folder.to_str().unwrap(), "--quiet"]);
    scan();
    let database = Connection::open(cases.path("CASE/case.sqlite")).unwrap();
    let failed = "INSERT INTO item (source, step, name, outcome, stage, reason)
                  VALUES (1, CAST('gone' AS BLOB), 'gone', 'unreadable', 'walk', 'folder: Input/output error')";
    database.execute(failed, []).unwrap();
    drop(database);
    assert_eq!(scan()["discovered"], 2);
    assert_eq!(cases.rows("CASE", "errors").len(), 1);
}

/// Sets access times that reading would update, because they are older than the modification times: of a file, folders
/// and a link. Returns them.
#[cfg(target_os = "linux")]
fn make_old(paths: &[PathBuf]) -> Vec<i64> {
    let old = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    for path in paths {
        let times = Timestamps {
            last_access: old,
            last_modification: Timespec { tv_sec: 1_100_000_000, tv_nsec: 0 },
        };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    paths.iter().map(|path| fs::symlink_metadata(path).unwrap().atime()).collect()
}

#[cfg(target_os = "linux")]
fn evidence_with_a_link(cases: &Cases) -> (PathBuf, [PathBuf; 4]) {
    let folder = cases.path("source");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/a.txt"), "a").unwrap();
    std::os::unix::fs::symlink("sub/a.txt", folder.join("link")).unwrap();
    let paths = ["", "sub", "sub/a.txt", "link"].map(|name| folder.join(name));
    (folder, paths)
}

#[cfg(target_os = "linux")]
#[test]
fn reading_leaves_no_trace() {
    let cases = Cases::new();
    let (folder, paths) = evidence_with_a_link(&cases);
    let before = make_old(&paths);
    let told =
        errors(0, &tamis().arg("scan").arg(&folder).arg("--case").arg(cases.path("CASE")).output().unwrap());
    expect(0, &tamis().arg("hash").arg(&folder).output().unwrap());
    let after: Vec<i64> = paths.iter().map(|path| fs::symlink_metadata(path).unwrap().atime()).collect();
    assert_eq!(after, before);
    assert!(!told.contains("times of last access"), "{told}");
    let errors = cases.rows("CASE", "errors");
    assert_eq!((text(&errors[0], "path"), text(&errors[0], "outcome")), ("link", "not_followed"));
}

/// A user who may not request that is notified once.
#[cfg(target_os = "linux")]
#[test]
fn a_trace_that_cannot_be_avoided_is_reported() {
    if !rustix_is_root() {
        support::skip("only root can create files of another user");
        return;
    }
    let cases = Cases::new();
    let (folder, paths) = evidence_with_a_link(&cases);
    make_old(&paths);
    let Some(said) = scan_as_somebody(&cases, &folder) else { return };
    let told = said.matches("times of last access").count();
    assert_eq!(told, 2, "while it runs, and in the summary: {said}");
}

/// Holes are not read for a day; the beginning of the file is read.
#[cfg(target_os = "linux")]
#[test]
fn holes_do_not_hold_a_run() {
    let cases = Cases::new();
    let folder = cases.path("source");
    fs::create_dir(&folder).unwrap();
    let sparse = |name: &str, size: u64| {
        let file = fs::File::create(folder.join(name)).unwrap();
        std::io::Write::write_all(&mut &file, b"\xff\xd8\xff\xe0").unwrap();
        file.set_len(size).is_ok()
    };
    // The largest that the file system accepts.
    assert!([15 << 40, 7 << 40, 1 << 40].into_iter().any(|size| sparse("huge.jpg", size)));
    assert!(sparse("large.jpg", (1 << 30) + (1 << 27)) && sparse("small.jpg", 1 << 24));
    let source = folder.to_str().unwrap();
    let started = std::time::Instant::now();
    cases.summary("CASE", &["scan", source, "--quiet"]);
    assert!(started.elapsed().as_secs() < 60);
    let errors = cases.rows("CASE", "errors");
    let told = |path: &str| errors.iter().find(|row| text(row, "path") == path).unwrap();
    for path in ["huge.jpg", "large.jpg"] {
        assert_eq!((text(told(path), "outcome"), text(told(path), "stage")), ("over_limit", "read"));
        let reason = text(told(path), "reason");
        assert!(reason.contains("--read-holes") && reason.contains("jpeg"), "{reason}");
    }
    let mut zeros = vec![0; 1 << 24];
    zeros[..4].copy_from_slice(b"\xff\xd8\xff\xe0");
    let digest = |path: &str| {
        let items = cases.rows("CASE", "items");
        text(items.iter().find(|row| text(row, "path") == path).unwrap(), "sha256").to_string()
    };
    assert_eq!(digest("small.jpg"), hex(&Sha256::digest(&zeros)), "few holes are read");

    // The one that can be read is read on request.
    fs::remove_file(folder.join("huge.jpg")).unwrap();
    cases.summary("CASE", &["scan", source, "--quiet", "--read-holes"]);
    assert_eq!(digest("large.jpg").len(), 64);
}

/// A folder that is given twice, by two names, is one source; so is one whose name a later run spells differently.
#[cfg(target_os = "linux")]
#[test]
fn one_folder_is_one_source() {
    let cases = Cases::new();
    let (one, other) = (cases.path("one"), cases.path("other"));
    for path in [&one, &other] {
        fs::create_dir(path).unwrap();
    }
    fs::write(one.join("a.txt"), "a").unwrap();
    let mounted = Command::new("mount").arg("--bind").args([&one, &other]).status();
    if !mounted.is_ok_and(|status| status.success()) {
        support::skip("no right to mount");
        return;
    }
    let [one, other] = [&one, &other].map(|path| path.to_str().unwrap());
    let summary = cases.summary("CASE", &["scan", one, other, "--quiet"]);
    let again = cases.summary("CASE", &["scan", other, "--quiet"]);
    let below = run(["scan", &format!("{other}/a.txt"), "--case", cases.path("CASE").to_str().unwrap()]);
    let inside = run(["scan", one, "--case", &format!("{other}/CASE")]);
    let unmounted = Command::new("umount").arg(other).status().unwrap();
    assert_eq!((&summary["discovered"], &again["discovered"]), (&1.into(), &1.into()));
    assert!(errors(1, &below).contains("lies inside"));
    assert!(errors(2, &inside).contains("never writes into evidence"));
    assert!(unmounted.success());
}
