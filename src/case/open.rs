//! Connecting to the database of a case: an existing one, checked before it is used, or a new one.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction};

use super::folder::{
    DATABASE, Holding, UNFINISHED, has_log, io_error, look, refuse_other_version, require_case, sweep,
};
use super::info::write_info;
use super::lock::{PATIENCE, explain_locks};
use super::schema::{APPLICATION_ID, SCHEMA_VERSION};
use super::{CaseError, HashSpec, NotACase, SchemaFault, own_schema};
use crate::source::database::{distrust, open_immutable};

fn connect(database: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    #[cfg_attr(not(test), expect(unused_mut, reason = "traced in tests"))]
    let mut connection = Connection::open_with_flags(database, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    #[cfg(test)]
    super::traced::trace(&mut connection)?;
    distrust(&connection)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// What the folder of an existing or future case holds. Writes nothing.
pub(super) fn inspect(folder: &Path) -> Result<Holding, CaseError> {
    let holding = look(folder)?;
    if holding == Holding::Case {
        refuse_foreign_file(folder)?;
    }
    Ok(holding)
}

/// Refuses a folder that is not a case of ours. Writes nothing.
pub(super) fn require(folder: &Path) -> Result<(), CaseError> {
    require_case(folder)?;
    refuse_foreign_file(folder)
}

/// A connection that writes to an existing case. The caller holds the lock.
pub(super) fn connect_for_writing(folder: &Path) -> Result<Connection, CaseError> {
    require(folder)?;
    let connection = connect(&folder.join(DATABASE), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    begin(&connection, folder)?;
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
        .map_err(|error| explain_locks(folder, error.into()))?;
    // A power failure may lose the last batches, never the database: a resumed run redoes them.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    // 256 MiB of log instead of 4 between two checkpoints: digests are spread all over their indexes, so that each
    // checkpoint rewrites, and waits for, nearly the same pages as the one before.
    connection.pragma_update(None, "wal_autocheckpoint", 65_536)?;
    Ok(connection)
}

/// Another connection that reads a case which this process has open.
pub(super) fn connect_again(database: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// A connection for reports; also works on a read-only medium.
pub(super) fn connect_for_reading(folder: &Path) -> Result<Connection, CaseError> {
    require(folder)?;
    let database = folder.join(DATABASE);
    let connection = connect(&database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let connection = match begin(&connection, folder) {
        Err(CaseError::Database(error)) if wants_to_write(error.sqlite()) => {
            // Write-ahead logging needs a file next to the database, which a read-only folder cannot have. Without it nothing reads the log.
            if has_log(folder) {
                return Err(CaseError::LogUnreadable { log: folder.join(format!("{DATABASE}-wal")) });
            }
            open_immutable(&database)?
        }
        begun => begun.map(|()| connection)?,
    };
    // As large as a writer's: reports read the indexes of a large case again and again. It reads the schema, so it follows the locks.
    connection.pragma_update(None, "cache_size", -65_536)?;
    Ok(connection)
}

/// Refuses a file with a foreign schema before SQLite writes next to it. [`begin`] also reads the log.
fn refuse_foreign_file(folder: &Path) -> Result<(), CaseError> {
    let connection = open_immutable(&folder.join(DATABASE))?;
    match refuse_foreign_schema(&connection, folder)? {
        // While the log is copied into the file, or if that was cut short, the file alone cannot be read.
        Some(_) if has_log(folder) => Ok(()),
        Some(damaged) => Err(damaged),
        None => Ok(()),
    }
}

/// The first reading of a connection: takes its locks, and checks the schema including the log.
fn begin(connection: &Connection, folder: &Path) -> Result<(), CaseError> {
    connection.busy_timeout(Duration::ZERO)?;
    let begun = match refuse_foreign_schema(connection, folder) {
        Err(error @ CaseError::Database(_)) => match explain_locks(folder, error) {
            no_locks @ CaseError::NoLocks { .. } => Err(no_locks),
            _ => {
                connection.busy_timeout(PATIENCE)?;
                refuse_foreign_schema(connection, folder)
            }
        },
        begun => begun,
    };
    connection.busy_timeout(PATIENCE)?;
    begun?.map_or(Ok(()), Err)
}

/// Refuses a database that is not a case of ours; returns the refusal of one that cannot be read.
fn refuse_foreign_schema(connection: &Connection, folder: &Path) -> Result<Option<CaseError>, CaseError> {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let refused = |fault| CaseError::ForeignSchema { folder: folder.to_path_buf(), fault };
    // The log may hold other numbers than the file's header.
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let numbers = number("application_id").and_then(|id| Ok((id, number("user_version")?)));
    if let Ok((application, version)) = numbers {
        if application != APPLICATION_ID {
            return Err(CaseError::not_a_case(folder, NotACase::AnotherProgram));
        }
        refuse_other_version(folder, version)?;
    }
    match own_schema::foreign(connection) {
        Ok(None) => Ok(None),
        Ok(Some(fault)) => Err(refused(fault)),
        Err(CaseError::Database(error))
            if matches!(error.sqlite().sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) =>
        {
            Ok(Some(refused(SchemaFault::Unreadable(error))))
        }
        Err(error) => Err(error),
    }
}

/// Whether a database could not be read because nothing can be written next to it.
fn wants_to_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

/// Creates the case's database if there is none. The caller holds the lock.
pub(super) fn create_if_missing(folder: &Path, spec: &HashSpec) -> Result<(), CaseError> {
    // Again: the run that held the lock until now may have created it.
    if look(folder)? == Holding::Case {
        return Ok(());
    }
    create(folder, spec, |_| Ok(()))
}

/// Creates the case's database, with what `fill` writes to it. It gets its name when it is complete, so that a case exists or does not,
/// whenever the process ends. The caller holds the lock; the folder has no case.
pub(super) fn create<T>(
    folder: &Path,
    spec: &HashSpec,
    fill: impl FnOnce(&Transaction<'_>) -> Result<T, CaseError>,
) -> Result<T, CaseError> {
    sweep(folder)?;
    let unfinished = folder.join(UNFINISHED);
    let written = write_new(&unfinished, spec, fill).map_err(|error| explain_locks(folder, error));
    let named = written.and_then(|filled| {
        let database = folder.join(DATABASE);
        fs::rename(&unfinished, &database).map_err(|error| io_error("cannot name", &database, error))?;
        Ok(filled)
    });
    if named.is_err() {
        // The first error is the one to report.
        let _ = sweep(folder);
        return named;
    }
    #[cfg(unix)]
    {
        // Some file systems cannot sync folders; they store the name within seconds anyway.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    named
}

fn write_new<T>(
    path: &Path,
    spec: &HashSpec,
    fill: impl FnOnce(&Transaction<'_>) -> Result<T, CaseError>,
) -> Result<T, CaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags)?;
    // No other process knows this file: a lock that seems to be held is one that does not work.
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update_and_check(None, "journal_mode", "memory", |_| Ok(()))?;
    let transaction = connection.transaction()?;
    own_schema::create(&transaction)?;
    let version = spec.version.to_string();
    for (key, value) in [
        ("program", concat!("tamis ", env!("CARGO_PKG_VERSION"))),
        ("hash_algorithm", &spec.algorithm),
        ("hash_version", &version),
        ("hash_geometry", spec.geometry.name()),
        ("hash_decode", spec.decode.name()),
    ] {
        write_info(&transaction, key, value)?;
    }
    transaction.execute(
        "INSERT INTO case_info (key, value) VALUES ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
        [],
    )?;
    let filled = fill(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    // Here, and not after the renaming: a kill in between would leave a journal that only a writer can roll back.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    drop(connection);
    let synced = File::options().write(true).open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| io_error("cannot store", path, error))?;
    Ok(filled)
}

/// A connection that reads a case with the previous schema, for [`super::upgrade`], which checks its content.
pub(super) fn connect_before(folder: &Path) -> Result<Connection, CaseError> {
    let database = folder.join(DATABASE);
    if !database.is_file() {
        let why = if folder.exists() { NotACase::NoDatabase } else { NotACase::Missing };
        return Err(CaseError::not_a_case(folder, why));
    }
    let connection = Connection::open_with_flags(
        &database,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    distrust(&connection)?;
    connection.busy_timeout(PATIENCE)?;
    let number = |connection: &Connection| {
        connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))
    };
    let (connection, application) = match number(&connection) {
        Ok(application) => (connection, application),
        Err(error) if wants_to_write(&error) && !has_log(folder) => {
            let connection = open_immutable(&database)?;
            let application = number(&connection)?;
            (connection, application)
        }
        Err(error) => return Err(explain_locks(folder, error.into())),
    };
    if application != APPLICATION_ID {
        return Err(CaseError::not_a_case(folder, NotACase::AnotherProgram));
    }
    Ok(connection)
}
