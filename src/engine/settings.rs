//! What a run is asked for, and how it ended.

use crate::case::HitSettings;
use crate::decode::DecodeMode;
use crate::examine::Wanted;
use crate::matching::{Backend, DEFAULT_DISTANCE, DEFAULT_MAX_HITS, LARGEST_MAX_HITS, VerifyMode};
use crate::pdq::{Geometry, MIN_QUALITY};
use crate::source::Excludes;

/// Pixels on a side of a picture, at most: as many as a JPEG can have.
pub const MAX_SIDE: u32 = 65_535;

/// What every run is told: how much of the machine it may take, and how pictures become hashes.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Threads that digest and decode, and as many that search.
    pub jobs: usize,
    /// Threads that read files, and as many that list folders.
    pub io_jobs: usize,
    /// Bytes for files and pictures in flight.
    pub max_memory: u64,
    /// How pictures are reduced.
    pub geometry: Geometry,
    /// Which ways a picture may become a tile.
    pub decode: DecodeMode,
    /// Maximum pixels on a side.
    pub max_side: u32,
    /// Which files of the sources are left out.
    pub exclude: Excludes,
}

impl RunSettings {
    /// The program's own settings, for so many threads of either kind and so much memory.
    #[must_use]
    pub fn new(jobs: usize, io_jobs: usize, max_memory: u64) -> Self {
        Self {
            jobs,
            io_jobs,
            max_memory,
            geometry: Geometry::Full,
            decode: DecodeMode::default(),
            max_side: MAX_SIDE,
            exclude: Excludes::default(),
        }
    }

    /// In which form views are wanted: a GPU hashes tiles, and without one the thread that decodes has the hashes.
    pub(super) fn wanted(backend: &Backend) -> Wanted {
        if backend.is_gpu() { Wanted::Tiles } else { Wanted::Hashes }
    }
}

/// The settings of a run into a case.
#[derive(Clone, Debug)]
pub struct IngestSettings {
    /// What every run is told.
    pub run: RunSettings,
    /// Differing bits up to which a hash is a hit.
    pub distance: u32,
    /// Hashes of a lower quality are not matched.
    pub min_quality: u8,
    /// Which candidates are verified from pixels.
    pub verify: VerifyMode,
    /// Hashes of a hash set that are listed as near to a content, at most [`LARGEST_MAX_HITS`](crate::matching::LARGEST_MAX_HITS): the nearest.
    pub max_hits: u32,
    /// Large files that are mostly holes are read to their end too.
    pub read_holes: bool,
}

impl IngestSettings {
    /// The program's own settings, for so many threads of either kind and so much memory.
    #[must_use]
    pub fn new(jobs: usize, io_jobs: usize, max_memory: u64) -> Self {
        Self {
            run: RunSettings::new(jobs, io_jobs, max_memory),
            distance: DEFAULT_DISTANCE,
            min_quality: MIN_QUALITY,
            verify: VerifyMode::default(),
            max_hits: DEFAULT_MAX_HITS,
            read_holes: false,
        }
    }

    /// What decides the hits of a hash set.
    pub(super) fn hits(&self) -> HitSettings {
        let &Self { distance, min_quality, verify, max_hits, .. } = self;
        HitSettings { distance, min_quality, verify, max_hits: max_hits.clamp(1, LARGEST_MAX_HITS) }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct IngestReport {
    /// Whether it was cancelled before its end.
    pub interrupted: bool,
    /// What a person should know.
    pub notices: Vec<String>,
    /// Files that the case had already.
    pub skipped: u64,
    /// Bytes that files and pictures in flight took at most.
    pub peak_memory: u64,
}
