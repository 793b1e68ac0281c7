//! The reference's two box passes and its sampling, as one row of integer weights a sample.
//!
//! Per dimension of `n` pixels the reference runs a mean over a window of `w = ⌈n / 128⌉` pixels twice,
//! each window clipped at the borders and divided by the count inside, and then takes one pixel at
//! `⌊(i + ½) n / 64⌋` for `i = 0…63`. Both passes and the sampling are linear: sample `i` is a weighted
//! mean of the pixels round it. Where no window is clipped the weights are `1, 2 … w … 2, 1` over `w²`,
//! exactly. Where one is clipped they are sums of `1 / (a b)` for changing counts, which share no small
//! denominator: those are rounded to fixed point, their sum kept exact.

use std::ops::Range;

use super::filter::TILE_SIDE;

/// Weights stay below this so that a byte times a weight is a 16-bit multiply-add on vector units.
const MAX_WEIGHT: u64 = (1 << 15) - 1;
/// A sample's weights together stay within this, so that their sum times a byte fits 32 bits.
const MAX_DENOMINATOR: u64 = (u32::MAX / 255) as u64;

/// One distinct sampling position of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// First pixel with a weight.
    pub start: usize,
    /// Weights of the pixels from `start` on, each at most 2¹⁵ − 1 and none zero at the ends.
    pub weights: Vec<u16>,
    /// Sum of the weights: what the weighted sum is to be divided by.
    pub denominator: u64,
    /// The tile's rows or columns that are this sample: more than one only where `n < 64`.
    pub cells: Range<usize>,
}

/// The samples of a dimension of `n` pixels, in order; `n` is at least 1.
#[must_use]
pub fn samples(n: usize) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::with_capacity(TILE_SIDE);
    let mut previous = None;
    for cell in 0..TILE_SIDE {
        let centre = (2 * cell + 1) * n / (2 * TILE_SIDE);
        match samples.last_mut() {
            Some(last) if previous == Some(centre) => last.cells.end = cell + 1,
            _ => samples.push(sample(n, centre, cell)),
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

fn sample(n: usize, centre: usize, cell: usize) -> Sample {
    let width = n.div_ceil(2 * TILE_SIDE);
    let outer = window(n, centre);
    let inner: Vec<Range<usize>> = outer.clone().map(|position| window(n, position)).collect();
    let start = inner.iter().map(|window| window.start).min().unwrap_or(centre);
    let end = inner.iter().map(|window| window.end).max().unwrap_or(centre + 1);
    let unclipped = outer.len() == width && inner.iter().all(|window| window.len() == width);
    let weights = if unclipped { tent(start..end, &inner) } else { fixed_point(start..end, &inner) };
    let denominator = weights.iter().map(|&weight| u64::from(weight)).sum();
    Sample { start, weights, denominator, cells: cell..cell + 1 }
}

/// Whole weights: how many of the inner windows cover each pixel.
fn tent(pixels: Range<usize>, inner: &[Range<usize>]) -> Vec<u16> {
    // At most the window's width, 512 for 65,535 pixels and MAX_WEIGHT for the largest side.
    pixels.map(|pixel| inner.iter().filter(|window| window.contains(&pixel)).count() as u16).collect()
}

/// Weights Σ 1 / (outer count · inner count), in fixed point with the largest scale that keeps them
/// within [`MAX_WEIGHT`] and [`MAX_DENOMINATOR`]; remainders are carried to the next pixel, so that the sum is exact.
fn fixed_point(pixels: Range<usize>, inner: &[Range<usize>]) -> Vec<u16> {
    // Exact enough to round from: 2⁴⁸ over each inner count, the common outer count left out.
    let exact: Vec<u64> = pixels
        .map(|pixel| {
            inner
                .iter()
                .filter(|window| window.contains(&pixel))
                .map(|window| (1 << 48) / window.len() as u64)
                .sum()
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

    #[test]
    fn a_window_inside_is_a_whole_tent() {
        // 640 pixels: windows of five, so weights 1, 2, 3, 4, 5, 4, 3, 2, 1 over 25.
        let sample = &samples(640)[32];
        assert_eq!(sample.weights, [1, 2, 3, 4, 5, 4, 3, 2, 1]);
        assert_eq!(sample.denominator, 25);
    }
}
