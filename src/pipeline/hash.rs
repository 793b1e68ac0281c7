//! `hash`: the hashes of files in the order they were given, without a case.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use super::examine::{Examiner, Shares};
use super::finish::missing_hash;
use super::in_hand::Named;
use super::profile::Profile;
use super::reader::{Content, Grouper, Listed, ReadFile, ReadGroup, Readers, Wanted};
use super::stages::{Stages, unpanicked};
use super::{CancelToken, PipelineError, Progress, pool};
use crate::decode::{DecodeMode, Facts, Picture, PictureHash};
use crate::matching::{Backend, Threads};
use crate::outcome::Failure;
use crate::pdq::Geometry;
use crate::source::identity::real_path;
use crate::source::name::{escape_path, path_from_bytes};
use crate::source::{Entry, EntryKind, Excludes, walk};

/// Files that are examined ahead of the first whose result is not out yet.
const WINDOW: usize = 4096;
/// Tiles wait at most this long for their batch to fill.
const BATCH_WAIT: Duration = Duration::from_millis(50);

/// The settings of a run that decide what is done.
#[derive(Clone, Debug)]
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
    /// Which files of folders are left out.
    pub exclude: Excludes,
}

/// One file and its hashes.
#[derive(Clone, Debug)]
pub struct HashedFile {
    /// As given, or below a folder that was given.
    pub path: PathBuf,
    /// Bytes, as it was listed.
    pub size: u64,
    /// What the file says of itself.
    pub facts: Facts,
    /// Hashes and quality, or why there are none.
    pub result: Result<PictureHash, Failure>,
}

/// A file on its way.
#[derive(Debug)]
struct OnItsWay {
    /// In the order of the output.
    number: u64,
    /// As it is shown.
    path: PathBuf,
    size: u64,
}

/// A file that was looked at.
struct Examined {
    file: OnItsWay,
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
    progress: &Progress,
    cancel: &CancelToken,
    sink: &mut dyn FnMut(HashedFile) -> io::Result<()>,
) -> Result<bool, PipelineError> {
    let HashSettings { jobs, io_jobs, max_memory, geometry, decode, max_side, .. } = *settings;
    // Nobody looks at the profile of this command; the stages count all the same.
    let profile = Profile::default();
    let shares = Shares::without_verification(max_memory);
    let stages = Stages::new(cancel);
    let readers = Readers::new(shares.reading, Wanted::Pictures, &stages.cancel, &profile, &progress.in_hand);
    let examiner = Examiner::new(geometry, decode, max_side, shares, &profile, &progress.in_hand);
    let (read_pool, decode_pool, hash_pool) =
        (pool("read", io_jobs)?, pool("decode", jobs)?, pool("hash", jobs)?);
    let (files_in, files_out) = bounded(jobs * 2);
    let (read_in, read_out) = bounded(jobs * 2);
    let (examined_in, examined_out) = bounded(jobs * 4);
    // One place for each file between the walk and the sink.
    let (window_in, window_out) = bounded(WINDOW);
    let work = || {
        thread::scope(|scope| {
            let (stages, readers, examiner) = (&stages, &readers, &examiner);
            let cancel = &stages.cancel;
            let mut lister = Lister {
                exclude: &settings.exclude,
                cancel,
                progress,
                window: window_in,
                grouper: Grouper::new(jobs),
                files: files_in,
                failed: examined_in.clone(),
                next: 0,
            };
            // A path that cannot be listed ends the list, and what was found before it is hashed all the same.
            let listing = scope.spawn(move || unpanicked("listing", || lister.list(paths)));
            // What is moved in closes its channels when the last thread of its kind ends.
            scope.spawn(move || {
                read_pool.broadcast(|_| stages.run_through("reading", || readers.run(&files_out, &read_in)));
            });
            scope.spawn(move || {
                let work = || examine(examiner, cancel, &read_out, &examined_in);
                decode_pool.broadcast(|_| stages.run_through("decoding", work));
            });
            // The receivers go in and end with it, so that no stage waits for one that failed.
            stages.run("writing", move || {
                emit(&examined_out, &window_out, backend, &hash_pool, progress, sink)
                    .map_err(PipelineError::Sink)
            });
            let listed = listing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            stages.end()?;
            listed
        })
    };
    progress.watched(work)?;
    progress.notice(progress.excluded_notice(&settings.exclude));
    Ok(cancel.is_cancelled())
}

/// The walking thread.
struct Lister<'a> {
    exclude: &'a Excludes,
    cancel: &'a CancelToken,
    progress: &'a Progress,
    window: Sender<()>,
    grouper: Grouper<OnItsWay>,
    files: Sender<Vec<Listed<OnItsWay>>>,
    failed: Sender<Examined>,
    /// The number of the next file.
    next: u64,
}

impl Lister<'_> {
    fn list(&mut self, paths: &[PathBuf]) -> Result<(), PipelineError> {
        for path in paths {
            // A link that was typed, or on the way to what was, is meant: it is followed, as a source's is. One that leads nowhere is left
            // to the walk, which says so.
            let root = real_path(path).ok().filter(|root| root != path);
            let typed = root.is_some().then_some(path.as_path());
            walk(root.as_ref().unwrap_or(path), &mut |entry| self.visit(entry, typed))
                .map_err(|error| PipelineError::Io { what: escape_path(path), error })?;
        }
        self.flush();
        self.progress.walk_ended();
        Ok(())
    }

    /// Returns whether to go on. Below a link that was followed names are shown as they were typed.
    fn visit(&mut self, entry: Entry, typed: Option<&Path>) -> bool {
        if self.exclude.leave_out(&entry.relative) {
            self.progress.exclude(&entry.stamp);
            return !self.cancel.is_cancelled();
        }
        if !self.take_place() {
            return false;
        }
        let number = self.next;
        self.next += 1;
        let Entry { path, relative, kind, stamp } = entry;
        let size = stamp.size.unwrap_or(0);
        let shown = match typed {
            None => path.clone(),
            Some(typed) if relative.is_empty() => typed.to_path_buf(),
            Some(typed) => typed.join(path_from_bytes(&relative)),
        };
        let file = OnItsWay { number, path: shown, size };
        Progress::add(&self.progress.files_found, 1);
        Progress::add(&self.progress.bytes_found, size);
        match kind {
            EntryKind::File => {
                let group = self.grouper.push(Listed { path, size, about: file });
                group.is_none_or(|group| self.files.send(group).is_ok())
            }
            EntryKind::Failed(failure) => {
                let facts = Facts::default();
                self.failed.send(Examined { file, facts, picture: Err(failure) }).is_ok()
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
    groups: &Receiver<ReadGroup<'_, OnItsWay>>,
    examined: &Sender<Examined>,
) {
    for group in groups {
        // The permit is held as long as the bytes.
        let ReadGroup { bytes, files, permit: _permit } = group;
        for ReadFile { listed: Listed { path, size, about: file }, content } in files {
            if cancel.is_cancelled() {
                break;
            }
            let named = Named { path: &path, size, sha256: None };
            let (facts, picture) = match content {
                Ok(Content::Held(range)) => examiner.picture(&bytes[range], named),
                Ok(Content::Head(head) | Content::Stream(head, _)) => {
                    let (facts, failure) = examiner.unheld(head, named);
                    (facts, Err(failure))
                }
                Err(failure) => (Facts::default(), Err(failure)),
            };
            if examined.send(Examined { file, facts, picture }).is_err() {
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
    hash_pool: &Threads,
    progress: &Progress,
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
            let (size, hashed) = (file.size, file.result.is_ok());
            sink(file)?;
            Progress::add(&progress.files_done, 1);
            Progress::add(&progress.bytes_done, size);
            Progress::add(&progress.pictures, u64::from(hashed));
        }
    }
    Ok(())
}

fn hash_batch(batch: Vec<Examined>, backend: &Backend, hash_pool: &Threads) -> Vec<(u64, HashedFile)> {
    let mut pictures = Vec::new();
    let mut files = Vec::with_capacity(batch.len());
    for Examined { file, facts, picture } in batch {
        let derivation = picture.map(|picture| {
            let derivation = picture.derivation.clone();
            pictures.push(picture);
            derivation
        });
        files.push((file, facts, derivation));
    }
    let mut hashes = hash_pool.install(|| backend.hash_pictures(pictures)).into_iter();
    let mut with_hash =
        |derivation| Ok(PictureHash { hash: hashes.next().ok_or_else(missing_hash)?, derivation });
    files
        .into_iter()
        .map(|(OnItsWay { number, path, size }, facts, derivation)| {
            (number, HashedFile { path, size, facts, result: derivation.and_then(&mut with_hash) })
        })
        .collect()
}
