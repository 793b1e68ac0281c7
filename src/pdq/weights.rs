//! The reference's two box passes and its sampling, as one row of integer weights a sample.
//!
//! Per dimension of `n` pixels the reference runs a mean over a window of `w = ⌈n / 128⌉` pixels twice,
//! each window clipped at the borders and divided by the count inside, and then takes one pixel at
//! `⌊(i + ½) n / 64⌋` for `i = 0…63`. Both passes and the sampling are linear: sample `i` is a weighted
//! mean of the pixels round it. Where no window is clipped the weights are `1, 2 … w … 2, 1` over `w²`,
//! exactly. Where one is clipped they are sums of `1 / (a b)` for changing counts, which share no small
//! denominator: those are rounded to fixed point, their sum kept exact.

use std::ops::Range;
use std::sync::Arc;

use super::tile::TILE_SIDE;

/// Weights stay below this so that a byte times a weight is a 16-bit multiply-add on vector units.
const MAX_WEIGHT: u64 = (1 << 15) - 1;
/// A sample's weights together stay within this, so that their sum times a byte fits 32 bits.
const MAX_DENOMINATOR: u64 = (u32::MAX / 255) as u64;

/// One distinct sampling position of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// First pixel with a weight.
    pub start: usize,
    /// Weights of the pixels from `start` on, each at most 2¹⁵ − 1 and none zero at the ends. Most samples of a dimension share them.
    pub weights: Arc<[u16]>,
    /// Sum of the weights: what the weighted sum is to be divided by.
    pub denominator: u64,
    /// The tile's rows or columns that are this sample: more than one only where `n < 64`.
    pub cells: Range<usize>,
}

impl Sample {
    /// Its pixels within `length` pixels from `from` on, counted from there.
    #[must_use]
    pub fn within(&self, from: usize, length: usize) -> Range<usize> {
        let end = (self.start + self.weights.len()).min(from + length);
        self.start.max(from).saturating_sub(from)..end.saturating_sub(from)
    }

    /// The units of so many pixels each that hold its pixels.
    #[must_use]
    pub fn units(&self, pixels: usize) -> Range<usize> {
        self.start / pixels..(self.start + self.weights.len()).div_ceil(pixels)
    }
}

/// The samples of a dimension of `n` pixels, in order; `n` is at least 1.
#[must_use]
pub fn samples(n: usize) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::with_capacity(TILE_SIDE);
    let tent = tent(n.div_ceil(2 * TILE_SIDE));
    let mut previous = None;
    for cell in 0..TILE_SIDE {
        let centre = (2 * cell + 1) * n / (2 * TILE_SIDE);
        match samples.last_mut() {
            Some(last) if previous == Some(centre) => last.cells.end = cell + 1,
            _ => samples.push(sample(n, centre, cell, &tent)),
        }
        previous = Some(centre);
    }
    samples
}

/// The pixels that the reference's running mean at `position` covers.
fn window(n: usize, position: usize) -> Range<usize> {
    let width = n.div_ceil(2 * TILE_SIDE);
    let half = (width + 2) / 2;
    (position + half).saturating_sub(width)..(position + half).min(n)
}

fn sample(n: usize, centre: usize, cell: usize, tent: &Arc<[u16]>) -> Sample {
    let width = n.div_ceil(2 * TILE_SIDE);
    let outer = window(n, centre);
    // A window is only clipped at the borders, so the first and the last one decide.
    let (first, last) = (window(n, outer.start), window(n, outer.end - 1));
    let pixels = first.start..last.end;
    let unclipped = [&outer, &first, &last].iter().all(|window| window.len() == width);
    let weights = if unclipped { Arc::clone(tent) } else { fixed_point(n, pixels.clone(), &outer) };
    let denominator = weights.iter().map(|&weight| u64::from(weight)).sum();
    Sample { start: pixels.start, weights, denominator, cells: cell..cell + 1 }
}

/// Whole weights of two passes with a window of `width` pixels: how many of the inner windows cover each pixel.
fn tent(width: usize) -> Arc<[u16]> {
    // At most 512 for 65,535 pixels and MAX_WEIGHT for the largest side.
    (1..2 * width).map(|pixel| pixel.min(2 * width - pixel) as u16).collect()
}

/// Weights Σ 1 / (outer count · inner count), in fixed point with the largest scale that keeps them
/// within [`MAX_WEIGHT`] and [`MAX_DENOMINATOR`]; remainders are carried to the next pixel, so that the sum is exact.
fn fixed_point(n: usize, pixels: Range<usize>, outer: &Range<usize>) -> Arc<[u16]> {
    // Exact enough to round from: 2⁴⁸ over each inner count, the common outer count left out.
    let exact: Vec<u64> = pixels
        .map(|pixel| {
            let inner = outer.clone().map(|position| window(n, position));
            inner.filter(|window| window.contains(&pixel)).map(|window| (1 << 48) / window.len() as u64).sum()
        })
        .collect();
    let largest = exact.iter().copied().max().unwrap_or(1).max(1);
    let total: u128 = exact.iter().map(|&weight| u128::from(weight)).sum();
    let within_denominator = u128::from(MAX_DENOMINATOR) * u128::from(largest) / total.max(1);
    let scale = within_denominator.min(u128::from(MAX_WEIGHT - 1));
    let mut carried = 0;
    exact
        .into_iter()
        .map(|weight| {
            let scaled = u128::from(weight) * scale + carried;
            carried = scaled % u128::from(largest);
            (scaled / u128::from(largest)) as u16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_within_their_bounds() {
        for n in (1..=1030).chain([4095, 4097, 65_535, 65_537, 100_000, 1 << 19]) {
            let samples = samples(n);
            assert_eq!(samples.iter().map(|sample| sample.cells.len()).sum::<usize>(), TILE_SIDE, "{n}");
            for sample in samples {
                assert!(sample.start + sample.weights.len() <= n, "{n}");
                assert!(sample.denominator > 0 && sample.denominator <= MAX_DENOMINATOR, "{n}");
                assert!(sample.weights.iter().all(|&weight| u64::from(weight) <= MAX_WEIGHT), "{n}");
            }
        }
    }

    /// By definition: each window that covers a pixel counts once.
    #[test]
    fn a_tent_is_how_many_windows_cover_a_pixel() {
        for width in 1..=40 {
            let n = 2 * TILE_SIDE * width;
            let inner: Vec<_> = window(n, n / 2).map(|position| window(n, position)).collect();
            let covers = |pixel: usize| inner.iter().filter(|window| window.contains(&pixel)).count() as u16;
            let counted: Vec<u16> = (inner[0].start..inner[inner.len() - 1].end).map(covers).collect();
            assert_eq!(*tent(width), *counted, "{width}");
        }
    }

    #[test]
    fn a_window_inside_is_a_whole_tent() {
        // 640 pixels: windows of five, so weights 1, 2, 3, 4, 5, 4, 3, 2, 1 over 25.
        let sample = &samples(640)[32];
        assert_eq!(*sample.weights, [1, 2, 3, 4, 5, 4, 3, 2, 1]);
        assert_eq!(sample.denominator, 25);
    }
}
