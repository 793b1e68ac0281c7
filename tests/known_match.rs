//! `tamis known match`: its rows are those of a plain double loop over the records of the sets, and those of
//! numpy.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::prelude::*;
use serde_json::{Value, json};
use support::cli::{errors, expect, run, tamis, text};
use support::known::options;
use support::python;
use tamis::known::compare::{
    CompareControl, CompareCounts, CompareError, CompareSettings, CompareTools, ComparedSet, RecordPair,
    compare,
};
use tamis::known::photodna::{DEFAULT_SQUARED_DISTANCE, MAX_SQUARED_DISTANCE};
use tamis::known::{ImportControl, ImportOptions, SetFile, import};
use tamis::matching::{Backend, BackendRequest, JoinSettings, Threads};
use tamis::pdq::Geometry;
use tamis::source::digest::hex;
use tempfile::TempDir;

/// The fields of a record.
#[derive(Clone, Default)]
struct Made {
    md5: Option<u8>,
    sha1: Option<u8>,
    sha256: Option<u8>,
    hash: Option<[u8; 32]>,
    photodna: Option<[u8; 144]>,
    more: Vec<(&'static str, Value)>,
}

impl Made {
    fn record(&self) -> Value {
        let mut record = serde_json::Map::new();
        let digest = |number: u8, length| json!(hex(&vec![number; length]));
        record.extend(self.md5.map(|number| ("MD5".into(), digest(number, 16))));
        record.extend(self.sha1.map(|number| ("SHA1".into(), digest(number, 20))));
        record.extend(self.sha256.map(|number| ("SHA256".into(), digest(number, 32))));
        record.extend(self.photodna.map(|value| ("PhotoDNA".into(), json!(hex(&value)))));
        let hash = |hash| json!([{"HashName": "PDQ", "HashValue": hex(hash)}]);
        record.extend(self.hash.as_ref().map(|bytes| ("AlternativeHashes".into(), hash(bytes))));
        record.extend(self.more.iter().map(|(name, value)| ((*name).to_string(), value.clone())));
        Value::Object(record)
    }
}

fn photodna(value: [u8; 144]) -> Made {
    Made { photodna: Some(value), ..Made::default() }
}

fn import_as(folder: &TempDir, name: &str, records: &[Made], options: &ImportOptions) -> PathBuf {
    let source = folder.path().join(format!("{name}.json"));
    let all: Vec<Value> = records.iter().map(Made::record).collect();
    fs::write(&source, json!({"value": all}).to_string()).unwrap();
    let set = folder.path().join(format!("{name}.set"));
    import(&[source], &set, options, &ImportControl::default()).unwrap();
    set
}

fn import_set(folder: &TempDir, name: &str, records: &[Made]) -> PathBuf {
    import_as(folder, name, records, &options("vic-us"))
}

/// What the double loop finds of two records.
fn expected_pair(
    (left, one): (usize, &Made),
    (right, other): (usize, &Made),
    (threshold, radius): (u32, u32),
) -> Option<RecordPair> {
    let both = |a: Option<u8>, b: Option<u8>| a.zip(b).map(|(a, b)| a == b);
    let digests = [both(one.sha256, other.sha256), both(one.sha1, other.sha1), both(one.md5, other.md5)];
    let conflict = match digests {
        [Some(true), ..] => false,
        [stronger, Some(true), _] => stronger.is_some(),
        [strongest, stronger, Some(true)] => strongest.is_some() || stronger.is_some(),
        _ => false,
    };
    let squared = |(a, b): ([u8; 144], [u8; 144])| -> u32 {
        a.iter().zip(b).map(|(&a, b)| (i32::from(a) - i32::from(b)).pow(2) as u32).sum()
    };
    let bits =
        |(a, b): ([u8; 32], [u8; 32])| -> u32 { a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum() };
    let pair = RecordPair {
        left: left as u32,
        right: right as u32,
        equal: digests.map(|digest| digest == Some(true)),
        conflict,
        photodna: one.photodna.zip(other.photodna).map(squared).filter(|&squared| squared <= threshold),
        pdq: one.hash.zip(other.hash).map(bits).filter(|&bits| bits <= radius),
    };
    (pair.equal.contains(&true) || pair.photodna.is_some() || pair.pdq.is_some()).then_some(pair)
}

fn expected(left: &[Made], right: &[Made], limits: (u32, u32)) -> Vec<RecordPair> {
    let right = || right.iter().enumerate();
    let each = left.iter().enumerate();
    each.flat_map(|one| right().filter_map(move |other| expected_pair(one, other, limits))).collect()
}

/// What the library finds, also where the memory holds few pairs at a time.
fn found(left: &Path, right: &Path, limits: (u32, u32), memory: u64) -> (Vec<RecordPair>, CompareCounts) {
    let sets = [left, right].map(|path| SetFile::open(path).unwrap());
    let [left, right] = sets.each_ref().map(|set| ComparedSet::new(set, 50, &|| false).unwrap());
    let join = JoinSettings { radius: limits.1, memory, ..JoinSettings::default() };
    let settings = CompareSettings { photodna: limits.0, join };
    let pool = Threads::new("test", 3).unwrap();
    let backend = Backend::choose(&BackendRequest::Cpu, 0).unwrap();
    let control = CompareControl::default();
    let tools = CompareTools { pool: &pool, backend: &backend, control: &control };
    let mut pairs = Vec::new();
    let sink = &mut |pair: &RecordPair| {
        pairs.push(*pair);
        Ok::<(), Infallible>(())
    };
    let counts = compare(&left, &right, settings, tools, sink).unwrap();
    (pairs, counts)
}

/// Records of which many share digests, or are near each other, by one or several methods.
fn clustered(random: &mut StdRng, count: usize) -> Vec<Made> {
    let mut fixed = StdRng::seed_from_u64(99);
    let values: Vec<[u8; 144]> = (0..5).map(|_| std::array::from_fn(|_| fixed.random())).collect();
    let hashes: Vec<[u8; 32]> = (0..5).map(|_| fixed.random()).collect();
    (0..count)
        .map(|_| {
            let few = |random: &mut StdRng| random.random_bool(0.4).then(|| random.random_range(1..25_u8));
            let mut made =
                Made { md5: few(random), sha1: few(random), sha256: few(random), ..Made::default() };
            if random.random_bool(0.5) {
                let spread = random.random_range(0..40_i16);
                let near =
                    |byte| (i16::from(byte) + random.random_range(-spread..=spread)).clamp(0, 255) as u8;
                made.photodna = Some(values[fixed.random_range(0..5)].map(near));
            }
            if random.random_bool(0.5) {
                let mut hash = hashes[fixed.random_range(0..5)];
                for _ in 0..random.random_range(0..40) {
                    let bit = random.random_range(0..256);
                    hash[bit / 8] ^= 1 << (bit % 8);
                }
                made.hash = Some(hash);
            }
            made
        })
        .collect()
}

#[test]
fn the_pairs_are_those_of_a_double_loop() {
    let mut random = StdRng::seed_from_u64(21);
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (clustered(&mut random, 220), clustered(&mut random, 170));
    let (one, other) = (import_set(&folder, "left", &left), import_set(&folder, "right", &right));
    for limits in [(0, 0), (DEFAULT_SQUARED_DISTANCE, 31), (150_000, 63)] {
        let all = expected(&left, &right, limits);
        let conflicts = all.iter().filter(|pair| pair.conflict).count();
        let wanted: Vec<RecordPair> = all.into_iter().filter(|pair| pair.strongest().is_some()).collect();
        let ways = |way: fn(&RecordPair) -> bool| wanted.iter().filter(|pair| way(pair)).count();
        // Else nothing was compared.
        assert!(conflicts > 100 && ways(|pair| !pair.conflict && pair.equal.contains(&true)) > 100);
        assert!(limits.0 == 0 || ways(|pair| pair.photodna.is_some()) > 100);
        assert!(limits.1 == 0 || ways(|pair| pair.pdq.is_some()) > 100);
        assert!(limits.1 == 0 || ways(|pair| pair.conflict) > 0, "near in spite of their digests");
        // With room for all, for some, and for two pairs at a time.
        for memory in [1 << 30, 20_000, 200] {
            let (pairs, counts) = found(&one, &other, limits, memory);
            assert!(pairs == wanted, "{limits:?} {memory}: {} of {}", pairs.len(), wanted.len());
            assert_eq!(counts.pairs(), wanted.len() as u64);
            assert_eq!(counts.conflicts, conflicts as u64);
            let mut lefts: Vec<u32> = wanted.iter().map(|pair| pair.left).collect();
            lefts.dedup();
            assert_eq!(counts.left_records, lefts.len() as u64);
        }
    }
}

/// numpy is the oracle, on values that are like those of pictures: of similar length, and most far from each other.
#[test]
fn near_values_are_those_of_numpy() {
    if !python::has("numpy") {
        return;
    }
    let script = "
import sys, numpy
count, others, threshold = map(int, sys.argv[1:])
values = numpy.frombuffer(sys.stdin.buffer.read(), dtype=numpy.uint8).reshape(count + others, 144).astype(numpy.int64)
left, right = values[:count], values[count:]
for at, value in enumerate(left):
    squared = ((right - value) ** 2).sum(axis=1)
    for place in numpy.nonzero(squared <= threshold)[0]:
        print(at, place, squared[place])
";
    let mut random = StdRng::seed_from_u64(22);
    let value = |random: &mut StdRng| -> [u8; 144] {
        let strengths: Vec<f64> = (0..144).map(|_| random.random::<f64>().powi(3)).collect();
        let length = strengths.iter().map(|strength| strength * strength).sum::<f64>().sqrt();
        std::array::from_fn(|at| (strengths[at] / length * 1020.0).min(255.0) as u8)
    };
    let left: Vec<[u8; 144]> = (0..600).map(|_| value(&mut random)).collect();
    let mut right: Vec<[u8; 144]> = (0..1500).map(|_| value(&mut random)).collect();
    for (at, value) in left.iter().enumerate() {
        let spread = at as i16 % 50;
        right.push(
            value.map(|byte| (i16::from(byte) + random.random_range(-spread..=spread)).clamp(0, 255) as u8),
        );
    }
    right.shuffle(&mut random);
    let folder = tempfile::tempdir().unwrap();
    let made = |values: &[[u8; 144]]| values.iter().map(|&value| photodna(value)).collect::<Vec<_>>();
    let one = import_set(&folder, "left", &made(&left));
    let other = import_set(&folder, "right", &made(&right));
    for threshold in [5000, DEFAULT_SQUARED_DISTANCE, 400_000] {
        let arguments = [left.len(), right.len(), threshold as usize].map(|number| number.to_string());
        let theirs = python::ask(script, &arguments, |mut input| {
            input.write_all(left.as_flattened()).unwrap();
            input.write_all(right.as_flattened()).unwrap();
        });
        let (pairs, _) = found(&one, &other, (threshold, 0), 1 << 30);
        let shown = |pair: &RecordPair| format!("{} {} {}", pair.left, pair.right, pair.photodna.unwrap());
        let ours: Vec<String> = pairs.iter().map(shown).collect();
        assert_eq!(ours, theirs.lines().collect::<Vec<_>>(), "{threshold}");
        assert!(ours.len() > 100, "{threshold}: {}", ours.len());
    }
}

/// The rows of a run of the program.
fn rows(sets: [&Path; 2], more: &[&str]) -> Vec<Value> {
    let output =
        tamis().args(["known", "match", "--format", "jsonl"]).args(sets).args(more).output().unwrap();
    expect(0, &output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn exactly_at_the_threshold_and_one_beyond() {
    let folder = tempfile::tempdir().unwrap();
    // The default is 200²: 120² + 160², and 1² more is one beyond it.
    let pair = |first: u8, second: u8, third: u8| {
        let mut value = [20; 144];
        (value[5], value[77], value[140]) = (first, second, third);
        value
    };
    let left = import_set(&folder, "left", &[photodna(pair(20, 20, 20))]);
    let right = [photodna(pair(140, 180, 20)), photodna(pair(140, 180, 21)), photodna(pair(20, 20, 219))];
    let right = import_set(&folder, "right", &right);
    let sets = [&*left, &*right];
    let found = |more: &[&str]| -> Vec<(u64, u64)> {
        let of = |row: &Value| (row["right"].as_u64().unwrap(), row["distance"].as_u64().unwrap());
        rows(sets, more).iter().map(of).collect()
    };
    assert_eq!(found(&[]), [(1, 40_000), (3, 39_601)]);
    assert_eq!(found(&["--photodna-distance", "39999"]), [(3, 39_601)]);
    assert_eq!(found(&["--photodna-distance", "40001"]), [(1, 40_000), (2, 40_001), (3, 39_601)]);
    let refused = errors(2, &run(["known", "match", "a", "b", "--photodna-distance", "9363601"]));
    assert!(refused.contains(&format!("0..={MAX_SQUARED_DISTANCE}")), "{refused}");
}

#[test]
fn a_row_has_the_facts_of_both_sets() {
    let folder = tempfile::tempdir().unwrap();
    let (hash, value) = ([0x5a; 32], [33; 144]);
    let mut near = hash;
    near[7] ^= 0x0f;
    let one = Made {
        md5: Some(1),
        hash: Some(hash),
        photodna: Some(value),
        more: vec![
            ("MediaID", json!(77)),
            ("Category", json!(1)),
            ("VictimIdentified", json!(false)),
            ("Series", json!("=HYPERLINK(\"x\")")),
        ],
        ..Made::default()
    };
    let other = Made {
        md5: Some(1),
        hash: Some(near),
        photodna: Some(value),
        more: vec![
            ("MediaID", json!("B-1\u{202e}")),
            ("Category", json!(2)),
            ("VictimIdentified", json!(true)),
            ("OffenderIdentified", json!(true)),
            ("IsDistributed", json!(false)),
        ],
        ..Made::default()
    };
    let by_hash = Made { hash: Some(hash), ..Made::default() };
    let left = import_set(&folder, "left", &[by_hash.clone(), one]);
    let right = import_set(&folder, "right", &[other, by_hash]);
    let out = folder.path().join("rows.csv");
    let output = tamis().args(["known", "match", "-o"]).args([&out, &left, &right]).output().unwrap();
    let told = errors(0, &output);
    assert!(
        told.contains(
            "4 pairs, of 2 records of the left set: 1 by digest, 0 by PhotoDNA within 40000, 3 by PDQ"
        ),
        "{told}"
    );
    let header = "left,right,matched_by,distance,equal_digests,photodna_distance,pdq_distance,left_id,left_category,\
                  left_category_label,left_victim_identified,left_offender_identified,left_distributed,left_series,\
                  right_id,right_category,right_category_label,right_victim_identified,right_offender_identified,\
                  right_distributed,right_series";
    let label = |set: &Path, category: &str| {
        let set = SetFile::open(set).unwrap();
        set.manifest().profile.category(Some(category)).unwrap().unwrap().label.clone()
    };
    let said = format!("77,child_abuse,{},false,,,\"'=HYPERLINK(\"\"x\"\")\"", label(&left, "1"));
    let said_right = format!("B-1\\u{{202e}},child_exploitation,{},true,true,false,", label(&right, "2"));
    let nothing = ",,,,,,";
    let wanted = format!(
        "{header}\n1,1,pdq,4,,,4,{nothing},{said_right}\n1,2,pdq,0,,,0,{nothing},{nothing}\n\
         2,1,digest,0,md5,0,4,{said},{said_right}\n2,2,pdq,0,,,0,{said},{nothing}\n"
    );
    assert_eq!(fs::read_to_string(&out).unwrap(), wanted);
    let rows = rows([&left, &right], &["--distance", "3"]);
    assert_eq!(rows.len(), 3, "four bits are one too many");
    let row = &rows[1];
    assert_eq!(
        (text(row, "matched_by"), text(row, "equal_digests"), text(row, "left_series")),
        ("digest", "md5", "=HYPERLINK(\"x\")")
    );
    assert_eq!((&row["photodna_distance"], &row["pdq_distance"]), (&json!(0), &Value::Null));
    let names: Vec<String> = row.as_object().unwrap().keys().cloned().collect();
    let mut sorted: Vec<&str> = header.split(',').collect();
    sorted.sort_unstable();
    let mut theirs: Vec<&str> = names.iter().map(String::as_str).collect();
    theirs.sort_unstable();
    assert_eq!(theirs, sorted);
}

#[test]
fn a_stronger_digest_that_differs_undoes_a_weaker_one() {
    let folder = tempfile::tempdir().unwrap();
    let made = |md5, sha1, sha256| Made { md5, sha1, sha256, ..Made::default() };
    let left = import_set(&folder, "left", &[made(Some(1), Some(2), Some(3))]);
    let cases = [
        (made(Some(1), None, None), true),
        (made(Some(1), Some(2), None), true),
        (made(Some(1), Some(2), Some(9)), false),
        (made(Some(1), Some(9), None), false),
        (made(Some(1), None, Some(9)), false),
        (made(None, Some(2), Some(9)), false),
        // The strongest decides.
        (made(Some(9), Some(9), Some(3)), true),
        (made(Some(9), Some(2), None), true),
        (made(Some(9), Some(9), Some(9)), false),
    ];
    let right: Vec<Made> = cases.iter().map(|(made, _)| made.clone()).collect();
    let right = import_set(&folder, "right", &right);
    let found: Vec<u64> =
        rows([&left, &right], &[]).iter().map(|row| row["right"].as_u64().unwrap()).collect();
    let wanted: Vec<u64> =
        (1..).zip(cases).filter(|(_, (_, pair))| *pair).map(|(number, _)| number).collect();
    assert_eq!(found, wanted);
    let told = errors(0, &tamis().args(["known", "match"]).args([&left, &right]).output().unwrap());
    assert!(
        told.contains("4 pairs have an equal weaker digest") && told.contains("left 1, right 3"),
        "{told}"
    );
}

/// Values that are all zero and hashes that are all zero are in no pair.
#[test]
fn meaningless_records_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = Made { photodna: Some([0; 144]), hash: Some([0; 32]), ..Made::default() };
    let mut least = [0; 144];
    least[143] = 1;
    let left = import_set(&folder, "left", &[nothing.clone(), photodna(least)]);
    let right = import_set(&folder, "right", &[photodna(least), nothing.clone(), nothing]);
    let output = tamis().args(["known", "match"]).args([&left, &right]).output().unwrap();
    assert_eq!(expect(0, &output).lines().count(), 2, "the header and one pair");
    let told = errors(0, &output);
    assert!(
        told.contains(
            "right: 0 PDQ hashes with a quality under 50, 2 null PDQ hashes and 2 null PhotoDNA values"
        ),
        "{told}"
    );
}

#[test]
fn sets_that_cannot_be_compared_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(23);
    let (left, right) = (clustered(&mut random, 30), clustered(&mut random, 30));
    let (left, right) = (import_set(&folder, "left", &left), import_set(&folder, "right", &right));
    let refuse = |exit: i32, sets: [&Path; 2], more: &[&Path], what: &str| {
        let told = errors(exit, &tamis().args(["known", "match"]).args(sets).args(more).output().unwrap());
        assert!(told.contains(what), "{told}");
    };
    refuse(2, [&left, &left], &[], "are the same set (give two");
    refuse(2, [&left, &right], &[Path::new("-o"), &right], "would replace");
    refuse(1, [&left, &folder.path().join("right.json")], &[], "it is not a Tamis set file");
    let te512 = ImportOptions { geometry: Geometry::Te512, ..options("vic-us") };
    let other = import_as(&folder, "other", &clustered(&mut random, 30), &te512);
    refuse(1, [&left, &other], &[], "the two cannot be compared");
    // Without hashes the geometry does not matter.
    let bare = import_as(&folder, "bare", &[Made { md5: Some(3), ..Made::default() }], &te512);
    rows([&left, &bare], &[]);
    // Damage anywhere but between the sections: the whole result is refused.
    let sound = fs::read(&right).unwrap();
    let (mut refused, out) = (0, folder.path().join("rows"));
    let damaged = folder.path().join("damaged.set");
    for at in (0..sound.len()).filter(|&at| sound[at] != 0).step_by(97) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        fs::write(&damaged, bytes).unwrap();
        let output = tamis().args(["known", "match", "-o"]).args([&out, &left, &damaged]).output().unwrap();
        let told = errors(1, &output);
        assert!(told.contains("damaged"), "byte {at}: {told}");
        assert!(!out.exists());
        refused += 1;
    }
    assert!(refused > 50, "{refused}");
}

/// A set has at least one record; one with nothing to match by is as empty as a set can be.
#[test]
fn empty_sets_give_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let full = import_set(&folder, "full", &[Made { md5: Some(1), ..photodna([9; 144]) }]);
    let empty =
        import_set(&folder, "empty", &[Made { more: vec![("Category", json!(1))], ..Made::default() }]);
    let other =
        import_set(&folder, "other", &[Made { more: vec![("Category", json!(2))], ..Made::default() }]);
    for sets in [[&full, &empty], [&empty, &full], [&empty, &other]] {
        let output = tamis().args(["known", "match"]).args(sets).output().unwrap();
        let rows = expect(0, &output);
        assert!(rows.starts_with("left,right,matched_by,") && rows.lines().count() == 1, "{rows}");
        assert!(errors(0, &output).contains("0 pairs, of 0 records"));
    }
}

#[test]
fn it_ends_when_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let left = import_set(&folder, "left", &[photodna([9; 144])]);
    let right = import_set(&folder, "right", &[photodna([9; 144]), photodna([8; 144])]);
    let sets = [left, right].map(|path| SetFile::open(&path).unwrap());
    let [left, right] = sets.each_ref().map(|set| ComparedSet::new(set, 50, &|| false).unwrap());
    let settings = CompareSettings { photodna: 200, join: JoinSettings::default() };
    let pool = Threads::new("test", 1).unwrap();
    let backend = Backend::choose(&BackendRequest::Cpu, 0).unwrap();
    // While rows are written.
    let control = CompareControl::default();
    let tools = CompareTools { pool: &pool, backend: &backend, control: &control };
    let mut count = 0;
    let ended = compare(&left, &right, settings, tools, &mut |_| {
        control.cancel();
        count += 1;
        Ok::<(), Infallible>(())
    });
    assert!(matches!(ended, Err(CompareError::Cancelled)) && count == 1, "{count}");
    // A sink that fails.
    let control = CompareControl::default();
    let tools = CompareTools { control: &control, ..tools };
    let ended = compare(&left, &right, settings, tools, &mut |_| Err("full"));
    assert!(matches!(ended, Err(CompareError::Sink("full"))));
}

/// An existing file stays as it is.
#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(24);
    // So far apart from each other, and with such a threshold, that the bound lets all through: half a minute of work.
    let values: Vec<Made> = (0..30_000).map(|_| photodna(std::array::from_fn(|_| random.random()))).collect();
    let left = import_set(&folder, "left", &values[..29_999]);
    let right = import_set(&folder, "right", &values[1..]);
    let (out, before) = (folder.path().join("rows"), fs::read_dir(folder.path()).unwrap().count());
    fs::write(&out, "the old one").unwrap();
    let mut child = tamis()
        .args(["known", "match", "-j", "1", "--photodna-distance", "1200000", "-o"])
        .args([&out, &left, &right])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // As soon as it writes.
    while fs::read_dir(folder.path()).unwrap().count() < before + 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let told = errors(130, &child.wait_with_output().unwrap());
    assert!(told.contains("interrupted"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before + 1);
    assert_eq!(fs::read(&out).unwrap(), b"the old one");
}

/// The columns of Parquet are those of the others, and so are its rows.
#[test]
fn all_forms_have_the_same_rows() {
    if !python::has("pyarrow") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(25);
    let left = import_set(&folder, "left", &clustered(&mut random, 40));
    let right = import_set(&folder, "right", &clustered(&mut random, 40));
    let out = folder.path().join("rows.parquet");
    let output =
        tamis().args(["known", "match", "--format", "parquet", "-o"]).args([&out, &left, &right]).output();
    expect(0, &output.unwrap());
    let script = "import sys, json, pyarrow.parquet as p\n\
                  for row in p.read_table(sys.argv[1]).to_pylist(): print(json.dumps(row))";
    let told = python::ask(script, &[out.to_str().unwrap().to_string()], drop);
    let theirs: Vec<BTreeMap<String, Value>> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ours: Vec<BTreeMap<String, Value>> =
        rows([&left, &right], &[]).into_iter().map(|row| serde_json::from_value(row).unwrap()).collect();
    assert!(ours.len() > 20);
    assert_eq!(theirs, ours);
}
