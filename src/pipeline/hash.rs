//! `hash`: the codes of files in the order they were given, without a case.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use super::examine::Examiner;
use super::{CancelToken, PipelineError, pool};
use crate::decode::{DecodeMode, Facts, Picture, PictureHash};
use crate::matching::Backend;
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::Geometry;
use crate::source::name::escape_path;
use crate::source::{Entry, EntryKind, ReadBuffer, walk};

/// Files that are examined ahead of the first whose result is not out yet.
const WINDOW: usize = 4096;
/// Tiles wait at most this long for their batch to fill.
const BATCH_WAIT: Duration = Duration::from_millis(50);

/// The settings of a run that decide what is done.
#[derive(Clone, Copy, Debug)]
pub struct HashSettings {
    /// Threads that read and decode.
    pub jobs: usize,
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
    let examiner = Examiner::new(settings.geometry, settings.decode, settings.max_side, settings.max_memory);
    let decode_pool = pool("decode", settings.jobs)?;
    let hash_pool = pool("hash", settings.jobs)?;
    let (work_in, work_out) = bounded(settings.jobs * 4);
    let (examined_in, examined_out) = bounded(settings.jobs * 4);
    // One place for each file between the walk and the sink.
    let (window_in, window_out) = bounded(WINDOW);
    thread::scope(|scope| {
        let listed = examined_in.clone();
        let walker = scope.spawn(move || list(paths, cancel, &window_in, &work_in, &listed));
        scope.spawn(|| {
            let (work_out, examined_in) = (work_out, examined_in);
            decode_pool.in_place_scope(|workers| {
                workers.spawn_broadcast(|_, _| examine(&examiner, cancel, &work_out, &examined_in));
            });
        });
        let emitted = emit(&examined_out, &window_out, backend, &hash_pool, sink);
        drop((examined_out, window_out));
        let walked = walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        emitted.map_err(PipelineError::Sink)?;
        walked?;
        Ok(cancel.is_cancelled())
    })
}

fn list(
    paths: &[PathBuf],
    cancel: &CancelToken,
    window: &Sender<()>,
    work: &Sender<(u64, Entry)>,
    listed: &Sender<Examined>,
) -> Result<(), PipelineError> {
    let mut number = 0;
    for path in paths {
        let mut visit = |entry: Entry| {
            if !take_place(window, cancel) {
                return false;
            }
            let this = number;
            number += 1;
            match entry.kind {
                EntryKind::File => work.send((this, entry)).is_ok(),
                EntryKind::Failed(failure) => {
                    let (path, facts) = (entry.path, Facts::default());
                    listed.send(Examined { number: this, path, facts, picture: Err(failure) }).is_ok()
                }
            }
        };
        walk(path, &mut visit).map_err(|error| PipelineError::Io { what: escape_path(path), error })?;
    }
    Ok(())
}

/// Waits for a place among the files in flight; `false` when the run ends. After a cancel the files before
/// this one may never come out, so the wait looks up now and then.
fn take_place(window: &Sender<()>, cancel: &CancelToken) -> bool {
    loop {
        if cancel.is_cancelled() {
            return false;
        }
        match window.send_timeout((), BATCH_WAIT) {
            Ok(()) => return true,
            Err(SendTimeoutError::Timeout(())) => {}
            Err(SendTimeoutError::Disconnected(())) => return false,
        }
    }
}

/// A worker. After a cancel the files that are queued are left out, and so is all that follows them.
fn examine(
    examiner: &Examiner,
    cancel: &CancelToken,
    work: &Receiver<(u64, Entry)>,
    examined: &Sender<Examined>,
) {
    let mut buffer = ReadBuffer::default();
    for (number, entry) in work {
        if cancel.is_cancelled() {
            continue;
        }
        let (facts, picture) = match examiner.read(&entry.path, &entry.stamp, &mut buffer) {
            Ok(read) => examiner.picture(&read),
            Err(failure) => (Facts::default(), Err(failure)),
        };
        if examined.send(Examined { number, path: entry.path, facts, picture }).is_err() {
            return;
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
