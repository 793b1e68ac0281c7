//! Lists of one record a line: PDQ hashes, digests alone, and the output of md5sum, sha1sum and sha256sum.

use std::borrow::Cow;

use super::builder::{Builder, Record, parse_hash, parse_hex, parse_quality};
use super::error::SourceFault;
use super::list_kind::ListKind;
use crate::pdq::PdqHash;

/// The kinds of line lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// `<64 hex>` or `<64 hex>,<quality>[,<name>]`.
    Hashes,
    /// `<hex>` and nothing else: digests of one kind.
    Bare(ListKind),
    /// `<hex>  <name>` or `<hex> *<name>`, as coreutils print it.
    DigestFirst,
    /// `MD5 (<name>) = <hex>`, as BSD tools and `--tag` print it.
    DigestTagged,
}

impl LineFormat {
    /// Recognises the format of a list from the beginning of its text, without comments. The first line that is a
    /// record of any kind decides; malformed lines before it do not. Without such a line the list is read as hashes,
    /// whose reader reports the fault. `list` is what the user states about bare digits; with `hashes` 64 digits are
    /// PDQ hashes regardless.
    ///
    /// # Errors
    /// If nothing states what the digits are, or `list` contradicts them.
    pub fn of<'a>(
        lines: impl Iterator<Item = &'a [u8]> + Clone,
        list: Option<ListKind>,
        hashes: bool,
    ) -> Result<Self, SourceFault> {
        for line in lines.clone() {
            if split_tagged(line).is_some() {
                return Ok(Self::DigestTagged);
            }
            if split_digest_first(line).is_some_and(|(digest, _)| matches!(digest.len(), 32 | 40 | 64)) {
                return Ok(Self::DigestFirst);
            }
            if is_hash_with_more(line) {
                return Ok(Self::Hashes);
            }
            if let Some(digits) = bare_digits(line) {
                let mut lines = lines;
                return match digits {
                    64 if hashes => Ok(Self::Hashes),
                    _ => Self::of_digits(digits, list, || lines.any(is_hash_with_more)),
                };
            }
        }
        Ok(Self::Hashes)
    }

    /// The format of lines of so many digits; `has_hashes` asks whether a line further down is certainly a PDQ hash.
    fn of_digits(
        digits: usize,
        list: Option<ListKind>,
        has_hashes: impl FnOnce() -> bool,
    ) -> Result<Self, SourceFault> {
        match (digits, list) {
            (_, Some(given)) if given.digits() != digits => Err(SourceFault::OtherDigits { given, digits }),
            (_, Some(ListKind::Pdq)) => Ok(Self::Hashes),
            (_, Some(kind)) => Ok(Self::Bare(kind)),
            (32, None) => Ok(Self::Bare(ListKind::Md5)),
            (40, None) => Ok(Self::Bare(ListKind::Sha1)),
            (_, None) if has_hashes() => Ok(Self::Hashes),
            (_, None) => Err(SourceFault::AmbiguousDigits),
        }
    }

    /// Adds one line, without its line end.
    ///
    /// # Errors
    /// If the line is malformed; the text gives the reason.
    pub fn read_line(self, line: &[u8], builder: &mut Builder) -> Result<(), String> {
        let LineRecord { hash, quality, md5, sha1, sha256, name, odd_name, .. } = self.parse(line)?;
        let odd_fields = u64::from(odd_name);
        builder.push(&Record { hash, quality, md5, sha1, sha256, columns: vec![&name], odd_fields })
    }

    /// Reads one line, without its line end.
    ///
    /// # Errors
    /// If the line is malformed; the text gives the reason.
    pub fn parse(self, line: &[u8]) -> Result<LineRecord<'_>, String> {
        match self {
            Self::Hashes => parse_hash_line(line),
            Self::Bare(kind) => parse_bare(line.trim_ascii(), kind),
            Self::DigestFirst => {
                let (digest, name) = split_digest_first(line)
                    .ok_or("a digest, two spaces and a name are expected (as md5sum prints them)")?;
                parse_digest(digest, raw_name(line, name))
            }
            Self::DigestTagged => {
                let (_, name, digest) = split_tagged(line).ok_or("`MD5 (name) = digest` is expected")?;
                parse_digest(digest, raw_name(line, name))
            }
        }
    }
}

/// What a line holds.
#[derive(Debug, Default)]
pub(super) struct LineRecord<'a> {
    pub hash: Option<PdqHash>,
    pub quality: Option<u8>,
    pub md5: Option<[u8; 16]>,
    pub sha1: Option<[u8; 20]>,
    pub sha256: Option<[u8; 32]>,
    /// Raw; empty where there is none.
    pub name: Cow<'a, [u8]>,
    /// The name is not escaped correctly and is kept as written.
    pub odd_name: bool,
    /// The hash or digest as it is written.
    pub spelled: &'a [u8],
}

fn parse_hash_line(line: &[u8]) -> Result<LineRecord<'_>, String> {
    let mut fields = line.splitn(3, |&byte| byte == b',').map(<[u8]>::trim_ascii);
    let spelled = fields.next().unwrap_or_default();
    if spelled.len() == 32 && spelled.iter().all(u8::is_ascii_hexdigit) {
        return Err("32 hex digits are not a PDQ hash; MD5s belong in a list of their own".into());
    }
    let hash = parse_hash(spelled)?;
    let quality = fields.next().map_or(Ok(None), parse_quality)?;
    let name = Cow::Borrowed(fields.next().unwrap_or_default());
    Ok(LineRecord { hash: Some(hash), quality, name, spelled, ..LineRecord::default() })
}

/// Whether a line is a hash with a quality or name, which no list of digests has.
fn is_hash_with_more(line: &[u8]) -> bool {
    let Some(comma) = memchr::memchr(b',', line) else { return false };
    bare_digits(&line[..comma]) == Some(64)
}

/// Whether a line is only a digest or a PDQ hash.
pub(super) fn is_bare(line: &[u8]) -> bool {
    bare_digits(line).is_some()
}

/// The number of digits of a line that is only a digest or a PDQ hash.
fn bare_digits(line: &[u8]) -> Option<usize> {
    let digits = line.trim_ascii();
    (matches!(digits.len(), 32 | 40 | 64) && digits.iter().all(u8::is_ascii_hexdigit)).then_some(digits.len())
}

/// A digest of a kind alone on its line.
fn parse_bare(spelled: &[u8], kind: ListKind) -> Result<LineRecord<'_>, String> {
    let mut record = LineRecord { spelled, ..LineRecord::default() };
    match kind {
        ListKind::Md5 => record.md5 = Some(parse_hex(spelled, "an MD5")?),
        ListKind::Sha1 => record.sha1 = Some(parse_hex(spelled, "a SHA-1")?),
        ListKind::Sha256 => record.sha256 = Some(parse_hex(spelled, "a SHA-256")?),
        ListKind::Pdq => record.hash = Some(parse_hash(spelled)?),
    }
    Ok(record)
}

/// The bytes of a name, and whether it is odd: a backslash at the beginning of the line marks it as escaped.
fn raw_name<'a>(line: &[u8], name: &'a [u8]) -> (Cow<'a, [u8]>, bool) {
    if !line.starts_with(b"\\") {
        return (Cow::Borrowed(name), false);
    }
    match unescape_coreutils(name) {
        Some(raw) => (Cow::Owned(raw), false),
        None => (Cow::Borrowed(name), true),
    }
}

fn parse_digest<'a>(
    digest: &'a [u8],
    (name, odd_name): (Cow<'a, [u8]>, bool),
) -> Result<LineRecord<'a>, String> {
    let mut record = LineRecord { name, odd_name, spelled: digest, ..LineRecord::default() };
    match digest.len() {
        32 => record.md5 = Some(parse_hex(digest, "an MD5")?),
        40 => record.sha1 = Some(parse_hex(digest, "a SHA-1")?),
        64 => record.sha256 = Some(parse_hex(digest, "a SHA-256")?),
        other => return Err(format!("not a digest: {other} characters, expected 32, 40 or 64 hex digits")),
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

/// Undoes the escapes of coreutils: `\\`, `\n`, `\r`; `None` where a backslash is followed by anything else.
fn unescape_coreutils(name: &[u8]) -> Option<Vec<u8>> {
    let mut raw = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        raw.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            (_, true) => match bytes.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => return None,
            },
        });
    }
    Some(raw)
}
