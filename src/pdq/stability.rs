//! How many bits of a code hang on next to nothing.
//!
//! A bit says on which side of the median its coefficient lies. Coefficients close to the median change sides when the
//! picture is saved again, by rounding alone. In pictures that are symmetric or nearly empty there are many of them.

use super::Tile;
use super::dct::{COSINE_FRACTION_BITS, PASS_SHIFT, coefficients};
use super::filter::TILE_FRACTION_BITS;

/// A coefficient of the reference is `2 / 64` times a sum of luminances times cosines; of ours the factor is left out.
const ONE: i64 = 32 << (2 * COSINE_FRACTION_BITS - PASS_SHIFT + TILE_FRACTION_BITS);

/// How many of the 256 coefficients lie within half a unit of the reference's scale (luminance 0…255) of the
/// threshold, midway between the 128th and the 129th smallest.
#[must_use]
pub fn unstable_bits(tile: &Tile) -> u16 {
    unstable_among(&coefficients(tile))
}

/// The same, of a tile's coefficients.
pub(super) fn unstable_among(coefficients: &[i64; 256]) -> u16 {
    unstable_within(coefficients, ONE / 2)
}

/// How many coefficients lie within `margin` of the threshold, in the integers' own scale.
fn unstable_within(coefficients: &[i64; 256], margin: i64) -> u16 {
    let mut order = *coefficients;
    let (_, &mut lower, above) = order.select_nth_unstable(127);
    let upper = above.iter().copied().min().unwrap_or(lower);
    // Twice the distances, so that the midpoint is a whole number.
    let near = |&&coefficient: &&i64| (2 * coefficient - lower - upper).abs() <= 2 * margin;
    coefficients.iter().filter(near).count() as u16
}
