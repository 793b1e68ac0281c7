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
mod banded;
mod bands;
mod control;
mod crowd;
#[cfg_attr(not(feature = "gpu"), path = "device_absent.rs")]
mod device;
mod diameter;
mod distinct;
mod hits;
mod lanes;
mod leg;
mod nearest;
mod planner;
mod resident;
mod settings;
mod threads;
mod tile;

pub use backend::{Backend, BackendError, BackendRequest, Haystack};
pub use control::JoinControl;
pub use hits::{Hit, ItemHits};
pub use join::{Join, JoinError, JoinReport, range_search, self_join};
pub use orient::{OrientedPair, least_over_orientations};
pub use planner::JoinMethod;
pub use resident::ResidentHashes;
pub use settings::JoinSettings;
pub use threads::{Threads, ThreadsError};

/// The field's standard radius.
pub const DEFAULT_DISTANCE: u32 = 31;
/// The largest radius for verifications.
pub const MAX_DISTANCE: u32 = 63;

/// Distinct hashes of a hash set that are listed as hits of one content, unless another number is asked for: the nearest, of equally near
/// ones those whose record comes first. The others are counted.
pub const DEFAULT_MAX_HITS: u32 = 1000;
/// The most that may be asked for: hits are held together for some dozens of contents, whatever the memory.
pub const LARGEST_MAX_HITS: u32 = 10_000;

/// How far a hash from a JPEG's coefficients may lie from the one from its pixels, in bits: candidates for
/// verifications are sought at the radius plus this. What lies farther is measured in `docs/accuracy.md`.
pub const DELTA: u32 = 8;
/// The same for the quality: candidates are sought down to the least quality minus this.
pub const QUALITY_DELTA: u8 = 3;

/// Which candidates found by a hash from coefficients are decoded to pixels for a confirmation; `--verify`.
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
