//! Columns and cells of rows, the source of CSV and Parquet. JSON Lines come from the rows themselves.

use std::borrow::Cow;
use std::io::{self, Write};

use super::export_kind::ExportKind;
use crate::case::{HitRow, ItemRow, PriorityRow, StackRow};
use crate::source::name::guarded;

/// The type of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers from 0 to 2³² − 1.
    Unsigned,
    /// 64-bit integers, as in the case.
    Integer,
    /// Numbers with a fraction, of 64 bits.
    Real,
    /// Yes or no.
    Boolean,
    /// UTF-8.
    Text,
}

/// A column of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Cow<'static, str>,
    /// The type of its cells.
    pub kind: Kind,
    /// Whether cells may be empty.
    pub optional: bool,
}

impl Column {
    /// A column whose cells are never empty.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name: Cow::Borrowed(name), kind, optional: false }
    }

    /// A column whose cells may be empty.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name: Cow::Borrowed(name), kind, optional: true }
    }
}

/// A cell of a row; its kind is its column's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value: an empty field of CSV, null elsewhere.
    Empty,
    /// A number of a column of [`Kind::Unsigned`].
    Unsigned(u32),
    /// A number of a column of [`Kind::Integer`].
    Integer(i64),
    /// A number of a column of [`Kind::Real`].
    Real(f64),
    /// Of a column of [`Kind::Boolean`].
    Boolean(bool),
    /// Of a column of [`Kind::Text`], as it is shown: escaped already.
    Text(&'a str),
}

impl Cell<'_> {
    /// Writes it for CSV, without quoting, with texts [`guarded`]; nothing for [`Cell::Empty`].
    ///
    /// # Errors
    /// If the sink fails.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Empty => Ok(()),
            Self::Unsigned(number) => write!(out, "{number}"),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Real(number) => write!(out, "{number}"),
            Self::Boolean(yes) => write!(out, "{yes}"),
            Self::Text(text) => out.write_all(guarded(text).as_bytes()),
        }
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Empty, Self::Integer)
    }
}

impl From<bool> for Cell<'_> {
    fn from(yes: bool) -> Self {
        Self::Boolean(yes)
    }
}

impl From<Option<bool>> for Cell<'_> {
    fn from(yes: Option<bool>) -> Self {
        yes.map_or(Self::Empty, Self::Boolean)
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_ref().into()
    }
}

impl<'a> From<Option<&'a String>> for Cell<'a> {
    fn from(text: Option<&'a String>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text))
    }
}

const fn text(name: &'static str) -> Column {
    Column::new(name, Kind::Text)
}

const fn text_or_none(name: &'static str) -> Column {
    Column::optional(name, Kind::Text)
}

const fn integer(name: &'static str) -> Column {
    Column::new(name, Kind::Integer)
}

const fn integer_or_none(name: &'static str) -> Column {
    Column::optional(name, Kind::Integer)
}

/// Fields of [`ItemRow`], in order.
static ITEM_COLUMNS: [Column; 29] = [
    text("source"),
    text("path"),
    text("outcome"),
    text_or_none("stage"),
    text_or_none("reason"),
    text_or_none("duplicate_of"),
    text("state"),
    integer_or_none("size"),
    text_or_none("modified"),
    text_or_none("accessed"),
    text_or_none("created"),
    text_or_none("md5"),
    text_or_none("sha1"),
    text_or_none("sha256"),
    text_or_none("format"),
    integer_or_none("width"),
    integer_or_none("height"),
    text_or_none("pdq"),
    integer_or_none("quality"),
    text_or_none("derived_from"),
    integer_or_none("unstable_bits"),
    text_or_none("fallback_reason"),
    text_or_none("taken"),
    text_or_none("camera_make"),
    text_or_none("camera_model"),
    integer_or_none("exif_orientation"),
    Column::optional("partial", Kind::Real),
    integer_or_none("children"),
    integer_or_none("refused"),
];

/// Cells of the columns of items, in their order.
pub(super) fn item_cells(row: &ItemRow) -> [Cell<'_>; ITEM_COLUMNS.len()] {
    [
        (&row.source).into(),
        (&row.path).into(),
        (&row.outcome).into(),
        (&row.stage).into(),
        (&row.reason).into(),
        (&row.duplicate_of).into(),
        (&row.state).into(),
        row.size.into(),
        (&row.modified).into(),
        (&row.accessed).into(),
        (&row.created).into(),
        (&row.md5).into(),
        (&row.sha1).into(),
        (&row.sha256).into(),
        (&row.format).into(),
        row.width.into(),
        row.height.into(),
        (&row.pdq).into(),
        row.quality.into(),
        (&row.derived_from).into(),
        row.unstable_bits.into(),
        (&row.fallback_reason).into(),
        (&row.taken).into(),
        (&row.camera_make).into(),
        (&row.camera_model).into(),
        row.exif_orientation.into(),
        row.partial.map_or(Cell::Empty, Cell::Real),
        row.children.into(),
        row.refused.into(),
    ]
}

/// Fields of [`HitRow`], in order, without those of the known record.
static HIT_COLUMNS: [Column; 27] = [
    text("source"),
    text("path"),
    text("hash_set"),
    text("hash_set_sha256"),
    integer("record"),
    integer("records"),
    text("listed"),
    text("kind"),
    text("digests"),
    text("confirmation"),
    text_or_none("unconfirmed_reason"),
    integer_or_none("distance"),
    text_or_none("orientation"),
    text_or_none("view"),
    integer_or_none("quality"),
    integer_or_none("known_quality"),
    integer("more"),
    text("sha256"),
    text_or_none("pdq"),
    text_or_none("derived_from"),
    text_or_none("category"),
    text_or_none("category_label"),
    text_or_none("category_raw"),
    text_or_none("victim_identified"),
    text_or_none("offender_identified"),
    text_or_none("distributed"),
    text_or_none("series"),
];

/// Cells of the columns of hits, in their order; `known` names the known records' own columns.
pub(super) fn hit_cells<'a>(row: &'a HitRow, known: &[String]) -> Vec<Cell<'a>> {
    let own: [Cell<'_>; HIT_COLUMNS.len()] = [
        (&row.source).into(),
        (&row.path).into(),
        (&row.hash_set).into(),
        (&row.hash_set_sha256).into(),
        row.record.into(),
        row.records.into(),
        (&row.listed).into(),
        (&row.kind).into(),
        (&row.digests).into(),
        (&row.confirmation).into(),
        (&row.unconfirmed_reason).into(),
        row.distance.into(),
        (&row.orientation).into(),
        (&row.view).into(),
        row.quality.into(),
        row.known_quality.into(),
        row.more.into(),
        (&row.sha256).into(),
        (&row.pdq).into(),
        (&row.derived_from).into(),
        (&row.category).into(),
        (&row.category_label).into(),
        (&row.category_raw).into(),
        (&row.victim_identified).into(),
        (&row.offender_identified).into(),
        (&row.distributed).into(),
        (&row.series).into(),
    ];
    own.into_iter().chain(known.iter().map(|name| row.known.get(name).into())).collect()
}

/// Fields of [`PriorityRow`], in order.
static PRIORITY_COLUMNS: [Column; 13] = [
    integer_or_none("rank"),
    text_or_none("rule"),
    text("source"),
    text("path"),
    text("outcome"),
    text_or_none("sha256"),
    integer_or_none("stack"),
    integer_or_none("stack_contents"),
    integer("hits"),
    Column::new("by_digest", Kind::Boolean),
    integer_or_none("distance"),
    text_or_none("categories"),
    text_or_none("series"),
];

/// Cells of the columns of priorities, in their order.
pub(super) fn priority_cells(row: &PriorityRow) -> [Cell<'_>; PRIORITY_COLUMNS.len()] {
    [
        row.rank.into(),
        (&row.rule).into(),
        (&row.source).into(),
        (&row.path).into(),
        (&row.outcome).into(),
        (&row.sha256).into(),
        row.stack.into(),
        row.stack_contents.into(),
        row.hits.into(),
        row.by_digest.into(),
        row.distance.into(),
        (&row.categories).into(),
        (&row.series).into(),
    ]
}

/// Fields of [`StackRow`], in order.
static STACK_COLUMNS: [Column; 11] = [
    integer("stack"),
    integer("stack_contents"),
    integer("diameter"),
    integer("distance"),
    Column::new("medoid", Kind::Boolean),
    text("source"),
    text("path"),
    text("sha256"),
    text("pdq"),
    integer("quality"),
    text("derived_from"),
];

/// Cells of the columns of stacks, in their order.
pub(super) fn stack_cells(row: &StackRow) -> [Cell<'_>; STACK_COLUMNS.len()] {
    [
        row.stack.into(),
        row.stack_contents.into(),
        row.diameter.into(),
        row.distance.into(),
        row.medoid.into(),
        (&row.source).into(),
        (&row.path).into(),
        (&row.sha256).into(),
        (&row.pdq).into(),
        row.quality.into(),
        (&row.derived_from).into(),
    ]
}

/// The columns of an export, even without rows; `known` names the known records' own columns, which hits
/// have.
#[must_use]
pub fn columns(kind: ExportKind, known: &[String]) -> Vec<Column> {
    match kind {
        ExportKind::Items | ExportKind::Errors => ITEM_COLUMNS.to_vec(),
        ExportKind::Priorities => PRIORITY_COLUMNS.to_vec(),
        ExportKind::Stacks => STACK_COLUMNS.to_vec(),
        ExportKind::Hits => {
            let mut columns = HIT_COLUMNS.to_vec();
            for name in known {
                // Column names must be unique.
                let plain = format!("known_{name}");
                let numbered = (2..).map(|number| format!("{plain}_{number}"));
                let mut names = std::iter::once(plain.clone()).chain(numbered);
                let free = names.find(|name| columns.iter().all(|column| column.name != **name));
                columns.push(Column { name: Cow::Owned(free.unwrap_or(plain)), ..text_or_none("") });
            }
            columns
        }
    }
}
