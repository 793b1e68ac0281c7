//! What the tests share.

#![allow(dead_code, clippy::print_stdout, reason = "each test uses a part, and reports what it runs on")]

pub mod cli;
pub mod crafted;
pub mod evasive;
pub mod faults;
pub mod known;
pub mod made_case;
pub mod python;
pub mod scene;
mod skip;
pub mod waves;

pub use skip::skip;

use std::convert::Infallible;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::prelude::*;
use tamis::gpu::{AdapterSelector, GpuContext};
use tamis::matching::ItemHits;
use tamis::matching::{Backend, Join, JoinControl, JoinReport, Pair};
use tamis::pdq::{PdqHash, TILE_SIDE, Tile};

/// A GPU of any kind, as `TAMIS_GPU_TESTS` (`require`, `auto`, `off`) asks; `None` means that it was skipped.
pub fn gpu() -> Option<Arc<GpuContext>> {
    let wanted = env::var("TAMIS_GPU_TESTS").unwrap_or_else(|_| "auto".into());
    assert!(["require", "auto", "off"].contains(&wanted.as_str()), "TAMIS_GPU_TESTS={wanted}");
    if wanted == "off" {
        skip("TAMIS_GPU_TESTS=off");
        return None;
    }
    match GpuContext::open(&AdapterSelector::Any) {
        Ok(context) => {
            println!("on {}", context.description());
            Some(Arc::new(context))
        }
        Err(error) if wanted == "require" => panic!("TAMIS_GPU_TESTS=require: {error}"),
        Err(error) => {
            skip(&format!("no GPU: {error}"));
            None
        }
    }
}

/// A backend on a GPU of its own, as [`gpu`] has it.
pub fn gpu_backend() -> Option<Backend> {
    gpu().map(|context| Backend::gpu(Arc::into_inner(context).unwrap(), "a test").unwrap())
}

/// Whether oracle tests must run: `TAMIS_ORACLE_TESTS=require`.
pub fn oracles_required() -> bool {
    env::var("TAMIS_ORACLE_TESTS").is_ok_and(|wanted| wanted == "require")
}

/// Where the public test data is, if it is there: `TAMIS_SHARED_DATA` or `../shared/data`.
pub fn shared_data() -> PathBuf {
    let named = env::var_os("TAMIS_SHARED_DATA").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"))
}

/// All pairs within `radius`, compared one by one: each query with the hashes of the haystack from number `first(query)` on.
pub fn brute_force(
    queries: &[PdqHash],
    haystack: &[PdqHash],
    radius: u32,
    first: impl Fn(usize) -> usize,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (query, hash) in queries.iter().enumerate() {
        for (index, other) in haystack.iter().enumerate().skip(first(query)) {
            let distance = hash.distance(*other);
            if distance <= radius {
                pairs.push(Pair { query: query as u32, haystack: index as u32, distance });
            }
        }
    }
    pairs
}

/// Hashes many of which are near each other: `distinct` random ones, each with copies that differ in up to 40
/// bits.
pub fn clustered_hashes(seed: u64, count: usize) -> Vec<PdqHash> {
    let mut random = StdRng::seed_from_u64(seed);
    let centres: Vec<[u64; 4]> = (0..count.div_ceil(5).min(60)).map(|_| random.random()).collect();
    (0..count)
        .map(|_| {
            let mut words =
                if random.random_bool(0.5) { *centres.choose(&mut random).unwrap() } else { random.random() };
            for _ in 0..random.random_range(0..=40) {
                let bit = random.random_range(0..256);
                words[bit / 64] ^= 1 << (bit % 64);
            }
            PdqHash(words)
        })
        .collect()
}

/// Generated tiles of every kind on which two implementations could differ: noise, gradients, flat ones,
/// ties, extremes, and single samples.
pub fn tile(number: u64) -> Box<Tile> {
    const FULL: u32 = 255 << 16;
    let mut random = StdRng::seed_from_u64(number);
    let mut tile = Box::new(Tile([0; TILE_SIDE * TILE_SIDE]));
    let level: u32 = random.random_range(0..=FULL);
    let (slope_x, slope_y) = (random.random_range(0..=FULL / 126), random.random_range(0..=FULL / 126));
    let step = 1 << random.random_range(0..24);
    let amplitude = 1 << random.random_range(0..24);
    for (index, value) in tile.0.iter_mut().enumerate() {
        let (x, y) = ((index % TILE_SIDE) as u32, (index / TILE_SIDE) as u32);
        *value = match number % 10 {
            0 => random.random_range(0..=FULL),
            1 => x * slope_x + y * slope_y,
            2 => level,
            3 => {
                if (x + y).is_multiple_of(2) {
                    0
                } else {
                    FULL
                }
            }
            4 => {
                if random.random() {
                    0
                } else {
                    FULL
                }
            }
            // Symmetric to both axes: half of the coefficients are zero.
            5 => FULL / 64 * (x.min(63 - x) + y.min(63 - y)),
            6 => random.random_range(0..=FULL) / step * step,
            7 => (level + random.random_range(0..amplitude)).min(FULL),
            // Steps of exactly a whole part of the quality.
            8 => (x + y) % 2 * (FULL / 100) + y * 7,
            _ => 0,
        };
    }
    if number % 10 == 9 {
        tile.0[random.random_range(0..TILE_SIDE * TILE_SIDE)] = FULL;
    }
    tile
}

/// All that a join hands out, and its report.
pub fn collect(join: &Join<'_>) -> (Vec<ItemHits>, JoinReport) {
    let mut items = Vec::new();
    let sink = |hits: &ItemHits| {
        items.push(hits.clone());
        Ok::<(), Infallible>(())
    };
    let report = join.run(&JoinControl::default(), sink).unwrap();
    (items, report)
}
