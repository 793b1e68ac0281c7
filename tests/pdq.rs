//! The hash against its definition, its reference's hashes, and itself in other words.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use image::RgbImage;
use rand::prelude::*;
use support::waves::Waves;
use tamis::pdq::naive::definition;
use tamis::pdq::{
    DihedralHashes, Geometry, Orientation, PdqHash, PixelLayout, Reducer, TILE_FRACTION_BITS, TILE_SIDE,
    Tile, hash_tile,
};

fn tile(width: u32, height: u32, layout: PixelLayout, geometry: Geometry, pixels: &[u8]) -> Box<Tile> {
    let mut reducer = Reducer::new(width, height, layout, geometry).unwrap();
    reducer.push_rows(pixels);
    reducer.finish().unwrap()
}

fn rgb_tile(width: u32, height: u32, pixels: &[u8]) -> Box<Tile> {
    tile(width, height, PixelLayout::Rgb, Geometry::Full, pixels)
}

fn golden() -> Vec<(u32, u32, u64, DihedralHashes)> {
    let text = include_str!("golden/golden.csv");
    let number = |text: &str| text.parse().unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let hash: PdqHash = fields[3].parse().unwrap();
        let hash = DihedralHashes { hashes: [hash; 8], quality: number(fields[4]) as u8 };
        (number(fields[0]) as u32, number(fields[1]) as u32, number(fields[2]), hash)
    };
    text.lines().skip(1).map(row).collect()
}

/// Computed with `pdqhash` by `tests/golden/make_golden.py`, which also documents how the pictures were
/// chosen.
#[test]
fn golden_hashes_are_those_of_the_reference() {
    let golden = golden();
    assert_eq!(golden.len(), 12);
    for (width, height, seed, expected) in golden {
        let pixels = Waves::new(seed).rgb(width, height);
        let hash = hash_tile(&rgb_tile(width, height, &pixels));
        assert_eq!(hash.hashes[0], expected.hashes[0], "{width}×{height}");
        assert_eq!(hash.quality, expected.quality, "{width}×{height}");
        // The twin that must fail: the same picture, one sixteenth of it black.
        let mut damaged = pixels;
        let sixteenth = damaged.len() / 16;
        damaged[..sixteenth].fill(0);
        assert_ne!(hash_tile(&rgb_tile(width, height, &damaged)).hashes[0], expected.hashes[0]);
    }
}

/// Of these the reference gives zeros and quality 0, which `make_golden.py` asserts; a null hash would match the null
/// hashes of broken tools, so ours give none.
#[test]
fn a_side_under_five_has_no_hash() {
    for (width, height) in [(4, 100), (100, 4), (1, 1), (0, 50)] {
        assert!(Reducer::new(width, height, PixelLayout::Rgb, Geometry::Full).is_none(), "{width}×{height}");
        assert!(definition(width, height, |_, _| [0; 3]).is_none());
    }
    // The reference's tool shrinks first, and tests the size then.
    assert!(Reducer::new(4, 100, PixelLayout::Rgb, Geometry::Te512).is_none());
    assert!(Reducer::new(600, 4, PixelLayout::Rgb, Geometry::Te512).is_some());
}

/// Whether every sample of a tile is the definition's, except for half a unit of the fixed point and the weights of
/// clipped windows: one part in 2¹⁵.
fn is_defined_tile(tile: &Tile, expected: &[f64]) -> bool {
    tile.0.iter().zip(expected).all(|(ours, expected)| {
        (f64::from(*ours) / f64::from(1 << TILE_FRACTION_BITS) - expected).abs() < 0.02
    })
}

/// Every size from the minimum to beyond one pixel a sample, and sizes on both sides of each change of the
/// window.
#[test]
fn the_fused_form_is_the_definition() {
    let mut sizes: Vec<(u32, u32)> = (5..=70).map(|side| (side, 75 - side.min(70))).collect();
    sizes.extend([
        (127, 5),
        (128, 129),
        (129, 128),
        (255, 257),
        (256, 384),
        (385, 64),
        (513, 700),
        (1281, 90),
    ]);
    for (number, (width, height)) in (1000..).zip(sizes) {
        let (width, height) = (width.max(5), height.max(5));
        let waves = Waves::new(number);
        let expected = definition(width, height, |x, y| waves.pixel(x, y, width, height)).unwrap();
        let mut ours = rgb_tile(width, height, &waves.rgb(width, height));
        assert!(is_defined_tile(&ours, &expected.tile[..]), "{width}×{height}");
        let hash = hash_tile(&ours);
        // The twin that must fail: one sample that is off by a twentieth of a grey level.
        ours.0[number as usize % ours.0.len()] += (1 << TILE_FRACTION_BITS) / 20;
        assert!(!is_defined_tile(&ours, &expected.tile[..]), "{width}×{height}");
        if expected.gap > 0.05 {
            assert_eq!(hash.hashes[0], expected.hash, "{width}×{height}");
        }
        if expected.quality_margin > 1e-3 {
            assert_eq!(hash.quality, expected.quality, "{width}×{height}");
        }
    }
}

#[test]
fn rows_may_come_in_any_pieces() {
    let mut random = StdRng::seed_from_u64(5);
    for (width, height) in [(5, 5), (64, 200), (300, 257), (700, 600)] {
        let pixels = Waves::new(7).rgb(width, height);
        for geometry in [Geometry::Full, Geometry::Te512] {
            let whole = tile(width, height, PixelLayout::Rgb, geometry, &pixels);
            let mut reducer = Reducer::new(width, height, PixelLayout::Rgb, geometry).unwrap();
            let mut rest = &pixels[..];
            while !rest.is_empty() {
                let rows = random.random_range(0..=9).min(rest.len() / (width as usize * 3));
                let (piece, after) = rest.split_at(rows * width as usize * 3);
                reducer.push_rows(piece);
                rest = after;
            }
            assert_eq!(reducer.finish().unwrap(), whole, "{width}×{height} {geometry:?}");
            // The twin that must fail: the first row comes twice, and the last never.
            let row = width as usize * 3;
            let mut reducer = Reducer::new(width, height, PixelLayout::Rgb, geometry).unwrap();
            reducer.push_rows(&pixels[..row]);
            reducer.push_rows(&pixels[..pixels.len() - row]);
            assert_ne!(reducer.finish().unwrap(), whole, "{width}×{height} {geometry:?}");
        }
        let mut short = Reducer::new(width, height, PixelLayout::Rgb, Geometry::Full).unwrap();
        short.push_rows(&pixels[..pixels.len() - width as usize * 3]);
        assert!(short.finish().is_none(), "a row is missing");
    }
}

#[test]
fn grey_is_colour_of_equal_channels_and_alpha_does_not_count() {
    let (width, height) = (301, 203);
    let mut random = StdRng::seed_from_u64(6);
    let grey: Vec<u8> = (0..width * height).map(|_| random.random::<u8>()).collect();
    let rgb: Vec<u8> = grey.iter().flat_map(|&grey| [grey; 3]).collect();
    let rgba: Vec<u8> = grey.iter().flat_map(|&grey| [grey, grey, grey, random.random()]).collect();
    let grey_alpha: Vec<u8> = grey.iter().flat_map(|&grey| [grey, random.random()]).collect();
    let expected = rgb_tile(width, height, &rgb);
    let full = Geometry::Full;
    assert_eq!(tile(width, height, PixelLayout::Luma, full, &grey), expected);
    assert_eq!(tile(width, height, PixelLayout::Rgba, full, &rgba), expected);
    assert_eq!(tile(width, height, PixelLayout::LumaAlpha, full, &grey_alpha), expected);
}

/// White stays white exactly, at every extreme of size: no sum overflows and no rounding accumulates.
#[test]
fn white_is_white_at_any_size() {
    for (width, height) in
        [(5, Reducer::MAX_SIDE), (Reducer::MAX_SIDE, 5), (65_535, 40), (4097, 4095), (5, 5)]
    {
        let mut reducer = Reducer::new(width, height, PixelLayout::Luma, Geometry::Full).unwrap();
        let row = vec![255; width as usize];
        (0..height).for_each(|_| reducer.push_rows(&row));
        let tile = reducer.finish().unwrap();
        assert!(tile.0.iter().all(|&value| value == 255 << TILE_FRACTION_BITS), "{width}×{height}");
    }
    assert!(Reducer::new(Reducer::MAX_SIDE + 1, 5, PixelLayout::Luma, Geometry::Full).is_none());
}

/// `te512` is nearest neighbour at ⌊x W / 512⌋ and then the filter.
#[test]
fn te512_shrinks_to_512_first() {
    for (width, height) in [(513, 400), (512, 512), (1300, 900), (100, 600), (400, 300)] {
        let waves = Waves::new(9);
        let pixels = waves.rgb(width, height);
        let ours = tile(width, height, PixelLayout::Rgb, Geometry::Te512, &pixels);
        let expected = if width.max(height) > 512 {
            let shrunk = RgbImage::from_fn(512, 512, |x, y| {
                image::Rgb(waves.pixel(x * width / 512, y * height / 512, width, height))
            });
            rgb_tile(512, 512, shrunk.as_raw())
        } else {
            rgb_tile(width, height, &pixels)
        };
        assert_eq!(ours, expected, "{width}×{height}");
        // The twin that must fail where there is something to shrink: without shrinking.
        let unshrunk = rgb_tile(width, height, &pixels);
        assert_eq!(unshrunk != expected, width.max(height) > 512, "{width}×{height}");
    }
}

#[test]
fn an_inverted_picture_has_the_complement() {
    let (width, height, seed, _) = golden()[3];
    let pixels = Waves::new(seed).rgb(width, height);
    let inverted: Vec<u8> = pixels.iter().map(|&byte| 255 - byte).collect();
    let (hash, other) =
        (hash_tile(&rgb_tile(width, height, &pixels)), hash_tile(&rgb_tile(width, height, &inverted)));
    assert_eq!(other.hashes[0], hash.hashes[0].complement());
    assert_eq!(other.hashes[0].distance(hash.hashes[0]), 256);
}

/// A tile that is turned has for its own hash the first tile's hash of that orientation.
#[test]
fn hashes_of_orientations_are_hashes_of_turned_tiles() {
    let last = TILE_SIDE - 1;
    for number in (0..50).map(|number| number * 10) {
        let tile = support::tile(number);
        let hash = hash_tile(&tile);
        for (orientation, expected) in Orientation::ALL.into_iter().zip(hash.hashes) {
            // Where the sample at (row, column) of the turned tile was.
            let from = |row: usize, column: usize| match orientation {
                Orientation::Original => (row, column),
                Orientation::Rotate90 => (column, last - row),
                Orientation::Rotate180 => (last - row, last - column),
                Orientation::Rotate270 => (last - column, row),
                Orientation::FlipX => (last - row, column),
                Orientation::FlipY => (row, last - column),
                Orientation::FlipPlus1 => (column, row),
                Orientation::FlipMinus1 => (last - column, last - row),
            };
            let mut turned = Box::new(Tile([0; TILE_SIDE * TILE_SIDE]));
            for (index, value) in turned.0.iter_mut().enumerate() {
                let (row, column) = from(index / TILE_SIDE, index % TILE_SIDE);
                *value = tile.0[row * TILE_SIDE + column];
            }
            assert_eq!(hash_tile(&turned).hashes[0], expected, "{orientation:?} of tile {number}");
            // The twin that must fail: the next orientation's hash.
            let next = hash.hashes[(orientation as usize + 1) % 8];
            assert_ne!(hash_tile(&turned).hashes[0], next, "{orientation:?} of tile {number}");
            assert_eq!(hash_tile(&turned).quality, hash.quality);
        }
    }
}

#[test]
fn hashes_are_written_and_read() {
    let hash: PdqHash = golden()[1].3.hashes[0];
    let text = hash.to_string();
    assert_eq!(text, "f70a83c8e821b34a229f82bfd66fd23e78882dbc504f2dbe88832da9738f2ca9");
    assert_eq!(PdqHash::from_bytes(hash.to_bytes()), hash);
    assert_eq!(text.to_uppercase().parse(), Ok(hash));
    // The first digit's top bit is bit 255.
    assert_eq!(PdqHash([0, 0, 0, 1 << 63]).to_string(), format!("8{}", "0".repeat(63)));
    for (wrong, reason) in [
        ("00ff", "not a PDQ hash: 4 characters, expected 64 hex digits"),
        (&"g".repeat(64), "character 1 is not a hex digit"),
        (&"é".repeat(32), "not a PDQ hash: 32 characters, expected 64 hex digits"),
    ] {
        assert_eq!(wrong.parse::<PdqHash>().unwrap_err().to_string(), reason);
    }
}

/// At the borders weights are so fine that a thousand luminances times both of them leave 64 bits.
#[test]
fn a_white_picture_of_over_a_gigapixel_is_white_to_its_corners() {
    let (width, height) = (65_535, 20_000);
    let mut reducer = Reducer::new(width, height, PixelLayout::Luma, Geometry::Full).unwrap();
    let rows = vec![255; 100 * width as usize];
    for _ in 0..height / 100 {
        reducer.push_rows(&rows);
    }
    let tile = reducer.finish().unwrap();
    assert!(tile.0.iter().all(|&sample| sample == 255 << TILE_FRACTION_BITS));
}
