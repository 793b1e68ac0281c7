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
    unstable_within(&coefficients(tile), ONE / 2)
}

/// How many bits of a code hang on little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stability {
    /// [`unstable_bits`].
    pub unstable_bits: u16,
    /// Bits that the tile's own error may turn, with those.
    pub bits_at_risk: u16,
}

/// Errors of a tile are not spread over all frequencies alike. Where a few coefficients of the 4,096 hold them, each has
/// several times its share; this is what is counted on.
const CONCENTRATION: i64 = 4;

/// How stable the bits of a tile with these coefficients are, whose samples are wrong by `error` (the root of the mean square, in the tile's own units). The transform
/// keeps the sum of squares, so a coefficient is as wrong as a sample where the error is spread evenly.
pub(super) fn stability(coefficients: &[i64; 256], error: u32) -> Stability {
    let margin = (ONE >> TILE_FRACTION_BITS) * CONCENTRATION * i64::from(error);
    let unstable_bits = unstable_within(coefficients, ONE / 2);
    let at_risk = if margin > ONE / 2 { unstable_within(coefficients, margin) } else { unstable_bits };
    Stability { unstable_bits, bits_at_risk: at_risk }
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
