//! `image-webp` 0.2.4: planes of a lossy frame by the frame's own header, which it only compares with the canvas afterwards; a lossless
//! frame and its tables ([`vp8l`](super::vp8l)); an alpha channel that is another lossless frame; and of an animation a canvas.

use image::{ImageDecoder, ImageFormat};

use super::header::{Header, TABLES, too_large};
use super::vp8l;
use crate::decode::decoder;
use crate::outcome::Failure;

/// Bytes of a chunk's name and length, and of the header before the chunks of an animation's frame.
const CHUNK: usize = 8;
const FRAME_PLACE: usize = 16;
/// A partition's size has 24 bits and is allocated before it is read.
const PARTITION: u64 = 1 << 24;
/// For each 16 × 16 pixels: three planes, and 32 bytes of prediction state in a buffer that grows by
/// doubling.
const MACROBLOCK: u64 = 16 * 16 * 3 / 2 + 32 * 3;
/// Partitions are read into a buffer that grows by doubling, and copied.
const COPIES: u64 = 4;

pub(super) fn header(bytes: &[u8], max_bytes: u64) -> Result<Header, Failure> {
    let decoder = match decoder::open(bytes, ImageFormat::WebP) {
        Ok(decoder) => decoder,
        Err(failure) => return too_large(bytes, ImageFormat::WebP).ok_or(failure),
    };
    let (width, height) = decoder.dimensions();
    let mut header = Header::sized(width, height, 0);
    let canvas = header.pixels().saturating_mul(4);
    let mut taken = decoder.total_bytes().saturating_add(TABLES);
    let (mut frames, mut alpha) = (0, 0);
    for (name, content) in (Chunks { bytes, at: 12 }) {
        match &name {
            b"VP8 " => frames += lossy(content),
            b"VP8L" => frames += lossless(content, None, max_bytes),
            b"ALPH" => alpha += alpha_bytes(content, (width, height), max_bytes),
            b"ANMF" => {
                // The first frame is the picture: a canvas, and the frame in four bytes per pixel.
                taken = taken.saturating_add(canvas * 2);
                for (name, content) in (Chunks { bytes: content, at: FRAME_PLACE }) {
                    match &name {
                        b"VP8 " => frames += lossy(content),
                        b"VP8L" => frames += lossless(content, None, max_bytes),
                        b"ALPH" => alpha += alpha_bytes(content, (width, height), max_bytes),
                        _ => {}
                    }
                }
                break;
            }
            _ => {}
        }
        if frames + alpha > max_bytes {
            break;
        }
    }
    header.pixel_bytes = taken.saturating_add(frames).saturating_add(alpha);
    Ok(header)
}

/// A frame of `VP8 `.
fn lossy(content: &[u8]) -> u64 {
    let side = |at: usize| {
        let side =
            content.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&side| u16::from_le_bytes(side));
        u64::from(side & 0x3fff)
    };
    let blocks = side(6).div_ceil(16) * side(8).div_ceil(16);
    blocks * MACROBLOCK + side(6) * 64 + content.len() as u64 * COPIES + PARTITION
}

/// A frame of `VP8L`, whose size is its own or, in an alpha channel, that of the picture. Opaque ones are decoded in four bytes per pixel first.
fn lossless(content: &[u8], size: Option<(u32, u32)>, max_bytes: u64) -> u64 {
    let (pixels, tables) = vp8l::bytes_taken(content, size, max_bytes);
    pixels * 4 + tables
}

/// An alpha channel: its samples, and those of the lossless frame that they come from.
fn alpha_bytes(content: &[u8], size: (u32, u32), max_bytes: u64) -> u64 {
    let pixels = u64::from(size.0) * u64::from(size.1);
    let compressed = content.first().is_some_and(|flags| flags & 3 == 1);
    pixels + if compressed { lossless(&content[1..], Some(size), max_bytes) } else { 0 }
}

/// The chunks of a file, or of a frame in it.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.bytes.get(self.at..)?.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*rest.first_chunk()?) as usize;
        let start = self.at + CHUNK;
        let content = self.bytes.get(start..)?;
        self.at = start.saturating_add(length).saturating_add(length & 1);
        Some((*name, &content[..length.min(content.len())]))
    }
}
