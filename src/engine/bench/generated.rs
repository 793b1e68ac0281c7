//! Generated pictures for users who give no folder: textured, drawn with integers, encoded by the `image` crate in memory.

use std::io::{self, Cursor};

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use super::sample::{ContentKind, Contents, Loaded, SplitMix};
use crate::engine::EngineError;

/// A phone's photograph: 12 megapixels.
const PHOTOGRAPH: (u32, u32) = (4000, 3000);
const PHOTOGRAPHS: u64 = 2;
const QUALITY: u8 = 85;
/// A screenshot.
const SCREENSHOT: (u32, u32) = (1600, 1200);

/// Photographs as JPEG, screenshots as PNG, and other formats.
pub(super) fn pictures() -> Result<Vec<Loaded>, EngineError> {
    let failed = |error: image::ImageError| EngineError::Io {
        what: "cannot generate pictures".into(),
        error: io::Error::other(error),
    };
    let mut loaded = Vec::new();
    for seed in 0..PHOTOGRAPHS {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
        draw(seed, PHOTOGRAPH).write_with_encoder(encoder).map_err(failed)?;
        loaded.push(Loaded { kind: ContentKind::JpegSequential, bytes });
    }
    let screenshot = DynamicImage::from(draw(PHOTOGRAPHS, SCREENSHOT));
    let formats = [
        (ImageFormat::Png, ContentKind::Png),
        (ImageFormat::WebP, ContentKind::OtherPictures),
        (ImageFormat::Bmp, ContentKind::OtherPictures),
        (ImageFormat::Tiff, ContentKind::OtherPictures),
    ];
    for (format, kind) in formats {
        let mut bytes = Cursor::new(Vec::new());
        screenshot.write_to(&mut bytes, format).map_err(failed)?;
        loaded.push(Loaded { kind, bytes: bytes.into_inner() });
    }
    Ok(loaded)
}

/// Only the photographs represent a seizure; the other formats are there for their rates.
pub(super) fn contents(loaded: &[Loaded]) -> Vec<Contents> {
    let kind = ContentKind::JpegSequential;
    let photographs = loaded.iter().filter(|file| file.kind == kind);
    let (files, bytes) =
        photographs.fold((0.0, 0.0), |(files, bytes), file| (files + 1.0, bytes + file.bytes.len() as f64));
    vec![Contents { kind, files, bytes }]
}

/// Clouds on a lattice in three sizes, the finest like a sensor's grain, over a slope.
fn draw(seed: u64, (width, height): (u32, u32)) -> RgbImage {
    const SIDE: usize = 64;
    let mut random = SplitMix(seed);
    let lattice: Vec<u32> = (0..SIDE * SIDE).map(|_| (random.next() & 255) as u32).collect();
    let at = |x: u32, y: u32| lattice[(y as usize % SIDE) * SIDE + x as usize % SIDE];
    // A point between four corners, in 1/2^bits of a cell.
    let cloud = |x: u32, y: u32, bits: u32| {
        let (cell_x, cell_y, size) = (x >> bits, y >> bits, 1 << bits);
        let (part_x, part_y) = (x & (size - 1), y & (size - 1));
        let along = |row: u32| at(cell_x, row) * (size - part_x) + at(cell_x + 1, row) * part_x;
        (along(cell_y) * (size - part_y) + along(cell_y + 1) * part_y) >> (2 * bits)
    };
    RgbImage::from_fn(width, height, |x, y| {
        let large = cloud(x, y, 8);
        let detail = cloud(x + 1000, y, 4);
        let grain = at(x.wrapping_mul(7) ^ y, y.wrapping_mul(5) ^ (x >> 6));
        let light = 40 + (large * 4 + detail * 2 + y * 256 / height) / 8 + grain / 12;
        Rgb([light, light * 7 / 8 + large / 16, light * 3 / 4 + detail / 8].map(|value| value.min(255) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Limits, coefficients, probe};
    use crate::pdq::Geometry;
    use crate::pdq::quality::quality;

    #[test]
    fn generated_pictures_are_like_photographs() {
        let picture = draw(0, (1200, 900));
        let mut bytes = Vec::new();
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)).unwrap();
        // Photographs of this quality have one to three bits a pixel.
        let bits = bytes.len() as f64 * 8.0 / f64::from(1200 * 900);
        assert!((1.0..4.0).contains(&bits), "{bits} bits a pixel");
        let limits = Limits { max_side: 10_000, max_decode_bytes: 1 << 30 };
        let probe = probe(&bytes, Geometry::Full, &limits);
        let tile = coefficients(&bytes, &probe).unwrap().tile;
        assert!(quality(&tile) >= 50);
    }
}
