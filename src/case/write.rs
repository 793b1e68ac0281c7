//! Writing a batch: one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::store::clamped;
use super::{
    Batch, CaseError, CaseStore, CodeMatch, ContentHits, ContentRecord, ExactCode, ItemRecord, SetId,
    Unconfirmed, codes_to_bytes,
};
use crate::decode::{Derivation, PictureHash};
use crate::known::profile::Meaning;
use crate::known::{DigestMatch, RecordDetails};
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
        for batch in batches {
            write_batch(&transaction, batch, records, clamped(memory_limit))?;
        }
        Ok(transaction.commit()?)
    }
}

/// The rows of one batch.
fn write_batch(
    transaction: &Transaction<'_>,
    batch: &Batch,
    records: &dyn RecordSource,
    memory_limit: i64,
) -> Result<(), CaseError> {
    let mut last_content = batch.matched_through.map(|id| id.0);
    for content in &batch.contents {
        let id = replace_content(transaction, content, memory_limit)?;
        last_content = Some(id.max(last_content.unwrap_or(0)));
    }
    for exact in &batch.exact {
        replace_code(transaction, exact)?;
    }
    for (set, sha256) in &batch.forget {
        transaction
                .prepare_cached(
                    "DELETE FROM hit WHERE known_set = ?1 AND content = (SELECT id FROM content WHERE sha256 = ?2)",
                )?
                .execute(params![set.0, sha256])?;
    }
    for item in &batch.items {
        upsert_item(transaction, item)?;
    }
    for hits in &batch.hits {
        insert_hits(transaction, hits, records)?;
    }
    if let Some(last) = last_content {
        for set in &batch.sets {
            transaction
                .prepare_cached(
                    "UPDATE known_set SET matched_through = max(matched_through, ?2) WHERE id = ?1",
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
        connection
            .prepare_cached("DELETE FROM hit WHERE content = (SELECT id FROM content WHERE sha256 = ?1)")?
            .execute([sha256])?;
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
                 taken, camera_make, camera_model, exif_orientation, codes, quality, decode_path, unstable_bits,
                 pixels_because)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
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
            hash.map(codes_to_bytes),
            hash.map(|hash| hash.quality),
            derivation.map(|derivation| derivation.path.name()),
            derivation.map(|derivation| derivation.unstable_bits),
            derivation.and_then(pixels_because),
        ])?;
    Ok(inserted > 0)
}

/// The code from pixels takes the other's place; the content keeps its row.
fn replace_code(connection: &Transaction<'_>, exact: &ExactCode) -> Result<(), CaseError> {
    let PictureHash { hash, derivation } = &exact.picture;
    connection
        .prepare_cached(
            "UPDATE content SET codes = ?2, quality = ?3, decode_path = ?4, unstable_bits = ?5, pixels_because = ?6
             WHERE sha256 = ?1",
        )?
        .execute(params![
            exact.sha256,
            codes_to_bytes(hash),
            hash.quality,
            derivation.path.name(),
            derivation.unstable_bits,
            pixels_because(derivation),
        ])?;
    Ok(())
}

fn pixels_because(derivation: &Derivation) -> Option<String> {
    derivation.pixels_because.as_ref().map(|reason| escape(reason.0.as_bytes()))
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

/// One row a (content, known set, record): a record found by digest and by code is one hit, whose verdict is the
/// digest's.
fn insert_hits(
    connection: &Transaction<'_>,
    hits: &ContentHits,
    records: &dyn RecordSource,
) -> Result<(), CaseError> {
    let content: Option<i64> = connection
        .prepare_cached("SELECT id FROM content WHERE sha256 = ?1")?
        .query_row([hits.sha256], |row| row.get(0))
        .optional()?;
    let Some(content) = content else {
        return Err(CaseError::Refused("a hit names a content that the case does not have".into()));
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO hit (content, known_set, record, md5, sha1, sha256, verdict, unconfirmed_because, distance,
             orientation, known_quality)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (content, known_set, record) DO UPDATE SET md5 = max(md5, excluded.md5),
             sha1 = max(sha1, excluded.sha1), sha256 = max(sha256, excluded.sha256),
             verdict = iif('digest' IN (verdict, excluded.verdict), 'digest', excluded.verdict),
             unconfirmed_because = iif('digest' IN (verdict, excluded.verdict), NULL, excluded.unconfirmed_because),
             distance = coalesce(excluded.distance, distance),
             orientation = coalesce(excluded.orientation, orientation),
             known_quality = coalesce(excluded.known_quality, known_quality)",
    )?;
    for &DigestMatch { record, md5, sha1, sha256 } in &hits.by_digest {
        insert.execute(params![
            content,
            hits.set.0,
            record,
            md5,
            sha1,
            sha256,
            "digest",
            None::<&str>,
            None::<u32>,
            None::<&str>,
            None::<u8>
        ])?;
        insert_record(connection, hits.set, record, records)?;
    }
    for CodeMatch { record, known_quality, pair, unconfirmed } in &hits.by_code {
        let orientation = pair.orientation.name();
        insert.execute(params![
            content,
            hits.set.0,
            record,
            false,
            false,
            false,
            if unconfirmed.is_some() { "unconfirmed" } else { "pixels" },
            unconfirmed.map(Unconfirmed::name),
            pair.distance,
            orientation,
            known_quality
        ])?;
        insert_record(connection, hits.set, *record, records)?;
    }
    Ok(())
}

fn insert_record(
    connection: &Connection,
    set: SetId,
    record: u32,
    records: &dyn RecordSource,
) -> Result<(), CaseError> {
    let exists: Option<i64> = connection
        .prepare_cached("SELECT 1 FROM known_record WHERE known_set = ?1 AND record = ?2")?
        .query_row(params![set.0, record], |row| row.get(0))
        .optional()?;
    if exists.is_some() {
        return Ok(());
    }
    let RecordDetails { columns, facts, category_label, fields } = records.details(set, record)?;
    let columns: BTreeMap<String, String> = columns.into_iter().collect();
    let columns = serde_json::to_string(&columns).map_err(|error| CaseError::Refused(error.to_string()))?;
    let facts = facts.unwrap_or_default();
    let shown = |text: Option<&str>| text.map(|text| escape(text.as_bytes()));
    connection
        .prepare_cached(
            "INSERT INTO known_record (known_set, record, columns, category, category_label, category_raw,
                 victim_identified, offender_identified, distributed, precategorized, series, fields)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            set.0,
            record,
            columns,
            facts.meaning.map(Meaning::name),
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
