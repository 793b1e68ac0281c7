//! Mirrors of the shaders' structures. `tests/shaders.rs` compares every offset with naga's reflection.

use bytemuck::{Pod, Zeroable};

/// `Parameters` of `shaders/hash.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct HashParameters {
    /// Tiles of the dispatch.
    pub tile_count: u32,
    /// Workgroups in a row of it.
    pub grid_width: u32,
}

/// `DihedralHashes` of `shaders/hash.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct GpuDihedralHashes {
    /// Eight hashes of eight words, in the order of `Orientation::ALL`.
    pub hashes: [u32; 64],
    /// 0…100.
    pub quality: u32,
}

/// `Parameters` of `shaders/flat.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FlatParameters {
    /// Queries of the dispatch.
    pub query_count: u32,
    /// First four of hashes.
    pub first_four: u32,
    /// One beyond the last four.
    pub end_four: u32,
    /// One beyond the last hash that is not padding.
    pub hash_end: u32,
    /// Fours in a plane.
    pub plane_stride: u32,
    /// Largest distance of a hit.
    pub radius: u32,
    /// Hits that the buffer holds.
    pub capacity: u32,
    /// Index of the buffer's first hash in the whole haystack.
    pub hash_offset: u32,
}

/// `Hit` of `shaders/pairs.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FlatHit {
    /// Index in the dispatch.
    pub query: u32,
    /// Index in the whole haystack.
    pub haystack: u32,
    /// Differing bits.
    pub distance: u32,
}

/// `Parameters` of `shaders/sort.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SortParameters {
    /// Hashes of the side.
    pub hash_count: u32,
    /// Workgroups in a row of the dispatch.
    pub grid_width: u32,
    /// The band's lowest bit.
    pub start: u32,
    /// Its bits.
    pub width: u32,
    /// The word of a hash in each place.
    pub words: [u32; 8],
}

/// `Parameters` of `shaders/reach.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ReachParameters {
    /// Values of the band.
    pub value_count: u32,
    /// Workgroups in a row of the dispatch.
    pub grid_width: u32,
    /// Neighbours of a value.
    pub neighbour_count: u32,
    /// 1 for a join of a side with itself.
    pub itself: u32,
}

/// Maximum bands of a join on the GPU.
pub const MAX_BANDS: usize = 32;

/// `Parameters` of `shaders/banded_join.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct BandParameters {
    /// Hashes of the left side.
    pub left_count: u32,
    /// Hashes of the right side.
    pub right_count: u32,
    /// Items of the dispatch.
    pub item_count: u32,
    /// Workgroups in a row of it.
    pub grid_width: u32,
    /// Neighbours of a value.
    pub neighbour_count: u32,
    /// Largest distance of a pair.
    pub radius: u32,
    /// Hits that the buffer holds.
    pub capacity: u32,
    /// The band's index.
    pub band: u32,
    /// 1 for a join of a side with itself.
    pub itself: u32,
    /// Nothing.
    pub padding: [u32; 3],
    /// The place of each word of a hash.
    pub places: [u32; 8],
    /// Lowest bit, bits and threshold of every band, and nothing.
    pub bands: [[u32; 4]; MAX_BANDS],
}

/// `Item` of `shaders/banded_join.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BandItem {
    /// The bucket.
    pub value: u32,
    /// The first of its hashes that are compared.
    pub left_start: u32,
    /// How many.
    pub left_count: u32,
    /// In the neighbours' hashes laid end to end: the first.
    pub right_start: u32,
    /// One beyond the last.
    pub right_end: u32,
}
