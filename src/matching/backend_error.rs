//! Why a requested backend is not available.

#[cfg(feature = "gpu")]
use crate::gpu::GpuError;

/// A requested backend that is not available.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No adapter fits the request, or it does not work.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// This program cannot use any GPU.
    #[error(
        "this program was built without the feature `gpu`: take --backend cpu, or build it with that feature"
    )]
    NotBuilt,
}
