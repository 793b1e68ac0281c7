//! A case that is only read.

use std::fmt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::case::{CaseError, CaseReader, HitRow, ItemRow};

/// Rows that are read ahead of their reader.
const ROWS_AHEAD: usize = 256;

/// A case that is only read; also one on a read-only medium, and one that a run writes meanwhile.
///
/// ```
/// # use tamis::case::{CaseIdentity, CaseStore, HashSpec};
/// # use tamis::decode::DecodeMode;
/// # use tamis::pdq::Geometry;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("case");
/// # let decode = DecodeMode::Auto;
/// # let spec = HashSpec { algorithm: "pdq".into(), version: HashSpec::VERSION, geometry: Geometry::Full, decode };
/// # drop(CaseStore::open_or_create(&path, &CaseIdentity::default(), &spec)?);
/// let case = tamis::Case::open(&path)?;
/// for hit in case.hits() {
///     let hit = hit?;
///     println!("{}/{}: {} {}, {:?} bits", hit.source, hit.path, hit.hash_set, hit.record, hit.distance);
/// }
/// # assert_eq!(case.items().count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Case {
    reader: CaseReader,
}

impl Case {
    /// Opens the case in a folder. Nothing in it is changed.
    ///
    /// # Errors
    /// If the folder is not a case, is one of another version, or cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, CaseError> {
        Ok(Self { reader: CaseReader::open(folder.as_ref())? })
    }

    /// Every hit: an item against the records of a hash set that have its digest, or that it looks like. In the order of the
    /// sources' and items' paths, then by set and record, as the case is at the time of the call.
    #[must_use]
    pub fn hits(&self) -> CaseRows<HitRow> {
        CaseRows::read(self.reader.folder(), |reader, visit| reader.for_each_hit(visit))
    }

    /// Every finished item, in the order of the sources' and its own path.
    #[must_use]
    pub fn items(&self) -> CaseRows<ItemRow> {
        CaseRows::read(self.reader.folder(), |reader, visit| reader.for_each_item(visit))
    }

    /// Everything else that a case holds: counts, sets, runs, stacks.
    #[must_use]
    pub const fn reader(&self) -> &CaseReader {
        &self.reader
    }
}

/// Rows of a case, one after the other, in bounded memory: a thread with a connection of its own reads them, a few
/// hundred ahead. A row that cannot be read yields an error and ends the iteration; without an error, the rows are
/// complete.
pub struct CaseRows<T> {
    /// `None` once no more rows are needed.
    rows: Option<Receiver<T>>,
    unwanted: Arc<AtomicBool>,
    /// `None` once its result was taken.
    thread: Option<JoinHandle<Result<(), Ended>>>,
    /// Why there is no thread.
    refused: Option<CaseError>,
}

/// Why reading ended early.
#[derive(Debug)]
enum Ended {
    Unwanted,
    Failed(CaseError),
}

impl From<CaseError> for Ended {
    fn from(error: CaseError) -> Self {
        Self::Failed(error)
    }
}

/// What is done with each row.
type Visit<'a, T> = &'a mut dyn FnMut(T) -> Result<(), Ended>;

impl<T: Send + 'static> CaseRows<T> {
    fn read(folder: &Path, read: fn(&CaseReader, Visit<'_, T>) -> Result<(), Ended>) -> Self {
        let (sender, rows) = bounded(ROWS_AHEAD);
        let unwanted = Arc::new(AtomicBool::new(false));
        let (folder, flag) = (folder.to_path_buf(), Arc::clone(&unwanted));
        let what =
            format!("cannot start a thread to read the case {}", crate::source::name::escape_path(&folder));
        let started = Builder::new().name("case".into()).spawn(move || send_all(folder, read, &sender, flag));
        let (thread, refused) = match started {
            Ok(thread) => (Some(thread), None),
            Err(error) => (None, Some(CaseError::Io { what, error })),
        };
        Self { rows: Some(rows), unwanted, thread, refused }
    }
}

/// Reads all rows and sends them to the receiver.
#[expect(clippy::needless_pass_by_value, reason = "a thread owns what it is given")]
fn send_all<T>(
    folder: PathBuf,
    read: fn(&CaseReader, Visit<'_, T>) -> Result<(), Ended>,
    sender: &Sender<T>,
    unwanted: Arc<AtomicBool>,
) -> Result<(), Ended> {
    let mut reader = CaseReader::open(&folder)?;
    reader.hear(move || unwanted.load(Ordering::Relaxed))?;
    read(&reader, &mut |row| sender.send(row).map_err(|_| Ended::Unwanted))
}

impl<T> Iterator for CaseRows<T> {
    type Item = Result<T, CaseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(Ok(row)) = self.rows.as_ref().map(Receiver::recv) {
            return Some(Ok(row));
        }
        self.rows = None;
        if let Some(refused) = self.refused.take() {
            return Some(Err(refused));
        }
        match self.thread.take()?.join() {
            Ok(Ok(()) | Err(Ended::Unwanted)) => None,
            Ok(Err(Ended::Failed(error))) => Some(Err(error)),
            // Missing rows must not look like the end.
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl<T> Drop for CaseRows<T> {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
        self.rows = None;
        if let Some(thread) = self.thread.take() {
            // Its result is no longer needed; once it has ended, the case's files are closed.
            drop(thread.join());
        }
    }
}

impl<T> fmt::Debug for CaseRows<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CaseRows").field("ended", &self.thread.is_none()).finish_non_exhaustive()
    }
}
