//! Links between cases and packages against a slow definition, and as the command gives them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use rand::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::cli::{Cases, errors, expect, tamis};
use support::made_case::{Made, digests, make_case, picture};
use tamis::case::CaseReader;
use tamis::matching::{Backend, BackendRequest, JoinControl, JoinSettings, Threads};
use tamis::pdq::{Orientation, PdqHash};
use tamis::share::holder::Holder;
use tamis::share::link::{HolderCounts, LinkTools, link};
use tamis::source::digest::{Digester, hex};

/// Contents of a holder that have much in common with those of the others: of `numbers`, with hashes that are drawn
/// from a few centres and perturbed.
fn contents(seed: u64, numbers: &[u64]) -> Vec<Made> {
    let mut centres = StdRng::seed_from_u64(1);
    let centres: Vec<PdqHash> = (0..12).map(|_| PdqHash(centres.random())).collect();
    let mut shaken = StdRng::seed_from_u64(seed);
    numbers
        .iter()
        .map(|&number| {
            // A content has the same hashes at every holder.
            let mut random = StdRng::seed_from_u64(number + 77);
            let hashes = std::array::from_fn(|_| {
                if random.random_bool(0.6) {
                    return PdqHash(random.random());
                }
                let mut hash = *centres.choose(&mut random).unwrap();
                for _ in 0..random.random_range(0..24) {
                    let bit = random.random_range(0..256);
                    hash.0[bit / 64] ^= 1 << (bit % 64);
                }
                hash
            });
            let mut made = picture(number, hashes, 80);
            let hash = made.hash.as_mut().unwrap();
            match number % 17 {
                3 => hash.0.quality = 49,
                5 => hash.0.hashes[0] = PdqHash::default(),
                7 => made.hash = None,
                11 => made.size = 0,
                1 | 2 => hash.1 = true,
                _ => {}
            }
            if made.size == 0 {
                made.hash = None;
            }
            let said = shaken.random_range(0..6);
            if made.size > 0 && said < 3 {
                let yes = ["yes", "no", "TRUE"][said];
                made.known = Some(vec![
                    ("Victim Identified".into(), yes.into()),
                    ("is distributed".into(), "1".into()),
                ]);
            }
            made
        })
        .collect()
}

/// Some of the numbers below 400.
fn numbers(seed: u64, share: f64) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..400).filter(|_| random.random_bool(share)).collect()
}

fn holders() -> [Vec<Made>; 3] {
    [(10, 0.3), (11, 0.4), (12, 0.2)].map(|(seed, share)| contents(seed, &numbers(seed, share)))
}

/// holder, SHA-256, holder, SHA-256, kind, reason, distance, orientation.
type Row = (usize, String, usize, String, String, String, Option<u32>, String);

/// The definition, pair by pair.
fn definition(holders: &[Vec<Made>], distance: u32) -> Vec<Row> {
    let sorted = |made: &[Made]| {
        let mut made: Vec<Made> = made.iter().filter(|made| made.size > 0).cloned().collect();
        made.sort_by_key(|made| made.digests.sha256);
        made
    };
    let holders: Vec<Vec<Made>> = holders.iter().map(|made| sorted(made)).collect();
    let compared =
        |made: &Made| made.hash.filter(|(hash, _)| hash.quality >= 50 && !hash.hashes[0].is_zero());
    let mut rows = Vec::new();
    for (a, of_a) in holders.iter().enumerate() {
        for one in of_a {
            for (b, of_b) in holders.iter().enumerate().skip(a + 1) {
                let sha256 = |made: &Made| hex(&made.digests.sha256);
                if of_b.iter().any(|other| other.digests == one.digests) {
                    rows.push((
                        a,
                        sha256(one),
                        b,
                        sha256(one),
                        "same".into(),
                        String::new(),
                        None,
                        String::new(),
                    ));
                }
                for other in of_b.iter().filter(|other| other.digests != one.digests) {
                    let (Some((left, left_from)), Some((right, right_from))) =
                        (compared(one), compared(other))
                    else {
                        continue;
                    };
                    let ways = Orientation::ALL.into_iter().enumerate().flat_map(|(index, orientation)| {
                        [
                            (left.hashes[index].distance(right.hashes[0]), orientation.inverse()),
                            (left.hashes[0].distance(right.hashes[index]), orientation),
                        ]
                    });
                    let (least, orientation) = ways.min().unwrap();
                    if least <= distance {
                        let because = match (left_from, right_from) {
                            (false, false) => "",
                            (true, false) => "coefficients_a",
                            (false, true) => "coefficients_b",
                            (true, true) => "coefficients_both",
                        };
                        let way = orientation.name().to_string();
                        rows.push((
                            a,
                            sha256(one),
                            b,
                            sha256(other),
                            "near".into(),
                            because.into(),
                            Some(least),
                            way,
                        ));
                    }
                }
            }
        }
    }
    rows
}

/// A desk with two cases and a package of the third holder's, and its signer's key.
struct Desk {
    cases: Cases,
}

impl Desk {
    fn new(holders: &[Vec<Made>; 3]) -> Self {
        let desk = Self { cases: Cases::new() };
        for (name, made) in ["ONE", "TWO", "THREE"].iter().zip(holders) {
            make_case(&desk.cases.path(name), name, made);
        }
        let key = ["key", "new", "--name", "Jo", "--agency", "Lab", "--contact", "x"];
        expect(0, &desk.run(&key));
        let (case, package) = (desk.path("THREE"), desk.path("three.tar"));
        expect(0, &desk.run(&["share", "export", "--case", &case, "-o", &package, "--quiet"]));
        desk
    }

    fn path(&self, name: &str) -> String {
        self.cases.path(name).to_str().unwrap().into()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tamis();
        command.env("TAMIS_KEYS_DIR", self.cases.path("keys")).env("TAMIS_PASSPHRASE", "secret");
        command.args(arguments).output().unwrap()
    }

    fn link(&self, more: &[&str]) -> Output {
        let (one, two, package) = (self.path("ONE"), self.path("TWO"), self.path("three.tar"));
        self.run(&[&["link", &one, &two, "--package", &package][..], more].concat())
    }

    fn rows(&self, more: &[&str]) -> Vec<Value> {
        let text = expect(0, &self.link(&[&["--format", "jsonl", "--quiet"], more].concat()));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn found(&self, more: &[&str]) -> Vec<Row> {
        let labels = [self.path("ONE"), self.path("TWO"), self.path("three.tar")];
        let holder = |row: &Value, side: &str| labels.iter().position(|label| row[side] == **label).unwrap();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_string();
        let of_row = |row: &Value| {
            let confirmed = match &*text(row, "kind") {
                "same" => "digest",
                _ if row["unconfirmed_reason"].is_null() => "pixels",
                _ => "unconfirmed",
            };
            assert_eq!(row["confirmation"], confirmed);
            let distance = row["distance"].as_u64().map(|distance| distance as u32);
            (
                holder(row, "holder_a"),
                text(row, "sha256_a"),
                holder(row, "holder_b"),
                text(row, "sha256_b"),
                text(row, "kind"),
                text(row, "unconfirmed_reason"),
                distance,
                text(row, "orientation"),
            )
        };
        self.rows(more).iter().map(of_row).collect()
    }
}

#[test]
fn links_are_all_pairs_within_the_distance() {
    let holders = holders();
    let desk = Desk::new(&holders);
    for distance in [31, 0, 63] {
        let expected = definition(&holders, distance);
        let kinds = |kind: &str| expected.iter().filter(|row| row.4 == kind).count();
        assert!(kinds("same") > 50, "{}", kinds("same"));
        assert!(distance == 0 || kinds("near") > 500, "{}", kinds("near"));
        let found = desk.found(&["--distance", &distance.to_string()]);
        assert_eq!(found.len(), expected.len(), "{distance}");
        assert!(found == expected, "{distance}");
    }
    let expected = definition(&holders, 31);
    let reasons: BTreeSet<&str> = expected.iter().map(|row| &*row.5).collect();
    assert_eq!(reasons.len(), 4);
    let orientations: BTreeSet<&str> = expected.iter().map(|row| &*row.7).collect();
    assert_eq!(orientations.len(), 9, "{orientations:?}");
    // The twins that must fail: another distance, a holder without one content, one that is turned.
    assert_ne!(desk.found(&["--distance", "30"]), expected);
    let mut fewer = holders.clone();
    fewer[1].retain(|made| made.digests != digests(numbers(11, 0.4)[0]));
    let of_fewer = Desk::new(&fewer).found(&[]);
    assert_ne!(of_fewer, expected);
    assert!(of_fewer == definition(&fewer, 31));
    let mut turned = expected.clone();
    turned.iter_mut().find(|row| row.7 == "rotate_90").unwrap().7 = "rotate_270".into();
    assert_ne!(desk.found(&[]), turned);
    // The minimum quality is the requested one.
    assert!(desk.found(&["--min-quality", "49"]).len() > expected.len());
}

#[test]
fn two_runs_give_the_same_bytes() {
    let desk = Desk::new(&holders());
    for format in ["csv", "jsonl", "parquet"] {
        if format == "parquet" && !tamis::report::parquet::AVAILABLE {
            continue;
        }
        let first = desk.link(&["--format", format, "-j", "1", "--quiet"]);
        assert!(first.status.success() && first.stdout.len() > 10_000);
        for more in [&["-j", "4"][..], &["--max-memory", "64MiB"], &["--backend", "cpu"]] {
            let again = desk.link(&[&["--format", format, "--quiet"], more].concat());
            assert!(again.stdout == first.stdout, "{format} {more:?}");
        }
        let file = desk.path("rows");
        let told = expect(0, &desk.link(&["--format", format, "-o", &file]));
        assert!(fs::read(&file).unwrap() == first.stdout);
        assert!(told.contains("only here") && told.contains("UNCONFIRMED"), "{told}");
    }
    // CSV and JSON agree.
    let csv_text = expect(0, &desk.link(&["--quiet"]));
    let mut table = csv::Reader::from_reader(csv_text.as_bytes());
    let header = table.headers().unwrap().clone();
    let rows = desk.rows(&[]);
    for (record, row) in table.records().map(Result::unwrap).zip(&rows) {
        for (name, cell) in header.iter().zip(&record) {
            let value = match &row[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, value, "{name}");
        }
    }
    // The cases are as they were.
    let digest = || Sha256::digest(fs::read(desk.cases.path("ONE").join("case.sqlite")).unwrap());
    let before = digest();
    desk.rows(&[]);
    assert_eq!(digest(), before);
}

/// The facts of both sides' hash sets, the paths of contents, and the counts.
#[test]
fn solved_contents_are_reported() {
    let holders = holders();
    let desk = Desk::new(&holders);
    let made = |side: usize, sha256: &Value| {
        holders[side].iter().find(|made| *sha256 == *hex(&made.digests.sha256)).unwrap()
    };
    let rows = desk.rows(&[]);
    let mut said = 0;
    for row in &rows {
        for (side, name) in [("a", "holder_a"), ("b", "holder_b")] {
            let holder =
                ["ONE", "TWO", "three.tar"].iter().position(|label| row[name] == desk.path(label)).unwrap();
            let made = made(holder, &row[format!("sha256_{side}")]);
            let victim = made.known.as_ref().map(|columns| columns[0].1.as_str());
            assert_eq!(row[format!("victim_identified_{side}")].as_str(), victim);
            assert_eq!(row[format!("distributed_{side}")].as_str(), victim.map(|_| "1"));
            assert_eq!(row[format!("hash_sets_{side}")].is_null(), victim.is_none());
            let path = row[format!("path_{side}")].as_str();
            assert_eq!(
                path.is_some_and(|path| path.ends_with(&format!("made-seizure/{}", made.paths[0]))),
                holder < 2
            );
            said += usize::from(victim.is_some());
        }
    }
    assert!(said > 100);
    // The counts, by the rows.
    let mut read: Vec<Holder> = ["ONE", "TWO", "THREE"]
        .iter()
        .map(|name| Holder::of_case(CaseReader::open(&desk.cases.path(name)).unwrap(), name, 50).unwrap())
        .collect();
    let pool = Threads::new("test", 2).unwrap();
    let backend = Backend::choose(&BackendRequest::Auto, 1).unwrap();
    let control = JoinControl::default();
    let tools =
        LinkTools { join: JoinSettings::default(), pool: &pool, backend: &backend, control: &control };
    let counts = link(&mut read, tools, &mut |_| Ok(())).unwrap();
    let expected = definition(&holders, 31);
    let solved = |holder: usize, sha256: &str| {
        let made = holders[holder].iter().find(|made| hex(&made.digests.sha256) == sha256).unwrap();
        made.known.as_ref().is_some_and(|columns| columns[0].1 != "no")
    };
    for (holder, counts) in counts.iter().enumerate() {
        let mut slow = HolderCounts::default();
        for made in holders[holder].iter().filter(|made| made.size > 0) {
            let sha256 = hex(&made.digests.sha256);
            let linked: Vec<(&str, usize, &str)> = expected
                .iter()
                .filter_map(|row| {
                    let (a, b) = ((row.0, &*row.1), (row.2, &*row.3));
                    let other = if a == (holder, &*sha256) {
                        b
                    } else if b == (holder, &*sha256) {
                        a
                    } else {
                        return None;
                    };
                    Some((&*row.4, other.0, other.1))
                })
                .collect();
            let any = |kind: &str| linked.iter().any(|(own, ..)| *own == kind);
            let solved_by =
                |kind: &str| linked.iter().any(|(own, other, sha256)| *own == kind && solved(*other, sha256));
            slow.contents += 1;
            *(if any("same") {
                &mut slow.same
            } else if any("near") {
                &mut slow.near_only
            } else {
                &mut slow.only_here
            }) += 1;
            if solved(holder, &sha256) {
                slow.solved += 1;
            } else if solved_by("same") {
                slow.solved_elsewhere += 1;
            } else if solved_by("near") {
                slow.solved_near += 1;
            }
        }
        let HolderCounts {
            contents, same, near_only, only_here, solved, solved_elsewhere, solved_near, ..
        } = counts.clone();
        let found = HolderCounts {
            contents,
            same,
            near_only,
            only_here,
            solved,
            solved_elsewhere,
            solved_near,
            ..HolderCounts::default()
        };
        assert_eq!(found, slow, "{holder}");
        assert!(
            same > 0
                && near_only > 0
                && only_here > 0
                && solved > 0
                && solved_elsewhere > 0
                && solved_near > 0
        );
        assert!(counts.bytes_alone > 0 && counts.pictures < contents);
    }
}

/// The numbers of a holder's line in the summary: all, same, near, only here, solved, solved elsewhere, solved near.
fn counts(told: &str, label: &str) -> Vec<u64> {
    let line = told.lines().find(|line| line.contains(&format!("  {label} ("))).unwrap();
    line.split_whitespace().map_while(|word| word.parse().ok()).collect()
}

/// Facts of two hash sets in different words pass through a package, its list and a match.
#[test]
fn what_is_solved_comes_through_a_package() {
    let desk = Desk { cases: Cases::new() };
    let source = desk.path("seized");
    fs::create_dir(&source).unwrap();
    fs::write(format!("{source}/a.txt"), "evidence").unwrap();
    let sha256 = hex(&Sha256::digest("evidence"));
    let (one, two, three) = (desk.path("A"), desk.path("B"), desk.path("C"));
    for (name, said) in [("list-a.csv", "Yes"), ("list-b.csv", "true")] {
        fs::write(desk.path(name), format!("sha256,victim_identified\n{sha256},{said}\n")).unwrap();
    }
    let (first, second, list) = (desk.path("list-a.csv"), desk.path("list-b.csv"), desk.path("list.csv"));
    let scan = ["triage", &source, "--quiet", "--case"];
    expect(0, &desk.run(&[&scan[..], &[&one, "--known", &first, "--known", &second]].concat()));
    expect(0, &desk.run(&["key", "new", "--name", "Jo", "--agency", "Lab", "--contact", "x"]));
    let package = desk.path("p.tar");
    expect(0, &desk.run(&["share", "export", "--case", &one, "-o", &package, "--quiet"]));
    expect(0, &desk.run(&["share", "import", &package, "-o", &list, "--quiet"]));
    assert!(fs::read_to_string(&list).unwrap().contains("Yes; true"));
    expect(0, &desk.run(&["scan", &source, "--quiet", "--case", &two]));
    expect(0, &desk.run(&["match", "--case", &two, "--known", &list, "--quiet"]));
    expect(0, &desk.run(&["scan", &source, "--quiet", "--case", &three]));
    let told = expect(0, &desk.run(&["link", &two, &three, "-o", &desk.path("rows.csv")]));
    assert_eq!(counts(&told, &two), [1, 1, 0, 0, 1, 0, 0], "{told}");
    assert_eq!(counts(&told, &three), [1, 1, 0, 0, 0, 1, 0], "{told}");
}

/// Facts that a set file has in columns of whatever name, which the case keeps in columns of its own.
#[test]
fn facts_of_set_files_solve_contents() {
    let desk = Desk { cases: Cases::new() };
    let source = desk.path("seized");
    fs::create_dir(&source).unwrap();
    let digest = |text: &str| {
        fs::write(format!("{source}/{text}.txt"), text).unwrap();
        let mut digester = Digester::default();
        digester.update(text.as_bytes());
        digester.finish().md5
    };
    // The named column, and one of a similar name with another value.
    let rows = [("ab", "1", "0"), ("bc", "1", "0"), ("cd", "0", "yes"), ("da", "", "yes")]
        .map(|(text, typed, lettered)| format!("{};{typed};{lettered}\n", hex(&digest(text))));
    let (table, set) = (desk.path("lab.csv"), desk.path("lab.set"));
    fs::write(&table, format!("HASH;Opfer;Victim Identified\n{}", rows.concat())).unwrap();
    let columns = "md5=HASH,victim_identified=Opfer";
    expect(
        0,
        &desk.run(&["known", "import", &table, "--profile", "known", "--columns", columns, "-o", &set]),
    );
    let (one, two) = (desk.path("A"), desk.path("B"));
    expect(0, &desk.run(&["triage", &source, "--known", &set, "--case", &one, "--quiet"]));
    expect(0, &desk.run(&["scan", &source, "--case", &two, "--quiet"]));
    // ab and bc by the named column; da by the similar one, as the named one is empty. By similar names alone
    // it would be cd and da.
    let told = expect(0, &desk.run(&["link", &one, &two, "-o", &desk.path("rows.csv")]));
    assert_eq!(counts(&told, &one), [4, 4, 0, 0, 3, 0, 0], "{told}");
    assert_eq!(counts(&told, &two), [4, 4, 0, 0, 0, 3, 0], "{told}");
    expect(0, &desk.run(&["key", "new", "--name", "Jo", "--agency", "Lab", "--contact", "x"]));
    let package = desk.path("p.tar");
    expect(0, &desk.run(&["share", "export", "--case", &one, "-o", &package, "--quiet"]));
    let told = expect(0, &desk.run(&["link", &two, "--package", &package, "-o", &desk.path("rows.csv")]));
    assert_eq!(counts(&told, &two), [4, 4, 0, 0, 0, 3, 0], "{told}");
}

#[test]
fn what_cannot_be_linked_is_refused() {
    let desk = Desk::new(&holders());
    let (one, two, package) = (desk.path("ONE"), desk.path("TWO"), desk.path("three.tar"));
    for (arguments, exit, word) in [
        (&["link"][..], 2, "two cases"),
        (&["link", &one], 2, "two cases"),
        (&["link", "--package", &package], 2, "two cases"),
        (&["link", &one, &format!("{one}/.")], 2, "given twice"),
        (&["link", &one, &desk.path("NOWHERE")], 1, "there is no case"),
        (&["link", &one, "--package", &desk.path("nothing")], 1, "cannot open"),
        (&["link", &one, "--package", &format!("{one}/case.sqlite")], 1, "not a package"),
        (&["link", &one, &two, "-o", &format!("{two}/case.sqlite")], 2, "replace"),
        (&["link", &one, "--package", &package, "-o", &package], 2, "replace"),
        (&["link", &one, &two, "--distance", "64"], 2, "64"),
    ] {
        let told = errors(exit, &desk.run(arguments));
        assert!(told.contains(word), "{arguments:?}: {told}");
    }
    // A package of an untrusted signer.
    let stranger = desk.path("stranger");
    let link = ["link", &one, "--package", &package, "--keys", &stranger];
    assert!(errors(1, &desk.run(&link)).contains("not trusted"));
    assert!(errors(0, &desk.run(&[&link[..], &["--allow-untrusted"]].concat())).contains("UNTRUSTED"));
    // One that was cut: no row comes out.
    let bytes = fs::read(&package).unwrap();
    fs::write(&package, &bytes[..bytes.len() - 1]).unwrap();
    let output = desk.run(&["link", &one, "--package", &package]);
    assert!(output.stdout.is_empty() && errors(1, &output).contains("package truncated"));
    // Hashes of another geometry.
    let source = "tests/data/seizure/laptop";
    let other = desk.path("OTHER");
    expect(0, &desk.run(&["scan", source, "--case", &other, "--geometry", "te512", "--quiet"]));
    let told = errors(1, &desk.run(&["link", &one, &other]));
    assert!(told.contains("cannot be compared") && told.contains("te512"), "{told}");
    assert!(Path::new(&other).exists());
}
