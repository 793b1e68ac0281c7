//! Files that change, disappear and come back between runs: content that no file has any more is in no figure, stack,
//! report or export.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use image::imageops::FilterType;
use md5::{Digest, Md5};
use serde_json::Value;
use support::cli::{Cases, errors, export, tamis, text};
use support::scene::render;

struct Lab {
    cases: Cases,
    seized: PathBuf,
}

impl Lab {
    /// Three scenes in four sizes each, so that there are three stacks, and a list that knows two of each.
    fn new() -> Self {
        let cases = Cases::new();
        let seized = cases.path("seized");
        fs::create_dir(&seized).unwrap();
        let mut known = String::new();
        for scene in 0..3 {
            let picture = image::DynamicImage::from(render(scene, 400, 300));
            for number in 0..4 {
                let path = seized.join(format!("{scene}-{number}.png"));
                picture
                    .resize_exact(320 - 20 * number, 240 - 10 * number, FilterType::Triangle)
                    .save(&path)
                    .unwrap();
                if number < 2 {
                    let digest = Md5::digest(fs::read(&path).unwrap());
                    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                    known.push_str(&format!("{hex}  known-{scene}-{number}\n"));
                }
            }
        }
        fs::write(cases.path("known.md5"), known).unwrap();
        Self { cases, seized }
    }

    fn triage(&self, case: &str) -> Value {
        let [seized, known] = [self.seized.clone(), self.cases.path("known.md5")];
        let arguments = ["triage", seized.to_str().unwrap(), "--known", known.to_str().unwrap(), "--quiet"];
        self.cases.summary(case, &arguments)
    }

    /// The output of every command on a case, with the summary of the last triage.
    fn told(&self, case: &str, summary: &Value) -> Vec<(String, String)> {
        let folder = self.cases.path(case);
        let mut told: Vec<(String, String)> = ["items", "hits", "errors", "priorities", "stacks"]
            .map(|what| (what.to_string(), export(&folder, what, "csv")))
            .into();
        let mut add = |name: &str, arguments: &[&str]| {
            let path = self.cases.path(&format!("{case}.{name}"));
            let mut command = tamis();
            command.env("TAMIS_KEYS_DIR", self.cases.path("keys")).env("TAMIS_PASSPHRASE", "x y z");
            command.args(arguments).arg("--output").arg(&path);
            errors(0, &command.output().unwrap());
            told.push((name.to_string(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        };
        let folder = folder.to_str().unwrap();
        let other = self.cases.path("OTHER");
        for what in ["vics", "vics-case", "pdq", "case-uco"] {
            add(what, &["export", what, "--case", folder]);
        }
        add("report", &["report", "--case", folder]);
        add("link", &["link", folder, other.to_str().unwrap()]);
        add("share", &["share", "export", "--case", folder]);
        let counts =
            ["outcomes", "hash_sets", "items_with_hits", "pictures_without_hits", "priorities", "distances"];
        told.extend(counts.map(|name| (name.to_string(), summary[name].to_string())));
        told
    }

    /// The medoids' paths, by stack.
    fn medoids(&self, case: &str) -> Vec<String> {
        let rows = self.cases.rows(case, "stacks");
        rows.iter().filter(|row| row["medoid"] == true).map(|row| text(row, "path").to_string()).collect()
    }
}

/// Whether an export is the same for two cases with the same content. The others record when files were read,
/// when they were written, or by which runs.
fn same(what: &str) -> bool {
    !["report", "share", "case-uco", "vics", "vics-case", "link"].contains(&what)
}

/// The part of an export that is compared: everything but the times of items, which change with the files.
fn compared(what: &str, export: &str) -> String {
    if what != "items" {
        return export.into();
    }
    let mut rows = csv::Reader::from_reader(export.as_bytes());
    let names = rows.headers().unwrap().clone();
    let is_time = |name: &str| ["modified", "accessed", "created"].contains(&name);
    let kept = |row: &csv::StringRecord| {
        let fields = names.iter().zip(row).filter(|(name, _)| !is_time(name));
        fields.map(|(_, field)| format!("{field},")).collect::<String>()
    };
    rows.records().map(|row| kept(&row.unwrap()) + "\n").collect()
}

/// One column of an export, one value per line.
fn column(export: &str, name: &str) -> String {
    let mut rows = csv::Reader::from_reader(export.as_bytes());
    let index = rows.headers().unwrap().iter().position(|header| header == name).unwrap();
    rows.records().map(|row| row.unwrap()[index].to_string() + "\n").collect()
}

#[test]
fn what_no_file_has_any_more_is_nowhere() {
    let lab = Lab::new();
    let new_key = ["key", "new", "--name", "Jo", "--agency", "Lab", "--contact", "x@y.example"];
    let mut command = tamis();
    command.env("TAMIS_KEYS_DIR", lab.cases.path("keys")).env("TAMIS_PASSPHRASE", "x y z").args(new_key);
    errors(0, &command.output().unwrap());
    lab.triage("OTHER");
    let first = lab.triage("CASE");
    let before = lab.told("CASE", &first);
    let medoids = lab.medoids("CASE");
    assert_eq!(medoids.len(), 3, "{medoids:?}");

    // The file of each medoid, and all files but one of one stack, now hold other pictures.
    let kept: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&lab.seized)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let names = || kept.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap());
    let whole = &medoids[2][..1];
    let alone = names().find(|name| name.starts_with(whole) && *name != medoids[2]).unwrap();
    let changed: BTreeSet<&str> = names()
        .filter(|name| medoids.iter().any(|medoid| medoid == name) || name.starts_with(whole))
        .filter(|name| *name != alone)
        .collect();
    for (number, name) in changed.iter().enumerate() {
        render(50 + number as u64, 200 + number as u32, 150).save(lab.seized.join(name)).unwrap();
    }
    let gone = kept.iter().map(|(path, _)| path).find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        !changed.contains(name)
    });
    let gone = gone.unwrap().clone();

    // A scan alone leaves the stacks unchanged, except for deleted files.
    let arguments = ["scan", lab.seized.to_str().unwrap(), "--quiet"];
    let scanned = lab.cases.summary("CASE", &arguments);
    lab.told("CASE", &scanned);
    let rows = lab.cases.rows("CASE", "stacks");
    assert!(rows.iter().all(|row| !changed.contains(text(row, "path"))), "{rows:?}");
    assert_eq!(lab.medoids("CASE").len(), 2, "one content is not a stack");
    for row in &rows {
        let same = rows.iter().filter(|other| other["stack"] == row["stack"]).count();
        assert_eq!(row["stack_contents"].as_u64(), Some(same as u64), "{row}");
    }
    // Priorities have the same stacks, and none for a content that is left alone in its stack.
    let stacked = |rows: &[Value]| -> BTreeSet<(String, String)> {
        let stacked = rows.iter().filter(|row| !row["stack"].is_null());
        let stack = |row: &Value| format!("{} of {}", row["stack"], row["stack_contents"]);
        stacked.map(|row| (text(row, "path").to_string(), stack(row))).collect()
    };
    let priorities = lab.cases.rows("CASE", "priorities");
    assert_eq!(stacked(&priorities), stacked(&rows));
    assert!(priorities.len() > rows.len());

    // As if the case were new, in everything that does not name the case.
    let again = lab.triage("CASE");
    let now = lab.told("CASE", &again);
    let fresh = lab.triage("FRESH");
    let expected = lab.told("FRESH", &fresh);
    for ((what, now), (_, expected)) in now.iter().zip(&expected).filter(|((what, _), _)| same(what)) {
        assert_eq!(compared(what, now), compared(what, expected), "{what}");
    }
    // The twin that must fail: it was another case before.
    assert!(now.iter().zip(&before).any(|(now, before)| same(&now.0) && now != before));
    let old: BTreeSet<String> = digests(&before[0].1).difference(&digests(&now[0].1)).cloned().collect();
    assert_eq!(old.len(), changed.len());
    for (what, now) in &now {
        // The other case of a link still has them.
        let now = if what == "link" { column(now, "sha256_a") } else { now.clone() };
        assert!(old.iter().all(|digest| !now.contains(digest)), "{what}");
    }

    // A file that is deleted stays an item: a case is a record of what was found.
    fs::remove_file(&gone).unwrap();
    let deleted = lab.triage("CASE");
    assert_eq!(lab.told("CASE", &deleted), unchanged(&now, &lab.told("CASE", &deleted)));

    // The files are restored.
    for (path, bytes) in &kept {
        fs::write(path, bytes).unwrap();
    }
    let restored = lab.triage("CASE");
    let now = lab.told("CASE", &restored);
    for ((what, now), (_, before)) in now.iter().zip(&before).filter(|((what, _), _)| same(what)) {
        assert_eq!(compared(what, now), compared(what, before), "{what}");
    }
}

/// `now` for exports that name no time or run, otherwise `then`.
fn unchanged(now: &[(String, String)], then: &[(String, String)]) -> Vec<(String, String)> {
    now.iter().zip(then).map(|(now, then)| if same(&now.0) { now.clone() } else { then.clone() }).collect()
}

/// The SHA-256s of an export of items.
fn digests(items: &str) -> BTreeSet<String> {
    let mut rows = csv::Reader::from_reader(items.as_bytes());
    let column = rows.headers().unwrap().iter().position(|name| name == "sha256").unwrap();
    rows.records().map(|row| row.unwrap()[column].to_string()).collect()
}
