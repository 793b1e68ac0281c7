//! Decoding pixels with the `image` crate, and folding them into a tile.

use std::borrow::Cow;
use std::io::Cursor;

use image::error::{ImageError, LimitErrorKind};
use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};

use super::jpeg::structure::{Frame, marker, structure};
use super::stated::stated_size;
use super::{Format, Limits, png_parts};
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::{Geometry, PixelLayout, Reducer, Tile};

/// Pixels on a side that every decoder takes.
const LARGEST_SIDE: u32 = 65_535;

/// What decoding takes, from the header alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    /// Upper estimate of a decoder's buffers, without the file itself.
    pub pixel_bytes: u64,
    /// Of a JPEG: its frame.
    pub frame: Option<Frame>,
}

/// Reads a header. Nothing of the picture's size is allocated.
pub(super) fn read_header(bytes: &[u8], format: Format, decoder: ImageFormat) -> Result<Header, Failure> {
    let file = bytes.len() as u64;
    if format == Format::Jpeg {
        let frame = check_jpeg(bytes)?;
        let pixels = u64::from(frame.width) * u64::from(frame.height);
        let components = frame.components.len() as u64;
        // The decoder keeps a copy of the file, and of a progressive one every coefficient; the other one planes.
        let coefficients =
            if frame.marker == marker::PROGRESSIVE || frame.is_apart() { pixels * 2 * components } else { 0 };
        let copy = if frame.open_height.is_some() { file } else { 0 };
        return Ok(Header {
            width: u32::from(frame.width),
            height: u32::from(frame.height),
            pixel_bytes: pixels * if components == 1 { 1 } else { 3 } + file + copy + coefficients,
            frame: Some(frame),
        });
    }
    let head = (decoder == ImageFormat::Png).then(|| png_parts::head(bytes));
    let opened = open(head.as_deref().unwrap_or(bytes), decoder, image::Limits::default());
    let decoder = match (opened, stated_size(bytes, decoder)) {
        (Ok(decoder), _) => decoder,
        // Refused for its size, which the caller sees.
        (Err(_), Some((width, height))) if width.max(height) > LARGEST_SIDE => {
            return Ok(Header { width, height, pixel_bytes: 0, frame: None });
        }
        (Err(failure), _) => return Err(failure),
    };
    let (width, height) = decoder.dimensions();
    let output = decoder.total_bytes();
    let pixels = u64::from(width) * u64::from(height);
    let beside = match format {
        // The canvas, the frame and its planes. Of a still picture the planes with their alpha, or colours
        // with alpha, whether the picture has any or not.
        Format::Webp if is_animated_webp(bytes) => pixels.saturating_mul(12),
        Format::Webp => pixels.saturating_mul(7),
        // A canvas and a frame; strips and the picture.
        Format::Gif | Format::Tiff | Format::Ico => output,
        _ => 0,
    };
    let pixel_bytes = output.saturating_add(beside).saturating_add(file);
    Ok(Header { width, height, pixel_bytes, frame: None })
}

/// What a JPEG's structure alone decides.
fn check_jpeg(bytes: &[u8]) -> Result<Frame, Failure> {
    let structure = structure(bytes);
    let corrupt = |reason: &str| Failure::new(Outcome::Corrupt, Stage::Decode, reason);
    let frame = structure.frame.ok_or_else(|| corrupt("no frame header: truncated or damaged"))?;
    let unsupported = |reason: &str| Failure::new(Outcome::Unsupported, Stage::Decode, reason);
    match frame.marker {
        marker::BASELINE..=marker::PROGRESSIVE => {}
        0xc9 | 0xca | 0xcd..=0xcf => return Err(unsupported("arithmetic-coded JPEG")),
        0xc3 | 0xc7 | 0xcb => return Err(unsupported("lossless JPEG")),
        _ => return Err(unsupported("hierarchical JPEG")),
    }
    if frame.precision != 8 {
        return Err(unsupported("JPEG of more than 8 bits a sample"));
    }
    if !structure.complete {
        return Err(corrupt("no end-of-image marker: the file is truncated"));
    }
    if frame.width == 0 || frame.height == 0 {
        return Err(corrupt("a picture without width or height"));
    }
    Ok(frame)
}

/// Whether the extended header of a WebP says that it is animated.
fn is_animated_webp(bytes: &[u8]) -> bool {
    bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
}

/// Opens a decoder within `limits` from its first byte on: some allocate while they are opened.
fn open(bytes: &[u8], format: ImageFormat, limits: image::Limits) -> Result<impl ImageDecoder, Failure> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader.into_decoder().map_err(|error| failure(&error))
}

/// Opens a decoder within the limits of a run. They were checked by the caller from the header; they are given to the
/// decoder too, for what it allocates beside the picture.
pub(super) fn open_within(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
) -> Result<impl ImageDecoder, Failure> {
    let mut decoder_limits = image::Limits::default();
    decoder_limits.max_image_width = Some(limits.max_side);
    decoder_limits.max_image_height = Some(limits.max_side);
    decoder_limits.max_alloc = Some(limits.max_decode_bytes);
    open(bytes, format, decoder_limits)
}

/// Decodes and reduces.
pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    geometry: Geometry,
    limits: &Limits,
) -> Result<Box<Tile>, Failure> {
    let bytes = if format == ImageFormat::Png {
        png_parts::without_descriptions(bytes)
    } else {
        Cow::Borrowed(bytes)
    };
    let decoder = open_within(&bytes, format, limits)?;
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

/// Decodes a JPEG.
pub(super) fn decode_jpeg(
    bytes: &[u8],
    frame: &Frame,
    geometry: Geometry,
    limits: &Limits,
) -> Result<Box<Tile>, Failure> {
    let bytes = frame.with_height(bytes);
    if frame.is_apart() {
        decode_apart(&bytes, frame, geometry, limits)
    } else {
        decode(&bytes, ImageFormat::Jpeg, geometry, limits)
    }
}

/// Decodes a sequential JPEG whose components come in scans of their own, which the usual decoder gets wrong or refuses.
fn decode_apart(
    bytes: &[u8],
    frame: &Frame,
    geometry: Geometry,
    limits: &Limits,
) -> Result<Box<Tile>, Failure> {
    use jpeg_decoder::{Decoder, Error, PixelFormat};
    let failure = |error: Error| {
        let outcome =
            if matches!(error, Error::Unsupported(_)) { Outcome::Unsupported } else { Outcome::Corrupt };
        Failure::new(outcome, Stage::Decode, error.to_string())
    };
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(usize::try_from(limits.max_decode_bytes).unwrap_or(usize::MAX));
    let pixels = decoder.decode().map_err(failure)?;
    let layout = match decoder.info().map(|information| information.pixel_format) {
        Some(PixelFormat::L8) => PixelLayout::Luma,
        Some(PixelFormat::RGB24) => PixelLayout::Rgb,
        _ => {
            let reason = "four colour components in scans of their own";
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

/// Of 16-bit samples the high byte counts, as in the reference's decoder.
fn push_high_bytes(reducer: &mut Reducer, pixels: &[u8], row_samples: usize) {
    let high = usize::from(cfg!(target_endian = "little"));
    let mut row = Vec::with_capacity(row_samples);
    for words in pixels.chunks_exact(2 * row_samples) {
        row.clear();
        row.extend(words.iter().skip(high).step_by(2));
        reducer.push_rows(&row);
    }
}

/// The outcome of a decoder's error.
fn failure(error: &ImageError) -> Failure {
    let outcome = match error {
        ImageError::Unsupported(_) => Outcome::Unsupported,
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::InsufficientMemory => Outcome::OverLimit,
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => Outcome::OverLimit,
        _ => Outcome::Corrupt,
    };
    Failure::new(outcome, Stage::Decode, error.to_string())
}
