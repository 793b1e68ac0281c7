//! Writing a batch: one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, ToSql, Transaction, params};

use super::info::clamped;
use super::write_hits::{Lists, RecordSource, ViewText, content_id, insert_hits};
use super::{
    Batch, CaseError, CaseStore, ContentRecord, ExactHash, Fingerprint, HashSpec, ItemRecord, SetId, Within,
    containers, hashes_to_bytes,
};
use crate::decode::{Derivation, PictureHash};
use crate::outcome::{Failure, Outcome};
use crate::source::Step;
use crate::source::name::escape;

/// The columns of an item that follow what it lies in, and their values.
macro_rules! upsert_item {
    () => {
        ", step, name, state, size, modified, accessed, created, sha256, outcome, stage, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
    };
}

/// The columns of an existing item that are replaced.
macro_rules! updated {
    () => {
        " DO UPDATE SET state = excluded.state, size = excluded.size, modified = excluded.modified,
             accessed = excluded.accessed, created = excluded.created, sha256 = excluded.sha256,
             outcome = excluded.outcome, stage = excluded.stage, reason = excluded.reason"
    };
}

impl CaseStore {
    /// Writes a batch in one transaction. `records` gives what is known of a record for its first hit;
    /// `memory_limit` is kept with contents that were over it, so that a later run with more tries again.
    ///
    /// Every content of the batch, and each of `batch.matched`, counts as matched against `batch.sets` from then on.
    ///
    /// # Errors
    /// If the database cannot be written: then nothing of the batch is stored.
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
    /// If the database cannot be written: then nothing of the batches is stored.
    pub fn write_all(
        &mut self,
        batches: &[Batch],
        records: &dyn RecordSource,
        memory_limit: u64,
    ) -> Result<(), CaseError> {
        let transaction = self.connection.transaction()?;
        let mut lists = Lists::new(&transaction, records);
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
    let list = match_list(transaction, &batch.sets)?;
    for content in &batch.contents {
        store_content(transaction, content, list, memory_limit)?;
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
    matched(transaction, batch)
}

/// The number of the list of exactly these sets, written where it is new.
fn match_list(connection: &Connection, sets: &[SetId]) -> Result<i64, CaseError> {
    let mut sets: Vec<i64> = sets.iter().map(|set| set.0).collect();
    sets.sort_unstable();
    sets.dedup();
    let Some(&first) = sets.first() else { return Ok(0) };
    let mut holding =
        connection.prepare_cached("SELECT id FROM match_list WHERE hash_set = ?1 ORDER BY id")?;
    let mut of =
        connection.prepare_cached("SELECT hash_set FROM match_list WHERE id = ?1 ORDER BY hash_set")?;
    let lists = holding.query_map([first], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for list in lists {
        if of.query_map([list], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()? == sets {
            return Ok(list);
        }
    }
    // Contents may have a list whose sets were all deleted since.
    let list: i64 = connection.query_row(
        "SELECT 1 + max(coalesce((SELECT max(id) FROM match_list), 0), coalesce((SELECT max(list) FROM match_state), 0))",
        [],
        |row| row.get(0),
    )?;
    let mut insert = connection.prepare_cached("INSERT INTO match_list (id, hash_set) VALUES (?1, ?2)")?;
    for set in sets {
        insert.execute([list, set])?;
    }
    Ok(list)
}

/// Records that contents of earlier batches were matched against more sets.
fn matched(connection: &Connection, batch: &Batch) -> Result<(), CaseError> {
    let mut lists: BTreeMap<i64, i64> = BTreeMap::new();
    let mut before = connection.prepare_cached("SELECT list FROM match_state WHERE content = ?1")?;
    let mut of = connection.prepare_cached("SELECT hash_set FROM match_list WHERE id = ?1")?;
    let mut set = connection.prepare_cached("UPDATE match_state SET list = ?2 WHERE content = ?1")?;
    for content in &batch.matched {
        let list: i64 = before.query_row([content.0], |row| row.get(0))?;
        let wider = match lists.get(&list) {
            Some(&wider) => wider,
            None => {
                let mut sets: Vec<SetId> =
                    of.query_map([list], |row| row.get(0).map(SetId))?.collect::<Result<_, _>>()?;
                sets.extend(&batch.sets);
                let wider = match_list(connection, &sets)?;
                lists.insert(list, wider);
                wider
            }
        };
        set.execute([content.0, wider])?;
    }
    Ok(())
}

/// Stores a content that is new, or that was over the limit of an earlier run. In the second case its fingerprints and perceptual hits are
/// deleted first; its hits by digest are those of the same bytes, and stay. That is rare, so only a conflict shows it.
fn store_content(
    connection: &Transaction<'_>,
    content: &ContentRecord,
    list: i64,
    memory_limit: i64,
) -> Result<(), CaseError> {
    let id = if write_content(connection, INSERT_CONTENT, content, memory_limit)? {
        connection.last_insert_rowid()
    } else {
        let id = content_id(connection, &content.digests.sha256)?;
        for delete in [
            "DELETE FROM hit WHERE content = ?1 AND NOT (md5 OR sha1 OR sha256)",
            "DELETE FROM saturated WHERE content = ?1",
            "DELETE FROM set_aside WHERE content = ?1",
            "DELETE FROM fingerprint WHERE content = ?1",
        ] {
            connection.prepare_cached(delete)?.execute([id])?;
        }
        write_content(connection, UPDATE_CONTENT, content, memory_limit)?;
        id
    };
    connection
        .prepare_cached("INSERT OR REPLACE INTO match_state (content, list) VALUES (?1, ?2)")?
        .execute([id, list])?;
    for Fingerprint { view, picture: PictureHash { hash, derivation } } in &content.fingerprints {
        connection
            .prepare_cached(
                "INSERT INTO fingerprint (content, spec, view, hashes, quality, derived_from, unstable_bits, fallback_reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                id,
                HashSpec::NAME,
                ViewText(*view),
                hashes_to_bytes(hash),
                hash.quality,
                derivation.path.name(),
                derivation.unstable_bits,
                fallback_reason(derivation),
            ])?;
    }
    Ok(())
}

/// A content that the case does not have.
const INSERT_CONTENT: &str = "INSERT INTO content (sha256, sha1, md5, size, outcome, stage, reason, memory_limit, format, width, height,
         taken, camera_make, camera_model, exif_orientation, partial, children, refused, trivial)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
     ON CONFLICT (sha256) DO NOTHING";

/// What another examination of the same bytes may find otherwise; the parameters are those of [`INSERT_CONTENT`].
const UPDATE_CONTENT: &str = "UPDATE content SET outcome = ?5, stage = ?6, reason = ?7, memory_limit = ?8, format = ?9, width = ?10,
         height = ?11, taken = ?12, camera_make = ?13, camera_model = ?14, exif_orientation = ?15, partial = ?16, children = ?17,
         refused = ?18, trivial = ?19
     WHERE sha256 = ?1";

/// Runs one of the two; returns whether it wrote a row.
fn write_content(
    connection: &Transaction<'_>,
    statement: &str,
    content: &ContentRecord,
    memory_limit: i64,
) -> Result<bool, CaseError> {
    let failure = content.failure.as_ref();
    let exif = &content.facts.exif;
    let written = connection.prepare_cached(statement)?.execute(params![
        content.digests.sha256,
        content.digests.sha1,
        content.digests.md5,
        clamped(content.size),
        failure.map_or(Outcome::Hashed, |failure| failure.outcome).name(),
        failure.map(|failure| failure.stage.name()),
        failure.map(reason),
        over(content, memory_limit),
        content.facts.format.map(crate::decode::Format::name),
        content.facts.width,
        content.facts.height,
        text(&exif.taken),
        text(&exif.camera_make),
        text(&exif.camera_model),
        exif.orientation,
        content.partial,
        clamped(content.children),
        clamped(content.refused),
        content.trivial,
    ])?;
    Ok(written > 0)
}

/// The limit that a content was over.
fn over(content: &ContentRecord, memory_limit: i64) -> Option<i64> {
    let is_over = content.failure.as_ref().is_some_and(|failure| failure.outcome == Outcome::OverLimit);
    is_over.then_some(memory_limit)
}

fn text(text: &Option<String>) -> Option<String> {
    text.as_deref().map(|text| escape(text.as_bytes()))
}

/// Replaces a hash by the one from pixels.
fn replace_hash(connection: &Transaction<'_>, exact: &ExactHash) -> Result<(), CaseError> {
    let PictureHash { hash, derivation } = &exact.picture;
    connection
        .prepare_cached(
            "UPDATE fingerprint SET hashes = ?4, quality = ?5, derived_from = ?6, unstable_bits = ?7, fallback_reason = ?8
             WHERE content = (SELECT id FROM content WHERE sha256 = ?1) AND spec = ?2 AND view = ?3",
        )?
        .execute(params![
            exact.sha256,
            HashSpec::NAME,
            ViewText(exact.view),
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
    // Each of the two keys has an index of its own, and only what the index covers can be in conflict with it.
    let (upsert, within): (_, &dyn ToSql) = match &item.within {
        Within::Source(source) => (
            concat!(
                "INSERT INTO item (source",
                upsert_item!(),
                "ON CONFLICT (source, step) WHERE source IS NOT NULL",
                updated!()
            ),
            &source.0,
        ),
        Within::Container(sha256) => (
            concat!(
                "INSERT INTO item (parent",
                upsert_item!(),
                "ON CONFLICT (parent, step) WHERE parent IS NOT NULL",
                updated!()
            ),
            sha256,
        ),
    };
    let failure = item.result.as_ref().err();
    connection.prepare_cached(upsert)?.execute(params![
        within,
        item.step,
        Step::shown(&item.step),
        item.state.name(),
        item.stamp.size.map(clamped),
        item.stamp.modified,
        item.stamp.accessed,
        item.stamp.created,
        item.result.as_ref().ok().map(|digests| digests.sha256),
        failure.map(|failure| failure.outcome.name()),
        failure.map(|failure| failure.stage.name()),
        failure.map(reason),
    ])?;
    match &item.within {
        Within::Source(_) => Ok(()),
        Within::Container(sha256) => containers::note(connection, sha256),
    }
}
