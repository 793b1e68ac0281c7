//! Matching contents with the hash sets of a run.

use std::collections::HashSet;

use super::examine::Examiner;
use super::profile::{Crew, Stage};
use super::progress::Progress;
use super::resident::{ResidentSet, ResidentSets, Room};
use super::stages::unpanicked;
use super::verify::{Settled, Subject, Trial, Verifier};
use super::{CancelToken, EngineError, IngestSettings, pool};
use crate::case::{Batch, CaseStore, ContentHits, ContentId, ExactHash, Fingerprint, SetId, StoredContent};
use crate::known;
use crate::matching::{Backend, Threads};
use crate::source::Provenance;

/// Contents of a case that are matched at once with a set that came later.
const STORED_BATCH: usize = 4096;
/// So few are matched at once however many hits they have.
const FEW_CONTENTS: usize = 64;
/// Bytes that a hit takes from the search to the writer.
const HIT_BYTES: usize = 64;

impl ResidentSets<'_> {
    /// Matches the contents that the case has already with the sets they were not matched with yet, and tries again
    /// what could not be confirmed. Returns whether it came to the end.
    ///
    /// # Errors
    /// The case store failed.
    pub fn match_backlog(
        &self,
        store: &mut CaseStore,
        settings: &IngestSettings,
        examiner: &Examiner<'_>,
        progress: &Progress,
        cancel: &CancelToken,
    ) -> Result<bool, EngineError> {
        let search_pool = pool("search", settings.run.jobs)?;
        progress.profile.crew(Crew::Finishers, settings.run.jobs);
        let verifier = Verifier { examiner, cancel: Some(cancel) };
        let decoded = HashSet::new();
        let mut stored = Stored { sets: self, settings, verifier, cancel, search_pool, progress, decoded };
        if !self.sets.is_empty() {
            progress.matches();
        }
        Progress::add(&progress.to_match, self.backlog(store)?);
        for resident in &self.sets {
            // First, so that what this run cannot confirm is not tried twice in it.
            if !stored.try_again(store, resident)? {
                return Ok(false);
            }
        }
        let (mut after, mut batch_size) = (ContentId(0), STORED_BATCH);
        // Contents that were matched against the same sets go together, against those of this run that they were not.
        let missing = |sets: Vec<SetId>| {
            let missing = self.sets.iter().filter(|set| !sets.contains(&set.id));
            missing.collect::<Vec<&ResidentSet<'_>>>()
        };
        let mut lists: Vec<(i64, Vec<&ResidentSet<'_>>)> =
            store.match_lists()?.into_iter().map(|(list, sets)| (list, missing(sets))).collect();
        lists.retain(|(_, missing)| !missing.is_empty());
        while !cancel.is_cancelled() {
            let Some((list, among)) = lists.last() else { return Ok(true) };
            let contents = store.contents_of_list(*list, after, batch_size)?;
            let Some(last) = contents.last().map(|last| last.id) else {
                lists.pop();
                after = ContentId(0);
                continue;
            };
            let batch = Batch {
                sets: among.iter().map(|set| set.id).collect(),
                matched: contents.iter().map(|content| content.id).collect(),
                ..Batch::default()
            };
            match stored.settle(store, among.clone(), &contents, batch)? {
                Step::Done(hits) => {
                    Progress::add(&progress.hits, hits);
                    (after, batch_size) = (last, (2 * batch_size).min(STORED_BATCH));
                }
                Step::TooMany => batch_size = (contents.len() / 2).max(FEW_CONTENTS),
                Step::Cancelled => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Contents still to be matched, over all sets.
    ///
    /// # Errors
    /// The case store failed.
    fn backlog(&self, store: &CaseStore) -> Result<u64, EngineError> {
        let mut count = 0;
        for resident in &self.sets {
            count += store.unmatched_count(resident.id)?;
        }
        Ok(count)
    }
}

/// What became of a batch of stored contents.
enum Step {
    /// It is settled, and has so many hits.
    Done(u64),
    /// It has more hits than there is room for: fewer contents are to be settled at a time.
    TooMany,
    /// The run was cancelled.
    Cancelled,
}

/// Judging contents of earlier runs.
struct Stored<'a> {
    sets: &'a ResidentSets<'a>,
    settings: &'a IngestSettings,
    verifier: Verifier<'a>,
    cancel: &'a CancelToken,
    search_pool: Threads,
    progress: &'a Progress,
    /// SHA-256 of contents that were decoded for batches that were cut before their verifications: their code is from pixels by now, and they
    /// are no candidates of the smaller batches.
    decoded: HashSet<[u8; 32]>,
}

impl Stored<'_> {
    /// Matchers contents anew whose hits in a set could not be confirmed. Returns whether it came to the end.
    fn try_again(&mut self, store: &mut CaseStore, resident: &ResidentSet<'_>) -> Result<bool, EngineError> {
        Progress::add(&self.progress.to_match, store.unconfirmed_count(resident.id)?);
        let (mut after, mut batch_size) = (ContentId(0), STORED_BATCH);
        loop {
            if self.cancel.is_cancelled() {
                return Ok(false);
            }
            let contents = store.unconfirmed(resident.id, after, batch_size)?;
            let Some(last) = contents.last() else { return Ok(true) };
            let forget = contents.iter().map(|content| (resident.id, content.digests.sha256)).collect();
            let batch = Batch { forget, ..Batch::default() };
            // Their hits were counted when they were found.
            match self.settle(store, vec![resident], &contents, batch)? {
                Step::Done(_) => (after, batch_size) = (last.id, (2 * batch_size).min(STORED_BATCH)),
                Step::TooMany => batch_size = (contents.len() / 2).max(FEW_CONTENTS),
                Step::Cancelled => return Ok(false),
            }
        }
    }

    /// Matchers contents, and writes the verifications in `batch`. Where the run is cancelled, or there is not the room for the hits of so many
    /// contents, what was decoded until then is kept, so that it is not decoded again.
    fn settle(
        &mut self,
        store: &mut CaseStore,
        among: Vec<&ResidentSet<'_>>,
        contents: &[StoredContent],
        mut batch: Batch,
    ) -> Result<Step, EngineError> {
        let subjects: Vec<Subject> = contents.iter().map(Subject::from).collect();
        let matched = (contents.len() * among.len()) as u64;
        let watch = self.progress.profile.start_on(Stage::Searching, self.settings.run.jobs);
        let few = contents.len() <= FEW_CONTENTS;
        let memory = self.sets.pair_memory;
        let hits = if few { usize::MAX } else { memory as usize / HIT_BYTES / among.len().max(1) };
        let room = Room { pairs: memory, hits };
        let trial = self.search_pool.install(|| Trial::new(self.sets, among, &subjects, room));
        watch.stop(subjects.len() as u64, 0);
        let Some(trial) = trial else { return Ok(Step::TooMany) };
        let places: Vec<Vec<Provenance>> = trial
            .wanted()
            .iter()
            .map(|&subject| store.provenances(&subjects[subject].digests.sha256))
            .collect::<Result<_, _>>()?;
        let settled = self.search_pool.install(|| {
            let decoded = trial.decode(&places, &self.verifier);
            trial.settle(decoded)
        });
        let Settled { hits, exact, mut counts, complete, too_many } = settled;
        if !complete || too_many {
            batch = Batch::default();
        }
        let by_content = |(subject, Fingerprint { view, picture }): (usize, Fingerprint)| ExactHash {
            sha256: contents[subject].digests.sha256,
            view,
            picture,
        };
        batch.exact = exact.into_iter().map(by_content).collect();
        batch.hits = hits;
        if !self.sets.check(self.cancel)? {
            return Ok(Step::Cancelled);
        }
        store.check_place()?;
        let watch = self.progress.profile.start(Stage::Writing);
        store.write(&batch, self.sets, self.settings.run.max_memory)?;
        watch.stop(contents.len() as u64, 0);
        if too_many {
            self.decoded.extend(batch.exact.iter().map(|exact| exact.sha256));
            return Ok(Step::TooMany);
        }
        if complete && !self.decoded.is_empty() {
            let before = contents.iter().map(|content| content.digests.sha256);
            counts.add(&batch.hits, before.filter(|sha256| self.decoded.remove(sha256)));
        }
        self.progress.add_verifications(counts);
        if !complete {
            return Ok(Step::Cancelled);
        }
        Progress::add(&self.progress.matched, matched);
        Ok(Step::Done(count_hits(&batch.hits)))
    }
}

impl From<&StoredContent> for Subject {
    fn from(content: &StoredContent) -> Self {
        Self {
            digests: content.digests,
            size: content.size,
            views: content.views.clone(),
            trivial: content.trivial,
        }
    }
}

/// Rows that these hits make: one by digest for a content and a set, and one for each distinct hash that is near.
pub(super) fn count_hits(hits: &[ContentHits]) -> u64 {
    hits.iter().map(ContentHits::count).sum()
}

/// Matches a stored case with hash sets. Of the sources only candidates are read again, for their verifications
/// (`docs/decisions/verifications-from-pixels.md`). Contents that were matched with a set under the same settings are not matched again, unless
/// they could not be confirmed.
///
/// # Errors
/// The case refuses a set, or the store failed.
pub fn match_stored(
    store: &mut CaseStore,
    known: &[known::HashSet],
    backend: &Backend,
    settings: &IngestSettings,
    progress: &Progress,
    cancel: &CancelToken,
) -> Result<super::IngestReport, EngineError> {
    let (sets, notices) = ResidentSets::load(store, known, backend, settings)?;
    progress.walk_ended();
    let examiner = Examiner::of_ingest(settings, backend, progress);
    let matched = || sets.match_backlog(store, settings, &examiner, progress, cancel);
    let finished = progress.watched(|| unpanicked("matching", matched))?;
    // Of the sources it saw no more than its candidates.
    progress.in_hand.end(|_, _| false);
    progress.profile.end();
    Ok(super::IngestReport { interrupted: !finished, notices, skipped: 0, peak_memory: examiner.peak() })
}
