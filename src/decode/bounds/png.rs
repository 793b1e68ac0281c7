//! `png` 0.18.1: rows, not the picture, beside what it decodes into: a buffer of at least four rows that grows by
//! doubling, the row before, and one that is interlaced. What only describes is left out before ([`png_parts`]).

use image::{ImageDecoder, ImageFormat};

use super::header::{Header, TABLES};
use crate::decode::{decoder, png_parts};
use crate::outcome::Failure;

/// Rows that the decoder holds: four and one more that are complete, three times that while its buffer grows, and two
/// beside it.
const ROWS: u64 = 17;
/// Its buffer has at least so much, which counts three times as well.
const BUFFER: u64 = (3 * (128 + 32 + 8)) << 10;

pub(super) fn header(bytes: &[u8]) -> Result<Header, Failure> {
    let head = png_parts::head(bytes);
    let decoder = decoder::open(&head, ImageFormat::Png)?;
    let (width, height) = decoder.dimensions();
    let row = u64::from(width) * u64::from(decoder.color_type().bytes_per_pixel());
    // The file again, where something was left out of it.
    let beside = row * ROWS + BUFFER + bytes.len() as u64 + TABLES;
    Ok(Header::sized(width, height, decoder.total_bytes().saturating_add(beside)))
}
