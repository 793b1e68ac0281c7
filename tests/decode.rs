//! Formats, pixel modes, limits and hostile bytes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::io::Cursor;
use std::process::Command;

use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, RgbImage, RgbaImage};
use rand::prelude::*;
use support::waves::Waves;
use tamis::decode::{self, Limits, Probe};
use tamis::outcome::{Failure, Outcome};
use tamis::pdq::{Geometry, Orientation, PdqHash, PixelLayout, Reducer, Tile, hash_tile, unstable_bits};

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 256 << 20 };
const WIDTH: u32 = 231;
const HEIGHT: u32 = 170;

fn probe(bytes: &[u8]) -> Probe {
    decode::probe(bytes, Geometry::Full, &LIMITS)
}

fn tile(bytes: &[u8]) -> Result<Box<Tile>, Failure> {
    let picture = decode::pixels(bytes, &probe(bytes), Geometry::Full, &LIMITS)?;
    // Both come from one transform.
    assert_eq!(picture.hash, hash_tile(&picture.tile));
    assert_eq!(picture.derivation.unstable_bits, unstable_bits(&picture.tile));
    Ok(picture.tile)
}

fn outcome(bytes: &[u8]) -> Outcome {
    tile(bytes).map_or_else(|failure| failure.outcome, |_| Outcome::Hashed)
}

fn picture() -> RgbImage {
    RgbImage::from_raw(WIDTH, HEIGHT, Waves::new(3).rgb(WIDTH, HEIGHT)).unwrap()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// The tile of known pixels.
fn tile_of(layout: PixelLayout, pixels: &[u8]) -> Box<Tile> {
    let mut reducer = Reducer::new(WIDTH, HEIGHT, layout, Geometry::Full).unwrap();
    reducer.push_rows(pixels);
    reducer.finish().unwrap()
}

#[test]
fn lossless_formats_give_the_pixels_that_went_in() {
    let picture = DynamicImage::from(picture());
    let expected = tile_of(PixelLayout::Rgb, picture.as_bytes());
    for (format, name) in [
        (ImageFormat::Png, "png"),
        (ImageFormat::Bmp, "bmp"),
        (ImageFormat::Tiff, "tiff"),
        (ImageFormat::Tga, "tga"),
        (ImageFormat::Pnm, "pnm"),
        (ImageFormat::Qoi, "qoi"),
        (ImageFormat::WebP, "webp"),
    ] {
        let bytes = encoded(&picture, format);
        let facts = probe(&bytes).facts;
        assert_eq!(facts.format.map(decode::Format::name), Some(name));
        assert_eq!((facts.width, facts.height), (Some(WIDTH), Some(HEIGHT)), "{name}");
        assert_eq!(tile(&bytes).as_ref(), Ok(&expected), "{name}");
    }
    // The twin that must fail: other pixels.
    let mut other = self::picture();
    other.pixels_mut().take(4000).for_each(|pixel| pixel.0 = [0; 3]);
    assert_ne!(tile(&encoded(&other.into(), ImageFormat::Png)).as_ref(), Ok(&expected));
}

#[test]
fn grey_alpha_and_16_bit_are_as_a_viewer_shows_them_without_alpha() {
    let rgb = picture();
    let grey = GrayImage::from_fn(WIDTH, HEIGHT, |x, y| image::Luma([rgb.get_pixel(x, y).0[0]]));
    let expected = tile_of(PixelLayout::Luma, grey.as_raw());
    let alpha = |x: u32, y: u32| (x * 3 + y) as u8;
    let grey_alpha =
        GrayAlphaImage::from_fn(WIDTH, HEIGHT, |x, y| image::LumaA([grey.get_pixel(x, y).0[0], alpha(x, y)]));
    let words = ImageBuffer::<image::Luma<u16>, _>::from_fn(WIDTH, HEIGHT, |x, y| {
        image::Luma([u16::from(grey.get_pixel(x, y).0[0]) << 8 | u16::from(alpha(x, y))])
    });
    for picture in [DynamicImage::from(grey), grey_alpha.into(), words.into()] {
        let what = picture.color();
        assert_eq!(tile(&encoded(&picture, ImageFormat::Png)).as_ref(), Ok(&expected), "{what:?}");
    }
    let expected = tile_of(PixelLayout::Rgb, rgb.as_raw());
    let rgba = RgbaImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let [red, green, blue] = rgb.get_pixel(x, y).0;
        image::Rgba([red, green, blue, alpha(x, y)])
    });
    let words = ImageBuffer::<image::Rgb<u16>, _>::from_fn(WIDTH, HEIGHT, |x, y| {
        image::Rgb(rgb.get_pixel(x, y).0.map(|value| u16::from(value) << 8 | 0x80))
    });
    for picture in [DynamicImage::from(rgba), words.into()] {
        let what = picture.color();
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            assert_eq!(tile(&encoded(&picture, format)).as_ref(), Ok(&expected), "{what:?}");
        }
    }
}

/// Writes the same picture in every mode that Pillow knows and answers `file hash bits` lines: the hash of what
/// Pillow shows for it, in RGB, as `pdqhash` gives it, and how many bits the decoders may differ by.
const PILLOW: &str = "
import sys, numpy, pdqhash
from PIL import Image
folder, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rgb = Image.frombytes('RGB', (width, height), sys.stdin.buffer.read())
def show(name, bits):
    shown = Image.open(folder + '/' + name).convert('RGB')
    hash = pdqhash.compute(numpy.array(shown))[0]
    print(name, '%064x' % int(''.join(map(str, hash)), 2), bits)
def save(image, name, bits=0, **options):
    image.save(folder + '/' + name, **options)
    show(name, bits)
palette = rgb.quantize(64)
one_bit = rgb.convert('1')
save(palette, 'palette.png'); save(palette, 'palette.gif'); save(palette, 'palette.bmp')
save(one_bit, 'one-bit.png'); save(one_bit, 'one-bit.bmp'); save(one_bit, 'one-bit.tif'); save(one_bit, 'one-bit.pbm')
save(rgb.quantize(4), 'two-bit.png', bits=0)
save(rgb.convert('L'), 'grey.png'); save(rgb.convert('L'), 'grey.jpg', 2); save(rgb.convert('L'), 'grey.pgm')
save(rgb, 'baseline.jpg', 2, quality=90); save(rgb, 'progressive.jpg', 2, quality=90, progressive=True)
save(rgb, 'full-chroma.jpg', 2, quality=90, subsampling=0)
save(rgb.convert('CMYK'), 'cmyk.jpg', 2, quality=95)
save(rgb.convert('CMYK'), 'cmyk.tif')
save(rgb, 'lzw.tif', compression='tiff_lzw'); save(rgb, 'deflate.tif', compression='tiff_adobe_deflate')
save(rgb, 'lossy.webp', 2, quality=90)
save(rgb, 'rle.tga', compression='tga_rle')
save(rgb.crop((0, 0, 200, 150)), 'icon.ico', sizes=[(200, 150)])
first, second = palette, rgb.rotate(90).resize((width, height)).quantize(64)
first.save(folder + '/animated.gif', save_all=True, append_images=[second]); show('animated.gif', 0)
exif = Image.Exif(); exif[0x0112] = 6; exif[0x010f] = 'Maker'; exif[0x0110] = 'Model 5'
exif[0x0132] = '2021:07:04 09:05:03'
save(rgb, 'turned.jpg', 2, quality=90, exif=exif)
";

#[test]
fn every_mode_is_as_pillow_shows_it() {
    if !support::python::has("pdqhash, numpy, PIL") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::write(&source, picture().as_raw()).unwrap();
    let output = Command::new("python3")
        .args(["-c", PILLOW, folder.path().to_str().unwrap(), &WIDTH.to_string(), &HEIGHT.to_string()])
        .stdin(std::fs::File::open(&source).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for line in text.lines() {
        let [name, hash, bits] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let tile = tile(&bytes).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        let (hashes, bits) = (hash_tile(&tile).hashes, bits.parse().unwrap());
        let distance = |ours: PdqHash| ours.distance(hash.parse().unwrap());
        assert!(distance(hashes[0]) <= bits, "{name}: {} bits", distance(hashes[0]));
        // The twin that must fail: the same picture upside down.
        assert!(distance(hashes[Orientation::FlipX as usize]) > bits, "{name}");
        compared += 1;
        if name == "turned.jpg" {
            let exif = probe(&bytes).facts.exif;
            assert_eq!(exif.orientation, Some(6));
            assert_eq!(exif.camera_make.as_deref(), Some("Maker"));
            assert_eq!(exif.camera_model.as_deref(), Some("Model 5"));
            assert_eq!(exif.taken.as_deref(), Some("2021-07-04T09:05:03"));
        }
    }
    assert_eq!(compared, 23);
}

#[test]
fn the_extension_does_not_matter_and_bytes_that_are_not_a_picture_are_reported() {
    assert_eq!(outcome(b""), Outcome::Empty);
    assert_eq!(outcome(b"%PDF-1.7 and so on"), Outcome::Other);
    assert_eq!(outcome(b"just some text that is long enough to be looked at"), Outcome::Other);
    assert_eq!(outcome(&[0; 5000]), Outcome::Other);
    let heic = b"\0\0\0\x20ftypheic\0\0\0\0mif1heic\0\0\0\0";
    assert_eq!(outcome(heic), Outcome::Unsupported);
    assert!(tile(heic).unwrap_err().reason.contains("heic"));
    for (bytes, name) in [
        (&b"\0\0\0\x20ftypavif\0\0\0\0mif1avif\0\0\0\0"[..], "avif"),
        (b"\xff\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\0", "jxl"),
        (b"8BPS\0\x01\0\0\0\0\0\0\0\0\0\0", "psd"),
        (b"\x76\x2f\x31\x01\0\0\0\0\0\0\0\0\0\0\0\0", "exr"),
    ] {
        assert_eq!(probe(bytes).facts.format.map(decode::Format::name), Some(name));
        assert_eq!(outcome(bytes), Outcome::Unsupported, "{name}");
    }
}

#[test]
fn small_and_large_sides_are_detected_in_the_header() {
    let png = |width, height| encoded(&RgbImage::new(width, height).into(), ImageFormat::Png);
    assert_eq!(outcome(&png(1, 1)), Outcome::TooSmall);
    assert_eq!(outcome(&png(4, 100)), Outcome::TooSmall);
    assert_eq!(outcome(&png(5, 5)), Outcome::Hashed);
    assert_eq!(outcome(&png(65_535, 5)), Outcome::Hashed);
    assert_eq!(outcome(&png(65_536, 5)), Outcome::OverLimit);
    let tight = Limits { max_decode_bytes: 1000, ..LIMITS };
    let bytes = png(100, 100);
    let probe = decode::probe(&bytes, Geometry::Full, &tight);
    let failure = decode::pixels(&bytes, &probe, Geometry::Full, &tight).unwrap_err();
    assert_eq!(failure.outcome, Outcome::OverLimit);
    assert_eq!(probe.facts.width, Some(100));
}

/// Small files that name huge dimensions: refused before anything of the picture's size is allocated.
#[test]
fn bombs_are_over_the_limit() {
    let huge = 60_000_u32;
    let mut png = encoded(&RgbImage::new(8, 8).into(), ImageFormat::Png);
    png[16..20].copy_from_slice(&huge.to_be_bytes());
    png[20..24].copy_from_slice(&huge.to_be_bytes());
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let mut bmp = encoded(&RgbImage::new(8, 8).into(), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&huge.to_le_bytes());
    bmp[22..26].copy_from_slice(&huge.to_le_bytes());
    let mut jpeg = encoded(&RgbImage::new(8, 8).into(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let mut qoi = encoded(&RgbImage::new(8, 8).into(), ImageFormat::Qoi);
    // Its decoder refuses more than 400 million pixels by itself.
    qoi[4..8].copy_from_slice(&19_000_u32.to_be_bytes());
    qoi[8..12].copy_from_slice(&19_000_u32.to_be_bytes());
    let pnm = format!("P6 {huge} {huge} 255\n").into_bytes();
    // Sizes that the decoders themselves refuse, as if the file were damaged.
    let mut wide = encoded(&RgbImage::new(8, 8).into(), ImageFormat::Bmp);
    wide[18..22].copy_from_slice(&100_000_u32.to_le_bytes());
    let mut webp = b"RIFF\x2e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
    webp.extend([0xff; 6]);
    webp.extend(b"VP8L\x10\0\0\0");
    webp.extend([0; 16]);
    let mut icon = encoded(&RgbaImage::new(8, 8).into(), ImageFormat::Ico);
    let offset = u32::from_le_bytes(icon[18..22].try_into().unwrap()) as usize;
    icon.truncate(offset);
    let header: [u32; 10] = [40, 70_000, 140_000, 32 << 16 | 1, 0, 0, 0, 0, 0, 0];
    icon.extend(header.iter().flat_map(|number| number.to_le_bytes()));
    icon[14..18].copy_from_slice(&40_u32.to_le_bytes());
    for (name, bytes) in [
        ("png", png),
        ("bmp", bmp),
        ("jpeg", jpeg),
        ("qoi", qoi),
        ("pnm", pnm),
        ("wide bmp", wide),
        ("webp", webp),
        ("ico", icon),
    ] {
        let failure = tile(&bytes).unwrap_err();
        assert_eq!(failure.outcome, Outcome::OverLimit, "{name}: {failure:?}");
    }
}

/// The checksum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |state, &byte| {
        (0..8).fold(state ^ u32::from(byte), |state, _| {
            if state & 1 == 1 { state >> 1 ^ 0xedb8_8320 } else { state >> 1 }
        })
    })
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let small = image::imageops::thumbnail(&picture(), 40, 33);
    let picture = DynamicImage::from(small);
    [
        ("jpeg", ImageFormat::Jpeg),
        ("png", ImageFormat::Png),
        ("gif", ImageFormat::Gif),
        ("webp", ImageFormat::WebP),
        ("bmp", ImageFormat::Bmp),
        ("tiff", ImageFormat::Tiff),
        ("ico", ImageFormat::Ico),
        ("pnm", ImageFormat::Pnm),
        ("tga", ImageFormat::Tga),
        ("qoi", ImageFormat::Qoi),
    ]
    .map(|(name, format)| {
        // An icon has alpha.
        let picture = if name == "ico" { picture.to_rgba8().into() } else { picture.clone() };
        (name, encoded(&picture, format))
    })
    .into()
}

/// A truncated picture is never hashed as if it were whole.
#[test]
fn every_truncation_is_a_named_failure() {
    decode::silence_decoder_panics();
    for (name, whole) in samples() {
        let expected = tile(&whole).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        for length in 0..whole.len() {
            match tile(&whole[..length]) {
                Err(failure) => assert_ne!(failure.outcome, Outcome::Hashed),
                // What is missing may be a trailer without pixels.
                Ok(tile) => assert_eq!(tile, expected, "{name} cut to {length} of {}", whole.len()),
            }
        }
    }
}

/// Seeded mutations: every one ends in a tile or a named failure.
#[test]
fn mutated_pictures_end_in_an_outcome() {
    decode::silence_decoder_panics();
    let mut random = StdRng::seed_from_u64(13);
    for (_, whole) in samples() {
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..8) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..4) {
                    0 => bytes[at] = random.random(),
                    1 => bytes[at] ^= 1 << random.random_range(0..8),
                    2 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, *[0, 0xff, 0x7f, 0x80].choose(&mut random).unwrap()),
                }
            }
            let _ = outcome(&bytes);
        }
    }
}
