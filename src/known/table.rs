//! CSV with a header that names its columns.

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};

use super::builder::{Builder, Record, parse_code, parse_hex, parse_quality};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Pdq,
    Quality,
    Md5,
    Sha1,
    Sha256,
    Free,
}

impl Column {
    fn of(name: &[u8]) -> Self {
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"pdq" => Self::Pdq,
            b"quality" => Self::Quality,
            b"md5" => Self::Md5,
            b"sha1" | b"sha-1" => Self::Sha1,
            b"sha256" | b"sha-256" => Self::Sha256,
            _ => Self::Free,
        }
    }
}

/// Whether a first line is a header of ours: one of its columns names a code or a digest.
pub(super) fn is_header(line: &[u8]) -> bool {
    let mut record = ByteRecord::new();
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line);
    reader.read_byte_record(&mut record).unwrap_or(false)
        && record.iter().any(|name| !matches!(Column::of(name), Column::Free | Column::Quality))
}

/// Reads a table. `malformed` is told the line and the reason of each malformed row and says whether to
/// go on.
///
/// # Errors
/// What `malformed` returned, or the error of `source`.
pub(super) fn read_table<E: From<std::io::Error>>(
    source: impl Read,
    builder: &mut Builder,
    mut malformed: impl FnMut(&mut Builder, u64, String) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(source);
    let mut record = ByteRecord::new();
    let mut columns: Option<Vec<Column>> = None;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(E::from(std::io::Error::other(error))),
        }
        // Only the first row can be the header.
        let Some(columns) = &columns else {
            let header: Vec<Column> = record.iter().map(Column::of).collect();
            let free = record.iter().zip(&header).filter(|(_, column)| **column == Column::Free);
            builder.name_columns(free.map(|(name, _)| name));
            columns = Some(header);
            continue;
        };
        let line = record.position().map_or(0, csv::Position::line);
        if let Err(reason) = read_row(&record, columns, builder) {
            malformed(builder, line, reason)?;
        }
    }
}

fn read_row(row: &ByteRecord, columns: &[Column], builder: &mut Builder) -> Result<(), String> {
    if row.len() != columns.len() {
        return Err(format!("{} fields, where the header names {}", row.len(), columns.len()));
    }
    let mut record = Record::default();
    for (field, column) in row.iter().zip(columns) {
        let value = field.trim_ascii();
        match column {
            Column::Free => record.columns.push(field),
            _ if value.is_empty() => {}
            Column::Pdq => record.code = Some(parse_code(value)?),
            Column::Quality => record.quality = parse_quality(value)?,
            Column::Md5 => record.md5 = Some(parse_hex(value, "an MD5")?),
            Column::Sha1 => record.sha1 = Some(parse_hex(value, "a SHA-1")?),
            Column::Sha256 => record.sha256 = Some(parse_hex(value, "a SHA-256")?),
        }
    }
    builder.push(&record)
}
