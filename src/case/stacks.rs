//! Stacks of a case: the contents that are stacked, and what became of them.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::{CaseError, CaseReader, CaseStore, ContentId};
use crate::decode::DecodePath;
use crate::matching::stack::Stack;
use crate::pdq::Code;

/// A content that is stacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackContent {
    /// Its row.
    pub id: ContentId,
    /// Its picture's code.
    pub code: Code,
    /// What the code is from.
    pub decode_path: DecodePath,
}

/// The contents of a case that are stacked, and those that are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stackable {
    /// In the order of their SHA-256, so that numbers are the same whatever order they were found in.
    pub contents: Vec<StackContent>,
    /// Pictures set aside because of their quality.
    pub low_quality: u64,
    /// Pictures set aside because their code is all zero.
    pub zero_codes: u64,
    /// The last content that was there.
    last: Option<ContentId>,
}

/// How the stacks of a case were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackSettings {
    /// Largest distance of a member from its medoid.
    pub distance: u32,
    /// Least quality of a member.
    pub min_quality: u8,
}

/// What is told of a case's stacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackCounts {
    /// How they were made.
    #[serde(flatten)]
    pub settings: StackSettings,
    /// Distinct contents that took part.
    pub contents: u64,
    /// Pictures set aside because of their quality.
    pub low_quality: u64,
    /// Pictures set aside because their code is all zero.
    pub zero_codes: u64,
    /// Stacks.
    pub stacks: u64,
    /// Contents in stacks.
    pub stacked: u64,
    /// Of these, contents whose code is from coefficients, which may be some bits off.
    pub from_coefficients: u64,
    /// Contents of the largest stack.
    pub largest: u64,
    /// Contents that came to the case later: the stacks do not know them.
    pub newer: u64,
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
    /// Whether its content is the medoid.
    pub medoid: bool,
    /// The source's path, escaped.
    pub source: String,
    /// The item's path below it, escaped.
    pub path: String,
    /// Digest of the content.
    pub sha256: String,
    /// The content's code.
    pub pdq: String,
    /// The picture's quality.
    pub quality: i64,
    /// What the code is from.
    pub decode_path: String,
}

impl CaseStore {
    /// The contents to be stacked.
    ///
    /// # Errors
    /// The database said no.
    pub fn stackable(&self, min_quality: u8) -> Result<Stackable, CaseError> {
        let mut statement = self.connection.prepare(
            "SELECT id, codes, quality, decode_path FROM content WHERE codes IS NOT NULL ORDER BY sha256",
        )?;
        let last = self.connection.query_row("SELECT max(id) FROM content", [], |row| row.get(0))?;
        let mut found = Stackable { last: Option::map(last, ContentId), ..Stackable::default() };
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let codes: Vec<u8> = row.get(1)?;
            let path: String = row.get(3)?;
            let (Some(code), Some(decode_path)) = (codes.first_chunk(), DecodePath::from_name(&path)) else {
                return Err(CaseError::Refused("the case is damaged: a content has no whole code".into()));
            };
            let code = Code::from_bytes(*code);
            if code.is_zero() {
                found.zero_codes += 1;
            } else if row.get::<_, u8>(2)? < min_quality {
                found.low_quality += 1;
            } else {
                found.contents.push(StackContent { id: ContentId(row.get(0)?), code, decode_path });
            }
        }
        Ok(found)
    }

    /// How the case's stacks were made; `None` where there are none yet.
    ///
    /// # Errors
    /// The database said no.
    pub fn stack_settings(&self) -> Result<Option<StackSettings>, CaseError> {
        let settings = |row: &Row<'_>| Ok(StackSettings { distance: row.get(0)?, min_quality: row.get(1)? });
        let query = "SELECT distance, min_quality FROM stack_settings";
        Ok(self.connection.query_row(query, [], settings).optional()?)
    }

    /// Puts stacks of `stackable` in the place of those that the case had, in one transaction.
    ///
    /// # Errors
    /// The database said no.
    pub fn write_stacks(
        &mut self,
        stackable: &Stackable,
        settings: &StackSettings,
        stacks: &[Stack],
    ) -> Result<(), CaseError> {
        let id = |index: u32| stackable.contents[index as usize].id.0;
        let transaction = self.connection.transaction()?;
        transaction
            .execute_batch("DELETE FROM stack_member; DELETE FROM stack; DELETE FROM stack_settings")?;
        transaction.execute(
            "INSERT INTO stack_settings (id, distance, min_quality, contents, low_quality, zero_codes, last_content, made)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
            params![
                settings.distance,
                settings.min_quality,
                stackable.contents.len() as i64,
                stackable.low_quality.cast_signed(),
                stackable.zero_codes.cast_signed(),
                stackable.last.map_or(0, |last| last.0),
            ],
        )?;
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
                for &(member, distance) in &stack.members {
                    member_row.execute(params![id(member), number, distance])?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

impl CaseReader {
    /// What there is to tell of the case's stacks; `None` where none were made yet.
    ///
    /// # Errors
    /// The database said no.
    pub fn stack_counts(&self) -> Result<Option<StackCounts>, CaseError> {
        if !self.has_stacks()? {
            return Ok(None);
        }
        let count = |row: &Row<'_>, column: usize| {
            Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned())
        };
        let counts = self.connection.query_row(
            "SELECT distance, min_quality, contents, low_quality, zero_codes,
                 (SELECT count(*) FROM stack), (SELECT count(*) FROM stack_member),
                 (SELECT count(*) FROM stack_member JOIN content ON content.id = stack_member.content
                  WHERE content.decode_path = 'coefficients'),
                 (SELECT coalesce(max(contents), 0) FROM stack),
                 (SELECT count(*) FROM content WHERE codes IS NOT NULL AND id > last_content)
             FROM stack_settings",
            [],
            |row| {
                Ok(StackCounts {
                    settings: StackSettings { distance: row.get(0)?, min_quality: row.get(1)? },
                    contents: count(row, 2)?,
                    low_quality: count(row, 3)?,
                    zero_codes: count(row, 4)?,
                    stacks: count(row, 5)?,
                    stacked: count(row, 6)?,
                    from_coefficients: count(row, 7)?,
                    largest: count(row, 8)?,
                    newer: count(row, 9)?,
                })
            },
        );
        Ok(counts.optional()?)
    }

    /// Whether stacks were made.
    fn has_stacks(&self) -> Result<bool, CaseError> {
        let made: i64 =
            self.connection.query_row("SELECT count(*) FROM stack_settings", [], |row| row.get(0))?;
        Ok(made == 1)
    }

    /// Every item of every stack: stacks by number, members by distance, then SHA-256, then path.
    ///
    /// # Errors
    /// There are no stacks, the database said no, or `visit` did.
    pub fn for_each_stack_item<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(StackRow) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.has_stacks()? {
            return Err(CaseError::Refused(
                "the case has no stacks yet: `tamis stack --case DIR` makes them".into(),
            )
            .into());
        }
        self.for_each_row(
            "SELECT stack.number, stack.contents, stack.diameter, stack_member.distance, stack.medoid = content.id,
                     source.path, item.path, lower(hex(content.sha256)), lower(hex(substr(content.codes, 1, 32))),
                     content.quality, content.decode_path
                 FROM stack
                 JOIN stack_member ON stack_member.stack = stack.number
                 JOIN content ON content.id = stack_member.content
                 JOIN item ON item.sha256 = content.sha256
                 JOIN source ON source.id = item.source
                 ORDER BY stack.number, stack_member.distance, content.sha256, source.path_raw, item.path_raw",
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
        decode_path: row.get(10)?,
    })
}
