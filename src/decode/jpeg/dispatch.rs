//! The hot loops, compiled for the instructions that they need.
//!
//! Every symbol shifts by a number that the previous one determines. Processors of the last ten years have a dedicated instruction
//! for it (BMI2), and one that loads bits in the order of the file (MOVBE); they are used where available. Folding consists of
//! sums of products, eight at a time with AVX2; whole numbers make the result the same on all.

#![allow(unsafe_code, reason = "instructions chosen at run time; listed in CONTRIBUTING")]

use super::transform::{self, Steps, Transformed};
#[cfg(target_arch = "x86_64")]
use super::transform_avx2;
use super::zigzag::BLOCK;

/// Work that is worth its own instructions.
pub(super) trait Task {
    type Output;

    /// Runs it. It and its hot functions are marked `#[inline(always)]`: only code inlined into the caller is compiled for the caller's
    /// instructions.
    fn execute(self) -> Self::Output;
}

/// Executes a task that reads bits.
pub(super) fn with_bits<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("movbe")
    {
        // SAFETY: the features were just seen.
        return unsafe { with_bmi2(task) };
    }
    task.execute()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,movbe")]
fn with_bmi2<T: Task>(task: T) -> T::Output {
    task.execute()
}

/// Executes a task that processes many numbers alike.
pub(super) fn with_vectors<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was just seen.
        return unsafe { with_avx2(task) };
    }
    task.execute()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<T: Task>(task: T) -> T::Output {
    task.execute()
}

/// Work on the samples of blocks, done like a [`Task`].
pub(super) trait BlockTask {
    type Output;

    /// Runs it; `samples_of` computes the samples of a block.
    fn execute(self, samples_of: impl Fn(&[i16; BLOCK], &Steps) -> Transformed) -> Self::Output;
}

/// Executes a task on blocks whose coefficients are quantised by `steps`.
pub(super) fn with_samples<T: BlockTask>(steps: &Steps, task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && transform::fit_vectors(steps) {
        // SAFETY: the feature was just seen.
        return unsafe { with_samples_avx2(task) };
    }
    task.execute(transform::samples_of)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_samples_avx2<T: BlockTask>(task: T) -> T::Output {
    task.execute(|block, steps| transform_avx2::samples_of::<T>(block, steps))
}

/// The samples of one block.
pub(super) fn block_samples(block: &[i16; BLOCK], steps: &Steps) -> Transformed {
    with_samples(steps, OneBlock(block, steps))
}

struct OneBlock<'b>(&'b [i16; BLOCK], &'b Steps);

impl BlockTask for OneBlock<'_> {
    type Output = Transformed;

    #[inline(always)]
    fn execute(self, samples_of: impl Fn(&[i16; BLOCK], &Steps) -> Transformed) -> Transformed {
        samples_of(self.0, self.1)
    }
}
