//! The report of `tamis stack` on a case's stacks.

use std::io::{self, Write};

use crate::case::{StackCounts, StackSettings};

/// Writes it as text.
///
/// # Errors
/// If the sink fails.
pub fn write_text(counts: &StackCounts, out: &mut dyn Write) -> io::Result<()> {
    let StackSettings { distance, min_quality } = counts.settings;
    writeln!(out, "Stacks of distinct pictures within {distance} bits of a medoid")?;
    writeln!(out, "  {:>7}  stacks", counts.stacks)?;
    writeln!(out, "  {:>7}  pictures in stacks, {} in the largest", counts.stacked, counts.largest)?;
    writeln!(out, "  {:>7}  pictures not near any other", counts.contents.saturating_sub(counts.stacked))?;
    let aside = [
        (counts.low_quality, format!("pictures left out, of a quality under {min_quality}")),
        (counts.null_hashes, "pictures left out, with a null hash".into()),
    ];
    for (count, what) in aside.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "  {count:>7}  {what}")?;
    }
    if counts.from_coefficients > 0 {
        writeln!(
            out,
            "  {} of the stacked have hashes from JPEG coefficients, which may be a few bits off (column derived_from)",
            counts.from_coefficients
        )?;
    }
    Ok(())
}
