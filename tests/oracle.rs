//! Random pictures hashed by us and by `pdqhash`, the reference's own C++, in a child process. Skipped where
//! Python or the package is missing, unless `TAMIS_ORACLE_TESTS=require`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use rand::prelude::*;
use support::waves::Waves;
use tamis::pdq::naive::definition;
use tamis::pdq::{Code, Geometry, PixelLayout, Reducer, hash_tile};

const PICTURES: u64 = 300;

/// Reads `width height`, then the bytes, picture after picture; answers `code quality` lines.
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

fn ask_pdqhash(pictures: &[Picture]) -> Option<Vec<(Code, u8)>> {
    let there = Command::new("python3").args(["-c", "import pdqhash, numpy"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        assert!(!support::oracles_required(), "TAMIS_ORACLE_TESTS=require: no python3 with pdqhash");
        println!("skipped: no python3 with pdqhash");
        return None;
    }
    let mut child = Command::new("python3")
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            for picture in pictures {
                writeln!(input, "{} {}", picture.width, picture.height).unwrap();
                input.write_all(&picture.pixels).unwrap();
            }
        });
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success());
    let answer = |line: &str| {
        let (code, quality) = line.split_once(' ').unwrap();
        (code.parse().unwrap(), quality.parse().unwrap())
    };
    Some(String::from_utf8(output.stdout).unwrap().lines().map(answer).collect())
}

#[test]
fn random_pictures_have_the_codes_of_pdqhash() {
    let pictures = pictures();
    let Some(answers) = ask_pdqhash(&pictures) else { return };
    assert_eq!(answers.len(), pictures.len());
    let mut compared = 0;
    for (number, (picture, (code, quality))) in pictures.iter().zip(&answers).enumerate() {
        let &Picture { width, height, ref pixels } = picture;
        let mut reducer = Reducer::new(width, height, PixelLayout::Rgb, Geometry::Full).unwrap();
        reducer.push_rows(pixels);
        let hash = hash_tile(&reducer.finish().unwrap());
        let pixel = |x: u32, y: u32| {
            let at = (y * width + x) as usize * 3;
            [pixels[at], pixels[at + 1], pixels[at + 2]]
        };
        let exact = definition(width, height, pixel).unwrap();
        let what = format!("picture {number}, {width}×{height}, gap {}", exact.gap);
        // The reference works in single precision: where the coefficients next to the median lie closer
        // together than its rounding, its bits are noise.
        if exact.gap > 1e-3 {
            compared += 1;
            assert_eq!(hash.codes[0], *code, "{what}");
        } else {
            assert!(hash.codes[0].distance(*code) <= 2, "{what}");
        }
        if exact.quality_margin > 1e-4 {
            assert_eq!(hash.quality, *quality, "{what}");
        }
        assert!(hash.quality.abs_diff(*quality) <= 1, "{what}");
    }
    println!("{compared} of {PICTURES} have a clear median");
    assert!(compared >= 200);
    // The twin that must fail: each code against the next picture's.
    let confused = answers.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
    assert_eq!(confused, 0);
}
