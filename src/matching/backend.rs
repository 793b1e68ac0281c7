//! Where hashing and searching run: on the CPU, or on a GPU with the CPU as its stand-in.

use std::sync::Arc;

use super::Pair;
use crate::pdq::{Code, Tile, TileHash};

/// `--backend` as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackendRequest {
    /// What measures faster on this machine; a software adapter counts as no GPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU: the first hardware adapter, else a software one with a warning; or the first whose
    /// name contains the text, whatever its kind.
    Gpu(Option<String>),
}

/// A backend that was asked for and cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No adapter, or none of that name.
    #[error("{0}")]
    Unavailable(String),
}

/// The resolved backend of a run; clones share it.
///
/// Every operation gives the same bits on every backend, so a GPU that fails in the middle is
/// replaced by the CPU: the operation is done again there, a notice is left, and the run goes on.
#[derive(Clone, Debug)]
pub struct Backend {
    shared: Arc<()>,
}

impl Backend {
    /// The CPU.
    #[must_use]
    pub fn cpu() -> Self {
        unimplemented!()
    }

    /// Resolves a request. `expected_pictures` and `known_codes` tell the size of the job (0 for
    /// unknown): `auto` does not start a GPU for a small one.
    ///
    /// # Errors
    /// A GPU was asked for by name or by `gpu` and there is none.
    pub fn choose(request: &BackendRequest, known_codes: u64) -> Result<Self, BackendError> {
        let _ = (request, known_codes);
        unimplemented!()
    }

    /// What was picked and why, in one line for a person.
    #[must_use]
    pub fn description(&self) -> String {
        let _ = &self.shared;
        unimplemented!()
    }

    /// Takes what happened since the last call and a person should know (a lost device, a software
    /// adapter), one line each.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        unimplemented!()
    }

    /// How many tiles a call to [`Backend::hash_tiles`] should bring at best.
    #[must_use]
    pub fn tile_batch(&self) -> usize {
        unimplemented!()
    }

    /// Codes of all orientations and quality of each tile, in order.
    #[must_use]
    pub fn hash_tiles(&self, tiles: &[Box<Tile>]) -> Vec<TileHash> {
        let _ = tiles;
        unimplemented!()
    }

    /// Makes codes resident for searches.
    #[must_use]
    pub fn haystack(&self, codes: Vec<Code>) -> Haystack {
        let _ = codes;
        unimplemented!()
    }
}

/// Codes that stay resident and are searched with batch after batch.
#[derive(Debug)]
pub struct Haystack {
    backend: Backend,
}

impl Haystack {
    /// Every pair within `radius` (inclusive), sorted by (needle, haystack); nothing is dropped.
    #[must_use]
    pub fn search(&self, needles: &[Code], radius: u32) -> Vec<Pair> {
        let _ = (&self.backend, needles, radius);
        unimplemented!()
    }
}
