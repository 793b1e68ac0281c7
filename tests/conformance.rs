//! The public test pictures of the reference, where `../shared/data` (or `TAMIS_SHARED_DATA`) has them: hashes as
//! `pdqhash` gives them for pixels decoded by Pillow.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tamis::decode::{self, Limits};
use tamis::gpu::GpuHasher;
use tamis::pdq::{DihedralHashes, Geometry, MIN_QUALITY, Orientation, PdqHash, Tile, hash_tile};

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 1 << 30 };

/// Pictures whose hash differs because our JPEG decoder rounds differently from Pillow's, and by how many bits. On
/// the same pixels all hashes are equal: `tests/oracle.rs` compares on pixels.
const DECODER_DIFFERENCES: [(&str, u32); 2] = [("wee.jpg", 2), ("q0122.jpg", 2)];

fn folder() -> Option<PathBuf> {
    let folder = support::shared_data().join("pdq");
    if folder.is_dir() {
        return Some(folder);
    }
    support::skip("no pdq in the shared data (TAMIS_SHARED_DATA names its folder)");
    None
}

/// Rows of a table: the fields by their header's names.
fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn tile(path: &Path, geometry: Geometry) -> Box<Tile> {
    let bytes = fs::read(path).unwrap();
    let probe = decode::probe(&bytes, geometry, &LIMITS);
    decode::pixels(&bytes, &probe, geometry, &LIMITS).unwrap().tile
}

fn hash(path: &Path, geometry: Geometry) -> DihedralHashes {
    hash_tile(&tile(path, geometry))
}

/// Bits that the decoder may account for.
fn allowed(path: &str) -> u32 {
    let named = |(name, bits): &(&str, u32)| path.ends_with(name).then_some(*bits);
    DECODER_DIFFERENCES.iter().find_map(named).unwrap_or(0)
}

fn compare(table: &str, geometry: Geometry) {
    let Some(folder) = folder() else { return };
    let rows = rows(&folder.join(table));
    assert_eq!(rows.len(), 45);
    let mut compared = 0;
    for row in &rows {
        let (path, quality): (_, u8) = (&row["path"], row["quality"].parse().unwrap());
        let ours = hash(&folder.join(path), geometry);
        let expected: PdqHash = row["pdq_hex"].parse().unwrap();
        let distance = ours.hashes[0].distance(expected);
        // Two nearly blank JPEGs gain or lose one step of gradient through the decoder.
        assert!(ours.quality.abs_diff(quality) <= 1, "{path}: {} {quality}", ours.quality);
        if quality >= MIN_QUALITY {
            compared += 1;
            assert_eq!(ours.quality, quality, "{path}");
            assert!(distance <= allowed(path), "{path}: {distance} bits");
        }
    }
    assert!(compared >= 40, "{compared} of quality {MIN_QUALITY}");
}

#[test]
fn hashes_of_the_public_pictures_are_the_references() {
    compare("expected.csv", Geometry::Full);
}

#[test]
fn te512_hashes_of_the_public_pictures_are_the_references() {
    compare("expected-te512.csv", Geometry::Te512);
}

/// The twin that must fail: one geometry against the other's table.
#[test]
fn the_geometries_differ() {
    let Some(folder) = folder() else { return };
    let rows = rows(&folder.join("expected-te512.csv"));
    let differing = rows.iter().filter(|row| {
        let expected: PdqHash = row["pdq_hex"].parse().unwrap();
        hash(&folder.join(&row["path"]), Geometry::Full).hashes[0] != expected
    });
    assert!(differing.count() > 20);
}

#[test]
fn orientations_of_the_public_pictures_are_the_references() {
    let Some(folder) = folder() else { return };
    let mut differing = Vec::new();
    for row in rows(&folder.join("expected-orientations.csv")) {
        let ours = hash(&folder.join(&row["path"]), Geometry::Full);
        if row["quality"].parse::<u8>().unwrap() < MIN_QUALITY {
            continue;
        }
        let distances = |hashes: [PdqHash; 8]| -> Vec<(&str, u32)> {
            let distance = |(orientation, hash): (Orientation, PdqHash)| {
                (orientation.name(), hash.distance(row[orientation.name()].parse().unwrap()))
            };
            Orientation::ALL.into_iter().zip(hashes).map(distance).collect()
        };
        for (orientation, distance) in distances(ours.hashes) {
            if distance > 0 {
                differing.push((row["path"].clone(), orientation, distance));
            }
            assert!(distance <= 4, "{} {orientation}: {distance} bits", row["path"]);
        }
        // The twin that must fail: each hash under the next orientation's name.
        let mut shifted = ours.hashes;
        shifted.rotate_left(1);
        assert!(distances(shifted).iter().any(|(_, distance)| *distance > 4), "{}", row["path"]);
    }
    println!("{differing:?}");
    let pictures: std::collections::BTreeSet<&String> = differing.iter().map(|(path, ..)| path).collect();
    assert!(pictures.len() <= 3, "{pictures:?}");
}

#[test]
fn the_gpu_gives_the_same_for_every_public_picture() {
    let (Some(folder), Some(context)) = (folder(), support::gpu()) else { return };
    let hasher = GpuHasher::new(&context).unwrap();
    for geometry in [Geometry::Full, Geometry::Te512] {
        let rows = rows(&folder.join("expected.csv"));
        let mut tiles: Vec<Box<Tile>> =
            rows.iter().map(|row| tile(&folder.join(&row["path"]), geometry)).collect();
        let expected: Vec<DihedralHashes> = tiles.iter().map(|tile| hash_tile(tile)).collect();
        assert_eq!(hasher.hash(&tiles).unwrap(), expected);
        // The twin that must fail: one picture with its upper row black.
        tiles[3].0[..64].fill(0);
        assert_ne!(hasher.hash(&tiles).unwrap(), expected);
    }
}
