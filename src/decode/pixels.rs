//! Decoding pixels with the `image` crate, and folding them into a tile.

use std::borrow::Cow;
use std::io::Cursor;

use image::{ColorType, ImageDecoder, ImageFormat};

use super::bounds::{Metered, check_fax};
use super::decoder::{failure, open_limited};
use super::jpeg::essential::Essential;
use super::jpeg::structure::Frame;
use super::{LARGEST_SIDE, png_parts};
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::{Geometry, PixelLayout, Reducer, Tile};

/// The limits of a decoder: what its header declared, and no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant<'a> {
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    /// The frame of a JPEG.
    pub frame: Option<&'a Frame>,
}

/// Opens a decoder within the granted limits. It also gets the limit for allocations besides the picture, and must see the same picture:
/// two parsers of a malformed header could disagree.
pub(super) fn open_within<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    grant: &Grant<'a>,
) -> Result<Box<dyn ImageDecoder + 'a>, Failure> {
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(grant.bytes);
    let decoder = match (grant.frame, format) {
        (Some(frame), _) => open_limited(Essential::of(bytes, frame), format, limits)?,
        (None, ImageFormat::Tiff) => {
            check_fax(bytes)?;
            open_limited(Metered::new(bytes), format, limits)?
        }
        (None, _) => open_limited(Cursor::new(bytes), format, limits)?,
    };
    if decoder.dimensions() != (grant.width, grant.height) || decoder.total_bytes() > grant.bytes {
        let (width, height) = decoder.dimensions();
        let reason = format!("{width}×{height} pixels to its decoder, {}×{} here", grant.width, grant.height);
        return Err(Failure::new(Outcome::Corrupt, Stage::Decode, reason));
    }
    Ok(decoder)
}

/// Decodes and reduces.
pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    geometry: Geometry,
    grant: &Grant<'_>,
) -> Result<Box<Tile>, Failure> {
    if let Some(frame) = grant.frame.filter(|frame| frame.is_apart()) {
        return decode_apart(bytes, frame, geometry, grant);
    }
    let bytes = if format == ImageFormat::Png {
        png_parts::without_descriptions(bytes)
    } else {
        Cow::Borrowed(bytes)
    };
    let decoder = open_within(&bytes, format, grant)?;
    let (width, height) = decoder.dimensions();
    let (layout, sample) = layout(decoder.color_type())?;
    let mut reducer = Reducer::new(width, height, layout, geometry)
        .ok_or_else(|| Failure::new(Outcome::TooSmall, Stage::Hash, format!("{width}×{height} pixels")))?;
    let length = usize::try_from(decoder.total_bytes()).map_err(|_| {
        Failure::new(Outcome::OverLimit, Stage::Decode, "more bytes than this machine can address")
    })?;
    let mut pixels = vec![0; length];
    decoder.read_image(&mut pixels).map_err(|error| failure(&error))?;
    match sample {
        Sample::Byte => reducer.push_rows(&pixels),
        Sample::Word => push_high_bytes(&mut reducer, &pixels, width as usize * layout.bytes()),
    }
    reducer.finish().ok_or_else(|| Failure::new(Outcome::Corrupt, Stage::Decode, "rows are missing"))
}

/// Decodes a sequential JPEG whose components come in scans of their own, which the usual decoder decodes
/// wrongly or refuses.
fn decode_apart(
    bytes: &[u8],
    frame: &Frame,
    geometry: Geometry,
    grant: &Grant<'_>,
) -> Result<Box<Tile>, Failure> {
    use jpeg_decoder::{Decoder, Error, PixelFormat};
    let failure = |error: Error| {
        let outcome =
            if matches!(error, Error::Unsupported(_)) { Outcome::Unsupported } else { Outcome::Corrupt };
        Failure::new(outcome, Stage::Decode, error.to_string())
    };
    let mut decoder = Decoder::new(Essential::of(bytes, frame));
    decoder.set_max_decoding_buffer_size(usize::try_from(grant.bytes).unwrap_or(usize::MAX));
    let pixels = decoder.decode().map_err(failure)?;
    let layout = match decoder.info().map(|information| information.pixel_format) {
        Some(PixelFormat::L8) => PixelLayout::Luma,
        Some(PixelFormat::RGB24) => PixelLayout::Rgb,
        _ => {
            let reason = "four colour components in separate scans";
            return Err(Failure::new(Outcome::Unsupported, Stage::Decode, reason));
        }
    };
    let mut reducer = Reducer::new(u32::from(frame.width), u32::from(frame.height), layout, geometry)
        .ok_or_else(|| Failure::new(Outcome::TooSmall, Stage::Hash, "a side under five pixels"))?;
    reducer.push_rows(&pixels);
    reducer.finish().ok_or_else(|| Failure::new(Outcome::Corrupt, Stage::Decode, "rows are missing"))
}

/// How wide a decoded sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    Byte,
    Word,
}

fn layout(colour: ColorType) -> Result<(PixelLayout, Sample), Failure> {
    Ok(match colour {
        ColorType::L8 => (PixelLayout::Luma, Sample::Byte),
        ColorType::La8 => (PixelLayout::LumaAlpha, Sample::Byte),
        ColorType::Rgb8 => (PixelLayout::Rgb, Sample::Byte),
        ColorType::Rgba8 => (PixelLayout::Rgba, Sample::Byte),
        ColorType::L16 => (PixelLayout::Luma, Sample::Word),
        ColorType::La16 => (PixelLayout::LumaAlpha, Sample::Word),
        ColorType::Rgb16 => (PixelLayout::Rgb, Sample::Word),
        ColorType::Rgba16 => (PixelLayout::Rgba, Sample::Word),
        other => {
            let reason = format!("samples of {other:?} have no agreed brightness");
            return Err(Failure::new(Outcome::Unsupported, Stage::Decode, reason));
        }
    })
}

/// The high byte of 16-bit samples counts, as in the reference's decoder.
fn push_high_bytes(reducer: &mut Reducer, pixels: &[u8], row_samples: usize) {
    let high = usize::from(cfg!(target_endian = "little"));
    let mut row = Vec::with_capacity(row_samples);
    for words in pixels.chunks_exact(2 * row_samples) {
        row.clear();
        row.extend(words.iter().skip(high).step_by(2));
        reducer.push_rows(&row);
    }
}
