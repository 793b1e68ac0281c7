//! Lists of one record a line: codes, and the output of md5sum, sha1sum and sha256sum.

use std::borrow::Cow;

use super::builder::{Builder, Record, parse_code, parse_hex, parse_quality};
use crate::pdq::Code;

/// The kinds of line lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// `<64 hex>` or `<64 hex>,<quality>[,<name>]`.
    Codes,
    /// `<hex>  <name>` or `<hex> *<name>`, as coreutils print it.
    DigestFirst,
    /// `MD5 (<name>) = <hex>`, as BSD tools and `--tag` print it.
    DigestTagged,
}

impl LineFormat {
    /// The format that a first line looks like; anything that is no digest list is read as codes, whose
    /// reader says what is wrong with it.
    pub fn of(line: &[u8]) -> Self {
        if split_tagged(line).is_some() {
            Self::DigestTagged
        } else if split_digest_first(line).is_some_and(|(digest, _)| matches!(digest.len(), 32 | 40 | 64)) {
            Self::DigestFirst
        } else {
            Self::Codes
        }
    }

    /// Adds one line, without its line end.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn read_line(self, line: &[u8], builder: &mut Builder) -> Result<(), String> {
        let LineRecord { code, quality, md5, sha1, sha256, name, .. } = self.parse(line)?;
        builder.push(&Record { code, quality, md5, sha1, sha256, columns: vec![&name] })
    }

    /// Reads one line, without its line end.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn parse(self, line: &[u8]) -> Result<LineRecord<'_>, String> {
        match self {
            Self::Codes => parse_code_line(line),
            Self::DigestFirst => {
                let (digest, name) = split_digest_first(line)
                    .ok_or("a digest, two spaces and a name are expected (as md5sum prints them)")?;
                parse_digest(digest, raw_name(line, name)?)
            }
            Self::DigestTagged => {
                let (_, name, digest) = split_tagged(line).ok_or("`MD5 (name) = digest` is expected")?;
                parse_digest(digest, raw_name(line, name)?)
            }
        }
    }
}

/// What a line holds.
#[derive(Debug, Default)]
pub(super) struct LineRecord<'a> {
    pub code: Option<Code>,
    pub quality: Option<u8>,
    pub md5: Option<[u8; 16]>,
    pub sha1: Option<[u8; 20]>,
    pub sha256: Option<[u8; 32]>,
    /// Raw; empty where there is none.
    pub name: Cow<'a, [u8]>,
    /// The code or digest as it is written.
    pub spelled: &'a [u8],
}

fn parse_code_line(line: &[u8]) -> Result<LineRecord<'_>, String> {
    let mut fields = line.splitn(3, |&byte| byte == b',').map(<[u8]>::trim_ascii);
    let spelled = fields.next().unwrap_or_default();
    if spelled.len() == 32 && spelled.iter().all(u8::is_ascii_hexdigit) {
        return Err("32 hex digits are no PDQ code; for MD5s write a first line `md5`".into());
    }
    let code = parse_code(spelled)?;
    let quality = fields.next().map_or(Ok(None), parse_quality)?;
    let name = Cow::Borrowed(fields.next().unwrap_or_default());
    Ok(LineRecord { code: Some(code), quality, name, spelled, ..LineRecord::default() })
}

/// The bytes of a name: a backslash before the whole line says that it is escaped.
fn raw_name<'a>(line: &[u8], name: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    if line.starts_with(b"\\") { unescape_coreutils(name).map(Cow::Owned) } else { Ok(Cow::Borrowed(name)) }
}

fn parse_digest<'a>(digest: &'a [u8], name: Cow<'a, [u8]>) -> Result<LineRecord<'a>, String> {
    let mut record = LineRecord { name, spelled: digest, ..LineRecord::default() };
    match digest.len() {
        32 => record.md5 = Some(parse_hex(digest, "an MD5")?),
        40 => record.sha1 = Some(parse_hex(digest, "a SHA-1")?),
        64 => record.sha256 = Some(parse_hex(digest, "a SHA-256")?),
        other => return Err(format!("a digest has 32, 40 or 64 hex digits, this has {other} characters")),
    }
    Ok(record)
}

/// (digest, name) of a coreutils line; the digest may still be malformed.
fn split_digest_first(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    let end = line.iter().position(|&byte| byte == b' ')?;
    let name = match line.get(end + 1)? {
        b' ' | b'*' => &line[end + 2..],
        _ => return None,
    };
    (!name.is_empty() && line[..end].iter().all(u8::is_ascii_alphanumeric)).then_some((&line[..end], name))
}

/// (algorithm, name, digest) of a tagged line.
fn split_tagged(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    let algorithms: [&[u8]; 3] = [b"MD5", b"SHA1", b"SHA256"];
    let algorithm = algorithms.into_iter().find(|algorithm| line.starts_with(algorithm))?;
    let rest = line[algorithm.len()..].strip_prefix(b" (")?;
    let end = rest.windows(4).rposition(|window| window == b") = ")?;
    Some((algorithm, &rest[..end], &rest[end + 4..]))
}

/// Undoes the escapes of coreutils: `\\`, `\n`, `\r`.
fn unescape_coreutils(name: &[u8]) -> Result<Vec<u8>, String> {
    let mut raw = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        raw.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            (_, true) => match bytes.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => return Err("a backslash in an escaped name is followed by no `\\`, `n` or `r`".into()),
            },
        });
    }
    Ok(raw)
}
