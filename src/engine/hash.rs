//! `hash`: the hashes of files in the order they were given, without a case. A sink of the runner.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use super::examine::{Examiner, Shares};
use super::profile::Profile;
use super::reader::{Grouper, Listed, Readers, Wanted};
use super::runner::{Finding, Found, FoundContent, Out, Runner};
use super::settings::RunSettings;
use super::stages::{Stages, unpanicked};
use super::{CancelToken, EngineError, Progress};
use crate::case::Fingerprint;
use crate::decode::Facts;
use crate::matching::Backend;
use crate::outcome::{Failure, Outcome, Stage};
use crate::source::identity::real_path;
use crate::source::name::escape_path;
use crate::source::{Entry, EntryKind, Excludes, Provenance, walk};

/// Files that are examined ahead of the first whose result is not out yet.
const WINDOW: usize = 4096;
/// Tiles wait at most this long for their batch to fill.
const PATIENCE: Duration = Duration::from_millis(50);

/// One file and its hashes.
#[derive(Clone, Debug)]
pub struct HashedFile {
    /// As given, or below a folder that was given.
    pub path: PathBuf,
    /// Bytes, as it was listed.
    pub size: u64,
    /// What the file says of itself.
    pub facts: Facts,
    /// Its views, at least one, in the order of [`View`](crate::decode::View); or why there are none.
    pub result: Result<Vec<Fingerprint>, Failure>,
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

/// Hashes files and folders, and hands each file to `sink` in the order given (sorted inside folders).
/// Returns whether the run was cancelled before its end; `sink` has then seen an unbroken beginning.
///
/// # Errors
/// `sink` failed, or a path cannot be looked at.
pub fn hash_files(
    paths: &[PathBuf],
    backend: &Backend,
    settings: &RunSettings,
    progress: &Progress,
    cancel: &CancelToken,
    sink: &mut dyn FnMut(HashedFile) -> io::Result<()>,
) -> Result<bool, EngineError> {
    // Nobody looks at the profile of this command; the stages count all the same.
    let profile = Profile::default();
    let shares = Shares::without_verification(settings.max_memory);
    let stages = Stages::new(cancel);
    let wanted = RunSettings::wanted(backend);
    let examiner = Examiner::new(settings, shares, wanted, &profile, &progress.in_hand);
    let runner = Runner {
        settings,
        backend,
        examiner: &examiner,
        readers: Readers::new(shares.reading, Wanted::Pictures, &stages.cancel, &profile, &progress.in_hand),
        stages: &stages,
        profile: &profile,
        seen: None,
        patience: PATIENCE,
    };
    // One place for each file between the walk and the sink.
    let (window_in, window_out) = bounded(WINDOW);
    // A path that cannot be listed ends the list, and what was found before it is hashed all the same.
    let unlisted = Mutex::new(None);
    let lister = |out| {
        let mut lister = Lister {
            exclude: &settings.exclude,
            cancel: &stages.cancel,
            progress,
            window: window_in,
            grouper: Grouper::new(settings.jobs),
            out,
            next: 0,
        };
        if let Err(error) = unpanicked("listing", || lister.list(paths)) {
            *unlisted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        Ok(())
    };
    let emit = |found: Receiver<_>| {
        // The receivers go in and end with it, so that no stage waits for one that failed.
        stages.run("writing", move || emit(&found, &window_out, progress, sink).map_err(EngineError::Sink));
    };
    progress.watched(|| runner.run(vec![lister], emit))?;
    stages.end()?;
    if let Some(error) = unlisted.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
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
    out: Out<OnItsWay>,
    /// The number of the next file.
    next: u64,
}

impl Lister<'_> {
    fn list(&mut self, paths: &[PathBuf]) -> Result<(), EngineError> {
        for path in paths {
            // A link that was typed, or on the way to what was, is meant: it is followed, as a source's is. One that leads nowhere is left
            // to the walk, which says so.
            let root: Arc<Path> = real_path(path).unwrap_or_else(|_| path.clone()).into();
            walk(&root, &mut |entry| self.visit(entry, &root, path))
                .map_err(|error| EngineError::Io { what: escape_path(path), error })?;
        }
        self.flush();
        self.progress.walk_ended();
        Ok(())
    }

    /// Returns whether to continue. Below a link that was followed names are shown as they were typed.
    fn visit(&mut self, entry: Entry, root: &Arc<Path>, typed: &Path) -> bool {
        if self.exclude.leave_out(&entry.relative) {
            self.progress.exclude(&entry.stamp);
            return !self.cancel.is_cancelled();
        }
        if !self.take_place() {
            return false;
        }
        let number = self.next;
        self.next += 1;
        let path = entry.path(typed);
        let Entry { relative, kind, stamp } = entry;
        let size = stamp.size.unwrap_or(0);
        let (place, file) =
            (Provenance::of_file(Arc::clone(root), relative), OnItsWay { number, path, size });
        Progress::add(&self.progress.files_found, 1);
        Progress::add(&self.progress.bytes_found, size);
        match kind {
            EntryKind::File => {
                let group = self.grouper.push(Listed { place, size, about: file });
                group.is_none_or(|group| self.out.files.send(group).is_ok())
            }
            EntryKind::Failed(failure) => {
                self.out.failed.send(vec![Finding::failed(place, file, failure)]).is_ok()
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
            match self.window.send_timeout((), PATIENCE) {
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
            let _ = self.out.files.send(group);
        }
    }
}

/// Puts the files back in order.
fn emit(
    found: &Receiver<Vec<Found<OnItsWay>>>,
    window: &Receiver<()>,
    progress: &Progress,
    sink: &mut dyn FnMut(HashedFile) -> io::Result<()>,
) -> io::Result<()> {
    let mut waiting: BTreeMap<u64, HashedFile> = BTreeMap::new();
    let mut next = 0;
    for found in found {
        waiting.extend(found.into_iter().map(hashed));
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

/// A file and the hashes of its views, with its place in the order.
fn hashed(found: Found<OnItsWay>) -> (u64, HashedFile) {
    let OnItsWay { number, path, size } = found.about;
    let none = || Failure::new(Outcome::Crashed, Stage::Decode, "it has no view");
    let (facts, result) = match (found.result, found.content) {
        (Err(failure), _) => (Facts::default(), Err(failure)),
        (Ok(_), None) => (Facts::default(), Err(none())),
        (Ok(_), Some(FoundContent { facts, mut fingerprints, failure, .. })) => {
            fingerprints.sort_by_key(|seen| seen.view);
            let none = || Err(failure.unwrap_or_else(none));
            (facts, if fingerprints.is_empty() { none() } else { Ok(fingerprints) })
        }
    };
    (number, HashedFile { path, size, facts, result })
}
