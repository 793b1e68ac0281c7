//! How many bits of a hash are unstable.
//!
//! A bit states on which side of the median its coefficient lies. Coefficients close to the median change sides
//! through rounding alone when the picture is saved again. In pictures that are symmetric or nearly empty there are
//! many of them.

use super::dct::{COSINE_FRACTION_BITS, PASS_SHIFT, coefficients};
use super::tile::{TILE_FRACTION_BITS, TILE_SIDE, Tile};

/// A coefficient of the reference is `2 / 64` times a sum of luminances times cosines; of ours the factor is left out.
const ONE: i64 = 32 << (2 * COSINE_FRACTION_BITS - PASS_SHIFT + TILE_FRACTION_BITS);

/// How many of the 256 coefficients lie within half a unit of the reference's scale (luminance 0…255) of the
/// threshold, midway between the 128th and the 129th smallest.
#[must_use]
pub fn unstable_bits(tile: &Tile) -> u16 {
    Threshold::of(&coefficients(tile)).near(ONE / 2)
}

/// The stability of a hash's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stability {
    /// [`unstable_bits`].
    pub unstable_bits: u16,
    /// Those and the bits that the tile's own error may flip.
    pub bits_at_risk: u16,
}

/// One over the share of all errors that is expected in the 256 coefficients, which are a sixteenth of all. With it ordinary files are decoded
/// to pixels as rarely as with the rule of four times the root mean square, and errors crafted on purpose flipped up to 60 bits of sequential
/// files instead of 152. Certainty would require a share of one, with a quarter of all photographs decoded to pixels.
const SHARE: i128 = 32;

/// The pair by which gaps among nearer ones are measured: an attacker who clears the middle of a spectrum
/// would have to clear it this far.
const FAR_PAIR: usize = 64;

/// The stability of the bits of a tile with these coefficients, whose samples have the root mean square error `error` in the tile's own units.
/// The transform keeps the sum of squares, so the errors of all coefficients together have the squares of all samples' errors.
pub(super) fn stability(coefficients: &[i64; 256], error: u32) -> Stability {
    let threshold = Threshold::of(coefficients);
    let unstable_bits = threshold.near(ONE / 2);
    let error = i128::from(ONE >> TILE_FRACTION_BITS) * i128::from(error);
    let squares = (TILE_SIDE * TILE_SIDE) as i128 * error.pow(2) / SHARE;
    Stability { unstable_bits, bits_at_risk: threshold.turned_by(squares).max(unstable_bits) }
}

/// Coefficients and the two in the middle of their order.
struct Threshold<'c> {
    coefficients: &'c [i64; 256],
    lower: i64,
    upper: i64,
}

impl<'c> Threshold<'c> {
    fn of(coefficients: &'c [i64; 256]) -> Self {
        let mut order = *coefficients;
        let (_, &mut lower, above) = order.select_nth_unstable(127);
        let upper = above.iter().copied().min().unwrap_or(lower);
        Self { coefficients, lower, upper }
    }

    /// How many coefficients lie within `margin` of the midpoint, in the integers' own scale.
    fn near(&self, margin: i64) -> u16 {
        // Twice the distances, so that the midpoint is a whole number.
        let near = |&&coefficient: &&i64| (2 * coefficient - self.lower - self.upper).abs() <= 2 * margin;
        self.coefficients.iter().filter(near).count() as u16
    }

    /// How many bits can be flipped by errors with the sum of squares `squares`. Half of the bits are set, so bits flip in pairs, one
    /// above the threshold and one below. Wherever the threshold ends up, flipping a pair takes errors whose squares sum to at least half
    /// the square of its distance, and the nearest pairs need the smallest. Pictures have coefficients everywhere;
    /// where there are none near the threshold, pairs count as evenly spaced up to [`FAR_PAIR`]; more are not counted.
    fn turned_by(&self, squares: i128) -> u16 {
        if squares == 0 {
            return 0;
        }
        let mut order = *self.coefficients;
        // Those beyond the far pair need not be sorted.
        order.select_nth_unstable(128 - FAR_PAIR);
        order[128 - FAR_PAIR..].select_nth_unstable(2 * FAR_PAIR - 1);
        let middle = &mut order[128 - FAR_PAIR..128 + FAR_PAIR];
        middle.sort_unstable();
        let (below, above) = middle.split_at(FAR_PAIR);
        let distances = below.iter().rev().zip(above).map(|(below, above)| i128::from(above - below));
        let far = i128::from(above[FAR_PAIR - 1] - below[0]);
        let mut left = 2 * squares;
        let pairs = distances.zip(1..).take_while(|&(distance, number)| {
            left -= distance.min(far * number / FAR_PAIR as i128).pow(2);
            left >= 0
        });
        2 * pairs.count() as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The squares of errors that are as large as `error` in each of the 256 coefficients of an ordinary file.
    fn squares(error: i64) -> i128 {
        256 * i128::from(error).pow(2)
    }

    /// 128 coefficients on each side of 0, the first pair so far from each other and each pair as much farther.
    fn spaced(first: i64, more: i64) -> [i64; 256] {
        std::array::from_fn(|index| {
            let distance = first + more * (index / 2) as i64;
            if index % 2 == 0 { distance } else { -distance }
        })
    }

    #[test]
    fn errors_turn_pairs_from_the_nearest_on() {
        let coefficients = spaced(1000, 1000);
        let threshold = Threshold::of(&coefficients);
        assert_eq!(threshold.turned_by(0), 0);
        // The first pair is 2,000 apart: half of the square.
        assert_eq!(threshold.turned_by(2_000_000 - 1), 0);
        assert_eq!(threshold.turned_by(2_000_000), 2);
        // The second is 4,000 apart.
        assert_eq!(threshold.turned_by(10_000_000), 4);
        assert_eq!(threshold.turned_by(i128::MAX / 4), 128);
    }

    /// Moving the nearest coefficients away equally far, with errors that bring them back, gains an attacker
    /// nothing.
    #[test]
    fn a_cleared_middle_counts_as_if_it_were_not() {
        let ordinary = spaced(1000, 1000);
        let cleared = ordinary.map(|number| number.signum() * number.abs().max(30_000));
        let (ordinary, cleared) = (Threshold::of(&ordinary), Threshold::of(&cleared));
        assert_eq!(cleared.near(29_000), 0);
        for error in [500, 2000, 5000, 9000] {
            let (one, other) = (ordinary.turned_by(squares(error)), cleared.turned_by(squares(error)));
            assert!(other + 2 >= one, "{error}: {one} and {other}");
        }
    }
}
