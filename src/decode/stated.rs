//! Sizes in headers beyond the decoder's limits: the decoder reports such a file as damaged, but it is over
//! the limit.

use image::ImageFormat;

use super::icon;

/// Width and height in the header, for formats whose decoders refuse large ones.
pub(super) fn stated_size(bytes: &[u8], decoder: ImageFormat) -> Option<(u32, u32)> {
    match decoder {
        ImageFormat::WebP if bytes.get(12..16) == Some(b"VP8X") => {
            let side = |at: usize| {
                let [low, middle, high] = *bytes.get(at..)?.first_chunk::<3>()?;
                Some(u32::from_le_bytes([low, middle, high, 0]) + 1)
            };
            Some((side(24)?, side(27)?))
        }
        ImageFormat::Bmp => bitmap_size(bytes.get(14..)?),
        // The height counts the mask too.
        ImageFormat::Ico => bitmap_size(icon::picture(bytes)?).map(|(width, height)| (width, height / 2)),
        _ => None,
    }
}

/// Sides of a bitmap's second header, of all versions but the first, whose sides are short.
fn bitmap_size(header: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(i32::from_le_bytes(*header.get(at..)?.first_chunk::<4>()?));
    // A negative height reverses the order of the rows.
    (number(0)? >= 40).then_some((number(4)?.unsigned_abs(), number(8)?.unsigned_abs()))
}
