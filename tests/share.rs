//! Packages: what is written is read, what was altered is refused by name, and other programs agree.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Cursor};
use std::path::Path;
use std::process::{Command, Output};

use rand::prelude::*;
use sha2::{Digest, Sha256};
use support::cli::{Cases, KNOWN, SEIZURE, errors, expect, export, tamis, text};
use support::made_case::{Made, digests, make_case, picture, turned};
use tamis::case::{CaseReader, ContentRow, HashSpec};
use tamis::pdq::PdqHash;
use tamis::share::container::{END, header, padding};
use tamis::share::keys::{PrivateKey, PublicKey};
use tamis::share::known_list::write_known_list;
use tamis::share::package::{HitLine, Manifest};
use tamis::share::read::PackageReader;
use tamis::share::received::Recency;
use tamis::share::store::{KeyStore, read_public};
use tamis::share::write::{PackageOptions, Watch, write_package};
use tamis::share::{FaultKind, ShareError, is_printable};
use tamis::source::digest::hex;

/// A key that needs no passphrase, the same each time except for the part that decrypts.
fn key(number: u8) -> PrivateKey {
    // Bech32 of 32 fixed bytes would do as well; age's own are random.
    PrivateKey::of(&[number; 32], age::x25519::Identity::generate(), "Jo", "Lab", "jo@lab.example").unwrap()
}

/// All that a package holds.
#[derive(Debug, PartialEq)]
struct Content {
    manifest: Manifest,
    items: Vec<ContentRow>,
    hits: Vec<([u8; 32], HitLine)>,
    names: Vec<([u8; 32], String)>,
}

/// Reads a package to its end.
fn read(package: &[u8], key: Option<&PrivateKey>) -> Result<Content, ShareError> {
    let source = BufReader::with_capacity(777, Cursor::new(package.to_vec()));
    let mut reader = PackageReader::new(Box::new(source), "P", key)?;
    let (mut items, mut hits, mut names) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(item) = reader.next_item()? {
        items.push(item);
    }
    while let Some(hit) = reader.next_hit()? {
        hits.push(hit);
    }
    while let Some(name) = reader.next_name()? {
        names.push(name);
    }
    Ok(Content { manifest: reader.finish()?, items, hits, names })
}

/// The fault of a package that must be refused.
fn fault(package: &[u8], key: Option<&PrivateKey>) -> (FaultKind, Option<&'static str>, Option<u64>, String) {
    match read(package, key) {
        Ok(content) => panic!("accepted: {:?}", content.manifest),
        Err(ShareError::Fault(fault)) => (fault.kind, fault.member, fault.line, fault.to_string()),
        Err(other) => panic!("no fault of the package: {other}"),
    }
}

/// Contents of every kind: pictures with and without hits, from coefficients, no picture, nothing, copies.
fn small_contents() -> Vec<Made> {
    let mut random = StdRng::seed_from_u64(9);
    let mut contents: Vec<Made> =
        (0..3).map(|number| picture(number, turned(PdqHash(random.random()), &mut random), 90)).collect();
    contents[1].hash.as_mut().unwrap().1 = true;
    contents[0].known =
        Some(vec![("victim identified".into(), "yes".into()), ("series".into(), "Müller, \"A\"".into())]);
    contents[2].paths = vec!["secret name.jpg".into(), "zz/copy.jpg".into()];
    contents.push(Made {
        digests: digests(3),
        size: 5,
        hash: None,
        paths: vec!["notes.txt".into()],
        known: None,
    });
    contents.push(Made {
        digests: digests(4),
        size: 0,
        hash: None,
        paths: vec!["empty".into()],
        known: None,
    });
    contents
}

/// A small case, and a package of it.
fn small_package(options: &PackageOptions, key: &PrivateKey, to: &[age::x25519::Recipient]) -> Vec<u8> {
    let cases = Cases::new();
    let folder = cases.path("CASE");
    make_case(&folder, "2026/17", &small_contents());
    package_of(&folder, options, key, to)
}

fn package_of(
    case: &Path,
    options: &PackageOptions,
    key: &PrivateKey,
    to: &[age::x25519::Recipient],
) -> Vec<u8> {
    let mut package = Vec::new();
    let case = CaseReader::open(case).unwrap();
    let written = write_package(&case, options, key, to, &Watch::default(), &mut package).unwrap();
    assert_eq!((written.bytes, written.sha256), (package.len() as u64, hex(&Sha256::digest(&package))));
    package
}

fn everything() -> PackageOptions {
    PackageOptions { purpose: Some("compare\nit".into()), names: true, columns: true }
}

/// An archive of these members, as packages have it.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in members {
        bytes.extend(header(name, content.len() as u64));
        bytes.extend(*content);
        bytes.extend(&END[..padding(content.len() as u64)]);
    }
    bytes.extend(END);
    bytes
}

/// The members of an archive of ours.
fn members(package: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while package[at] != 0 {
        let block: &[u8; 512] = package[at..at + 512].try_into().unwrap();
        let (name, length) = tamis::share::container::stated(block).unwrap();
        let content = package[at + 512..at + 512 + length as usize].to_vec();
        at += 512 + length as usize + padding(length);
        found.push((String::from_utf8(name).unwrap(), content));
    }
    found
}

/// A package whose signer signs the manifest and parts as modified by `change`; the manifest then describes the
/// actual parts, unless `change` returns that it did that itself.
fn forged(
    package: &[u8],
    key: &PrivateKey,
    change: impl FnOnce(&mut serde_json::Value, &mut BTreeMap<String, Vec<u8>>) -> bool,
) -> Vec<u8> {
    let mut parts: BTreeMap<String, Vec<u8>> = members(package).into_iter().collect();
    let mut manifest: serde_json::Value = serde_json::from_slice(&parts["manifest.json"]).unwrap();
    if !change(&mut manifest, &mut parts) {
        for part in manifest["parts"].as_array_mut().unwrap() {
            let content = &parts[part["name"].as_str().unwrap()];
            part["bytes"] = content.len().into();
            part["sha256"] = hex(&Sha256::digest(content)).into();
            part["rows"] = content.iter().filter(|byte| **byte == b'\n').count().into();
        }
    }
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let signature = key.sign(&Manifest::signed(&manifest));
    let mut all: Vec<(&str, &[u8])> = vec![("manifest.json", &manifest), ("signature", &signature)];
    for name in ["items.jsonl", "hits.jsonl", "names.jsonl"] {
        if let Some(content) = parts.get(name) {
            all.push((name, content));
        }
    }
    archive(&all)
}

#[test]
fn what_is_written_is_read() {
    let key = key(1);
    for options in [PackageOptions::default(), everything()] {
        let package = small_package(&options, &key, &[]);
        let content = read(&package, None).unwrap();
        let manifest = &content.manifest;
        assert_eq!(manifest.signer, *key.public());
        assert_eq!(manifest.case.number.as_deref(), Some("2026/17"));
        assert_eq!(manifest.purpose, options.purpose.as_ref().map(|_| "compare\\nit".to_string()));
        let mut expected = small_contents();
        expected.sort_by_key(|made| made.digests.sha256);
        assert_eq!(content.items.len(), expected.len());
        for (item, made) in content.items.iter().zip(&expected) {
            assert_eq!(
                (item.digests, item.size, item.files),
                (made.digests, made.size, made.paths.len() as u64)
            );
            let hash = item.hash.map(|hash| (hash.hash, hash.derived_from.name() == "coefficients"));
            assert_eq!(hash, made.hash);
        }
        assert_eq!(content.hits.len(), 1);
        let (sha256, hit) = &content.hits[0];
        assert_eq!(*sha256, digests(0).sha256);
        assert_eq!(hit.victim_identified.as_deref(), Some("yes"));
        let series = hit.columns.as_ref().map(|columns| columns["series"].as_str());
        assert_eq!(series, options.columns.then_some("Müller, \"A\""));
        let names: Vec<&str> = content.names.iter().map(|(_, name)| &**name).collect();
        assert_eq!(names.contains(&"secret name.jpg"), options.names);
        assert_eq!(names.len(), if options.names { 6 } else { 0 });
        let counts = manifest.counts;
        assert_eq!((counts.contents, counts.pictures, counts.from_coefficients), (5, 3, 1));
        assert_eq!((counts.files, counts.hits), (6, 1));
        // Parts that are not read are verified too.
        let reader = PackageReader::new(Box::new(Cursor::new(package)), "P", None).unwrap();
        assert_eq!(reader.finish().unwrap(), *manifest);
    }
}

#[test]
fn the_same_case_gives_the_same_bytes() {
    let cases = Cases::new();
    let folder = cases.path("CASE");
    make_case(&folder, "2026/17", &small_contents());
    let key = key(1);
    let first = package_of(&folder, &everything(), &key, &[]);
    assert_eq!(package_of(&folder, &everything(), &key, &[]), first);
    // The twins that must fail: without names, and of another key.
    assert_ne!(package_of(&folder, &PackageOptions { names: false, ..everything() }, &key, &[]), first);
    assert_ne!(package_of(&folder, &everything(), &self::key(2), &[]), first);
    // An encrypted one is different each time, and has the same within.
    let to = [key.public().age_recipient().unwrap()];
    let encrypted = package_of(&folder, &everything(), &key, &to);
    assert_ne!(package_of(&folder, &everything(), &key, &to), encrypted);
    assert_eq!(read(&encrypted, Some(&key)).unwrap(), read(&first, None).unwrap());
}

/// Every byte of a package, in several ways, every length, and more behind it: none is accepted.
#[test]
fn no_alteration_is_accepted() {
    let key = key(1);
    let package = small_package(&everything(), &key, &[]);
    read(&package, None).unwrap();
    let mut kinds: BTreeMap<FaultKind, usize> = BTreeMap::new();
    let mut altered = package.clone();
    for at in 0..package.len() {
        for bit in [0, 3, 5, 7] {
            altered[at] ^= 1 << bit;
            *kinds.entry(fault(&altered, None).0).or_default() += 1;
            altered[at] = package[at];
        }
        if package[at] != b' ' {
            altered[at] = b' ';
            fault(&altered, None);
            altered[at] = package[at];
        }
    }
    println!("{} bytes altered: {kinds:?}", package.len());
    // A file that is still a package is reported as altered, another one as not a package.
    assert!(kinds[&FaultKind::Altered] > package.len() * 3);
    for length in 0..package.len() {
        let (kind, ..) = fault(&package[..length], None);
        let expected =
            if length < "manifest.json".len() { FaultKind::NotAPackage } else { FaultKind::Truncated };
        assert_eq!(kind, expected, "{length}");
    }
    for more in [&b"\0"[..], b"x", &END] {
        let longer = [&package, more].concat();
        assert_eq!(fault(&longer, None).0, FaultKind::Altered);
    }
    // One part in place of another, and two blocks swapped.
    for (at, to) in [(512, 1024), (2048, 3072), (4096, 4608)] {
        let mut altered = package.clone();
        altered.copy_within(at..at + 512, to);
        if altered != package {
            fault(&altered, None);
        }
    }
}

#[test]
fn no_alteration_of_an_encrypted_package_is_accepted() {
    let (key, other) = (key(1), key(2));
    let to = [key.public().age_recipient().unwrap(), other.public().age_recipient().unwrap()];
    let package = small_package(&PackageOptions::default(), &key, &to);
    assert_eq!(read(&package, Some(&key)).unwrap(), read(&package, Some(&other)).unwrap());
    let (kind, .., words) = fault(&package, Some(&self::key(3)));
    assert_eq!(kind, FaultKind::NotForThisKey, "{words}");
    assert_eq!(fault(&package, None).0, FaultKind::NotForThisKey);
    let mut altered = package.clone();
    for at in 0..package.len() {
        let bit = 1 << (at % 8);
        altered[at] ^= bit;
        fault(&altered, Some(&key));
        altered[at] ^= bit;
    }
    // Every length of the header and the end, and some between.
    for length in
        (0..600).chain((600..package.len() - 600).step_by(97)).chain(package.len() - 600..package.len())
    {
        fault(&package[..length], Some(&key));
    }
    assert_eq!(fault(&[&package[..], b"x"].concat(), Some(&key)).0, FaultKind::Altered);
    // A header that never ends is not read into memory.
    let endless = [b"age-encryption.org/v1\n".to_vec(), b"-> X25519 AAAA\nAAAA\n".repeat(10_000)].concat();
    assert!(fault(&endless, Some(&key)).3.contains("age header does not end"));
}

/// What the signer's own program got wrong, each with its member and line.
#[test]
fn what_was_signed_wrongly_is_refused() {
    type Parts = BTreeMap<String, Vec<u8>>;
    fn replace(parts: &mut Parts, part: &str, from: &str, to: &str) {
        let text = String::from_utf8(parts[part].clone()).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(text, changed, "{part}: {from}");
        parts.insert(part.into(), changed.into_bytes());
    }
    let key = key(1);
    let package = small_package(&everything(), &key, &[]);
    assert_eq!(read(&forged(&package, &key, |_, _| false), None).unwrap().items.len(), 5);
    let rows = [
        ("items.jsonl", "{\"sha256\":\"", "{\"sha256\":\"00", "sha256"),
        ("items.jsonl", "\"sha1\":\"", "\"sha1\":\"G", "sha1"),
        ("items.jsonl", "\"md5\":\"", "\"md5\":\"a", "md5"),
        ("items.jsonl", "\"outcome\":\"hashed\"", "\"outcome\":\"empty\"", "outcome"),
        ("items.jsonl", "\"outcome\":\"hashed\"", "\"outcome\":\"duplicate\"", "outcome"),
        ("items.jsonl", "\"outcome\":\"hashed\"", "\"outcome\":\"invented\"", "invented"),
        ("items.jsonl", "\"quality\":90", "\"quality\":101", "quality"),
        ("items.jsonl", "\"quality\":90", "\"quality\":null", "without the others"),
        ("items.jsonl", "\"unstable_bits\":3", "\"unstable_bits\":257", "unstable"),
        ("items.jsonl", "\"pdq\":\"", "\"pdq\":\"0", "64"),
        ("items.jsonl", "\"derived_from\":\"pixels\"", "\"derived_from\":\"guess\"", "guess"),
        ("items.jsonl", "\"files\":1", "\"files\":0", "no file"),
        ("items.jsonl", "\"files\":1", "\"files\":-1", "-1"),
        ("items.jsonl", "\"size\":", "\"size\":1e999,\"s\":", "number"),
        ("items.jsonl", "\"size\":", "\"more\":1,\"size\":", "more"),
        ("items.jsonl", "\"size\":", "\"size\":1,\"size\":", "duplicate field"),
        ("items.jsonl", "\"format\":null", "\"format\":\"a\\u0007\"", "invisible"),
        ("items.jsonl", "}\n", "} x\n", "trailing"),
        ("items.jsonl", "}\n", "}\n\n", "EOF"),
        ("hits.jsonl", "\"confirmation\":\"digest\"", "\"confirmation\":\"pixels\"", "do not fit"),
        ("hits.jsonl", "\"digests\":\"sha256\"", "\"digests\":\"crc\"", "crc"),
        ("hits.jsonl", "\"record\":1", "\"record\":0", "do not fit"),
        ("hits.jsonl", "\"distance\":null", "\"distance\":3", "do not fit"),
        ("hits.jsonl", "\"columns\":{", "\"columns\":null,\"x\":{", "x"),
        ("hits.jsonl", "\"hash_set\":\"", "\"hash_set\":\"\\u202e", "invisible"),
        ("names.jsonl", "\"path\":\"", "\"path\":\"\\n", "invisible"),
    ];
    for (part, from, to, word) in rows {
        let forgery = forged(&package, &key, |_, parts| {
            replace(parts, part, from, to);
            false
        });
        let (kind, member, line, words) = fault(&forgery, None);
        assert_eq!((kind, member), (FaultKind::Malformed, Some(part)), "{to}: {words}");
        assert!(line.is_some_and(|line| line > 0) && words.contains(word), "{to}: {words}");
    }
    // The order, rows twice, rows of nobody, rows that are missing.
    let first_row = |text: &[u8]| text[..=text.iter().position(|byte| *byte == b'\n').unwrap()].to_vec();
    let twice = forged(&package, &key, |_, parts| {
        let items = parts["items.jsonl"].clone();
        parts.insert("items.jsonl".into(), [first_row(&items), items].concat());
        false
    });
    assert_eq!((fault(&twice, None).0, fault(&twice, None).2), (FaultKind::Malformed, Some(2)));
    for (part, what) in [("names.jsonl", "files"), ("hits.jsonl", "hits")] {
        let missing = forged(&package, &key, |manifest, parts| {
            let rows = parts[part].clone();
            parts.insert(part.into(), rows[first_row(&rows).len()..].to_vec());
            if part == "hits.jsonl" {
                manifest["counts"]["hits"] = 0.into();
            }
            false
        });
        let (kind, .., words) = fault(&missing, None);
        assert!(kind == FaultKind::Contradicting && words.contains(what), "{words}");
        let foreign = forged(&package, &key, |_, parts| {
            let rows = String::from_utf8(parts[part].clone()).unwrap();
            let sha256 = hex(&digests(0).sha256);
            assert!(rows.contains(&sha256));
            let next = format!("{}{}", &sha256[..63], if sha256.ends_with('f') { "e" } else { "f" });
            parts.insert(part.into(), rows.replace(&sha256, &next).into_bytes());
            false
        });
        assert_eq!(fault(&foreign, None).0, FaultKind::Contradicting, "{part}");
    }
    // A row that is longer than any may be, and one that does not end.
    let long = forged(&package, &key, |_, parts| {
        parts.insert("items.jsonl".into(), [vec![b' '; 3 << 20], b"\n".to_vec()].concat());
        false
    });
    assert!(fault(&long, None).3.contains("longer than"));
    let unended = forged(&package, &key, |_, parts| {
        let items = parts["items.jsonl"].clone();
        parts.insert("items.jsonl".into(), items[..items.len() - 1].to_vec());
        false
    });
    assert!(fault(&unended, None).3.contains("no line end"));
}

#[test]
fn manifests_that_lie_are_refused() {
    let key = key(1);
    let package = small_package(&everything(), &key, &[]);
    let cases: [(&str, serde_json::Value, FaultKind, &str); 13] = [
        ("/version", 1.into(), FaultKind::UnknownVersion, "version 1, written by tamis"),
        ("/format", "zip".into(), FaultKind::NotAPackage, "zip"),
        ("/purpose", "a\u{202e}b".into(), FaultKind::Malformed, "invisible"),
        ("/signer/name", "Joe".into(), FaultKind::Malformed, "fingerprint"),
        ("/signer/fingerprint", "".into(), FaultKind::Malformed, "fingerprint"),
        ("/hash_spec/algorithm", "md5".into(), FaultKind::Malformed, "pdq"),
        ("/hash_spec/geometry", "cube".into(), FaultKind::Malformed, "cube"),
        ("/names_included", false.into(), FaultKind::Malformed, "parts"),
        ("/columns_included", false.into(), FaultKind::Malformed, "do not fit"),
        ("/parts/0/name", "../items.jsonl".into(), FaultKind::Malformed, "parts"),
        ("/parts/0/rows", 6.into(), FaultKind::Contradicting, "5 rows"),
        ("/parts/1/sha256", "0".repeat(64).into(), FaultKind::Altered, "SHA-256"),
        ("/counts/pictures", 4.into(), FaultKind::Contradicting, "counts"),
    ];
    for (field, value, kind, word) in cases {
        let forgery = forged(&package, &key, |manifest, _| {
            *manifest.pointer_mut(field).unwrap() = value.clone();
            true
        });
        let (found, .., words) = fault(&forgery, None);
        assert!(found == kind && words.contains(word), "{field}: {words}");
    }
    let more = forged(&package, &key, |manifest, _| {
        manifest["later"] = 1.into();
        true
    });
    assert_eq!(fault(&more, None).0, FaultKind::Malformed);
    // A huge length in the manifest, and in a header, takes no memory.
    for bytes in [u64::MAX, 1 << 50] {
        let huge = forged(&package, &key, |manifest, _| {
            manifest["parts"][0]["bytes"] = bytes.into();
            true
        });
        assert_eq!(fault(&huge, None).0, FaultKind::Altered);
    }
    let huge = [&header("manifest.json", 1 << 50)[..], &[b'x'; 4096]].concat();
    assert!(fault(&huge, None).3.contains("more than the"));
    // Somebody else's signature, with the manifest as it is.
    let other = forged(&package, &self::key(2), |_, _| true);
    assert_eq!((fault(&other, None).0, fault(&other, None).1), (FaultKind::Altered, Some("signature")));
}

/// Members that packages do not have, whatever a tar may hold.
#[test]
fn hostile_archives_are_refused() {
    let key = key(1);
    let package = small_package(&PackageOptions::default(), &key, &[]);
    let own = members(&package);
    let borrowed: Vec<(&str, &[u8])> = own.iter().map(|(name, content)| (&**name, &**content)).collect();
    assert_eq!(archive(&borrowed), package);
    let with = |at: usize, name: &'static str| {
        let mut members = borrowed.clone();
        members.insert(at, (name, b"x"));
        archive(&members)
    };
    for name in ["../../etc/passwd", "/etc/passwd", "items.jsonl", "manifest.json", "names.jsonl", "a\\b"] {
        for at in 1..=borrowed.len() {
            let (kind, .., words) = fault(&with(at, name), None);
            assert_eq!(kind, FaultKind::Altered, "{name} at {at}: {words}");
            assert!(
                words.contains(&tamis::source::name::escape(name.as_bytes())) || name == "items.jsonl",
                "{words}"
            );
        }
    }
    for missing in 0..borrowed.len() {
        let mut members = borrowed.clone();
        members.remove(missing);
        fault(&archive(&members), None);
    }
    let mut swapped = borrowed.clone();
    swapped.swap(2, 3);
    assert_eq!(fault(&archive(&swapped), None).0, FaultKind::Altered);
    for (text, word) in [
        (&b""[..], "no bytes"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "does not begin"),
        (b"PK\x03\x04", "does not begin"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "armor"),
        (&[0; 2048], "does not begin"),
    ] {
        let (kind, .., words) = fault(text, None);
        assert!(kind == FaultKind::NotAPackage && words.contains(word), "{words}");
    }
}

/// Seeded: many small changes at once, cuts, repeats and splices.
#[test]
fn mutated_packages_are_refused() {
    let key = key(1);
    let plain = small_package(&everything(), &key, &[]);
    let encrypted = small_package(&everything(), &key, &[key.public().age_recipient().unwrap()]);
    let mut random = StdRng::seed_from_u64(5);
    for (package, runs) in [(&plain, 4000), (&encrypted, 1000)] {
        for run in 0..runs {
            let mut mutated = package.clone();
            for _ in 0..random.random_range(1..=4) {
                let at = random.random_range(0..mutated.len());
                let length = random.random_range(0..=(mutated.len() - at).min(600));
                match random.random_range(0..5) {
                    0 => mutated[at] = random.random(),
                    1 => drop(mutated.drain(at..at + length)),
                    2 => {
                        let piece = mutated[at..at + length].to_vec();
                        let to = random.random_range(0..=mutated.len());
                        mutated.splice(to..to, piece);
                    }
                    3 => mutated[at..at + length].fill(random.random()),
                    _ => mutated.truncate(at + length),
                }
                if mutated.is_empty() {
                    break;
                }
            }
            if mutated != *package {
                assert!(read(&mutated, Some(&key)).is_err(), "run {run}");
            }
        }
    }
}

/// A signer who signs anything: rows changed at random are read, or refused for a fault, and nothing else happens.
#[test]
fn signed_nonsense_is_a_fault_or_a_package() {
    let key = key(1);
    let package = small_package(&everything(), &key, &[]);
    let mut random = StdRng::seed_from_u64(6);
    let mut accepted = 0;
    for _ in 0..4000 {
        let nonsense = forged(&package, &key, |_, parts| {
            for (_, rows) in parts.iter_mut().filter(|(name, _)| name.ends_with(".jsonl")) {
                for _ in 0..random.random_range(0..3) {
                    let at = random.random_range(0..rows.len());
                    rows[at] = *b"{}[]\",:0129af\n\\ -en\xff".choose(&mut random).unwrap();
                }
            }
            false
        });
        match read(&nonsense, None) {
            Ok(_) => accepted += 1,
            Err(ShareError::Fault(_)) => {}
            Err(other) => panic!("no fault of the package: {other}"),
        }
    }
    println!("{accepted} of 4000 are packages all the same");
    assert!(accepted < 3900);
}

/// What the fuzzer begins with, and what it found.
#[test]
fn the_fuzz_targets_files_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let mut replayed = 0;
    for folder in ["corpus/package", "regressions/package"].map(|part| folder.join(part)) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            replayed += 1;
            // The target's first byte selects the meaning of the others.
            let Some((first, rest)) = bytes.split_first() else { continue };
            if first % 2 == 0 {
                let _ = read(rest, None);
                continue;
            }
            let key = key(1);
            let package = small_package(&PackageOptions::default(), &key, &[]);
            let signed = forged(&package, &key, |_, parts| {
                let mut rows = rest.splitn(2, |byte| *byte == 0);
                for part in ["items.jsonl", "hits.jsonl"] {
                    parts.insert(part.into(), rows.next().unwrap_or_default().to_vec());
                }
                false
            });
            let _ = read(&signed, None);
        }
    }
    assert!(replayed >= 2);
}

/// Keys, packages and lists by the real program.
struct Desk {
    cases: Cases,
}

impl Desk {
    fn new() -> Self {
        Self { cases: Cases::new() }
    }

    fn run(&self, who: &str, arguments: &[&str]) -> Output {
        self.command(who, arguments).env("TAMIS_PASSPHRASE", format!("pass of {who}")).output().unwrap()
    }

    fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = tamis();
        command.env("TAMIS_KEYS_DIR", self.cases.path(who)).env_remove("TAMIS_PASSPHRASE").args(arguments);
        command
    }

    fn path(&self, name: &str) -> String {
        self.cases.path(name).to_str().unwrap().into()
    }

    fn new_key(&self, who: &str) -> String {
        let agency = format!("Lab of {who}");
        let made =
            self.run(who, &["key", "new", "--name", who, "--agency", &agency, "--contact", "x@y.example"]);
        let told = expect(0, &made);
        told.lines().next().unwrap().trim().strip_prefix("fingerprint").unwrap().trim().into()
    }

    fn trust(&self, who: &str, whom: &str, fingerprint: &str) -> Output {
        self.run(
            who,
            &["key", "trust", &self.path(&format!("{whom}/public.json")), "--fingerprint", fingerprint],
        )
    }
}

/// A file that only its owner has access to.
fn write_secret(path: &str, content: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path).unwrap(), content).unwrap();
}

/// Secrets that other users have access to are refused, with the way out; a new key is not open for a moment.
#[cfg(unix)]
#[test]
fn secrets_of_everybody_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let (case, package, pass) = (desk.path("CASE"), desk.path("p.tar"), desk.path("pass"));
    make_case(Path::new(&case), "1", &small_contents());
    desk.new_key("jo");
    let private = desk.path("jo/private.age");
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set_mode = |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!((mode(&private), mode(&desk.path("jo"))), (0o600, 0o700));
    write_secret(&pass, b"pass of jo\n");
    let export = ["share", "export", "--case", &case, "-o", &package, "--passphrase-file", &pass];
    let run = || desk.command("jo", &export).output().unwrap();
    for (path, exit) in [(&pass, 2), (&private, 1)] {
        for open in [0o644, 0o640, 0o604, 0o620, 0o601] {
            set_mode(path, open);
            let told = errors(exit, &run());
            assert!(told.contains(&format!("{path}: ")) && told.contains("chmod 600"), "{told}");
        }
        set_mode(path, 0o400);
    }
    // A file of another user is not a secret, regardless of its mode. Only root can give a file away; who may
    // own one is tested without.
    for (path, exit) in [(&pass, 2), (&private, 1)] {
        if std::os::unix::fs::chown(path, Some(54_321), None).is_ok() {
            let told = errors(exit, &run());
            assert!(told.contains(&format!("{path}: it belongs to another user (uid 54321)")), "{told}");
            std::os::unix::fs::chown(path, Some(0), None).unwrap();
        }
    }
    expect(0, &run());
}

/// If others can add keys, no key is trusted: they must be able to change neither the folder of keys nor its
/// files.
#[cfg(unix)]
#[test]
fn keys_that_others_can_change_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.new_key("jo");
    let fingerprint = desk.new_key("eve");
    expect(0, &desk.trust("jo", "eve", &fingerprint));
    let show = || desk.run("jo", &["key", "show"]);
    let trusted = desk.path(&format!("jo/trusted/{fingerprint}.json"));
    for path in [desk.path("jo"), desk.path("jo/trusted"), desk.path("jo/public.json"), trusted] {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let set_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for open in [0o020, 0o002] {
            set_mode(mode | open);
            let told = errors(1, &show());
            assert!(told.contains(&format!("{path}: other users can change it (mode 0")), "{told}");
            assert!(told.contains("chmod go-w") && told.contains("compare the fingerprints"), "{told}");
        }
        set_mode(mode | 0o044);
        expect(0, &show());
        set_mode(mode);
    }
    let folder = desk.path("jo");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(errors(1, &desk.trust("jo", "eve", &fingerprint)).contains("other users can change it"));
}

/// A package that comes again, or an older one, is taken and reported.
#[test]
fn a_package_that_comes_again_is_recognised() {
    let desk = Desk::new();
    let (case, package, list) = (desk.path("CASE"), desk.path("p.tar"), desk.path("list.csv"));
    make_case(Path::new(&case), "1", &small_contents());
    desk.new_key("jo");
    let export = |more: &[&str], output: &str| {
        let arguments = [&["share", "export", "--case", &case, "-o", output][..], more].concat();
        expect(0, &desk.run("jo", &arguments));
    };
    let import = |package: &str| errors(0, &desk.run("jo", &["share", "import", package, "-o", &list]));
    export(&[], &package);
    assert!(!import(&package).contains("before"));
    // By another name, and encrypted, it is the same.
    let (copy, encrypted) = (desk.path("copy.tar"), desk.path("p.age"));
    fs::copy(&package, &copy).unwrap();
    export(&["--to", "jo"], &encrypted);
    for (again, as_what) in [(&copy, &package), (&encrypted, &copy)] {
        let told = import(again);
        assert!(
            told.contains("seen before: this package was imported at 20") && told.contains(as_what.as_str()),
            "{told}"
        );
    }
    export(&["--purpose", "another"], &package);
    assert!(!import(&package).contains("seen before"));

    let store = KeyStore::new(desk.cases.path("jo"));
    let mut manifest = PackageReader::open(Path::new(&package), None).unwrap().finish().unwrap();
    let mut as_of = |time: &str| {
        manifest.case.as_of = Some(time.into());
        manifest.clone()
    };
    store.record_received(&as_of("2126-05-01T00:00:00Z"), Path::new("may.tar")).unwrap();
    let older = store.recency(&as_of("2126-04-30T23:59:59Z")).unwrap();
    assert!(matches!(older, Recency::OlderThan(may) if may.file.ends_with("may.tar")));
    assert_eq!(store.recency(&as_of("2126-05-01T00:00:01Z")).unwrap(), Recency::New);
    let mut other = as_of("2126-04-01T00:00:00Z");
    other.case.number = Some("2".into());
    assert_eq!(store.recency(&other).unwrap(), Recency::New, "another case");

    // A damaged line of the record is refused, not skipped.
    let record = desk.path("jo/received.jsonl");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, format!("{text}damaged\n")).unwrap();
    let refused = errors(1, &desk.run("jo", &["share", "import", &package, "-o", &list]));
    assert!(refused.contains("received.jsonl:6: "), "{refused}");
}

#[test]
fn from_one_agency_to_another() {
    let desk = Desk::new();
    let case = desk.path("CASE");
    expect(
        0,
        &desk.run(
            "anna",
            &["triage", SEIZURE, "--known", KNOWN, "--case", &case, "--case-number", "17/26", "--quiet"],
        ),
    );
    let package = desk.path("p.tar");
    let export_it = ["share", "export", "--case", &case, "-o", &package];
    assert!(errors(1, &desk.run("anna", &export_it)).contains("tamis key new"));
    let (anna, ben) = (desk.new_key("anna"), desk.new_key("ben"));
    let told = errors(0, &desk.run("anna", &export_it));
    assert!(
        told.contains("21 contents of 22 files") && told.contains("NOT encrypted") && told.contains(&anna),
        "{told}"
    );
    assert!(told.contains(&hex(&Sha256::digest(fs::read(&package).unwrap()))), "{told}");
    // Ben does not trust her yet.
    let list = desk.path("list.csv");
    let import = ["share", "import", &package, "--output", &list];
    let refused = errors(1, &desk.run("ben", &import));
    assert!(refused.contains("not trusted") && refused.contains(&anna), "{refused}");
    assert!(!Path::new(&list).exists());
    assert!(expect(0, &desk.run("ben", &["share", "show", &package])).contains("NOT TRUSTED"));
    let taken = errors(0, &desk.run("ben", &[&import[..], &["--allow-untrusted"]].concat()));
    assert!(taken.contains("UNTRUSTED"), "{taken}");
    // The fingerprint decides.
    assert!(errors(1, &desk.trust("ben", "anna", &ben)).contains("not the key with that fingerprint"));
    expect(0, &desk.trust("ben", "anna", &anna.replace('-', "").to_uppercase()));
    assert!(expect(0, &desk.run("ben", &["share", "show", &package])).contains("signer       trusted"));
    let imported = errors(0, &desk.run("ben", &import));
    assert!(
        imported.contains("20 records") && imported.contains("left out") && !imported.contains("UNTRUSTED"),
        "{imported}"
    );
    let table = fs::read_to_string(&list).unwrap();
    // What the case exports is what the list has.
    let rows: Vec<BTreeMap<String, String>> = {
        let body = table.strip_prefix("# geometry: full\n").unwrap();
        csv::Reader::from_reader(body.as_bytes()).deserialize().map(|row| row.unwrap()).collect()
    };
    let mut expected: Vec<[String; 5]> = desk
        .cases
        .rows("CASE", "items")
        .iter()
        .filter(|row| row["size"] != 0)
        .map(|row| {
            let quality = row["quality"].as_u64().map_or_else(String::new, |quality| quality.to_string());
            [
                text(row, "sha256").into(),
                text(row, "sha1").into(),
                text(row, "md5").into(),
                text(row, "pdq").into(),
                quality,
            ]
        })
        .collect();
    expected.sort();
    expected.dedup();
    let found: Vec<[String; 5]> = rows
        .iter()
        .map(|row| ["sha256", "sha1", "md5", "pdq", "quality"].map(|name| row[name].clone()))
        .collect();
    assert_eq!(found, expected);
    let solved = rows.iter().filter(|row| row["victim_identified"].contains("yes")).count();
    assert!(solved > 0);
    assert!(rows.iter().all(|row| row["package_case"] == "17/26" && row["package_signer"] == anna));
    // And all of the case is a hit in it.
    let summary = desk.cases.summary("CASE", &["match", "--known", &list, "--quiet"]);
    assert_eq!(
        summary["hash_sets"].as_array().unwrap().iter().find(|set| set["name"] == "list").unwrap()["digest_hits"],
        21
    );
    // The twin that must fail: a list with the digests of one content changed.
    let changed = expected[0][..3].iter().fold(table.clone(), |table, digest| {
        let last = if digest.ends_with('0') { '1' } else { '0' };
        table.replacen(&**digest, &format!("{}{last}", &digest[..digest.len() - 1]), 1)
    });
    assert_ne!(changed, table);
    fs::write(desk.path("twin.csv"), changed).unwrap();
    let summary = desk.cases.summary("CASE", &["match", "--known", &desk.path("twin.csv"), "--quiet"]);
    let sets = summary["hash_sets"].as_array().unwrap();
    let hits = sets.iter().find(|set| set["name"] == "twin").unwrap()["digest_hits"].as_u64().unwrap();
    assert!((1..21).contains(&hits), "{hits}");
}

#[test]
fn no_file_name_is_in_a_package_unless_asked_for() {
    let desk = Desk::new();
    let case = desk.path("CASE");
    expect(0, &desk.run("anna", &["triage", SEIZURE, "--known", KNOWN, "--case", &case, "--quiet"]));
    desk.new_key("anna");
    let paths: Vec<String> =
        desk.cases.rows("CASE", "items").iter().map(|row| text(row, "path").to_string()).collect();
    let words = |path: &str| -> Vec<String> {
        path.split(['/', '.', ' ', '(', ')', '_'])
            .filter(|word| word.len() > 3 && !word.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map(ToString::to_string)
            .collect()
    };
    let count = |package: &[u8]| {
        let found = |word: &String| memchr::memmem::find(package, word.as_bytes()).is_some();
        // Words of the format itself would be found anyway.
        let own = ["items", "hashed", "jpeg", "tiff", "webp", "turned", "known", "empty", "corrupt"];
        let words = paths.iter().flat_map(|path| words(path));
        words.filter(|word| !own.contains(&&**word)).filter(found).collect::<Vec<_>>()
    };
    for (more, expected) in
        [(&[][..], false), (&["--with-columns"][..], false), (&["--with-names"][..], true)]
    {
        let package = desk.path("p.tar");
        expect(0, &desk.run("anna", &[&["share", "export", "--case", &case, "-o", &package], more].concat()));
        let bytes = fs::read(&package).unwrap();
        let found = count(&bytes);
        assert_eq!(!found.is_empty(), expected, "{more:?}: {found:?}");
        let source = fs::canonicalize(SEIZURE).unwrap();
        assert!(memchr::memmem::find(&bytes, source.to_str().unwrap().as_bytes()).is_none());
        if expected {
            let names = read(&bytes, None).unwrap().names;
            let mut found: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
            found.sort();
            assert_eq!(found, paths);
        }
    }
}

#[test]
fn what_is_encrypted_opens_for_its_recipients_alone() {
    let desk = Desk::new();
    let case = desk.path("CASE");
    make_case(Path::new(&case), "1", &small_contents());
    let people = ["anna", "ben", "cleo", "dora"];
    let fingerprints = people.map(|who| desk.new_key(who));
    for whom in [1, 2] {
        expect(0, &desk.trust("anna", people[whom], &fingerprints[whom]));
    }
    for who in ["ben", "cleo", "dora"] {
        expect(0, &desk.trust(who, "anna", &fingerprints[0]));
    }
    let package = desk.path("p.age");
    let to =
        ["share", "export", "--case", &case, "-o", &package, "--to", "Lab of ben", "--to", &fingerprints[2]];
    assert!(errors(0, &desk.run("anna", &to)).contains("encrypted to 2 keys"));
    let bytes = fs::read(&package).unwrap();
    assert!(memchr::memmem::find(&bytes, b"manifest").is_none());
    for (who, opens) in [("ben", true), ("cleo", true), ("dora", false), ("anna", false)] {
        let list = desk.path(&format!("{who}.csv"));
        let output = desk.run(who, &["share", "import", &package, "-o", &list]);
        if opens {
            expect(0, &output);
        } else {
            let told = errors(1, &output);
            assert!(
                told.contains("not encrypted to this key") && told.contains("(send your key file"),
                "{told}"
            );
        }
        assert_eq!(Path::new(&list).exists(), opens);
    }
    // To an untrusted recipient, or to none.
    for wrong in ["Lab of dora", "age1nonsense", ""] {
        let arguments = ["share", "export", "--case", &case, "-o", &package, "--to", wrong];
        assert!(!desk.run("anna", &arguments).status.success(), "{wrong}");
    }
    // age itself opens it with the identity that is in the private key.
    let Ok(version) = Command::new("age").arg("--version").output() else {
        assert!(!support::oracles_required() || cfg!(not(target_os = "linux")), "no age");
        support::skip("no age");
        return;
    };
    assert!(version.status.success());
    let store = KeyStore::new(desk.cases.path("ben"));
    let key = store.unlock(&"pass of ben".to_string().into()).unwrap();
    let identity = desk.path("identity");
    fs::write(&identity, age::secrecy::ExposeSecret::expose_secret(&key.identity().to_string())).unwrap();
    let opened = Command::new("age").args(["-d", "-i", &identity, &package]).output().unwrap();
    assert_eq!(read(&opened.stdout, None).unwrap(), read(&bytes, Some(&key)).unwrap());
}

#[test]
fn passphrases_and_private_keys() {
    let desk = Desk::new();
    let new = ["key", "new", "--name", "Jo", "--agency", "Lab", "--contact", "x"];
    // No terminal, no input, an empty one.
    let none = desk.command("jo", &new).output().unwrap();
    assert!(errors(2, &none).contains("--passphrase-file"));
    let empty = desk.command("jo", &new).env("TAMIS_PASSPHRASE", "").output().unwrap();
    assert!(errors(2, &empty).contains("empty"));
    for (content, word) in
        [(&b""[..], "empty"), (b"\nsecond", "empty"), (b"\xff", "UTF-8"), (&[b'x'; 5000], "too long")]
    {
        write_secret(&desk.path("pass"), content);
        let output =
            desk.command("jo", &[&new[..], &["--passphrase-file", &desk.path("pass")]].concat()).output();
        assert!(errors(2, &output.unwrap()).contains(word));
    }
    assert!(!desk.cases.path("jo").exists(), "nothing was created");
    for wrong in ["", "a\nb"] {
        let output = desk.run("jo", &["key", "new", "--name", wrong, "--agency", "Lab", "--contact", "x"]);
        assert!(errors(2, &output).contains("name"));
    }
    write_secret(&desk.path("pass"), "päss word\r\nnot this".as_bytes());
    expect(
        0,
        &desk
            .command("jo", &[&new[..], &["--passphrase-file", &desk.path("pass")]].concat())
            .output()
            .unwrap(),
    );
    let store = KeyStore::new(desk.cases.path("jo"));
    let public = read_public(&store.public_file()).unwrap();
    assert_eq!(store.unlock(&"päss word".to_string().into()).unwrap().public(), &public);
    for wrong in ["päss word ", "pass word", "not this", ""] {
        let refused = store.unlock(&wrong.to_string().into()).unwrap_err().to_string();
        assert!(refused.contains("the passphrase is wrong"), "{refused}");
    }
    // Never replaced.
    assert!(errors(1, &desk.run("jo", &new)).contains("never replaced"));
    let private = desk.cases.path("jo").join("private.age");
    let bytes = fs::read(&private).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("AGE-SECRET") && !text.contains("signing_seed"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&private), mode(store.folder())), (0o600, 0o700));
    }
    // A damaged one, at several places; each is reported as damaged, or the passphrase as wrong.
    for at in (0..bytes.len()).step_by(bytes.len() / 6) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        fs::write(&private, damaged).unwrap();
        let refused = store.unlock(&"päss word".to_string().into()).unwrap_err().to_string();
        assert!(
            refused.contains("damaged") || refused.contains("wrong") || refused.contains("not encrypted"),
            "{refused}"
        );
    }
}

/// Signature and digests by programs that know nothing of Tamis, as `docs/share-package.md` has it.
#[test]
fn other_programs_agree() {
    let key = key(1);
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("p.tar");
    let bytes = small_package(&everything(), &key, &[]);
    fs::write(&package, &bytes).unwrap();
    let mut altered = bytes.clone();
    let purpose = memchr::memmem::find(&bytes, b"compare").unwrap();
    altered[purpose] = b'C';
    let forgery = folder.path().join("forged.tar");
    fs::write(&forgery, altered).unwrap();
    let says = |program: &mut Command| {
        let output = program.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let other = self::key(2);
    let keys = [&key, &other].map(|key| {
        let file = folder.path().join(format!("{}.json", key.public().fingerprint));
        fs::write(&file, key.public().to_json().unwrap()).unwrap();
        file
    });
    let mut forgeries: Vec<(&str, Vec<u8>)> = vec![("purpose", fs::read(&forgery).unwrap())];
    let parts = members(&bytes);
    let with = |changed: &[(String, Vec<u8>)]| {
        archive(&changed.iter().map(|(name, content)| (&**name, &**content)).collect::<Vec<_>>())
    };
    let mut items = parts.clone();
    let quality = memchr::memmem::find(&items[2].1, b"\"quality\":90").unwrap();
    items[2].1[quality + 10] = b'8';
    forgeries.push(("items.jsonl", with(&items)));
    // Signed by another key, whose own look they have, or hidden behind a decoy of the signer's key.
    let of_other = serde_json::to_value(other.public()).unwrap();
    let renamed = forged(&bytes, &other, |manifest, _| {
        manifest["signer"] = of_other.clone();
        false
    });
    assert!(read(&renamed, None).is_ok());
    forgeries.push(("another signer", renamed));
    forgeries.push(("another's signature", forged(&bytes, &other, |_, _| false)));
    let pretty = String::from_utf8(parts[0].1.clone()).unwrap();
    let line = format!("\"signing_key\": \"{}\",", key.public().signing_key);
    assert!(pretty.contains(&line));
    for decoy in [
        pretty.replacen(&line, &format!("\"signing_key\":\n    \"{}\",", key.public().signing_key), 1),
        pretty.replacen(
            &line,
            &format!("{line}\n{}", line.replace(&key.public().signing_key, &other.public().signing_key)),
            1,
        ),
    ] {
        let mut decoyed = parts.clone();
        decoyed[1].1 = other.sign(&Manifest::signed(decoy.as_bytes())).to_vec();
        decoyed[0].1 = decoy.into_bytes();
        forgeries.push(("a decoy", with(&decoyed)));
    }
    for (at, name) in [(0, "more"), (2, "items.jsonl"), (parts.len(), "more")] {
        let mut more = parts.clone();
        more.insert(at, (name.into(), b"x".to_vec()));
        forgeries.push(("a member more", with(&more)));
    }
    forgeries.push(("a member less", with(&parts[..parts.len() - 1])));
    forgeries.push(("bytes behind the end", [&bytes[..], &[0; 512]].concat()));
    let check = |what: &str, verify: &dyn Fn(&Path, &Path) -> (bool, String)| {
        let (good, told) = verify(&package, &keys[0]);
        let public = key.public();
        assert!(
            good && told.contains(&public.fingerprint) && told.contains(&public.signing_key),
            "{what}: {told}"
        );
        assert!(!verify(&package, &keys[1]).0, "{what}: another's key file");
        for (kind, forged) in &forgeries {
            fs::write(&forgery, forged).unwrap();
            assert!(!verify(&forgery, &keys[0]).0, "{what}: {kind}");
        }
    };
    let script = include_str!("../docs/verify_package.py");
    if support::python::has("cryptography") {
        for options in [&["-c", script][..], &["-O", "-c", script]] {
            check("python", &|package, key| {
                says(Command::new("python3").args(options).arg(package).arg(key))
            });
        }
    }
    let shell = include_str!("../docs/verify_package.sh");
    let there = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if there("openssl") && there("tar") && there("sha256sum") && there("python3") {
        check("shell", &|package, key| {
            says(Command::new("sh").args(["-c", shell, "verify"]).arg(package).arg(key))
        });
    } else {
        assert!(!support::oracles_required() || cfg!(windows), "no openssl, tar, sha256sum or python3");
        support::skip("no openssl, tar, sha256sum or python3");
    }
}

/// What strangers write reaches the terminal only in its printable form, also where nothing was verified yet.
#[test]
fn strangers_texts_are_escaped() {
    let key = key(1);
    let package = small_package(&everything(), &key, &[]);
    let evil = "\u{1b}[2J\u{202e}x";
    let shown = "\\x1b[2J\\u{202e}x";
    let in_part = |from: &str, to: &str| {
        forged(&package, &key, |_, parts| {
            let items = String::from_utf8(parts["items.jsonl"].clone()).unwrap();
            let changed = items.replacen(from, to, 1);
            assert_ne!(items, changed);
            parts.insert("items.jsonl".into(), changed.into_bytes());
            false
        })
    };
    let in_manifest = |field: &str, value: serde_json::Value| {
        forged(&package, &key, |manifest, _| {
            let (parent, name) = field.rsplit_once('/').unwrap();
            manifest.pointer_mut(parent).unwrap()[name] = value;
            true
        })
    };
    let json = "\\u001b[2J\\u202ex";
    for forgery in [
        in_part("\"size\":", &format!("\"{json}\":1,\"size\":")),
        in_part("\"outcome\":\"hashed\"", &format!("\"outcome\":\"{json}\"")),
        in_manifest(&format!("/{evil}"), 1.into()),
        in_manifest(&format!("/hash_spec/{evil}"), 1.into()),
        in_manifest("/hash_spec/geometry", evil.into()),
        in_manifest("/version", evil.into()),
        in_manifest("/counts", evil.into()),
    ] {
        // serde_json itself quotes values of a wrong type; names and variants it repeats as they are.
        let words = fault(&forgery, None).3;
        let is_shown = words.contains(shown) || words.contains("\\\\u{1b}[2J\\\\u{202e}");
        assert!(is_shown && is_printable(&words), "{words:?}");
    }
    let text = key.public().to_json().unwrap();
    for changed in [
        text.replacen("\"version\"", &format!("\"{json}\""), 1),
        text.replacen("\"version\": 1", &format!("\"version\": \"{json}\""), 1),
    ] {
        assert_ne!(changed, text);
        let words = PublicKey::parse(changed.as_bytes()).unwrap_err().to_string();
        assert!(words.contains("[2J") && is_printable(&words), "{words:?}");
    }
    // And by the program.
    let desk = Desk::new();
    fs::write(desk.path("p.tar"), in_manifest(&format!("/{evil}"), 1.into())).unwrap();
    fs::write(desk.path("key.json"), text.replacen("\"version\"", &format!("\"{json}\""), 1)).unwrap();
    for arguments in [["share", "show", &desk.path("p.tar")], ["key", "show", &desk.path("key.json")]] {
        let told = errors(1, &desk.run("jo", &arguments));
        assert!(told.contains(shown) && !told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    }
}

/// Fields that may be null, and may not be left out.
#[test]
fn no_field_is_left_out() {
    let key = key(1);
    let package = small_package(&everything(), &key, &[]);
    let rows: BTreeMap<String, Vec<u8>> = members(&package).into_iter().collect();
    for (part, expected) in [("items.jsonl", 15), ("hits.jsonl", 13), ("names.jsonl", 2)] {
        let first = rows[part].split(|byte| *byte == b'\n').next().unwrap();
        let row: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(first).unwrap();
        assert_eq!(row.len(), expected);
        for name in row.keys() {
            let forgery = forged(&package, &key, |_, parts| {
                let mut fewer = row.clone();
                fewer.remove(name);
                let rest = parts[part][first.len()..].to_vec();
                parts.insert(part.into(), [serde_json::to_vec(&fewer).unwrap(), rest].concat());
                false
            });
            let (kind, .., words) = fault(&forgery, None);
            assert!(
                kind == FaultKind::Malformed && words.contains(&format!("missing field `{name}`")),
                "{words}"
            );
        }
    }
    for field in ["/purpose", "/case/number", "/case/exhibit", "/case/as_of", "/hash_spec/decode"] {
        let forgery = forged(&package, &key, |manifest, _| {
            let (parent, name) = field.rsplit_once('/').unwrap();
            manifest.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
            true
        });
        assert!(fault(&forgery, None).3.contains("missing field"), "{field}");
    }
    let more = forged(&package, &key, |manifest, _| {
        manifest["hash_spec"]["later"] = 1.into();
        true
    });
    assert!(fault(&more, None).3.contains("unknown field `later`"));
}

/// A list's line has a bound, which the facts of one content in a package must not exceed.
#[test]
fn a_list_has_no_endless_lines() {
    let key = key(1);
    let package = small_package(&PackageOptions::default(), &key, &[]);
    let listed = |length: usize| {
        let package = forged(&package, &key, |_, parts| {
            let hits = String::from_utf8(parts["hits.jsonl"].clone()).unwrap();
            let changed =
                hits.replacen("\"hash_set\":\"", &format!("\"hash_set\":\"{}", "\\\"".repeat(length)), 1);
            assert_ne!(hits, changed);
            parts.insert("hits.jsonl".into(), changed.into_bytes());
            false
        });
        let open = || PackageReader::new(Box::new(Cursor::new(package.clone())), "P", None).unwrap();
        let mut list = Vec::new();
        write_known_list(open(), open(), &Watch::default(), &mut list).map(|_| list)
    };
    let list = listed(250 << 10).unwrap();
    let longest = list.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap();
    assert!(longest > 500 << 10 && longest < 1 << 20, "{longest}");
    let ShareError::Fault(fault) = listed(257 << 10).unwrap_err() else { panic!("no fault") };
    assert_eq!(fault.kind, FaultKind::TooLongForAList);
    assert!(
        fault.to_string().contains("too long for a list") && fault.reason.contains(&hex(&digests(0).sha256))
    );
}

/// Distances to hashes of another version are meaningless: they give neither a list nor links.
#[test]
fn hashes_of_another_version_are_refused() {
    let desk = Desk::new();
    let case = desk.path("CASE");
    make_case(Path::new(&case), "1", &small_contents());
    let package = desk.path("p.tar");
    let key = key(1);
    let own = package_of(Path::new(&case), &PackageOptions::default(), &key, &[]);
    for (version, exit) in [(HashSpec::VERSION, 0), (1, 1), (HashSpec::VERSION + 1, 1)] {
        let changed = forged(&own, &key, |manifest, _| {
            manifest["hash_spec"]["version"] = version.into();
            true
        });
        fs::write(&package, changed).unwrap();
        let list = desk.path(&format!("{version}.csv"));
        for arguments in [
            &["share", "import", &package, "-o", &list, "--allow-untrusted"][..],
            &["link", &case, "--package", &package, "--allow-untrusted"],
        ] {
            let told = errors(exit, &desk.run("jo", arguments));
            assert_eq!(told.contains("package of other hashes"), exit == 1, "{told}");
        }
        assert_eq!(Path::new(&list).exists(), exit == 0);
    }
}

#[test]
fn no_output_replaces_keys_or_cases() {
    let desk = Desk::new();
    let (case, other) = (desk.path("CASE"), desk.path("OTHER"));
    for folder in [&case, &other] {
        make_case(Path::new(folder), "1", &small_contents());
    }
    desk.new_key("jo");
    let package = desk.path("p.tar");
    let pass = desk.path("pass");
    write_secret(&pass, b"pass of jo\n");
    expect(0, &desk.run("jo", &["share", "export", "--case", &case, "-o", &package, "--quiet"]));
    for name in ["case.sqlite-wal", "case.lock"] {
        fs::write(Path::new(&other).join(name), "").unwrap();
    }
    let copy = desk.path("copy.db");
    fs::copy(format!("{other}/case.sqlite"), &copy).unwrap();
    let mut outputs = vec![
        desk.path("jo/private.age"),
        desk.path("jo/public.json"),
        desk.path("jo/new"),
        pass.clone(),
        copy.clone(),
    ];
    outputs.extend(
        ["case.sqlite", "case.sqlite-wal", "case.sqlite-shm", "case.lock"]
            .map(|name| format!("{other}/{name}")),
    );
    #[cfg(unix)]
    {
        fs::hard_link(desk.path("jo/private.age"), desk.path("hard")).unwrap();
        outputs.push(desk.path("hard"));
    }
    for output in &outputs {
        let before = fs::read(output).ok();
        for arguments in [
            &["share", "export", "--case", &case, "-o", output][..],
            &["share", "import", &package, "-o", output],
            &["link", &case, "--package", &package, "-o", output],
        ] {
            let refused = errors(2, &desk.run("jo", &[arguments, &["--passphrase-file", &pass]].concat()));
            assert!(refused.contains("choose another name"), "{refused}");
        }
        if output.contains(&other) || *output == copy {
            let refused = errors(2, &desk.run("jo", &["export", "items", "--case", &case, "-o", output]));
            assert!(refused.contains("of a case's database"), "{refused}");
        }
        assert_eq!(fs::read(output).ok(), before, "{output}");
    }
    // A database of another program is a file like others.
    let mut foreign = fs::read(&copy).unwrap();
    foreign[68..72].fill(0);
    fs::write(&copy, foreign).unwrap();
    expect(0, &desk.run("jo", &["share", "import", &package, "-o", &copy, "--quiet"]));
}

#[test]
fn halves_of_keys_belong_together() {
    let desk = Desk::new();
    let (case, package) = (desk.path("CASE"), desk.path("p.tar"));
    make_case(Path::new(&case), "1", &small_contents());
    desk.new_key("jo");
    let eve = desk.new_key("eve");
    let (private, public) =
        (desk.cases.path("jo").join("private.age"), desk.cases.path("jo").join("public.json"));
    let kept = fs::read(&public).unwrap();
    let export_it = ["share", "export", "--case", &case, "-o", &package];
    fs::copy(desk.path("eve/public.json"), &public).unwrap();
    let refused = errors(1, &desk.run("jo", &export_it));
    assert!(refused.contains("was replaced") && refused.contains(&eve), "{refused}");
    assert!(!Path::new(&package).exists());
    // Halves, for every command that needs the key; `key new` reports the same.
    let commands: [&[&str]; 3] =
        [&export_it, &["key", "show"], &["key", "new", "--name", "Jo", "--agency", "Lab", "--contact", "x"]];
    let half = |missing: &str| {
        for arguments in commands {
            let refused = errors(1, &desk.run("jo", arguments));
            let way_out = refused.contains("backup") && refused.contains("tamis key new");
            assert!(refused.contains(&format!("no {}", desk.path(missing))) && way_out, "{refused}");
        }
    };
    fs::remove_file(&public).unwrap();
    half("jo/public.json");
    fs::write(&public, &kept).unwrap();
    fs::rename(&private, desk.path("aside")).unwrap();
    half("jo/private.age");
    fs::rename(desk.path("aside"), &private).unwrap();
    expect(0, &desk.run("jo", &export_it));
    // A failure between the two leaves neither.
    #[cfg(unix)]
    {
        let folder = desk.cases.path("max");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("nowhere/public.json", folder.join("public.json")).unwrap();
        let new = ["key", "new", "--name", "Max", "--agency", "Lab", "--contact", "x"];
        assert!(errors(1, &desk.run("max", &new)).contains("public.json"));
        assert!(!folder.join("private.age").exists());
        fs::remove_file(folder.join("public.json")).unwrap();
        expect(0, &desk.run("max", &new));
    }
}

#[test]
fn packages_are_never_written_into_evidence() {
    let desk = Desk::new();
    let (source, case) = (desk.path("seized"), desk.path("CASE"));
    fs::create_dir(&source).unwrap();
    fs::copy(format!("{SEIZURE}/laptop/notes.txt"), format!("{source}/notes.txt")).unwrap();
    expect(0, &desk.run("jo", &["scan", &source, "--case", &case, "--quiet"]));
    desk.new_key("jo");
    for output in [format!("{source}/p.tar"), format!("{source}/notes.txt"), format!("{case}/case.sqlite")] {
        let refused = errors(2, &desk.run("jo", &["share", "export", "--case", &case, "-o", &output]));
        assert!(refused.contains("choose"), "{refused}");
    }
    let package = desk.path("p.tar");
    expect(0, &desk.run("jo", &["share", "export", "--case", &case, "-o", &package, "--quiet"]));
    let before = fs::read(&package).unwrap();
    assert!(errors(2, &desk.run("jo", &["share", "import", &package, "-o", &package])).contains("replace"));
    assert_eq!(fs::read(&package).unwrap(), before);
    // A refused package leaves the existing list as it was.
    let list = desk.path("list.csv");
    fs::write(&list, "older").unwrap();
    fs::write(&package, &before[..before.len() - 100]).unwrap();
    let refused = errors(1, &desk.run("jo", &["share", "import", &package, "-o", &list]));
    assert!(refused.contains("package truncated"), "{refused}");
    assert_eq!(fs::read_to_string(&list).unwrap(), "older");
    assert!(!export(Path::new(&case), "items", "csv").is_empty());
}
