//! Importing published lists: every format field by field, the commands, and hits from set files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use rusqlite::Connection;
use sha2::{Digest, Sha256};
use support::cli::{Cases, errors, expect, run, tamis, text};
use support::known::{Sets, fixture, made_up, md5, options, pdq, sha1, sha256};
use support::python;
use tamis::known::profile::{Classification, Profile};
use tamis::known::{ColumnMap, SetFile};
use tamis::source::digest::hex;

/// A category, its classification, victim identified, offender identified, distributed, series.
type Shown = (Option<String>, Option<Classification>, [Option<bool>; 3], Option<String>);

fn shown(set: &SetFile, record: u32) -> Shown {
    let facts = set.record(record).unwrap().facts.into_owned();
    (
        facts.category.map(|text| text.to_string()),
        facts.classification,
        [facts.victim_identified, facts.offender_identified, facts.distributed],
        facts.series.map(|text| text.to_string()),
    )
}

fn some(text: &str) -> Option<String> {
    Some(text.to_string())
}

#[test]
fn vics_records_field_by_field() {
    let sets = Sets::new();
    let set = sets.set(&["vics-1.3.json"], &options("vic-us"));
    assert_eq!(set.records(), 4);
    let (yes, no) = (Some(true), Some(false));
    let expected = [
        (some("1"), Some(Classification::ChildAbuse), [yes, no, yes], some("Série \"Ω\"")),
        (some("2"), Some(Classification::ChildExploitation), [None; 3], None),
        (some("5"), Some(Classification::Uncategorised), [None; 3], None),
        (None, None, [None; 3], None),
    ];
    for (number, expected) in expected.into_iter().enumerate() {
        assert_eq!(shown(&set, number as u32), expected, "{number}");
    }
    assert_eq!(set.record(0).unwrap().media_size, Some(4096));
    assert_eq!(set.record(0).unwrap().facts.precategorized, Some(true));
    assert_eq!(set.record(1).unwrap().media_size, Some(5000));
    for number in 1..=4 {
        assert_eq!(set.find_md5(&md5(number)).unwrap(), [number - 1]);
    }
    assert_eq!(set.find_sha1(&sha1(1)).unwrap(), [0]);
    assert_eq!(set.find_sha1(&sha1(3)).unwrap(), [] as [u32; 0]);
    let values = set.photodna().unwrap();
    assert_eq!(values.len(), 1);
    assert_eq!(values[0].0, 1);
    let counts = set.manifest().counts;
    assert_eq!((counts.md5, counts.sha1, counts.photodna, counts.photodna_unread), (4, 2, 1, 1));
    let about = serde_json::to_string(&set.manifest().sources[0].about).unwrap();
    assert_eq!(about, r#"{"odata.metadata":"http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media"}"#);
}

#[test]
fn the_legacy_profile_swaps_zero_and_five() {
    let sets = Sets::new();
    let set = sets.set(&["vics-1.3.json"], &options("vic-legacy"));
    assert_eq!(shown(&set, 2).1, Some(Classification::NonPertinent));
}

#[test]
fn vics_two_and_its_other_hashes() {
    let sets = Sets::new();
    let set = sets.set(&["vics-2.0.json"], &options("vic-us"));
    let hashes: Vec<_> = set
        .hashes()
        .unwrap()
        .into_iter()
        .map(|known| (known.record, known.hash.to_bytes(), known.quality))
        .collect();
    assert_eq!(hashes, [(0, pdq(11), None)]);
    assert_eq!(set.find_sha256(&sha256(12)).unwrap(), [1]);
    assert_eq!(set.find_md5(&md5(1)).unwrap(), [2]);
}

#[test]
fn the_form_of_cases() {
    let sets = Sets::new();
    let set = sets.set(&["vics-case.json"], &options("vic-us"));
    assert_eq!(set.records(), 3);
    assert_eq!([21, 22, 23].map(|number| set.find_md5(&md5(number)).unwrap()), [vec![0], vec![1], vec![2]]);
    let cases = &set.manifest().sources[0].about["cases"];
    let ids: Vec<_> = cases.as_array().unwrap().iter().map(|case| case["CaseID"].as_str().unwrap()).collect();
    assert_eq!(ids, ["c-1", "c-2", "c-3"]);
    assert_eq!(cases[0]["CaseMetadata"][0]["PropertyValue"], "v");
    assert!(cases[0].get("Media").is_none());
}

/// Python's parser is the oracle: what comes out of the set is what it reads from the source.
#[test]
fn every_field_of_a_vics_record_is_kept() {
    if !python::has("json") {
        return;
    }
    let script = "import json,sys\nd=json.load(open(sys.argv[1],encoding='utf-8-sig'))['value']\n\
                  r=[m for c in d for m in c['Media']] if 'Media' in d[0] else d\n\
                  for m in r: print(json.dumps([[k,v] for k,v in m.items()]))";
    for name in ["vics-1.3.json", "vics-2.0.json", "vics-case.json", "caid.json"] {
        let sets = Sets::new();
        let set = sets.set(&[name], &options(if name == "caid.json" { "caid" } else { "vic-us" }));
        let output = Command::new("python3").args(["-c", script]).arg(fixture(name)).output().unwrap();
        let theirs = expect(0, &output);
        let pairs = "import json,sys\nfor l in sys.stdin: print(json.dumps([[k,v] for k,v in json.loads(l).items()]))";
        let mut ours: Vec<String> = Vec::new();
        for number in 0..set.records() {
            // One line per record: Python reads it again, keys in their order.
            let fields = set.record(number as u32).unwrap().fields.replace(['\r', '\n'], " ");
            let mut child = Command::new("python3")
                .args(["-c", pairs])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(fields.as_bytes()).unwrap();
            ours.push(expect(0, &child.wait_with_output().unwrap()).trim_end().to_string());
        }
        assert_eq!(ours, theirs.lines().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn caid_has_a_profile_of_its_own() {
    let sets = Sets::new();
    let set = sets.set(&["caid.json"], &options("caid"));
    let label = |record| {
        let category = set.record(record).unwrap().facts.category.map(|text| text.to_string());
        set.manifest().profile.category(category.as_deref()).unwrap().unwrap().label.clone()
    };
    assert_eq!([label(0), label(1)], ["Category A", "Category C"]);
}

#[test]
fn icse_rows() {
    let sets = Sets::new();
    let set = sets.set(&["icse.csv"], &options("interpol-baseline"));
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(
        shown(&set, 0),
        (some("true"), Some(Classification::ChildAbuse), [yes, no, yes], some("Series; one"))
    );
    assert_eq!(
        shown(&set, 1),
        (some("false"), Some(Classification::ChildExploitation), [None, None, no], None)
    );
    assert_eq!(shown(&set, 2).0, None);
    assert_eq!([41, 42, 43].map(|number| set.find_md5(&md5(number)).unwrap()), [vec![0], vec![1], vec![2]]);
    assert_eq!(set.photodna().unwrap().len(), 1);
    let fields: serde_json::Value = serde_json::from_str(&set.record(0).unwrap().fields).unwrap();
    assert_eq!(fields["Investigation name"], "Operation \"\"X\"\"");
    assert_eq!(fields["Agency"], "Agency");
    assert_eq!(set.manifest().sources[0].format, "icse");
}

#[test]
fn ncmec_entries_and_what_withdraws_them() {
    let sets = Sets::new();
    let set = sets.set(&["ncmec-1.xml", "ncmec-2.xml"], &options("ncmec"));
    // Three entries and a deletion, then two deletions round an entry.
    let withdrawn: Vec<bool> = (0..7).map(|record| set.record(record).unwrap().facts.withdrawn).collect();
    assert_eq!(withdrawn, [false, true, true, false, true, false, true]);
    assert_eq!(set.find_md5(&md5(51)).unwrap(), [0], "withdrawn by another member only");
    assert_eq!(set.find_md5(&md5(52)).unwrap(), [] as [u32; 0], "withdrawn by its own");
    assert_eq!(set.find_md5(&md5(54)).unwrap(), [5]);
    assert_eq!(set.find_sha1(&sha1(53)).unwrap(), [3]);
    assert_eq!(shown(&set, 0).0, some("A1"));
    assert_eq!(shown(&set, 1).0, some("B2"), "what was withdrawn is kept");
    let hashes: Vec<_> =
        set.hashes().unwrap().into_iter().map(|known| (known.record, known.hash.to_bytes())).collect();
    assert_eq!(hashes, [(0, pdq(51))]);
    let fields: serde_json::Value = serde_json::from_str(&set.record(0).unwrap().fields).unwrap();
    for (name, value) in [
        ("kind", "image"),
        ("member", "Member & Co"),
        ("member@id", "42"),
        ("feedback/members/member", "A"),
        ("feedback/members/member_2", "B"),
        ("feedback/members/member@id_2", "8"),
    ] {
        assert_eq!(fields[name], value, "{name}: {fields}");
    }
    assert_eq!(set.manifest().counts.withdrawn, 4);
    // Alone, the first document withdraws nothing that it holds.
    let set = sets.set(&["ncmec-1.xml"], &options("ncmec"));
    assert_eq!(set.find_md5(&md5(52)).unwrap(), [1]);
}

#[test]
fn lists_and_tables() {
    let sets = Sets::new();
    let set = sets.set(&["hashdeep.txt"], &options("known"));
    assert_eq!((set.find_md5(&md5(61)).unwrap(), set.find_sha256(&sha256(62)).unwrap()), (vec![0], vec![1]));
    assert!(set.record(0).unwrap().fields.contains("\"/x/a, b.jpg\""));
    assert_eq!(set.record(0).unwrap().media_size, Some(12));
    assert_eq!(shown(&set, 0).1, Some(Classification::Known));

    let set = sets.set(&["md5sum.txt"], &options("known"));
    assert_eq!([71, 72, 73].map(|number| set.find_md5(&md5(number)).unwrap()), [vec![0], vec![1], vec![2]]);
    assert!(set.record(2).unwrap().fields.contains(r#""d\\ne.jpg""#), "{}", set.record(2).unwrap().fields);

    let set = sets.set(&["pdq.txt"], &options("known"));
    let hashes: Vec<_> =
        set.hashes().unwrap().into_iter().map(|known| (known.hash.to_bytes(), known.quality)).collect();
    assert_eq!(hashes, [(pdq(81), Some(77)), (pdq(82), None), ([0; 32], Some(0))]);

    let mut lab = options("caid");
    lab.columns = Some(ColumnMap::parse("md5=hash,category=Grade,size=SIZE").unwrap());
    let set = sets.set(&["lab.csv"], &lab);
    assert_eq!((shown(&set, 0).0, shown(&set, 1).1), (some("A"), Some(Classification::ChildAbuse)));
    assert_eq!(set.record(0).unwrap().media_size, Some(17));
    assert_eq!(set.find_md5(&md5(92)).unwrap(), [1]);
    assert_eq!(set.manifest().columns, ["md5=hash", "category=Grade", "size=SIZE"]);
    for (map, part) in [("md5", "`md5`"), ("hash=x", "fields"), ("md5=a,md5=b", "twice")] {
        assert!(ColumnMap::parse(map).unwrap_err().contains(part), "{map}");
    }
    lab.columns = Some(ColumnMap::parse("md5=hash,category=None").unwrap());
    let error = sets.import(&[fixture("lab.csv")], &lab).unwrap_err();
    assert!(error.contains("--columns category=None: the header has no such column"), "{error}");
}

#[test]
fn a_profile_of_ones_own() {
    let sets = Sets::new();
    let mut own = options("known");
    own.profile = Profile::read(&fixture("profile.json")).unwrap();
    let set = sets.set(&["vics-1.3.json"], &own);
    let meanings = [0, 1, 2, 3].map(|record| shown(&set, record).1);
    let (one, other) = (Some(Classification::ChildAbuse), Some(Classification::Uncategorised));
    assert_eq!(meanings, [one, other, other, None]);
    for (text, part) in [
        ("{", "EOF"),
        (r#"{"name":"caid","categories":{}}"#, "a name of its own"),
        (r#"{"name":"x","categories":{"1":{"meaning":"bad","label":"y"}}}"#, "child_abuse"),
        (
            r#"{"name":"x","categories":{"a":{"meaning":"known","label":"y"},"A":{"meaning":"known","label":"y"}}}"#,
            "is given twice",
        ),
    ] {
        let path = sets.0.path().join("profile.json");
        fs::write(&path, text).unwrap();
        let error = Profile::read(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// A published database whose view has no end, and gives no row to stop at.
#[test]
fn an_nsrl_without_end_is_refused() {
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("RDS.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE VIEW FILE AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
             SELECT x AS md5 FROM n WHERE x < 0",
        )
        .unwrap();
    let refused = sets.import(std::slice::from_ref(&path), &options("known")).unwrap_err().to_string();
    assert!(refused.contains("as a database of the NSRL"), "{refused}");
}

#[test]
fn the_nsrl_in_both_forms() {
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("RDS.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE FILE (sha256 VARCHAR NOT NULL, sha1 VARCHAR NOT NULL, md5 VARCHAR NOT NULL, crc32 VARCHAR,
                 file_name VARCHAR, file_size BIGINT, package_id INTEGER);
             CREATE VIEW DISTINCT_HASH AS SELECT DISTINCT sha256, sha1, md5 FROM FILE;",
        )
        .unwrap();
    for number in 1..=3 {
        let digests = (hex(&sha256(number)), hex(&sha1(number)).to_uppercase(), hex(&md5(number)));
        connection
            .execute(
                "INSERT INTO FILE VALUES (?1, ?2, ?3, NULL, 'a.exe', 77, 5)",
                [digests.0, digests.1, digests.2],
            )
            .unwrap();
    }
    drop(connection);
    let imported = sets.import(std::slice::from_ref(&path), &options("known")).unwrap();
    assert_eq!(imported.manifest.sources[0].sha256, hex(&Sha256::digest(fs::read(&path).unwrap())));
    let set = SetFile::open(&sets.path()).unwrap();
    assert_eq!((set.find_md5(&md5(2)).unwrap(), set.find_sha1(&sha1(3)).unwrap()), (vec![1], vec![2]));
    assert_eq!(set.record(0).unwrap().media_size, Some(77));
    assert!(set.record(0).unwrap().fields.contains(r#""file_name":"a.exe""#));
    drop(set);

    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "DROP VIEW DISTINCT_HASH; CREATE TABLE DISTINCT_HASH AS SELECT DISTINCT sha256, sha1, md5 FROM FILE; DROP TABLE FILE;",
        )
        .unwrap();
    drop(connection);
    sets.import(std::slice::from_ref(&path), &options("known")).unwrap();
    let set = SetFile::open(&sets.path()).unwrap();
    assert_eq!(set.find_sha256(&sha256(1)).unwrap(), [0]);
    drop(set);

    let connection = Connection::open(&path).unwrap();
    connection.execute("INSERT INTO DISTINCT_HASH VALUES ('xyz', NULL, x'00')", []).unwrap();
    drop(connection);
    let error = sets.import(std::slice::from_ref(&path), &options("known")).unwrap_err();
    assert!(
        error.contains("record 4, byte 0: not a SHA-256: 3 characters, expected 64 hex digits"),
        "{error}"
    );
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(5000);
    fs::write(&path, bytes).unwrap();
    assert!(sets.import(&[path], &options("known")).unwrap_err().contains("as a database of the NSRL"));
}

#[test]
fn parts_make_one_set_and_the_same_bytes() {
    let sets = Sets::new();
    let names = ["vics-1.3.json", "vics-2.0.json", "vics-case.json"];
    let mut told = options("vic-us");
    told.name = Some("National".into());
    told.version = Some("2026-11".into());
    let set = sets.set(&names, &told);
    let manifest = set.manifest();
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str(), set.records()),
        ("National", "2026-11", 10)
    );
    for (source, name) in manifest.sources.iter().zip(names) {
        let bytes = fs::read(fixture(name)).unwrap();
        assert_eq!((source.name.as_str(), source.size), (name, bytes.len() as u64));
        assert_eq!(source.sha256, hex(&Sha256::digest(&bytes)));
    }
    assert_eq!(manifest.sources.iter().map(|source| source.records).collect::<Vec<_>>(), [4, 3, 3]);
    assert_eq!(set.find_md5(&md5(1)).unwrap(), [0, 6], "a digest of two parts");
    let (bytes, identity) = (fs::read(sets.path()).unwrap(), set.identity());
    drop(set);
    let again = sets.set(&names, &told);
    assert!(fs::read(sets.path()).unwrap() == bytes, "the same input gives the same bytes");
    assert_eq!(again.identity(), identity);
    drop(again);
    told.version = Some("2026-12".into());
    assert_ne!(sets.set(&names, &told).identity(), identity);
}

#[test]
fn commands_report_what_they_did_and_what_is_wrong() {
    let sets = Sets::new();
    let (set, source) = (sets.path(), fixture("vics-1.3.json"));
    let (set_text, source_text) = (set.to_str().unwrap(), source.to_str().unwrap());
    let import = ["known", "import", source_text, "--output", set_text, "--profile"];
    let told = errors(2, &run(import.iter().chain(&["vic"])));
    assert!(told.contains("vic-us, vic-legacy, caid, interpol-baseline, ncmec, known"), "{told}");
    let told = errors(2, &run(import.iter().chain(&["custom"])));
    assert!(told.contains("--profile-file"), "{told}");
    let told =
        errors(2, &run(["known", "import", source_text, "--output", source_text, "--profile", "vic-us"]));
    assert!(told.contains("would replace"), "{told}");
    let told = errors(2, &run(["known", "import", source_text, "--output", set_text]));
    assert!(told.contains("--profile"), "{told}");
    let told = errors(2, &run(import.iter().chain(&["vic-us", "--format", "docx"])));
    assert!(told.contains("vics, icse, ncmec, nsrl, hashdeep, csv, list"), "{told}");
    assert!(!set.exists());

    let told = errors(0, &run(import.iter().chain(&["vic-us", "--name", "N"])));
    assert!(told.contains("4 records, 4 with digests") && told.contains("1 PhotoDNA fields"), "{told}");
    let shown = expect(0, &run(["known", "show", set_text]));
    assert!(shown.contains("set       N\n") && shown.contains("profile   vic-us\n"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_str(&expect(0, &run(["known", "show", set_text, "--json"]))).unwrap();
    let identity = hex(&SetFile::open(&set).unwrap().identity());
    assert_eq!((&json["sha256"], &json["counts"]["records"]), (&identity.clone().into(), &4.into()));
    let digest = hex(&md5(1)).to_uppercase();
    let found = expect(0, &run(["known", "show", set_text, "--json", "--digest", &digest]));
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["record"], &found["label"]), (&1.into(), &"Child Abuse Material (CAM)".into()));
    assert_eq!(found["fields"]["Comments"], "line one\nline two");
    assert!(
        expect(0, &run(["known", "show", set_text, "--record", "2"]))
            .contains("category             2 (Child Exp")
    );
    assert!(errors(1, &run(["known", "show", set_text, "--record", "5"])).contains("it has 4 records"));
    assert!(errors(1, &run(["known", "show", set_text, "--digest", &"0".repeat(32)])).contains("no record"));
    assert!(errors(2, &run(["known", "show", set_text, "--digest", "12"])).contains("32 (MD5)"));
    assert!(expect(0, &run(["known", "verify", set_text])).contains(&identity));
    assert!(errors(1, &run(["known", "show", source_text])).contains("it is not a Tamis set file"));
    assert!(
        errors(1, &run(["known", "import", set_text, "--profile", "known", "--output", "/tmp/none.set"]))
            .contains("already")
    );
}

/// A set file gives the same hits as the plain list, and records more about them.
#[test]
fn hits_of_a_set_file_are_those_of_the_list() {
    let cases = Cases::new();
    let set = cases.path("known.set");
    let list = "tests/data/known.csv";
    let imported =
        tamis().args(["known", "import", list, "--profile", "known", "-o"]).arg(&set).output().unwrap();
    errors(0, &imported);
    let plain = ["triage", "tests/data/seizure", "--known", list, "--backend", "cpu"];
    let mut other = plain;
    other[3] = set.to_str().unwrap();
    let (of_list, of_set) = (cases.summary("list", &plain), cases.summary("set", &other));
    assert_eq!(of_list["outcomes"], of_set["outcomes"]);
    let (list_hits, set_hits) = (cases.rows("list", "hits"), cases.rows("set", "hits"));
    assert!(list_hits.len() > 5, "{}", list_hits.len());
    let alike = |row: &serde_json::Value| {
        let mut row = row.as_object().unwrap().clone();
        for own in [
            "hash_set_sha256",
            "known",
            "category",
            "category_label",
            "category_raw",
            "victim_identified",
            "offender_identified",
            "distributed",
            "series",
        ] {
            row.remove(own);
        }
        row
    };
    let alikes = |rows: &[serde_json::Value]| rows.iter().map(alike).collect::<Vec<_>>();
    assert_eq!(alikes(&list_hits), alikes(&set_hits));
    assert!(set_hits.iter().all(|row| text(row, "category") == "known"));
    assert!(list_hits.iter().all(|row| row["category"].is_null()));
}

/// Facts are next to a hit in views and exports; an older case gets columns for them, and is readable
/// without.
#[test]
fn facts_of_a_hit_in_new_and_old_cases() {
    let cases = Cases::new();
    let (set, seizure) = (cases.path("vics.set"), cases.path("seizure"));
    fs::create_dir(&seizure).unwrap();
    for number in [1, 2] {
        fs::write(seizure.join(format!("{number}.bin")), made_up(number)).unwrap();
    }
    let import = tamis()
        .args(["known", "import", "--profile", "vic-us", "--set-version", "7", "-o"])
        .args([&set, &fixture("vics-1.3.json")])
        .output()
        .unwrap();
    errors(0, &import);
    let (set_text, seizure_text) = (set.to_str().unwrap(), seizure.to_str().unwrap());
    cases.summary("case", &["triage", seizure_text, "--known", set_text]);
    let check = |case: &str| {
        let rows = cases.rows(case, "hits");
        assert_eq!(rows.len(), 2);
        assert_eq!(text(&rows[0], "category"), "child_abuse");
        assert_eq!(text(&rows[0], "category_label"), "Child Abuse Material (CAM)");
        assert_eq!(text(&rows[0], "category_raw"), "1");
        assert_eq!(text(&rows[0], "series"), "Série \"Ω\"");
        assert_eq!(rows[0]["victim_identified"], "yes");
        assert_eq!(rows[0]["offender_identified"], "no");
        assert_eq!(rows[1]["victim_identified"], serde_json::Value::Null);
        assert_eq!(rows[0]["known"]["Comments"], "line one\\nline two");
    };
    check("case");
    let database = cases.path("case").join("case.sqlite");
    let connection = Connection::open(&database).unwrap();
    let query = "SELECT fields, version, profile FROM set_record JOIN hash_set ON hash_set.id = hash_set ORDER BY record";
    let (fields, version, profile): (String, String, String) =
        connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(
        fields,
        SetFile::open(&set).unwrap().record(0).unwrap().fields,
        "its bytes are those of the source"
    );
    assert_eq!((version.as_str(), profile.as_str()), ("7", "vic-us"));
}

/// The folder `../shared/data/field/sets`, if present.
fn field_sets() -> Option<PathBuf> {
    let folder = support::shared_data().join("field/sets");
    folder.is_dir().then_some(folder).or_else(|| {
        support::skip("no field/sets in the shared data");
        None
    })
}

/// Sets of the kinds that labs reported from other tools: each is accepted, by `known import` and, where that reads it,
/// by `--known`, and finds its known picture.
#[test]
fn sets_as_labs_have_them() {
    let Some(folder) = field_sets() else { return };
    let cases = Cases::new();
    let seizure = folder.join("seizure");
    let seizure = seizure.to_str().unwrap();
    let hits = |case: &str| {
        let rows = cases.rows(case, "hits");
        rows.iter().map(|row| text(row, "path").rsplit('/').next().unwrap().to_string()).collect::<Vec<_>>()
    };
    let (picture, note) = ("IMG_1.jpg", "note.txt");
    for (name, profile, list, found, counts) in [
        (
            "empty-file-cat1.json",
            "vic-us",
            "",
            &[picture][..],
            "1 records with the digest of trivial content",
        ),
        ("series-object.json", "vic-us", "", &[picture], "1 malformed fields that matching does not use"),
        ("truth-odd.json", "vic-us", "", &[picture], "1 malformed fields that matching does not use"),
        (
            "NSRLFile-latin1.txt",
            "known",
            "",
            &[picture, note],
            "2 malformed fields that matching does not use",
        ),
        ("latin1.csv", "known", "", &[picture], "1 malformed fields that matching does not use"),
        ("name-not-utf8.db", "known", "", &[picture], "1 malformed fields that matching does not use"),
        ("bare-md5.txt", "known", "", &[picture, note], "2 with digests, 0 PDQ hashes"),
        ("bare-sha1.txt", "known", "", &[picture], "1 with digests, 0 PDQ hashes"),
        ("bare-sha256.txt", "known", "sha256", &[picture], "1 with digests, 0 PDQ hashes"),
    ] {
        let (source, set) = (folder.join(name), cases.path(&format!("{name}.set")));
        let option = if list.is_empty() { vec![] } else { vec!["--list", list] };
        let import = || {
            let mut import = tamis();
            import.args(["known", "import", "--profile", profile, "-o"]).arg(&set).arg(&source);
            import
        };
        if !list.is_empty() {
            let refused = errors(1, &import().output().unwrap());
            assert!(refused.contains("--list sha256 or --list pdq"), "{refused}");
        }
        let told = errors(0, &import().args(&option).output().unwrap());
        assert!(told.contains(counts), "{name}: {told}");
        expect(0, &tamis().args(["known", "verify"]).arg(&set).output().unwrap());
        let case = format!("{name} set");
        cases.summary(&case, &["triage", seizure, "--known", set.to_str().unwrap()]);
        assert_eq!(hits(&case), found, "{name}");
        if name.ends_with("txt") || name.ends_with("csv") {
            let (case, mut triage) = (format!("{name} list"), vec!["triage", seizure]);
            triage.extend(&option);
            triage.extend(["--known", source.to_str().unwrap()]);
            cases.summary(&case, &triage);
            assert_eq!(hits(&case), found, "{name} as a list");
        }
    }
    let shown = tamis().args(["known", "show"]).arg(cases.path("empty-file-cat1.json.set")).output().unwrap();
    assert!(expect(0, &shown).contains("1 records with the digest of trivial content"));
    let mut series = tamis();
    series.args(["known", "show", "--record", "1"]);
    let series = expect(0, &series.arg(cases.path("series-object.json.set")).output().unwrap());
    assert!(series.contains(r#"series               {"Name": "Example series"}"#), "{series}");
}
