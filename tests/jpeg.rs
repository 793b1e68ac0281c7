//! JPEG from coefficients: against the reference on pixels, against our own pixel path on damaged files, and on hostile ones.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use rand::prelude::*;
use support::scene;
use tamis::decode::{self, DerivedFrom, Limits, Picture, PixelsWanted, Probe, Reading};
use tamis::outcome::{Failure, Outcome};
use tamis::pdq::{Geometry, PdqHash, hash_tile};

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 256 << 20 };

fn probe(bytes: &[u8]) -> Probe {
    decode::probe(bytes, Geometry::Full, &LIMITS)
}

fn coefficients(bytes: &[u8], count: usize, refined: bool) -> Result<Picture, PixelsWanted> {
    decode::coefficients_with(bytes, &probe(bytes), Reading::of(count, refined).unwrap())
}

fn pixels(bytes: &[u8]) -> Result<Picture, Failure> {
    decode::pixels(bytes, &probe(bytes), Geometry::Full, &LIMITS)
}

fn hash(picture: &Picture) -> PdqHash {
    hash_tile(&picture.tile).hashes[0]
}

/// Small files of every kind, by name: the seeds of the fuzz target.
fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/jpeg");
    let named =
        |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_string(), fs::read(path).unwrap());
    fs::read_dir(folder).unwrap().map(|entry| named(entry.unwrap().path())).collect()
}

#[derive(serde::Deserialize)]
struct Golden {
    file: String,
    pdq: String,
    quality: u8,
}

/// The reference's hashes of the seeds' pixels: `tests/golden/make_jpeg.py`.
fn golden() -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jpeg.csv");
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

#[test]
fn every_kind_of_file_has_the_references_hash_without_a_pixel() {
    let seeds = seeds();
    let golden = golden();
    assert_eq!(golden.len(), seeds.len());
    for Golden { file, pdq, quality } in golden {
        let expected: PdqHash = pdq.parse().unwrap();
        let read = coefficients(&seeds[&file], 64, true);
        if file == "cmyk.jpg" {
            assert_eq!(read.unwrap_err().to_string(), "four colour components");
            continue;
        }
        let picture = read.unwrap_or_else(|reason| panic!("{file}: {reason}"));
        assert_eq!(picture.derivation.path, DerivedFrom::Coefficients);
        let (hashed, distance) = (hash_tile(&picture.tile), hash(&picture).distance(expected));
        assert!(distance <= 4, "{file}: {distance} bits");
        assert!(hashed.quality.abs_diff(quality) <= 2, "{file}: {} {quality}", hashed.quality);
        // The twin that must fail: the means alone are not enough for so small a picture.
        let coarse = coefficients(&seeds[&file], 1, false);
        assert!(coarse.is_err() || hash(&coarse.unwrap()).distance(expected) > 4, "{file}");
    }
}

/// The pixel path has its own reader for files with components in separate scans.
#[test]
fn pixels_of_every_kind_of_file_are_the_references() {
    let seeds = seeds();
    for Golden { file, pdq, .. } in golden() {
        let distance = hash(&pixels(&seeds[&file]).unwrap()).distance(pdq.parse().unwrap());
        assert!(distance <= 2, "{file}: {distance} bits");
    }
}

fn encoded(picture: &image::RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).unwrap();
    bytes
}

/// At the size's own reading: within the bounds of `docs/accuracy.md`, and most of them equal.
#[test]
fn scenes_of_every_size_are_within_a_few_bits_of_their_pixels() {
    let mut random = StdRng::seed_from_u64(3);
    let mut distances = Vec::new();
    for number in 0..60 {
        let short = [130, 250, 331, 480, 640, 911, 1300, 2203][number as usize % 8];
        let long = short + random.random_range(0..short / 2);
        let (width, height) = if random.random() { (long, short) } else { (short, long) };
        let bytes = encoded(&scene::render(number, width, height), random.random_range(50..=98));
        let probe = probe(&bytes);
        let picture = decode::coefficients(&bytes, &probe);
        let Ok(picture) = picture else { continue };
        distances.push(hash(&picture).distance(hash(&pixels(&bytes).unwrap())));
    }
    distances.sort_unstable();
    println!("{distances:?}");
    assert!(distances.len() >= 50);
    assert!(distances[distances.len() / 2] <= 2);
    assert!(distances[distances.len() - 1] <= 8);
}

/// The maximum difference between samples of two tiles, in levels of 255.
fn furthest(one: &Picture, other: &Picture) -> f64 {
    let apart = one.tile.0.iter().zip(&other.tile.0).map(|(one, other)| one.abs_diff(*other));
    f64::from(apart.max().unwrap()) / 65_536.0
}

/// More data than is in memory at a time, and blocks that take a hundred times as much as those round them.
#[test]
fn large_scans_agree_with_their_pixels() {
    let mut random = StdRng::seed_from_u64(8);
    let noise = image::RgbImage::from_fn(1601, 1203, |_, _| image::Rgb([random.random_range(96..160); 3]));
    let patches = image::RgbImage::from_fn(2405, 1600, |x, y| {
        let busy = x % 800 < 40 && y % 500 < 30;
        image::Rgb([if busy { random.random_range(64..192) } else { (y / 16) as u8 + 70 }; 3])
    });
    for (name, picture, least_bytes) in [("noise", noise, 800_000), ("patches", patches, 50_000)] {
        let bytes = encoded(&picture, 95);
        assert!(bytes.len() > least_bytes, "{name}: {}", bytes.len());
        let exact = pixels(&bytes).unwrap();
        for count in [1, 3, 6, 15, 28, 64] {
            let most = furthest(&coefficients(&bytes, count, true).unwrap(), &exact);
            println!("{name}, {count}: {most:.3}");
            assert!(most < if count >= 15 { 0.5 } else { 4.0 }, "{name}, {count}: {most}");
        }
    }
}

/// Writes a picture once for each number on the command line, with a restart after so many units (0 for none), into the
/// folder given first. The same picture, settings and so coefficients.
const WITH_RESTARTS: &str = "
import sys, numpy
from PIL import Image
random = numpy.random.default_rng(5)
y, x = numpy.mgrid[0:900, 0:1210]
flat = numpy.stack([x // 5, y // 4, (x + y) // 9], 2)
flat[200:420, 300:900] += random.integers(0, 60, (220, 600, 3))
picture = Image.fromarray(flat.astype(numpy.uint8))
for interval in map(int, sys.argv[2:]):
    picture.save(f'{sys.argv[1]}/{interval}.jpg', quality=93, subsampling='4:2:0', restart_marker_blocks=interval)
";

/// However a scan is cut, and however many of its segments or how much of one fits into memory.
#[test]
fn restarts_do_not_show() {
    if !support::python::has("numpy, PIL") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let intervals = [0, 1, 2, 5, 76, 77, 333, 2000, 4331, 4332, 9999];
    let arguments =
        [vec![folder.path().to_str().unwrap().to_string()], intervals.map(|each| each.to_string()).to_vec()];
    support::python::ask(WITH_RESTARTS, &arguments.concat(), drop);
    let read = |interval: u32| fs::read(folder.path().join(format!("{interval}.jpg"))).unwrap();
    let whole = read(0);
    assert!(whole.len() > 100_000, "{}", whole.len());
    for count in [1, 3, 6, 15, 28, 64] {
        let tile = coefficients(&whole, count, true).unwrap().tile;
        for interval in intervals {
            let cut = coefficients(&read(interval), count, true);
            assert!(
                cut.is_ok_and(|cut| cut.tile == tile),
                "a restart every {interval} units, {count} coefficients"
            );
        }
    }
    let most = furthest(&coefficients(&whole, 64, true).unwrap(), &pixels(&whole).unwrap());
    assert!(most < 1.0, "{most}");
}

/// Jumps between the extremes of all three components: the longest codes of every table.
#[test]
fn the_harshest_jumps_are_read() {
    let colours = [[0, 0, 255], [255, 255, 0], [255, 0, 0], [0, 255, 255], [0, 0, 0], [255; 3]];
    for (cell, seed) in [(8, 1), (16, 2), (5, 3), (1, 4)] {
        let mut random = StdRng::seed_from_u64(seed);
        let cells: Vec<usize> = (0..40_000).map(|_| random.random_range(0..colours.len())).collect();
        let picture = image::RgbImage::from_fn(331, 203, |x, y| {
            image::Rgb(colours[cells[(y / cell * 331 + x / cell) as usize % cells.len()]])
        });
        for quality in [100, 90, 50, 10, 1] {
            let bytes = encoded(&picture, quality);
            let read = coefficients(&bytes, 64, true);
            let picture =
                read.unwrap_or_else(|reason| panic!("cells of {cell}, quality {quality}: {reason}"));
            assert_eq!(coefficients(&bytes, 1, false).unwrap().tile.0.len(), picture.tile.0.len());
        }
    }
}

#[test]
fn pictures_not_read_from_coefficients_have_a_reason() {
    let wanted = |bytes: &[u8], geometry| {
        decode::coefficients(bytes, &decode::probe(bytes, geometry, &LIMITS))
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let small = encoded(&scene::render(1, 100, 60), 80);
    assert!(wanted(&small, Geometry::Full).contains("size"));
    let shrunk = encoded(&scene::render(1, 600, 500), 80);
    assert!(wanted(&shrunk, Geometry::Te512).contains("geometry"));
    let png = fs::read("tests/data/seizure/laptop/Pictures/brighter.png").unwrap();
    assert!(wanted(&png, Geometry::Full).contains("format"));
}

/// A damaged file has the same outcome both ways, or goes to pixels.
#[test]
fn truncated_files_have_the_same_outcome_both_ways() {
    decode::silence_decoder_panics();
    for (name, whole) in seeds() {
        for length in (4..whole.len()).step_by(7) {
            let bytes = &whole[..length];
            assert_eq!(pixels(bytes).unwrap_err().outcome, Outcome::Corrupt, "{name} cut to {length}");
            let probe = probe(bytes);
            assert!(probe.coefficient_bytes.is_none() && decode::coefficients(bytes, &probe).is_err());
        }
    }
}

/// A file whose scans are all read, so that faults in its entropy-coded data are detected both ways.
fn is_read_whole(name: &str) -> bool {
    let in_several_scans = ["progressive", "spectral", "approximation", "by-component", "apart"];
    !in_several_scans.iter().any(|part| name.contains(part))
}

#[test]
fn damaged_files_have_the_same_outcome_both_ways() {
    decode::silence_decoder_panics();
    let mut random = StdRng::seed_from_u64(29);
    let (mut read, mut left, mut unseen) = (0, 0, 0);
    for (name, whole) in seeds() {
        let tile = coefficients(&whole, 64, true).map(|picture| picture.tile);
        for round in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(2..bytes.len());
                match random.random_range(0..3) {
                    0 => bytes[at] = random.random(),
                    1 => bytes[at] ^= 1 << random.random_range(0..8),
                    _ => drop(bytes.remove(at)),
                }
            }
            let damaged = coefficients(&bytes, 64, true);
            // It leaves nothing behind for the thread's next file.
            let again = coefficients(&whole, 64, true).map(|picture| picture.tile);
            assert!(again == tile, "{name} round {round}: a whole file after it");
            if is_read_whole(&name) {
                // Reading lengths alone detects the same faults as reading values.
                assert_eq!(coefficients(&bytes, 1, true).is_ok(), damaged.is_ok(), "{name} round {round}");
            }
            if damaged.is_err() {
                left += 1;
                continue;
            }
            read += 1;
            if let Err(failure) = pixels(&bytes) {
                // Chroma scans are skipped, so faults in them go unnoticed.
                assert!(!is_read_whole(&name), "{name} round {round}: {failure:?}");
                unseen += 1;
            }
        }
    }
    println!(
        "{read} damaged files were read, {left} were left to pixels; {unseen} of those read have no pixels"
    );
    assert!(read > 100 && left > 100);
    assert!(unseen * 100 < read);
}

/// The offset after a marker that the file has.
fn behind(bytes: &[u8], marker: u8) -> usize {
    bytes.windows(2).position(|pair| pair == [0xff, marker]).unwrap() + 2
}

#[test]
fn the_height_may_follow_the_first_scan() {
    for name in ["sampling-0.jpg", "grey.jpg", "restarts.jpg", "progressive-2.jpg"] {
        let whole = &seeds()[name];
        let mut open = whole.clone();
        let frame = behind(whole, if name.starts_with("progressive") { 0xc2 } else { 0xc0 });
        let height = open[frame + 3..frame + 5].to_vec();
        open[frame + 3..frame + 5].fill(0);
        let scan_end = {
            let scan = behind(whole, 0xda);
            let is_end = |pair: &[u8]| pair[0] == 0xff && pair[1] != 0 && !(0xd0..=0xd7).contains(&pair[1]);
            scan + whole[scan..].windows(2).position(is_end).unwrap()
        };
        open.splice(scan_end..scan_end, [0xff, 0xdc, 0, 4, height[0], height[1]]);
        // Not assert_eq, which would print two tiles.
        assert!(coefficients(&open, 64, true).unwrap() == coefficients(whole, 64, true).unwrap(), "{name}");
        assert!(pixels(&open).unwrap() == pixels(whole).unwrap(), "{name}");
    }
}

#[test]
fn fill_bytes_trailing_garbage_and_thumbnails_do_not_matter() {
    for (name, whole) in seeds() {
        let expected = coefficients(&whole, 64, true);
        let mut odd = whole.clone();
        odd.extend(b"trailing \xff\xd8\xff\xda garbage");
        let tables = behind(&odd, 0xdb) - 1;
        odd.splice(tables..tables, [0xff; 5]);
        // A whole file in an application segment.
        let thumbnail = &seeds()["coarse.jpg"];
        let length = (thumbnail.len() + 2) as u16;
        let segment = [&[0xff, 0xe1][..], &length.to_be_bytes(), thumbnail].concat();
        odd.splice(2..2, segment);
        assert!(coefficients(&odd, 64, true) == expected, "{name}");
    }
}

/// Invalid tables, and sizes that the file cannot fill: left to the pixel decoder before anything of the
/// picture's size is allocated.
#[test]
fn hostile_files_are_left_alone() {
    let seeds = seeds();
    let huge = |name: &str, frame: u8| {
        let mut bytes = seeds[name].clone();
        let at = behind(&bytes, frame) + 3;
        bytes[at..at + 4].fill(0xff);
        bytes
    };
    for bytes in [huge("sampling-2.jpg", 0xc0), huge("progressive-2.jpg", 0xc2), huge("grey.jpg", 0xc0)] {
        let problem = coefficients(&bytes, 64, true).unwrap_err();
        assert_eq!(problem.to_string(), "less data than blocks");
    }
    let counts = behind(&seeds["sampling-2.jpg"], 0xc4) + 3;
    for (name, lengths) in [("too many", [255, 0, 0]), ("of ones", [2, 0, 0]), ("none", [0, 0, 0])] {
        let mut bytes = seeds["sampling-2.jpg"].clone();
        bytes[counts..counts + 16].fill(0);
        bytes[counts..counts + 3].copy_from_slice(&lengths);
        assert!(coefficients(&bytes, 64, true).is_err(), "{name}");
    }
    // Endless restart markers instead of a scan's data.
    let mut restarts = seeds["restarts.jpg"].clone();
    let scan = behind(&restarts, 0xda);
    restarts.truncate(scan + 12);
    (0..50_000_u32).for_each(|number| restarts.extend([0xff, 0xd0 + (number % 8) as u8]));
    restarts.extend([0xff, 0xd9]);
    assert!(coefficients(&restarts, 64, true).is_err());
}

/// The files that fuzzing found, and its seeds.
#[test]
fn files_that_once_made_trouble_end_in_an_outcome() {
    decode::silence_decoder_panics();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let mut replayed = 0;
    for folder in ["corpus/jpeg", "corpus/found", "regressions/jpeg"].map(|part| folder.join(part)) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let probe = probe(&bytes);
            if probe.coefficient_bytes.is_some_and(|needed| needed <= LIMITS.max_decode_bytes) {
                for (count, refined) in [(1, false), (6, true), (64, true)] {
                    let _ = coefficients(&bytes, count, refined);
                }
            }
            let _ = pixels(&bytes);
            replayed += 1;
        }
    }
    assert!(replayed >= 400);
}
