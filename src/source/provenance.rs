//! Provenance: how an item was reached from its source, step by step.
//!
//! A step is kept as bytes ([`Step::to_bytes`]) and printed as text; both come back. In the text of a chain steps are joined by `//`, which no
//! step contains: `disk.E01//p2:ntfs//Users/ana/DCIM/a.jpg`, `chat.db//message[17].media`. `docs/names.md` describes the form for users.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::name::{below, escape, escape_path, unescape};

/// One step from a source or a container to an item in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// A name: a path below a folder, a member of an archive. Raw bytes, with `/` between folders.
    Name {
        /// The name; empty for the bytes of a source that is one file.
        name: Vec<u8>,
        /// The position in the container, of the second and later members of one name.
        index: Option<u64>,
    },
    /// A named stream of a file: `PATH:$STREAM`.
    Stream {
        /// The file.
        path: Vec<u8>,
        /// The stream.
        stream: Vec<u8>,
    },
    /// A volume of a disk and its file system: `p2:ntfs`.
    Volume {
        /// From 1.
        number: u32,
        /// The file system's name, in lower-case letters and digits.
        file_system: String,
    },
    /// Unpartitioned space of a disk: `gap@OFFSET+LENGTH`.
    Gap(Extent),
    /// A deleted file that still has a path: `deleted:RECORD/PATH`.
    Deleted {
        /// Its number in the file system.
        record: u64,
        /// Its path.
        path: Vec<u8>,
    },
    /// A deleted file whose folder is not known: `orphan:RECORD/NAME`.
    Orphan {
        /// Its number in the file system.
        record: u64,
        /// Its name.
        name: Vec<u8>,
    },
    /// A value in a database: `TABLE[ROWID].COLUMN`.
    Cell {
        /// The table.
        table: String,
        /// The row.
        row: i64,
        /// The column.
        column: String,
    },
    /// A complete file inside another file's bytes: `embedded@OFFSET+LENGTH`.
    Embedded(Extent),
    /// A file found by how it begins and ends: `carved@OFFSET+LENGTH`, with more extents after commas where it lies in pieces.
    Carved(Vec<Extent>),
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Extent {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// A text or bytes that are not a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a step of a provenance (docs/names.md)")]
pub struct ParseStepError(pub String);

/// What the bytes of a step begin with that is not a plain name; the step's text follows. Few names begin so, and those are kept as text too.
const NOT_A_PLAIN_NAME: u8 = 0;

impl Step {
    /// A plain name.
    #[must_use]
    pub fn name(name: impl Into<Vec<u8>>) -> Self {
        Self::Name { name: name.into(), index: None }
    }

    /// The bytes of memory that its names take.
    fn bytes(&self) -> usize {
        match self {
            Self::Name { name, .. } => name.len(),
            Self::Stream { path, stream } => path.len() + stream.len(),
            Self::Volume { file_system, .. } => file_system.len(),
            Self::Deleted { path, .. } => path.len(),
            Self::Orphan { name, .. } => name.len(),
            Self::Cell { table, column, .. } => table.len() + column.len(),
            Self::Gap(_) | Self::Embedded(_) => 0,
            Self::Carved(extents) => size_of_val(&extents[..]),
        }
    }

    /// The step as bytes, as cases keep it: a plain name as it is.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Name { name, index: None } if name.first() != Some(&NOT_A_PLAIN_NAME) => name.clone(),
            other => [&[NOT_A_PLAIN_NAME], other.to_string().as_bytes()].concat(),
        }
    }

    /// The step of bytes.
    ///
    /// # Errors
    /// If [`Step::to_bytes`] does not write such bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseStepError> {
        match bytes.split_first() {
            Some((&NOT_A_PLAIN_NAME, text)) => {
                str::from_utf8(text).map_err(|_| ParseStepError(escape(bytes)))?.parse()
            }
            _ => Ok(Self::name(bytes)),
        }
    }

    /// The text of a step's bytes.
    #[must_use]
    pub fn shown(bytes: &[u8]) -> String {
        match bytes.split_first() {
            Some((&NOT_A_PLAIN_NAME, text)) => escape_other(text),
            _ => name_text(bytes),
        }
    }
}

/// The text after the mark of what is not a plain name; what this program did not write stays printable.
fn escape_other(text: &[u8]) -> String {
    match str::from_utf8(text).ok().filter(|text| text.parse::<Step>().is_ok()) {
        Some(text) => text.to_string(),
        None => escape(text),
    }
}

/// A name as text that reads as nothing else: the byte that would make it another step is escaped.
fn name_text(name: &[u8]) -> String {
    let mut text = escape_slashes(name);
    // Most names have none of these.
    if !name.iter().any(|byte| b":@[#".contains(byte)) {
        return text;
    }
    loop {
        text = match parse(&text) {
            Ok(Step::Name { index: None, .. }) | Err(_) => return text,
            Ok(Step::Name { .. }) => match text.rsplit_once('#') {
                Some((before, number)) => format!("{before}\\x23{number}"),
                None => return text,
            },
            Ok(Step::Stream { .. }) => text.replacen(":$", "\\x3a$", 1),
            Ok(Step::Cell { .. }) => text.replacen('[', "\\x5b", 1),
            // These begin with a letter.
            Ok(_) => match text.split_at_checked(1) {
                Some((first, rest)) => format!("\\x{:02x}{rest}", first.as_bytes()[0]),
                None => return text,
            },
        };
    }
}

/// [`escape`], with the slashes that would read as a joint between steps as `\x2f`.
fn escape_slashes(name: &[u8]) -> String {
    if !name.starts_with(b"/") && !name.ends_with(b"/") && !name.windows(2).any(|pair| pair == b"//") {
        return escape(name);
    }
    let mut text = String::new();
    let mut parts = name.split(|&byte| byte == b'/').peekable();
    let mut joined = true;
    while let Some(part) = parts.next() {
        text.push_str(&escape(part));
        let alone = !part.is_empty() && !joined;
        joined = false;
        if let Some(next) = parts.peek() {
            let ends = next.is_empty();
            // Neither the first, nor the last, nor one of two.
            text.push_str(if (alone || !part.is_empty()) && !ends { "/" } else { "\\x2f" });
        }
    }
    text
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, index } => {
                out.write_str(&name_text(name))?;
                index.map_or(Ok(()), |index| write!(out, "#{index}"))
            }
            Self::Stream { path, stream } => {
                write!(out, "{}:${}", escape_slashes(path), escape_slashes(stream))
            }
            Self::Volume { number, file_system } => write!(out, "p{number}:{file_system}"),
            Self::Gap(extent) => write!(out, "gap@{extent}"),
            Self::Deleted { record, path } => write!(out, "deleted:{record}/{}", escape_slashes(path)),
            Self::Orphan { record, name } => write!(out, "orphan:{record}/{}", escape_slashes(name)),
            Self::Cell { table, row, column } => {
                write!(out, "{}[{row}].{}", cell_part(table), cell_part(column))
            }
            Self::Embedded(extent) => write!(out, "embedded@{extent}"),
            Self::Carved(extents) => {
                out.write_str("carved@")?;
                for (index, extent) in extents.iter().enumerate() {
                    out.write_str(if index > 0 { "," } else { "" })?;
                    write!(out, "{extent}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}+{}", self.offset, self.length)
    }
}

/// The name of a table or column, without what separates it from the rest.
fn cell_part(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        match character {
            '[' | ']' | '.' | '/' | ':' | '@' | '#' => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{:02x}", character as u32);
            }
            other => text.push_str(&escape(other.encode_utf8(&mut [0; 4]).as_bytes())),
        }
    }
    text
}

impl FromStr for Step {
    type Err = ParseStepError;

    fn from_str(text: &str) -> Result<Self, ParseStepError> {
        let step = parse(text)?;
        // One step has one text.
        if step.to_string() == text { Ok(step) } else { Err(ParseStepError(escape(text.as_bytes()))) }
    }
}

fn parse(text: &str) -> Result<Step, ParseStepError> {
    let raw = |text: &str| unescape(text).map_err(|_| ParseStepError(escape(text.as_bytes())));
    if let Some(special) = parse_special(text) {
        return special.map_err(|()| ParseStepError(escape(text.as_bytes())));
    }
    if let Some((path, stream)) = text.split_once(":$") {
        return Ok(Step::Stream { path: raw(path)?, stream: raw(stream)? });
    }
    match index_of(text) {
        Some((name, index)) => Ok(Step::Name { name: raw(name)?, index: Some(index) }),
        None => Ok(Step::name(raw(text)?)),
    }
}

/// A name and the position at its end.
fn index_of(text: &str) -> Option<(&str, u64)> {
    let (name, number) = text.rsplit_once('#')?;
    Some((name, plain_number(number)?))
}

/// A step that is told by how it begins, or is a cell; `None` for others.
fn parse_special(text: &str) -> Option<Result<Step, ()>> {
    let named = |rest: &str| {
        let (record, name) = rest.split_once('/')?;
        Some((plain_number(record)?, name.to_string()))
    };
    if let Some(extent) = text.strip_prefix("gap@") {
        return Some(Ok(Step::Gap(parse_extent(extent)?)));
    }
    if let Some(extent) = text.strip_prefix("embedded@") {
        return Some(Ok(Step::Embedded(parse_extent(extent)?)));
    }
    if let Some(extents) = text.strip_prefix("carved@") {
        let extents = extents.split(',').map(parse_extent).collect::<Option<Vec<_>>>()?;
        return Some(Ok(Step::Carved(extents)));
    }
    if let Some(rest) = text.strip_prefix("deleted:") {
        let (record, path) = named(rest)?;
        return Some(unescape(&path).map(|path| Step::Deleted { record, path }).map_err(drop));
    }
    if let Some(rest) = text.strip_prefix("orphan:") {
        let (record, name) = named(rest)?;
        return Some(unescape(&name).map(|name| Step::Orphan { record, name }).map_err(drop));
    }
    if let Some((number, file_system)) = text.strip_prefix('p').and_then(|rest| rest.split_once(':')) {
        let is_plain = !file_system.is_empty()
            && file_system.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let number = plain_number(number).and_then(|number| u32::try_from(number).ok());
        if let (Some(number), true) = (number, is_plain) {
            return Some(Ok(Step::Volume { number, file_system: file_system.to_string() }));
        }
    }
    parse_cell(text)
}

fn parse_cell(text: &str) -> Option<Result<Step, ()>> {
    let (table, rest) = text.split_once('[')?;
    let (row, column) = rest.split_once("].")?;
    let row: i64 = row.parse().ok().filter(|number: &i64| number.to_string() == row)?;
    let is_part = |part: &str| !part.is_empty() && !part.contains(['[', ']', '.', '/', ':', '@', '#']);
    if !is_part(table) || !is_part(column) {
        return None;
    }
    let part = |part: &str| String::from_utf8(unescape(part).ok()?).ok();
    Some(Ok(Step::Cell { table: part(table)?, row, column: part(column)? }))
}

fn parse_extent(text: &str) -> Option<Extent> {
    let (offset, length) = text.split_once('+')?;
    Some(Extent { offset: plain_number(offset)?, length: plain_number(length)? })
}

/// A number without signs or leading zeros.
fn plain_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Where an item is: a source and the steps from it. A clone shares both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provenance {
    source: Arc<Path>,
    steps: Arc<[Step]>,
}

impl Provenance {
    /// What `steps` lead to from `source`.
    #[must_use]
    pub fn new(source: Arc<Path>, steps: Vec<Step>) -> Self {
        Self { source, steps: steps.into() }
    }

    /// A file of a source: `name` is its path below it, raw bytes; empty where the source is the file.
    #[must_use]
    pub fn of_file(source: Arc<Path>, name: impl Into<Vec<u8>>) -> Self {
        Self { source, steps: Arc::new([Step::name(name)]) }
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The steps from the source.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The path of a file that lies in a folder, or is a source itself; `None` for what lies in a container.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        match &self.steps[..] {
            [Step::Name { name, index: None }] => Some(below(&self.source, name)),
            _ => None,
        }
    }

    /// The bytes of memory that its names take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.steps.iter().map(Step::bytes).sum()
    }

    /// The steps as text, joined by `//`.
    #[must_use]
    pub fn steps_text(&self) -> String {
        self.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("//")
    }

    /// The steps of a text that [`Provenance::steps_text`] gave.
    ///
    /// # Errors
    /// If a step is not one.
    pub fn parse_steps(text: &str) -> Result<Vec<Step>, ParseStepError> {
        text.split("//").map(str::parse).collect()
    }
}

/// The whole chain, printable.
impl fmt::Display for Provenance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = escape_path(&self.source);
        match self.steps_text() {
            steps if steps.is_empty() || steps.starts_with("//") => write!(out, "{source}{steps}"),
            // The root of a file system brings its own; elsewhere than on Windows a backslash is part of a name.
            steps
                if source.is_empty() || source.ends_with('/') || cfg!(windows) && source.ends_with('\\') =>
            {
                write!(out, "{source}{steps}")
            }
            steps => write!(out, "{source}/{steps}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<(Step, &'static str)> {
        let extent = |offset, length| Extent { offset, length };
        vec![
            (Step::name("Users/ana/DCIM/a.jpg"), "Users/ana/DCIM/a.jpg"),
            (Step::name(""), ""),
            (Step::name(b"\xff\n.jpg".to_vec()), r"\xff\n.jpg"),
            (Step::Name { name: b"a.jpg".to_vec(), index: Some(7) }, "a.jpg#7"),
            (Step::name("a.jpg#7"), r"a.jpg\x237"),
            (Step::name("a.jpg#07"), "a.jpg#07"),
            (Step::name("//a///b/"), r"\x2f\x2fa\x2f\x2f\x2fb\x2f"),
            (Step::name("/"), r"\x2f"),
            (Step::Volume { number: 2, file_system: "ntfs".into() }, "p2:ntfs"),
            (Step::name("p2:ntfs"), r"\x702:ntfs"),
            (Step::name("p2:NTFS"), "p2:NTFS"),
            (Step::Gap(extent(5, 6)), "gap@5+6"),
            (Step::name("gap@5+6"), r"\x67ap@5+6"),
            (Step::name("gap@5"), "gap@5"),
            (Step::Deleted { record: 3, path: b"DCIM/a.jpg".to_vec() }, "deleted:3/DCIM/a.jpg"),
            (Step::name("deleted:3/DCIM/a.jpg"), r"\x64eleted:3/DCIM/a.jpg"),
            (Step::Orphan { record: 9, name: b"b.jpg".to_vec() }, "orphan:9/b.jpg"),
            (Step::Stream { path: b"a.jpg".to_vec(), stream: b"thumb".to_vec() }, "a.jpg:$thumb"),
            (Step::name("a.jpg:$thumb#3"), r"a.jpg\x3a$thumb\x233"),
            (Step::Cell { table: "message".into(), row: 17, column: "media".into() }, "message[17].media"),
            (
                Step::Cell { table: "a.b[c]".into(), row: -1, column: "d/e".into() },
                r"a\x2eb\x5bc\x5d[-1].d\x2fe",
            ),
            (Step::name("photo[1].jpg"), r"photo\x5b1].jpg"),
            (Step::name("cache/photo[1].jpg"), "cache/photo[1].jpg"),
            (Step::Embedded(extent(0, u64::MAX)), "embedded@0+18446744073709551615"),
            (Step::Carved(vec![extent(1_048_576, 275_520)]), "carved@1048576+275520"),
            (Step::Carved(vec![extent(1, 2), extent(3, 4)]), "carved@1+2,3+4"),
            (Step::name("carved@1+2,3+4"), r"\x63arved@1+2,3+4"),
            (Step::name(b"\0weird".to_vec()), r"\x00weird"),
        ]
    }

    #[test]
    fn steps_come_back_from_their_text_and_bytes() {
        for (step, text) in steps() {
            assert_eq!(step.to_string(), text);
            assert_eq!(text.parse(), Ok(step.clone()), "{text}");
            let bytes = step.to_bytes();
            assert_eq!(Step::from_bytes(&bytes), Ok(step.clone()), "{text}");
            assert_eq!(Step::shown(&bytes), text);
        }
    }

    /// Names that anybody may give, next to each other in every order.
    #[test]
    fn any_name_comes_back_and_reads_as_nothing_else() {
        let parts = [
            "/", "#", "1", "p", ":", "$", "ntfs", "[", "].", "@", "+", "gap", "\\", "x23", "deleted", ",",
            "\0", "é",
        ];
        let mut names = vec![String::new()];
        for _ in 0..3 {
            let longer = names.iter().flat_map(|name| parts.iter().map(move |part| format!("{name}{part}")));
            names = longer.chain(names.clone()).collect();
        }
        for name in names {
            let step = Step::name(name.as_bytes());
            let text = step.to_string();
            assert!(
                !text.contains("//") && !text.starts_with('/') && !text.ends_with('/'),
                "{name:?}: {text}"
            );
            assert_eq!(text.parse(), Ok(step.clone()), "{name:?}: {text}");
            assert_eq!(Step::from_bytes(&step.to_bytes()), Ok(step), "{name:?}");
        }
    }

    #[test]
    fn what_is_not_a_step_is_refused() {
        for text in ["a//b", r"a\q", "/a", r"\x61", "deleted:3/\\"] {
            assert!(text.parse::<Step>().is_err(), "{text}");
        }
        assert!(Step::from_bytes(b"\0\xff").is_err());
        assert_eq!(Step::shown(b"\0\xff\n"), r"\xff\n", "whatever a database holds is printable");
    }

    #[test]
    fn chains_are_printed_and_read() {
        let disk: Arc<Path> = Path::new("disk.E01").into();
        let chain = vec![
            Step::name(""),
            Step::Volume { number: 2, file_system: "ntfs".into() },
            Step::name("Users/a.zip"),
            Step::Name { name: b"b.jpg".to_vec(), index: Some(4) },
        ];
        let item = Provenance::new(disk.clone(), chain.clone());
        assert_eq!(item.to_string(), "disk.E01//p2:ntfs//Users/a.zip//b.jpg#4");
        assert_eq!(Provenance::parse_steps(&item.steps_text()), Ok(chain));
        assert_eq!(item.file(), None);
        let file = Provenance::of_file(disk.clone(), "x/y.jpg");
        assert_eq!(
            (file.to_string(), file.file()),
            ("disk.E01/x/y.jpg".into(), Some("disk.E01/x/y.jpg".into()))
        );
        let source = Provenance::of_file(disk, "");
        assert_eq!((source.to_string(), source.file()), ("disk.E01".into(), Some("disk.E01".into())));
    }
}
