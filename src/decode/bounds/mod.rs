//! The worst-case cost of each decoder, from the file's header: bytes for the budget, and refusal of files that would
//! take disproportionate work.
//!
//! The decoders of the `image` crate trust some numbers of a header, allocate by them, and only then find that the data is
//! missing; an allocation that fails ends the process. So each decoder's source was reviewed for its allocations and
//! loops, and their cost is computed here before the decoder is called. `docs/decoders.md` has the formulas in one table.
//! A new version of a decoder needs a new review: `tests/memory.rs` counts each decoder's allocations and compares them
//! with its formula.

mod gif;
mod header;
mod jpeg;
mod png;
mod tiff;
mod vp8l;
mod webp;

use image::{ImageDecoder, ImageFormat};

use super::{Format, decoder};
use crate::outcome::Failure;
pub(super) use header::Header;
use header::{TABLES, too_large};
pub(super) use tiff::{Metered, check_fax};

/// Headers of portable maps are texts of any length; longer ones are refused.
const LONGEST_TEXT_HEADER: usize = 64 << 10;

/// Reads a header. No allocation depends on the picture's size or on a number in the file. A WebP's tables are read
/// until they exceed `max_bytes`.
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

/// The header of a format whose decoder only allocates rows, fixed tables and its output.
fn opened(bytes: &[u8], format: ImageFormat) -> Result<Header, Failure> {
    let decoder = match decoder::open(bytes, format) {
        Ok(decoder) => decoder,
        Err(failure) => return too_large(bytes, format).ok_or(failure),
    };
    let (width, height) = decoder.dimensions();
    let mut header = Header::sized(width, height, decoder.total_bytes());
    // Indices of one or two bytes are held in addition to their colours.
    let indices = if format == ImageFormat::Tga { header.pixels().saturating_mul(2) } else { 0 };
    // A row of the widest pixels, with its indices.
    let rows = u64::from(width) * 16;
    header.pixel_bytes = header.pixel_bytes.saturating_add(indices).saturating_add(rows + TABLES);
    Ok(header)
}
