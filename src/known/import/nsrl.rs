//! The NSRL's RDS, version 3: a SQLite database with a table or view FILE (sha256, sha1, md5, file_name, file_size,
//! package_id), or with DISTINCT_HASH alone. Its entries are known, which does not mean good.

use std::borrow::Cow;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::error::ImportError;
use super::fields::{self, Object};
use super::options::ImportFormat;
use super::sink::{Fault, Parsed, Sink};
use crate::source::database::{hear, open_immutable, refuse_recursion};
use crate::source::digest::hex;
use crate::source::name::escape;

/// Bytes kept, as hex digits, of a field that is not text.
const MAX_BLOB: usize = 256;
/// The first bytes of a SQLite database.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

/// Reads all rows. A record's place is its row, so that its offset is given as 0.
pub(super) fn read(path: &Path, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let failed =
        |error: rusqlite::Error| ImportError::Database { path: path.to_path_buf(), source: error.into() };
    for ending in ["-wal", "-journal"] {
        let mut changes = path.as_os_str().to_os_string();
        changes.push(ending);
        if std::fs::metadata(&changes).is_ok_and(|changes| changes.len() > 0) {
            return Err(ImportError::PendingChanges { path: path.to_path_buf(), changes: changes.into() });
        }
    }
    let mut connection = open_immutable(path).map_err(failed)?;
    // The file is untrusted, and its FILE may be a view that runs forever.
    refuse_recursion(&mut connection).map_err(failed)?;
    hear(&mut connection, sink.control.cancelled()).map_err(failed)?;
    let there = |name: &str| {
        let query =
            "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
        connection.query_row(query, [name], |row| row.get::<_, i64>(0)).map(|count| count > 0)
    };
    let table = match (there("FILE").map_err(failed)?, there("DISTINCT_HASH").map_err(failed)?) {
        (true, _) => "FILE",
        (_, true) => "DISTINCT_HASH",
        _ => {
            return Err(sink.not_this_format(
                ImportFormat::Nsrl,
                "a database without a table FILE or DISTINCT_HASH: is it an RDS of the NSRL, version 3?",
            ));
        }
    };
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).map_err(failed)?;
    let names = column_names(&connection, table).map_err(failed)?;
    if names.len() != statement.column_count() {
        let reason = format!("its table {table} has columns without a name");
        return Err(sink.not_this_format(ImportFormat::Nsrl, reason));
    }
    if !names.iter().any(|name| is_matched(name)) {
        let reason = format!("its table {table} has no column md5, sha1 or sha256");
        return Err(sink.not_this_format(ImportFormat::Nsrl, reason));
    }
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        sink.take(0, parse(row, &names))?;
    }
    Ok(())
}

/// The names of a table's columns in lower case. The statement's own column names would be assumed to be
/// UTF-8.
fn column_names(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden <> 1")?;
    let rows = statement.query_map([table], |row| Ok(row.get_ref(0)?.as_bytes().map(escape)?))?;
    rows.map(|name| name.map(|name| name.to_lowercase())).collect()
}

/// Whether records are matched by a column.
fn is_matched(name: &str) -> bool {
    matches!(name, "md5" | "sha1" | "sha256")
}

fn parse(row: &Row<'_>, names: &[String]) -> Result<Parsed<'static>, Fault> {
    let mut parsed = Parsed::default();
    let mut object = Object::default();
    for (index, name) in names.iter().enumerate() {
        let value = row.get_ref(index).map_err(|error| Fault::from(error.to_string()))?;
        let text: Cow<'_, str> = match value {
            ValueRef::Null => continue,
            ValueRef::Integer(number) => number.to_string().into(),
            ValueRef::Real(number) => number.to_string().into(),
            ValueRef::Text(text) => fields::readable(text, &mut parsed.odd_fields),
            ValueRef::Blob(_) if is_matched(name) => return Err(format!("{name} is not text").into()),
            ValueRef::Blob(blob) => {
                parsed.odd_fields += 1;
                let (shown, rest) = blob.split_at(blob.len().min(MAX_BLOB));
                let more = if rest.is_empty() { "" } else { "…" };
                format!("{} bytes: {}{more}", blob.len(), hex(shown)).into()
            }
        };
        let record = &mut parsed.record;
        match &**name {
            "md5" => record.md5 = fields::digest(&text, "an MD5")?,
            "sha1" => record.sha1 = fields::digest(&text, "a SHA-1")?,
            "sha256" => record.sha256 = fields::digest(&text, "a SHA-256")?,
            "file_size" => record.media_size = fields::keep(fields::size(&text), &mut parsed.odd_fields),
            _ => {}
        }
        object.add(name, &text);
    }
    parsed.record.fields = Cow::Owned(object.finish());
    Ok(parsed)
}
