//! Stacks of a case: the contents to be stacked, and the stacks.

use rayon::prelude::*;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::info::{read_info, set_info};
use super::schema::{STACK_INDEXES, has_item, picture, stack_members};
use super::{CaseError, CaseReader, CaseStore, ContentId};
use crate::decode::DerivedFrom;
use crate::matching::stack::Stack;
use crate::pdq::PdqHash;

/// Where `case_info` keeps a digest of the contents that were stacked last.
const STACKED_KEY: &str = "stacked_contents";

/// A content that is stacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackContent {
    /// Its row.
    pub id: ContentId,
    /// Its picture's hash.
    pub hash: PdqHash,
    /// What the hash is from.
    pub derived_from: DerivedFrom,
}

/// The contents of a case that are stacked, and those that are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stackable {
    /// In the order of their SHA-256, so that numbers are the same whatever order they were found in.
    pub contents: Vec<StackContent>,
    /// Pictures set aside because of their quality.
    pub low_quality: u64,
    /// Pictures set aside because their hash is all zero.
    pub null_hashes: u64,
    /// Which of them the case's stacks know already.
    pub known: Stacked,
    /// The last content of the case.
    last: Option<ContentId>,
    settings: StackSettings,
}

/// Which of the contents to be stacked the case's stacks know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stacked {
    /// Nothing to continue from: there are no stacks, or they were built from other contents or with other settings.
    #[default]
    Nothing,
    /// All but these, which were added later: indices, ascending.
    AllBut(Vec<u32>),
}

/// The settings of the stacks of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StackSettings {
    /// Largest distance of a member from its medoid.
    pub distance: u32,
    /// Minimum quality of a member.
    pub min_quality: u8,
}

/// Counts of a case's stacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackCounts {
    /// Their settings.
    #[serde(flatten)]
    pub settings: StackSettings,
    /// Distinct contents that took part.
    pub contents: u64,
    /// Pictures set aside because of their quality.
    pub low_quality: u64,
    /// Pictures set aside because their hash is all zero.
    pub null_hashes: u64,
    /// Stacks.
    pub stacks: u64,
    /// Contents in stacks.
    pub stacked: u64,
    /// Of these, contents whose hash is from coefficients, which may be some bits off.
    pub from_coefficients: u64,
    /// Contents of the largest stack.
    pub largest: u64,
    /// Contents that were added to the case later: they are in no stack.
    pub newer: u64,
    /// Contents of stacks that no item has any more: their files changed later.
    pub gone: u64,
}

/// An item in a stack: one row of the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackRow {
    /// 1 for the largest stack.
    pub stack: i64,
    /// Distinct contents in it.
    pub stack_contents: i64,
    /// The largest distance of any two of them.
    pub diameter: i64,
    /// Distance from the medoid.
    pub distance: i64,
    /// Whether its content is the medoid, or represents the stack if no item has the medoid any more.
    pub medoid: bool,
    /// The source's path, escaped.
    pub source: String,
    /// The item's path below it, escaped.
    pub path: String,
    /// Digest of the content.
    pub sha256: String,
    /// The content's hash.
    pub pdq: String,
    /// The picture's quality.
    pub quality: i64,
    /// What the hash is from.
    pub derived_from: String,
}

impl CaseStore {
    /// The contents to be stacked: those that items have. `keep_going` is called with how many more contents were read; `None` if it returned
    /// `false`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn stackable(
        &self,
        settings: StackSettings,
        keep_going: &dyn Fn(u64) -> bool,
    ) -> Result<Option<Stackable>, CaseError> {
        let last = self.connection.query_row("SELECT max(id) FROM content", [], |row| row.get(0))?;
        let mut found = Stackable { last: Option::map(last, ContentId), settings, ..Stackable::default() };
        let Some(with_items) = with_items(&self.connection, keep_going)? else { return Ok(None) };
        // In the order of rows, which is how they lie in the file; and sorted here.
        let mut statement = self.connection.prepare(
            "SELECT content.id, sha256, substr(hashes, 1, 32), quality, derived_from FROM fingerprint
             CROSS JOIN content ON content.id = fingerprint.content WHERE spec = 'pdq' AND view = 'picture'",
        )?;
        let mut contents: Vec<([u8; 32], StackContent)> = Vec::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !keep_going(1) {
                return Ok(None);
            }
            if with_items.binary_search(&row.get(0)?).is_err() {
                continue;
            }
            let (hash, path): (Vec<u8>, String) = (row.get(2)?, row.get(4)?);
            let (Some(hash), Some(derived_from)) = (hash.first_chunk(), DerivedFrom::from_name(&path)) else {
                return Err(CaseError::damaged("a fingerprint without its eight hashes"));
            };
            let hash = PdqHash::from_bytes(*hash);
            if hash.is_zero() {
                found.null_hashes += 1;
            } else if row.get::<_, u8>(3)? < settings.min_quality {
                found.low_quality += 1;
            } else {
                let content = StackContent { id: ContentId(row.get(0)?), hash, derived_from };
                contents.push((row.get(1)?, content));
            }
        }
        contents.sort_unstable_by_key(|(sha256, _)| *sha256);
        found.contents = contents.into_iter().map(|(_, content)| content).collect();
        found.known = self.stacked(&found)?;
        Ok(Some(found))
    }

    /// The maximum number of contents that [`CaseStore::stackable`] reads.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn content_count(&self) -> Result<u64, CaseError> {
        let count = "SELECT count(*) FROM content";
        Ok(self.connection.query_row(count, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// What the case's stacks know of `found`.
    fn stacked(&self, found: &Stackable) -> Result<Stacked, CaseError> {
        let last: Option<i64> = self
            .connection
            .query_row("SELECT last_content FROM stack_settings", [], |row| row.get(0))
            .optional()?;
        let (Some(last), Some(stacked)) = (last, read_info(&self.connection, STACKED_KEY)?) else {
            return Ok(Stacked::Nothing);
        };
        if digest(&found.contents, found.settings, ContentId(last)) != stacked {
            return Ok(Stacked::Nothing);
        }
        let later = (0_u32..).zip(&found.contents).filter(|(_, content)| content.id.0 > last);
        Ok(Stacked::AllBut(later.map(|(index, _)| index).collect()))
    }

    /// The settings of the case's stacks; `None` if there are none yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn stack_settings(&self) -> Result<Option<StackSettings>, CaseError> {
        let settings = |row: &Row<'_>| Ok(StackSettings { distance: row.get(0)?, min_quality: row.get(1)? });
        let query = "SELECT distance, min_quality FROM stack_settings";
        Ok(self.connection.query_row(query, [], settings).optional()?)
    }

    /// The case's stacks, as numbers of the contents of `stackable`, which knows all of them.
    ///
    /// # Errors
    /// If the database cannot be read, or the case has a stack of other contents.
    pub fn stacks(&self, stackable: &Stackable) -> Result<Vec<Stack>, CaseError> {
        let mut numbers: Vec<(i64, u32)> =
            stackable.contents.iter().map(|content| content.id.0).zip(0..).collect();
        numbers.sort_unstable();
        let number = |content: i64| match numbers.binary_search_by_key(&content, |(id, _)| *id) {
            Ok(place) => Ok(numbers[place].1),
            Err(_) => Err(CaseError::damaged("a stack has a content without a hash")),
        };
        let mut heads =
            self.connection.prepare("SELECT number, medoid, diameter FROM stack ORDER BY number")?;
        let mut members =
            self.connection.prepare("SELECT content, distance FROM stack_member WHERE stack = ?1")?;
        let mut stacks = Vec::new();
        let mut rows = heads.query([])?;
        while let Some(row) = rows.next()? {
            let mut stack =
                Stack { medoid: number(row.get(1)?)?, members: Vec::new(), diameter: row.get(2)? };
            let mut rows = members.query([row.get::<_, i64>(0)?])?;
            while let Some(row) = rows.next()? {
                stack.members.push((number(row.get(0)?)?, row.get(1)?));
            }
            stack.members.sort_unstable_by_key(|&(member, distance)| (distance, member));
            stacks.push(stack);
        }
        Ok(stacks)
    }

    /// Replaces the case's stacks by stacks of `stackable`, in one transaction. Returns `false` if `keep_going`, which is called for each
    /// row, did: then the case stays as it was.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn write_stacks(
        &mut self,
        stackable: &Stackable,
        stacks: &[Stack],
        keep_going: &dyn Fn() -> bool,
    ) -> Result<bool, CaseError> {
        // Looking up the references of a row takes as long as writing it, and the rows refer to contents that this run has read from the case,
        // and to each other.
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        let written = self.replace_stacks(stackable, stacks, keep_going);
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        written
    }

    fn replace_stacks(
        &mut self,
        stackable: &Stackable,
        stacks: &[Stack],
        keep_going: &dyn Fn() -> bool,
    ) -> Result<bool, CaseError> {
        let id = |index: u32| stackable.contents[index as usize].id.0;
        // Rows in the order of their keys, and indexes made of all of them at once, take half the time.
        let mut members: Vec<(i64, i64, u32)> = (1_i64..)
            .zip(stacks)
            .flat_map(|(number, stack)| {
                stack.members.iter().map(move |&(member, distance)| (id(member), number, distance))
            })
            .collect();
        members.par_sort_unstable();
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(
            "DROP INDEX stack_member_stack; DROP INDEX stack_medoid; DELETE FROM stack_member; DELETE FROM stack",
        )?;
        write_settings(&transaction, stackable)?;
        {
            let mut stack_row = transaction
                .prepare("INSERT INTO stack (number, medoid, contents, diameter) VALUES (?1, ?2, ?3, ?4)")?;
            let mut member_row = transaction
                .prepare("INSERT INTO stack_member (content, stack, distance) VALUES (?1, ?2, ?3)")?;
            for (number, stack) in (1_i64..).zip(stacks) {
                stack_row.execute(params![
                    number,
                    id(stack.medoid),
                    stack.members.len() as i64,
                    stack.diameter
                ])?;
                if !keep_going() {
                    return Ok(false);
                }
            }
            for (content, number, distance) in members {
                member_row.execute(params![content, number, distance])?;
                if !keep_going() {
                    return Ok(false);
                }
            }
        }
        transaction.execute_batch(STACK_INDEXES)?;
        transaction.commit()?;
        Ok(true)
    }

    /// Records that the case's stacks are those of `stackable` as well: none of the contents added since is in a stack.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn keep_stacks(&mut self, stackable: &Stackable) -> Result<(), CaseError> {
        let transaction = self.connection.transaction()?;
        write_settings(&transaction, stackable)?;
        Ok(transaction.commit()?)
    }
}

/// The contents that items have, ascending; the answer of [`has_item`] for all of them, found by reading both indexes
/// in parallel. `None` if `keep_going` returned `false`.
pub(super) fn with_items(
    connection: &Connection,
    keep_going: &dyn Fn(u64) -> bool,
) -> Result<Option<Vec<i64>>, CaseError> {
    let mut statement = connection.prepare(
        "SELECT content.id FROM item INDEXED BY item_sha256 CROSS JOIN content ON content.sha256 = item.sha256
         WHERE item.sha256 IS NOT NULL
             AND (item.parent IS NULL OR EXISTS (SELECT 1 FROM container WHERE container.sha256 = item.parent))",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(row.get(0)?);
        if !keep_going(0) {
            return Ok(None);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(Some(found))
}

/// A digest of everything that decides the stacks of the contents up to `last`: if it is the same, so are their stacks.
fn digest(contents: &[StackContent], settings: StackSettings, last: ContentId) -> String {
    let mut hasher = Sha256::new();
    hasher.update(settings.distance.to_le_bytes());
    hasher.update([settings.min_quality]);
    for content in contents.iter().filter(|content| content.id <= last) {
        hasher.update(content.id.0.to_le_bytes());
        hasher.update(content.hash.to_bytes());
    }
    crate::source::digest::hex(&hasher.finalize())
}

/// Writes the settings of the stacks of `stackable`, and what they were built from.
fn write_settings(transaction: &Transaction<'_>, stackable: &Stackable) -> Result<(), CaseError> {
    let Stackable { contents, settings, .. } = stackable;
    let last = stackable.last.unwrap_or(ContentId(0));
    transaction.execute("DELETE FROM stack_settings", [])?;
    transaction.execute(
        "INSERT INTO stack_settings (id, distance, min_quality, contents, low_quality, null_hashes, last_content, created)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
        params![
            settings.distance,
            settings.min_quality,
            contents.len() as i64,
            stackable.low_quality.cast_signed(),
            stackable.null_hashes.cast_signed(),
            last.0,
        ],
    )?;
    set_info(transaction, STACKED_KEY, &digest(contents, *settings, last))
}

impl CaseReader {
    /// Counts of the case's stacks; `None` if there are none yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn stack_counts(&self) -> Result<Option<StackCounts>, CaseError> {
        if !self.has_stacks()? {
            return Ok(None);
        }
        let count = |row: &Row<'_>, column: usize| {
            Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned())
        };
        let counts = self.connection.query_row(
            concat!(
                "SELECT distance, min_quality, stack_settings.contents, low_quality, null_hashes,
                 count(whole.contents), coalesce(sum(whole.contents), 0), coalesce(sum(whole.coefficients), 0),
                 coalesce(max(whole.contents), 0),
                 (SELECT count(*) FROM fingerprint JOIN content ON content.id = fingerprint.content
                  WHERE fingerprint.content > last_content AND view = 'picture' AND spec = 'pdq' AND ",
                has_item!(),
                "), (SELECT count(*) FROM stack_member JOIN content ON content.id = stack_member.content WHERE NOT ",
                has_item!(),
                ")
             FROM stack_settings LEFT JOIN (
                 SELECT count(*) AS contents, sum(picture.derived_from = 'coefficients') AS coefficients
                 FROM stack_member JOIN content ON content.id = stack_member.content LEFT JOIN ",
                picture!(),
                " WHERE ",
                has_item!(),
                " GROUP BY stack_member.stack HAVING count(*) > 1) AS whole
             GROUP BY stack_settings.id"
            ),
            [],
            |row| {
                Ok(StackCounts {
                    settings: StackSettings { distance: row.get(0)?, min_quality: row.get(1)? },
                    contents: count(row, 2)?,
                    low_quality: count(row, 3)?,
                    null_hashes: count(row, 4)?,
                    stacks: count(row, 5)?,
                    stacked: count(row, 6)?,
                    from_coefficients: count(row, 7)?,
                    largest: count(row, 8)?,
                    newer: count(row, 9)?,
                    gone: count(row, 10)?,
                })
            },
        );
        Ok(counts.optional()?)
    }

    /// Whether the case has stacks.
    fn has_stacks(&self) -> Result<bool, CaseError> {
        let rows: i64 =
            self.connection.query_row("SELECT count(*) FROM stack_settings", [], |row| row.get(0))?;
        Ok(rows == 1)
    }

    /// Every item of every stack: stacks by number, members by distance, then SHA-256, then path.
    ///
    /// # Errors
    /// If there are no stacks, the database cannot be read, or `visit` fails.
    pub fn for_each_stack_item<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(StackRow) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.has_stacks()? {
            return Err(CaseError::NoStacks { folder: self.folder().to_path_buf() }.into());
        }
        self.for_each_row(
            concat!(
                "WITH ",
                stack_members!(),
                " SELECT member.stack, member.contents, stack.diameter, member.distance, member.place = 1,
                 place.source, place.path, lower(hex(content.sha256)), lower(hex(substr(picture.hashes, 1, 32))),
                 picture.quality, picture.derived_from
             FROM member
             JOIN stack ON stack.number = member.stack
             JOIN content ON content.id = member.content
             JOIN ",
                picture!(),
                " JOIN place ON place.sha256 = content.sha256
             WHERE member.contents > 1
             ORDER BY member.stack, member.distance, content.sha256, place.source_sort, place.path_sort"
            ),
            |row| Ok(stack_row(row)?),
            &mut visit,
        )
    }
}

fn stack_row(row: &Row<'_>) -> rusqlite::Result<StackRow> {
    Ok(StackRow {
        stack: row.get(0)?,
        stack_contents: row.get(1)?,
        diameter: row.get(2)?,
        distance: row.get(3)?,
        medoid: row.get(4)?,
        source: row.get(5)?,
        path: row.get(6)?,
        sha256: row.get(7)?,
        pdq: row.get(8)?,
        quality: row.get(9)?,
        derived_from: row.get(10)?,
    })
}
