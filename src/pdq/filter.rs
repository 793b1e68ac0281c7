//! From pixels to the 64×64 tile.

use serde::{Deserialize, Serialize};

/// Rows and columns of a tile.
pub const TILE_SIDE: usize = 64;
/// Fractional bits of a tile's fixed-point luminance.
pub const TILE_FRACTION_BITS: u32 = 16;

/// The 64×64 luminance reduction of one picture, row-major, luminance 0…255 in fixed point with
/// [`TILE_FRACTION_BITS`] fractional bits (so every value is at most `255 << 16`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Tile(pub [u32; TILE_SIDE * TILE_SIDE]);

/// How a picture's pixels become the tile's samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Geometry {
    /// Every pixel counts, as `pdqhash`, HMA and most sets do it.
    #[default]
    Full,
    /// Pictures over 512 px are first shrunk to 512×512 by nearest neighbour, as the reference's
    /// command-line tool does.
    Te512,
}

/// Bytes of one pixel of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelLayout {
    /// One byte: luminance.
    Luma,
    /// Two bytes: luminance, alpha (ignored).
    LumaAlpha,
    /// Three bytes: red, green, blue.
    Rgb,
    /// Four bytes: red, green, blue, alpha (ignored).
    Rgba,
}

impl PixelLayout {
    /// Bytes a pixel.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Luma => 1,
            Self::LumaAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Folds a picture's rows into a tile as they come. Its memory grows with the width only.
#[derive(Debug)]
pub struct Reducer {}

impl Reducer {
    /// A reducer for a picture of `width`×`height` pixels, or `None` where PDQ is not defined (see
    /// [`Reducer::is_defined`]).
    #[must_use]
    pub fn new(width: u32, height: u32, layout: PixelLayout, geometry: Geometry) -> Option<Self> {
        let _ = (width, height, layout, geometry);
        unimplemented!()
    }

    /// Whether a picture of this size has a tile: both sides at least [`super::MIN_SIDE`] after the
    /// geometry's own shrinking, and no side beyond [`Reducer::MAX_SIDE`].
    #[must_use]
    pub fn is_defined(width: u32, height: u32, geometry: Geometry) -> bool {
        let _ = (width, height, geometry);
        unimplemented!()
    }

    /// The next rows of the picture, top to bottom: any whole number of rows, tightly packed.
    pub fn push_rows(&mut self, rows: &[u8]) {
        let _ = rows;
        unimplemented!()
    }

    /// The tile, once every row was pushed.
    #[must_use]
    pub fn finish(self) -> Box<Tile> {
        unimplemented!()
    }
}
