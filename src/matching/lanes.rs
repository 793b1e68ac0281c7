//! Vectors of 64-bit lanes, per instruction set, for the loops of range search.

#![allow(unsafe_code, reason = "vector instructions chosen at run time; listed in CONTRIBUTING")]

/// A vector of 64-bit lanes.
///
/// All methods must end up inlined in a function that is compiled with the features of the instruction set,
/// or each becomes a call; hence `inline(always)` on them and on everything in between, and no closures.
pub(super) trait Lanes: Copy {
    /// Lanes in a vector: a power of two, at most 8.
    const COUNT: usize;

    /// Every lane the same.
    ///
    /// # Safety
    /// This machine has the instruction set. The other methods rely on the existence of a value as proof.
    unsafe fn splat(value: u64) -> Self;

    /// Lanes from `words[at..at + COUNT]`.
    ///
    /// # Safety
    /// As for [`Lanes::splat`].
    unsafe fn load(words: &[u64], at: usize) -> Self;

    /// `self ^ other`.
    fn xor(self, other: Self) -> Self;

    /// `self | (left ^ right)`.
    fn or_xor(self, left: Self, right: Self) -> Self;

    /// Set bits of each lane.
    fn count_ones(self) -> Self;

    /// Sums, of lanes that are bit counts.
    fn add(self, other: Self) -> Self;

    /// The lower lanes, of lanes that are bit counts or [`NO_BOUND`].
    fn min(self, other: Self) -> Self;

    /// Whether some lane is at most `limit`, where lanes are bit counts or [`NO_BOUND`].
    fn any_at_most(self, limit: u32) -> bool;

    /// Bit `k` is set if lane `k` is at most `limit`, where lanes are bit counts.
    fn lanes_at_most(self, limit: u32) -> u32;
}

/// Above every distance, and in 16 bits: bit counts may be compared as narrower lanes.
pub(super) const NO_BOUND: u64 = 0x7fff;

/// Two words, which compilers turn into one vector of any 128-bit instruction set.
#[derive(Clone, Copy)]
pub(super) struct PortableLanes([u64; 2]);

impl Lanes for PortableLanes {
    const COUNT: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: u64) -> Self {
        Self([value; 2])
    }

    #[inline(always)]
    unsafe fn load(words: &[u64], at: usize) -> Self {
        Self([words[at], words[at + 1]])
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self([self.0[0] ^ other.0[0], self.0[1] ^ other.0[1]])
    }

    #[inline(always)]
    fn or_xor(self, left: Self, right: Self) -> Self {
        Self([self.0[0] | (left.0[0] ^ right.0[0]), self.0[1] | (left.0[1] ^ right.0[1])])
    }

    #[inline(always)]
    fn count_ones(self) -> Self {
        Self([u64::from(self.0[0].count_ones()), u64::from(self.0[1].count_ones())])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self([self.0[0] + other.0[0], self.0[1] + other.0[1]])
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self([self.0[0].min(other.0[0]), self.0[1].min(other.0[1])])
    }

    #[inline(always)]
    fn any_at_most(self, limit: u32) -> bool {
        self.0[0].min(self.0[1]) <= u64::from(limit)
    }

    #[inline(always)]
    fn lanes_at_most(self, limit: u32) -> u32 {
        u32::from(self.0[0] <= u64::from(limit)) | u32::from(self.0[1] <= u64::from(limit)) << 1
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2Lanes, Avx512Lanes};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    #[derive(Clone, Copy)]
    pub(in crate::matching) struct Avx512Lanes(__m512i);

    impl Lanes for Avx512Lanes {
        const COUNT: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: u64) -> Self {
            // SAFETY: the caller vouches for AVX-512F.
            Self(unsafe { _mm512_set1_epi64(value.cast_signed()) })
        }

        #[inline(always)]
        unsafe fn load(words: &[u64], at: usize) -> Self {
            assert!(at < words.len() && Self::COUNT <= words.len() - at);
            // SAFETY: the caller vouches for AVX-512F; the assertion keeps the read inside the words.
            Self(unsafe { _mm512_loadu_si512(words.as_ptr().add(at).cast()) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: a value of this type exists only where AVX-512F does.
            Self(unsafe { _mm512_xor_si512(self.0, other.0) })
        }

        #[inline(always)]
        fn or_xor(self, left: Self, right: Self) -> Self {
            /// The truth table of `a | (b ^ c)`, bit `4 a + 2 b + c`.
            const OR_XOR: i32 = 0b1111_0110;
            // SAFETY: as above.
            Self(unsafe { _mm512_ternarylogic_epi64::<OR_XOR>(self.0, left.0, right.0) })
        }

        #[inline(always)]
        fn count_ones(self) -> Self {
            // SAFETY: as above; the one caller checks for VPOPCNTDQ too.
            Self(unsafe { _mm512_popcnt_epi64(self.0) })
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_add_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn min(self, other: Self) -> Self {
            // 32-bit halves: one step where the minimum of 64-bit lanes takes two, on another port
            // than the population count.
            // SAFETY: as above.
            Self(unsafe { _mm512_min_epu32(self.0, other.0) })
        }

        #[inline(always)]
        fn any_at_most(self, limit: u32) -> bool {
            // SAFETY: as above.
            unsafe { _mm512_cmple_epu64_mask(self.0, _mm512_set1_epi64(i64::from(limit))) != 0 }
        }

        #[inline(always)]
        fn lanes_at_most(self, limit: u32) -> u32 {
            // SAFETY: as above.
            u32::from(unsafe { _mm512_cmple_epu64_mask(self.0, _mm512_set1_epi64(i64::from(limit))) })
        }
    }

    #[derive(Clone, Copy)]
    pub(in crate::matching) struct Avx2Lanes(__m256i);

    impl Lanes for Avx2Lanes {
        const COUNT: usize = 4;

        #[inline(always)]
        unsafe fn splat(value: u64) -> Self {
            // SAFETY: the caller vouches for AVX2.
            Self(unsafe { _mm256_set1_epi64x(value.cast_signed()) })
        }

        #[inline(always)]
        unsafe fn load(words: &[u64], at: usize) -> Self {
            assert!(at < words.len() && Self::COUNT <= words.len() - at);
            // SAFETY: the caller vouches for AVX2; the assertion keeps the read inside the words.
            Self(unsafe { _mm256_loadu_si256(words.as_ptr().add(at).cast()) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: a value of this type exists only where AVX2 does.
            Self(unsafe { _mm256_xor_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn or_xor(self, left: Self, right: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_or_si256(self.0, _mm256_xor_si256(left.0, right.0)) })
        }

        #[inline(always)]
        fn count_ones(self) -> Self {
            // SAFETY: as above.
            unsafe {
                // Half bytes looked up in a table of 16 counts, bytes summed by the sum of absolute
                // differences from zero (Muła).
                let counts = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                    0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                ));
                let half = _mm256_set1_epi8(0x0f);
                let low = _mm256_shuffle_epi8(counts, _mm256_and_si256(self.0, half));
                let high =
                    _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16::<4>(self.0), half));
                Self(_mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256()))
            }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_add_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn min(self, other: Self) -> Self {
            // SAFETY: as above. There is no minimum of 64-bit lanes; counts fit the low 16 bits.
            Self(unsafe { _mm256_min_epi16(self.0, other.0) })
        }

        #[inline(always)]
        fn any_at_most(self, limit: u32) -> bool {
            // SAFETY: as above. Counts fit the low half of a lane, and 0 > 0 is false in the high.
            unsafe {
                let above = _mm256_set1_epi64x(i64::from(limit) + 1);
                _mm256_movemask_epi8(_mm256_cmpgt_epi32(above, self.0)) != 0
            }
        }

        #[inline(always)]
        fn lanes_at_most(self, limit: u32) -> u32 {
            // SAFETY: as above.
            unsafe {
                let above = _mm256_set1_epi64x(i64::from(limit) + 1);
                _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(above, self.0))).cast_unsigned()
            }
        }
    }
}
