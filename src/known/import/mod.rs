//! Importing published lists into set files, record by record.
//!
//! Every format has a reader of its own that gives [`KnownRecord`](super::record::KnownRecord)s to one `Sink`. The sink handles malformed
//! records, looks categories up in the profile, and writes.

mod columns;
mod error;
mod fields;
mod hashdeep;
mod json_records;
mod list;
mod ncmec;
mod nsrl;
mod options;
mod recognise;
mod sink;
mod source;
mod text_lines;
mod vics;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::control::ImportControl;
use super::error::SourceFault;
use super::set_file::{ImportedFile, Manifest, SetCounts, SetError, SetWriter};
use crate::source::digest::hex;
use crate::source::name::escape;
pub use error::{HeaderFault, ImportError};
pub use options::{ColumnMap, ImportFormat, ImportOptions};
use sink::Sink;
use source::Source;

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The set's manifest.
    pub manifest: Manifest,
    /// The set's identity.
    pub identity: [u8; 32],
    /// (record, offset, reason) of the first record that was skipped, with its file.
    pub first_malformed: Option<String>,
}

/// Imports sources, in their order, into one set file at `output`.
///
/// # Errors
/// If a record is malformed (with file, record, offset and reason of the first one), a source is not what it
/// is taken for, the disk is full, or `control` ended the import. Nothing is left behind then, and a file
/// that was at `output` is unchanged.
pub fn import(
    inputs: &[PathBuf],
    output: &Path,
    options: &ImportOptions,
    control: &ImportControl,
) -> Result<Imported, ImportError> {
    // Report the cancellation, not the error that it caused in the reader.
    import_all(inputs, output, options, control)
        .map_err(|error| if control.is_cancelled() { SetError::Cancelled.into() } else { error })
}

fn import_all(
    inputs: &[PathBuf],
    output: &Path,
    options: &ImportOptions,
    control: &ImportControl,
) -> Result<Imported, ImportError> {
    let mut sink = Sink {
        writer: SetWriter::create(output)?,
        options,
        control,
        path: Path::new(""),
        record: 0,
        malformed_records: 0,
        malformed_before: 0,
        records_before: 0,
        about: serde_json::Map::new(),
        first_malformed: None,
    };
    let mut sources = Vec::with_capacity(inputs.len());
    let mut deletions = Deletions { inputs, noted: None, entries: 0 };
    for path in inputs {
        sources.push(read(path, &mut sink, &mut deletions)?);
    }
    let Sink { writer, malformed_records, first_malformed, .. } = sink;
    if writer.counts().records == 0 {
        let fault = match first_malformed {
            Some(first) => SourceFault::AllMalformed { line: None, first },
            None => SourceFault::NoRecords,
        };
        return Err(ImportError::Unusable { path: inputs.first().cloned().unwrap_or_default(), fault });
    }
    let stem = inputs.first().and_then(|path| path.file_stem());
    let manifest = Manifest {
        name: options.name.clone().unwrap_or_else(|| plain(stem)),
        version: options.version.clone().unwrap_or_default(),
        program: concat!("tamis ", env!("CARGO_PKG_VERSION")).into(),
        profile: options.profile.clone(),
        geometry: options.geometry,
        skip_bad_records: options.skip_bad_records,
        columns: options.columns.as_ref().map(ColumnMap::shown).unwrap_or_default(),
        sources,
        counts: SetCounts { malformed_records, ..writer.counts() },
    };
    let identity = writer.finish(manifest.clone(), control)?;
    Ok(Imported { manifest, identity, first_malformed })
}

/// A name, escaped where it is not UTF-8. It is escaped again where it is shown.
fn plain(name: Option<&OsStr>) -> String {
    let name = name.unwrap_or_default();
    name.to_str().map_or_else(|| escape(name.as_encoded_bytes()), str::to_string)
}

/// What entries of NCMEC's documents withdraw, over all sources; collected when the first such document is
/// read.
struct Deletions<'a> {
    inputs: &'a [PathBuf],
    noted: Option<ncmec::Withdrawn>,
    /// Entries that were read so far.
    entries: u64,
}

/// Imports one source.
fn read<'a>(
    path: &'a Path,
    sink: &mut Sink<'a>,
    deletions: &mut Deletions<'_>,
) -> Result<ImportedFile, ImportError> {
    let mut source = Source::open(path, sink.control)?;
    let format = match (sink.options.format, &sink.options.columns) {
        (Some(format), _) => format,
        (None, Some(_)) => ImportFormat::Csv,
        (None, None) => {
            recognise::recognise(source.head(), sink.options.list).map_err(|fault| source.unusable(fault))?
        }
    };
    sink.begin(path);
    match format {
        ImportFormat::Vics => vics::read(&mut source, sink)?,
        ImportFormat::Icse => columns::read(&mut source, sink, columns::Naming::Icse)?,
        ImportFormat::Csv => {
            let told = sink.options.columns.as_ref().map(|map| &*map.0);
            columns::read(&mut source, sink, told.map_or(columns::Naming::Usual, columns::Naming::Told))?;
        }
        ImportFormat::Ncmec => {
            let withdrawn = deletions.noted.get_or_insert_with(|| {
                let mut noted = ncmec::Withdrawn::default();
                deletions.inputs.iter().for_each(|path| noted.note(path));
                noted
            });
            ncmec::read(&mut source, sink, withdrawn, &mut deletions.entries)?;
        }
        ImportFormat::Nsrl => nsrl::read(path, sink)?,
        ImportFormat::Hashdeep => hashdeep::read(&mut source, sink)?,
        ImportFormat::List => list::read(&mut source, sink)?,
    }
    let (size, sha256) = source.finish()?;
    Ok(ImportedFile {
        name: plain(path.file_name()),
        size,
        sha256: hex(&sha256),
        format: format.name().into(),
        records: sink.writer.counts().records - sink.records_before,
        malformed_records: sink.malformed_records - sink.malformed_before,
        about: std::mem::take(&mut sink.about),
    })
}
