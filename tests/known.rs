//! Hash sets: every form as its tools write it, every malformed line with its place.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fs;
use std::path::PathBuf;
#[cfg(unix)]
use std::process::Command;

use sha2::{Digest, Sha256};
use tamis::known::{HashSet, KnownError, ListKind, ReadOptions};
use tamis::pdq::{Geometry, PdqHash};
use tamis::source::Digests;
use tempfile::TempDir;

const HASH: &str = "f70a83c8e821b34a229f82bfd66fd23e78882dbc504f2dbe88832da9738f2ca9";
const OTHER: &str = "200835730a0237f7641ab5732c20b1a35705f57f1860b5ff57d5bf752024b777";
const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct Lists(TempDir);

impl Lists {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("set.txt");
        fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, content: impl AsRef<[u8]>) -> Result<HashSet, KnownError> {
        HashSet::read(&self.file(content), &options())
    }

    /// The error's text without the path.
    fn error(&self, content: impl AsRef<[u8]>) -> String {
        let text = self.read(content).unwrap_err().to_string();
        text.replace(&self.0.path().join("set.txt").display().to_string(), "SET")
    }
}

/// The columns of a record.
fn columns(set: &HashSet, record: u32) -> Vec<(&'static str, &'static str)> {
    let details = set.details(record).unwrap();
    assert_eq!((details.facts, details.fields), (None, None), "a list has no facts");
    details.columns.into_iter().map(|(name, value)| (&*name.leak(), &*value.leak())).collect()
}

fn options() -> ReadOptions {
    ReadOptions { min_quality: 50, ..ReadOptions::default() }
}

fn abc() -> Digests {
    let mut digester = tamis::source::Digester::default();
    digester.update(b"abc");
    digester.finish()
}

#[test]
fn lists_of_hashes() {
    let lists = Lists::new();
    let set = lists
        .read(format!(
            "# from the lab\n{HASH}\n\n{OTHER},77\n{HASH},100,a, b and \"c\"\r\n{OTHER},,no quality\n"
        ))
        .unwrap();
    let hashes: Vec<(u32, PdqHash, Option<u8>)> =
        set.hashes().iter().map(|known| (known.record, known.hash, known.quality)).collect();
    let (hash, other) = (HASH.parse().unwrap(), OTHER.parse().unwrap());
    assert_eq!(hashes, [(0, hash, None), (1, other, Some(77)), (2, hash, Some(100)), (3, other, None)]);
    assert_eq!(columns(&set, 0), []);
    assert_eq!(columns(&set, 2), [("name", "a, b and \"c\"")]);
    assert_eq!(set.counts().hashes_without_quality, 2);
    assert_eq!(set.geometry(), Geometry::Full);
    assert_eq!(set.name(), "set");
}

#[test]
fn low_quality_and_zero_hashes_are_set_aside_and_counted() {
    let set =
        Lists::new().read(format!("{HASH},49\n{OTHER},50\n{},100\n{},0\n", "0".repeat(64), "0".repeat(64)));
    let set = set.unwrap();
    assert_eq!(set.hashes().len(), 1);
    let counts = set.counts();
    assert_eq!((counts.records, counts.hashes, counts.low_quality, counts.null_hashes), (4, 1, 1, 2));
}

#[test]
fn tables_keep_their_free_columns() {
    let lists = Lists::new();
    let table = format!(
        "\u{feff}Name,PDQ,Quality,md5,SHA-1,sha256,Series,Name\r\n\
         \"one, two\",{HASH},90,{MD5},{SHA1},{SHA256},A,again\r\n\
         three,,,{},,,,\r\n",
        MD5.to_uppercase()
    );
    let set = lists.read(table).unwrap();
    assert_eq!(columns(&set, 0), [("Name", "one, two"), ("Series", "A"), ("Name_2", "again")]);
    assert_eq!(columns(&set, 1), [("Name", "three")]);
    let found = set.find_digests(&abc());
    let shown: Vec<_> =
        found.iter().map(|found| (found.record, found.md5, found.sha1, found.sha256)).collect();
    assert_eq!(shown, [(0, true, true, true), (1, true, false, false)]);
    assert_eq!(set.hashes().len(), 1);
    assert_eq!(set.counts().with_digests, 2);
}

#[cfg(unix)]
#[test]
fn checksum_lists_as_the_tools_write_them() {
    use std::os::unix::ffi::OsStrExt;
    let lists = Lists::new();
    let folder = lists.0.path().join("files");
    fs::create_dir(&folder).unwrap();
    for name in ["plain", "with space", "line\nbreak", "back\\slash"] {
        fs::write(folder.join(name), "abc").unwrap();
    }
    fs::write(folder.join(std::ffi::OsStr::from_bytes(b"not-utf8-\xff")), "abc").unwrap();
    for (tool, arguments) in
        [("md5sum", ""), ("sha1sum", ""), ("sha256sum", ""), ("md5sum", "-b"), ("sha256sum", "--tag")]
    {
        let command = format!("{tool} {arguments} *");
        let Ok(output) = Command::new("sh").args(["-c", &command]).current_dir(&folder).output() else {
            support::skip("no sh");
            return;
        };
        assert!(output.status.success(), "{command}");
        let set = lists.read(&output.stdout).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert_eq!(set.find_digests(&abc()).len(), 5, "{command}");
        assert_eq!(set.counts().hashes, 0);
        let names: Vec<&str> = (0..5).map(|record| columns(&set, record)[0].1).collect();
        if arguments != "--tag" {
            assert_eq!(
                names,
                ["back\\\\slash", "line\\nbreak", "not-utf8-\\xff", "plain", "with space"],
                "{command}"
            );
        }
    }
}

#[test]
fn malformed_lines_are_refused_with_their_place() {
    let lists = Lists::new();
    let skip = " (use --skip-bad-lines to count such lines instead)";
    for (content, expected) in [
        (
            format!("{HASH},90\n{MD5}\n"),
            format!("SET:2: 32 hex digits are not a PDQ hash; MD5s belong in a list of their own{skip}"),
        ),
        (
            format!("{HASH},\n\n# comment\n{}g\n", &HASH[1..]),
            format!("SET:4: not a PDQ hash: character 64 is not a hex digit{skip}"),
        ),
        (
            format!("{HASH},101\n"),
            format!("SET:1: the quality `101` is not a whole number from 0 to 100{skip}"),
        ),
        (
            format!("md5,name\n{MD5},a\n{MD5}\n"),
            format!("SET:3: 1 fields, expected 2 as in the header{skip}"),
        ),
        (
            format!("sha256\n{MD5}\n"),
            format!("SET:2: not a SHA-256: 32 characters, expected 64 hex digits (is it an MD5?){skip}"),
        ),
        (
            format!("{MD5}  a\n{HASH}0  b\n"),
            format!("SET:2: not a digest: 65 characters, expected 32, 40 or 64 hex digits{skip}"),
        ),
        ("a word\n".into(), format!("SET:1: not a PDQ hash: 6 characters, expected 64 hex digits{skip}")),
    ] {
        assert_eq!(lists.error(content), expected);
    }
}

/// A quote too many: the lines behind it must not become the text of a field.
#[test]
fn no_quote_swallows_a_record() {
    let lists = Lists::new();
    let count = |content: &str| {
        let set =
            HashSet::read(&lists.file(content), &ReadOptions { skip_bad_lines: true, ..options() }).unwrap();
        (set.counts().records, set.counts().malformed_lines)
    };
    let row = |name: &str| format!("{HASH},{name}\n");
    let skip = " (use --skip-bad-lines to count such lines instead)";
    for (names, (records, malformed_lines), line) in [
        (&["\"12 inch", "b", "c\"", "d"][..], (3, 1), 2),
        (&["a", "\"12 inch", "b"], (2, 1), 3),
        (&["a", "b", "\"12 inch"], (2, 1), 4),
        (&["\"12 inch", "\"", "c"], (1, 2), 2),
        (&["\"two", "lines\"", "c"], (2, 1), 2),
    ] {
        let content: String =
            std::iter::once("pdq,name\n".into()).chain(names.iter().map(|name| row(name))).collect();
        assert_eq!(count(&content), (records, malformed_lines), "{names:?}");
        let error = lists.error(&content);
        assert!(error.starts_with(&format!("SET:{line}: a quoted field is ")), "{error}");
        assert!(error.ends_with(skip), "{error}");
    }
    // The twins that must be read: quotes that are closed, and quotes that are characters.
    assert_eq!(count(&format!("pdq,name\n{}{}", row("\"12\"\" long\""), row("12\" long"))), (2, 0));
    // A quote that should have been doubled swallows nothing either, and is counted.
    let odd = lists.read(format!("pdq,name\n{}{}", row("\"b\" or \"c\""), row("d"))).unwrap();
    assert_eq!((odd.counts().records, odd.counts().odd_fields), (2, 1));
    assert_eq!(columns(&odd, 0), [("name", "b\" or \"c")]);
    assert!(lists.error(format!("pdq,name\n{HASH},\"b\",\"c\"\n")).contains("3 fields"));
    // A carriage return alone does not end a line here, and must not hide one.
    assert!(lists.error(format!("pdq,name\r{HASH},a\r")).contains("carriage returns alone"));
    assert!(lists.error(format!("{HASH},90,a\r{HASH},90,b\n")).contains("carriage return within the line"));
    let endless = format!("pdq,name\n{HASH},\"{}", "a".repeat(2 << 20));
    assert!(lists.error(endless).contains("longer than 1048576 bytes"));
    assert!(lists.error(format!("pdq,PDQ\n{HASH},{OTHER}\n")).contains("names `PDQ` twice"));
}

#[test]
fn faults_of_a_header_are_reported() {
    let lists = Lists::new();
    for (content, expected) in [
        (
            format!("name,hash\na,{HASH}\n"),
            "no column is named pdq, md5, sha1 or sha256; its columns are name, hash",
        ),
        (format!("pdq;quality\n{HASH};50\n"), "separated by semicolons (save it with commas)"),
        (format!("\"md5\"\t\"name\"\n{MD5}\ta\n"), "separated by tabs"),
        (format!("{HASH};50;a\n"), "separated by semicolons"),
        ("{\"pdq\":\"00\"}\n".into(), "this is JSON"),
    ] {
        let error = lists.error(&content);
        assert!(error.contains(expected), "{content}: {error}");
    }
    let utf_16: Vec<u8> = "\u{feff}pdq\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(lists.error(utf_16).contains("UTF-16 text: save it as UTF-8"));
}

/// Lines of bare digits: their length determines their kind, or leaves it open, and nothing is guessed.
#[test]
fn a_list_of_digits_alone_is_what_it_is_or_is_refused() {
    let lists = Lists::new();
    let with = |list| ReadOptions { list, ..options() };
    let counts = |set: HashSet| (set.counts().records, set.counts().hashes, set.counts().with_digests);
    for digest in [MD5, SHA1] {
        let upper = digest.to_uppercase();
        let path = lists.file(format!("\u{feff}# ours\r\n{upper}  \r\n\n  {digest}\t\n"));
        let set = HashSet::read(&path, &with(None)).unwrap();
        assert_eq!(set.find_digests(&abc()).len(), 2, "{digest}");
        assert_eq!(counts(set), (2, 0, 2));
    }
    let path = lists.file(format!("{SHA256}\n{}\n", SHA256.to_uppercase()));
    let error = HashSet::read(&path, &with(None)).unwrap_err().to_string();
    for part in ["64 hex digits", "--list sha256", "--list pdq", "a first line `sha256` or `pdq`"] {
        assert!(error.contains(part), "{error}");
    }
    let set = HashSet::read(&path, &with(Some(ListKind::Sha256))).unwrap();
    assert_eq!(set.find_digests(&abc()).len(), 2);
    assert_eq!(counts(set), (2, 0, 2));
    assert_eq!(counts(HashSet::read(&path, &with(Some(ListKind::Pdq))).unwrap()), (2, 2, 0));
    for list in [ListKind::Md5, ListKind::Sha1] {
        let error = HashSet::read(&path, &with(Some(list))).unwrap_err().to_string();
        assert!(error.contains(&format!("--list {} was given", list.name())), "{error}");
    }
    // A list that declares its kind needs no option and ignores it: by a header, a quality or a name, a
    // geometry.
    for said in
        [format!("pdq\n{HASH}\n"), format!("{HASH}\n{OTHER},50\n"), format!("# geometry: full\n{HASH}\n")]
    {
        for list in [None, Some(ListKind::Pdq)] {
            let set = HashSet::read(&lists.file(&said), &with(list)).unwrap();
            assert!(set.counts().hashes > 0 && set.counts().with_digests == 0, "{said}");
        }
    }
    let said = lists.file(format!("sha256\n{SHA256}\n"));
    assert_eq!(counts(HashSet::read(&said, &with(Some(ListKind::Pdq))).unwrap()), (1, 0, 1));
    // Lengths are not mixed, and a malformed first line does not hide what the rest is.
    let error = lists.error(format!("{MD5}\n{SHA1}\n"));
    assert!(
        error.starts_with("SET:2: not an MD5: 40 characters, expected 32 hex digits (is it a SHA-1?)"),
        "{error}"
    );
    let path = lists.file(format!("nonsense\n{SHA256}\n"));
    let error = HashSet::read(&path, &ReadOptions { skip_bad_lines: true, ..options() }).unwrap_err();
    assert!(error.to_string().contains("--list sha256"), "{error}");
}

/// A malformed field that matching does not use does not cost the record of a table; it is counted.
#[test]
fn odd_fields_of_tables_are_kept_and_counted() {
    let lists = Lists::new();
    let set = lists.read([b"md5,note,quality\n", MD5.as_bytes(), b",ann\xe9e,fair\n"].concat()).unwrap();
    assert_eq!(columns(&set, 0), [("note", "ann\\xe9e"), ("quality", "fair")]);
    assert_eq!((set.counts().odd_fields, set.find_digests(&abc()).len()), (1, 1));
    // The quality of a hash decides whether it is matched; without one it decides nothing.
    let set = lists.read(format!("md5,pdq,quality\n{MD5},,fair\n")).unwrap();
    assert_eq!((set.counts().odd_fields, set.find_digests(&abc()).len()), (1, 1));
    assert!(lists.error(format!("md5,pdq,quality\n{MD5},{HASH},fair\n")).contains("the quality `fair`"));
    let set = lists.read(format!("\\{MD5}  a\\qb\n")).unwrap();
    assert_eq!(columns(&set, 0), [("name", "a\\\\qb")]);
    assert_eq!(set.counts().odd_fields, 1);
}

#[test]
fn malformed_lines_are_counted_where_that_was_asked_for() {
    let lists = Lists::new();
    let path = lists.file(format!("nonsense\n{HASH}\n{MD5}\n{OTHER},x\n{OTHER},60\n"));
    let set = HashSet::read(&path, &ReadOptions { skip_bad_lines: true, ..options() }).unwrap();
    assert_eq!((set.counts().records, set.counts().malformed_lines, set.hashes().len()), (2, 3, 2));
    // Only malformed lines are not a list, regardless of the options.
    let path = lists.file("one\ntwo\n");
    let error = HashSet::read(&path, &ReadOptions { skip_bad_lines: true, ..options() }).unwrap_err();
    assert!(error.to_string().contains("none of its lines is a record"), "{error}");
}

#[test]
fn what_is_no_list_is_refused_with_a_hint() {
    let lists = Lists::new();
    let mut png = Vec::new();
    let picture = image::DynamicImage::from(image::RgbImage::new(8, 8));
    picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    assert_eq!(
        lists.error(png),
        "SET: this is a picture (png), not a list; `tamis hash` lists the hashes of pictures"
    );
    assert_eq!(lists.error(""), "SET: the file is empty");
    assert_eq!(lists.error("# only a comment\n"), "SET: it holds no records");
    assert!(lists.error(b"\0\0\x01binary").contains("this is not text"));
    let folder = HashSet::read(lists.0.path(), &options()).unwrap_err();
    assert!(folder.to_string().contains("not a file"), "{folder}");
    let gone = HashSet::read(&lists.0.path().join("gone"), &options()).unwrap_err();
    assert!(matches!(gone, KnownError::Read { .. }), "{gone}");
}

#[test]
fn a_set_declares_its_geometry() {
    let lists = Lists::new();
    let stated = lists.file(format!("# geometry: te512\n{HASH}\n"));
    assert_eq!(HashSet::read(&stated, &options()).unwrap().geometry(), Geometry::Te512);
    let told = ReadOptions { geometry: Some(Geometry::Full), ..options() };
    let error = HashSet::read(&stated, &told).unwrap_err().to_string();
    assert!(error.contains("the file states the geometry te512, the option full"), "{error}");
    let unstated = lists.file(format!("{HASH},\n"));
    let told = ReadOptions { geometry: Some(Geometry::Te512), ..options() };
    assert_eq!(HashSet::read(&unstated, &told).unwrap().geometry(), Geometry::Te512);
    assert!(lists.error(format!("# geometry: round\n{HASH}\n")).contains("neither full nor te512"));
}

#[test]
fn a_set_is_known_by_the_digest_of_its_file() {
    let lists = Lists::new();
    let content = format!("{HASH},60,a\n").repeat(60_000);
    let set = lists.read(&content).unwrap();
    let expected: [u8; 32] = Sha256::digest(content.as_bytes()).into();
    assert_eq!(set.file_sha256(), expected);
    assert_eq!(set.counts().records, 60_000);
}

/// The reference's own lists, where the shared data is there.
#[test]
fn the_references_lists_are_read() {
    let shared = support::shared_data().join("pdq/reg-test-input");
    for (name, least) in [("queries.txt", 1), ("haystack.txt", 1)] {
        let path = shared.join(name);
        if !path.is_file() {
            support::skip(&format!("no {name} in the shared data"));
            continue;
        }
        let read = ReadOptions { list: Some(ListKind::Pdq), ..options() };
        let set = HashSet::read(&path, &read).unwrap_or_else(|error| panic!("{error}"));
        assert!(set.hashes().len() >= least);
    }
}
