//! What counts as a hit: one by digest for a content and a set, one for each distinct hash that is near; and no fact is
//! lost when several records are hit together.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use rand::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use support::cli::{Cases, errors, expect, export, run, tamis, text};
use support::made_case::{make_case, picture};
use support::shared_data;
use tamis::pdq::PdqHash;
use tamis::source::digest::{hex, sha256_of};

fn count(cases: &Cases, case: &str, table: &str) -> i64 {
    let connection = Connection::open(cases.path(case).join("case.sqlite")).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// A VICS set of these records.
fn vics_set(cases: &Cases, name: &str, records: &[Value]) -> String {
    let (source, set) = (cases.path(&format!("{name}.json")), cases.path(&format!("{name}.set")));
    let head = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media";
    fs::write(&source, json!({ "@odata.context": head, "value": records }).to_string()).unwrap();
    let import = tamis()
        .args(["known", "import", "--profile", "vic-us", "--quiet", "--output"])
        .args([&set, &source])
        .output()
        .unwrap();
    errors(0, &import);
    set.to_str().unwrap().into()
}

fn sha1(bytes: &[u8]) -> String {
    use sha1::Digest;
    hex(&sha1::Sha1::digest(bytes))
}

/// 20,000 records of one digest and 300 files that have it were 6,000,000 hits and an export of 2.4 GB.
#[test]
fn many_records_with_one_digest_are_one_hit_and_none_of_their_facts_is_lost() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir(&seizure).unwrap();
    for number in 0..300 {
        fs::write(seizure.join(format!("{number:03}.bin")), "the same").unwrap();
    }
    fs::write(seizure.join("other.bin"), "another").unwrap();
    let same = sha1(b"the same");
    let records: Vec<Value> = (0..20_000)
        .map(|number| {
            let mut record = json!({ "MediaID": number + 1, "Category": 0, "SHA1": same });
            if number == 12_345 {
                record["Category"] = json!(1);
                record["Series"] = json!("A series");
                record["VictimIdentified"] = json!(false);
            }
            if number == 19_999 {
                record["VictimIdentified"] = json!(true);
            }
            record
        })
        .collect();
    let set = vics_set(&cases, "many", &records);
    let summary = cases.summary("case", &["triage", seizure.to_str().unwrap(), "--known", &set]);
    let counts = &summary["hash_sets"][0];
    assert_eq!(
        (&counts["digest_hits"], &counts["perceptual_hits"], &counts["items"]),
        (&json!(300), &json!(0), &json!(300))
    );
    assert_eq!(count(&cases, "case", "hit"), 1);
    assert!(count(&cases, "case", "set_record") < 30);

    let rows = cases.rows("case", "hits");
    assert_eq!(rows.len(), 300);
    for row in &rows {
        assert_eq!((row["record"].as_u64(), row["records"].as_u64()), (Some(1), Some(20_000)));
        assert_eq!(
            text(row, "listed"),
            "1; 2; 3; 4; 5; 6; 7; 8; 9; 10; 11; 12; 13; 14; 15; 16; 12346; 20000"
        );
        assert_eq!(text(row, "category"), "child_abuse; non_pertinent");
        assert_eq!(text(row, "category_raw"), "0; 1");
        assert_eq!(text(row, "series"), "A series");
        assert_eq!(text(row, "victim_identified"), "no; yes");
        assert!(row["offender_identified"].is_null());
        assert_eq!(text(&row["known"], "Series"), "A series");
    }
    for format in ["csv", "jsonl"] {
        assert!(export(&cases.path("case"), "hits", format).len() < 1 << 20);
    }
    // The rules see the facts of all records: a picture of a child whose victim is not identified comes
    // first.
    let first = &cases.rows("case", "priorities")[0];
    assert_eq!(text(first, "rule"), "victim-not-identified", "{first}");
    assert_eq!((first["hits"].as_i64(), text(first, "series")), (Some(1), "A series"));
    assert_eq!(text(first, "categories"), "child_abuse; non_pertinent");

    // The same again, by another run and with nothing new: the same bytes.
    let before = cases.exports("case");
    cases.summary("case", &["match", "--known", &set]);
    assert_eq!(cases.exports("case"), before);
    for form in ["vics", "case-uco"] {
        let output = tamis().args(["export", form, "--case"]).arg(cases.path("case")).output().unwrap();
        let written = expect(0, &output);
        assert!(written.len() < 4 << 20, "{form}: {} bytes", written.len());
        assert!(form == "vics" || written.contains("\"tamis:records\":20000"));
    }
}

/// The report's table is truncated; what to look at first is in it.
#[test]
fn the_report_shows_hits_by_priority_first() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir(&seizure).unwrap();
    for number in 0..50 {
        fs::write(seizure.join(format!("a{number:02}.bin")), "harmless").unwrap();
    }
    fs::write(seizure.join("z-the-one.bin"), "abuse").unwrap();
    let records = [
        json!({ "MediaID": 1, "Category": 0, "SHA1": sha1(b"harmless") }),
        json!({ "MediaID": 2, "Category": 1, "SHA1": sha1(b"abuse") }),
    ];
    let set = vics_set(&cases, "set", &records);
    cases.summary("case", &["triage", seizure.to_str().unwrap(), "--known", &set]);
    let page = cases.path("page.html");
    let report = tamis()
        .args(["report", "--quiet", "--max-rows", "1", "--case"])
        .args([cases.path("case").as_os_str(), "--output".as_ref(), page.as_os_str()])
        .output()
        .unwrap();
    errors(0, &report);
    let page = fs::read_to_string(page).unwrap();
    let rows = page.split_once("id=\"hits-table-rows\">").unwrap().1;
    let rows = rows.split_once("</script>").unwrap().0;
    let rows: Value = serde_json::from_str(rows).unwrap();
    let rows = rows["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][0], "z-the-one.bin");
}

/// Empty files, and files of one byte repeated, are not hits of a set that has their digest. They are counted
/// and reported.
#[test]
fn trivial_content_is_not_matched_by_digest_and_is_counted() {
    let cases = Cases::new();
    let seizure = cases.path("seizure");
    fs::create_dir(&seizure).unwrap();
    // The last is read in blocks.
    let contents = [vec![], vec![0; 70_001], vec![7; 3], vec![255; (5 << 20) + 1]];
    let mut list = String::new();
    for (number, content) in contents.iter().enumerate() {
        for copy in ["a", "b"] {
            fs::write(seizure.join(format!("{number}-{copy}.dat")), content).unwrap();
        }
        writeln!(list, "{}  trivial", hex(&sha256_of(content))).unwrap();
    }
    fs::write(seizure.join("real.dat"), "real").unwrap();
    writeln!(list, "{}  real", hex(&sha256_of(b"real"))).unwrap();
    let known = cases.path("known.sha256");
    fs::write(&known, list).unwrap();
    let (seizure, known) = (seizure.to_str().unwrap(), known.to_str().unwrap());
    cases.summary("later", &["scan", seizure]);
    for (case, command) in
        [("case", vec!["triage", seizure, "--known", known]), ("later", vec!["match", "--known", known])]
    {
        let summary = cases.summary(case, &command);
        let set = &summary["hash_sets"][0];
        assert_eq!((set["digest_hits"].as_u64(), set["items"].as_u64()), (Some(1), Some(1)), "{case}");
        // A set whose reader has set such digests aside already has none of them.
        let set_aside = set["trivial_items"].as_u64().unwrap();
        assert!(set_aside >= 4, "{case}: {set_aside}");
        assert_eq!(summary["items_with_hits"], 1);
        let rows = cases.rows(case, "hits");
        assert_eq!((rows.len(), text(&rows[0], "path")), (1, "real.dat"));
        let output =
            tamis().args(["match", "--known", known, "--case"]).arg(cases.path(case)).output().unwrap();
        let said = expect(0, &output);
        assert!(
            said.contains("items hold no bytes, or one byte repeated, and their digest is in known"),
            "{said}"
        );
        let output = tamis().args(["report", "--quiet", "--case"]).arg(cases.path(case)).output().unwrap();
        errors(0, &output);
        let page = fs::read_to_string(cases.path(case).join("report.html")).unwrap();
        assert!(page.contains("files hold no bytes, or one byte repeated"));
    }
}

/// A set as found in the field: one real record of a category of abuse, and one with the digest of the empty file.
#[test]
fn the_digest_of_the_empty_file_is_no_hit() {
    let sets = shared_data().join("field/sets");
    if !sets.is_dir() {
        support::skip("no field/sets in the shared data");
        return;
    }
    let cases = Cases::new();
    let set = cases.path("set");
    let import = tamis()
        .args(["known", "import", "--profile", "vic-us", "--quiet", "--output"])
        .args([&set, &sets.join("empty-file-cat1.json")])
        .output()
        .unwrap();
    errors(0, &import);
    let seizure = sets.join("seizure");
    let arguments = ["triage", seizure.to_str().unwrap(), "--known", set.to_str().unwrap()];
    cases.summary("case", &arguments);
    let rows = cases.rows("case", "hits");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((text(&rows[0], "path"), text(&rows[0], "category")), ("IMG_1.jpg", "child_abuse"));
}

/// Hashes that differ from `hash` in `bits` of its first words.
fn moved(hash: PdqHash, bits: u64) -> PdqHash {
    PdqHash([hash.0[0] ^ bits, hash.0[1], hash.0[2], hash.0[3]])
}

fn random_hash(random: &mut StdRng) -> PdqHash {
    PdqHash(random.random())
}

fn list_of_hashes(path: &Path, records: &[(PdqHash, &str)]) {
    let mut rows = csv::Writer::from_path(path).unwrap();
    rows.write_record(["pdq", "quality", "sha256", "category"]).unwrap();
    for (number, (hash, category)) in records.iter().enumerate() {
        let digest = hex(&sha256_of(&(number as u64 + 1).to_le_bytes()));
        rows.write_record([&hash.to_string(), "100", &digest, *category]).unwrap();
    }
    rows.flush().unwrap();
}

/// Records of one set with equal hashes are one hit with a list that has all their facts.
#[test]
fn records_with_equal_hashes_are_one_perceptual_hit() {
    let cases = Cases::new();
    let mut random = StdRng::seed_from_u64(1);
    let hash = random_hash(&mut random);
    let turned = |hash: PdqHash, random: &mut StdRng| {
        std::array::from_fn(|turn| if turn == 0 { hash } else { random_hash(random) })
    };
    let contents = [
        picture(1, turned(hash, &mut random), 90),
        picture(2, turned(moved(hash, 7), &mut random), 90),
        // Its bytes are those of the first record.
        {
            let mut known = picture(3, turned(hash, &mut random), 90);
            known.digests.sha256 = sha256_of(&1_u64.to_le_bytes());
            known
        },
    ];
    make_case(&cases.path("case"), "1", &contents);
    let list = cases.path("list.csv");
    let mut records = vec![(hash, "harmless"); 40];
    records[30].1 = "abuse";
    records.push((moved(hash, 1 << 40), "near"));
    list_of_hashes(&list, &records);
    let summary = cases.summary("case", &["match", "--known", list.to_str().unwrap()]);
    let set = &summary["hash_sets"][0];
    assert_eq!((set["digest_hits"].as_u64(), set["perceptual_hits"].as_u64()), (Some(1), Some(6)));
    let rows = cases.rows("case", "hits");
    let said: Vec<(&str, u64, u64, u64, &str)> = rows
        .iter()
        .map(|row| {
            let number = |field: &str| row[field].as_u64().unwrap();
            (
                text(row, "confirmation"),
                number("record"),
                number("records"),
                number("distance"),
                text(&row["known"], "category"),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("pixels", 1, 40, 0, "harmless; abuse"),
            ("pixels", 41, 1, 1, "near"),
            ("pixels", 1, 40, 3, "harmless; abuse"),
            ("pixels", 41, 1, 4, "near"),
            // The record that has its bytes is the hit by digest; the others with its hash are near.
            ("digest", 1, 1, 0, "harmless"),
            ("pixels", 2, 40, 0, "harmless; abuse"),
            ("pixels", 41, 1, 1, "near"),
        ]
    );
    assert!(text(&rows[0], "listed").ends_with("; 16; 31"));
    // For other agencies each listed record is a row, once.
    let connection = Connection::open(cases.path("case").join("case.sqlite")).unwrap();
    let (rows, distinct): (i64, i64) = connection
        .query_row(
            "SELECT count(*), count(DISTINCT content || ' ' || hash_set || ' ' || record) FROM hit_record",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((rows, distinct), (3 * 18, 3 * 18));
}

/// If more hashes are near than are listed, the nearest are listed and the others counted, whatever the memory.
#[test]
fn saturated_contents_list_the_nearest_and_count_the_others() {
    let cases = Cases::new();
    let mut random = StdRng::seed_from_u64(2);
    let hash = random_hash(&mut random);
    let contents: Vec<_> = (0..200)
        .map(|number| picture(number, std::array::from_fn(|_| moved(hash, number % 50)), 90))
        .collect();
    let records: Vec<(PdqHash, &str)> = (0..1500).map(|number| (moved(hash, number << 6), "")).collect();
    let list = cases.path("list.csv");
    list_of_hashes(&list, &records);
    let mut exports = std::collections::BTreeSet::new();
    for (case, memory) in [("small", "64MiB"), ("large", "2GiB")] {
        make_case(&cases.path(case), "1", &contents);
        let summary =
            cases.summary(case, &["match", "--known", list.to_str().unwrap(), "--max-memory", memory]);
        let set = &summary["hash_sets"][0];
        let number = |field: &str| set[field].as_u64().unwrap();
        assert_eq!(number("perceptual_hits"), 200_000);
        assert_eq!((number("saturated_items"), number("unlisted_hits")), (200, 200 * 500));
        exports.insert(cases.exports(case));
        let output = run(["export", "hits", "--format", "jsonl", "--case"]
            .map(Into::into)
            .into_iter()
            .chain([cases.path(case).into_os_string()]));
        let first: Value = serde_json::from_str(expect(0, &output).lines().next().unwrap()).unwrap();
        assert_eq!(first["more"], 500);
    }
    assert_eq!(exports.len(), 1);
    // Another maximum is another setting, with hits of its own; and back.
    for (most, listed) in [("7", 7), ("1000", 1000)] {
        let known = ["match", "--known", list.to_str().unwrap(), "--max-hits-per-item", most];
        let summary = cases.summary("large", &known);
        let set = &summary["hash_sets"][0];
        assert_eq!(
            (&set["perceptual_hits"], &set["unlisted_hits"]),
            (&json!(200 * listed), &json!(200 * (1500 - listed)))
        );
        assert!(
            summary["run"]["notices"][0].as_str().unwrap().contains("the settings of its matching changed")
        );
    }
    // Of the first content: the nearest, of equally near ones those with the lowest numbers.
    let connection = Connection::open(cases.path("large").join("case.sqlite")).unwrap();
    let mut statement =
        connection.prepare("SELECT record, distance FROM hit WHERE content = 1 ORDER BY record").unwrap();
    let found: Vec<(u64, u32)> = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let own = contents[0].hash.unwrap().0.hashes[0];
    let mut expected: Vec<(u64, u32)> =
        (0..1500).map(|number| (number, own.distance(records[number as usize].0))).collect();
    expected.sort_unstable_by_key(|&(record, distance)| (distance, record));
    expected.truncate(1000);
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// If a batch has more hits than fit into memory, its decoded candidates are settled in smaller batches and are still
/// counted.
#[test]
fn verifications_of_a_batch_that_is_cut_for_memory_are_counted() {
    let cases = Cases::new();
    let seized = cases.path("seized");
    fs::create_dir(&seized).unwrap();
    let scene = image::DynamicImage::from(support::scene::render(1, 640, 480));
    for quality in [70, 75, 80, 85, 90] {
        let file = fs::File::create(seized.join(format!("{quality}.jpg"))).unwrap();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(file, quality);
        scene.write_with_encoder(encoder).unwrap();
    }
    let seized = seized.to_str().unwrap();
    let hash: PdqHash =
        expect(0, &run(["hash", "--quiet", "--decode", "pixels", seized]))[..64].parse().unwrap();
    let records: Vec<(PdqHash, &str)> = (0..1500).map(|number| (moved(hash, number << 6), "")).collect();
    let list = cases.path("list.csv");
    list_of_hashes(&list, &records);
    let contents: Vec<_> = (0..200)
        .map(|number| picture(number, std::array::from_fn(|_| moved(hash, number % 50)), 90))
        .collect();
    let mut counts = Vec::new();
    for (case, memory) in [("small", "64MiB"), ("large", "2GiB")] {
        make_case(&cases.path(case), "1", &contents);
        cases.summary(case, &["scan", seized, "--quiet"]);
        let summary =
            cases.summary(case, &["match", "--known", list.to_str().unwrap(), "--max-memory", memory]);
        let count = |field: &str| summary["run"][field].as_u64().unwrap();
        counts.push((count("confirmed"), count("refuted"), count("unverified")));
    }
    assert_eq!(counts, [(5, 0, 0), (5, 0, 0)]);
}
