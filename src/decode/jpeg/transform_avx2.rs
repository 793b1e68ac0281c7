//! [`super::transform::samples_of`] with vectors of 256 bits: the same numbers, two products and their sum at a time.
//!
//! A cosine of an even frequency is the same from both ends of a block, and of an odd one its negative. So along each axis the sums of even
//! and odd frequencies are computed for half of the samples, and their sum and difference are two samples.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_cmpeq_epi16, _mm256_madd_epi16, _mm256_max_epi16, _mm256_min_epi16,
    _mm256_movemask_epi8, _mm256_mulhi_epi16, _mm256_mullo_epi16, _mm256_or_si256, _mm256_packs_epi32,
    _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_shuffle_epi8,
    _mm256_shuffle_epi32, _mm256_srai_epi32, _mm256_sub_epi32, _mm256_unpackhi_epi16, _mm256_unpacklo_epi16,
};

use super::cosines::BLOCK_SIDE;
use super::transform::{FIRST_SHIFT, GREY, SECOND_SHIFT, Steps, Transformed, WEIGHTS, flat};
use super::zigzag::BLOCK;

/// Vectors of 16 bits in a block.
const VECTORS: usize = BLOCK / 16;
/// The pairs of frequencies in the order of [`super::zigzag::place`].
const PAIRS: [(usize, usize); VECTORS] = [(0, 2), (4, 6), (1, 3), (5, 7)];

/// Two weights for the two numbers of each pair.
const fn pair((first, second): (usize, usize), sample: usize) -> i32 {
    (WEIGHTS[second][sample] as u16 as u32 as i32) << 16 | WEIGHTS[first][sample] as u16 as i32
}

/// For each of the first four rows, and pair of vertical frequencies, its weights, as often as a vector has pairs.
const DOWN: [[[i32; BLOCK_SIDE]; VECTORS]; BLOCK_SIDE / 2] = {
    let mut down = [[[0; BLOCK_SIDE]; VECTORS]; BLOCK_SIDE / 2];
    let mut y = 0;
    while y < down.len() {
        let mut number = 0;
        while number < VECTORS {
            down[y][number] = [pair(PAIRS[number], y); BLOCK_SIDE];
            number += 1;
        }
        y += 1;
    }
    down
};

/// For each pair of horizontal frequencies, the weights of the first four samples of a row, twice over.
const ACROSS: [[i32; BLOCK_SIDE]; VECTORS] = {
    let mut across = [[0; BLOCK_SIDE]; VECTORS];
    let mut number = 0;
    while number < VECTORS {
        let mut x = 0;
        while x < BLOCK_SIDE {
            across[number][x] = pair(PAIRS[number], x % 4);
            x += 1;
        }
        number += 1;
    }
    across
};

/// Puts samples 7, 6, 5 and 4 behind 0 to 3 the other way round, in each eight bytes.
const IN_ORDER: [u8; 32] = {
    let mut order = [0; 32];
    let mut byte = 0;
    while byte < 32 {
        let x = byte % 8;
        order[byte] = (byte % 16 - x + if x < 4 { x } else { 11 - x }) as u8;
        byte += 1;
    }
    order
};

/// See [`super::transform::samples_of`]; for steps of 15 bits at most. Each `User` gets its own inlined instance: calls would cost the
/// loop over a row of blocks a tenth.
#[target_feature(enable = "avx2")]
#[inline]
#[expect(clippy::extra_unused_type_parameters, reason = "it makes instances, one for each user")]
pub(super) fn samples_of<User>(block: &[i16; BLOCK], steps: &Steps) -> Transformed {
    if block[1..].iter().fold(0, |any, number| any | number) == 0 {
        return flat(block[0], steps[0]);
    }
    // Coefficients times their steps, saturated to 16 bits.
    let value = |number: usize| -> __m256i {
        let block: __m256i = bytemuck::cast(block.as_chunks::<16>().0[number]);
        let steps: __m256i = bytemuck::cast(steps.as_chunks::<16>().0[number]);
        let (low, high) = (_mm256_mullo_epi16(block, steps), _mm256_mulhi_epi16(block, steps));
        _mm256_packs_epi32(_mm256_unpacklo_epi16(low, high), _mm256_unpackhi_epi16(low, high))
    };
    let values = [value(0), value(1), value(2), value(3)];
    // Down each column of frequencies.
    let half = _mm256_set1_epi32(1 << (FIRST_SHIFT - 1));
    let down = |y: usize| {
        let part = |number: usize| _mm256_madd_epi16(values[number], bytemuck::cast(DOWN[y][number]));
        let even = _mm256_add_epi32(_mm256_add_epi32(part(0), half), part(1));
        let odd = _mm256_add_epi32(part(2), part(3));
        let near = _mm256_srai_epi32::<{ FIRST_SHIFT as i32 }>(_mm256_add_epi32(even, odd));
        let far = _mm256_srai_epi32::<{ FIRST_SHIFT as i32 }>(_mm256_sub_epi32(even, odd));
        // Packing works on halves. Then row y is in the lower half, row 7 − y in the upper.
        _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(near, far))
    };
    let half_transformed = [down(0), down(1), down(2), down(3)];
    let [first, second, third, fourth] = half_transformed;
    let largest = _mm256_max_epi16(_mm256_max_epi16(first, second), _mm256_max_epi16(third, fourth));
    let lowest = _mm256_min_epi16(_mm256_min_epi16(first, second), _mm256_min_epi16(third, fourth));
    let is = |numbers: __m256i, number: i16| _mm256_cmpeq_epi16(numbers, _mm256_set1_epi16(number));
    let is_beyond = _mm256_movemask_epi8(_mm256_or_si256(is(largest, i16::MAX), is(lowest, i16::MIN))) != 0;
    // Across two rows, y in the lower half and 7 − y in the upper: 16-bit samples 0, 1, 2, 3, 7, 6, 5, 4.
    let grey = _mm256_set1_epi32(GREY);
    let across = |rows: __m256i| {
        let part = |pairs: __m256i, number: usize| _mm256_madd_epi16(pairs, bytemuck::cast(ACROSS[number]));
        let first = part(_mm256_shuffle_epi32::<0b00_00_00_00>(rows), 0);
        let second = part(_mm256_shuffle_epi32::<0b01_01_01_01>(rows), 1);
        let third = part(_mm256_shuffle_epi32::<0b10_10_10_10>(rows), 2);
        let fourth = part(_mm256_shuffle_epi32::<0b11_11_11_11>(rows), 3);
        let even = _mm256_add_epi32(_mm256_add_epi32(first, grey), second);
        let odd = _mm256_add_epi32(third, fourth);
        let near = _mm256_srai_epi32::<{ SECOND_SHIFT as i32 }>(_mm256_add_epi32(even, odd));
        let far = _mm256_srai_epi32::<{ SECOND_SHIFT as i32 }>(_mm256_sub_epi32(even, odd));
        _mm256_packs_epi32(near, far)
    };
    let two = |first: usize, second: usize| -> [[u8; BLOCK_SIDE]; 4] {
        let samples = _mm256_packus_epi16(across(half_transformed[first]), across(half_transformed[second]));
        bytemuck::cast(_mm256_shuffle_epi8(samples, bytemuck::cast(IN_ORDER)))
    };
    let ([row_0, row_1, row_7, row_6], [row_2, row_3, row_5, row_4]) = (two(0, 1), two(2, 3));
    ([row_0, row_1, row_2, row_3, row_4, row_5, row_6, row_7], is_beyond)
}
