//! From VICS to a set, to hits, and back to VICS: nothing of a record is lost or changed on the way.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use md5::{Digest, Md5};
use serde_json::{Value, json};
use support::cli::{Cases, errors, expect, run};
use support::known::{fixture, made_up};
use support::scene::render;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn media_of(document: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap();
    assert!(document["@odata.context"].as_str().unwrap().ends_with("#Media"));
    document["value"].as_array().unwrap().clone()
}

fn export(case: &Path, what: &str) -> String {
    expect(0, &run(["export", what, "--case", text(case)]))
}

fn by_md5(media: &[Value]) -> BTreeMap<String, Value> {
    let key = |media: &Value| media["MD5"].as_str().unwrap_or_default().to_ascii_lowercase();
    media.iter().map(|media| (key(media), media.clone())).collect()
}

#[test]
fn records_come_back_field_by_field() {
    for (name, profile) in [("vics-1.3.json", "vic-legacy"), ("vics-2.0.json", "vic-us")] {
        let cases = Cases::new();
        // Files with the bytes of the fixture's digests.
        let seizure = cases.path("seizure");
        fs::create_dir(&seizure).unwrap();
        for number in 0..40 {
            fs::write(seizure.join(format!("{number}.bin")), made_up(number)).unwrap();
        }
        let set = cases.path("vics.set");
        errors(
            0,
            &run(["known", "import", text(&fixture(name)), "--profile", profile, "--output", text(&set)]),
        );
        let case = cases.path("case");
        cases.summary("case", &["triage", text(&seizure), "--known", text(&set)]);

        let source: Value =
            serde_json::from_str(fs::read_to_string(fixture(name)).unwrap().trim_start_matches('\u{feff}'))
                .unwrap();
        let source = source["value"].as_array().unwrap();
        let back = by_md5(&media_of(&export(&case, "vics")));
        let known = by_md5(source);
        let mut met = 0;
        for number in 0..40 {
            let md5: String = Md5::digest(made_up(number)).iter().map(|byte| format!("{byte:02x}")).collect();
            let Some(record) = known.get(&md5) else { continue };
            assert_eq!(back[&md5], *record, "{name}, {number}");
            met += 1;
        }
        assert!(met >= 3, "{met} of {name}'s records were matched");
        // And what was written is a set again, of the same records.
        let again = cases.path("again.json");
        fs::write(&again, export(&case, "vics")).unwrap();
        let set = cases.path("again.set");
        errors(0, &run(["known", "import", text(&again), "--profile", profile, "--output", text(&set)]));
        let shown = expect(0, &run(["known", "show", text(&set)]));
        assert!(shown.contains(&back.len().to_string()), "{shown}");
    }
}

#[test]
fn pictures_have_their_hashes_and_what_they_are_near_to() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir(&seizure).unwrap();
    for (name, seed) in [("known.png", 1), ("near.png", 2), ("new.png", 3)] {
        render(seed, 300, 200).save(seizure.join(name)).unwrap();
    }
    fs::copy(seizure.join("new.png"), seizure.join("copy.png")).unwrap();
    fs::write(seizure.join("letter.txt"), "no media").unwrap();
    let hash = |name: &str| expect(0, &run(["hash", "--quiet", text(&seizure.join(name))]))[..64].to_string();
    let md5 = |name: &str| -> String {
        Md5::digest(fs::read(seizure.join(name)).unwrap()).iter().map(|byte| format!("{byte:02X}")).collect()
    };
    let known = json!({ "MediaID": 7, "Category": 1, "MD5": md5("known.png"), "Tags": "a\u{e9}\"", "MediaSize": "12",
        "AlternativeHashes": [{ "HashName": "Other", "HashValue": "x" }],
        "MediaFiles": [{ "FileName": "theirs.jpg" }] });
    let near = json!({ "MediaID": 900, "Category": 2, "MD5": "00000000000000000000000000000001", "Series": "S",
        "AlternativeHashes": [{ "HashName": "PDQ", "HashValue": hash("near.png") }] });
    let records = json!({ "value": [known, near] });
    fs::write(cases.path("set.json"), records.to_string()).unwrap();
    let (json, set, case) = (cases.path("set.json"), cases.path("set.set"), cases.path("case"));
    let import =
        ["known", "import", text(&json), "--format", "vics", "--profile", "vic-us", "--output", text(&set)];
    errors(0, &run(import));
    let identity = ["--case-number", "2026/\"7\"", "--examiner", "E"];
    let triage = ["triage", text(&seizure), "--known", text(&set)];
    cases.summary("case", &[&triage[..], &identity[..]].concat());

    let media = by_md5(&media_of(&export(&case, "vics")));
    assert_eq!(media.len(), 3, "distinct media; a letter is none");
    // The record as it was, and our hash behind its own hashes.
    let mut expected = known.clone();
    expected["AlternativeHashes"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "HashName": "PDQ", "HashValue": hash("known.png") }));
    assert_eq!(media[&md5("known.png").to_lowercase()], expected);
    let found = &media[&md5("near.png").to_lowercase()];
    assert!(
        found["Comments"]
            .as_str()
            .unwrap()
            .contains("record 2 of set: distance 0 of 256, orientation original")
    );
    assert!(found.get("Category").is_none() && found.get("Series").is_none(), "{found}");
    let new = &media[&md5("new.png").to_lowercase()];
    assert_eq!(new["AlternativeHashes"][0], json!({ "HashName": "PDQ", "HashValue": hash("new.png") }));
    assert!(new.get("MediaFiles").is_none() && new.get("Comments").is_none());
    // Our own numbers do not collide with those of records, and are unique.
    let mut numbers: Vec<u64> = media.values().map(|media| media["MediaID"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [7, 8, 9]);

    let document: Value = serde_json::from_str(&export(&case, "vics-case")).unwrap();
    let whole = &document["value"][0];
    assert_eq!(
        (whole["CaseNumber"].as_str(), whole["ContactName"].as_str()),
        (Some("2026/\"7\""), Some("E"))
    );
    assert_eq!(whole["TotalMediaFiles"].as_u64(), Some(3));
    let media = by_md5(whole["Media"].as_array().unwrap());
    let files = |name: &str| -> Vec<String> {
        let media = &media[&md5(name).to_lowercase()];
        media["MediaFiles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["FileName"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(files("new.png"), ["copy.png", "new.png"]);
    assert_eq!(files("known.png"), ["known.png"], "files of another case are not this one's");
    assert_eq!(export(&case, "vics-case"), export(&case, "vics-case"));

    // The list of hashes is read as a hash set.
    let list = export(&case, "pdq");
    assert_eq!(list.lines().count(), 4);
    let path = cases.path("hashes.txt");
    fs::write(&path, &list).unwrap();
    let summary = cases.summary("other", &["triage", text(&seizure), "--known", text(&path)]);
    assert_eq!(summary["items_with_hits"].as_u64(), Some(4));
    errors(2, &run(["export", "vics", "--format", "jsonl", "--case", text(&case)]));
}

/// A name that a spreadsheet would calculate.
#[test]
fn csv_holds_no_formulas() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir(&seizure).unwrap();
    let names = ["=cmd|' -C calc'!A0.txt", "+1.txt", "-1.txt", "@SUM(A1).txt", "\u{ff1d}1.txt", "fine=.txt"];
    for name in names {
        fs::write(seizure.join(name), "x").unwrap();
    }
    cases.summary("case", &["scan", text(&seizure)]);
    let case = cases.path("case");
    let csv = export(&case, "items");
    let jsonl = cases.rows("case", "items");
    for name in names {
        let guarded = if name.starts_with("fine") { name.to_string() } else { format!("'{name}") };
        assert!(csv.contains(&format!(",{guarded},")), "{guarded}: {csv}");
        assert!(jsonl.iter().any(|row| row["path"] == *name), "other forms have it as it is");
    }
    let paths = csv.lines().filter_map(|line| line.split(',').nth(1));
    assert!(
        paths.clone().count() > 6 && !paths.into_iter().any(|path| path.starts_with(['=', '+', '-', '@']))
    );
}

/// Two sets that both number from 7, and names that are escaped.
#[test]
fn numbers_are_unique_and_names_are_whole() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir_all(seizure.join("folder")).unwrap();
    let files = [("folder/a\nb.bin", "one"), ("folder/c.bin", "two")];
    let mut sets = Vec::new();
    for (number, (name, bytes)) in files.iter().enumerate() {
        fs::write(seizure.join(name), bytes).unwrap();
        let md5: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let records =
            json!({ "value": [{ "MediaID": 18_446_744_073_709_551_615_u64, "Category": 1, "MD5": md5 }] });
        let [json, set] = ["json", "set"].map(|ending| cases.path(&format!("{number}.{ending}")));
        fs::write(&json, records.to_string()).unwrap();
        let import = [
            "known",
            "import",
            text(&json),
            "--format",
            "vics",
            "--profile",
            "vic-us",
            "--output",
            text(&set),
        ];
        errors(0, &run(import));
        sets.push(set);
    }
    render(4, 300, 200).save(seizure.join("new.png")).unwrap();
    cases.summary("case", &["triage", text(&seizure), "--known", text(&sets[0]), text(&sets[1])]);
    let document: Value = serde_json::from_str(&export(&cases.path("case"), "vics-case")).unwrap();
    let media = document["value"][0]["Media"].as_array().unwrap();
    let mut numbers: Vec<u64> = media.iter().map(|media| media["MediaID"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, u64::MAX]);
    let names: Vec<&str> =
        media.iter().map(|media| media["MediaFiles"][0]["FileName"].as_str().unwrap()).collect();
    assert!(names.contains(&"a\\nb.bin"), "{names:?}");
}

/// A field of a record may have the name of a column of hits.
#[test]
fn no_column_of_hits_is_duplicate() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir(&seizure).unwrap();
    fs::write(seizure.join("a.bin"), "xy").unwrap();
    let md5: String = Md5::digest("xy").iter().map(|byte| format!("{byte:02x}")).collect();
    let list = cases.path("list.csv");
    fs::write(&list, format!("md5,set,quality_2,set_sha256\n{md5},a,b,c\n")).unwrap();
    cases.summary("case", &["triage", text(&seizure), "--known", text(&list)]);
    let header = export(&cases.path("case"), "hits").lines().next().unwrap().to_string();
    let mut names: Vec<&str> = header.split(',').collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{header}");
    assert!(names.contains(&"known_set") && names.contains(&"hash_set"), "{header}");
}

/// Of records with conflicting facts about their bytes the first is exported, and a warning counts it. Field names come back as written,
/// even undecodable ones.
#[test]
fn records_that_disagree_are_counted() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir(&seizure).unwrap();
    for number in [1, 2] {
        fs::write(seizure.join(format!("{number}.bin")), made_up(number)).unwrap();
    }
    let record = |id: u32, number: u32, category: u32| {
        let md5: String = Md5::digest(made_up(number)).iter().map(|byte| format!("{byte:02X}")).collect();
        format!(r#"{{"MediaID":{id},"MD5":"{md5}","Category":{category},"\ud800":{id}}}"#)
    };
    for (case, second, disputed) in [("agree", 2, false), ("differ", 1, true)] {
        let records = [record(7, 1, 2), record(8, 1, second), record(9, 2, 3)].join(",");
        let (source, set) = (cases.path(&format!("{case}.json")), cases.path(&format!("{case}.set")));
        let head = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media";
        fs::write(&source, format!(r#"{{"@odata.context":"{head}","value":[{records}]}}"#)).unwrap();
        let import = ["known", "import", text(&source), "--profile", "vic-us", "--output", text(&set)];
        errors(0, &run(import));
        cases.summary(case, &["triage", text(&seizure), "--known", text(&set)]);
        for form in ["vics", "vics-case"] {
            let exported = run(["export", form, "--case", text(&cases.path(case))]);
            let told = errors(0, &exported);
            assert_eq!(told.contains("the known records of 1 media disagree"), disputed, "{told}");
            let document = expect(0, &exported);
            for whole in [r#""MediaID":7,"#, r#""Category":2,"\ud800":7"#, r#""Category":3,"\ud800":9"#] {
                assert!(document.contains(whole), "{whole}: {document}");
            }
            assert!(!document.contains(r#""\ud800":8"#), "{document}");
        }
    }
}
