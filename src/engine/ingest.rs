//! `scan` and `triage`: from sources to a case, matched on the way.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::examine::{Examiner, Shares};
use super::finish::{Finisher, MATCHERS};
use super::in_hand::Work;
use super::known::count_hits;
use super::pass::{Pass, Run, source_error};
use super::profile::{Crew, Queue, Stage};
use super::progress::Progress;
use super::reader::{Readers, Wanted};
use super::resident::ResidentSets;
use super::runner::{Found, Runner};
use super::settings::{IngestReport, IngestSettings, RunSettings};
use super::stages::{Stages, unpanicked};
use super::verify::Verifier;
use super::walkers::{Item, Walker, Walkers};
use super::{CancelToken, EngineError, pool};
use crate::case::{Batch, CaseStore, ProgressReader, SourceId};
use crate::known;
use crate::matching::Backend;
use crate::source::identity::real_path;
use crate::source::name::path_bytes;
use crate::source::{Entry, EntryKind, Provenance, Tree, walk};

/// Findings wait at most this long for their batch to fill.
const PATIENCE: Duration = Duration::from_millis(200);
/// Batches that the writer puts into one transaction at most: as many as wait for it, so that it is faster the more there is to do.
const BATCHES_AT_ONCE: usize = 32;
/// Between two looks at the case's folder while nothing is to be written.
const LOOK: Duration = Duration::from_secs(1);

/// Walks sources, reads every file that the case does not have yet, stores what it is, and matches it with
/// the hash sets. Contents of earlier runs are matched first.
///
/// # Errors
/// The case store failed, or a source cannot be looked at; what was stored before stays.
pub fn ingest(
    store: &mut CaseStore,
    sources: &[PathBuf],
    known: &[known::HashSet],
    backend: &Backend,
    settings: &IngestSettings,
    progress: &Progress,
    cancel: &CancelToken,
) -> Result<IngestReport, EngineError> {
    // Whatever is refused is refused before anything is written of the others.
    known.iter().try_for_each(|set| store.check_set(set))?;
    let real = |source: &PathBuf| real_path(source).map_err(|error| source_error(source, error));
    let paths: Vec<PathBuf> = sources.iter().map(real).collect::<Result<_, _>>()?;
    let mut roots: Vec<(SourceId, Arc<Path>)> = Vec::with_capacity(paths.len());
    for (id, path) in store.sources(&paths)?.into_iter().zip(paths) {
        if !roots.iter().any(|(other, _)| *other == id) {
            roots.push((id, path.into()));
        }
    }
    let (sets, mut notices) = ResidentSets::load(store, known, backend, settings)?;
    let mut report = IngestReport::default();
    let examiner = Examiner::of_ingest(settings, backend, progress);
    let matched = || sets.match_backlog(store, settings, &examiner, progress, cancel);
    if progress.watched(|| unpanicked("matching", matched))? {
        let run = Run { backend, settings, progress, cancel, sets: &sets, examiner: &examiner };
        let changed = progress.watched(|| {
            let suspects = suspects(progress, settings, &roots);
            let first = match &suspects[..] {
                [] => 0,
                _ => run.files(store, &roots, Pass::Suspects(&suspects), &mut report.peak_memory)?,
            };
            let tried = suspects.iter().map(|(source, entry)| (*source, &entry.relative[..])).collect();
            let rest = Pass::All { tried };
            Ok::<_, EngineError>(first + run.files(store, &roots, rest, &mut report.peak_memory)?)
        })?;
        if changed > 0 {
            notices
                .push(format!("{changed} files changed since the case last read them, and were read again"));
        }
    }
    progress.profile.end();
    store.place_containers()?;
    report.interrupted = cancel.is_cancelled();
    progress.in_hand.end(|place, work| {
        let Some(path) = place.file() else { return false };
        let listed =
            below(&roots, &path).is_some_and(|(_, relative)| !settings.run.exclude.leave_out(&relative));
        // Whether it is verified again depends on the sets and the distance; it is forgotten when it is gone.
        !report.interrupted && listed && (work != Work::Verifying || path.symlink_metadata().is_err())
    });
    if !report.interrupted {
        roots.iter().try_for_each(|&(source, _)| store.complete_source(source))?;
    }
    notices.extend(progress.excluded_notice(&settings.run.exclude));
    report.peak_memory += examiner.peak();
    report.skipped = progress.snapshot().files_skipped;
    report.notices = notices;
    Ok(report)
}

/// The folders that the case could not list in an earlier run, as a [`Tree`] names them.
fn failed_before(
    store: &CaseStore,
    roots: &[(SourceId, Arc<Path>)],
) -> Result<HashSet<(usize, Vec<u8>)>, EngineError> {
    let mut folders = HashSet::new();
    for (place, &(source, _)) in roots.iter().enumerate() {
        folders.extend(store.failed_folders(source)?.into_iter().map(|folder| (place, folder)));
    }
    Ok(folders)
}

/// The source below which a path lies, by its place, and the path's raw bytes below that; `None` of what lies elsewhere.
fn below(roots: &[(SourceId, Arc<Path>)], path: &Path) -> Option<(usize, Vec<u8>)> {
    roots.iter().enumerate().find_map(|(source, (_, root))| {
        let relative = path.strip_prefix(root).ok()?;
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        let names: Vec<_> =
            relative.components().map(|name| path_bytes(name.as_ref()).into_owned()).collect();
        plain.then(|| (source, names.join(&b'/')))
    })
}

/// The files of the sources that an earlier run died with, as the walk will find them. What is not there any more is left
/// to it, and so is what a link leads to.
fn suspects(
    progress: &Progress,
    settings: &IngestSettings,
    roots: &[(SourceId, Arc<Path>)],
) -> Vec<(usize, Entry)> {
    let mut suspects = Vec::new();
    for path in progress.in_hand.suspects().iter().filter_map(Provenance::file) {
        let Some((source, relative)) = below(roots, &path) else { continue };
        let unlinked =
            path.parent().is_some_and(|parent| parent.canonicalize().is_ok_and(|real| real == parent));
        if unlinked || relative.is_empty() {
            // A file that went meanwhile is the walk's to tell of.
            let _ = walk(&path, &mut |entry| {
                if entry.kind == EntryKind::File
                    && entry.relative.is_empty()
                    && !settings.run.exclude.leave_out(&relative)
                {
                    suspects.push((source, Entry { relative: relative.clone(), ..entry }));
                }
                false
            });
        }
    }
    suspects
}

impl Run<'_> {
    /// Everything from the walk to the writer. Returns how many files changed since the case last read them.
    fn files(
        &self,
        store: &mut CaseStore,
        roots: &[(SourceId, Arc<Path>)],
        pass: Pass<'_>,
        peak_memory: &mut u64,
    ) -> Result<u64, EngineError> {
        let RunSettings { jobs, max_memory, .. } = self.settings.run;
        let (profile, in_hand) = (&self.progress.profile, &self.progress.in_hand);
        let stages = Stages::new(self.cancel);
        let wanted = if self.settings.read_holes { Wanted::All } else { Wanted::AllButHoles };
        let runner = Runner {
            settings: &self.settings.run,
            backend: self.backend,
            examiner: self.examiner,
            readers: Readers::new(Shares::of(max_memory).reading, wanted, &stages.cancel, profile, in_hand),
            stages: &stages,
            profile,
            seen: Some(Mutex::new(store.known_contents(max_memory)?)),
            patience: PATIENCE,
        };
        let sources: Vec<PathBuf> = roots.iter().map(|(_, path)| path.to_path_buf()).collect();
        let tree = Tree::new(&sources).noting(failed_before(store, roots)?);
        let lists_all = matches!(pass, Pass::All { .. });
        let walkers =
            Walkers { run: self, cancel: &stages.cancel, roots, pass, tree, changed: AtomicU64::new(0) };
        let mut done = self.done_already(store, roots)?;
        if !lists_all {
            done.truncate(1);
        }
        let search_pool = pool("search", jobs)?;
        profile.crew(Crew::Finishers, jobs);
        let finisher = Finisher {
            sets: self.sets,
            // What is in flight when the run is cancelled is settled all the same, and stored.
            verifier: Verifier { examiner: self.examiner, cancel: None },
            progress: self.progress,
            pool: &search_pool,
            threads: jobs,
            searching: Mutex::new(()),
        };
        let walking = AtomicUsize::new(done.len());
        let listers = done.into_iter().map(|done| {
            |out| {
                let listed = Walker::new(&walkers, done, out).run();
                if walking.fetch_sub(1, Ordering::Relaxed) == 1 && lists_all {
                    self.progress.walk_ended();
                }
                listed
            }
        });
        runner.run(listers.collect(), |found| self.store(store, &stages, &finisher, found))?;
        stages.end()?;
        *peak_memory = (*peak_memory).max(runner.readers.peak());
        // Only now, when what lies in them is stored.
        if !self.cancel.is_cancelled() {
            for (source, folder) in walkers.tree.read_again() {
                store.forget_failed_folder(roots[source].0, &folder)?;
            }
        }
        Ok(walkers.changed())
    }

    /// The sink: what was found is matched in batches, several at a time, and written on this thread.
    fn store(
        &self,
        store: &mut CaseStore,
        stages: &Stages,
        finisher: &Finisher<'_>,
        found: Receiver<Vec<Found<Item>>>,
    ) {
        let (batches_in, batches_out) = bounded(BATCHES_AT_ONCE);
        thread::scope(|scope| {
            for _ in 0..MATCHERS {
                let (found, batches_in) = (found.clone(), batches_in.clone());
                scope.spawn(move || {
                    stages.run_through("matching", || finisher.settle(&found, &batches_in));
                });
            }
            // The matchers' own are left, so that the channels close when the last of them ends.
            drop((found, batches_in));
            // The receiver goes into the writer and ends with it, so that no matcher waits for one that has failed.
            stages.run("writing", move || self.write_all(store, &batches_out));
        });
    }

    /// For each walker a way to ask what the case has already, where it has anything of these sources.
    fn done_already(
        &self,
        store: &CaseStore,
        roots: &[(SourceId, Arc<Path>)],
    ) -> Result<Vec<Option<ProgressReader>>, EngineError> {
        let mut fresh = true;
        for &(source, _) in roots {
            fresh &= !store.has_items(source)?;
        }
        let reader = |_| (!fresh).then(|| store.progress_reader(self.settings.run.max_memory)).transpose();
        Ok((0..self.settings.run.io_jobs.max(1)).map(reader).collect::<Result<_, _>>()?)
    }

    /// The writer: as many batches as wait go into one transaction.
    fn write_all(&self, store: &mut CaseStore, batches: &Receiver<Batch>) -> Result<(), EngineError> {
        loop {
            let first = match batches.recv_timeout(LOOK) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    store.check_place()?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            self.progress.profile.saw(Queue::ToWrite, batches.len(), batches.capacity());
            let waiting = batches.try_iter().take(BATCHES_AT_ONCE - 1);
            let batches: Vec<Batch> = std::iter::once(first).chain(waiting).collect();
            self.write(store, &batches)?;
        }
    }

    /// Writes batches. Files count as done from here on. Where the run is cancelled before it is known that they may be written, they are
    /// not, and the same command does them again.
    fn write(&self, store: &mut CaseStore, batches: &[Batch]) -> Result<(), EngineError> {
        #[cfg(test)]
        super::tests::write();
        if !self.sets.check(self.cancel)? {
            return Ok(());
        }
        store.check_place()?;
        let watch = self.progress.profile.start(Stage::Writing);
        store.write_all(batches, self.sets, self.settings.run.max_memory)?;
        watch.stop(batches.iter().map(|batch| batch.items.len() as u64).sum(), 0);
        for batch in batches {
            let hashed = batch.contents.iter().filter(|content| !content.fingerprints.is_empty()).count();
            let bytes = batch.items.iter().filter_map(|item| item.stamp.size).sum();
            Progress::add(&self.progress.files_done, batch.items.len() as u64);
            Progress::add(&self.progress.bytes_done, bytes);
            Progress::add(&self.progress.pictures, hashed as u64);
            Progress::add(&self.progress.hits, count_hits(&batch.hits));
        }
        Ok(())
    }
}
