//! How a picture was reduced to a tile: from its pixels, or directly from a JPEG's coefficients.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::pdq::{DihedralHashes, Tile};

/// Which of them a run may use; `--decode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeMode {
    /// JPEGs from their coefficients where that is exact enough, everything else from pixels.
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

/// What a tile was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DerivedFrom {
    /// Decoded pixels: the hash is PDQ's own.
    Pixels,
    /// The low coefficients of a JPEG's luminance: the hash is within a few bits of PDQ's (see
    /// `docs/accuracy.md`), and it needs verification.
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

/// How a picture was reduced to its tile; stored with its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivation {
    /// What the tile was computed from.
    pub path: DerivedFrom,
    /// For a JPEG from pixels in [`DecodeMode::Auto`]: why not from coefficients.
    pub fallback_reason: Option<PixelsWanted>,
    /// How many of the 256 bits are unstable ([`crate::pdq::unstable_bits`]).
    pub unstable_bits: u16,
}

/// A reduced picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its tile.
    pub tile: Box<Tile>,
    /// Hashes and quality of the tile.
    pub hash: DihedralHashes,
    /// How it was computed.
    pub derivation: Derivation,
}

/// A hashed picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureHash {
    /// Hashes and quality.
    pub hash: DihedralHashes,
    /// How their tile was computed.
    pub derivation: Derivation,
}

/// Why a picture must be decoded to pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct PixelsWanted(pub Cow<'static, str>);

impl From<&'static str> for PixelsWanted {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}
