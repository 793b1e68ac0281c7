//! JSON of the VICS data model, 1.x and 2.0: sets and cases of Project VIC, and of CAID, which uses the same model.
//!
//! The model is given to law enforcement and vendors only; the shapes here are those that public readers of it handle
//! (IPED's `HashDBTool`, and writers of case files). Keys are compared without regard to case. Every record is kept as
//! it is in the file, so unknown fields are exported unchanged, whatever they hold.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::ImportError;
use super::fields::Odd;
use super::sink::{Fault, Parsed, Sink};
use super::source::Source;
use super::{fields, json_records};
use crate::known::builder::parse_hash;
use crate::pdq::PdqHash;

/// Reads all records of a file.
pub(super) fn read(source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    json_records::read_records(source, sink, |bytes, offset, sink| match fields::json_text(bytes) {
        Cow::Borrowed(text) => sink.take(offset, parse(text, 0)),
        // Bytes that are not UTF-8 were written as escapes.
        Cow::Owned(text) => sink.take(offset, parse(&text, 1)),
    })
}

/// Parses one record; `odd_fields` were found in it before.
fn parse(text: &str, odd_fields: u64) -> Result<Parsed<'_>, Fault> {
    let mut json = serde_json::Deserializer::from_str(text);
    let media = json.deserialize_map(MediaVisitor).and_then(|media| json.end().map(|()| media));
    let media =
        media.map_err(|error| Fault::new(place(text.as_bytes(), &error), json_records::plain(&error)))?;
    let mut parsed = media.parsed;
    parsed.odd_fields += odd_fields;
    parsed.record.fields = Cow::Borrowed(text);
    Ok(parsed)
}

/// Where in a record an error of the JSON parser is.
fn place(bytes: &[u8], error: &serde_json::Error) -> usize {
    let line = (1..error.line()).fold(0, |from, _| {
        memchr::memchr(b'\n', bytes.get(from..).unwrap_or_default()).map_or(from, |end| from + end + 1)
    });
    (line + error.column().saturating_sub(1)).min(bytes.len())
}

/// A text, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The value of a field that is matched: scalars as they are.
enum Value<'a> {
    Null,
    Bool(bool),
    Whole(u64),
    /// A negative or fractional number
    Number(f64),
    Text(Cow<'a, str>),
    Nested,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(u64::try_from(number).map_or(Value::Number(number as f64), Value::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value<'de>, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }
}

impl<'a> Value<'a> {
    /// The text of a scalar; `None` for null.
    fn scalar<E: de::Error>(self, field: &str) -> Result<Option<Cow<'a, str>>, E> {
        Ok(match self {
            Self::Null => None,
            Self::Bool(yes) => Some(Cow::Borrowed(if yes { "true" } else { "false" })),
            // Categories are one digit: allocating a text for each would dominate allocation.
            Self::Whole(digit @ 0..=9) => {
                let digit = digit as usize;
                "0123456789".get(digit..=digit).map(Cow::Borrowed)
            }
            Self::Whole(number) => Some(Cow::Owned(number.to_string())),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Text(text) => Some(text),
            Self::Nested => {
                return Err(E::custom(format!(
                    "{field} is an object or array; a text or number is expected"
                )));
            }
        })
    }

    /// The text of a field that only a text can be.
    fn only_text<E: de::Error>(self, field: &str) -> Result<Option<Cow<'a, str>>, E> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            _ => Err(E::custom(format!("{field} is not text"))),
        }
    }
}

/// The text of a value as it is in the document: `None` for null, numbers and booleans as they are written.
///
/// # Errors
/// If it is an object, an array, or a text that cannot be decoded.
fn text_of(raw: &str) -> Result<Option<Cow<'_, str>>, Odd> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<Text<'_>>(raw).map(|text| Some(text.0)).map_err(|_| Odd),
        Some(b'{' | b'[') | None => Err(Odd),
        _ => Ok((raw != "null").then_some(Cow::Borrowed(raw))),
    }
}

/// The text of a key as it is in the document, borrowed where it has no escapes.
///
/// # Errors
/// If the text cannot be decoded.
fn key_of(raw: &str) -> Result<Cow<'_, str>, Odd> {
    match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => Ok(text_of(raw)?.unwrap_or_default()),
    }
}

/// The fields read from a record.
#[derive(Default)]
struct Media<'a> {
    parsed: Parsed<'a>,
    /// A bit for each field we use, to detect two spellings of one.
    filled: u32,
}

/// The fields that are used. The first ones are matched, or state what a match means: only these can make a record
/// malformed.
const FIELDS: [&str; 13] = [
    "MD5",
    "SHA1",
    "SHA256",
    "Category",
    "AlternativeHashes",
    "Media",
    "MediaSize",
    "PhotoDNA",
    "Series",
    "VictimIdentified",
    "OffenderIdentified",
    "IsDistributed",
    "IsPrecategorized",
];
/// How many come first.
const DECIDING: usize = 6;

struct MediaVisitor;

impl<'de> Visitor<'de> for MediaVisitor {
    type Value = Media<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Media<'de>, A::Error> {
        let mut media = Media::default();
        while let Some(key) = members.next_key::<&RawValue>()? {
            let Ok(key) = key_of(key.get()) else {
                // It cannot be one of the fields that are used.
                media.parsed.odd_fields += 1;
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            // Lengths first: most keys are settled by them.
            let is = |field: &&str| field.len() == key.len() && field.eq_ignore_ascii_case(&key);
            let Some(index) = FIELDS.iter().position(is) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let field = FIELDS[index];
            let again = media.filled & 1 << index != 0;
            media.filled |= 1 << index;
            if index >= DECIDING {
                let raw = members.next_value::<&RawValue>()?.get();
                if again {
                    // The first one counts; the record's text has both.
                    media.parsed.odd_fields += 1;
                } else {
                    media.note(field, raw);
                }
            } else if again {
                return Err(de::Error::custom(format!("the field {field} comes twice")));
            } else if field == "AlternativeHashes" {
                let Alternatives { hash, sha256, odd_fields } = members.next_value()?;
                media.parsed.odd_fields += odd_fields;
                media.parsed.record.hash = hash;
                media.parsed.record.sha256 = media.parsed.record.sha256.or(sha256);
            } else {
                let value = members.next_value::<Value<'de>>()?;
                media.set(field, value)?;
            }
        }
        Ok(media)
    }
}

impl<'de> Media<'de> {
    /// A field that is matched.
    fn set<E: de::Error>(&mut self, field: &str, value: Value<'de>) -> Result<(), E> {
        let record = &mut self.parsed.record;
        let text = |value: Option<Cow<'de, str>>| value.unwrap_or_default();
        match field {
            "MD5" => {
                record.md5 = fields::digest(&text(value.only_text(field)?), "an MD5").map_err(E::custom)?;
            }
            "SHA1" => {
                record.sha1 = fields::digest(&text(value.only_text(field)?), "a SHA-1").map_err(E::custom)?;
            }
            "SHA256" => {
                let digest =
                    fields::digest(&text(value.only_text(field)?), "a SHA-256").map_err(E::custom)?;
                record.sha256 = digest.or(record.sha256);
            }
            "Category" => {
                let category = value.scalar(field)?.map(|text| match text {
                    Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
                    Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_string()),
                });
                record.facts.category = category.and_then(fields::text);
            }
            _ => {
                return Err(E::custom("a case among records: a file holds either records or cases"));
            }
        }
        Ok(())
    }

    /// A field that is not used for matching, as it is in the document; an odd value is kept as far as
    /// possible.
    fn note(&mut self, field: &str, raw: &'de str) {
        let Parsed { record, photodna_unread, odd_fields } = &mut self.parsed;
        let text = text_of(raw);
        let truth = |odd_fields| {
            let truth = text_of(raw).and_then(|text| fields::truth(&text.unwrap_or_default()));
            fields::keep(truth, odd_fields)
        };
        match field {
            "MediaSize" => {
                let size = text.and_then(|text| fields::size(&text.unwrap_or_default()));
                record.media_size = fields::keep(size, odd_fields);
            }
            "PhotoDNA" => match text {
                Ok(text) => {
                    (record.photodna, *photodna_unread) = fields::photodna(&text.unwrap_or_default());
                }
                Err(Odd) => *photodna_unread = true,
            },
            "Series" => {
                record.facts.series = match text {
                    Ok(text) => text.and_then(fields::text),
                    Err(Odd) => {
                        *odd_fields += 1;
                        Some(Cow::Borrowed(raw))
                    }
                };
            }
            "VictimIdentified" => record.facts.victim_identified = truth(odd_fields),
            "OffenderIdentified" => record.facts.offender_identified = truth(odd_fields),
            "IsDistributed" => record.facts.distributed = truth(odd_fields),
            _ => record.facts.precategorized = truth(odd_fields),
        }
    }
}

/// What is taken of a record's other hashes.
#[derive(Default)]
struct Alternatives {
    hash: Option<PdqHash>,
    sha256: Option<[u8; 32]>,
    odd_fields: u64,
}

impl<'de> Deserialize<'de> for Alternatives {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Alternatives;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of hashes in AlternativeHashes")
            }

            fn visit_unit<E>(self) -> Result<Alternatives, E> {
                Ok(Alternatives::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Alternatives, A::Error> {
                let mut found = Alternatives::default();
                while let Some(alternative) = elements.next_element()? {
                    found.add(&alternative).map_err(de::Error::custom)?;
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

impl Alternatives {
    /// Takes a hash. A hash whose name is neither PDQ nor SHA-256 may hold anything.
    fn add(&mut self, alternative: &Alternative<'_>) -> Result<(), String> {
        let Alternative { names, values, odd_keys } = alternative;
        let kinds: Vec<HashKind> = names.iter().filter_map(|name| HashKind::of(name)).collect();
        let again = names.len().saturating_sub(1) + values.len().saturating_sub(1);
        self.odd_fields += odd_keys;
        let [kind, others @ ..] = &kinds[..] else {
            // It is not matched; the record's text has all of it.
            self.odd_fields += again as u64;
            return Ok(());
        };
        let kind_name = kind.name();
        if names.len() > 1 || !others.is_empty() {
            return Err(format!("the HashName of {kind_name} comes twice"));
        }
        if values.len() > 1 {
            return Err(format!("the HashValue of {kind_name} comes twice"));
        }
        let value = values.first().copied().unwrap_or("null");
        let value = text_of(value).map_err(|Odd| format!("the HashValue of {kind_name} is not a text"))?;
        let value = value.unwrap_or_default();
        let value = value.trim_ascii();
        if value.is_empty() {
            return Ok(());
        }
        match kind {
            HashKind::Pdq if self.hash.is_some() => return Err("two PDQ hashes in AlternativeHashes".into()),
            HashKind::Pdq => self.hash = Some(parse_hash(value.as_bytes())?),
            HashKind::Sha256 => self.sha256 = fields::digest(value, "a SHA-256")?,
        }
        Ok(())
    }
}

/// Hashes used for matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HashKind {
    Pdq,
    Sha256,
}

impl HashKind {
    /// The kind that a name, as it is in the document, refers to.
    fn of(name: &str) -> Option<Self> {
        let name = text_of(name).ok().flatten()?;
        match name.trim_ascii() {
            name if name.eq_ignore_ascii_case("PDQ") => Some(Self::Pdq),
            name if name.eq_ignore_ascii_case("SHA256") || name.eq_ignore_ascii_case("SHA-256") => {
                Some(Self::Sha256)
            }
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pdq => "PDQ",
            Self::Sha256 => "SHA256",
        }
    }
}

/// One of them with its members as they are in the document; more than one name or value is a fault.
#[derive(Default)]
struct Alternative<'a> {
    names: Vec<&'a str>,
    values: Vec<&'a str>,
    /// Keys that cannot be decoded.
    odd_keys: u64,
}

impl<'de> Deserialize<'de> for Alternative<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HashVisitor;
        impl<'de> Visitor<'de> for HashVisitor {
            type Value = Alternative<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with HashName and HashValue")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Alternative<'de>, A::Error> {
                let mut found = Alternative::default();
                while let Some(key) = members.next_key::<&RawValue>()? {
                    let key = key_of(key.get());
                    let is = |field: &str| key.as_ref().is_ok_and(|key| key.eq_ignore_ascii_case(field));
                    if is("HashName") {
                        found.names.push(members.next_value::<&RawValue>()?.get());
                    } else if is("HashValue") {
                        found.values.push(members.next_value::<&RawValue>()?.get());
                    } else {
                        found.odd_keys += u64::from(key.is_err());
                        members.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(HashVisitor)
    }
}
