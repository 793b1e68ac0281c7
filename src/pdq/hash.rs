//! The 256-bit hash, its bit order, its text, and how it is computed from a tile.
//!
//! Bit `16 i + j` of a hash belongs to DCT coefficient (i, j). Bit `b` is bit `b % 64` of word
//! `b / 64`; in memory on a little-endian machine that is the same as eight `u32` with bit `b` in
//! word `b / 32`, which is the order on the GPU. The text is 64 hex digits, bit 255 first.

use std::fmt;
use std::str::FromStr;

use super::Tile;
use super::dct::coefficients;
use super::quality::quality;
#[cfg(feature = "decode")]
use super::stability::{Stability, stability};

/// A 256-bit PDQ hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct PdqHash(pub [u64; 4]);

impl PdqHash {
    /// Number of differing bits, 0…256.
    #[must_use]
    pub fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// The hash of the inverted picture.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// Whether no bit is set (the null hash), which no picture with texture has.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 4]
    }

    /// The 32 bytes in the order of the text: bit 255 first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0.iter().rev()) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The inverse of [`PdqHash::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().rev().zip(bytes.chunks_exact(8)) {
            *word = chunk.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        }
        Self(words)
    }
}

impl fmt::Display for PdqHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|word| write!(formatter, "{word:016x}"))
    }
}

impl fmt::Debug for PdqHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PdqHash({self})")
    }
}

/// Why a text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHashError {
    /// Not 64 digits.
    #[error("not a PDQ hash: {0} characters, expected 64 hex digits")]
    Length(usize),
    /// A character that is not a hex digit.
    #[error("character {position} is not a hex digit")]
    Digit {
        /// 1-based.
        position: usize,
    },
}

impl FromStr for PdqHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let length = text.chars().count();
        if length != 64 {
            return Err(ParseHashError::Length(length));
        }
        let mut words = [0; 4];
        for (index, character) in text.chars().enumerate() {
            let digit = character.to_digit(16).ok_or(ParseHashError::Digit { position: index + 1 })?;
            let word: &mut u64 = &mut words[3 - index / 16];
            *word = *word << 4 | u64::from(digit);
        }
        Ok(Self(words))
    }
}

/// The hashes of a tile in all eight orientations, with its quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DihedralHashes {
    /// The hashes in the order of [`super::Orientation::ALL`]; the first is the picture's own.
    pub hashes: [PdqHash; 8],
    /// 0…100: the amount of gradient in the tile.
    pub quality: u8,
}

/// Hashes of all eight orientations, and the quality, of a tile. The CPU twin of `shaders/hash.wgsl`.
#[must_use]
pub fn hash_tile(tile: &Tile) -> DihedralHashes {
    DihedralHashes { hashes: hashes(&coefficients(tile)), quality: quality(tile) }
}

/// [`hash_tile`] and the stability of the bits, with one transform for both. `error` is the root mean square error of the tile's samples in
/// the tile's own units, 0 for a tile from pixels.
#[cfg(feature = "decode")]
pub(crate) fn hash_and_stability(tile: &Tile, error: u32) -> (DihedralHashes, Stability) {
    let coefficients = coefficients(tile);
    let hash = DihedralHashes { hashes: hashes(&coefficients), quality: quality(tile) };
    (hash, stability(&coefficients, error))
}

/// Hashes of all eight orientations, from the picture's own coefficients.
///
/// Turning or mirroring a picture transposes its coefficients and changes the sign of some. There are
/// four patterns of signs, each with its own median; each gives a hash and, transposed, another.
fn hashes(coefficients: &[i64; 256]) -> [PdqHash; 8] {
    let plain = threshold(coefficients, |_, _| false);
    let even_rows = threshold(coefficients, |i, _| i % 2 == 0);
    let even_columns = threshold(coefficients, |_, j| j % 2 == 0);
    let odd_sums = threshold(coefficients, |i, j| (i + j) % 2 == 1);
    [
        plain,
        transposed(even_columns),
        odd_sums,
        transposed(even_rows),
        even_rows,
        even_columns,
        transposed(plain),
        transposed(odd_sums),
    ]
}

/// The bits of coefficients greater than the lower median, after changing signs where `negative`.
fn threshold(coefficients: &[i64; 256], negative: impl Fn(usize, usize) -> bool) -> PdqHash {
    let signed: [i64; 256] = std::array::from_fn(|index| {
        if negative(index / 16, index % 16) { -coefficients[index] } else { coefficients[index] }
    });
    let mut order = signed;
    let (_, &mut median, _) = order.select_nth_unstable(127);
    let mut words = [0; 4];
    for (index, &value) in signed.iter().enumerate() {
        words[index / 64] |= u64::from(value > median) << (index % 64);
    }
    PdqHash(words)
}

/// Bit (j, i) where there was bit (i, j).
fn transposed(hash: PdqHash) -> PdqHash {
    let mut words = [0; 4];
    for index in 0..256 {
        let bit = hash.0[index / 64] >> (index % 64) & 1;
        let to = index % 16 * 16 + index / 16;
        words[to / 64] |= bit << (to % 64);
    }
    PdqHash(words)
}
