//! Compute shaders through wgpu: Vulkan, Metal, Direct3D 12. The shaders are described in
//! `shaders/README.md`.
//!
//! [`context`] finds adapters and opens a device, [`layout`] mirrors the shaders' structures, `slots` moves
//! bytes to and fro through buffers that stay mapped for reuse, and [`hash`], [`flat`] and [`bands`] dispatch the
//! shaders. Every operation fails cleanly when the device is lost, so that the caller can do
//! it again on the CPU.

pub mod bands;
#[doc(hidden)]
pub mod bench;
mod bound;
pub mod context;
pub mod flat;
mod found;
pub mod hash;
pub mod layout;
mod pipeline;
mod slots;

pub use bands::GpuJoiner;
#[doc(hidden)]
pub use bound::population_counts;
pub use context::{AdapterDescription, AdapterSelector, GpuContext, GpuError, adapters};
pub use flat::{FlatKernel, GpuHaystack, GpuSearcher};
pub use found::SearchEnd;
pub use hash::GpuHasher;
