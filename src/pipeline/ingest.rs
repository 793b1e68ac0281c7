//! `scan` and `triage`: from sources to a case, matched on the way.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::examine::Examiner;
use super::finish::{Content, Finding, Finisher, JUDGES};
use super::known::{ResidentSets, count_hits};
use super::progress::Progress;
use super::verify::Verifier;
use super::{CancelToken, PipelineError, pool};
use crate::case::{Batch, CaseStore, ItemRecord, ItemState, ProgressReader, SourceId};
use crate::decode::DecodeMode;
use crate::known::KnownSet;
use crate::matching::{Backend, VerifyMode};
use crate::pdq::Geometry;
use crate::source::name::escape_path;
use crate::source::{Entry, EntryKind, ReadBuffer, walk};

/// Files that the walk is ahead of the workers.
const WALK_AHEAD: usize = 1024;

/// The settings of a run that decide what is done.
#[derive(Clone, Copy, Debug)]
pub struct IngestSettings {
    /// Threads that read and decode, and as many that search.
    pub jobs: usize,
    /// Bytes for files and pictures in flight.
    pub max_memory: u64,
    /// How pictures are reduced.
    pub geometry: Geometry,
    /// Which ways a picture may become a tile.
    pub decode: DecodeMode,
    /// Pixels on a side, at most.
    pub max_side: u32,
    /// Differing bits up to which a code is a hit.
    pub distance: u32,
    /// Codes of a lower quality are not matched.
    pub min_quality: u8,
    /// Which candidates are decoded for a verdict.
    pub verify: VerifyMode,
}

impl IngestSettings {
    /// What examines files within these settings.
    pub(super) fn examiner(&self) -> Examiner {
        Examiner::new(self.geometry, self.decode, self.max_side, self.max_memory)
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct IngestReport {
    /// Whether it was cancelled before its end.
    pub interrupted: bool,
    /// What a person should know.
    pub notices: Vec<String>,
    /// Files that the case had already.
    pub skipped: u64,
    /// Bytes that files and pictures in flight took at most.
    pub peak_memory: u64,
}

/// A file for the workers.
struct Work {
    source: SourceId,
    entry: Entry,
}

/// What the walk reports at its end.
#[derive(Default)]
struct Walked {
    changed: u64,
}

/// Walks sources, reads every file that the case does not have yet, stores what it is, and matches it with
/// the known sets. Contents of earlier runs are matched first.
///
/// # Errors
/// The case store failed, or a source cannot be looked at; what was stored before stays.
pub fn ingest(
    store: &mut CaseStore,
    sources: &[PathBuf],
    known: &[KnownSet],
    backend: &Backend,
    settings: &IngestSettings,
    progress: &Progress,
    cancel: &CancelToken,
) -> Result<IngestReport, PipelineError> {
    let mut roots = Vec::with_capacity(sources.len());
    for source in sources {
        let path = real_path(source).map_err(|error| source_error(source, error))?;
        let id = store.source(&path)?;
        if !roots.iter().any(|(other, _)| *other == id) {
            roots.push((id, path));
        }
    }
    let (sets, mut notices) = ResidentSets::load(store, known, backend, settings)?;
    let mut report = IngestReport::default();
    let examiner = settings.examiner();
    if sets.match_backlog(store, settings, &examiner, progress, cancel)? {
        let run = Run { backend, settings, progress, cancel, sets: &sets, examiner: &examiner };
        let walked = run.files(store, &roots)?;
        if walked.changed > 0 {
            notices.push(format!(
                "{} files changed since the case last read them, and were read again",
                walked.changed
            ));
        }
    }
    report.interrupted = cancel.is_cancelled();
    if !report.interrupted {
        roots.iter().try_for_each(|&(source, _)| store.complete_source(source))?;
    }
    report.peak_memory = examiner.peak();
    report.skipped = progress.snapshot().files_skipped;
    report.notices = notices;
    Ok(report)
}

/// The absolute path of a source, with the links on the way to it resolved.
fn real_path(source: &std::path::Path) -> io::Result<PathBuf> {
    // On Windows canonical paths begin with `\\?\`, which people do not type.
    if cfg!(windows) { std::path::absolute(source) } else { source.canonicalize() }
}

fn source_error(source: &std::path::Path, error: io::Error) -> PipelineError {
    PipelineError::Io { what: format!("source {}", escape_path(source)), error }
}

/// What the threads of a run share.
struct Run<'a> {
    backend: &'a Backend,
    settings: &'a IngestSettings,
    progress: &'a Progress,
    cancel: &'a CancelToken,
    sets: &'a ResidentSets<'a>,
    examiner: &'a Examiner,
}

impl Run<'_> {
    fn files(&self, store: &mut CaseStore, roots: &[(SourceId, PathBuf)]) -> Result<Walked, PipelineError> {
        let memory = self.settings.max_memory;
        let reader = store.progress_reader(memory)?;
        let seen = Mutex::new(store.known_contents(memory)?);
        let examiner = self.examiner;
        let decode_pool = pool("decode", self.settings.jobs)?;
        let search_pool = pool("search", self.settings.jobs)?;
        let (work_in, work_out) = bounded(WALK_AHEAD);
        let (findings_in, findings_out) = bounded(self.settings.jobs * 4);
        let (hashed_in, hashed_out) = bounded(2);
        let (batches_in, batches_out) = bounded(2);
        // What is in flight when the run is cancelled is judged all the same, and stored.
        let verifier = Verifier { examiner, cancel: None };
        let finisher = Finisher {
            backend: self.backend,
            sets: self.sets,
            verifier,
            roots,
            progress: self.progress,
            pool: &search_pool,
            searching: Mutex::new(()),
        };
        thread::scope(|scope| {
            let walk_findings = findings_in.clone();
            let walker = scope.spawn(move || self.walk(roots, &reader, &work_in, &walk_findings));
            scope.spawn(|| {
                // Moved in, so that the channels close when the last worker ends.
                let (work_out, findings_in) = (work_out, findings_in);
                decode_pool.in_place_scope(|workers| {
                    workers.spawn_broadcast(|_, _| self.work(examiner, &seen, &work_out, &findings_in));
                });
            });
            let finisher = &finisher;
            scope.spawn(move || finisher.hash(&findings_out, &hashed_in));
            for _ in 0..JUDGES {
                let (hashed_out, batches_in) = (hashed_out.clone(), batches_in.clone());
                scope.spawn(move || finisher.judge(&hashed_out, &batches_in));
            }
            // The judges' own are left, so that the channels close when the last of them ends.
            drop((hashed_out, batches_in));
            // A sink that fails ends the run: returning drops the receiver, and every stage ends in turn.
            for batch in batches_out {
                self.write(store, &batch)?;
            }
            walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The walking thread.
    fn walk(
        &self,
        roots: &[(SourceId, PathBuf)],
        reader: &ProgressReader,
        work: &Sender<Work>,
        findings: &Sender<Finding>,
    ) -> Result<Walked, PipelineError> {
        let mut walked = Walked::default();
        for (source, root) in roots {
            let mut failed = None;
            let mut visit = |entry: Entry| {
                if self.cancel.is_cancelled() {
                    return false;
                }
                match reader.state(*source, &entry.relative, &entry.stamp) {
                    Ok(ItemState::Done) => {
                        Progress::add(&self.progress.files_skipped, 1);
                        return true;
                    }
                    Ok(ItemState::Changed) => walked.changed += 1,
                    Ok(ItemState::ToDo) => {}
                    Err(error) => {
                        failed = Some(error);
                        return false;
                    }
                }
                Progress::add(&self.progress.files_found, 1);
                Progress::add(&self.progress.bytes_found, entry.stamp.size.unwrap_or(0));
                match entry.kind {
                    EntryKind::File => work.send(Work { source: *source, entry }).is_ok(),
                    EntryKind::Failed(failure) => {
                        let result = Err(failure);
                        let item =
                            ItemRecord { source: *source, path: entry.relative, stamp: entry.stamp, result };
                        findings.send(Finding { item, content: None }).is_ok()
                    }
                }
            };
            walk(root, &mut visit).map_err(|error| source_error(root, error))?;
            if let Some(error) = failed {
                return Err(error.into());
            }
        }
        self.progress.walk_ended();
        Ok(walked)
    }

    /// A worker: what is queued when the run is cancelled is left for the next one.
    fn work(
        &self,
        examiner: &Examiner,
        seen: &Mutex<HashSet<[u8; 32]>>,
        work: &Receiver<Work>,
        findings: &Sender<Finding>,
    ) {
        let mut buffer = ReadBuffer::default();
        for Work { source, entry } in work {
            if self.cancel.is_cancelled() {
                continue;
            }
            let Entry { path, relative, stamp, .. } = entry;
            let (result, content) = match examiner.read(&path, &stamp, &mut buffer) {
                Err(failure) => (Err(failure), None),
                Ok(read) => {
                    let (digests, size) = (read.file.digests, read.file.size);
                    let first = seen.lock().unwrap_or_else(PoisonError::into_inner).insert(digests.sha256);
                    let content = first.then(|| {
                        let (facts, picture) = examiner.picture(&read);
                        Content { digests, size, facts, picture }
                    });
                    (Ok(digests), content)
                }
            };
            let item = ItemRecord { source, path: relative, stamp, result };
            if findings.send(Finding { item, content }).is_err() {
                return;
            }
        }
    }

    /// The writer. Files count as done from here on.
    fn write(&self, store: &mut CaseStore, batch: &Batch) -> Result<(), PipelineError> {
        store.write(batch, self.sets, self.settings.max_memory)?;
        let hashed = batch.contents.iter().filter(|content| content.hash.is_ok()).count();
        let bytes = batch.items.iter().filter_map(|item| item.stamp.size).sum();
        Progress::add(&self.progress.files_done, batch.items.len() as u64);
        Progress::add(&self.progress.bytes_done, bytes);
        Progress::add(&self.progress.pictures, hashed as u64);
        Progress::add(&self.progress.hits, count_hits(&batch.hits));
        Ok(())
    }
}
