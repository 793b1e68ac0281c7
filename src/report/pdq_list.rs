//! The hashes of a case as a plain list, as `tamis hash` writes it and `--known` reads it.

use std::io::Write;

use super::export::ExportError;
use crate::case::{CaseReader, ContentRow};
use crate::decode::DerivedFrom;

/// Writes `<64 hex>,<quality>,<SHA-256>` lines, with `from coefficients` after those that may be some bits
/// off, in the order of the contents' SHA-256, and returns how many.
///
/// Hashes of low quality are written too: readers set them aside by the quality in the line.
///
/// # Errors
/// If the case cannot be read, or the sink fails.
pub fn write(case: &CaseReader, out: &mut dyn Write) -> Result<u64, ExportError> {
    let _snapshot = case.snapshot()?;
    writeln!(out, "# geometry: {}", case.spec()?.geometry.name())?;
    let mut count = 0;
    case.for_each_content(|content: ContentRow| {
        if let Some(found) = content.hash {
            count += 1;
            let sha256 = crate::source::digest::hex(&content.digests.sha256);
            let (hash, quality) = (found.hash.hashes[0], found.hash.quality);
            let from =
                if found.derived_from == DerivedFrom::Coefficients { " from coefficients" } else { "" };
            writeln!(out, "{hash},{quality},{sha256}{from}")?;
        }
        Ok::<(), ExportError>(())
    })?;
    Ok(count)
}
