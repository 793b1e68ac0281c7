//! Lists that `--known` takes as they are: PDQ codes, and what md5sum, sha1sum and sha256sum print.

use std::borrow::Cow;

use super::fields::Object;
use super::source::Source;
use super::text_lines::{Line, for_each_line};
use super::{Fault, ImportError, Parsed, Sink};
use crate::known::lines::{LineFormat, LineRecord};
use crate::known::read::{Opening, one_line};
use crate::source::name::escape;

/// Reads a list.
pub(super) fn read(source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let opening = Opening::of(source.head()).map_err(|reason| source.refused(reason))?;
    let geometry = sink.options.geometry;
    if opening.geometry.is_some_and(|said| said != geometry) {
        return Err(source
            .refused(format!("the file says that its geometry is not {}: see --geometry", geometry.name())));
    }
    let format = opening.format.unwrap_or(LineFormat::Codes);
    let mut told_more = format != LineFormat::Codes;
    let mut lines = 0_u64;
    let read = for_each_line(source, sink, |Line { offset, text }, sink| {
        if text.starts_with(b"#") {
            return Ok(());
        }
        let parsed = one_line(text).and_then(|line| format.parse(line));
        if let Ok(line) = &parsed {
            lines += 1;
            told_more |= line.quality.is_some() || !line.name.is_empty();
        }
        sink.take(offset, parsed.map(record).map_err(Fault::from))
    });
    sink.bare |= lines > 0 && !told_more;
    read
}

fn record(line: LineRecord<'_>) -> Parsed<'static> {
    let mut parsed = Parsed::default();
    let mut object = Object::default();
    let LineRecord { code, quality, md5, sha1, sha256, name, spelled } = line;
    let column = match (code, md5, sha1) {
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
        object.add("name", &escape(&name));
    }
    let record = &mut parsed.record;
    (record.code, record.quality, record.md5, record.sha1, record.sha256) =
        (code, quality, md5, sha1, sha256);
    record.fields = Cow::Owned(object.finish());
    parsed
}
