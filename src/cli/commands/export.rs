//! `tamis export`: sorted rows of a case.

use crate::case::CaseReader;
use crate::cli::args::{Export, ExportWhat, RowFormat};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::output::{check_format, with_output};
use crate::cli::protect::Protected;
use crate::report::case_uco;
use crate::report::export::{ExportFormat, ExportKind, export};
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

/// The graph, which has one form.
fn run_case_uco(command: &Export, reader: &CaseReader, console: &Console) -> Result<Finished, CliError> {
    // The default cannot be told from `--format csv`.
    if command.format != RowFormat::Csv {
        return Err(CliError::Usage("case-uco is always JSON-LD: leave --format out".into()));
    }
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
