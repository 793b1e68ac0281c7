//! `hash`: the codes of files in the order they were given, without a case.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use super::examine::{Examiner, Shares};
use super::profile::Profile;
use super::reader::{Content, Grouper, Listed, ReadFile, ReadGroup, Readers};
use super::{CancelToken, PipelineError, pool};
use crate::decode::{DecodeMode, Facts, Picture, PictureHash};
use crate::matching::Backend;
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::Geometry;
use crate::source::name::escape_path;
use crate::source::{Entry, EntryKind, walk};

/// Files that are examined ahead of the first whose result is not out yet.
const WINDOW: usize = 4096;
/// Tiles wait at most this long for their batch to fill.
const BATCH_WAIT: Duration = Duration::from_millis(50);

/// The settings of a run that decide what is done.
#[derive(Clone, Copy, Debug)]
pub struct HashSettings {
    /// Threads that decode.
    pub jobs: usize,
    /// Threads that read files.
    pub io_jobs: usize,
    /// Bytes for files and pictures in flight.
    pub max_memory: u64,
    /// How pictures are reduced.
    pub geometry: Geometry,
    /// Which ways a picture may become a tile.
    pub decode: DecodeMode,
    /// Pixels on a side, at most.
    pub max_side: u32,
}

/// One file and its codes.
#[derive(Clone, Debug)]
pub struct HashedFile {
    /// As given, or below a folder that was given.
    pub path: PathBuf,
    /// What the file says of itself.
    pub facts: Facts,
    /// Codes and quality, or why there are none.
    pub result: Result<PictureHash, Failure>,
}

/// A file on its way, numbered in the order of the output.
struct Examined {
    number: u64,
    path: PathBuf,
    facts: Facts,
    picture: Result<Picture, Failure>,
}

/// Hashes files and folders, and hands each file to `sink` in the order given (sorted inside folders).
/// Returns whether the run was cancelled before its end; `sink` has then seen an unbroken beginning.
///
/// # Errors
/// `sink` failed, or a path cannot be looked at.
pub fn hash_files(
    paths: &[PathBuf],
    backend: &Backend,
    settings: &HashSettings,
    cancel: &CancelToken,
    sink: &mut dyn FnMut(HashedFile) -> io::Result<()>,
) -> Result<bool, PipelineError> {
    let HashSettings { jobs, io_jobs, max_memory, geometry, decode, max_side } = *settings;
    // Nobody looks at the profile of this command; the stages count all the same.
    let profile = Profile::default();
    let shares = Shares { reading: max_memory / 4, verdicts: 0, decoding: max_memory - max_memory / 4 };
    let readers = Readers::new(shares.reading, false, cancel, &profile);
    let examiner = Examiner::new(geometry, decode, max_side, shares, &profile);
    let (read_pool, decode_pool, hash_pool) =
        (pool("read", io_jobs)?, pool("decode", jobs)?, pool("hash", jobs)?);
    let (files_in, files_out) = bounded(jobs * 2);
    let (read_in, read_out) = bounded(jobs * 2);
    let (examined_in, examined_out) = bounded(jobs * 4);
    // One place for each file between the walk and the sink.
    let (window_in, window_out) = bounded(WINDOW);
    thread::scope(|scope| {
        let (readers, examiner) = (&readers, &examiner);
        let mut lister = Lister {
            cancel,
            window: window_in,
            grouper: Grouper::new(jobs),
            files: files_in,
            failed: examined_in.clone(),
            next: 0,
        };
        let walker = scope.spawn(move || lister.list(paths));
        // What is moved in closes its channels when the last thread of its kind ends.
        scope.spawn(move || read_pool.broadcast(|_| readers.run(&files_out, &read_in)));
        scope.spawn(move || decode_pool.broadcast(|_| examine(examiner, cancel, &read_out, &examined_in)));
        let emitted = emit(&examined_out, &window_out, backend, &hash_pool, sink);
        drop((examined_out, window_out));
        let walked = walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        emitted.map_err(PipelineError::Sink)?;
        walked?;
        Ok(cancel.is_cancelled())
    })
}

/// What the readers are told of a file: its number and its path.
type Numbered = (u64, PathBuf);

/// The walking thread.
struct Lister<'a> {
    cancel: &'a CancelToken,
    window: Sender<()>,
    grouper: Grouper<Numbered>,
    files: Sender<Vec<Listed<Numbered>>>,
    failed: Sender<Examined>,
    /// The number of the next file.
    next: u64,
}

impl Lister<'_> {
    fn list(&mut self, paths: &[PathBuf]) -> Result<(), PipelineError> {
        for path in paths {
            walk(path, &mut |entry| self.visit(entry))
                .map_err(|error| PipelineError::Io { what: escape_path(path), error })?;
        }
        self.flush();
        Ok(())
    }

    /// Returns whether to go on.
    fn visit(&mut self, entry: Entry) -> bool {
        if !self.take_place() {
            return false;
        }
        let number = self.next;
        self.next += 1;
        let path = entry.path;
        match entry.kind {
            EntryKind::File => {
                let about = (number, path.clone());
                let group = self.grouper.push(Listed { path, size: entry.stamp.size.unwrap_or(0), about });
                group.is_none_or(|group| self.files.send(group).is_ok())
            }
            EntryKind::Failed(failure) => {
                let facts = Facts::default();
                self.failed.send(Examined { number, path, facts, picture: Err(failure) }).is_ok()
            }
        }
    }

    /// Waits for a place among the files in flight; `false` when the run ends. After a cancel the files before
    /// this one may never come out, so the wait looks up now and then.
    fn take_place(&mut self) -> bool {
        if !self.cancel.is_cancelled() && self.window.try_send(()).is_ok() {
            return true;
        }
        // The place may become free only after files that wait here for their group to fill.
        self.flush();
        loop {
            if self.cancel.is_cancelled() {
                return false;
            }
            match self.window.send_timeout((), BATCH_WAIT) {
                Ok(()) => return true,
                Err(SendTimeoutError::Timeout(())) => {}
                Err(SendTimeoutError::Disconnected(())) => return false,
            }
        }
    }

    fn flush(&mut self) {
        let group = self.grouper.take();
        if !group.is_empty() {
            // Nobody left to read for: the run has ended for a reason that others tell.
            let _ = self.files.send(group);
        }
    }
}

/// A worker. After a cancel the files that are queued are left out, and so is all that follows them.
fn examine(
    examiner: &Examiner<'_>,
    cancel: &CancelToken,
    groups: &Receiver<ReadGroup<'_, Numbered>>,
    examined: &Sender<Examined>,
) {
    for group in groups {
        // The permit is held as long as the bytes.
        let ReadGroup { bytes, files, permit: _permit } = group;
        for ReadFile { about: (number, path), content } in files {
            if cancel.is_cancelled() {
                break;
            }
            let (facts, picture) = match content {
                Ok(Content::Held(range)) => examiner.picture(&bytes[range]),
                Ok(Content::Head(head) | Content::Stream(head, _)) => {
                    let (facts, failure) = examiner.unheld(head);
                    (facts, Err(failure))
                }
                Err(failure) => (Facts::default(), Err(failure)),
            };
            if examined.send(Examined { number, path, facts, picture }).is_err() {
                return;
            }
        }
    }
}

/// Hashes tiles in batches and puts the files back in order.
fn emit(
    examined: &Receiver<Examined>,
    window: &Receiver<()>,
    backend: &Backend,
    hash_pool: &rayon::ThreadPool,
    sink: &mut dyn FnMut(HashedFile) -> io::Result<()>,
) -> io::Result<()> {
    let mut waiting: BTreeMap<u64, HashedFile> = BTreeMap::new();
    let mut next = 0;
    while let Ok(first) = examined.recv() {
        let deadline = Instant::now() + BATCH_WAIT;
        let mut batch = vec![first];
        while batch.len() < backend.tile_batch() {
            let Ok(file) = examined.recv_deadline(deadline) else { break };
            batch.push(file);
        }
        for (number, file) in hash_batch(batch, backend, hash_pool) {
            waiting.insert(number, file);
        }
        while let Some(file) = waiting.remove(&next) {
            next += 1;
            // The walk put one in for every file.
            let _ = window.try_recv();
            sink(file)?;
        }
    }
    Ok(())
}

fn hash_batch(
    batch: Vec<Examined>,
    backend: &Backend,
    hash_pool: &rayon::ThreadPool,
) -> Vec<(u64, HashedFile)> {
    let mut tiles = Vec::new();
    let mut files = Vec::with_capacity(batch.len());
    for Examined { number, path, facts, picture } in batch {
        let derivation = picture.map(|Picture { tile, derivation }| {
            tiles.push(tile);
            derivation
        });
        files.push((number, path, facts, derivation));
    }
    let mut hashes = hash_pool.install(|| backend.hash_tiles(&tiles)).into_iter();
    let missing = || Failure::new(Outcome::CrashedDecoder, Stage::Hash, "the backend returned no code");
    let mut with_hash = |derivation| Ok(PictureHash { hash: hashes.next().ok_or_else(missing)?, derivation });
    files
        .into_iter()
        .map(|(number, path, facts, derivation)| {
            (number, HashedFile { path, facts, result: derivation.and_then(&mut with_hash) })
        })
        .collect()
}
