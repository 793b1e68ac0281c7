//! Facts of a case by name, and numbers as its database holds them.

use rusqlite::{Connection, OptionalExtension};

use super::CaseError;

/// The integer that SQLite can hold for a number of bytes.
pub(super) fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn read_info(connection: &Connection, key: &str) -> Result<Option<String>, CaseError> {
    Ok(connection
        .query_row("SELECT value FROM case_info WHERE key = ?1", [key], |row| row.get(0))
        .optional()?)
}

pub(super) fn write_info(connection: &Connection, key: &str, value: &str) -> Result<(), CaseError> {
    connection.execute("INSERT INTO case_info (key, value) VALUES (?1, ?2)", [key, value])?;
    Ok(())
}

/// Writes a fact of the case, replacing what was there.
pub(super) fn set_info(connection: &Connection, key: &str, value: &str) -> Result<(), CaseError> {
    connection.execute(
        "INSERT INTO case_info (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, value],
    )?;
    Ok(())
}
