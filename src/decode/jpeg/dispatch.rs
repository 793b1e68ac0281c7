//! The loops that all the time goes to, compiled for the instructions that they want.
//!
//! Every symbol shifts by a number that the one before gave. Processors of the last ten years have an instruction for it that does
//! nothing else (BMI2), and one that loads bits in the order of the file (MOVBE); they are used where they are. Folding
//! is sums of products, eight at a time with AVX2; whole numbers make the result the same on all.

#![allow(unsafe_code, reason = "instructions chosen at run time; listed in CONTRIBUTING")]

use super::gather::{self, Run};
use super::projection::Projection;
use super::rows::{Block, Rows};
use super::samples::{self, Samples, Steps, Transformed};
use super::spots::{Colours, Lines, UNIT_SIDE};
use super::steps::{Numbers, Step};
use super::strands::{Data, Ends, Piece, Unit};
use super::zigzag::{BLOCK, Kept};

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

/// What [`walk_bmi2`] and [`gather_bmi2`] want.
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

/// [`Colours::luminances`] on this machine's best instructions.
pub(super) fn luminances(colours: Colours, lines: &Lines, luminances: &mut [u32; UNIT_SIDE]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was just seen.
        return unsafe { luminances_avx2(colours, lines, luminances) };
    }
    colours.luminances(lines, luminances);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn luminances_avx2(colours: Colours, lines: &Lines, luminances: &mut [u32; UNIT_SIDE]) {
    colours.luminances(lines, luminances);
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
