//! The members of a JSON object as they are written, with any names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its name, in quotes and with its escapes.
    pub key: &'a RawValue,
    /// Its value.
    pub value: &'a RawValue,
}

impl<'a> Member<'a> {
    /// Its name. A name that cannot be decoded, because an escape is half a surrogate pair, stays as written.
    #[must_use]
    pub fn name(&self) -> Cow<'a, str> {
        let written = self.key.get();
        let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written);
        if !inner.contains('\\') {
            return Cow::Borrowed(inner);
        }
        serde_json::from_str(written).map_or(Cow::Borrowed(inner), Cow::Owned)
    }
}

/// The members of an object, in its order; a name may come more than once.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(pub Vec<Member<'a>>);

impl<'a> Members<'a> {
    /// The members of a JSON object; `None` if the text is not an object.
    #[must_use]
    pub fn of(object: &'a str) -> Option<Self> {
        serde_json::from_str(object).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'de>, A::Error> {
                let mut found = Vec::new();
                while let Some((key, value)) = members.next_entry::<&RawValue, &RawValue>()? {
                    found.push(Member { key, value });
                }
                Ok(Members(found))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_as_they_are_written() {
        let object = r#" { "a" : 1.0, "\u0062":[{}], "\ud800":"x", "a":null } "#;
        let members = Members::of(object).unwrap().0;
        let shown: Vec<_> =
            members.iter().map(|member| (member.name(), member.key.get(), member.value.get())).collect();
        let expected = [
            ("a", r#""a""#, "1.0"),
            ("b", r#""\u0062""#, "[{}]"),
            (r"\ud800", r#""\ud800""#, r#""x""#),
            ("a", r#""a""#, "null"),
        ];
        assert_eq!(shown, expected.map(|(name, key, value)| (Cow::Borrowed(name), key, value)));
        assert!(Members::of("[1]").is_none() && Members::of(r#"{"a":}"#).is_none());
    }
}
