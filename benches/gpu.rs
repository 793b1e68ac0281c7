//! The compute shaders on this machine's best adapter, a software one included (whose speed means nothing):
//! pairs a second of the flat search and its share of the adapter's roofline, tiles a second of the hash.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark, not the product")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use rand::prelude::*;
use support::{seconds, spread};
use tamis::gpu::bench::PopcountPeak;
use tamis::gpu::{AdapterSelector, GpuContext, GpuHasher, GpuSearcher};
use tamis::pdq::{Code, TILE_SIDE, Tile};

const NEEDLES: usize = 8192;
const TILES: usize = 8192;
/// Population counts of a pair in the lower bound at radius 31, and at 63.
const COUNTS: [(u32, f64); 2] = [(31, 2.0), (63, 4.0)];

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

fn codes(seed: u64, count: usize) -> Vec<Code> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|_| Code(random.random())).collect()
}

/// A software adapter gets less, or this would take minutes.
fn haystack_size(context: &GpuContext) -> usize {
    if context.description().is_software() { 1 << 16 } else { 1 << 22 }
}

fn shaders(criterion: &mut Criterion) {
    let Some(context) = context() else { return };
    let size = haystack_size(&context);
    let searcher = GpuSearcher::new(&context).unwrap();
    let haystack = searcher.haystack(&codes(1, size)).unwrap();
    let needles = codes(2, NEEDLES);
    let mut group = criterion.benchmark_group("flat range search, transfers included");
    group.throughput(Throughput::Elements((size * NEEDLES) as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (radius, _) in COUNTS {
        group.bench_function(BenchmarkId::new("pairs", radius), |bencher| {
            bencher.iter(|| searcher.search(&haystack, &needles, radius).unwrap());
        });
    }
    group.finish();
    let mut random = StdRng::seed_from_u64(3);
    let tile = |_| Box::new(Tile(std::array::from_fn(|_| random.random_range(0..=255 << 16))));
    let tiles: Vec<Box<Tile>> = (0..TILES).map(tile).collect();
    let hasher = GpuHasher::new(&context).unwrap();
    let mut group = criterion.benchmark_group("tiles to codes and quality, transfers included");
    group.throughput(Throughput::Elements(TILES as u64));
    group.sample_size(10);
    group.bench_function(format!("{TILES} tiles of {TILE_SIDE}×{TILE_SIDE}"), |bencher| {
        bencher.iter(|| hasher.hash(&tiles).unwrap());
    });
    group.finish();
}

/// The search's population counts a second as a share of the most that the adapter did of them in registers.
fn roofline() {
    let Some(context) = context() else { return };
    let peak = PopcountPeak::new(&context, include_str!("popcount_peak.wgsl")).unwrap();
    let counts = if context.description().is_software() { 1 << 30 } else { 1 << 38 };
    let peaks: Vec<f64> = (0..9).map(|_| counts as f64 / seconds(|| peak.run(counts).unwrap())).collect();
    let (_, median_peak, best_peak) = spread(peaks);
    println!(
        "\npopulation counts in registers: median {median_peak:.3e}, best {best_peak:.3e} a second (32 bits each)"
    );
    let size = haystack_size(&context);
    let searcher = GpuSearcher::new(&context).unwrap();
    let haystack = searcher.haystack(&codes(1, size)).unwrap();
    let needles = codes(2, NEEDLES);
    for (radius, counts) in COUNTS {
        let rate =
            |_| (size * NEEDLES) as f64 / seconds(|| searcher.search(&haystack, &needles, radius).unwrap());
        let (least, median, best) = spread((0..9).map(rate).collect());
        println!(
            "flat search at {radius}: {least:.3e} {median:.3e} {best:.3e} pairs/s (least, median, best); {:.0} % of the roofline",
            100.0 * median * counts / best_peak
        );
    }
}

criterion_group!(benches, shaders);

fn main() {
    benches();
    roofline();
    Criterion::default().configure_from_args().final_summary();
}
