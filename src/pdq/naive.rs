//! PDQ straight from its definition, in double precision: four passes over the whole picture, then the
//! transform term by term. Never optimised, and only used by tests, which compare everything else with it.

use super::{MIN_SIDE, PdqHash, TILE_SIDE};

/// The result by the definition, with the margins that decide it.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The hash.
    pub hash: PdqHash,
    /// 0…100.
    pub quality: u8,
    /// 64×64, row-major, luminance 0…255.
    pub tile: Vec<f64>,
    /// Distance between the 128th and the 129th smallest coefficient. If it is tiny, the hash depends on
    /// rounding in any implementation.
    pub gap: f64,
    /// Minimum distance of any neighbours' difference from a step of the quality.
    pub quality_margin: f64,
}

/// Hashes a picture of `width`×`height` whose `pixel(x, y)` gives red, green and blue. `None` where a side is
/// under five pixels.
#[must_use]
pub fn definition(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Option<Definition> {
    if width.min(height) < MIN_SIDE {
        return None;
    }
    let mut rows: Vec<Vec<f64>> = (0..height)
        .map(|y| {
            let luminance = |[red, green, blue]: [u8; 3]| {
                0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue)
            };
            (0..width).map(|x| luminance(pixel(x, y))).collect()
        })
        .collect();
    for row in &mut rows {
        *row = running_mean(&running_mean(row));
    }
    for x in 0..width as usize {
        let column: Vec<f64> = rows.iter().map(|row| row[x]).collect();
        for (row, value) in rows.iter_mut().zip(running_mean(&running_mean(&column))) {
            row[x] = value;
        }
    }
    let sample = |index: usize, n: u32| (2 * index + 1) * n as usize / (2 * TILE_SIDE);
    let mut tile = Vec::with_capacity(TILE_SIDE * TILE_SIDE);
    for i in 0..TILE_SIDE {
        tile.extend((0..TILE_SIDE).map(|j| rows[sample(i, height)][sample(j, width)]));
    }
    let coefficients = coefficients(&tile);
    let mut order = coefficients.clone();
    order.sort_unstable_by(f64::total_cmp);
    let (median, next) = (order[127], order[128]);
    let mut words = [0; 4];
    for (index, &coefficient) in coefficients.iter().enumerate() {
        words[index / 64] |= u64::from(coefficient > median) << (index % 64);
    }
    let (quality, quality_margin) = quality(&tile);
    Some(Definition { hash: PdqHash(words), quality, tile, gap: next - median, quality_margin })
}

/// The mean over inputs `o − (w − h) … o + h − 1` for every `o`, clipped at the borders and divided by the
/// count inside; `w = ⌈n / 128⌉`, `h = ⌊(w + 2) / 2⌋`.
fn running_mean(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let w = n.div_ceil(128);
    let h = (w + 2) / 2;
    (0..n)
        .map(|o| {
            let window = &values[(o + h).saturating_sub(w)..(o + h).min(n)];
            window.iter().sum::<f64>() / window.len() as f64
        })
        .collect()
}

/// `C = D · tile · Dᵀ`, 16×16, with `D[i][j] = √(2/64) · cos(π/128 · (i + 1)(2j + 1))`.
fn coefficients(tile: &[f64]) -> Vec<f64> {
    let d = |i: usize, j: usize| {
        let angle = std::f64::consts::PI / 128.0 * ((i + 1) * (2 * j + 1)) as f64;
        (2.0_f64 / 64.0).sqrt() * angle.cos()
    };
    let mut half = vec![0.0; 16 * TILE_SIDE];
    for i in 0..16 {
        for x in 0..TILE_SIDE {
            half[i * TILE_SIDE + x] = (0..TILE_SIDE).map(|y| d(i, y) * tile[y * TILE_SIDE + x]).sum();
        }
    }
    let mut coefficients = vec![0.0; 256];
    for i in 0..16 {
        for j in 0..16 {
            coefficients[16 * i + j] = (0..TILE_SIDE).map(|x| half[i * TILE_SIDE + x] * d(j, x)).sum();
        }
    }
    coefficients
}

/// The quality, and the distance of the nearest difference from a step.
fn quality(tile: &[f64]) -> (u8, f64) {
    let mut sum = 0.0;
    let mut margin: f64 = 1.0;
    for y in 0..TILE_SIDE {
        for x in 0..TILE_SIDE {
            let here = tile[y * TILE_SIDE + x];
            let right = (x + 1 < TILE_SIDE).then(|| tile[y * TILE_SIDE + x + 1]);
            let below = (y + 1 < TILE_SIDE).then(|| tile[(y + 1) * TILE_SIDE + x]);
            for other in right.into_iter().chain(below) {
                let step = ((here - other) * 100.0 / 255.0).abs();
                sum += step.trunc();
                if step > 0.5 {
                    margin = margin.min((step - step.round()).abs());
                }
            }
        }
    }
    ((sum / 90.0).floor().min(100.0) as u8, margin)
}
