//! [`super::samples::samples_of`] with vectors of 256 bits: the same numbers, two products and their sum at a time.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_unpackhi_epi16, _mm_unpacklo_epi16, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_cvtepi16_epi32, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_mullo_epi32,
    _mm256_packs_epi32, _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_set_m128i, _mm256_set1_epi32,
    _mm256_shuffle_epi32, _mm256_srai_epi32, _mm256_sub_epi32,
};

use super::projection::BLOCK_SIDE;
use super::samples::{BlockSamples, FIRST_SHIFT, GREY, SECOND_SHIFT, Steps, WEIGHTS};
use super::zigzag::BLOCK;

/// Two weights for the two numbers of each pair.
const fn pair(first: i16, second: i16) -> i32 {
    (second as u16 as u32 as i32) << 16 | first as u16 as i32
}

/// For each of the first four rows, the weights of the vertical frequencies (0, 2), (4, 6), (1, 3) and (5, 7).
const DOWN: [[i32; 4]; BLOCK_SIDE / 2] = {
    let mut down = [[0; 4]; BLOCK_SIDE / 2];
    let mut y = 0;
    while y < down.len() {
        down[y] = [
            pair(WEIGHTS[0][y], WEIGHTS[2][y]),
            pair(WEIGHTS[4][y], WEIGHTS[6][y]),
            pair(WEIGHTS[1][y], WEIGHTS[3][y]),
            pair(WEIGHTS[5][y], WEIGHTS[7][y]),
        ];
        y += 1;
    }
    down
};

/// For each pair of horizontal frequencies (0, 1), (2, 3), (4, 5) and (6, 7), the weights of four samples of a row, twice over: of the
/// first four, and of the last four.
const ACROSS: [[[i32; BLOCK_SIDE]; 2]; 4] = {
    let mut across = [[[0; BLOCK_SIDE]; 2]; 4];
    let mut u = 0;
    while u < across.len() {
        let mut x = 0;
        while x < BLOCK_SIDE {
            let weights = pair(WEIGHTS[2 * u][x], WEIGHTS[2 * u + 1][x]);
            across[u][x / 4][x % 4] = weights;
            across[u][x / 4][x % 4 + 4] = weights;
            x += 1;
        }
        u += 1;
    }
    across
};

/// See [`super::samples::samples_of`].
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn samples_of(block: &[i16; BLOCK], steps: &Steps) -> BlockSamples {
    if block[1..].iter().fold(0, |any, number| any | number) == 0 {
        return super::samples::flat(block[0], steps[0][0]);
    }
    let rows = block.as_chunks::<BLOCK_SIDE>().0;
    // Two rows of coefficients times their steps, saturated to 16 bits.
    let values = |first: usize, second: usize| -> [__m128i; 2] {
        let times = |v: usize| {
            _mm256_mullo_epi32(_mm256_cvtepi16_epi32(bytemuck::cast(rows[v])), bytemuck::cast(steps[v]))
        };
        // Packing works on halves: the two rows come out interleaved by fours.
        let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(times(first), times(second)));
        [_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both)]
    };
    let pairs = |first: usize, second: usize| {
        let [first, second] = values(first, second);
        _mm256_set_m128i(_mm_unpackhi_epi16(first, second), _mm_unpacklo_epi16(first, second))
    };
    let pairs = [pairs(0, 2), pairs(4, 6), pairs(1, 3), pairs(5, 7)];
    // Down each column of frequencies; a cosine of an even frequency is the same from both ends, of an odd one its negative.
    let half = _mm256_set1_epi32(1 << (FIRST_SHIFT - 1));
    let down = |y: usize| {
        let part = |number: usize| _mm256_madd_epi16(pairs[number], _mm256_set1_epi32(DOWN[y][number]));
        let even = _mm256_add_epi32(_mm256_add_epi32(part(0), half), part(1));
        let odd = _mm256_add_epi32(part(2), part(3));
        let sums = [_mm256_add_epi32(even, odd), _mm256_sub_epi32(even, odd)];
        let [near, far] = sums.map(|sum| _mm256_srai_epi32::<{ FIRST_SHIFT as i32 }>(sum));
        // Row y in the lower half, row 7 − y in the upper.
        _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(near, far))
    };
    // Across two rows, y in the lower half and 7 − y in the upper: 16-bit samples.
    let across = |rows: __m256i| {
        let pairs = [
            _mm256_shuffle_epi32::<0b00_00_00_00>(rows),
            _mm256_shuffle_epi32::<0b01_01_01_01>(rows),
            _mm256_shuffle_epi32::<0b10_10_10_10>(rows),
            _mm256_shuffle_epi32::<0b11_11_11_11>(rows),
        ];
        let four = |half: usize| {
            let mut sum = _mm256_set1_epi32(GREY);
            for (pair, weights) in pairs.into_iter().zip(&ACROSS) {
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pair, bytemuck::cast(weights[half])));
            }
            _mm256_srai_epi32::<{ SECOND_SHIFT as i32 }>(sum)
        };
        _mm256_packs_epi32(four(0), four(1))
    };
    let two = |first: usize, second: usize| -> [[u8; BLOCK_SIDE]; 4] {
        bytemuck::cast(_mm256_packus_epi16(across(down(first)), across(down(second))))
    };
    let ([row_0, row_1, row_7, row_6], [row_2, row_3, row_5, row_4]) = (two(0, 1), two(2, 3));
    [row_0, row_1, row_2, row_3, row_4, row_5, row_6, row_7]
}
