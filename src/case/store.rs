//! Opens and creates cases, and records runs.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::folder::{DATABASE, Holding, io_error};
use super::info::{clamped, read_info, write_info};
use super::lock::lock;
use super::open::{connect_for_reading, connect_for_writing, create_if_missing, inspect, require};
use super::place::Place;
use super::spec::read_spec;
use super::{CaseError, CaseIdentity, HashSpec, RunId};
use crate::source::database::distrust;

/// An open case. There is one writer: a second process is refused.
#[derive(Debug)]
pub struct CaseStore {
    pub(super) connection: Connection,
    pub(super) database: PathBuf,
    place: Place,
    spec: HashSpec,
    /// Released when the store is dropped, also when the process dies.
    _lock: File,
}

impl CaseStore {
    /// Opens a case, or creates it in a folder that does not exist or is empty.
    ///
    /// # Errors
    /// If the folder holds something else, or the case contradicts `identity` or `spec`.
    pub fn open_or_create(
        folder: &Path,
        identity: &CaseIdentity,
        spec: &HashSpec,
    ) -> Result<Self, CaseError> {
        inspect(folder)?;
        fs::create_dir_all(folder)
            .map_err(|error| io_error("cannot create the case folder", folder, error))?;
        let lock = lock(folder)?;
        create_if_missing(folder, spec)?;
        let connection = connect_for_writing(folder)?;
        let stored = read_spec(&connection)?;
        stored.refuse_other(folder, spec)?;
        let database = folder.join(DATABASE);
        let place = Place::of(&database)?;
        let mut store = Self { connection, database, place, spec: stored, _lock: lock };
        store.complete_identity(folder, identity)?;
        Ok(store)
    }

    /// Opens a case that must exist.
    ///
    /// # Errors
    /// If the folder is not a case, or is one of another version.
    pub fn open(folder: &Path) -> Result<Self, CaseError> {
        require(folder)?;
        let lock = lock(folder)?;
        let connection = connect_for_writing(folder)?;
        let spec = read_spec(&connection)?;
        let database = folder.join(DATABASE);
        let place = Place::of(&database)?;
        Ok(Self { connection, database, place, spec, _lock: lock })
    }

    /// What decides the hashes of the case in `folder`; `None` if there is no case yet.
    ///
    /// # Errors
    /// If there is a case that cannot be read.
    pub fn spec_of(folder: &Path) -> Result<Option<HashSpec>, CaseError> {
        if inspect(folder)? == Holding::Nothing {
            return Ok(None);
        }
        let connection = connect_for_reading(folder)?;
        Ok(Some(read_spec(&connection)?))
    }

    /// What decides the hashes of this case.
    #[must_use]
    pub const fn spec(&self) -> &HashSpec {
        &self.spec
    }

    /// Refuses to continue if the case's database was removed or replaced under this store: nothing that is written would be kept.
    ///
    /// # Errors
    /// If it was, or the folder cannot be looked at.
    pub fn check_place(&self) -> Result<(), CaseError> {
        self.place.check()
    }

    /// Its connection, for tests in which it fails.
    #[cfg(test)]
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Records the start of a run with its resolved settings (JSON).
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn begin_run(&mut self, command: &str, settings: &str) -> Result<RunId, CaseError> {
        // A run that is "running" while nobody holds the lock has died.
        self.connection.execute("UPDATE run SET state = 'died' WHERE state = 'running'", [])?;
        self.connection.execute(
            "INSERT INTO run (command, settings, started, state)
             VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'running')",
            params![command, settings],
        )?;
        Ok(RunId(self.connection.last_insert_rowid()))
    }

    /// Records the notices of a run so far.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn note(&mut self, run: RunId, notices: &[String]) -> Result<(), CaseError> {
        let notices = serde_json::Value::from(notices).to_string();
        self.connection.execute("UPDATE run SET notices = ?2 WHERE id = ?1", params![run.0, notices])?;
        Ok(())
    }

    /// Records how a run ended: "done", "interrupted" or "failed".
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn end_run(&mut self, run: RunId, state: &str, notices: &[String]) -> Result<(), CaseError> {
        let notices = serde_json::Value::from(notices).to_string();
        self.connection.execute(
            "UPDATE run SET ended = strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), state = ?2, notices = ?3 WHERE id = ?1",
            params![run.0, state, notices],
        )?;
        Ok(())
    }

    /// Records that a run was interrupted, for a process that is about to end while another thread holds its store. Waits for the
    /// database only as long as a person would.
    ///
    /// # Errors
    /// If the database cannot be written at once: the next run then records that this one died.
    pub fn interrupt_run(folder: &Path, run: RunId, notices: &[String]) -> Result<(), CaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(folder.join(DATABASE), flags)?;
        distrust(&connection)?;
        connection.busy_timeout(Duration::from_millis(200))?;
        let notices = serde_json::Value::from(notices).to_string();
        connection.execute(
            "UPDATE run SET ended = strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), state = 'interrupted', notices = ?2
             WHERE id = ?1 AND state = 'running'",
            params![run.0, notices],
        )?;
        Ok(())
    }

    /// SHA-256 of every content of the case that needs no more work under `memory_limit`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn known_contents(&self, memory_limit: u64) -> Result<HashSet<[u8; 32]>, CaseError> {
        let mut statement = self
            .connection
            .prepare("SELECT sha256 FROM content WHERE memory_limit IS NULL OR memory_limit >= ?1")?;
        let rows = statement.query_map([clamped(memory_limit)], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds the parts of its identity that the case does not record yet.
    fn complete_identity(&mut self, folder: &Path, identity: &CaseIdentity) -> Result<(), CaseError> {
        let fields = [
            ("case_number", "--case-number", &identity.case_number),
            ("exhibit", "--exhibit", &identity.exhibit),
            ("examiner", "--examiner", &identity.examiner),
        ];
        for (key, option, value) in fields {
            let Some(value) = value.as_deref() else { continue };
            match read_info(&self.connection, key)? {
                Some(stored) if stored != value => {
                    return Err(CaseError::IdentityContradicted {
                        folder: folder.to_path_buf(),
                        option,
                        stored,
                        given: value.to_string(),
                    });
                }
                Some(_) => {}
                None => write_info(&self.connection, key, value)?,
            }
        }
        Ok(())
    }
}
