//! `tamis rules`: the priority rules.

use crate::case::rules::{DEFAULT_RULES, Rules};
use crate::cli::args::rules::RulesCommand;
use crate::cli::error::{CliError, Finished};
use crate::cli::output::with_output;
use crate::source::name::escape;

/// Runs the command.
///
/// # Errors
/// If the file holds no valid rules, or the sink fails.
pub fn run(command: &RulesCommand) -> Result<Finished, CliError> {
    let checked = command.file.as_deref().map(Rules::read).transpose().map_err(CliError::failed)?;
    with_output(None, |out| match checked {
        None => out.write_all(DEFAULT_RULES.as_bytes()).map_err(CliError::failed),
        Some(rules) => rules.rules.iter().zip(1..).try_for_each(|(rule, rank)| {
            let [name, title] = [&rule.name, &rule.title].map(|text| escape(text.as_bytes()));
            writeln!(out, "{rank:>3}  {name}: {title}").map_err(CliError::failed)
        }),
    })?;
    Ok(Finished::Done)
}
