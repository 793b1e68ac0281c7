//! `tamis export`: sorted rows of a case.

use crate::case::CaseReader;
use crate::cli::args::{Export, ExportWhat, RowFormat};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::output::{check_format, with_output};
use crate::cli::protect::Protected;
use crate::report::export::{ExportFormat, ExportKind, export};
use crate::report::vics::{self, VicsForm};
use crate::report::{case_uco, pdq_list};
use crate::source::name::escape_path;

/// Runs the command.
///
/// # Errors
/// The folder is not a case, or the sink failed.
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
    let format = match command.format {
        RowFormat::Csv => ExportFormat::Csv,
        RowFormat::Jsonl => ExportFormat::Jsonl,
        RowFormat::Parquet => ExportFormat::Parquet,
    };
    if let Some(counts) =
        reader.stack_counts().map_err(CliError::failed)?.filter(|_| kind == ExportKind::Stacks)
        && counts.newer > 0
    {
        let newer = counts.newer;
        console.warning(format!(
            "{newer} pictures came after the stacks were made: `tamis stack` makes them again"
        ));
    }
    if kind == ExportKind::Priorities
        && let without @ 1.. = reader.without_priority().map_err(CliError::failed)?
    {
        console.warning(format!(
            "{without} items have no priority and come last: no rule fits them, or they came after the last `tamis triage` or \
             `tamis match` that ended"
        ));
    }
    let mut rows = 0;
    with_output(command.output.as_deref(), |out| {
        rows = export(&reader, kind, format, out).map_err(CliError::failed)?;
        Ok(())
    })?;
    if let Some(path) = &command.output {
        console.note(format!("{rows} rows written to {}", escape_path(path)));
    }
    Ok(Finished::Done)
}

/// Refuses a form of rows for what has one of its own. The default cannot be told from `--format csv`.
fn refuse_format(command: &Export, what: &str) -> Result<(), CliError> {
    if command.format == RowFormat::Csv {
        return Ok(());
    }
    Err(CliError::Usage(format!("{what}: leave --format out")))
}

/// JSON for other tools of the field.
fn run_vics(
    command: &Export,
    reader: &CaseReader,
    form: VicsForm,
    console: &Console,
) -> Result<Finished, CliError> {
    refuse_format(command, "vics is always JSON")?;
    let mut media = 0;
    with_output(command.output.as_deref(), |out| {
        media = vics::write(reader, form, out).map_err(CliError::failed)?;
        Ok(())
    })?;
    if let Some(path) = &command.output {
        console.note(format!("{media} media written to {}", escape_path(path)));
    }
    Ok(Finished::Done)
}

/// A list that `--known` and `tamis join` read.
fn run_pdq_list(command: &Export, reader: &CaseReader, console: &Console) -> Result<Finished, CliError> {
    refuse_format(command, "pdq is always a list of lines")?;
    let mut codes = 0;
    with_output(command.output.as_deref(), |out| {
        codes = pdq_list::write(reader, out).map_err(CliError::failed)?;
        Ok(())
    })?;
    if let Some(path) = &command.output {
        console.note(format!("{codes} codes written to {}", escape_path(path)));
    }
    Ok(Finished::Done)
}

/// The graph, which has one form.
fn run_case_uco(command: &Export, reader: &CaseReader, console: &Console) -> Result<Finished, CliError> {
    refuse_format(command, "case-uco is always JSON-LD")?;
    let mut counts = case_uco::GraphCounts::default();
    with_output(command.output.as_deref(), |out| {
        counts = case_uco::write(reader, out).map_err(CliError::failed)?;
        Ok(())
    })?;
    if let Some(path) = &command.output {
        console.note(format!(
            "{} items, {} hits and {} runs written to {}",
            counts.items,
            counts.hits,
            counts.runs,
            escape_path(path)
        ));
    }
    Ok(Finished::Done)
}
