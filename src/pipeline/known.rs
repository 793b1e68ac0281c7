//! Matching contents with the known sets of a run.

use super::progress::Progress;
use super::{CancelToken, IngestSettings, PipelineError, pool};
use crate::case::{Batch, CaseStore, CodeMatch, ContentHits, RecordColumns, SetId, StoredContent};
use crate::known::KnownSet;
use crate::matching::{Backend, Haystack, least_over_orientations};
use crate::pdq::{Code, TileHash};
use crate::source::Digests;

/// Contents of a case that are matched at once with a set that came later.
const STORED_BATCH: usize = 4096;

/// The known sets of a run, resident in memory (and on the GPU), with the settings of their matching.
#[derive(Debug)]
pub(super) struct ResidentSets<'a> {
    sets: Vec<ResidentSet<'a>>,
    distance: u32,
    min_quality: u8,
}

#[derive(Debug)]
struct ResidentSet<'a> {
    id: SetId,
    set: &'a KnownSet,
    haystack: Haystack,
}

/// What is matched of a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub digests: Digests,
    pub hash: Option<TileHash>,
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
        let mut sets = Vec::with_capacity(known.len());
        let mut notices = Vec::new();
        for set in known {
            let (id, forgotten) = store.known_set(set, settings.distance, settings.min_quality)?;
            if forgotten {
                notices.push(format!(
                    "known set {}: the settings of its matching changed, so its hits are found anew",
                    set.name()
                ));
            }
            let codes: Vec<Code> = set.codes().iter().map(|known| known.code).collect();
            sets.push(ResidentSet { id, set, haystack: backend.haystack(&codes) });
        }
        Ok((Self { sets, distance: settings.distance, min_quality: settings.min_quality }, notices))
    }

    pub fn ids(&self) -> Vec<SetId> {
        self.sets.iter().map(|set| set.id).collect()
    }

    /// Matches contents with all sets.
    pub fn find(&self, subjects: &[Subject]) -> Vec<ContentHits> {
        self.sets.iter().flat_map(|set| self.find_in(set, subjects)).collect()
    }

    /// Digests of every content; codes of those that mean something, in all eight orientations.
    fn find_in(&self, resident: &ResidentSet<'_>, subjects: &[Subject]) -> Vec<ContentHits> {
        let mut hits: Vec<ContentHits> = subjects
            .iter()
            .map(|subject| ContentHits {
                set: resident.id,
                sha256: subject.digests.sha256,
                by_digest: resident.set.find_digests(&subject.digests),
                by_code: Vec::new(),
            })
            .collect();
        let mut searched = Vec::new();
        let mut needles: Vec<Code> = Vec::new();
        for (index, subject) in subjects.iter().enumerate() {
            let meaningful =
                subject.hash.filter(|hash| hash.quality >= self.min_quality && !hash.codes[0].is_zero());
            if let Some(hash) = meaningful {
                searched.push(index);
                needles.extend_from_slice(&hash.codes);
            }
        }
        let pairs = resident.haystack.search(&needles, self.distance);
        for pair in least_over_orientations(&pairs) {
            let known = resident.set.codes()[pair.haystack as usize];
            let found = CodeMatch { record: known.record, known_quality: known.quality, pair };
            hits[searched[pair.item as usize]].by_code.push(found);
        }
        hits.retain(|hits| !hits.by_digest.is_empty() || !hits.by_code.is_empty());
        hits
    }

    /// Matches the contents that the case has already with the sets they were not matched with yet.
    /// Returns whether it came to the end.
    ///
    /// # Errors
    /// The case store failed.
    pub fn match_backlog(
        &self,
        store: &mut CaseStore,
        settings: &IngestSettings,
        progress: &Progress,
        cancel: &CancelToken,
    ) -> Result<bool, PipelineError> {
        let search_pool = pool("search", settings.jobs)?;
        Progress::add(&progress.to_match, self.backlog(store)?);
        for resident in &self.sets {
            loop {
                if cancel.is_cancelled() {
                    return Ok(false);
                }
                let contents = store.unmatched(resident.id, STORED_BATCH)?;
                let Some(last) = contents.last() else { break };
                let subjects: Vec<Subject> = contents.iter().map(Subject::from).collect();
                let hits = search_pool.install(|| self.find_in(resident, &subjects));
                let count = count_hits(&hits);
                let batch = Batch {
                    hits,
                    sets: vec![resident.id],
                    matched_through: Some(last.id),
                    ..Batch::default()
                };
                store.write(&batch, self, settings.max_memory)?;
                Progress::add(&progress.matched, subjects.len() as u64);
                Progress::add(&progress.hits, count);
            }
        }
        Ok(true)
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

impl From<&StoredContent> for Subject {
    fn from(content: &StoredContent) -> Self {
        Self { digests: content.digests, hash: content.hash }
    }
}

impl RecordColumns for ResidentSets<'_> {
    fn columns(&self, set: SetId, record: u32) -> Vec<(String, String)> {
        let resident = self.sets.iter().find(|resident| resident.id == set);
        let columns = resident.map(|resident| resident.set.columns(record)).unwrap_or_default();
        columns.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
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

/// Matches a stored case with known sets, without reading the sources again. Contents that were
/// matched with a set under the same settings are not matched again.
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
    let finished = sets.match_backlog(store, settings, progress, cancel)?;
    Ok(super::IngestReport { interrupted: !finished, notices, skipped: 0, peak_memory: 0 })
}
