//! Thumbnails for reports, on request.

use std::borrow::Cow;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, RgbImage};

use super::jpeg::structure::Frame;
use super::panic_guard::Place;
use super::{Format, Limits, Probe, panic_guard, picture_of, pixels, png_parts};
use crate::outcome::{Failure, Outcome, Stage};

/// Longest side of a thumbnail, in pixels.
pub const THUMBNAIL_SIDE: u32 = 160;
/// Longest side of the source of a blurred thumbnail, which limits its detail.
const BLUR_SIDE: u32 = 20;
/// Standard deviation of the blur of these few pixels.
const BLUR_SIGMA: f32 = 1.2;
/// Quality of the JPEG that holds a blurred picture: it has no detail to preserve.
const JPEG_QUALITY: u8 = 70;

/// How much a thumbnail shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThumbnailStyle {
    /// Reduced to 20 pixels on its longest side, blurred, and enlarged: colours and masses remain, and the discarded
    /// detail is not in the file.
    Blurred,
    /// Grey, 160 pixels on its longest side, not blurred.
    Grey,
}

/// A thumbnail, ready to be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// "image/jpeg" or "image/png".
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Creates a thumbnail of a file that [`super::probe`] accepted, as stored, without EXIF rotation. It contains no
/// metadata of the file. A decoder's panic is caught.
///
/// # Errors
/// If decoding fails: the outcome with its stage and reason, `over_limit` where the pixels need more than
/// `limits.max_decode_bytes`.
pub fn thumbnail(
    bytes: &[u8],
    probe: &Probe,
    limits: &Limits,
    style: ThumbnailStyle,
) -> Result<Thumbnail, Failure> {
    if let Some(failure) = &probe.failure {
        return Err(failure.clone());
    }
    // The decoded picture is converted to three bytes per pixel.
    let pixels = u64::from(probe.facts.width.unwrap_or(0)) * u64::from(probe.facts.height.unwrap_or(0));
    if probe.pixel_bytes.saturating_add(3 * pixels) > limits.max_decode_bytes {
        return Err(Failure::new(Outcome::OverLimit, Stage::Limits, "its pixels are over the limits"));
    }
    let decoder = probe
        .facts
        .format
        .and_then(Format::decoder)
        .ok_or_else(|| Failure::new(Outcome::Unsupported, Stage::Decode, "no decoder for this format"))?;
    // This decoder decodes them wrongly or refuses them, and a wrong picture is worse than none.
    if probe.frame.as_ref().is_some_and(Frame::is_apart) {
        return Err(Failure::new(Outcome::Unsupported, Stage::Decode, "components in separate scans"));
    }
    panic_guard::caught(|| {
        panic_guard::passing(Place::Thumbnail);
        let (bytes, decoder) = picture_of(bytes, decoder);
        let bytes = if decoder == ImageFormat::Png {
            png_parts::without_descriptions(bytes)
        } else {
            Cow::Borrowed(bytes)
        };
        let decoder = pixels::open_within(&bytes, decoder, &probe.grant())?;
        let (width, height) = decoder.dimensions();
        let picture = DynamicImage::from_decoder(decoder).map_err(|error| failed(&error))?;
        let (width, height) = fitted(width, height);
        match style {
            ThumbnailStyle::Blurred => blurred(&picture.into_rgb8(), width, height),
            ThumbnailStyle::Grey => grey(&picture.into_luma8(), width, height),
        }
    })
}

fn failed(error: &image::ImageError) -> Failure {
    Failure::new(Outcome::Corrupt, Stage::Decode, error.to_string())
}

/// The size of a thumbnail: the same aspect ratio, at least a pixel on each side.
fn fitted(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height).max(1);
    let side = longest.min(THUMBNAIL_SIDE);
    let fit = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
    (fit(width), fit(height))
}

fn blurred(picture: &RgbImage, width: u32, height: u32) -> Result<Thumbnail, Failure> {
    let few = |length: u32| (length * BLUR_SIDE / THUMBNAIL_SIDE).max(1);
    let small = imageops::thumbnail(picture, few(width), few(height));
    let small = imageops::blur(&small, BLUR_SIGMA);
    let drawn = imageops::resize(&small, width, height, FilterType::Triangle);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(&drawn)
        .map_err(|error| failed(&error))?;
    Ok(Thumbnail { media_type: "image/jpeg", bytes, width, height })
}

fn grey(picture: &GrayImage, width: u32, height: u32) -> Result<Thumbnail, Failure> {
    let small = imageops::thumbnail(picture, width, height);
    let mut bytes = Vec::new();
    small.write_with_encoder(PngEncoder::new(&mut bytes)).map_err(|error| failed(&error))?;
    Ok(Thumbnail { media_type: "image/png", bytes, width, height })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdq::Geometry;

    const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 1 << 28 };

    fn made(bytes: &[u8], style: ThumbnailStyle) -> Result<Thumbnail, Failure> {
        thumbnail(bytes, &super::super::probe(bytes, Geometry::Full, &LIMITS), &LIMITS, style)
    }

    /// Black and white lines, one pixel wide, as PNG.
    fn lines(width: u32, height: u32) -> Vec<u8> {
        let picture =
            GrayImage::from_fn(width, height, |x, _| image::Luma([if x % 2 == 0 { 0 } else { 255 }]));
        let mut bytes = Vec::new();
        picture.write_with_encoder(PngEncoder::new(&mut bytes)).unwrap();
        bytes
    }

    /// The sum of differences between neighbours in a row, a pixel.
    fn sharpness(file: &[u8]) -> f64 {
        let picture = image::load_from_memory(file).unwrap().into_luma8();
        let (width, height) = picture.dimensions();
        let difference =
            |x: u32, y: u32| f64::from(picture.get_pixel(x, y)[0].abs_diff(picture.get_pixel(x - 1, y)[0]));
        let sum: f64 =
            (0..height).flat_map(|y| (1..width).map(move |x| (x, y))).map(|(x, y)| difference(x, y)).sum();
        sum / f64::from(width * height)
    }

    #[test]
    fn a_blurred_picture_has_lost_what_was_fine_in_it() {
        // Small enough to be drawn at its own size: the lines would be there if they were not blurred.
        let file = lines(160, 100);
        assert!(sharpness(&file) > 200.0);
        let blurred = made(&file, ThumbnailStyle::Blurred).unwrap();
        assert_eq!((blurred.width, blurred.height, blurred.media_type), (160, 100, "image/jpeg"));
        assert!(sharpness(&blurred.bytes) < 2.0, "{}", sharpness(&blurred.bytes));
        // The twin that must fail: the grey one is not blurred.
        let grey = made(&file, ThumbnailStyle::Grey).unwrap();
        assert!(sharpness(&grey.bytes) > 200.0);
    }

    #[test]
    fn any_shape_fits() {
        for (width, height, expected) in
            [(1000, 500, (160, 80)), (7, 9, (7, 9)), (5, 4000, (1, 160)), (160, 160, (160, 160))]
        {
            for style in [ThumbnailStyle::Blurred, ThumbnailStyle::Grey] {
                let made = made(&lines(width, height), style).unwrap();
                assert_eq!((made.width, made.height), expected);
                let read = image::load_from_memory(&made.bytes).unwrap();
                assert_eq!((read.width(), read.height()), expected);
            }
        }
    }

    #[test]
    fn what_is_no_picture_has_none() {
        assert_eq!(made(b"words", ThumbnailStyle::Grey).unwrap_err().outcome, Outcome::Other);
        let file = lines(300, 300);
        assert!(made(&file[..file.len() / 2], ThumbnailStyle::Grey).is_err());
        let limits = Limits { max_decode_bytes: 1000, ..LIMITS };
        let probe = super::super::probe(&file, Geometry::Full, &limits);
        let failure = thumbnail(&file, &probe, &limits, ThumbnailStyle::Grey).unwrap_err();
        assert_eq!(failure.outcome, Outcome::OverLimit);
    }
}
