//! `tamis link`: what cases and packages have in common.

use crate::cli::args::{Common, Link};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};

/// Runs the command.
///
/// # Errors
/// Not there yet.
pub fn run(_command: &Link, _common: &Common, _console: &Console) -> Result<Finished, CliError> {
    Err(CliError::Failed("not there yet".into()))
}
