//! The loops that all the time goes to, compiled for the instructions that they want.
//!
//! Every symbol shifts by a number that the one before gave, so these shifts are the longest chain of the whole program. Processors
//! of the last ten years have an instruction for it that does nothing else (BMI2); it is used where it is. Folding
//! is sums of products, eight at a time with AVX2; whole numbers make the result the same on all.

#![allow(unsafe_code, reason = "instructions chosen at run time; listed in CONTRIBUTING")]

use super::baseline::{self, Block, Rows};
use super::bits::BitReader;
use super::projection::Projection;
use super::samples::{self, Samples};
use super::scan::Restarts;
use super::zigzag::Kept;

/// [`baseline::read_row`] on this machine's best instructions.
pub(super) fn read_row<'s, 'a>(
    reader: BitReader<'s, 'a>,
    units: usize,
    blocks: &[Block<'_>],
    rows: &mut [Rows],
    restarts: &mut Restarts,
    predictors: &mut [i32; 4],
    kept: Kept,
) -> Option<BitReader<'s, 'a>> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("bmi1") {
        // SAFETY: the features were just seen.
        return unsafe { read_row_bmi2(reader, units, blocks, rows, restarts, predictors, kept) };
    }
    baseline::read_row(reader, units, blocks, rows, restarts, predictors, kept)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn read_row_bmi2<'s, 'a>(
    reader: BitReader<'s, 'a>,
    units: usize,
    blocks: &[Block<'_>],
    rows: &mut [Rows],
    restarts: &mut Restarts,
    predictors: &mut [i32; 4],
    kept: Kept,
) -> Option<BitReader<'s, 'a>> {
    baseline::read_row(reader, units, blocks, rows, restarts, predictors, kept)
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
    samples.fold_with(blocks, |block, steps| super::samples_avx2::samples_of(block, steps));
}

/// The vectors' twin of [`samples::samples_of`], for its test.
///
/// # Panics
/// Without AVX2.
#[cfg(all(test, target_arch = "x86_64"))]
pub(super) fn samples_of_avx2(
    block: &[i16; super::zigzag::BLOCK],
    steps: &samples::Steps,
) -> samples::BlockSamples {
    assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: the feature was just seen.
    unsafe { super::samples_avx2::samples_of(block, steps) }
}
