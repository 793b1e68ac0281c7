//! A case as JSON of the VICS data model 2.0: its media as a set, or as a case with the files in which they
//! were found.
//!
//! A known record of the same bytes is exported unchanged, digit by digit; only a PDQ hash is added to its `AlternativeHashes` if it has
//! none. No category is exported without a record that has it, because the same number means different things in different regions. A
//! record that is merely near is listed in `Comments`; its facts apply to its own bytes only.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::export::ExportError;
use crate::case::{CaseReader, MediaRow};
use crate::known::members::{Member, Members};
use crate::source::name::escape;

/// Which of the model's two documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VicsForm {
    /// Media only, without file names.
    Media,
    /// A case, with the files of each of its media.
    Case,
}

/// Fields of a record in their order and spelling.
struct Fields<'a>(Vec<Member<'a>>);

impl<'a> Fields<'a> {
    /// The fields of a record of this model; `None` for one of another.
    fn of(record: &'a str) -> Option<Self> {
        let fields = Self(Members::of(record)?.0);
        fields.get("MediaID").is_some().then_some(fields)
    }

    /// A field, ignoring the case of its name.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|field| field.name().eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// A field's value as text, regardless of its spelling; empty where it is absent.
    fn text(&self, name: &str) -> String {
        let value = self.get(name).map_or("", RawValue::get).trim_matches('"').to_ascii_lowercase();
        if value == "null" { String::new() } else { value }
    }

    /// Whether a record of the same bytes states the same facts.
    fn agrees(&self, other: &Self) -> bool {
        RECORD_FACTS.iter().all(|name| self.text(name) == other.text(name))
    }

    fn media_id(&self) -> Option<u64> {
        let text = self.get("MediaID")?.get().trim_matches('"');
        text.parse().ok()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AlternativeHash<'a> {
    hash_name: &'static str,
    hash_value: &'a str,
}

/// A file that has the media's bytes.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MediaFile<'a> {
    file_name: &'a str,
    file_path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accessed: Option<&'a str>,
    unallocated: bool,
}

/// Numbers of media: those of records, unless another medium has them already, and our own, which no record has. Each set numbers
/// its media by itself, so two sets may use the same number.
#[derive(Default)]
struct Numbers {
    records: HashSet<u64>,
    written: HashSet<u64>,
    next: u64,
}

impl Numbers {
    /// A new number of our own.
    fn own(&mut self) -> u64 {
        while self.records.contains(&self.next) || !self.written.insert(self.next) {
            self.next = self.next.wrapping_add(1);
        }
        self.next
    }

    /// Whether a record may keep its number.
    fn take(&mut self, number: u64) -> bool {
        self.written.insert(number)
    }
}

/// The fields that describe a record's bytes, not the record.
const RECORD_FACTS: [&str; 5] =
    ["Category", "VictimIdentified", "OffenderIdentified", "IsDistributed", "Series"];

/// Counts of what was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VicsCounts {
    /// Media.
    pub media: u64,
    /// Media for which another record states other facts than the copied one.
    pub disputed: u64,
}

/// Writes the media of a case and returns how many there are. Of several records of a medium the first one is copied, by set name and
/// record number: a merged record would have no publisher.
///
/// # Errors
/// If the case cannot be read, or the sink fails.
pub fn write(case: &CaseReader, form: VicsForm, out: &mut dyn Write) -> Result<VicsCounts, ExportError> {
    let _snapshot = case.snapshot()?;
    let (mut numbers, mut counts) = (Numbers::default(), VicsCounts::default());
    case.for_each_media_records(|records| {
        counts.media += 1;
        let mut given = records.iter().filter_map(|record| Fields::of(record));
        if let Some(first) = given.next() {
            counts.disputed += u64::from(given.any(|other| !first.agrees(&other)));
            numbers.records.extend(first.media_id());
        }
        Ok::<(), ExportError>(())
    })?;
    numbers.next = numbers.records.iter().max().map_or(1, |highest| highest.checked_add(1).unwrap_or(1));
    let kind = match form {
        VicsForm::Media => "Media",
        VicsForm::Case => "Cases",
    };
    write!(
        out,
        "{{\"@odata.context\":\"http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#{kind}\",\"value\":["
    )?;
    if form == VicsForm::Case {
        let identity = case.identity()?;
        let text = |text: Option<String>| text.map(|text| escape(text.as_bytes())).unwrap_or_default();
        let head = serde_json::json!({
            "CaseID": "1",
            "CaseNumber": text(identity.case_number),
            "ContactName": text(identity.examiner),
            "SourceApplicationName": "Tamis",
            "SourceApplicationVersion": env!("CARGO_PKG_VERSION"),
            "TotalMediaFiles": counts.media,
        });
        let head = head.to_string();
        write!(out, "{},\"Media\":[", head.trim_end_matches('}'))?;
    }
    let mut first = true;
    case.for_each_media(|media: MediaRow| {
        out.write_all(if std::mem::take(&mut first) { b"\n" } else { b",\n" })?;
        write_media(&media, form, &mut numbers, out)?;
        Ok::<(), ExportError>(())
    })?;
    if form == VicsForm::Case {
        write!(out, "\n]}}")?;
    }
    writeln!(out, "\n]}}")?;
    Ok(counts)
}

/// The name of a hash from JPEG coefficients, which may be some bits off: readers of PDQ hashes ignore it.
const APPROXIMATE: &str = "PDQ-approximate";

/// The picture's hash, if it is bit-exact.
fn exact(media: &MediaRow) -> Option<&str> {
    media.pdq.as_deref().filter(|_| media.from_pixels)
}

fn write_media(
    media: &MediaRow,
    form: VicsForm,
    numbers: &mut Numbers,
    out: &mut dyn Write,
) -> io::Result<()> {
    let record = media.records.iter().find_map(|record| Fields::of(record));
    let mut object = Object { out, begun: false };
    match &record {
        Some(record) => {
            let mut hashed = false;
            for field in &record.0 {
                let (name, value) = (field.name(), field.value);
                let taken =
                    |numbers: &mut Numbers| record.media_id().is_some_and(|number| !numbers.take(number));
                if name.eq_ignore_ascii_case("MediaID") && taken(numbers) {
                    let own = numbers.own();
                    object.value(&name, &own)?;
                } else if name.eq_ignore_ascii_case("AlternativeHashes") {
                    hashed = true;
                    object.written(field.key)?;
                    write_hashes(value, media, object.out)?;
                } else if form == VicsForm::Case && name.eq_ignore_ascii_case("MediaFiles") {
                    // Files of another case; those of this one follow.
                } else {
                    object.written(field.key)?;
                    object.out.write_all(value.get().as_bytes())?;
                }
            }
            if let (false, Some(pdq)) = (hashed, &media.pdq) {
                object
                    .value("AlternativeHashes", &[AlternativeHash { hash_name: "PDQ", hash_value: pdq }])?;
            }
        }
        None => {
            object.value("MediaID", &numbers.own())?;
            object.value("MD5", &media.md5.to_ascii_uppercase())?;
            object.value("SHA1", &media.sha1.to_ascii_uppercase())?;
            object.value("MediaSize", &media.size)?;
            let sha256 = AlternativeHash { hash_name: "SHA256", hash_value: &media.sha256 };
            let hash_name = if media.from_pixels { "PDQ" } else { APPROXIMATE };
            let pdq = media.pdq.as_deref().map(|pdq| AlternativeHash { hash_name, hash_value: pdq });
            let hashes: Vec<AlternativeHash<'_>> = pdq.into_iter().chain([sha256]).collect();
            object.value("AlternativeHashes", &hashes)?;
            if !media.near.is_empty() {
                object.value("Comments", &near_in_words(media))?;
            }
        }
    }
    if form == VicsForm::Case {
        let files = media.files.iter().map(|file| {
            let path = if file.path.is_empty() { &file.source } else { &file.path };
            MediaFile {
                file_name: path.rsplit('/').next().unwrap_or_default(),
                file_path: match file.path.as_str() {
                    "" => Cow::Borrowed(&*file.source),
                    below => Cow::Owned(format!("{}/{below}", file.source)),
                },
                created: file.created.as_deref(),
                written: file.modified.as_deref(),
                accessed: file.accessed.as_deref(),
                unallocated: false,
            }
        });
        object.value("MediaFiles", &files.collect::<Vec<_>>())?;
    }
    object.end()
}

/// The near records of a picture, as text.
fn near_in_words(media: &MediaRow) -> String {
    let near = media.near.iter().map(|near| {
        let unconfirmed = if near.confirmation == "pixels" { "" } else { ", not confirmed from pixels" };
        let same = match near.records {
            ..=1 => String::new(),
            records => format!(" (one of {records} with that hash)"),
        };
        format!(
            "record {} of {}{same}: distance {} of 256, orientation {}{unconfirmed}",
            near.record, near.hash_set, near.distance, near.orientation
        )
    });
    let more = match media.more_near {
        0 => String::new(),
        more => format!("; and to {more} more hashes, not nearer than these"),
    };
    format!("Tamis, PDQ: near to {}{more}", near.collect::<Vec<_>>().join("; "))
}

/// A record's own hashes, followed by the picture's hash if they have no PDQ hash.
fn write_hashes(hashes: &RawValue, media: &MediaRow, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(alias = "HashName", alias = "hashname", alias = "HASHNAME", default)]
        name: String,
    }
    let text = hashes.get().trim();
    let own: Option<Vec<Named>> = serde_json::from_str(text).ok();
    let hash = exact(media).filter(|_| {
        own.as_ref().is_some_and(|own| !own.iter().any(|hash| hash.name.eq_ignore_ascii_case("PDQ")))
    });
    let Some(pdq) = hash else { return out.write_all(text.as_bytes()) };
    let more = serde_json::to_string(&AlternativeHash { hash_name: "PDQ", hash_value: pdq })?;
    let inner = text.strip_suffix(']').unwrap_or(text).trim_end();
    let comma = if inner.ends_with('[') { "" } else { "," };
    write!(out, "{inner}{comma}{more}]")
}

/// An object that is written field by field.
struct Object<'a> {
    out: &'a mut dyn Write,
    begun: bool,
}

impl Object<'_> {
    /// Begins a field of this name.
    fn written(&mut self, key: &RawValue) -> io::Result<()> {
        self.next()?;
        self.out.write_all(key.get().as_bytes())?;
        self.out.write_all(b":")
    }

    fn next(&mut self) -> io::Result<()> {
        let begun = std::mem::replace(&mut self.begun, true);
        self.out.write_all(if begun { b"," } else { b"{" })
    }

    fn value(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
        self.next()?;
        serde_json::to_writer(&mut *self.out, name)?;
        self.out.write_all(b":")?;
        Ok(serde_json::to_writer(&mut *self.out, value)?)
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(if self.begun { b"}" } else { b"{}" })
    }
}
