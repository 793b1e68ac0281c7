//! JPEGs crafted so that their coefficients show another picture than their pixels: the default mode finds
//! what `--decode pixels` finds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use support::cli::{Cases, expect, run, text};
use support::evasive::{self, Trick};
use tamis::decode::{self, Limits, Reading};
use tamis::matching::DELTA;
use tamis::pdq::{Geometry, PdqHash, hash_tile};

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 256 << 20 };
const TRICKS: [Trick; 5] = [Trick::Luminance, Trick::Chroma, Trick::Gamut, Trick::Grain, Trick::Beyond];
/// Sizes that are each read differently.
const SIZES: [(usize, usize); 5] = [(200, 264), (640, 720), (768, 1024), (1000, 1104), (1408, 1400)];

/// The bits between what the default mode would search with and the picture's hash; `None` where it goes to pixels.
fn parted(bytes: &[u8]) -> Option<u32> {
    let probe = decode::probe(bytes, Geometry::Full, &LIMITS);
    let exact = hash_tile(&decode::pixels(bytes, &probe, Geometry::Full, &LIMITS).unwrap().tile).hashes[0];
    let ours = decode::coefficients(bytes, &probe).ok()?;
    Some(hash_tile(&ours.tile).hashes[0].distance(exact))
}

#[test]
fn what_is_cut_off_does_not_part_the_hashes() {
    for (number, (width, height)) in SIZES.into_iter().enumerate() {
        for (trick, progressive) in TRICKS.into_iter().flat_map(|trick| [(trick, false), (trick, true)]) {
            let bytes = evasive::jpeg(number as u64, width, height, trick, progressive);
            let apart = parted(&bytes);
            assert!(
                apart.is_none_or(|bits| bits <= DELTA),
                "{width}×{height}, {trick:?}, progressive {progressive}: {apart:?} bits"
            );
        }
    }
}

/// Markers at which one decoder stops and which another skips: the data after them counts for both hashes.
#[test]
fn markers_between_scans_change_no_hash() {
    let file = |progressive| evasive::jpeg(3, 200, 264, Trick::None, progressive);
    // Blocks without anything but a mean take two bits each, and a decoder has whole rows of them in memory
    // when it reaches the end.
    let flat = image::GrayImage::from_fn(72, 512, |x, y| image::Luma([(x / 8 * 25 + y / 64 * 3) as u8]));
    let mut small = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut small, 50).encode_image(&flat).unwrap();
    let exact = |bytes: &[u8]| {
        let probe = decode::probe(bytes, Geometry::Full, &LIMITS);
        hash_tile(&decode::pixels(bytes, &probe, Geometry::Full, &LIMITS).unwrap().tile)
    };
    let inserted: [&[u8]; 4] =
        [&[0xff, 0x01], &[0xff, 0xd8], &[0xff, 0xdf, 0, 3, 0], &[0xff, 0xdd, 0, 4, 0, 0]];
    for bytes in [file(false), file(true), small] {
        for inserted in inserted {
            let odd = evasive::with_markers(&bytes, inserted);
            assert_eq!(exact(&odd), exact(&bytes), "{inserted:x?}");
            assert!(parted(&odd).is_none_or(|bits| bits <= DELTA), "{inserted:x?}");
        }
    }
}

/// A component's role follows from its place in the frame; a file with a scan in another order goes to pixels.
#[test]
fn components_out_of_order_go_to_pixels() {
    let mut bytes = evasive::jpeg(4, 200, 264, Trick::Grain, false);
    let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    assert_eq!(bytes[scan + 4..scan + 11], [3, 1, 0, 2, 0, 3, 0]);
    bytes[scan + 5..scan + 11].copy_from_slice(&[2, 0, 1, 0, 3, 0]);
    let probe = decode::probe(&bytes, Geometry::Full, &LIMITS);
    assert_eq!(decode::coefficients(&bytes, &probe).unwrap_err().to_string(), "a malformed scan header");
}

/// The files are what they are meant to be: without the check they would not be found, and an ordinary picture by the same writer is
/// read from its coefficients.
#[test]
fn the_evasive_files_are_evasive() {
    for progressive in [false, true] {
        let bytes = evasive::jpeg(1, 768, 1024, Trick::Luminance, progressive);
        let probe = decode::probe(&bytes, Geometry::Full, &LIMITS);
        let hash = |picture: decode::Picture| hash_tile(&picture.tile).hashes[0];
        let exact = hash(decode::pixels(&bytes, &probe, Geometry::Full, &LIMITS).unwrap());
        let low = decode::coefficients_with(&bytes, &probe, Reading::of(15, true).unwrap()).unwrap();
        assert!(hash(low).distance(exact) > 40);
        // Walks through codes of one length never merge, so unread scans of this writer go to pixels.
        for (width, height) in SIZES.into_iter().filter(|(width, _)| !progressive || *width < 900) {
            let ordinary = evasive::jpeg(2, width, height, Trick::None, progressive);
            assert!(parted(&ordinary).is_some_and(|bits| bits <= DELTA), "{width}×{height} {progressive}");
        }
    }
}

/// (file name, hash) of every picture of a folder, from pixels.
fn exact_hashes(folder: &Path) -> Vec<(String, PdqHash)> {
    let arguments = ["hash", folder.to_str().unwrap(), "--decode", "pixels", "--format", "jsonl", "--quiet"];
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = Path::new(text(&row, "path")).file_name().unwrap().to_str().unwrap().to_string();
        (name, text(&row, "pdq").parse().unwrap())
    };
    expect(0, &run(arguments)).lines().map(row).collect()
}

/// Paths and distances of the hits that a triage of `folder` finds.
fn hits(cases: &Cases, folder: &Path, known: &Path, mode: &str) -> Vec<(String, u64)> {
    let (folder, known) = (folder.to_str().unwrap(), known.to_str().unwrap());
    cases.summary(mode, &["triage", folder, "--known", known, "--decode", mode]);
    let hit = |row: &serde_json::Value| (text(row, "path").to_string(), row["distance"].as_u64().unwrap());
    let mut hits: Vec<_> = cases.rows(mode, "hits").iter().map(hit).collect();
    hits.sort();
    hits
}

#[test]
fn the_default_mode_finds_the_hits_of_pixels() {
    let (folder, cases) = (tempfile::tempdir().unwrap(), Cases::new());
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let mut number = 0;
    // A picture that is clipped everywhere shows nothing that could be matched.
    let tricks = TRICKS.into_iter().filter(|&trick| trick != Trick::Beyond);
    for (trick, progressive) in tricks.flat_map(|trick| [(trick, false), (trick, true)]) {
        for (width, height) in [(768, 1024), (1408, 1400)] {
            let bytes = evasive::jpeg(number, width, height, trick, progressive);
            fs::write(pictures.join(format!("{number}.jpg")), bytes).unwrap();
            number += 1;
        }
    }
    let mut known = "pdq,quality,name\n".to_string();
    for (name, hash) in exact_hashes(&pictures) {
        writeln!(known, "{hash},100,{name}").unwrap();
    }
    let list = folder.path().join("known.csv");
    fs::write(&list, known).unwrap();
    let exact = hits(&cases, &pictures, &list, "pixels");
    assert!(exact.len() >= number as usize, "{}", exact.len());
    assert_eq!(hits(&cases, &pictures, &list, "auto"), exact);
}

/// The attack as it was first seen: three of its thirty files, and the pictures that they show.
#[test]
fn the_files_of_the_first_attack_are_found() {
    let folder = support::shared_data().join("hostile/evasion");
    if !folder.is_dir() {
        support::skip("no hostile/evasion in the shared data");
        return;
    }
    let cases = Cases::new();
    let known = folder.join("known.csv");
    let exact = hits(&cases, &folder, &known, "pixels");
    assert!(!exact.is_empty());
    assert_eq!(hits(&cases, &folder, &known, "auto"), exact);
    for name in ["e00.jpg", "e01.jpg", "e02.jpg"] {
        assert!(parted(&fs::read(folder.join(name)).unwrap()).is_none_or(|bits| bits <= DELTA), "{name}");
    }
}
