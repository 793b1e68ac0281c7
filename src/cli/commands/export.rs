//! `tamis export`: sorted rows of a case.

use std::io::Write;

use crate::case::CaseReader;
use crate::cli::args::{Export, ExportWhat, RowFormat};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::{Cancellable, check_format, was_interrupted, with_output};
use crate::cli::protect::Protected;
use crate::report::case_uco::{self, GraphCounts};
use crate::report::export::{ExportError, ExportKind, export};
use crate::report::pdq_list;
use crate::report::vics::{self, VicsCounts, VicsForm};
use crate::source::name::escape_path;

/// Runs the command.
///
/// # Errors
/// If the folder is not a case, or the sink fails.
pub fn run(command: &Export, console: &Console) -> Result<Finished, CliError> {
    check_format(command.format, command.output.as_deref())?;
    let reader = CaseReader::open(&command.case).map_err(CliError::failed)?;
    Protected::default().and_case(&command.case).refuse_output(command.output.as_deref())?;
    let kind = match command.what {
        ExportWhat::Items => ExportKind::Items,
        ExportWhat::Hits => ExportKind::Hits,
        ExportWhat::Errors => ExportKind::Errors,
        ExportWhat::Priorities => ExportKind::Priorities,
        ExportWhat::Stacks => ExportKind::Stacks,
        ExportWhat::Vics => return run_vics(command, &reader, VicsForm::Media, console),
        ExportWhat::VicsCase => return run_vics(command, &reader, VicsForm::Case, console),
        ExportWhat::Pdq => return run_pdq_list(command, &reader, console),
        ExportWhat::CaseUco => return run_case_uco(command, &reader, console),
    };
    if kind == ExportKind::Stacks
        && let Some(counts) = reader.stack_counts().map_err(CliError::failed)?
    {
        for (count, what) in
            [(counts.newer, "were added after stacking"), (counts.gone, "in stacks are gone")]
        {
            if count > 0 {
                console.warning(format!("{count} pictures {what}: `tamis stack` updates the stacks"));
            }
        }
    }
    if kind == ExportKind::Priorities
        && let without @ 1.. = reader.without_priority().map_err(CliError::failed)?
    {
        console.warning(format!(
            "{without} items have no priority and come last: no rule fits them, or they were added after the last complete \
             `tamis triage` or `tamis match`"
        ));
    }
    write_and_report(command, console, |out| {
        let rows = export(&reader, kind, command.format.into(), out)?;
        Ok(format!("{rows} rows"))
    })
}

/// Writes an export to its destination, and reports what was written if that is a file.
fn write_and_report(
    command: &Export,
    console: &Console,
    write: impl FnOnce(&mut dyn Write) -> Result<String, ExportError>,
) -> Result<Finished, CliError> {
    let mut what = String::new();
    let cancel = cancel_on_interrupt()?;
    let written = with_output(command.output.as_deref(), |out| {
        what = write(&mut Cancellable::new(out, &cancel)).map_err(CliError::failed)?;
        Ok(())
    });
    if was_interrupted(&written, &cancel, console) {
        return Ok(Finished::Interrupted);
    }
    written?;
    if let Some(path) = &command.output {
        console.note(format!("{what} written to {}", escape_path(path)));
    }
    Ok(Finished::Done)
}

/// Refuses a row format for an export that has its own. The default cannot be distinguished from `--format csv`.
fn refuse_format(command: &Export, what: &str) -> Result<(), CliError> {
    if command.format == RowFormat::Csv {
        return Ok(());
    }
    Err(CliError::Usage(format!("{what} (leave --format out)")))
}

/// JSON for other tools of the field.
fn run_vics(
    command: &Export,
    reader: &CaseReader,
    form: VicsForm,
    console: &Console,
) -> Result<Finished, CliError> {
    refuse_format(command, "vics is always JSON")?;
    let mut counts = VicsCounts::default();
    let finished = write_and_report(command, console, |out| {
        counts = vics::write(reader, form, out)?;
        Ok(format!("{} media", counts.media))
    })?;
    if counts.disputed > 0 {
        console.warning(format!(
            "the known records of {} media disagree: the first one, by set name and record number, is exported; `tamis export \
             hits` lists what all of them record",
            counts.disputed
        ));
    }
    Ok(finished)
}

/// A list that `--known` and `tamis join` read.
fn run_pdq_list(command: &Export, reader: &CaseReader, console: &Console) -> Result<Finished, CliError> {
    refuse_format(command, "pdq is always a list of lines")?;
    write_and_report(command, console, |out| Ok(format!("{} hashes", pdq_list::write(reader, out)?)))
}

/// The graph, which has one format.
fn run_case_uco(command: &Export, reader: &CaseReader, console: &Console) -> Result<Finished, CliError> {
    refuse_format(command, "case-uco is always JSON-LD")?;
    write_and_report(command, console, |out| {
        let GraphCounts { items, hits, runs, .. } = case_uco::write(reader, out)?;
        Ok(format!("{items} items, {hits} hits and {runs} runs"))
    })
}
