//! JSON of the VICS data model, 1.x and 2.0: sets and cases of Project VIC, and of CAID, which uses the same model.
//!
//! The model is given to law enforcement and vendors only; the shapes here are those that public readers of it handle
//! (IPED's `HashDBTool`, and writers of case files). Keys are compared without regard to case. Every record is kept as
//! it is in the file, so that fields nobody knows here come out again as they went in.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::source::Source;
use super::{Fault, ImportError, Parsed, Sink, fields, json_records};
use crate::known::builder::parse_code;
use crate::pdq::Code;
use crate::source::name::escape;

/// Reads all records of a file.
pub(super) fn read(source: &mut Source<'_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    json_records::read_records(source, sink, |bytes, offset, sink| sink.take(offset, parse(bytes)))
}

/// One record from its bytes.
fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| Fault::new(error.valid_up_to(), "not UTF-8"))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let media = json.deserialize_map(MediaVisitor).and_then(|media| json.end().map(|()| media));
    let media = media.map_err(|error| Fault::new(place(bytes, &error), json_records::plain(&error)))?;
    let mut parsed = media.parsed;
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

/// The keys of an object, to see one that comes again.
#[derive(Default)]
struct Keys<'a> {
    keys: Vec<Cow<'a, str>>,
    /// A bit for the length and ends of each key: where it is new, no key need be compared.
    seen: u64,
    /// All of them once they are too many to be compared one by one.
    many: HashSet<Cow<'a, str>>,
}

/// So many keys are compared one by one.
const FEW_KEYS: usize = 64;

impl<'a> Keys<'a> {
    fn add<E: de::Error>(&mut self, key: Cow<'a, str>) -> Result<(), E> {
        let bytes = key.as_bytes();
        let ends = bytes
            .first()
            .zip(bytes.last())
            .map_or(0, |(first, last)| usize::from(*first) * 7 + usize::from(*last) * 13);
        let bit = 1_u64 << ((ends + bytes.len()) % 64);
        let few = self.keys.len() < FEW_KEYS;
        if self.keys.len() == FEW_KEYS && self.many.is_empty() {
            self.many.extend(self.keys.iter().cloned());
        }
        let again =
            if few { self.seen & bit != 0 && self.keys.contains(&key) } else { self.many.contains(&key) };
        if again {
            return Err(E::custom(format!("the key `{}` comes twice", escape(key.as_bytes()))));
        }
        self.seen |= bit;
        if few {
            self.keys.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}

/// Any value: scalars as they are, the rest checked for keys that come twice.
enum Value<'a> {
    Null,
    Bool(bool),
    Whole(u64),
    /// A negative or fractional number.
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
        while elements.next_element::<Value<'de>>()?.is_some() {}
        Ok(Value::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        let mut keys = Keys::default();
        while let Some(Text(key)) = members.next_key()? {
            keys.add(key)?;
            members.next_value::<Value<'de>>()?;
        }
        Ok(Value::Nested)
    }
}

impl<'a> Value<'a> {
    /// The text of a scalar; `None` for null.
    fn scalar<E: de::Error>(self, field: &str) -> Result<Option<Cow<'a, str>>, E> {
        Ok(match self {
            Self::Null => None,
            Self::Bool(yes) => Some(Cow::Borrowed(if yes { "true" } else { "false" })),
            // Categories are one digit; a text of its own for each would be most of what is allocated.
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
            _ => Err(E::custom(format!("{field} is no text"))),
        }
    }
}

/// What is read of a record.
#[derive(Default)]
struct Media<'a> {
    parsed: Parsed<'a>,
    /// A bit for each field of ours, to see two spellings of one.
    filled: u32,
}

/// The fields that mean something here.
const FIELDS: [&str; 13] = [
    "MD5",
    "SHA1",
    "SHA256",
    "Category",
    "MediaSize",
    "PhotoDNA",
    "Series",
    "VictimIdentified",
    "OffenderIdentified",
    "IsDistributed",
    "IsPrecategorized",
    "AlternativeHashes",
    "Media",
];

struct MediaVisitor;

impl<'de> Visitor<'de> for MediaVisitor {
    type Value = Media<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Media<'de>, A::Error> {
        let mut media = Media::default();
        // Records have about so many fields.
        let mut keys = Keys { keys: Vec::with_capacity(24), ..Keys::default() };
        while let Some(Text(key)) = members.next_key()? {
            // Lengths first: most keys are settled by them.
            let is = |field: &&str| field.len() == key.len() && field.eq_ignore_ascii_case(&key);
            let field = FIELDS.iter().position(is);
            keys.add(key)?;
            let Some(field) = field else {
                members.next_value::<Value<'de>>()?;
                continue;
            };
            if media.filled & 1 << field != 0 {
                return Err(de::Error::custom(format!("the field {} comes twice", FIELDS[field])));
            }
            media.filled |= 1 << field;
            if FIELDS[field] == "AlternativeHashes" {
                let Alternatives { code, sha256 } = members.next_value()?;
                media.parsed.record.code = code;
                media.parsed.record.sha256 = media.parsed.record.sha256.or(sha256);
            } else {
                let value = members.next_value::<Value<'de>>()?;
                media.set(FIELDS[field], value)?;
            }
        }
        Ok(media)
    }
}

impl<'de> Media<'de> {
    fn set<E: de::Error>(&mut self, field: &str, value: Value<'de>) -> Result<(), E> {
        let Parsed { record, photodna_unread } = &mut self.parsed;
        let text = |value: Option<Cow<'de, str>>| value.unwrap_or_default();
        let truth = |value: Value<'de>| {
            fields::truth(&value.scalar::<E>(field)?.unwrap_or_default(), field).map_err(E::custom)
        };
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
            "MediaSize" => {
                record.media_size = match value {
                    Value::Whole(size) => Some(size),
                    other => fields::size(&text(other.scalar(field)?), field).map_err(E::custom)?,
                };
            }
            "PhotoDNA" => {
                (record.photodna, *photodna_unread) = fields::photodna(&text(value.only_text(field)?));
            }
            "Series" => record.facts.series = value.scalar(field)?.and_then(fields::text),
            "VictimIdentified" => record.facts.victim_identified = truth(value)?,
            "OffenderIdentified" => record.facts.offender_identified = truth(value)?,
            "IsDistributed" => record.facts.distributed = truth(value)?,
            "IsPrecategorized" => record.facts.precategorized = truth(value)?,
            _ => {
                return Err(E::custom("a case among records: a file holds either records or cases"));
            }
        }
        Ok(())
    }
}

/// What is taken of a record's other hashes.
#[derive(Default)]
struct Alternatives {
    code: Option<Code>,
    sha256: Option<[u8; 32]>,
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
                while let Some(Alternative { name, value }) = elements.next_element()? {
                    found.add(&name, &value).map_err(de::Error::custom)?;
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

impl Alternatives {
    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        if value.is_empty() {
            return Ok(());
        }
        if name.eq_ignore_ascii_case("PDQ") {
            if self.code.is_some() {
                return Err("two PDQ codes in AlternativeHashes".into());
            }
            self.code = Some(parse_code(value.as_bytes())?);
        } else if name.eq_ignore_ascii_case("SHA256") || name.eq_ignore_ascii_case("SHA-256") {
            self.sha256 = fields::digest(value, "a SHA-256")?;
        }
        Ok(())
    }
}

/// One of them.
struct Alternative<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
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
                let mut keys = Keys::default();
                let (mut name, mut value) = (Cow::default(), Cow::default());
                while let Some(Text(key)) = members.next_key()? {
                    let (is_name, is_value) =
                        (key.eq_ignore_ascii_case("HashName"), key.eq_ignore_ascii_case("HashValue"));
                    keys.add(key)?;
                    let found = members.next_value::<Value<'de>>()?;
                    if is_name {
                        name = found.scalar("HashName")?.unwrap_or_default();
                    } else if is_value {
                        value = found.scalar("HashValue")?.unwrap_or_default();
                    }
                }
                Ok(Alternative { name, value })
            }
        }
        deserializer.deserialize_map(HashVisitor)
    }
}
