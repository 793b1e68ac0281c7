//! What is done already, for the thread that walks the sources.

use std::cell::Cell;

use rusqlite::{Connection, OptionalExtension, params};

use super::info::clamped;
use super::open::connect_again;
use super::{CaseError, CaseStore, SourceId};
use crate::source::FileStamp;

/// Items of source ?1 that may be folders: what could not be listed, or not even looked at.
macro_rules! failed_folder {
    () => {
        "source = ?1 AND outcome IN ('unreadable', 'vanished') AND stage = 'walk'"
    };
}

/// Maximum questions per read transaction.
const QUESTIONS: u32 = 1024;

/// What is kept of an item of source ?1 with step ?2, and whether all is done that a run with the memory limit ?3 can do.
const STATE: &str = "SELECT item.size, item.modified,
         coalesce(item.outcome NOT IN ('unreadable', 'vanished', 'over_limit'),
                  content.id IS NOT NULL AND (content.memory_limit IS NULL OR content.memory_limit >= ?3))
     FROM item LEFT JOIN content ON content.sha256 = item.sha256
     WHERE item.source = ?1 AND item.step = ?2";

/// What the case knows of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Nothing, or not everything.
    ToDo,
    /// It was read with another size or time of change, and must be read again.
    Changed,
    /// Everything.
    Done,
}

impl CaseStore {
    /// The folders of a source that could not be listed, or not to their end, as raw bytes below it.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn failed_folders(&self, source: SourceId) -> Result<Vec<Vec<u8>>, CaseError> {
        let mut statement =
            self.connection.prepare(concat!("SELECT step FROM item WHERE ", failed_folder!()))?;
        let rows = statement.query_map([source.0], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Deletes the item of a folder that could not be listed before: now it was, and its files are items.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn forget_failed_folder(&mut self, source: SourceId, folder: &[u8]) -> Result<(), CaseError> {
        let sql = concat!("DELETE FROM item WHERE ", failed_folder!(), " AND step = ?2");
        self.connection.execute(sql, params![source.0, folder])?;
        Ok(())
    }

    /// A second, read-only connection that reports what is done already, for the thread that walks.
    /// `memory_limit` is the maximum that one picture may take in this run: contents that were over a lower
    /// limit are tried again.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn progress_reader(&self, memory_limit: u64) -> Result<ProgressReader, CaseError> {
        ProgressReader::new(connect_again(&self.database)?, memory_limit)
    }
}

/// Reports to the thread that walks what is done already.
#[derive(Debug)]
pub struct ProgressReader {
    connection: Connection,
    memory_limit: i64,
    /// Questions of the read transaction that is open.
    asked: Cell<u32>,
}

impl ProgressReader {
    pub(super) fn new(connection: Connection, memory_limit: u64) -> Result<Self, CaseError> {
        Ok(Self { connection, memory_limit: clamped(memory_limit), asked: Cell::new(0) })
    }

    /// Ends the read transaction, if one is open. Questions share one, because a transaction of its own takes far longer than the question; while it
    /// is open the writer's log cannot be emptied, so it is not kept where the thread waits.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn rest(&self) -> Result<(), CaseError> {
        if self.asked.replace(0) > 0 {
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    fn begin(&self) -> Result<(), CaseError> {
        if self.asked.get() >= QUESTIONS {
            self.rest()?;
        }
        if self.asked.get() == 0 {
            self.connection.execute_batch("BEGIN")?;
        }
        self.asked.set(self.asked.get() + 1);
        Ok(())
    }

    /// What the case knows of an item with this size and time of change. Items that could not be read
    /// (unreadable, vanished, or over a limit of reading) are tried again, and so are contents that were over a lower memory limit.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn state(&self, source: SourceId, path: &[u8], stamp: &FileStamp) -> Result<ItemState, CaseError> {
        self.begin()?;
        let mut statement = self.connection.prepare_cached(STATE)?;
        let known: Option<(Option<i64>, Option<i64>, bool)> = statement
            .query_row(params![source.0, path, self.memory_limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        Ok(match known {
            None => ItemState::ToDo,
            Some((size, modified, _)) if (size, modified) != (stamp.size.map(clamped), stamp.modified) => {
                ItemState::Changed
            }
            Some((_, _, done)) => {
                if done {
                    ItemState::Done
                } else {
                    ItemState::ToDo
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::case::made::{NoRecords, spec};
    use crate::case::{Batch, CaseIdentity, ItemRecord, PlaceState, Within};
    use crate::outcome::{Failure, Outcome, Stage};

    /// Questions of one transaction see what was written before its first, and all are answered by one statement that is compiled once.
    #[test]
    fn questions_share_a_statement_and_see_what_was_written_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut store =
            CaseStore::open_or_create(&folder.path().join("case"), &CaseIdentity::default(), &spec())
                .unwrap();
        let source = store.sources(&["/seizure".into()]).unwrap()[0];
        let stamp = FileStamp { size: Some(1), ..FileStamp::default() };
        let reader = store.progress_reader(1).unwrap();
        let state = |name: &str| reader.state(source, name.as_bytes(), &stamp).unwrap();
        assert_eq!(state("1"), ItemState::ToDo);
        let failure = |outcome| Err(Failure::new(outcome, Stage::Read, "a reason"));
        let item = |name: &str, outcome| ItemRecord {
            within: Within::Source(source),
            step: name.into(),
            state: PlaceState::Live,
            stamp,
            result: failure(outcome),
        };
        let items = vec![item("1", Outcome::NotAFile), item("2", Outcome::Unreadable)];
        store.write(&Batch { items, ..Batch::default() }, &NoRecords, 1).unwrap();
        assert_eq!(state("1"), ItemState::ToDo, "the transaction of before");
        reader.rest().unwrap();
        reader.rest().unwrap();
        for _ in 0..2 * QUESTIONS {
            assert_eq!((state("1"), state("2")), (ItemState::Done, ItemState::ToDo));
        }
        // The first of the next transaction.
        assert_eq!(state("1"), ItemState::Done);
        let items = vec![item("2", Outcome::NotAFile)];
        store.write(&Batch { items, ..Batch::default() }, &NoRecords, 1).unwrap();
        let answers: Vec<ItemState> = (0..=QUESTIONS).map(|_| state("2")).collect();
        assert_eq!(
            (answers[0], answers[QUESTIONS as usize]),
            (ItemState::ToDo, ItemState::Done),
            "one transaction later"
        );
        let other = FileStamp { size: Some(2), ..FileStamp::default() };
        assert_eq!(reader.state(source, b"1", &other).unwrap(), ItemState::Changed);
        let statement = reader.connection.prepare_cached(STATE).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        assert!(statement.get_status(StatementStatus::Run) > 4 * QUESTIONS as i32, "it is this one");
    }
}
