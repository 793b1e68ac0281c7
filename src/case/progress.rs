//! What is done already, for the walking thread.

use rusqlite::{Connection, OptionalExtension, params};

use super::store::clamped;
use super::{CaseError, SourceId};
use crate::source::FileStamp;

/// What the case knows of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Nothing, or not all.
    ToDo,
    /// It was read with another size or time of change: it is to be read again.
    Changed,
    /// Everything.
    Done,
}

/// Tells the walking thread what is done already.
#[derive(Debug)]
pub struct ProgressReader {
    connection: Connection,
    memory_limit: i64,
}

impl ProgressReader {
    pub(super) fn new(connection: Connection, memory_limit: u64) -> Result<Self, CaseError> {
        Ok(Self { connection, memory_limit: clamped(memory_limit) })
    }

    /// What the case knows of an item with this size and time of change. Items that could not be read
    /// (unreadable, vanished) are tried again, and so are contents that were over a lower memory limit.
    ///
    /// # Errors
    /// The database said no.
    pub fn state(&self, source: SourceId, path: &[u8], stamp: &FileStamp) -> Result<ItemState, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT item.size, item.modified,
                 coalesce(item.outcome NOT IN ('unreadable', 'vanished'),
                          content.id IS NOT NULL AND (content.memory_limit IS NULL OR content.memory_limit >= ?3))
             FROM item LEFT JOIN content ON content.sha256 = item.sha256
             WHERE item.source = ?1 AND item.path_raw = ?2",
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
