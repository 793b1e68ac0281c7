//! `tamis hash`: hashes of pictures, without a case.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use serde::Serialize;

use crate::case::Fingerprint;
use crate::cli::args::{Common, Hash, HashFormat, ProgressStyle};
use crate::cli::config::Resources;
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::with_output;
use crate::cli::protect::Protected;
use crate::cli::run_progress::ProgressDisplay;
use crate::decode::Format;
use crate::engine::{HashedFile, Progress, RunSettings, hash_files};
use crate::outcome::{Failure, Outcome};
use crate::pdq::{DihedralHashes, Orientation};
use crate::report::columns::{Cell, Column, Kind};
use crate::report::rows::{self, RowFormat};
use crate::report::write_json_line;
use crate::source::name::{escape, escape_path};
use crate::source::{Excludes, access_times_notice, check_there};

/// Runs the command.
///
/// # Errors
/// If a path is not there, or the sink fails. Files that cannot be hashed are reported on standard
/// error and are not an error of the command.
pub fn run(command: &Hash, common: &Common, console: &Console) -> Result<Finished, CliError> {
    check_paths(&command.paths)?;
    Protected::new(&command.paths, &[]).refuse_output(command.output.as_deref())?;
    let cancel = cancel_on_interrupt()?;
    let resources = Resources::resolve(common, &command.paths);
    let backend = resources.start_backend(0, console)?;
    let settings = RunSettings {
        geometry: command.geometry.into(),
        decode: command.decode.into(),
        exclude: Excludes::new(&command.exclude),
        ..RunSettings::new(resources.jobs, resources.io_jobs, resources.max_memory)
    };
    let mut interrupted = false;
    let progress = Progress::default();
    // If the hashes themselves go to the terminal, they are the progress; they would tear a bar.
    let style = match common.progress {
        ProgressStyle::Auto if command.output.is_none() && io::stdout().is_terminal() => ProgressStyle::None,
        style => style,
    };
    let display = ProgressDisplay::new(style, console);
    with_output(command.output.as_deref(), |out| {
        let mut rows = Rows::new(command.format, command.orientations, out).map_err(CliError::failed)?;
        let mut sink = |file: HashedFile| {
            if let Err(failure) = &file.result {
                let (path, reason) = (escape_path(&file.path), escape(failure.reason.as_bytes()));
                console.note(format!("{path}: {}: {reason}", failure.outcome.name()));
            }
            rows.write(&file)?;
            // A user who watches sees each hash as it comes; a write costs nothing compared with decoding a picture.
            rows.flush()
        };
        interrupted = display
            .show(&progress, &backend, || {
                hash_files(&command.paths, &backend, &settings, &progress, &cancel, &mut sink)
            })
            .map_err(CliError::failed)?;
        rows.flush().map_err(CliError::failed)
    })?;
    console.warnings(progress.take_notices());
    console.warnings(backend.take_notices());
    if let Some(notice) = access_times_notice() {
        console.note(notice);
    }
    Ok(if interrupted { Finished::Interrupted } else { Finished::Done })
}

fn check_paths(paths: &[PathBuf]) -> Result<(), CliError> {
    for path in paths {
        if let Err(error) = check_there(path) {
            return Err(CliError::Usage(format!("{}: {error}", escape_path(path))));
        }
    }
    Ok(())
}

/// A view of a file, or a file without views, as a row of named fields.
#[derive(Serialize)]
struct Row {
    path: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    view: Option<String>,
    pdq: Option<String>,
    quality: Option<u8>,
    width: Option<u32>,
    height: Option<u32>,
    format: Option<&'static str>,
    derived_from: Option<&'static str>,
    unstable_bits: Option<u16>,
    #[serde(flatten)]
    turned: Option<TurnedHashes>,
}

/// The columns of a [`Row`].
static COLUMNS: [Column; 11] = [
    Column::new("path", Kind::Text),
    Column::new("outcome", Kind::Text),
    Column::optional("reason", Kind::Text),
    Column::optional("view", Kind::Text),
    Column::optional("pdq", Kind::Text),
    Column::optional("quality", Kind::Unsigned),
    Column::optional("width", Kind::Unsigned),
    Column::optional("height", Kind::Unsigned),
    Column::optional("format", Kind::Text),
    Column::optional("derived_from", Kind::Text),
    Column::optional("unstable_bits", Kind::Unsigned),
];

impl Row {
    /// The cells of [`COLUMNS`].
    fn cells(&self) -> [Cell<'_>; 11] {
        let number = |value: Option<u32>| value.map_or(Cell::Empty, Cell::Unsigned);
        let word = |value: Option<&'static str>| value.map_or(Cell::Empty, Cell::Text);
        [
            Cell::Text(&self.path),
            Cell::Text(self.outcome),
            Cell::from(&self.reason),
            Cell::from(&self.view),
            Cell::from(&self.pdq),
            number(self.quality.map(u32::from)),
            number(self.width),
            number(self.height),
            word(self.format),
            word(self.derived_from),
            number(self.unstable_bits.map(u32::from)),
        ]
    }
}

/// The hashes of the seven other orientations, under their names.
#[derive(Serialize)]
struct TurnedHashes {
    rotate_90: String,
    rotate_180: String,
    rotate_270: String,
    flip_x: String,
    flip_y: String,
    flip_plus_1: String,
    flip_minus_1: String,
}

impl From<&DihedralHashes> for TurnedHashes {
    fn from(hash: &DihedralHashes) -> Self {
        let [_, rotate_90, rotate_180, rotate_270, flip_x, flip_y, flip_plus_1, flip_minus_1] =
            hash.hashes.map(|hash| hash.to_string());
        Self { rotate_90, rotate_180, rotate_270, flip_x, flip_y, flip_plus_1, flip_minus_1 }
    }
}

/// The seven other orientations, without the picture's own.
fn turned() -> impl Iterator<Item = Orientation> {
    Orientation::ALL.into_iter().filter(|&orientation| orientation != Orientation::Original)
}

/// Writes rows in the requested format.
enum Rows<'a> {
    Text { out: &'a mut dyn Write, orientations: bool },
    Csv { rows: rows::Rows<'a>, orientations: bool },
    Jsonl { out: &'a mut dyn Write, orientations: bool },
}

impl<'a> Rows<'a> {
    fn new(format: HashFormat, orientations: bool, out: &'a mut dyn Write) -> io::Result<Self> {
        Ok(match format {
            HashFormat::Text => Self::Text { out, orientations },
            HashFormat::Jsonl => Self::Jsonl { out, orientations },
            HashFormat::Csv => {
                let mut columns = COLUMNS.to_vec();
                if orientations {
                    let column = |turned: Orientation| Column::optional(turned.name(), Kind::Text);
                    columns.extend(turned().map(column));
                }
                Self::Csv { rows: rows::Rows::new(RowFormat::Csv, columns, out)?, orientations }
            }
        })
    }

    /// Writes a row for each view of a file, or one that has none.
    fn write(&mut self, file: &HashedFile) -> io::Result<()> {
        match &file.result {
            Ok(views) => views.iter().try_for_each(|view| self.write_row(file, Ok(view))),
            Err(failure) => self.write_row(file, Err(failure)),
        }
    }

    fn write_row(&mut self, file: &HashedFile, result: Result<&Fingerprint, &Failure>) -> io::Result<()> {
        match self {
            Self::Text { out, orientations } => {
                result.map_or(Ok(()), |view| write_text(*out, file, view, *orientations))
            }
            Self::Csv { rows, orientations } => {
                let row = row(file, result, false);
                let turned: Vec<Option<String>> = turned()
                    .filter(|_| *orientations)
                    .map(|turned| Some(result.ok()?.picture.hash.hashes[turned as usize].to_string()))
                    .collect();
                let mut cells = row.cells().to_vec();
                cells.extend(turned.iter().map(Cell::from));
                rows.write(&cells)
            }
            Self::Jsonl { out, orientations } => write_json_line(*out, &row(file, result, *orientations)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Csv { rows, .. } => rows.flush(),
            Self::Text { out, .. } | Self::Jsonl { out, .. } => out.flush(),
        }
    }
}

/// `<64 hex>,<quality>,<path>`; with orientations one line each, with the orientation's name before the
/// path. A file has as many lines as views; one without a hash has none and is reported on standard error.
fn write_text(
    out: &mut dyn Write,
    file: &HashedFile,
    view: &Fingerprint,
    orientations: bool,
) -> io::Result<()> {
    let hash = &view.picture.hash;
    let path = escape_path(&file.path);
    if !orientations {
        return writeln!(out, "{},{},{path}", hash.hashes[0], hash.quality);
    }
    for (orientation, turned) in Orientation::ALL.into_iter().zip(hash.hashes) {
        writeln!(out, "{turned},{},{},{path}", hash.quality, orientation.name())?;
    }
    Ok(())
}

fn row(file: &HashedFile, result: Result<&Fingerprint, &Failure>, orientations: bool) -> Row {
    let hash = result.ok().map(|view| &view.picture.hash);
    let derivation = result.ok().map(|view| &view.picture.derivation);
    let failure = result.err();
    Row {
        path: escape_path(&file.path),
        outcome: failure.map_or(Outcome::Hashed, |failure| failure.outcome).name(),
        reason: failure.map(|failure| escape(failure.reason.as_bytes())),
        view: result.ok().map(|view| view.view.to_string()),
        pdq: hash.map(|hash| hash.hashes[0].to_string()),
        quality: hash.map(|hash| hash.quality),
        width: file.facts.width,
        height: file.facts.height,
        format: file.facts.format.map(Format::name),
        derived_from: derivation.map(|derivation| derivation.path.name()),
        unstable_bits: derivation.map(|derivation| derivation.unstable_bits),
        turned: hash.filter(|_| orientations).map(TurnedHashes::from),
    }
}
