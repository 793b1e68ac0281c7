//! Lines of a text with their places, each at most 1 MiB.

use std::io::{BufRead, BufReader, Read};

use super::error::ImportError;
use super::sink::{Fault, Sink};
use super::source::Source;
use crate::known::read::BYTE_ORDER_MARK;

/// Longest line.
const MAX_LINE: u64 = 1 << 20;

/// One line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Offset of its first byte in the file.
    pub offset: u64,
    /// Without its end.
    pub text: &'a [u8],
}

/// Visits every line that is not blank.
pub(super) fn for_each_line(
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    mut visit: impl FnMut(Line<'_>, &mut Sink<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut reader = BufReader::with_capacity(1 << 20, source);
    let mut line = Vec::new();
    let mut offset = 0;
    loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let count = read.map_err(|error| reader.get_ref().failed(error))? as u64;
        if count == 0 {
            return Ok(());
        }
        if count == MAX_LINE && !line.ends_with(b"\n") {
            let reason = format!("longer than {MAX_LINE} bytes: this is not a list");
            sink.take(offset, Err(Fault::new(0, reason)))?;
            let rest = reader.skip_until(b'\n').map_err(|error| reader.get_ref().failed(error))?;
            offset += count + rest as u64;
            continue;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = if offset == 0 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text };
        if !text.trim_ascii().is_empty() {
            visit(Line { offset, text }, sink)?;
        }
        offset += count;
    }
}
