//! Writing the hits of a batch, and what is known of the records that they name.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql, Transaction, params};

use super::info::clamped;
use super::{
    CaseError, ContentHits, DigestHit, HashMatch, KnownFacts, NearHash, RecordList, SetId, Unconfirmed,
};
use crate::decode::View;
use crate::known::RecordDetails;
use crate::known::profile::Classification;
use crate::source::name::escape;

/// Where the writer gets the details of a record, when its first hit is stored.
pub trait RecordSource {
    /// What a set of this run knows of a record.
    ///
    /// # Errors
    /// If the set's file is damaged there.
    fn details(&self, set: SetId, record: u32) -> Result<RecordDetails, CaseError>;
}

/// The hits of a content in a set: one row by digest, and one for each distinct hash that is near.
pub(super) fn insert_hits(
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
                     unconfirmed_reason, distance, orientation, known_quality, view)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                 ON CONFLICT (content, hash_set, record) DO UPDATE SET records = excluded.records, list = excluded.list,
                     md5 = excluded.md5, sha1 = excluded.sha1, sha256 = excluded.sha256, confirmation = excluded.confirmation,
                     unconfirmed_reason = excluded.unconfirmed_reason,
                     distance = coalesce(excluded.distance, distance),
                     orientation = coalesce(excluded.orientation, orientation),
                     known_quality = coalesce(excluded.known_quality, known_quality),
                     view = coalesce(excluded.view, view)",
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
                near.map(|near| ViewText(near.view)),
            ])?;
        Ok(())
    }
}

/// Records at the beginning of a list that are kept in any case.
const LISTED: usize = 16;
/// Lists that are remembered as stored.
const KEPT: usize = 1 << 16;

/// The lists of records that the case stores.
pub(super) struct Lists<'a> {
    connection: &'a Connection,
    records: &'a dyn RecordSource,
    /// Lists that are certainly stored, with the record that a hit names: saturated hashes have the same ones.
    kept: HashSet<(i64, [u8; 16], u32)>,
}

impl<'a> Lists<'a> {
    /// Nothing is remembered yet.
    pub fn new(connection: &'a Connection, records: &'a dyn RecordSource) -> Self {
        Self { connection, records, kept: HashSet::new() }
    }

    /// Stores what is known of a list's records, once: of the first [`LISTED`], of every one that differs from those before it, and of
    /// `record`, which a hit names.
    fn keep(&mut self, set: SetId, list: &RecordList, record: u32) -> Result<(), CaseError> {
        if self.kept.contains(&(set.0, *list.id(), record)) {
            return Ok(());
        }
        if !self.has(set, list, None)? {
            let mut seen = HashSet::new();
            for (place, &other) in list.records().iter().enumerate() {
                let details = self.records.details(set, other)?;
                if seen.insert(statement(&details)) || place < LISTED {
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

/// What a record states about its picture, none of which may be lost if records are hit together.
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

/// Stores what is known of a record of a list.
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
    let columns = serde_json::Value::from_iter(columns).to_string();
    let facts = facts.unwrap_or_default();
    let shown = |text: Option<&str>| text.map(|text| escape(text.as_bytes()));
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO set_record (hash_set, record, columns, category, category_label, category_raw,
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

/// The row of a content of this or an earlier batch.
pub(super) fn content_id(connection: &Connection, sha256: &[u8; 32]) -> Result<i64, CaseError> {
    let mut statement = connection.prepare_cached("SELECT id FROM content WHERE sha256 = ?1")?;
    match statement.query_row([sha256], |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(CaseError::NoSuchContent { sha256: *sha256 }),
        id => Ok(id?),
    }
}

/// A view as the database keeps it; the usual one without an allocation.
pub(super) struct ViewText(pub View);

impl ToSql for ViewText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            View::Picture => ToSqlOutput::from("picture"),
            view => ToSqlOutput::from(view.to_string()),
        })
    }
}
