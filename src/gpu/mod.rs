//! Compute shaders through wgpu: Vulkan, Metal, Direct3D 12. The shaders are described in
//! `shaders/README.md`.
//!
//! [`context`] finds adapters and opens a device, [`layout`] mirrors the shaders' structures, `slots` transfers bytes
//! through buffers that are mapped again for reuse, and [`hash`], [`flat`] and [`banded_join`] dispatch the shaders.
//! Every operation fails cleanly when the device is lost, so that the caller can do it again on the CPU.

pub mod banded_join;
#[doc(hidden)]
pub mod bench;
mod bound;
pub mod context;
pub mod flat;
pub mod hash;
mod hit_buffer;
pub mod layout;
mod pipeline;
mod slots;

pub use banded_join::GpuJoiner;
#[doc(hidden)]
pub use bound::population_counts;
pub use context::{AdapterDescription, AdapterSelector, GpuContext, GpuError, adapters};
pub use flat::{FlatKernel, GpuHaystack, GpuSearcher};
pub use hash::GpuHasher;
pub use hit_buffer::SearchEnd;
