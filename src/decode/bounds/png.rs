//! `png` 0.18.1: rows, in addition to its output: a buffer of at least four rows that grows by doubling, the
//! previous row, and an interlaced one. Descriptive chunks are removed before ([`png_parts`]).

use image::{ImageDecoder, ImageFormat};

use super::header::{Header, TABLES};
use crate::decode::{decoder, png_parts};
use crate::outcome::Failure;

/// Rows that the decoder holds: four and one complete, three times that while its buffer grows, and two more.
const ROWS: u64 = 17;
/// The minimum size of its buffer, which also counts three times.
const BUFFER: u64 = (3 * (128 + 32 + 8)) << 10;

pub(super) fn header(bytes: &[u8]) -> Result<Header, Failure> {
    let head = png_parts::head(bytes);
    let decoder = decoder::open(&head, ImageFormat::Png)?;
    let (width, height) = decoder.dimensions();
    let row = u64::from(width) * u64::from(decoder.color_type().bytes_per_pixel());
    // A copy of the file, if something was left out.
    let beside = row * ROWS + BUFFER + bytes.len() as u64 + TABLES;
    Ok(Header::sized(width, height, decoder.total_bytes().saturating_add(beside)))
}
