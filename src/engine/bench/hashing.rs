//! How fast tiles become hashes, on each backend.

use std::time::Instant;

use serde::Serialize;

use super::sample::SplitMix;
use super::settings::{BenchSettings, part, rate};
use crate::engine::{CancelToken, EngineError, pool};
use crate::matching::Backend;
use crate::pdq::{TILE_SIDE, Tile};

/// Minimum tiles of one call.
const TILES: usize = 1024;

/// A backend to hash on.
#[derive(Clone, Debug)]
pub struct HashOn {
    /// The backend.
    pub backend: Backend,
    /// Whether it computes on the threads that decode, and so takes their time.
    pub on_threads: bool,
}

/// How fast one backend hashes.
#[derive(Clone, Debug, Serialize)]
pub struct HashRate {
    /// Its name, and why it was chosen.
    pub backend: String,
    /// Whether it computes on the threads that decode, and so takes their time.
    pub on_threads: bool,
    /// Pictures a second of the whole backend: all eight hashes and the quality, transfers included.
    pub pictures_per_second: f64,
    /// Why there is no figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

pub(super) fn measure(
    backends: &[HashOn],
    tiles: &[Box<Tile>],
    settings: &BenchSettings,
    cancel: &CancelToken,
) -> Result<Vec<HashRate>, EngineError> {
    let pool = pool("hash", settings.jobs)?;
    let patience = settings.share(part::HASHING).div_f64(backends.len().max(1) as f64);
    let mut rates = Vec::new();
    for HashOn { backend, on_threads } in backends {
        let batch = batch(tiles, backend.tile_batch().max(TILES));
        let _told_before = backend.take_notices();
        // Once, so that shaders and buffers are ready.
        pool.install(|| drop(backend.hash_tiles(&batch)));
        let started = Instant::now();
        let mut hashed = 0;
        loop {
            hashed += pool.install(|| backend.hash_tiles(&batch)).len();
            if started.elapsed() >= patience || cancel.is_cancelled() {
                break;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        // A GPU that fails is replaced by the CPU, whose figure is not this one.
        let failed = backend.take_notices().into_iter().next();
        rates.push(HashRate {
            backend: backend.description(),
            on_threads: *on_threads,
            pictures_per_second: if failed.is_some() { 0.0 } else { rate(hashed as f64, seconds) },
            failed,
        });
    }
    Ok(rates)
}

/// This many tiles: those of the sample over and over, or noise if it has none.
fn batch(tiles: &[Box<Tile>], count: usize) -> Vec<Box<Tile>> {
    if !tiles.is_empty() {
        return tiles.iter().cycle().take(count).cloned().collect();
    }
    let mut random = SplitMix::default();
    let mut noise = || {
        Box::new(Tile(std::array::from_fn::<_, { TILE_SIDE * TILE_SIDE }, _>(|_| {
            random.next() as u32 % (255 << 16)
        })))
    };
    (0..count).map(|_| noise()).collect()
}
