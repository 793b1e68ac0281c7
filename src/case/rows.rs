//! Rows of exports: items, and hits.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row, Statement, params};

use super::CaseError;

/// One item, as the view `items` of `docs/case-schema.md` has it. Texts are escaped (`docs/names.md`).
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ItemRow {
    /// The source.
    pub source: String,
    /// Path below it; empty where the source is one file.
    pub path: String,
    /// The outcome's name.
    pub outcome: String,
    /// The stage that decided a failure.
    pub stage: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// Of every copy but the first: the whole path of the first.
    pub duplicate_of: Option<String>,
    /// What kind of place it was found in: "live", or as [`super::PlaceState`] names it.
    pub state: String,
    /// Bytes.
    pub size: Option<i64>,
    /// Last change, ISO 8601, UTC.
    pub modified: Option<String>,
    /// Last access before we first read it, where the system keeps it.
    pub accessed: Option<String>,
    /// Creation, where the system keeps it.
    pub created: Option<String>,
    /// Hex.
    pub md5: Option<String>,
    /// Hex.
    pub sha1: Option<String>,
    /// Hex.
    pub sha256: Option<String>,
    /// The format by content.
    pub format: Option<String>,
    /// Pixels, as stored.
    pub width: Option<i64>,
    /// Pixels, as stored.
    pub height: Option<i64>,
    /// 64 hex digits.
    pub pdq: Option<String>,
    /// 0…100.
    pub quality: Option<i64>,
    /// What the hash was derived from: "pixels" or "coefficients".
    pub derived_from: Option<String>,
    /// How many of the hash's bits are unstable.
    pub unstable_bits: Option<i64>,
    /// Why a JPEG's hash is from pixels and not from coefficients; "verified" if a candidate was decoded for its
    /// confirmation.
    pub fallback_reason: Option<String>,
    /// EXIF time.
    pub taken: Option<String>,
    /// EXIF make.
    pub camera_make: Option<String>,
    /// EXIF model.
    pub camera_model: Option<String>,
    /// EXIF orientation, 1…8.
    pub exif_orientation: Option<i64>,
    /// Of a damaged picture that was hashed: the share that was decoded, from 0 to 1.
    pub partial: Option<f64>,
    /// Items inside its content.
    pub children: Option<i64>,
    /// Entries of its content that are not items.
    pub refused: Option<i64>,
}

/// One item against the records of a set that have its digest, or that have a hash which is near to its own; as the view `hits`
/// has it. Values of several records are all listed, sorted and separated by semicolons.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HitRow {
    /// The item's source.
    pub source: String,
    /// The item's path below it.
    pub path: String,
    /// The hash set's name: its file's, which two sets may share.
    pub hash_set: String,
    /// SHA-256 of its file, which is its identity.
    pub hash_set_sha256: String,
    /// The number of the lowest record in it, from 1.
    pub record: i64,
    /// How many records there are.
    pub records: i64,
    /// Numbers of the first of them, and of the first of each that differs, separated by semicolons.
    pub listed: String,
    /// "digest" or "perceptual".
    pub kind: String,
    /// Which digests are equal: "md5", "sha1", "sha256", separated by blanks.
    pub digests: String,
    /// What confirms the hit: "digest", "pixels", or "unconfirmed" for a hash from coefficients alone.
    pub confirmation: String,
    /// Why it is not confirmed from pixels.
    pub unconfirmed_reason: Option<String>,
    /// Differing bits of 256, where the hashes are near.
    pub distance: Option<i64>,
    /// What was done to the known picture, where the hashes are near.
    pub orientation: Option<String>,
    /// The item's view that is near.
    pub view: Option<String>,
    /// The view's quality.
    pub quality: Option<i64>,
    /// The known hash's quality, where the set gives one.
    pub known_quality: Option<i64>,
    /// Hashes of the set that the item is near to and that are not listed: the nearest are.
    pub more: i64,
    /// The item's SHA-256.
    pub sha256: String,
    /// The item's hash.
    pub pdq: Option<String>,
    /// What it was derived from.
    pub derived_from: Option<String>,
    /// The classification of the known record's category in its set's profile (`known::profile::Classification`). Only set files have it, and
    /// all that follows.
    pub category: Option<String>,
    /// The profile's name for it.
    pub category_label: Option<String>,
    /// The category as the set's source has it.
    pub category_raw: Option<String>,
    /// A victim was identified: "yes" or "no", or "no; yes" where records differ.
    pub victim_identified: Option<String>,
    /// An offender was identified.
    pub offender_identified: Option<String>,
    /// It is known to have been distributed.
    pub distributed: Option<String>,
    /// The series that it belongs to.
    pub series: Option<String>,
    /// The known records' own columns.
    pub known: BTreeMap<String, String>,
}

/// All that a [`HitRow`] has.
pub(super) const HITS: &str = "SELECT source, path, hash_set, record, kind, digests, confirmation, unconfirmed_reason, distance,
        orientation, quality, known_quality, sha256, nullif(pdq, ''), derived_from, columns, lower(hex(file_sha256)), category,
        category_label, category_raw, victim_identified, offender_identified, distributed, series, records, listed, more,
        hash_set_id, list, view
    FROM hits";

/// Lists whose columns are kept.
const KEPT_LISTS: usize = 256;

/// Columns of records that are hit together, as one. The last few are kept, since all items with a content have the same. (The view does not
/// use JSON functions, which SQLite distrusts in a schema.)
pub(super) struct ListColumns<'a> {
    statement: Statement<'a>,
    kept: HashMap<(i64, [u8; 16]), BTreeMap<String, String>>,
}

impl<'a> ListColumns<'a> {
    pub fn new(connection: &'a Connection) -> Result<Self, CaseError> {
        let statement = connection.prepare(
            "SELECT columns FROM listed_record JOIN set_record USING (hash_set, record)
             WHERE listed_record.hash_set = ?1 AND listed_record.list = ?2 ORDER BY record",
        )?;
        Ok(Self { statement, kept: HashMap::new() })
    }

    /// Of each column the distinct values, in the order of the records.
    fn of(&mut self, set: i64, list: [u8; 16]) -> Result<BTreeMap<String, String>, CaseError> {
        if let Some(columns) = self.kept.get(&(set, list)) {
            return Ok(columns.clone());
        }
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut rows = self.statement.query(params![set, list])?;
        while let Some(row) = rows.next()? {
            for (name, value) in columns_of(Some(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?))? {
                let values = all.entry(name).or_default();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        let columns: BTreeMap<String, String> =
            all.into_iter().map(|(name, values)| (name, values.join("; "))).collect();
        if self.kept.len() >= KEPT_LISTS {
            self.kept.clear();
        }
        self.kept.insert((set, list), columns.clone());
        Ok(columns)
    }
}

/// A known record's own columns, from their JSON.
fn columns_of(columns: Option<&str>) -> Result<BTreeMap<String, String>, CaseError> {
    serde_json::from_str(columns.unwrap_or("{}"))
        .map_err(|error| CaseError::damaged_by("columns of a known record", error))
}

pub(super) fn item_row(row: &Row<'_>) -> rusqlite::Result<ItemRow> {
    Ok(ItemRow {
        source: row.get(0)?,
        path: row.get(1)?,
        outcome: row.get(2)?,
        stage: row.get(3)?,
        reason: row.get(4)?,
        duplicate_of: row.get(5)?,
        size: row.get(6)?,
        modified: row.get(7)?,
        accessed: row.get(24)?,
        created: row.get(8)?,
        md5: row.get(9)?,
        sha1: row.get(10)?,
        sha256: row.get(11)?,
        format: row.get(12)?,
        width: row.get(13)?,
        height: row.get(14)?,
        pdq: row.get(15)?,
        quality: row.get(16)?,
        derived_from: row.get(17)?,
        unstable_bits: row.get(18)?,
        fallback_reason: row.get(19)?,
        taken: row.get(20)?,
        camera_make: row.get(21)?,
        camera_model: row.get(22)?,
        exif_orientation: row.get(23)?,
        state: row.get(25)?,
        partial: row.get(26)?,
        children: row.get(27)?,
        refused: row.get(28)?,
    })
}

pub(super) fn hit_row(row: &Row<'_>, lists: &mut ListColumns<'_>) -> Result<HitRow, CaseError> {
    let records: i64 = row.get(24)?;
    let known = if records > 1 {
        lists.of(row.get(27)?, row.get(28)?)?
    } else {
        columns_of(row.get_ref(15)?.as_str_or_null().map_err(rusqlite::Error::from)?)?
    };
    Ok(HitRow {
        source: row.get(0)?,
        path: row.get(1)?,
        hash_set: row.get(2)?,
        hash_set_sha256: row.get(16)?,
        record: row.get(3)?,
        kind: row.get(4)?,
        digests: row.get(5)?,
        confirmation: row.get(6)?,
        unconfirmed_reason: row.get(7)?,
        distance: row.get(8)?,
        orientation: row.get(9)?,
        quality: row.get(10)?,
        known_quality: row.get(11)?,
        sha256: row.get(12)?,
        pdq: row.get(13)?,
        derived_from: row.get(14)?,
        category: row.get(17)?,
        category_label: row.get(18)?,
        category_raw: row.get(19)?,
        victim_identified: row.get(20)?,
        offender_identified: row.get(21)?,
        distributed: row.get(22)?,
        series: row.get(23)?,
        records,
        listed: row.get(25)?,
        more: row.get(26)?,
        view: row.get(29)?,
        known,
    })
}
