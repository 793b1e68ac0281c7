//! The inner loop of the banded join: a bucket of one side against its neighbouring buckets of the other.
//!
//! Both sides lie in memory in the order of their buckets, so that a tile (bucket × bucket) is two runs of words. As in
//! [`super::popcount`] the loop computes a lower bound of each distance only; what passes is measured by the caller.

#![allow(unsafe_code, reason = "vector instructions chosen at run time; listed in CONTRIBUTING")]

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2Lanes, Avx512Lanes};
use super::lanes::{Lanes, NO_BOUND, PortableLanes};
use super::popcount::{Bound, EXACT, InstructionSet, THREE_WORDS, TWO_PAIRS, TWO_WORDS, lower_bound};
use crate::pdq::PdqHash;

/// Padding after a plane of the right side: a vector that begins with the last word reads this far.
pub(super) const PADDING: usize = 8;

/// The words that the bound of a radius reads, in the layout of this module.
pub(super) const fn words_of(bound: Bound) -> &'static [usize] {
    match bound {
        Bound::TwoWords => &[1, 3],
        Bound::ThreeWords => &[1, 2, 3],
        Bound::TwoPairs | Bound::Exact => &[0, 1, 2, 3],
    }
}

/// A run of one side against runs of the other.
#[derive(Clone, Debug)]
pub(super) struct Tiles<'a> {
    /// Word w of every hash; those of [`words_of`] the bound, the others may be empty.
    pub left: [&'a [u64]; 4],
    pub left_range: Range<usize>,
    /// The same, each with [`PADDING`] words more.
    pub right: [&'a [u64]; 4],
    pub right_ranges: &'a [Range<u32>],
    pub radius: u32,
    pub bound: Bound,
}

impl InstructionSet {
    /// Appends the pairs (left, right) whose bound is within the radius to `passed`. An instruction set that this machine
    /// lacks is replaced by [`InstructionSet::Portable`].
    pub(super) fn sieve(self, tiles: &Tiles<'_>, passed: &mut Vec<(u32, u32)>) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just established every feature the function is compiled with.
            Self::Avx512 if self.is_available() => unsafe { x86::sieve_avx512(tiles, passed) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 if self.is_available() => unsafe { x86::sieve_avx2(tiles, passed) },
            // SAFETY: every machine has the instructions of the baseline.
            _ => unsafe { sieve_with::<PortableLanes>(tiles, passed) },
        }
    }

    /// Counts the hashes within `radius` of `query`, and checks for one nearer than `nearer`.
    pub(super) fn survey(self, query: PdqHash, hashes: &[PdqHash], radius: u32, nearer: u32) -> Survey {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just established every feature the function is compiled with.
            Self::Avx512 if self.is_available() => unsafe {
                x86::survey_avx512(query, hashes, radius, nearer)
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 if self.is_available() => unsafe { x86::survey_avx2(query, hashes, radius, nearer) },
            _ => survey(query, hashes, radius, nearer),
        }
    }

    /// Replaces `distances` by the distances of `hashes` from `query`.
    pub(super) fn distances(self, query: PdqHash, hashes: &[PdqHash], distances: &mut Vec<u16>) {
        distances.clear();
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just established every feature the function is compiled with.
            Self::Avx512 if self.is_available() => unsafe { x86::distances_avx512(query, hashes, distances) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 if self.is_available() => unsafe { x86::distances_avx2(query, hashes, distances) },
            _ => measure(query, hashes, distances),
        }
    }
}

/// How many of some hashes are within a radius of a query, and whether any is nearer than something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    pub within: u32,
    pub any_nearer: bool,
}

#[inline(always)]
fn survey(query: PdqHash, hashes: &[PdqHash], radius: u32, nearer: u32) -> Survey {
    let (mut within, mut any_nearer) = (0, 0);
    for hash in hashes {
        let distance = distance(query, hash);
        within += u32::from(distance <= radius);
        any_nearer |= u32::from(distance < nearer);
    }
    Survey { within, any_nearer: any_nearer > 0 }
}

#[inline(always)]
fn measure(query: PdqHash, hashes: &[PdqHash], distances: &mut Vec<u16>) {
    distances.resize(hashes.len(), 0);
    // A plain loop is compiled as part of its caller; a closure would be compiled separately, without the
    // caller's instructions.
    for (distance_of, hash) in distances.iter_mut().zip(hashes) {
        *distance_of = distance(query, hash) as u16;
    }
}

/// [`PdqHash::distance`], compiled as part of its caller, with the caller's instructions.
#[inline(always)]
const fn distance(query: PdqHash, hash: &PdqHash) -> u32 {
    let ([a, b, c, d], [e, f, g, h]) = (hash.0, query.0);
    (a ^ e).count_ones() + (b ^ f).count_ones() + (c ^ g).count_ones() + (d ^ h).count_ones()
}

/// Chooses the loop for the bound.
///
/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn sieve_with<L: Lanes>(tiles: &Tiles<'_>, passed: &mut Vec<(u32, u32)>) {
    // SAFETY: the caller has the same obligation.
    unsafe {
        match tiles.bound {
            Bound::TwoWords => sweep::<L, TWO_WORDS>(tiles, passed),
            Bound::ThreeWords => sweep::<L, THREE_WORDS>(tiles, passed),
            Bound::TwoPairs => sweep::<L, TWO_PAIRS>(tiles, passed),
            Bound::Exact => sweep::<L, EXACT>(tiles, passed),
        }
    }
}

/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn sweep<L: Lanes, const BOUND: u8>(tiles: &Tiles<'_>, passed: &mut Vec<(u32, u32)>) {
    for range in tiles.right_ranges {
        let (mut at, end) = (range.start as usize, range.end as usize);
        while at < end {
            // SAFETY: the caller has the obligations of these calls.
            unsafe {
                let found = right_words::<L, BOUND>(tiles, at);
                let mut lowest = L::splat(NO_BOUND);
                for left in tiles.left_range.clone() {
                    lowest = lowest.min(lower_bound::<L, BOUND>(found, left_words::<L, BOUND>(tiles, left)));
                }
                if lowest.any_at_most(tiles.radius) {
                    single_out::<L, BOUND>(tiles, at, (end - at).min(L::COUNT), passed);
                }
            }
            at += L::COUNT;
        }
    }
}

/// The pairs of one vector of the right side that pass. There is at least one, perhaps beyond the bucket's
/// end.
///
/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn single_out<L: Lanes, const BOUND: u8>(
    tiles: &Tiles<'_>,
    at: usize,
    present: usize,
    passed: &mut Vec<(u32, u32)>,
) {
    let in_bucket = (1 << present) - 1;
    // SAFETY: the caller has the obligations of these calls.
    unsafe {
        let found = right_words::<L, BOUND>(tiles, at);
        for left in tiles.left_range.clone() {
            let bound = lower_bound::<L, BOUND>(found, left_words::<L, BOUND>(tiles, left));
            let mut lanes = bound.lanes_at_most(tiles.radius) & in_bucket;
            while lanes != 0 {
                passed.push((left as u32, at as u32 + lanes.trailing_zeros()));
                lanes &= lanes - 1;
            }
        }
    }
}

/// The words that the bound reads of a vector of hashes of the right side.
///
/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn right_words<L: Lanes, const BOUND: u8>(tiles: &Tiles<'_>, at: usize) -> [L; 4] {
    // SAFETY: the caller has the obligations of these calls.
    unsafe {
        let mut words = [L::splat(0); 4];
        words[1] = L::load(tiles.right[1], at);
        words[3] = L::load(tiles.right[3], at);
        if BOUND != TWO_WORDS {
            words[2] = L::load(tiles.right[2], at);
        }
        if BOUND == TWO_PAIRS || BOUND == EXACT {
            words[0] = L::load(tiles.right[0], at);
        }
        words
    }
}

/// The words of one hash of the left side, in every lane.
///
/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn left_words<L: Lanes, const BOUND: u8>(tiles: &Tiles<'_>, at: usize) -> [L; 4] {
    // SAFETY: the caller has the obligations of these calls.
    unsafe {
        let mut words = [L::splat(0); 4];
        words[1] = L::splat(tiles.left[1][at]);
        words[3] = L::splat(tiles.left[3][at]);
        if BOUND != TWO_WORDS {
            words[2] = L::splat(tiles.left[2][at]);
        }
        if BOUND == TWO_PAIRS || BOUND == EXACT {
            words[0] = L::splat(tiles.left[0][at]);
        }
        words
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Avx2Lanes, Avx512Lanes, PdqHash, Survey, Tiles, measure, sieve_with, survey};

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    pub(super) fn sieve_avx512(tiles: &Tiles<'_>, passed: &mut Vec<(u32, u32)>) {
        // SAFETY: this function is compiled with, and only called after a check for, the features.
        unsafe { sieve_with::<Avx512Lanes>(tiles, passed) }
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn sieve_avx2(tiles: &Tiles<'_>, passed: &mut Vec<(u32, u32)>) {
        // SAFETY: as above.
        unsafe { sieve_with::<Avx2Lanes>(tiles, passed) }
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    pub(super) fn survey_avx512(query: PdqHash, hashes: &[PdqHash], radius: u32, nearer: u32) -> Survey {
        survey(query, hashes, radius, nearer)
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn survey_avx2(query: PdqHash, hashes: &[PdqHash], radius: u32, nearer: u32) -> Survey {
        survey(query, hashes, radius, nearer)
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    pub(super) fn distances_avx512(query: PdqHash, hashes: &[PdqHash], distances: &mut Vec<u16>) {
        measure(query, hashes, distances);
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn distances_avx2(query: PdqHash, hashes: &[PdqHash], distances: &mut Vec<u16>) {
        measure(query, hashes, distances);
    }
}
