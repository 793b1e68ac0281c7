//! The files of a case folder: telling a case from other folders, locking it, connecting to its database.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::schema::{APPLICATION_ID, HITS_VIEW, SCHEMA, SCHEMA_VERSION, SET_FACTS, STACKS};
use super::store::write_info;
use super::{CaseError, HashSpec};
use crate::source::database::open_immutable;
use crate::source::name::escape_path;

/// The database of a case folder.
pub(super) const DATABASE: &str = "case.sqlite";
/// Held locked while a process writes to the case.
const LOCK: &str = "case.lock";

pub(super) fn io_error(what: &str, path: &Path, error: io::Error) -> CaseError {
    CaseError::Io { what: format!("{what} {}", escape_path(path)), error }
}

pub(super) fn is_case(folder: &Path) -> Result<bool, CaseError> {
    if !folder.is_dir() {
        return Err(CaseError::Refused(format!(
            "{} is not a case: it is a file. Name a folder that does not exist yet, or one that Tamis made",
            escape_path(folder)
        )));
    }
    Ok(folder.join(DATABASE).is_file())
}

/// Refuses a folder that holds anything: a case is never mixed with other files.
pub(super) fn refuse_other_content(folder: &Path) -> Result<(), CaseError> {
    let listing =
        fs::read_dir(folder).map_err(|error| io_error("cannot list the case folder", folder, error))?;
    for entry in listing {
        let entry = entry.map_err(|error| io_error("cannot list the case folder", folder, error))?;
        if entry.file_name() != LOCK {
            return Err(CaseError::Refused(format!(
                "{} is not a case: it holds other files ({}). Name a folder that is empty or does not exist yet",
                escape_path(folder),
                escape_path(Path::new(&entry.file_name()))
            )));
        }
    }
    Ok(())
}

pub(super) fn require_case(folder: &Path) -> Result<(), CaseError> {
    if !folder.exists() {
        return Err(CaseError::Refused(format!(
            "there is no case in {}: `tamis triage` and `tamis scan` make one",
            escape_path(folder)
        )));
    }
    if !is_case(folder)? {
        return Err(CaseError::Refused(format!(
            "{} is not a case: it has no {DATABASE}. `tamis triage` and `tamis scan` make cases",
            escape_path(folder)
        )));
    }
    Ok(())
}

pub(super) fn lock(folder: &Path) -> Result<File, CaseError> {
    let path = folder.join(LOCK);
    let failed = |error| io_error("cannot lock the case with", &path, error);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CaseError::Refused(format!(
            "another run is writing to the case {}: wait for it to end, or use another case folder",
            escape_path(folder)
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

pub(super) fn connect(database: &Path, flags: OpenFlags) -> Result<Connection, CaseError> {
    let connection = Connection::open_with_flags(database, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // An examiner's tool may hold a lock for a moment.
    connection.busy_timeout(Duration::from_secs(30))?;
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        refuse_no_database(&connection, database)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        // A power cut may take the last batches, never the database: they are done again.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        // 256 MiB of log instead of 4 between two checkpoints: digests fall all over their indexes, so that each
        // checkpoint rewrites, and waits for, nearly the same pages as the one before.
        connection.pragma_update(None, "wal_autocheckpoint", 65_536)?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Says what a file is not, instead of what SQLite thinks of it.
fn refuse_no_database(connection: &Connection, database: &Path) -> Result<(), CaseError> {
    match connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            Err(CaseError::Refused(format!(
                "{} is no database of Tamis, or damaged: restore it, or use another case folder",
                escape_path(database)
            )))
        }
        other => Ok(other?),
    }
}

/// A connection for reports; also works where the case lies on a read-only medium.
pub(super) fn connect_for_reading(folder: &Path) -> Result<Connection, CaseError> {
    require_case(folder)?;
    let database = folder.join(DATABASE);
    let connection = connect(&database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match refuse_no_database(&connection, &database) {
        Ok(()) => {}
        Err(CaseError::Database(error)) if wants_to_write(&error) => {
            // Write-ahead logging wants a file beside the database, which a read-only folder cannot have. Without it what is
            // in the log could not be seen.
            let log = folder.join(format!("{DATABASE}-wal"));
            if log.metadata().is_ok_and(|log| log.len() > 0) {
                return Err(CaseError::Refused(format!(
                    "the case's last changes are in {}, which cannot be read where nothing can be written: copy the case's folder \
                     to where it can",
                    escape_path(&log)
                )));
            }
            let connection = open_immutable(&database)?;
            check_version(&connection, folder)?;
            return Ok(connection);
        }
        Err(refused) => return Err(refused),
    }
    check_version(&connection, folder)?;
    Ok(connection)
}

/// Whether a database could not be read because nothing can be written beside it.
fn wants_to_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

/// Whether nothing was ever stored: a new file, or one whose making was cut short.
pub(super) fn is_blank(connection: &Connection) -> Result<bool, CaseError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(tables == 0 && application == 0)
}

pub(super) fn create(connection: &mut Connection, spec: &HashSpec) -> Result<(), CaseError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(STACKS)?;
    let version = spec.version.to_string();
    for (key, value) in [
        ("program", concat!("tamis ", env!("CARGO_PKG_VERSION"))),
        ("hash_algorithm", &spec.algorithm),
        ("hash_version", &version),
        ("hash_geometry", spec.geometry.name()),
        ("hash_decode_path", spec.decode_path.name()),
    ] {
        write_info(&transaction, key, value)?;
    }
    transaction.execute(
        "INSERT INTO case_info (key, value) VALUES ('made', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
        [],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}

/// Whether a case has a table; those from before it have none.
pub(super) fn has_table(connection: &Connection, name: &str) -> Result<bool, CaseError> {
    let query = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let tables: i64 = connection.query_row(query, [name], |row| row.get(0))?;
    Ok(tables > 0)
}

/// Whether a case has room for what set files tell of a record.
pub(super) fn has_set_facts(connection: &Connection) -> Result<bool, CaseError> {
    let columns = "SELECT count(*) FROM pragma_table_info('known_record') WHERE name = 'fields'";
    let count: i64 = connection.query_row(columns, [], |row| row.get(0))?;
    Ok(count > 0)
}

/// Gives a case from before set files the columns for them. Nothing that is there changes.
pub(super) fn add_set_facts(connection: &mut Connection) -> Result<(), CaseError> {
    if has_set_facts(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for (table, column) in SET_FACTS {
        transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column}"))?;
    }
    transaction.execute_batch("DROP VIEW hits")?;
    transaction.execute_batch(HITS_VIEW)?;
    Ok(transaction.commit()?)
}

pub(super) fn check_version(connection: &Connection, folder: &Path) -> Result<(), CaseError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(CaseError::Refused(format!(
            "{} is not a case: its {DATABASE} is a database of another program. Name another folder",
            escape_path(folder)
        )));
    }
    if version != SCHEMA_VERSION {
        let way_out = if version < SCHEMA_VERSION {
            "Scan its sources again into a new case folder, or use the older tamis that made it"
        } else {
            "Use the newer tamis that made it"
        };
        return Err(CaseError::Refused(format!(
            "the case {} has schema version {version}; this program reads {SCHEMA_VERSION}. {way_out}",
            escape_path(folder)
        )));
    }
    Ok(())
}
