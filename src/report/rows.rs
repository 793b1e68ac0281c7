//! Rows of columns and cells, in the requested format: what every export and list goes through, but for the rows of a join,
//! whose output can be resumed after each item and so must not be buffered in between.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::columns::{Cell, Column};
use super::parquet::ParquetRows;
use super::write_json_line;

/// Format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// Comma-separated (RFC 4180 with line feeds), with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// One Parquet file, with the columns of CSV.
    Parquet,
}

/// Writes rows: CSV with a header and texts guarded against spreadsheets, JSON with the columns' names, or Parquet.
pub enum Rows<'a> {
    /// Comma-separated, and room for a field.
    Csv(Box<csv::Writer<&'a mut dyn Write>>, Vec<u8>),
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
                Self::Csv(Box::new(rows), Vec::new())
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
            Self::Csv(rows, field) => {
                for cell in cells {
                    field.clear();
                    cell.write(field)?;
                    rows.write_field(&*field)?;
                }
                Ok(rows.write_record(None::<&[u8]>)?)
            }
            Self::Jsonl(out, columns) => write_json_line(*out, &JsonRow { columns, cells }),
            Self::Parquet(rows) => rows.row(cells),
        }
    }

    /// Hands on what was written so far, as far as the format allows.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(rows, _) => rows.flush(),
            Self::Jsonl(out, _) => out.flush(),
            Self::Parquet(_) => Ok(()),
        }
    }

    /// Ends the rows.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Parquet(rows) => rows.finish(),
            mut rows => rows.flush(),
        }
    }
}
