//! Opens and creates cases; runs, sources and hash sets.

use std::collections::{BTreeMap, HashSet};
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
    CaseError, CaseIdentity, ContentId, HashSpec, HitSettings, Overlap, RunId, SetId, SourceId,
    StoredContent, StoredView, hashes_from_bytes,
};
use crate::decode::{DecodeMode, DerivedFrom, ParseViewError};
use crate::known;
use crate::pdq::{DihedralHashes, Geometry};
use crate::source::database::distrust;
use crate::source::identity::{FileId, real_path};
use crate::source::name::{escape, escape_path, path_bytes, path_from_bytes};
use crate::source::{Digests, Provenance};

/// Geometry, distance, minimum quality, verify, maximum hits of a content, and how the set was read: what decides a set's hits.
type StoredSettings = (String, u32, u8, String, u32, [i64; 3]);

/// Contents with hits in set ?1 that [`CaseStore::unconfirmed`] is about.
macro_rules! unconfirmed_contents {
    () => {
        concat!(
            "(SELECT hit.content FROM hit JOIN content ON content.id = hit.content
          WHERE hit.hash_set = ?1 AND hit.confirmation = 'unconfirmed'
              AND (hit.unconfirmed_reason IN ('source_gone', 'over_limit', 'decoder_failed')
                   OR EXISTS (SELECT 1 FROM fingerprint WHERE fingerprint.content = hit.content AND fingerprint.spec = 'pdq'
                          AND fingerprint.view = hit.view AND fingerprint.derived_from = 'pixels')) AND ",
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
    /// The database cannot be written.
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

    /// The rows of sources; new ones are written. From here on they count as incomplete. Paths are absolute. A source that the case has under
    /// another spelling or mount is the same source.
    ///
    /// # Errors
    /// If a source lies inside or around another one, so that items would count twice: then none is written.
    pub fn sources(&mut self, paths: &[PathBuf]) -> Result<Vec<SourceId>, CaseError> {
        let transaction = self.connection.transaction()?;
        let sources = paths.iter().map(|path| source(&transaction, path)).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(sources)
    }

    /// Records that a source was walked to its end.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn complete_source(&mut self, source: SourceId) -> Result<(), CaseError> {
        self.connection.execute("UPDATE source SET complete = 1 WHERE id = ?1", [source.0])?;
        Ok(())
    }

    /// Whether anything of a source is stored.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn has_items(&self, source: SourceId) -> Result<bool, CaseError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM item WHERE source = ?1)";
        Ok(self.connection.query_row(sql, [source.0], |row| row.get(0))?)
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

    /// Refuses a hash set that cannot be matched with this case.
    ///
    /// # Errors
    /// If the set's hashes have another geometry than the case's.
    pub fn check_set(&self, set: &known::HashSet) -> Result<(), CaseError> {
        if set.geometry() != self.spec.geometry && set.counts().hashes > 0 {
            return Err(CaseError::SetContradicted {
                set: set.path().to_path_buf(),
                theirs: set.geometry(),
                ours: self.spec.geometry,
            });
        }
        Ok(())
    }

    /// Registers a hash set (identified by the SHA-256 of its file) with the matching settings. If
    /// the case has its hits under other settings they are deleted, to be found again, and `true` is
    /// returned with it.
    ///
    /// # Errors
    /// If the set's hashes have another geometry than the case's.
    pub fn hash_set(&mut self, set: &known::HashSet, hits: HitSettings) -> Result<(SetId, bool), CaseError> {
        self.check_set(set)?;
        let transaction = self.connection.transaction()?;
        let HitSettings { distance, min_quality, verify, max_hits } = hits;
        let (geometry, verify) = (set.geometry().name().to_string(), verify.name().to_string());
        let counts = set.counts();
        // A list of digits may be read as digests once and as hashes another time, so its file alone does not decide it.
        let read = [counts.malformed_lines, counts.hashes, counts.with_digests].map(|count| count as i64);
        let settings = (geometry, distance, min_quality, verify, max_hits, read);
        let known: Option<(i64, StoredSettings)> = transaction
            .query_row(
                "SELECT id, geometry, distance, min_quality, verify, max_hits, malformed_lines, hashes, with_digests
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
                for table in ["hit", "saturated", "set_aside", "listed_record", "set_record", "match_list"] {
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

    /// The lists of sets that contents of the case were matched against, by the number of the list.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn match_lists(&self) -> Result<BTreeMap<i64, Vec<SetId>>, CaseError> {
        match_lists(&self.connection)
    }

    /// Up to `limit` contents after `after` that were matched against exactly the sets of a list, in row order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn contents_of_list(
        &self,
        list: i64,
        after: ContentId,
        limit: usize,
    ) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, md5, sha1, sha256, size, trivial FROM match_state CROSS JOIN content ON content.id = match_state.content
             WHERE match_state.content > ?1 AND match_state.list = ?2 ORDER BY match_state.content LIMIT ?3",
        )?;
        let rows = statement.query_map(params![after.0, list, limit as i64], stored_content)?;
        self.with_views(rows.collect::<Result<_, _>>()?)
    }

    /// Up to `limit` contents after `after`, in row order, with unconfirmed hits in `set` that can be confirmed
    /// now: the file or the memory was missing then, or the hash is from pixels by now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unconfirmed(
        &self,
        set: SetId,
        after: ContentId,
        limit: usize,
    ) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT id, md5, sha1, sha256, size, trivial FROM content WHERE id IN ",
            unconfirmed_contents!(),
            " AND id > ?2 ORDER BY id LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![set.0, after.0, limit as i64], stored_content)?;
        self.with_views(rows.collect::<Result<_, _>>()?)
    }

    /// Contents with their fingerprints.
    fn with_views(&self, mut contents: Vec<StoredContent>) -> Result<Vec<StoredContent>, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT view, hashes, quality, derived_from FROM fingerprint WHERE content = ?1 AND spec = ?2 ORDER BY view",
        )?;
        for content in &mut contents {
            let mut rows = statement.query(params![content.id.0, HashSpec::NAME])?;
            while let Some(row) = rows.next()? {
                content.views.push(stored_view(row)?);
            }
        }
        Ok(contents)
    }

    /// How many contents [`CaseStore::unconfirmed`] returns in all.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unconfirmed_count(&self, set: SetId) -> Result<u64, CaseError> {
        let count: i64 = self.connection.query_row(
            concat!("SELECT count(*) FROM content WHERE id IN ", unconfirmed_contents!()),
            [set.0],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// Where these bytes were found, in the order of places.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn provenances(&self, sha256: &[u8; 32]) -> Result<Vec<Provenance>, CaseError> {
        provenances(&self.connection, sha256)
    }

    /// How many contents were not matched against `set` yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unmatched_count(&self, set: SetId) -> Result<u64, CaseError> {
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM match_state WHERE list NOT IN (SELECT id FROM match_list WHERE hash_set = ?1)",
            [set.0],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// Adds what the case does not record yet of its owner.
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
    // Names may differ in case, and folders may be mounted twice.
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
        let overlap = if path.starts_with(&other) || own.iter().any(|above| is_same(above, &others[0])) {
            Overlap::Inside
        } else if other.starts_with(path) || others.iter().any(|above| is_same(above, &own[0])) {
            Overlap::Around
        } else {
            continue;
        };
        return Err(CaseError::SourceOverlaps { source_path: path.to_path_buf(), overlap, other });
    }
    connection.execute(
        "INSERT INTO source (path_raw, path, kind) VALUES (?1, ?2, ?3)",
        params![raw.as_ref(), escape_path(path), if path.is_dir() { "folder" } else { "file" }],
    )?;
    Ok(SourceId(connection.last_insert_rowid()))
}

/// Where the files of a source are opened now. Its own path may be a link to where it was moved, which is followed; links below it are not.
pub(super) fn place_of(source: &[u8]) -> PathBuf {
    let source = path_from_bytes(source);
    real_path(&source).unwrap_or(source)
}

/// See [`CaseStore::match_lists`].
pub(super) fn match_lists(connection: &Connection) -> Result<BTreeMap<i64, Vec<SetId>>, CaseError> {
    let mut lists: BTreeMap<i64, Vec<SetId>> = BTreeMap::new();
    // A list is empty if the settings of its sets changed since.
    let mut statement = connection.prepare(
        "SELECT used.list, match_list.hash_set FROM (SELECT DISTINCT list FROM match_state) AS used
         LEFT JOIN match_list ON match_list.id = used.list",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        lists.entry(row.get(0)?).or_default().extend(row.get::<_, Option<i64>>(1)?.map(SetId));
    }
    Ok(lists)
}

/// Where bytes were found, in the order of places: see [`CaseStore::provenances`].
pub(super) fn provenances(connection: &Connection, sha256: &[u8]) -> Result<Vec<Provenance>, CaseError> {
    let mut statement = connection.prepare_cached(
        "SELECT source_sort, path FROM place WHERE sha256 = ?1 ORDER BY source_sort, path_sort",
    )?;
    let mut rows = statement.query([sha256])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (source, path): (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
        let steps = Provenance::parse_steps(&path)
            .map_err(|error| CaseError::damaged_by("the path of an item", error))?;
        found.push(Provenance::new(place_of(&source).into(), steps));
    }
    Ok(found)
}

/// The columns id, md5, sha1, sha256, size, trivial. Views are another table's.
fn stored_content(row: &Row<'_>) -> rusqlite::Result<StoredContent> {
    Ok(StoredContent {
        id: ContentId(row.get(0)?),
        digests: Digests { md5: row.get(1)?, sha1: row.get(2)?, sha256: row.get(3)? },
        size: row.get::<_, i64>(4)?.max(0).cast_unsigned(),
        views: Vec::new(),
        trivial: row.get(5)?,
    })
}

/// The columns view, hashes, quality, derived_from.
fn stored_view(row: &Row<'_>) -> Result<StoredView, CaseError> {
    let (view, hashes, derived_from): (String, Vec<u8>, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
    Ok(StoredView {
        view: view
            .parse()
            .map_err(|error: ParseViewError| CaseError::damaged_by("the view of a fingerprint", error))?,
        hash: stored_hash(&hashes, row.get(2)?)
            .ok_or_else(|| CaseError::damaged("a fingerprint without its eight hashes"))?,
        derived_from: DerivedFrom::from_name(&derived_from)
            .ok_or_else(|| CaseError::damaged("a fingerprint derived from nothing known"))?,
    })
}

pub(super) fn stored_hash(hashes: &[u8], quality: u8) -> Option<DihedralHashes> {
    let hashes = hashes_from_bytes(hashes)?;
    Some(DihedralHashes { hashes, quality })
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
             records, hashes, hashes_without_quality, with_digests, low_quality, null_hashes, malformed_lines, version, profile)
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
    read_spec_under(connection, "hash_decode")
}

/// [`read_spec`] of a case that keeps the decode mode under this key.
pub(super) fn read_spec_under(connection: &Connection, decode_key: &str) -> Result<HashSpec, CaseError> {
    let field = |key: &str| {
        read_info(connection, key)?.ok_or_else(|| CaseError::damaged(format!("case_info has no {key}")))
    };
    let geometry = field("hash_geometry")?;
    let decode = field(decode_key)?;
    let damaged = |key: &str| CaseError::damaged(format!("case_info has an invalid {key}"));
    Ok(HashSpec {
        algorithm: field("hash_algorithm")?,
        version: field("hash_version")?.parse().map_err(|_| damaged("hash_version"))?,
        geometry: Geometry::from_name(&geometry).ok_or_else(|| damaged("hash_geometry"))?,
        decode: DecodeMode::from_name(&decode).ok_or_else(|| damaged(decode_key))?,
    })
}

impl HashSpec {
    /// Refuses options that ask for other hashes than those of the case in `folder`.
    ///
    /// # Errors
    /// If they do.
    pub fn refuse_other(&self, folder: &Path, asked: &Self) -> Result<(), CaseError> {
        if self == asked {
            return Ok(());
        }
        Err(CaseError::SpecContradicted {
            folder: folder.to_path_buf(),
            stored: self.clone(),
            asked: asked.clone(),
        })
    }
}
