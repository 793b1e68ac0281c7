//! Stand-in for `tamis devices` in builds without the feature `gpu`.

use crate::cli::args::{Common, Devices};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};

/// Refuses.
///
/// # Errors
/// Always: there is no GPU in this program.
pub fn run(_: &Devices, _: &Common, _: &Console) -> Result<Finished, CliError> {
    let reason = "this program was built without the feature `gpu`: it hashes and searches on the CPU alone";
    Err(CliError::Failed(reason.into()))
}
