//! Range search: all pairs of hashes within a radius, nothing dropped, on CPU vectors or the GPU.

pub mod backend;
#[cfg(feature = "gpu")]
pub mod calibrate;
#[cfg(not(feature = "gpu"))]
#[path = "calibrate_absent.rs"]
mod calibrate;
pub mod flat;
pub mod join;
pub mod orient;
pub mod popcount;
pub mod stack;

mod allowance;
mod backend_error;
mod banded_join;
mod bands;
mod control;
#[cfg_attr(not(feature = "gpu"), path = "device_absent.rs")]
mod device;
mod diameter;
mod direction;
mod distinct;
mod hits;
mod lanes;
mod nearest;
mod planner;
mod resident;
mod saturated;
mod settings;
mod threads;
mod tile;

pub use backend::{Backend, BackendRequest, Haystack};
pub use backend_error::BackendError;
pub use control::JoinControl;
pub use hits::{Hit, ItemHits};
pub use join::{Join, JoinError, JoinReport, range_search, self_join};
pub use orient::{OrientedPair, minimum_over_orientations};
pub use planner::JoinMethod;
pub use resident::ResidentHashes;
pub use settings::JoinSettings;
pub use threads::{Threads, ThreadsError};

/// The field's standard radius.
pub const DEFAULT_DISTANCE: u32 = 31;
/// The maximum radius for verification.
pub const MAX_DISTANCE: u32 = 63;

/// Distinct hashes of a hash set listed as hits of one content by default: the nearest, of equally near ones those whose record comes
/// first. The others are counted.
pub const DEFAULT_MAX_HITS: u32 = 1000;
/// The maximum that can be requested: hits of some dozens of contents are held in memory together.
pub const LARGEST_MAX_HITS: u32 = 10_000;

/// How many bits a hash from JPEG coefficients may differ from the one from pixels: candidates for
/// verification are searched at the radius plus this. `docs/accuracy.md` measures how often it is more.
pub const DELTA: u32 = 8;
/// The same for the quality: candidates are searched down to the minimum quality minus this.
pub const QUALITY_DELTA: u8 = 3;

/// Which candidates found by a hash from coefficients are verified from pixels; `--verify`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// All but contents that a digest identifies already.
    #[default]
    Auto,
    /// All.
    All,
    /// None.
    Off,
}

impl VerifyMode {
    /// The name on the command line and in a case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::All => "all",
            Self::Off => "off",
        }
    }
}

/// One pair within the radius of a range search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Pair {
    /// Index of the query.
    pub query: u32,
    /// Index of the haystack hash.
    pub haystack: u32,
    /// Differing bits, at most the radius.
    pub distance: u32,
}
