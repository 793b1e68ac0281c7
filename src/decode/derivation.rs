//! Which way a picture became a tile: through its pixels, or straight from a JPEG's coefficients.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::pdq::{DihedralHashes, Tile};

/// Which ways a run may take; `--decode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeMode {
    /// JPEG from its coefficients where that is exact enough, all else from pixels.
    #[default]
    Auto,
    /// Everything from pixels, as the reference does it.
    Pixels,
}

impl DecodeMode {
    /// The name on the command line and in a case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Pixels => "pixels",
        }
    }

    /// The mode of a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::Pixels].into_iter().find(|mode| mode.name() == name)
    }
}

/// What a tile was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DerivedFrom {
    /// Decoded pixels: the hash is PDQ's own.
    Pixels,
    /// The low coefficients of a JPEG's luminance: the hash is within a few bits of PDQ's (see
    /// `docs/accuracy.md`), and verifications are not taken from it.
    Coefficients,
}

impl DerivedFrom {
    /// The name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pixels => "pixels",
            Self::Coefficients => "coefficients",
        }
    }

    /// The path of a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pixels, Self::Coefficients].into_iter().find(|path| path.name() == name)
    }
}

/// How a picture became its tile, kept beside its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// What the tile was made of.
    pub path: DerivedFrom,
    /// Of a JPEG from pixels in [`DecodeMode::Auto`]: why not from coefficients.
    pub fallback_reason: Option<PixelsWanted>,
    /// How many of the 256 bits hang on next to nothing ([`crate::pdq::unstable_bits`]).
    pub unstable_bits: u16,
}

/// A picture that was reduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its tile.
    pub tile: Box<Tile>,
    /// Hashes and quality of the tile.
    pub hash: DihedralHashes,
    /// How it was made.
    pub derivation: Derivation,
}

/// A picture that was hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureHash {
    /// Hashes and quality.
    pub hash: DihedralHashes,
    /// How the tile was made that they come from.
    pub derivation: Derivation,
}

/// Why a picture is to be decoded to pixels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PixelsWanted(pub Cow<'static, str>);

impl From<&'static str> for PixelsWanted {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}
