//! Matching batches of what was found, and handing them to the writer. Batches are matched next to each other, so that a large picture that
//! is decoded to verify a candidate holds up none but its own.

use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};

use super::profile::Stage;
use super::progress::Progress;
use super::resident::{ResidentSets, Room};
use super::runner::{Found, FoundContent};
use super::verify::{Subject, Trial, Verifier};
use super::walkers::Item;
use crate::case::{Batch, ContentRecord, Fingerprint, ItemRecord, PlaceState, StoredView, Within};
use crate::matching::Threads;
use crate::outcome::{self, Failure, Outcome};
use crate::source::{Digests, Provenance, Step};

/// Batches that are matched at a time.
pub(super) const MATCHERS: usize = 4;

/// The stage between the runner and the writer.
pub(super) struct Finisher<'a> {
    pub sets: &'a ResidentSets<'a>,
    pub verifier: Verifier<'a>,
    pub progress: &'a Progress,
    /// What searches and decodes candidates.
    pub pool: &'a Threads,
    /// Its threads.
    pub threads: usize,
    pub searching: Mutex<()>,
}

impl Finisher<'_> {
    /// Finds the hits of hashed batches. [`MATCHERS`] threads do this, each with a batch of its own; the writer does not
    /// mind the order.
    pub fn settle(&self, found: &Receiver<Vec<Found<Item>>>, batches: &Sender<Batch>) {
        for found in found {
            let (mut batch, places) = self.batch(found);
            self.match_batch(&mut batch, &places);
            if batches.send(batch).is_err() {
                return;
            }
        }
    }

    /// What was found as a batch for the writer, with the place of each item.
    fn batch(&self, found: Vec<Found<Item>>) -> (Batch, Vec<Provenance>) {
        let mut batch = Batch { sets: self.sets.ids(), ..Batch::default() };
        let mut places = Vec::with_capacity(found.len());
        for Found { place, about: Item { source, stamp }, result, content } in found {
            // Digests are wanted of every file of an ingest.
            let result = result.and_then(|digests| digests.ok_or_else(undigested));
            if let (Ok(digests), Some(content)) = (&result, content) {
                let FoundContent { size, facts, fingerprints, failure, trivial } = content;
                batch.contents.push(ContentRecord {
                    digests: *digests,
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
            // Items of a source have one step.
            let step = place.steps().last().map(Step::to_bytes).unwrap_or_default();
            let within = Within::Source(source);
            batch.items.push(ItemRecord { within, step, state: PlaceState::Live, stamp, result });
            places.push(place);
        }
        (batch, places)
    }

    /// Finds the hits of a batch; its candidates are decoded from pixels.
    fn match_batch(&self, batch: &mut Batch, places: &[Provenance]) {
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
            .map(|&subject| places_of(&subjects[subject].digests, &batch.items, places))
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
}

/// Where bytes with these digests are, as far as a batch knows. `places` are those of its items.
fn places_of(digests: &Digests, items: &[ItemRecord], places: &[Provenance]) -> Vec<Provenance> {
    let same = |(item, _): &(&ItemRecord, _)| item.result.as_ref() == Ok(digests);
    items.iter().zip(places).filter(same).map(|(_, place)| place.clone()).collect()
}

/// Readers digest every file of an ingest; should one ever not, the item says so.
fn undigested() -> Failure {
    Failure::new(Outcome::Unreadable, outcome::Stage::Read, "it was not digested")
}
