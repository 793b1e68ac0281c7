//! How much of a file is read, by its size. The underlying figures are in `docs/accuracy.md`.

use super::structure::{Frame, marker};
use super::zigzag::Kept;
use crate::pdq::{TILE_FRACTION_BITS, Tile};

/// How much of each scan is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub kept: Kept,
    /// Whether the bits that first scans leave out are read too, for all coefficients but the mean.
    pub refined: bool,
}

/// How much of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    kept: Kept,
    refined: bool,
}

impl Reading {
    /// The first `coefficients` of each block in the order of the file: 1, 3, 6, 15, 28 or 64. Of a progressive file, `refined`
    /// states whether to read them to the last bit. `None` for another number.
    #[must_use]
    pub fn of(coefficients: usize, refined: bool) -> Option<Self> {
        let choices = [Kept::ONE, Kept::THREE, Kept::SIX, Kept::FIFTEEN, Kept::TWENTY_EIGHT, Kept::ALL];
        choices.into_iter().find(|kept| kept.count() == coefficients).map(|kept| Self { kept, refined })
    }

    /// The reading for a picture of this size; `None` if pixels are better.
    pub(in crate::decode) fn usual(frame: &Frame) -> Option<Self> {
        let (kept, refined) = match frame.width.min(frame.height) {
            0..64 => return None,
            64..900 => (Kept::ALL, true),
            900..1300 => (Kept::SIX, false),
            1300..2200 => (Kept::THREE, false),
            _ => (Kept::ONE, false),
        };
        Some(Self { kept, refined })
    }

    /// Reads everything, so that samples are computed and clipped like a pixel decoder's; `None` if that takes the memory of a
    /// whole picture.
    pub(in crate::decode) fn whole(frame: &Frame) -> Option<Self> {
        (frame.marker != marker::PROGRESSIVE).then_some(Self { kept: Kept::ALL, refined: true })
    }

    pub(super) const fn wanted(self) -> Wanted {
        Wanted { kept: self.kept, refined: self.refined }
    }
}

/// Maximum of the 256 bits that may depend on rounding before pixels are decoded.
pub(in crate::decode) const MAX_UNSTABLE_BITS: u16 = 20;
/// A tile with this many of its 4,096 samples at least this bright is a drawing or a text on white…
const WHITE_SAMPLES: usize = 1600;
const WHITE: u32 = 240 << TILE_FRACTION_BITS;
/// …and coarsely quantised if the steps of its first six coefficients sum to at least this (quality 75 or less of the usual
/// tables).
const COARSE_STEPS: u16 = 36;
/// How many coefficients [`COARSE_STEPS`] counts.
pub(super) const COARSE_COUNT: usize = 6;

/// Whether missing clipping at white affects a tile. A pixel decoder clips what overshoots white around sharp edges, which
/// a few coefficients do not reveal: it is significant where edges on white are coarsely quantised.
pub(super) fn overshoots(tile: &Tile, uncut_steps: u16) -> bool {
    let white = || tile.0.iter().filter(|&&sample| sample >= WHITE).count();
    uncut_steps >= COARSE_STEPS && white() >= WHITE_SAMPLES
}
