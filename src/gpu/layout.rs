//! Mirrors of the shaders' structures. `tests/shaders.rs` compares every offset with naga's reflection.

use bytemuck::{Pod, Zeroable};

/// `Parameters` of `shaders/code.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct CodeParameters {
    /// Tiles of the dispatch.
    pub tile_count: u32,
    /// Workgroups in a row of it.
    pub grid_width: u32,
}

/// `TileHash` of `shaders/code.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct GpuTileHash {
    /// Eight codes of eight words, in the order of `Orientation::ALL`.
    pub codes: [u32; 64],
    /// 0…100.
    pub quality: u32,
}

/// `Parameters` of `shaders/flat.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FlatParameters {
    /// Needles of the dispatch.
    pub needle_count: u32,
    /// First four of codes.
    pub first_four: u32,
    /// One beyond the last four.
    pub end_four: u32,
    /// One beyond the last code that is not filling.
    pub code_end: u32,
    /// Fours in a plane.
    pub plane_stride: u32,
    /// Largest distance of a hit.
    pub radius: u32,
    /// Hits that the buffer holds.
    pub capacity: u32,
    /// Index of the buffer's first code in the whole haystack.
    pub code_offset: u32,
}

/// `Hit` of `shaders/flat.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FlatHit {
    /// Index in the dispatch.
    pub needle: u32,
    /// Index in the whole haystack.
    pub haystack: u32,
    /// Differing bits.
    pub distance: u32,
}
