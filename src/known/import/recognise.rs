//! Recognises the format of a source by its first bytes.

use super::options::ImportFormat;
use super::{columns, hashdeep, nsrl};
use crate::known::error::SourceFault;
use crate::known::lines::is_bare;
use crate::known::list_kind::ListKind;
use crate::known::read::{BYTE_ORDER_MARK, Opening};
use crate::known::set_file::SetFile;

/// Recognises a file's format by its first bytes. `list` is what the user states about a list of bare digits.
///
/// # Errors
/// If it cannot be imported.
pub(super) fn recognise(head: &[u8], list: Option<ListKind>) -> Result<ImportFormat, SourceFault> {
    if head.is_empty() {
        return Err(SourceFault::Empty);
    }
    if head.starts_with(nsrl::MAGIC) {
        return Ok(ImportFormat::Nsrl);
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(SourceFault::Utf16 { way_out: "save it as UTF-8" });
    }
    if SetFile::is_one(head) {
        return Err(SourceFault::SetFile { way_out: "already: --known takes it as it is" });
    }
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
    let line = columns::first_line(head);
    match text.first() {
        Some(b'{' | b'[') => Ok(ImportFormat::Vics),
        Some(b'<') => Ok(ImportFormat::Ncmec),
        _ if text.starts_with(hashdeep::MAGIC) => Ok(ImportFormat::Hashdeep),
        _ if columns::is_icse(line) => Ok(ImportFormat::Icse),
        _ if columns::is_table(line) => Ok(ImportFormat::Csv),
        _ if is_bare(line) => {
            Opening::of(head, list)?;
            Ok(ImportFormat::List)
        }
        _ if Opening::of(head, list)
            .is_ok_and(|opening| opening.format.is_some_and(|format| format.parse(line).is_ok())) =>
        {
            Ok(ImportFormat::List)
        }
        _ => Err(SourceFault::UnknownFormat),
    }
}
