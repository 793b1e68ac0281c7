//! How much of a file is read, by its size. The figures behind it are in `docs/accuracy.md`.

use super::progressive::Wanted;
use super::structure::Frame;
use super::zigzag::Kept;

/// How much of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    kept: Kept,
    refined: bool,
}

impl Reading {
    /// The first `coefficients` of each block in the order of the file: 1, 3, 6, 15, 28 or 64. Of a progressive file, `refined` says
    /// whether to read them to the last bit. `None` for another number.
    #[must_use]
    pub fn of(coefficients: usize, refined: bool) -> Option<Self> {
        let choices = [Kept::ONE, Kept::THREE, Kept::SIX, Kept::FIFTEEN, Kept::TWENTY_EIGHT, Kept::ALL];
        choices.into_iter().find(|kept| kept.count() == coefficients).map(|kept| Self { kept, refined })
    }

    /// What a picture of this size needs; `None` where pixels are better.
    pub(in crate::decode) fn usual(frame: &Frame) -> Option<Self> {
        let (kept, refined) = match frame.width.min(frame.height) {
            0..128 => return None,
            128..330 => (Kept::ALL, true),
            330..600 => (Kept::TWENTY_EIGHT, true),
            600..900 => (Kept::FIFTEEN, true),
            900..1300 => (Kept::SIX, false),
            1300..2200 => (Kept::THREE, false),
            _ => (Kept::ONE, false),
        };
        Some(Self { kept, refined })
    }

    pub(super) const fn wanted(self) -> Wanted {
        Wanted { kept: self.kept, refined: self.refined }
    }
}
