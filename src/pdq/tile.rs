//! The reduced picture from which the hash is computed.

/// Rows and columns of a tile.
pub const TILE_SIDE: usize = 64;
/// Fractional bits of a tile's fixed-point luminance.
pub const TILE_FRACTION_BITS: u32 = 16;

/// The 64×64 luminance reduction of one picture, row-major, luminance 0…255 in fixed point with
/// [`TILE_FRACTION_BITS`] fractional bits (so every value is at most `255 << 16`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Tile(pub [u32; TILE_SIDE * TILE_SIDE]);
