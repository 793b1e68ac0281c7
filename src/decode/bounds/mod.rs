//! What each decoder takes at worst, from the file's header: bytes for the budget, and refusals of what would take more
//! work than the file's bytes and pixels are worth.
//!
//! The decoders of the `image` crate trust some numbers of a header, allocate by them, and only then find out that the
//! data is not there; an allocation that fails ends the process. So each was read for what it allocates and how often it
//! loops, and what was found is computed here before it is called. `docs/decoders.md` has the formulas in one table. A new
//! version of a decoder wants a new reading: `tests/decoders.rs` holds each to its formula.

mod gif;
mod jpeg;
mod png;
mod tiff;
mod vp8l;
mod webp;

use image::{ImageDecoder, ImageFormat};

use super::jpeg::structure::Frame;
use super::{Format, pixels};
use crate::outcome::{Failure, Outcome, Stage};
pub(super) use tiff::{Metered, check_fax};

/// What decoding takes, from the header alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    /// Upper bound of the memory of a decoder and of what it decodes into, without the file itself.
    pub pixel_bytes: u64,
    /// Why it is not to be decoded whatever its memory.
    pub refusal: Option<Failure>,
    /// Of a JPEG: its frame.
    pub frame: Option<Frame>,
}

impl Header {
    /// A header of something that only its size decides.
    pub const fn sized(width: u32, height: u32, pixel_bytes: u64) -> Self {
        Self { width, height, pixel_bytes, refusal: None, frame: None }
    }

    /// The same, refused because it would take too much work.
    fn refused(self, reason: impl Into<String>) -> Self {
        Self { refusal: Some(Failure::new(Outcome::OverLimit, Stage::Limits, reason)), ..self }
    }

    /// Pixels.
    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// What any decoder has besides: tables, a window of an inflater, a buffered reader.
const TABLES: u64 = 256 << 10;
/// Headers of portable maps are texts of any length; one that is longer than this is none.
const LONGEST_TEXT_HEADER: usize = 64 << 10;

/// Reads a header. Nothing of the picture's size is allocated, nor anything that only a number of the file asks for. A
/// WebP's tables are followed until they take more than `max_bytes`.
pub(super) fn read_header(
    bytes: &[u8],
    format: Format,
    decoder: ImageFormat,
    max_bytes: u64,
) -> Result<Header, Failure> {
    match (format, decoder) {
        (Format::Jpeg, _) => jpeg::header(bytes),
        (_, ImageFormat::Tiff) => tiff::header(bytes),
        (_, ImageFormat::Gif) => gif::header(bytes),
        (_, ImageFormat::Png) => png::header(bytes),
        (_, ImageFormat::WebP) => webp::header(bytes, max_bytes),
        (_, ImageFormat::Pnm) => opened(&bytes[..bytes.len().min(LONGEST_TEXT_HEADER)], decoder),
        _ => opened(bytes, decoder),
    }
}

/// The header of a format whose decoder allocates rows and tables of fixed sizes alone, and what it decodes into.
fn opened(bytes: &[u8], format: ImageFormat) -> Result<Header, Failure> {
    let decoder = match pixels::open(bytes, format) {
        Ok(decoder) => decoder,
        Err(failure) => return pixels::too_large(bytes, format).ok_or(failure),
    };
    let (width, height) = decoder.dimensions();
    let mut header = Header::sized(width, height, decoder.total_bytes());
    // Indices of one or two bytes are read beside the colours that they stand for.
    let indices = if format == ImageFormat::Tga { header.pixels().saturating_mul(2) } else { 0 };
    // A row of the widest pixels, with its indices.
    let rows = u64::from(width) * 16;
    header.pixel_bytes = header.pixel_bytes.saturating_add(indices).saturating_add(rows + TABLES);
    Ok(header)
}

fn corrupt(reason: impl Into<String>) -> Failure {
    Failure::new(Outcome::Corrupt, Stage::Decode, reason)
}
