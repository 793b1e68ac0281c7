//! Values of fields that all formats have, and the object of a record's own fields.

use std::borrow::Cow;

use crate::known::builder::parse_hex;
use crate::known::photodna;
use crate::known::record::PhotoDna;
use crate::source::name::escape;

/// A digest; `None` for an empty field.
///
/// # Errors
/// What is wrong with it.
pub(super) fn digest<const N: usize>(text: &str, what: &str) -> Result<Option<[u8; N]>, String> {
    let text = text.trim_ascii();
    if text.is_empty() { Ok(None) } else { parse_hex(text.as_bytes(), what).map(Some) }
}

/// A PhotoDNA value, and whether the field holds something else.
pub(super) fn photodna(text: &str) -> (Option<PhotoDna>, bool) {
    let value = photodna::parse(text);
    (value, value.is_none() && !text.trim_ascii().is_empty())
}

/// Yes or no, as publishers spell it; `None` for an empty field.
///
/// # Errors
/// It is neither.
pub(super) fn truth(text: &str, field: &str) -> Result<Option<bool>, String> {
    let text = text.trim_ascii();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if text.is_empty() {
        Ok(None)
    } else if is(&["true", "yes", "y", "1"]) {
        Ok(Some(true))
    } else if is(&["false", "no", "n", "0"]) {
        Ok(Some(false))
    } else {
        Err(format!("{field}: `{}` is neither true nor false", escape(text.as_bytes())))
    }
}

/// A number of bytes; `None` for an empty field.
///
/// # Errors
/// It is none.
pub(super) fn size(text: &str, field: &str) -> Result<Option<u64>, String> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(None);
    }
    let size = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    size.map(Some).ok_or_else(|| format!("{field}: `{}` is no number of bytes", escape(text.as_bytes())))
}

/// A text; `None` for an empty one.
pub(super) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let text = text.into();
    (!text.trim_ascii().is_empty()).then_some(text)
}
