//! Records of a JSON document of any size, each parsed separately, so that memory is bounded by the largest record and
//! every fault has an offset.
//!
//! Two forms are read, both of OData: `{…, "value": [RECORD, …]}`, and `{…, "value": [{…, "Media": [RECORD, …]}, …]}`,
//! where each element of `value` is a case. A bare array of either is taken too.

use std::borrow::Cow;
use std::io::{self, Read};

use serde_json::value::RawValue;

use super::error::ImportError;
use super::fields::json_text;
use super::options::ImportFormat;
use super::sink::{Fault, Sink};
use super::source::Source;
use crate::known::read::BYTE_ORDER_MARK;

/// Maximum bytes of a record.
pub(super) const MAX_RECORD: u64 = 16 << 20;
/// Maximum bytes of one value outside records, and of all such values of a file.
const MAX_ASIDE: u64 = 1 << 20;
const MAX_ASIDES: u64 = 16 << 20;
/// Maximum number of fields outside records in one object.
const MAX_FIELDS_ASIDE: usize = 1000;
/// How deep a record may be nested.
pub(super) const MAX_DEPTH: u32 = 64;
/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// Reads all records of a document. `parse` gets each as it is in the file.
pub(super) fn read_records(
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    mut parse: impl FnMut(&[u8], u64, &mut Sink<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut reader = Reader {
        window: Window { source, buffer: Vec::new(), base: 0, position: 0, keep: None, ended: false },
        sink,
        parse: &mut parse,
        asides: 0,
    };
    reader.document()
}

/// A part of the file in memory. Offsets are those of the file.
struct Window<'s, 'a> {
    source: &'s mut Source<'a>,
    buffer: Vec<u8>,
    /// Offset of the buffer's first byte.
    base: u64,
    position: u64,
    /// Bytes from here on stay in memory.
    keep: Option<u64>,
    ended: bool,
}

impl Window<'_, '_> {
    /// What is in memory from the position on; empty only at the end of the file.
    fn available(&mut self) -> io::Result<&[u8]> {
        if self.position == self.base + self.buffer.len() as u64 && !self.ended {
            let keep = self.keep.unwrap_or(self.position);
            self.buffer.drain(..(keep - self.base) as usize);
            self.base = keep;
            let filled = self.buffer.len();
            self.buffer.resize(filled + BLOCK, 0);
            let count = self.source.read(&mut self.buffer[filled..])?;
            self.buffer.truncate(filled + count);
            self.ended = count == 0;
        }
        Ok(self.buffer.get((self.position - self.base) as usize..).unwrap_or_default())
    }

    /// Bytes that were kept.
    fn kept(&self, from: u64, to: u64) -> &[u8] {
        let place = |offset: u64| offset.saturating_sub(self.base) as usize;
        self.buffer.get(place(from)..place(to)).unwrap_or_default()
    }
}

/// How a value ended.
enum Passed {
    Whole,
    /// Deeper than [`MAX_DEPTH`], or longer than its limit: read to its end and discarded.
    Unfit(String),
}

struct Reader<'r, 's, 'a, 'k, P> {
    window: Window<'s, 'a>,
    sink: &'r mut Sink<'k>,
    parse: &'r mut P,
    /// Bytes outside records so far.
    asides: u64,
}

impl<P> Reader<'_, '_, '_, '_, P>
where
    P: FnMut(&[u8], u64, &mut Sink<'_>) -> Result<(), ImportError>,
{
    fn document(&mut self) -> Result<(), ImportError> {
        if self.available()?.starts_with(BYTE_ORDER_MARK) {
            self.window.position += BYTE_ORDER_MARK.len() as u64;
        }
        match self.next()? {
            Some(b'[') => self.elements(false)?,
            Some(b'{') => {
                let mut found = false;
                let mut about = serde_json::Map::new();
                self.members(&mut |reader, key| {
                    if key != "value" && key != "Media" || reader.next()? != Some(b'[') {
                        return reader.aside(key, &mut about);
                    }
                    if std::mem::replace(&mut found, true) {
                        return Err(reader.wrong("there are two arrays of records"));
                    }
                    reader.elements(false)
                })?;
                self.sink.about.append(&mut about);
                if !found {
                    let reason = "it has no array `value` of records: is it VICS JSON?";
                    return Err(self.sink.not_this_format(ImportFormat::Vics, reason));
                }
            }
            _ => return Err(self.wrong("a JSON object or array is expected")),
        }
        match self.next()? {
            None => Ok(()),
            Some(_) => Err(self.wrong("something follows the end of the document")),
        }
    }

    /// The elements of an array of records or cases; those of a case's `Media` are records.
    fn elements(&mut self, mut are_records: bool) -> Result<(), ImportError> {
        self.window.position += 1;
        // Whether elements are records is decided once: looking for a case costs as much as reading a record.
        let mut first = true;
        loop {
            match self.next()? {
                Some(b']') => break,
                Some(b',') if !first => {
                    self.window.position += 1;
                    self.next()?;
                }
                Some(_) if first => {}
                Some(_) => return Err(self.wrong("a comma or the end of the array is expected")),
                None => return Err(self.cut_off()),
            }
            first = false;
            match self.next()? {
                Some(b'{') if are_records => self.record()?,
                Some(b'{') => are_records = !self.case_or_record()?,
                Some(_) => return Err(self.wrong("a record is expected: an object in braces")),
                None => return Err(self.cut_off()),
            }
        }
        self.window.position += 1;
        Ok(())
    }

    /// An element that may be a case. Returns whether it was one.
    fn case_or_record(&mut self) -> Result<bool, ImportError> {
        let start = self.window.position;
        self.window.keep = Some(start);
        if !self.has_media()? {
            self.window.position = start;
            self.record()?;
            return Ok(false);
        }
        // Read again from its beginning, this time with its records.
        self.window.position = start;
        self.window.keep = None;
        let mut about = serde_json::Map::new();
        self.members(&mut |reader, key| {
            if key == "Media" && reader.next()? == Some(b'[') {
                reader.elements(true)
            } else {
                reader.aside(key, &mut about)
            }
        })?;
        let cases = self.sink.about.entry("cases").or_insert_with(|| serde_json::Value::Array(Vec::new()));
        if let serde_json::Value::Array(cases) = cases {
            cases.push(serde_json::Value::Object(about));
        }
        Ok(true)
    }

    /// Whether the object here has an array `Media`; what is wrong with an object is left to its reader.
    fn has_media(&mut self) -> Result<bool, ImportError> {
        let start = self.window.position;
        self.window.position += 1;
        loop {
            match self.next()? {
                Some(b'"') => {
                    let from = self.window.position;
                    self.pass(MAX_RECORD, false)?;
                    let is_media = self.window.kept(from, self.window.position) == b"\"Media\"";
                    if self.next()? != Some(b':') {
                        return Ok(false);
                    }
                    self.window.position += 1;
                    if is_media && self.next()? == Some(b'[') {
                        return Ok(true);
                    }
                    if self.next()?.is_none() || matches!(self.pass(MAX_RECORD, false)?, Passed::Unfit(_)) {
                        return Ok(false);
                    }
                }
                Some(b',') => self.window.position += 1,
                _ => return Ok(false),
            }
            if self.window.position - start > MAX_RECORD {
                return Ok(false);
            }
        }
    }

    /// One record.
    fn record(&mut self) -> Result<(), ImportError> {
        let start = self.window.position;
        self.window.keep = Some(start);
        let passed = self.pass(MAX_RECORD, self.sink.skips())?;
        self.window.keep = None;
        match passed {
            Passed::Whole => {
                let (base, end) = (self.window.base, self.window.position);
                let bytes = self.window.buffer.get((start - base) as usize..(end - base) as usize);
                (self.parse)(bytes.unwrap_or_default(), start, self.sink)
            }
            Passed::Unfit(reason) => self.sink.take(start, Err(Fault::new(0, reason))),
        }
    }

    /// The members of an object, each with its key, at the beginning of its value.
    fn members(
        &mut self,
        visit: &mut dyn FnMut(&mut Self, &str) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        self.window.position += 1;
        let mut seen = 0;
        loop {
            match self.next()? {
                Some(b'}') => break,
                Some(b',') if seen > 0 => {
                    self.window.position += 1;
                    self.next()?;
                }
                Some(_) if seen == 0 => {}
                Some(_) => return Err(self.wrong("a comma or the end of the object is expected")),
                None => return Err(self.cut_off()),
            }
            if self.next()? != Some(b'"') {
                return Err(if self.next()?.is_some() {
                    self.wrong("a key in quotes is expected")
                } else {
                    self.cut_off()
                });
            }
            let key = self.key()?;
            if self.next()? != Some(b':') {
                return Err(if self.next()?.is_some() {
                    self.wrong("a colon is expected")
                } else {
                    self.cut_off()
                });
            }
            self.window.position += 1;
            if self.next()?.is_none() {
                return Err(self.cut_off());
            }
            visit(self, &key)?;
            seen += 1;
            if seen > MAX_FIELDS_ASIDE {
                return Err(self.wrong(format!("more than {MAX_FIELDS_ASIDE} fields next to the records")));
            }
        }
        self.window.position += 1;
        Ok(())
    }

    /// Keeps the fields outside records, raw where they are not readable as text; a repeated key gets a
    /// number.
    fn aside(
        &mut self,
        key: &str,
        about: &mut serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), ImportError> {
        let start = self.window.position;
        let text = self.small()?;
        let value = serde_json::from_str(&text).unwrap_or_else(|_| {
            self.sink.writer.count_odd(false, 1);
            serde_json::Value::String(text)
        });
        self.asides += self.window.position - start;
        if self.asides > MAX_ASIDES {
            return Err(self.wrong(format!("more than {MAX_ASIDES} bytes next to the records")));
        }
        let mut name = key.to_string();
        let mut number = 2;
        while about.contains_key(&name) {
            name = format!("{key}_{number}");
            number += 1;
        }
        self.sink.writer.count_odd(false, u64::from(number > 2));
        about.insert(name, value);
        Ok(())
    }

    /// Reads a key. One that is a text for JSON and cannot be decoded, which takes an escape of half a character, is kept as it is written.
    fn key(&mut self) -> Result<String, ImportError> {
        let start = self.window.position;
        let text = self.small()?;
        serde_json::from_str(&text).or_else(|error| {
            if serde_json::from_str::<&RawValue>(&text).is_ok() {
                self.sink.writer.count_odd(false, 1);
                return Ok(text.trim_matches('"').to_string());
            }
            self.window.position = start;
            Err(self.wrong(format!("not JSON: {}", plain(&error))))
        })
    }

    /// Reads a small value as it is in the document.
    fn small(&mut self) -> Result<String, ImportError> {
        let start = self.window.position;
        let before = self.window.keep;
        self.window.keep = Some(before.unwrap_or(start));
        let passed = self.pass(MAX_ASIDE, false)?;
        self.window.keep = before;
        if let Passed::Unfit(reason) = passed {
            self.window.position = start;
            return Err(self.wrong(reason));
        }
        let text = json_text(self.window.kept(start, self.window.position));
        self.sink.writer.count_odd(false, u64::from(matches!(text, Cow::Owned(_))));
        Ok(text.into_owned())
    }

    /// Skips the value that begins here. An unfit one is only read to its end with `to_the_end`.
    fn pass(&mut self, limit: u64, to_the_end: bool) -> Result<Passed, ImportError> {
        let start = self.window.position;
        let mut scan = Scan::default();
        let mut unfit = None;
        loop {
            let available = self.available()?;
            if available.is_empty() {
                if scan.is_scalar() {
                    return Ok(Passed::Whole);
                }
                return Err(self.cut_off());
            }
            let (count, ended) = scan.advance(available);
            self.window.position += count as u64;
            if unfit.is_none() {
                if scan.deepest > MAX_DEPTH {
                    unfit = Some(format!("nested deeper than {MAX_DEPTH}"));
                } else if self.window.position - start > limit {
                    unfit = Some(format!("longer than {limit} bytes"));
                }
                if unfit.is_some() && !to_the_end {
                    break;
                }
            }
            if unfit.is_some() && self.window.keep.is_some() {
                self.window.keep = None;
            }
            if ended {
                break;
            }
        }
        Ok(unfit.map_or(Passed::Whole, Passed::Unfit))
    }

    /// The next byte that is not a blank; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<u8>, ImportError> {
        loop {
            let available = self.available()?;
            if available.is_empty() {
                return Ok(None);
            }
            let blanks =
                available.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
            let next = available.get(blanks).copied();
            self.window.position += blanks as u64;
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn available(&mut self) -> Result<&[u8], ImportError> {
        // Two steps for the borrow checker: an error names the path.
        if let Err(error) = self.window.available() {
            return Err(self.window.source.failed(error));
        }
        Ok(self.window.buffer.get((self.window.position - self.window.base) as usize..).unwrap_or_default())
    }

    /// A fault outside records cannot be skipped: it is not known where the next record begins.
    fn wrong(&mut self, reason: impl Into<String>) -> ImportError {
        let reason = format!("{} (the fault is outside the records, so it cannot be skipped)", reason.into());
        self.sink.document(self.window.position, reason)
    }

    fn cut_off(&mut self) -> ImportError {
        self.sink.cut_off(self.window.position)
    }
}

/// The text of a JSON parser error without its line and column, which are relative to one part.
pub(super) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// Finds the end of a value without parsing it: only strings and brackets count.
#[derive(Debug, Default)]
struct Scan {
    begun: Begun,
    in_string: bool,
    /// A backslash was the last byte.
    escaped: bool,
    depth: u32,
    deepest: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begun {
    #[default]
    Not,
    Scalar,
    Other,
}

impl Scan {
    fn is_scalar(&self) -> bool {
        self.begun == Begun::Scalar
    }

    /// Processes the next bytes. Returns how many belong to the value, and whether it ended.
    fn advance(&mut self, bytes: &[u8]) -> (usize, bool) {
        if self.begun == Begun::Not {
            self.begun = match bytes.first() {
                Some(b'"' | b'{' | b'[') => Begun::Other,
                _ => Begun::Scalar,
            };
        }
        if self.is_scalar() {
            let ends =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' | b':' | b'"');
            // At least one byte, so that the position advances even on an invalid value.
            return match bytes.iter().position(ends) {
                Some(end) => (end.max(1), true),
                None => (bytes.len(), false),
            };
        }
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.escaped {
                self.escaped = false;
                at += 1;
            } else if self.in_string {
                match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
                    None => return (bytes.len(), false),
                    Some(offset) => {
                        at += offset + 1;
                        self.escaped = bytes[at - 1] == b'\\';
                        self.in_string = self.escaped;
                    }
                }
            } else {
                at += 1;
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => {
                        self.depth = self.depth.saturating_add(1);
                        self.deepest = self.deepest.max(self.depth);
                    }
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            if self.depth == 0 && !self.in_string && !self.escaped {
                return (at, true);
            }
        }
        (bytes.len(), false)
    }
}
