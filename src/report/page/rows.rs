//! Tables of many rows: data in the page as JSON, shown by `table.js`, which filters and sorts them.
//!
//! A table is `{"rows": [[cell, …], …], "columns": [{"label", "kind", "shown", "choices"}, …]}`. Rows are written while the
//! case is read; the columns follow, because the words of a choice column are only known then. A cell is null, a whole
//! number or a text; in a column of choices it is the number of a word.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;

use serde::{Serialize, Serializer};

use super::html::{InScript, shown};
use super::language::Words;
use super::{Page, known_word};
use crate::case::{CaseReader, HitRow, ItemRow};
use crate::outcome::Outcome;
use crate::pdq::Orientation;
use crate::report::export::{ExportError, ExportKind, for_each_wanted};

/// A cell in JSON.
#[derive(Debug)]
enum Cell<'a> {
    Nothing,
    Number(i64),
    Text(Cow<'a, str>),
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

fn text(text: &str) -> Cell<'_> {
    Cell::Text(shown(text))
}

fn optional(value: Option<&str>) -> Cell<'_> {
    value.map_or(Cell::Nothing, text)
}

fn number(number: Option<i64>) -> Cell<'static> {
    number.map_or(Cell::Nothing, Cell::Number)
}

/// The words of a choice column, numbered by first use.
#[derive(Debug, Default)]
struct Choices {
    words: Vec<String>,
    numbers: HashMap<String, i64>,
}

impl Choices {
    /// The number of a stored name; `word` gives its label.
    fn cell<'n>(&mut self, name: &'n str, word: impl FnOnce(&'n str) -> Cow<'n, str>) -> Cell<'static> {
        if let Some(number) = self.numbers.get(name) {
            return Cell::Number(*number);
        }
        let number = self.words.len() as i64;
        self.words.push(shown(&word(name)).into_owned());
        self.numbers.insert(name.to_string(), number);
        Cell::Number(number)
    }

    fn optional<'n>(
        &mut self,
        name: Option<&'n str>,
        word: impl FnOnce(&'n str) -> Cow<'n, str>,
    ) -> Cell<'static> {
        name.map_or(Cell::Nothing, |name| self.cell(name, word))
    }
}

/// A column, for the script.
#[derive(Debug, Serialize)]
struct Column<'a> {
    label: Cow<'a, str>,
    /// "text", "number", "choice", or "code" for what is read digit by digit.
    kind: &'static str,
    /// Whether the table shows it initially; the details of a row show all columns.
    shown: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    choices: &'a [String],
    /// Whether its maximum can be set, as for distances.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bounded: bool,
}

impl<'a> Column<'a> {
    const fn new(label: &'a str, kind: &'static str) -> Self {
        Self { label: Cow::Borrowed(label), kind, shown: true, choices: &[], bounded: false }
    }

    fn choices(label: &'a str, choices: &'a Choices) -> Self {
        Self { choices: choices.words.as_slice(), ..Self::new(label, "choice") }
    }

    fn aside(self) -> Self {
        Self { shown: false, ..self }
    }
}

/// Writes the rows of a table into the page.
struct Rows<'a> {
    out: InScript<'a>,
    limit: u64,
    count: u64,
}

impl<'a> Rows<'a> {
    fn begin(out: &'a mut dyn Write, id: &str, limit: u64) -> Result<Self, ExportError> {
        write!(out, "<script type=\"application/json\" id=\"{id}-rows\">{{\"rows\":[")?;
        Ok(Self { out: InScript(out), limit, count: 0 })
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        self.count += 1;
        if self.count <= self.limit {
            if self.count > 1 {
                self.out.write_all(b",\n")?;
            }
            serde_json::to_writer(&mut self.out, cells).map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    fn end(mut self, columns: &[Column<'_>]) -> Result<u64, ExportError> {
        self.out.write_all(b"],\"columns\":")?;
        serde_json::to_writer(&mut self.out, columns).map_err(std::io::Error::from)?;
        self.out.0.write_all(b"}</script>\n")?;
        Ok(self.count)
    }
}

impl Page<'_> {
    /// The element where the script shows a table, with a note for browsers without scripts and for
    /// incomplete tables.
    fn table(&mut self, id: &str, label: &str, total: u64, export: &str) -> Result<(), ExportError> {
        let words = &self.words.table;
        let command = format!("<bdi dir=\"ltr\"><code>tamis export --case DIR {export}</code></bdi>");
        if total > self.max_rows {
            let cut = super::language::fill(
                words.cut,
                &[("shown", &self.words.number(self.max_rows)), ("total", &self.words.number(total))],
            );
            writeln!(self.out, "<p class=\"attention\">{cut} {command}</p>")?;
        }
        writeln!(self.out, "<noscript><p class=\"attention\">{} {command}</p></noscript>", words.no_script)?;
        Ok(writeln!(self.out, "<div class=\"rows\" id=\"{id}\" data-label=\"{label}\"></div>")?)
    }

    /// The table of hits; returns how many there are.
    pub(super) fn hit_rows(&mut self, case: &CaseReader) -> Result<u64, ExportError> {
        let (words, data) = (self.words, self.data);
        self.table("hits-table", words.hits.heading, data.hits(), "hits")?;
        let known_columns = case.known_columns()?;
        let [mut sets, mut kinds, mut orientations, mut verifications, mut confirmed] =
            <[Choices; 5]>::default();
        let [mut reasons, mut sources, mut digests, mut derived_froms] = <[Choices; 4]>::default();
        let mut rows = Rows::begin(self.out, "hits-table", self.max_rows)?;
        case.for_each_hit_by_priority(|hit| {
            let HitRow { kind, confirmation, .. } = &hit;
            let set = format!("{} {}", hit.hash_set, hit.hash_set_sha256);
            let mut cells = vec![
                text(if hit.path.is_empty() { &hit.source } else { &hit.path }),
                sets.cell(&set, |_| data.set_name(&hit.hash_set, &hit.hash_set_sha256).into()),
                Cell::Number(hit.record),
                kinds.cell(kind, |name| known_word(name, ["digest", "perceptual"], words.names.kinds)),
                number(hit.distance),
                orientations.optional(hit.orientation.as_deref(), |name| orientation(name, words)),
                verifications.cell(confirmation, |name| {
                    known_word(name, ["digest", "pixels", "unconfirmed"], words.names.verifications)
                }),
                confirmed.cell(if confirmation == "unconfirmed" { "no" } else { "yes" }, |name| {
                    known_word(name, ["no", "yes"], [words.labels.no, words.labels.yes])
                }),
                number(hit.quality),
                number(hit.known_quality),
                reasons.optional(hit.unconfirmed_reason.as_deref(), |name| {
                    known_word(name, super::UNCONFIRMED, words.names.unconfirmed)
                }),
                digests.optional(Some(hit.digests.as_str()).filter(|names| !names.is_empty()), Cow::Borrowed),
                derived_froms.optional(hit.derived_from.as_deref(), |name| {
                    known_word(name, super::DERIVED_FROM, words.names.derived_froms)
                }),
                sources.cell(&hit.source, Cow::Borrowed),
                text(&hit.sha256),
                Cell::Text(match hit.records {
                    ..=1 => shown(&hit.listed),
                    records => format!("{records}: {}", shown(&hit.listed)).into(),
                }),
            ];
            cells.extend(known_columns.iter().map(|name| optional(hit.known.get(name).map(String::as_str))));
            rows.row(&cells)
        })?;
        let labels = &words.labels;
        let mut columns = vec![
            Column::new(labels.item, "text"),
            Column::choices(labels.hash_set, &sets),
            Column::new(labels.record, "number"),
            Column::choices(labels.kind, &kinds),
            Column { bounded: true, ..Column::new(labels.distance, "number") },
            Column::choices(labels.orientation, &orientations),
            Column::choices(labels.confirmation, &verifications),
            Column::choices(labels.confirmed, &confirmed),
            Column::new(labels.quality, "number"),
            Column::new(labels.known_quality, "number").aside(),
            Column::choices(labels.unconfirmed_reason, &reasons).aside(),
            Column::choices(labels.digests, &digests).aside(),
            Column::choices(labels.derived_from, &derived_froms).aside(),
            Column::choices(labels.source, &sources).aside(),
            Column::new("SHA-256", "code").aside(),
            Column::new(labels.records, "text").aside(),
        ];
        columns.extend(known_columns.iter().map(|name| Column {
            label: format!("{} · {}", words.labels.hash_set, shown(name)).into(),
            ..Column::new("", "text").aside()
        }));
        rows.end(&columns)
    }

    /// The table of errors; returns how many there are.
    pub(super) fn error_rows(&mut self, case: &CaseReader) -> Result<u64, ExportError> {
        let (words, data) = (self.words, self.data);
        self.table("errors-table", words.errors.heading, data.failed(), "errors")?;
        let [mut outcomes, mut stages, mut formats, mut sources] = <[Choices; 4]>::default();
        let mut rows = Rows::begin(self.out, "errors-table", self.max_rows)?;
        for_each_wanted(case, ExportKind::Errors, |item: ItemRow| {
            rows.row(&[
                text(if item.path.is_empty() { &item.source } else { &item.path }),
                outcomes.cell(&item.outcome, |name| outcome_word(name, words)),
                stages.optional(item.stage.as_deref(), |name| {
                    known_word(name, super::STAGES, words.names.stages)
                }),
                optional(item.reason.as_deref()),
                formats.optional(item.format.as_deref(), Cow::Borrowed),
                number(item.size),
                sources.cell(&item.source, Cow::Borrowed),
                optional(item.duplicate_of.as_deref()),
                optional(item.modified.as_deref()),
                optional(item.sha256.as_deref()),
            ])
        })?;
        let labels = &words.labels;
        rows.end(&[
            Column::new(labels.item, "text"),
            Column::choices(labels.outcome, &outcomes),
            Column::choices(labels.stage, &stages),
            Column::new(labels.reason, "text"),
            Column::choices(labels.format, &formats),
            Column::new(labels.size, "number"),
            Column::choices(labels.source, &sources).aside(),
            Column::new(labels.copy_of, "text").aside(),
            Column::new(labels.modified, "text").aside(),
            Column::new("SHA-256", "code").aside(),
        ])
    }

    /// The table of stacks; returns how many there are.
    pub(super) fn stack_rows(&mut self, case: &CaseReader, total: u64) -> Result<u64, ExportError> {
        let words = self.words;
        self.table("stacks-table", words.stacks.heading, total, "stacks")?;
        let mut sources = Choices::default();
        let mut rows = Rows::begin(self.out, "stacks-table", self.max_rows)?;
        case.for_each_stack(|stack| {
            rows.row(&[
                Cell::Number(stack.number),
                Cell::Number(stack.contents),
                Cell::Number(stack.items),
                Cell::Number(stack.diameter),
                Cell::Number(stack.with_hits),
                text(if stack.path.is_empty() { &stack.source } else { &stack.path }),
                sources.cell(&stack.source, Cow::Borrowed),
                text(&stack.sha256),
            ])
        })?;
        let labels = &words.labels;
        rows.end(&[
            Column::new(labels.stack, "number"),
            Column::new(labels.pictures, "number"),
            Column::new(labels.files, "number"),
            Column::new(labels.diameter, "number"),
            Column::new(labels.members_with_hits, "number"),
            Column::new(labels.medoid, "text"),
            Column::choices(labels.source, &sources).aside(),
            Column::new("SHA-256", "code").aside(),
        ])
    }
}

/// The label of an orientation.
fn orientation<'a>(name: &'a str, words: &'static Words) -> Cow<'a, str> {
    known_word(name, Orientation::ALL.map(Orientation::name), words.names.orientations)
}

/// The label of an outcome.
pub(super) fn outcome_word<'a>(name: &'a str, words: &'static Words) -> Cow<'a, str> {
    known_word(name, Outcome::ALL.map(Outcome::name), words.names.outcomes.map(|(word, _)| word))
}
