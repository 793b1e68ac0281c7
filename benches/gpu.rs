//! The compute shaders on this machine's best adapter, a software one included (whose speed means nothing):
//! pairs a second of the flat search and its share of the adapter's roofline, tiles a second of the hash, joins by bands.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark, not the product")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use rand::prelude::*;
use support::{seconds, spread};
use tamis::gpu::banded_join::{BandPass, WIDEST_BAND};
use tamis::gpu::bench::PopcountPeak;
use tamis::gpu::flat::SearchLimits;
use tamis::gpu::{
    AdapterSelector, FlatKernel, GpuContext, GpuHasher, GpuJoiner, GpuSearcher, population_counts,
};
use tamis::matching::ItemHits;
use tamis::matching::calibrate::fastest_kernel;
use tamis::matching::{Backend, BackendRequest, Join, JoinControl, JoinSettings};
use tamis::pdq::{PdqHash, TILE_SIDE, Tile};

const QUERIES: usize = 8192;
const TILES: usize = 8192;

fn context() -> Option<Arc<GpuContext>> {
    match GpuContext::open(&AdapterSelector::Any) {
        Ok(context) => {
            println!("on {}", context.description());
            Some(Arc::new(context))
        }
        Err(error) => {
            println!("no benchmark: {error}");
            None
        }
    }
}

fn hashes(seed: u64, count: usize) -> Vec<PdqHash> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|_| PdqHash(random.random())).collect()
}

/// A software adapter gets less, or this would take minutes.
fn haystack_size(context: &GpuContext) -> usize {
    if context.description().is_software() { 1 << 16 } else { 1 << 22 }
}

fn shaders(criterion: &mut Criterion) {
    let Some(context) = context() else { return };
    let size = haystack_size(&context);
    let searcher = GpuSearcher::new(&context).unwrap();
    let haystack = searcher.haystack(&hashes(1, size)).unwrap();
    let queries = hashes(2, QUERIES);
    let mut group = criterion.benchmark_group("flat range search, transfers included");
    group.throughput(Throughput::Elements((size * QUERIES) as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for radius in [31, 39, 63] {
        group.bench_function(BenchmarkId::new("pairs", radius), |bencher| {
            bencher.iter(|| searcher.search(&haystack, &queries, radius).unwrap());
        });
    }
    group.finish();
    let mut random = StdRng::seed_from_u64(3);
    let tile = |_| Box::new(Tile(std::array::from_fn(|_| random.random_range(0..=255 << 16))));
    let tiles: Vec<Box<Tile>> = (0..TILES).map(tile).collect();
    let hasher = GpuHasher::new(&context).unwrap();
    let mut group = criterion.benchmark_group("tiles to hashes and quality, transfers included");
    group.throughput(Throughput::Elements(TILES as u64));
    group.sample_size(10);
    group.bench_function(format!("{TILES} tiles of {TILE_SIDE}×{TILE_SIDE}"), |bencher| {
        bencher.iter(|| hasher.hash(&tiles).unwrap());
    });
    group.finish();
}

/// The adapter's maximum population counts a second in registers: the search's roofline.
fn roofline(context: &Arc<GpuContext>) -> f64 {
    let peak = PopcountPeak::new(context, include_str!("popcount_peak.wgsl")).unwrap();
    let counts = if context.description().is_software() { 1 << 30 } else { 1 << 38 };
    let peaks: Vec<f64> = (0..9).map(|_| counts as f64 / seconds(|| peak.run(counts).unwrap())).collect();
    let (_, median, best) = spread(peaks);
    println!(
        "\npopulation counts in registers: median {median:.3e}, best {best:.3e} a second (32 bits each)"
    );
    best
}

/// The flat search with the calibrated kernel at radii of every lower bound, as a share of the roofline; then every kernel at 31.
fn flat_rates() {
    let Some(context) = context() else { return };
    let best_peak = roofline(&context);
    let size = haystack_size(&context);
    let (haystack_hashes, queries) = (hashes(1, size), hashes(2, QUERIES));
    let measure = |kernel, radius, rounds: usize| {
        let searcher = GpuSearcher::with(&context, kernel, SearchLimits::default()).unwrap();
        let haystack = searcher.haystack(&haystack_hashes).unwrap();
        drop(searcher.search(&haystack, &queries[..1024], radius).unwrap());
        let rate =
            |_| (size * QUERIES) as f64 / seconds(|| searcher.search(&haystack, &queries, radius).unwrap());
        spread((0..rounds).map(rate).collect())
    };
    let started = Instant::now();
    let kernel = fastest_kernel(&context, &haystack_hashes[..size.min(1 << 20)]).unwrap();
    println!("calibrated in {:.2} s: {kernel:?}", started.elapsed().as_secs_f64());
    for radius in [31, 39, 47, 63, 79] {
        let (minimum, median, best) = measure(kernel, radius, 9);
        let share = 100.0 * median * f64::from(population_counts(radius, kernel.carry_save)) / best_peak;
        println!(
            "flat search at {radius}: {minimum:.3e} {median:.3e} {best:.3e} pairs/s (minimum, median, best); {share:.0} % of the roofline"
        );
    }
    if context.description().is_software() {
        return;
    }
    for fours in [1, 2] {
        for workgroup in [64, 128, 256] {
            for query_group in [64, 128, 256] {
                for carry_save in [false, true] {
                    let kernel = FlatKernel { workgroup, query_group, fours, carry_save };
                    println!("  {:.3e} pairs/s at 31 with {kernel:?}", measure(kernel, 31, 3).1);
                }
            }
        }
    }
}

/// Bands as `tamis::matching` cuts them; random hashes need not be moved.
fn passes(radius: u32, count: u32) -> Vec<BandPass> {
    let (mut start, mut passes) = (0, Vec::new());
    for index in 0..count {
        let room = 256 / count + u32::from(index < 256 % count);
        let threshold = (radius + 1) / count + u32::from(index < (radius + 1) % count) - 1;
        let width = room.min(WIDEST_BAND);
        let differences = (0..1_u32 << width).filter(|bits| bits.count_ones() <= threshold).collect();
        passes.push(BandPass { start, width, threshold, differences });
        start += room;
    }
    passes
}

/// Joins of random hashes at 31 with every number of bands that may be best: what the planner's costs are read from.
fn band_counts() {
    let Some(context) = context() else { return };
    let joiner = GpuJoiner::new(&context).unwrap();
    let sizes: &[(usize, usize)] = if context.description().is_software() {
        &[(20_000, 20_000)]
    } else {
        &[(1_000_000, 1_000_000), (10_000_000, 10_000_000), (16_000_000, 13_000_000)]
    };
    for &(left, right) in sizes {
        let (left, right) = (hashes(1, left), hashes(2, right));
        for count in [9, 10, 11, 12, 13, 14, 16] {
            let passes = passes(31, count);
            let mut hits = 0;
            let join = || {
                let found =
                    joiner.join(&left, Some(&right), &|hash| hash, &passes, 31, &mut |_, _| Ok::<(), ()>(()));
                hits = found.unwrap().len();
            };
            let seconds = seconds(join);
            let pairs = (left.len() * right.len()) as f64;
            let kept: f64 =
                passes.iter().map(|pass| pass.differences.len() as f64 / f64::from(1 << pass.width)).sum();
            println!(
                "{} × {} in {count} bands: {seconds:.3} s, {:.2e} pairs/s effective, {:.2e} looked at, {hits} hits",
                left.len(),
                right.len(),
                pairs / seconds,
                pairs * kept / seconds
            );
        }
    }
}

/// 10⁷ pictures in eight orientations against 1.3·10⁷ known hashes, from hashes in memory to hits in order.
fn end_to_end() {
    let Ok(context) = GpuContext::open(&AdapterSelector::Any) else { return };
    let (pictures, known) =
        if context.description().is_software() { (2_000, 3_000) } else { (10_000_000, 13_000_000) };
    println!("\n{pictures} pictures of eight hashes against {known} on {}", context.description());
    let right: Vec<PdqHash> = hashes(1, known);
    let mut random = StdRng::seed_from_u64(9);
    let left: Vec<[PdqHash; 8]> = (0..pictures)
        .map(|index| {
            let mut picture: [PdqHash; 8] = std::array::from_fn(|_| PdqHash(random.random()));
            if index % 100 == 0 {
                // One in a hundred is near a known one.
                picture[index / 100 % 8] = near(&mut random, right[index % known]);
            }
            picture
        })
        .collect();
    let started = Instant::now();
    let backend = Backend::choose(&BackendRequest::Gpu(None), known as u64).unwrap();
    println!("opened and calibrated in {:.2} s: {}", started.elapsed().as_secs_f64(), backend.description());
    for _ in 0..3 {
        let started = Instant::now();
        let join = Join::with_orientations(&left, &right, JoinSettings::default()).with_backend(&backend);
        let prepared = started.elapsed().as_secs_f64();
        let mut hits = 0_u64;
        let report = join.run(&JoinControl::default(), |item: &ItemHits| {
            hits += item.hits.len() as u64;
            Ok::<(), ()>(())
        });
        let report = report.unwrap();
        println!(
            "end to end {:.2} s, of which preparing the known side {prepared:.2}; {hits} hits; {}",
            started.elapsed().as_secs_f64(),
            report.plan
        );
    }
}

fn near(random: &mut StdRng, mut hash: PdqHash) -> PdqHash {
    for _ in 0..random.random_range(0..40) {
        let bit: usize = random.random_range(0..256);
        hash.0[bit / 64] ^= 1 << (bit % 64);
    }
    hash
}

criterion_group!(benches, shaders);

/// `--flat`, `--bands` and `--join` do one part alone.
fn main() {
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let all = !asked("--flat") && !asked("--bands") && !asked("--join");
    if all {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
    if all || asked("--flat") {
        flat_rates();
    }
    if all || asked("--bands") {
        band_counts();
    }
    if all || asked("--join") {
        end_to_end();
    }
}
