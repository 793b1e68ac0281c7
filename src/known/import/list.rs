//! Lists that `--known` takes as they are: PDQ hashes, digests alone, and what md5sum, sha1sum and sha256sum print.

use std::borrow::Cow;

use super::error::ImportError;
use super::fields::{Object, readable};
use super::sink::{Fault, Parsed, Sink};
use super::source::Source;
use super::text_lines::{Line, for_each_line};
use crate::known::lines::{LineFormat, LineRecord};
use crate::known::malformed::one_line;
use crate::known::read::Opening;
use crate::source::name::escape;

/// Reads a list.
pub(super) fn read(source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let opening = Opening::of(source.head(), sink.options.list).map_err(|fault| source.unusable(fault))?;
    let given = sink.options.geometry;
    if let Some(stated) = opening.geometry.filter(|&stated| stated != given) {
        return Err(ImportError::OtherGeometry { path: sink.path.to_path_buf(), stated, given });
    }
    let format = opening.format.unwrap_or(LineFormat::Hashes);
    for_each_line(source, sink, |Line { offset, text }, sink| {
        if text.starts_with(b"#") {
            return Ok(());
        }
        let parsed = one_line(text).and_then(|line| format.parse(line));
        sink.take(offset, parsed.map(record).map_err(Fault::from))
    })
}

fn record(line: LineRecord<'_>) -> Parsed<'static> {
    let mut parsed = Parsed::default();
    let mut object = Object::default();
    let LineRecord { hash, quality, md5, sha1, sha256, name, odd_name, spelled } = line;
    parsed.odd_fields += u64::from(odd_name);
    let column = match (hash, md5, sha1) {
        (Some(_), ..) => "pdq",
        (_, Some(_), _) => "md5",
        (_, _, Some(_)) => "sha1",
        _ => "sha256",
    };
    object.add(column, &String::from_utf8_lossy(spelled));
    if let Some(quality) = quality {
        object.add("quality", &quality.to_string());
    }
    if !name.is_empty() {
        // Always escaped: names are bytes.
        readable(&name, &mut parsed.odd_fields);
        object.add("name", &escape(&name));
    }
    let record = &mut parsed.record;
    (record.hash, record.quality, record.md5, record.sha1, record.sha256) =
        (hash, quality, md5, sha1, sha256);
    record.fields = Cow::Owned(object.finish());
    parsed
}
