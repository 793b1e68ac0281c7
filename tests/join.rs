//! Joins of lists of hashes against brute force and faiss, on every path.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;

use rand::prelude::*;
use support::{brute_force, python};
use tamis::matching::Hit;
use tamis::matching::popcount::InstructionSet;
use tamis::matching::{
    Backend, Join, JoinControl, JoinError, JoinMethod, JoinSettings, Pair, range_search, self_join,
};
use tamis::pdq::{Orientation, PdqHash, hash_tile};

const FAISS: &str = "
import sys, numpy, faiss
count, queries, radius = map(int, sys.argv[1:])
read = lambda n: numpy.frombuffer(sys.stdin.buffer.read(n * 32), dtype=numpy.uint8).reshape(n, 32)
index = faiss.IndexBinaryFlat(256)
index.add(read(count))
# faiss leaves the radius itself out.
limits, distances, found = index.range_search(read(queries), radius + 1)
for query in range(queries):
    for at in range(limits[query], limits[query + 1]):
        print(query, found[at], int(distances[at]))
";

fn pairs(join: &Join<'_>) -> Vec<Pair> {
    let (items, report) = support::collect(join);
    let pair = |left: u32, hit: &Hit| Pair { query: left, haystack: hit.right, distance: hit.distance };
    let pairs: Vec<Pair> =
        items.iter().flat_map(|item| item.hits.iter().map(|hit| pair(item.left, hit))).collect();
    assert_eq!((report.hits, report.more), (pairs.len() as u64, 0));
    assert!(pairs.is_sorted());
    pairs
}

/// Every way to join: methods, instruction sets, and memory so small that chunks are cut and items are done one by one.
fn every_way(radius: u32) -> Vec<JoinSettings> {
    let mut all = Vec::new();
    for method in [JoinMethod::Auto, JoinMethod::Flat, JoinMethod::Banded] {
        for instructions in InstructionSet::available() {
            for memory in [1 << 30, 48 * 300, 0] {
                all.push(JoinSettings { radius, method, max_hits: None, memory, instructions });
            }
        }
    }
    all
}

#[test]
fn every_way_is_brute_force() {
    for (seed, left, right, radius) in [
        (1, 700, 900, 31),
        (2, 900, 300, 63),
        (3, 500, 500, 0),
        (4, 300, 400, 79),
        (5, 100, 200, 140),
        (6, 1, 1, 256),
    ] {
        let left = support::clustered_hashes(seed, left);
        // Some of the left ones as they are, and some twice.
        let mut right = [&support::clustered_hashes(seed, right)[..], &left[left.len() / 2..]].concat();
        right.extend_from_within(..right.len() / 3);
        right.extend([PdqHash([0; 4]); 3]);
        let expected = brute_force(&left, &right, radius, |_| 0);
        let with_itself = brute_force(&right, &right, radius, |query| query + 1);
        for settings in every_way(radius) {
            assert_eq!(pairs(&Join::new(&left, &right, settings)), expected, "{settings:?}");
            assert_eq!(pairs(&Join::with_itself(&right, settings)), with_itself, "{settings:?}");
            // The twin that must fail: less than the farthest pair.
            let farthest = with_itself.iter().map(|pair| pair.distance).max().unwrap();
            if let Some(radius) = farthest.checked_sub(1) {
                assert_ne!(
                    pairs(&Join::with_itself(&right, JoinSettings { radius, ..settings })),
                    with_itself
                );
            }
        }
        assert_eq!(range_search(&right, &left, radius), expected);
        assert_eq!(self_join(&right, radius), with_itself);
    }
}

#[test]
fn empty_sides_have_no_pairs() {
    let hashes = support::clustered_hashes(1, 10);
    for settings in every_way(31) {
        assert_eq!(pairs(&Join::new(&[], &hashes, settings)), []);
        assert_eq!(pairs(&Join::new(&hashes, &[], settings)), []);
        assert_eq!(pairs(&Join::with_itself(&hashes[..1], settings)), []);
        assert_eq!(pairs(&Join::with_itself(&[], settings)), []);
    }
}

/// Items in all orientations: pictures, some of them turned or noisy copies of others.
fn oriented(count: u64) -> Vec<[PdqHash; 8]> {
    let mut random = StdRng::seed_from_u64(9);
    (0..count)
        .map(|number| {
            let mut hashes = hash_tile(&support::tile(number % (count / 3))).hashes;
            let turn = random.random_range(0..8);
            hashes.rotate_left(turn);
            for hash in &mut hashes {
                (0..random.random_range(0..8))
                    .for_each(|_| hash.0[random.random_range(0..4)] ^= 1 << random.random_range(0..64));
            }
            hashes
        })
        .collect()
}

/// The minimum distance, then the first orientation, by comparing all of them.
fn least(of: impl Iterator<Item = (u32, Orientation)>, radius: u32) -> Option<(u32, Orientation)> {
    of.filter(|(distance, _)| *distance <= radius).min_by_key(|(distance, turn)| (*distance, *turn as usize))
}

#[test]
fn orientations_give_one_hit_a_pair() {
    let items = oriented(150);
    let originals: Vec<PdqHash> = items.iter().map(|hashes| hashes[0]).collect();
    let radius = 31;
    // The right picture, turned, is the left one; or the left one turned by the inverse is the right one.
    let left_turned = |left: usize, right: usize| {
        Orientation::ALL.map(|turn| (items[left][turn as usize].distance(originals[right]), turn.inverse()))
    };
    let right_turned = |left: usize, right: usize| {
        Orientation::ALL.map(|turn| (originals[left].distance(items[right][turn as usize]), turn))
    };
    let mut expected = BTreeMap::new();
    let mut expected_itself = BTreeMap::new();
    for left in 0..items.len() {
        for right in 0..items.len() {
            if let Some(hit) = least(left_turned(left, right).into_iter(), radius) {
                expected.insert((left as u32, right as u32), hit);
            }
            let both = left_turned(left, right).into_iter().chain(right_turned(left, right));
            if let Some(hit) = least(both, radius).filter(|_| right > left) {
                expected_itself.insert((left as u32, right as u32), hit);
            }
        }
    }
    assert!(expected_itself.values().any(|(_, turn)| *turn == Orientation::Rotate90));
    assert!(expected_itself.len() > 50);
    let found = |join: &Join<'_>| -> BTreeMap<(u32, u32), (u32, Orientation)> {
        let (found, _) = support::collect(join);
        let hits = found.iter().flat_map(|item| item.hits.iter().map(|hit| (item.left, hit)));
        hits.map(|(left, hit)| ((left, hit.right), (hit.distance, hit.orientation))).collect()
    };
    for settings in every_way(radius) {
        assert_eq!(found(&Join::with_orientations(&items, &originals, settings)), expected, "{settings:?}");
        let itself = Join::with_itself_oriented(&items, &originals, settings);
        assert_eq!(found(&itself), expected_itself, "{settings:?}");
    }
    // The twin that must fail: the list not turned.
    assert_ne!(found(&Join::with_itself(&originals, JoinSettings::default())), expected_itself);
}

fn complement(hash: PdqHash) -> PdqHash {
    PdqHash(hash.0.map(|word| !word))
}

/// The basis of `--negatives`: the hash of a negative is the complement, except for coefficients equal to the median.
#[test]
fn a_negative_has_the_complement() {
    let mut far = 0;
    for number in 0..200 {
        let scene = support::scene::render(number, 64, 64);
        let luma = |pixel: &image::Rgb<u8>| u32::from(pixel.0[1]) << 16;
        let mut tile = support::tile(0);
        tile.0.iter_mut().zip(scene.pixels()).for_each(|(sample, pixel)| *sample = luma(pixel));
        let hash = hash_tile(&tile).hashes[0];
        tile.0.iter_mut().for_each(|sample| *sample = (255 << 16) - *sample);
        let negative = hash_tile(&tile).hashes[0];
        assert!(negative.distance(complement(hash)) <= 4, "scene {number}");
        far += u32::from(negative.distance(hash) > 240);
    }
    assert_eq!(far, 200);
}

#[test]
fn negatives_are_found_next_to_unchanged_pictures() {
    let mut right = support::clustered_hashes(6, 500);
    let mut left: Vec<PdqHash> = right[100..400].to_vec();
    let mut random = StdRng::seed_from_u64(8);
    for hash in left.iter_mut().skip(50) {
        *hash = if random.random_bool(0.5) { complement(*hash) } else { *hash };
        (0..random.random_range(0..40))
            .for_each(|_| hash.0[random.random_range(0..4)] ^= 1 << random.random_range(0..64));
    }
    // Within 128 of its own complement both ways qualify.
    right.extend([PdqHash([!0, !0, 0, 0]), PdqHash([!0, 0, 0, !0])]);
    let (all, turned) = (right.clone(), oriented(60));
    let originals: Vec<PdqHash> = turned.iter().map(|hashes| hashes[0]).collect();
    let mut seen = 0;
    for radius in [31, 63, 130] {
        let expected =
            |left: &[PdqHash], right: &[PdqHash], itself: bool| -> BTreeMap<(u32, u32), (u32, bool)> {
                let mut pairs = BTreeMap::new();
                for (query, &one) in left.iter().enumerate() {
                    for (index, &other) in right.iter().enumerate().skip(if itself { query + 1 } else { 0 }) {
                        let ways = [(one.distance(other), false), (complement(one).distance(other), true)];
                        if let Some(&hit) = ways.iter().filter(|(distance, _)| *distance <= radius).min() {
                            pairs.insert((query as u32, index as u32), hit);
                        }
                    }
                }
                pairs
            };
        let found = |join: Join<'_>| -> BTreeMap<(u32, u32), (u32, bool)> {
            let (found, _) = support::collect(&join.with_negatives());
            let hits = found.iter().flat_map(|item| item.hits.iter().map(|hit| (item.left, hit)));
            hits.map(|(left, hit)| ((left, hit.right), (hit.distance, hit.negative))).collect()
        };
        let (to_right, itself) = (expected(&left, &right, false), expected(&all, &all, true));
        seen += to_right.values().filter(|(_, negative)| *negative).count();
        // With orientations: every way of the left picture, as it is and as its negative.
        let mut of_turned = BTreeMap::new();
        for (left, hashes) in turned.iter().enumerate() {
            for (right, &other) in originals.iter().enumerate() {
                let ways = hashes
                    .iter()
                    .flat_map(|&one| [(one.distance(other), false), (complement(one).distance(other), true)]);
                if let Some(hit) = ways.filter(|(distance, _)| *distance <= radius).min() {
                    of_turned.insert((left as u32, right as u32), hit);
                }
            }
        }
        for settings in every_way(radius) {
            assert_eq!(found(Join::new(&left, &right, settings)), to_right, "{settings:?}");
            assert_eq!(found(Join::with_itself(&all, settings)), itself, "{settings:?}");
            assert_eq!(
                found(Join::with_orientations(&turned, &originals, settings)),
                of_turned,
                "{settings:?}"
            );
        }
        // The twin that must fail: without negatives.
        let (without, _) =
            support::collect(&Join::new(&left, &right, JoinSettings { radius, ..JoinSettings::default() }));
        assert!(without.iter().map(|item| item.hits.len()).sum::<usize>() < to_right.len());
    }
    assert!(seen > 300, "{seen}");
}

/// An item, its listed hits (distance, number), and how many more there are.
type Listed = (u32, Vec<(u32, u32)>, u64);

/// Of an item's hits the nearest are kept, and the others are counted.
/// (distance, number) of what a query is near to.
fn hits_of(pairs: &[Pair], query: u32) -> Vec<(u32, u32)> {
    let pairs = pairs.iter().filter(|pair| pair.query == query);
    pairs.map(|pair| (pair.distance, pair.haystack)).collect()
}

/// The nearest hits, of equally near ones those with the lowest numbers, by number; and how many more there are.
fn nearest(mut hits: Vec<(u32, u32)>, most: usize) -> (Vec<(u32, u32)>, u64) {
    hits.sort_unstable();
    let more = hits.len().saturating_sub(most) as u64;
    hits.truncate(most);
    hits.sort_unstable_by_key(|hit| hit.1);
    (hits, more)
}

#[test]
fn the_nearest_are_kept_and_the_others_counted() {
    let mut hashes = support::clustered_hashes(3, 600);
    hashes.extend_from_within(..200);
    let all = brute_force(&hashes, &hashes, 40, |query| query + 1);
    for most in [0, 1, 3, 50, 10_000] {
        let mut expected: Vec<Listed> = Vec::new();
        for left in 0..hashes.len() as u32 {
            let (hits, more) = nearest(hits_of(&all, left), most);
            if hits.len() as u64 + more > 0 {
                expected.push((left, hits, more));
            }
        }
        for settings in every_way(40) {
            let settings = JoinSettings { max_hits: Some(most), ..settings };
            let (found, report) = support::collect(&Join::with_itself(&hashes, settings));
            let found: Vec<_> = found
                .into_iter()
                .map(|item| {
                    let hits = item.hits.iter().map(|hit| (hit.distance, hit.right)).collect();
                    (item.left, hits, item.more)
                })
                .collect();
            assert!(found == expected, "{most}: {settings:?}");
            assert_eq!(report.hits + report.more, all.len() as u64);
        }
    }
}

/// The adversary's lists, small enough for brute force: equal hashes, hashes within three bits, hashes with 200 bits in common.
#[test]
fn saturated_pairs_are_counted_to_the_last_one() {
    let mut random = StdRng::seed_from_u64(4);
    let centre: [u64; 4] = random.random();
    let flipped = |random: &mut StdRng, bits: usize, from: usize| {
        let mut hash = PdqHash(centre);
        for _ in 0..bits {
            hash.0[random.random_range(from..256) / 64] ^= 1 << random.random_range(0..64);
        }
        hash
    };
    let lists: [Vec<PdqHash>; 3] = [
        vec![PdqHash(centre); 3000],
        (0..3000).map(|_| flipped(&mut random, 3, 0)).collect(),
        (0..3000).map(|_| flipped(&mut random, 28, 200)).collect(),
    ];
    for hashes in lists {
        let expected = brute_force(&hashes, &hashes, 31, |query| query + 1);
        for method in [JoinMethod::Auto, JoinMethod::Flat, JoinMethod::Banded] {
            for memory in [1 << 30, 1 << 16] {
                let settings = JoinSettings { method, memory, max_hits: Some(5), ..JoinSettings::default() };
                let (found, report) = support::collect(&Join::with_itself(&hashes, settings));
                assert_eq!(report.hits + report.more, expected.len() as u64, "{settings:?}");
                assert!(found.iter().all(|item| item.hits.len() <= 5));
                // The nearest, and of equally near ones those with the lowest numbers.
                let first = found[0].left;
                let hits: Vec<(u32, u32)> =
                    found[0].hits.iter().map(|hit| (hit.distance, hit.right)).collect();
                assert_eq!((hits, found[0].more), nearest(hits_of(&expected, first), 5), "{settings:?}");
            }
            let settings = JoinSettings { method, ..JoinSettings::default() };
            assert!(pairs(&Join::with_itself(&hashes, settings)) == expected);
        }
    }
}

/// Saturated items in many blocks: every item's nearest hits, and how many there are.
#[test]
fn saturated_items_of_many_blocks_are_counted_one_by_one() {
    let mut random = StdRng::seed_from_u64(6);
    let centre: [u64; 4] = random.random();
    let mut near = |count: usize| -> Vec<PdqHash> {
        let mut flipped = || {
            let mut hash = PdqHash(centre);
            for _ in 0..random.random_range(0..24) {
                hash.0[random.random_range(0..4)] ^= 1 << random.random_range(0..64);
            }
            hash
        };
        (0..count).map(|_| flipped()).collect()
    };
    let (left, right) = (near(400), near(3 * 4096 + 1));
    let nearest_to = |query: PdqHash, first: usize, most: usize| {
        let hits = right.iter().enumerate().skip(first);
        let hits = hits.map(|(number, hash)| (hash.distance(query), number as u32));
        nearest(hits.filter(|hit| hit.0 <= 31).collect(), most)
    };
    for instructions in InstructionSet::available() {
        for most in [0, 1, 5, usize::MAX] {
            let max_hits = Some(most).filter(|&most| most < usize::MAX);
            let settings = JoinSettings { max_hits, instructions, ..JoinSettings::default() };
            let (found, report) = support::collect(&Join::new(&left, &right, settings));
            assert!(report.plan.contains("saturated"), "{}", report.plan);
            assert_eq!(found.len(), left.len(), "{instructions} {most}");
            for item in found {
                let hits: Vec<(u32, u32)> = item.hits.iter().map(|hit| (hit.distance, hit.right)).collect();
                let expected = nearest_to(left[item.left as usize], 0, most);
                assert_eq!((hits, item.more), expected, "{instructions} {most}: {}", item.left);
            }
        }
        // With itself: an item begins in the middle of a block, and at its ends.
        let settings = JoinSettings { max_hits: Some(5), instructions, ..JoinSettings::default() };
        let (found, _) = support::collect(&Join::with_itself(&right, settings));
        for number in [0, 1, 4094, 4095, 4096, 4097, 9000, 12_286] {
            let item = found.iter().find(|item| item.left == number as u32);
            let found = item.map(|item| {
                let hits = item.hits.iter().map(|hit| (hit.distance, hit.right)).collect();
                (hits, item.more)
            });
            let expected = nearest_to(right[number], number + 1, 5);
            let any = !expected.0.is_empty();
            assert_eq!(found, Some(expected).filter(|_| any), "{instructions}: {number}");
        }
    }
}

/// Equal hashes are one, however many there are: they are not saturated.
#[test]
fn equal_hashes_are_not_measured_one_by_one() {
    let hashes: Vec<PdqHash> = (0..2100_u64).map(|number| PdqHash([number, 0, 0, 0])).collect();
    let many: Vec<PdqHash> = hashes.iter().flat_map(|hash| [*hash; 40]).collect();
    let plan = |left: &[PdqHash], right: &[PdqHash]| {
        let settings = JoinSettings { max_hits: Some(0), ..JoinSettings::default() };
        support::collect(&Join::new(left, right, settings)).1.plan
    };
    assert!(plan(&hashes, &hashes).contains("saturated"));
    assert!(!plan(&many, &many).contains("saturated"), "{}", plan(&many, &many));
}

#[test]
fn a_join_ends_with_its_sink_and_when_it_is_cancelled() {
    let hashes = support::clustered_hashes(1, 500);
    let join = Join::with_itself(&hashes, JoinSettings::default());
    let mut calls = 0;
    let ended = join.run(&JoinControl::default(), |_| {
        calls += 1;
        if calls == 3 { Err("full") } else { Ok(()) }
    });
    assert!(matches!(ended, Err(JoinError::Sink("full"))));
    assert_eq!(calls, 3);
    let control = JoinControl::default();
    control.cancel();
    assert!(matches!(join.run(&control, |_| Ok::<(), Infallible>(())), Err(JoinError::Cancelled)));
}

#[test]
fn threads_do_not_show_in_the_result() {
    let hashes = support::clustered_hashes(2, 20_000);
    let with = |threads, method| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = JoinSettings { method, ..JoinSettings::default() };
        pool.install(|| support::collect(&Join::with_itself(&hashes, settings)).0)
    };
    let expected = with(1, JoinMethod::Flat);
    assert!(expected.len() > 5000);
    for (threads, method) in
        [(1, JoinMethod::Banded), (2, JoinMethod::Banded), (7, JoinMethod::Banded), (3, JoinMethod::Flat)]
    {
        assert!(with(threads, method) == expected, "{threads} {method}");
    }
}

/// A hash set in bands answers like one without, at every radius up to the one of its bands and beyond.
#[test]
fn resident_bands_find_what_the_flat_search_finds() {
    let backend = Backend::cpu("a test");
    let hashes = support::clustered_hashes(8, 200_000);
    let queries = support::clustered_hashes(8, 4096);
    let (flat, banded) = (backend.haystack(&hashes), backend.banded_haystack(&hashes, 39, 1 << 30));
    assert!(banded.banded_bytes() > 0 && banded.banded_bytes() < 1 << 30 && flat.banded_bytes() == 0);
    assert_eq!(backend.banded_haystack(&hashes, 39, 1 << 20).banded_bytes(), 0, "there is no room");
    assert_eq!(backend.banded_haystack(&hashes[..100], 39, 1 << 30).banded_bytes(), 0, "it does not pay");
    assert_eq!(banded.search(&queries[..100], 31), flat.search(&queries[..100], 31));
    for radius in [0, 31, 33, 34, 39, 40, 63] {
        let expected = flat.search(&queries, radius);
        assert_eq!(banded.search(&queries, radius), expected, "{radius}");
        assert_eq!(banded.search(&[], radius), []);
        // The twin that must fail.
        if let Some(farthest) =
            expected.iter().map(|pair| pair.distance).max().filter(|&distance| distance > 0)
        {
            assert_ne!(banded.search(&queries, farthest - 1), expected);
        }
    }
}

/// All pairs by faiss; `None` if it is not installed.
fn ask_faiss(haystack: &[PdqHash], queries: &[PdqHash], radius: u32) -> Option<Vec<Pair>> {
    if !python::has("faiss, numpy") {
        return None;
    }
    let sizes = [haystack.len(), queries.len(), radius as usize].map(|number| number.to_string());
    let text = python::ask(FAISS, &sizes, |mut input| {
        for hash in haystack.iter().chain(queries) {
            input.write_all(&hash.to_bytes()).unwrap();
        }
    });
    let mut found: Vec<Pair> = text
        .lines()
        .map(|line| {
            let numbers: Vec<u32> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            Pair { query: numbers[0], haystack: numbers[1], distance: numbers[2] }
        })
        .collect();
    found.sort_unstable();
    Some(found)
}

fn shared(name: &str) -> Option<Vec<PdqHash>> {
    let folder = support::shared_data();
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        support::skip(&format!("no {name} in the shared data"));
        return None;
    };
    Some(text.lines().map(|line| line.parse().unwrap()).collect())
}

#[test]
fn faiss_finds_the_same() {
    let mut cases = vec![(support::clustered_hashes(7, 4000), support::clustered_hashes(7, 1000))];
    let public = ["haystack.txt", "queries.txt"].map(|name| shared(&format!("pdq/reg-test-input/{name}")));
    if let [Some(haystack), Some(queries)] = public {
        cases.push((haystack, queries));
    }
    for (haystack, queries) in cases {
        for radius in [31, 63] {
            let Some(expected) = ask_faiss(&haystack, &queries, radius) else { return };
            assert!(expected.len() > 100, "{}", expected.len());
            for method in [JoinMethod::Flat, JoinMethod::Banded] {
                let settings = JoinSettings { radius, method, ..JoinSettings::default() };
                assert_eq!(pairs(&Join::new(&queries, &haystack, settings)), expected, "{method} {radius}");
            }
            // The twin that must fail: less than the farthest pair.
            let farthest = expected.iter().map(|pair| pair.distance).max().unwrap();
            assert_ne!(range_search(&haystack, &queries, farthest - 1), expected);
        }
    }
}

mod command {
    use super::*;
    use std::fs;
    #[cfg(target_os = "linux")]
    use std::process::Command;

    use support::cli::{errors, expect, run, tamis};

    fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    fn text(hashes: &[PdqHash]) -> String {
        hashes.iter().map(|hash| format!("{hash}\n")).collect()
    }

    fn rows(pairs: &[Pair]) -> String {
        let rows =
            pairs.iter().map(|pair| format!("{},{},{},original\n", pair.query, pair.haystack, pair.distance));
        format!("left,right,distance,orientation\n{}", rows.collect::<String>())
    }

    #[test]
    fn rows_are_all_pairs_in_order_whatever_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (left, right) = (support::clustered_hashes(1, 800), support::clustered_hashes(1, 900));
        let (left_list, right_list) =
            (write(&folder, "left", &text(&left)), write(&folder, "right", &text(&right)));
        for radius in ["0", "31", "63"] {
            let expected = rows(&brute_force(&left, &right, radius.parse().unwrap(), |_| 0));
            for more in [
                &["--join", "flat"][..],
                &["--join", "banded", "-j", "1"],
                &["--max-memory", "64M", "-j", "3"],
            ] {
                let arguments = ["join", &left_list, &right_list, "--distance", radius];
                let found = expect(0, &run(arguments.iter().chain(more)));
                assert!(found == expected, "{radius} {more:?}");
            }
        }
        let itself = expect(0, &run(["join", "--self", &right_list, "--quiet"]));
        assert!(itself == rows(&brute_force(&right, &right, 31, |query| query + 1)));
        // The twin that must fail.
        assert!(itself != rows(&brute_force(&right, &right, 30, |query| query + 1)));
        let json = expect(0, &run(["join", "--self", &right_list, "--format", "jsonl"]));
        let from_json: String = json
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|row| {
                format!(
                    "{},{},{},{}\n",
                    row["left"],
                    row["right"],
                    row["distance"],
                    row["orientation"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(format!("left,right,distance,orientation\n{from_json}"), itself);
    }

    /// Numbers are those of the list's lines, whatever is set aside or is not a hash.
    #[test]
    fn what_is_set_aside_keeps_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let hash = PdqHash([1, 2, 3, 4]);
        let zero = PdqHash([0; 4]);
        let list = write(
            &folder,
            "list",
            &format!(
                "# geometry: full\n{hash},100,a\n\n{hash},49,poor\n{zero}\n# a comment\n{hash}\r\n{hash},50,b, c\n"
            ),
        );
        let output = run(["join", "--self", &list]);
        assert_eq!(
            expect(0, &output),
            "left,right,distance,orientation\n0,3,0,original\n0,4,0,original\n3,4,0,original\n"
        );
        assert!(
            errors(0, &output)
                .contains("of 5 items, 1 with a quality under 50 and 1 with a null hash are set aside")
        );
        let all = expect(
            0,
            &run([
                "join",
                "--self",
                &list,
                "--min-quality",
                "0",
                "--max-hits-per-item",
                "1",
                "--format",
                "jsonl",
            ]),
        );
        assert_eq!(all.lines().next(), Some(r#"{"left":0,"right":1,"distance":0,"orientation":"original"}"#));
        assert_eq!(all.lines().nth(1), Some(r#"{"left":0,"more":2}"#));
    }

    #[test]
    fn what_cannot_be_joined_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let hash = PdqHash([7; 4]);
        let full = write(&folder, "full", &format!("# geometry: full\n{hash}\n"));
        let other = write(&folder, "te512", &format!("# geometry: te512\n{hash}\n"));
        let empty = write(&folder, "empty", "");
        let broken = write(&folder, "broken", &format!("{hash}\n{}\n", "z".repeat(64)));
        let eight = write(&folder, "eight", &format!("{hash},100,original,a\n"));
        let refuse = |exit: i32, arguments: &[&str], what: &str| {
            let told = errors(exit, &run([&["join"], arguments].concat()));
            assert!(told.contains(what), "{arguments:?}: {told}");
        };
        refuse(1, &[&full, &other], "cannot be compared");
        refuse(1, &[&full, &broken], ":2: not a PDQ hash: character 1 is not a hex digit");
        refuse(1, &["--self", &eight, "--orientations"], "has 1 of 8 hashes: is the list cut off?");
        refuse(1, &["--self", &full, "--orientations"], "eight lines per picture");
        refuse(1, &["--self", "tests/data/known.csv"], "expected a list of hashes");
        refuse(2, &[&full], "two lists, or one with --self");
        refuse(2, &["--self", &full, &other], "--self takes one list");
        refuse(2, &["--self", &full, "--distance", "64"], "0..=63");
        refuse(2, &["--self", &full, "--output", &full], "would replace");
        for arguments in [vec!["--self", &empty], vec![&*empty, &full], vec![&*full, &empty]] {
            let found = expect(0, &run([&["join"], &arguments[..]].concat()));
            assert_eq!(found, "left,right,distance,orientation\n");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_ctrl_c_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let near = write(&folder, "near", &format!("{}\n", PdqHash([7; 4])).repeat(2000));
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = tamis().args(["join", "--self", &near]).stdout(full).output().unwrap();
        assert!(errors(1, &output).contains("No space left"));
        // Random hashes that take the flat search a minute.
        let mut random = StdRng::seed_from_u64(1);
        let hashes: Vec<PdqHash> = (0..300_000).map(|_| PdqHash(random.random())).collect();
        let list = write(&folder, "many", &text(&hashes));
        let rows = folder.path().join("rows");
        let mut command = tamis();
        command
            .args(["join", "--self", &list, "--join", "flat", "--distance", "63", "-j", "1", "--quiet", "-o"])
            .arg(&rows);
        let child = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1500));
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no rows, no partial file");
    }

    #[test]
    fn negatives_have_a_column() {
        let folder = tempfile::tempdir().unwrap();
        let hashes = support::clustered_hashes(7, 20);
        let left = write(&folder, "left", &text(&[hashes[0], complement(hashes[1])]));
        let right = write(&folder, "right", &text(&hashes[..2]));
        let rows = expect(0, &run(["join", &left, &right, "--negatives", "--distance", "0"]));
        assert_eq!(
            rows,
            "left,right,distance,orientation,negative\n0,0,0,original,false\n1,1,0,original,true\n"
        );
        let rows =
            expect(0, &run(["join", &left, &right, "--negatives", "--distance", "0", "--format", "jsonl"]));
        assert!(rows.ends_with("\"orientation\":\"original\",\"negative\":true}\n"), "{rows}");
        // The twin that must fail: without it.
        let rows = expect(0, &run(["join", &left, &right, "--distance", "0"]));
        assert_eq!(rows, "left,right,distance,orientation\n0,0,0,original\n");
    }

    /// What `hash --orientations` writes is what `--orientations` takes.
    #[test]
    fn turned_pictures_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("turned");
        let hash =
            ["hash", "tests/data/seizure", "--orientations", "--decode", "pixels", "--quiet", "--output"];
        expect(0, &tamis().args(hash).arg(&list).output().unwrap());
        let list = list.to_str().unwrap();
        let lines = fs::read_to_string(list).unwrap();
        let items: Vec<[PdqHash; 8]> = lines
            .lines()
            .collect::<Vec<_>>()
            .chunks(8)
            .map(|picture| std::array::from_fn(|turn| picture[turn][..64].parse().unwrap()))
            .collect();
        let mut expected = String::from("left,right,distance,orientation\n");
        for left in 0..items.len() {
            for right in left + 1..items.len() {
                let one = Orientation::ALL
                    .map(|turn| (items[left][turn as usize].distance(items[right][0]), turn.inverse()));
                let other =
                    Orientation::ALL.map(|turn| (items[left][0].distance(items[right][turn as usize]), turn));
                if let Some((distance, turn)) = least(one.into_iter().chain(other), 63) {
                    expected.push_str(&format!("{left},{right},{distance},{}\n", turn.name()));
                }
            }
        }
        assert!(expected.lines().any(|row| !row.ends_with("original")), "{expected}");
        let join = ["join", "--self", list, "--orientations", "--min-quality", "0", "--distance", "63"];
        assert_eq!(expect(0, &run(join)), expected);
        let both = ["join", list, list, "--orientations", "--min-quality", "0", "--distance", "63"];
        let both = expect(0, &run(both));
        assert!(both.lines().any(|row| row == "0,0,0,original") && both.len() > expected.len());
    }
}
