//! What a run is asked for, and how it ended.

use super::examine::{Examiner, Shares};
use super::progress::Progress;
use crate::case::HitSettings;
use crate::decode::DecodeMode;
use crate::matching::{DEFAULT_DISTANCE, DEFAULT_MAX_HITS, LARGEST_MAX_HITS, VerifyMode};
use crate::pdq::{Geometry, MIN_QUALITY};
use crate::source::Excludes;

/// Pixels on a side of a picture, at most: as many as a JPEG can have.
pub const MAX_SIDE: u32 = 65_535;

/// The settings of a run that decide what is done.
#[derive(Clone, Debug)]
pub struct IngestSettings {
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
    /// Pixels on a side, at most.
    pub max_side: u32,
    /// Differing bits up to which a hash is a hit.
    pub distance: u32,
    /// Hashes of a lower quality are not matched.
    pub min_quality: u8,
    /// Which candidates are decoded for a confirmation.
    pub verify: VerifyMode,
    /// Hashes of a hash set that are listed as near to a content, at most [`LARGEST_MAX_HITS`](crate::matching::LARGEST_MAX_HITS): the nearest.
    pub max_hits: u32,
    /// Which files of the sources are left out.
    pub exclude: Excludes,
    /// Large files that are mostly holes are read to their end too.
    pub read_holes: bool,
}

impl IngestSettings {
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
            distance: DEFAULT_DISTANCE,
            min_quality: MIN_QUALITY,
            verify: VerifyMode::default(),
            max_hits: DEFAULT_MAX_HITS,
            exclude: Excludes::default(),
            read_holes: false,
        }
    }

    /// What decides the hits of a hash set.
    pub(super) fn hits(&self) -> HitSettings {
        let &Self { distance, min_quality, verify, max_hits, .. } = self;
        HitSettings { distance, min_quality, verify, max_hits: max_hits.clamp(1, LARGEST_MAX_HITS) }
    }

    /// What examines files within these settings.
    pub(super) fn examiner<'a>(&self, progress: &'a Progress) -> Examiner<'a> {
        let shares = Shares::of(self.max_memory);
        Examiner::new(self.geometry, self.decode, self.max_side, shares, &progress.profile, &progress.in_hand)
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
