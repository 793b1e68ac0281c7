//! From a block's coefficients to its samples.
//!
//! `sample(y, x) = 128 + Σ F[v][u] · c_v(y) · c_u(x)`, first down, then across, in whole numbers: the same on every machine. The cosines are
//! taken √8-fold, so that those of frequencies 0 and 4 are 1 and −1 and exact: a sample just between two levels is rounded up as in other
//! decoders, regardless of approximation errors.

use super::cosines::{BLOCK_SIDE, COSINE_BITS, COSINES};
use super::zigzag::{BLOCK, FREQUENCIES, place};

/// Fractional bits of [`WEIGHTS`].
const WEIGHT_BITS: u32 = 12;
/// Fractional bits between the two passes. Half-transformed samples, √8-fold, of 8-bit pictures lie within ±1,330 where nothing
/// overshoots, so that they fit 16 bits. Larger ones are hostile, and are [left to the pixel decoder](super::samples::Samples::is_beyond).
const BETWEEN_BITS: u32 = 4;
/// Bits that the first pass is rounded by, and the second, which also divides by √8 twice. The weights of one sample sum to at most
/// 7.5, so all sums stay within 32 bits.
pub(super) const FIRST_SHIFT: u32 = WEIGHT_BITS - BETWEEN_BITS;
pub(super) const SECOND_SHIFT: u32 = WEIGHT_BITS + BETWEEN_BITS + 3;
/// What is added before the second is rounded: mid-grey and a half.
pub(super) const GREY: i32 = (128 << SECOND_SHIFT) + (1 << (SECOND_SHIFT - 1));

/// `√8 · c_u(x)` times 2¹², by frequency and sample.
pub(super) const WEIGHTS: [[i16; BLOCK_SIDE]; BLOCK_SIDE] = {
    // √8 with 29 fractional bits.
    const ROOT: i64 = 1_518_500_250;
    let mut weights = [[0; BLOCK_SIDE]; BLOCK_SIDE];
    let shift = COSINE_BITS + 29 - WEIGHT_BITS;
    let mut u = 0;
    while u < BLOCK_SIDE {
        let mut x = 0;
        while x < BLOCK_SIDE {
            weights[u][x] = ((COSINES[u][x] * ROOT + (1 << (shift - 1))) >> shift) as i16;
            x += 1;
        }
        u += 1;
    }
    weights
};

/// Quantisation steps, each at its [`place`].
pub(super) type Steps = [u16; BLOCK];
/// The samples of a block, row by row.
pub(super) type BlockSamples = [[u8; BLOCK_SIDE]; BLOCK_SIDE];

/// Steps in the order of the file, each at its [`place`].
pub(super) fn placed_steps(steps: &[u16; BLOCK]) -> Steps {
    let mut placed = [0; BLOCK];
    for (&step, (vertical, horizontal)) in steps.iter().zip(FREQUENCIES) {
        placed[place(vertical.into(), horizontal.into())] = step;
    }
    placed
}

/// Whether the vectors can hold them: no encoder writes larger ones.
pub(super) fn fit_vectors(steps: &Steps) -> bool {
    steps.iter().all(|&step| i16::try_from(step).is_ok())
}

/// The samples of a block, and whether half-transformed ones did not fit 16 bits.
pub(super) type Transformed = (BlockSamples, bool);

/// Within 16 bits.
fn saturated(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

/// The samples of a block that has nothing but a mean, as in the general case.
pub(super) fn flat(mean: i16, step: u16) -> Transformed {
    let weight = i32::from(WEIGHTS[0][0]);
    let between =
        (saturated(i32::from(mean) * i32::from(step)) * weight + (1 << (FIRST_SHIFT - 1))) >> FIRST_SHIFT;
    let sample = (saturated(between) * weight + GREY) >> SECOND_SHIFT;
    ([[sample.clamp(0, 255) as u8; BLOCK_SIDE]; BLOCK_SIDE], is_beyond(between))
}

/// Whether a half-transformed sample does not fit 16 bits, or only just.
const fn is_beyond(between: i32) -> bool {
    between >= i16::MAX as i32 || between <= i16::MIN as i32
}

/// The samples of a block, by its definition; the twin with vectors is in [`super::transform_avx2`].
pub(super) fn samples_of(block: &[i16; BLOCK], steps: &Steps) -> Transformed {
    if block[1..].iter().all(|&number| number == 0) {
        return flat(block[0], steps[0]);
    }
    let value = |v: usize, u: usize| {
        let place = place(v, u);
        saturated(i32::from(block[place]) * i32::from(steps[place]))
    };
    let mut samples = [[0; BLOCK_SIDE]; BLOCK_SIDE];
    let mut between = [[0; BLOCK_SIDE]; BLOCK_SIDE];
    let mut beyond = false;
    for u in 0..BLOCK_SIDE {
        let column: [i32; BLOCK_SIDE] = std::array::from_fn(|v| value(v, u));
        for (y, between) in between.iter_mut().enumerate() {
            let products = column.iter().zip(&WEIGHTS).map(|(&value, weights)| value * i32::from(weights[y]));
            between[u] = saturated((products.sum::<i32>() + (1 << (FIRST_SHIFT - 1))) >> FIRST_SHIFT);
            beyond |= is_beyond(between[u]);
        }
    }
    for (samples, between) in samples.iter_mut().zip(&between) {
        for (x, sample) in samples.iter_mut().enumerate() {
            let products =
                between.iter().zip(&WEIGHTS).map(|(&value, weights)| value * i32::from(weights[x]));
            *sample = ((products.sum::<i32>() + GREY) >> SECOND_SHIFT).clamp(0, 255) as u8;
        }
    }
    (samples, beyond)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::super::dispatch;
    use super::*;

    /// Blocks of every kind, hostile ones too, with steps.
    fn blocks(mut visit: impl FnMut(&[i16; BLOCK], &Steps)) {
        let mut random = StdRng::seed_from_u64(5);
        for (largest, step) in [(2, 1), (30, 16), (200, 10), (1023, 1), (4095, 255), (4095, 32_767)] {
            for count in [0, 1, 2, 5, 20, BLOCK] {
                for _ in 0..50 {
                    let steps = std::array::from_fn(|_| random.random_range(1..=step));
                    let mut block = [0; BLOCK];
                    block[0] = random.random_range(-largest..=largest);
                    for _ in 0..count {
                        block[random.random_range(0..BLOCK)] = random.random_range(-largest..=largest);
                    }
                    visit(&block, &steps);
                }
            }
        }
    }

    /// The transform as the standard writes it, in floating point.
    fn exact(block: &[i16; BLOCK], steps: &Steps) -> [[f64; BLOCK_SIDE]; BLOCK_SIDE] {
        let cosine = |u: usize, x: usize| {
            let scale = if u == 0 { 0.125_f64.sqrt() } else { 0.5 };
            scale * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|y| {
            std::array::from_fn(|x| {
                let mut sum = 128.0;
                for (v, u) in FREQUENCIES.map(|(v, u)| (usize::from(v), usize::from(u))) {
                    let value = f64::from(block[place(v, u)]) * f64::from(steps[place(v, u)]);
                    sum += value * cosine(v, y) * cosine(u, x);
                }
                sum
            })
        })
    }

    /// Halves are rounded up, whichever of the frequencies that allow for one they come of.
    #[test]
    fn a_sample_just_between_two_levels_is_rounded_up() {
        for mean in -1030..1030_i16 {
            let expected = (128 + (i32::from(mean) + 4).div_euclid(8)).clamp(0, 255) as u8;
            let mut block = [0; BLOCK];
            block[0] = mean;
            let steps = [1; BLOCK];
            assert_eq!(dispatch::block_samples(&block, &steps), samples_of(&block, &steps));
            assert_eq!(samples_of(&block, &steps).0[3][5], expected, "{mean}");
            // The same level in one place, and a block that is not flat.
            (block[0], block[place(0, 4)]) = (mean - 8, 8);
            assert_eq!(dispatch::block_samples(&block, &steps).0[0][0], expected, "{mean}");
            assert_eq!(samples_of(&block, &steps).0[0][0], expected, "{mean}");
        }
    }

    #[test]
    fn samples_are_those_of_the_transform() {
        blocks(|block, steps| {
            // No 8-bit picture has coefficients beyond this.
            let within = |(&number, &step): (&i16, &u16)| i32::from(number).abs() * i32::from(step) <= 1024;
            if !block.iter().zip(steps).all(within) || block.iter().filter(|&&number| number != 0).count() > 6
            {
                return;
            }
            let (samples, is_beyond) = samples_of(block, steps);
            if is_beyond {
                return;
            }
            for (ours, exact) in samples.iter().flatten().zip(exact(block, steps).iter().flatten()) {
                let error = (f64::from(*ours) - exact.clamp(0.0, 255.0)).abs();
                assert!(error < 0.57, "{ours} {exact}");
            }
        });
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_twin_with_vectors_gives_the_same() {
        if !is_x86_feature_detected!("avx2") {
            crate::skip::skip("no AVX2 here");
            return;
        }
        let mut flat = 0;
        blocks(|block, steps| {
            assert_eq!(dispatch::block_samples(block, steps), samples_of(block, steps));
            flat += usize::from(block[1..].iter().all(|&number| number == 0));
        });
        assert!(flat > 100);
    }
}
