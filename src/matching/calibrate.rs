//! Measures how fast the CPU and the GPU of this machine hash and search, and which kernel is fastest on the GPU: `--backend auto`
//! decides by that. Measured once per machine, adapter, driver and version, and kept in a cache file.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::backend_error::BackendError;
use super::device::Gpu;
use super::flat::FlatIndex;
use super::popcount::InstructionSet;
use crate::gpu::flat::SearchLimits;
use crate::gpu::{AdapterSelector, FlatKernel, GpuContext, GpuError, GpuSearcher};
use crate::partial::Partial;
use crate::pdq::{PdqHash, TILE_SIDE, Tile, hash_tile};

/// Hashes that are searched in a measurement.
const HAYSTACK: usize = 1 << 20;
/// Queries: those of 128 pictures.
const QUERIES: usize = 1024;
/// Tiles that are hashed.
const TILES: usize = 2048;
/// Repetitions; the best counts.
const ROUNDS: usize = 3;
/// Minimum seconds of a kernel's trial, as far as queries allow, so that its start does not count.
const TRIAL_SECONDS: f64 = 0.02;
/// Maximum queries of a trial.
const TRIAL_QUERIES: usize = 8192;
/// A kernel replaces another if it is faster by this factor: less is noise.
const FASTER: f64 = 1.02;

/// Rates of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The adapter, with its driver.
    pub adapter: String,
    /// Threads of the CPU's figures.
    pub threads: usize,
    /// The CPU's vectors.
    pub instructions: InstructionSet,
    /// Pairs of hashes a second on all threads.
    pub cpu_pairs_per_second: f64,
    /// Pairs of hashes a second on the GPU, transfers included.
    pub gpu_pairs_per_second: f64,
    /// The kernel of that search: the fastest on this adapter.
    pub gpu_kernel: FlatKernel,
    /// Tiles a second on all threads.
    pub cpu_tiles_per_second: f64,
    /// Tiles a second on the GPU, transfers included.
    pub gpu_tiles_per_second: f64,
}

/// Which backend `auto` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// The CPU.
    Cpu,
    /// The GPU.
    Gpu,
}

impl Measurement {
    /// The faster backend, and the reason as text. Searching decides: at the sizes where a GPU is considered
    /// it is nearly all of the work that is not decoding.
    #[must_use]
    pub fn confirmation(&self) -> (Winner, String) {
        let (cpu, gpu) = (self.cpu_pairs_per_second, self.gpu_pairs_per_second);
        let winner = if gpu > cpu { Winner::Gpu } else { Winner::Cpu };
        let reason = format!("measured {gpu:.1e} pairs/s on the GPU, {cpu:.1e} on {} threads", self.threads);
        (winner, reason)
    }

    fn key(adapter: &str) -> String {
        format!(
            "{} | {adapter} | {} threads | {}",
            env!("CARGO_PKG_VERSION"),
            threads(),
            InstructionSet::best()
        )
    }
}

/// Opens the hardware GPU and returns the machine's measurement, from the cache unless `again` or there is
/// none.
///
/// # Errors
/// If there is no GPU to measure, or it does not work.
fn measure_cached(again: bool) -> Result<(Gpu, Measurement), GpuError> {
    measure_or_remember(GpuContext::open(&AdapterSelector::Hardware)?, again)
}

/// Why it is the CPU if the GPU cannot be measured.
#[must_use]
pub fn why_cpu(error: &GpuError) -> String {
    match error {
        // The error's way out, the CPU, is what happens anyway.
        GpuError::NoAdapter(_) => "no hardware GPU".to_string(),
        other => other.to_string(),
    }
}

/// A requested GPU with its fastest kernel, measured before, or now if the adapter is hardware and there is enough `to_search`.
///
/// # Errors
/// If the device was lost or does not accept the shaders.
fn tuned(context: GpuContext, to_search: bool) -> Result<Gpu, GpuError> {
    if to_search && !context.description().is_software() {
        return measure_or_remember(context, false).map(|(gpu, _)| gpu);
    }
    let known = read_cache().remove(&Measurement::key(&context.description().to_string()));
    Gpu::new(context, known.map_or_else(FlatKernel::default, |measurement| measurement.gpu_kernel))
}

fn measure_or_remember(context: GpuContext, again: bool) -> Result<(Gpu, Measurement), GpuError> {
    let key = Measurement::key(&context.description().to_string());
    let mut cache = read_cache();
    if let Some(measurement) = cache.get(&key).filter(|_| !again) {
        return Ok((Gpu::new(context, measurement.gpu_kernel)?, measurement.clone()));
    }
    let (gpu, measurement) = measure(context)?;
    cache.insert(key, measurement.clone());
    // A cache that cannot be written costs the next run a second.
    let _ = write_cache(&cache);
    Ok((gpu, measurement))
}

/// A GPU that was asked for, by a part of its name or any, with its fastest kernel; measured now where there is enough `to_search`.
///
/// # Errors
/// If there is none, or it does not work.
pub(super) fn open(name: Option<&str>, to_search: bool) -> Result<Gpu, BackendError> {
    let selector = name.map_or(AdapterSelector::Any, |name| AdapterSelector::Named(name.into()));
    Ok(tuned(GpuContext::open(&selector)?, to_search)?)
}

/// What `--backend auto` takes, and why.
pub(super) enum Fastest {
    /// The GPU.
    Gpu(Box<Gpu>, String),
    /// The CPU.
    Cpu(String),
}

/// The GPU, if it measures faster than the CPU, or the CPU.
pub(super) fn fastest() -> Fastest {
    let (gpu, measurement) = match measure_cached(false) {
        Ok(measured) => measured,
        Err(error) => return Fastest::Cpu(why_cpu(&error)),
    };
    match measurement.confirmation() {
        (Winner::Gpu, reason) => Fastest::Gpu(Box::new(gpu), reason),
        (Winner::Cpu, reason) => Fastest::Cpu(reason),
    }
}

/// The measurement of the hardware GPU of this machine; see `measure_cached`.
///
/// # Errors
/// If there is no GPU to measure, or it does not work.
pub fn measurement(again: bool) -> Result<Measurement, GpuError> {
    measure_cached(again).map(|(_, measurement)| measurement)
}

/// Measures an adapter of any kind by name, without keeping the result.
///
/// # Errors
/// If there is no such adapter, or it failed.
pub fn measure_adapter(selector: &AdapterSelector) -> Result<Measurement, GpuError> {
    measure(GpuContext::open(selector)?).map(|(_, measurement)| measurement)
}

fn measure(context: GpuContext) -> Result<(Gpu, Measurement), GpuError> {
    let context = Arc::new(context);
    let haystack = random_hashes(1, HAYSTACK);
    // On a software adapter, which nobody uses for speed, trials take minutes.
    let tuned = !context.description().is_software();
    let kernel = if tuned { fastest_kernel(&context, &haystack)? } else { FlatKernel::default() };
    let gpu = Gpu::on(Arc::clone(&context), kernel)?;
    let queries = random_hashes(2, QUERIES);
    let tiles: Vec<Box<Tile>> = random_hashes(3, TILES).iter().map(textured_tile).collect();
    let index = FlatIndex::new(&haystack);
    let resident = gpu.searcher.haystack(&haystack)?;
    let pairs = (HAYSTACK * QUERIES) as f64;
    let measurement = Measurement {
        adapter: context.description().to_string(),
        threads: threads(),
        instructions: InstructionSet::best(),
        cpu_pairs_per_second: pairs
            / best_seconds(|| {
                drop(index.search(&queries, 31));
                Ok(())
            })?,
        gpu_pairs_per_second: pairs
            / best_seconds(|| gpu.searcher.search(&resident, &queries, 31).map(drop))?,
        gpu_kernel: kernel,
        cpu_tiles_per_second: TILES as f64
            / best_seconds(|| {
                drop(tiles.par_iter().map(|tile| hash_tile(tile)).collect::<Vec<_>>());
                Ok(())
            })?,
        gpu_tiles_per_second: TILES as f64 / best_seconds(|| gpu.hasher.hash(&tiles).map(drop))?,
    };
    Ok((gpu, measurement))
}

/// The fastest kernel at radius 31: starting from the default one, each parameter in turn is changed while
/// that makes it faster.
///
/// # Errors
/// If the device was lost.
pub fn fastest_kernel(context: &Arc<GpuContext>, haystack: &[PdqHash]) -> Result<FlatKernel, GpuError> {
    let mut queries = random_hashes(2, QUERIES);
    let trial = |kernel, queries: &[PdqHash]| {
        let searcher = GpuSearcher::with(context, kernel, SearchLimits::default())?;
        let resident = searcher.haystack(haystack)?;
        best_seconds(|| searcher.search(&resident, queries, 31).map(drop))
    };
    let mut fastest = FlatKernel::default();
    let mut seconds = trial(fastest, &queries)?;
    let wanted = (QUERIES as f64 * TRIAL_SECONDS / seconds) as usize;
    if wanted > QUERIES {
        queries = random_hashes(2, wanted.min(TRIAL_QUERIES));
        seconds = trial(fastest, &queries)?;
    }
    for respect in FlatKernel::RESPECTS {
        let tried = fastest;
        for kernel in respect(tried).into_iter().filter(|&kernel| kernel != tried) {
            let other = trial(kernel, &queries)?;
            if other * FASTER < seconds {
                (fastest, seconds) = (kernel, other);
            }
        }
    }
    Ok(fastest)
}

/// The lowest of a few rounds: the time without disturbance.
fn best_seconds(mut work: impl FnMut() -> Result<(), GpuError>) -> Result<f64, GpuError> {
    let mut lowest = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        work()?;
        lowest = lowest.min(started.elapsed().as_secs_f64());
    }
    Ok(lowest.max(1e-9))
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Hashes of random bits (SplitMix64).
fn random_hashes(seed: u64, count: usize) -> Vec<PdqHash> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    (0..count).map(|_| PdqHash([next(), next(), next(), next()])).collect()
}

/// A tile with some texture; its content does not affect the time.
fn textured_tile(hash: &PdqHash) -> Box<Tile> {
    let mut tile = Box::new(Tile([0; TILE_SIDE * TILE_SIDE]));
    for (index, value) in tile.0.iter_mut().enumerate() {
        *value = (hash.0[index % 4] >> (index % 41)) as u32 & 0x00ff_0000;
    }
    tile
}

/// `TAMIS_CACHE_DIR`, else where this system keeps caches.
fn cache_file() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let tamis = |folder: PathBuf| folder.join("tamis");
    let place = folder("TAMIS_CACHE_DIR").or_else(|| {
        if cfg!(windows) {
            folder("LOCALAPPDATA").map(tamis)
        } else if cfg!(target_os = "macos") {
            folder("HOME").map(|home| tamis(home.join("Library/Caches")))
        } else {
            folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache"))).map(tamis)
        }
    });
    place.map(|place| place.join("measurements.json"))
}

/// The cached measurements; none if the file is missing or damaged.
fn read_cache() -> BTreeMap<String, Measurement> {
    let text = cache_file().and_then(|path| fs::read(path).ok()).unwrap_or_default();
    let mut cache: BTreeMap<String, Measurement> = serde_json::from_slice(&text).unwrap_or_default();
    cache.retain(|_, measurement| measurement.gpu_kernel.is_possible());
    cache
}

fn write_cache(cache: &BTreeMap<String, Measurement>) -> std::io::Result<()> {
    let Some(path) = cache_file() else { return Ok(()) };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Renamed into place, so that concurrent runs never leave a partial file.
    let mut partial = Partial::beside(&path, "")?;
    partial.write_all(&serde_json::to_vec_pretty(cache)?)?;
    partial.rename(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kernels_that_can_be_are_taken_from_a_file() {
        let kernel = FlatKernel::default();
        assert!(kernel.is_possible() && FlatKernel { carry_save: true, fours: 2, ..kernel }.is_possible());
        for kernel in [
            FlatKernel { workgroup: 0, ..kernel },
            FlatKernel { query_group: 1 << 20, ..kernel },
            FlatKernel { fours: 3, ..kernel },
        ] {
            assert!(!kernel.is_possible(), "{kernel:?}");
        }
    }

    #[test]
    fn the_faster_search_wins() {
        let measurement = |cpu: f64, gpu: f64| Measurement {
            adapter: "a card".into(),
            threads: 8,
            instructions: InstructionSet::Portable,
            cpu_pairs_per_second: cpu,
            gpu_pairs_per_second: gpu,
            gpu_kernel: FlatKernel::default(),
            cpu_tiles_per_second: 1e5,
            gpu_tiles_per_second: 1e4,
        };
        assert_eq!(measurement(1e10, 1e11).confirmation().0, Winner::Gpu);
        let (winner, reason) = measurement(1e10, 1e9).confirmation();
        assert_eq!(winner, Winner::Cpu);
        assert_eq!(reason, "measured 1.0e9 pairs/s on the GPU, 1.0e10 on 8 threads");
    }
}
