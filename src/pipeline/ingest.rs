//! `scan` and `triage`: from sources to a case, matched on the way.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::examine::Examiner;
use super::known::{ResidentSets, Subject, count_hits};
use super::profile::{Crew, Queue, Stage};
use super::progress::Progress;
use super::reader::Readers;
use super::walkers::{Walker, Walkers};
use super::workers::Workers;
use super::{CancelToken, PipelineError, pool};
use crate::case::{Batch, CaseStore, ContentRecord, ItemRecord, ProgressReader, SetId, SourceId};
use crate::decode::{DecodeMode, Facts, Picture, PictureHash};
use crate::known::KnownSet;
use crate::matching::Backend;
use crate::outcome::Failure;
use crate::pdq::Geometry;
use crate::source::name::escape_path;
use crate::source::{Digests, Tree};

/// Findings wait at most this long for their batch to fill.
const BATCH_WAIT: Duration = Duration::from_millis(200);
/// Findings of one batch at most, whatever they are.
const BATCH_FINDINGS: usize = 4096;
/// Groups of files that the walk is ahead of the readers.
const GROUPS_AHEAD: usize = 64;

/// The settings of a run that decide what is done.
#[derive(Clone, Copy, Debug)]
pub struct IngestSettings {
    /// Threads that digest and decode, and as many that search.
    pub jobs: usize,
    /// Threads that read files, and as many that list folders.
    pub io_jobs: usize,
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

/// What a worker found out about a file.
pub(super) struct Finding {
    pub item: ItemRecord,
    /// For the first file of a content: what the bytes are.
    pub content: Option<FoundContent>,
}

pub(super) struct FoundContent {
    pub digests: Digests,
    pub size: u64,
    pub facts: Facts,
    pub picture: Result<Picture, Failure>,
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
    if sets.match_backlog(store, settings, progress, cancel)? {
        let run = Run { backend, settings, progress, cancel, sets: &sets };
        let changed = run.files(store, &roots, &mut report.peak_memory)?;
        if changed > 0 {
            notices
                .push(format!("{changed} files changed since the case last read them, and were read again"));
        }
    }
    progress.profile.end();
    report.interrupted = cancel.is_cancelled();
    if !report.interrupted {
        roots.iter().try_for_each(|&(source, _)| store.complete_source(source))?;
    }
    report.skipped = progress.snapshot().files_skipped;
    report.notices = notices;
    Ok(report)
}

/// The absolute path of a source, with the links on the way to it resolved.
fn real_path(source: &std::path::Path) -> io::Result<PathBuf> {
    // On Windows canonical paths begin with `\\?\`, which people do not type.
    if cfg!(windows) { std::path::absolute(source) } else { source.canonicalize() }
}

pub(super) fn source_error(source: &std::path::Path, error: io::Error) -> PipelineError {
    PipelineError::Io { what: format!("source {}", escape_path(source)), error }
}

/// What the threads of a run share.
pub(super) struct Run<'a> {
    pub backend: &'a Backend,
    pub settings: &'a IngestSettings,
    pub progress: &'a Progress,
    pub cancel: &'a CancelToken,
    pub sets: &'a ResidentSets<'a>,
}

impl Run<'_> {
    /// Everything from the walk to the writer. Returns how many files changed since the case last read them.
    fn files(
        &self,
        store: &mut CaseStore,
        roots: &[(SourceId, PathBuf)],
        peak_memory: &mut u64,
    ) -> Result<u64, PipelineError> {
        let IngestSettings { jobs, io_jobs, max_memory, geometry, decode, max_side, .. } = *self.settings;
        let profile = &self.progress.profile;
        // A quarter of the memory is for files (pictures are compressed), the rest for decoding them.
        let for_files = max_memory / 4;
        let readers = Readers::new(for_files, true, self.cancel, profile);
        let workers = Workers {
            examiner: Examiner::new(geometry, decode, max_side, max_memory - for_files, profile),
            seen: Mutex::new(store.known_contents(max_memory)?),
            cancel: self.cancel,
            profile,
        };
        let sources: Vec<PathBuf> = roots.iter().map(|(_, path)| path.clone()).collect();
        let walkers = Walkers { run: self, roots, tree: Tree::new(&sources), changed: AtomicU64::new(0) };
        let done = self.done_already(store, roots)?;
        let (read_pool, decode_pool) = (pool("read", io_jobs)?, pool("decode", jobs)?);
        let search_pool = pool("search", jobs)?;
        for (crew, threads) in [
            (Crew::Walkers, done.len()),
            (Crew::Readers, io_jobs),
            (Crew::Workers, jobs),
            (Crew::Finishers, jobs),
        ] {
            profile.crew(crew, threads);
        }
        let (files_in, files_out) = bounded(GROUPS_AHEAD);
        let (read_in, read_out) = bounded(jobs * 2);
        let (findings_in, findings_out) = bounded(jobs * 2);
        let (batches_in, batches_out) = bounded(2);
        let sets = self.sets.ids();
        thread::scope(|scope| {
            let (walkers, readers, workers) = (&walkers, &readers, &workers);
            let walking: Vec<_> = done
                .into_iter()
                .map(|done| Walker::new(walkers, done, files_in.clone(), findings_in.clone()))
                .map(|walker| scope.spawn(move || walker.run()))
                .collect();
            drop(files_in);
            // What is moved in closes its channels when the last thread of its kind ends.
            scope.spawn(move || read_pool.broadcast(|_| readers.run(&files_out, &read_in)));
            scope.spawn(move || decode_pool.broadcast(|_| workers.run(&read_out, &findings_in)));
            scope.spawn(move || search_pool.install(|| self.finish(&findings_out, &batches_in, &sets)));
            // A sink that fails ends the run: returning drops the receiver, and every stage ends in turn.
            for batch in &batches_out {
                profile.saw(Queue::ToWrite, batches_out.len(), batches_out.capacity());
                self.write(store, &batch)?;
            }
            for walker in walking {
                walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            self.progress.walk_ended();
            Ok::<_, PipelineError>(())
        })?;
        *peak_memory = readers.peak() + workers.examiner.peak();
        Ok(walkers.changed())
    }

    /// For each walker a way to ask what the case has already, where it has anything of these sources.
    fn done_already(
        &self,
        store: &CaseStore,
        roots: &[(SourceId, PathBuf)],
    ) -> Result<Vec<Option<ProgressReader>>, PipelineError> {
        let mut fresh = true;
        for &(source, _) in roots {
            fresh &= !store.has_items(source)?;
        }
        let reader = |_| (!fresh).then(|| store.progress_reader(self.settings.max_memory)).transpose();
        Ok((0..self.settings.io_jobs.max(1)).map(reader).collect::<Result<_, _>>()?)
    }

    /// The finisher: hashes tiles in batches, matches, and hands whole batches to the writer.
    fn finish(&self, findings: &Receiver<Vec<Finding>>, batches: &Sender<Batch>, sets: &[SetId]) {
        let tiles_wanted = self.backend.tile_batch();
        while let Some(collected) = collect(findings, tiles_wanted) {
            self.progress.profile.saw(Queue::ToFinish, findings.len(), findings.capacity());
            if batches.send(self.finish_batch(collected, sets)).is_err() {
                return;
            }
        }
    }

    fn finish_batch(&self, findings: Vec<Finding>, sets: &[SetId]) -> Batch {
        let mut batch = Batch { sets: sets.to_vec(), ..Batch::default() };
        let mut tiles = Vec::new();
        let mut contents = Vec::new();
        for finding in findings {
            batch.items.push(finding.item);
            let Some(content) = finding.content else { continue };
            let derivation = content.picture.map(|Picture { tile, derivation }| {
                tiles.push(tile);
                derivation
            });
            contents.push((content.digests, content.size, content.facts, derivation));
        }
        let watch = self.progress.profile.start_on(Stage::Hashing, self.settings.jobs);
        let mut hashes = self.backend.hash_tiles(&tiles).into_iter();
        watch.stop(tiles.len() as u64, 0);
        for (digests, size, facts, derivation) in contents {
            let with_hash =
                |derivation| Ok(PictureHash { hash: hashes.next().ok_or_else(missing_hash)?, derivation });
            let hash = derivation.and_then(with_hash);
            batch.contents.push(ContentRecord { digests, size, facts, hash });
        }
        let subjects: Vec<Subject> = batch
            .contents
            .iter()
            .map(|content| Subject {
                digests: content.digests,
                hash: content.hash.as_ref().ok().map(|picture| picture.hash),
            })
            .collect();
        if !sets.is_empty() {
            let watch = self.progress.profile.start_on(Stage::Searching, self.settings.jobs);
            batch.hits = self.sets.find(&subjects);
            watch.stop(subjects.len() as u64, 0);
        }
        batch
    }

    /// The writer. Files count as done from here on.
    fn write(&self, store: &mut CaseStore, batch: &Batch) -> Result<(), PipelineError> {
        let watch = self.progress.profile.start(Stage::Writing);
        store.write(batch, self.sets, self.settings.max_memory)?;
        watch.stop(batch.items.len() as u64, 0);
        let hashed = batch.contents.iter().filter(|content| content.hash.is_ok()).count();
        let bytes = batch.items.iter().filter_map(|item| item.stamp.size).sum();
        Progress::add(&self.progress.files_done, batch.items.len() as u64);
        Progress::add(&self.progress.bytes_done, bytes);
        Progress::add(&self.progress.pictures, hashed as u64);
        Progress::add(&self.progress.hits, count_hits(&batch.hits));
        Ok(())
    }
}

/// A backend returns a hash for every tile; should it ever not, the item says so.
fn missing_hash() -> Failure {
    use crate::outcome::{Outcome, Stage};
    Failure::new(Outcome::CrashedDecoder, Stage::Hash, "the backend returned no code")
}

/// Findings until there are enough tiles or findings, or the first has waited long enough; `None` when the
/// workers have ended.
fn collect(findings: &Receiver<Vec<Finding>>, tiles_wanted: usize) -> Option<Vec<Finding>> {
    let first = findings.recv().ok()?;
    let deadline = Instant::now() + BATCH_WAIT;
    let has_tile =
        |finding: &Finding| finding.content.as_ref().is_some_and(|content| content.picture.is_ok());
    let count = |findings: &[Finding]| findings.iter().filter(|finding| has_tile(finding)).count();
    let mut tiles = count(&first);
    let mut collected = first;
    while tiles < tiles_wanted && collected.len() < BATCH_FINDINGS {
        match findings.recv_deadline(deadline) {
            Ok(findings) => {
                tiles += count(&findings);
                collected.extend(findings);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(collected)
}
