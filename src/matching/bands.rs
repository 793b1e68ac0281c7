//! Bands: how hashes are cut so that every pair within the radius nearly agrees in at least one band.
//!
//! Cut a hash into m bands with thresholds t₁…t_m whose sum is r − m + 1. If two hashes differ in at most r bits, then in
//! some band they differ in at most its threshold: if every band differed in more, that would be at least Σ (tᵢ + 1) = r +
//! 1 bits. So only pairs have to be measured whose values in some band are *neighbours*, within the threshold of each
//! other.

use crate::pdq::PdqHash;

/// The widest band: 2²² buckets, whose table of offsets (16 MiB) still fits a cache or two.
const WIDEST: u32 = 22;

/// Moves the bits of a hash so that bands are diagonals of the 16×16 coefficients.
///
/// Bits of a row or column of coefficients correlate in real pictures, and a band of such bits takes few values. On
/// `real-codes.txt` 16 diagonals keep 1 pair in 205, 16 rows 1 in 130, independent bits would keep 1 in 241. Distances
/// stay the same.
#[must_use]
pub(super) fn diagonals(hash: PdqHash) -> PdqHash {
    // Row i rotated by i, so that its bit b is coefficient (i, b + i); then the transpose.
    let mut rows: [u16; 16] =
        std::array::from_fn(|row| ((hash.0[row / 4] >> (row % 4 * 16)) as u16).rotate_right(row as u32));
    for (half, mask) in [(8, 0x00ff), (4, 0x0f0f), (2, 0x3333), (1, 0x5555)] {
        for row in (0..16).filter(|row| row & half == 0) {
            let swapped = (rows[row] >> half ^ rows[row + half]) & mask;
            rows[row] ^= swapped << half;
            rows[row + half] ^= swapped;
        }
    }
    PdqHash(std::array::from_fn(|word| {
        (0..4).fold(0, |bits, part| bits | u64::from(rows[word * 4 + part]) << (part * 16))
    }))
}

/// Bits of a hash by which near hashes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Band {
    /// The lowest bit.
    pub start: u32,
    /// Number of bits, at most 22.
    pub width: u32,
    /// Differing bits up to which two values are neighbours.
    pub threshold: u32,
}

impl Band {
    /// The band's bits of a hash.
    #[inline]
    pub const fn value(&self, hash: &PdqHash) -> u32 {
        let (word, shift) = ((self.start / 64) as usize, self.start % 64);
        let mut bits = hash.0[word] >> shift;
        if shift + self.width > 64 {
            bits |= hash.0[word + 1] << (64 - shift);
        }
        (bits & ((1 << self.width) - 1)) as u32
    }

    /// Values that the band can take.
    pub const fn buckets(&self) -> usize {
        1 << self.width
    }

    /// Whether two hashes are neighbours in this band.
    #[inline]
    pub const fn holds(&self, left: &PdqHash, right: &PdqHash) -> bool {
        (self.value(left) ^ self.value(right)).count_ones() <= self.threshold
    }

    /// The differences between a value and its neighbours: every number of the band's width with at most
    /// `threshold` bits, ascending.
    pub fn differences(&self) -> Vec<u32> {
        let mut all = vec![0];
        let mut last = all.clone();
        for _ in 0..self.threshold.min(self.width) {
            // Each once: the new bit is above those already set.
            last = last
                .iter()
                .flat_map(|&bits: &u32| {
                    (32 - bits.leading_zeros()..self.width).map(move |bit| bits | 1 << bit)
                })
                .collect();
            all.extend(&last);
        }
        all.sort_unstable();
        all
    }

    /// How many [`Band::differences`] there are.
    pub fn neighbours(&self) -> f64 {
        let mut ways = 1.0;
        let mut sum = 1.0;
        for bits in 1..=self.threshold.min(self.width) {
            ways *= f64::from(self.width - bits + 1) / f64::from(bits);
            sum += ways;
        }
        sum
    }
}

/// Bands that together find every pair within a radius.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bands(pub Vec<Band>);

impl Bands {
    /// `count` bands for `radius`, of 1 to `radius` + 1: more bands would include some in which nothing can qualify.
    /// Higher thresholds get wider bands.
    pub fn new(radius: u32, count: u32) -> Self {
        let count = count.clamp(1, (radius + 1).min(256));
        let (lowest, wider) = ((radius + 1) / count, (radius + 1) % count);
        let (width, broader) = (256 / count, 256 % count);
        let mut start = 0;
        let band = |index: u32| {
            let room = width + u32::from(index < broader);
            let threshold = lowest + u32::from(index < wider) - 1;
            let band = Band { start, width: room.min(WIDEST), threshold };
            start += room;
            band
        };
        Self((0..count).map(band).collect())
    }

    /// Whether a pair is reported in band `index`, the first in which it qualifies, so that it is reported once.
    #[inline]
    pub fn is_first(&self, index: usize, left: &PdqHash, right: &PdqHash) -> bool {
        !self.0[..index].iter().any(|band| band.holds(left, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagonals_are_a_permutation_and_go_where_they_should() {
        let mut seen = PdqHash([0; 4]);
        for bit in 0..256_usize {
            let mut hash = PdqHash([0; 4]);
            hash.0[bit / 64] = 1 << (bit % 64);
            let moved = diagonals(hash);
            let (row, column) = (bit / 16, bit % 16);
            let target = (column + 16 - row) % 16 * 16 + row;
            assert_eq!(moved.0[target / 64], 1 << (target % 64), "bit {bit}");
            assert_eq!(moved.distance(PdqHash([0; 4])), 1);
            seen.0.iter_mut().zip(moved.0).for_each(|(seen, word)| *seen |= word);
        }
        assert_eq!(seen, PdqHash([u64::MAX; 4]));
    }

    #[test]
    fn thresholds_and_bits_add_up() {
        for radius in [0, 1, 2, 14, 15, 16, 31, 39, 63, 71, 79, 255, 256] {
            for count in 1..=80 {
                let Bands(bands) = Bands::new(radius, count);
                assert!(bands.len() as u32 == count.min(radius + 1));
                let sum: u32 = bands.iter().map(|band| band.threshold + 1).sum();
                assert_eq!(sum, radius + 1, "{radius} in {count}");
                let ends = bands.iter().map(|band| band.start + band.width);
                assert!(bands.iter().skip(1).zip(ends.clone()).all(|(band, end)| band.start >= end));
                assert!(ends.max().is_some_and(|end| end <= 256));
                assert!(bands.iter().all(|band| (1..=WIDEST).contains(&band.width)));
            }
        }
    }

    #[test]
    fn values_are_the_bits_and_differences_all_of_them() {
        let hash =
            PdqHash(std::array::from_fn(|word| 0x0123_4567_89ab_cdef_u64.rotate_left(word as u32 * 7)));
        let bit = |index: u32| (hash.0[(index / 64) as usize] >> (index % 64) & 1) as u32;
        for (start, width) in [(0, 16), (60, 8), (60, 22), (50, 14), (64, 1), (234, 22)] {
            let expected = (0..width).fold(0, |value, index| value | bit(start + index) << index);
            assert_eq!(Band { start, width, threshold: 0 }.value(&hash), expected, "{start} {width}");
        }
        for (width, threshold) in [(1, 0), (1, 3), (5, 2), (10, 3), (12, 12)] {
            let band = Band { start: 0, width, threshold };
            let expected: Vec<u32> =
                (0..1 << width).filter(|bits: &u32| bits.count_ones() <= threshold).collect();
            assert_eq!(band.differences(), expected, "{width} {threshold}");
            assert!((band.neighbours() - expected.len() as f64).abs() < 0.5);
        }
    }
}
