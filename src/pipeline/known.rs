//! Matching contents with the known sets of a run.

use std::path::PathBuf;

use super::examine::Examiner;
use super::profile::{Crew, Stage};
use super::progress::Progress;
use super::stages::unpanicked;
use super::verify::{Judged, Subject, Trial, Verifier};
use super::{CancelToken, IngestSettings, PipelineError, pool};
use crate::case::{
    Batch, CaseError, CaseStore, CodeMatch, ContentHits, ContentId, ExactCode, RecordSource, SetId,
    StoredContent,
};
use crate::decode::PictureHash;
use crate::known::{DigestMatch, KnownSet, RecordDetails};
use crate::matching::{Backend, DELTA, Haystack, OrientedPair, VerifyMode, least_over_orientations};
use crate::pdq::{Code, TileHash};
use crate::source::Digests;

/// Contents of a case that are matched at once with a set that came later.
const STORED_BATCH: usize = 4096;

/// The known sets of a run, resident in memory (and on the GPU), with the settings of their matching.
#[derive(Debug)]
pub(super) struct ResidentSets<'a> {
    sets: Vec<ResidentSet<'a>>,
    pub distance: u32,
    pub min_quality: u8,
    pub verify: VerifyMode,
}

#[derive(Debug)]
pub(super) struct ResidentSet<'a> {
    pub id: SetId,
    set: &'a KnownSet,
    haystack: Haystack,
}

/// A known record near to a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    /// The number that the code was given with.
    pub subject: usize,
    pub record: u32,
    /// The known code's quality, where the set gives one.
    pub known_quality: Option<u8>,
    pub pair: OrientedPair,
}

impl ResidentSet<'_> {
    /// Records with one of these digests.
    pub fn find_digests(&self, digests: &Digests) -> Vec<DigestMatch> {
        self.set.find_digests(digests)
    }

    /// Every record within `radius` of a code in any of its eight orientations, once, at its least distance.
    pub fn near(&self, codes: &[(usize, TileHash)], radius: u32) -> Vec<Near> {
        let needles: Vec<Code> = codes.iter().flat_map(|(_, hash)| hash.codes).collect();
        let pairs = self.haystack.search(&needles, radius);
        let near = |pair: OrientedPair| {
            let known = self.set.codes()[pair.haystack as usize];
            let (subject, _) = codes[pair.item as usize];
            Near { subject, record: known.record, known_quality: known.quality, pair }
        };
        least_over_orientations(&pairs).into_iter().map(near).collect()
    }
}

impl<'a> ResidentSets<'a> {
    /// Registers the sets with the case and makes their codes resident.
    ///
    /// # Errors
    /// The case refuses a set.
    pub fn load(
        store: &mut CaseStore,
        known: &'a [KnownSet],
        backend: &Backend,
        settings: &IngestSettings,
    ) -> Result<(Self, Vec<String>), PipelineError> {
        let IngestSettings { distance, min_quality, verify, .. } = *settings;
        let mut sets = Vec::with_capacity(known.len());
        let mut notices = Vec::new();
        // Bands are kept in as much memory as files and pictures have, beside it.
        let mut memory = settings.max_memory;
        for set in known {
            let (id, forgotten) = store.known_set(set, distance, min_quality, verify)?;
            if forgotten {
                notices.push(format!(
                    "known set {}: the settings of its matching changed, so its hits are found anew",
                    set.name()
                ));
            }
            let codes: Vec<Code> = set.codes().iter().map(|known| known.code).collect();
            let haystack = backend.banded_haystack(&codes, distance + DELTA, memory);
            memory -= haystack.banded_bytes();
            sets.push(ResidentSet { id, set, haystack });
        }
        Ok((Self { sets, distance, min_quality, verify }, notices))
    }

    pub fn ids(&self) -> Vec<SetId> {
        self.sets.iter().map(|set| set.id).collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<&ResidentSet<'a>> {
        self.sets.iter().collect()
    }

    /// Whether any set has a record with one of these digests.
    pub fn know(&self, digests: &Digests) -> bool {
        self.sets.iter().any(|set| !set.find_digests(digests).is_empty())
    }

    /// Refuses to go on with a set whose file changed while it was read. To be asked before hits are stored.
    ///
    /// # Errors
    /// There is such a set.
    pub fn check(&self) -> Result<(), PipelineError> {
        match self.sets.iter().find_map(|resident| resident.set.fault()) {
            Some(fault) => Err(PipelineError::Known(fault.to_string())),
            None => Ok(()),
        }
    }

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
    ) -> Result<bool, PipelineError> {
        let search_pool = pool("search", settings.jobs)?;
        progress.profile.crew(Crew::Finishers, settings.jobs);
        let verifier = Verifier { examiner, cancel: Some(cancel) };
        let stored = Stored { sets: self, settings, verifier, search_pool, progress };
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
        while !cancel.is_cancelled() {
            // The sets that are farthest behind go on together, up to where the next one joins them.
            let marks: Vec<ContentId> =
                self.sets.iter().map(|set| store.matched_through(set.id)).collect::<Result<_, _>>()?;
            let Some(&mark) = marks.iter().min() else { return Ok(true) };
            let next = marks.iter().filter(|&&other| other > mark).min().copied();
            let behind = self.sets.iter().zip(&marks).filter(|(_, other)| **other == mark);
            let among: Vec<&ResidentSet<'_>> = behind.map(|(set, _)| set).collect();
            let contents = store.contents(mark, next, STORED_BATCH)?;
            let Some(through) = contents.last().map(|last| last.id).or(next) else { return Ok(true) };
            let batch = Batch {
                sets: among.iter().map(|set| set.id).collect(),
                matched_through: Some(through),
                ..Batch::default()
            };
            let Some(hits) = stored.judge(store, among, &contents, batch)? else { return Ok(false) };
            Progress::add(&progress.hits, hits);
        }
        Ok(false)
    }

    /// Contents still to be matched, over all sets.
    ///
    /// # Errors
    /// The case store failed.
    fn backlog(&self, store: &CaseStore) -> Result<u64, PipelineError> {
        let mut count = 0;
        for resident in &self.sets {
            count += store.unmatched_count(resident.id)?;
        }
        Ok(count)
    }
}

/// Judging contents of earlier runs.
struct Stored<'a> {
    sets: &'a ResidentSets<'a>,
    settings: &'a IngestSettings,
    verifier: Verifier<'a>,
    search_pool: rayon::ThreadPool,
    progress: &'a Progress,
}

impl Stored<'_> {
    /// Judges contents anew whose hits in a set could not be confirmed. Returns whether it came to the end.
    fn try_again(&self, store: &mut CaseStore, resident: &ResidentSet<'_>) -> Result<bool, PipelineError> {
        Progress::add(&self.progress.to_match, store.unconfirmed_count(resident.id)?);
        let mut after = ContentId(0);
        loop {
            if self.verifier.cancel.is_some_and(CancelToken::is_cancelled) {
                return Ok(false);
            }
            let contents = store.unconfirmed(resident.id, after, STORED_BATCH)?;
            let Some(last) = contents.last() else { return Ok(true) };
            after = last.id;
            let forget = contents.iter().map(|content| (resident.id, content.digests.sha256)).collect();
            let batch = Batch { forget, ..Batch::default() };
            // Their hits were counted when they were found.
            if self.judge(store, vec![resident], &contents, batch)?.is_none() {
                return Ok(false);
            }
        }
    }

    /// Judges contents, writes the verdicts in `batch` and returns how many hits there were. `None` where the run was
    /// cancelled: what was decoded until then is kept, so that it is not decoded again.
    fn judge(
        &self,
        store: &mut CaseStore,
        among: Vec<&ResidentSet<'_>>,
        contents: &[StoredContent],
        mut batch: Batch,
    ) -> Result<Option<u64>, PipelineError> {
        let subjects: Vec<Subject> = contents.iter().map(Subject::from).collect();
        let matched = (contents.len() * among.len()) as u64;
        let watch = self.progress.profile.start_on(Stage::Searching, self.settings.jobs);
        let trial = self.search_pool.install(|| Trial::new(self.sets, among, &subjects));
        watch.stop(subjects.len() as u64, 0);
        let paths: Vec<Vec<PathBuf>> = trial
            .wanted()
            .iter()
            .map(|&subject| store.paths_of(&subjects[subject].digests.sha256))
            .collect::<Result<_, _>>()?;
        let judged = self.search_pool.install(|| {
            let decoded = trial.decode(&paths, &self.verifier);
            trial.judge(decoded)
        });
        let Judged { hits, exact, counts, complete } = judged;
        if !complete {
            batch = Batch::default();
        }
        let by_content = |(subject, picture): (usize, PictureHash)| ExactCode {
            sha256: contents[subject].digests.sha256,
            picture,
        };
        batch.exact = exact.into_iter().map(by_content).collect();
        batch.hits = hits;
        self.sets.check()?;
        store.check_place()?;
        let watch = self.progress.profile.start(Stage::Writing);
        store.write(&batch, self.sets, self.settings.max_memory)?;
        watch.stop(contents.len() as u64, 0);
        self.progress.add_verdicts(counts);
        if !complete {
            return Ok(None);
        }
        Progress::add(&self.progress.matched, matched);
        Ok(Some(count_hits(&batch.hits)))
    }
}

impl From<&StoredContent> for Subject {
    fn from(content: &StoredContent) -> Self {
        Self { digests: content.digests, size: content.size, hash: content.hash }
    }
}

impl RecordSource for ResidentSets<'_> {
    fn details(&self, set: SetId, record: u32) -> Result<RecordDetails, CaseError> {
        match self.sets.iter().find(|resident| resident.id == set) {
            Some(resident) => {
                resident.set.details(record).map_err(|error| CaseError::Refused(error.to_string()))
            }
            None => Ok(RecordDetails::default()),
        }
    }
}

/// Rows that these hits make: one a (content, set, record).
pub(super) fn count_hits(hits: &[ContentHits]) -> u64 {
    let rows = |hits: &ContentHits| {
        let both = |found: &CodeMatch| hits.by_digest.iter().any(|digest| digest.record == found.record);
        hits.by_digest.len() + hits.by_code.iter().filter(|found| !both(found)).count()
    };
    hits.iter().map(rows).sum::<usize>() as u64
}

/// Matches a stored case with known sets. Of the sources only candidates are read again, for their verdicts
/// (`docs/decisions/verdicts-from-pixels.md`). Contents that were matched with a set under the same settings are not matched again, unless
/// they could not be confirmed.
///
/// # Errors
/// The case refuses a set, or the store failed.
pub fn match_stored(
    store: &mut CaseStore,
    known: &[KnownSet],
    backend: &Backend,
    settings: &IngestSettings,
    progress: &Progress,
    cancel: &CancelToken,
) -> Result<super::IngestReport, PipelineError> {
    let (sets, notices) = ResidentSets::load(store, known, backend, settings)?;
    progress.walk_ended();
    let examiner = settings.examiner(progress);
    let matched = || sets.match_backlog(store, settings, &examiner, progress, cancel);
    let finished = progress.watched(|| unpanicked("matching", matched))?;
    // Of the sources it saw no more than its candidates.
    progress.in_hand.end(false);
    progress.profile.end();
    Ok(super::IngestReport { interrupted: !finished, notices, skipped: 0, peak_memory: examiner.peak() })
}
