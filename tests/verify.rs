//! Verifications from pixels: regardless of the hashes from coefficients, hits are those of decoded pixels,
//! or are marked.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use rand::prelude::*;
use rayon::prelude::*;
use rusqlite::Connection;
use serde_json::Value;
use support::cli::{Cases, errors, expect, run, tamis, text};
use support::scene;
use tamis::matching::{DEFAULT_DISTANCE, DELTA};
use tamis::pdq::PdqHash;
use tempfile::TempDir;

/// Scenes of the corpus; each is there as two files.
const SCENES: u64 = 120;

/// JPEGs just large enough to be read by their coefficients, made once for all tests: scenes, and their near copies
/// with another brightness, other noise and a stronger compression.
fn corpus() -> &'static Path {
    static CORPUS: OnceLock<TempDir> = OnceLock::new();
    CORPUS
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            (0..SCENES).into_par_iter().for_each(|seed| {
                let (width, height) = (340 + (seed % 5) as u32 * 9, 336 + (seed % 7) as u32 * 5);
                let picture = scene::render(seed, width, height);
                fs::write(folder.path().join(format!("{seed:03}.jpg")), jpeg(&picture, 92)).unwrap();
                let mut noise = StdRng::seed_from_u64(seed);
                let mut copy = picture;
                for pixel in copy.pixels_mut() {
                    let shift = 14 + noise.random_range(-12..=12);
                    pixel.0 = pixel.0.map(|channel| (i32::from(channel) + shift).clamp(0, 255) as u8);
                }
                fs::write(folder.path().join(format!("{seed:03}b.jpg")), jpeg(&copy, 30)).unwrap();
            });
            folder
        })
        .path()
}

fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
    bytes
}

/// (file name, hash) of every picture of a folder, from pixels.
fn exact_hashes(folder: &Path) -> Vec<(String, PdqHash)> {
    let arguments = ["hash", folder.to_str().unwrap(), "--decode", "pixels", "--format", "jsonl", "--quiet"];
    let rows = expect(0, &run(arguments));
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let name = Path::new(text(&row, "path")).file_name().unwrap().to_str().unwrap().to_string();
        (name, text(&row, "pdq").parse().unwrap())
    };
    rows.lines().map(row).collect()
}

/// The hash with `distance` of its bits flipped.
fn planted(hash: PdqHash, distance: usize, random: &mut StdRng) -> PdqHash {
    let mut words = hash.0;
    for bit in rand::seq::index::sample(random, 256, distance) {
        words[bit / 64] ^= 1 << (bit % 64);
    }
    let planted = PdqHash(words);
    assert_eq!(planted.distance(hash), distance as u32);
    planted
}

/// Writes a hash set of hashes, one for each picture of the list, all at distances round the customary radius.
fn plant(cases: &Cases, name: &str, hashes: &[(String, PdqHash)], seed: u64) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let mut list = String::new();
    for (picture, hash) in hashes {
        let distance = random.random_range(DEFAULT_DISTANCE as usize - 10..=DEFAULT_DISTANCE as usize + 10);
        writeln!(list, "{},100,{picture}", planted(*hash, distance, &mut random)).unwrap();
    }
    let path = cases.path(name);
    fs::write(&path, list).unwrap();
    path.to_str().unwrap().to_string()
}

/// A copy of a folder of files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A small source of the first pictures of the corpus.
fn some(cases: &Cases, pictures: usize) -> (PathBuf, Vec<(String, PdqHash)>) {
    let source = cases.path("source");
    fs::create_dir(&source).unwrap();
    for seed in 0..pictures {
        let name = format!("{seed:03}.jpg");
        fs::copy(corpus().join(&name), source.join(&name)).unwrap();
    }
    let hashes = exact_hashes(&source);
    (source, hashes)
}

/// (path, record) of hits.
fn pairs(rows: &[Value]) -> BTreeSet<(String, u64)> {
    rows.iter().map(|row| (text(row, "path").to_string(), row["record"].as_u64().unwrap())).collect()
}

fn verifications(rows: &[Value]) -> BTreeSet<(&str, &str)> {
    rows.iter().map(|row| (text(row, "confirmation"), text(row, "unconfirmed_reason"))).collect()
}

fn paths_taken(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| text(row, "derived_from")).collect()
}

fn run_count(summary: &Value, name: &str) -> u64 {
    summary["run"][name].as_u64().unwrap()
}

/// Each set has one hash for each picture, so that whether a pair is found depends on that pair alone.
#[test]
fn hits_are_those_of_decoded_pixels() {
    let cases = Cases::new();
    let source = corpus().to_str().unwrap();
    let hashes = exact_hashes(corpus());
    assert_eq!(hashes.len() as u64, 2 * SCENES);
    cases.summary("auto", &["scan", source, "--quiet"]);
    cases.summary("pixels", &["scan", source, "--decode", "pixels", "--quiet"]);
    let from_coefficients =
        paths_taken(&cases.rows("auto", "items")).iter().filter(|path| **path == "coefficients").count();
    assert!(from_coefficients > 200, "{from_coefficients} of {} by coefficients", hashes.len());
    assert!(paths_taken(&cases.rows("pixels", "items")).iter().all(|path| *path == "pixels"));
    let (mut planted, mut hits, mut refuted, mut differing) = (0, 0, 0, 0);
    for number in 0..10 {
        let known = plant(&cases, &format!("known-{number}.txt"), &hashes, number);
        planted += hashes.len();
        let matching = ["match", "--known", &known, "--quiet"];
        cases.summary("pixels", &matching);
        // A verification leaves an exact hash behind, so each set is matched against the case as it was
        // scanned.
        let (auto, off) = (format!("auto-{number}"), format!("off-{number}"));
        copy(&cases.path("auto"), &cases.path(&auto));
        copy(&cases.path("auto"), &cases.path(&off));
        let summary = cases.summary(&auto, &matching);
        let of_set = |rows: Vec<Value>| -> Vec<Value> {
            rows.into_iter().filter(|row| text(row, "hash_set") == format!("known-{number}")).collect()
        };
        let expected = of_set(cases.rows("pixels", "hits"));
        let found = cases.rows(&auto, "hits");
        assert_eq!(found, expected, "set {number}");
        assert_eq!(verifications(&found), BTreeSet::from([("pixels", "")]));
        assert_eq!(summary["unconfirmed"], serde_json::json!([]));
        hits += found.len();
        refuted += run_count(&summary, "refuted");
        assert!(run_count(&summary, "confirmed") <= found.len() as u64);
        // The twin that must fail: the result of the hashes from coefficients alone.
        cases.summary(&off, &["match", "--known", &known, "--verify", "off", "--quiet"]);
        let unverified = cases.rows(&off, "hits");
        differing += pairs(&unverified).symmetric_difference(&pairs(&expected)).count();
    }
    println!(
        "{planted} planted pairs, {hits} hits, {refuted} refuted, {differing} wrong without verifications"
    );
    assert!(planted >= 2000);
    // A picture is near the record of its copy too.
    assert!((1200..2 * planted).contains(&hits), "{hits}");
    assert!(refuted > 100, "{refuted}");
    assert!(differing > 0, "without verifications the hits would be the same: this test shows nothing");
}

/// Scanning and matching in one pass gives the same, on any number of threads, twice.
#[test]
fn triage_gives_the_same_confirmations() {
    let cases = Cases::new();
    let source = corpus().to_str().unwrap();
    let known = plant(&cases, "known.txt", &exact_hashes(corpus()), 100);
    let triage = ["triage", source, "--known", &known, "--quiet"];
    let with = |more: &[&'static str]| triage.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    cases.summary("pixels", &with(&["--decode", "pixels"]));
    let summary = cases.summary("auto", &with(&["--jobs", "1"]));
    let checked = run_count(&summary, "confirmed") + run_count(&summary, "refuted");
    assert!(checked > 50 && run_count(&summary, "unverified") == 0, "{summary}");
    assert_eq!(cases.rows("auto", "hits"), cases.rows("pixels", "hits"));
    let decoded = |case: &str| {
        let rows = cases.rows(case, "items");
        rows.iter().filter(|row| text(row, "fallback_reason") == "verified").count() as u64
    };
    assert_eq!(decoded("auto"), checked);
    let expected = cases.exports("auto");
    let again = cases.summary("auto", &triage);
    assert_eq!((&again["run"]["files"], run_count(&again, "confirmed")), (&0.into(), 0));
    assert_eq!(cases.exports("auto"), expected);
    cases.summary("jobs", &with(&["--jobs", "8", "--max-memory", "64MiB"]));
    assert_eq!(cases.exports("jobs"), expected);
    cases.summary("parts", &["scan", source, "--quiet"]);
    cases.summary("parts", &["match", "--known", &known, "--quiet"]);
    assert_eq!(cases.exports("parts"), expected);
    if support::gpu().is_some() {
        cases.summary("gpu", &with(&["--backend", "gpu"]));
        assert_eq!(cases.exports("gpu"), expected);
    }
}

#[test]
fn a_source_that_is_gone_leaves_its_hits_unconfirmed() {
    let cases = Cases::new();
    let (source, hashes) = some(&cases, 30);
    let known = plant(&cases, "known.txt", &hashes, 1);
    let source_text = source.to_str().unwrap();
    let matching = ["match", "--known", &known, "--quiet"];
    cases.summary("pixels", &["triage", source_text, "--decode", "pixels", "--known", &known, "--quiet"]);
    let expected = cases.rows("pixels", "hits");
    // A second place for one picture, which is as good.
    fs::copy(source.join("004.jpg"), source.join("z.jpg")).unwrap();
    cases.summary("CASE", &["scan", source_text, "--quiet"]);
    fs::remove_file(source.join("z.jpg")).unwrap();
    let away = cases.path("away");
    fs::rename(&source, &away).unwrap();
    let summary = cases.summary("CASE", &matching);
    let rows = cases.rows("CASE", "hits");
    let by_coefficients: Vec<&Value> =
        rows.iter().filter(|row| text(row, "derived_from") == "coefficients").collect();
    assert!(by_coefficients.len() > 15, "{}", by_coefficients.len());
    for row in &rows {
        let (confirmation, because) = (text(row, "confirmation"), text(row, "unconfirmed_reason"));
        match text(row, "derived_from") {
            "coefficients" => assert_eq!((confirmation, because), ("unconfirmed", "source_gone"), "{row}"),
            _ => assert_eq!((confirmation, because), ("pixels", ""), "{row}"),
        }
        assert!(row["distance"].as_u64().unwrap() <= u64::from(DEFAULT_DISTANCE + DELTA));
    }
    assert!(pairs(&rows).is_superset(&pairs(&expected)), "nothing is dropped");
    assert!(rows.iter().any(|row| row["distance"].as_u64().unwrap() > u64::from(DEFAULT_DISTANCE)));
    let counted = &summary["unconfirmed"][0];
    assert_eq!(
        (&counted["because"], &counted["hits"]),
        (&"source_gone".into(), &by_coefficients.len().into())
    );
    let confirmed: u64 =
        summary["distances"].as_array().unwrap().iter().map(|count| count["hits"].as_u64().unwrap()).sum();
    assert_eq!(confirmed as usize, rows.len() - by_coefficients.len(), "the histogram is of confirmed hits");
    // Trying again without it changes nothing.
    let exports = cases.exports("CASE");
    let again = cases.summary("CASE", &matching);
    assert_eq!(run_count(&again, "unverified"), run_count(&summary, "unverified"));
    assert_eq!(cases.exports("CASE"), exports);
    let case = cases.path("CASE");
    let said = expect(0, &tamis().args(matching).arg("--case").arg(&case).output().unwrap());
    assert!(said.contains("UNCONFIRMED:") && said.contains("source_gone"), "{said}");
    assert!(!said.contains("every perceptual hit"), "{said}");

    // The files come back; one with other bytes of the same number, one shorter, one only under its second name.
    fs::rename(&away, &source).unwrap();
    let originals = ["001.jpg", "002.jpg"].map(|name| (name, fs::read(source.join(name)).unwrap()));
    let mut other = originals[0].1.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(source.join("001.jpg"), other).unwrap();
    fs::write(source.join("002.jpg"), &originals[1].1[1..]).unwrap();
    fs::rename(source.join("004.jpg"), source.join("z.jpg")).unwrap();
    cases.summary("CASE", &matching);
    let rows = cases.rows("CASE", "hits");
    let unconfirmed: BTreeSet<&str> = rows
        .iter()
        .filter(|row| text(row, "confirmation") == "unconfirmed")
        .map(|row| text(row, "path"))
        .collect();
    assert!(unconfirmed.is_subset(&BTreeSet::from(["001.jpg", "002.jpg"])), "{unconfirmed:?}");
    for (name, bytes) in originals {
        fs::write(source.join(name), bytes).unwrap();
    }
    cases.summary("CASE", &matching);
    let rows: Vec<Value> =
        cases.rows("CASE", "hits").into_iter().filter(|row| text(row, "path") != "z.jpg").collect();
    assert_eq!(rows, expected);
    let said = expect(0, &tamis().args(matching).arg("--case").arg(&case).output().unwrap());
    assert!(said.contains("every perceptual hit and its distance is from pixels"), "{said}");
}

#[test]
fn what_a_digest_identifies_is_not_decoded_again() {
    let cases = Cases::new();
    let (source, hashes) = some(&cases, 20);
    let source = source.to_str().unwrap();
    let mut random = StdRng::seed_from_u64(5);
    cases.summary("scan", &["scan", source, "--quiet"]);
    let items = cases.rows("scan", "items");
    // Each picture's digest with its hash; and another record near by.
    let mut table = String::from("sha256,pdq,name\n");
    for (row, (name, hash)) in items.iter().zip(&hashes) {
        assert_eq!(text(row, "path"), name);
        writeln!(table, "{},{},{name}", text(row, "sha256"), planted(*hash, 3, &mut random)).unwrap();
        writeln!(table, ",{},near {name}", planted(*hash, 12, &mut random)).unwrap();
        writeln!(table, ",{},hardly {name}", planted(*hash, 60, &mut random)).unwrap();
    }
    let known = cases.path("known.csv");
    fs::write(&known, table).unwrap();
    let known = known.to_str().unwrap();
    let triage = ["triage", source, "--known", known, "--quiet"];
    let summary = cases.summary("auto", &triage);
    assert_eq!(["confirmed", "refuted", "unverified"].map(|name| run_count(&summary, name)), [0, 0, 0]);
    let rows = cases.rows("auto", "hits");
    assert_eq!(rows.len(), 40);
    let coefficients = rows.iter().filter(|row| text(row, "derived_from") == "coefficients");
    for row in coefficients.clone() {
        if text(row, "kind") == "digest" {
            assert_eq!((text(row, "confirmation"), &row["distance"]), ("digest", &Value::Null), "{row}");
            assert_eq!(row["orientation"], Value::Null);
        } else {
            assert_eq!(
                (text(row, "confirmation"), text(row, "unconfirmed_reason")),
                ("unconfirmed", "digest_hit")
            );
        }
    }
    assert!(coefficients.count() >= 36);
    // A digest that another set of the run knows is as good.
    let near = plant(&cases, "near.txt", &hashes, 6);
    let summary = cases.summary("both", &["triage", source, "--known", &near, known, "--quiet"]);
    assert_eq!(run_count(&summary, "confirmed") + run_count(&summary, "refuted"), 0);
    let mut parts = vec!["match", "--known", &near, known, "--quiet"];
    let summary = cases.summary("scan", &parts);
    assert_eq!(run_count(&summary, "confirmed") + run_count(&summary, "refuted"), 0);
    assert_eq!(cases.exports("scan"), cases.exports("both"));
    // With the option to check all, at once and later.
    parts.extend(["--verify", "all"]);
    let summary = cases.summary("scan", &parts);
    assert!(run_count(&summary, "confirmed") >= 18, "{summary}");
    cases.summary("pixels", &["triage", source, "--known", &near, known, "--decode", "pixels", "--quiet"]);
    assert_eq!(cases.rows("scan", "hits"), cases.rows("pixels", "hits"));
}

#[test]
fn without_verification_hits_are_marked_and_can_be_confirmed_later() {
    let cases = Cases::new();
    let (source, hashes) = some(&cases, 30);
    let source = source.to_str().unwrap();
    let (known, other) = (plant(&cases, "known.txt", &hashes, 7), plant(&cases, "other.txt", &hashes, 8));
    let off = ["--verify", "off", "--quiet"];
    let mut triage = vec!["triage", source, "--known", &known];
    triage.extend(off);
    let summary = cases.summary("CASE", &triage);
    assert_eq!(["confirmed", "refuted", "unverified"].map(|name| run_count(&summary, name)), [0, 0, 0]);
    let unverified = cases.rows("CASE", "hits");
    assert!(verifications(&unverified).contains(&("unconfirmed", "verify_off")));
    assert!(unverified.iter().all(|row| row["distance"].as_u64().unwrap() <= u64::from(DEFAULT_DISTANCE)));
    assert_eq!(summary["hash_sets"][0]["verify"], "off");
    let settings: String = Connection::open(cases.path("CASE/case.sqlite"))
        .unwrap()
        .query_row("SELECT settings FROM run", [], |row| row.get(0))
        .unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_eq!((&settings["matching"]["verify"], &settings["decode"]), (&"off".into(), &"auto".into()));

    // Verifications for another set replace hashes, and leave the hits of this set alone.
    let ids = || -> Vec<(i64, Vec<u8>)> {
        let case = Connection::open(cases.path("CASE/case.sqlite")).unwrap();
        let mut statement = case.prepare("SELECT id, sha256 FROM content ORDER BY id").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let before = ids();
    cases.summary("CASE", &["match", "--known", &other, "--quiet"]);
    assert_eq!(ids(), before);
    let of = |set: &str| -> Vec<Value> {
        let rows = cases.rows("CASE", "hits");
        rows.into_iter().filter(|row| text(row, "hash_set") == set).collect()
    };
    let kept = of("known");
    let essence = |rows: &[Value]| -> Vec<String> {
        let fields = ["path", "record", "confirmation", "unconfirmed_reason", "distance", "orientation"];
        rows.iter().map(|row| fields.map(|field| row[field].to_string()).join(" ")).collect()
    };
    assert_eq!(essence(&kept), essence(&unverified));
    assert_ne!(kept, unverified, "their hashes are from pixels now");

    // With verifications requested, the set is matched anew.
    let summary = cases.summary("CASE", &["match", "--known", &known, "--quiet"]);
    assert!(run_count(&summary, "matched") > 0);
    cases.summary(
        "pixels",
        &["triage", source, "--known", &known, other.as_str(), "--decode", "pixels", "--quiet"],
    );
    assert_eq!(cases.rows("CASE", "hits"), cases.rows("pixels", "hits"));
}

/// Hits that were left alone when their contents' hashes were replaced are settled by these as soon as their set is
/// matched again, without decoding.
#[test]
fn hashes_that_are_exact_by_now_settle_what_was_unconfirmed() {
    let cases = Cases::new();
    let (source, hashes) = some(&cases, 20);
    let source_text = source.to_str().unwrap();
    let known = plant(&cases, "known.txt", &hashes, 9);
    let off = ["match", "--known", &known, "--verify", "off", "--quiet"];
    cases.summary("CASE", &["scan", source_text, "--quiet"]);
    cases.summary("CASE", &off);
    // Another set makes all hashes exact.
    let mut list = String::new();
    writeln!(list, "pdq").unwrap();
    hashes.iter().for_each(|(_, hash)| writeln!(list, "{hash}").unwrap());
    let all = cases.path("all.txt");
    fs::write(&all, list).unwrap();
    cases.summary("CASE", &["match", "--known", all.to_str().unwrap(), "--quiet"]);
    assert!(cases.rows("CASE", "items").iter().all(|row| text(row, "derived_from") == "pixels"));
    fs::remove_dir_all(&source).unwrap();
    let summary = cases.summary("CASE", &off);
    assert_eq!(summary["unconfirmed"], serde_json::json!([]));
    assert_eq!(verifications(&cases.rows("CASE", "hits")), BTreeSet::from([("pixels", "")]));
}

#[test]
fn pixels_that_do_not_fit_leave_hits_unconfirmed_until_they_do() {
    let cases = Cases::new();
    let source = cases.path("source");
    fs::create_dir(&source).unwrap();
    let small = scene::render(3, 500, 400);
    let large = image::imageops::resize(&small, 5000, 4000, image::imageops::FilterType::Triangle);
    fs::write(source.join("large.jpg"), jpeg(&large, 60)).unwrap();
    let source = source.to_str().unwrap();
    let hashes = exact_hashes(Path::new(source));
    let known = cases.path("known.txt");
    fs::write(&known, format!("{},100,it\n", planted(hashes[0].1, 20, &mut StdRng::seed_from_u64(1))))
        .unwrap();
    let known = known.to_str().unwrap();
    let summary =
        cases.summary("CASE", &["triage", source, "--known", known, "--max-memory", "64MiB", "--quiet"]);
    assert_eq!((run_count(&summary, "pictures"), run_count(&summary, "unverified")), (1, 1));
    let rows = cases.rows("CASE", "hits");
    assert_eq!(
        (text(&rows[0], "confirmation"), text(&rows[0], "unconfirmed_reason")),
        ("unconfirmed", "over_limit")
    );
    let text_form = expect(
        0,
        &tamis()
            .args(["match", "--known", known, "--max-memory", "64MiB", "--case"])
            .arg(cases.path("CASE"))
            .output()
            .unwrap(),
    );
    assert!(text_form.contains("over_limit") && text_form.contains("--max-memory"), "{text_form}");
    let summary = cases.summary("CASE", &["match", "--known", known, "--max-memory", "1GiB", "--quiet"]);
    assert_eq!(run_count(&summary, "confirmed"), 1);
    let rows = cases.rows("CASE", "hits");
    assert_eq!((text(&rows[0], "confirmation"), &rows[0]["distance"]), ("pixels", &20.into()));
}

/// No JPEG is known whose coefficients can be read and whose pixels cannot; a truncated one is given a hash here.
#[test]
fn a_decoder_that_fails_leaves_hits_unconfirmed() {
    let cases = Cases::new();
    let (source, hashes) = some(&cases, 2);
    let known = plant(&cases, "known.txt", &hashes, 13);
    let whole = fs::read(source.join("000.jpg")).unwrap();
    fs::write(source.join("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    cases.summary("CASE", &["scan", source.to_str().unwrap(), "--quiet"]);
    let case = Connection::open(cases.path("CASE/case.sqlite")).unwrap();
    let changed = case
        .execute(
            "INSERT INTO fingerprint SELECT (SELECT content.id FROM content JOIN item USING (sha256) WHERE name = 'cut.jpg'), spec, view, hashes,
                 quality, 'coefficients', unstable_bits, fallback_reason
             FROM fingerprint JOIN content ON content.id = fingerprint.content JOIN item USING (sha256) WHERE name = '000.jpg'",
            [],
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(case);
    let summary = cases.summary("CASE", &["match", "--known", &known, "--distance", "45", "--quiet"]);
    assert_eq!(run_count(&summary, "unverified"), 1);
    let rows = cases.rows("CASE", "hits");
    for row in &rows {
        let expected =
            if text(row, "path") == "cut.jpg" { ("unconfirmed", "decoder_failed") } else { ("pixels", "") };
        assert_eq!((text(row, "confirmation"), text(row, "unconfirmed_reason")), expected);
    }
    assert!(rows.iter().any(|row| text(row, "path") == "cut.jpg"));
}

#[test]
fn a_case_keeps_its_way_of_decoding() {
    let cases = Cases::new();
    let (source, hashes) = some(&cases, 4);
    let (source, known) = (source.to_str().unwrap(), plant(&cases, "known.txt", &hashes, 11));
    for (case, own, other) in [("auto", "auto", "pixels"), ("pixels", "pixels", "auto")] {
        let first = cases.summary(case, &["scan", source, "--decode", own, "--quiet"]);
        assert_eq!(first["decode"], own);
        let expected = cases.exports(case);
        for command in
            [&["scan", source][..], &["triage", source, "--known", &known], &["match", "--known", &known]]
        {
            let output = tamis()
                .args(command)
                .args(["--decode", other, "--case"])
                .arg(cases.path(case))
                .output()
                .unwrap();
            let said = errors(1, &output);
            assert!(said.contains("leave --decode out, or use another case folder"), "{said}");
            assert!(
                said.contains(&format!("--decode {own}")) && said.contains(&format!("--decode {other}")),
                "{said}"
            );
        }
        assert_eq!(cases.exports(case), expected);
        // Without the option it continues as it began.
        fs::copy(corpus().join("050.jpg"), Path::new(source).join("050.jpg")).unwrap();
        cases.summary(case, &["scan", source, "--quiet"]);
        let rows = cases.rows(case, "items");
        let wanted = if own == "auto" { "coefficients" } else { "pixels" };
        assert!(paths_taken(&rows).iter().filter(|path| **path == wanted).count() >= 4, "{case}");
        fs::remove_file(Path::new(source).join("050.jpg")).unwrap();
    }
}

#[test]
fn hash_reports_what_hashes_are_derived_from() {
    let cases = Cases::new();
    let (source, hashes) = some(&cases, 6);
    let source = source.to_str().unwrap();
    let hash = |more: &[&str]| {
        let mut arguments = vec!["hash", source, "--format", "csv", "--quiet"];
        arguments.extend(more);
        let output = expect(0, &run(arguments));
        let mut reader = csv::Reader::from_reader(output.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        (header, rows)
    };
    let (header, rows) = hash(&[]);
    let fields = [
        "path",
        "outcome",
        "reason",
        "view",
        "pdq",
        "quality",
        "width",
        "height",
        "format",
        "derived_from",
        "unstable_bits",
    ];
    assert_eq!(header.iter().collect::<Vec<_>>(), fields);
    assert!(rows.iter().filter(|row| &row[9] == "coefficients").count() >= 4);
    let (_, pixels) = hash(&["--decode", "pixels"]);
    for ((row, exact), (_, hash)) in rows.iter().zip(&pixels).zip(&hashes) {
        assert_eq!((&exact[9], &exact[4]), ("pixels", hash.to_string().as_str()));
        assert!(row[4].parse::<PdqHash>().unwrap().distance(*hash) <= DELTA);
        assert!(row[10].parse::<u16>().unwrap() <= 256);
    }
    let (header, _) = hash(&["--orientations"]);
    assert_eq!((&header[10], &header[11], header.len()), ("unstable_bits", "rotate_90", 18));
}

#[test]
fn a_case_of_another_version_is_refused_with_a_way_out() {
    let cases = Cases::new();
    let (source, _) = some(&cases, 1);
    let source = source.to_str().unwrap();
    cases.summary("CASE", &["scan", source, "--quiet"]);
    let case = Connection::open(cases.path("CASE/case.sqlite")).unwrap();
    for (version, way_out) in [
        (1, "scan its sources again into a new case folder"),
        (2, "scan its sources again into a new case folder"),
        (1000, "use the newer tamis"),
    ] {
        case.pragma_update(None, "user_version", version).unwrap();
        for command in [&["scan", source][..], &["export", "hits"]] {
            let output = tamis().args(command).arg("--case").arg(cases.path("CASE")).output().unwrap();
            let said = errors(1, &output);
            assert!(said.contains(&format!("schema version {version}")) && said.contains(way_out), "{said}");
        }
    }
}

/// Wherever a match is stopped, the same command leads to the same result.
#[cfg(unix)]
#[test]
fn interrupted_verifications_are_resumed() {
    let cases = Cases::new();
    let source = corpus().to_str().unwrap();
    let known = plant(&cases, "known.txt", &exact_hashes(corpus()), 12);
    cases.summary("scan", &["scan", source, "--quiet"]);
    copy(&cases.path("scan"), &cases.path("whole"));
    let matching = ["match", "--known", &known, "--quiet"];
    cases.summary("whole", &matching);
    let expected = cases.exports("whole");
    for (number, (signal, milliseconds)) in
        [("-INT", 40), ("-INT", 80), ("-INT", 120), ("-KILL", 60), ("-KILL", 120)].into_iter().enumerate()
    {
        let name = format!("stopped-{number}");
        copy(&cases.path("scan"), &cases.path(&name));
        let mut command = tamis();
        command.args(matching).args(["--jobs", "1", "--case"]).arg(cases.path(&name));
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let _ = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        println!("{signal} after {milliseconds} ms: {:?}", child.wait().unwrap().code());
        let rest = cases.summary(&name, &matching);
        println!("  {} were left", rest["run"]["confirmed"]);
        assert_eq!(cases.exports(&name), expected, "{signal} after {milliseconds} ms");
    }
}
