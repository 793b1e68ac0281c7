//! The case store: one folder, one SQLite database, one writer.

use std::path::Path;

use crate::decode::Facts;
use crate::known::{DigestMatch, KnownSet};
use crate::matching::OrientedPair;
use crate::outcome::Failure;
use crate::pdq::{Geometry, TileHash};
use crate::source::{Digests, FileStamp};

/// All that decides a code. Codes of different specs are not comparable.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HashSpec {
    /// "pdq".
    pub algorithm: String,
    /// Version of our implementation's bits; changes only if a code could change.
    pub version: u32,
    /// Which reduction.
    pub geometry: Geometry,
    /// "pixels".
    pub decode_path: String,
}

/// Who the case belongs to; what is given later completes what was not given before, and must not
/// contradict it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CaseIdentity {
    /// `--case-number`.
    pub case_number: Option<String>,
    /// `--exhibit`.
    pub exhibit: Option<String>,
    /// `--examiner`.
    pub examiner: Option<String>,
}

/// What went wrong with the case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The database said no: disk full, damaged file, locked by another run.
    #[error("case database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The folder or the settings do not fit; the text says why and the way out.
    #[error("{0}")]
    Refused(String),
    /// The system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Row id of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(pub i64);

/// Row id of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId(pub i64);

/// Row id of a known set of the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetId(pub i64);

/// Row id of a content: one per distinct SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub i64);

/// One file of a source, for the writer.
#[derive(Clone, Debug)]
pub struct ItemRecord {
    /// Its source.
    pub source: SourceId,
    /// Path below the source, raw bytes (see `source::name`); empty where the source is one file.
    pub path: Vec<u8>,
    /// Size and times.
    pub stamp: FileStamp,
    /// The digests of its bytes, or why there are none.
    pub result: Result<Digests, Failure>,
}

/// What the bytes of one or more items are, for the writer. One per distinct SHA-256.
#[derive(Clone, Debug)]
pub struct ContentRecord {
    /// Digests of the bytes.
    pub digests: Digests,
    /// Bytes.
    pub size: u64,
    /// What the file says of itself.
    pub facts: Facts,
    /// Codes and quality, or why there are none.
    pub hash: Result<TileHash, Failure>,
}

/// Hits of one content in one known set, for the writer.
#[derive(Clone, Debug)]
pub struct ContentHits {
    /// The set.
    pub set: SetId,
    /// By SHA-256, because the content may be new in the same batch.
    pub sha256: [u8; 32],
    /// By digest.
    pub by_digest: Vec<DigestMatch>,
    /// By code: (record, the known code's quality, least distance and orientation).
    pub by_code: Vec<(u32, Option<u8>, OrientedPair)>,
}

/// A batch for the writer: one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// New contents; a SHA-256 that the case has already is an error of the caller.
    pub contents: Vec<ContentRecord>,
    /// Items; each one's content is in this batch or was in an earlier one, or comes later (the
    /// item counts as not done until then).
    pub items: Vec<ItemRecord>,
    /// Hits of contents of this or earlier batches.
    pub hits: Vec<ContentHits>,
    /// The sets that the contents of this batch were matched with.
    pub sets: Vec<SetId>,
    /// Contents of earlier batches that were matched with `sets` now.
    pub matched: Vec<ContentId>,
}

/// A content that is to be matched, as read back from the case.
#[derive(Clone, Debug)]
pub struct StoredContent {
    /// Its row.
    pub id: ContentId,
    /// Its digests.
    pub digests: Digests,
    /// Its codes, where it has any.
    pub hash: Option<TileHash>,
}

/// An open case. There is one writer: a second process is refused.
#[derive(Debug)]
pub struct CaseStore {}

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
        let _ = (folder, identity, spec);
        unimplemented!()
    }

    /// Opens a case that must exist.
    ///
    /// # Errors
    /// The folder is not a case, or of another version.
    pub fn open(folder: &Path) -> Result<Self, CaseError> {
        let _ = folder;
        unimplemented!()
    }

    /// What decides the codes of this case.
    #[must_use]
    pub fn spec(&self) -> &HashSpec {
        unimplemented!()
    }

    /// Records the start of a run with its resolved settings (JSON).
    ///
    /// # Errors
    /// The database said no.
    pub fn begin_run(&mut self, command: &str, settings: &str) -> Result<RunId, CaseError> {
        let _ = (command, settings);
        unimplemented!()
    }

    /// Records how a run ended: "done", "interrupted" or "failed".
    ///
    /// # Errors
    /// The database said no.
    pub fn end_run(&mut self, run: RunId, state: &str, notices: &[String]) -> Result<(), CaseError> {
        let _ = (run, state, notices);
        unimplemented!()
    }

    /// The row of a source, made if new. `path` is absolute.
    ///
    /// # Errors
    /// The source lies inside or around one that the case has, so that items would count twice.
    pub fn source(&mut self, path: &Path) -> Result<SourceId, CaseError> {
        let _ = path;
        unimplemented!()
    }

    /// A second, read-only connection that tells what is done already, for the walking thread.
    ///
    /// # Errors
    /// The database said no.
    pub fn progress_reader(&self) -> Result<ProgressReader, CaseError> {
        unimplemented!()
    }

    /// SHA-256 of every content of the case.
    ///
    /// # Errors
    /// The database said no.
    pub fn known_contents(&self) -> Result<std::collections::HashSet<[u8; 32]>, CaseError> {
        unimplemented!()
    }

    /// Registers a known set (identified by the SHA-256 of its file) with the matching settings. If
    /// the case has its hits under other settings they are deleted, and `true` is returned beside.
    ///
    /// # Errors
    /// The database said no.
    pub fn known_set(
        &mut self,
        set: &KnownSet,
        distance: u32,
        min_quality: u8,
    ) -> Result<(SetId, bool), CaseError> {
        let _ = (set, distance, min_quality);
        unimplemented!()
    }

    /// Up to `limit` contents that `set` was not matched with yet, in row order.
    ///
    /// # Errors
    /// The database said no.
    pub fn unmatched(&self, set: SetId, limit: usize) -> Result<Vec<StoredContent>, CaseError> {
        let _ = (set, limit);
        unimplemented!()
    }

    /// Writes a batch in one transaction. `columns` gives a known record's columns for its first hit.
    /// Every content of the batch, and every content named in `batch.matched`, counts as matched
    /// with `batch.sets` from then on.
    ///
    /// # Errors
    /// The database said no: nothing of the batch is there then.
    pub fn write(&mut self, batch: &Batch, columns: &dyn RecordColumns) -> Result<(), CaseError> {
        let _ = (batch, columns);
        unimplemented!()
    }
}

/// Where the writer gets a known record's columns from, when its first hit is stored.
pub trait RecordColumns {
    /// (column name, value) of a record of a set of this run.
    fn columns(&self, set: SetId, record: u32) -> Vec<(String, String)>;
}

/// Tells the walking thread what is done already.
#[derive(Debug)]
pub struct ProgressReader {}

impl ProgressReader {
    /// Whether the item is in the case with this size and time of change, and needs no more work.
    ///
    /// # Errors
    /// The database said no.
    pub fn is_done(&self, source: SourceId, path: &[u8], stamp: &FileStamp) -> Result<bool, CaseError> {
        let _ = (source, path, stamp);
        unimplemented!()
    }
}
