//! Rows of a case as CSV, JSON Lines or Parquet: sorted, so that two runs over the same files give the same bytes.

use std::io::{self, Write};

use super::columns::{Cell, columns, hit_cells, item_cells, priority_cells, stack_cells};
pub use super::export_kind::ExportKind;
use super::rows::{RowFormat, Rows};
use super::write_json_line;
use crate::case::{CaseError, CaseReader, ItemRow};
use crate::outcome::Outcome;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The case could not be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The sink failed.
    #[error("{0}")]
    Sink(#[from] io::Error),
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Sink(error.into())
    }
}

/// Writes the rows and returns how many there were.
///
/// # Errors
/// If the case cannot be read, or the sink fails.
pub fn export(
    case: &CaseReader,
    kind: ExportKind,
    format: RowFormat,
    out: &mut dyn Write,
) -> Result<u64, ExportError> {
    // Columns and rows from one snapshot, whatever a concurrent run writes.
    let _snapshot = case.snapshot()?;
    let mut count = 0;
    match format {
        RowFormat::Csv | RowFormat::Parquet => {
            let known = if kind == ExportKind::Hits { case.known_columns()? } else { Vec::new() };
            let mut rows = Rows::new(format, columns(kind, &known), out)?;
            for_each_row(case, kind, &known, |cells| {
                count += 1;
                Ok(rows.write(cells)?)
            })?;
            rows.finish()?;
        }
        RowFormat::Jsonl => match kind {
            ExportKind::Hits => case.for_each_hit(|hit| {
                count += 1;
                write_json_line(out, &hit).map_err(ExportError::Sink)
            })?,
            ExportKind::Items | ExportKind::Errors => for_each_wanted(case, kind, |item| {
                count += 1;
                write_json_line(out, &item).map_err(ExportError::Sink)
            })?,
            ExportKind::Priorities => case.for_each_priority(|item| {
                count += 1;
                write_json_line(out, &item).map_err(ExportError::Sink)
            })?,
            ExportKind::Stacks => case.for_each_stack_item(|item| {
                count += 1;
                write_json_line(out, &item).map_err(ExportError::Sink)
            })?,
        },
    }
    Ok(count)
}

/// The rows of an export as cells of its columns.
fn for_each_row(
    case: &CaseReader,
    kind: ExportKind,
    known: &[String],
    mut visit: impl FnMut(&[Cell<'_>]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    match kind {
        ExportKind::Hits => case.for_each_hit(|hit| visit(&hit_cells(&hit, known))),
        ExportKind::Items | ExportKind::Errors => {
            for_each_wanted(case, kind, |item| visit(&item_cells(&item)))
        }
        ExportKind::Priorities => case.for_each_priority(|item| visit(&priority_cells(&item))),
        ExportKind::Stacks => case.for_each_stack_item(|item| visit(&stack_cells(&item))),
    }
}

/// Items of an export; an export of errors leaves out what has a hash, its duplicates, and what is not a
/// picture.
pub(super) fn for_each_wanted(
    case: &CaseReader,
    kind: ExportKind,
    mut visit: impl FnMut(ItemRow) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let fine = [Outcome::Hashed, Outcome::Duplicate, Outcome::Other].map(Outcome::name);
    case.for_each_item(|item| {
        if kind == ExportKind::Errors && fine.contains(&item.outcome.as_str()) { Ok(()) } else { visit(item) }
    })
}
