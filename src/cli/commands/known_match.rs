//! `tamis known match`: the pairs of records of two set files of the same or nearly the same material.

use std::borrow::Cow;
use std::time::Instant;

use crate::cli::args::Common;
use crate::cli::args::known::KnownMatch;
use crate::cli::config::Resources;
use crate::cli::console::Console;
use crate::cli::count_progress::CountProgress;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::{check_format, was_interrupted, with_output};
use crate::cli::protect::Protected;
use crate::known::compare::{
    CompareControl, CompareCounts, CompareError, CompareSettings, CompareTools, ComparedSet, DIGESTS,
    RecordPair, compare,
};
use crate::known::profile::Classification;
use crate::known::{SetError, SetFile, StoredRecord, publisher_id};
use crate::matching::{JoinSettings, Threads};
use crate::report::columns::{Cell, Column, Kind};
use crate::report::rows::Rows;
use crate::source::name::{escape, escape_path};

/// Runs the command.
///
/// # Errors
/// If the usage is wrong, a set is refused, or the sink fails.
pub(super) fn run(command: &KnownMatch, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let output = command.output.as_deref();
    check_format(command.format, output)?;
    let given = [command.left.clone(), command.right.clone()];
    Protected::new(&[], &given).refuse_output(output)?;
    let (left, right) = open(command)?;
    let cancel = cancel_on_interrupt()?;
    let resources = Resources::resolve(common, &[]);
    let pool = Threads::new("compare", resources.jobs).map_err(CliError::failed)?;
    let read = |set| ComparedSet::new(set, command.min_quality, &|| cancel.is_cancelled());
    let sides = match read(&left).and_then(|left| Ok([left, read(&right)?])) {
        Err(SetError::Cancelled) => {
            console.note("interrupted: the sets were not read completely");
            return Ok(Finished::Interrupted);
        }
        sides => sides.map_err(CliError::failed)?,
    };
    report_set_aside(&sides, command.min_quality, console);
    let backend = resources.start_backend(sides[1].hashes(), console)?;
    let settings = CompareSettings {
        photodna: command.photodna_distance,
        join: JoinSettings {
            radius: command.distance,
            method: command.join,
            memory: resources.max_memory,
            ..JoinSettings::default()
        },
    };
    let control = CompareControl::new(&cancel);
    let tools = CompareTools { pool: &pool, backend: &backend, control: &control };
    let progress = CountProgress::comparison(&control, sides[0].work());
    let started = Instant::now();
    let mut counts = None;
    let written = with_output(output, |out| {
        let mut rows = Rows::new(command.format.into(), columns(), out).map_err(CliError::failed)?;
        let sink = &mut |pair: &RecordPair| write(pair, [&left, &right], &mut rows);
        let [one, other] = &sides;
        let compared = progress.show(common.progress, console, || compare(one, other, settings, tools, sink));
        counts = Some(compared.map_err(|error| match error {
            CompareError::Sink(error) => error,
            error => CliError::failed(error),
        })?);
        rows.finish().map_err(CliError::failed)
    });
    console.warnings(backend.take_notices());
    if was_interrupted(&written, &cancel, console) {
        return Ok(Finished::Interrupted);
    }
    written?;
    report_pairs(&counts.unwrap_or_default(), command, started, console);
    Ok(Finished::Done)
}

/// Opens both sets.
fn open(command: &KnownMatch) -> Result<(SetFile, SetFile), CliError> {
    let left = SetFile::open(&command.left).map_err(CliError::failed)?;
    let right = SetFile::open(&command.right).map_err(CliError::failed)?;
    if left.identity() == right.identity() {
        return Err(CliError::Usage(format!(
            "{} and {} are the same set (give two different sets)",
            escape_path(&command.left),
            escape_path(&command.right)
        )));
    }
    Ok((left, right))
}

/// Reports what takes no part.
fn report_set_aside(sides: &[ComparedSet<'_>; 2], min_quality: u8, console: &Console) {
    for (side, set) in ["left", "right"].into_iter().zip(sides) {
        let (low, zero, values) = (set.counts.low_quality, set.counts.null_hashes, set.zero_values);
        if low + zero + values > 0 {
            console.note(format!(
                "{side}: {low} PDQ hashes with a quality under {min_quality}, {zero} null PDQ hashes and {values} null PhotoDNA values \
                 are set aside"
            ));
        }
    }
}

/// What was found, on standard error.
fn report_pairs(counts: &CompareCounts, command: &KnownMatch, started: Instant, console: &Console) {
    if let Some((left, right)) = counts.first_conflict {
        console.warning(format!(
            "{} pairs have an equal weaker digest and a different stronger one, and do not count as pairs by digest: a wrong \
             record, or files made to collide; the first: left {}, right {}",
            counts.conflicts,
            u64::from(left) + 1,
            u64::from(right) + 1
        ));
    }
    let [digest, photodna, pdq] = counts.by_method;
    console.note(format!(
        "{} pairs, of {} records of the left set: {digest} by digest, {photodna} by PhotoDNA within {}, {pdq} by PDQ within {} bits, \
         each by its strongest method, in {:.2} s",
        counts.pairs(),
        counts.left_records,
        command.photodna_distance,
        command.distance,
        started.elapsed().as_secs_f64()
    ));
    if let Some(path) = &command.output {
        console.note(format!("written to {}", escape_path(path)));
    }
}

/// What a row shows of either record.
const FACTS: [(&str, Kind); 7] = [
    ("id", Kind::Text),
    ("category", Kind::Text),
    ("category_label", Kind::Text),
    ("victim_identified", Kind::Boolean),
    ("offender_identified", Kind::Boolean),
    ("distributed", Kind::Boolean),
    ("series", Kind::Text),
];

/// The columns of rows; JSON has the same names.
fn columns() -> Vec<Column> {
    let mut columns = vec![
        Column::new("left", Kind::Integer),
        Column::new("right", Kind::Integer),
        Column::new("matched_by", Kind::Text),
        Column::new("distance", Kind::Unsigned),
        Column::optional("equal_digests", Kind::Text),
        Column::optional("photodna_distance", Kind::Unsigned),
        Column::optional("pdq_distance", Kind::Unsigned),
    ];
    for side in ["left", "right"] {
        let named = |name| Cow::Owned(format!("{side}_{name}"));
        columns.extend(FACTS.map(|(name, kind)| Column { name: named(name), kind, optional: true }));
    }
    columns
}

/// The texts of a record that cells borrow, escaped.
struct Texts {
    id: Option<String>,
    label: Option<String>,
    series: Option<String>,
}

impl Texts {
    fn of(set: &SetFile, record: &StoredRecord) -> Self {
        let shown = |text: &str| escape(text.as_bytes());
        let facts = &record.facts;
        let category = set.manifest().profile.category(facts.category.as_deref()).ok().flatten();
        Self {
            id: publisher_id(&record.fields),
            label: category.map(|category| shown(&category.label)),
            series: facts.series.as_deref().map(shown),
        }
    }
}

/// The cells of a record, in the order of [`FACTS`].
fn facts<'a>(record: &StoredRecord, texts: &'a Texts) -> [Cell<'a>; FACTS.len()] {
    let facts = &record.facts;
    [
        (&texts.id).into(),
        facts.classification.map(Classification::name).map_or(Cell::Empty, Cell::Text),
        (&texts.label).into(),
        facts.victim_identified.into(),
        facts.offender_identified.into(),
        facts.distributed.into(),
        (&texts.series).into(),
    ]
}

/// Writes the row of a pair.
fn write(pair: &RecordPair, [left, right]: [&SetFile; 2], rows: &mut Rows<'_>) -> Result<(), CliError> {
    let Some((method, distance)) = pair.strongest() else { return Ok(()) };
    let one = left.record(pair.left).map_err(CliError::failed)?;
    let other = right.record(pair.right).map_err(CliError::failed)?;
    let (texts, other_texts) = (Texts::of(left, &one), Texts::of(right, &other));
    let equal: Vec<&str> =
        DIGESTS.into_iter().zip(pair.equal).filter(|(_, equal)| *equal).map(|(name, _)| name).collect();
    let equal = equal.join("; ");
    let number = |record: u32| Cell::Integer(i64::from(record) + 1);
    let within = |distance: Option<u32>| distance.map_or(Cell::Empty, Cell::Unsigned);
    let mut cells = vec![
        number(pair.left),
        number(pair.right),
        Cell::Text(method.name()),
        Cell::Unsigned(distance),
        if equal.is_empty() { Cell::Empty } else { Cell::Text(&equal) },
        within(pair.photodna),
        within(pair.pdq),
    ];
    cells.extend(facts(&one, &texts));
    cells.extend(facts(&other, &other_texts));
    rows.write(&cells).map_err(CliError::failed)
}
