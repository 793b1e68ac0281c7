//! What a header declares.

use image::ImageFormat;

use crate::decode::LARGEST_SIDE;
use crate::decode::jpeg::structure::Frame;
use crate::decode::stated::stated_size;
use crate::outcome::{Failure, Outcome, Stage};

/// Memory of any decoder in addition: tables, an inflater's window, a buffered reader.
pub(super) const TABLES: u64 = 256 << 10;

/// The cost of decoding, from the header alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Header {
    pub width: u32,
    pub height: u32,
    /// Upper bound of the memory of a decoder and its output, without the file itself.
    pub pixel_bytes: u64,
    /// Why it must not be decoded regardless of memory.
    pub refusal: Option<Failure>,
    /// The frame of a JPEG.
    pub frame: Option<Frame>,
}

impl Header {
    /// A header for which only the size matters.
    pub const fn sized(width: u32, height: u32, pixel_bytes: u64) -> Self {
        Self { width, height, pixel_bytes, refusal: None, frame: None }
    }

    /// The same, refused because it would take too much work.
    pub(super) fn refused(self, reason: impl Into<String>) -> Self {
        Self { refusal: Some(Failure::new(Outcome::OverLimit, Stage::Limits, reason)), ..self }
    }

    /// Pixels.
    pub(super) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// The header of a file that its decoder refuses for its size, as if it were damaged; the caller sees the size.
pub(super) fn too_large(bytes: &[u8], format: ImageFormat) -> Option<Header> {
    let (width, height) = stated_size(bytes, format)?;
    (width.max(height) > LARGEST_SIDE).then(|| Header::sized(width, height, 0))
}

/// An error for a damaged file.
pub(super) fn corrupt(reason: impl Into<String>) -> Failure {
    Failure::new(Outcome::Corrupt, Stage::Decode, reason)
}
