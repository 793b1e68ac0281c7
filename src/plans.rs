//! How SQLite answers what is asked of a case: nothing is looked through inside a loop.
//!
//! One test does all that commands do with a case, with every statement traced, and reads the plan of each (`EXPLAIN QUERY PLAN`). A second look, at the sources of
//! `src/case`, says which statements it did not come by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use image::RgbImage;
use image::imageops::{FilterType, resize};
use rusqlite::Connection;

use crate::case::made::{NoRecords, spec};
use crate::case::rules::Rules;
use crate::case::{
    Batch, CaseError, CaseIdentity, CaseReader, CaseStore, ContentHits, ContentRecord, ExactHash,
    Fingerprint, HitSettings, ItemRecord, ItemRow, PlaceState, StackSettings, Within, statements,
};
use crate::decode::{Derivation, DerivedFrom, Facts, PictureHash, View};
use crate::engine::{CancelToken, IngestSettings, Progress, Stacking, ingest, match_stored};
use crate::known::{HashSet, ReadOptions};
use crate::matching::{Backend, DEFAULT_MAX_HITS, JoinControl, JoinSettings, Threads, VerifyMode};
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::{DihedralHashes, PdqHash};
use crate::report::export::{ExportKind, export};
use crate::report::page::language::Language;
use crate::report::page::{self, PageOptions};
use crate::report::rows::RowFormat;
use crate::report::summary::{RunFigures, summary};
use crate::report::vics::VicsForm;
use crate::report::{case_uco, pdq_list, vics};
use crate::share::holder::Holder;
use crate::share::keys::PrivateKey;
use crate::share::link::{LinkRow, LinkTools, link};
use crate::share::write::{PackageOptions, Watch, write_package};
use crate::source::{Digests, FileStamp};

/// Plans that would be refused, by a part of the statement and of the line of its plan, and why each may be.
const ALLOWED: [(&str, &str, &str); 5] = [
    (
        "DELETE FROM priority_rule;",
        "SCAN priority",
        "whether a rule is referred to; there are no priorities then",
    ),
    ("DELETE FROM hash_set WHERE id = ?1", "SCAN hit", "whether the set is referred to; it is one, once"),
    (
        "LEFT JOIN (hit JOIN content ON content.id = hit.content JOIN live_item",
        "AUTOMATIC COVERING INDEX (hash_set=?)",
        "one index over all hits, made once for the summary",
    ),
    (
        "LEFT JOIN member ON member.content = content.id",
        "AUTOMATIC PARTIAL COVERING INDEX (content=?)",
        "one index over the contents in stacks, made once for the export",
    ),
    ("FROM stack_settings LEFT JOIN (", "SCAN whole", "`stack_settings` has one row"),
];

/// Lines of a plan that look through something once for each row of something else.
fn refused(plan: &[(i64, i64, String)]) -> Vec<String> {
    let parents: BTreeMap<i64, (i64, &str)> =
        plan.iter().map(|(id, parent, line)| (*id, (*parent, &**line))).collect();
    let in_correlated = |mut id: i64| {
        while let Some((parent, line)) = parents.get(&id) {
            if line.starts_with("CORRELATED") {
                return true;
            }
            // A table that is made beforehand is made once.
            if line.starts_with("MATERIALIZE") {
                return false;
            }
            id = *parent;
        }
        false
    };
    let mut looped: BTreeSet<i64> = BTreeSet::new();
    let mut found = Vec::new();
    for (_, parent, line) in plan {
        // What is put together row by row is settled by what it is put together of.
        let scans = line.starts_with("SCAN ")
            && !["SCAN (", "SCAN CONSTANT ROW"].iter().any(|begin| line.starts_with(begin))
            && !line.contains("VIRTUAL TABLE");
        let loops = scans || line.starts_with("SEARCH ");
        // The first table of a loop is looked through once, the others once for each of its rows.
        let inner = loops && !looped.insert(*parent);
        if scans && (inner || in_correlated(*parent)) || line.contains("AUTOMATIC") {
            found.push(line.clone());
        }
    }
    found
}

fn plan(case: &Connection, statement: &str) -> rusqlite::Result<Vec<(i64, i64, String)>> {
    let mut explained = case.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
    let mut rows = explained.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push((row.get(0)?, row.get(1)?, row.get(3)?));
    }
    Ok(lines)
}

/// A text with single blanks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const HIT_SETTINGS: HitSettings =
    HitSettings { distance: 31, min_quality: 50, verify: VerifyMode::Auto, max_hits: DEFAULT_MAX_HITS };

fn settings(max_memory: u64, verify: VerifyMode) -> IngestSettings {
    IngestSettings { verify, ..IngestSettings::new(2, 1, max_memory) }
}

/// A picture with something to see in it.
fn picture(seed: u32) -> RgbImage {
    let small = RgbImage::from_fn(24, 18, |x, y| {
        let value = (x * 7919 + y * 104_729 + seed * 1_299_709).wrapping_mul(2_654_435_761) >> 24;
        image::Rgb([value as u8, (value * 3) as u8, (value * 7) as u8])
    });
    resize(&small, 320, 240, FilterType::CatmullRom)
}

/// Files of all kinds that a case tells apart.
fn seize(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for seed in 0..3 {
        let whole = picture(seed);
        whole.save(folder.join(format!("{seed}.jpg"))).unwrap();
        resize(&whole, 300, 225, FilterType::Triangle)
            .save(folder.join(format!("{seed}-small.png")))
            .unwrap();
    }
    fs::copy(folder.join("0.jpg"), folder.join("copy.jpg")).unwrap();
    fs::write(folder.join("text.txt"), "no picture").unwrap();
    let whole = fs::read(folder.join("1-small.png")).unwrap();
    fs::write(folder.join("broken.png"), &whole[..whole.len() / 2]).unwrap();
}

/// A list that knows one picture by its digest, twice, and is near to another.
fn list(folder: &Path, known: &Path) {
    let mut rows = "sha256,pdq,series\n".to_string();
    let add = |item: ItemRow| {
        match &*item.path {
            // Two records, and so a list.
            "0.jpg" => rows.push_str(&format!("{0},,S\n{0},,T\n", item.sha256.unwrap())),
            "1.jpg" => rows.push_str(&format!(",{},\n", item.pdq.unwrap())),
            _ => {}
        }
        Ok::<(), CaseError>(())
    };
    CaseReader::open(folder).unwrap().for_each_item(add).unwrap();
    fs::write(known, rows).unwrap();
}

/// All that writes to a case.
fn write(folder: &Path, seized: &Path, known: &Path) {
    let identity = CaseIdentity { case_number: Some("1".into()), ..CaseIdentity::default() };
    let mut store = CaseStore::open_or_create(folder, &identity, &spec()).unwrap();
    let (backend, cancel) = (Backend::cpu("a test"), CancelToken::default());
    let run = store.begin_run("triage", "{}").unwrap();
    let first = settings(1 << 28, VerifyMode::Off);
    ingest(&mut store, &[seized.to_path_buf()], &[], &backend, &first, &Progress::default(), &cancel)
        .unwrap();
    store.end_run(run, "done", &[]).unwrap();
    list(folder, known);
    // The same again; and with a set, not verified, then verified, which finds its hits anew.
    ingest(&mut store, &[seized.to_path_buf()], &[], &backend, &first, &Progress::default(), &cancel)
        .unwrap();
    let sets = [HashSet::read(known, &ReadOptions::default()).unwrap()];
    for verify in [VerifyMode::Off, VerifyMode::Auto, VerifyMode::Auto] {
        let settings = settings(1 << 28, verify);
        match_stored(&mut store, &sets, &backend, &settings, &Progress::default(), &cancel).unwrap();
    }
    // A content that was over a limit and is not any more, and a hash from pixels that comes later.
    let source = store.sources(&[seized.to_path_buf()]).unwrap()[0];
    store.has_items(source).unwrap();
    let digests = Digests { md5: [1; 16], sha1: [2; 20], sha256: [3; 32] };
    let hash = DihedralHashes { hashes: [PdqHash([1, 2, 3, 4]); 8], quality: 90 };
    let derivation = Derivation { path: DerivedFrom::Pixels, fallback_reason: None, unstable_bits: 0 };
    let exact = PictureHash { hash, derivation };
    let item = |result| ItemRecord {
        within: Within::Source(source),
        step: b"large".to_vec(),
        state: PlaceState::Live,
        stamp: FileStamp::default(),
        result,
    };
    let seen = Fingerprint { view: View::Picture, picture: exact.clone() };
    let large = Failure::new(Outcome::OverLimit, Stage::Decode, "large");
    for (fingerprints, failure) in [(Vec::new(), Some(large)), (vec![seen], None)] {
        let content = ContentRecord {
            digests,
            size: 9,
            facts: Facts::default(),
            fingerprints,
            failure,
            partial: None,
            children: 1,
            refused: 0,
            trivial: false,
        };
        let item = item(Ok(digests));
        let child = ItemRecord { within: Within::Container([3; 32]), ..item.clone() };
        let batch = Batch {
            items: vec![item, child],
            contents: vec![content],
            exact: vec![ExactHash { sha256: [3; 32], view: View::Picture, picture: exact.clone() }],
            ..Batch::default()
        };
        store.write(&batch, &NoRecords, 1).unwrap();
    }
    store.place_containers().unwrap();
    store.known_contents(1 << 20).unwrap();
    store.note(run, &[]).unwrap();
    let (set, _) = store.hash_set(&sets[0], HIT_SETTINGS).unwrap();
    let counted =
        ContentHits { set, sha256: [3; 32], by_digest: None, by_hash: Vec::new(), more: 1, set_aside: 1 };
    store.write(&Batch { hits: vec![counted], ..Batch::default() }, &NoRecords, 1).unwrap();
    let forget = Batch { forget: vec![(set, [3; 32])], ..Batch::default() };
    store.write(&forget, &NoRecords, 1).unwrap();
    assert!(store.failed_folders(source).unwrap().is_empty());
    store.forget_failed_folder(source, b"a folder").unwrap();
    // Stacks: made anew, up to date, and of one content more.
    let pool = Threads::new("test", 1).unwrap();
    let mut stack = || {
        let asked = StackSettings { distance: 31, min_quality: 50 };
        store.stack_settings().unwrap();
        store.content_count().unwrap();
        let stacking = Stacking::of(&store, asked, &|_| true).unwrap().unwrap();
        stacking.run(&mut store, 1 << 28, &backend, &pool, &JoinControl::default()).unwrap().unwrap();
        store.priority_steps().unwrap();
        assert!(store.prioritise(&Rules::default(), &|_| true).unwrap());
        store.rules().unwrap();
    };
    stack();
    stack();
    fs::write(seized.join("more.bmp"), "").unwrap();
    picture(0).save(seized.join("more.bmp")).unwrap();
    ingest(&mut store, &[seized.to_path_buf()], &sets, &backend, &first, &Progress::default(), &cancel)
        .unwrap();
    let mut stack = || {
        let asked = StackSettings { distance: 31, min_quality: 50 };
        let stacking = Stacking::of(&store, asked, &|_| true).unwrap().unwrap();
        assert!(stacking.new_pictures() > 0 && stacking.new_pictures() < stacking.pictures());
        stacking.run(&mut store, 1 << 28, &backend, &pool, &JoinControl::default()).unwrap().unwrap();
    };
    stack();
    store.complete_source(source).unwrap();
    // An item that no rule fits any more.
    let rules = Rules::parse("[[rule]]\nname = 'a'\ntitle = ''\noutcome = ['hashed']").unwrap();
    assert!(store.prioritise(&rules, &|_| true).unwrap());
    let gone = Err(Failure::new(Outcome::Vanished, Stage::Read, "gone"));
    store.write(&Batch { items: vec![item(gone)], ..Batch::default() }, &NoRecords, 1).unwrap();
    store.place_containers().unwrap();
    // One that no set was matched against yet.
    let digests = Digests { md5: [5; 16], sha1: [5; 20], sha256: [5; 32] };
    let content = ContentRecord {
        digests,
        size: 0,
        facts: Facts::default(),
        fingerprints: Vec::new(),
        failure: Some(Failure::new(Outcome::Empty, Stage::Sniff, "no bytes")),
        partial: None,
        children: 0,
        refused: 0,
        trivial: true,
    };
    let empty = ItemRecord { step: b"empty".to_vec(), ..item(Ok(digests)) };
    store
        .write(&Batch { items: vec![empty], contents: vec![content], ..Batch::default() }, &NoRecords, 1)
        .unwrap();
    assert!(store.prioritise(&rules, &|_| true).unwrap());
    assert!(store.prioritise(&Rules::default(), &|_| true).unwrap());
}

/// All that reads a case.
fn read(folder: &Path) {
    let open = || CaseReader::open(folder).unwrap();
    let reader = open();
    let figures = RunFigures {
        took: std::time::Duration::ZERO,
        files: 0,
        bytes: 0,
        pictures: 0,
        matched: 0,
        confirmed: 0,
        refuted: 0,
        unverified: 0,
        profile: Progress::default().profile.report(),
        profile_stages: false,
        notices: Vec::new(),
    };
    assert!(summary(&reader, figures).unwrap().items_with_hits > 0);
    reader.without_priority().unwrap();
    reader.source_paths().unwrap();
    assert_eq!(reader.first_path(&[3; 32]).unwrap(), None);
    let mut out = Vec::new();
    for kind in
        [ExportKind::Items, ExportKind::Hits, ExportKind::Errors, ExportKind::Priorities, ExportKind::Stacks]
    {
        assert!(export(&reader, kind, RowFormat::Csv, &mut out).unwrap() > 0, "{kind:?}");
    }
    vics::write(&reader, VicsForm::Media, &mut out).unwrap();
    vics::write(&reader, VicsForm::Case, &mut out).unwrap();
    pdq_list::write(&reader, &mut out).unwrap();
    case_uco::write(&reader, &mut out).unwrap();
    let options = PageOptions { language: Language::English, max_rows: 10, pictures: None };
    page::write(&reader, &options, &mut |_, _| {}, &mut out).unwrap();
    reader.pictured_contents(10).unwrap();
    let key = PrivateKey::new("Jo", "Lab", "x@y.example").unwrap();
    let options = PackageOptions { purpose: None, names: true, columns: true };
    write_package(&reader, &options, &key, &[], &Watch::default(), &mut out).unwrap();
    reader.content_count().unwrap();
    let mut holders = [open(), open()].map(|case| Holder::of_case(case, "a case", 50).unwrap());
    let pool = Threads::new("test", 1).unwrap();
    let (backend, control) = (Backend::cpu("a test"), JoinControl::default());
    let tools =
        LinkTools { join: JoinSettings::default(), pool: &pool, backend: &backend, control: &control };
    let mut rows = 0;
    let mut count = |_: &LinkRow<'_>| {
        rows += 1;
        Ok(())
    };
    link(&mut holders, tools, &mut count).unwrap();
    assert!(rows > 0);
}

#[test]
fn nothing_is_looked_through_inside_a_loop() {
    let folder = tempfile::tempdir().unwrap();
    let [case, seized, known] = ["CASE", "seized", "known.csv"].map(|name| folder.path().join(name));
    seize(&seized);
    write(&case, &seized, &known);
    read(&case);

    let database = Connection::open(case.join("case.sqlite")).unwrap();
    let statements = statements();
    let temporary = statements.iter().filter(|statement| statement.contains("CREATE TEMP TABLE"));
    temporary.for_each(|statement| database.execute_batch(statement).unwrap());
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    let mut explained = 0;
    for statement in &statements {
        let verb = statement.split_whitespace().next().unwrap_or_default().to_uppercase();
        if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "REPLACE"].contains(&&*verb) {
            continue;
        }
        let plan = plan(&database, statement).unwrap();
        explained += 1;
        for line in refused(&plan) {
            let allowed = ALLOWED
                .iter()
                .find(|(part, of_line, _)| flat(statement).contains(part) && line.contains(of_line));
            match allowed {
                Some((part, ..)) => {
                    used.insert(*part);
                }
                None => faults.push(format!("{line}\n    in {}", flat(statement))),
            }
        }
    }
    assert!(explained > 60, "{explained}");

    // What the sources ask and this test did not come by.
    let seen: Vec<String> = statements.iter().map(|statement| flat(statement)).collect();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/case")).unwrap() {
        let path = entry.unwrap().path();
        // It reads another schema, once and from end to end: tests/upgrade.rs.
        if path.ends_with("upgrade.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for literal in text.split('"').skip(1).step_by(2) {
            let begins = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
            // A piece of one that is put together is known by what stands before the first hole.
            let head: String =
                flat(literal.split(['{', ';']).next().unwrap_or_default()).chars().take(60).collect();
            if begins.iter().any(|verb| literal.starts_with(verb))
                && !seen.iter().any(|seen| seen.contains(&head))
            {
                faults.push(format!("not come by in {}: {head}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(used.len(), ALLOWED.len(), "what is allowed and does not occur is to be deleted: {used:?}");
}

/// The twin that must fail: what is refused is.
#[test]
fn scans_inside_loops_are_seen() {
    let case = Connection::open_in_memory().unwrap();
    case.execute_batch(
        "CREATE TABLE a (x INTEGER PRIMARY KEY, y); CREATE TABLE b (x INTEGER PRIMARY KEY, y)",
    )
    .unwrap();
    let refused = |statement: &str| refused(&plan(&case, statement).unwrap()).len();
    assert_eq!(refused("SELECT * FROM a JOIN b ON b.x = a.y"), 0);
    assert_eq!(refused("SELECT *, (SELECT y FROM b WHERE b.x = a.y) FROM a"), 0);
    assert_eq!(refused("SELECT * FROM a WHERE y IN (SELECT y FROM b)"), 0);
    assert_eq!(refused("SELECT * FROM a UNION ALL SELECT * FROM b"), 0);
    assert_eq!(refused("SELECT * FROM a JOIN b ON b.y = a.y"), 1);
    assert_eq!(refused("SELECT * FROM a JOIN b ON b.y > a.y"), 1);
    assert_eq!(refused("SELECT *, (SELECT x FROM b WHERE b.y > a.y) FROM a"), 1);
    assert_eq!(refused("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.y = a.y)"), 1);
    assert_eq!(refused("DELETE FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.y > a.y)"), 1);
}
