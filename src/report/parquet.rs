//! Rows as a Parquet file: a stream of row groups and a footer, in memory that does not grow with the rows.
//!
//! Only integers and texts, in row order, with fixed settings and no time, so two runs over the same rows give the
//! same bytes.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::Type;

use super::columns::{Cell, Column, Kind};

/// Whether this program can write Parquet.
pub const AVAILABLE: bool = true;

/// Maximum rows of a group. Readers skip groups by their minimum and maximum values.
const GROUP_ROWS: usize = 1 << 16;

/// Bytes of texts after which a group ends before it has [`GROUP_ROWS`]: long rows take no more memory than short ones.
const GROUP_TEXT: usize = 1 << 24;

/// Writes rows as one Parquet file. Without [`Self::finish`] the file is invalid: it has no footer.
///
/// It keeps one group of rows in memory, and some hundred bytes per column of each earlier group for the
/// footer.
pub struct ParquetRows<'a> {
    out: &'a mut dyn Write,
    // Into memory, one group at a time, because the crate wants a sink that is `Send`, and standard output's lock
    // is not. This also keeps the sink's errors ours.
    file: SerializedFileWriter<Vec<u8>>,
    columns: Vec<Buffer>,
    rows: usize,
    text: usize,
}

impl<'a> ParquetRows<'a> {
    /// Begins a file with these columns. A repeated name gets a number, `name_2`: readers go by names.
    ///
    /// # Errors
    /// If the columns do not form a schema.
    pub fn new(columns: &[Column], out: &'a mut dyn Write) -> io::Result<Self> {
        let fields = columns
            .iter()
            .zip(unique_names(columns))
            .map(|(column, name)| field(column, &name).map(Arc::new));
        let schema =
            Type::group_type_builder("schema").with_fields(fields.collect::<io::Result<_>>()?).build();
        let properties = WriterProperties::builder()
            .set_created_by(format!("tamis {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::SNAPPY)
            // Page statistics would take most of the footer, which is held until the end.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file =
            SerializedFileWriter::new(Vec::new(), Arc::new(schema.map_err(failed)?), Arc::new(properties));
        Ok(Self {
            out,
            file: file.map_err(failed)?,
            columns: columns.iter().map(Buffer::new).collect(),
            rows: 0,
            text: 0,
        })
    }

    /// Adds a row: a cell of its kind for every column. No row can follow an error.
    ///
    /// # Errors
    /// If the sink fails, or the cells do not fit the columns.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if cells.len() != self.columns.len() {
            return Err(io::Error::other(format!(
                "{} cells for {} columns",
                cells.len(),
                self.columns.len()
            )));
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(*cell)?;
            if let Cell::Text(text) = cell {
                self.text += text.len();
            }
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS || self.text >= GROUP_TEXT { self.end_group() } else { Ok(()) }
    }

    /// Writes the last rows and the footer.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn finish(mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.end_group()?;
        }
        self.file.finish().map_err(failed)?;
        self.pass_on()?;
        self.out.flush()
    }

    fn end_group(&mut self) -> io::Result<()> {
        let mut group = self.file.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            let mut writer = group
                .next_column()
                .map_err(failed)?
                .ok_or_else(|| io::Error::other("fewer columns in the schema than in the rows"))?;
            column.write(writer.untyped())?;
            writer.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        (self.rows, self.text) = (0, 0);
        self.file.flush()?;
        self.pass_on()
    }

    /// Writes the encoded bytes to the sink.
    fn pass_on(&mut self) -> io::Result<()> {
        let encoded = self.file.inner_mut();
        self.out.write_all(encoded)?;
        encoded.clear();
        Ok(())
    }
}

/// A column of the schema.
fn field(column: &Column, name: &str) -> io::Result<Type> {
    let (physical, logical) = match column.kind {
        Kind::Unsigned => (Physical::INT32, Some(LogicalType::integer(32, false))),
        Kind::Integer => (Physical::INT64, None),
        Kind::Real => (Physical::DOUBLE, None),
        Kind::Boolean => (Physical::BOOLEAN, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let repetition = if column.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let field =
        Type::primitive_type_builder(name, physical).with_repetition(repetition).with_logical_type(logical);
    field.build().map_err(failed)
}

/// The columns' names, repeated ones with a number.
fn unique_names(columns: &[Column]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let unique = |column: &Column| {
        let mut name = column.name.to_string();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{}_{number}", column.name);
            number += 1;
        }
        name
    };
    columns.iter().map(unique).collect()
}

/// The cells of a column that are not written yet.
struct Buffer {
    values: Values,
    /// 1 or 0 for every cell that is present or absent; empty for a column without absent cells.
    levels: Vec<i16>,
    optional: bool,
}

/// The cells that are present.
enum Values {
    Unsigned(Vec<i32>),
    Integer(Vec<i64>),
    Real(Vec<f64>),
    Boolean(Vec<bool>),
    /// All texts in one, because one allocation a text would take more memory than the texts, and their
    /// lengths.
    Text(Vec<u8>, Vec<usize>),
}

impl Buffer {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Unsigned => Values::Unsigned(Vec::new()),
            Kind::Integer => Values::Integer(Vec::new()),
            Kind::Real => Values::Real(Vec::new()),
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Text => Values::Text(Vec::new(), Vec::new()),
        };
        Self { values, levels: Vec::new(), optional: column.optional }
    }

    fn push(&mut self, cell: Cell<'_>) -> io::Result<()> {
        match (&mut self.values, cell) {
            (_, Cell::Empty) if self.optional => {}
            // The format stores unsigned numbers as signed ones of equal bits.
            (Values::Unsigned(numbers), Cell::Unsigned(number)) => numbers.push(number.cast_signed()),
            (Values::Integer(numbers), Cell::Integer(number)) => numbers.push(number),
            (Values::Real(numbers), Cell::Real(number)) => numbers.push(number),
            (Values::Boolean(flags), Cell::Boolean(flag)) => flags.push(flag),
            (Values::Text(texts, lengths), Cell::Text(text)) => {
                texts.extend_from_slice(text.as_bytes());
                lengths.push(text.len());
            }
            _ => return Err(io::Error::other(format!("{cell:?} does not belong to its column"))),
        }
        if self.optional {
            self.levels.push(i16::from(cell != Cell::Empty));
        }
        Ok(())
    }

    /// Writes the cells as a column of a group, and clears them.
    fn write(&mut self, writer: &mut ColumnWriter<'_>) -> io::Result<()> {
        let levels = self.optional.then_some(&self.levels[..]);
        let written = match (writer, &mut self.values) {
            (ColumnWriter::Int32ColumnWriter(writer), Values::Unsigned(numbers)) => {
                writer.write_batch(&mem::take(numbers), levels, None)
            }
            (ColumnWriter::Int64ColumnWriter(writer), Values::Integer(numbers)) => {
                writer.write_batch(&mem::take(numbers), levels, None)
            }
            (ColumnWriter::DoubleColumnWriter(writer), Values::Real(numbers)) => {
                writer.write_batch(&mem::take(numbers), levels, None)
            }
            (ColumnWriter::BoolColumnWriter(writer), Values::Boolean(flags)) => {
                writer.write_batch(&mem::take(flags), levels, None)
            }
            (ColumnWriter::ByteArrayColumnWriter(writer), Values::Text(texts, lengths)) => {
                let texts = ByteArray::from(mem::take(texts));
                let mut from = 0;
                let slice = |length| {
                    from += length;
                    texts.slice(from - length, length)
                };
                let texts: Vec<ByteArray> = mem::take(lengths).into_iter().map(slice).collect();
                writer.write_batch(&texts, levels, None)
            }
            _ => return Err(io::Error::other("a column of the schema is not of its cells' type")),
        };
        self.levels.clear();
        written.map(drop).map_err(failed)
    }
}

/// An error of the crate; never of the sink, which the crate does not write to.
fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
