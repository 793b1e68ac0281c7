//! Stand-in for the measurements in builds without the feature `gpu`: it takes the CPU.

use super::backend_error::BackendError;
use super::device::Gpu;

/// What `--backend auto` takes, and why.
pub(super) enum Fastest {
    /// The GPU: never, here.
    #[expect(dead_code, reason = "there is no GPU in this program")]
    Gpu(Box<Gpu>, String),
    /// The CPU.
    Cpu(String),
}

/// Refuses.
///
/// # Errors
/// Always: there is no GPU in this program.
pub(super) const fn open(_: Option<&str>, _: bool) -> Result<Gpu, BackendError> {
    Err(BackendError::NotBuilt)
}

/// Takes the CPU.
pub(super) fn fastest() -> Fastest {
    Fastest::Cpu("this program was built without the feature `gpu`".into())
}
