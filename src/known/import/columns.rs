//! Tables: a header that names columns, then one record a line. Which column holds what follows from the names, or from
//! `--columns`. The lists of INTERPOL's ICSE are such tables with names of their own.

use std::borrow::Cow;

use super::error::{HeaderFault, ImportError};
use super::fields::{self, Names, Object, Odd};
use super::options::ColumnMap;
use super::sink::{Fault, Parsed, Sink};
use super::source::Source;
use super::text_lines::{Line, for_each_line};
use crate::known::builder::{parse_hash, parse_quality};
use crate::known::malformed::one_line;
use crate::known::read::BYTE_ORDER_MARK;
use crate::known::table::split;
use crate::source::name::escape;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Md5,
    Sha1,
    Sha256,
    Pdq,
    Quality,
    PhotoDna,
    Size,
    Category,
    Series,
    VictimIdentified,
    OffenderIdentified,
    Distributed,
    Precategorized,
}

/// Fields by their names in `--columns`, with the names of columns that are taken for them without it.
const FIELDS: [(&str, Field, &[&str]); 13] = [
    ("md5", Field::Md5, &["md5"]),
    ("sha1", Field::Sha1, &["sha1", "sha-1"]),
    ("sha256", Field::Sha256, &["sha256", "sha-256"]),
    ("pdq", Field::Pdq, &["pdq"]),
    ("quality", Field::Quality, &["quality"]),
    ("photodna", Field::PhotoDna, &["photodna", "pdna"]),
    ("size", Field::Size, &["size", "mediasize"]),
    ("category", Field::Category, &["category"]),
    ("series", Field::Series, &["series"]),
    ("victim_identified", Field::VictimIdentified, &["victim_identified", "victimidentified"]),
    ("offender_identified", Field::OffenderIdentified, &["offender_identified", "offenderidentified"]),
    ("distributed", Field::Distributed, &["distributed", "isdistributed"]),
    ("precategorized", Field::Precategorized, &["precategorized", "isprecategorized"]),
];

/// Columns of ICSE: `MD5;SHA1;ZZ40;PhotoDNA;Lace;Image ID;Is distributed;Victim identified;Offender identified;Series
/// name;Investigation name;Agency;Number of submissions;File Available;Media Type;Baseline`. Newer lists have some of
/// them only. Whether a file is in the Baseline list is its category.
const ICSE: [(&str, Field); 8] = [
    ("md5", Field::Md5),
    ("sha1", Field::Sha1),
    ("photodna", Field::PhotoDna),
    ("is distributed", Field::Distributed),
    ("victim identified", Field::VictimIdentified),
    ("offender identified", Field::OffenderIdentified),
    ("series name", Field::Series),
    ("baseline", Field::Category),
];

/// What separates fields.
const SEPARATORS: [u8; 4] = *b",;\t|";

/// Which columns hold what.
#[derive(Clone, Copy, Debug)]
pub(super) enum Naming<'a> {
    /// By well-known names.
    Usual,
    /// As ICSE names them.
    Icse,
    /// (field, column) pairs of `--columns`.
    Told(&'a [(String, String)]),
}

/// The fields that `--columns` accepts, as text.
pub(super) fn field_names() -> String {
    FIELDS.map(|(name, ..)| name).join(", ")
}

/// Whether `--columns` knows a field.
pub(super) fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|(known, ..)| *known == name)
}

impl Naming<'_> {
    /// What a column of this name holds.
    fn field(self, column: &str) -> Option<Field> {
        let column = column.trim_ascii();
        let is = |name: &str| name.eq_ignore_ascii_case(column);
        match self {
            Self::Usual => {
                FIELDS.iter().find(|(.., names)| names.iter().any(|name| is(name))).map(|row| row.1)
            }
            Self::Icse => ICSE.iter().find(|(name, _)| is(name)).map(|(_, field)| *field),
            Self::Told(told) => {
                let (field, _) = told.iter().find(|(_, name)| is(name))?;
                FIELDS.iter().find(|(name, ..)| name == field).map(|row| row.1)
            }
        }
    }
}

/// Whether a first line is a header of ICSE.
pub(super) fn is_icse(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let has =
        |name: &str| text.split(';').any(|column| column.trim_matches([' ', '"']).eq_ignore_ascii_case(name));
    has("md5") && has("sha1") && (has("image id") || has("baseline"))
}

/// Whether a first line is a header with well-known names.
pub(super) fn is_table(line: &[u8]) -> bool {
    SEPARATORS
        .into_iter()
        .any(|separator| Header::read(line, separator, Naming::Usual).is_ok_and(|header| header.is_matched()))
}

/// What the header states.
struct Header {
    separator: u8,
    /// Rows may have other numbers of cells.
    lenient: bool,
    /// Unique names, and what each column holds.
    columns: Vec<(String, Option<Field>)>,
}

impl Header {
    fn read(line: &[u8], separator: u8, naming: Naming<'_>) -> Result<Self, HeaderFault> {
        let mut cells = Vec::new();
        split(line, separator, &mut cells).map_err(|reason| HeaderFault::Quotes { reason })?;
        let mut names = Names::default();
        let mut held: Vec<Field> = Vec::new();
        let mut columns: Vec<(String, Option<Field>)> = Vec::with_capacity(cells.len());
        for cell in cells {
            let name = fields::readable(&cell, &mut 0);
            let name = name.trim_ascii();
            let field = naming.field(name);
            if field.is_some_and(|field| held.contains(&field)) {
                return Err(HeaderFault::Repeated { column: escape(name.as_bytes()) });
            }
            held.extend(field);
            columns.push((names.add(name), field));
        }
        if !held.contains(&Field::Pdq) {
            // The quality of something else, which is kept like any other column.
            columns
                .iter_mut()
                .filter(|(_, field)| *field == Some(Field::Quality))
                .for_each(|column| column.1 = None);
        }
        Ok(Self { separator, lenient: matches!(naming, Naming::Icse), columns })
    }

    /// Whether a column holds what is matched.
    fn is_matched(&self) -> bool {
        let matched = [Field::Md5, Field::Sha1, Field::Sha256, Field::Pdq];
        self.columns.iter().any(|(_, field)| field.is_some_and(|field| matched.contains(&field)))
    }

    /// The header in the separator that gives it something to match by.
    fn find(line: &[u8], naming: Naming<'_>) -> Result<Self, HeaderFault> {
        let mut fault = None;
        for separator in SEPARATORS {
            match Self::read(line, separator, naming) {
                Ok(header) if header.is_matched() => {
                    let Naming::Told(told) = naming else { return Ok(header) };
                    let missing = told.iter().find(|(_, column)| {
                        !header.columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(column.trim_ascii()))
                    });
                    match missing {
                        None => return Ok(header),
                        Some((field, column)) => {
                            let column = escape(column.as_bytes());
                            fault = Some(HeaderFault::NoSuchColumn { field: field.clone(), column });
                        }
                    }
                }
                Ok(_) => {}
                Err(unusable) => fault = Some(unusable),
            }
        }
        Err(fault.unwrap_or_else(|| HeaderFault::NothingMatched { fields: field_names() }))
    }
}

/// Reads a table.
pub(super) fn read(
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    naming: Naming<'_>,
) -> Result<(), ImportError> {
    let mut header: Option<Header> = None;
    for_each_line(source, sink, |Line { offset, text }, sink| {
        if let Some(header) = &header {
            return sink.take(offset, parse(text, header));
        }
        if text.starts_with(b"#") {
            return Ok(());
        }
        header = Some(Header::find(text, naming).map_err(|fault| sink.header(fault))?);
        Ok(())
    })?;
    match header {
        Some(_) => Ok(()),
        None => Err(sink.header(HeaderFault::Missing)),
    }
}

/// One line as a record.
fn parse(line: &[u8], header: &Header) -> Result<Parsed<'static>, Fault> {
    let mut cells: Vec<Cow<'_, [u8]>> = Vec::with_capacity(header.columns.len());
    let odd_fields = split(one_line(line)?, header.separator, &mut cells)?;
    let (count, columns) = (cells.len(), header.columns.len());
    // ICSE leaves out empty cells at the end of a row, or writes more of them.
    let fits = count == columns
        || header.lenient && cells.iter().skip(columns).all(|cell| cell.trim_ascii().is_empty());
    // A quote that is not doubled may have split a cell, which nothing shows where rows may have fewer.
    if header.lenient && odd_fields > 0 {
        return Err(Fault::new(0, "a quote inside a quoted field that is not doubled".to_string()));
    }
    if !fits {
        return Err(Fault::new(0, format!("{count} fields, expected {columns} as in the header")));
    }
    let mut parsed = Parsed { odd_fields, ..Parsed::default() };
    let mut object = Object::default();
    let mut quality = Ok(None);
    for ((name, field), cell) in header.columns.iter().zip(&cells) {
        let cell = fields::readable(cell, &mut parsed.odd_fields);
        object.add(name, &cell);
        match field {
            Some(Field::Quality) => quality = parse_quality(cell.trim_ascii().as_bytes()),
            Some(field) => set(&mut parsed, *field, cell.trim_ascii())?,
            None => {}
        }
    }
    parsed.record.quality = match quality {
        // A quality decides whether a hash is matched, so it is only checked where there is a hash.
        Err(reason) if parsed.record.hash.is_some() => return Err(reason.into()),
        quality => fields::keep(quality.map_err(|_| Odd), &mut parsed.odd_fields),
    };
    parsed.record.fields = Cow::Owned(object.finish());
    Ok(parsed)
}

fn set(parsed: &mut Parsed<'static>, field: Field, cell: &str) -> Result<(), String> {
    let Parsed { record, photodna_unread, odd_fields } = parsed;
    let mut truth = || fields::keep(fields::truth(cell), odd_fields);
    match field {
        Field::Md5 => record.md5 = fields::digest(cell, "an MD5")?,
        Field::Sha1 => record.sha1 = fields::digest(cell, "a SHA-1")?,
        Field::Sha256 => record.sha256 = fields::digest(cell, "a SHA-256")?,
        Field::Pdq if cell.is_empty() => {}
        Field::Pdq => record.hash = Some(parse_hash(cell.as_bytes())?),
        // Read once all of the row is known.
        Field::Quality => {}
        Field::PhotoDna => (record.photodna, *photodna_unread) = fields::photodna(cell),
        Field::Size => record.media_size = fields::keep(fields::size(cell), odd_fields),
        Field::Category => record.facts.category = fields::text(cell.to_string()),
        Field::Series => record.facts.series = fields::text(cell.to_string()),
        Field::VictimIdentified => record.facts.victim_identified = truth(),
        Field::OffenderIdentified => record.facts.offender_identified = truth(),
        Field::Distributed => record.facts.distributed = truth(),
        Field::Precategorized => record.facts.precategorized = truth(),
    }
    Ok(())
}

/// The first line of a file that is neither blank nor a comment.
pub(super) fn first_line(head: &[u8]) -> &[u8] {
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default()
}
impl ColumnMap {
    /// Reads `field=column,…`.
    ///
    /// # Errors
    /// If a part is not of that form, or names an unknown field; the text lists the fields.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut map: Vec<(String, String)> = Vec::new();
        for part in text.split(',') {
            let (field, column) = part.split_once('=').unwrap_or((part, ""));
            let (field, column) = (field.trim_ascii().to_ascii_lowercase(), column.trim_ascii());
            if !is_field(&field) || column.is_empty() {
                return Err(format!(
                    "`{}`: write --columns FIELD=COLUMN,… with the fields {}",
                    escape(part.as_bytes()),
                    field_names()
                ));
            }
            if map.iter().any(|(other, _)| *other == field) {
                return Err(format!("--columns names the field {field} twice"));
            }
            map.push((field, column.to_string()));
        }
        Ok(Self(map))
    }
}
