//! What may lie in a folder that is given as a case, and is refused and left unchanged: other programs' files, other
//! versions, cases that somebody changed; and cases whose creation was cut short, which are begun again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use rusqlite::types::Value;
use support::cli::{Cases, KNOWN, SEIZURE, tamis};
use support::faults::within;
use tamis::case::{
    CaseError, CaseIdentity, CaseReader, CaseStore, DatabaseError, HashSpec, NotACase, SchemaFault,
};
use tamis::decode::DecodeMode;
use tamis::pdq::Geometry;
use tamis::report::export::{ExportKind, export};
use tamis::report::rows::RowFormat;
use tamis::report::vics::{self, VicsForm};
use tamis::report::{case_uco, pdq_list};
use tamis::share::holder::Holder;
use tamis::source::digest::{hex, sha256_of};

const LIMIT: Duration = Duration::from_secs(60);

/// A folder's files and its own modification time.
type Picture = (SystemTime, BTreeMap<String, (SystemTime, Vec<u8>)>);

fn picture(folder: &Path) -> Picture {
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let (name, modified) =
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().modified());
        (name, (modified.unwrap(), fs::read(entry.path()).unwrap()))
    });
    (fs::metadata(folder).unwrap().modified().unwrap(), files.collect())
}

/// Every command that takes a case, about `case`; `good` is another one.
fn commands(case: &Path, good: &Path, scratch: &Path) -> Vec<Command> {
    let with_case = |arguments: &[&str]| {
        let mut command = tamis();
        command.args(arguments).arg("--case").arg(case);
        command
    };
    let mut all: Vec<Command> = [
        &["triage", SEIZURE, "--known", KNOWN, "--backend", "cpu", "--quiet"][..],
        &["scan", SEIZURE, "--backend", "cpu", "--quiet"],
        &["match", "--known", KNOWN, "--backend", "cpu", "--quiet"],
        &["stack", "--backend", "cpu", "--quiet"],
        &["report"],
    ]
    .into_iter()
    .map(with_case)
    .collect();
    for what in ["items", "hits", "errors", "priorities", "stacks", "vics", "vics-case", "pdq", "case-uco"] {
        all.push(with_case(&["export", what]));
    }
    let mut link = tamis();
    link.arg("link").args([good, case]).args(["--backend", "cpu"]);
    let mut share = with_case(&["share", "export", "--purpose", "test", "--to", "self"]);
    share.arg("-o").arg(scratch.join("package"));
    all.extend([link, share]);
    all
}

/// Each command must refuse the folder with one of the texts in `said`, and leave it unchanged.
fn refused_untouched(cases: &Cases, folder: &Path, good: &Path, said: &[&str]) {
    let before = picture(folder);
    for mut command in commands(folder, good, cases.0.path()) {
        let ended = within(LIMIT, &mut command);
        let told = format!("{command:?}: {ended:?}");
        assert_eq!(ended.code, Some(1), "{told}");
        assert!(said.iter().any(|said| ended.stderr.contains(said)), "{told}");
        assert!(picture(folder) == before, "it was changed: {told}");
    }
}

fn made(cases: &Cases, name: &str) {
    cases.summary(name, &["triage", SEIZURE, "--known", KNOWN, "--backend", "cpu", "--quiet"]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn what_is_no_case_of_ours_is_refused_and_left_as_it_is() {
    let cases = Cases::new();
    made(&cases, "good");
    let good = cases.path("good");
    let folder = |name: &str| {
        let folder = cases.path(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let another = ["is not a database of Tamis"];

    let text = folder("text");
    fs::write(text.join("case.sqlite"), "dear diary").unwrap();
    refused_untouched(&cases, &text, &good, &another);

    let empty = folder("empty");
    fs::write(empty.join("case.sqlite"), "").unwrap();
    refused_untouched(&cases, &empty, &good, &another);

    let theirs = folder("theirs");
    let database = Connection::open(theirs.join("case.sqlite")).unwrap();
    database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    drop(database);
    refused_untouched(&cases, &theirs, &good, &another);

    // In use, everything in its log.
    let live = folder("live");
    let database = Connection::open(live.join("case.sqlite")).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    refused_untouched(&cases, &live, &good, &another);
    let left = folder("left");
    for name in ["case.sqlite", "case.sqlite-wal"] {
        fs::copy(live.join(name), left.join(name)).unwrap();
    }
    refused_untouched(&cases, &left, &good, &another);

    for (name, version, way_out) in
        [("older", 2, "scan its sources again"), ("newer", 1000, "use the newer tamis")]
    {
        let folder = cases.path(name);
        copy(&good, &folder);
        let database = Connection::open(folder.join("case.sqlite")).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
        drop(database);
        refused_untouched(&cases, &folder, &good, &[way_out]);
    }
}

#[test]
fn a_case_that_holds_what_tamis_does_not_make_is_refused_by_name() {
    let cases = Cases::new();
    made(&cases, "good");
    let good = cases.path("good");
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS path FROM n";
    let crafted = [
        ("CREATE TRIGGER gone AFTER INSERT ON hit BEGIN DELETE FROM hit; END".to_string(), "its trigger gone"),
        ("CREATE TRIGGER late AFTER UPDATE ON run BEGIN DELETE FROM hit; END".into(), "its trigger late"),
        (format!("DROP VIEW hits; CREATE VIEW hits AS {endless}"), "its view hits"),
        (format!("DROP VIEW items; CREATE VIEW items AS {endless}"), "its view items"),
        (format!("DROP TABLE priority; CREATE VIEW priority AS {endless}"), "its view priority"),
        ("CREATE TABLE more (x)".into(), "its table more"),
        ("CREATE INDEX mine ON hit(record)".into(), "its index mine"),
        ("CREATE VIRTUAL TABLE words USING fts5(x)".into(), "its table words"),
        ("DROP INDEX item_sha256".into(), "no index item_sha256"),
        ("ALTER TABLE hit ADD COLUMN x GENERATED ALWAYS AS (record + 1)".into(), "its table hit"),
        ("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'camera_make      TEXT', 'camera_make      BLOB') WHERE name = 'content'".into(), "its table content"),
        ("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE nonsense' WHERE name = 'hits'".into(), "cannot be read"),
    ];
    for (number, (statements, name)) in crafted.iter().enumerate() {
        let folder = cases.path(&format!("crafted-{number}"));
        copy(&good, &folder);
        let database = Connection::open(folder.join("case.sqlite")).unwrap();
        database.execute_batch(statements).unwrap();
        drop(database);
        // All commands for the first; for the others those that write, read, and read both.
        if number == 0 {
            refused_untouched(&cases, &folder, &good, &[name]);
            continue;
        }
        let before = picture(&folder);
        for index in [0, 5, 14] {
            let command = &mut commands(&folder, &good, cases.0.path())[index];
            let ended = within(LIMIT, command);
            assert!(
                ended.code == Some(1) && ended.stderr.contains(name),
                "{statements}: {command:?}: {ended:?}"
            );
        }
        assert!(picture(&folder) == before, "{statements}");
    }
}

/// By kind, not by text.
#[test]
fn a_caller_can_distinguish_a_locked_case_from_one_of_another_version() {
    let cases = Cases::new();
    let (folder, other) = (cases.path("case"), cases.path("other"));
    let spec = HashSpec {
        algorithm: "pdq".into(),
        version: HashSpec::VERSION,
        geometry: Geometry::Full,
        decode: DecodeMode::Auto,
    };
    let open = |folder: &Path, identity| CaseStore::open_or_create(folder, &identity, &spec);
    let store = open(&folder, CaseIdentity { case_number: Some("K 17".into()), ..CaseIdentity::default() });
    let locked = CaseStore::open(&folder).unwrap_err();
    assert!(matches!(&locked, CaseError::Locked { folder: locked } if *locked == folder), "{locked:?}");
    assert!(locked.to_string().starts_with(folder.to_str().unwrap()), "{locked}");
    drop(store.unwrap());

    let identity = CaseIdentity { case_number: Some("K 18".into()), ..CaseIdentity::default() };
    let error = open(&folder, identity).unwrap_err();
    assert!(matches!(error, CaseError::IdentityContradicted { option: "--case-number", .. }), "{error:?}");
    let asked = HashSpec { geometry: Geometry::Te512, ..spec.clone() };
    let error = CaseStore::open_or_create(&folder, &CaseIdentity::default(), &asked).unwrap_err();
    assert!(matches!(&error, CaseError::SpecContradicted { stored, .. } if *stored == spec), "{error:?}");
    let error = CaseReader::open(&folder).unwrap().for_each_stack_item(|_| Ok(())).unwrap_err();
    assert!(matches!(error, CaseError::NoStacks { .. }), "{error:?}");

    let changed = |sql: &str| {
        Connection::open(folder.join("case.sqlite")).unwrap().execute_batch(sql).unwrap();
        CaseReader::open(&folder).unwrap_err()
    };
    let error = changed("CREATE INDEX mine ON hit(record)");
    let CaseError::ForeignSchema { fault, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(fault, SchemaFault::Unknown { name, .. } if name == "mine"), "{fault:?}");
    let error = changed("PRAGMA user_version = 1000");
    assert!(matches!(error, CaseError::OtherVersion { version: 1000, .. }), "{error:?}");
    let error = changed("PRAGMA application_id = 1");
    assert!(matches!(error, CaseError::NotACase { why: NotACase::AnotherProgram, .. }), "{error:?}");
    let error = CaseReader::open(&other).unwrap_err();
    assert!(matches!(error, CaseError::NotACase { why: NotACase::Missing, .. }), "{error:?}");
}

/// The cause of an error is available as a value too.
#[test]
fn an_error_returns_its_cause() {
    let cases = Cases::new();
    made(&cases, "case");
    let folder = cases.path("case");
    Connection::open(folder.join("case.sqlite"))
        .unwrap()
        .execute_batch("UPDATE set_record SET columns = '{'; UPDATE run SET state = x'ff'")
        .unwrap();
    let reader = CaseReader::open(&folder).unwrap();
    let damaged = reader.for_each_hit(|_| Ok::<_, CaseError>(())).unwrap_err();
    let cause = std::error::Error::source(&damaged).unwrap();
    assert!(cause.is::<serde_json::Error>(), "{damaged:?}");
    assert!(damaged.to_string().ends_with(&cause.to_string()), "{damaged}");
    let database = reader.runs().unwrap_err();
    assert!(std::error::Error::source(&database).unwrap().is::<DatabaseError>(), "{database:?}");
}

/// A trigger that is in the log alone.
#[test]
fn what_is_foreign_in_the_log_is_refused_too() {
    let cases = Cases::new();
    made(&cases, "good");
    let (good, open, folder) = (cases.path("good"), cases.path("open"), cases.path("crafted"));
    copy(&good, &open);
    let database = Connection::open(open.join("case.sqlite")).unwrap();
    database.execute_batch("CREATE TRIGGER gone AFTER INSERT ON hit BEGIN DELETE FROM hit; END").unwrap();
    fs::create_dir(&folder).unwrap();
    for name in ["case.sqlite", "case.sqlite-wal"] {
        fs::copy(open.join(name), folder.join(name)).unwrap();
    }
    assert!(fs::metadata(folder.join("case.sqlite-wal")).unwrap().len() > 0);
    for mut command in commands(&folder, &good, cases.0.path()) {
        let ended = within(LIMIT, &mut command);
        assert!(ended.code == Some(1) && ended.stderr.contains("its trigger gone"), "{command:?}: {ended:?}");
    }
}

#[test]
fn a_case_whose_making_was_cut_short_is_made_anew() {
    let cases = Cases::new();
    made(&cases, "whole");
    let expected = cases.exports("whole");
    let left = |name: &str, files: &[(&str, &[u8])]| {
        let folder = cases.path(name);
        fs::create_dir(&folder).unwrap();
        for (file, bytes) in files {
            fs::write(folder.join(file), bytes).unwrap();
        }
    };
    let whole = fs::read(cases.path("whole").join("case.sqlite")).unwrap();
    let page = &whole[..4096];
    let none: &[u8] = &[];
    left("blank", &[("case.lock", none), ("case.sqlite", none)]);
    left(
        "log",
        &[("case.lock", none), ("case.sqlite", none), ("case.sqlite-wal", none), ("case.sqlite-shm", page)],
    );
    left("unfinished", &[("case.lock", none), ("case.sqlite.new", page), ("case.sqlite.new-journal", page)]);
    left("lock", &[("case.lock", none)]);
    // As an older program left it: one page, in the write-ahead mode.
    left("page", &[("case.lock", none)]);
    let database = Connection::open(cases.path("page").join("case.sqlite")).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    drop(database);
    for name in ["blank", "log", "unfinished", "lock", "page"] {
        let said = within(LIMIT, tamis().args(["export", "items", "--case"]).arg(cases.path(name)));
        let told = ["holds no case yet", "has no case.sqlite"];
        assert!(
            said.code == Some(1) && told.iter().any(|told| said.stderr.contains(told)),
            "{name}: {said:?}"
        );
        made(&cases, name);
        assert_eq!(cases.exports(name), expected, "{name}");
        let left = picture(&cases.path(name)).1.into_keys().find(|name| name.starts_with("case.sqlite.new"));
        assert_eq!(left, None, "{name}");
    }
}

/// Cases of a released program stay readable: a schema whose text differs, even by one blank, is another version.
#[test]
fn another_schema_is_another_version() {
    let cases = Cases::new();
    made(&cases, "case");
    let database = Connection::open(cases.path("case").join("case.sqlite")).unwrap();
    let version: i32 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let text: Vec<String> = database
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(
        (version, hex(&sha256_of(text.join("\n").as_bytes())).as_str()),
        (4, "20a2720ff3b66a5bdb7f1ed64836cf869f74ad781b4fb489a8c8cfdf4219c770"),
        "cases of before are refused: raise SCHEMA_VERSION, unless it was raised since the last release, and put both here"
    );
}

/// Values that no run stores, in every column: each is refused or shown, and nothing panics.
#[test]
fn values_that_no_run_stores_are_refused_or_shown() {
    let cases = Cases::new();
    made(&cases, "good");
    let database = Connection::open(cases.path("good").join("case.sqlite")).unwrap();
    let columns: Vec<(String, String)> = database
        .prepare(
            "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1, 2",
        )
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    drop(database);
    assert!(columns.len() > 60);
    let hostile = [
        Value::Null,
        Value::Integer(-1),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(f64::INFINITY),
        Value::Text(String::new()),
        Value::Text("\u{202e}<script>{[\"9999-99-99T99:99:99Z".repeat(20_000)),
        Value::Blob(vec![0xff; 3]),
    ];
    std::panic::set_hook(Box::new(|_| {}));
    // Each column takes some of the values in turn; all of them where the whole table of docs/reliability.md is run.
    let full = std::env::var("TAMIS_RELIABILITY").is_ok_and(|wanted| wanted == "full");
    for (number, (table, column)) in columns.iter().enumerate() {
        for (_, value) in hostile.iter().enumerate().filter(|(index, _)| full || (index + number) % 6 == 0) {
            let folder = cases.path("hostile");
            copy(&cases.path("good"), &folder);
            let database = Connection::open(folder.join("case.sqlite")).unwrap();
            database
                .execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF")
                .unwrap();
            // If the column does not accept the value, such as NULL, there is nothing to test.
            let _ = database.execute(&format!("UPDATE OR IGNORE {table} SET {column} = ?1"), [value]);
            drop(database);
            let read = catch_unwind(AssertUnwindSafe(|| read_all(&folder)));
            assert!(read.is_ok(), "{table}.{column} = {:?}", value.data_type());
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    let _ = std::panic::take_hook();
}

/// Reads a case in every way there is; errors are valid results.
fn read_all(folder: &Path) {
    let Ok(reader) = CaseReader::open(folder) else { return };
    let kinds =
        [ExportKind::Items, ExportKind::Hits, ExportKind::Errors, ExportKind::Priorities, ExportKind::Stacks];
    for kind in kinds {
        let _ = export(&reader, kind, RowFormat::Csv, &mut Vec::new());
        let _ = export(&reader, kind, RowFormat::Jsonl, &mut Vec::new());
    }
    let _ = vics::write(&reader, VicsForm::Media, &mut Vec::new());
    let _ = vics::write(&reader, VicsForm::Case, &mut Vec::new());
    let _ = pdq_list::write(&reader, &mut Vec::new());
    let _ = case_uco::write(&reader, &mut Vec::new());
    let page = tamis::report::page::PageOptions {
        language: tamis::report::page::language::Language::English,
        max_rows: 1000,
        pictures: None,
    };
    let _ = tamis::report::page::write(&reader, &page, &mut |_, _| {}, &mut Vec::new());
    let _ = (reader.identity(), reader.spec(), reader.source_paths(), reader.incomplete_sources());
    let _ = Holder::of_case(reader, "A", 50);
    if let Ok(store) = CaseStore::open(folder) {
        let settings = tamis::case::StackSettings { distance: 31, min_quality: 50 };
        let _ = (store.rules(), store.stack_settings(), store.stackable(settings, &|_| true));
        let _ = store.contents_of_list(1, tamis::case::ContentId(0), 1000);
    }
}
