//! What each decoder takes at worst, from the file's header: bytes for the budget, and refusals of what would take more
//! work than the file's bytes and pixels are worth.
//!
//! The decoders of the `image` crate trust some numbers of a header, allocate by them, and only then find out that the
//! data is not there; an allocation that fails ends the process. So each was read for what it allocates and how often it
//! loops, and what was found is computed here before it is called. `docs/decoders.md` has the formulas in one table. A new
//! version of a decoder wants a new reading: `tests/memory.rs` counts what each allocates and holds it to its formula.

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
    let decoder = match decoder::open(bytes, format) {
        Ok(decoder) => decoder,
        Err(failure) => return too_large(bytes, format).ok_or(failure),
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
