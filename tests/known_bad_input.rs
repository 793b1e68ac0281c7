//! Importing what is malformed, huge, cut off or changed: refused with its place or counted, and nothing left behind.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fs;

use rand::prelude::*;
use support::known::{Sets, fixture, md5, options};
use tamis::known::{
    HashList, HashSet, HeaderFault, ImportControl, ImportError, ImportFormat, ImportOptions, KnownError,
    ListError, ListKind, ReadOptions, SetError, SetFile, SourceFault, import,
};
use tamis::pdq::{Geometry, PdqHash};
use tamis::source::digest::hex;

const FIXTURES: [&str; 11] = [
    "vics-1.3.json",
    "vics-2.0.json",
    "vics-case.json",
    "caid.json",
    "icse.csv",
    "ncmec-1.xml",
    "ncmec-2.xml",
    "hashdeep.txt",
    "md5sum.txt",
    "pdq.txt",
    "lab.csv",
];

/// `expected.txt` has one line per file: its name, a tab, and the error of its import without the path. An exclamation
/// mark before that means that --skip-bad-records does not help.
#[test]
fn every_malformed_file_is_refused_with_its_place() {
    let sets = Sets::new();
    let expected = fs::read_to_string(fixture("malformed/expected.txt")).unwrap();
    let mut wrong = String::new();
    let mut seen = 1;
    for line in expected.lines() {
        let (name, message) = line.split_once('\t').unwrap();
        let path = fixture("malformed").join(name);
        let profile = if name.ends_with("json") { "vic-us" } else { "known" };
        let fatal = message.starts_with('!');
        let message = message.trim_start_matches('!');
        let mut options = options(profile);
        let shown = |error: String| {
            let error = error.replace(&path.display().to_string(), "");
            error.strip_prefix(": ").unwrap_or(&error).to_string()
        };
        let error = shown(sets.import(std::slice::from_ref(&path), &options).unwrap_err());
        let help = if fatal { "" } else { " (use --skip-bad-records to count such records instead)" };
        if error != format!("{message}{help}") {
            wrong.push_str(&format!("{name}\t{}{error}\n", if fatal { "!" } else { "" }));
        }
        options.skip_bad_records = true;
        match sets.import(std::slice::from_ref(&path), &options) {
            Ok(imported) if !fatal => {
                let counts = imported.manifest.counts;
                assert_eq!((counts.records, counts.malformed_records), (1, 1), "{name}");
                let first = shown(imported.first_malformed.unwrap());
                assert_eq!(error, format!("{first}{help}"), "{name}");
            }
            Err(_) if fatal => {}
            other => wrong.push_str(&format!("{name} with skipping: {other:?}\n")),
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert_eq!(seen, fs::read_dir(fixture("malformed")).unwrap().count(), "a file without an expectation");
}

/// What is too large to keep: deep nesting and long texts, refused or counted in bounded memory.
#[test]
fn huge_records_are_counted_and_passed_over() {
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.json");
    let sound = |number| format!(r#"{{"MD5":"{}"}}"#, hex(&md5(number)));
    let deep = format!("{{\"Tags\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let long = format!("{{\"Tags\":\"{}\"}}", "x\\\"".repeat(12_000_000));
    for (unfit, reason) in [(deep, "nested deeper than 64"), (long, "longer than 16777216 bytes")] {
        // Also as the first record, which is looked at for a case.
        for before in ["", &format!("{},", sound(1))] {
            let text = format!("{{\"value\":[{before}{unfit},{}]}}", sound(2));
            fs::write(&path, &text).unwrap();
            let mut options = options("vic-us");
            let error = sets.import(std::slice::from_ref(&path), &options).unwrap_err();
            let record = if before.is_empty() { 1 } else { 2 };
            let place = format!("record {record}, byte {}: {reason}", 10 + before.len());
            assert!(error.contains(&place), "{error}");
            options.skip_bad_records = true;
            let imported = sets.import(std::slice::from_ref(&path), &options).unwrap();
            assert_eq!(imported.manifest.counts.malformed_records, 1);
            assert_eq!(SetFile::open(&sets.path()).unwrap().find_md5(&md5(2)).unwrap(), [record - 1]);
        }
    }
    // Outside of records nothing can be skipped.
    fs::write(&path, format!("{{\"odata.metadata\":\"{}\"}}", "x".repeat(2 << 20))).unwrap();
    let error = sets.import(std::slice::from_ref(&path), &options("vic-us")).unwrap_err();
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
    fs::write(&path, "[".repeat(1_000_000)).unwrap();
    assert!(sets.import(&[path], &options("vic-us")).is_err());
}

/// A list of hashes with a line that never ends, and XML with a text that never ends.
#[test]
fn endless_lines_and_texts() {
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    let list = format!("{}  a\n{}\n{}  b\n", hex(&md5(1)), "0".repeat(3 << 20), hex(&md5(2)));
    fs::write(&path, list).unwrap();
    let mut known = options("known");
    let error = sets.import(std::slice::from_ref(&path), &known).unwrap_err();
    assert!(error.contains("record 2, byte 36: longer than 1048576 bytes"), "{error}");
    known.skip_bad_records = true;
    let imported = sets.import(std::slice::from_ref(&path), &known).unwrap();
    assert_eq!((imported.manifest.counts.records, imported.manifest.counts.malformed_records), (2, 1));
    let xml = format!(
        "<queryResult><images><image><id>{}</id></image></images></queryResult>",
        "x".repeat(20 << 20)
    );
    fs::write(&path, xml).unwrap();
    let error = sets.import(std::slice::from_ref(&path), &known).unwrap_err();
    assert!(error.contains("longer than 16777216 bytes"), "{error}");
    let deep = format!("<queryResult>{}", "<image>".repeat(1000));
    fs::write(&path, deep).unwrap();
    assert!(sets.import(&[path], &known).unwrap_err().contains("nested deeper than 64"));
}

/// Fields by the hundred thousand, in every format that has names: made unique without comparing each with each,
/// which would take this test minutes.
#[test]
fn more_fields_than_anybody_has() {
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many");
    let digest = hex(&md5(1));
    let members: String = (0..300_000).map(|number| format!(",\"k{number:06}\":0")).collect();
    let twice = format!("{{\"value\":[{{\"MD5\":\"{digest}\"{members},\"k299999\":1}}]}}");
    fs::write(&path, twice).unwrap();
    sets.import(std::slice::from_ref(&path), &options("known")).unwrap();
    let columns: String = (0..100_000).map(|_| ",same").collect();
    fs::write(&path, format!("md5{columns}\n{digest}{}\n", ",x".repeat(100_000))).unwrap();
    sets.import(std::slice::from_ref(&path), &options("known")).unwrap();
    assert!(
        SetFile::open(&sets.path()).unwrap().record(0).unwrap().fields.ends_with("\"same_100000\":\"x\"}")
    );
    let members = "<member id=\"1\">x</member>".repeat(100_000);
    let entry = format!(
        "<image><id>1</id><feedback>{members}</feedback><fingerprints><md5>{digest}</md5></fingerprints></image>"
    );
    fs::write(&path, format!("<queryResult><images>{entry}</images></queryResult>")).unwrap();
    sets.import(std::slice::from_ref(&path), &options("known")).unwrap();
    assert_eq!(SetFile::open(&sets.path()).unwrap().find_md5(&md5(1)).unwrap(), [0]);
    let aside: String = (0..1001).map(|number| format!("\"k{number}\":0,")).collect();
    fs::write(&path, format!("{{{aside}\"value\":[]}}")).unwrap();
    assert!(sets.import(&[path], &options("known")).unwrap_err().contains("more than 1000 fields"));
}

/// Bytes of every fixture are changed, cut and doubled: an import ends with a set or a reason, never with a panic or
/// half a file.
#[test]
fn changed_fixtures_never_break_an_importer() {
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(5);
    let (mut whole, mut refused) = (0, 0);
    for name in FIXTURES {
        let original = fs::read(fixture(name)).unwrap();
        let path = folder.path().join(name);
        for round in 0..150 {
            let mut bytes = original.clone();
            for _ in 0..random.random_range(1..=4) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..5) {
                    0 => bytes[at] = random.random(),
                    1 => bytes[at] = *b"\"{}[]<>&;,:\\\n\r0".choose(&mut random).unwrap(),
                    2 => bytes.truncate(at.max(1)),
                    3 => {
                        let end = (at + random.random_range(1..50)).min(bytes.len());
                        let piece = bytes[at..end].to_vec();
                        bytes.splice(at..at, piece);
                    }
                    _ => {
                        bytes.remove(at);
                        if bytes.is_empty() {
                            bytes.push(0);
                        }
                    }
                }
            }
            fs::write(&path, &bytes).unwrap();
            let mut options = options(["vic-us", "caid", "interpol-baseline", "ncmec", "known"][round % 5]);
            options.skip_bad_records = round % 2 == 0;
            options.format = (round % 3 == 0).then(|| *ImportFormat::ALL.choose(&mut random).unwrap());
            if sets.import(std::slice::from_ref(&path), &options).is_ok() { whole += 1 } else { refused += 1 }
        }
    }
    assert!(whole > 100 && refused > 100, "{whole} {refused}");
}

/// A set that is there stays as it is when an import into its place fails or is interrupted.
#[cfg(unix)]
#[test]
fn an_interrupted_import_leaves_nothing() {
    use std::io::Write;
    use support::cli::{errors, tamis};
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("large.json");
    let mut out = std::io::BufWriter::new(fs::File::create(&source).unwrap());
    out.write_all(b"{\"value\":[").unwrap();
    for number in 0..600_000_u32 {
        let comma = if number == 0 { "" } else { "," };
        write!(
            out,
            "{comma}{{\"MD5\":\"{:032x}\",\"SHA1\":\"{number:040x}\",\"Category\":1}}",
            u128::from(number)
        )
        .unwrap();
    }
    out.write_all(b"]}").unwrap();
    drop(out);
    fs::write(sets.path(), "the old one").unwrap();
    let mut child = tamis()
        .args(["known", "import", "--profile", "vic-us", "--output"])
        .args([&sets.path(), &source])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // As soon as it writes.
    while fs::read_dir(sets.0.path()).unwrap().count() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let told = errors(130, &child.wait_with_output().unwrap());
    assert!(told.contains("no part of the import was kept"), "{told}");
    assert_eq!(fs::read_dir(sets.0.path()).unwrap().count(), 1);
    assert_eq!(fs::read(sets.path()).unwrap(), b"the old one");
}

/// Cases within cases would be a stack as deep as the file is long.
#[test]
fn media_within_media_are_records_however_deep() {
    let sets = Sets::new();
    let path = sets.0.path().with_extension("json");
    let deep = format!("{{\"value\":[{}", "{\"Media\":[".repeat(200_000));
    fs::write(&path, deep).unwrap();
    let refused = sets.import(std::slice::from_ref(&path), &options("vic-us")).unwrap_err();
    assert!(refused.contains("record 1"), "{refused}");
    fs::remove_file(path).unwrap();
}

#[test]
fn digits_that_leave_open_what_they_are_are_refused() {
    let sets = Sets::new();
    let path = sets.0.path().with_extension("txt");
    let digits = "0123456789abcdef".repeat(4);
    let import = |text: &str, list| {
        fs::write(&path, text).unwrap();
        let imported = sets.import(std::slice::from_ref(&path), &ImportOptions { list, ..options("known") });
        imported.map(|imported| {
            let counts = imported.manifest.counts;
            (counts.md5, counts.sha1, counts.sha256, counts.hashes)
        })
    };
    let bare = format!("{digits}\n");
    let error = import(&bare, None).unwrap_err();
    assert!(error.contains("--list sha256 or --list pdq"), "{error}");
    assert_eq!(import(&bare, Some(ListKind::Sha256)), Ok((0, 0, 1, 0)));
    assert_eq!(import(&bare, Some(ListKind::Pdq)), Ok((0, 0, 0, 1)));
    assert_eq!(import(&format!("{}\r\n", &digits[..32]), None), Ok((1, 0, 0, 0)));
    assert_eq!(import(&format!("# ours\n{}\n", &digits[..40]), None), Ok((0, 1, 0, 0)));
    let error = import(&format!("{}\n", &digits[..40]), Some(ListKind::Md5)).unwrap_err();
    assert!(error.contains("--list md5 was given, but its lines have 40 hex digits"), "{error}");
    let error = import(&format!("{}\n{}\n", &digits[..32], &digits[..40]), None).unwrap_err();
    assert!(
        error.contains("record 2, byte 33: not an MD5: 40 characters, expected 32 hex digits"),
        "{error}"
    );
    for (text, expected) in [
        (format!("pdq\n{digits}\n"), (0, 0, 0, 1)),
        (format!("sha256\n{digits}\n"), (0, 0, 1, 0)),
        (format!("{digits},90\n"), (0, 0, 0, 1)),
        (format!("{digits}  name\n"), (0, 0, 1, 0)),
    ] {
        assert_eq!(import(&text, None), Ok(expected), "{text}");
    }
    fs::remove_file(path).unwrap();
}

/// A malformed field that matching does not use costs no record: `odd/expected.txt` has one line per file, with the
/// number of odd fields and the last record as it is kept.
#[test]
fn odd_fields_cost_no_record() {
    let sets = Sets::new();
    let expected = fs::read_to_string(fixture("odd/expected.txt")).unwrap();
    let mut seen = String::new();
    let mut names: Vec<_> =
        fs::read_dir(fixture("odd")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names.iter().map(|name| name.to_str().unwrap()).filter(|name| *name != "expected.txt") {
        let profile = if name.ends_with("json") {
            "vic-us"
        } else if name.starts_with("icse") {
            "interpol-baseline"
        } else {
            "known"
        };
        let imported = sets.import(&[fixture("odd").join(name)], &options(profile));
        let counts = imported.unwrap_or_else(|error| panic!("{name}: {error}")).manifest.counts;
        let set = SetFile::open(&sets.path()).unwrap();
        set.verify(&ImportControl::default()).unwrap();
        assert_eq!(counts.malformed_records, 0);
        assert!(counts.md5 > 0, "{name}");
        let odd = counts.odd_fields + counts.photodna_unread;
        let record = set.record(counts.records as u32 - 1).unwrap();
        seen.push_str(&format!(
            "{name}\t{odd}\t{}\t{}\n",
            record.facts.series.unwrap_or_default(),
            record.fields
        ));
    }
    assert_eq!(seen, expected, "\n{seen}");
}

#[test]
fn a_deletion_without_an_id_withdraws_nothing() {
    let sets = Sets::new();
    let path = sets.0.path().with_extension("xml");
    let image = |id: &str, number: u32| {
        format!(
            "<image><member id=\"1\">M</member>{id}<fingerprints><md5>{}</md5></fingerprints></image>",
            hex(&md5(number))
        )
    };
    let document = |rest: &str| {
        let (one, two) = (image("", 1), image("<id>\n 5 </id>", 2));
        format!(
            "<queryResult xmlns=\"https://hashsharing.ncmec.org/hashsharing/v2\"><images>{one}{two}{rest}</images></queryResult>"
        )
    };
    let mut options = options("ncmec");
    options.skip_bad_records = true;
    for (rest, found) in [
        ("<deletedImage><member id=\"1\">M</member></deletedImage>", [1, 1]),
        ("<deletedImage><member id=\"1\">M</member><id>5</id></deletedImage>", [1, 0]),
    ] {
        fs::write(&path, document(rest)).unwrap();
        sets.import(std::slice::from_ref(&path), &options).unwrap();
        let set = SetFile::open(&sets.path()).unwrap();
        let count = |number| set.find_md5(&md5(number)).unwrap().len();
        assert_eq!([count(1), count(2)], found, "{rest}");
    }
    fs::remove_file(path).unwrap();
}

/// What a caller can act on is a kind of error, not its text.
#[test]
fn what_is_wrong_is_a_kind() {
    let sets = Sets::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |bytes: &[u8]| {
        let path = folder.path().join("source");
        fs::write(&path, bytes).unwrap();
        path
    };
    let digits = "0123456789abcdef".repeat(4);
    let taken = |bytes: &[u8], options: &ImportOptions| {
        import(&[write(bytes)], &sets.path(), options, &ImportControl::default()).unwrap_err()
    };
    let known = |bytes: &[u8]| HashSet::read(&write(bytes), &ReadOptions::default()).unwrap_err();

    // The three readers of lists share what is wrong with a file as a whole.
    assert!(matches!(known(b""), KnownError::Unusable { fault: SourceFault::Empty, .. }));
    let error = taken(b"", &options("known"));
    assert!(matches!(error, ImportError::Unusable { fault: SourceFault::Empty, .. }));
    let list = |bytes: &[u8]| HashList::<PdqHash>::read(&write(bytes), 0).unwrap_err();
    assert!(matches!(list(b"\xff\xfep\0"), ListError::Unusable { fault: SourceFault::Utf16 { .. }, .. }));
    assert!(matches!(list(format!("md5\n{}\n", &digits[..32]).as_bytes()), ListError::NotHashes { .. }));
    let error = known(format!("{digits}\n").as_bytes());
    assert!(matches!(error, KnownError::Unusable { fault: SourceFault::AmbiguousDigits, .. }));
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<SourceFault>());
    assert_eq!(source, Some(&SourceFault::AmbiguousDigits));
    let other = ReadOptions { geometry: Some(Geometry::Te512), ..ReadOptions::default() };
    let error =
        HashSet::read(&write(format!("# geometry: full\n{digits}\n").as_bytes()), &other).unwrap_err();
    assert!(matches!(
        error,
        KnownError::OtherGeometry { stated: Geometry::Full, given: Geometry::Te512, is_set_file: false, .. }
    ));

    // Of an import.
    let error = taken(b"{\"a\": 1}", &options("vic-us"));
    assert!(matches!(error, ImportError::NotThisFormat { format: ImportFormat::Vics, .. }));
    assert!(matches!(taken(b"{\"value\": [", &options("vic-us")), ImportError::CutOff { offset: 11, .. }));
    assert!(matches!(taken(b"{\"value\": [1]}", &options("vic-us")), ImportError::Document { .. }));
    assert!(matches!(taken(b"{\"value\": [{]}]}", &options("vic-us")), ImportError::Record { .. }));
    let error = taken(b"{\"value\": [{\"Category\": 6}]}", &options("vic-us"));
    assert!(matches!(error, ImportError::UnknownCategory { record: 1, .. }));
    let csv = ImportOptions { format: Some(ImportFormat::Csv), ..options("known") };
    let error = taken(b"a,b\n1,2\n", &csv);
    assert!(matches!(error, ImportError::Header { fault: HeaderFault::NothingMatched { .. }, .. }));
    let error = taken(b"SQLite format 3\0 and no more", &options("known"));
    assert!(matches!(error, ImportError::Database { .. }));
    assert!(std::error::Error::source(&error).is_some());

    // Of a set file.
    let sound = {
        sets.import(&[fixture("pdq.txt")], &options("known")).unwrap();
        fs::read(sets.path()).unwrap()
    };
    let opened = |bytes: &[u8]| SetFile::open(&write(bytes)).unwrap_err();
    let mut older = sound.clone();
    older[8..12].copy_from_slice(&1_u32.to_le_bytes());
    assert!(matches!(opened(&older), SetError::OtherVersion { found: 1, expected: 2, .. }));
    assert!(matches!(known(&older), KnownError::Set(SetError::OtherVersion { found: 1, .. })));
    assert!(matches!(opened(b"md5\n"), SetError::NotASetFile { .. }));
    let length = sound.len() as u64;
    let error = opened(&sound[..sound.len() - 1]);
    assert!(matches!(error, SetError::OtherLength { written: Some(written), .. } if written == length));
    let mut damaged = sound.clone();
    damaged[100] ^= 1;
    assert!(matches!(opened(&damaged), SetError::Damaged { .. }));
    let set = SetFile::open(&write(&sound)).unwrap();
    let error = set.record(1 << 20).unwrap_err();
    assert!(matches!(error, SetError::NoSuchRecord { record: 0x10_0000, .. }));
    write(&damaged);
    assert!(matches!(set.check_unchanged(&|| false), Err(SetError::Changed { .. })));
}
