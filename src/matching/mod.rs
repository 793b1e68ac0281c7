//! Range search: all pairs of codes within a radius, nothing dropped, on CPU vectors or the GPU.

pub mod backend;
pub mod calibrate;
pub mod flat;
pub mod orient;
pub mod popcount;

pub use backend::{Backend, BackendError, BackendRequest, Haystack};
pub use orient::{OrientedPair, least_over_orientations};

/// The field's standard radius.
pub const DEFAULT_DISTANCE: u32 = 31;
/// The largest radius for verdicts.
pub const MAX_DISTANCE: u32 = 63;

/// One pair within the radius of a range search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Pair {
    /// Index of the needle.
    pub needle: u32,
    /// Index of the haystack code.
    pub haystack: u32,
    /// Differing bits, at most the radius.
    pub distance: u32,
}
