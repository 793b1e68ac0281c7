//! Figures of a case that its report shows in addition to the summary's: runs, formats, qualities, times, whole stacks.

use std::collections::BTreeMap;

use rusqlite::{Row, Transaction};

use super::schema::{has_item, stack_members};
use super::sources::provenances;
use super::{CaseError, CaseReader};
use crate::source::Provenance;

/// What created a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseOrigin {
    /// The program that created it, with its version.
    pub program: Option<String>,
    /// When, ISO 8601, UTC.
    pub created: Option<String>,
}

/// A command that wrote to the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its number, from 1, in the order of starting.
    pub number: i64,
    /// The command's name.
    pub command: String,
    /// All resolved options, JSON.
    pub settings: String,
    /// ISO 8601, UTC.
    pub started: String,
    /// ISO 8601, UTC; `None` if its end was not recorded.
    pub ended: Option<String>,
    /// "running", "done", "interrupted", "failed" or "died".
    pub state: String,
    /// Its notices, JSON: an array of texts.
    pub notices: String,
}

/// Items of one format by content and one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatCount {
    /// The format's name; `None` for items that are not pictures by their content, or were never read.
    pub format: Option<String>,
    /// The outcome's name.
    pub outcome: String,
    /// Items.
    pub items: u64,
}

/// A stack as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackHead {
    /// 1 for the largest.
    pub number: i64,
    /// Distinct contents in it.
    pub contents: i64,
    /// Items with these contents, copies included.
    pub items: i64,
    /// The largest distance of any two contents.
    pub diameter: i64,
    /// The medoid's source and path below it, of its first item, escaped. Where no item has the medoid any more, the nearest
    /// other member's.
    pub source: String,
    /// See `source`.
    pub path: String,
    /// The SHA-256 of what `path` names, hex.
    pub sha256: String,
    /// Members with a hit in any set.
    pub with_hits: i64,
}

/// A known record that a hit lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRecordRow {
    /// Its set's name.
    pub hash_set: String,
    /// SHA-256 of the set's file, hex.
    pub hash_set_sha256: String,
    /// Its number in the set, from 1.
    pub record: i64,
    /// Its own columns.
    pub columns: BTreeMap<String, String>,
}

/// A content whose picture may be shown, and where its bytes may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturedContent {
    /// Digest of the bytes.
    pub sha256: [u8; 32],
    /// Bytes.
    pub size: u64,
    /// Whether it has a hit.
    pub is_hit: bool,
    /// The stack that it represents.
    pub medoid_of: Option<i64>,
    /// Where these bytes were found, in the order of places.
    pub places: Vec<Provenance>,
}

/// A consistent state of a case: what [`CaseReader::snapshot`] returns.
#[derive(Debug)]
pub struct Snapshot<'a> {
    _transaction: Transaction<'a>,
}

impl CaseReader {
    /// Until the snapshot is dropped, everything that is read is of one state, whatever a concurrent run writes.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, CaseError> {
        Ok(Snapshot { _transaction: self.connection.unchecked_transaction()? })
    }

    /// What created the case.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn origin(&self) -> Result<CaseOrigin, CaseError> {
        let mut statement = self
            .connection
            .prepare("SELECT max(CASE WHEN key = 'program' THEN value END), max(CASE WHEN key = 'created' THEN value END) FROM case_info")?;
        Ok(statement.query_row([], |row| Ok(CaseOrigin { program: row.get(0)?, created: row.get(1)? }))?)
    }

    /// Every command that wrote, in the order of starting.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn runs(&self) -> Result<Vec<RunRow>, CaseError> {
        self.rows(
            "SELECT row_number() OVER (ORDER BY id), command, settings, started, ended, state, notices FROM run ORDER BY id",
            |row| {
                Ok(RunRow {
                    number: row.get(0)?,
                    command: row.get(1)?,
                    settings: row.get(2)?,
                    started: row.get(3)?,
                    ended: row.get(4)?,
                    state: row.get(5)?,
                    notices: row.get(6)?,
                })
            },
        )
    }

    /// Items by format and outcome; the formats by name, what has none last.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn format_counts(&self) -> Result<Vec<FormatCount>, CaseError> {
        self.rows(
            // As the view `items` has it, without numbering every item: copies of what has a result are duplicates.
            "SELECT * FROM (WITH found AS MATERIALIZED (
                 SELECT format, outcome, count(*) AS contents, sum(items) - count(*) AS copies FROM (
                     SELECT content.format AS format, content.outcome AS outcome, count(*) AS items
                     FROM content CROSS JOIN live_item ON live_item.sha256 = content.sha256 GROUP BY content.id)
                 GROUP BY format, outcome)
             SELECT format, outcome, contents + CASE WHEN outcome IN ('hashed', 'other') THEN 0 ELSE copies END FROM found
             UNION ALL
             SELECT format, 'duplicate', sum(copies) AS all_copies FROM found
             WHERE outcome IN ('hashed', 'other') GROUP BY format HAVING all_copies > 0
             UNION ALL
             SELECT NULL, outcome, count(*) FROM live_item WHERE sha256 IS NULL GROUP BY outcome
             ) ORDER BY format IS NULL, format, outcome",
            |row| Ok(FormatCount { format: row.get(0)?, outcome: row.get(1)?, items: count(row, 2)? }),
        )
    }

    /// Distinct pictures with a hash by quality (0…100), sorted, without zeros.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn quality_counts(&self) -> Result<Vec<(u32, u64)>, CaseError> {
        self.rows(
            concat!(
                "SELECT quality, count(*) FROM fingerprint JOIN content ON content.id = fingerprint.content
                 WHERE view = 'picture' AND spec = 'pdq' AND ",
                has_item!(),
                " GROUP BY quality ORDER BY quality"
            ),
            |row| Ok((row.get(0)?, count(row, 1)?)),
        )
    }

    /// Distinct pictures with a hash by what it is from, sorted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn derived_from_counts(&self) -> Result<Vec<(String, u64)>, CaseError> {
        self.rows(
            concat!(
                "SELECT derived_from, count(*) FROM fingerprint JOIN content ON content.id = fingerprint.content
                 WHERE view = 'picture' AND spec = 'pdq' AND ",
                has_item!(),
                " GROUP BY derived_from ORDER BY derived_from"
            ),
            |row| Ok((row.get(0)?, count(row, 1)?)),
        )
    }

    /// Items by the year in which they were taken according to their EXIF data, sorted; without times that do not begin with four
    /// digits.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn taken_counts(&self) -> Result<Vec<(u32, u64)>, CaseError> {
        self.rows(
            "SELECT CAST(substr(content.taken, 1, 4) AS INTEGER), count(*) FROM content CROSS JOIN live_item ON live_item.sha256 = content.sha256
             WHERE content.taken GLOB '[0-9][0-9][0-9][0-9]*' GROUP BY 1 ORDER BY 1",
            |row| Ok((row.get(0)?, count(row, 1)?)),
        )
    }

    /// Hits by confirmation, sorted by its name.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn verification_counts(&self) -> Result<Vec<(String, u64)>, CaseError> {
        self.rows(
            "SELECT hit.confirmation, count(*) FROM hit JOIN content ON content.id = hit.content
             JOIN live_item ON live_item.sha256 = content.sha256 GROUP BY hit.confirmation ORDER BY hit.confirmation",
            |row| Ok((row.get(0)?, count(row, 1)?)),
        )
    }

    /// The stacks as wholes, by number.
    ///
    /// # Errors
    /// If there are no stacks, the database cannot be read, or `visit` fails.
    pub fn for_each_stack<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(StackHead) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_row(
            concat!(
                "WITH ",
                stack_members!(),
                " SELECT member.stack, member.contents,
                 (SELECT count(*) FROM stack_member AS other JOIN content ON content.id = other.content
                  JOIN live_item ON live_item.sha256 = content.sha256 WHERE other.stack = member.stack),
                 stack.diameter,
                 (SELECT place.source FROM place WHERE place.sha256 = content.sha256 ORDER BY source_sort, path_sort LIMIT 1),
                 (SELECT place.path FROM place WHERE place.sha256 = content.sha256 ORDER BY source_sort, path_sort LIMIT 1),
                 lower(hex(content.sha256)),
                 (SELECT count(*) FROM stack_member AS other JOIN content ON content.id = other.content
                  WHERE other.stack = member.stack AND EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id) AND ",
                has_item!(),
                ")
             FROM member JOIN stack ON stack.number = member.stack JOIN content ON content.id = member.content
             WHERE member.place = 1 AND member.contents > 1
             ORDER BY member.stack"
            ),
            |row| {
                Ok(StackHead {
                    number: row.get(0)?,
                    contents: row.get(1)?,
                    items: row.get(2)?,
                    diameter: row.get(3)?,
                    source: row.get(4)?,
                    path: row.get(5)?,
                    sha256: row.get(6)?,
                    with_hits: row.get(7)?,
                })
            },
            &mut visit,
        )
    }

    /// Every known record that a hit lists, by the SHA-256 of its set's file and its number.
    ///
    /// # Errors
    /// If the database cannot be read, or `visit` fails.
    pub fn for_each_set_record<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(SetRecordRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_row(
            concat!(
                "SELECT hash_set.name, lower(hex(hash_set.file_sha256)), found.record + 1, coalesce(set_record.columns, '{}')
             FROM (SELECT DISTINCT hit.hash_set, hit.record FROM hit_record AS hit JOIN content ON content.id = hit.content WHERE ",
                has_item!(),
                ") AS found
             JOIN hash_set ON hash_set.id = found.hash_set
             LEFT JOIN set_record ON set_record.hash_set = found.hash_set AND set_record.record = found.record
             ORDER BY hash_set.file_sha256, found.record"
            ),
            |row| {
                let columns: String = row.get(3)?;
                let columns = serde_json::from_str(&columns)
                    .map_err(|error| CaseError::damaged_by("columns of a known record", error))?;
                Ok(SetRecordRow { hash_set: row.get(0)?, hash_set_sha256: row.get(1)?, record: row.get(2)?, columns })
            },
            &mut visit,
        )
    }

    /// Pictures with a hit and medoids of stacks, by SHA-256: up to `limit` of them, and how many there are.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn pictured_contents(&self, limit: u64) -> Result<(Vec<PicturedContent>, u64), CaseError> {
        let hits = concat!(
            "SELECT content.sha256 AS sha256, content.size AS size, 1 AS is_hit, NULL AS medoid_of FROM content
             WHERE content.outcome = 'hashed' AND EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id) AND ",
            has_item!()
        );
        let medoids = concat!(
            "UNION ALL SELECT content.sha256, content.size, 0, member.stack
             FROM (WITH ",
            stack_members!(),
            " SELECT * FROM member WHERE place = 1 AND contents > 1) AS member
             JOIN content ON content.id = member.content"
        );
        let medoids = if self.stack_counts()?.is_some() { medoids } else { "" };
        let query = format!(
            "SELECT sha256, size, max(is_hit), min(medoid_of) FROM ({hits} {medoids}) GROUP BY sha256 ORDER BY sha256"
        );
        let mut all = 0;
        let mut shown: Vec<PicturedContent> = Vec::new();
        self.for_each_row(
            &query,
            |row| {
                Ok(PicturedContent {
                    sha256: row.get(0)?,
                    size: count(row, 1)?,
                    is_hit: row.get(2)?,
                    medoid_of: row.get(3)?,
                    places: Vec::new(),
                })
            },
            &mut |content| {
                all += 1;
                if all <= limit {
                    shown.push(content);
                }
                Ok::<(), CaseError>(())
            },
        )?;
        for content in &mut shown {
            content.places = provenances(&self.connection, &content.sha256)?;
        }
        Ok((shown, all))
    }

    /// All rows of a query without parameters.
    fn rows<T>(
        &self,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CaseError> {
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A count; SQLite's integers are signed.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).cast_unsigned())
}
