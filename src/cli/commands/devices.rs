//! `tamis devices`.

use crate::cli::args::{Common, Devices};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};

/// Runs the command.
///
/// # Errors
/// The sink failed.
pub fn run(_command: &Devices, _common: &Common, _console: &Console) -> Result<Finished, CliError> {
    Ok(Finished::Done)
}
