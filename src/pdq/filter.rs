//! From pixels to the 64×64 tile.

use serde::{Deserialize, Serialize};

use super::MIN_SIDE;
use super::tile::{TILE_FRACTION_BITS, TILE_SIDE, Tile};
use super::vector::accumulate;
use super::weights::{Sample, samples};

/// How a picture's pixels are reduced to the tile's samples.
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

impl Geometry {
    /// The name on the command line, in the database and in hash sets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Te512 => "te512",
        }
    }

    /// The geometry of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Full, Self::Te512].into_iter().find(|geometry| geometry.name() == name)
    }
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
///
/// The vertical pass comes first and works on bytes: luminance is linear, so each channel's bytes are
/// summed with their row's weight, one multiply-add a byte, and luminance and the horizontal pass are
/// taken from 64 summed rows at the end of each. Everything is a whole number until the one rounding
/// to a tile's fixed point, so neither order nor vector width can change a bit.
#[derive(Debug)]
pub struct Reducer {
    layout: PixelLayout,
    /// Bytes of one row of the picture.
    row_bytes: usize,
    columns: Vec<Sample>,
    rows: Vec<Sample>,
    /// Index into `rows` of the first sample that is not finished.
    current: usize,
    /// Sums of unfinished samples, the current one first. Supports of neighbours overlap by about a row,
    /// never beyond the next sample.
    sums: Vec<Vec<u32>>,
    /// Rows folded so far.
    folded: usize,
    height: usize,
    shrink: Option<Shrink>,
    tile: Box<Tile>,
}

/// Nearest neighbour to 512×512, row by row.
#[derive(Debug)]
struct Shrink {
    /// Size of the original picture.
    width: usize,
    height: usize,
    /// Rows received.
    received: usize,
    /// One shrunk row.
    row: Vec<u8>,
}

impl Reducer {
    /// The largest side. A window is then at most 4,096 wide, so that a column's sum of weights,
    /// 4,096² = 2²⁴, times 255 stays within 32 bits.
    pub const MAX_SIDE: u32 = 1 << 19;
    /// The largest number of pixels: the product of the two windows is then at most 2¹⁹ or so, its
    /// square times 255,000 (a byte times the luminance weights) 2⁵⁶, which leaves room in 64 bits.
    pub const MAX_PIXELS: u64 = 1 << 32;
    /// Pictures over this on a side are shrunk by [`Geometry::Te512`].
    const TE512_SIDE: u32 = 512;

    /// A reducer for a picture of `width`×`height` pixels, or `None` where PDQ is not defined (see
    /// [`Reducer::is_defined`]).
    #[must_use]
    pub fn new(width: u32, height: u32, layout: PixelLayout, geometry: Geometry) -> Option<Self> {
        if !Self::is_defined(width, height, geometry) {
            return None;
        }
        let (reduced_width, reduced_height) = Self::reduced_size(width, height, geometry);
        let row_bytes = reduced_width as usize * layout.bytes();
        let shrink = Self::shrinks(width, height, geometry);
        Some(Self {
            layout,
            row_bytes,
            columns: samples(reduced_width as usize),
            rows: samples(reduced_height as usize),
            current: 0,
            sums: Vec::new(),
            folded: 0,
            height: reduced_height as usize,
            shrink: shrink.then(|| Shrink {
                width: width as usize,
                height: height as usize,
                received: 0,
                row: vec![0; row_bytes],
            }),
            tile: Box::new(Tile([0; TILE_SIDE * TILE_SIDE])),
        })
    }

    /// Whether a picture of this size has a tile: both sides at least [`super::MIN_SIDE`] after the
    /// geometry's own shrinking, and the size within [`Reducer::MAX_SIDE`] and [`Reducer::MAX_PIXELS`].
    #[must_use]
    pub fn is_defined(width: u32, height: u32, geometry: Geometry) -> bool {
        let (reduced_width, reduced_height) = Self::reduced_size(width, height, geometry);
        width.min(height) > 0
            && reduced_width.min(reduced_height) >= MIN_SIDE
            && width.max(height) <= Self::MAX_SIDE
            && u64::from(width) * u64::from(height) <= Self::MAX_PIXELS
    }

    /// Whether a picture of this size is shrunk before the filter.
    #[must_use]
    pub fn shrinks(width: u32, height: u32, geometry: Geometry) -> bool {
        Self::reduced_size(width, height, geometry) != (width, height)
    }

    /// The size of the filter's input.
    fn reduced_size(width: u32, height: u32, geometry: Geometry) -> (u32, u32) {
        match geometry {
            Geometry::Te512 if width.max(height) > Self::TE512_SIDE => (Self::TE512_SIDE, Self::TE512_SIDE),
            _ => (width, height),
        }
    }

    /// The next rows of the picture, top to bottom: any whole number of rows, tightly packed. Rows
    /// beyond the picture's height are ignored.
    pub fn push_rows(&mut self, rows: &[u8]) {
        let Some(mut shrink) = self.shrink.take() else {
            self.fold(rows);
            return;
        };
        let pixel = self.layout.bytes();
        for row in rows.chunks_exact(shrink.width * pixel) {
            let side = Self::TE512_SIDE as usize;
            // The shrunk rows taken from this one: several if the picture has fewer than 512 rows.
            while self.folded < side && self.folded * shrink.height / side == shrink.received {
                for (x, to) in shrink.row.chunks_exact_mut(pixel).enumerate() {
                    let from = x * shrink.width / side * pixel;
                    to.copy_from_slice(&row[from..from + pixel]);
                }
                self.fold(&shrink.row);
            }
            shrink.received += 1;
        }
        self.shrink = Some(shrink);
    }

    /// Folds whole rows of the reduced picture.
    fn fold(&mut self, rows: &[u8]) {
        let count = (rows.len() / self.row_bytes).min(self.height - self.folded);
        let first = self.folded;
        let end = first + count;
        self.folded = end;
        let mut index = self.current;
        while let Some(sample) = self.rows.get(index).filter(|sample| sample.start < end) {
            let slot = index - self.current;
            if slot == self.sums.len() {
                self.sums.push(vec![0; self.row_bytes]);
            }
            let sample_end = sample.start + sample.weights.len();
            let (from, to) = (sample.start.max(first), sample_end.min(end));
            if from < to {
                let weights = &sample.weights[from - sample.start..to - sample.start];
                let bytes = &rows[(from - first) * self.row_bytes..(to - first) * self.row_bytes];
                accumulate(&mut self.sums[slot], bytes, weights);
            }
            if sample_end <= end && slot == 0 {
                self.finish_sample();
                index = self.current;
            } else {
                index += 1;
            }
        }
    }

    /// The horizontal pass over the sums of the current sample.
    fn finish_sample(&mut self) {
        let mut sums = self.sums.remove(0);
        let sample = &self.rows[self.current];
        let pixel = self.layout.bytes();
        for column in &self.columns {
            let support = &sums[column.start * pixel..(column.start + column.weights.len()) * pixel];
            let denominator = sample.denominator * column.denominator;
            // Most input is grey, and only needs products.
            let sum = if pixel == 1 && denominator <= NARROW {
                let products = support.iter().zip(column.weights.iter());
                let sum: u64 = products.map(|(&grey, &weight)| u64::from(grey) * u64::from(weight)).sum();
                u128::from(1000 * sum)
            } else {
                let pixels = support.chunks_exact(pixel).zip(column.weights.iter());
                if denominator <= NARROW {
                    pixels.map(|(pixel, &weight)| luminance(pixel) * u64::from(weight)).sum::<u64>().into()
                } else {
                    pixels.map(|(pixel, &weight)| u128::from(luminance(pixel)) * u128::from(weight)).sum()
                }
            };
            let value = to_fixed_point(sum, denominator);
            for row in sample.cells.clone() {
                self.tile.0[row * TILE_SIDE..][column.cells.clone()].fill(value);
            }
        }
        sums.fill(0);
        self.current += 1;
        self.sums.push(sums);
    }

    /// The tile, or `None` while rows are missing.
    #[must_use]
    pub fn finish(self) -> Option<Box<Tile>> {
        (self.folded == self.height).then_some(self.tile)
    }
}

/// A thousand times the luminance of a pixel's channel sums; alpha does not count.
fn luminance(pixel: &[u32]) -> u64 {
    match *pixel {
        [red, green, blue] | [red, green, blue, _] => {
            299 * u64::from(red) + 587 * u64::from(green) + 114 * u64::from(blue)
        }
        [grey, ..] => 1000 * u64::from(grey),
        [] => 0,
    }
}

/// Up to this product of two denominators, a thousand times 255 times it fits 64 bits. At the borders of pictures over 1.1 gigapixels
/// weights are finer.
const NARROW: u64 = u64::MAX / 255_000;

/// `sum / (1000 · denominator)` with [`TILE_FRACTION_BITS`] fractional bits, rounded half up.
pub(crate) fn to_fixed_point(sum: u128, denominator: u64) -> u32 {
    // A sum is at most 255,000 times its denominator: below 2²⁹ all fits 64 bits, whose division is much faster.
    if denominator < 1 << 29 {
        let divisor = denominator * 1000;
        return ((((sum as u64) << TILE_FRACTION_BITS) + divisor / 2) / divisor) as u32;
    }
    let divisor = u128::from(denominator) * 1000;
    (((sum << TILE_FRACTION_BITS) + divisor / 2) / divisor) as u32
}
