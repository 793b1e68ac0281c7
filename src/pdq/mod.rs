//! PDQ, the perceptual hash: 256 bits and a quality from a 64×64 luminance tile.
//!
//! [`filter`] reduces a picture to a [`Tile`], [`dct`] transforms it, [`hash`] thresholds it into
//! [`PdqHash`]s for all eight orientations, [`quality`] measures its gradient. [`naive`] is the
//! definition, never optimised, that the rest is tested against.

#![cfg_attr(not(feature = "decode"), allow(dead_code, reason = "readers of coefficients use more"))]

pub mod dct;
pub mod filter;
pub mod hash;
pub mod naive;
pub mod orientation;
pub mod quality;
pub mod stability;
mod tile;
mod vector;
pub(crate) mod weights;

#[cfg(feature = "decode")]
pub(crate) use filter::to_fixed_point;
pub use filter::{Geometry, PixelLayout, Reducer};
#[cfg(feature = "decode")]
pub(crate) use hash::hash_and_stability;
pub use hash::{DihedralHashes, ParseHashError, PdqHash, hash_tile};
pub use orientation::Orientation;
#[cfg(feature = "decode")]
pub(crate) use stability::Stability;
pub use stability::unstable_bits;
pub use tile::{TILE_FRACTION_BITS, TILE_SIDE, Tile};

/// Sides under this many pixels have no hash.
pub const MIN_SIDE: u32 = 5;
/// Hashes under this quality are not evidence of anything.
pub const MIN_QUALITY: u8 = 50;
