//! The cosine transform of a tile, in integers.
//!
//! `D[i][j] = √(2/64) · cos(π/128 · (i + 1)(2j + 1))`, `i < 16`, `j < 64`, and `C = D · tile · Dᵀ`. A hash is
//! decided by the order of the 256 values of `C` alone, so the positive factor is left out and the cosines
//! are whole numbers with [`COSINE_FRACTION_BITS`] fractional bits.

#![allow(unsafe_code, reason = "vector instructions chosen at run time; listed in CONTRIBUTING")]

use super::tile::{TILE_SIDE, Tile};

/// Rows and columns of the coefficients.
pub const COEFFICIENT_SIDE: usize = 16;
/// Fractional bits of the cosines.
pub const COSINE_FRACTION_BITS: u32 = 22;
/// Bits that are rounded off between the two passes.
pub const PASS_SHIFT: u32 = 21;

/// `round(cos(k π / 128) · 2²²)` for `k = 0…64`; a test compares it with floating point.
const QUARTER: [i32; 65] = [
    4194304, 4193041, 4189252, 4182939, 4174107, 4162761, 4148907, 4132554, 4113712, 4092391, 4068606,
    4042370, 4013699, 3982610, 3949122, 3913255, 3875032, 3834474, 3791606, 3746454, 3699046, 3649409,
    3597575, 3543573, 3487436, 3429199, 3368897, 3306565, 3242241, 3175964, 3107774, 3037712, 2965821,
    2892143, 2816722, 2739605, 2660838, 2580468, 2498544, 2415115, 2330230, 2243943, 2156303, 2067365,
    1977181, 1885807, 1793296, 1699705, 1605091, 1509509, 1413018, 1315677, 1217542, 1118674, 1019133,
    918977, 818268, 717066, 615432, 513428, 411114, 308552, 205805, 102933, 0,
];

/// `cos(k π / 128)` for any `k`, by symmetry.
const fn cosine(k: usize) -> i32 {
    let k = k % 256;
    match k {
        0..=64 => QUARTER[k],
        65..=128 => -QUARTER[128 - k],
        129..=192 => -QUARTER[k - 128],
        _ => QUARTER[256 - k],
    }
}

const TABLE: [i32; COEFFICIENT_SIDE * TILE_SIDE] = {
    let mut table = [0; COEFFICIENT_SIDE * TILE_SIDE];
    let mut index = 0;
    while index < table.len() {
        let (i, j) = (index / TILE_SIDE, index % TILE_SIDE);
        table[index] = cosine((i + 1) * (2 * j + 1));
        index += 1;
    }
    table
};

/// The cosines, row-major 16×64.
#[must_use]
pub const fn cosine_table() -> &'static [i32; COEFFICIENT_SIDE * TILE_SIDE] {
    &TABLE
}

/// The coefficients `C[i][j]` at index `16 i + j`, up to a positive factor.
///
/// The first sample is subtracted from all of them before the transform, which removes what the transform would cancel anyway (there is no
/// constant row) and keeps the sums small: a sample is then below 2²⁴, a sum of 64 of them times cosines below 2²⁴ · 2²² · 41 < 2⁵², which
/// after [`PASS_SHIFT`] fits in 31 bits; the second pass stays below 2³¹ · 2²² · 41 < 2⁵⁹. It runs on this machine's best instructions;
/// whole numbers make the result the same on all.
#[must_use]
pub fn coefficients(tile: &Tile) -> [i64; COEFFICIENT_SIDE * COEFFICIENT_SIDE] {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the features were just seen.
            return unsafe { coefficients_avx512(tile) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just seen.
            return unsafe { coefficients_avx2(tile) };
        }
    }
    coefficients_of(tile)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn coefficients_avx512(tile: &Tile) -> [i64; COEFFICIENT_SIDE * COEFFICIENT_SIDE] {
    coefficients_of(tile)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn coefficients_avx2(tile: &Tile) -> [i64; COEFFICIENT_SIDE * COEFFICIENT_SIDE] {
    coefficients_of(tile)
}

/// [`coefficients`] on the instructions it is compiled for.
#[inline(always)]
fn coefficients_of(tile: &Tile) -> [i64; COEFFICIENT_SIDE * COEFFICIENT_SIDE] {
    let first = tile.0[0] as i32;
    let mut half = [[0; TILE_SIDE]; COEFFICIENT_SIDE];
    for (cosines, half) in TABLE.chunks_exact(TILE_SIDE).zip(&mut half) {
        let mut sums = [0; TILE_SIDE];
        for (row, &cosine) in tile.0.chunks_exact(TILE_SIDE).zip(cosines) {
            for (sum, &sample) in sums.iter_mut().zip(row) {
                *sum += i64::from(sample as i32 - first) * i64::from(cosine);
            }
        }
        *half = sums.map(|sum| ((sum + (1 << (PASS_SHIFT - 1))) >> PASS_SHIFT) as i32);
    }
    let mut coefficients = [0; COEFFICIENT_SIDE * COEFFICIENT_SIDE];
    for (coefficients, half) in coefficients.chunks_exact_mut(COEFFICIENT_SIDE).zip(&half) {
        for (coefficient, cosines) in coefficients.iter_mut().zip(TABLE.chunks_exact(TILE_SIDE)) {
            *coefficient = half.iter().zip(cosines).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
        }
    }
    coefficients
}
