//! Random pictures hashed by us and by `pdqhash`, the reference's own C++, in a child process. Skipped where
//! Python or the package is missing, unless `TAMIS_ORACLE_TESTS=require`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::io::Write;

use rand::prelude::*;
use support::python;
use support::waves::Waves;
use tamis::pdq::naive::{Definition, definition};
use tamis::pdq::{DihedralHashes, Geometry, PdqHash, PixelLayout, Reducer, hash_tile};

const PICTURES: u64 = 300;

/// Reads `width height`, then the bytes, picture after picture; answers `hash quality` lines.
const ORACLE: &str = "
import sys, numpy, pdqhash
read = sys.stdin.buffer
while True:
    line = read.readline()
    if not line:
        break
    width, height = map(int, line.split())
    pixels = numpy.frombuffer(read.read(width * height * 3), dtype=numpy.uint8).reshape(height, width, 3)
    bits, quality = pdqhash.compute(numpy.ascontiguousarray(pixels))
    print('%064x' % int(''.join(map(str, bits)), 2), quality)
";

struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// Waves, scenes and noise of random sizes.
fn pictures() -> Vec<Picture> {
    let mut random = StdRng::seed_from_u64(11);
    (0..PICTURES)
        .map(|number| {
            let (width, height) = (random.random_range(5..600), random.random_range(5..600));
            let pixels = match number % 3 {
                0 => Waves::new(number).rgb(width, height),
                1 => support::scene::render(number, width, height).into_raw(),
                _ => (0..width * height * 3).map(|_| random.random::<u8>()).collect(),
            };
            Picture { width, height, pixels }
        })
        .collect()
}

fn ask_pdqhash(pictures: &[Picture]) -> Option<Vec<(PdqHash, u8)>> {
    if !python::has("pdqhash, numpy") {
        return None;
    }
    let text = python::ask(ORACLE, &[], |mut input| {
        for picture in pictures {
            writeln!(input, "{} {}", picture.width, picture.height).unwrap();
            input.write_all(&picture.pixels).unwrap();
        }
    });
    let answer = |line: &str| {
        let (hash, quality) = line.split_once(' ').unwrap();
        (hash.parse().unwrap(), quality.parse().unwrap())
    };
    Some(text.lines().map(answer).collect())
}

#[test]
fn random_pictures_have_the_hashes_of_pdqhash() {
    let pictures = pictures();
    let Some(answers) = ask_pdqhash(&pictures) else { return };
    assert_eq!(answers.len(), pictures.len());
    let mut clear = 0;
    let next = answers.iter().cycle().skip(1);
    for (number, ((picture, answer), other)) in pictures.iter().zip(&answers).zip(next).enumerate() {
        let &Picture { width, height, ref pixels } = picture;
        let ours = hash(picture);
        let pixel = |x: u32, y: u32| {
            let at = (y * width + x) as usize * 3;
            [pixels[at], pixels[at + 1], pixels[at + 2]]
        };
        let exact = definition(width, height, pixel).unwrap();
        let what = format!("picture {number}, {width}×{height}, gap {}: {ours:?} {answer:?}", exact.gap);
        assert!(agrees(&ours, answer, &exact), "{what}");
        clear += u64::from(exact.gap > CLEAR_GAP);
        // The twins that must fail: the next picture's answer, and a hash of ours with three bits turned.
        assert!(!agrees(&ours, other, &exact), "{what}");
        let mut turned = ours;
        turned.hashes[0].0[number % 4] ^= 7 << (number % 60);
        assert!(!agrees(&turned, answer, &exact), "{what}");
    }
    println!("{clear} of {PICTURES} have a clear median");
    assert!(clear >= 200);
}

/// The reference works in single precision: where the coefficients next to the median lie closer together than its
/// rounding, its bits are noise.
const CLEAR_GAP: f64 = 1e-3;

fn hash(picture: &Picture) -> DihedralHashes {
    let mut reducer = Reducer::new(picture.width, picture.height, PixelLayout::Rgb, Geometry::Full).unwrap();
    reducer.push_rows(&picture.pixels);
    hash_tile(&reducer.finish().unwrap())
}

/// Equal, or within what the reference's rounding may do where the definition itself is undecided.
fn agrees(ours: &DihedralHashes, (hash, quality): &(PdqHash, u8), exact: &Definition) -> bool {
    let bits = if exact.gap > CLEAR_GAP { 0 } else { 2 };
    let steps = if exact.quality_margin > 1e-4 { 0 } else { 1 };
    ours.hashes[0].distance(*hash) <= bits && ours.quality.abs_diff(*quality) <= steps
}

/// Under five pixels the reference answers zeros and quality 0: no hash of a picture, and ours have none.
#[test]
fn pdqhash_gives_zeros_under_five_pixels() {
    let small = [(4, 100), (100, 4)].map(|(width, height)| Picture {
        width,
        height,
        pixels: Waves::new(1).rgb(width, height),
    });
    let Some(answers) = ask_pdqhash(&small) else { return };
    assert_eq!(answers, [(PdqHash([0; 4]), 0); 2]);
    for Picture { width, height, .. } in small {
        assert!(Reducer::new(width, height, PixelLayout::Rgb, Geometry::Full).is_none());
    }
}
