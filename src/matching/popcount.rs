//! The inner loop of range search, per instruction set.
//!
//! A stripe of haystack hashes is loaded once and compared with a group of queries. Nearly every pair is far
//! beyond the radius, so the loop computes only a *lower bound* of each distance, keeps the lowest bound of
//! the stripe, and checks single hashes only if that is within the radius; these are measured exactly. The
//! bound decides how long the search takes, never what it finds.
//!
//! **The bound.** With x₀…x₃ the four words of `query ^ hash`, the distance is the sum of their
//! population counts. A union of words cannot have more bits than the words together, so
//! `count(x₁ | x₃)` is a lower bound, and it costs one population count where the sum of two words
//! costs two. It is also sharper: two bits of unrelated hashes differ in either word with
//! probability ¾, so the union of two words has 48 ± 3.5 bits, against 32 ± 4 in one word and
//! 48 ± 4.9 in a sum over 96 bits. See `Bound` for the choice by radius.
//!
//! All instruction sets run the same generic loop (`sweep`) over their own `Lanes`.

#![allow(unsafe_code, reason = "vector instructions chosen at run time; listed in CONTRIBUTING")]

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Pair;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2Lanes, Avx512Lanes};
use super::lanes::{Lanes, NO_BOUND, PortableLanes};
use crate::pdq::PdqHash;

/// Hashes per stripe: one pass of the inner loop, after which the lowest bound is checked.
pub(crate) const STRIPE: usize = 64;

/// The vector instructions a search runs on. All give the same pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstructionSet {
    /// 512-bit vectors with a population count instruction (AVX-512F and VPOPCNTDQ).
    Avx512,
    /// 256-bit vectors, population count by a table of half bytes.
    Avx2,
    /// Plain Rust compiled for the target's baseline (NEON on AArch64).
    Portable,
}

impl InstructionSet {
    /// All instruction sets, fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vpopcntdq")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// Those of this machine, fastest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|set| set.is_available()).collect()
    }

    /// The fastest of this machine.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|set| set.is_available()).unwrap_or(Self::Portable)
    }

    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable => "portable",
        }
    }

    /// Appends every pair within the radius to `hits`, in no particular order. An instruction set
    /// that this machine lacks is replaced by [`InstructionSet::Portable`].
    pub(crate) fn scan(self, scan: &Scan<'_>, hits: &mut Vec<Pair>) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just established every feature the function is compiled with.
            Self::Avx512 if self.is_available() => unsafe { scan_avx512(scan, hits) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 if self.is_available() => unsafe { scan_avx2(scan, hits) },
            _ => scan_portable(scan, hits),
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One word of each hash of a stripe, aligned to the widest vector and the cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct StripeWords([u64; STRIPE]);

/// Haystack hashes as four planes: plane w holds word w of every hash, in stripes.
#[derive(Clone, Debug)]
pub(crate) struct Planes {
    words: [Vec<StripeWords>; 4],
    len: usize,
}

impl Planes {
    /// Lays out `hashes`. The last stripe is filled up with zeros, which `len` excludes from results.
    pub(crate) fn new(hashes: &[PdqHash]) -> Self {
        let plane = |word: usize| {
            hashes
                .chunks(STRIPE)
                .map(|chunk| {
                    let mut stripe = StripeWords([0; STRIPE]);
                    for (slot, hash) in stripe.0.iter_mut().zip(chunk) {
                        *slot = hash.0[word];
                    }
                    stripe
                })
                .collect()
        };
        Self { words: [plane(0), plane(1), plane(2), plane(3)], len: hashes.len() }
    }

    /// Number of hashes, without padding.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// One hash.
    pub(crate) fn hash(&self, index: usize) -> PdqHash {
        PdqHash(std::array::from_fn(|word| self.words[word][index / STRIPE].0[index % STRIPE]))
    }

    /// Number of stripes; the last one may be padded.
    pub(crate) const fn stripes(&self) -> usize {
        self.len.div_ceil(STRIPE)
    }
}

/// What one call of a kernel searches: a run of stripes against a run of queries.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    /// The haystack.
    pub(crate) planes: &'a Planes,
    /// Which stripes of it; small enough to stay in the cache while the queries pass.
    pub(crate) stripes: Range<usize>,
    /// The queries.
    pub(crate) queries: &'a [PdqHash],
    /// Index of the first of them in the pairs reported.
    pub(crate) first_query: u32,
    /// Largest distance reported.
    pub(crate) radius: u32,
}

/// Which lower bound the inner loop computes: the cheapest that still rejects nearly everything.
///
/// Share of pairs whose bound is within the radius, on unrelated hashes of real pictures (4·10⁶
/// random pairs of `real-codes.txt`, of which 2·10⁻⁵ are true hits at 31) and on random bits:
///
/// | bound | steps per vector | r = 31 | 39 | 47 | 63 | 79 |
/// |---|---|---|---|---|---|---|
/// | two words | 4 | 2·10⁻⁴, 4·10⁻⁶ | 0.013, 0.009 | 0.44 | 1 | 1 |
/// | three words | 5 | 6·10⁻⁵, 0 | 2·10⁻⁴, 0 | 0.005, 0.002 | 1 | 1 |
/// | two pairs of words | 8 | 3·10⁻⁵, 0 | 4·10⁻⁵, 0 | 6·10⁻⁵, 0 | 2·10⁻⁴, 0 | 0.003, 6·10⁻⁴ |
/// | exact | 12 | | | | | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    TwoWords,
    ThreeWords,
    TwoPairs,
    Exact,
}

/// The bounds as const parameters, so that each gets its own loop.
pub(super) const TWO_WORDS: u8 = 0;
pub(super) const THREE_WORDS: u8 = 1;
pub(super) const TWO_PAIRS: u8 = 2;
pub(super) const EXACT: u8 = 3;

impl Bound {
    pub(super) const fn for_radius(radius: u32) -> Self {
        match radius {
            0..=33 => Self::TwoWords,
            34..=43 => Self::ThreeWords,
            44..=80 => Self::TwoPairs,
            _ => Self::Exact,
        }
    }
}

/// Chooses the loop for the radius.
///
/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn scan_with<L: Lanes, const GROUP: usize>(scan: &Scan<'_>, hits: &mut Vec<Pair>) {
    // SAFETY: the caller has the same obligation.
    unsafe {
        match Bound::for_radius(scan.radius) {
            Bound::TwoWords => in_groups::<L, GROUP, TWO_WORDS>(scan, hits),
            Bound::ThreeWords => in_groups::<L, GROUP, THREE_WORDS>(scan, hits),
            Bound::TwoPairs => in_groups::<L, GROUP, TWO_PAIRS>(scan, hits),
            Bound::Exact => in_groups::<L, GROUP, EXACT>(scan, hits),
        }
    }
}

/// Takes the queries in groups of `GROUP`, and the rest one by one.
///
/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn in_groups<L: Lanes, const GROUP: usize, const BOUND: u8>(scan: &Scan<'_>, hits: &mut Vec<Pair>) {
    let (groups, rest) = scan.queries.as_chunks::<GROUP>();
    let mut first = scan.first_query;
    for group in groups {
        // SAFETY: the caller has the same obligation.
        unsafe { sweep::<L, GROUP, BOUND>(scan, group, first, hits) };
        first += GROUP as u32;
    }
    for query in rest {
        // SAFETY: the caller has the same obligation.
        unsafe { sweep::<L, 1, BOUND>(scan, &[*query], first, hits) };
        first += 1;
    }
}

/// One group of queries over all stripes of a scan.
///
/// # Safety
/// This machine has the instructions of `L`.
#[inline(always)]
unsafe fn sweep<L: Lanes, const GROUP: usize, const BOUND: u8>(
    scan: &Scan<'_>,
    queries: &[PdqHash; GROUP],
    first_query: u32,
    hits: &mut Vec<Pair>,
) {
    // SAFETY: the caller has the obligation of `splat`.
    let (zero, no_bound) = unsafe { (L::splat(0), L::splat(NO_BOUND)) };
    let mut wanted = [[zero; 4]; GROUP];
    for (words, query) in wanted.iter_mut().zip(queries) {
        for (lanes, &word) in words.iter_mut().zip(&query.0) {
            // SAFETY: as above.
            *lanes = unsafe { L::splat(word) };
        }
    }
    let planes = &scan.planes.words;
    let range = scan.stripes.clone();
    let (first, second) = (&planes[0][range.clone()], &planes[1][range.clone()]);
    let (third, fourth) = (&planes[2][range.clone()], &planes[3][range.clone()]);
    for (index, (((w0, w1), w2), w3)) in first.iter().zip(second).zip(third).zip(fourth).enumerate() {
        let mut lowest = [no_bound; GROUP];
        let mut at = 0;
        while at < STRIPE {
            // SAFETY: as above. Words that the bound does not use are never loaded once inlined.
            let found =
                unsafe { [L::load(&w0.0, at), L::load(&w1.0, at), L::load(&w2.0, at), L::load(&w3.0, at)] };
            for (lowest, query) in lowest.iter_mut().zip(&wanted) {
                *lowest = lowest.min(lower_bound::<L, BOUND>(found, *query));
            }
            at += L::COUNT;
        }
        let mut all = no_bound;
        for lanes in lowest {
            all = all.min(lanes);
        }
        if all.any_at_most(scan.radius) {
            for (position, lanes) in lowest.iter().enumerate() {
                if lanes.any_at_most(scan.radius) {
                    let stripe = scan.stripes.start + index;
                    measure(scan, stripe, queries[position], first_query + position as u32, hits);
                }
            }
        }
    }
}

/// A lower bound of the distance in each lane; see [`Bound`].
#[inline(always)]
pub(super) fn lower_bound<L: Lanes, const BOUND: u8>(found: [L; 4], query: [L; 4]) -> L {
    match BOUND {
        TWO_WORDS => found[1].xor(query[1]).or_xor(found[3], query[3]).count_ones(),
        THREE_WORDS => {
            let two = found[1].xor(query[1]).or_xor(found[3], query[3]);
            two.or_xor(found[2], query[2]).count_ones()
        }
        TWO_PAIRS => {
            let odd = found[1].xor(query[1]).or_xor(found[3], query[3]);
            let even = found[0].xor(query[0]).or_xor(found[2], query[2]);
            odd.count_ones().add(even.count_ones())
        }
        _ => {
            let low = found[0].xor(query[0]).count_ones().add(found[1].xor(query[1]).count_ones());
            let high = found[2].xor(query[2]).count_ones().add(found[3].xor(query[3]).count_ones());
            low.add(high)
        }
    }
}

/// Measures one query against every hash of a stripe. Inlined so that `count_ones` is the machine's
/// own instruction where it has one.
#[inline(always)]
fn measure(scan: &Scan<'_>, stripe: usize, query: PdqHash, query_index: u32, hits: &mut Vec<Pair>) {
    let start = stripe * STRIPE;
    let present = STRIPE.min(scan.planes.len - start);
    let [w0, w1, w2, w3] = &scan.planes.words;
    let (w0, w1, w2, w3) = (&w0[stripe].0, &w1[stripe].0, &w2[stripe].0, &w3[stripe].0);
    for slot in 0..present {
        let distance = PdqHash([w0[slot], w1[slot], w2[slot], w3[slot]]).distance(query);
        if distance <= scan.radius {
            hits.push(Pair { query: query_index, haystack: (start + slot) as u32, distance });
        }
    }
}

fn scan_portable(scan: &Scan<'_>, hits: &mut Vec<Pair>) {
    // SAFETY: every machine has the instructions of the baseline.
    unsafe { scan_with::<PortableLanes, 4>(scan, hits) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Avx2Lanes, Avx512Lanes, Pair, Scan, scan_with};

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    pub(super) fn scan_avx512(scan: &Scan<'_>, hits: &mut Vec<Pair>) {
        // SAFETY: this function is compiled with, and only called after a check for, the features.
        unsafe { scan_with::<Avx512Lanes, 6>(scan, hits) }
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn scan_avx2(scan: &Scan<'_>, hits: &mut Vec<Pair>) {
        // SAFETY: as above.
        unsafe { scan_with::<Avx2Lanes, 4>(scan, hits) }
    }
}

#[cfg(target_arch = "x86_64")]
use x86::{scan_avx2, scan_avx512};
