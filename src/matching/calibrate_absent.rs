//! In the place of the measurements, in a library that was built without the feature `gpu`: it takes the CPU.

use super::device::Gpu;

const ABSENT: &str = "this program was built without the feature `gpu`";

/// Refuses.
///
/// # Errors
/// Always: there is no GPU in this program.
pub(super) fn open(_: Option<&str>, _: bool) -> Result<Gpu, String> {
    Err(format!("{ABSENT}: take --backend cpu, or build it with that feature"))
}

/// Takes the CPU.
///
/// # Errors
/// Always: there is no GPU in this program.
pub(super) fn faster() -> Result<(Gpu, String), String> {
    Err(ABSENT.into())
}
