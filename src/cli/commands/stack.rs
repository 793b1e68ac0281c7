//! `tamis stack`: near-duplicates of a case in stacks.

use serde::Serialize;

use crate::case::{CaseReader, CaseStore, StackSettings};
use crate::cli::args::{Common, Stack, TextOrJson};
use crate::cli::config::Resources;
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::{cancel_on_interrupt, run_begins};
use crate::cli::output::with_output;
use crate::cli::protect::Protected;
use crate::engine::Progress;
use crate::matching::stack::StackError;
use crate::report;
use crate::source::name::escape_path;

use super::priorities::{prioritise, read_pictures, restack};

/// What is recorded of the run.
#[derive(Serialize)]
struct RecordedSettings<'a> {
    program: &'static str,
    resources: &'a Resources,
    distance: u32,
    min_quality: u8,
}

/// Runs the command.
///
/// # Errors
/// If the folder is not a case, its pictures are too much alike, or the sink fails.
pub fn run(command: &Stack, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let mut store = CaseStore::open(&command.case).map_err(CliError::failed)?;
    let output = command.summary.output.as_deref();
    Protected::default().and_case(&command.case).refuse_output(output)?;
    let cancel = cancel_on_interrupt()?;
    let resources = Resources::resolve(common, &[]);
    let settings = StackSettings { distance: command.distance, min_quality: command.min_quality };
    let StackSettings { distance, min_quality } = settings;
    let recorded =
        RecordedSettings { program: env!("CARGO_PKG_VERSION"), resources: &resources, distance, min_quality };
    let recorded = serde_json::to_string(&recorded).map_err(CliError::failed)?;
    let Some(stacking) = read_pictures(&store, settings, &cancel, common, console)? else {
        return Ok(interrupted(console));
    };
    let backend = resources.start_backend(stacking.pictures() as u64, console)?;
    let run = store.begin_run("stack", &recorded).map_err(CliError::failed)?;
    // No file is in hand: the hashes are in the case.
    run_begins(&command.case, run, &Progress::default());
    let made = restack(&mut store, &stacking, &resources, &backend, &cancel, common, console);
    let state = match &made {
        Ok(Ok(())) => "done",
        Ok(Err(StackError::Cancelled)) => "interrupted",
        Ok(Err(StackError::TooMany(_))) | Err(_) => "failed",
    };
    store.end_run(run, state, &backend.notices()).map_err(CliError::failed)?;
    match made? {
        Err(StackError::Cancelled) => return Ok(interrupted(console)),
        Err(error) => return Err(CliError::failed(error)),
        // Priorities depend on stacks.
        Ok(()) => {
            if let Some(rules) = store.rules().map_err(CliError::failed)?
                && prioritise(&mut store, &rules, &cancel, common, console)? == Finished::Interrupted
            {
                return Ok(Finished::Interrupted);
            }
        }
    }
    drop(store);
    write_summary(command, console)?;
    Ok(Finished::Done)
}

fn interrupted(console: &Console) -> Finished {
    console.note("interrupted: the case's stacks are unchanged");
    Finished::Interrupted
}

/// The summary, from what the case has now.
fn write_summary(command: &Stack, console: &Console) -> Result<(), CliError> {
    let reader = CaseReader::open(&command.case).map_err(CliError::failed)?;
    let counts = reader.stack_counts().map_err(CliError::failed)?;
    let counts = counts.ok_or_else(|| CliError::Failed("the case no longer has stacks".into()))?;
    with_output(command.summary.output.as_deref(), |out| match command.summary.format {
        TextOrJson::Text => report::stacks::write_text(&counts, out).map_err(CliError::failed),
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut *out, &counts).map_err(CliError::failed)?;
            writeln!(out).map_err(CliError::failed)
        }
    })?;
    console.note(format!("Rows:  tamis export --case {} stacks", escape_path(&command.case)));
    Ok(())
}
