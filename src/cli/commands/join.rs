//! `tamis join`: every pair of hashes of two lists, or of one with itself.

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::cli::args::{Common, Join, RowFormat};
use crate::cli::config::Resources;
use crate::cli::console::Console;
use crate::cli::count_progress::CountProgress;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::{Place, check_format, place, with_output};
use crate::cli::protect::Protected;
use crate::cli::resumable::Resumable;
use crate::engine::CancelToken;
use crate::known::{HashList, names_orientations};
use crate::matching::join::JoinSink;
use crate::matching::{self, Backend, ItemHits, JoinControl, JoinError, JoinReport, JoinSettings, Threads};
use crate::pdq::{Geometry, PdqHash};
use crate::report::columns::{Cell, Column, Kind};
use crate::report::parquet::ParquetRows;
use crate::report::write_json_line;
use crate::source::digest::hex;
use crate::source::name::escape_path;

/// Runs the command.
///
/// # Errors
/// If the usage is wrong, a list is not valid, or the sink fails.
pub fn run(command: &Join, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let (left, right) = match (&command.lists[..], command.with_itself) {
        ([list], true) => (list, None),
        ([left, right], false) => (left, Some(right)),
        ([_], false) => return Err(CliError::Usage("give two lists, or one with --self".into())),
        _ => return Err(CliError::Usage("--self takes one list".into())),
    };
    check_format(command.format, command.output.as_deref())?;
    Protected::new(&[], &command.lists).refuse_output(command.output.as_deref())?;
    let cancel = cancel_on_interrupt()?;
    let resources = Resources::resolve(common, &[]);
    let settings = JoinSettings {
        radius: command.distance,
        method: command.join,
        max_hits: command.max_hits_per_item,
        memory: resources.max_memory,
        ..JoinSettings::default()
    };
    let pool = Threads::new("join", resources.jobs).map_err(CliError::failed)?;
    let lists = Lists::read(left, right.map(|right| &**right), command)?;
    lists.report_set_aside(console, command.min_quality);
    let backend = resources.start_backend(lists.right_hashes(), console)?;
    let started = Instant::now();
    let work = Work {
        lists: &lists,
        settings,
        command,
        common,
        console,
        pool: &pool,
        backend: &backend,
        cancel: &cancel,
    };
    let written = match place(command.output.as_deref())? {
        // A file that grows by rows can be resumed.
        Place::Beside(path) if command.format != RowFormat::Parquet => work.resumably(&path),
        _ => work.at_once(),
    };
    console.warnings(backend.take_notices());
    if cancel.is_cancelled() && written.is_err() {
        return Ok(Finished::Interrupted);
    }
    report_pairs(&written?, command, started, console);
    Ok(Finished::Done)
}

/// What a join needs.
struct Work<'a> {
    lists: &'a Lists,
    settings: JoinSettings,
    command: &'a Join,
    common: &'a Common,
    console: &'a Console,
    pool: &'a Threads,
    backend: &'a Backend,
    cancel: &'a CancelToken,
}

/// What decides a result, as noted next to a partial one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Decisive {
    lists: Vec<String>,
    with_itself: bool,
    orientations: bool,
    negatives: bool,
    distance: u32,
    min_quality: u8,
    max_hits_per_item: Option<usize>,
    format: String,
}

/// Where to resume, and what was handed out before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Reached {
    next: usize,
    items_with_hits: u64,
    hits: u64,
    more: u64,
}

impl Work<'_> {
    /// Writes to a sink that starts from the beginning when the join does.
    fn at_once(&self) -> Result<JoinReport, CliError> {
        let mut report = None;
        let written = with_output(self.command.output.as_deref(), |out| {
            report = Some(self.join(None, &mut Plain(out))?);
            Ok(())
        });
        if self.cancel.is_cancelled() && written.is_err() {
            self.console.note("interrupted: any output written so far is incomplete");
        }
        written?;
        report.ok_or_else(|| CliError::Failed("the join did not start".into()))
    }

    /// Writes to a file, or resumes what an earlier run left of it.
    fn resumably(&self, path: &Path) -> Result<JoinReport, CliError> {
        let Join { with_itself, orientations, negatives, distance, min_quality, max_hits_per_item, .. } =
            *self.command;
        let settings = Decisive {
            lists: self.lists.digests(),
            with_itself,
            orientations,
            negatives,
            distance,
            min_quality,
            max_hits_per_item,
            format: format!("{:?}", self.command.format),
        };
        let (mut file, place) = Resumable::open::<Reached>(path, settings)?;
        if let Some(Reached { next, hits, .. }) = place {
            self.console.note(format!(
                "resuming an earlier run: {next} of {} items are done, with {hits} pairs",
                self.lists.items()
            ));
        }
        match self.join(place, &mut file) {
            Ok(report) => file.finish().map(|()| report),
            Err(error) => {
                if file.leave() {
                    self.console.note(
                        "the same command resumes from here; the result gets its name when it is complete",
                    );
                } else {
                    self.console.note("no part of the result was kept");
                }
                Err(error)
            }
        }
    }

    fn join(&self, place: Option<Reached>, out: &mut dyn Output) -> Result<JoinReport, CliError> {
        let Self { lists, command, .. } = *self;
        let control = JoinControl::new(self.cancel);
        let mut rows = Rows::new(command.format, command.negatives, lists, out, place.is_none())
            .map_err(CliError::failed)?;
        let progress = CountProgress::join(&control, lists.items() as u64);
        let joined = progress.show(self.common.progress, self.console, || {
            let join = lists.join(self.settings, command.negatives, self.pool);
            let Reached { next, items_with_hits, hits, more } =
                place.unwrap_or(Reached { next: 0, items_with_hits: 0, hits: 0, more: 0 });
            let before = JoinReport { items_with_hits, hits, more, ..JoinReport::default() };
            join.on(self.pool).with_backend(self.backend).run_from(next, before, &control, &mut rows)
        });
        let report = joined.map_err(|error| match error {
            JoinError::Cancelled => CliError::Failed("interrupted: there is no complete result".into()),
            JoinError::Sink(error) => CliError::failed(error),
        })?;
        rows.finish().map_err(CliError::failed)?;
        Ok(report)
    }
}

/// Where rows go.
trait Output: Write {
    /// All rows of the items before `reached.next` are written.
    fn reached(&mut self, reached: Reached) -> io::Result<()>;
}

/// A sink that keeps no checkpoint.
struct Plain<'a>(&'a mut dyn Write);

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for Plain<'_> {
    fn reached(&mut self, _: Reached) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Resumable<Decisive> {
    fn reached(&mut self, reached: Reached) -> io::Result<()> {
        Self::reached(self, reached)
    }
}

/// What the join found, on standard error.
fn report_pairs(report: &JoinReport, command: &Join, started: Instant, console: &Console) {
    console.detail(format!("joined {}", report.plan));
    let JoinReport { hits, items_with_hits, items, .. } = report;
    let seconds = started.elapsed().as_secs_f64();
    console.note(format!(
        "{hits} pairs within {} bits, of {items_with_hits} of {items} items, in {seconds:.2} s",
        command.distance
    ));
    if let (more @ 1.., Some(most)) = (report.more, command.max_hits_per_item) {
        console.warning(format!(
            "{more} more pairs are not listed: --max-hits-per-item {most} keeps only the nearest"
        ));
    }
    if let Some(path) = &command.output {
        console.note(format!("written to {}", escape_path(path)));
    }
}

/// The lists of a join.
enum Lists {
    Hashes(HashList<PdqHash>, Option<HashList<PdqHash>>),
    Oriented(HashList<[PdqHash; 8]>, Right),
}

/// The right side of a join with orientations.
enum Right {
    Itself(Vec<PdqHash>),
    Hashes(HashList<PdqHash>),
    Pictures(HashList<[PdqHash; 8]>, Vec<PdqHash>),
}

impl Lists {
    fn read(left: &Path, right: Option<&Path>, command: &Join) -> Result<Self, CliError> {
        let quality = command.min_quality;
        let lists = if command.orientations {
            let left = HashList::<[PdqHash; 8]>::read(left, quality).map_err(CliError::failed)?;
            let right = match right {
                None => Right::Itself(left.originals()),
                Some(path) if names_orientations(path).map_err(CliError::failed)? => {
                    let pictures = HashList::<[PdqHash; 8]>::read(path, quality).map_err(CliError::failed)?;
                    let originals = pictures.originals();
                    Right::Pictures(pictures, originals)
                }
                Some(path) => {
                    Right::Hashes(HashList::<PdqHash>::read(path, quality).map_err(CliError::failed)?)
                }
            };
            Self::Oriented(left, right)
        } else {
            let read = |path| HashList::<PdqHash>::read(path, quality).map_err(CliError::failed);
            Self::Hashes(read(left)?, right.map(read).transpose()?)
        };
        lists.check_geometry()?;
        Ok(lists)
    }

    /// Hashes of different geometries must not be compared. A list that does not state its geometry is taken to
    /// have the other's.
    fn check_geometry(&self) -> Result<(), CliError> {
        let (left, right) = match self {
            Self::Hashes(left, right) => (left.geometry, right.as_ref().and_then(|right| right.geometry)),
            Self::Oriented(left, Right::Itself(_)) => (left.geometry, None),
            Self::Oriented(left, Right::Hashes(right)) => (left.geometry, right.geometry),
            Self::Oriented(left, Right::Pictures(right, _)) => (left.geometry, right.geometry),
        };
        match (left, right) {
            (Some(left), Some(right)) if left != right => Err(CliError::Failed(format!(
                "the left list's hashes have geometry {}, the right list's have {}, and the two cannot be compared (hash the \
                 pictures again with --geometry {})",
                left.name(),
                right.name(),
                if right == Geometry::Full { "full" } else { "te512" }
            ))),
            _ => Ok(()),
        }
    }

    fn items(&self) -> usize {
        match self {
            Self::Hashes(left, _) => left.items.len(),
            Self::Oriented(left, _) => left.items.len(),
        }
    }

    /// Number of hashes that are searched.
    fn right_hashes(&self) -> u64 {
        let hashes = match self {
            Self::Hashes(_, Some(right)) | Self::Oriented(_, Right::Hashes(right)) => right.items.len(),
            Self::Oriented(_, Right::Pictures(right, _)) => right.items.len(),
            Self::Hashes(_, None) | Self::Oriented(_, Right::Itself(_)) => self.items(),
        };
        hashes as u64
    }

    fn join(&self, settings: JoinSettings, negatives: bool, pool: &Threads) -> matching::Join<'_> {
        // The pool's threads sort the right side too.
        let join = pool.install(|| match self {
            Self::Hashes(list, None) => matching::Join::with_itself(&list.items, settings),
            Self::Hashes(left, Some(right)) => matching::Join::new(&left.items, &right.items, settings),
            Self::Oriented(list, Right::Itself(originals)) => {
                matching::Join::with_itself_oriented(&list.items, originals, settings)
            }
            Self::Oriented(left, Right::Hashes(right)) => {
                matching::Join::with_orientations(&left.items, &right.items, settings)
            }
            Self::Oriented(left, Right::Pictures(_, originals)) => {
                matching::Join::with_orientations(&left.items, originals, settings)
            }
        });
        if negatives { join.with_negatives() } else { join }
    }

    /// What distinguishes the lists from others.
    fn digests(&self) -> Vec<String> {
        let digests = match self {
            Self::Hashes(left, None) => vec![left.sha256()],
            Self::Hashes(left, Some(right)) => vec![left.sha256(), right.sha256()],
            Self::Oriented(left, Right::Itself(_)) => vec![left.sha256()],
            Self::Oriented(left, Right::Hashes(right)) => vec![left.sha256(), right.sha256()],
            Self::Oriented(left, Right::Pictures(right, _)) => vec![left.sha256(), right.sha256()],
        };
        digests.iter().map(|digest| hex(digest)).collect()
    }

    fn left_number(&self, item: u32) -> u32 {
        match self {
            Self::Hashes(left, _) => left.number(item),
            Self::Oriented(left, _) => left.number(item),
        }
    }

    fn right_number(&self, item: u32) -> u32 {
        match self {
            Self::Hashes(_, Some(right)) | Self::Oriented(_, Right::Hashes(right)) => right.number(item),
            Self::Oriented(_, Right::Pictures(right, _)) => right.number(item),
            Self::Hashes(_, None) | Self::Oriented(_, Right::Itself(_)) => self.left_number(item),
        }
    }

    /// Reports what takes no part.
    fn report_set_aside(&self, console: &Console, min_quality: u8) {
        match self {
            Self::Hashes(left, right) => {
                report_aside("left", left, min_quality, console);
                right.iter().for_each(|right| report_aside("right", right, min_quality, console));
            }
            Self::Oriented(left, right) => {
                report_aside("left", left, min_quality, console);
                match right {
                    Right::Itself(_) => {}
                    Right::Hashes(right) => report_aside("right", right, min_quality, console),
                    Right::Pictures(right, _) => report_aside("right", right, min_quality, console),
                }
            }
        }
    }
}

fn report_aside<T>(side: &str, list: &HashList<T>, min_quality: u8, console: &Console) {
    let HashList { count, low_quality, null_hashes, .. } = list;
    if low_quality + null_hashes > 0 {
        console.note(format!(
            "{side}: of {count} items, {low_quality} with a quality under {min_quality} and {null_hashes} with a null hash are set \
             aside"
        ));
    }
}

/// Writes rows in the requested format.
struct Rows<'a> {
    form: Form<'a>,
    lists: &'a Lists,
    /// Whether rows show which are of negatives.
    negatives: bool,
}

/// The format, and where rows go.
enum Form<'a> {
    /// With room for a line.
    Csv(&'a mut dyn Output, Vec<u8>),
    Jsonl(&'a mut dyn Output),
    Parquet(Box<ParquetRows<'a>>),
}

/// The columns of a row; CSV and JSON have the same names.
static COLUMNS: [Column; 5] = [
    Column::new("left", Kind::Unsigned),
    Column::new("right", Kind::Unsigned),
    Column::new("distance", Kind::Unsigned),
    Column::new("orientation", Kind::Text),
    Column::new("negative", Kind::Boolean),
];

/// The columns of a join: the last one only if negatives are searched for.
fn columns(negatives: bool) -> &'static [Column] {
    &COLUMNS[..COLUMNS.len() - usize::from(!negatives)]
}

/// A row of JSON.
#[derive(Serialize)]
struct Row<'a> {
    left: u32,
    right: u32,
    distance: u32,
    orientation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative: Option<bool>,
}

/// Hits of an item that are not listed.
#[derive(Serialize)]
struct More {
    left: u32,
    more: u64,
}

impl JoinSink for Rows<'_> {
    type Error = io::Error;

    fn item(&mut self, hits: &ItemHits) -> io::Result<()> {
        self.write(hits)
    }

    fn reached(&mut self, next: usize, report: &JoinReport) -> io::Result<()> {
        let JoinReport { items_with_hits, hits, more, .. } = *report;
        match &mut self.form {
            Form::Csv(out, _) | Form::Jsonl(out) => {
                out.reached(Reached { next, items_with_hits, hits, more })
            }
            Form::Parquet(_) => Ok(()),
        }
    }
}

impl<'a> Rows<'a> {
    /// Begins rows; resumed ones have their header already.
    fn new(
        format: RowFormat,
        negatives: bool,
        lists: &'a Lists,
        out: &'a mut dyn Output,
        at_the_beginning: bool,
    ) -> io::Result<Self> {
        let columns = columns(negatives);
        let form = match format {
            RowFormat::Csv => {
                let names: Vec<_> = columns.iter().map(|column| &*column.name).collect();
                if at_the_beginning {
                    writeln!(out, "{}", names.join(","))?;
                }
                Form::Csv(out, Vec::new())
            }
            RowFormat::Jsonl => Form::Jsonl(out),
            RowFormat::Parquet => Form::Parquet(Box::new(ParquetRows::new(columns, out)?)),
        };
        Ok(Self { form, lists, negatives })
    }

    fn write(&mut self, item: &ItemHits) -> io::Result<()> {
        let left = self.lists.left_number(item.left);
        for hit in &item.hits {
            let (right, distance) = (self.lists.right_number(hit.right), hit.distance);
            let orientation = hit.orientation.name();
            let negative = hit.negative;
            let [one, other, bits] = [left, right, distance].map(Cell::Unsigned);
            let cells = [one, other, bits, Cell::Text(orientation), Cell::Boolean(negative)];
            let cells = &cells[..columns(self.negatives).len()];
            match &mut self.form {
                Form::Csv(out, line) => write_csv(*out, line, cells)?,
                Form::Parquet(rows) => rows.row(cells)?,
                Form::Jsonl(out) => {
                    let negative = self.negatives.then_some(negative);
                    write_json_line(*out, &Row { left, right, distance, orientation, negative })?;
                }
            }
        }
        match &mut self.form {
            Form::Jsonl(out) if item.more > 0 => write_json_line(*out, &More { left, more: item.more }),
            Form::Jsonl(_) | Form::Csv(..) | Form::Parquet(_) => Ok(()),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Csv(out, _) | Form::Jsonl(out) => out.flush(),
            Form::Parquet(rows) => rows.finish(),
        }
    }
}

/// Writes a row. No cell of a join needs quotes.
fn write_csv(out: &mut dyn Output, line: &mut Vec<u8>, cells: &[Cell<'_>]) -> io::Result<()> {
    line.clear();
    for cell in cells {
        cell.write(line)?;
        line.push(b',');
    }
    line.pop();
    line.push(b'\n');
    out.write_all(line)
}
