//! The amount of gradient in a tile: PDQ's measure of whether its hash is meaningful.

use super::{TILE_FRACTION_BITS, TILE_SIDE, Tile};

/// 0…100. For each vertical and horizontal pair of neighbours, their difference as a whole percentage of 255,
/// `⌊|u − v| · 100 / 255⌋`; the quality is the sum of these divided by 90, at most 100.
#[must_use]
pub fn quality(tile: &Tile) -> u8 {
    // |u − v| ≤ 255 · 2¹⁶, so the product stays below 2³¹.
    let step = |a: u32, b: u32| a.abs_diff(b) * 100 / (255 << TILE_FRACTION_BITS);
    let mut sum = 0;
    for (index, &value) in tile.0.iter().enumerate() {
        if index % TILE_SIDE + 1 < TILE_SIDE {
            sum += step(value, tile.0[index + 1]);
        }
        if let Some(&below) = tile.0.get(index + TILE_SIDE) {
            sum += step(value, below);
        }
    }
    (sum / 90).min(100) as u8
}
