//! Flat range search at 10⁶ hashes, on one core, on each instruction set of this machine.
//!
//! `cargo bench --bench flat` also runs faiss (`pip install faiss-cpu numpy`: IndexBinaryFlat.range_search, one thread) in a
//! child process, turn by turn on the same hashes, and prints the ratios of the pairs.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark, not the product")]

mod support;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use rand::prelude::*;
use support::{Peer, seconds, spread};
use tamis::matching::flat::FlatIndex;
use tamis::matching::popcount::InstructionSet;
use tamis::matching::{Backend, Haystack, Join, JoinControl, JoinSettings};
use tamis::pdq::PdqHash;

const HAYSTACK: usize = 1_000_000;
const QUERIES: usize = 500;
const ROUNDS: usize = 9;

const FAISS: &str = "
import sys, time, numpy, faiss
count, queries, radius = map(int, sys.argv[1:])
faiss.omp_set_num_threads(1)
read = lambda n: numpy.frombuffer(sys.stdin.buffer.read(n * 32), dtype=numpy.uint8).reshape(n, 32)
index = faiss.IndexBinaryFlat(256)
index.add(read(count))
wanted = read(queries)
for line in sys.stdin.buffer:
    started = time.perf_counter()
    # faiss leaves the radius itself out.
    index.range_search(wanted, radius + 1)
    print(time.perf_counter() - started, flush=True)
";

/// Random hashes, of which one query in ten has neighbours in the haystack.
fn hashes() -> (Vec<PdqHash>, Vec<PdqHash>) {
    let mut random = StdRng::seed_from_u64(1);
    let haystack: Vec<PdqHash> = (0..HAYSTACK).map(|_| PdqHash(random.random())).collect();
    let queries = (0..QUERIES)
        .map(|number| {
            if number % 10 > 0 {
                return PdqHash(random.random());
            }
            let mut hash = haystack[random.random_range(0..HAYSTACK)];
            (0..20).for_each(|_| hash.0[random.random_range(0..4)] ^= 1 << random.random_range(0..64));
            hash
        })
        .collect();
    (haystack, queries)
}

fn one_core() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap()
}

fn search(criterion: &mut Criterion) {
    let (haystack, queries) = hashes();
    let index = FlatIndex::new(&haystack);
    let mut group = criterion.benchmark_group("flat range search, one core, pairs");
    group.throughput(Throughput::Elements((HAYSTACK * QUERIES) as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for radius in [31, 63] {
        for instructions in InstructionSet::available() {
            group.bench_function(BenchmarkId::new(instructions.to_string(), radius), |bencher| {
                let pool = one_core();
                bencher.iter(|| pool.install(|| index.search_with(instructions, &queries, radius)));
            });
        }
    }
    group.finish();
}

/// Turn by turn with faiss.
fn paired() {
    let (haystack, queries) = hashes();
    let index = FlatIndex::new(&haystack);
    let pool = one_core();
    let bytes: Vec<u8> = haystack.iter().chain(&queries).flat_map(|hash| hash.to_bytes()).collect();
    let pairs = (HAYSTACK * QUERIES) as f64;
    for radius in [31, 63] {
        let arguments = [HAYSTACK, QUERIES, radius as usize].map(|number| number.to_string());
        let Some(mut peer) = Peer::start(FAISS, &arguments, &bytes) else {
            println!("no comparison: python3 with faiss-cpu and numpy is not there");
            return;
        };
        println!(
            "\n{ROUNDS} rounds, turn by turn, {HAYSTACK} × {QUERIES} hashes at {radius}; minimum, median, maximum:"
        );
        let mut theirs = Vec::new();
        let sets = InstructionSet::available();
        let mut ours = vec![Vec::new(); sets.len()];
        let mut ratios = vec![Vec::new(); sets.len()];
        for _ in 0..ROUNDS {
            let faiss = peer.seconds().unwrap();
            theirs.push(pairs / faiss);
            for (position, &set) in sets.iter().enumerate() {
                let taken = pool.install(|| seconds(|| index.search_with(set, &queries, radius)));
                ours[position].push(pairs / taken);
                ratios[position].push(faiss / taken);
            }
        }
        let line = |name: String, values: Vec<f64>, unit: &str| {
            let (minimum, median, maximum) = spread(values);
            println!("{name:<28} {minimum:>10.3e} {median:>10.3e} {maximum:>10.3e} {unit}");
        };
        line("faiss IndexBinaryFlat".into(), theirs, "pairs/s");
        for ((set, ours), ratios) in sets.into_iter().zip(ours).zip(ratios) {
            line(format!("tamis, {set}"), ours, "pairs/s");
            line(format!("tamis, {set} / faiss"), ratios, "times");
        }
    }
}

/// A join of 10⁶ × 10⁶ random hashes at 31 by bands, on each instruction set.
fn joins() {
    let mut random = StdRng::seed_from_u64(3);
    let mut hashes = || -> Vec<PdqHash> { (0..HAYSTACK).map(|_| PdqHash(random.random())).collect() };
    let (left, right) = (hashes(), hashes());
    let pool = one_core();
    println!("\njoin of 10⁶ × 10⁶ hashes at 31 by bands, one core; seconds, minimum, median, maximum of 5:");
    for instructions in InstructionSet::available() {
        let settings = JoinSettings { instructions, ..JoinSettings::default() };
        let join = || {
            Join::new(&left, &right, settings)
                .run(&JoinControl::default(), |_| Ok::<(), ()>(()))
                .unwrap()
                .hits
        };
        let (minimum, median, maximum) = spread((0..5).map(|_| pool.install(|| seconds(join))).collect());
        println!("{:<10} {minimum:.2} {median:.2} {maximum:.2}", instructions.to_string());
    }
}

/// What batches of pictures in eight orientations cost against a resident hash set: flat, and in bands.
fn resident() {
    let mut random = StdRng::seed_from_u64(2);
    let hashes: Vec<PdqHash> = (0..4_300_000).map(|_| PdqHash(random.random())).collect();
    let queries: Vec<PdqHash> = (0..32_768).map(|_| PdqHash(random.random())).collect();
    let backend = Backend::cpu("a benchmark");
    let pool = one_core();
    println!("\neight orientations a picture, at radius 39, one core; milliseconds a picture, medians of 5:");
    for count in [200_000, 1_000_000, 4_300_000] {
        let flat = backend.haystack(&hashes[..count]);
        let banded = backend.banded_haystack(&hashes[..count], 39, 16 << 30);
        for batch in [2048, 8192, 32_768] {
            let queries = &queries[..batch];
            let time = |haystack: &Haystack| {
                // The first makes the bands.
                pool.install(|| haystack.search(queries, 39));
                let rounds = (0..5).map(|_| pool.install(|| seconds(|| haystack.search(queries, 39))));
                spread(rounds.collect()).1 * 8e3 / batch as f64
            };
            let (flat, in_bands) = (time(&flat), time(&banded));
            println!(
                "{count:>9} hashes, batches of {:>4}: flat {flat:.3}, banded {in_bands:.3} ({:.1} times), {} MiB of bands",
                batch / 8,
                flat / in_bands,
                banded.banded_bytes() >> 20
            );
        }
    }
}

criterion_group!(benches, search);

fn main() {
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    if asked("--resident-only") {
        return resident();
    }
    if asked("--join-only") {
        return joins();
    }
    benches();
    paired();
    joins();
    resident();
    Criterion::default().configure_from_args().final_summary();
}
