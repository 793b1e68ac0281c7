//! Writing a batch: one transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use super::info::clamped;
use super::{
    Batch, CaseError, CaseStore, ContentHits, ContentRecord, DigestHit, ExactHash, HashMatch, ItemRecord,
    KnownFacts, NearHash, RecordList, SetId, Unconfirmed, hashes_to_bytes,
};
use crate::decode::{Derivation, PictureHash};
use crate::known::RecordDetails;
use crate::known::profile::Classification;
use crate::outcome::{Failure, Outcome};
use crate::source::name::escape;

/// Where the writer gets what is known of a record from, when its first hit is stored.
pub trait RecordSource {
    /// What a set of this run knows of a record.
    ///
    /// # Errors
    /// The set's file is damaged there.
    fn details(&self, set: SetId, record: u32) -> Result<RecordDetails, CaseError>;
}

impl CaseStore {
    /// Writes a batch in one transaction. `records` gives what is known of a record for its first hit;
    /// `memory_limit` is kept with contents that were over it, so that a later run with more tries again.
    ///
    /// Every content of the batch, and every content up to `batch.matched_through`, counts as matched
    /// with `batch.sets` from then on.
    ///
    /// # Errors
    /// The database said no: nothing of the batch is there then.
    pub fn write(
        &mut self,
        batch: &Batch,
        records: &dyn RecordSource,
        memory_limit: u64,
    ) -> Result<(), CaseError> {
        self.write_all(std::slice::from_ref(batch), records, memory_limit)
    }

    /// [`CaseStore::write`] of several batches, in one transaction: an index page that many of them touch is written once.
    ///
    /// # Errors
    /// The database said no: nothing of the batches is there then.
    pub fn write_all(
        &mut self,
        batches: &[Batch],
        records: &dyn RecordSource,
        memory_limit: u64,
    ) -> Result<(), CaseError> {
        let transaction = self.connection.transaction()?;
        let mut lists = Lists { connection: &transaction, records, kept: HashSet::new() };
        for batch in batches {
            write_batch(&transaction, batch, &mut lists, clamped(memory_limit))?;
        }
        drop(lists);
        Ok(transaction.commit()?)
    }
}

/// The rows of one batch.
fn write_batch(
    transaction: &Transaction<'_>,
    batch: &Batch,
    lists: &mut Lists<'_>,
    memory_limit: i64,
) -> Result<(), CaseError> {
    let mut last_content = batch.matched_through.map(|id| id.0);
    for content in &batch.contents {
        let id = replace_content(transaction, content, memory_limit)?;
        last_content = Some(id.max(last_content.unwrap_or(0)));
    }
    for exact in &batch.exact {
        replace_hash(transaction, exact)?;
    }
    for (set, sha256) in &batch.forget {
        let content = content_id(transaction, sha256)?;
        for delete in [
            "DELETE FROM hit WHERE hash_set = ?1 AND content = ?2",
            "DELETE FROM saturated WHERE hash_set = ?1 AND content = ?2",
            "DELETE FROM set_aside WHERE hash_set = ?1 AND content = ?2",
        ] {
            transaction.prepare_cached(delete)?.execute([set.0, content])?;
        }
    }
    for item in &batch.items {
        upsert_item(transaction, item)?;
    }
    for hits in &batch.hits {
        insert_hits(transaction, hits, lists)?;
    }
    if let Some(last) = last_content {
        for set in &batch.sets {
            transaction
                .prepare_cached(
                    "UPDATE hash_set SET matched_through = max(matched_through, ?2) WHERE id = ?1",
                )?
                .execute([set.0, last])?;
        }
    }
    Ok(())
}

/// Stores a content that is new, or that an earlier run put over its limit. That one gives way; its hits by digest are those
/// of the same bytes, and stay. It is rare, so that nothing is asked or deleted before the database says that there
/// is one.
fn replace_content(
    connection: &Transaction<'_>,
    content: &ContentRecord,
    memory_limit: i64,
) -> Result<i64, CaseError> {
    if !insert_content(connection, content, memory_limit)? {
        let sha256 = content.digests.sha256;
        connection.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS kept_hit AS SELECT * FROM hit WHERE 0; DELETE FROM kept_hit;",
        )?;
        connection.execute(
            "INSERT INTO kept_hit SELECT * FROM hit
             WHERE content = (SELECT id FROM content WHERE sha256 = ?1) AND (md5 OR sha1 OR sha256)",
            [sha256],
        )?;
        let before = content_id(connection, &sha256)?;
        for table in ["hit", "saturated", "set_aside"] {
            connection.execute(&format!("DELETE FROM {table} WHERE content = ?1"), [before])?;
        }
        connection.prepare_cached("DELETE FROM content WHERE sha256 = ?1")?.execute([sha256])?;
        insert_content(connection, content, memory_limit)?;
        let fresh = connection.last_insert_rowid();
        connection.execute("UPDATE kept_hit SET content = ?1", [fresh])?;
        connection.execute("INSERT INTO hit SELECT * FROM kept_hit", [])?;
        return Ok(fresh);
    }
    Ok(connection.last_insert_rowid())
}

/// Returns whether there was room: `false` where the case has the content already.
fn insert_content(
    connection: &Transaction<'_>,
    content: &ContentRecord,
    memory_limit: i64,
) -> Result<bool, CaseError> {
    let failure = content.hash.as_ref().err();
    let hash = content.hash.as_ref().ok().map(|picture| &picture.hash);
    let derivation = content.hash.as_ref().ok().map(|picture| &picture.derivation);
    let over_limit = failure.is_some_and(|failure| failure.outcome == Outcome::OverLimit);
    let exif = &content.facts.exif;
    let text = |text: &Option<String>| text.as_deref().map(|text| escape(text.as_bytes()));
    let inserted = connection
        .prepare_cached(
            "INSERT INTO content (sha256, sha1, md5, size, outcome, stage, reason, memory_limit, format, width, height,
                 taken, camera_make, camera_model, exif_orientation, hashes, quality, derived_from, unstable_bits,
                 fallback_reason, trivial)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
             ON CONFLICT (sha256) DO NOTHING",
        )?
        .execute(params![
            content.digests.sha256,
            content.digests.sha1,
            content.digests.md5,
            clamped(content.size),
            failure.map_or(Outcome::Hashed, |failure| failure.outcome).name(),
            failure.map(|failure| failure.stage.name()),
            failure.map(reason),
            over_limit.then_some(memory_limit),
            content.facts.format.map(crate::decode::Format::name),
            content.facts.width,
            content.facts.height,
            text(&exif.taken),
            text(&exif.camera_make),
            text(&exif.camera_model),
            exif.orientation,
            hash.map(hashes_to_bytes),
            hash.map(|hash| hash.quality),
            derivation.map(|derivation| derivation.path.name()),
            derivation.map(|derivation| derivation.unstable_bits),
            derivation.and_then(fallback_reason),
            content.trivial,
        ])?;
    Ok(inserted > 0)
}

/// The hash from pixels takes the other's place; the content keeps its row.
fn replace_hash(connection: &Transaction<'_>, exact: &ExactHash) -> Result<(), CaseError> {
    let PictureHash { hash, derivation } = &exact.picture;
    connection
        .prepare_cached(
            "UPDATE content SET hashes = ?2, quality = ?3, derived_from = ?4, unstable_bits = ?5, fallback_reason = ?6
             WHERE sha256 = ?1",
        )?
        .execute(params![
            exact.sha256,
            hashes_to_bytes(hash),
            hash.quality,
            derivation.path.name(),
            derivation.unstable_bits,
            fallback_reason(derivation),
        ])?;
    Ok(())
}

fn fallback_reason(derivation: &Derivation) -> Option<String> {
    derivation.fallback_reason.as_ref().map(|reason| escape(reason.0.as_bytes()))
}

fn reason(failure: &Failure) -> String {
    escape(failure.reason.as_bytes())
}

fn upsert_item(connection: &Transaction<'_>, item: &ItemRecord) -> Result<(), CaseError> {
    let failure = item.result.as_ref().err();
    connection
        .prepare_cached(
            "INSERT INTO item (source, path_raw, path, size, modified, accessed, created, sha256, outcome, stage, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (source, path_raw) DO UPDATE SET size = excluded.size, modified = excluded.modified,
                 accessed = excluded.accessed, created = excluded.created, sha256 = excluded.sha256,
                 outcome = excluded.outcome, stage = excluded.stage, reason = excluded.reason",
        )?
        .execute(params![
            item.source.0,
            item.path,
            escape(&item.path),
            item.stamp.size.map(clamped),
            item.stamp.modified,
            item.stamp.accessed,
            item.stamp.created,
            item.result.as_ref().ok().map(|digests| digests.sha256),
            failure.map(|failure| failure.outcome.name()),
            failure.map(|failure| failure.stage.name()),
            failure.map(reason),
        ])?;
    Ok(())
}

/// The row of a content of this or an earlier batch.
fn content_id(connection: &Connection, sha256: &[u8; 32]) -> Result<i64, CaseError> {
    let mut statement = connection.prepare_cached("SELECT id FROM content WHERE sha256 = ?1")?;
    match statement.query_row([sha256], |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            Err(CaseError::Refused("a hit names a content that the case does not have".into()))
        }
        id => Ok(id?),
    }
}

/// What a set says of a content: one row by digest, and one for each distinct hash that is near.
fn insert_hits(
    connection: &Transaction<'_>,
    hits: &ContentHits,
    lists: &mut Lists<'_>,
) -> Result<(), CaseError> {
    let content = content_id(connection, &hits.sha256)?;
    let set = hits.set;
    if let Some(DigestHit { list, md5, sha1, sha256, near }) = &hits.by_digest {
        let record = list.records()[0];
        let found = Row { content, set, record, list, digests: [*md5, *sha1, *sha256], unconfirmed: None };
        found.insert(connection, near.as_ref())?;
        lists.keep(set, list, record)?;
    }
    for HashMatch { record, list, near, unconfirmed } in &hits.by_hash {
        let alone = || RecordList::new([*record]).map(Arc::new);
        let Some(list) = list.clone().or_else(alone) else { continue };
        let list = &*list;
        let found =
            Row { content, set, record: *record, list, digests: [false; 3], unconfirmed: *unconfirmed };
        found.insert(connection, Some(near))?;
        lists.keep(set, list, *record)?;
    }
    for (insert, count) in [
        ("INSERT OR REPLACE INTO saturated (content, hash_set, more) VALUES (?1, ?2, ?3)", hits.more),
        ("INSERT OR REPLACE INTO set_aside (content, hash_set, records) VALUES (?1, ?2, ?3)", hits.set_aside),
    ] {
        if count > 0 {
            connection.prepare_cached(insert)?.execute([content, set.0, clamped(count)])?;
        }
    }
    Ok(())
}

/// A row of the table `hit`.
struct Row<'a> {
    content: i64,
    set: SetId,
    record: u32,
    list: &'a RecordList,
    digests: [bool; 3],
    unconfirmed: Option<Unconfirmed>,
}

impl Row<'_> {
    fn insert(&self, connection: &Connection, near: Option<&NearHash>) -> Result<(), CaseError> {
        let [md5, sha1, sha256] = self.digests;
        let confirmation = match (md5 || sha1 || sha256, self.unconfirmed) {
            (true, _) => "digest",
            (false, Some(_)) => "unconfirmed",
            (false, None) => "pixels",
        };
        connection
            .prepare_cached(
                "INSERT INTO hit (content, hash_set, record, records, list, md5, sha1, sha256, confirmation,
                     unconfirmed_reason, distance, orientation, known_quality)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
                 ON CONFLICT (content, hash_set, record) DO UPDATE SET records = excluded.records, list = excluded.list,
                     md5 = excluded.md5, sha1 = excluded.sha1, sha256 = excluded.sha256, confirmation = excluded.confirmation,
                     unconfirmed_reason = excluded.unconfirmed_reason,
                     distance = coalesce(excluded.distance, distance),
                     orientation = coalesce(excluded.orientation, orientation),
                     known_quality = coalesce(excluded.known_quality, known_quality)",
            )?
            .execute(params![
                self.content,
                self.set.0,
                self.record,
                self.list.records().len() as i64,
                self.list.id(),
                md5,
                sha1,
                sha256,
                confirmation,
                self.unconfirmed.map(Unconfirmed::name),
                near.map(|near| near.distance),
                near.map(|near| near.orientation.name()),
                near.and_then(|near| near.known_quality),
            ])?;
        Ok(())
    }
}

/// Records of a list that are kept whatever they say.
const LISTED: usize = 16;
/// Lists that are remembered as kept.
const KEPT: usize = 1 << 16;

/// What the case keeps of lists of records.
struct Lists<'a> {
    connection: &'a Connection,
    records: &'a dyn RecordSource,
    /// Lists that are kept for sure, with the record that a hit names: a crowd of hits has the same ones.
    kept: HashSet<(i64, [u8; 16], u32)>,
}

impl Lists<'_> {
    /// Keeps what is known of a list's records, once: of the first [`LISTED`], of every one that says something else than those
    /// before it, and of `record`, which a hit names.
    fn keep(&mut self, set: SetId, list: &RecordList, record: u32) -> Result<(), CaseError> {
        if self.kept.contains(&(set.0, *list.id(), record)) {
            return Ok(());
        }
        if !self.has(set, list, None)? {
            let mut said = HashSet::new();
            for (place, &other) in list.records().iter().enumerate() {
                let details = self.records.details(set, other)?;
                if said.insert(statement(&details)) || place < LISTED {
                    list_record(self.connection, set, list, other, details)?;
                }
            }
        }
        if !self.has(set, list, Some(record))? {
            list_record(self.connection, set, list, record, self.records.details(set, record)?)?;
        }
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        self.kept.insert((set.0, *list.id(), record));
        Ok(())
    }

    /// Whether the case keeps a list, or this record of it.
    fn has(&self, set: SetId, list: &RecordList, record: Option<u32>) -> Result<bool, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM listed_record WHERE hash_set = ?1 AND list = ?2 AND record BETWEEN ?3 AND ?4)",
        )?;
        let (first, last) = record.map_or((0, u32::MAX), |record| (record, record));
        Ok(statement.query_row(params![set.0, list.id(), first, last], |row| row.get(0))?)
    }
}

/// What a record says of its picture, of which nothing may be lost where records are hit together.
fn statement(details: &RecordDetails) -> String {
    let RecordDetails { columns, facts, category_label, fields: _ } = details;
    let free: BTreeMap<String, String> = columns.iter().cloned().collect();
    let named = free.iter().filter(|(name, _)| {
        ["category", "series"].iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted))
    });
    format!(
        "{facts:?} {category_label:?} {:?} {:?}",
        KnownFacts::of_columns(&free),
        named.collect::<Vec<_>>()
    )
}

/// Keeps what is known of a record of a list.
fn list_record(
    connection: &Connection,
    set: SetId,
    list: &RecordList,
    record: u32,
    details: RecordDetails,
) -> Result<(), CaseError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO listed_record (hash_set, list, record) VALUES (?1, ?2, ?3)")?
        .execute(params![set.0, list.id(), record])?;
    let RecordDetails { columns, facts, category_label, fields } = details;
    let columns: BTreeMap<String, String> = columns.into_iter().collect();
    let columns = serde_json::to_string(&columns).map_err(|error| CaseError::Refused(error.to_string()))?;
    let facts = facts.unwrap_or_default();
    let shown = |text: Option<&str>| text.map(|text| escape(text.as_bytes()));
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO known_record (hash_set, record, columns, category, category_label, category_raw,
                 victim_identified, offender_identified, distributed, precategorized, series, fields)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            set.0,
            record,
            columns,
            facts.classification.map(Classification::name),
            shown(category_label.as_deref()),
            shown(facts.category.as_deref()),
            facts.victim_identified,
            facts.offender_identified,
            facts.distributed,
            facts.precategorized,
            shown(facts.series.as_deref()),
            fields,
        ])?;
    Ok(())
}
