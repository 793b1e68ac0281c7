//! Reading a case for reports: counts, and rows in a fixed order.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};

use super::info::read_info;
use super::open::connect_for_reading;
use super::rows::{HITS, HitRow, ItemRow, ListColumns, hit_row, item_row};
use super::schema::has_item;
use super::sets::match_lists;
use super::spec::read_spec;
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

/// Finished items of a case by outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// In the order of [`Outcome::ALL`], without zeros. Their sum is the number of finished items.
    pub by_outcome: Vec<(Outcome, u64)>,
    /// Items with the outcome `hashed`, duplicates included: those that have a fingerprint.
    pub pictures: u64,
}

impl OutcomeCounts {
    /// Items that are pictures and have no hit, duplicates included, where `hits` was read in the same [snapshot](CaseReader::snapshot).
    ///
    /// # Errors
    /// If the case is damaged: more pictures have hits than there are.
    pub fn pictures_without_hits(&self, hits: &HitCounts) -> Result<u64, CaseError> {
        let without = self.pictures.checked_sub(hits.pictures);
        without.ok_or_else(|| CaseError::damaged("more pictures have hits than it has pictures"))
    }
}

/// Items with a hit in any set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitCounts {
    /// All of them.
    pub items: u64,
    /// Those with the outcome `hashed`.
    pub pictures: u64,
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
        let all = "SELECT count(*), coalesce(sum(size), 0) FROM live_item";
        let (items, bytes) =
            self.connection.query_row(all, [], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
        // Two indexes in one order, instead of a search for each item.
        let unfinished = self.connection.query_row(
            "SELECT count(*) FROM live_item WHERE sha256 IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM content WHERE content.sha256 = live_item.sha256)",
            [],
            |row| unsigned(row, 0),
        )?;
        Ok(ItemCounts { items, bytes, unfinished })
    }

    /// Finished items by outcome.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn outcome_counts(&self) -> Result<OutcomeCounts, CaseError> {
        let mut counts = BTreeMap::new();
        let mut pictures = 0;
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
            if outcome == Outcome::Hashed {
                pictures += first + copies;
            }
        }
        let by_outcome = Outcome::ALL
            .into_iter()
            .filter_map(|outcome| counts.get(&outcome).map(|&count| (outcome, count)))
            .filter(|(_, count)| *count > 0)
            .collect();
        Ok(OutcomeCounts { by_outcome, pictures })
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
    pub fn hit_counts(&self) -> Result<HitCounts, CaseError> {
        let counts = self.connection.query_row(
            "SELECT count(*), coalesce(sum(content.outcome = 'hashed'), 0)
             FROM live_item JOIN content ON content.sha256 = live_item.sha256
             WHERE EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id)",
            [],
            |row| Ok(HitCounts { items: unsigned(row, 0)?, pictures: unsigned(row, 1)? }),
        )?;
        Ok(counts)
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
