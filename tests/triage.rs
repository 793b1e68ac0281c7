//! The main job on the sample seizure, with the real program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::cli::{Cases, KNOWN, SEIZURE, errors, expect, outcomes, run, tamis, text};
use tamis::case::{CaseIdentity, CaseStore, HashSpec};
use tamis::decode::DecodeMode;
use tamis::engine::{CancelToken, IngestSettings, Progress, ingest};
use tamis::gpu::{AdapterSelector, GpuContext};
use tamis::known::{HashSet, ReadOptions};
use tamis::matching::Backend;
use tamis::pdq::{Geometry, Orientation, PdqHash};

// Tests that need the bytes themselves get them from here: another program's reading would change the time of last
// access, which is in the exports, between two runs that are compared.
const PHOTO_1: &[u8] = include_bytes!("data/seizure/phone/DCIM/IMG_0001.jpg");
const PHOTO_2: &[u8] = include_bytes!("data/seizure/phone/DCIM/IMG_0002.jpg");
#[cfg(unix)]
const NOTES: &[u8] = include_bytes!("data/seizure/laptop/notes.txt");

fn triage(cases: &Cases, case: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["triage", SEIZURE, "--known", KNOWN, "--quiet"];
    arguments.extend(more);
    cases.summary(case, &arguments)
}

/// All of the summary but what depends on the machine.
#[test]
fn the_readme_shows_what_the_sample_prints() {
    let cases = Cases::new();
    let case = cases.path("CASE");
    let printed =
        expect(0, &run(["triage", SEIZURE, "--known", KNOWN, "--quiet", "--case", case.to_str().unwrap()]));
    let part = |text: &str| {
        let (_, from) = text.split_once("Items\n").unwrap();
        from.split_once("This run: ").unwrap().0.to_string()
    };
    let readme = fs::read_to_string("README.md").unwrap();
    let (_, shown) = readme.split_once("$ cargo run --release -- triage tests/data/seizure").unwrap();
    assert_eq!(part(shown), part(&printed));
}

#[test]
fn the_sample_shows_something_of_everything() {
    let cases = Cases::new();
    let summary = triage(&cases, "CASE", &[]);
    let expected = [
        ("hashed", 16),
        ("duplicate", 1),
        ("too_small", 1),
        ("other", 1),
        ("unsupported", 1),
        ("corrupt", 1),
        ("empty", 1),
    ];
    assert_eq!(outcomes(&summary), expected.map(|(name, items)| (name.to_string(), items)));
    assert_eq!(summary["discovered"], 22);
    let set = &summary["hash_sets"][0];
    assert_eq!(
        (&set["digest_hits"], &set["perceptual_hits"], &set["items"]),
        (&3.into(), &5.into(), &8.into())
    );
    let distances: u64 =
        summary["distances"].as_array().unwrap().iter().map(|count| count["hits"].as_u64().unwrap()).sum();
    assert_eq!(distances, 5, "the histogram is of the perceptual hits");
    assert_eq!(summary["run"]["files"], 22);
    let text = expect(0, &run(["match", "--known", KNOWN, "--case", cases.path("CASE").to_str().unwrap()]));
    for part in [
        "22  discovered",
        "3           5       8  known (7 records",
        "8 of 22 items have a hit; 10 hashed pictures, copies included, have none",
        "0–3   4  ###",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

/// What `find` lists is what the case has.
#[test]
fn every_file_is_an_item() {
    let cases = Cases::new();
    triage(&cases, "CASE", &[]);
    let mut files = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(SEIZURE)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let name = |path: &Path| path.strip_prefix(SEIZURE).unwrap().to_str().unwrap().replace('\\', "/");
    let expected: BTreeSet<String> = files.iter().map(|path| name(path)).collect();
    let rows = cases.rows("CASE", "items");
    let paths: Vec<&str> = rows.iter().map(|row| text(row, "path")).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(paths.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), expected);
    // The digests are those of other tools: `known.csv` holds SHA-256s from Python's hashlib.
    let table = fs::read_to_string(KNOWN).unwrap();
    let first = rows.iter().find(|row| text(row, "path") == "phone/DCIM/IMG_0001.jpg").unwrap();
    for digest in ["md5", "sha1", "sha256"] {
        assert!(table.contains(text(first, digest)), "{digest}");
    }
    assert_eq!(text(first, "outcome"), "duplicate");
    assert!(text(first, "duplicate_of").ends_with("backup/IMG_0001 (copy).jpg"));
}

type HashHit = (String, String, u32, &'static str);

/// All pairs of `known.csv` and `hash --orientations` within the distance, compared here one by one.
fn expected_hits(distance: u32) -> BTreeSet<HashHit> {
    let hash = ["hash", SEIZURE, "--orientations", "--format", "jsonl", "--quiet", "--decode", "pixels"];
    let hashed = expect(0, &run(hash));
    let mut known = csv::Reader::from_path(KNOWN).unwrap();
    let known: Vec<(String, Option<PdqHash>)> = known
        .records()
        .map(|record| record.unwrap())
        .map(|record| (record[5].to_string(), record[0].parse().ok()))
        .collect();
    let mut expected = BTreeSet::new();
    for line in hashed.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if row["quality"].as_u64().is_none_or(|quality| quality < 50) {
            continue;
        }
        let path = text(&row, "path").strip_prefix("tests/data/seizure/").unwrap();
        for (name, hash) in &known {
            let Some(hash) = hash else { continue };
            let distances = Orientation::ALL.map(|orientation| {
                let field = if orientation == Orientation::Original { "pdq" } else { orientation.name() };
                (text(&row, field).parse::<PdqHash>().unwrap().distance(*hash), orientation.inverse())
            });
            let (least, _) = *distances.iter().min_by_key(|(distance, _)| *distance).unwrap();
            let first = distances
                .iter()
                .filter(|(distance, _)| *distance == least)
                .map(|(_, orientation)| orientation)
                .min_by_key(|orientation| **orientation as usize)
                .unwrap();
            if least <= distance {
                expected.insert((path.to_string(), name.clone(), least, first.name()));
            }
        }
    }
    expected
}

/// The hits by hash of a case.
fn found_hits(cases: &Cases, case: &str) -> BTreeSet<HashHit> {
    let rows = cases.rows(case, "hits");
    let by_hash = rows.iter().filter(|row| !row["distance"].is_null());
    let hit = |row: &Value| {
        let name = row["known"]["name"].as_str().unwrap().to_string();
        let orientation = Orientation::from_name(text(row, "orientation")).unwrap().name();
        (text(row, "path").to_string(), name, row["distance"].as_u64().unwrap() as u32, orientation)
    };
    by_hash.map(hit).collect()
}

#[test]
fn hits_are_all_pairs_within_the_distance() {
    let cases = Cases::new();
    // From pixels throughout, and by coefficients with every candidate checked.
    let ways = [["--decode", "pixels"], ["--verify", "all"]];
    for distance in [0, 2, 31, 63] {
        let expected = expected_hits(distance);
        for way in ways {
            let case = format!("CASE-{distance}{}", way[0]);
            triage(&cases, &case, &["--distance", &distance.to_string(), way[0], way[1]]);
            assert_eq!(found_hits(&cases, &case), expected, "at {distance} {way:?}");
        }
    }
    // The twins that must fail: another distance, and one hit turned.
    let expected = expected_hits(31);
    assert_ne!(found_hits(&cases, "CASE-2--verify"), expected);
    let mut turned = expected.clone();
    let (path, name, distance, _) = turned.pop_first().unwrap();
    turned.insert((path, name, distance, "rotate_270"));
    assert_ne!(found_hits(&cases, "CASE-31--verify"), turned);
    let orientations: BTreeSet<&str> = expected.iter().map(|(.., orientation)| *orientation).collect();
    assert!(orientations.is_superset(&BTreeSet::from(["original", "rotate_90", "flip_y"])));
}

#[test]
fn threads_and_backends_do_not_show_in_the_result() {
    let cases = Cases::new();
    triage(&cases, "jobs-1", &["--jobs", "1"]);
    let expected = cases.exports("jobs-1");
    for jobs in ["2", "4", "16"] {
        triage(&cases, jobs, &["--jobs", jobs]);
        assert_eq!(cases.exports(jobs), expected, "{jobs} threads");
    }
    triage(&cases, "little-memory", &["--max-memory", "64MiB", "--jobs", "4"]);
    assert_eq!(cases.exports("little-memory"), expected);
    // The twin that must fail: another distance.
    triage(&cases, "other", &["--distance", "1"]);
    assert_ne!(cases.exports("other"), expected);
    if support::gpu().is_some() {
        triage(&cases, "gpu", &["--backend", "gpu"]);
        assert_eq!(cases.exports("gpu"), expected, "on the GPU");
    }
}

#[test]
fn scan_and_match_are_triage() {
    let cases = Cases::new();
    triage(&cases, "triage", &[]);
    cases.summary("parts", &["scan", SEIZURE, "--quiet"]);
    assert_eq!(cases.rows("parts", "hits"), Vec::<Value>::new());
    cases.summary("parts", &["match", "--known", KNOWN, "--quiet"]);
    assert_eq!(cases.exports("parts"), cases.exports("triage"));
    // The twin that must fail: another distance.
    cases.summary("parts", &["match", "--known", KNOWN, "--distance", "2", "--quiet"]);
    assert_ne!(cases.exports("parts"), cases.exports("triage"));
}

/// Copies of what has a result are duplicates; copies of what failed are failures, each of them.
#[test]
fn a_copy_of_a_failure_is_a_failure() {
    let cases = Cases::new();
    let folder = cases.path("source");
    fs::create_dir(&folder).unwrap();
    let contents: [(&str, &[u8]); 4] =
        [("picture", PHOTO_1), ("broken", &PHOTO_1[..PHOTO_1.len() / 2]), ("text", b"words"), ("zero", b"")];
    for (name, content) in contents {
        for copy in 1..=3 {
            fs::write(folder.join(format!("{name} {copy}")), content).unwrap();
        }
    }
    let summary = cases.summary("CASE", &["scan", folder.to_str().unwrap(), "--quiet"]);
    let expected = [("hashed", 1), ("duplicate", 4), ("other", 1), ("corrupt", 3), ("empty", 3)];
    assert_eq!(outcomes(&summary), expected.map(|(name, items)| (name.to_string(), items)));
    assert_eq!(summary["discovered"], 12);
    let items = cases.rows("CASE", "items");
    for (outcome, count) in expected {
        let rows = items.iter().filter(|row| text(row, "outcome") == outcome).count();
        assert_eq!(rows, count as usize, "the rows are those of the summary: {outcome}");
    }
    let errors = cases.rows("CASE", "errors");
    let failed: Vec<(&str, &str)> =
        errors.iter().map(|row| (text(row, "path"), text(row, "outcome"))).collect();
    assert_eq!(
        failed,
        [
            ("broken 1", "corrupt"),
            ("broken 2", "corrupt"),
            ("broken 3", "corrupt"),
            ("zero 1", "empty"),
            ("zero 2", "empty"),
            ("zero 3", "empty")
        ]
    );
    assert!(errors.iter().all(|row| !text(row, "reason").is_empty()));
    assert!(text(&errors[1], "duplicate_of").ends_with("source/broken 1"));
    assert!(items.iter().all(|row| !text(row, "accessed").is_empty() || row["accessed"].is_null()));
}

/// Two files with the same name, as labs keep them in one folder per month.
#[test]
fn sets_of_one_name_are_distinguished() {
    let cases = Cases::new();
    let table = fs::read_to_string(KNOWN).unwrap();
    let paths = ["a", "b"].map(|folder| {
        let path = cases.path(folder).join("known.csv");
        fs::create_dir(cases.path(folder)).unwrap();
        fs::write(&path, format!("# {folder}\n{table}")).unwrap();
        path.to_str().unwrap().to_string()
    });
    cases.summary("CASE", &["triage", SEIZURE, "--known", &paths[0], &paths[1], "--quiet"]);
    let hits = cases.rows("CASE", "hits");
    let sets: BTreeSet<(&str, &str)> =
        hits.iter().map(|row| (text(row, "hash_set"), text(row, "hash_set_sha256"))).collect();
    assert_eq!(sets.len(), 2, "{sets:?}");
    assert!(sets.iter().all(|(name, sha256)| *name == "known" && sha256.len() == 64));
    let case = cases.path("CASE");
    let output = tamis().args(["match", "--known", &paths[0], "--case"]).arg(&case).output().unwrap();
    let summary = expect(0, &output);
    for path in &paths {
        assert!(summary.contains(&format!("known [{path}] (7 records")), "{summary}");
    }
}

#[test]
fn nothing_is_done_twice_and_the_rows_stay() {
    let cases = Cases::new();
    let first = triage(&cases, "CASE", &[]);
    let expected = cases.exports("CASE");
    assert_eq!(first["run"]["pictures"], 16);
    let again = triage(&cases, "CASE", &[]);
    assert_eq!((&again["run"]["files"], &again["run"]["pictures"]), (&0.into(), &0.into()));
    assert_eq!(cases.exports("CASE"), expected);
    cases.summary("CASE", &["match", "--known", KNOWN, "--quiet"]);
    assert_eq!(cases.exports("CASE"), expected);
    // Other settings find other hits; the first settings find the first ones again.
    cases.summary("CASE", &["match", "--known", KNOWN, "--distance", "2", "--quiet"]);
    assert_ne!(cases.exports("CASE"), expected);
    cases.summary("CASE", &["match", "--known", KNOWN, "--quiet"]);
    assert_eq!(cases.exports("CASE"), expected);
}

/// A later set is matched with what is there, and what is new with both.
#[test]
fn later_sets_and_files_are_matched_with_all_others() {
    let cases = Cases::new();
    let source = cases.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("a.jpg"), PHOTO_1).unwrap();
    let list = cases.path("list.txt");
    let output = run(["hash", "--quiet", "--output", list.to_str().unwrap(), &format!("{SEIZURE}/phone")]);
    expect(0, &output);
    let (source_text, list_text) = (source.to_str().unwrap(), list.to_str().unwrap());
    cases.summary("CASE", &["triage", source_text, "--known", KNOWN, "--quiet"]);
    fs::write(source.join("b.jpg"), PHOTO_2).unwrap();
    let both = ["triage", source_text, "--known", KNOWN, list_text, "--quiet"];
    cases.summary("CASE", &both);
    cases.summary("fresh", &both);
    assert_eq!(cases.exports("CASE"), cases.exports("fresh"));
    assert!(cases.rows("fresh", "hits").len() >= 4);
}

/// The summary of a scan lists the sets that its files were not matched against yet.
#[test]
fn files_not_matched_with_a_set_are_reported() {
    let cases = Cases::new();
    let phone = format!("{SEIZURE}/phone");
    let unmatched = |summary: &Value| summary["hash_sets"][0]["unmatched"].as_u64().unwrap();
    let first = cases.summary("CASE", &["triage", &phone, "--known", KNOWN, "--quiet"]);
    assert_eq!(unmatched(&first), 0);
    let laptop = format!("{SEIZURE}/laptop");
    let second = cases.summary("CASE", &["scan", &laptop, "--quiet"]);
    assert_eq!(unmatched(&second), second["run"]["files"].as_u64().unwrap());
    assert!(unmatched(&second) > 0);
    let third = cases.summary("CASE", &["match", "--known", KNOWN, "--quiet"]);
    assert_eq!(unmatched(&third), 0);
}

#[test]
fn our_own_output_is_a_known_set_in_every_form() {
    let cases = Cases::new();
    for format in ["text", "csv"] {
        let list = cases.path(&format!("list.{format}"));
        expect(0, &run(["hash", SEIZURE, "--quiet", "--format", format, "--output", list.to_str().unwrap()]));
        let summary =
            cases.summary(format, &["triage", SEIZURE, "--known", list.to_str().unwrap(), "--quiet"]);
        let set = &summary["hash_sets"][0];
        // Every picture of some quality finds itself; the blank one is set aside.
        assert_eq!(set["items"], 16, "{format}: {set}");
        assert_eq!(set["digest_hits"], 0);
    }
}

#[cfg(unix)]
#[test]
fn checksum_lists_find_files_of_any_kind() {
    let cases = Cases::new();
    let notes = cases.path("notes.txt");
    fs::write(&notes, NOTES).unwrap();
    let Ok(output) = std::process::Command::new("sha256sum").arg(&notes).output() else {
        support::skip("no sha256sum");
        return;
    };
    let list = cases.path("SUMS");
    fs::write(&list, output.stdout).unwrap();
    let summary = cases.summary("CASE", &["triage", SEIZURE, "--known", list.to_str().unwrap(), "--quiet"]);
    assert_eq!(summary["hash_sets"][0]["digest_hits"], 1);
    let hits = cases.rows("CASE", "hits");
    assert_eq!((text(&hits[0], "path"), text(&hits[0], "digests")), ("laptop/notes.txt", "sha256"));
}

#[test]
fn a_case_refuses_what_contradicts_it_and_names_the_way_out() {
    let cases = Cases::new();
    triage(&cases, "CASE", &["--case-number", "K 17", "--exhibit", "E1"]);
    let case = cases.path("CASE");
    let refused = |more: &[&str]| {
        let mut command = tamis();
        command.args(["triage", SEIZURE, "--known", KNOWN, "--case"]).arg(&case).args(more);
        errors(1, &command.output().unwrap())
    };
    assert!(refused(&["--case-number", "K 18"]).contains(": the case has --case-number `K 17`, not `K 18`"));
    assert!(refused(&["--geometry", "te512"]).contains("leave --geometry out, or use another case folder"));
    let inner = errors(
        1,
        &tamis().args(["scan", &format!("{SEIZURE}/phone"), "--case"]).arg(&case).output().unwrap(),
    );
    assert!(inner.contains("lies inside") && inner.contains("count twice"), "{inner}");
    let outer = errors(1, &tamis().args(["scan", "tests/data", "--case"]).arg(&case).output().unwrap());
    assert!(outer.contains("holds") && outer.contains("count twice"), "{outer}");
    // Values that were not given before complete the case's identity.
    triage(&cases, "CASE", &["--examiner", "A. Nalyst", "--case-number", "K 17"]);
    let text = expect(0, &tamis().args(["match", "--known", KNOWN, "--case"]).arg(&case).output().unwrap());
    assert!(text.starts_with("case K 17, exhibit E1, examiner A. Nalyst\n"), "{text}");
}

/// Kept as it was typed, and escaped once, where it is shown.
#[test]
fn identity_texts_are_kept_raw() {
    let cases = Cases::new();
    for _ in 0..2 {
        let summary = triage(&cases, "CASE", &["--case-number", "AB\\12", "--exhibit", "a\nb"]);
        assert_eq!(summary["identity"]["case_number"], "AB\\\\12");
        assert_eq!(summary["identity"]["exhibit"], "a\\nb");
    }
    let database = rusqlite::Connection::open(cases.path("CASE").join("case.sqlite")).unwrap();
    let stored: String = database
        .query_row("SELECT value FROM case_info WHERE key = 'case_number'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, "AB\\12");
    let output = run(["match", "--known", KNOWN, "--case", cases.path("CASE").to_str().unwrap()]);
    assert!(expect(0, &output).starts_with("case AB\\\\12, exhibit a\\nb\n"));
}

#[test]
fn sets_of_another_geometry_are_refused() {
    let cases = Cases::new();
    let set = cases.path("set.txt");
    fs::write(&set, format!("# geometry: te512\n{}\n", "1234".repeat(16))).unwrap();
    let output = run([
        "triage",
        SEIZURE,
        "--known",
        set.to_str().unwrap(),
        "--case",
        cases.path("A").to_str().unwrap(),
    ]);
    assert!(errors(1, &output).contains("cannot be compared"));
    let set = set.to_str().unwrap();
    let summary = cases.summary("B", &["triage", SEIZURE, "--known", set, "--geometry", "te512", "--quiet"]);
    assert_eq!(summary["geometry"], "te512");
    // A case keeps its own geometry by default.
    let again = cases.summary("B", &["triage", SEIZURE, "--known", set, "--quiet"]);
    assert_eq!(again["run"]["files"], 0);
}

#[test]
fn a_lost_gpu_is_reported_and_does_not_affect_the_result() {
    if support::gpu().is_none() {
        return;
    }
    let hashes = support::clustered_hashes(1, 3000);
    let tiles: Vec<_> = (0..100).map(support::tile).collect();
    let cpu = Backend::cpu("a test");
    let backend = Backend::gpu(GpuContext::open(&AdapterSelector::Any).unwrap(), "a test").unwrap();
    let _software_adapter = backend.take_notices();
    let haystack = backend.haystack(&hashes);
    let expected = (cpu.hash_tiles(&tiles), cpu.haystack(&hashes).search(&hashes[..50], 31));
    for round in 0..5 {
        assert_eq!(backend.hash_tiles(&tiles), expected.0, "round {round}");
        assert_eq!(haystack.search(&hashes[..50], 31), expected.1, "round {round}");
        if round == 1 {
            assert_eq!(backend.take_notices(), Vec::<String>::new());
            backend.simulate_gpu_loss();
        }
    }
    let notices = backend.take_notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("continues on the CPU"), "{notices:?}");
}

/// The hasher and the matchers use the GPU concurrently: one of them detects the loss while the other reads what came
/// back before it.
#[test]
fn a_gpu_lost_under_two_threads_does_not_show_in_the_result() {
    if support::gpu().is_none() {
        return;
    }
    let hashes = support::clustered_hashes(1, 3000);
    let tiles: Vec<_> = (0..300).map(support::tile).collect();
    let cpu = Backend::cpu("a test");
    let expected = (cpu.hash_tiles(&tiles), cpu.haystack(&hashes).search(&hashes[..50], 31));
    for round in 0..8 {
        let backend = Backend::gpu(GpuContext::open(&AdapterSelector::Any).unwrap(), "a test").unwrap();
        let haystack = backend.haystack(&hashes);
        backend.simulate_gpu_loss_after(12 + round);
        std::thread::scope(|threads| {
            threads
                .spawn(|| (0..12).for_each(|_| assert!(backend.hash_tiles(&tiles) == expected.0, "{round}")));
            for _ in 0..2 {
                let search = || assert!(haystack.search(&hashes[..50], 31) == expected.1, "{round}");
                threads.spawn(move || (0..12).for_each(|_| search()));
            }
        });
        let notices = backend.notices();
        assert_eq!(notices.iter().filter(|notice| notice.contains("continues on the CPU")).count(), 1);
    }
}

/// A whole run on a GPU that is lost after so many batches of tiles or queries; returns the notices.
fn run_on_a_dying_gpu(cases: &Cases, case: &str, batches: u32, distance: u32) -> Vec<String> {
    let spec = HashSpec {
        algorithm: "pdq".into(),
        version: HashSpec::VERSION,
        geometry: Geometry::Full,
        decode: DecodeMode::Auto,
    };
    let mut store = CaseStore::open_or_create(&cases.path(case), &CaseIdentity::default(), &spec).unwrap();
    let known =
        [HashSet::read(Path::new(KNOWN), &ReadOptions { min_quality: 50, ..ReadOptions::default() })
            .unwrap()];
    let backend = Backend::gpu(GpuContext::open(&AdapterSelector::Any).unwrap(), "a test").unwrap();
    let _software_adapter = backend.take_notices();
    backend.simulate_gpu_loss_after(batches);
    let settings = IngestSettings { distance, ..IngestSettings::new(2, 2, 256 << 20) };
    let source = [Path::new(env!("CARGO_MANIFEST_DIR")).join(SEIZURE)];
    let (progress, cancel) = (Progress::default(), CancelToken::default());
    ingest(&mut store, &source, &known, &backend, &settings, &progress, &cancel).unwrap();
    drop(store);
    let new = backend.take_notices();
    assert!(backend.notices().ends_with(&new), "notices stay for the record");
    assert_eq!(backend.take_notices(), Vec::<String>::new(), "and are taken once");
    new
}

/// The hash sets are resident on the GPU in all of these; it is lost before the first tiles are hashed, between
/// them and the first search, and never.
#[test]
fn a_run_survives_its_gpu() {
    if support::gpu().is_none() {
        return;
    }
    let cases = Cases::new();
    triage(&cases, "CPU", &[]);
    let expected = cases.exports("CPU");
    for (case, batches) in [("tiles", 0), ("queries", 1), ("never", 1000)] {
        let notices = run_on_a_dying_gpu(&cases, case, batches, 31);
        assert_eq!(notices.len(), usize::from(batches < 1000), "{case}: {notices:?}");
        assert!(notices.iter().all(|notice| notice.contains("continues on the CPU")), "{notices:?}");
        assert_eq!(cases.exports(case), expected, "{case}");
    }
    // The twin that must fail: a bit less.
    run_on_a_dying_gpu(&cases, "other", 1, 2);
    assert_ne!(cases.exports("other"), expected);
}

/// The backend's notices are in the summary and the case, even with `--quiet`.
#[test]
fn notices_are_in_the_summary() {
    let Some(context) = support::gpu() else { return };
    if !context.description().is_software() {
        support::skip("the notice is that of a software adapter");
        return;
    }
    let cases = Cases::new();
    let summary = triage(&cases, "CASE", &["--backend", "gpu"]);
    let notices = summary["run"]["notices"].as_array().unwrap();
    assert!(notices[0].as_str().unwrap().contains("software adapter"), "{notices:?}");
    let case = cases.path("CASE");
    let arguments = ["match", "--known", KNOWN, "--backend", "gpu", "--quiet", "--case"];
    let text = expect(0, &tamis().args(arguments).arg(&case).output().unwrap());
    assert!(text.contains("  NOTE: ") && text.contains("software adapter"), "{text}");
    let database = rusqlite::Connection::open(case.join("case.sqlite")).unwrap();
    let recorded: i64 = database
        .query_row("SELECT count(*) FROM run WHERE notices LIKE '%software adapter%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(recorded, 2);
    assert_eq!(triage(&cases, "CPU", &["--backend", "cpu"])["run"]["notices"], serde_json::json!([]));
}

/// What each stage counted must be what went through it, and the bottleneck one of the stages.
#[test]
fn the_profile_counts_what_went_through_each_stage() {
    let cases = Cases::new();
    let summary = triage(&cases, "CASE", &["--profile-stages"]);
    let profile = &summary["run"]["profile"];
    let stage = |name: &str| {
        let stages = profile["stages"].as_array().unwrap();
        stages.iter().find(|stage| stage["stage"] == name).unwrap_or_else(|| panic!("no {name}: {profile}"))
    };
    for name in ["walking", "reading", "digesting", "writing"] {
        assert_eq!(stage(name)["items"], 22, "{name}");
    }
    assert_eq!(stage("reading")["bytes"], summary["bytes"]);
    assert_eq!(stage("digesting")["bytes"], summary["bytes"]);
    assert_eq!(stage("hashing")["items"], 16);
    assert_eq!(stage("searching")["items"], 21, "one of 22 is a duplicate");
    let limit = &summary["run"]["limited_by"];
    assert!(stage(limit["stage"].as_str().unwrap())["busy_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(limit, &profile["limited_by"]);
    let again = triage(&cases, "CASE", &[]);
    assert!(again["run"]["profile"].is_null(), "only where it is asked for");
}

#[test]
fn the_profile_is_a_table_or_json_on_standard_error() {
    let cases = Cases::new();
    let case = cases.path("CASE");
    let scan = |more: &[&str]| {
        let mut command = tamis();
        command.args(["scan", SEIZURE, "--profile-stages", "--case"]).arg(&case).args(more);
        command.output().unwrap()
    };
    let output = scan(&["--io-jobs", "3", "--jobs", "2"]);
    assert!(expect(0, &output).contains("\nlimited by: "));
    let table = errors(0, &output);
    let threads = |stage: &str| {
        let row = table.lines().find(|line| line.starts_with(stage)).unwrap_or_else(|| panic!("{table}"));
        row[stage.len()..].split_whitespace().next().unwrap().to_string()
    };
    assert_eq!(["walking", "reading", "digesting", "writing"].map(threads), ["3", "3", "2", "1"]);
    assert!(table.lines().last().unwrap().starts_with("limited by: "), "{table}");

    let output = scan(&["--progress", "json"]);
    let last: Value = serde_json::from_str(errors(0, &output).lines().last().unwrap()).unwrap();
    assert!(last["profile"]["seconds"].as_f64().unwrap() > 0.0);
}

/// Many small files in a deep and wide tree, with every number of reading threads: the same case.
#[test]
fn the_threads_that_read_do_not_change_the_case() {
    let cases = Cases::new();
    let source = cases.path("source");
    for number in 0..700 {
        let folder = source.join(format!("{}/{}", number % 13, number % 7));
        fs::create_dir_all(&folder).unwrap();
        // Every fifth content twice or more, and one file that is streamed.
        fs::write(folder.join(format!("{number}.txt")), format!("file {}", number % 560)).unwrap();
    }
    fs::write(source.join("large"), vec![7; (5 << 20) + 1]).unwrap();
    let source = source.to_str().unwrap();
    let mut exports = BTreeSet::new();
    for io_jobs in ["1", "2", "9"] {
        let summary = cases.summary(io_jobs, &["scan", source, "--quiet", "--io-jobs", io_jobs]);
        assert_eq!(summary["unfinished"], 0);
        exports.insert(cases.exports(io_jobs));
        // And again, with nothing left to do.
        let again = cases.summary(io_jobs, &["scan", source, "--quiet", "--io-jobs", io_jobs]);
        assert_eq!(again["run"]["files"], 0);
    }
    assert_eq!(exports.len(), 1);
}

/// A file that was over the limit is tried again with more memory; what a set knows of its bytes stays.
#[test]
fn a_hit_by_digest_outlives_a_second_try() {
    let cases = Cases::new();
    let folder = cases.path("seizure");
    fs::create_dir(&folder).unwrap();
    let large = image::GrayImage::from_fn(12_000, 7000, |x, y| image::Luma([(x / 50 + y / 70) as u8]));
    large.save(folder.join("large.png")).unwrap();
    let bytes = fs::read(folder.join("large.png")).unwrap();
    let (list, other) = (cases.path("list.txt"), cases.path("other.txt"));
    let digest = tamis::source::digest::hex(&tamis::source::digest::sha256_of(&bytes));
    fs::write(&list, format!("{digest}  large.png\n")).unwrap();
    fs::write(&other, format!("{}  other.png\n", "0".repeat(64))).unwrap();
    let triage = |list: &Path, memory: &str| {
        let (folder, list) = (folder.to_str().unwrap(), list.to_str().unwrap());
        cases.summary("case", &["triage", folder, "--max-memory", memory, "--known", list])
    };
    let first = triage(&list, "64MiB");
    assert_eq!(outcomes(&first).iter().find(|(name, _)| name == "over_limit").unwrap().1, 1);
    assert_eq!(first["items_with_hits"].as_u64(), Some(1));
    let second = triage(&other, "2GiB");
    assert_eq!(outcomes(&second).iter().find(|(name, _)| name == "hashed").unwrap().1, 1);
    assert_eq!(second["items_with_hits"].as_u64(), Some(1), "the hit of the first set stays");
    assert_eq!(cases.rows("case", "hits").len(), 1);
}
