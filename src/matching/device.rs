//! A GPU that is open, with the shaders of all that it does. `device_absent.rs` is its twin without the feature `gpu`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::Pair;
use super::allowance::Stop;
use super::bands::{Band, Bands, diagonals};
use crate::gpu::banded_join::{BandPass, JoinLimits};
use crate::gpu::flat::SearchLimits;
use crate::gpu::hash::TILE_BATCH;
use crate::gpu::layout::{FlatHit, MAX_BANDS};
use crate::gpu::{FlatKernel, GpuContext, GpuHasher, GpuJoiner, GpuSearcher, SearchEnd};
pub(super) use crate::gpu::{GpuError as DeviceError, GpuHaystack as DeviceHaystack};
use crate::pdq::{DihedralHashes, PdqHash, Tile};

/// The pairs of a search or why it was ended early; outside, that the GPU failed.
type Searched = Result<Result<Vec<Pair>, Stop>, DeviceError>;

/// An open GPU with its shaders.
#[derive(Debug)]
pub(super) struct Gpu {
    pub context: Arc<GpuContext>,
    pub hasher: GpuHasher,
    pub searcher: GpuSearcher,
    kernel: FlatKernel,
    /// Made for the first join.
    joiner: OnceLock<Result<GpuJoiner, DeviceError>>,
}

impl Gpu {
    pub fn new(context: GpuContext, kernel: FlatKernel) -> Result<Self, DeviceError> {
        Self::on(Arc::new(context), kernel)
    }

    pub fn on(context: Arc<GpuContext>, kernel: FlatKernel) -> Result<Self, DeviceError> {
        let hasher = GpuHasher::new(&context)?;
        let searcher = GpuSearcher::with(&context, kernel, SearchLimits::default())?;
        Ok(Self { context, hasher, searcher, kernel, joiner: OnceLock::new() })
    }

    /// What a person should know of the adapter.
    pub fn warning(&self) -> Option<String> {
        let adapter = self.context.description();
        let warning =
            || format!("{} is a software adapter: it computes on the CPU, and slowly", adapter.name);
        adapter.is_software().then(warning)
    }

    /// How many tiles [`Self::hash`] should get at best.
    pub const fn tile_batch(&self) -> usize {
        TILE_BATCH
    }

    pub fn hash(&self, tiles: &[Box<Tile>]) -> Result<Vec<DihedralHashes>, DeviceError> {
        self.hasher.hash(tiles)
    }

    pub fn haystack(&self, hashes: &[PdqHash]) -> Result<DeviceHaystack, DeviceError> {
        self.searcher.haystack(hashes)
    }

    /// Every pair within `radius`, in no particular order, as far as `watch` lets it.
    pub fn search(
        &self,
        haystack: &DeviceHaystack,
        queries: &[PdqHash],
        radius: u32,
        watch: &mut dyn FnMut(usize, f64) -> Result<(), Stop>,
    ) -> Searched {
        searched(self.searcher.search_watched(haystack, queries, radius, watch))
    }

    /// Whether [`Self::join`] takes so many bands.
    pub fn takes(&self, bands: &Bands) -> bool {
        bands.0.len() <= MAX_BANDS
    }

    /// The pairs of a banded join, in no particular order, as far as `watch` lets it.
    pub fn join(
        &self,
        left: &[PdqHash],
        right: Option<&[PdqHash]>,
        bands: &Bands,
        radius: u32,
        watch: &mut dyn FnMut(usize, f64) -> Result<(), Stop>,
    ) -> Searched {
        let passes: Vec<BandPass> = bands.0.iter().map(BandPass::from).collect();
        searched(self.joiner()?.join(left, right, &diagonals, &passes, radius, watch))
    }

    /// Makes it fail from now on. For tests.
    pub fn simulate_loss(&self) {
        self.context.simulate_loss();
    }

    fn joiner(&self) -> Result<&GpuJoiner, DeviceError> {
        let joiner = || GpuJoiner::with(&self.context, self.kernel.carry_save, JoinLimits::default());
        self.joiner.get_or_init(joiner).as_ref().map_err(Clone::clone)
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.context.description().fmt(formatter)
    }
}

fn searched(found: Result<Vec<FlatHit>, SearchEnd<Stop>>) -> Searched {
    match found {
        Ok(hits) => Ok(Ok(hits.iter().map(Pair::from).collect())),
        Err(SearchEnd::Stopped(stop)) => Ok(Err(stop)),
        Err(SearchEnd::Gpu(error)) => Err(error),
    }
}

impl From<&Band> for BandPass {
    fn from(band: &Band) -> Self {
        let Band { start, width, threshold } = *band;
        Self { start, width, threshold, differences: band.differences() }
    }
}

impl From<&FlatHit> for Pair {
    fn from(hit: &FlatHit) -> Self {
        Self { query: hit.query, haystack: hit.haystack, distance: hit.distance }
    }
}
