//! Opening and making cases; runs, sources and hash sets.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::folder::{DATABASE, Holding, io_error};
use super::info::{clamped, read_info, write_info};
use super::lock::lock;
use super::open::{connect_for_reading, connect_for_writing, create_if_missing, inspect, require};
use super::place::Place;
use super::schema::has_item;
use super::{
    CaseError, CaseIdentity, ContentId, HashSpec, HitSettings, RunId, SetId, SourceId, StoredContent,
};
use crate::decode::{DecodeMode, DerivedFrom};
use crate::known;
use crate::pdq::{DihedralHashes, Geometry, PdqHash};
use crate::source::Digests;
use crate::source::database::distrust;
use crate::source::identity::{FileId, real_path};
use crate::source::name::{escape, escape_path, path_bytes, path_from_bytes};

/// Geometry, distance, least quality, verify, hits of a content at most, and how the set was read: what decides a set's hits.
type StoredSettings = (String, u32, u8, String, u32, [i64; 3]);

/// Contents with hits in set ?1 that [`CaseStore::unconfirmed`] is about.
macro_rules! unconfirmed_contents {
    () => {
        concat!(
            "(SELECT hit.content FROM hit JOIN content ON content.id = hit.content
          WHERE hit.hash_set = ?1 AND hit.confirmation = 'unconfirmed'
              AND (hit.unconfirmed_reason IN ('source_gone', 'over_limit', 'decoder_failed')
                   OR content.derived_from = 'pixels') AND ",
            has_item!(),
            ")"
        )
    };
}

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
    /// Opens a case, or makes it in a folder that does not exist or is empty.
    ///
    /// # Errors
    /// The folder holds something else, or the case contradicts `identity` or `spec`.
    pub fn open_or_create(
        folder: &Path,
        identity: &CaseIdentity,
        spec: &HashSpec,
    ) -> Result<Self, CaseError> {
        inspect(folder)?;
        fs::create_dir_all(folder).map_err(|error| io_error("cannot make the case folder", folder, error))?;
        let lock = lock(folder)?;
        create_if_missing(folder, spec)?;
        let connection = connect_for_writing(folder)?;
        let stored = read_spec(&connection)?;
        stored.refuse_other(folder, spec)?;
        let database = folder.join(DATABASE);
        let place = Place::of(&database)?;
        let mut store = Self { connection, database, place, spec: stored, _lock: lock };
        store.complete_identity(identity)?;
        Ok(store)
    }

    /// Opens a case that must exist.
    ///
    /// # Errors
    /// The folder is not a case, or of another version.
    pub fn open(folder: &Path) -> Result<Self, CaseError> {
        require(folder)?;
        let lock = lock(folder)?;
        let connection = connect_for_writing(folder)?;
        let spec = read_spec(&connection)?;
        let database = folder.join(DATABASE);
        let place = Place::of(&database)?;
        Ok(Self { connection, database, place, spec, _lock: lock })
    }

    /// What decides the hashes of the case in `folder`, `None` where there is no case yet.
    ///
    /// # Errors
    /// There is a case that cannot be read.
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

    /// Refuses to go on where the case's database was removed or replaced under this store, which would take all and keep
    /// nothing.
    ///
    /// # Errors
    /// It was, or the folder cannot be looked at.
    pub fn check_place(&self) -> Result<(), CaseError> {
        self.place.check()
    }

    /// Its connection, for tests that make it fail.
    #[cfg(test)]
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Records the start of a run with its resolved settings (JSON).
    ///
    /// # Errors
    /// The database said no.
    pub fn begin_run(&mut self, command: &str, settings: &str) -> Result<RunId, CaseError> {
        // Being there as "running" while nobody holds the lock means that its process died.
        self.connection.execute("UPDATE run SET state = 'died' WHERE state = 'running'", [])?;
        self.connection.execute(
            "INSERT INTO run (command, settings, started, state)
             VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'running')",
            params![command, settings],
        )?;
        Ok(RunId(self.connection.last_insert_rowid()))
    }

    /// Records what a run has to tell so far.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn note(&mut self, run: RunId, notices: &[String]) -> Result<(), CaseError> {
        let notices = serde_json::Value::from(notices).to_string();
        self.connection.execute("UPDATE run SET notices = ?2 WHERE id = ?1", params![run.0, notices])?;
        Ok(())
    }

    /// Records how a run ended: "done", "interrupted" or "failed".
    ///
    /// # Errors
    /// The database said no.
    pub fn end_run(&mut self, run: RunId, state: &str, notices: &[String]) -> Result<(), CaseError> {
        let notices = serde_json::Value::from(notices).to_string();
        self.connection.execute(
            "UPDATE run SET ended = strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), state = ?2, notices = ?3 WHERE id = ?1",
            params![run.0, state, notices],
        )?;
        Ok(())
    }

    /// Records that a run was interrupted, for a process that is about to end with its store in other hands. Waits for the
    /// database no longer than a person would.
    ///
    /// # Errors
    /// The database cannot be written at once: the next run then records that this one died.
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

    /// The rows of sources, written where they are new; they count as incomplete from here. Paths are absolute. A source that the case
    /// has by another spelling or mount is that one.
    ///
    /// # Errors
    /// A source lies inside or around another of them or of the case, so that items would count twice: then nothing is written of any.
    pub fn sources(&mut self, paths: &[PathBuf]) -> Result<Vec<SourceId>, CaseError> {
        let transaction = self.connection.transaction()?;
        let sources = paths.iter().map(|path| source(&transaction, path)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(sources)
    }

    /// Records that all of a source was looked at, to its end.
    ///
    /// # Errors
    /// The database said no.
    pub fn complete_source(&mut self, source: SourceId) -> Result<(), CaseError> {
        self.connection.execute("UPDATE source SET complete = 1 WHERE id = ?1", [source.0])?;
        Ok(())
    }

    /// Whether anything of a source is stored.
    ///
    /// # Errors
    /// The database said no.
    pub fn has_items(&self, source: SourceId) -> Result<bool, CaseError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM item WHERE source = ?1)";
        Ok(self.connection.query_row(sql, [source.0], |row| row.get(0))?)
    }

    /// SHA-256 of every content of the case that needs no more work under `memory_limit`.
    ///
    /// # Errors
    /// The database said no.
    pub fn known_contents(&self, memory_limit: u64) -> Result<HashSet<[u8; 32]>, CaseError> {
        let mut statement = self
            .connection
            .prepare("SELECT sha256 FROM content WHERE memory_limit IS NULL OR memory_limit >= ?1")?;
        let rows = statement.query_map([clamped(memory_limit)], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Refuses a hash set that cannot be matched with this case.
    ///
    /// # Errors
    /// The set's hashes were made with another geometry than the case's.
    pub fn check_set(&self, set: &known::HashSet) -> Result<(), CaseError> {
        if set.geometry() != self.spec.geometry && set.counts().hashes > 0 {
            return Err(contradicting_set(set, self.spec.geometry));
        }
        Ok(())
    }

    /// Registers a hash set (identified by the SHA-256 of its file) with the matching settings. If
    /// the case has its hits under other settings they are deleted, to be found again, and `true` is
    /// returned beside.
    ///
    /// # Errors
    /// The set's hashes were made with another geometry than the case's.
    pub fn hash_set(&mut self, set: &known::HashSet, hits: HitSettings) -> Result<(SetId, bool), CaseError> {
        self.check_set(set)?;
        let transaction = self.connection.transaction()?;
        let HitSettings { distance, min_quality, verify, max_hits } = hits;
        let (geometry, verify) = (set.geometry().name().to_string(), verify.name().to_string());
        let counts = set.counts();
        // A list of digits may be read as digests once and as hashes another time, so that its file alone does not say it.
        let read = [counts.malformed_lines, counts.hashes, counts.with_digests].map(|count| count as i64);
        let settings = (geometry, distance, min_quality, verify, max_hits, read);
        let known: Option<(i64, StoredSettings)> = transaction
            .query_row(
                "SELECT id, geometry, distance, min_quality, verify, max_hits, bad_lines, hashes, with_digests
                 FROM hash_set WHERE file_sha256 = ?1",
                [set.file_sha256()],
                |row| {
                    let read = [row.get(6)?, row.get(7)?, row.get(8)?];
                    let stored = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, read);
                    Ok((row.get(0)?, stored))
                },
            )
            .optional()?;
        let result = match known {
            Some((id, stored)) if stored == settings => (SetId(id), false),
            Some((id, _)) => {
                for table in ["hit", "saturated", "set_aside", "listed_record", "known_record"] {
                    transaction.execute(&format!("DELETE FROM {table} WHERE hash_set = ?1"), [id])?;
                }
                transaction.execute("DELETE FROM hash_set WHERE id = ?1", [id])?;
                insert_set(&transaction, Some(id), set, hits)?;
                (SetId(id), true)
            }
            None => (SetId(insert_set(&transaction, None, set, hits)?), false),
        };
        transaction.commit()?;
        Ok(result)
    }

    /// The content up to which `set` was matched.
    ///
    /// # Errors
    /// The database said no.
    pub fn matched_through(&self, set: SetId) -> Result<ContentId, CaseError> {
        let through = "SELECT matched_through FROM hash_set WHERE id = ?1";
        let row = self.connection.prepare_cached(through)?.query_row([set.0], |row| row.get(0));
        Ok(ContentId(row?))
    }

    /// Up to `limit` contents after `after`, up to `through` where given, in row order.
    ///
    /// # Errors
    /// The database said no.
    pub fn contents(
        &self,
        after: ContentId,
        through: Option<ContentId>,
        limit: usize,
    ) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, md5, sha1, sha256, size, hashes, quality, derived_from, trivial FROM content
             WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
        )?;
        let through = through.map_or(i64::MAX, |id| id.0);
        let rows = statement.query_map(params![after.0, through, limit as i64], stored_content)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Up to `limit` contents after `after`, in row order, with hits in `set` that are not confirmed and may be
    /// now: the file or the memory was missing, or the hash is from pixels by now.
    ///
    /// # Errors
    /// The database said no.
    pub fn unconfirmed(
        &self,
        set: SetId,
        after: ContentId,
        limit: usize,
    ) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT content.id, md5, sha1, sha256, size, hashes, quality, derived_from, trivial FROM content WHERE id IN ",
            unconfirmed_contents!(),
            " AND id > ?2 ORDER BY id LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![set.0, after.0, limit as i64], stored_content)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many contents [`CaseStore::unconfirmed`] gives in all.
    ///
    /// # Errors
    /// The database said no.
    pub fn unconfirmed_count(&self, set: SetId) -> Result<u64, CaseError> {
        let count: i64 = self.connection.query_row(
            concat!("SELECT count(*) FROM content WHERE id IN ", unconfirmed_contents!()),
            [set.0],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// Where files with these bytes were, in the order of their names.
    ///
    /// # Errors
    /// The database said no.
    pub fn paths_of(&self, sha256: &[u8; 32]) -> Result<Vec<PathBuf>, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source.path_raw, item.path_raw FROM item JOIN source ON source.id = item.source
             WHERE item.sha256 = ?1 ORDER BY source.path_raw, item.path_raw",
        )?;
        let rows = statement.query_map([sha256], |row| {
            let (source, item): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
            Ok(item_path(&place_of(&source), &item))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many contents `set` was not matched with yet.
    ///
    /// # Errors
    /// The database said no.
    pub fn unmatched_count(&self, set: SetId) -> Result<u64, CaseError> {
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM content WHERE id > (SELECT matched_through FROM hash_set WHERE id = ?1)",
            [set.0],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// Adds what the case does not know yet of its owner.
    fn complete_identity(&mut self, identity: &CaseIdentity) -> Result<(), CaseError> {
        let fields = [
            ("case_number", "--case-number", &identity.case_number),
            ("exhibit", "--exhibit", &identity.exhibit),
            ("examiner", "--examiner", &identity.examiner),
        ];
        for (key, option, value) in fields {
            let Some(value) = value.as_deref() else { continue };
            match read_info(&self.connection, key)? {
                Some(stored) if stored != value => {
                    return Err(CaseError::Refused(format!(
                        "this case has {option} `{}`, not `{}`: leave the option out, or use another case folder",
                        escape(stored.as_bytes()),
                        escape(value.as_bytes())
                    )));
                }
                Some(_) => {}
                None => write_info(&self.connection, key, value)?,
            }
        }
        Ok(())
    }
}

/// The row of a source; see [`CaseStore::sources`].
fn source(connection: &Connection, path: &Path) -> Result<SourceId, CaseError> {
    let raw = path_bytes(path);
    let known: Option<i64> = connection
        .query_row("SELECT id FROM source WHERE path_raw = ?1", [raw.as_ref()], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        connection.execute("UPDATE source SET complete = 0 WHERE id = ?1", [id])?;
        return Ok(SourceId(id));
    }
    let mut statement = connection.prepare("SELECT id, path_raw FROM source ORDER BY path_raw")?;
    let others = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, Vec<u8>)>, _>>()?;
    // Names may be spelled in other letters, and folders be mounted twice.
    let ids = |path: &Path| path.ancestors().map(FileId::of).collect::<Vec<_>>();
    let is_same = |a: &Option<FileId>, b: &Option<FileId>| {
        a.as_ref().zip(b.as_ref()).is_some_and(|(a, b)| a.is_same_place(b))
    };
    let own = ids(path);
    for (id, other) in others {
        let other = path_from_bytes(&other);
        let others = ids(&other);
        if is_same(&own[0], &others[0]) {
            connection.execute("UPDATE source SET complete = 0 WHERE id = ?1", [id])?;
            return Ok(SourceId(id));
        }
        let relation = if path.starts_with(&other) || own.iter().any(|above| is_same(above, &others[0])) {
            "lies inside"
        } else if other.starts_with(path) || others.iter().any(|above| is_same(above, &own[0])) {
            "holds"
        } else {
            continue;
        };
        return Err(CaseError::Refused(format!(
            "source {} {relation} {}, a source of this case already: its files would count twice. Give {} again \
             to go on with it, or use another case folder",
            escape_path(path),
            escape_path(&other),
            escape_path(&other)
        )));
    }
    connection.execute(
        "INSERT INTO source (path_raw, path) VALUES (?1, ?2)",
        params![raw.as_ref(), escape_path(path)],
    )?;
    Ok(SourceId(connection.last_insert_rowid()))
}

/// Where the files of a source are to be opened now. By its own path there may be a link to where it was moved, which is meant; below it
/// none is followed.
pub(super) fn place_of(source: &[u8]) -> PathBuf {
    let source = path_from_bytes(source);
    real_path(&source).unwrap_or(source)
}

/// Where an item is: `relative`, as [`super::ItemRecord`] has it, below its source.
#[must_use]
pub fn item_path(source: &Path, relative: &[u8]) -> PathBuf {
    // Joining nothing would add a separator, which a file does not have.
    if relative.is_empty() { source.to_path_buf() } else { source.join(path_from_bytes(relative)) }
}

/// The columns id, md5, sha1, sha256, size, hashes, quality, derived_from, trivial.
fn stored_content(row: &Row<'_>) -> rusqlite::Result<StoredContent> {
    let hashes: Option<Vec<u8>> = row.get(5)?;
    let quality: Option<u8> = row.get(6)?;
    let path: Option<String> = row.get(7)?;
    let hash = hashes.zip(quality).and_then(|(hashes, quality)| stored_hash(&hashes, quality));
    Ok(StoredContent {
        id: ContentId(row.get(0)?),
        digests: Digests { md5: row.get(1)?, sha1: row.get(2)?, sha256: row.get(3)? },
        size: row.get::<_, i64>(4)?.max(0).cast_unsigned(),
        hash: hash.zip(path.as_deref().and_then(DerivedFrom::from_name)),
        trivial: row.get(8)?,
    })
}

fn stored_hash(hashes: &[u8], quality: u8) -> Option<DihedralHashes> {
    let (hashes, rest) = hashes.as_chunks::<32>();
    let hashes: [PdqHash; 8] =
        hashes.iter().map(|bytes| PdqHash::from_bytes(*bytes)).collect::<Vec<_>>().try_into().ok()?;
    rest.is_empty().then_some(DihedralHashes { hashes, quality })
}

fn insert_set(
    connection: &Connection,
    id: Option<i64>,
    set: &known::HashSet,
    hits: HitSettings,
) -> Result<i64, CaseError> {
    let counts = set.counts();
    connection.execute(
        "INSERT INTO hash_set (id, file_sha256, name, path, geometry, distance, min_quality, verify, max_hits,
             records, hashes, hashes_without_quality, with_digests, low_quality, null_hashes, bad_lines, version, profile)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            id,
            set.file_sha256(),
            set.name(),
            escape_path(set.path()),
            set.geometry().name(),
            hits.distance,
            hits.min_quality,
            hits.verify.name(),
            hits.max_hits,
            counts.records as i64,
            counts.hashes as i64,
            counts.hashes_without_quality as i64,
            counts.with_digests as i64,
            counts.low_quality as i64,
            counts.null_hashes as i64,
            counts.malformed_lines as i64,
            set.manifest().map(|manifest| escape(manifest.version.as_bytes())),
            set.manifest().map(|manifest| escape(manifest.profile.name.as_bytes())),
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn read_spec(connection: &Connection) -> Result<HashSpec, CaseError> {
    let field = |key: &str| {
        read_info(connection, key)?
            .ok_or_else(|| CaseError::Refused(format!("the case is damaged: case_info has no {key}")))
    };
    let geometry = field("hash_geometry")?;
    let derived_from = field("hash_decode")?;
    let damaged = |key: &str| CaseError::Refused(format!("the case is damaged: case_info has a bad {key}"));
    Ok(HashSpec {
        algorithm: field("hash_algorithm")?,
        version: field("hash_version")?.parse().map_err(|_| damaged("hash_version"))?,
        geometry: Geometry::from_name(&geometry).ok_or_else(|| damaged("hash_geometry"))?,
        derived_from: DecodeMode::from_name(&derived_from).ok_or_else(|| damaged("hash_decode"))?,
    })
}

impl HashSpec {
    /// Refuses options that ask for other hashes than the case in `folder` keeps.
    ///
    /// # Errors
    /// The options contradict the case; the text says the way out.
    pub fn refuse_other(&self, folder: &Path, asked: &Self) -> Result<(), CaseError> {
        if self == asked {
            return Ok(());
        }
        let shown = |spec: &Self| {
            let (geometry, mode) = (spec.geometry.name(), spec.derived_from.name());
            format!("{} version {}, {geometry}, --decode {mode}", spec.algorithm, spec.version)
        };
        let out = match (self.geometry == asked.geometry, self.derived_from == asked.derived_from) {
            (false, true) => "leave --geometry out, or use",
            (true, false) => "leave --decode out, or use",
            (false, false) => "leave --geometry and --decode out, or use",
            (true, true) => "use the version of tamis that made it, or",
        };
        Err(CaseError::Refused(format!(
            "the case {} keeps hashes of {}, which are not to be mixed with {}: {out} another case folder",
            escape_path(folder),
            shown(self),
            shown(asked)
        )))
    }
}

fn contradicting_set(set: &known::HashSet, geometry: Geometry) -> CaseError {
    let (theirs, ours) = (set.geometry().name(), geometry.name());
    CaseError::Refused(format!(
        "hash set {}: its hashes are of geometry {theirs}, this case's are {ours}, and the two cannot be compared. Use a \
         case made with --geometry {theirs}, or, if the set's hashes are {ours} after all, --known-geometry {ours}",
        escape_path(set.path())
    ))
}
