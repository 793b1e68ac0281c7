//! Values of fields that all formats have, and the object of a record's own fields.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::known::builder::parse_hex;
use crate::known::photodna;
use crate::known::record::PhotoDna;
use crate::source::name::escape;

/// A digest; `None` for an empty field.
///
/// # Errors
/// If it is malformed; the text gives the reason.
pub(super) fn digest<const N: usize>(text: &str, what: &str) -> Result<Option<[u8; N]>, String> {
    let text = text.trim_ascii();
    if text.is_empty() { Ok(None) } else { parse_hex(text.as_bytes(), what).map(Some) }
}

/// A PhotoDNA value, and whether the field holds something else.
pub(super) fn photodna(text: &str) -> (Option<PhotoDna>, bool) {
    let value = photodna::parse(text);
    (value, value.is_none() && !text.trim_ascii().is_empty())
}

/// A field that is not used for matching holds an unexpected value, which is no reason to lose the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Odd;

/// The value of such a field, or nothing where it is odd, which is counted.
pub(super) fn keep<T>(value: Result<Option<T>, Odd>, odd_fields: &mut u64) -> Option<T> {
    value.unwrap_or_else(|Odd| {
        *odd_fields += 1;
        None
    })
}

/// A field as a text: as it is, or escaped as names are (`docs/names.md`) where it is not UTF-8, which is counted.
pub(super) fn readable<'a>(bytes: &'a [u8], odd_fields: &mut u64) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            *odd_fields += 1;
            Cow::Owned(escape(bytes))
        }
    }
}

/// JSON as a text. Bytes that are not UTF-8 become `\xHH` escapes within their texts.
pub(super) fn json_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\\\x{byte:02x}")));
    }
    Cow::Owned(text)
}

/// Yes or no, as publishers spell it; `None` for an empty field.
///
/// # Errors
/// If it is neither.
pub(super) fn truth(text: &str) -> Result<Option<bool>, Odd> {
    let text = text.trim_ascii();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if text.is_empty() {
        Ok(None)
    } else if is(&["true", "yes", "y", "1"]) {
        Ok(Some(true))
    } else if is(&["false", "no", "n", "0"]) {
        Ok(Some(false))
    } else {
        Err(Odd)
    }
}

/// A number of bytes; `None` for an empty field.
///
/// # Errors
/// If it is not a number of bytes.
pub(super) fn size(text: &str) -> Result<Option<u64>, Odd> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(None);
    }
    let size = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    size.map(Some).ok_or(Odd)
}

/// A text; `None` for an empty one.
pub(super) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let text = text.into();
    (!text.trim_ascii().is_empty()).then_some(text)
}

/// Builds the JSON object of a record's own fields, for sources other than JSON.
#[derive(Debug, Default)]
pub(super) struct Object {
    text: String,
}

impl Object {
    /// Adds a member to the object. The caller makes names unique.
    pub fn add(&mut self, name: &str, value: &str) {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.push(name);
        self.text.push(':');
        self.push(value);
    }

    fn push(&mut self, text: &str) {
        self.text.push('"');
        let mut from = 0;
        // Most texts are copied as they are.
        for (at, byte) in text.bytes().enumerate() {
            let escaped = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..0x20 => "",
                _ => continue,
            };
            self.text.push_str(&text[from..at]);
            from = at + 1;
            if escaped.is_empty() {
                self.text.push_str(&format!("\\u{byte:04x}"));
            } else {
                self.text.push_str(escaped);
            }
        }
        self.text.push_str(&text[from..]);
        self.text.push('"');
    }

    /// The object.
    pub fn finish(mut self) -> String {
        if self.text.is_empty() {
            self.text.push('{');
        }
        self.text.push('}');
        self.text
    }
}

/// Makes names unique: a repeated name gets a number.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// The number that a name gets next, where it came before.
    next: HashMap<String, u32>,
}

impl Names {
    /// Whether a name was given out.
    pub fn has(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// The name, or with a number if it was given out before.
    pub fn add(&mut self, name: &str) -> String {
        if self.taken.insert(name.to_string()) {
            return name.to_string();
        }
        let number = self.next.entry(name.to_string()).or_insert(2);
        loop {
            let numbered = format!("{name}_{number}");
            *number += 1;
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `serde_json` is the oracle.
    #[test]
    fn objects_are_json() {
        let odd: String = (0..=0x7f_u8).map(char::from).chain("é\u{2028}𝄞".chars()).collect();
        let mut object = Object::default();
        object.add("a \"name\"", &odd);
        object.add("b", "");
        let parsed: serde_json::Value = serde_json::from_str(&object.finish()).unwrap();
        assert_eq!(parsed, serde_json::json!({ "a \"name\"": odd, "b": "" }));
        assert_eq!(Object::default().finish(), "{}");
    }

    #[test]
    fn names_are_made_unique() {
        let mut names = Names::default();
        let given: Vec<String> = ["a", "b", "a", "a_3", "a", "a"].map(|name| names.add(name)).into();
        assert_eq!(given, ["a", "b", "a_2", "a_3", "a_4", "a_5"]);
    }

    #[test]
    fn truth_as_publishers_spell_it() {
        for (text, expected) in [("True", Some(true)), ("0", Some(false)), (" yes ", Some(true)), ("", None)]
        {
            assert_eq!(truth(text), Ok(expected), "{text}");
        }
        assert_eq!(truth("maybe"), Err(Odd));
        assert_eq!(size(" 12 "), Ok(Some(12)));
        for text in ["-1", "1.5", "+1", "18446744073709551616", "1k"] {
            assert_eq!(size(text), Err(Odd), "{text}");
        }
    }
}
