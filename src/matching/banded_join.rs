//! The banded join on CPU vectors: finds every pair within the radius without comparing most of the others.
//!
//! For each band ([`super::bands`]) both sides are sorted by the band's value in a counting sort. Then the hashes of one value, a
//! *bucket*, and its neighbours are runs of memory, and every run is compared with every neighbouring run as a dense tile
//! ([`super::tile`]). A pair is reported in the first band in which it qualifies, so nothing has to be remembered or
//! deduplicated.
//!
//! Time: m sorts of both sides, and |left| · |right| · (share of pairs that the bands keep). Memory: 32 bytes per hash of each
//! side for the permuted hashes, 20 to 36 for a side in a band's order, 4 per bucket, 12 per pair found.

use std::ops::Range;

use rayon::prelude::*;

use super::Pair;
use super::allowance::{Allowance, Stop};
use super::bands::{Band, Bands, diagonals};
use super::popcount::{Bound, InstructionSet};
use super::tile::{PADDING, Tiles, words_of};
use crate::pdq::PdqHash;

/// Pieces of a band's buckets for each thread, so that threads finish together.
const PIECES_PER_THREAD: usize = 32;

/// Hashes ready for banded joins. Takes 32 bytes per hash.
#[derive(Clone, Debug)]
pub(super) struct Permuted(Vec<PdqHash>);

impl Permuted {
    pub fn new(hashes: &[PdqHash]) -> Self {
        Self(hashes.par_iter().with_min_len(4096).map(|&hash| diagonals(hash)).collect())
    }

    pub fn hashes(&self) -> &[PdqHash] {
        &self.0
    }
}

/// One side in the order of a band's value.
#[derive(Debug)]
struct SortedSide {
    /// Where each bucket begins, followed by the end of the last.
    offsets: Vec<u32>,
    /// Numbers of the hashes.
    order: Vec<u32>,
    /// Words of the hashes that the bound reads.
    planes: [Vec<u64>; 4],
}

impl SortedSide {
    fn new(hashes: &[PdqHash], band: &Band, bound: Bound) -> Self {
        let mut offsets = vec![0_u32; band.buckets() + 2];
        for hash in hashes {
            offsets[band.value(hash) as usize + 2] += 1;
        }
        let mut sum = 0;
        for offset in &mut offsets {
            sum += *offset;
            *offset = sum;
        }
        // The start of bucket b is at b + 1 now, and moves to its end while it is filled.
        let words = layout(band);
        let mut order = vec![0; hashes.len()];
        let mut planes = [const { Vec::new() }; 4];
        for &plane in words_of(bound) {
            planes[plane] = vec![0; hashes.len() + PADDING];
        }
        for (number, hash) in hashes.iter().enumerate() {
            let next = &mut offsets[band.value(hash) as usize + 1];
            let place = *next as usize;
            *next += 1;
            order[place] = number as u32;
            for &plane in words_of(bound) {
                planes[plane][place] = hash.0[words[plane]];
            }
        }
        offsets.pop();
        Self { offsets, order, planes }
    }

    fn bucket(&self, value: usize) -> Range<u32> {
        self.offsets[value]..self.offsets[value + 1]
    }

    fn planes(&self) -> [&[u64]; 4] {
        std::array::from_fn(|plane| &self.planes[plane][..])
    }
}

/// Which word of a hash goes to which plane: those that the band does not touch first (planes 1 and 3, then 2), because in the
/// band's own bits neighbours hardly differ, and a bound that counts them rejects less.
fn layout(band: &Band) -> [usize; 4] {
    let (first, last) = ((band.start / 64) as usize, ((band.start + band.width - 1) / 64) as usize);
    let mut words: Vec<usize> = (0..4).filter(|&word| word != first && word != last).collect();
    words.push(last);
    if first != last {
        words.push(first);
    }
    [words[3], words[0], words[2], words[1]]
}

/// Hashes in the order of every band, sorted once for many searches.
///
/// Takes 32 bytes per hash, and for each band 4 per bucket and 20 (radius up to 33), 28 (43) or 36 per hash.
#[derive(Debug)]
pub(super) struct Resident {
    hashes: Permuted,
    bands: Bands,
    sides: Vec<SortedSide>,
    radius: u32,
}

impl Resident {
    /// Bytes that it takes.
    pub fn bytes(hashes: usize, bands: &Bands, radius: u32) -> u64 {
        let hash = 4 + 8 * words_of(Bound::for_radius(radius)).len() as u64;
        let band = |band: &Band| 4 * band.buckets() as u64 + hash * hashes as u64;
        32 * hashes as u64 + bands.0.iter().map(band).sum::<u64>()
    }

    /// Hashes to be searched within `radius` at most.
    pub fn new(hashes: &[PdqHash], bands: Bands, radius: u32) -> Self {
        let hashes = Permuted::new(hashes);
        let bound = Bound::for_radius(radius);
        let sides = bands.0.par_iter().map(|band| SortedSide::new(hashes.hashes(), band, bound)).collect();
        Self { hashes, bands, sides, radius }
    }

    /// Every pair of a query and a resident hash within `radius` (inclusive), within the allowance, in no particular order; `None`
    /// if the radius exceeds that of the bands.
    pub fn search(
        &self,
        instructions: InstructionSet,
        queries: &[PdqHash],
        radius: u32,
        allowance: &Allowance<'_>,
    ) -> Option<Result<Vec<Pair>, Stop>> {
        if radius > self.radius {
            return None;
        }
        let queries = Permuted::new(queries);
        let join = BandedJoin {
            left: &queries,
            right: Right::Resident(self),
            bands: &self.bands,
            radius,
            instructions,
        };
        Some(join.run(allowance))
    }
}

/// The right side of a join.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right<'a> {
    /// The left side itself: each unordered pair once, the smaller number as the query, no hash with itself.
    Itself,
    Hashes(&'a Permuted),
    Resident(&'a Resident),
}

/// A join of two sides, or of one with itself.
#[derive(Debug)]
pub(super) struct BandedJoin<'a> {
    pub left: &'a Permuted,
    pub right: Right<'a>,
    pub bands: &'a Bands,
    pub radius: u32,
    pub instructions: InstructionSet,
}

impl BandedJoin<'_> {
    /// Every pair within the radius, in no particular order.
    pub fn run(&self, allowance: &Allowance) -> Result<Vec<Pair>, Stop> {
        let mut pairs = Vec::new();
        let bound = Bound::for_radius(self.radius);
        for (index, band) in self.bands.0.iter().enumerate() {
            let sort = |side: &Permuted| SortedSide::new(side.hashes(), band, bound);
            let (left, right) = rayon::join(
                || sort(self.left),
                || match self.right {
                    Right::Hashes(right) => Some(sort(right)),
                    Right::Itself | Right::Resident(_) => None,
                },
            );
            allowance.count(0)?;
            let (right, right_hashes) = match (self.right, &right) {
                (Right::Resident(resident), _) => (&resident.sides[index], &resident.hashes),
                (Right::Hashes(hashes), Some(right)) => (right, hashes),
                (Right::Hashes(_), None) | (Right::Itself, _) => (&left, self.left),
            };
            let pass = Pass {
                join: self,
                index,
                band,
                bound,
                differences: band.differences(),
                left: &left,
                right,
                right_hashes: right_hashes.hashes(),
                itself: matches!(self.right, Right::Itself),
            };
            pass.run(allowance, &mut pairs)?;
        }
        Ok(pairs)
    }
}

/// One band of a join.
struct Pass<'a> {
    join: &'a BandedJoin<'a>,
    index: usize,
    band: &'a Band,
    bound: Bound,
    differences: Vec<u32>,
    left: &'a SortedSide,
    right: &'a SortedSide,
    right_hashes: &'a [PdqHash],
    /// Whether both sides are the same.
    itself: bool,
}

impl Pass<'_> {
    fn run(&self, allowance: &Allowance, pairs: &mut Vec<Pair>) -> Result<(), Stop> {
        let pieces = self.pieces(rayon::current_num_threads() * PIECES_PER_THREAD);
        let found: Vec<Vec<Pair>> = pieces
            .into_par_iter()
            .map(|values| {
                let work = self.left.offsets[values.end] - self.left.offsets[values.start];
                let found = self.buckets(values, allowance);
                allowance.did(f64::from(work));
                found
            })
            .collect::<Result<_, Stop>>()?;
        found.iter().for_each(|part| pairs.extend_from_slice(part));
        Ok(())
    }

    /// Runs of buckets with about as many hashes of the left side each.
    fn pieces(&self, count: usize) -> Vec<Range<usize>> {
        let hashes = self.join.left.hashes().len().div_ceil(count).max(1) as u32;
        let mut pieces = Vec::with_capacity(count);
        let mut start = 0;
        for value in 0..self.band.buckets() {
            let end = value + 1;
            if self.left.offsets[end] - self.left.offsets[start] >= hashes || end == self.band.buckets() {
                pieces.push(start..end);
                start = end;
            }
        }
        pieces
    }

    fn buckets(&self, values: Range<usize>, allowance: &Allowance) -> Result<Vec<Pair>, Stop> {
        let mut found = Vec::new();
        let mut ranges = Vec::with_capacity(self.differences.len());
        let mut passed = Vec::new();
        for value in values {
            let mine = self.left.bucket(value);
            if mine.is_empty() {
                continue;
            }
            ranges.clear();
            for &difference in &self.differences {
                let other = value ^ difference as usize;
                let range = self.right.bucket(other);
                // In a self-join the bucket with the smaller value is compared with the other.
                if !range.is_empty() && (!self.itself || other >= value) {
                    ranges.push(range);
                }
            }
            let tiles = Tiles {
                left: self.left.planes(),
                left_range: mine.start as usize..mine.end as usize,
                right: self.right.planes(),
                right_ranges: &ranges,
                radius: self.join.radius,
                bound: self.bound,
            };
            passed.clear();
            self.join.instructions.sieve(&tiles, &mut passed);
            let before = found.len();
            found.extend(passed.iter().filter_map(|&(left, right)| self.confirmation(left, right)));
            allowance.count(found.len() - before)?;
        }
        Ok(found)
    }

    /// The pair at these positions of the two orders, if this band reports it.
    fn confirmation(&self, left: u32, right: u32) -> Option<Pair> {
        // In a self-join a bucket against itself has each pair twice, and each hash with itself.
        if self.itself && left >= right {
            return None;
        }
        let (left, right) = (self.left.order[left as usize], self.right.order[right as usize]);
        let (left, right) = if self.itself { (left.min(right), left.max(right)) } else { (left, right) };
        let (one, other) = (&self.join.left.hashes()[left as usize], &self.right_hashes[right as usize]);
        let distance = one.distance(*other);
        (distance <= self.join.radius && self.join.bands.is_first(self.index, one, other)).then_some(Pair {
            query: left,
            haystack: right,
            distance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::prelude::*;

    /// Flips bits so that a pair is hard to find: in all bands but one as many as possible without qualifying, in
    /// that one all remaining bits of `distance`.
    fn spread(random: &mut StdRng, hash: PdqHash, bands: &Bands, distance: u32) -> PdqHash {
        let chosen = random.random_range(0..bands.0.len());
        let mut left = distance;
        let mut flipped = PdqHash([0; 4]);
        let mut flip = |random: &mut StdRng, band: &Band, count: u32| {
            let mut bits: Vec<u32> = (band.start..band.start + band.width).collect();
            bits.shuffle(random);
            for bit in bits.into_iter().take(count as usize) {
                flipped.0[(bit / 64) as usize] |= 1 << (bit % 64);
            }
            count.min(band.width)
        };
        let mut order: Vec<usize> = (0..bands.0.len()).filter(|&index| index != chosen).collect();
        order.shuffle(random);
        for index in order {
            let band = &bands.0[index];
            left -= flip(random, band, left.min(band.threshold + 1));
        }
        flip(random, &bands.0[chosen], left);
        PdqHash(std::array::from_fn(|word| hash.0[word] ^ flipped.0[word]))
    }

    fn brute_force(left: &[PdqHash], right: Option<&[PdqHash]>, radius: u32) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (query, hash) in left.iter().enumerate() {
            let start = if right.is_some() { 0 } else { query + 1 };
            for (haystack, other) in right.unwrap_or(left).iter().enumerate().skip(start) {
                let distance = hash.distance(*other);
                if distance <= radius {
                    pairs.push(Pair { query: query as u32, haystack: haystack as u32, distance });
                }
            }
        }
        pairs
    }

    /// Every number of bands on every instruction set: planted pairs at every distance up to two beyond the radius.
    #[test]
    fn pairs_are_found_however_they_are_spread_over_the_bands() {
        let mut random = StdRng::seed_from_u64(5);
        for radius in [0, 1, 7, 16, 31, 39, 63, 79] {
            for count in [1, 2, 3, 5, 8, 9, 10, 11, 13, 16, 17, 23, 32]
                .into_iter()
                .filter(|&count| count <= radius + 1)
            {
                let bands = Bands::new(radius, count);
                if bands.0.iter().any(|band| band.neighbours() > 2000.0) {
                    continue;
                }
                let left: Vec<PdqHash> = (0..150).map(|_| PdqHash(random.random())).collect();
                let mut right: Vec<PdqHash> = (0..50).map(|_| PdqHash(random.random())).collect();
                for (hash, distance) in left.iter().zip((0..=radius + 2).cycle()) {
                    right.push(spread(&mut random, *hash, &bands, distance));
                }
                right.shuffle(&mut random);
                let expected = brute_force(&left, Some(&right), radius);
                assert!(expected.len() >= 50, "{radius} {count}: {}", expected.len());
                let (mut permuted_left, permuted_right) = (Permuted(left), Permuted(right));
                for instructions in InstructionSet::available() {
                    let run = |left: &Permuted, right: Right<'_>| {
                        let join = BandedJoin { left, right, bands: &bands, radius, instructions };
                        let mut pairs = join.run(&Allowance::everything()).unwrap();
                        pairs.sort_unstable();
                        pairs
                    };
                    assert_eq!(
                        run(&permuted_left, Right::Hashes(&permuted_right)),
                        expected,
                        "{radius} {count} {instructions}"
                    );
                    // With itself: the same hashes in one list.
                    let both = Permuted([&permuted_left.0[..], &permuted_right.0[..]].concat());
                    assert_eq!(
                        run(&both, Right::Itself),
                        brute_force(&both.0, None, radius),
                        "{radius} {count} {instructions}"
                    );
                    // The twin that must fail: one bit of one hash that is in a pair within the radius at its edge.
                    let edge = expected.iter().find(|pair| pair.distance == radius).unwrap();
                    let (query, other) = (edge.query as usize, permuted_right.0[edge.haystack as usize]);
                    let before = permuted_left.0[query];
                    let same =
                        (0..256).find(|bit| (before.0[bit / 64] ^ other.0[bit / 64]) >> (bit % 64) & 1 == 0);
                    permuted_left.0[query].0[same.unwrap() / 64] ^= 1 << (same.unwrap() % 64);
                    assert_ne!(run(&permuted_left, Right::Hashes(&permuted_right)), expected);
                    permuted_left.0[query] = before;
                }
            }
        }
    }

    #[test]
    fn too_many_pairs_end_it() {
        let hashes = Permuted(vec![PdqHash([7; 4]); 100]);
        let bands = Bands::new(31, 16);
        let join = BandedJoin {
            left: &hashes,
            right: Right::Itself,
            bands: &bands,
            radius: 31,
            instructions: InstructionSet::Portable,
        };
        for (pairs, result) in [(4950, Ok(4950)), (4949, Err(Stop::TooMany))] {
            let allowance = Allowance { pairs: Some(pairs), ..Allowance::default() };
            assert_eq!(join.run(&allowance).map(|pairs| pairs.len()), result);
        }
    }
}
