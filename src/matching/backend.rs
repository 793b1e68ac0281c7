//! Where hashing and searching run: on the CPU, or on a GPU with the CPU as fallback.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rayon::prelude::*;

use super::Pair;
use super::allowance::{Allowance, Stop};
use super::backend_error::BackendError;
use super::banded_join::Resident;
use super::bands::Bands;
use super::calibrate::{self, Fastest};
use super::device::{DeviceError, DeviceHaystack, Gpu};
use super::flat::FlatIndex;
use super::planner::JoinPlan;
use super::popcount::InstructionSet;
#[cfg(feature = "gpu")]
use crate::gpu::{FlatKernel, GpuContext, GpuError};
use crate::pdq::{DihedralHashes, PdqHash, Tile, hash_tile};

/// With fewer known hashes `auto` takes the CPU without measuring: eight queries a picture against 200,000
/// hashes are about 0.3 ms on one core, against tens of milliseconds of decoding.
const SMALL_SET: u64 = 200_000;
/// With fewer hashes bands save too little.
const MIN_BANDED: usize = 200_000;
/// With fewer queries bands do not pay off: any batch visits nearly every bucket of a band once, and fetching the buckets
/// takes as long as comparing this many queries with everything (measured by `benches/flat.rs`).
const BANDED_QUERIES: usize = 4096;
/// Tiles of one batch on the CPU: a few milliseconds' work.
const CPU_TILE_BATCH: usize = 64;

/// The requested `--backend`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackendRequest {
    /// Whatever measures faster on this machine; software adapters do not count as GPUs.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU: the first hardware adapter, else a software one with a warning; or the first whose name
    /// contains the text, of any kind.
    Gpu(Option<String>),
}

impl FromStr for BackendRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(None)),
            _ => match text.strip_prefix("gpu:") {
                Some(name) if !name.trim().is_empty() => Ok(Self::Gpu(Some(name.trim().into()))),
                _ => Err("a backend is auto, cpu, gpu, or gpu:NAME (`tamis devices` lists names)".into()),
            },
        }
    }
}

impl fmt::Display for BackendRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Cpu => formatter.write_str("cpu"),
            Self::Gpu(None) => formatter.write_str("gpu"),
            Self::Gpu(Some(name)) => write!(formatter, "gpu:{name}"),
        }
    }
}

/// The resolved backend of a run; clones share it.
///
/// Every operation gives the same bits on every backend, so a GPU that fails in the middle is replaced by the
/// CPU: the operation is repeated there, a notice is recorded, and the run continues.
#[derive(Clone, Debug)]
pub struct Backend {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    description: String,
    /// `None` on the CPU, and after a loss.
    gpu: Mutex<Option<Arc<Gpu>>>,
    notices: Mutex<Notices>,
    /// In tests, the pieces of work that the GPU completes before it fails.
    until_loss: Mutex<Option<u32>>,
}

/// Notices for the user, in order.
#[derive(Debug, Default)]
struct Notices {
    all: Vec<String>,
    /// How many of them were taken already.
    taken: usize,
}

impl Backend {
    fn new(description: String, gpu: Option<Gpu>, notices: Vec<String>) -> Self {
        let gpu = Mutex::new(gpu.map(Arc::new));
        let notices = Mutex::new(Notices { all: notices, taken: 0 });
        Self { shared: Arc::new(Shared { description, gpu, notices, until_loss: Mutex::new(None) }) }
    }

    /// The CPU, and why.
    #[must_use]
    pub fn cpu(reason: &str) -> Self {
        Self::new(format!("cpu ({} vectors): {reason}", InstructionSet::best()), None, Vec::new())
    }

    /// An open GPU, and why.
    ///
    /// # Errors
    /// If the device was lost or does not accept the shaders.
    #[cfg(feature = "gpu")]
    pub fn gpu(context: GpuContext, reason: &str) -> Result<Self, GpuError> {
        Ok(Self::on(Gpu::new(context, FlatKernel::default())?, reason))
    }

    fn on(gpu: Gpu, reason: &str) -> Self {
        let notices = gpu.warning().into_iter().collect();
        Self::new(format!("gpu ({gpu}): {reason}"), Some(gpu), notices)
    }

    /// Resolves a request for a run that matches with `known_hashes` hashes.
    ///
    /// # Errors
    /// If a GPU was requested, by name or as `gpu`, and there is none or it does not work.
    pub fn choose(request: &BackendRequest, known_hashes: u64) -> Result<Self, BackendError> {
        let name = match request {
            BackendRequest::Cpu => return Ok(Self::cpu("asked for")),
            BackendRequest::Auto => return Ok(Self::choose_by_measurement(known_hashes)),
            BackendRequest::Gpu(name) => name.as_deref(),
        };
        Ok(Self::on(calibrate::open(name, known_hashes >= SMALL_SET)?, "asked for"))
    }

    /// `auto`: never an error, because the CPU always works.
    fn choose_by_measurement(known_hashes: u64) -> Self {
        if known_hashes < SMALL_SET {
            return Self::cpu(&format!("{known_hashes} hashes are too few for a GPU to pay off"));
        }
        match calibrate::fastest() {
            Fastest::Gpu(gpu, reason) => Self::on(*gpu, &reason),
            Fastest::Cpu(reason) => Self::cpu(&reason),
        }
    }

    /// The chosen backend and the reason, in one line.
    #[must_use]
    pub fn description(&self) -> String {
        self.shared.description.clone()
    }

    /// Takes the notices since the last call (a lost device, a software adapter), one line each.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        let mut notices = lock(&self.shared.notices);
        let new = notices.all[notices.taken..].to_vec();
        notices.taken = notices.all.len();
        new
    }

    /// All notices, taken or not, for the record of a run.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        lock(&self.shared.notices).all.clone()
    }

    /// The best number of tiles for a call of [`Backend::hash_tiles`].
    #[must_use]
    pub fn tile_batch(&self) -> usize {
        self.current_gpu().map_or(CPU_TILE_BATCH, |gpu| gpu.tile_batch())
    }

    /// Hashes of all orientations and quality of each tile, in order.
    #[must_use]
    pub fn hash_tiles(&self, tiles: &[Box<Tile>]) -> Vec<DihedralHashes> {
        if let Some(gpu) = self.current_gpu().filter(|_| !tiles.is_empty()) {
            self.count_down();
            match gpu.hash(tiles) {
                Ok(hashes) => return hashes,
                Err(error) => self.give_up_gpu(&error),
            }
        }
        tiles.par_iter().map(|tile| hash_tile(tile)).collect()
    }

    /// Makes hashes resident for searches: always in memory, so that the CPU can take over, and also on the
    /// GPU if there is one.
    #[must_use]
    pub fn haystack(&self, hashes: &[PdqHash]) -> Haystack {
        let resident = self
            .current_gpu()
            .and_then(|gpu| gpu.haystack(hashes).map_err(|error| self.give_up_gpu(&error)).ok());
        Haystack { backend: self.clone(), flat: FlatIndex::new(hashes), bands: None, resident }
    }

    /// [`Backend::haystack`], which on the CPU also sorts large sets into bands once a large batch is searched, if they take no more
    /// than `memory` bytes; for searches within at most `radius`. The pairs are the same.
    #[must_use]
    pub fn banded_haystack(&self, hashes: &[PdqHash], radius: u32, memory: u64) -> Haystack {
        let mut haystack = self.haystack(hashes);
        if haystack.resident.is_none() && hashes.len() >= MIN_BANDED {
            let bands = JoinPlan::resident(hashes, BANDED_QUERIES, radius);
            let bands = bands.filter(|bands| Resident::bytes(hashes.len(), bands, radius) <= memory);
            haystack.bands = bands.map(|bands| LazyBands { bands, radius, resident: OnceLock::new() });
        }
        haystack
    }

    /// Whether a GPU does the work, as far as known.
    pub(crate) fn is_gpu(&self) -> bool {
        self.current_gpu().is_some()
    }

    /// The pairs of a banded join on the GPU, in no particular order; see [`BandedJoin::run`](super::banded_join::BandedJoin::run). `None` without a
    /// GPU, if it failed (the CPU then takes over), or with more bands than its shader supports.
    pub(super) fn banded_join(
        &self,
        left: &[PdqHash],
        right: Option<&[PdqHash]>,
        bands: &Bands,
        radius: u32,
        allowance: &Allowance<'_>,
    ) -> Option<Result<Vec<Pair>, Stop>> {
        let gpu = self.current_gpu().filter(|gpu| gpu.takes(bands))?;
        self.count_down();
        let work = left.len() as f64 * bands.0.len() as f64;
        self.found_on_gpu(gpu.join(left, right, bands, radius, &mut allowance.watch(work)))
    }

    /// The pairs of a search on the GPU; `None` where it failed, so that the CPU is to do it.
    fn found_on_gpu(
        &self,
        found: Result<Result<Vec<Pair>, Stop>, DeviceError>,
    ) -> Option<Result<Vec<Pair>, Stop>> {
        found.map_err(|error| self.give_up_gpu(&error)).ok()
    }

    /// Makes the GPU fail from now on, as a driver's crash would. For tests.
    pub fn simulate_gpu_loss(&self) {
        if let Some(gpu) = self.current_gpu() {
            gpu.simulate_loss();
        }
    }

    /// Makes the GPU fail after `batches` more batches of tiles or queries. For tests of a loss in the middle.
    pub fn simulate_gpu_loss_after(&self, batches: u32) {
        *lock(&self.shared.until_loss) = Some(batches);
    }

    /// Before each batch.
    fn count_down(&self) {
        let mut until_loss = lock(&self.shared.until_loss);
        match *until_loss {
            Some(0) => {
                *until_loss = None;
                self.simulate_gpu_loss();
            }
            Some(left) => *until_loss = Some(left - 1),
            None => {}
        }
    }

    fn current_gpu(&self) -> Option<Arc<Gpu>> {
        lock(&self.shared.gpu).clone()
    }

    /// Switches to the CPU; the notice is given once.
    fn give_up_gpu(&self, error: &DeviceError) {
        if lock(&self.shared.gpu).take().is_some() {
            let notice = format!("{error}. The run continues on the CPU, with the same results");
            lock(&self.shared.notices).all.push(notice);
        }
    }
}

/// Resident hashes that are searched batch by batch.
#[derive(Debug)]
pub struct Haystack {
    backend: Backend,
    flat: FlatIndex,
    bands: Option<LazyBands>,
    resident: Option<DeviceHaystack>,
}

impl Haystack {
    /// Every pair within `radius` (inclusive), sorted by (query, haystack); nothing is dropped. On the CPU
    /// it runs on the threads of the current rayon pool.
    #[must_use]
    pub fn search(&self, queries: &[PdqHash], radius: u32) -> Vec<Pair> {
        if queries.is_empty() || self.flat.is_empty() {
            return Vec::new();
        }
        // Nothing ends it early.
        let mut pairs = self.search_within(queries, radius, &Allowance::everything()).unwrap_or_default();
        pairs.par_sort_unstable();
        pairs
    }

    /// The same within `allowance`, in no particular order.
    pub(super) fn search_within(
        &self,
        queries: &[PdqHash],
        radius: u32,
        allowance: &Allowance<'_>,
    ) -> Result<Vec<Pair>, Stop> {
        let by_bands = || self.bands.as_ref()?.search(&self.flat, queries, radius, allowance);
        self.search_on_gpu(queries, radius, allowance)
            .or_else(by_bands)
            .unwrap_or_else(|| self.flat.search_within(InstructionSet::best(), queries, radius, allowance))
    }

    /// `None` where the CPU must do it.
    fn search_on_gpu(
        &self,
        queries: &[PdqHash],
        radius: u32,
        allowance: &Allowance<'_>,
    ) -> Option<Result<Vec<Pair>, Stop>> {
        let (gpu, resident) = (self.backend.current_gpu()?, self.resident.as_ref()?);
        self.backend.count_down();
        let mut watch = allowance.watch(queries.len() as f64);
        self.backend.found_on_gpu(gpu.search(resident, queries, radius, &mut watch))
    }

    /// Bytes of its bands once they exist; 0 if it never has any.
    #[must_use]
    pub fn banded_bytes(&self) -> u64 {
        let bytes = |bands: &LazyBands| Resident::bytes(self.flat.len(), &bands.bands, bands.radius);
        self.bands.as_ref().map_or(0, bytes)
    }
}

/// Bands, created when they first pay off.
#[derive(Debug)]
struct LazyBands {
    bands: Bands,
    radius: u32,
    resident: OnceLock<Resident>,
}

impl LazyBands {
    /// `None` where the flat search is as good, or the radius exceeds that of the bands.
    fn search(
        &self,
        flat: &FlatIndex,
        queries: &[PdqHash],
        radius: u32,
        allowance: &Allowance<'_>,
    ) -> Option<Result<Vec<Pair>, Stop>> {
        if queries.len() < BANDED_QUERIES || radius > self.radius {
            return None;
        }
        let make = || Resident::new(&flat.hashes(), self.bands.clone(), self.radius);
        self.resident.get_or_init(make).search(InstructionSet::best(), queries, radius, allowance)
    }
}

/// A thread that panicked while holding one of these locks left no partial state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_shown() {
        for text in ["auto", "cpu", "gpu", "gpu:NVIDIA GeForce RTX 4070"] {
            assert_eq!(
                text.parse::<BackendRequest>().map(|request| request.to_string()),
                Ok(text.to_string())
            );
        }
        for wrong in ["", "GPU", "gpu:", "gpu: ", "cuda"] {
            assert!(wrong.parse::<BackendRequest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_small_job_does_not_start_a_gpu() {
        let backend = Backend::choose(&BackendRequest::Auto, 1000).unwrap();
        assert!(backend.description().starts_with("cpu"), "{}", backend.description());
    }
}
