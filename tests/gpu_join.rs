//! The banded join on the GPU finds every pair, each once. On any adapter; see CONTRIBUTING for `TAMIS_GPU_TESTS`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use rand::prelude::*;
use tamis::gpu::banded_join::{BandPass, JoinLimits};
use tamis::gpu::{GpuJoiner, SearchEnd};
use tamis::matching::ItemHits;
use tamis::matching::{Backend, Join, JoinMethod, JoinSettings, Pair, ResidentHashes};
use tamis::pdq::PdqHash;

/// Bands built by the test, not by the program: `count` of them for `radius`, with thresholds that sum to r − m + 1.
fn passes(radius: u32, count: u32) -> Vec<BandPass> {
    let (mut start, mut passes) = (0, Vec::new());
    for index in 0..count {
        let room = 256 / count + u32::from(index < 256 % count);
        let threshold = (radius + 1) / count + u32::from(index < (radius + 1) % count) - 1;
        let width = room.min(16);
        let differences = (0..1_u32 << width).filter(|bits| bits.count_ones() <= threshold).collect();
        passes.push(BandPass { start, width, threshold, differences });
        start += room;
    }
    passes
}

/// Flips `distance` bits so that as few bands as possible hold the pair.
fn spread(random: &mut StdRng, hash: PdqHash, passes: &[BandPass], distance: u32) -> PdqHash {
    let chosen = random.random_range(0..passes.len());
    let mut order: Vec<usize> = (0..passes.len()).filter(|&index| index != chosen).collect();
    order.shuffle(random);
    order.push(chosen);
    let (mut flipped, mut left) = (PdqHash([0; 4]), distance);
    for index in order {
        let pass = &passes[index];
        let most = if index == chosen { pass.width } else { pass.threshold + 1 };
        let mut bits: Vec<u32> = (pass.start..pass.start + pass.width).collect();
        bits.shuffle(random);
        for bit in bits.into_iter().take(most.min(left) as usize) {
            flipped.0[(bit / 64) as usize] |= 1 << (bit % 64);
            left -= 1;
        }
    }
    PdqHash(std::array::from_fn(|word| hash.0[word] ^ flipped.0[word]))
}

fn join(
    joiner: &GpuJoiner,
    left: &[PdqHash],
    right: Option<&[PdqHash]>,
    passes: &[BandPass],
    radius: u32,
) -> Vec<Pair> {
    let hits = joiner.join(left, right, &|hash| hash, passes, radius, &mut |_, _| Ok::<(), ()>(())).unwrap();
    let mut pairs: Vec<Pair> = hits.iter().map(Pair::from).collect();
    pairs.sort_unstable();
    pairs
}

/// Hashes and others near to them at every distance up to two beyond the radius.
fn planted(seed: u64, count: usize, passes: &[BandPass], radius: u32) -> (Vec<PdqHash>, Vec<PdqHash>) {
    let mut random = StdRng::seed_from_u64(seed);
    let left: Vec<PdqHash> = (0..count).map(|_| PdqHash(random.random())).collect();
    let mut right: Vec<PdqHash> = (0..count / 3).map(|_| PdqHash(random.random())).collect();
    for (hash, distance) in left.iter().zip((0..=radius + 2).cycle()) {
        right.push(spread(&mut random, *hash, passes, distance));
    }
    right.shuffle(&mut random);
    (left, right)
}

#[test]
fn every_pair_is_found_once_however_it_is_spread_over_the_bands() {
    let Some(context) = support::gpu() else { return };
    let joiner = GpuJoiner::new(&context).unwrap();
    for (radius, counts) in
        [(0, &[1][..]), (7, &[1, 3, 8]), (31, &[11, 16, 32]), (39, &[16, 20]), (63, &[29, 32]), (79, &[32])]
    {
        for &count in counts {
            let passes = passes(radius, count);
            let (left, right) = planted(u64::from(radius * 100 + count), 300, &passes, radius);
            let expected = support::brute_force(&left, &right, radius, |_| 0);
            assert!(expected.len() >= 100, "{radius} {count}: {}", expected.len());
            assert_eq!(join(&joiner, &left, Some(&right), &passes, radius), expected, "{radius} {count}");
            let both = [left, right].concat();
            let expected = support::brute_force(&both, &both, radius, |hash| hash + 1);
            assert_eq!(join(&joiner, &both, None, &passes, radius), expected, "{radius} {count} with itself");
            // The twin that must fail: a band that holds less than it must.
            if let Some(last) = passes.iter().position(|pass| pass.threshold > 0) {
                let mut narrower = passes.clone();
                narrower[last].differences.pop();
                narrower[last].differences.truncate(1);
                let found = join(&joiner, &both, None, &narrower, radius);
                assert!(found.len() < expected.len(), "{radius} {count}");
            }
        }
    }
}

#[test]
fn chunks_items_and_full_buffers_lose_nothing() {
    let Some(context) = support::gpu() else { return };
    let passes = passes(31, 16);
    let (mut left, mut right) = planted(1, 700, &passes, 31);
    // Saturated buckets: many equal and nearly equal hashes.
    for number in 0..200 {
        left.push(PdqHash([5, 6, 7, number % 7]));
        right.push(PdqHash([5, 6, 7, number % 11]));
    }
    let expected = support::brute_force(&left, &right, 31, |_| 0);
    let both = [&left[..], &right[..]].concat();
    let with_itself = support::brute_force(&both, &both, 31, |hash| hash + 1);
    assert!(expected.len() > 40_000, "{}", expected.len());
    let all = JoinLimits::default();
    for limits in [
        all,
        JoinLimits { chunk_hashes: 150, ..all },
        JoinLimits { item_hashes: 1, capacity: 1, ..all },
        JoinLimits { item_hashes: 7, items: 3, ..all },
        JoinLimits { chunk_hashes: 333, capacity: 100, item_hashes: 64, items: 100 },
    ] {
        for carry_save in [false, true] {
            let joiner = GpuJoiner::with(&context, carry_save, limits).unwrap();
            assert_eq!(join(&joiner, &left, Some(&right), &passes, 31), expected, "{limits:?} {carry_save}");
        }
        let joiner = GpuJoiner::with(&context, false, limits).unwrap();
        assert_eq!(join(&joiner, &both, None, &passes, 31), with_itself, "{limits:?} with itself");
    }
    // The twin that must fail: one hash changed.
    let joiner = GpuJoiner::new(&context).unwrap();
    right[900] = PdqHash([!0, 0, !0, 0]);
    left.push(PdqHash([!0, 0, !0, 1]));
    assert_ne!(join(&joiner, &left, Some(&right), &passes, 31), expected);
}

#[test]
fn whoever_watches_can_end_it_and_a_lost_device_is_an_error() {
    let Some(context) = support::gpu() else { return };
    let joiner = GpuJoiner::new(&context).unwrap();
    let passes = passes(31, 16);
    let (left, right) = planted(2, 300, &passes, 31);
    let mut shares = Vec::new();
    let ended = joiner.join(&left, Some(&right), &|hash| hash, &passes, 31, &mut |_, share| {
        shares.push(share);
        if shares.len() == 3 { Err("enough") } else { Ok(()) }
    });
    assert_eq!(ended.unwrap_err(), SearchEnd::Stopped("enough"));
    // After its items and at each band's end.
    assert_eq!(shares, [1.0 / 16.0, 1.0 / 16.0, 2.0 / 16.0]);
    context.simulate_loss();
    let lost = joiner.join(&left, Some(&right), &|hash| hash, &passes, 31, &mut |_, _| Ok::<(), ()>(()));
    assert!(matches!(lost, Err(SearchEnd::Gpu(_))));
    assert!(join_empty(&joiner));
}

fn all_hits(join: &Join<'_>) -> Vec<ItemHits> {
    support::collect(join).0
}

/// Every kind of join gives the same result on the GPU as on the CPU, which `tests/join.rs` compares with brute force
/// and faiss.
#[test]
fn joins_are_those_of_the_cpu() {
    let Some(backend) = support::gpu_backend() else { return };
    let (left, right) = (support::clustered_hashes(3, 600), support::clustered_hashes(3, 800));
    let pictures: Vec<[PdqHash; 8]> = left
        .as_chunks::<3>()
        .0
        .iter()
        .map(|&[one, two, three]| [one, two, three, one, two, three, one, two])
        .collect();
    let originals: Vec<PdqHash> = pictures.iter().map(|hashes| hashes[0]).collect();
    let mut hits = 0;
    for radius in [0, 31, 79, 140] {
        for method in [JoinMethod::Auto, JoinMethod::Flat, JoinMethod::Banded] {
            for (memory, max_hits) in [(1 << 30, None), (48 * 2000, None), (1 << 30, Some(2))] {
                let settings = JoinSettings { radius, method, memory, max_hits, ..JoinSettings::default() };
                let joins = || {
                    [
                        Join::new(&left, &right, settings),
                        Join::with_itself(&right, settings),
                        Join::with_orientations(&pictures, &right, settings),
                        Join::with_itself_oriented(&pictures, &originals, settings),
                    ]
                };
                for (on_gpu, on_cpu) in joins().into_iter().zip(joins()) {
                    let expected = all_hits(&on_cpu);
                    assert!(all_hits(&on_gpu.with_backend(&backend)) == expected, "{settings:?}");
                    hits += expected.len();
                }
            }
        }
    }
    assert!(hits > 5000, "{hits}");
    assert!(backend.notices().iter().all(|notice| notice.contains("software")), "{:?}", backend.notices());
}

/// While the GPU processes a chunk, the CPU prepares the next, which is no longer the next if a chunk is cut.
#[test]
fn chunks_that_are_cut_are_not_mistaken_for_the_next() {
    let Some(backend) = support::gpu_backend() else { return };
    let mut random = StdRng::seed_from_u64(5);
    let near = |count: u64| -> Vec<PdqHash> { (0..count).map(|number| PdqHash([number, 1, 2, 3])).collect() };
    let (mut left, mut right) = (near(200), near(20));
    left.extend((0..400).map(|_| PdqHash(random.random())));
    right.extend(left[500..].iter().chain(&left[300..340]));
    for method in [JoinMethod::Flat, JoinMethod::Banded] {
        // The first quarter has 3,000 pairs and is cut again, after the second half was prepared.
        let settings = JoinSettings { method, memory: 48 * 2000, ..JoinSettings::default() };
        let expected = all_hits(&Join::new(&left, &right, settings));
        assert_eq!(expected.len(), 340, "{method}");
        assert!(all_hits(&Join::new(&left, &right, settings).with_backend(&backend)) == expected, "{method}");
    }
}

#[test]
fn a_gpu_lost_in_a_join_does_not_show_in_the_result() {
    for method in [JoinMethod::Banded, JoinMethod::Flat] {
        // Small chunks, so that there is a middle.
        let settings = JoinSettings { method, memory: 48 * 3000, ..JoinSettings::default() };
        let hashes = support::clustered_hashes(4, 3000);
        let expected = all_hits(&Join::with_itself(&hashes, settings));
        for batches in [0, 1, 3] {
            let Some(backend) = support::gpu_backend() else { return };
            backend.simulate_gpu_loss_after(batches);
            let join = Join::with_itself(&hashes, settings).with_backend(&backend);
            assert!(all_hits(&join) == expected, "{method} after {batches}");
            let lost =
                backend.notices().iter().filter(|notice| notice.contains("continues on the CPU")).count();
            assert_eq!(lost, 1, "{method} after {batches}: {:?}", backend.notices());
        }
    }
}

/// A join without hashes has no hits.
fn join_empty(joiner: &GpuJoiner) -> bool {
    let joined = joiner.join(&[], Some(&[]), &|hash| hash, &passes(31, 16), 31, &mut |_, _| Ok::<(), ()>(()));
    joined.is_ok_and(|hits| hits.is_empty())
}

/// Hashes that stay resident for batch after batch: the same hits on the GPU, flat, by bands and with too little
/// memory.
#[test]
fn resident_hashes_give_the_same_hits_on_every_backend() {
    // Some are equal, and bands need 200,000 distinct ones.
    let known = support::clustered_hashes(8, 220_000);
    let items: Vec<[PdqHash; 8]> =
        support::clustered_hashes(8, 8 * 600).chunks(8).map(|hashes| hashes.try_into().unwrap()).collect();
    let joined = |resident: &ResidentHashes, max_hits, memory| {
        let mut all = Vec::new();
        let settings = JoinSettings { max_hits, memory, ..JoinSettings::default() };
        let sink = |item: &ItemHits| {
            all.push(item.clone());
            Ok::<(), std::convert::Infallible>(())
        };
        resident.join(&items, settings, sink).unwrap();
        all
    };
    let cpu = Backend::cpu("a test");
    let flat = ResidentHashes::new(&cpu, &known, 31, 0);
    let banded = ResidentHashes::new(&cpu, &known, 31, 1 << 30);
    assert!(flat.banded_bytes() == 0 && banded.banded_bytes() > 0);
    // A GPU has no such limit, and a software one would take minutes.
    let few = &known[..20_000];
    let flat_of_few = ResidentHashes::new(&cpu, few, 31, 0);
    let gpu = support::gpu_backend().map(|backend| ResidentHashes::new(&backend, few, 31, 0));
    let pairs = [Some((&flat, &banded)), gpu.as_ref().map(|gpu| (&flat_of_few, gpu))];
    for (flat, resident) in pairs.into_iter().flatten() {
        for max_hits in [None, Some(3)] {
            let expected = joined(flat, max_hits, 1 << 30);
            assert!(expected.len() > 100);
            for memory in [1 << 30, 4096] {
                assert!(joined(resident, max_hits, memory) == expected, "{max_hits:?}, {memory} bytes");
            }
        }
    }
}
