//! The largest distance of any two of a list of hashes, exactly.
//!
//! By the triangle inequality two hashes differ in at most the sum of their distances from a third one, the centre. So hashes are processed from the farthest from
//! the centre on, and each is only compared with those that could exceed the largest distance so far. Hashes derived from one by flipping random bits need few
//! comparisons; in the worst case it is all pairs, at some 10⁹ a second and core, on all threads.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::control::JoinControl;
use super::popcount::InstructionSet;
use crate::pdq::PdqHash;

/// Hashes that a thread takes at a time; fewer are measured on the current thread.
const AT_ONCE: usize = 64;

/// The largest distance of any two of `hashes`, 0 for fewer than two; `None` if cancelled.
pub(super) fn diameter(
    hashes: &[PdqHash],
    instructions: InstructionSet,
    control: &JoinControl,
) -> Option<u32> {
    let centre = centre(hashes);
    let mut order: Vec<(u32, PdqHash)> = hashes.iter().map(|&hash| (hash.distance(centre), hash)).collect();
    order.sort_unstable_by_key(|&entry| Reverse(entry));
    let (from_centre, hashes): (Vec<u32>, Vec<PdqHash>) = order.into_iter().unzip();
    let largest = AtomicU32::new(0);
    let measure = |distances: &mut Vec<u16>, place: usize| {
        let found = largest.load(Ordering::Relaxed);
        let is_farther = |&other: &u32| from_centre[place] + other > found;
        let others = &from_centre[place + 1..];
        let end = place + 1 + others.partition_point(is_farther);
        instructions.distances(hashes[place], &hashes[place + 1..end], distances);
        let farthest = distances.iter().copied().max().unwrap_or(0);
        largest.fetch_max(farthest.into(), Ordering::Relaxed);
        if control.is_cancelled() { None } else { Some(()) }
    };
    if hashes.len() <= AT_ONCE {
        let mut distances = Vec::new();
        (0..hashes.len()).try_for_each(|place| measure(&mut distances, place))?;
    } else {
        // The first one has the largest bound; its result lets the others skip comparisons.
        measure(&mut Vec::new(), 0)?;
        (1..hashes.len())
            .into_par_iter()
            .with_min_len(AT_ONCE)
            .try_for_each_init(Vec::new, |distances, place| measure(distances, place))?;
    }
    Some(largest.into_inner())
}

/// The bitwise majority of `hashes`: it is near to all of them.
fn centre(hashes: &[PdqHash]) -> PdqHash {
    let mut counts = [[0_u32; 64]; 4];
    for hash in hashes {
        for (word, counts) in hash.0.iter().zip(&mut counts) {
            for (bit, count) in counts.iter_mut().enumerate() {
                *count += (word >> bit & 1) as u32;
            }
        }
    }
    let majority = |count: u32| u64::from(count as usize * 2 > hashes.len());
    PdqHash(
        counts.map(|counts| {
            counts.iter().enumerate().fold(0, |word, (bit, &count)| word | majority(count) << bit)
        }),
    )
}

#[cfg(test)]
mod tests {
    use rand::prelude::*;

    use super::*;

    fn all_pairs(hashes: &[PdqHash]) -> u32 {
        let of =
            |(index, one): (usize, &PdqHash)| hashes[index..].iter().map(|other| one.distance(*other)).max();
        hashes.iter().enumerate().filter_map(of).max().unwrap_or(0)
    }

    /// `count` hashes, each `bits` bits or fewer from `middle`.
    fn around(middle: PdqHash, count: usize, bits: usize, random: &mut StdRng) -> Vec<PdqHash> {
        let turned = |_| {
            let mut hash = middle;
            for _ in 0..bits {
                let bit = random.random_range(0..256);
                hash.0[bit / 64] ^= 1 << (bit % 64);
            }
            hash
        };
        (0..count).map(turned).collect()
    }

    #[test]
    fn it_is_that_of_all_pairs() {
        let mut random = StdRng::seed_from_u64(9);
        for (count, bits) in
            [(0, 0), (1, 3), (2, 9), (3, 1), (60, 31), (65, 5), (400, 1), (400, 12), (1500, 31)]
        {
            let hashes = around(PdqHash(random.random()), count, bits, &mut random);
            for instructions in InstructionSet::available() {
                let found = diameter(&hashes, instructions, &JoinControl::default());
                assert_eq!(found, Some(all_pairs(&hashes)), "{count} {bits}");
            }
        }
        // One hash that lies on one side of all others, so that the farthest from the centre is not an end of the largest distance.
        let mut hashes = vec![PdqHash([0; 4]); 100];
        (0..100).for_each(|index| hashes[index].0[index / 50] = 0xff << (index % 50));
        assert_eq!(
            diameter(&hashes, InstructionSet::best(), &JoinControl::default()),
            Some(all_pairs(&hashes))
        );
    }

    #[test]
    fn a_cancelled_one_is_none() {
        let mut random = StdRng::seed_from_u64(1);
        let control = JoinControl::default();
        control.cancel();
        for count in [2, 1000] {
            let hashes = around(PdqHash([7; 4]), count, 9, &mut random);
            assert_eq!(diameter(&hashes, InstructionSet::best(), &control), None);
        }
    }
}
