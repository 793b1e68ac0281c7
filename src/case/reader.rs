//! Reading a case for reports: counts, and rows in a fixed order.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, Statement, params};

use super::info::read_info;
use super::open::connect_for_reading;
use super::schema::has_item;
use super::store::{match_lists, read_spec};
use super::{CaseError, CaseIdentity, HashSpec, SetId};
use crate::outcome::Outcome;
use crate::source::database::hear;
use crate::source::name::{escape, path_from_bytes};

/// An open case that is only read. Works during a run that writes, and sees what it has stored so far.
#[derive(Debug)]
pub struct CaseReader {
    pub(super) connection: Connection,
    folder: PathBuf,
}

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

/// A hash set of the case and its hits; a hit is an item against the records with its digest, or against a hash that is near.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SetCounts {
    /// Its name.
    pub name: String,
    /// Where it was read from.
    pub path: String,
    /// SHA-256 of its file.
    pub file_sha256: String,
    /// Records in it.
    pub records: u64,
    /// Hashes that took part.
    pub hashes: u64,
    /// Of these, hashes without a quality.
    pub hashes_without_quality: u64,
    /// Hashes that were set aside because of their quality.
    pub low_quality: u64,
    /// Hashes that were set aside because they are all zero.
    pub null_hashes: u64,
    /// Malformed lines that were skipped.
    pub malformed_lines: u64,
    /// Largest distance of a hit.
    pub distance: u64,
    /// Minimum quality of a hash that took part.
    pub min_quality: u64,
    /// Which candidates were decoded for a confirmation.
    pub verify: String,
    /// Hits by digest.
    pub digest_hits: u64,
    /// Hits by hash alone.
    pub perceptual_hits: u64,
    /// Of these, hits that are not confirmed from pixels.
    pub unconfirmed_hits: u64,
    /// Items with a hit.
    pub items: u64,
    /// Distinct contents that were not matched against the set yet.
    pub unmatched: u64,
    /// Items that are near to more hashes of the set than are listed.
    pub saturated_items: u64,
    /// Their hits that are counted and not listed.
    pub unlisted_hits: u64,
    /// Items of trivial content (no bytes, or one repeated) whose digest the set has: not matched.
    pub trivial_items: u64,
}

impl CaseReader {
    /// Opens a case for reading; also one on a read-only medium.
    ///
    /// # Errors
    /// If the folder is not a case, or is one of another version.
    pub fn open(folder: &Path) -> Result<Self, CaseError> {
        Ok(Self { connection: connect_for_reading(folder)?, folder: folder.to_path_buf() })
    }

    /// From here on `cancelled` can end the reader's current query, which fails with [`CaseError::Interrupted`].
    ///
    /// # Errors
    /// If SQLite refuses the handler.
    pub fn hear(&mut self, cancelled: impl FnMut() -> bool + Send + 'static) -> Result<(), CaseError> {
        Ok(hear(&mut self.connection, cancelled)?)
    }

    /// The case's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whose case it is.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn identity(&self) -> Result<CaseIdentity, CaseError> {
        Ok(CaseIdentity {
            case_number: read_info(&self.connection, "case_number")?,
            exhibit: read_info(&self.connection, "exhibit")?,
            examiner: read_info(&self.connection, "examiner")?,
        })
    }

    /// What decides its hashes.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn spec(&self) -> Result<HashSpec, CaseError> {
        read_spec(&self.connection)
    }

    /// Paths of the sources, escaped, sorted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn sources(&self) -> Result<Vec<String>, CaseError> {
        let mut statement = self.connection.prepare("SELECT path FROM source ORDER BY path_raw")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Paths of the sources, raw, sorted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn source_paths(&self) -> Result<Vec<PathBuf>, CaseError> {
        let mut statement = self.connection.prepare("SELECT path_raw FROM source ORDER BY path_raw")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        Ok(rows.map(|raw| Ok(path_from_bytes(&raw?))).collect::<Result<_, rusqlite::Error>>()?)
    }

    /// The sources whose last run was stopped before their end, escaped, in the same order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn incomplete_sources(&self) -> Result<Vec<String>, CaseError> {
        let mut statement =
            self.connection.prepare("SELECT path FROM source WHERE NOT complete ORDER BY path_raw")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Items and their bytes; of these, items whose processing is not finished.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn item_counts(&self) -> Result<ItemCounts, CaseError> {
        Ok(self.connection.query_row(
            "SELECT count(*), coalesce(sum(size), 0),
                 coalesce(sum(sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM content WHERE content.sha256 = live_item.sha256)), 0)
             FROM live_item",
            [],
            |row| {
                Ok(ItemCounts { items: unsigned(row, 0)?, bytes: unsigned(row, 1)?, unfinished: unsigned(row, 2)? })
            },
        )?)
    }

    /// Items by outcome, in the order of [`Outcome::ALL`], without zeros. Their sum is the number of items
    /// that are finished.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn outcome_counts(&self) -> Result<Vec<(Outcome, u64)>, CaseError> {
        let mut counts = BTreeMap::new();
        let mut statement = self.connection.prepare(
            // Contents are read once, in the order of their rows.
            "SELECT outcome, count(*), 0 FROM live_item WHERE sha256 IS NULL GROUP BY outcome
             UNION ALL
             SELECT outcome, count(*), sum(items) - count(*) FROM (
                 SELECT content.outcome AS outcome, count(*) AS items
                 FROM content CROSS JOIN live_item ON live_item.sha256 = content.sha256 GROUP BY content.id)
             GROUP BY outcome",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let outcome = Outcome::from_name(&name).ok_or_else(|| {
                CaseError::damaged(format!("it has an outcome `{}`", escape(name.as_bytes())))
            })?;
            let (first, copies) = (unsigned(row, 1)?, unsigned(row, 2)?);
            let copy = match outcome {
                Outcome::Hashed | Outcome::Other => Outcome::Duplicate,
                failed => failed,
            };
            *counts.entry(outcome).or_insert(0) += first;
            *counts.entry(copy).or_insert(0) += copies;
        }
        Ok(Outcome::ALL
            .into_iter()
            .filter_map(|outcome| counts.get(&outcome).map(|&count| (outcome, count)))
            .filter(|(_, count)| *count > 0)
            .collect())
    }

    /// The hash sets and their hits, by name and file.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn set_counts(&self) -> Result<Vec<SetCounts>, CaseError> {
        let unmatched = self.unmatched()?;
        let mut statement = self.connection.prepare(
            "SELECT hash_set.name, hash_set.path, lower(hex(hash_set.file_sha256)), hash_set.records, hash_set.hashes,
                 hash_set.distance, hash_set.min_quality, hash_set.verify,
                 coalesce(sum(hit.md5 OR hit.sha1 OR hit.sha256), 0),
                 coalesce(sum(NOT (hit.md5 OR hit.sha1 OR hit.sha256)), 0),
                 coalesce(sum(hit.confirmation = 'unconfirmed'), 0),
                 count(DISTINCT live_item.id),
                 hash_set.hashes_without_quality, hash_set.low_quality, hash_set.null_hashes, hash_set.malformed_lines,
                 (SELECT count(*) FROM saturated JOIN content ON content.id = saturated.content
                      JOIN live_item ON live_item.sha256 = content.sha256 WHERE saturated.hash_set = hash_set.id),
                 (SELECT coalesce(sum(saturated.more), 0) FROM saturated JOIN content ON content.id = saturated.content
                      JOIN live_item ON live_item.sha256 = content.sha256 WHERE saturated.hash_set = hash_set.id),
                 (SELECT count(*) FROM set_aside JOIN content ON content.id = set_aside.content
                      JOIN live_item ON live_item.sha256 = content.sha256 WHERE set_aside.hash_set = hash_set.id),
                 hash_set.id
             FROM hash_set
             LEFT JOIN (hit JOIN content ON content.id = hit.content JOIN live_item ON live_item.sha256 = content.sha256)
                 ON hit.hash_set = hash_set.id
             GROUP BY hash_set.id ORDER BY hash_set.name, hash_set.file_sha256",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(SetCounts {
                name: row.get(0)?,
                path: row.get(1)?,
                file_sha256: row.get(2)?,
                records: unsigned(row, 3)?,
                hashes: unsigned(row, 4)?,
                distance: unsigned(row, 5)?,
                min_quality: unsigned(row, 6)?,
                verify: row.get(7)?,
                digest_hits: unsigned(row, 8)?,
                perceptual_hits: unsigned(row, 9)?,
                unconfirmed_hits: unsigned(row, 10)?,
                items: unsigned(row, 11)?,
                unmatched: unmatched.get(&SetId(row.get(19)?)).copied().unwrap_or(0),
                hashes_without_quality: unsigned(row, 12)?,
                low_quality: unsigned(row, 13)?,
                null_hashes: unsigned(row, 14)?,
                malformed_lines: unsigned(row, 15)?,
                saturated_items: unsigned(row, 16)?,
                unlisted_hits: unsigned(row, 17)?,
                trivial_items: unsigned(row, 18)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// For each set how many contents that items have were not matched against it yet. Contents are counted by their list of sets, if it lacks
    /// one.
    fn unmatched(&self) -> Result<HashMap<SetId, u64>, CaseError> {
        let mut sets = self.connection.prepare("SELECT id FROM hash_set")?;
        let sets: Vec<SetId> = sets.query_map([], |row| row.get(0).map(SetId))?.collect::<Result<_, _>>()?;
        let mut count = self.connection.prepare(concat!(
            "SELECT count(*) FROM match_state CROSS JOIN content ON content.id = match_state.content
             WHERE match_state.list = ?1 AND ",
            has_item!()
        ))?;
        let mut unmatched = HashMap::new();
        for (list, matched) in match_lists(&self.connection)? {
            let missing: Vec<SetId> = sets.iter().copied().filter(|set| !matched.contains(set)).collect();
            if !missing.is_empty() {
                let contents = count.query_row([list], |row| unsigned(row, 0))?;
                for set in missing {
                    *unmatched.entry(set).or_insert(0) += contents;
                }
            }
        }
        Ok(unmatched)
    }

    /// Items with a hit in any set.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn items_with_hits(&self) -> Result<u64, CaseError> {
        let count = self.connection.query_row(
            "SELECT count(*) FROM live_item JOIN content ON content.sha256 = live_item.sha256
             WHERE EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id)",
            [],
            |row| unsigned(row, 0),
        )?;
        Ok(count)
    }

    /// Items that are pictures with a hash, duplicates included, and have no hit in any set.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn pictures_without_hits(&self) -> Result<u64, CaseError> {
        let count = self.connection.query_row(
            "SELECT count(*) FROM content CROSS JOIN live_item ON live_item.sha256 = content.sha256
             WHERE EXISTS (SELECT 1 FROM fingerprint WHERE fingerprint.content = content.id)
                 AND NOT EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id)",
            [],
            |row| unsigned(row, 0),
        )?;
        Ok(count)
    }

    /// Perceptual hits that are not confirmed from pixels, by reason, sorted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unconfirmed_counts(&self) -> Result<Vec<(String, u64)>, CaseError> {
        let mut statement = self.connection.prepare(
            "SELECT hit.unconfirmed_reason, count(*) FROM hit
             JOIN content ON content.id = hit.content JOIN live_item ON live_item.sha256 = content.sha256
             WHERE hit.confirmation = 'unconfirmed' GROUP BY hit.unconfirmed_reason ORDER BY hit.unconfirmed_reason",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Perceptual hits that are confirmed from pixels, by distance, sorted, without zeros.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn distance_counts(&self) -> Result<Vec<(u32, u64)>, CaseError> {
        let mut statement = self.connection.prepare(
            "SELECT hit.distance, count(*) FROM hit
             JOIN content ON content.id = hit.content JOIN live_item ON live_item.sha256 = content.sha256
             WHERE hit.confirmation = 'pixels' GROUP BY hit.distance ORDER BY hit.distance",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every finished item, by the bytes of its source's path and its own.
    ///
    /// # Errors
    /// If the database cannot be read, or `visit` fails.
    pub fn for_each_item<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(ItemRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_row(
            "SELECT source, path, outcome, stage, reason, duplicate_of, size, modified, created, md5, sha1, sha256,
                     format, width, height, nullif(pdq, ''), quality, derived_from, unstable_bits, fallback_reason, taken, camera_make,
                     camera_model, exif_orientation, accessed, state, partial, children, refused
                 FROM items ORDER BY source_sort, path_sort",
            |row| Ok(item_row(row)?),
            &mut visit,
        )
    }

    /// Every hit, by the bytes of the source's and item's path, then set and record.
    ///
    /// # Errors
    /// If the database cannot be read, or `visit` fails.
    pub fn for_each_hit<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(HitRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let order = "ORDER BY source_sort, path_sort, hash_set, file_sha256, record";
        self.hits_in_order(order, &mut visit)
    }

    /// Every hit in the order in which items are to be looked at: by the rule that decided the item where rules did, by digest before by
    /// hash, confirmed before unconfirmed, then nearer ones, then as [`Self::for_each_hit`].
    ///
    /// # Errors
    /// If the database cannot be read, or `visit` fails.
    pub fn for_each_hit_by_priority<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(HitRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let order = "LEFT JOIN priority ON priority.item = hits.item
            ORDER BY priority.rank IS NULL, priority.rank, kind, confirmation = 'unconfirmed', coalesce(distance, 257), source_sort,
                path_sort, hash_set, file_sha256, record";
        self.hits_in_order(order, &mut visit)
    }

    fn hits_in_order<E: From<CaseError>>(
        &self,
        order: &str,
        visit: &mut dyn FnMut(HitRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut lists = ListColumns::new(&self.connection)?;
        self.for_each_row(&format!("{HITS} {order}"), |row| hit_row(row, &mut lists), visit)
    }

    /// Reads every row of a query and visits it.
    pub(super) fn for_each_row<T, E: From<CaseError>>(
        &self,
        query: &str,
        mut read: impl FnMut(&Row<'_>) -> Result<T, CaseError>,
        visit: &mut dyn FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.connection.prepare(query).map_err(CaseError::from)?;
        let mut rows = statement.query([]).map_err(CaseError::from)?;
        while let Some(row) = rows.next().map_err(CaseError::from)? {
            visit(read(row)?)?;
        }
        Ok(())
    }

    /// Names of the columns of all known records with hits, sorted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn known_columns(&self) -> Result<Vec<String>, CaseError> {
        let mut statement = self.connection.prepare(
            // Without records whose hits were all refuted later.
            concat!(
                "SELECT DISTINCT field.key FROM set_record, json_each(set_record.columns) AS field
             WHERE (set_record.hash_set, set_record.record) IN
                 (SELECT hit.hash_set, hit.record FROM hit_record AS hit JOIN content ON content.id = hit.content WHERE ",
                has_item!(),
                ") ORDER BY field.key"
            ),
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// All that a [`HitRow`] has.
const HITS: &str = "SELECT source, path, hash_set, record, kind, digests, confirmation, unconfirmed_reason, distance,
        orientation, quality, known_quality, sha256, nullif(pdq, ''), derived_from, columns, lower(hex(file_sha256)), category,
        category_label, category_raw, victim_identified, offender_identified, distributed, series, records, listed, more,
        hash_set_id, list, view
    FROM hits";

/// Lists whose columns are kept.
const KEPT_LISTS: usize = 256;

/// Columns of records that are hit together, as one. The last few are kept, since all items with a content have the same. (The view does not
/// use JSON functions, which SQLite distrusts in a schema.)
struct ListColumns<'a> {
    statement: Statement<'a>,
    kept: HashMap<(i64, [u8; 16]), BTreeMap<String, String>>,
}

impl<'a> ListColumns<'a> {
    fn new(connection: &'a Connection) -> Result<Self, CaseError> {
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

/// How many items a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemCounts {
    /// All that were discovered.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Items whose content is not stored yet; a resumed run finishes them.
    pub unfinished: u64,
}

/// A count; SQLite's integers are signed.
fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).cast_unsigned())
}

fn item_row(row: &Row<'_>) -> rusqlite::Result<ItemRow> {
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

fn hit_row(row: &Row<'_>, lists: &mut ListColumns<'_>) -> Result<HitRow, CaseError> {
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
