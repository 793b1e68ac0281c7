//! Rows of columns and cells, in the requested format.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::args::RowFormat;
use super::console::Console;
use super::error::CliError;
use crate::engine::CancelToken;
use crate::report::columns::{Cell, Column};
use crate::report::parquet::ParquetRows;
use crate::report::write_json_line;

/// Whether Ctrl-C ended the writing of rows; if so, this is reported.
pub(super) fn was_interrupted(
    written: &Result<(), CliError>,
    cancel: &CancelToken,
    console: &Console,
) -> bool {
    let interrupted = cancel.is_cancelled() && written.is_err();
    if interrupted {
        console.note("interrupted: any output written so far is incomplete");
    }
    interrupted
}

/// Writes rows: CSV with a header and texts guarded against spreadsheets, JSON with the columns' names, or Parquet.
pub(super) enum Rows<'a> {
    /// Comma-separated.
    Csv(Box<csv::Writer<&'a mut dyn Write>>),
    /// One object per line.
    Jsonl(&'a mut dyn Write, Vec<Column>),
    /// One Parquet file.
    Parquet(Box<ParquetRows<'a>>),
}

/// A row of JSON, its fields in the columns' order.
struct JsonRow<'a> {
    columns: &'a [Column],
    cells: &'a [Cell<'a>],
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            match cell {
                Cell::Empty => map.serialize_entry(&column.name, &())?,
                Cell::Unsigned(number) => map.serialize_entry(&column.name, number)?,
                Cell::Integer(number) => map.serialize_entry(&column.name, number)?,
                Cell::Real(number) => map.serialize_entry(&column.name, number)?,
                Cell::Boolean(yes) => map.serialize_entry(&column.name, yes)?,
                Cell::Text(text) => map.serialize_entry(&column.name, text)?,
            }
        }
        map.end()
    }
}

impl<'a> Rows<'a> {
    /// Begins rows; CSV gets its header.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn new(format: RowFormat, columns: Vec<Column>, out: &'a mut dyn Write) -> io::Result<Self> {
        Ok(match format {
            RowFormat::Csv => {
                let mut rows = csv::Writer::from_writer(out);
                rows.write_record(columns.iter().map(|column| column.name.as_bytes()))?;
                Self::Csv(Box::new(rows))
            }
            RowFormat::Jsonl => Self::Jsonl(out, columns),
            RowFormat::Parquet => Self::Parquet(Box::new(ParquetRows::new(&columns, out)?)),
        })
    }

    /// Writes a row with one cell per column.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn write(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        match self {
            Self::Csv(rows) => {
                let mut field = Vec::new();
                for cell in cells {
                    field.clear();
                    cell.write(&mut field)?;
                    rows.write_field(&field)?;
                }
                Ok(rows.write_record(None::<&[u8]>)?)
            }
            Self::Jsonl(out, columns) => write_json_line(*out, &JsonRow { columns, cells }),
            Self::Parquet(rows) => rows.row(cells),
        }
    }

    /// Ends the rows.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut rows) => rows.flush(),
            Self::Jsonl(out, _) => out.flush(),
            Self::Parquet(rows) => rows.finish(),
        }
    }
}
