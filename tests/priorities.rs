//! Priorities: one item for each of the program's own rules, and custom rules.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use support::cli::{Cases, errors, expect, run, text};
use support::scene::render;
use tamis::case::rules::DEFAULT_RULES;

/// A seizure, and the sets that know files of it.
struct Lab {
    cases: Cases,
    seizure: PathBuf,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5(path: &Path) -> String {
    hex(&Md5::digest(fs::read(path).unwrap()))
}

impl Lab {
    fn new() -> Self {
        let cases = Cases::new();
        let seizure = cases.path("seizure");
        fs::create_dir(&seizure).unwrap();
        let draw = |name: &str, seed: u64| {
            render(seed, 320, 240).save(seizure.join(name)).unwrap();
        };
        let smaller = |name: &str, seed: u64| {
            let picture = image::imageops::resize(&render(seed, 320, 240), 240, 180, FilterType::Triangle);
            picture.save(seizure.join(name)).unwrap();
        };
        for (name, seed) in [
            ("victim.png", 1),
            ("offender.png", 2),
            ("untold.png", 3),
            ("half-told.png", 4),
            ("solved.png", 5),
            ("several.png", 6),
            ("single.png", 7),
            ("irrelevant.png", 8),
            ("like-irrelevant.png", 9),
            ("listed.png", 10),
            ("comparison.png", 11),
        ] {
            draw(name, seed);
        }
        smaller("beside-victim.png", 1);
        smaller("several-small.png", 6);
        fs::copy(seizure.join("victim.png"), seizure.join("victim-copy.png")).unwrap();
        let whole = fs::read(seizure.join("single.png")).unwrap();
        fs::write(seizure.join("broken.png"), &whole[..whole.len() / 2]).unwrap();
        fs::write(seizure.join("letter.txt"), "no picture").unwrap();

        let lab = Self { cases, seizure };
        let record = |name: &str, category: u32, told: Value| {
            let mut record =
                json!({ "MediaID": 1, "Category": category, "MD5": md5(&lab.seizure.join(name)) });
            record.as_object_mut().unwrap().append(&mut told.as_object().unwrap().clone());
            record
        };
        let near = {
            let picture = run([lab.seizure.join("like-irrelevant.png")].iter().fold(
                vec!["hash".into(), "--quiet".into()],
                |mut arguments: Vec<std::ffi::OsString>, path| {
                    arguments.push(path.into());
                    arguments
                },
            ));
            expect(0, &picture)[..64].to_string()
        };
        let records = json!({
            "@odata.context": "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media",
            "value": [
                record("victim.png", 1, json!({ "VictimIdentified": false, "OffenderIdentified": true, "Series": "S1" })),
                record("offender.png", 2, json!({ "VictimIdentified": true, "OffenderIdentified": false })),
                record("untold.png", 1, json!({})),
                record("half-told.png", 1, json!({ "VictimIdentified": true })),
                record("solved.png", 1, json!({ "VictimIdentified": true, "OffenderIdentified": true, "IsDistributed": true })),
                record("irrelevant.png", 0, json!({ "VictimIdentified": false })),
                json!({ "MediaID": 9, "Category": 0, "MD5": "00000000000000000000000000000000",
                    "AlternativeHashes": [{ "HashName": "PDQ", "HashValue": near }] }),
                record("comparison.png", 4, json!({})),
            ],
        });
        fs::write(lab.cases.path("vics.json"), records.to_string()).unwrap();
        let list = format!("{}  listed.png\n", md5(&lab.seizure.join("listed.png")));
        fs::write(lab.cases.path("list.md5"), list).unwrap();
        let import = ["known", "import", "--profile", "vic-us", "--quiet", "--name", "vics"]
            .map(std::ffi::OsString::from);
        let paths =
            [lab.cases.path("vics.json").into(), "--output".into(), lab.cases.path("vics.set").into()];
        errors(0, &run(import.into_iter().chain(paths)));
        lab
    }

    fn triage(&self, case: &str, options: &[&str]) -> Value {
        let [seizure, set, list] =
            [self.seizure.clone(), self.cases.path("vics.set"), self.cases.path("list.md5")];
        let mut arguments = vec!["triage", seizure.to_str().unwrap(), "--known", set.to_str().unwrap()];
        arguments.push(list.to_str().unwrap());
        arguments.extend(options);
        self.cases.summary(case, &arguments)
    }

    /// (rule, item) in the order in which they are to be looked at.
    fn order(&self, case: &str) -> Vec<(String, String)> {
        let rows = self.cases.rows(case, "priorities");
        rows.iter().map(|row| (text(row, "rule").to_string(), text(row, "path").to_string())).collect()
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(rule, path)| ((*rule).to_string(), (*path).to_string())).collect()
}

#[test]
fn every_item_has_the_rule_that_its_hits_and_its_stack_call_for() {
    let lab = Lab::new();
    let summary = lab.triage("case", &[]);
    let expected = owned(&[
        ("victim-not-identified", "victim-copy.png"),
        ("victim-not-identified", "victim.png"),
        ("offender-not-identified", "offender.png"),
        ("new-near-known", "beside-victim.png"),
        ("victim-not-stated", "untold.png"),
        ("offender-not-stated", "half-told.png"),
        ("listed", "listed.png"),
        ("unknown-stack", "several-small.png"),
        ("unknown-stack", "several.png"),
        ("unknown-picture", "single.png"),
        ("near-irrelevant", "like-irrelevant.png"),
        ("other-known", "comparison.png"),
        ("not-examined", "broken.png"),
        ("solved", "solved.png"),
        ("irrelevant", "irrelevant.png"),
        ("other-files", "letter.txt"),
    ]);
    assert_eq!(lab.order("case"), expected);

    // The summary's counts are the rows', and add up to all that was discovered.
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for (rule, _) in &expected {
        *counted.entry(rule.clone()).or_default() += 1;
    }
    let told = summary["priorities"].as_array().unwrap();
    assert_eq!(told.len(), 14);
    for count in told {
        assert_eq!(count["items"].as_u64(), Some(counted[text(count, "rule")]), "{count}");
    }
    assert_eq!(summary["discovered"].as_u64(), Some(expected.len() as u64));

    let rows = lab.cases.rows("case", "priorities");
    let first = &rows[0];
    assert_eq!((text(first, "categories"), text(first, "series")), ("child_abuse", "S1"));
    assert_eq!((first["hits"].as_i64(), first["by_digest"].as_bool()), (Some(1), Some(true)));
    // With `beside-victim.png` it is one stack of two contents.
    assert_eq!(first["stack_contents"].as_i64(), Some(2));

    // Again, on another case and number of threads: the same bytes.
    lab.triage("again", &["--jobs", "1"]);
    let csv = |case: &str| support::cli::export(&lab.cases.path(case), "priorities", "csv");
    assert_eq!(csv("case"), csv("again"));
}

/// A set that comes later changes what is looked at first.
#[test]
fn a_later_set_moves_items() {
    let lab = Lab::new();
    lab.triage("case", &[]);
    let record = json!({ "value": [{ "MediaID": 1, "Category": 1, "VictimIdentified": false,
        "MD5": md5(&lab.seizure.join("letter.txt")) }] });
    fs::write(lab.cases.path("later.json"), record.to_string()).unwrap();
    let [json, set] = [lab.cases.path("later.json"), lab.cases.path("later.set")]
        .map(|path| path.to_str().unwrap().to_string());
    errors(0, &run(["known", "import", &json, "--format", "vics", "--profile", "vic-us", "--output", &set]));
    lab.cases.summary("case", &["match", "--known", &set]);
    let order = lab.order("case");
    assert!(order.contains(&("victim-not-identified".into(), "letter.txt".into())), "{order:?}");
    assert_eq!(order.len(), 16);
}

#[test]
fn rules_of_ones_own() {
    let lab = Lab::new();
    let file = lab.cases.path("rules.toml");
    let rules = "
        [[rule]]
        name = 'widely known'
        title = 'distributed, in the set named vics'
        known = { by = 'digest', set = ['vics'], distributed = ['yes'], series = false }
        [[rule]]
        name = 'series'
        title = 'of a series'
        known = { series = true }
        [[rule]]
        name = 'damaged'
        title = ''
        outcome = ['corrupt']
        [[rule]]
        name = 'pairs'
        title = ''
        stack = 2
    ";
    fs::write(&file, rules).unwrap();
    lab.triage("case", &["--rules", file.to_str().unwrap()]);
    let expected = owned(&[
        ("widely known", "solved.png"),
        ("series", "victim-copy.png"),
        ("series", "victim.png"),
        ("damaged", "broken.png"),
        ("pairs", "beside-victim.png"),
        ("pairs", "several-small.png"),
        ("pairs", "several.png"),
    ]);
    // Items that no rule fits come last, with a warning.
    let order = lab.order("case");
    assert_eq!(order[..7], expected);
    assert_eq!(order.len(), 16);
    assert!(order[7..].iter().all(|(rule, _)| rule.is_empty()));
    let path = lab.cases.path("case");
    let told = errors(0, &run(["export", "priorities", "--case", path.to_str().unwrap()]));
    assert!(told.contains("9 items have no priority"), "{told}");

    // The case keeps its rules: stacks of no distance leave no pairs.
    let case = lab.cases.path("case");
    errors(0, &run(["stack", "--distance", "0", "--quiet", "--case", case.to_str().unwrap()]));
    let order = lab.order("case");
    assert_eq!(order[..4], expected[..4]);
    assert!(order[4].0.is_empty());

    let listed = expect(0, &run(["rules", file.to_str().unwrap()]));
    assert!(listed.contains("  2  series: of a series"), "{listed}");
    assert_eq!(expect(0, &run(["rules"])), DEFAULT_RULES);
    fs::write(&file, "[[rule]]\nname = 'x'\ntitle = ''\nknown = { victim_identified = ['perhaps'] }")
        .unwrap();
    let refused = errors(1, &run(["rules", file.to_str().unwrap()]));
    assert!(refused.contains("rules.toml") && refused.contains("perhaps"), "{refused}");
    fs::write(&file, "[[rule]\u{1b}]0;owned\u{7}").unwrap();
    let refused = errors(1, &run(["rules", file.to_str().unwrap()]));
    assert!(!refused.contains('\u{1b}') && refused.contains("\\x1b"), "{refused:?}");
    // Before anything is read.
    let arguments = ["triage", lab.seizure.to_str().unwrap(), "--rules", file.to_str().unwrap(), "--known"];
    let (list, other) = (lab.cases.path("list.md5"), lab.cases.path("other"));
    let rest = [list.to_str().unwrap(), "--case", other.to_str().unwrap()];
    errors(1, &run(arguments.into_iter().chain(rest)));
    assert!(!other.exists());
}

#[test]
fn without_priorities_the_export_names_the_command_that_sets_them() {
    let lab = Lab::new();
    lab.cases.summary("case", &["scan", lab.seizure.to_str().unwrap()]);
    let case = lab.cases.path("case");
    let refused = errors(1, &run(["export", "priorities", "--case", case.to_str().unwrap()]));
    assert!(refused.contains("`tamis triage` and `tamis match` set them"), "{refused}");
}

/// Pictures too similar to be stacked are reported in the summary and recorded in the case.
#[test]
fn what_cannot_be_stacked_is_recorded() {
    let cases = Cases::new();
    let alike = |number: u64| std::array::from_fn(|_| tamis::pdq::PdqHash([number, 2, 3, 4]));
    let contents: Vec<_> =
        (0..2500).map(|number| support::made_case::picture(number, alike(number), 90)).collect();
    support::made_case::make_case(&cases.path("CASE"), "1", &contents);
    let list = cases.path("list.txt");
    fs::write(&list, format!("{}\n", "0f".repeat(32))).unwrap();
    let known = ["match", "--list", "pdq", "--known", list.to_str().unwrap(), "--max-memory", "64MiB"];
    let summary = cases.summary("CASE", &known);
    let notices = summary["run"]["notices"].as_array().unwrap().clone();
    let told = notices.iter().filter(|notice| notice.as_str().unwrap().contains("were not stacked again"));
    assert_eq!(told.count(), 1, "{notices:?}");
    let database = rusqlite::Connection::open(cases.path("CASE").join("case.sqlite")).unwrap();
    let recorded: String =
        database.query_row("SELECT notices FROM run ORDER BY id DESC LIMIT 1", [], |row| row.get(0)).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&recorded).unwrap(), notices);
    // With enough memory there is no notice.
    let summary = cases.summary("CASE", &known[..5]);
    assert_eq!(summary["run"]["notices"], json!([]));
}
