//! From coefficients to a tile, without pixels.
//!
//! A pixel of a block is `128 + Σ F[u][v] · c_u(y) · c_v(x)` with the cosines `c` of the block's own transform, and a
//! sample of the tile is a weighted mean of pixels along both axes. Both are linear and separable, so the weights of an
//! axis are applied to the cosines once a size, and each coefficient is multiplied by the result:
//!
//! `tile[i][j] = 128 + Σ over blocks (r, b) and kept (u, v) of A[i][r][u] · F[r][b][u][v] · B[j][b][v]`
//!
//! All of it is in whole numbers. The weights are rounded once from exact fractions; sums of blocks along a row are
//! exact in 32 bits, sums along a column in 64. So the tile is the same on every machine.

use std::rc::Rc;

use super::cosines::{BLOCK_SIDE, COSINE_BITS, COSINES};
use super::dispatch::{self, Task};
use super::zigzag::{BLOCK, FREQUENCIES, Kept};
use crate::pdq::weights::{Sample, samples};
use crate::pdq::{TILE_FRACTION_BITS, TILE_SIDE, Tile};

/// Quantised coefficients of an 8-bit picture lie within ±2¹¹; readers reject larger ones.
pub(super) const COEFFICIENT_LIMIT: i32 = 1 << 12;

/// Fractional bits of a block row's sums, between the two axes.
const ROW_FRACTION_BITS: u32 = 12;

/// The weights of one dimension, for coefficients instead of pixels.
#[derive(Debug)]
pub(super) struct Axis {
    /// Pixels.
    length: usize,
    /// Fractional bits of the weights: as many as fit 16 bits, and 32 bits for sums with coefficients.
    fraction_bits: u32,
    samples: Vec<AxisSample>,
}

/// One sample of the tile along an axis.
#[derive(Debug)]
struct AxisSample {
    first_block: usize,
    /// For each block and frequency.
    weights: Vec<[i16; BLOCK_SIDE]>,
    /// The tile's rows or columns that are this sample.
    cells: std::ops::Range<usize>,
}

impl Axis {
    /// The weights for `length` pixels.
    pub fn new(length: usize) -> Self {
        let samples = samples(length);
        let exact: Vec<Vec<[i64; BLOCK_SIDE]>> = samples.iter().map(block_weights).collect();
        let largest = exact.iter().flatten().flatten().map(|weight| weight.abs()).max().unwrap_or(1);
        // The sum over blocks of one frequency is at most ½, so that 2¹⁸ of it times coefficients below 2¹² stays below 2³⁰.
        let fraction_bits = (0..=19).rev().find(|bits| largest >> (COSINE_BITS - bits) < 32_767).unwrap_or(0);
        let shift = COSINE_BITS - fraction_bits;
        let round = |weight: i64| ((weight + (1 << (shift - 1))) >> shift) as i16;
        let samples = samples
            .into_iter()
            .zip(exact)
            .map(|(sample, exact)| AxisSample {
                first_block: sample.start / BLOCK_SIDE,
                weights: exact.into_iter().map(|weights| weights.map(round)).collect(),
                cells: sample.cells,
            })
            .collect();
        Self { length, fraction_bits, samples }
    }

    /// Blocks that the pixels take.
    #[cfg(test)]
    pub const fn blocks(&self) -> usize {
        self.length.div_ceil(BLOCK_SIDE)
    }

    /// Pixels.
    pub const fn length(&self) -> usize {
        self.length
    }
}

/// For each block in a sample's reach, its weights times each cosine, with [`COSINE_BITS`] fractional bits.
fn block_weights(sample: &Sample) -> Vec<[i64; BLOCK_SIDE]> {
    let first = sample.start / BLOCK_SIDE;
    let last = (sample.start + sample.weights.len() - 1) / BLOCK_SIDE;
    let mut sums = vec![[0_i64; BLOCK_SIDE]; last - first + 1];
    for (pixel, &weight) in (sample.start..).zip(sample.weights.iter()) {
        for (sum, cosines) in sums[pixel / BLOCK_SIDE - first].iter_mut().zip(&COSINES) {
            *sum += i64::from(weight) * cosines[pixel % BLOCK_SIDE];
        }
    }
    // At most 2²⁴ (a sample's weights together) times 2²⁹ before the division.
    let denominator = sample.denominator as i64;
    sums.into_iter().map(|sums| sums.map(|sum| (sum + denominator / 2).div_euclid(denominator))).collect()
}

/// Folds rows of blocks into a tile, in order.
#[derive(Debug)]
pub(super) struct Projection {
    kept: Kept,
    /// The quantisation steps of the kept coefficients.
    steps: [u16; BLOCK],
    rows: Rc<Axis>,
    row_fraction_bits: u32,
    columns: Vec<Column>,
    column_fraction_bits: u32,
    /// For each sample of `rows`, the sums of all columns.
    sums: Vec<[i64; TILE_SIDE]>,
    /// For each kept coefficient, the sums of one row of blocks, of all columns.
    row: Vec<[i32; TILE_SIDE]>,
}

/// The weights of a column of the tile for each number of each block in its reach.
#[derive(Debug)]
struct Column {
    first_block: usize,
    weights: Vec<i16>,
    cells: std::ops::Range<usize>,
}

impl Projection {
    /// A tile of a picture of `columns.length()` by `rows.length()` pixels, from the first `kept` coefficients of
    /// each block, quantised by `steps` (in the order of the file).
    pub fn new(columns: &Axis, rows: &Rc<Axis>, kept: Kept, steps: &[u16; BLOCK]) -> Self {
        let stride = kept.stride();
        let expand = |sample: &AxisSample| {
            let mut weights = vec![0; sample.weights.len() * stride];
            for (weights, frequencies) in weights.chunks_exact_mut(stride).zip(sample.weights.iter()) {
                for (weight, &(_, horizontal)) in weights.iter_mut().zip(&FREQUENCIES[..kept.count()]) {
                    *weight = frequencies[usize::from(horizontal)];
                }
            }
            Column { first_block: sample.first_block, weights, cells: sample.cells.clone() }
        };
        Self {
            kept,
            steps: *steps,
            rows: Rc::clone(rows),
            row_fraction_bits: rows.fraction_bits,
            columns: columns.samples.iter().map(expand).collect(),
            column_fraction_bits: columns.fraction_bits,
            sums: vec![[0; TILE_SIDE]; rows.samples.len()],
            row: vec![[0; TILE_SIDE]; kept.count()],
        }
    }

    /// Folds row `number` of blocks: for each block [`Kept::stride`] numbers, of which the kept ones count.
    pub fn fold(&mut self, number: usize, blocks: &[i16]) {
        dispatch::with_vectors(Fold { projection: self, number, blocks });
    }

    /// [`Projection::fold`] on the instructions it is compiled for.
    #[inline(always)]
    fn fold_on(&mut self, number: usize, blocks: &[i16]) {
        match self.kept.stride() {
            1 => self.sum_row::<1>(blocks),
            8 => self.sum_row::<8>(blocks),
            16 => self.sum_row::<16>(blocks),
            _ => self.sum_row::<32>(blocks),
        }
        let by_frequency = self.by_frequency();
        for (sample, sums) in self.rows.samples.iter().zip(&mut self.sums) {
            let reach = number.checked_sub(sample.first_block).and_then(|block| sample.weights.get(block));
            let Some(weights) = reach else { continue };
            for (row, &weight) in by_frequency[..self.kept.frequencies()].iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += i64::from(value) * i64::from(weight);
                }
            }
        }
    }

    /// Fills in `row`.
    #[inline(always)]
    fn sum_row<const STRIDE: usize>(&mut self, blocks: &[i16]) {
        let (blocks, _) = blocks.as_chunks::<STRIDE>();
        for (number, column) in self.columns.iter().enumerate() {
            let mut sums = [0_i32; STRIDE];
            let (weights, _) = column.weights.as_chunks::<STRIDE>();
            for (block, weights) in blocks.get(column.first_block..).unwrap_or_default().iter().zip(weights) {
                for ((sum, &coefficient), &weight) in sums.iter_mut().zip(block).zip(weights) {
                    *sum += i32::from(coefficient) * i32::from(weight);
                }
            }
            for (row, sum) in self.row.iter_mut().zip(sums) {
                row[number] = sum;
            }
        }
    }

    /// The row's sums times their quantisation steps, those of one vertical frequency together.
    #[inline(always)]
    fn by_frequency(&self) -> [[i32; TILE_SIDE]; BLOCK_SIDE] {
        let mut sums = [[0_i64; TILE_SIDE]; BLOCK_SIDE];
        for ((row, &step), (vertical, _)) in self.row.iter().zip(&self.steps).zip(&FREQUENCIES) {
            for (sum, &value) in sums[usize::from(*vertical)].iter_mut().zip(row) {
                *sum += i64::from(value) * i64::from(step);
            }
        }
        // Luminance stays within ±2¹⁹; clamping keeps hostile files within 32 bits.
        let bound = |sum: i64| sum.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        let (less, more) = (
            self.column_fraction_bits.saturating_sub(ROW_FRACTION_BITS),
            ROW_FRACTION_BITS.saturating_sub(self.column_fraction_bits),
        );
        let mut bounded = [[0; TILE_SIDE]; BLOCK_SIDE];
        for (to, sums) in bounded.iter_mut().zip(&sums[..self.kept.frequencies()]) {
            for (to, &sum) in to.iter_mut().zip(sums) {
                *to = bound(sum >> less << more);
            }
        }
        bounded
    }

    /// The tile, once all rows were folded.
    pub fn finish(&self) -> Box<Tile> {
        const GREY: i64 = 128 << TILE_FRACTION_BITS;
        const WHITE: i64 = 255 << TILE_FRACTION_BITS;
        let bits = self.row_fraction_bits + ROW_FRACTION_BITS;
        let (less, more) = (bits.saturating_sub(TILE_FRACTION_BITS), TILE_FRACTION_BITS.saturating_sub(bits));
        let mut tile = Box::new(Tile([0; TILE_SIDE * TILE_SIDE]));
        for (sample, sums) in self.rows.samples.iter().zip(&self.sums) {
            let values = sums.map(|sum| ((sum >> less << more) + GREY).clamp(0, WHITE) as u32);
            for y in sample.cells.clone() {
                for (column, value) in self.columns.iter().zip(values) {
                    tile.0[y * TILE_SIDE..][column.cells.clone()].fill(value);
                }
            }
        }
        tile
    }
}

/// [`Projection::fold`].
struct Fold<'p> {
    projection: &'p mut Projection,
    number: usize,
    blocks: &'p [i16],
}

impl Task for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn execute(self) {
        self.projection.fold_on(self.number, self.blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosines_are_those_of_the_transform() {
        for (u, cosines) in COSINES.iter().enumerate() {
            for (x, &cosine) in cosines.iter().enumerate() {
                let angle = (2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0;
                let scale = if u == 0 { 0.125_f64.sqrt() } else { 0.5 };
                let exact = scale * angle.cos() * f64::from(1 << COSINE_BITS);
                assert!((exact - cosine as f64).abs() <= 0.5001, "{u} {x}: {exact} {cosine}");
            }
        }
    }

    #[test]
    fn weights_and_their_sums_stay_in_their_bounds() {
        for length in (5..1500).chain([4000, 4001, 8192, 65_535]) {
            let axis = Axis::new(length);
            for sample in &axis.samples {
                assert!(sample.first_block + sample.weights.len() <= axis.blocks(), "{length}");
                for frequency in 0..BLOCK_SIDE {
                    let sum: i64 =
                        sample.weights.iter().map(|weights| i64::from(weights[frequency]).abs()).sum();
                    assert!(sum * i64::from(COEFFICIENT_LIMIT) < 1 << 31, "{length}");
                }
            }
        }
    }

    /// A picture of one brightness, and one of blocks of two: the tile is the filter of the pixels.
    #[test]
    fn flat_blocks_give_their_means() {
        let kept = Kept::SIX;
        for (width, height) in [(64, 64), (100, 37), (640, 480), (1999, 1201)] {
            let (columns, rows) = (Axis::new(width), Rc::new(Axis::new(height)));
            let mut steps = [1; BLOCK];
            steps[0] = 8;
            let mut projection = Projection::new(&columns, &rows, kept, &steps);
            let mut reducer = crate::pdq::Reducer::new(
                width as u32,
                height as u32,
                crate::pdq::PixelLayout::Luma,
                crate::pdq::Geometry::Full,
            )
            .unwrap();
            let level = |row: usize, block: usize| ((row * 7 + block * 13) % 200) as i16 - 100;
            for row in 0..rows.blocks() {
                let mut blocks = vec![0; columns.blocks() * kept.stride()];
                for (block, coefficients) in blocks.chunks_exact_mut(kept.stride()).enumerate() {
                    coefficients[0] = level(row, block);
                    *coefficients.last_mut().unwrap() = 1234;
                }
                projection.fold(row, &blocks);
                let pixels: Vec<u8> = (0..width).map(|x| (128 + level(row, x / 8)) as u8).collect();
                for _ in 8 * row..(8 * row + 8).min(height) {
                    reducer.push_rows(&pixels);
                }
            }
            let (ours, theirs) = (projection.finish(), reducer.finish().unwrap());
            for (ours, theirs) in ours.0.iter().zip(theirs.0) {
                assert!(ours.abs_diff(theirs) < 1 << (TILE_FRACTION_BITS - 7), "{ours} {theirs}");
            }
        }
    }
}
