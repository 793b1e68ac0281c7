//! What decoding allocates stays within what the header promised, whatever the file holds; and rows of Parquet do not
//! pile up. A test binary of its own, with one test: it counts every allocation of the process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, ImageFormat, RgbImage};
use support::crafted::{self, Plan};
use support::scene;
use tamis::decode::{self, Limits};
use tamis::engine::{CancelToken, HashedFile, Progress, RunSettings, hash_files};
use tamis::matching::Backend;
use tamis::outcome::Outcome;
use tamis::pdq::Geometry;

/// The system's allocator, which counts.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's, with the same arguments.
#[allow(unsafe_code, reason = "an allocator is unsafe to implement; this one only counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        PEAK.fetch_max(now, Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of this method, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The maximum bytes that `work` had allocated at once.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let result = work();
    (result, PEAK.load(Ordering::SeqCst) - before)
}

fn limits(megabytes: u64) -> Limits {
    Limits { max_side: 65_535, max_decode_bytes: megabytes << 20 }
}

/// What a decoder allocates in addition: tables, a window, rows.
const TABLES: usize = 1 << 20;

/// Probes and decodes a file, and returns the bytes that each took.
fn measure(name: &str, bytes: &[u8], limits: &Limits) -> (decode::Probe, Outcome, usize) {
    let (probe, to_look) = peak(|| decode::probe(bytes, Geometry::Full, limits));
    assert!(to_look < TABLES, "{name}: looking at the header took {to_look} bytes");
    if let Some(promised) = probe.coefficient_bytes {
        // A thread of its own, which has kept nothing of files before.
        let read = || peak(|| decode::coefficients(bytes, &probe)).1;
        let to_read = std::thread::scope(|scope| scope.spawn(read).join().unwrap());
        println!("{name}: {to_read} bytes for coefficients, {promised} were promised");
        assert!(to_read as u64 <= promised, "{name}: {to_read} of {promised} bytes");
    }
    let (picture, to_decode) = peak(|| decode::pixels(bytes, &probe, Geometry::Full, limits));
    let outcome = picture.map_or_else(|failure| failure.outcome, |_| Outcome::Hashed);
    (probe, outcome, to_decode)
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [name, data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| {
            (0..8).fold(byte, |state, _| if state & 1 == 1 { state >> 1 ^ 0xedb8_8320 } else { state >> 1 })
        })
        .collect();
    !bytes.iter().fold(!0, |state: u32, &byte| state >> 8 ^ table[(state as u8 ^ byte) as usize])
}

/// 400 MiB of zeros as a zlib stream: a deflate block of fixed codes whose every symbol repeats 258 zeros.
fn deflated_zeros(bytes: usize) -> Vec<u8> {
    let mut stream = vec![0x78, 0x9c];
    let (mut bits, mut count) = (0_u64, 0);
    let mut push = |value: u64, length: u32, stream: &mut Vec<u8>| {
        bits |= value << count;
        count += length;
        while count >= 8 {
            stream.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    // Last block, fixed codes; a literal zero (00110000, the first bit first).
    push(0b011, 3, &mut stream);
    push(0b0000_1100, 8, &mut stream);
    for _ in 0..bytes / 258 {
        // Length 258 is symbol 285 (11000101), distance 1 is symbol 0 (00000).
        push(0b1010_0011, 8, &mut stream);
        push(0, 5, &mut stream);
    }
    push(0, 7, &mut stream);
    push(0, 8, &mut stream);
    // The checksum (Adler-32) of zeros alone: 1 and as many times 1.
    let length = (bytes / 258 * 258 + 1) as u64;
    stream.extend((((length % 65_521) << 16 | 1) as u32).to_be_bytes());
    stream
}

/// A small PNG with a colour profile of 400 MiB behind its header.
fn profile_bomb(picture: &DynamicImage) -> Vec<u8> {
    let mut png = encoded(picture, ImageFormat::Png);
    let profile = chunk(b"iCCP", &[b"name\0\0".as_slice(), &deflated_zeros(400 << 20)].concat());
    png.splice(33..33, profile);
    png
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// An icon that holds `picture` and nothing else; `size` is that of its directory.
fn icon(picture: &[u8], size: u32) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 1, 0, 64, 64, 0, 0, 1, 0, 32, 0];
    bytes.extend(size.to_le_bytes());
    bytes.extend(22_u32.to_le_bytes());
    bytes.extend_from_slice(picture);
    bytes
}

/// Ten times the rows take no more memory but for the footer, which has a hundred bytes or two a group and column.
#[cfg(feature = "parquet")]
fn rows_of_parquet_do_not_pile_up() {
    use tamis::report::columns::{Cell, Column, Kind};
    use tamis::report::parquet::ParquetRows;
    let columns = [Column::new("number", Kind::Unsigned), Column::optional("text", Kind::Text)];
    let write = |groups: u32, sink: &mut dyn std::io::Write| {
        let mut rows = ParquetRows::new(&columns, sink).unwrap();
        for number in 0..groups << 16 {
            rows.row(&[
                Cell::Unsigned(number),
                Cell::Text(&format!("{:064x}", number.wrapping_mul(0x9e37_79b1))),
            ])
            .unwrap();
        }
        rows.finish().unwrap();
    };
    let (_, few) = peak(|| write(2, &mut std::io::sink()));
    let (_, many) = peak(|| write(20, &mut std::io::sink()));
    println!("parquet: {few} bytes for 2 groups, {many} for 20");
    assert!(few < 64 << 20 && many < few + 18 * 2 * 2000 + (1 << 20), "{few} {many}");
    // The twin that must fail: a sink that keeps what it gets.
    let (_, kept) = peak(|| write(20, &mut Vec::new()));
    assert!(kept > many + (8 << 20), "{kept}");
}

/// Files crafted from the decoders' sources: each is refused, or takes no more than was granted.
fn crafted_files_take_what_was_granted() {
    use Outcome::{Corrupt, Hashed, OverLimit};
    let grey = |side: u32| {
        let picture = image::GrayImage::from_fn(side, side, |x, y| image::Luma([(x * y) as u8]));
        encoded(&picture.into(), ImageFormat::Jpeg)
    };
    let plan = Plan {
        width: 64,
        height: 64,
        samples: 1,
        bits: 8,
        compression: 1,
        chunk: (0, 64),
        chunks: vec![(0, 4096)],
    };
    let wide_tile = Plan { samples: 100, chunk: (1 << 29, 64), ..plan.clone() };
    let padded_tile = Plan { samples: 3, chunk: (60_000, 64), ..plan.clone() };
    let (small, large) = (grey(64), grey(2000));
    let jpeg = |bytes: &[u8]| Plan { compression: 7, chunks: vec![(0, bytes.len() as u32)], ..plan.clone() };
    let strips = |bytes: &[u8]| Plan {
        compression: 7,
        chunk: (0, 1),
        chunks: vec![(0, bytes.len() as u32); 64],
        ..plan.clone()
    };
    // A tile is whole, also where the picture ends in it.
    let tile = grey(128);
    let tiled = Plan { chunk: (128, 128), ..jpeg(&tile) };
    let stream = crafted::empty_blocks(40_000);
    let again =
        Plan { height: 5000, compression: 8, chunk: (0, 1), chunks: vec![(0, 10); 5000], ..plan.clone() };
    let mut lists = plan.tiff(&[0; 4096]);
    // 8,388,608 strips, which its list does not have.
    for tag in [273_u16, 279] {
        let at = (10..lists.len()).step_by(12).find(|&at| lists[at..at + 2] == tag.to_le_bytes()).unwrap();
        lists[at + 4..at + 8].copy_from_slice(&(1_u32 << 23).to_le_bytes());
    }
    let fax = crafted::fax(100_000);
    let faxed = Plan { bits: 1, compression: 4, chunks: vec![(0, fax.len() as u32)], ..plan.clone() };
    // To its decoder, which takes a restart for a segment, the other frame comes first.
    let mut twofold = large.clone();
    let hidden = [0xff, 0xc0, 0, 11, 8, 0, 64, 0, 64, 1, 1, 0x11, 0];
    twofold.splice(2..2, [&[0xff, 0xd0, 0, 15][..], &hidden].concat());
    let mut said = small.clone();
    let exif = [b"Exif\0\0".as_slice(), &crafted::overlapping_exif()].concat();
    said.splice(2..2, [&[0xff, 0xe1][..], &(exif.len() as u16 + 2).to_be_bytes(), &exif].concat());
    let sequential = crafted::empty_scans(0xc0, 2000, 2000, |_| [0, 63, 0], 100);
    let progressive = crafted::empty_scans(0xc2, 8000, 4000, |number| [1, 63, u8::from(number % 2 > 0)], 90);
    let long_rows =
        image::ImageBuffer::from_fn(65_000, 6, |x, y| image::Rgba([x as u16, y as u16, 9, 65_535]));
    for (name, bytes, megabytes, expected) in [
        ("a tile of 2²⁹ pixels in a row", wide_tile.tiff(&[0; 64]), 4096, OverLimit),
        ("a tile of long rows", padded_tile.tiff(&[0; 4096]), 64, Corrupt),
        ("a JPEG strip", jpeg(&small).tiff(&small), 64, Hashed),
        ("a JPEG strip of another size", jpeg(&large).tiff(&large), 64, Corrupt),
        ("a JPEG tile that is higher than the picture", tiled.tiff(&tile), 64, Hashed),
        ("64 times the same JPEG strip", strips(&large).tiff(&large), 64, OverLimit),
        ("5,000 strips that are all of the file", again.tiff(&stream), 64, Corrupt),
        ("lists of strips that are not there", lists, 512, Corrupt),
        ("a fax that goes back and forth", faxed.tiff(&fax), 64, Corrupt),
        ("200 groups of hashes", crafted::many_groups(200), 64, Corrupt),
        ("20,000 groups of hashes", crafted::many_groups(20_000), 64, OverLimit),
        ("a lossy frame larger than its canvas", crafted::webp_frame(16_383), 1024, Corrupt),
        ("the same in less memory", crafted::webp_frame(16_383), 64, OverLimit),
        ("a frame larger than its screen", crafted::gif_frame(10, 3000), 64, Corrupt),
        ("the same in less memory", crafted::gif_frame(10, 3000), 16, OverLimit),
        ("a sequential JPEG of empty scans", sequential, 64, OverLimit),
        ("a progressive JPEG of empty scans", progressive, 1024, OverLimit),
        ("a JPEG with two frames", twofold, 64, Corrupt),
        ("directories that overlap", said, 64, Hashed),
        (
            "rows of 65,000 pixels",
            encoded(&DynamicImage::ImageRgba16(long_rows), ImageFormat::Png),
            64,
            Hashed,
        ),
    ] {
        let (probe, outcome, taken) = measure(name, &bytes, &limits(megabytes));
        let outcome = probe.failure.as_ref().map_or(outcome, |failure| failure.outcome);
        println!("{name}: {} bytes: {outcome:?}, {taken} taken of {}", bytes.len(), probe.pixel_bytes);
        assert_eq!(outcome, expected, "{name}: {:?}", probe.failure);
        let granted = if outcome == OverLimit { 0 } else { probe.pixel_bytes as usize };
        assert!(taken <= granted + TABLES, "{name}: {taken} of {granted}");
    }
}

/// What the decoders of all threads hold is within the memory of the run, however many threads there are.
fn permits_hold_over_threads() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..16_u8 {
        let mut bytes = crafted::gif_frame(2000, 3000);
        bytes.push(number);
        std::fs::write(folder.path().join(format!("{number}.gif")), bytes).unwrap();
    }
    let hash = |path: &Path, megabytes: u64| {
        let settings = RunSettings::new(8, 2, megabytes << 20);
        let (backend, progress, cancel) =
            (Backend::cpu("a test"), Progress::default(), CancelToken::default());
        let mut outcomes = Vec::new();
        let mut sink = |file: HashedFile| {
            outcomes.push(file.result.err().map(|failure| failure.outcome));
            Ok(())
        };
        let paths = [path.to_path_buf()];
        let (_, taken) =
            peak(|| hash_files(&paths, &backend, &settings, &progress, &cancel, &mut sink).unwrap());
        assert!(outcomes.iter().all(|outcome| *outcome == Some(Outcome::Corrupt)), "{outcomes:?}");
        (outcomes.len(), taken)
    };
    // Memory in which one of them may be decoded, and two may not.
    let (_, one) = hash(&folder.path().join("0.gif"), 128);
    let (files, all) = hash(folder.path(), 128);
    println!("crafted GIFs: {one} bytes for one, {all} for {files} on 8 threads in 128 MiB");
    assert_eq!(files, 16);
    assert!(one > 40 << 20, "{one}");
    assert!(all < one + (one / 2), "{all} bytes for {files} at once, {one} for one");
    // The twin that must fail: where there is room for them, several are decoded at once.
    let (_, together) = hash(folder.path(), 2048);
    assert!(together > one + (one / 2), "{together} bytes together, {one} for one");
}

#[test]
fn decoders_stay_within_the_bounds_of_the_header() {
    #[cfg(feature = "parquet")]
    rows_of_parquet_do_not_pile_up();
    decode::silence_decoder_panics();
    crafted_files_take_what_was_granted();
    permits_hold_over_threads();
    // Pictures of every format.
    let picture = DynamicImage::from(scene::render(5, 2000, 1500));
    let rgba = DynamicImage::from(picture.to_rgba8());
    let mut largest = 0.0_f64;
    for (name, format, picture) in [
        ("jpeg", ImageFormat::Jpeg, &picture),
        ("png", ImageFormat::Png, &picture),
        ("png with alpha", ImageFormat::Png, &rgba),
        ("gif", ImageFormat::Gif, &picture),
        ("webp", ImageFormat::WebP, &picture),
        ("webp with alpha", ImageFormat::WebP, &rgba),
        ("bmp", ImageFormat::Bmp, &picture),
        ("tiff", ImageFormat::Tiff, &picture),
        ("pnm", ImageFormat::Pnm, &picture),
        ("tga", ImageFormat::Tga, &picture),
        ("qoi", ImageFormat::Qoi, &picture),
    ] {
        let bytes = encoded(picture, format);
        let (probe, outcome, taken) = measure(name, &bytes, &limits(512));
        assert_eq!(outcome, Outcome::Hashed, "{name}");
        println!("{name}: {} promised, {taken} taken", probe.pixel_bytes);
        assert!(taken <= probe.pixel_bytes as usize + TABLES, "{name}: {taken} of {}", probe.pixel_bytes);
        largest = largest.max(taken as f64 / probe.pixel_bytes as f64);
    }
    // The twin that must fail: half of what was promised is not enough for all of them.
    assert!(largest > 0.5, "{largest}");

    // A colour profile that inflates 150 times, in a PNG and in an icon.
    let small =
        DynamicImage::from(RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 4) as u8, (y * 4) as u8, 9])));
    let bomb = profile_bomb(&small);
    assert!(bomb.len() < 3 << 20);
    let expected = decode::pixels(
        &encoded(&small, ImageFormat::Png),
        &decode::probe(&encoded(&small, ImageFormat::Png), Geometry::Full, &limits(64)),
        Geometry::Full,
        &limits(64),
    );
    for (name, bytes) in [
        ("profile", bomb.clone()),
        ("profile in an icon", icon(&bomb, bomb.len() as u32)),
        ("profile in an icon that lies about its size", icon(&bomb, u32::MAX)),
    ] {
        let (probe, outcome, taken) = measure(name, &bytes, &limits(64));
        assert_eq!(outcome, Outcome::Hashed, "{name}");
        assert!(taken <= probe.pixel_bytes as usize + TABLES, "{name}: {taken} of {}", probe.pixel_bytes);
        let picture = decode::pixels(&bytes, &probe, Geometry::Full, &limits(64)).unwrap();
        assert_eq!(picture.tile, expected.as_ref().unwrap().tile, "{name}: its pixels are the picture's");
    }
    // The twin that must fail: the decoder itself, opened as its crate opens it, inflates all of it.
    let (opened, taken) =
        peak(|| image::ImageReader::with_format(Cursor::new(&bomb), ImageFormat::Png).into_decoder().is_ok());
    assert!(opened && taken > 256 << 20, "the bomb is one: {taken} bytes");
}
