//! CSV with a header that names its columns, one record a line.
//!
//! A field may be quoted (RFC 4180), and may not hold a line end: in a file with one quote too many, everything
//! up to the next quote would be that field's text, and the records in it would be lost silently. A quote that
//! is not closed on its line is therefore that line's fault, and the next line is a record again.

use std::borrow::Cow;
use std::io::BufRead;

use super::builder::{Builder, Record, parse_hash, parse_hex, parse_quality};
use super::malformed::{KnownFault, Malformed, for_each_line, one_line};
use crate::source::name::escape;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Pdq,
    Quality,
    Md5,
    Sha1,
    Sha256,
    Free,
}

impl Column {
    fn of(name: &[u8]) -> Self {
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"pdq" => Self::Pdq,
            b"quality" => Self::Quality,
            b"md5" => Self::Md5,
            b"sha1" | b"sha-1" => Self::Sha1,
            b"sha256" | b"sha-256" => Self::Sha256,
            _ => Self::Free,
        }
    }

    /// Whether it holds what is matched.
    const fn is_matched(self) -> bool {
        !matches!(self, Self::Free | Self::Quality)
    }
}

/// Whether a first line is a header of ours: one of its columns names a hash or a digest.
pub(super) fn is_header(line: &[u8]) -> bool {
    let mut fields = Vec::new();
    split(line, b',', &mut fields).is_ok() && fields.iter().any(|name| Column::of(name).is_matched())
}

/// The fault of a first line that looks like a table header, and the way out; `None` where it looks like a
/// record.
pub(super) fn fault_of_header(line: &[u8]) -> Option<String> {
    for (separator, name) in [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")] {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == separator).collect();
        let is_ours = |field: &&[u8]| {
            let field = field.trim_ascii();
            let bare = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field);
            Column::of(bare).is_matched() || matches!(bare.len(), 32 | 40 | 64) && is_hex(bare)
        };
        if fields.len() > 1 && fields.iter().any(is_ours) {
            return Some(format!("its fields are separated by {name} (save it with commas)"));
        }
    }
    if line.first() == Some(&b'{') {
        return Some("this is JSON, which is not read here: use `tamis hash --format csv`".into());
    }
    let mut fields = Vec::new();
    split(line, b',', &mut fields).ok()?;
    let is_name = |field: &Cow<'_, [u8]>| {
        let field = field.trim_ascii();
        !field.is_empty()
            && field.len() < 64
            && field.first().is_some_and(|byte| !byte.is_ascii_digit())
            && !is_hex(field)
    };
    if fields.len() < 2 || !fields.iter().all(is_name) {
        return None;
    }
    let names: Vec<String> = fields.iter().map(|field| escape(field.trim_ascii())).collect();
    Some(format!(
        "no column is named pdq, md5, sha1 or sha256; its columns are {} (rename the one that is meant)",
        names.join(", ")
    ))
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_hexdigit)
}

/// Reads a table.
pub(super) fn read_table(
    source: &mut impl BufRead,
    builder: &mut Builder,
    malformed: &mut Malformed,
) -> Result<(), KnownFault> {
    let mut columns: Option<Vec<Column>> = None;
    for_each_line(source, |number, line| {
        let mut fields = Vec::new();
        let split = one_line(line).and_then(|line| split(line, b',', &mut fields));
        let Some(columns) = &columns else {
            // The first line, which is the header.
            let header = split.and_then(|_| read_header(&fields, builder));
            columns = Some(header.map_err(|reason| KnownFault::Line(number, reason))?);
            return Ok(());
        };
        match split.and_then(|odd| read_row(&fields, columns, odd, builder)) {
            Ok(()) => Ok(()),
            Err(reason) => malformed.record(builder, number, reason),
        }
    })
}

fn read_header(names: &[Cow<'_, [u8]>], builder: &mut Builder) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = names.iter().map(|name| Column::of(name)).collect();
    if !columns.contains(&Column::Pdq) {
        // The quality of something else, kept like any other column.
        columns
            .iter_mut()
            .filter(|column| **column == Column::Quality)
            .for_each(|column| *column = Column::Free);
    }
    for (index, (column, name)) in columns.iter().zip(names).enumerate() {
        if *column != Column::Free && columns[..index].contains(column) {
            return Err(format!(
                "the header names `{}` twice; rename one of the two",
                escape(name.trim_ascii())
            ));
        }
    }
    let free = names.iter().zip(&columns).filter(|(_, column)| **column == Column::Free);
    builder.name_columns(free.map(|(name, _)| name.as_ref()));
    Ok(columns)
}

/// Reads a row with `odd` oddly quoted fields.
fn read_row(
    row: &[Cow<'_, [u8]>],
    columns: &[Column],
    odd_fields: u64,
    builder: &mut Builder,
) -> Result<(), String> {
    if row.len() != columns.len() {
        return Err(format!("{} fields, expected {} as in the header", row.len(), columns.len()));
    }
    let mut record = Record { odd_fields, ..Record::default() };
    let mut quality = Ok(None);
    for (field, column) in row.iter().zip(columns) {
        let value = field.trim_ascii();
        match column {
            Column::Free => record.columns.push(field),
            _ if value.is_empty() => {}
            Column::Pdq => record.hash = Some(parse_hash(value)?),
            Column::Quality => quality = parse_quality(value),
            Column::Md5 => record.md5 = Some(parse_hex(value, "an MD5")?),
            Column::Sha1 => record.sha1 = Some(parse_hex(value, "a SHA-1")?),
            Column::Sha256 => record.sha256 = Some(parse_hex(value, "a SHA-256")?),
        }
    }
    record.quality = match quality {
        Ok(quality) => quality,
        // A quality decides whether a hash is matched, so it is only checked where there is a hash.
        Err(reason) if record.hash.is_some() => return Err(reason),
        Err(_) => {
            record.odd_fields += 1;
            None
        }
    };
    builder.push(&record)
}

/// The fields of a line, quotes undone. A quote inside an unquoted field is a character; so is one inside a quoted
/// field that should have been doubled, as a quoted field ends where a separator or the line's end follows the quote.
/// Returns how many fields have such quotes.
///
/// # Errors
/// If a quoted field does not end on the line.
pub(super) fn split<'a>(
    line: &'a [u8],
    separator: u8,
    fields: &mut Vec<Cow<'a, [u8]>>,
) -> Result<u64, String> {
    let mut odd = 0;
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (field, after) = match text.strip_prefix(b"\"") {
            Some(quoted) => {
                let (field, after, is_odd) = unquote(quoted, separator)?;
                odd += u64::from(is_odd);
                (field, after)
            }
            None => match memchr::memchr(separator, text) {
                Some(end) => (Cow::Borrowed(&text[..end]), &text[end..]),
                None => (Cow::Borrowed(text), &text[text.len()..]),
            },
        };
        fields.push(field);
        // Behind a field is a separator or nothing.
        rest = after.split_first().map(|(_, rest)| rest);
    }
    Ok(odd)
}

/// A field, what follows its closing quote, and whether it has quotes that are not doubled.
type Unquoted<'a> = (Cow<'a, [u8]>, &'a [u8], bool);

/// Reads a field from behind its opening quote.
fn unquote(quoted: &[u8], separator: u8) -> Result<Unquoted<'_>, String> {
    let mut field = Cow::Borrowed(&[][..]);
    let mut odd = false;
    let mut from = 0;
    while let Some(quote) = memchr::memchr(b'"', &quoted[from..]).map(|offset| from + offset) {
        let next = quoted.get(quote + 1).copied();
        if next.is_none_or(|next| next == separator) {
            // Borrowed as a whole where no quote was doubled.
            let field = if from == 0 {
                Cow::Borrowed(&quoted[..quote])
            } else {
                field.to_mut().extend_from_slice(&quoted[from..quote]);
                field
            };
            return Ok((field, &quoted[quote + 1..], odd));
        }
        field.to_mut().extend_from_slice(&quoted[from..=quote]);
        odd |= next != Some(b'"');
        from = quote + if next == Some(b'"') { 2 } else { 1 };
    }
    Err("a quoted field is not closed on its line: one record is one line, and a quote in a field is written twice"
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (fields, how many are quoted oddly)
    fn fields(line: &str) -> Result<(Vec<String>, u64), String> {
        let mut fields = Vec::new();
        let odd = split(line.as_bytes(), b',', &mut fields)?;
        Ok((fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect(), odd))
    }

    #[test]
    fn fields_are_split_as_rfc_4180_says() {
        for (line, expected) in [
            ("", &[""][..]),
            ("a,b", &["a", "b"]),
            ("a,,", &["a", "", ""]),
            ("\"a, b\",\"\"", &["a, b", ""]),
            ("\"say \"\"a\"\"\",\"\"\"\",x", &["say \"a\"", "\"", "x"]),
            ("12\" long,5'3\"", &["12\" long", "5'3\""]),
            (" \"a\", b ", &[" \"a\"", " b "]),
        ] {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(fields(line).unwrap(), (expected, 0), "{line}");
        }
        for line in ["\"", "a,\"12 inch", "\"a\"b,c", "\"a\" ,c", "\"a\"\"", "\"\"\""] {
            assert!(fields(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_quote_that_is_not_doubled_is_a_character() {
        for (line, expected) in [
            ("\"a \"x\".txt\",1", &["a \"x\".txt", "1"][..]),
            ("\"b\" or \"c\"", &["b\" or \"c"]),
            ("\"a\"\" and \"b\",", &["a\" and \"b", ""]),
        ] {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(fields(line).unwrap(), (expected, 1), "{line}");
        }
    }

    /// The `csv` crate is the oracle on lines that both accept.
    #[test]
    fn fields_are_those_of_another_reader() {
        use rand::prelude::*;
        let mut random = StdRng::seed_from_u64(3);
        let mut compared = 0;
        for _ in 0..20_000 {
            let length = random.random_range(1..12);
            let line: String =
                (0..length).map(|_| *['a', ',', '"', ' '].choose(&mut random).unwrap()).collect();
            let Ok((ours, 0)) = fields(&line) else { continue };
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let theirs = reader.records().next().unwrap().unwrap();
            assert_eq!(ours, theirs.iter().collect::<Vec<_>>(), "{line}");
            compared += 1;
        }
        assert!(compared > 5000, "{compared}");
    }
}
