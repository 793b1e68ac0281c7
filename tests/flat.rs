//! Range search on the CPU against brute force, on every instruction set of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use support::brute_force;
use tamis::matching::flat::FlatIndex;
use tamis::matching::popcount::InstructionSet;
use tamis::pdq::PdqHash;

#[test]
fn every_radius_and_size_is_brute_force() {
    let sizes = [(0, 5), (5, 0), (1, 1), (63, 7), (64, 6), (65, 5), (4095, 13), (4097, 100), (9000, 31)];
    for (haystack, queries) in sizes {
        let haystack = support::clustered_hashes(1, haystack);
        let queries = support::clustered_hashes(1, queries);
        let index = FlatIndex::new(&haystack);
        assert_eq!(index.len(), haystack.len());
        // Both sides of every change of the lower bound, and the extremes.
        for radius in [0, 1, 31, 33, 34, 43, 44, 63, 71, 80, 81, 255, 256] {
            let expected = brute_force(&queries, &haystack, radius, |_| 0);
            for instructions in InstructionSet::available() {
                let ours = index.search_with(instructions, &queries, radius);
                assert_eq!(
                    ours,
                    expected,
                    "{instructions}: {} × {} at {radius}",
                    haystack.len(),
                    queries.len()
                );
            }
            // The twin that must fail: a search of one bit less.
            if let Some(farthest) =
                expected.iter().map(|pair| pair.distance).max().filter(|&distance| distance > 0)
            {
                assert_ne!(index.search(&queries, farthest - 1), expected);
            }
        }
    }
}

/// The last stripe is padded with null hashes: a query near them must not find them.
#[test]
fn what_fills_up_is_never_found() {
    let index = FlatIndex::new(&[PdqHash([u64::MAX; 4])]);
    for instructions in InstructionSet::available() {
        assert_eq!(index.search_with(instructions, &[PdqHash([0; 4])], 255), []);
        assert_eq!(index.search_with(instructions, &[PdqHash([0; 4])], 256).len(), 1);
    }
}

#[test]
fn threads_do_not_show_in_the_result() {
    let haystack = support::clustered_hashes(2, 30_000);
    let queries = support::clustered_hashes(2, 5000);
    let index = FlatIndex::new(&haystack);
    let with_radius = |threads, radius| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| index.search(&queries, radius))
    };
    let with = |threads| with_radius(threads, 40);
    let expected = with(1);
    assert!(expected.len() > 10_000);
    assert!(expected.is_sorted());
    assert_eq!(with(2), expected);
    assert_eq!(with(7), expected);
    // The twin that must fail: one bit less.
    assert_ne!(with_radius(7, 39), expected);
}
