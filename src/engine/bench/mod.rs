//! How fast this machine ingests files: its storage, digests, decoders and backends, measured on a sample of the user's own files or on
//! generated pictures, and what follows for a terabyte of such files.
//!
//! Nothing is stored, and no stage is simulated: each is measured separately, with all threads working, as in a run.

mod decoding;
mod digesting;
mod failures;
mod generated;
mod hashing;
mod predict;
mod sample;
mod settings;
mod storage;

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

pub use decoding::{DecodeKind, DecodeRate};
pub use digesting::DigestRates;
pub use failures::FailedFiles;
pub use hashing::{HashOn, HashRate};
pub use predict::{Prediction, StageHours, TERABYTE};
pub use sample::{ContentKind, Contents, Listing};
pub use settings::BenchSettings;
pub use storage::{Origin, StorageRates};

use super::{CancelToken, EngineError};
use failures::Failures;
use predict::Measured;
use sample::Picked;
use settings::part;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct IngestBench {
    /// Threads that digested, decoded and hashed at once.
    pub threads: usize,
    /// How long it took.
    pub seconds: f64,
    /// Whether the pictures were generated, because no folder was given.
    pub made: bool,
    /// What was listed, of a folder.
    pub listing: Option<Listing>,
    /// What the sample consists of, by kind.
    pub contents: Vec<Contents>,
    /// Which files of the sample failed.
    pub failed: Vec<FailedFiles>,
    /// Reading, of a folder.
    pub storage: Option<StorageRates>,
    /// Digests, per thread.
    pub digests: DigestRates,
    /// Decoding, per thread.
    pub decoding: Vec<DecodeRate>,
    /// Hashing, per backend.
    pub hashing: Vec<HashRate>,
    /// What follows for a terabyte; absent if nothing could be read.
    pub prediction: Option<Prediction>,
    /// What a reader of these figures should know.
    pub notes: Vec<String>,
}

/// Measures; `None` if it was cancelled. `backends` are the backends to hash on; a run would take the first.
///
/// # Errors
/// If the folder itself cannot be looked at, or threads cannot be started.
pub fn bench_ingest(
    folder: Option<&Path>,
    backends: &[HashOn],
    settings: &BenchSettings,
    cancel: &CancelToken,
) -> Result<Option<IngestBench>, EngineError> {
    let started = Instant::now();
    let mut notes = Vec::new();
    let mut failures = Failures::default();
    let (listing, storage, contents, loaded) = match folder {
        None => {
            let loaded = generated::pictures()?;
            notes.push(
                "the program generated these pictures; give a folder of your own for figures of your files"
                    .into(),
            );
            notes.push(
                "the program generates no progressive JPEGs: that kind is measured on your own files".into(),
            );
            (None, None, generated::contents(&loaded), loaded)
        }
        Some(folder) => {
            let mut picked = Picked::list(folder, settings.share(part::LISTING), cancel, &mut failures)?;
            let storage = storage::measure(&mut picked, settings, cancel, &mut failures);
            let loaded = picked.load(settings.max_memory / 4, settings.jobs, cancel, &mut failures);
            notes.extend(picked.listing.notes());
            (Some(picked.listing.clone()), storage, picked.contents(&loaded), loaded)
        }
    };
    let digests = digesting::measure(settings, cancel);
    let mut decoding = decoding::measure(&loaded, settings, cancel, &mut failures);
    let tiles = std::mem::take(&mut decoding.tiles);
    let hashing = hashing::measure(backends, &tiles, settings, cancel)?;
    if cancel.is_cancelled() {
        return Ok(None);
    }
    let storage_counts = storage.as_ref().is_some_and(|storage| storage.first_from == Origin::Storage);
    let measured = Measured {
        contents: &contents,
        storage_bytes_per_second: storage
            .as_ref()
            .filter(|_| storage_counts)
            .map(|rates| rates.first_bytes_per_second),
        copying_bytes_per_second: storage
            .as_ref()
            .map(|rates| rates.second_bytes_per_second / rates.readers.min(settings.jobs) as f64),
        digest_bytes_per_second: digests.all_bytes_per_second,
        decoding: &decoding,
        hashing: hashing.first(),
        threads: settings.jobs,
    };
    let prediction = predict::predict(&measured, &mut notes);
    Ok(Some(IngestBench {
        threads: settings.jobs,
        seconds: started.elapsed().as_secs_f64(),
        made: folder.is_none(),
        listing,
        contents,
        failed: failures.counts(),
        storage,
        digests,
        decoding: decoding.rates(),
        hashing,
        prediction,
        notes,
    }))
}
