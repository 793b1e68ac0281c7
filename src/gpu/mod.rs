//! Compute shaders through wgpu: Vulkan, Metal, Direct3D 12. The shaders are described in
//! `shaders/README.md`.
//!
//! [`context`] finds adapters and opens a device, [`layout`] mirrors the shaders' structures, `slots` moves
//! bytes to and fro through buffers that stay mapped for reuse, and [`code`] and [`flat`] dispatch the
//! shaders of the same name. Every operation fails cleanly when the device is lost, so that the caller can do
//! it again on the CPU.

#[doc(hidden)]
pub mod bench;
pub mod code;
pub mod context;
pub mod flat;
pub mod layout;
mod pipeline;
mod slots;

pub use code::GpuHasher;
pub use context::{AdapterDescription, AdapterSelector, GpuContext, GpuError, adapters};
pub use flat::{GpuHaystack, GpuSearcher};
