//! The eight ways a picture can be turned or mirrored.

use serde::{Deserialize, Serialize};

/// A turn or mirroring. Turns are counter-clockwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// As it is.
    Original,
    /// A quarter turn counter-clockwise.
    Rotate90,
    /// A half turn.
    Rotate180,
    /// Three quarter turns counter-clockwise.
    Rotate270,
    /// Mirrored top to bottom (the reference's flip-x: about the horizontal axis).
    FlipX,
    /// Mirrored left to right (the reference's flip-y), as a mirror shows it.
    FlipY,
    /// Transposed along the main diagonal.
    FlipPlus1,
    /// Transposed along the other diagonal.
    FlipMinus1,
}

impl Orientation {
    /// All eight, in the order of rows, columns and ties everywhere.
    pub const ALL: [Self; 8] = [
        Self::Original,
        Self::Rotate90,
        Self::Rotate180,
        Self::Rotate270,
        Self::FlipX,
        Self::FlipY,
        Self::FlipPlus1,
        Self::FlipMinus1,
    ];

    /// The name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Rotate90 => "rotate_90",
            Self::Rotate180 => "rotate_180",
            Self::Rotate270 => "rotate_270",
            Self::FlipX => "flip_x",
            Self::FlipY => "flip_y",
            Self::FlipPlus1 => "flip_plus_1",
            Self::FlipMinus1 => "flip_minus_1",
        }
    }

    /// The orientation of a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|orientation| orientation.name() == name)
    }

    /// The turn or mirroring that undoes this one.
    #[must_use]
    pub const fn inverse(self) -> Self {
        match self {
            Self::Rotate90 => Self::Rotate270,
            Self::Rotate270 => Self::Rotate90,
            other => other,
        }
    }
}
