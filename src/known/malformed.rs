//! Reads the lines of a list, and counts or refuses malformed ones.

use std::io::{self, BufRead, Read};

use super::builder::Builder;

/// Longest line of a list.
const MAX_LINE: u64 = 1 << 20;

/// How malformed lines are treated.
pub(super) struct Malformed {
    /// Counted instead of refused.
    pub skip: bool,
    /// The first of those that were counted.
    pub first: Option<(u64, String)>,
}

/// What stopped the reading.
pub(super) enum KnownFault {
    Io(io::Error),
    Line(u64, String),
}

impl From<io::Error> for KnownFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Malformed {
    /// Counts a malformed line, or refuses the set.
    pub fn record(&mut self, builder: &mut Builder, line: u64, reason: String) -> Result<(), KnownFault> {
        if !self.skip {
            return Err(KnownFault::Line(line, reason));
        }
        builder.counts.malformed_lines += 1;
        self.first.get_or_insert((line, reason));
        Ok(())
    }
}

/// Refuses a carriage return within a line: it would end a record that then vanishes into the next one.
pub(super) fn one_line(line: &[u8]) -> Result<&[u8], String> {
    if memchr::memchr(b'\r', line).is_some() {
        return Err("a carriage return within the line: are there two records in it?".into());
    }
    Ok(line)
}

/// Visits every line with its number, without its end; empty ones and comments are left out.
///
/// # Errors
/// If the source cannot be read, the visitor fails, or a line is longer than any record can be.
pub(super) fn for_each_line(
    source: &mut impl BufRead,
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), KnownFault>,
) -> Result<(), KnownFault> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if source.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
            // Never skipped: what follows is the rest of it, not a line.
            return Err(KnownFault::Line(
                number,
                format!("longer than {MAX_LINE} bytes: this is not a list"),
            ));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.trim_ascii().is_empty() || text.starts_with(b"#") {
            continue;
        }
        visit(number, text)?;
    }
    Ok(())
}
