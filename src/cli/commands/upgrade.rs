//! `tamis upgrade`: writes a new case from an older one.

use crate::case::{CaseError, Upgraded, upgrade};
use crate::cli::args::Upgrade;
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::protect::Protected;
use crate::source::name::escape_path;

/// Runs the command.
///
/// # Errors
/// If the old folder is not a case that can be upgraded, or the new one cannot be written.
pub fn run(command: &Upgrade, console: &Console) -> Result<Finished, CliError> {
    let Upgrade { case, new } = command;
    Protected::default().and_case(case).refuse_output(Some(new))?;
    let cancel = cancel_on_interrupt()?;
    match upgrade(case, new, &|| cancel.is_cancelled()) {
        Ok(Upgraded { items, contents, hits }) => {
            console.note(format!(
                "{}: {items} items, {contents} contents and {hits} hits of {}, which is unchanged",
                escape_path(new),
                escape_path(case)
            ));
            Ok(Finished::Done)
        }
        Err(CaseError::Interrupted) => {
            console.note("interrupted: no new case was written");
            Ok(Finished::Interrupted)
        }
        Err(error) => Err(CliError::failed(error)),
    }
}
