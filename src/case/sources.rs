//! The sources of a case, and where bytes were found in them.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::{CaseError, CaseStore, Overlap, SourceId};
use crate::source::Provenance;
use crate::source::identity::{FileId, real_path};
use crate::source::name::{escape_path, path_bytes, path_from_bytes};

impl CaseStore {
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

    /// Where these bytes were found, in the order of places.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn provenances(&self, sha256: &[u8; 32]) -> Result<Vec<Provenance>, CaseError> {
        provenances(&self.connection, sha256)
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
