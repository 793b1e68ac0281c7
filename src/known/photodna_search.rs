//! Range search of PhotoDNA values: every pair within a squared distance, nothing dropped.
//!
//! Nearly every pair is far beyond the threshold, so the loop computes a *lower bound* of each distance from a third of the
//! numbers, and only pairs that pass it are measured exactly, by [`squared_distance`]. The bound decides how long the search
//! takes, never what it finds.
//!
//! **The bound** adds the squared differences of 48 numbers, taken from all over the value, in 16 bits, for sixteen values of the
//! right side at a time. A threshold beyond 15 bits is handled by dropping low bits on both sides: the sum of the shifted squares
//! never exceeds their shifted sum. Where 16 bits overflow, the sum stays at their end, which is beyond every threshold.
//!
//! Two cheaper bounds do not help. The lengths of values differ by less than the usual threshold, because the values are
//! normalised, so their difference rejects almost nothing; and sums over neighbouring numbers reject less than as many numbers as
//! they are.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::photodna::squared_distance;
use super::record::{PHOTODNA_BYTES, PhotoDna};
use crate::cancel::CancelToken;

/// Numbers of a value that the bound reads.
const LEADING: usize = 48;
/// Values of the right side that are bounded at once: their sums fit a few registers.
const LANES: usize = 16;
/// Blocks that are compared with a group of values before the next blocks: 96 KiB, which stay in the inner
/// caches.
const TILE: usize = 128;
/// Values of the left side that share a tile.
const GROUP: usize = 64;
/// Bits of a threshold that the bound keeps; one fewer than its sums have, so that their end is beyond it.
const KEPT_BITS: u32 = 15;

/// A pair within the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhotoDnaPair {
    /// Place in the left side.
    pub left: u32,
    /// Place in the right side.
    pub right: u32,
    /// The square of their distance.
    pub squared_distance: u32,
}

/// Why a search ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchStop {
    /// More pairs than were allowed.
    TooMany,
    /// It was cancelled.
    Cancelled,
}

/// What the threads of a search share.
#[derive(Debug)]
pub struct SearchWatch<'a> {
    /// Cancels the search.
    pub cancel: &'a CancelToken,
    /// Counts values of the left side that were compared with all of the right one.
    pub done: &'a AtomicU64,
    /// Maximum number of pairs.
    pub limit: usize,
}

/// The leading numbers of some values, number by number.
type Block = [[u8; LANES]; LEADING];

/// The right side of a search, laid out for it.
#[derive(Debug)]
pub struct PhotoDnaSearch<'a> {
    values: &'a [PhotoDna],
    blocks: Vec<Block>,
}

impl<'a> PhotoDnaSearch<'a> {
    /// Lays the values out: 48 bytes per value in addition to its own. On the threads of the current rayon
    /// pool.
    #[must_use]
    pub fn new(values: &'a [PhotoDna]) -> Self {
        let block = |values: &[PhotoDna]| -> Block {
            // The last block may have fewer; its other lanes are never read.
            let number = |lane: usize, at: usize| values.get(lane).map_or(0, |value| value.bytes[at]);
            std::array::from_fn(|at| std::array::from_fn(|lane| number(lane, place(at))))
        };
        Self { values, blocks: values.par_chunks(LANES).map(block).collect() }
    }

    /// Every pair of a value of `left` and one of the right side whose squared distance is at most `threshold`, in no
    /// particular order. On the threads of the current rayon pool.
    ///
    /// # Errors
    /// If it ended early; the error gives the reason.
    pub fn within(
        &self,
        left: &[PhotoDna],
        threshold: u32,
        watch: &SearchWatch<'_>,
    ) -> Result<Vec<PhotoDnaPair>, SearchStop> {
        let found = AtomicU64::new(0);
        let groups: Result<Vec<Vec<PhotoDnaPair>>, SearchStop> = left
            .par_chunks(GROUP)
            .enumerate()
            .map(|(number, group)| {
                let mut pairs = Vec::new();
                for tile in 0..self.blocks.len().div_ceil(TILE) {
                    let before = pairs.len();
                    self.meet(group, number * GROUP, tile, threshold, &mut pairs);
                    let new = (pairs.len() - before) as u64;
                    if watch.cancel.is_cancelled() {
                        return Err(SearchStop::Cancelled);
                    }
                    if found.fetch_add(new, Ordering::Relaxed) + new > watch.limit as u64 {
                        return Err(SearchStop::TooMany);
                    }
                }
                watch.done.fetch_add(group.len() as u64, Ordering::Relaxed);
                Ok(pairs)
            })
            .collect();
        Ok(groups?.concat())
    }

    /// Compares a group of the left side, whose first value has the position `first`, with a tile of the
    /// right one.
    fn meet(
        &self,
        group: &[PhotoDna],
        first: usize,
        tile: usize,
        threshold: u32,
        pairs: &mut Vec<PhotoDnaPair>,
    ) {
        let shift = (u32::BITS - threshold.leading_zeros()).saturating_sub(KEPT_BITS);
        let limit = (threshold >> shift) as u16;
        let start = tile * TILE;
        let blocks = &self.blocks[start..self.blocks.len().min(start + TILE)];
        for (at, value) in group.iter().enumerate() {
            let leading: [u8; LEADING] = std::array::from_fn(|number| value.bytes[place(number)]);
            for (number, block) in blocks.iter().enumerate() {
                let bounds = lower_bounds(&leading, block, shift);
                if bounds.iter().copied().fold(u16::MAX, u16::min) > limit {
                    continue;
                }
                let right = (start + number) * LANES;
                for ((lane, &bound), other) in bounds.iter().enumerate().zip(&self.values[right..]) {
                    if bound > limit {
                        continue;
                    }
                    let distance = squared_distance(value, other);
                    if distance <= threshold {
                        let (left, right) = ((first + at) as u32, (right + lane) as u32);
                        pairs.push(PhotoDnaPair { left, right, squared_distance: distance });
                    }
                }
            }
        }
    }
}

/// The number of a value that the bound reads in this turn: one of every three, at varying positions.
const fn place(at: usize) -> usize {
    const STEP: usize = PHOTODNA_BYTES / LEADING;
    at * STEP + at % STEP
}

/// For each value of a block a lower bound of its squared distance, without the `shift` lowest bits.
fn lower_bounds(leading: &[u8; LEADING], block: &Block, shift: u32) -> [u16; LANES] {
    let mut sums = [0_u16; LANES];
    for (&number, others) in leading.iter().zip(block) {
        for (sum, &other) in sums.iter_mut().zip(others) {
            let difference = u16::from(number.abs_diff(other));
            *sum = sum.saturating_add((difference * difference) >> shift);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use rand::prelude::*;

    use super::*;
    use crate::known::Spelling;
    use crate::known::photodna::MAX_SQUARED_DISTANCE;

    fn value(bytes: [u8; PHOTODNA_BYTES]) -> PhotoDna {
        PhotoDna { bytes, spelling: Spelling::Hex }
    }

    /// Values of which many are near each other, at all distances.
    fn clustered(random: &mut StdRng, count: usize) -> Vec<PhotoDna> {
        let centres: Vec<[u8; PHOTODNA_BYTES]> =
            (0..7).map(|_| std::array::from_fn(|_| random.random())).collect();
        let near =
            |random: &mut StdRng| {
                let spread: i16 = random.random_range(0..120);
                let centre = centres.choose(random).copied().unwrap_or([0; PHOTODNA_BYTES]);
                value(centre.map(|byte| {
                    (i16::from(byte) + random.random_range(-spread..=spread)).clamp(0, 255) as u8
                }))
            };
        (0..count).map(|_| near(random)).collect()
    }

    fn search(
        left: &[PhotoDna],
        right: &[PhotoDna],
        threshold: u32,
        limit: usize,
    ) -> Result<Vec<PhotoDnaPair>, SearchStop> {
        let (cancel, done) = (CancelToken::default(), AtomicU64::new(0));
        let watch = SearchWatch { cancel: &cancel, done: &done, limit };
        let mut pairs = PhotoDnaSearch::new(right).within(left, threshold, &watch)?;
        assert_eq!(done.into_inner(), left.len() as u64);
        pairs.sort_unstable();
        Ok(pairs)
    }

    /// Sides of every length around those of groups and blocks, thresholds around those that the bound shifts at.
    #[test]
    fn the_pairs_are_those_of_a_double_loop() {
        let mut random = StdRng::seed_from_u64(5);
        let thresholds = [0, 1, 500, 32_767, 32_768, 40_000, 65_535, 65_536, 300_000, MAX_SQUARED_DISTANCE];
        let mut found = [0; 10];
        for (lefts, rights) in [(0, 5), (5, 0), (1, 1), (3, 15), (63, 16), (64, 17), (65, 40), (130, 2100)] {
            let all = clustered(&mut random, lefts + rights);
            let (left, right) = all.split_at(lefts);
            for (threshold, found) in thresholds.into_iter().zip(&mut found) {
                let mut expected = Vec::new();
                for (at, one) in left.iter().enumerate() {
                    for (place, other) in right.iter().enumerate() {
                        let squares = one.bytes.iter().zip(&other.bytes);
                        let squared: i64 = squares.map(|(&a, &b)| (i64::from(a) - i64::from(b)).pow(2)).sum();
                        if squared <= i64::from(threshold) {
                            let (left, right) = (at as u32, place as u32);
                            expected.push(PhotoDnaPair { left, right, squared_distance: squared as u32 });
                        }
                    }
                }
                assert_eq!(search(left, right, threshold, usize::MAX), Ok(expected.clone()), "{threshold}");
                *found += expected.len();
            }
        }
        // Else nothing was compared.
        assert!(found[2] > 0 && found[2] < found[5] && found[5] < found[9], "{found:?}");
    }

    /// All of a difference within what the bound reads, and all outside it, at the threshold and one beyond.
    #[test]
    fn exactly_at_the_threshold() {
        let zero = value([0; PHOTODNA_BYTES]);
        for at in 0..PHOTODNA_BYTES {
            let mut bytes = [0; PHOTODNA_BYTES];
            bytes[at] = 200;
            let other = [value(bytes)];
            assert_eq!(search(&[zero], &other, 40_000, 1).map(|pairs| pairs.len()), Ok(1), "{at}");
            assert_eq!(search(&[zero], &other, 39_999, 1).map(|pairs| pairs.len()), Ok(0), "{at}");
        }
    }

    #[test]
    fn it_ends_at_its_limit() {
        let same = vec![value([9; PHOTODNA_BYTES]); 20];
        assert_eq!(search(&same, &same, 0, 399), Err(SearchStop::TooMany));
        assert_eq!(search(&same, &same, 0, 400).map(|pairs| pairs.len()), Ok(400));
        let (cancel, done) = (CancelToken::default(), AtomicU64::new(0));
        cancel.cancel();
        let watch = SearchWatch { cancel: &cancel, done: &done, limit: usize::MAX };
        assert_eq!(PhotoDnaSearch::new(&same).within(&same, 0, &watch), Err(SearchStop::Cancelled));
    }
}
