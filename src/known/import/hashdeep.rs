//! What hashdeep prints: `%%%% HASHDEEP-1.0`, a line `%%%% size,md5,sha256,filename` that names the columns, comments in
//! `##`, then one file a line. The name is the rest of the line, commas and all.

use std::borrow::Cow;

use super::error::ImportError;
use super::fields::{self, Object};
use super::options::ImportFormat;
use super::sink::{Fault, Parsed, Sink};
use super::source::Source;
use super::text_lines::{Line, for_each_line};
use crate::source::name::escape;

/// The first bytes of a hashdeep file.
pub(super) const MAGIC: &[u8] = b"%%%% HASHDEEP-";

/// Reads a list of hashdeep.
pub(super) fn read(source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let mut columns: Vec<String> = Vec::new();
    for_each_line(source, sink, |Line { offset, text }, sink| {
        if let Some(said) = text.strip_prefix(b"%%%% ") {
            if said.starts_with(b"size,") {
                columns = escape(said).split(',').map(str::to_string).collect();
            }
            return Ok(());
        }
        if text.starts_with(b"##") {
            return Ok(());
        }
        if columns.last().is_none_or(|last| last != "filename") {
            let reason = "no line `%%%% size,…,filename` names the columns";
            return Err(sink.not_this_format(ImportFormat::Hashdeep, reason));
        }
        sink.take(offset, parse(text, &columns))
    })
}

fn parse(line: &[u8], columns: &[String]) -> Result<Parsed<'static>, Fault> {
    let cells: Vec<&[u8]> = line.splitn(columns.len(), |&byte| byte == b',').collect();
    if cells.len() != columns.len() {
        return Err(Fault::new(0, format!("{} fields, where {} are named", cells.len(), columns.len())));
    }
    let mut parsed = Parsed::default();
    let mut object = Object::default();
    for (column, cell) in columns.iter().zip(cells) {
        // Names are bytes and always escaped.
        let text = fields::readable(cell, &mut parsed.odd_fields);
        let cell = if column == "filename" { Cow::Owned(escape(cell)) } else { text };
        let record = &mut parsed.record;
        match &**column {
            "size" => record.media_size = fields::keep(fields::size(&cell), &mut parsed.odd_fields),
            "md5" => record.md5 = fields::digest(&cell, "an MD5")?,
            "sha1" => record.sha1 = fields::digest(&cell, "a SHA-1")?,
            "sha256" => record.sha256 = fields::digest(&cell, "a SHA-256")?,
            _ => {}
        }
        object.add(column, &cell);
    }
    parsed.record.fields = Cow::Owned(object.finish());
    Ok(parsed)
}
