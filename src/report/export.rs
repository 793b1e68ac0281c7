//! Rows of a case as CSV or JSON Lines: sorted, so that two runs over the same files give the same bytes.

use std::io::{self, Write};

use crate::case::{CaseError, CaseReader, HitRow, ItemRow};
use crate::outcome::Outcome;

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// One row an item.
    Items,
    /// One row a hit: an item against a known record.
    Hits,
    /// One row an item that has no code although it is or may be a picture, with stage and reason.
    Errors,
    /// One row an item in a stack.
    Stacks,
}

/// Form of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated (RFC 4180 with line feeds), with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// An export that did not end.
#[derive(Debug, thiserror::Error)]
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

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        Self::Sink(error.into())
    }
}

/// Writes the rows and returns how many there were.
///
/// # Errors
/// The case cannot be read, or the sink failed.
pub fn export(
    case: &CaseReader,
    kind: ExportKind,
    format: ExportFormat,
    out: &mut dyn Write,
) -> Result<u64, ExportError> {
    let mut rows = 0;
    match format {
        ExportFormat::Csv => {
            let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
            let known = if kind == ExportKind::Hits { case.known_columns()? } else { Vec::new() };
            writer.write_record(header(kind, &known))?;
            match kind {
                ExportKind::Hits => case.for_each_hit(|hit| {
                    rows += 1;
                    write_hit(&mut writer, &hit, &known)
                })?,
                ExportKind::Items | ExportKind::Errors => for_each_wanted(case, kind, |item| {
                    rows += 1;
                    Ok(writer.serialize(item)?)
                })?,
                ExportKind::Stacks => case.for_each_stack_item(|item| {
                    rows += 1;
                    Ok::<_, ExportError>(writer.serialize(item)?)
                })?,
            }
            writer.flush()?;
        }
        ExportFormat::Jsonl => match kind {
            ExportKind::Hits => case.for_each_hit(|hit| {
                rows += 1;
                write_json(out, &hit)
            })?,
            ExportKind::Items | ExportKind::Errors => for_each_wanted(case, kind, |item| {
                rows += 1;
                write_json(out, &item)
            })?,
            ExportKind::Stacks => case.for_each_stack_item(|item| {
                rows += 1;
                write_json(out, &item)
            })?,
        },
    }
    Ok(rows)
}

/// Items of an export; an export of errors leaves out what has a code, its duplicates, and what is no picture.
fn for_each_wanted(
    case: &CaseReader,
    kind: ExportKind,
    mut visit: impl FnMut(ItemRow) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let fine = [Outcome::Hashed, Outcome::Duplicate, Outcome::NotAPicture].map(Outcome::name);
    case.for_each_item(|item| {
        if kind == ExportKind::Errors && fine.contains(&item.outcome.as_str()) { Ok(()) } else { visit(item) }
    })
}

/// Fields of [`ItemRow`], in order.
const ITEM_COLUMNS: [&str; 25] = [
    "source",
    "path",
    "outcome",
    "stage",
    "reason",
    "duplicate_of",
    "size",
    "modified",
    "accessed",
    "created",
    "md5",
    "sha1",
    "sha256",
    "format",
    "width",
    "height",
    "pdq",
    "quality",
    "decode_path",
    "unstable_bits",
    "pixels_because",
    "taken",
    "camera_make",
    "camera_model",
    "exif_orientation",
];

/// Fields of [`HitRow`], in order, without those of the known record.
const HIT_COLUMNS: [&str; 16] = [
    "source",
    "path",
    "known_set",
    "known_set_sha256",
    "record",
    "kind",
    "digests",
    "verdict",
    "unconfirmed_because",
    "distance",
    "orientation",
    "quality",
    "known_quality",
    "sha256",
    "pdq",
    "decode_path",
];

/// Fields of [`StackRow`](crate::case::StackRow), in order.
const STACK_COLUMNS: [&str; 11] = [
    "stack",
    "stack_contents",
    "diameter",
    "distance",
    "medoid",
    "source",
    "path",
    "sha256",
    "pdq",
    "quality",
    "decode_path",
];

/// The header also of an export without rows, which serialising rows would not give.
fn header(kind: ExportKind, known: &[String]) -> Vec<String> {
    match kind {
        ExportKind::Items | ExportKind::Errors => ITEM_COLUMNS.map(String::from).into(),
        ExportKind::Stacks => STACK_COLUMNS.map(String::from).into(),
        ExportKind::Hits => {
            let known = known.iter().map(|name| format!("known_{name}"));
            HIT_COLUMNS.into_iter().map(String::from).chain(known).collect()
        }
    }
}

fn write_hit(
    writer: &mut csv::Writer<&mut dyn Write>,
    hit: &HitRow,
    known: &[String],
) -> Result<(), ExportError> {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let fields: [String; HIT_COLUMNS.len()] = [
        hit.source.clone(),
        hit.path.clone(),
        hit.known_set.clone(),
        hit.known_set_sha256.clone(),
        hit.record.to_string(),
        hit.kind.clone(),
        hit.digests.clone(),
        hit.verdict.clone(),
        hit.unconfirmed_because.clone().unwrap_or_default(),
        number(hit.distance),
        hit.orientation.clone().unwrap_or_default(),
        number(hit.quality),
        number(hit.known_quality),
        hit.sha256.clone(),
        hit.pdq.clone().unwrap_or_default(),
        hit.decode_path.clone().unwrap_or_default(),
    ];
    for field in fields {
        writer.write_field(field)?;
    }
    for name in known {
        writer.write_field(hit.known.get(name).map_or("", String::as_str))?;
    }
    Ok(writer.write_record(None::<&[u8]>)?)
}

fn write_json(out: &mut dyn Write, row: &impl serde::Serialize) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *out, row)?;
    Ok(out.write_all(b"\n")?)
}
