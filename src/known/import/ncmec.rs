//! NCMEC's exchange of hashes, version 2: XML with `image` and `video` entries (member, id, classification, fingerprints
//! md5, sha1, pdna, pdq), and `deletedImage` and `deletedVideo`, by which a member withdraws an entry.
//!
//! An entry that a later one withdraws is kept, and never matched. Documents are read twice: once for what is withdrawn.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::error::ImportError;
use super::fields::{self, Names, Object};
use super::json_records::{MAX_DEPTH, MAX_RECORD};
use super::sink::{Fault, Parsed, Sink};
use super::source::Source;
use crate::known::builder::parse_hash;
use crate::source::digest::sha256_of;
use crate::source::name::escape;

/// What an entry is withdrawn by: digests of (kind, member, id), each with the number of the last entry that withdraws
/// it, over all documents of the import.
#[derive(Debug, Default)]
pub(super) struct Withdrawn {
    last: HashMap<[u8; 16], u64>,
    entries: u64,
}

impl Withdrawn {
    /// Reads a document for what it withdraws. Its faults are reported when its entries are read.
    pub fn note(&mut self, path: &Path) {
        let Ok(file) = File::open(path) else { return };
        // After a fault the rest withdraws nothing, and the import is refused.
        let _ = for_each_entry(BufReader::with_capacity(1 << 20, file), |entry| {
            self.entries += 1;
            if let Some(key) = entry.key().filter(|_| entry.is_deletion()) {
                self.last.insert(key, self.entries);
            }
            Ok::<(), Stop>(())
        });
    }
}

/// Reads all entries of a document. `before` counts entries over all documents.
pub(super) fn read(
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    withdrawn: &Withdrawn,
    before: &mut u64,
) -> Result<(), ImportError> {
    let ended = for_each_entry(BufReader::with_capacity(1 << 20, &mut *source), |entry| {
        *before += 1;
        let last = entry.key().and_then(|key| withdrawn.last.get(&key));
        let gone = entry.is_deletion() || last.is_some_and(|last| *last > *before);
        let parsed = if entry.is_deletion() && entry.key().is_none() {
            Err(Fault::from("a deletion without an id: it is unknown what it withdraws".to_string()))
        } else {
            entry.parse(gone)
        };
        sink.take(entry.offset, parsed).map_err(Stop::Import)
    });
    ended.map_err(|stop| match stop {
        Stop::Import(error) => error,
        Stop::Io(error) => source.failed(error),
        Stop::Document(offset, reason) => sink.document(offset, reason),
        Stop::CutOff(offset) => sink.cut_off(offset),
    })
}

/// What ends the reading of a document.
enum Stop {
    Import(ImportError),
    Io(io::Error),
    /// It is not XML of this kind: offset and reason.
    Document(u64, String),
    /// It ends at this offset, before its end.
    CutOff(u64),
}

/// One entry: texts by the path of their element, and attributes by theirs.
struct Entry {
    offset: u64,
    kind: String,
    texts: Vec<(String, String)>,
    /// Texts that are not valid and are kept as written.
    odd: u64,
    /// An element has begun since the last text, so the next text belongs to another element, whether or not
    /// its path is the same.
    fresh: bool,
}

impl Entry {
    fn is_deletion(&self) -> bool {
        self.kind.starts_with("deleted")
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|(name, _)| name == path).map(|(_, text)| text.as_str())
    }

    /// What identifies an entry: identifiers are only unique within a member. `None` for an entry without
    /// one.
    fn key(&self) -> Option<[u8; 16]> {
        let kind = if self.kind.to_ascii_lowercase().ends_with("video") { "video" } else { "image" };
        let told = |path| self.text(path).map(str::trim).filter(|text| !text.is_empty());
        let (member, id) = (told("member@id").unwrap_or_default(), told("id")?);
        sha256_of(format!("{kind}\n{member}\n{id}").as_bytes()).first_chunk().copied()
    }

    fn parse(&self, withdrawn: bool) -> Result<Parsed<'static>, Fault> {
        let mut parsed = Parsed { odd_fields: self.odd, ..Parsed::default() };
        let mut object = Object::default();
        let mut names = Names::default();
        object.add(&names.add("kind"), &self.kind);
        let record = &mut parsed.record;
        for (path, text) in &self.texts {
            let again = names.has(path);
            match &**path {
                "fingerprints/md5" | "fingerprints/sha1" | "fingerprints/sha256" | "fingerprints/pdq"
                    if again =>
                {
                    return Err(Fault::from(format!("{} comes twice", escape(path.as_bytes()))));
                }
                // The first one counts; both are kept.
                "fingerprints/pdna" if again => parsed.odd_fields += 1,
                "fingerprints/md5" => record.md5 = fields::digest(text, "an MD5")?,
                "fingerprints/sha1" => record.sha1 = fields::digest(text, "a SHA-1")?,
                "fingerprints/sha256" => record.sha256 = fields::digest(text, "a SHA-256")?,
                "fingerprints/pdna" => (record.photodna, parsed.photodna_unread) = fields::photodna(text),
                "fingerprints/pdq" if text.is_empty() => {}
                "fingerprints/pdq" => record.hash = Some(parse_hash(text.as_bytes())?),
                "classification" if !again => record.facts.category = fields::text(text.clone()),
                _ => {}
            }
            object.add(&names.add(path), text);
        }
        record.facts.withdrawn = withdrawn;
        record.fields = Cow::Owned(object.finish());
        Ok(parsed)
    }
}

/// Visits all entries of a document.
fn for_each_entry<R: BufRead>(
    source: R,
    mut visit: impl FnMut(&Entry) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut reader = Reader::from_reader(Bounded { source, taken: 0 });
    let mut buffer = Vec::new();
    // Names of the elements that are open within the entry in hand.
    let mut open: Vec<String> = Vec::new();
    let mut entry: Option<Entry> = None;
    let mut depth = 0_u32;
    let mut rooted = false;
    loop {
        let at = reader.buffer_position();
        let wrong = |reason: String| Stop::Document(at, reason);
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(wrong(format!("longer than {MAX_RECORD} bytes")));
            }
            Err(quick_xml::Error::Io(error)) => return Err(Stop::Io(io::Error::new(error.kind(), error))),
            Err(error) => return Err(wrong(unsound(&error))),
        };
        let (start, closed) = match event {
            Event::Start(start) => (Some(start), false),
            Event::Empty(start) => (Some(start), true),
            Event::End(_) => (None, true),
            Event::Text(text) => {
                add_bytes(&mut entry, &open, &text);
                continue;
            }
            Event::CData(text) => {
                add_bytes(&mut entry, &open, &text);
                continue;
            }
            Event::GeneralRef(reference) => {
                add_reference(&mut entry, &open, &reference);
                continue;
            }
            Event::Eof if depth > 0 || !rooted => return Err(Stop::CutOff(at)),
            Event::Eof => return Ok(()),
            _ => continue,
        };
        if let Some(start) = start {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(wrong(format!("nested deeper than {MAX_DEPTH}")));
            }
            let name = escape(start.local_name().as_ref());
            if !std::mem::replace(&mut rooted, true) && name != "queryResult" {
                return Err(wrong(
                    "its first element is not queryResult: is it from NCMEC's exchange?".into(),
                ));
            }
            match &mut entry {
                Some(entry) => {
                    open.push(name);
                    entry.fresh = true;
                    add_attributes(entry, &open, &start).map_err(wrong)?;
                }
                None if matches!(&*name, "image" | "video" | "deletedImage" | "deletedVideo") => {
                    reader.get_mut().taken = 0;
                    let mut begun = Entry { offset: at, kind: name, texts: Vec::new(), odd: 0, fresh: true };
                    add_attributes(&mut begun, &[], &start).map_err(wrong)?;
                    entry = Some(begun);
                }
                None => reader.get_mut().taken = 0,
            }
        }
        if closed {
            depth = depth.saturating_sub(1);
            if entry.is_some() && open.pop().is_none() {
                // The entry itself ended.
                reader.get_mut().taken = 0;
                if let Some(whole) = entry.take() {
                    visit(&whole)?;
                }
            }
        }
    }
}

/// The XML parser's error, escaped: it may quote the document.
fn unsound(error: &dyn std::fmt::Display) -> String {
    format!("not well-formed XML: {}", escape(error.to_string().as_bytes()))
}

/// Attributes of the element in hand, by `path@name`.
fn add_attributes(entry: &mut Entry, open: &[String], start: &BytesStart<'_>) -> Result<(), String> {
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| unsound(&error))?;
        let value = attribute.unescape_value().map_or_else(
            |_| {
                entry.odd += 1;
                escape(&attribute.value)
            },
            Cow::into_owned,
        );
        let name = escape(attribute.key.as_ref());
        entry.texts.push((format!("{}@{name}", open.join("/")), value));
    }
    Ok(())
}

/// Bytes of the element in hand, which should be UTF-8.
fn add_bytes(entry: &mut Option<Entry>, open: &[String], bytes: &[u8]) {
    let mut odd = 0;
    let text = fields::readable(bytes, &mut odd);
    if let Some(entry) = entry {
        entry.odd += odd;
    }
    add_text(entry, open, &text);
}

/// A character or an entity of the element in hand; an unknown entity is kept as written.
fn add_reference(entry: &mut Option<Entry>, open: &[String], reference: &BytesRef<'_>) {
    let name = escape(reference);
    let text = match (reference.resolve_char_ref(), resolve_predefined_entity(&name)) {
        (Ok(Some(character)), _) => character.to_string(),
        (Ok(None), Some(text)) => text.to_string(),
        _ => {
            if let Some(entry) = entry {
                entry.odd += 1;
            }
            format!("&{name};")
        }
    };
    add_text(entry, open, &text);
}

/// Text of the element in hand; its parts follow one another.
fn add_text(entry: &mut Option<Entry>, open: &[String], text: &str) {
    let Some(entry) = entry else { return };
    let path = open.join("/");
    match entry.texts.last_mut() {
        Some((last, so_far)) if !entry.fresh && *last == path => so_far.push_str(text),
        _ if text.trim_ascii().is_empty() => {}
        _ => {
            entry.texts.push((path, text.to_string()));
            entry.fresh = false;
        }
    }
}

/// A reader that fails after as many bytes as a record may have, until it is reset.
struct Bounded<R> {
    source: R,
    taken: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken > MAX_RECORD {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.taken += count as u64;
        self.source.consume(count);
    }
}
