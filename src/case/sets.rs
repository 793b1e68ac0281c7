//! The hash sets of a case, and what was matched against them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::schema::has_item;
use super::{
    CaseError, CaseStore, ContentId, HashSpec, HitSettings, SetId, StoredContent, StoredView,
    hashes_from_bytes,
};
use crate::decode::{DerivedFrom, ParseViewError};
use crate::known;
use crate::pdq::DihedralHashes;
use crate::source::Digests;
use crate::source::name::{escape, escape_path};

/// Geometry, distance, minimum quality, verify, maximum hits of a content, and how the set was read: what decides a set's hits.
type StoredSettings = (String, u32, u8, String, u32, [i64; 3]);

/// Contents with hits in set ?1 that [`CaseStore::unconfirmed`] is about.
macro_rules! unconfirmed_contents {
    () => {
        concat!(
            "(SELECT hit.content FROM hit JOIN content ON content.id = hit.content
          WHERE hit.hash_set = ?1 AND hit.confirmation = 'unconfirmed'
              AND (hit.unconfirmed_reason IN ('source_gone', 'over_limit', 'decoder_failed')
                   OR EXISTS (SELECT 1 FROM fingerprint WHERE fingerprint.content = hit.content AND fingerprint.spec = 'pdq'
                          AND fingerprint.view = hit.view AND fingerprint.derived_from = 'pixels')) AND ",
            has_item!(),
            ")"
        )
    };
}

impl CaseStore {
    /// Refuses a hash set that cannot be matched with this case.
    ///
    /// # Errors
    /// If the set's hashes have another geometry than the case's.
    pub fn check_set(&self, set: &known::HashSet) -> Result<(), CaseError> {
        if set.geometry() != self.spec().geometry && set.counts().hashes > 0 {
            return Err(CaseError::SetContradicted {
                set: set.path().to_path_buf(),
                theirs: set.geometry(),
                ours: self.spec().geometry,
            });
        }
        Ok(())
    }

    /// Registers a hash set (identified by the SHA-256 of its file) with the matching settings. If
    /// the case has its hits under other settings they are deleted, to be found again, and `true` is
    /// returned with it.
    ///
    /// # Errors
    /// If the set's hashes have another geometry than the case's.
    pub fn hash_set(&mut self, set: &known::HashSet, hits: HitSettings) -> Result<(SetId, bool), CaseError> {
        self.check_set(set)?;
        let transaction = self.connection.transaction()?;
        let HitSettings { distance, min_quality, verify, max_hits } = hits;
        let (geometry, verify) = (set.geometry().name().to_string(), verify.name().to_string());
        let counts = set.counts();
        // A list of digits may be read as digests once and as hashes another time, so its file alone does not decide it.
        let read = [counts.malformed_lines, counts.hashes, counts.with_digests].map(|count| count as i64);
        let settings = (geometry, distance, min_quality, verify, max_hits, read);
        let known: Option<(i64, StoredSettings)> = transaction
            .query_row(
                "SELECT id, geometry, distance, min_quality, verify, max_hits, malformed_lines, hashes, with_digests
                 FROM hash_set WHERE file_sha256 = ?1",
                [set.file_sha256()],
                |row| {
                    let read = [row.get(6)?, row.get(7)?, row.get(8)?];
                    let stored = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, read);
                    Ok((row.get(0)?, stored))
                },
            )
            .optional()?;
        let result = match known {
            Some((id, stored)) if stored == settings => (SetId(id), false),
            Some((id, _)) => {
                for table in ["hit", "saturated", "set_aside", "listed_record", "set_record", "match_list"] {
                    transaction.execute(&format!("DELETE FROM {table} WHERE hash_set = ?1"), [id])?;
                }
                transaction.execute("DELETE FROM hash_set WHERE id = ?1", [id])?;
                insert_set(&transaction, Some(id), set, hits)?;
                (SetId(id), true)
            }
            None => (SetId(insert_set(&transaction, None, set, hits)?), false),
        };
        transaction.commit()?;
        Ok(result)
    }

    /// The lists of sets that contents of the case were matched against, by the number of the list.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn match_lists(&self) -> Result<BTreeMap<i64, Vec<SetId>>, CaseError> {
        match_lists(&self.connection)
    }

    /// Up to `limit` contents after `after` that were matched against exactly the sets of a list, in row order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn contents_of_list(
        &self,
        list: i64,
        after: ContentId,
        limit: usize,
    ) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, md5, sha1, sha256, size, trivial FROM match_state CROSS JOIN content ON content.id = match_state.content
             WHERE match_state.content > ?1 AND match_state.list = ?2 ORDER BY match_state.content LIMIT ?3",
        )?;
        let rows = statement.query_map(params![after.0, list, limit as i64], stored_content)?;
        self.with_views(rows.collect::<Result<_, _>>()?)
    }

    /// Up to `limit` contents after `after`, in row order, with unconfirmed hits in `set` that can be confirmed
    /// now: the file or the memory was missing then, or the hash is from pixels by now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unconfirmed(
        &self,
        set: SetId,
        after: ContentId,
        limit: usize,
    ) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT id, md5, sha1, sha256, size, trivial FROM content WHERE id IN ",
            unconfirmed_contents!(),
            " AND id > ?2 ORDER BY id LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![set.0, after.0, limit as i64], stored_content)?;
        self.with_views(rows.collect::<Result<_, _>>()?)
    }

    /// Contents with their fingerprints.
    fn with_views(&self, mut contents: Vec<StoredContent>) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT view, hashes, quality, derived_from FROM fingerprint WHERE content = ?1 AND spec = ?2 ORDER BY view",
        )?;
        for content in &mut contents {
            let mut rows = statement.query(params![content.id.0, HashSpec::NAME])?;
            while let Some(row) = rows.next()? {
                content.views.push(stored_view(row)?);
            }
        }
        Ok(contents)
    }

    /// How many contents [`CaseStore::unconfirmed`] returns in all.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unconfirmed_count(&self, set: SetId) -> Result<u64, CaseError> {
        let count: i64 = self.connection.query_row(
            concat!("SELECT count(*) FROM content WHERE id IN ", unconfirmed_contents!()),
            [set.0],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// How many contents were not matched against `set` yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unmatched_count(&self, set: SetId) -> Result<u64, CaseError> {
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM match_state WHERE list NOT IN (SELECT id FROM match_list WHERE hash_set = ?1)",
            [set.0],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }
}

/// See [`CaseStore::match_lists`].
pub(super) fn match_lists(connection: &Connection) -> Result<BTreeMap<i64, Vec<SetId>>, CaseError> {
    let mut lists: BTreeMap<i64, Vec<SetId>> = BTreeMap::new();
    // A list is empty if the settings of its sets changed since.
    let mut statement = connection.prepare(
        "SELECT used.list, match_list.hash_set FROM (SELECT DISTINCT list FROM match_state) AS used
         LEFT JOIN match_list ON match_list.id = used.list",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        lists.entry(row.get(0)?).or_default().extend(row.get::<_, Option<i64>>(1)?.map(SetId));
    }
    Ok(lists)
}

/// The columns id, md5, sha1, sha256, size, trivial. Views are another table's.
fn stored_content(row: &Row<'_>) -> rusqlite::Result<StoredContent> {
    Ok(StoredContent {
        id: ContentId(row.get(0)?),
        digests: Digests { md5: row.get(1)?, sha1: row.get(2)?, sha256: row.get(3)? },
        size: row.get::<_, i64>(4)?.max(0).cast_unsigned(),
        views: Vec::new(),
        trivial: row.get(5)?,
    })
}

/// The columns view, hashes, quality, derived_from.
fn stored_view(row: &Row<'_>) -> Result<StoredView, CaseError> {
    let (view, hashes, derived_from): (String, Vec<u8>, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
    Ok(StoredView {
        view: view
            .parse()
            .map_err(|error: ParseViewError| CaseError::damaged_by("the view of a fingerprint", error))?,
        hash: stored_hash(&hashes, row.get(2)?)
            .ok_or_else(|| CaseError::damaged("a fingerprint without its eight hashes"))?,
        derived_from: DerivedFrom::from_name(&derived_from)
            .ok_or_else(|| CaseError::damaged("a fingerprint derived from nothing known"))?,
    })
}

pub(super) fn stored_hash(hashes: &[u8], quality: u8) -> Option<DihedralHashes> {
    let hashes = hashes_from_bytes(hashes)?;
    Some(DihedralHashes { hashes, quality })
}

fn insert_set(
    connection: &Connection,
    id: Option<i64>,
    set: &known::HashSet,
    hits: HitSettings,
) -> Result<i64, CaseError> {
    let counts = set.counts();
    connection.execute(
        "INSERT INTO hash_set (id, file_sha256, name, path, geometry, distance, min_quality, verify, max_hits,
             records, hashes, hashes_without_quality, with_digests, low_quality, null_hashes, malformed_lines, version, profile)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            id,
            set.file_sha256(),
            set.name(),
            escape_path(set.path()),
            set.geometry().name(),
            hits.distance,
            hits.min_quality,
            hits.verify.name(),
            hits.max_hits,
            counts.records as i64,
            counts.hashes as i64,
            counts.hashes_without_quality as i64,
            counts.with_digests as i64,
            counts.low_quality as i64,
            counts.null_hashes as i64,
            counts.malformed_lines as i64,
            set.manifest().map(|manifest| escape(manifest.version.as_bytes())),
            set.manifest().map(|manifest| escape(manifest.profile.name.as_bytes())),
        ],
    )?;
    Ok(connection.last_insert_rowid())
}
