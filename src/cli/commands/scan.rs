//! `tamis scan`: everything but the matching.

use std::time::Instant;

use crate::cli::args::{Common, Scan};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};

use super::triage::IngestJob;

/// Runs the command.
///
/// # Errors
/// If the usage is wrong, the case is refused, or the sink fails.
pub fn run(command: &Scan, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let job = IngestJob {
        name: "scan",
        sources: &command.sources,
        case: &command.case,
        started: Instant::now(),
        known: &[],
        matching: None,
        reading: command.reading,
        summary: &command.summary,
        profile: command.profile,
    };
    job.check_paths()?;
    job.run(&[], None, common, console)
}
