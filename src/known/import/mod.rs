//! Importing published lists into set files, record by record.
//!
//! Every format has a reader of its own that gives [`KnownRecord`]s to one [`Sink`]. The sink decides what a malformed
//! record does, looks its category up in the profile, and writes.

mod columns;
mod fields;
mod hashdeep;
mod json_records;
mod list;
mod ncmec;
mod nsrl;
mod source;
mod text_lines;
mod vics;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::control::ImportControl;
use super::lines::ListKind;
use super::profile::Profile;
use super::record::KnownRecord;
use super::set_file::{Manifest, SetCounts, SetError, SetWriter, SourceFile};
use crate::pdq::Geometry;
use crate::source::digest::hex;
use crate::source::name::{escape, escape_path};
use source::Source;

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// JSON of the VICS data model: Project VIC and CAID.
    Vics,
    /// The lists of INTERPOL's ICSE, separated by semicolons.
    Icse,
    /// XML of NCMEC's exchange of hashes, version 2.
    Ncmec,
    /// The NSRL's RDS, version 3: a SQLite database.
    Nsrl,
    /// What hashdeep prints.
    Hashdeep,
    /// A table with a header.
    Csv,
    /// PDQ hashes, digests alone, or what md5sum, sha1sum and sha256sum print.
    List,
}

impl ImportFormat {
    /// All.
    pub const ALL: [Self; 7] =
        [Self::Vics, Self::Icse, Self::Ncmec, Self::Nsrl, Self::Hashdeep, Self::Csv, Self::List];

    /// Its name on the command line and in manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vics => "vics",
            Self::Icse => "icse",
            Self::Ncmec => "ncmec",
            Self::Nsrl => "nsrl",
            Self::Hashdeep => "hashdeep",
            Self::Csv => "csv",
            Self::List => "list",
        }
    }

    /// The format of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Which column of a table holds what: (field, column), as `--columns` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnMap(Vec<(String, String)>);

impl ColumnMap {
    /// Reads `field=column,…`.
    ///
    /// # Errors
    /// A part that is none, or a field that there is not; the text lists them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut map: Vec<(String, String)> = Vec::new();
        for part in text.split(',') {
            let (field, column) = part.split_once('=').unwrap_or((part, ""));
            let (field, column) = (field.trim_ascii().to_ascii_lowercase(), column.trim_ascii());
            if !columns::is_field(&field) || column.is_empty() {
                return Err(format!(
                    "`{}`: write --columns FIELD=COLUMN,… with the fields {}",
                    escape(part.as_bytes()),
                    columns::field_names()
                ));
            }
            if map.iter().any(|(other, _)| *other == field) {
                return Err(format!("--columns names the field {field} twice"));
            }
            map.push((field, column.to_string()));
        }
        Ok(Self(map))
    }

    /// `field=column`, each.
    fn shown(&self) -> Vec<String> {
        self.0.iter().map(|(field, column)| format!("{field}={column}")).collect()
    }
}

/// How sources are to be imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What their categories mean.
    pub profile: Profile,
    /// Name of the set; that of the first file without its extension if not told.
    pub name: Option<String>,
    /// Version of the set, as its publisher has it.
    pub version: Option<String>,
    /// What the files are; seen from their content if not told.
    pub format: Option<ImportFormat>,
    /// Which column of a table holds what; seen from their names if not told.
    pub columns: Option<ColumnMap>,
    /// What the lines of a list are that has hex digits and nothing else; 64 digits leave it open.
    pub list: Option<ListKind>,
    /// Count malformed records instead of refusing the import.
    pub skip_bad_records: bool,
    /// The geometry that the codes were made with.
    pub geometry: Geometry,
}

/// Why an import was refused. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A source cannot be read.
    #[error("{}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A source is not what it is taken for.
    #[error("{}: {reason}", escape_path(path))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        reason: String,
    },
    /// A malformed record.
    #[error("{}, record {record}, byte {offset}: {reason}", escape_path(path))]
    Record {
        /// The file.
        path: PathBuf,
        /// Number in the file, from 1.
        record: u64,
        /// Offset in the file, from 0.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The set file cannot be written, or the import was ended.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the set says of itself.
    pub manifest: Manifest,
    /// What identifies it.
    pub identity: [u8; 32],
    /// (record, offset, reason) of the first record that was skipped, with its file.
    pub first_bad: Option<String>,
}

/// Imports sources, in their order, into one set file at `output`.
///
/// # Errors
/// File, record, offset and reason of the first malformed record; a source that is none; a disk that is full; or
/// `control` ended it. Nothing is left behind then, and a file that was at `output` is as it was.
pub fn import(
    inputs: &[PathBuf],
    output: &Path,
    options: &ImportOptions,
    control: &ImportControl,
) -> Result<Imported, ImportError> {
    // Whatever a reader makes of being cut short, the reason is this.
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
        bad_records: 0,
        bad_before: 0,
        records_before: 0,
        about: serde_json::Map::new(),
        first_bad: None,
    };
    let mut sources = Vec::with_capacity(inputs.len());
    let mut deletions = Deletions { inputs, noted: None, entries: 0 };
    for path in inputs {
        sources.push(read(path, &mut sink, &mut deletions)?);
    }
    let Sink { writer, bad_records, first_bad, .. } = sink;
    if writer.counts().records == 0 {
        let reason = match first_bad {
            Some(first) => format!("no record of it is sound; the first fault: {first}"),
            None => "it holds no records".into(),
        };
        return Err(ImportError::Refused { path: inputs.first().cloned().unwrap_or_default(), reason });
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
        bare: false,
        sources,
        counts: SetCounts { bad_records, ..writer.counts() },
    };
    let identity = writer.finish(manifest.clone(), control)?;
    Ok(Imported { manifest, identity, first_bad })
}

/// A name as it is, or escaped where it is no UTF-8. It is escaped again where it is shown.
fn plain(name: Option<&OsStr>) -> String {
    let name = name.unwrap_or_default();
    name.to_str().map_or_else(|| escape(name.as_encoded_bytes()), str::to_string)
}

/// What entries of NCMEC's documents withdraw, over all sources; noted when the first such document is met.
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
) -> Result<SourceFile, ImportError> {
    let mut source = Source::open(path, sink.control)?;
    let format = match (sink.options.format, &sink.options.columns) {
        (Some(format), _) => format,
        (None, Some(_)) => ImportFormat::Csv,
        (None, None) => {
            source::recognise(source.head(), sink.options.list).map_err(|reason| source.refused(reason))?
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
    Ok(SourceFile {
        name: plain(path.file_name()),
        size,
        sha256: hex(&sha256),
        format: format.name().into(),
        records: sink.writer.counts().records - sink.records_before,
        bad_records: sink.bad_records - sink.bad_before,
        about: std::mem::take(&mut sink.about),
    })
}

/// What is wrong with a record.
#[derive(Debug)]
struct Fault {
    /// Where, from the beginning of the record.
    at: usize,
    reason: String,
}

impl Fault {
    fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self { at: 0, reason }
    }
}

/// A record as a reader gives it.
#[derive(Debug, Default)]
struct Parsed<'a> {
    /// Its meaning is still to be looked up.
    record: KnownRecord<'a>,
    /// It has a PhotoDNA field that is no value of 144 bytes.
    photodna_unread: bool,
    /// Other fields that nothing is matched by and that are not as they should be: kept as they can be.
    odd_fields: u64,
}

/// Where records go.
struct Sink<'a> {
    writer: SetWriter,
    options: &'a ImportOptions,
    control: &'a ImportControl,
    /// The source in hand.
    path: &'a Path,
    /// Records of it, malformed ones too.
    record: u64,
    bad_records: u64,
    /// Counts when the source was begun.
    bad_before: u64,
    records_before: u64,
    /// What the source says beside its records.
    about: serde_json::Map<String, serde_json::Value>,
    first_bad: Option<String>,
}

impl<'a> Sink<'a> {
    fn begin(&mut self, path: &'a Path) {
        self.path = path;
        self.record = 0;
        self.bad_before = self.bad_records;
        self.records_before = self.writer.counts().records;
    }

    /// Takes the next record, which begins at `offset`.
    fn take(&mut self, offset: u64, parsed: Result<Parsed<'_>, Fault>) -> Result<(), ImportError> {
        self.record += 1;
        if self.control.is_cancelled() {
            return Err(SetError::Cancelled.into());
        }
        let Parsed { mut record, photodna_unread, odd_fields } = match parsed {
            Ok(parsed) => parsed,
            Err(fault) => return self.bad(offset, fault),
        };
        // A category is never a reason to leave a record out, so that --skip-bad-records does not skip it.
        let category = self.options.profile.category(record.facts.category.as_deref());
        let category = category
            .map_err(|reason| self.error(offset, format!("{reason} --profile-file takes one of your own")))?;
        record.facts.meaning = category.map(|category| category.meaning);
        self.writer.count_odd(photodna_unread, odd_fields);
        self.writer.push(&record)?;
        self.control.add_record();
        Ok(())
    }

    /// Counts a malformed record, or refuses the import because of it.
    fn bad(&mut self, offset: u64, fault: Fault) -> Result<(), ImportError> {
        let Fault { at, reason } = fault;
        let offset = offset + at as u64;
        if !self.options.skip_bad_records {
            return Err(
                self.error(offset, format!("{reason} (--skip-bad-records counts such records instead)"))
            );
        }
        self.bad_records += 1;
        if self.first_bad.is_none() {
            self.first_bad = Some(self.error(offset, reason).to_string());
        }
        Ok(())
    }

    /// A fault that ends the import whatever the options are.
    fn error(&self, offset: u64, reason: String) -> ImportError {
        ImportError::Record { path: self.path.to_path_buf(), record: self.record, offset, reason }
    }

    /// The source in hand is not what it is taken for.
    fn refused(&self, reason: String) -> ImportError {
        ImportError::Refused { path: self.path.to_path_buf(), reason }
    }

    fn skips(&self) -> bool {
        self.options.skip_bad_records
    }
}
