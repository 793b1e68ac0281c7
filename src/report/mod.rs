//! Output of a case: rows for programs ([`export`]), a graph for case management ([`case_uco`]), a summary for people
//! ([`summary`], [`text`], [`stacks`]) and a page for them ([`page`]). [`rows`] writes rows of any kind.

pub mod case_uco;
pub mod columns;
pub mod export;
pub mod export_kind;
pub mod page;
#[cfg(feature = "parquet")]
pub mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "parquet_absent.rs"]
pub mod parquet;
pub mod pdq_list;
pub mod rows;
pub mod stacks;
pub mod summary;
pub mod text;
pub mod vics;

use std::io::{self, Write};

/// Writes a row as one line of JSON.
///
/// # Errors
/// If the sink fails.
pub fn write_json_line(out: &mut dyn Write, row: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}
