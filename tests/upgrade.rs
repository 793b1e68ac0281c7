//! `tamis upgrade`: a case that the program of schema 3 wrote (`tests/data/make_case_3.sh`), against what that program exported of it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use support::cli::{Cases, errors, expect, tamis};

mod support;

/// Columns that have another name since.
const RENAMED: [(&str, &str); 7] = [
    ("decode_path", "derived_from"),
    ("pixels_because", "fallback_reason"),
    ("known_set", "hash_set"),
    ("known_set_sha256", "hash_set_sha256"),
    ("verdict", "confirmation"),
    ("unconfirmed_because", "unconfirmed_reason"),
    ("known_set_2", "hash_set_2"),
];
/// Columns that are new, and their value for every item, or hit by hash, of that case.
const NEW: [(&str, &str); 5] =
    [("state", "live"), ("partial", ""), ("children", "0"), ("refused", "0"), ("view", "picture")];

/// Standard error of the program in the folder of the cases.
fn run(cases: &Cases, code: i32, arguments: &[&str]) -> String {
    errors(code, &tamis().current_dir(cases.path("")).args(arguments).output().unwrap())
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/case-3").join(name)
}

/// The old case, in a folder of its own.
fn old_case(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let database = Connection::open(folder.join("case.sqlite")).unwrap();
    // The dump has its tables in the order of their names.
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute_batch(&fs::read_to_string(data("case.sql")).unwrap()).unwrap();
    drop(database);
    fs::write(folder.join("case.lock"), "").unwrap();
}

fn read(bytes: &[u8]) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(bytes).deserialize().map(Result::unwrap).collect()
}

/// What the old program exported, under the names of today.
fn expected(kind: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = read(&fs::read(data(&format!("{kind}.csv"))).unwrap());
    for row in &mut rows {
        for (old, now) in RENAMED {
            if let Some(value) = row.remove(old) {
                row.insert(now.into(), value);
            }
        }
        if let Some(outcome) = row.get_mut("outcome") {
            *outcome = outcome.replace("not_a_picture", "other").replace("crashed_decoder", "crashed");
        }
    }
    rows
}

#[test]
fn exports_of_an_upgraded_case_are_those_of_before() {
    let cases = Cases::new();
    old_case(&cases.path("old"));
    let before = fs::read(cases.path("old/case.sqlite")).unwrap();
    run(&cases, 0, &["upgrade", "old", "new"]);
    assert_eq!(fs::read(cases.path("old/case.sqlite")).unwrap(), before, "the old case is only read");
    for kind in ["items", "hits", "priorities", "stacks"] {
        let output =
            tamis().current_dir(cases.path("")).args(["export", kind, "--case", "new"]).output().unwrap();
        let mut rows = read(&expect(0, &output).into_bytes());
        for row in &mut rows {
            for (name, value) in NEW {
                let Some(found) = row.remove(name) else { continue };
                let read = row.get("sha256").is_some_and(|digest| !digest.is_empty());
                let near = row.get("distance").is_some_and(|distance| !distance.is_empty());
                let applies = match name {
                    "state" | "partial" => true,
                    "view" => near,
                    _ => read,
                };
                assert_eq!(found, if applies { value } else { "" }, "{kind}, {name}");
            }
        }
        assert_eq!(rows, expected(kind), "{kind}");
        assert!(!rows.is_empty(), "{kind}");
    }
}

/// What the upgraded case holds is not done again.
#[test]
fn an_upgraded_case_is_gone_on_with() {
    let cases = Cases::new();
    old_case(&cases.path("old"));
    run(&cases, 0, &["upgrade", "old", "new"]);
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/known.csv");
    let summary = cases.summary("new", &["match", "--known", known.to_str().unwrap(), "--quiet"]);
    assert_eq!(summary["run"]["matched"], 0, "{summary}");
    assert_eq!(summary["hash_sets"][0]["unmatched"], 0, "{summary}");
    let runs: i64 = Connection::open(cases.path("new/case.sqlite"))
        .unwrap()
        .query_row("SELECT count(*) FROM run WHERE command IN ('triage', 'stack')", [], |row| row.get(0))
        .unwrap();
    assert_eq!(runs, 2);
}

#[test]
fn what_cannot_be_upgraded_is_refused_with_the_way_out() {
    let cases = Cases::new();
    old_case(&cases.path("old"));
    let told = run(&cases, 1, &["export", "items", "--case", "old"]);
    assert!(told.contains("schema version 3") && told.contains("`tamis upgrade old NEW`"), "{told}");
    // There is no upgrade of what is new, or is not a case.
    run(&cases, 0, &["upgrade", "old", "new"]);
    for (arguments, what) in [
        (["upgrade", "new", "newer"], "has schema version 4 already (use it as it is)"),
        (["upgrade", "old", "new"], "holds a case already"),
        (["upgrade", "nothing", "newer"], "there is no case here"),
    ] {
        let told = run(&cases, 1, &arguments);
        assert!(told.contains(what), "{told}");
    }
    let change = |name: &str, sql: &str| {
        old_case(&cases.path(name));
        Connection::open(cases.path(name).join("case.sqlite")).unwrap().execute_batch(sql).unwrap();
        run(&cases, 1, &["upgrade", name, "newer"])
    };
    let told = change("two", "PRAGMA user_version = 2");
    assert!(told.contains("scan its sources again into a new case folder"), "{told}");
    let told = change("five", "PRAGMA user_version = 5");
    assert!(told.contains("use the newer tamis"), "{told}");
    let told = change("foreign", "CREATE INDEX mine ON content(size)");
    assert!(told.contains("its schema is not one that Tamis wrote"), "{told}");
    assert!(!cases.path("newer/case.sqlite").exists(), "what is refused leaves no case");
}
