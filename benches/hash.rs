//! The hash stage alone: a decoded 12-megapixel picture to its hashes, on one core.
//!
//! `cargo bench --bench hash` also runs the reference's own C++ (`pip install pdqhash numpy`) in a child process, turn
//! by turn on the same pixels, and prints the ratios of the pairs.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark, not the product")]

#[path = "../tests/support/scene.rs"]
mod scene;
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use support::{Peer, seconds, spread};
use tamis::pdq::{Geometry, PixelLayout, Reducer, Tile, hash_tile};

const WIDTH: u32 = 4000;
const HEIGHT: u32 = 3000;
/// Pictures in turn: together well beyond any cache, so that bytes come from memory.
const PICTURES: u64 = 12;
const ROUNDS: usize = 15;

const PDQHASH: &str = "
import sys, time, numpy, pdqhash
width, height = int(sys.argv[1]), int(sys.argv[2])
pixels = numpy.frombuffer(sys.stdin.buffer.read(width * height * 3), dtype=numpy.uint8).reshape(height, width, 3)
for line in sys.stdin.buffer:
    started = time.perf_counter()
    pdqhash.compute(pixels)
    print(time.perf_counter() - started, flush=True)
";

fn reduce(pixels: &[u8]) -> Box<Tile> {
    let mut reducer = Reducer::new(WIDTH, HEIGHT, PixelLayout::Rgb, Geometry::Full).unwrap();
    reducer.push_rows(pixels);
    reducer.finish().unwrap()
}

/// The floor: every byte once, eight at a time.
fn read_once(pixels: &[u8]) -> u64 {
    pixels.chunks_exact(8).fold(0, |sum, bytes| sum ^ u64::from_le_bytes(bytes.try_into().unwrap()))
}

/// Copies of a scene, each a little different, so that none is another's memory.
fn pictures() -> Vec<Vec<u8>> {
    let first = scene::render(1, WIDTH, HEIGHT).into_raw();
    (0..PICTURES).map(|number| first.iter().map(|byte| byte ^ (number as u8 & 1)).collect()).collect()
}

fn stages(criterion: &mut Criterion) {
    let pictures = pictures();
    let mut turn = pictures.iter().cycle();
    let mut group = criterion.benchmark_group("12 megapixels, RGB, one core");
    group.throughput(Throughput::Bytes(pictures[0].len() as u64));
    group.bench_function("read the bytes once", |bencher| {
        bencher.iter(|| read_once(black_box(turn.next().unwrap())));
    });
    group.bench_function("reduce to a tile", |bencher| bencher.iter(|| reduce(turn.next().unwrap())));
    group.bench_function("reduce and hash", |bencher| {
        bencher.iter(|| hash_tile(&reduce(turn.next().unwrap())));
    });
    group.finish();
    let tile = reduce(&pictures[0]);
    criterion.bench_function("a tile to its eight hashes and quality", |bencher| {
        bencher.iter(|| hash_tile(black_box(&tile)));
    });
}

/// Turn by turn with the reference and with reading alone.
fn paired() {
    let pictures = pictures();
    let arguments = [WIDTH.to_string(), HEIGHT.to_string()];
    let Some(mut peer) = Peer::start(PDQHASH, &arguments, &pictures[0]) else {
        println!("no comparison: python3 with pdqhash and numpy is not there");
        return;
    };
    let (mut ours, mut reading, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut faster, mut above_reading) = (Vec::new(), Vec::new());
    for (round, picture) in pictures.iter().cycle().take(ROUNDS).enumerate() {
        let reference = peer.seconds().unwrap();
        let hash = seconds(|| hash_tile(&reduce(picture)));
        // Others in between, so that this picture is not in a cache.
        let other = &pictures[(round + pictures.len() / 2) % pictures.len()];
        let read = seconds(|| read_once(other));
        let reduced = seconds(|| reduce(&pictures[(round + pictures.len() / 3) % pictures.len()]));
        faster.push(reference / hash);
        above_reading.push(reduced / read);
        theirs.push(reference * 1e3);
        ours.push(hash * 1e3);
        reading.push(read * 1e3);
    }
    println!("\n{ROUNDS} rounds, turn by turn, 12 megapixels RGB; minimum, median, maximum:");
    for (name, unit, values) in [
        ("pdqhash", "ms", theirs),
        ("tamis, reduce and hash", "ms", ours),
        ("reading the bytes once", "ms", reading),
        ("pdqhash / tamis", "times", faster),
        ("tamis' reduction / reading", "times", above_reading),
    ] {
        let (minimum, median, maximum) = spread(values);
        println!("{name:<28} {minimum:>9.2} {median:>9.2} {maximum:>9.2} {unit}");
    }
}

criterion_group!(benches, stages);

fn main() {
    benches();
    paired();
    Criterion::default().configure_from_args().final_summary();
}
