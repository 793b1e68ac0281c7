//! `--exclude`: leaves out files by their path.
//!
//! Patterns are matched against paths as exports write them ([`super::name`]), so that a path copied from an export
//! matches. A backslash is therefore a character like any other; `[*]` is an asterisk.

use std::fmt;
use std::str::FromStr;

use super::name::escape;

/// A pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
    /// It has no `/`: it matches names in any folder.
    of_names: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    One(char),
    /// `?`
    Any,
    /// `[...]`: ranges, and whether they are negated.
    Class(Vec<(char, char)>, bool),
    /// `*`
    Some,
    /// `**`
    Everything,
    /// `**/`: any folders, or none.
    Folders,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// No file has an empty path.
    #[error("an empty pattern matches nothing")]
    Empty,
    /// A class without its end.
    #[error("`[` begins a class that no `]` ends: write `[[]` for a bracket")]
    OpenClass,
    /// A range from a later character to an earlier one.
    #[error("the range `{0}-{1}` is empty")]
    EmptyRange(char, char),
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let begins_name = matches!(parts.last(), None | Some(Part::One('/') | Part::Folders));
            let part;
            (part, rest) = if let Some(rest) = rest.strip_prefix("**/").filter(|_| begins_name) {
                (Part::Folders, rest)
            } else if let Some(rest) = rest.strip_prefix("**") {
                (Part::Everything, rest)
            } else {
                let rest = &rest[first.len_utf8()..];
                match first {
                    '*' => (Part::Some, rest),
                    '?' => (Part::Any, rest),
                    '[' => class(rest)?,
                    _ => (Part::One(first), rest),
                }
            };
            parts.push(part);
        }
        if parts.is_empty() {
            return Err(GlobError::Empty);
        }
        Ok(Self { of_names: !text.contains('/'), text: text.into(), parts })
    }
}

/// Reads a class behind its `[`; returns what follows it.
fn class(text: &str) -> Result<(Part, &str), GlobError> {
    let negated = text.strip_prefix(['!', '^']);
    let mut rest = negated.unwrap_or(text);
    let mut ranges = Vec::new();
    loop {
        let mut characters = rest.chars();
        let low = characters.next().ok_or(GlobError::OpenClass)?;
        // The first may be the bracket itself.
        if low == ']' && !ranges.is_empty() {
            return Ok((Part::Class(ranges, negated.is_some()), characters.as_str()));
        }
        rest = characters.as_str();
        let end = rest.strip_prefix('-').and_then(|rest| rest.chars().next()).filter(|&end| end != ']');
        if let Some(end) = end {
            if end < low {
                return Err(GlobError::EmptyRange(low, end));
            }
            rest = &rest[1 + end.len_utf8()..];
        }
        ranges.push((low, end.unwrap_or(low)));
    }
}

impl fmt::Display for Glob {
    /// As typed, with control characters escaped: it is the text of a path, whose backslashes are escapes
    /// already.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&escape(self.text.as_bytes()).replace(r"\\", r"\"))
    }
}

impl Glob {
    /// Whether a path matches, in its escaped form.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        let text = if self.of_names { path.rsplit('/').next().unwrap_or(path) } else { path };
        let text: Vec<char> = text.chars().collect();
        // Whether the parts after the current one match from each character on. Going from the last part to the first
        // bounds the time by parts times characters.
        let mut fits = vec![false; text.len() + 1];
        fits[text.len()] = true;
        for part in self.parts.iter().rev() {
            let behind = std::mem::replace(&mut fits, vec![false; text.len() + 1]);
            // Whether the text after the next `/` matches.
            let mut behind_slash = false;
            for at in (0..=text.len()).rev() {
                let here = text.get(at).copied();
                let one = |fit: bool| fit && behind[at + 1];
                if here == Some('/') {
                    behind_slash = fits[at + 1];
                }
                fits[at] = match part {
                    Part::One(wanted) => one(here == Some(*wanted)),
                    Part::Any => one(here.is_some_and(|here| here != '/')),
                    Part::Class(ranges, negated) => one(here.is_some_and(|here| {
                        here != '/'
                            && ranges.iter().any(|&(low, high)| (low..=high).contains(&here)) != *negated
                    })),
                    Part::Some => behind[at] || here.is_some_and(|here| here != '/') && fits[at + 1],
                    Part::Everything => behind[at] || here.is_some() && fits[at + 1],
                    Part::Folders => behind[at] || behind_slash,
                };
            }
        }
        fits[0]
    }
}

/// What to leave out.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    globs: Vec<Glob>,
}

impl Excludes {
    /// Everything that matches one of the patterns.
    #[must_use]
    pub fn new(globs: &[Glob]) -> Self {
        Self { globs: globs.to_vec() }
    }

    /// Whether a file below a source is left out: `relative` is its path there, raw; it is empty for a source that is the
    /// file itself, and a named file is never left out.
    #[must_use]
    pub fn leave_out(&self, relative: &[u8]) -> bool {
        if self.globs.is_empty() || relative.is_empty() {
            return false;
        }
        let path = escape(relative);
        self.globs.iter().any(|glob| glob.fits(&path))
    }

    /// Whether nothing is left out.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    /// The patterns, as shown.
    #[must_use]
    pub fn shown(&self) -> String {
        self.globs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(glob: &str, path: &str) -> bool {
        glob.parse::<Glob>().unwrap().fits(path)
    }

    #[test]
    fn patterns_fit_what_they_say() {
        for (glob, path) in [
            ("*.tif", "a.tif"),
            ("*.tif", "deep/er/a.tif"),
            ("a?c", "abc"),
            ("[a-c]x", "d/bx"),
            ("[!a-c]x", "dx"),
            ("[]]", "]"),
            ("[*]", "*"),
            ("[a-]", "-"),
            ("Library/**", "Library/a/b"),
            ("**/cache/*", "cache/a"),
            ("**/cache/*", "a/b/cache/a"),
            ("a/**/b", "a/b"),
            ("a/**/b", "a/x/y/b"),
            ("a/**b", "a/x/yb"),
            ("**", "anything/at/all"),
            (r"odd\x2fname", r"odd\x2fname"),
            ("*\u{e9}*", "caf\u{e9}.jpg"),
        ] {
            assert!(fits(glob, path), "{glob} {path}");
        }
        for (glob, path) in [
            ("*.tif", "a.tif.jpg"),
            ("*.tif/", "a.tif"),
            ("d/*.tif", "d/e/a.tif"),
            ("a?c", "a/c"),
            ("d/a[!b]c", "d/a/c"),
            ("Library/**", "Library"),
            ("**/cache/*", "xcache/a"),
            ("a/**/b", "a/xb"),
            ("a", "A"),
            ("abc", "ab"),
        ] {
            assert!(!fits(glob, path), "{glob} {path}");
        }
        for (text, error) in [
            ("", GlobError::Empty),
            ("[a", GlobError::OpenClass),
            ("[]", GlobError::OpenClass),
            ("[b-a]", GlobError::EmptyRange('b', 'a')),
        ] {
            assert_eq!(text.parse::<Glob>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_longer_than_its_size() {
        let glob = "*a".repeat(60);
        assert!(fits(&glob, &"a".repeat(4000)));
        assert!(!fits(&glob, &format!("{}b", "a".repeat(4000))));
    }

    #[test]
    fn what_is_shown_is_what_was_typed_without_what_moves_a_cursor() {
        assert_eq!(r"a\x2fb*".parse::<Glob>().unwrap().to_string(), r"a\x2fb*");
        assert_eq!("a\nb".parse::<Glob>().unwrap().to_string(), r"a\nb");
        let excludes = Excludes::new(&["*.tif".parse().unwrap(), "b".parse().unwrap()]);
        assert_eq!(excludes.shown(), "*.tif b");
        assert!(excludes.leave_out(b"x/b") && !excludes.leave_out(b"x") && !excludes.leave_out(b""));
    }
}
