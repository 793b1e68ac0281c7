//! The loops that all the time goes to, compiled for the instructions that they want.
//!
//! Every symbol shifts by a number that the one before gave. Processors of the last ten years have an instruction for it that does
//! nothing else (BMI2), and one that loads bits in the order of the file (MOVBE); they are used where they are. Folding
//! is sums of products, eight at a time with AVX2; whole numbers make the result the same on all.

#![allow(unsafe_code, reason = "instructions chosen at run time; listed in CONTRIBUTING")]

use super::bits::Source;
use super::gamut;
use super::gather::{self, Run};
use super::progressive::{self, Plane};
use super::projection::Projection;
use super::rows::{Block, Rows};
use super::samples::{self, Samples, Steps, Transformed};
use super::scan::{Grid, Scan};
use super::spots::Pixels;
use super::steps::{Numbers, Step};
use super::strands::{Data, Ends, Piece, Unit};
use super::tables::Tables;
use super::zigzag::{BLOCK, Kept};
use crate::decode::PixelsWanted;

/// [`Unit::walk`] on this machine's best instructions.
pub(super) fn walk<S: Step, const SIZE: usize>(
    unit: &Unit<'_, S, SIZE>,
    data: &Data,
    pieces: &mut [Piece],
    ends: &mut Ends,
    numbers: &mut Numbers,
) {
    #[cfg(target_arch = "x86_64")]
    if has_bit_instructions() {
        // SAFETY: the features were just seen.
        return unsafe { walk_bmi2(unit, data, pieces, ends, numbers) };
    }
    unit.walk(data, pieces, ends, numbers);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,movbe")]
fn walk_bmi2<S: Step, const SIZE: usize>(
    unit: &Unit<'_, S, SIZE>,
    data: &Data,
    pieces: &mut [Piece],
    ends: &mut Ends,
    numbers: &mut Numbers,
) {
    unit.walk(data, pieces, ends, numbers);
}

/// [`gather::gather`] on this machine's best instructions.
pub(super) fn gather(
    run: Run<'_>,
    data: &Data,
    told: &Numbers,
    blocks: &[Block<'_>],
    rows: &mut [Rows],
    predictors: &mut [i32; 4],
    kept: Kept,
) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    if has_bit_instructions() {
        // SAFETY: the features were just seen.
        return unsafe { gather_bmi2(run, data, told, blocks, rows, predictors, kept) };
    }
    gather::gather(run, data, told, blocks, rows, predictors, kept)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,movbe")]
fn gather_bmi2(
    run: Run<'_>,
    data: &Data,
    told: &Numbers,
    blocks: &[Block<'_>],
    rows: &mut [Rows],
    predictors: &mut [i32; 4],
    kept: Kept,
) -> Option<()> {
    gather::gather(run, data, told, blocks, rows, predictors, kept)
}

/// [`gather::passed_means`] on this machine's best instructions.
pub(super) fn passed_means(
    run: Run<'_>,
    data: &Data,
    blocks: &[Block<'_>],
    predictors: &mut [i32; 4],
    means: &mut Vec<i16>,
) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    if has_bit_instructions() {
        // SAFETY: the features were just seen.
        return unsafe { passed_means_bmi2(run, data, blocks, predictors, means) };
    }
    gather::passed_means(run, data, blocks, predictors, means)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,movbe")]
fn passed_means_bmi2(
    run: Run<'_>,
    data: &Data,
    blocks: &[Block<'_>],
    predictors: &mut [i32; 4],
    means: &mut Vec<i16>,
) -> Option<()> {
    gather::passed_means(run, data, blocks, predictors, means)
}

/// [`gather::whole_block`] on this machine's best instructions.
pub(super) fn whole_block(data: &Data, taken: u32, mean: i16, block: &Block<'_>) -> Option<[i16; BLOCK]> {
    #[cfg(target_arch = "x86_64")]
    if has_bit_instructions() {
        // SAFETY: the features were just seen.
        return unsafe { whole_block_bmi2(data, taken, mean, block) };
    }
    gather::whole_block(data, taken, mean, block)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,movbe")]
fn whole_block_bmi2(data: &Data, taken: u32, mean: i16, block: &Block<'_>) -> Option<[i16; BLOCK]> {
    gather::whole_block(data, taken, mean, block)
}

/// [`progressive::read_scan`] on this machine's best instructions.
pub(super) fn progressive(
    source: &mut Source<'_>,
    scan: &Scan,
    grid: &Grid,
    tables: &Tables,
    planes: &mut [Plane],
) -> Result<Option<()>, PixelsWanted> {
    #[cfg(target_arch = "x86_64")]
    if has_bit_instructions() {
        // SAFETY: the features were just seen.
        return unsafe { progressive_bmi2(source, scan, grid, tables, planes) };
    }
    progressive::read_scan(source, scan, grid, tables, planes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,movbe")]
fn progressive_bmi2(
    source: &mut Source<'_>,
    scan: &Scan,
    grid: &Grid,
    tables: &Tables,
    planes: &mut [Plane],
) -> Result<Option<()>, PixelsWanted> {
    progressive::read_scan(source, scan, grid, tables, planes)
}

/// What the functions for bits want.
#[cfg(target_arch = "x86_64")]
fn has_bit_instructions() -> bool {
    is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("movbe")
}

/// [`Projection::fold_on`] on this machine's best instructions.
pub(super) fn fold(projection: &mut Projection, number: usize, blocks: &[i16]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was just seen.
        return unsafe { fold_avx2(projection, number, blocks) };
    }
    projection.fold_on(number, blocks);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fold_avx2(projection: &mut Projection, number: usize, blocks: &[i16]) {
    projection.fold_on(number, blocks);
}

/// [`Samples::fold_with`] on this machine's best instructions.
pub(super) fn samples(samples: &mut Samples, blocks: &[i16]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was just seen.
        return unsafe { samples_avx2(samples, blocks) };
    }
    samples.fold_with(blocks, samples::samples_of);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn samples_avx2(samples: &mut Samples, blocks: &[i16]) {
    samples.fold_with(blocks, |block, steps| super::samples_avx2::samples_of::<0>(block, steps));
}

/// The samples of one block on this machine's best instructions.
pub(super) fn block_samples(block: &[i16; BLOCK], steps: &Steps) -> Transformed {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && samples::fit_vectors(steps) {
        // SAFETY: the feature was just seen.
        return unsafe { super::samples_avx2::samples_of::<1>(block, steps) };
    }
    samples::samples_of(block, steps)
}

/// [`Pixels::sum`] on this machine's best instructions.
pub(super) fn pixels_sum(pixels: &Pixels<'_>) -> u128 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was just seen.
        return unsafe { pixels_sum_avx2(pixels) };
    }
    pixels.sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn pixels_sum_avx2(pixels: &Pixels<'_>) -> u128 {
    pixels.sum()
}

/// [`gamut::squares`] on this machine's best instructions.
pub(super) fn gamut_squares(means: &[Vec<i32>; 3]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was just seen.
        return unsafe { gamut_squares_avx2(means) };
    }
    gamut::squares(means)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn gamut_squares_avx2(means: &[Vec<i32>; 3]) -> u64 {
    gamut::squares(means)
}

/// The vectors' twin of [`samples::samples_of`], for its test.
///
/// # Panics
/// Without AVX2.
#[cfg(all(test, target_arch = "x86_64"))]
pub(super) fn samples_of_avx2(block: &[i16; BLOCK], steps: &Steps) -> Transformed {
    assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: the feature was just seen.
    unsafe { super::samples_avx2::samples_of::<2>(block, steps) }
}
