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

/// Questions that share a read transaction at most.
const QUESTIONS: u32 = 1024;

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

    /// Ends the read transaction, if one is open. Questions share one, because each of its own would take far longer than the question; while it
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
        let mut statement = self.connection.prepare_cached(
            "SELECT item.size, item.modified,
                 coalesce(item.outcome NOT IN ('unreadable', 'vanished', 'over_limit'),
                          content.id IS NOT NULL AND (content.memory_limit IS NULL OR content.memory_limit >= ?3))
             FROM item LEFT JOIN content ON content.sha256 = item.sha256
             WHERE item.source = ?1 AND item.step = ?2",
        )?;
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
