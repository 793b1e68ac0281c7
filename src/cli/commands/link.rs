//! `tamis link`: what cases and packages have in common.

use std::borrow::Cow;
use std::path::Path;

use crate::case::CaseReader;
use crate::cli::args::{Common, Link};
use crate::cli::config::Resources;
use crate::cli::console::Console;
use crate::cli::count_progress::CountProgress;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::{check_format, was_interrupted, with_output};
use crate::cli::protect::Protected;
use crate::engine::CancelToken;
use crate::matching::{JoinControl, JoinSettings, Threads};
use crate::report::columns::{Cell, Column, Kind};
use crate::report::rows::Rows;
use crate::share::ShareError;
use crate::share::holder::Holder;
use crate::share::link::{HolderCounts, LinkRow, LinkTools, Near, Side, link, refuse_incomparable};
use crate::share::read::PackageReader;
use crate::share::set_facts::SET_FACT_COLUMNS;
use crate::source::digest::hex;
use crate::source::name::escape_path;

use super::key::key_store;
use super::share::{key_for, require_trust};

/// Runs the command.
///
/// # Errors
/// If the usage is wrong, a case or package is refused, or the sink fails.
pub fn run(command: &Link, common: &Common, console: &Console) -> Result<Finished, CliError> {
    check_format(command.format, command.output.as_deref())?;
    refuse_usage(command)?;
    let output = command.output.as_deref();
    let mut protected = Protected::new(&[], &command.package);
    // Cases alone are linked without keys, so no keys folder is needed.
    if let Ok(store) = key_store(command.keys.keys.as_ref()) {
        protected = protected.and_keys(store.folder(), command.keys.passphrase_file.as_deref());
    }
    protected.refuse_output(output)?;
    for case in &command.cases {
        Protected::default().and_case(case).refuse_output(output)?;
    }
    let cancel = cancel_on_interrupt()?;
    let resources = Resources::resolve(common, &[]);
    let mut holders = match read_holders(command, &cancel, console) {
        Err(_) if cancel.is_cancelled() => return Ok(Finished::Interrupted),
        holders => holders?,
    };
    refuse_incomparable(&holders).map_err(CliError::failed)?;
    let pictures: u64 = holders.iter().map(Holder::pictures).sum();
    let backend = resources.start_backend(pictures, console)?;
    let pool = Threads::new("link", resources.jobs).map_err(CliError::failed)?;
    let join =
        JoinSettings { radius: command.distance, memory: resources.max_memory, ..JoinSettings::default() };
    let control = JoinControl::new(&cancel);
    let tools = LinkTools { join, pool: &pool, backend: &backend, control: &control };
    let items = pictures - holders.last().map_or(0, Holder::pictures);
    let progress = CountProgress::join(&control, items);
    let mut counts = None;
    let mut count = RowCount::default();
    let written = with_output(output, |out| {
        let mut rows = Rows::new(command.format.into(), columns(), out).map_err(CliError::failed)?;
        let sink = &mut |row: &LinkRow<'_>| {
            count.add(row);
            let texts = Texts { sha256_a: hex(&row.a.sha256), sha256_b: hex(&row.b.sha256) };
            rows.write(&cells(row, &texts)).map_err(ShareError::Sink)
        };
        let linked = progress.show(common.progress, console, || link(&mut holders, tools, sink));
        counts = Some(linked.map_err(CliError::failed)?);
        rows.finish().map_err(CliError::failed)
    });
    console.warnings(backend.take_notices());
    if was_interrupted(&written, &cancel, console) {
        return Ok(Finished::Interrupted);
    }
    written?;
    let text = summary(&counts.unwrap_or_default(), &count, command.distance);
    match output {
        None => console.note(text.trim_end()),
        Some(path) => {
            with_output(None, |out| out.write_all(text.as_bytes()).map_err(CliError::failed))?;
            console.note(format!("{} rows written to {}", count.same + count.near, escape_path(path)));
        }
    }
    Ok(Finished::Done)
}

/// Refuses a single holder, and one that is given twice.
fn refuse_usage(command: &Link) -> Result<(), CliError> {
    let mut given: Vec<&Path> = command.cases.iter().chain(&command.package).map(|path| &**path).collect();
    if given.len() < 2 {
        return Err(CliError::Usage("give at least two cases, or a case and --package FILE".into()));
    }
    let same = |a: &Path, b: &Path| {
        a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    while let Some(path) = given.pop() {
        if given.iter().any(|other| same(path, other)) {
            return Err(CliError::Usage(format!("{}: given twice", escape_path(path))));
        }
    }
    Ok(())
}

/// Cases first, then packages, each in the order of the command line.
fn read_holders(command: &Link, cancel: &CancelToken, console: &Console) -> Result<Vec<Holder>, CliError> {
    let mut holders = Vec::new();
    for case in &command.cases {
        let mut reader = CaseReader::open(case).map_err(CliError::failed)?;
        let cancel = cancel.clone();
        reader.hear(move || cancel.is_cancelled()).map_err(CliError::failed)?;
        let holder = Holder::of_case(reader, &escape_path(case), command.min_quality);
        holders.push(holder.map_err(CliError::failed)?);
    }
    if command.package.is_empty() {
        return Ok(holders);
    }
    let store = key_store(command.keys.keys.as_ref())?;
    let key = key_for(command.package.iter().map(|path| &**path), &store, &command.keys)?;
    for path in &command.package {
        let reader = PackageReader::open(path, key.as_ref()).map_err(CliError::failed)?;
        require_trust(&reader, &store, command.trust, console)?;
        let holder = Holder::of_package(reader, &escape_path(path), command.min_quality);
        holders.push(holder.map_err(CliError::failed)?);
    }
    Ok(holders)
}

/// Rows by kind.
#[derive(Debug, Default)]
struct RowCount {
    same: u64,
    near: u64,
    unconfirmed: u64,
}

impl RowCount {
    fn add(&mut self, row: &LinkRow<'_>) {
        match &row.near {
            None => self.same += 1,
            Some(near) => {
                self.near += 1;
                self.unconfirmed += u64::from(because(near).is_some());
            }
        }
    }
}

/// Why nearness is not confirmed from pixels.
const fn because(near: &Near) -> Option<&'static str> {
    match (near.a_from_coefficients, near.b_from_coefficients) {
        (false, false) => None,
        (true, false) => Some("coefficients_a"),
        (false, true) => Some("coefficients_b"),
        (true, true) => Some("coefficients_both"),
    }
}

/// The summary for a person.
fn summary(holders: &[HolderCounts], rows: &RowCount, distance: u32) -> String {
    let mut text =
        format!("\nLinks: {} with the same bytes, {} near within {distance} bits\n", rows.same, rows.near);
    if rows.unconfirmed > 0 {
        text.push_str(&format!(
            "  UNCONFIRMED: {} of the near ones rest on hashes from JPEG coefficients, which may be some bits off\n",
            rows.unconfirmed
        ));
    }
    text.push_str("\nContents (distinct bytes) by holder\n");
    text.push_str("      all     same     near  only here   solved  solved elsewhere  solved near  holder\n");
    for counts in holders {
        let HolderCounts {
            contents, same, near_only, only_here, solved, solved_elsewhere, solved_near, ..
        } = counts;
        text.push_str(&format!(
            "{contents:>9}{same:>9}{near_only:>9}{only_here:>11}{solved:>9}{solved_elsewhere:>18}{solved_near:>13}  {} ({})\n",
            counts.holder, counts.title
        ));
    }
    text.push_str(
        "  same: another holder has them too; near: no other holder has them, but one has a near picture\n\
         \x20 solved: a hash set records `victim identified`; elsewhere: only another holder's does, for the same bytes; near: for a near picture\n",
    );
    let alone: u64 = holders.iter().map(|counts| counts.bytes_alone).sum();
    if alone > 0 {
        text.push_str(&format!("  {alone} pictures of low quality were compared by their bytes alone\n"));
    }
    text
}

/// The columns of rows; JSON has the same names.
fn columns() -> Vec<Column> {
    let text = |name: &'static str| Column::new(name, Kind::Text);
    let text_or_none = |name: &'static str| Column::optional(name, Kind::Text);
    let mut columns = vec![
        text("holder_a"),
        text("sha256_a"),
        text_or_none("path_a"),
        text("holder_b"),
        text("sha256_b"),
        text_or_none("path_b"),
        text("kind"),
        text("confirmation"),
        text_or_none("unconfirmed_reason"),
        Column::optional("distance", Kind::Unsigned),
        text_or_none("orientation"),
    ];
    for side in ["a", "b"] {
        columns.extend(SET_FACT_COLUMNS.map(|name| Column {
            name: Cow::Owned(format!("{name}_{side}")),
            kind: Kind::Text,
            optional: true,
        }));
    }
    columns
}

/// The cells of a row, with the texts that they borrow.
struct Texts {
    sha256_a: String,
    sha256_b: String,
}

fn cells<'a>(row: &'a LinkRow<'_>, texts: &'a Texts) -> Vec<Cell<'a>> {
    let said = |side: &'a Side<'_>| {
        side.set_facts.iter().map(|text| if text.is_empty() { Cell::Empty } else { Cell::Text(text) })
    };
    let (kind, confirmation, unconfirmed) = match &row.near {
        None => ("same", "digest", None),
        Some(near) => match because(near) {
            None => ("near", "pixels", None),
            Some(reason) => ("near", "unconfirmed", Some(reason)),
        },
    };
    let mut cells = vec![
        Cell::Text(row.a.holder),
        (&texts.sha256_a).into(),
        (&row.a.path).into(),
        Cell::Text(row.b.holder),
        (&texts.sha256_b).into(),
        (&row.b.path).into(),
        Cell::Text(kind),
        Cell::Text(confirmation),
        unconfirmed.map_or(Cell::Empty, Cell::Text),
        row.near.map_or(Cell::Empty, |near| Cell::Unsigned(near.distance)),
        row.near.map_or(Cell::Empty, |near| Cell::Text(near.orientation.name())),
    ];
    cells.extend(said(&row.a).chain(said(&row.b)));
    cells
}
