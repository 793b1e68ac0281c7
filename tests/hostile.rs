//! The files of `../shared/data/hostile` and the pictures of `field`, if present: each ends in the expected outcome, or
//! has the same hash as before.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::fs;

use tamis::decode::{self, Limits};
use tamis::outcome::Outcome;
use tamis::pdq::Geometry;

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 256 << 20 };

/// As a run decodes it: from coefficients where that is good enough.
fn examine(bytes: &[u8]) -> Result<String, Outcome> {
    let probe = decode::probe(bytes, Geometry::Full, &LIMITS);
    if let Some(failure) = probe.failure {
        return Err(failure.outcome);
    }
    let picture = decode::coefficients(bytes, &probe)
        .or_else(|_| decode::pixels(bytes, &probe, Geometry::Full, &LIMITS));
    picture.map(|picture| picture.hash.hashes[0].to_string()).map_err(|failure| failure.outcome)
}

#[test]
fn hostile_files_end_well() {
    let folder = support::shared_data().join("hostile");
    let Ok(entries) = fs::read_dir(&folder) else {
        support::skip("no hostile in the shared data");
        return;
    };
    decode::silence_decoder_panics();
    let expected = |name: &str| match name {
        "tile-width-100-samples.tif" | "slow-8000x8000-200.jpg" | "apart-2000x2000-100.jpg" => {
            Some(Err(Outcome::OverLimit))
        }
        "huff-2000.webp" => Some(Err(Outcome::Corrupt)),
        _ => None,
    };
    let mut seen = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if path.is_dir() || name.ends_with(".md") || name.ends_with(".gz") {
            continue;
        }
        let result = examine(&fs::read(&path).unwrap());
        println!("{name}: {result:?}");
        if let Some(expected) = expected(&name) {
            assert_eq!(result, expected, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
}

/// Files that had a hash from pixels have the same one; files that had one from coefficients still have one.
#[test]
fn field_files_did_not_get_worse() {
    let folder = support::shared_data().join("field");
    if !folder.is_dir() {
        support::skip("no field in the shared data");
        return;
    }
    for (name, hash) in [
        ("07-one-missing.jpg", "c8a218dd1fcd35a4373723dfc00d56a667a77602e350895f9254a7d12f117a6b"),
        ("12-base-95-eoi.jpg", "c12c9addcdaa37283777c10dc1d24d0df6a66713415a8254c37427d8add1fa6b"),
        ("14-date-dashes.jpg", "994c18dfad8a17283777e10dd8d9410d76a76332745ac2749b4c67d02dd17a73"),
        (
            "23-frame-larger-than-screen.gif",
            "316fa46b553a52a3a661b56349ee2b27f567402d113aaacbfab175d6a286889c",
        ),
    ] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let probe = decode::probe(&bytes, Geometry::Full, &LIMITS);
        let picture = decode::pixels(&bytes, &probe, Geometry::Full, &LIMITS).unwrap();
        assert_eq!(picture.hash.hashes[0].to_string(), hash, "{name}");
        assert!(examine(&bytes).is_ok(), "{name}");
    }
    // The pixel decoder does not support its sampling factor of three.
    assert!(examine(&fs::read(folder.join("09-3x1.jpg")).unwrap()).is_ok());
}
