//! The runner: the stages that every run has, whatever becomes of what it finds.
//!
//! ```text
//! list ─→ read once, digest ─→ examine ─→ hash tiles in batches ─→ the run's sink
//! ```
//!
//! A run brings its listers, says what it wants of files, and takes what was found, on its own thread, in batches. Where nothing is hashed by
//! a GPU the thread that decodes has hashed already.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::examine::Examiner;
use super::in_hand::Named;
use super::profile::{Crew, Profile, Queue, Stage};
use super::reader::{Content, Listed, ReadFile, ReadGroup, Readers};
use super::settings::RunSettings;
use super::stages::Stages;
use super::{EngineError, pool};
use crate::case::Fingerprint;
use crate::decode::{Derivation, Facts, PictureHash, View};
use crate::examine::{Examination, Look, SeenView};
use crate::matching::{Backend, Threads};
use crate::outcome::{Failure, Outcome};
use crate::pdq::{DihedralHashes, Tile};
use crate::source::trivial::is_trivial;
use crate::source::{Digests, Provenance};

/// Groups of files that listers are ahead of the readers.
const GROUPS_AHEAD: usize = 64;
/// Findings of one batch at most, whatever they are.
const BATCH_FINDINGS: usize = 4096;

/// The stages of a run before its sink.
pub(super) struct Runner<'a> {
    pub settings: &'a RunSettings,
    pub backend: &'a Backend,
    pub examiner: &'a Examiner<'a>,
    pub readers: Readers<'a>,
    pub stages: &'a Stages,
    pub profile: &'a Profile,
    /// Where digests are wanted: SHA-256 of contents that are known already, or in the hands of a worker. Of these only digests are taken.
    pub seen: Option<Mutex<HashSet<[u8; 32]>>>,
    /// Findings wait at most this long for their batch to fill.
    pub patience: Duration,
}

/// Where a lister sends what it finds.
pub(super) struct Out<T> {
    /// Files to be read.
    pub files: Sender<Vec<Listed<T>>>,
    /// What there is nothing to read of.
    pub failed: Sender<Vec<Finding<T>>>,
}

/// What was found out about a file.
pub(super) struct Finding<T> {
    /// Where it is.
    pub place: Provenance,
    /// What its lister knows of it.
    pub about: T,
    /// Its digests, where they are wanted; or why there are none.
    pub result: Result<Option<Digests>, Failure>,
    /// What its bytes are; `None` where they were seen before, or not read.
    content: Option<Examined>,
}

/// A content that was examined, with its views as they came.
struct Examined {
    size: u64,
    examination: Examination,
    trivial: bool,
}

/// A finding whose tiles are hashed.
pub(super) struct Found<T> {
    pub place: Provenance,
    pub about: T,
    pub result: Result<Option<Digests>, Failure>,
    pub content: Option<FoundContent>,
}

/// What the first file of a content was found to be.
pub(super) struct FoundContent {
    pub size: u64,
    pub facts: Facts,
    pub fingerprints: Vec<Fingerprint>,
    /// Why there is no fingerprint.
    pub failure: Option<Failure>,
    /// Whether the bytes are none, or one repeated.
    pub trivial: bool,
}

impl<T> Finding<T> {
    /// Of what cannot be read.
    pub const fn failed(place: Provenance, about: T, failure: Failure) -> Self {
        Self { place, about, result: Err(failure), content: None }
    }

    fn tiles(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.examination.views.len())
    }
}

impl Runner<'_> {
    /// Runs all stages to their end: each lister on a thread of its own, the sink on this one. A stage that ends closes its channels, and the
    /// others end with it; what failed is told by [`Stages::end`].
    pub fn run<T: Send, L>(
        &self,
        listers: Vec<L>,
        sink: impl FnOnce(Receiver<Vec<Found<T>>>),
    ) -> Result<(), EngineError>
    where
        L: FnOnce(Out<T>) -> Result<(), EngineError> + Send,
    {
        let RunSettings { jobs, io_jobs, .. } = *self.settings;
        let (read_pool, decode_pool) = (pool("read", io_jobs)?, pool("decode", jobs)?);
        let hash_pool = pool("hash", jobs)?;
        for (crew, threads) in
            [(Crew::Walkers, listers.len()), (Crew::Readers, io_jobs), (Crew::Workers, jobs)]
        {
            self.profile.crew(crew, threads);
        }
        let (files_in, files_out) = bounded(GROUPS_AHEAD);
        let (read_in, read_out) = bounded(jobs * 2);
        let (findings_in, findings_out) = bounded(jobs * 2);
        let (found_in, found_out) = bounded(2);
        thread::scope(|scope| {
            for lister in listers {
                let out = Out { files: files_in.clone(), failed: findings_in.clone() };
                scope.spawn(move || self.stages.run("listing", || lister(out)));
            }
            drop(files_in);
            // What is moved in closes its channels when the last thread of its kind ends.
            scope.spawn(move || {
                read_pool.broadcast(|_| {
                    self.stages.run_through("reading", || self.readers.run(&files_out, &read_in));
                });
            });
            scope.spawn(move || {
                decode_pool.broadcast(|_| {
                    self.stages.run_through("decoding", || self.examine_all(&read_out, &findings_in));
                });
            });
            scope.spawn(move || {
                let hash = || self.hash_all(&findings_out, &found_in, &hash_pool);
                self.stages.run_through("hashing", hash);
            });
            // The receiver goes into the sink and ends with it. The scope waits for every stage: one that waited to send to a sink that
            // had failed would wait for ever.
            sink(found_out);
        });
        Ok(())
    }

    /// One worker: digests, then examines what no other file had. What is queued when the run is cancelled is left for the next one.
    fn examine_all<T>(&self, groups: &Receiver<ReadGroup<'_, T>>, findings: &Sender<Vec<Finding<T>>>) {
        for group in groups {
            self.profile.saw(Queue::ToDecode, groups.len(), groups.capacity());
            // The permit is held as long as the bytes.
            let ReadGroup { bytes, files, permit: _permit } = group;
            let mut found = Vec::with_capacity(files.len());
            for file in files {
                if self.stages.cancel.is_cancelled() {
                    break;
                }
                found.extend(self.examine(file, &bytes));
            }
            if !found.is_empty() && findings.send(found).is_err() {
                return;
            }
        }
    }

    /// `None` where the run ended before the file did.
    fn examine<T>(&self, file: ReadFile<T>, bytes: &[u8]) -> Option<Finding<T>> {
        let Listed { place, size, about } = file.listed;
        let named = |sha256| Named { place: &place, size, sha256 };
        let (result, content) = match file.content {
            Err(failure) => (Err(failure), None),
            Ok(Content::Held(range)) => {
                let bytes = &bytes[range];
                let digests = self.seen.is_some().then(|| self.examiner.digest(bytes));
                let content = self.is_first(digests.as_ref()).then(|| {
                    let sha256 = digests.as_ref().map(|digests| &digests.sha256);
                    let examination = self.examiner.examine(bytes, named(sha256));
                    let trivial = sha256.is_some() && is_trivial(bytes);
                    Examined { size: bytes.len() as u64, examination, trivial }
                });
                (Ok(digests), content)
            }
            Ok(Content::Stream(head, blocks)) => match blocks.digest(self.profile)? {
                Err(failure) => (Err(failure), None),
                Ok((digests, trivial)) => {
                    let content = self.is_first(Some(&digests)).then(|| {
                        let examination = self.examiner.examine_head(head, named(Some(&digests.sha256)));
                        Examined { size, examination, trivial }
                    });
                    (Ok(Some(digests)), content)
                }
            },
            Ok(Content::Head(head)) => {
                let examination = self.examiner.examine_head(head, named(None));
                (Ok(None), Some(Examined { size, examination, trivial: false }))
            }
        };
        Some(Finding { place, about, result, content })
    }

    /// Whether a content is to be examined: it is the first with its digests, or none are wanted.
    fn is_first(&self, digests: Option<&Digests>) -> bool {
        match (&self.seen, digests) {
            (Some(seen), Some(digests)) => {
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(digests.sha256)
            }
            _ => true,
        }
    }

    /// Takes findings until the workers have ended, and hashes their tiles in batches.
    fn hash_all<T>(&self, findings: &Receiver<Vec<Finding<T>>>, found: &Sender<Vec<Found<T>>>, pool: &Threads)
    where
        T: Send,
    {
        while let Some(collected) = self.collect(findings) {
            self.profile.saw(Queue::ToFinish, findings.len(), findings.capacity());
            let watch = self.profile.start_on(Stage::Hashing, self.settings.jobs);
            let count = collected.iter().map(Finding::tiles).sum::<usize>() as u64;
            let batch = hash_batch(collected, self.backend, pool);
            watch.stop(count, 0);
            if found.send(batch).is_err() {
                return;
            }
        }
    }

    /// Findings until there are enough tiles or findings, or the first has waited long enough; `None` when the
    /// workers have ended.
    fn collect<T>(&self, findings: &Receiver<Vec<Finding<T>>>) -> Option<Vec<Finding<T>>> {
        let first = findings.recv().ok()?;
        let deadline = Instant::now() + self.patience;
        let tiles_wanted = self.backend.tile_batch();
        let count = |findings: &[Finding<T>]| findings.iter().map(Finding::tiles).sum::<usize>();
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
}

/// A content some of whose views wait for their hashes.
struct Waiting {
    size: u64,
    facts: Facts,
    views: Vec<(View, Option<DihedralHashes>, Derivation)>,
    failure: Option<Failure>,
    trivial: bool,
}

impl Waiting {
    /// With the hashes of what waited, in its order.
    fn hashed(self, hashes: &mut impl Iterator<Item = DihedralHashes>) -> FoundContent {
        let Self { size, facts, views, mut failure, trivial } = self;
        let mut fingerprints = Vec::with_capacity(views.len());
        for (view, hash, derivation) in views {
            match hash.or_else(|| hashes.next()) {
                Some(hash) => {
                    fingerprints.push(Fingerprint { view, picture: PictureHash { hash, derivation } });
                }
                None => failure = Some(missing_hash()),
            }
        }
        FoundContent { size, facts, fingerprints, failure, trivial }
    }
}

/// Hashes what came as tiles; the rest has its hashes.
fn hash_batch<T>(findings: Vec<Finding<T>>, backend: &Backend, pool: &Threads) -> Vec<Found<T>> {
    let mut tiles: Vec<Box<Tile>> = Vec::new();
    let mut waiting = Vec::with_capacity(findings.len());
    for Finding { place, about, result, content } in findings {
        let content = content.map(|Examined { size, examination, trivial }| {
            let Examination { facts, views, failure, .. } = examination;
            let mut view = |SeenView { view, look, derivation }| match look {
                Look::Hashes(hash) => (view, Some(*hash), derivation),
                Look::Tile(tile) => {
                    tiles.push(tile);
                    (view, None, derivation)
                }
            };
            let views = views.into_iter().map(&mut view).collect();
            Waiting { size, facts, views, failure, trivial }
        });
        waiting.push((place, about, result, content));
    }
    let hashes = if tiles.is_empty() { Vec::new() } else { pool.install(|| backend.hash_tiles(&tiles)) };
    let mut hashes = hashes.into_iter();
    let found = |(place, about, result, content): (_, T, _, Option<_>)| {
        let content = content.map(|waiting: Waiting| waiting.hashed(&mut hashes));
        Found { place, about, result, content }
    };
    waiting.into_iter().map(found).collect()
}

/// A backend returns a hash for every tile; should it ever not, the item says so.
fn missing_hash() -> Failure {
    Failure::new(Outcome::Crashed, crate::outcome::Stage::Hash, "the backend returned no hash")
}
