//! GPU and CPU give the same bits. On any adapter; see CONTRIBUTING for `TAMIS_GPU_TESTS`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use rayon::prelude::*;
use tamis::gpu::flat::SearchLimits;
use tamis::gpu::{FlatKernel, GpuHasher, GpuSearcher};
use tamis::matching::Pair;
use tamis::matching::flat::FlatIndex;
use tamis::pdq::{DihedralHashes, PdqHash, Tile, hash_tile};

const TILES: u64 = 100_000;
/// A software adapter takes milliseconds for each, so it gets every seventh, and the first of each quality.
const STEP_IN_SOFTWARE: u64 = 7;

fn hash_on_cpu(tiles: &[Box<Tile>]) -> Vec<DihedralHashes> {
    tiles.par_iter().map(|tile| hash_tile(tile)).collect()
}

#[test]
fn hashes_and_quality_of_many_tiles_are_those_of_the_cpu() {
    let Some(context) = support::gpu() else { return };
    let hasher = GpuHasher::new(&context).unwrap();
    let mut qualities = std::collections::HashSet::new();
    let step = if context.description().is_software() { STEP_IN_SOFTWARE } else { 1 };
    for first in (0..TILES).step_by(5000) {
        let all: Vec<Box<Tile>> = (first..first + 5000).into_par_iter().map(support::tile).collect();
        let (mut tiles, mut expected) = (Vec::new(), Vec::new());
        for ((number, tile), hashes) in (first..).zip(all.iter()).zip(hash_on_cpu(&all)) {
            if qualities.insert(hashes.quality) || number % step == 0 {
                tiles.push(tile.clone());
                expected.push((number, hashes));
            }
        }
        let ours = hasher.hash(&tiles).unwrap();
        assert_eq!(ours.len(), expected.len());
        for (ours, (number, expected)) in ours.iter().zip(&expected) {
            assert_eq!(ours, expected, "tile {number}");
        }
    }
    assert!(qualities.len() > 50, "the tiles are of many qualities: {}", qualities.len());
}

/// The twin that must fail: one sample of one tile off by one unit in 2¹⁶.
#[test]
fn a_tile_that_differs_is_seen() {
    let Some(context) = support::gpu() else { return };
    let hasher = GpuHasher::new(&context).unwrap();
    let mut tiles: Vec<Box<Tile>> = (0..1500).map(support::tile).collect();
    let expected = hash_on_cpu(&tiles);
    // A flat tile has no ties left once a sample differs.
    tiles[1202].0[77] ^= 1;
    let ours = hasher.hash(&tiles).unwrap();
    let differing: Vec<usize> = (0..tiles.len()).filter(|&index| ours[index] != expected[index]).collect();
    assert_eq!(differing, [1202]);
}

#[test]
fn batches_of_any_size_come_back_in_order() {
    let Some(context) = support::gpu() else { return };
    let hasher = GpuHasher::new(&context).unwrap();
    for count in [0, 1, 255, 256, 257, 1023, 1024, 1025, 3000] {
        let mut tiles: Vec<Box<Tile>> = (0..count).map(support::tile).collect();
        let expected = hash_on_cpu(&tiles);
        assert_eq!(hasher.hash(&tiles).unwrap(), expected, "{count} tiles");
        // The twin that must fail: the first and the last swapped.
        if count > 1 {
            tiles.swap(0, count as usize - 1);
            tiles[0].0[..64].fill(1 << 20);
            assert_ne!(hasher.hash(&tiles).unwrap(), expected, "{count} tiles");
        }
    }
}

fn brute_force(haystack: &[PdqHash], queries: &[PdqHash], radius: u32) -> Vec<Pair> {
    support::brute_force(queries, haystack, radius, |_| 0)
}

fn search(searcher: &GpuSearcher, haystack: &[PdqHash], queries: &[PdqHash], radius: u32) -> Vec<Pair> {
    let resident = searcher.haystack(haystack).unwrap();
    let hits = searcher.search(&resident, queries, radius).unwrap();
    let mut pairs: Vec<Pair> = hits.iter().map(Pair::from).collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn range_search_is_brute_force_at_every_radius_and_size() {
    let Some(context) = support::gpu() else { return };
    let searcher = GpuSearcher::new(&context).unwrap();
    for (haystack, queries) in [(0, 3), (1, 1), (3, 130), (1023, 7), (1025, 128), (5001, 257)] {
        let haystack = support::clustered_hashes(1, haystack);
        let queries = support::clustered_hashes(1, queries);
        for radius in [0, 1, 31, 33, 34, 43, 44, 51, 52, 66, 67, 80, 81, 256] {
            let expected = brute_force(&haystack, &queries, radius);
            let ours = search(&searcher, &haystack, &queries, radius);
            assert_eq!(ours, expected, "{} × {} at {radius}", haystack.len(), queries.len());
            // The twin that must fail: a search of one bit less.
            if let Some(farthest) =
                expected.iter().map(|pair| pair.distance).max().filter(|&distance| distance > 0)
            {
                assert_ne!(search(&searcher, &haystack, &queries, farthest - 1), expected);
            }
        }
    }
}

#[test]
fn every_kernel_finds_the_same() {
    let Some(context) = support::gpu() else { return };
    let haystack = support::clustered_hashes(4, 1300);
    let queries = support::clustered_hashes(4, 301);
    let kernels = FlatKernel::RESPECTS.iter().flat_map(|respect| respect(FlatKernel::default()));
    let other = FlatKernel { workgroup: 64, query_group: 256, fours: 2, carry_save: true };
    for kernel in kernels.chain([other]) {
        let searcher = GpuSearcher::with(&context, kernel, SearchLimits::default()).unwrap();
        for radius in [0, 31, 39, 63] {
            let expected = brute_force(&haystack, &queries, radius);
            assert_eq!(search(&searcher, &haystack, &queries, radius), expected, "{kernel:?} at {radius}");
            // The twin that must fail: a search of one bit more.
            assert_ne!(
                search(&searcher, &haystack, &queries, radius + 1),
                expected,
                "{kernel:?} at {radius}"
            );
        }
    }
}

#[test]
fn more_hits_than_fit_and_more_hashes_than_fit_lose_nothing() {
    let Some(context) = support::gpu() else { return };
    let haystack = vec![PdqHash([7; 4]); 3001];
    let queries = support::clustered_hashes(2, 40);
    for (chunk_hashes, capacity) in [(1000, 100_000), (4, 50), (1 << 20, 1), (1 << 20, 4095), (1 << 20, 4097)]
    {
        let searcher =
            GpuSearcher::with(&context, FlatKernel::default(), SearchLimits { chunk_hashes, capacity })
                .unwrap();
        let haystack = if chunk_hashes == 4 { &haystack[..101] } else { &haystack[..] };
        let queries = if capacity < 100 { &queries[..3] } else { &queries[..] };
        let expected = brute_force(haystack, queries, 256);
        assert_eq!(expected.len(), haystack.len() * queries.len());
        assert_eq!(
            search(&searcher, haystack, queries, 256),
            expected,
            "{chunk_hashes} hashes, {capacity} hits"
        );
        // The twin that must fail: the last hash differs by one bit.
        let mut other = haystack.to_vec();
        *other.last_mut().unwrap() = PdqHash([7, 7, 7, 6]);
        assert_ne!(search(&searcher, &other, queries, 256), expected);
    }
}

#[test]
fn a_larger_search_is_that_of_the_cpu() {
    let Some(context) = support::gpu() else { return };
    let haystack = support::clustered_hashes(3, 40_000);
    let queries = support::clustered_hashes(3, 9000);
    let searcher = GpuSearcher::new(&context).unwrap();
    let ours = search(&searcher, &haystack, &queries, 31);
    assert!(ours.len() > 8192, "{} hits", ours.len());
    let on_cpu = |radius| FlatIndex::new(&haystack).search(&queries, radius);
    assert_eq!(ours, on_cpu(31));
    // The twin that must fail: one bit less.
    assert_ne!(ours, on_cpu(30));
}

#[test]
fn a_lost_device_is_an_error_not_a_panic() {
    let Some(context) = support::gpu() else { return };
    let hasher = GpuHasher::new(&context).unwrap();
    let searcher = GpuSearcher::new(&context).unwrap();
    let hashes = support::clustered_hashes(4, 1000);
    let resident = searcher.haystack(&hashes).unwrap();
    context.simulate_loss();
    assert!(hasher.hash(&[support::tile(0)]).is_err());
    assert!(searcher.search(&resident, &hashes, 31).is_err());
    assert!(searcher.haystack(&hashes).is_err());
    assert!(GpuHasher::new(&context).is_err());
}
