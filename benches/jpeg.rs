//! JPEG files in memory to hashes, on one core, and each peer on the same files, turn by turn.
//!
//! `TAMIS_BENCH_PHOTOS=FOLDER cargo bench --bench jpeg`: a folder of photographs, as `benches/fetch_photos.sh` fetches them; files under
//! 2 megapixels are left out. Peers: zune-jpeg (luminance only), and in a child process what Python has of libjpeg-turbo (grey;
//! `pip install "PyTurboJPEG<2"`, Debian: `libturbojpeg0`), OpenCV's img_hash (`opencv-contrib-python-headless`), `imagehash`, and
//! `pdqhash` with Pillow.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark, not the product")]

mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::{env, fs};

use criterion::{Criterion, Throughput, criterion_group};
use support::{Peer, seconds, spread};
use tamis::decode::{self, Limits};
use tamis::pdq::{DihedralHashes, Geometry, hash_tile};
use tamis::source::walk;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 4 << 30 };
const SMALLEST: u64 = 2_000_000;
const ROUNDS: usize = 7;

/// Reads the names of files, one a line up to an empty one; then answers each line with the seconds that all of them took.
const PREAMBLE: &str = "
import io, sys, time
files = []
for line in sys.stdin.buffer:
    if line == b'\\n':
        break
    files.append(open(line[:-1], 'rb').read())
def work(data): raise NotImplementedError
exec(sys.argv[1])
for line in sys.stdin.buffer:
    started = time.perf_counter()
    for data in files:
        work(data)
    print(time.perf_counter() - started, flush=True)
";

/// Peers in Python: their names, and how they work on a file in memory.
const PEERS: [(&str, &str); 4] = [
    (
        "libjpeg-turbo, grey",
        "import turbojpeg\nt = turbojpeg.TurboJPEG()\nwork = lambda d: t.decode(d, pixel_format=turbojpeg.TJPF_GRAY)",
    ),
    (
        "OpenCV img_hash (pHash)",
        "import cv2, numpy\ncv2.setNumThreads(1)\nh = cv2.img_hash.PHash_create()\nwork = lambda d: h.compute(cv2.imdecode(numpy.frombuffer(d, numpy.uint8), cv2.IMREAD_COLOR))",
    ),
    (
        "imagehash.phash",
        "import imagehash\nfrom PIL import Image\nwork = lambda d: imagehash.phash(Image.open(io.BytesIO(d)))",
    ),
    (
        "pdqhash + Pillow",
        "import pdqhash, numpy\nfrom PIL import Image\nwork = lambda d: pdqhash.compute(numpy.asarray(Image.open(io.BytesIO(d)).convert('RGB')))",
    ),
];

struct Photo {
    path: PathBuf,
    bytes: Vec<u8>,
    pixels: u64,
}

/// The photographs of one kind.
struct Kind {
    name: &'static str,
    photos: Vec<Photo>,
}

impl Kind {
    fn megapixels(&self) -> f64 {
        self.photos.iter().map(|photo| photo.pixels).sum::<u64>() as f64 / 1e6
    }
}

fn photos() -> Vec<Kind> {
    let Some(folder) = env::var_os("TAMIS_BENCH_PHOTOS") else {
        println!("nothing measured: TAMIS_BENCH_PHOTOS names no folder");
        return Vec::new();
    };
    let mut kinds = [("sequential", Vec::new()), ("progressive", Vec::new())];
    let folder = Path::new(&folder);
    walk(folder, &mut |entry| {
        let path = entry.path(folder);
        let bytes = fs::read(&path).unwrap_or_default();
        let facts = decode::probe(&bytes, Geometry::Full, &LIMITS).facts;
        if facts.format == Some(decode::Format::Jpeg)
            && let (Some(width), Some(height)) = (facts.width, facts.height)
        {
            let pixels = u64::from(width) * u64::from(height);
            let progressive = bytes.windows(2).any(|pair| pair == [0xff, 0xc2]);
            if pixels >= SMALLEST {
                kinds[usize::from(progressive)].1.push(Photo { path, bytes, pixels });
            }
        }
        true
    })
    .unwrap();
    kinds.map(|(name, photos)| Kind { name, photos }).into()
}

/// As a scan does it without verification: everything from the bytes to the hash.
fn ours(photo: &Photo) -> DihedralHashes {
    let probe = decode::probe(&photo.bytes, Geometry::Full, &LIMITS);
    let picture = decode::coefficients(&photo.bytes, &probe)
        .or_else(|_| decode::pixels(&photo.bytes, &probe, Geometry::Full, &LIMITS))
        .unwrap();
    hash_tile(&picture.tile)
}

fn zune(photo: &Photo) -> Vec<u8> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&photo.bytes), options).decode().unwrap()
}

/// Each photograph once.
fn all<T>(kind: &Kind, work: impl Fn(&Photo) -> T) {
    for photo in &kind.photos {
        black_box(work(photo));
    }
}

fn stages(criterion: &mut Criterion) {
    for kind in photos().iter().filter(|kind| !kind.photos.is_empty()) {
        let mut group =
            criterion.benchmark_group(format!("{} JPEG, {} photographs", kind.name, kind.photos.len()));
        group.sample_size(10).throughput(Throughput::Elements((kind.megapixels() * 1e6) as u64));
        group.bench_function("to a hash", |bencher| {
            bencher.iter(|| all(kind, ours));
        });
        group.finish();
    }
}

/// A peer in Python that has the files of a kind; `None` where a package is missing.
fn peer(kind: &Kind, work: &str) -> Option<Peer> {
    let names: String = kind.photos.iter().map(|photo| format!("{}\n", photo.path.display())).collect();
    Peer::start(PREAMBLE, &[work.to_string()], format!("{names}\n").as_bytes())
}

fn paired(kind: &Kind) {
    let mut peers: Vec<(&str, Option<Peer>)> =
        PEERS.iter().map(|(name, work)| (*name, peer(kind, work))).collect();
    let mut times: Vec<(&str, Vec<f64>)> =
        vec![("tamis, file to hash", Vec::new()), ("zune-jpeg, luminance", Vec::new())];
    times.extend(peers.iter().map(|(name, _)| (*name, Vec::new())));
    for _ in 0..ROUNDS {
        times[0].1.push(seconds(|| all(kind, ours)));
        times[1].1.push(seconds(|| all(kind, zune)));
        for ((_, times), (_, peer)) in times[2..].iter_mut().zip(&mut peers) {
            times.extend(peer.as_mut().and_then(Peer::seconds));
        }
    }
    let coefficients = kind.photos.iter().filter(|photo| {
        decode::coefficients(&photo.bytes, &decode::probe(&photo.bytes, Geometry::Full, &LIMITS)).is_ok()
    });
    println!(
        "\n{} JPEG: {} photographs, {:.0} megapixels, {:.1} MB; {} of them from coefficients; {ROUNDS} rounds, turn by turn, one core",
        kind.name,
        kind.photos.len(),
        kind.megapixels(),
        kind.photos.iter().map(|photo| photo.bytes.len()).sum::<usize>() as f64 / 1e6,
        coefficients.count(),
    );
    println!(
        "{:<28} {:>9} {:>9} {:>9} megapixels/s, then times tamis' time",
        "", "minimum", "median", "maximum"
    );
    for (name, seconds) in &times {
        if seconds.is_empty() {
            println!("{name:<28} not there");
            continue;
        }
        let (minimum, median, maximum) =
            spread(seconds.iter().map(|seconds| kind.megapixels() / seconds).collect());
        let ratio = spread(seconds.iter().zip(&times[0].1).map(|(theirs, ours)| theirs / ours).collect());
        println!(
            "{name:<28} {minimum:>9.1} {median:>9.1} {maximum:>9.1}   {:>8.2} {:>8.2} {:>8.2}",
            ratio.0, ratio.1, ratio.2
        );
    }
}

criterion_group!(benches, stages);

fn main() {
    if env::args().any(|argument| argument == "--paired-only") {
        return photos().iter().filter(|kind| !kind.photos.is_empty()).for_each(paired);
    }
    benches();
    photos().iter().filter(|kind| !kind.photos.is_empty()).for_each(paired);
    Criterion::default().configure_from_args().final_summary();
}
