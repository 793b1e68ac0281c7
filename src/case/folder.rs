//! What a case folder holds: a case of ours, the remains of one whose creation was cut short, or another program's files. Read without
//! SQLite, which would write next to somebody else's database.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::schema::{APPLICATION_ID, SCHEMA_VERSION};
use super::{CaseError, NotACase};
use crate::source::name::escape_path;

/// The database of a case folder.
pub(super) const DATABASE: &str = "case.sqlite";
/// A database that is being created; it gets its name when it is complete.
pub(super) const UNFINISHED: &str = "case.sqlite.new";
/// Locked while a process writes to the case.
pub(super) const LOCK: &str = "case.lock";
/// What SQLite puts next to a database while it is open.
const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// What a SQLite database begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The header of a database and that of its first page: all that is read here.
const HEAD: usize = 108;

/// How much of a case exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// Nothing: no folder, an empty one, or one in which a run was stopped before anything was stored.
    Nothing,
    /// A database whose header is that of a case of this version.
    Case,
}

pub(super) fn io_error(what: &str, path: &Path, error: io::Error) -> CaseError {
    CaseError::Io { what: format!("{what} {}", escape_path(path)), error }
}

/// Looks into a folder and changes nothing. Refuses a folder that is not a case and may not become one.
///
/// # Errors
/// If the folder holds a database of another program, a case of another version, or files that are not ours.
pub(super) fn look(folder: &Path) -> Result<Holding, CaseError> {
    if !folder.exists() {
        return Ok(Holding::Nothing);
    }
    if !folder.is_dir() {
        return Err(CaseError::not_a_case(folder, NotACase::File));
    }
    let database = folder.join(DATABASE);
    let nothing = |error: io::Error, tried: &str| match error.kind() {
        io::ErrorKind::NotFound => refuse_other_files(folder).map(|()| Holding::Nothing),
        _ => Err(io_error(tried, &database, error)),
    };
    match fs::metadata(&database) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(CaseError::not_a_case(folder, NotACase::AnotherProgram)),
        Err(error) => return nothing(error, "cannot look at"),
    }
    let head = match Head::read(&database) {
        Ok(head) => head,
        Err(error) => return nothing(error, "cannot read"),
    };
    if head.is_blank() {
        // This version names a database when it is complete. SQLite itself names the file before it fills it, and its log may hold rows.
        return if !folder.join(LOCK).is_file() {
            Err(CaseError::not_a_case(folder, NotACase::AnotherProgram))
        } else if has_log(folder) {
            Err(CaseError::not_a_case(folder, NotACase::LogAlone))
        } else {
            refuse_other_files(folder).map(|()| Holding::Nothing)
        };
    }
    if head.application() != APPLICATION_ID {
        return Err(CaseError::not_a_case(folder, NotACase::AnotherProgram));
    }
    refuse_other_version(folder, head.version())?;
    Ok(Holding::Case)
}

/// [`look`], where there must be a case.
pub(super) fn require_case(folder: &Path) -> Result<(), CaseError> {
    if !folder.exists() {
        return Err(CaseError::not_a_case(folder, NotACase::Missing));
    }
    let has_database = folder.join(DATABASE).exists();
    match look(folder) {
        Ok(Holding::Case) => Ok(()),
        Ok(Holding::Nothing) if has_database || folder.join(UNFINISHED).exists() => {
            Err(CaseError::not_a_case(folder, NotACase::Unfinished))
        }
        // Any other file.
        Ok(Holding::Nothing) => Err(CaseError::not_a_case(folder, NotACase::NoDatabase)),
        Err(_) if !has_database && folder.is_dir() => {
            Err(CaseError::not_a_case(folder, NotACase::NoDatabase))
        }
        Err(refused) => Err(refused),
    }
}

/// Removes what runs left that were stopped while they created the case, so that none of it becomes part of the new one. The caller holds
/// the lock, and [`look`] found nothing.
pub(super) fn sweep(folder: &Path) -> Result<(), CaseError> {
    let mut leftovers = names(folder)?;
    leftovers.retain(|name| is_leftover(name));
    // The database comes last: without it, the files next to it look like another program's.
    leftovers.sort_by_key(|name| name == DATABASE);
    for name in leftovers {
        let path = folder.join(name);
        fs::remove_file(&path)
            .map_err(|error| io_error("cannot remove what a stopped run left,", &path, error))?;
    }
    Ok(())
}

/// Whether a file may belong to a case whose creation was cut short.
fn is_leftover(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let is_sidecar = |end: &[u8]| SIDECARS.iter().any(|sidecar| sidecar.as_bytes() == end);
    name.starts_with(UNFINISHED.as_bytes())
        || name.strip_prefix(DATABASE.as_bytes()).is_some_and(|end| end.is_empty() || is_sidecar(end))
}

/// Refuses a folder that holds anything else: a case is never mixed with other files.
fn refuse_other_files(folder: &Path) -> Result<(), CaseError> {
    let names = names(folder)?;
    // Checked after the list was read: a run that creates a case names its database before it opens it, and removes it last.
    let has_database = names.iter().any(|name| name == DATABASE) || folder.join(DATABASE).exists();
    for name in names {
        let unfinished = name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        if name != LOCK && !unfinished && !(has_database && is_leftover(&name)) {
            return Err(CaseError::not_a_case(folder, NotACase::OtherFiles { file: name.into() }));
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<OsString>, CaseError> {
    let listed = || fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>();
    listed().map_err(|error| io_error("cannot list the case folder", folder, error))
}

/// Whether the log may hold anything that the file does not.
pub(super) fn has_log(folder: &Path) -> bool {
    fs::metadata(folder.join(format!("{DATABASE}-wal"))).is_ok_and(|log| log.len() > 0)
}

pub(super) fn refuse_other_version(folder: &Path, version: i32) -> Result<(), CaseError> {
    match version {
        SCHEMA_VERSION => Ok(()),
        _ => Err(CaseError::OtherVersion { folder: folder.to_path_buf(), version }),
    }
}

/// The beginning of a database's first page, as the file has it; shorter where the file is.
struct Head {
    bytes: Vec<u8>,
    length: u64,
}

impl Head {
    fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = Vec::with_capacity(HEAD);
        file.take(HEAD as u64).read_to_end(&mut bytes)?;
        Ok(Self { bytes, length })
    }

    fn number(&self, at: usize) -> i32 {
        let bytes = self.bytes.get(at..).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |&bytes| i32::from_be_bytes(bytes))
    }

    fn is_database(&self) -> bool {
        self.bytes.len() == HEAD && self.bytes.starts_with(MAGIC)
    }

    fn application(&self) -> i32 {
        if self.is_database() { self.number(68) } else { 0 }
    }

    fn version(&self) -> i32 {
        self.number(60)
    }

    /// No bytes, or one page on which a table without rows is the schema.
    fn is_blank(&self) -> bool {
        let page = match u16::from_be_bytes([self.byte(16), self.byte(17)]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let no_tables = self.byte(100) == 13 && self.byte(103) == 0 && self.byte(104) == 0;
        let nobodys = self.application() == 0 && self.version() == 0;
        self.length == 0 || self.is_database() && self.length == page && no_tables && nobodys
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_blank_database_is_nothing_only_next_to_our_lock_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let database = folder.join(DATABASE);
        assert_eq!(look(folder).unwrap(), Holding::Nothing);
        File::create(&database).unwrap();
        assert!(look(folder).is_err(), "an empty file without a lock belongs to somebody else");
        File::create(folder.join(LOCK)).unwrap();
        assert_eq!(look(folder).unwrap(), Holding::Nothing);
        // As an older program left it: one page, in the write-ahead mode, and files of SQLite next to it.
        Connection::open(&database).unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
        File::create(folder.join("case.sqlite-wal")).unwrap();
        fs::write(folder.join("case.sqlite-shm"), [0; 32_768]).unwrap();
        assert_eq!(look(folder).unwrap(), Holding::Nothing);
        File::create(folder.join("notes.txt")).unwrap();
        assert!(look(folder).unwrap_err().to_string().contains("notes.txt"));
        fs::remove_file(folder.join("notes.txt")).unwrap();
        sweep(folder).unwrap();
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK]);
    }

    /// No lock is held here, and another run may be creating the case.
    #[test]
    fn a_case_that_is_being_created_is_never_taken_for_other_files() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..2_000 {
            let folder = folder.path().join(round.to_string());
            fs::create_dir(&folder).unwrap();
            File::create(folder.join(LOCK)).unwrap();
            fs::write(folder.join(UNFINISHED), case_head()).unwrap();
            let barrier = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    barrier.wait();
                    fs::rename(folder.join(UNFINISHED), folder.join(DATABASE)).unwrap();
                    File::create(folder.join("case.sqlite-wal")).unwrap();
                });
                barrier.wait();
                while look(&folder).unwrap() == Holding::Nothing {}
            });
        }
    }

    /// The first bytes of a case of this version.
    fn case_head() -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[60..64].copy_from_slice(&SCHEMA_VERSION.to_be_bytes());
        head[68..72].copy_from_slice(&APPLICATION_ID.to_be_bytes());
        head
    }

    #[test]
    fn what_is_in_the_log_alone_is_refused_and_stays() {
        for application in [APPLICATION_ID, 0] {
            let folder = tempfile::tempdir().unwrap();
            let database = folder.path().join(DATABASE);
            File::create(folder.path().join(LOCK)).unwrap();
            let connection = Connection::open(&database).unwrap();
            connection.pragma_update(None, "journal_mode", "wal").unwrap();
            let fill = format!(
                "BEGIN; CREATE TABLE t (x); PRAGMA application_id={application}; PRAGMA user_version=1; COMMIT"
            );
            connection.execute_batch(&fill).unwrap();
            assert!(Head::read(&database).unwrap().is_blank());
            let refused = look(folder.path()).unwrap_err().to_string();
            assert!(refused.contains("what it holds is in case.sqlite-wal alone"), "{refused}");
            assert!(has_log(folder.path()));
        }
    }
}
