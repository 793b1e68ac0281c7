//! SQLite databases that others created or may have changed: evidence, publications, the cases of other labs. Their content is data
//! and is never executed.

use std::path::Path;

use rusqlite::config::DbConfig;
#[cfg(feature = "import")]
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::name::for_system;

/// Hardens a connection against a hostile database: no trigger fires, views and columns only call functions that SQLite considers
/// harmless, no other file is attached, and pages are checked before use. A statement has one plan, whatever is bound to it, and so is
/// compiled once: the plans of cases are tested, and compiling takes longer than most queries.
///
/// # Errors
/// If SQLite refuses a setting.
pub fn distrust(connection: &Connection) -> rusqlite::Result<()> {
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Instructions of SQLite's virtual machine between two checks for cancellation: a few milliseconds at most.
const INSTRUCTIONS_BETWEEN_QUESTIONS: i32 = 100_000;

/// Lets `cancelled` end the connection's current query, which then fails as
/// [`OperationInterrupted`](rusqlite::ErrorCode::OperationInterrupted).
///
/// # Errors
/// If SQLite refuses the handler.
pub fn hear(
    connection: &mut Connection,
    cancelled: impl FnMut() -> bool + Send + 'static,
) -> rusqlite::Result<()> {
    connection.progress_handler(INSTRUCTIONS_BETWEEN_QUESTIONS, Some(cancelled))
}

/// Refuses recursive queries, which a view may run endlessly. The program itself uses none.
///
/// # Errors
/// If SQLite refuses the handler.
#[cfg(feature = "import")]
pub fn refuse_recursion(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Recursive => Authorization::Deny,
        _ => Authorization::Allow,
    }))
}

/// Opens a database as immutable: SQLite takes no locks, and creates no file next to it. Changes in a log that was not
/// checkpointed are not visible: check for one first. The connection is [distrustful](distrust).
///
/// # Errors
/// If it cannot be opened.
pub fn open_immutable(database: &Path) -> rusqlite::Result<Connection> {
    let uri = immutable_uri(for_system(database).as_os_str().as_encoded_bytes());
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    distrust(&connection)?;
    Ok(connection)
}

/// A path as a URI. Separators are percent-encoded too: two leading slashes, or a Windows server, would be taken for a host name,
/// which SQLite refuses.
fn immutable_uri(path: &[u8]) -> String {
    let mut uri = String::from("file:");
    for &byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_path_of_any_form_is_a_path() {
        assert_eq!(immutable_uri(br"\\?\UNC\s\d.x"), "file:%5C%5C%3F%5CUNC%5Cs%5Cd.x?immutable=1");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a?mode=rwc&b #%41.sqlite");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let mut paths = vec![path.clone()];
        if cfg!(unix) {
            // Two leading slashes are one to the system, but a host in a URI.
            paths.push(PathBuf::from(format!("/{}", path.display())));
        }
        for path in paths {
            let tables = open_immutable(&path)
                .and_then(|database| database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)));
            assert_eq!(tables, Ok(0), "{}", path.display());
        }
    }
}
