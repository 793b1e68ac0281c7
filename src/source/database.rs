//! SQLite databases that are somebody's evidence or publication: read, and nothing written beside them.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::name::path_bytes;

/// Opens a database as one that nobody changes: SQLite takes no locks, and makes no file beside it. What is in a log that was not
/// brought into the database is not seen: look first whether there is one.
///
/// # Errors
/// It cannot be opened.
pub fn open_immutable(database: &Path) -> rusqlite::Result<Connection> {
    let absolute = std::path::absolute(database).unwrap_or_else(|_| database.to_path_buf());
    let mut uri = String::from("file:");
    for &byte in path_bytes(&absolute).iter() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            b'\\' if cfg!(windows) => uri.push('/'),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags)
}
