//! The finisher: hashes tiles in batches, matches, and hands whole batches to the writer. Batches are matched beside
//! each other, so that a large picture that is decoded for its confirmation holds up none but its own.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::profile::{Queue, Stage};
use super::progress::Progress;
use super::resident::{ResidentSets, Room};
use super::verify::{Subject, Trial, Verifier};
use crate::case::{Batch, ContentRecord, Fingerprint, ItemRecord, SourceId, StoredView, Within};
use crate::decode::{Facts, Picture, PictureHash, View};
use crate::matching::{Backend, Threads};
use crate::outcome::Failure;
use crate::source::{Digests, Provenance, Step};

/// Findings wait at most this long for their batch to fill.
const BATCH_WAIT: Duration = Duration::from_millis(200);
/// Findings of one batch at most, whatever they are.
const BATCH_FINDINGS: usize = 4096;

/// Batches that are matched at a time.
pub(super) const MATCHERS: usize = 4;

/// What a worker found out about a file.
pub(super) struct Finding {
    pub item: ItemRecord,
    /// For the first file of a content: what the bytes are.
    pub content: Option<FoundContent>,
}

/// What the first file of a content was found to be, before its tile is hashed.
pub(super) struct FoundContent {
    pub digests: Digests,
    pub size: u64,
    pub facts: Facts,
    pub picture: Result<Picture, Failure>,
    /// Whether the bytes are none, or one repeated.
    pub trivial: bool,
}

/// The stages between the workers and the writer.
pub(super) struct Finisher<'a> {
    pub backend: &'a Backend,
    pub sets: &'a ResidentSets<'a>,
    pub verifier: Verifier<'a>,
    pub roots: &'a [(SourceId, Arc<Path>)],
    pub progress: &'a Progress,
    /// What hashes, searches and decodes candidates.
    pub pool: &'a Threads,
    /// Its threads.
    pub threads: usize,
    pub searching: Mutex<()>,
}

impl Finisher<'_> {
    /// Takes findings until the workers have ended, and hashes them in batches.
    pub fn hash(&self, findings: &Receiver<Vec<Finding>>, hashed: &Sender<Batch>) {
        let tiles_wanted = self.backend.tile_batch();
        while let Some(collected) = collect(findings, tiles_wanted) {
            self.progress.profile.saw(Queue::ToFinish, findings.len(), findings.capacity());
            let batch = self.pool.install(|| self.hash_batch(collected));
            if hashed.send(batch).is_err() {
                return;
            }
        }
    }

    /// Finds the hits of hashed batches. [`MATCHERS`] threads do this, each with a batch of its own; the writer does not
    /// mind the order.
    pub fn settle(&self, hashed: &Receiver<Batch>, batches: &Sender<Batch>) {
        for mut batch in hashed {
            self.match_batch(&mut batch);
            if batches.send(batch).is_err() {
                return;
            }
        }
    }

    fn hash_batch(&self, findings: Vec<Finding>) -> Batch {
        let mut batch = Batch { sets: self.sets.ids(), ..Batch::default() };
        let mut pictures = Vec::new();
        let mut contents = Vec::new();
        for finding in findings {
            batch.items.push(finding.item);
            let Some(content) = finding.content else { continue };
            let derivation = content.picture.map(|picture| {
                let derivation = picture.derivation.clone();
                pictures.push(picture);
                derivation
            });
            contents.push((content.digests, content.size, content.facts, derivation, content.trivial));
        }
        let watch = self.progress.profile.start_on(Stage::Hashing, self.threads);
        let count = pictures.len() as u64;
        let mut hashes = self.backend.hash_pictures(pictures).into_iter();
        watch.stop(count, 0);
        for (digests, size, facts, derivation, trivial) in contents {
            let with_hash =
                |derivation| Ok(PictureHash { hash: hashes.next().ok_or_else(missing_hash)?, derivation });
            let (fingerprints, failure) = match derivation.and_then(with_hash) {
                Ok(picture) => (vec![Fingerprint { view: View::Picture, picture }], None),
                Err(failure) => (Vec::new(), Some(failure)),
            };
            batch.contents.push(ContentRecord {
                digests,
                size,
                facts,
                fingerprints,
                failure,
                partial: None,
                children: 0,
                refused: 0,
                trivial,
            });
        }
        batch
    }

    /// Finds the hits of a batch; its candidates are decoded from pixels.
    fn match_batch(&self, batch: &mut Batch) {
        if batch.sets.is_empty() {
            return;
        }
        let stored = |seen: &Fingerprint| StoredView {
            view: seen.view,
            hash: seen.picture.hash,
            derived_from: seen.picture.derivation.path,
        };
        let subjects: Vec<Subject> = batch
            .contents
            .iter()
            .map(|content| Subject {
                digests: content.digests,
                size: content.size,
                views: content.fingerprints.iter().map(stored).collect(),
                trivial: content.trivial,
            })
            .collect();
        let count = subjects.len() as u64;
        // No more pictures than are hashed at a time: there is room for their hits, and always a trial.
        let room = Room { pairs: self.sets.pair_memory, hits: usize::MAX };
        let trial = self.search(count, || Trial::new(self.sets, self.sets.all(), &subjects, room));
        let Some(trial) = trial else { return };
        let places: Vec<Vec<Provenance>> = trial
            .wanted()
            .iter()
            .map(|&subject| self.places(&batch.items, &subjects[subject].digests))
            .collect();
        let decoded = self.pool.install(|| trial.decode(&places, &self.verifier));
        let settled = self.search(0, || trial.settle(decoded));
        self.progress.add_verifications(settled.counts);
        batch.hits = settled.hits;
        for (subject, exact) in settled.exact {
            for seen in batch.contents[subject].fingerprints.iter_mut().filter(|seen| seen.view == exact.view)
            {
                *seen = exact.clone();
            }
        }
    }

    /// One search at a time has all threads, or the GPU. The lock is taken outside of the pool, whose threads must not
    /// wait for each other's tasks.
    fn search<T: Send>(&self, subjects: u64, work: impl FnOnce() -> T + Send) -> T {
        let _turn = self.searching.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = self.progress.profile.start_on(Stage::Searching, self.threads);
        let found = self.pool.install(work);
        watch.stop(subjects, 0);
        found
    }

    /// Where these bytes are in the sources, as far as the batch knows.
    fn places(&self, items: &[ItemRecord], digests: &Digests) -> Vec<Provenance> {
        let same = |item: &&ItemRecord| item.result.as_ref() == Ok(digests);
        let place = |item: &ItemRecord| {
            let Within::Source(within) = item.within else { return None };
            let (_, root) = self.roots.iter().find(|(source, _)| *source == within)?;
            Some(Provenance::new(Arc::clone(root), vec![Step::from_bytes(&item.step).ok()?]))
        };
        items.iter().filter(same).filter_map(place).collect()
    }
}

/// A backend returns a hash for every tile; should it ever not, the item says so.
pub(super) fn missing_hash() -> Failure {
    use crate::outcome::{Outcome, Stage};
    Failure::new(Outcome::Crashed, Stage::Hash, "the backend returned no hash")
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
