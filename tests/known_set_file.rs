//! Set files: what goes in comes out, look-ups equal those of a plain search, and no damage goes unnoticed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use rand::prelude::*;
use support::known::options;
use tamis::case::{CaseIdentity, CaseStore, HashSpec};
use tamis::decode::DecodeMode;
use tamis::engine::{CancelToken, IngestSettings, Progress, ingest, match_stored};
use tamis::known::{HashSet, ImportControl, ReadOptions, SetError, SetFault, SetFile, import};
use tamis::matching::Backend;
use tamis::pdq::Geometry;
use tamis::source::Digests;
use tamis::source::digest::hex;
use tempfile::TempDir;

/// The fields of a record.
#[derive(Default)]
struct Made {
    md5: Option<[u8; 16]>,
    sha1: Option<[u8; 20]>,
    sha256: Option<[u8; 32]>,
    hash: Option<[u8; 32]>,
    photodna: Option<Vec<u8>>,
    category: Option<u8>,
    victim: Option<bool>,
    series: Option<String>,
    json: String,
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks_exact(3) {
        let word = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(LETTERS[(word >> shift & 63) as usize]));
        }
    }
    text
}

/// A random record. Digests take few values, so that they repeat and share their first bytes.
fn make(random: &mut StdRng) -> Made {
    let mut made = Made::default();
    let mut members: Vec<String> = Vec::new();
    let few = |random: &mut StdRng| random.random_range(0..40_u8);
    if random.random_bool(0.8) {
        let mut digest = [7; 16];
        digest[random.random_range(0..16)] = few(random);
        made.md5 = Some(digest);
        members.push(format!("\"MD5\":\"{}\"", hex(&digest)));
    }
    if random.random_bool(0.5) {
        let digest: [u8; 20] = random.random();
        made.sha1 = Some(digest);
        members.push(format!("\"sha1\": \"{}\"", hex(&digest).to_uppercase()));
    }
    if random.random_bool(0.3) {
        let digest = [few(random); 32];
        made.sha256 = Some(digest);
        members.push(format!("\"SHA256\":\"{}\"", hex(&digest)));
    }
    if random.random_bool(0.3) {
        let hash: [u8; 32] = random.random();
        made.hash = Some(hash);
        members.push(format!(
            "\"AlternativeHashes\":[{{\"HashName\":\"pdq\",\"HashValue\":\"{}\"}}]",
            hex(&hash)
        ));
    }
    if random.random_bool(0.2) {
        let value: Vec<u8> = (0..144).map(|_| random.random::<u8>()).collect();
        members.push(format!("\"PhotoDNA\":\"{}\"", base64(&value)));
        made.photodna = Some(value);
    }
    if random.random_bool(0.7) {
        let category = random.random_range(0..6);
        made.category = Some(category);
        members.push(format!("\"Category\":{category}"));
    }
    if random.random_bool(0.4) {
        let yes = random.random();
        made.victim = Some(yes);
        members.push(format!(
            "\"VictimIdentified\":{}",
            if random.random() { format!("{yes}") } else { format!("\"{yes}\"") }
        ));
    }
    if random.random_bool(0.3) {
        let series: String = (0..random.random_range(1..9))
            .map(|_| *['a', 'é', '\u{1d11e}', ' ', 'z'].choose(random).unwrap())
            .collect();
        members.push(format!("\"Series\":{}", serde_json::to_string(&series).unwrap()));
        made.series = (!series.trim().is_empty()).then_some(series);
    }
    for number in 0..random.random_range(0..4) {
        members.push(format!("\"x{number}\":[{{\"k\":\"}}]\\\"{{\"}}, {}, null]", random.random::<i32>()));
    }
    members.shuffle(random);
    made.json = format!("{{{}}}", members.join(if random.random() { "," } else { " ,\n\t" }));
    made
}

fn write_source(folder: &TempDir, records: &[Made]) -> PathBuf {
    let path = folder.path().join("source.json");
    let all: Vec<&str> = records.iter().map(|made| made.json.as_str()).collect();
    fs::write(&path, format!("{{\"value\":[{}]}}", all.join(","))).unwrap();
    path
}

fn import_set(folder: &TempDir, records: &[Made]) -> SetFile {
    let source = write_source(folder, records);
    let set = folder.path().join("set");
    import(&[source], &set, &options("vic-us"), &ImportControl::default()).unwrap();
    SetFile::open(&set).unwrap()
}

/// Records by a digest, in order.
fn by_digest<const N: usize>(
    records: &[Made],
    of: impl Fn(&Made) -> Option<[u8; N]>,
) -> HashMap<[u8; N], Vec<u32>> {
    let mut found: HashMap<[u8; N], Vec<u32>> = HashMap::new();
    for (number, made) in records.iter().enumerate() {
        if let Some(digest) = of(made) {
            found.entry(digest).or_default().push(number as u32);
        }
    }
    found
}

#[test]
fn what_goes_in_comes_out() {
    let mut random = StdRng::seed_from_u64(11);
    for count in [1, 2, 31, 32, 33, 64, 1000, 5000] {
        let folder = tempfile::tempdir().unwrap();
        let records: Vec<Made> = (0..count).map(|_| make(&mut random)).collect();
        let set = import_set(&folder, &records);
        set.verify(&ImportControl::default()).unwrap();
        assert_eq!(set.records(), count);
        for (digest, expected) in by_digest(&records, |made| made.md5) {
            assert_eq!(set.find_md5(&digest).unwrap(), expected);
        }
        for (digest, expected) in by_digest(&records, |made| made.sha1) {
            assert_eq!(set.find_sha1(&digest).unwrap(), expected);
        }
        for (digest, expected) in by_digest(&records, |made| made.sha256) {
            assert_eq!(set.find_sha256(&digest).unwrap(), expected);
        }
        let known = by_digest(&records, |made| made.md5);
        for _ in 0..1000 {
            let mut digest = [7; 16];
            digest[random.random_range(0..16)] = random.random();
            let expected = known.get(&digest).cloned().unwrap_or_default();
            assert_eq!(set.find_md5(&digest).unwrap(), expected, "also what is not there");
            assert!(set.find_sha1(&random.random()).unwrap().is_empty());
        }
        let hashes: Vec<(u32, [u8; 32])> =
            set.hashes().unwrap().into_iter().map(|hash| (hash.record, hash.hash.to_bytes())).collect();
        let numbered = || records.iter().enumerate().map(|(number, made)| (number as u32, made));
        assert_eq!(
            hashes,
            numbered().filter_map(|(number, made)| Some((number, made.hash?))).collect::<Vec<_>>()
        );
        let values: Vec<(u32, Vec<u8>)> = set
            .photodna()
            .unwrap()
            .into_iter()
            .map(|(record, value)| (record, value.bytes.to_vec()))
            .collect();
        let expected: Vec<_> =
            numbered().filter_map(|(number, made)| Some((number, made.photodna.clone()?))).collect();
        assert_eq!(values, expected);
        for (number, made) in numbered() {
            let record = set.record(number).unwrap();
            assert_eq!(record.fields, made.json, "byte for byte");
            assert_eq!(
                record.facts.category.as_deref(),
                made.category.map(|digit| digit.to_string()).as_deref()
            );
            assert_eq!(record.facts.victim_identified, made.victim);
            assert_eq!(record.facts.series.as_deref(), made.series.as_deref());
        }
    }
}

/// The interface of matching gives the same for a set file and for a table of the same digests.
#[test]
fn a_set_file_answers_as_a_list_does() {
    let mut random = StdRng::seed_from_u64(12);
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<Made> = (0..2000).map(|_| make(&mut random)).collect();
    let file = import_set(&folder, &records);
    let mut table = String::from("md5,sha1,sha256,pdq,name\n");
    for made in &records {
        let shown = |bytes: Option<&[u8]>| bytes.map(hex).unwrap_or_default();
        let (md5, sha1) = (
            shown(made.md5.as_ref().map(|digest| &digest[..])),
            shown(made.sha1.as_ref().map(|digest| &digest[..])),
        );
        let (sha256, pdq) = (
            shown(made.sha256.as_ref().map(|digest| &digest[..])),
            shown(made.hash.as_ref().map(|digest| &digest[..])),
        );
        writeln!(table, "{md5},{sha1},{sha256},{pdq},n").unwrap();
    }
    let list = folder.path().join("list.csv");
    fs::write(&list, table).unwrap();
    let read = ReadOptions { min_quality: 50, ..ReadOptions::default() };
    let (list, set) = (HashSet::read(&list, &read).unwrap(), HashSet::read(file.path(), &read).unwrap());
    assert_eq!(list.hashes(), set.hashes());
    assert_eq!(list.counts().hashes, set.counts().hashes);
    assert_eq!(list.counts().with_digests, set.counts().with_digests);
    assert_eq!(set.file_sha256(), file.identity());
    let mut found = 0;
    for _ in 0..20_000 {
        let other = &records[random.random_range(0..records.len())];
        let digests = Digests {
            md5: other.md5.unwrap_or_else(|| random.random()),
            sha1: other.sha1.unwrap_or_else(|| random.random()),
            sha256: other.sha256.unwrap_or_else(|| random.random()),
        };
        let expected = list.find_digests(&digests);
        found += expected.len();
        assert_eq!(set.find_digests(&digests), expected);
    }
    assert!(found > 20_000, "{found}");
    set.check(&|| false).unwrap();
}

/// Every byte of a set is changed once: the change is seen, and until it is seen no answer is wrong.
#[test]
fn no_changed_byte_goes_unnoticed() {
    let mut random = StdRng::seed_from_u64(13);
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<Made> = (0..40).map(|_| make(&mut random)).collect();
    let set = import_set(&folder, &records);
    let sound = fs::read(set.path()).unwrap();
    drop(set);
    let digests = by_digest(&records, |made| made.md5);
    let path = folder.path().join("changed");
    let mut places: Vec<usize> = (0..sound.len()).collect();
    places.shuffle(&mut random);
    // All places that hold something, and as many of the padding.
    let (holding, padding): (Vec<usize>, Vec<usize>) = places.into_iter().partition(|&at| sound[at] != 0);
    let (mut opened, mut answered) = (0, 0);
    for at in holding.into_iter().take(3000).chain(padding.into_iter().take(1500)) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << random.random_range(0..8);
        fs::write(&path, &bytes).unwrap();
        let Ok(set) = SetFile::open(&path) else { continue };
        opened += 1;
        for (digest, expected) in &digests {
            if let Ok(found) = set.find_md5(digest) {
                assert_eq!(&found, expected, "byte {at}");
                answered += 1;
            }
        }
        for (number, made) in records.iter().enumerate() {
            if let Ok(record) = set.record(number as u32) {
                assert_eq!(record.fields, made.json, "byte {at}");
            }
        }
        if let Ok(hashes) = set.hashes() {
            let expected = records.iter().filter(|made| made.hash.is_some()).count();
            assert_eq!(hashes.len(), expected);
        }
        assert!(set.verify(&ImportControl::default()).is_err(), "byte {at} went unnoticed");
    }
    assert!(opened > 500 && answered > 500, "{opened} {answered}");
}

/// Sets that are cut off, or are something else, are refused and never read beyond their end.
#[test]
fn cut_sets_are_refused() {
    let mut random = StdRng::seed_from_u64(14);
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<Made> = (0..40).map(|_| make(&mut random)).collect();
    let set = import_set(&folder, &records);
    let sound = fs::read(set.path()).unwrap();
    let path = folder.path().join("cut");
    for length in (0..64)
        .chain([4095, 4096, 4097, sound.len() - 1])
        .chain((0..200).map(|step| step * sound.len() / 200))
    {
        fs::write(&path, &sound[..length]).unwrap();
        let error = SetFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("cut off") || error.contains("not a Tamis set file"), "{length}: {error}");
    }
    let mut longer = sound.clone();
    longer.push(0);
    fs::write(&path, &longer).unwrap();
    assert!(SetFile::open(&path).unwrap_err().to_string().contains("were written"));
    // A header of its own digest that points anywhere: crafted, so that only the checks of offsets remain.
    for _ in 0..2000 {
        let mut bytes = sound.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(8..32 + 9 * 40);
            bytes[at] = random.random();
        }
        let own = <sha2::Sha256 as sha2::Digest>::digest(&bytes[..4064]);
        bytes[4064..4096].copy_from_slice(&own);
        if bytes == sound {
            continue;
        }
        fs::write(&path, &bytes).unwrap();
        if let Ok(set) = SetFile::open(&path) {
            assert!(set.verify(&ImportControl::default()).is_err(), "a header that lies");
        }
    }
}

/// Records, each with its own MD5.
fn numbered(count: u32) -> Vec<Made> {
    let made = |number: u32| {
        let digest = support::known::md5(number);
        Made { md5: Some(digest), json: format!("{{\"MD5\":\"{}\"}}", hex(&digest)), ..Made::default() }
    };
    (0..count).map(made).collect()
}

fn digests_of(number: u32) -> Digests {
    Digests { md5: support::known::md5(number), sha1: [1; 20], sha256: [1; 32] }
}

/// What somebody may do to a set file while a run has it open, and whether it is still the set that was opened.
#[test]
fn a_set_that_is_written_to_while_it_is_open_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let set = import_set(&folder, &numbered(20_000));
    let path = set.path().to_path_buf();
    let sound = fs::read(&path).unwrap();
    drop(set);
    let other = {
        let folder = tempfile::tempdir().unwrap();
        let mut records = numbered(40_000);
        fs::read(import_set(&folder, &records.split_off(20_000)).path()).unwrap()
    };
    let write = |bytes: &[u8], at: u64| {
        let mut file = fs::File::options().write(true).open(&path).unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(at)).unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
    };
    let cut = |length: u64| fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
    let read = ReadOptions { min_quality: 50, ..ReadOptions::default() };
    let middle = sound.len() / 2;
    let flipped = [sound[middle] ^ 1];
    let replace = |bytes: &[u8]| {
        let new = folder.path().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, &path).unwrap();
    };
    let touch = || {
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(std::time::SystemTime::now())
            .unwrap();
    };
    let cases: [(&str, bool, &dyn Fn()); 9] = [
        ("nothing", true, &|| {}),
        ("only its times", true, &touch),
        ("the same bytes again", true, &|| write(&sound, 0)),
        ("another set took its name", true, &|| replace(&other)),
        ("its name is gone", true, &|| fs::remove_file(&path).unwrap()),
        ("another set written over it", false, &|| write(&other, 0)),
        ("one bit", false, &|| write(&flipped, middle as u64)),
        ("cut to a half", false, &|| cut(middle as u64)),
        ("cut to nothing", false, &|| cut(0)),
    ];
    for (what, same, change) in cases {
        let _ = fs::remove_file(&path);
        fs::write(&path, &sound).unwrap();
        let set = HashSet::read(&path, &read).unwrap();
        let checked = SetFile::open(&path).unwrap();
        assert!(set.check(&|| false).is_ok(), "{what}");
        change();
        let mut found = 0;
        for number in 0..20_000 {
            let matches = set.find_digests(&digests_of(number));
            assert!(matches.iter().all(|found| found.record == number), "{what}: a wrong answer");
            found += matches.len();
            // Every answer comes from bytes that were checked.
            if let Ok(details) = set.details(number) {
                assert!(details.fields.unwrap().contains(&hex(&support::known::md5(number))), "{what}");
            }
        }
        let checked_again = set.check(&|| false);
        assert_eq!(checked_again.is_ok(), same, "{what}: {checked_again:?}");
        assert!(!same || found == 20_000, "{what}: {found}");
        if let Err(fault) = checked_again {
            assert!(fault.to_string().contains(&path.display().to_string()), "{what}: {fault}");
        }
        assert_eq!(checked.check_unchanged(&|| false).is_ok(), same, "{what}: without a look-up before");
        assert_eq!(checked.verify(&ImportControl::default()).is_ok(), same, "{what}");
    }
}

/// Checking that a set is unchanged may take reading all of it: that can be cancelled, and nothing waits for it.
#[test]
fn the_reading_of_a_set_whose_times_changed_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let set = import_set(&folder, &numbered(20_000));
    let set = HashSet::read(set.path(), &ReadOptions::default()).unwrap();
    set.check(&|| panic!("nothing is read")).unwrap();
    fs::File::options()
        .write(true)
        .open(set.path())
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    let asked = std::cell::Cell::new(0);
    let after = |chunks: u32| {
        asked.set(0);
        set.check(&|| {
            asked.set(asked.get() + 1);
            asked.get() > chunks
        })
    };
    assert!(matches!(after(0), Err(SetFault::Unchecked)));
    assert!(matches!(after(3), Err(SetFault::Unchecked)));
    assert_eq!(asked.get(), 4);
    // Another thread that asks meanwhile is not held up.
    let other = || {
        assert!(matches!(set.check(&|| true), Err(SetFault::Unchecked)));
        false
    };
    set.check(&other).unwrap();
    set.check(&|| panic!("it is known by now")).unwrap();
    let file = SetFile::open(set.path()).unwrap();
    assert!(matches!(file.verify_tables(&|| true), Err(SetError::Cancelled)));
}

/// A set that is changed during a run ends it with its name, and is not recorded as matched; put back, the same
/// command finds its hits.
#[test]
fn a_run_with_a_set_that_changed_records_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    (0..148).for_each(|number| {
        fs::write(source.join(format!("{number}")), support::known::made_up(number)).unwrap();
    });
    let set = import_set(&folder, &numbered(2000));
    let path = set.path().to_path_buf();
    let sound = fs::read(&path).unwrap();
    drop(set);
    let read = || [HashSet::read(&path, &ReadOptions { min_quality: 50, ..ReadOptions::default() }).unwrap()];
    let spec = HashSpec {
        algorithm: "pdq".into(),
        version: HashSpec::VERSION,
        geometry: Geometry::Full,
        decode: DecodeMode::Auto,
    };
    let settings = IngestSettings::new(2, 2, 64 << 20);
    let backend = Backend::cpu("a test");
    let case = |name: &str| folder.path().join(name);
    let open = |name: &str| CaseStore::open_or_create(&case(name), &CaseIdentity::default(), &spec).unwrap();
    let hits = |name: &str| {
        let database = rusqlite::Connection::open(case(name).join("case.sqlite")).unwrap();
        database.query_row("SELECT count(*) FROM hit", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let run = |name: &str, known: &[HashSet], stored: bool| {
        let (mut store, progress, cancel) = (open(name), Progress::default(), CancelToken::default());
        if stored {
            match_stored(&mut store, known, &backend, &settings, &progress, &cancel)
        } else {
            ingest(&mut store, std::slice::from_ref(&source), known, &backend, &settings, &progress, &cancel)
        }
    };
    let mut changed = sound.clone();
    changed[4096..].fill(0);
    for (way, bytes) in [("written over", &changed[..]), ("cut short", &sound[..sound.len() / 3])] {
        for stored in [false, true] {
            let name = format!("{way} {stored}");
            if stored {
                run(&name, &[], false).unwrap();
            }
            let known = read();
            // In place, as a copy onto it does.
            fs::write(&path, bytes).unwrap();
            let error = run(&name, &known, stored).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{name}: {error}");
            assert_eq!(hits(&name), 0);
            fs::write(&path, &sound).unwrap();
            run(&name, &read(), stored).unwrap();
            assert_eq!(hits(&name), 148, "{name}: what was matched before must not count as matched");
        }
    }
}
