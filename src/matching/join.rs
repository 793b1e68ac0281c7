//! Joins of lists of hashes: every pair within the radius, each once, in order, in bounded memory.
//!
//! * [`range_search`] and [`self_join`] return all pairs at once.
//! * [`Join`] streams: items of the left side in ascending order, each with its hits in ascending order. It takes lists of any size,
//!   with one hash an item or the hashes of all eight orientations, and lists in which nearly everything is near to
//!   nearly everything else.
//!
//! What is searched are the *distinct* hashes of both sides; equal ones are put in at the end. The left side is taken in chunks. A
//! chunk that has more pairs than the memory allows is cut in two and begun again. A small one, and one in which a sample finds more than one
//! pair in 64 near, is done item by item, with all distances of some items at a time. So nothing overflows, and nothing of
//! this shows in the result.
//!
//! Time: flat, |left| · |right| pairs, some 10¹⁰ a second and core with AVX-512; by bands, a few sorts of both sides and a small part of the pairs
//! (1 in 241 at radius 31 with 16 bands). Which of them is chosen by what they would cost. Memory: 40 bytes a hash of the right side and of a
//! chunk of the left one (2²⁴ hashes; of two chunks with a GPU), 32 more in a flat search, 52 to 68 by bands, and what [`JoinSettings::memory`] allows for pairs.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use rayon::prelude::*;

use super::Pair;
use super::allowance::{Allowance, Stop};
use super::backend::Backend;
use super::control::JoinControl;
use super::crowd::Crowd;
use super::distinct::Distinct;
use super::hits::{Hit, ItemHits};
use super::leg::{Engine, Leg, RightSide};
use super::nearest::{Nearest, finish};
use super::planner::{Costs, JoinPlan, density};
use super::settings::JoinSettings;
use super::threads::Threads;
use crate::pdq::PdqHash;

/// Hashes of a chunk of the left side at most.
const CHUNK_HASHES: usize = 1 << 24;
/// A chunk that is estimated to take longer is cut, so that a join that is ended has little to do again: seconds of all threads.
const CHUNK_SECONDS: f64 = 600.0;
/// The same for a list that is joined with itself: as a whole it needs each pair once, in chunks twice.
const WHOLE_SECONDS: f64 = 3600.0;
/// A chunk is not cut into less for its time alone.
const LEAST_HASHES: usize = 1 << 16;
/// Memory that a pair takes until it is handed out: itself, in a thread's list and in the whole, and its place in the sorted one.
const PAIR_BYTES: u64 = 48;
/// Keeping and sorting a pair takes as long as measuring about so many: where more than one pair in so many is near, all are measured.
const CROWD_DENSITY: f64 = 1.0 / 64.0;
/// Of so few pairs it does not matter.
const CROWD_PAIRS: f64 = 4e6;
/// A chunk of no more items is done item by item rather than cut again.
const FEW_ITEMS: usize = 64;
/// Times that the sink of a crowd is told how far it is.
const PLACES_IN_A_CROWD: usize = 64;
/// Items that a thread measures together, so that each hash of the right side that is fetched is met by so many.
const TOGETHER: usize = 32;

/// What a join did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinReport {
    /// Items of the left side.
    pub items: u64,
    /// Items with hits.
    pub items_with_hits: u64,
    /// Hits handed out.
    pub hits: u64,
    /// Hits that were only counted.
    pub more: u64,
    /// How the first chunk was joined and why.
    pub plan: String,
}

/// What takes the hits of a join.
pub trait JoinSink {
    /// Why it cannot.
    type Error;

    /// Takes an item that has hits; items come in order.
    ///
    /// # Errors
    /// The sink's own, which ends the join.
    fn item(&mut self, hits: &ItemHits) -> Result<(), Self::Error>;

    /// All hits of the items before `next` were handed out; `report` counts them. A join that is ended later can be begun again
    /// there, with [`Join::run_from`].
    ///
    /// # Errors
    /// The sink's own, which ends the join.
    fn reached(&mut self, next: usize, report: &JoinReport) -> Result<(), Self::Error>;
}

/// A sink that begins at the beginning.
struct Each<F>(F);

impl<E, F: FnMut(&ItemHits) -> Result<(), E>> JoinSink for Each<F> {
    type Error = E;

    fn item(&mut self, hits: &ItemHits) -> Result<(), E> {
        (self.0)(hits)
    }

    fn reached(&mut self, _: usize, _: &JoinReport) -> Result<(), E> {
        Ok(())
    }
}

/// Why a join ended early.
#[derive(Debug, thiserror::Error)]
pub enum JoinError<E> {
    /// [`JoinControl::cancel`] was called.
    #[error("interrupted")]
    Cancelled,
    /// The sink failed.
    #[error("{0}")]
    Sink(E),
}

/// The pairs of distinct hashes of a chunk.
#[derive(Debug)]
struct Found {
    /// The hashes of the chunk that have pairs, by their place in it, ascending.
    hashes: Vec<FoundHash>,
    /// Distance and distinct hash of the right side, nearest first.
    pairs: Vec<(u32, u32)>,
}

/// A hash that has pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FoundHash {
    /// Its place in the chunk.
    place: u32,
    /// Where its pairs begin and end.
    start: usize,
    end: usize,
}

/// Distinct hashes of a chunk, for each leg that has a left side of its own.
type Prepared = Vec<Option<Distinct>>;

/// A join of a list of items with another or with itself. Items have one hash, or the eight of
/// [`Orientation::ALL`](crate::pdq::Orientation::ALL) one after the other, as [`crate::pdq::TileHash::hashes`] has them.
#[derive(Debug)]
pub struct Join<'a> {
    legs: Vec<Leg<'a>>,
    items: usize,
    with_itself: bool,
    settings: JoinSettings,
    pool: Option<&'a Threads>,
    backend: Option<&'a Backend>,
}

impl<'a> Join<'a> {
    fn of(legs: Vec<Leg<'a>>, items: usize, with_itself: bool, settings: JoinSettings) -> Self {
        Self { legs, items, with_itself, settings, pool: None, backend: None }
    }

    /// Each hash of `left` with each of `right`.
    #[must_use]
    pub fn new(left: &'a [PdqHash], right: &'a [PdqHash], settings: JoinSettings) -> Self {
        let legs = vec![Leg::new(left, 1, right, 1)];
        Self::of(legs, left.len(), false, settings)
    }

    /// Each item of `left`, in all orientations, with each hash of `right`: one hit a pair of items, of the least distance,
    /// then of the first orientation.
    #[must_use]
    pub fn with_orientations(left: &'a [[PdqHash; 8]], right: &'a [PdqHash], settings: JoinSettings) -> Self {
        let legs = vec![Leg::new(left.as_flattened(), 8, right, 1)];
        Self::of(legs, left.len(), false, settings)
    }

    /// Each item of `left`, in all orientations, with hashes that stay.
    pub(super) fn with_resident(
        left: &'a [[PdqHash; 8]],
        right: &'a RightSide<'static>,
        settings: JoinSettings,
    ) -> Self {
        Self::of(vec![Leg::resident(left.as_flattened(), 8, right)], left.len(), false, settings)
    }

    /// Each two hashes of a list, once: a hit's item has the smaller number.
    #[must_use]
    pub fn with_itself(hashes: &'a [PdqHash], settings: JoinSettings) -> Self {
        let legs = vec![Leg::new(hashes, 1, hashes, 1)];
        Self::of(legs, hashes.len(), true, settings)
    }

    /// Each two items of a list, once, in all orientations. `originals` are the first hashes of `items`. Either may be turned: the hash of a
    /// turned picture is not quite the turned hash, so the distance is the least of both ways.
    #[must_use]
    pub fn with_itself_oriented(
        items: &'a [[PdqHash; 8]],
        originals: &'a [PdqHash],
        settings: JoinSettings,
    ) -> Self {
        let turned = items.as_flattened();
        let legs = vec![Leg::new(turned, 8, originals, 1), Leg::new(originals, 1, turned, 8)];
        Self::of(legs, items.len(), true, settings)
    }

    /// Each item of `left` with each of `right`, both in all orientations; the originals are the first hashes of the items. Either may be turned, as in
    /// [`Self::with_itself_oriented`].
    #[must_use]
    pub fn between_oriented(
        left: (&'a [[PdqHash; 8]], &'a [PdqHash]),
        right: (&'a [[PdqHash; 8]], &'a [PdqHash]),
        settings: JoinSettings,
    ) -> Self {
        let ((left, left_originals), (right, right_originals)) = (left, right);
        let legs = vec![
            Leg::new(left.as_flattened(), 8, right_originals, 1),
            Leg::new(left_originals, 1, right.as_flattened(), 8),
        ];
        Self::of(legs, left.len(), false, settings)
    }

    /// Seeks the negatives of the left side's pictures as well: their hashes are the complements. One hit a pair of items, of the least
    /// distance, then of the picture as it is.
    #[must_use]
    pub fn with_negatives(self) -> Self {
        Self { legs: self.legs.into_iter().map(Leg::with_negatives).collect(), ..self }
    }

    /// Searches on the threads of `pool` instead of the current one; the sink stays on the caller's thread.
    #[must_use]
    pub fn on(self, pool: &'a Threads) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// Searches on the GPU of `backend`, if it has one; the hits are the same.
    #[must_use]
    pub fn with_backend(self, backend: &'a Backend) -> Self {
        Self { backend: Some(backend), ..self }
    }

    /// The only leg, where each pair of its hashes is a pair of items.
    fn plain(&self) -> Option<&Leg<'a>> {
        match &self.legs[..] {
            [leg] if leg.is_plain() => Some(leg),
            _ => None,
        }
    }

    /// Hits of an item at most.
    fn right_items(&self) -> usize {
        self.legs.iter().map(|leg| leg.right().len() / leg.right_per_item()).max().unwrap_or(0)
    }

    /// The backend, if there is a GPU to it.
    fn gpu(&self) -> Option<&'a Backend> {
        self.backend.filter(|backend| backend.is_gpu())
    }

    fn installed<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Hands every item that has hits to `sink`, in order.
    ///
    /// # Errors
    /// The sink's, which ends the join, and being cancelled.
    ///
    /// # Panics
    /// More than 2³² − 1 hashes on a side, which a hit could not name.
    pub fn run<E>(
        &self,
        control: &JoinControl,
        sink: impl FnMut(&ItemHits) -> Result<(), E>,
    ) -> Result<JoinReport, JoinError<E>> {
        self.run_from(0, JoinReport::default(), control, &mut Each(sink))
    }

    /// Hands every item from `first` on that has hits to `sink`, in order, and tells it from time to time how far the join is.
    /// `before` counts what an earlier run handed out.
    ///
    /// # Errors
    /// The sink's, which ends the join, and being cancelled.
    ///
    /// # Panics
    /// More than 2³² − 1 hashes on a side, which a hit could not name.
    pub fn run_from<S: JoinSink>(
        &self,
        first: usize,
        before: JoinReport,
        control: &JoinControl,
        sink: &mut S,
    ) -> Result<JoinReport, JoinError<S::Error>> {
        let mut report = JoinReport { items: self.items as u64, ..before };
        control.end(first);
        let step = self.installed(|| self.chunk_items());
        // A stack of chunks, the next on top.
        let mut chunks: Vec<Range<usize>> = (first..self.items)
            .step_by(step)
            .map(|start| start..self.items.min(start + step))
            .rev()
            .collect();
        let mut ahead: Option<(Range<usize>, Prepared)> = None;
        while let Some(chunk) = chunks.pop() {
            let prepared = match ahead.take() {
                Some((range, prepared)) if range == chunk => prepared,
                _ => self.installed(|| self.prepare(&chunk)),
            };
            // While a GPU searches, the CPU has time for the next chunk.
            let next = chunks.last().filter(|_| self.gpu().is_some());
            let (found, prepared) = self.installed(|| {
                rayon::join(
                    || self.search_legs(&chunk, &prepared, control, &mut report),
                    || next.map(|next| (next.clone(), self.prepare(next))),
                )
            });
            ahead = prepared;
            match found {
                Ok(found) => {
                    for item in self.items_with_pairs(&found) {
                        if let Some(hits) = self.collect(chunk.start, item, &found) {
                            hand_out(sink, &hits, &mut report)?;
                        }
                    }
                    control.end(chunk.len());
                }
                Err(Stop::Cancelled) => return Err(JoinError::Cancelled),
                Err(Stop::TooMany) if chunk.len() > FEW_ITEMS => {
                    let middle = chunk.start + chunk.len() / 2;
                    chunks.extend([middle..chunk.end, chunk.start..middle]);
                    continue;
                }
                Err(Stop::TooMany | Stop::Crowded) => {
                    self.one_by_one(&chunk, control, sink, &mut report)?;
                }
            }
            sink.reached(chunk.end, &report).map_err(JoinError::Sink)?;
        }
        Ok(report)
    }

    /// Items of a chunk at most: what [`CHUNK_HASHES`] and [`CHUNK_SECONDS`] allow.
    fn chunk_items(&self) -> usize {
        let per_item = self.legs.iter().map(Leg::left_per_item).max().unwrap_or(1);
        let most = (CHUNK_HASHES / per_item).min(self.items.max(1));
        let costs = if self.gpu().is_some() { Costs::GPU } else { Costs::CPU };
        let seconds: f64 = self
            .legs
            .iter()
            .map(|leg| {
                let (left, right) = (leg.hashes(&(0..most.min(self.items))), leg.distinct().hashes());
                JoinPlan::new(self.settings.method, costs, left, right, self.settings.radius).seconds()
            })
            .sum();
        let seconds =
            if self.gpu().is_some() { seconds } else { seconds / rayon::current_num_threads() as f64 };
        let whole = self.is_symmetric(&(0..most));
        if seconds <= if whole { WHOLE_SECONDS } else { CHUNK_SECONDS } {
            return most;
        }
        let items = (most as f64 * CHUNK_SECONDS / seconds) as usize;
        items.max(LEAST_HASHES / per_item).min(most)
    }

    /// A list that is joined with itself whole needs each pair once.
    fn is_symmetric(&self, chunk: &Range<usize>) -> bool {
        self.with_itself && self.plain().is_some() && chunk.len() == self.items
    }

    fn prepare(&self, chunk: &Range<usize>) -> Prepared {
        let distinct = |leg: &Leg<'_>| (!self.is_symmetric(chunk)).then(|| Distinct::new(leg.hashes(chunk)));
        self.legs.iter().map(distinct).collect()
    }

    /// The pairs of distinct hashes of every leg of a chunk.
    fn search_legs(
        &self,
        chunk: &Range<usize>,
        prepared: &Prepared,
        control: &JoinControl,
        report: &mut JoinReport,
    ) -> Result<Vec<Found>, Stop> {
        let legs = self.legs.iter().zip(prepared);
        legs.map(|(leg, own)| self.search(leg, own.as_ref(), chunk, control, report)).collect()
    }

    /// The pairs of distinct hashes of one leg of a chunk, whose left side is the right one where it has none of its own.
    fn search(
        &self,
        leg: &Leg<'_>,
        own: Option<&Distinct>,
        chunk: &Range<usize>,
        control: &JoinControl,
        report: &mut JoinReport,
    ) -> Result<Found, Stop> {
        control.check()?;
        let left = own.unwrap_or(leg.distinct());
        let JoinSettings { radius, method, instructions, .. } = self.settings;
        if is_crowded(leg, left, leg.hashes(chunk).len(), radius) {
            if report.plan.is_empty() {
                report.plan = "by measuring every pair: a sample of the hashes is a crowd".to_string();
            }
            return Err(Stop::Crowded);
        }
        let engine = Engine { radius, instructions, gpu: self.gpu() };
        let costs = if engine.gpu.is_some() { Costs::GPU } else { Costs::CPU };
        let plan = JoinPlan::new(method, costs, left.hashes(), leg.distinct().hashes(), radius);
        if report.plan.is_empty() {
            report.plan = plan.to_string();
        }
        control.begin(chunk.len(), left.hashes().len() as u64 * plan.passes());
        let allowance = Allowance {
            pairs: Some(self.settings.memory / PAIR_BYTES),
            cancelled: Some(&control.cancelled),
            done: Some(&control.done),
            found: AtomicU64::new(0),
        };
        let pairs = match &plan.bands {
            None => leg.flat_pairs(engine, left, &allowance)?,
            Some(bands) => leg.banded_pairs(engine, own, bands, &allowance)?,
        };
        let halves = own.is_none() && plan.bands.is_some();
        Ok(Found::new(left, pairs, halves))
    }

    /// The items of a chunk that have pairs, by their place in it, ascending: a few in a hundred as a rule.
    fn items_with_pairs(&self, found: &[Found]) -> Vec<usize> {
        let of_leg = |(leg, found): (&Leg<'_>, &Found)| -> Vec<usize> {
            let mut items: Vec<usize> =
                found.hashes.iter().map(|hash| hash.place as usize / leg.left_per_item()).collect();
            items.dedup();
            items
        };
        let mut items: Vec<usize> = self.legs.iter().zip(found).flat_map(of_leg).collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    /// The hits of the item at a place of the chunk that begins with item `first_item`, from the pairs of its distinct hashes.
    fn collect(&self, first_item: usize, at: usize, found: &[Found]) -> Option<ItemHits> {
        let item = first_item + at;
        let first = if self.with_itself { item as u32 + 1 } else { 0 };
        let most = self.settings.most_hits.unwrap_or(usize::MAX);
        let mut hits = Vec::new();
        let mut total = 0;
        for (leg, found) in self.legs.iter().zip(found) {
            for hash in found.of_places(at * leg.left_per_item()..(at + 1) * leg.left_per_item()) {
                let mut last = 0;
                for &(distance, right) in &found.pairs[hash.start..hash.end] {
                    let members = leg.distinct().members(right);
                    let members = &members
                        [members.partition_point(|&member| member / (leg.right_per_item() as u32) < first)..];
                    total += members.len() as u64;
                    // Where nothing is turned every member is a hit of its own, and what is farther than enough hits needs
                    // only to be counted.
                    let counts = leg.is_plain();
                    if counts && hits.len() >= most && distance > last {
                        continue;
                    }
                    last = distance;
                    let wanted = if counts { members.len().min(most) } else { members.len() };
                    hits.extend(members[..wanted].iter().map(|&member| {
                        let (right, negative, orientation) = leg.meaning(hash.place as usize, member);
                        Hit { right, distance, negative, orientation }
                    }));
                }
            }
        }
        if self.plain().is_none() {
            // The least distance of each item, then the first orientation.
            hits.sort_unstable();
            hits.dedup_by_key(|hit| hit.right);
            total = hits.len() as u64;
        }
        finish(item, hits, total, most)
    }

    /// The hits of items in whose chunk there are too many, from all distances of each.
    fn one_by_one<S: JoinSink>(
        &self,
        chunk: &Range<usize>,
        control: &JoinControl,
        sink: &mut S,
        report: &mut JoinReport,
    ) -> Result<(), JoinError<S::Error>> {
        let crowd = Crowd { legs: &self.legs, with_itself: self.with_itself, settings: self.settings };
        // As many at a time as keep all threads busy while the others wait for the order, and as the memory has room for their hits.
        let threads = self.installed(rayon::current_num_threads);
        let hits = self.settings.most_hits.map_or(self.right_items(), Nearest::most_kept);
        // A list that grows holds up to twice what is in it.
        let room = self.settings.memory / hits.saturating_mul(2 * size_of::<Hit>()).max(1) as u64;
        let at_a_time = room.clamp(1, (4 * TOGETHER * threads) as u64) as usize;
        let mut told = chunk.start;
        for some in chunk.clone().step_by(at_a_time) {
            let items = some..chunk.end.min(some + at_a_time);
            control.check().map_err(|_| JoinError::Cancelled)?;
            control.begin(items.len(), 1);
            let together = items.len().div_ceil(threads).min(TOGETHER);
            let runs: Vec<Range<usize>> =
                items.clone().step_by(together).map(|first| first..items.end.min(first + together)).collect();
            let hits: Vec<Vec<Option<ItemHits>>> = self
                .installed(|| runs.into_par_iter().with_max_len(1).map(|run| crowd.measure(&run)).collect());
            for hits in hits.iter().flatten().flatten() {
                hand_out(sink, hits, report)?;
            }
            control.end(items.len());
            // A crowd may take hours: a join that is ended in the middle of it goes on there.
            if items.end < chunk.end && items.end - told >= chunk.len() / PLACES_IN_A_CROWD {
                sink.reached(items.end, report).map_err(JoinError::Sink)?;
                told = items.end;
            }
        }
        Ok(())
    }
}

impl Found {
    /// Puts pairs of distinct hashes in order. `halves`: each stands for its mirror image too, and a hash has itself, whose
    /// copies are at distance 0.
    fn new(left: &Distinct, mut pairs: Vec<Pair>, halves: bool) -> Self {
        if halves {
            let mirrored = |pair: &Pair| Pair { query: pair.haystack, haystack: pair.query, ..*pair };
            pairs.par_extend(pairs.clone().par_iter().map(mirrored));
            let own = |hash| Pair { query: hash, haystack: hash, distance: 0 };
            pairs.par_extend((0..left.hashes().len() as u32).into_par_iter().map(own));
        }
        pairs.par_sort_unstable_by_key(|pair| (pair.query, pair.distance, pair.haystack));
        let mut hashes = Vec::new();
        let mut end = 0;
        for of_one in pairs.chunk_by(|one, other| one.query == other.query) {
            let start = end;
            end += of_one.len();
            let members = left.members(of_one[0].query).iter();
            hashes.extend(members.map(|&place| FoundHash { place, start, end }));
        }
        hashes.par_sort_unstable();
        Self { hashes, pairs: pairs.iter().map(|pair| (pair.distance, pair.haystack)).collect() }
    }

    /// The hashes at some places that have pairs.
    fn of_places(&self, places: Range<usize>) -> &[FoundHash] {
        let before = |end: usize| self.hashes.partition_point(|hash| (hash.place as usize) < end);
        &self.hashes[before(places.start)..before(places.end)]
    }
}

/// Hands out an item's hits, and counts them.
fn hand_out<S: JoinSink>(
    sink: &mut S,
    hits: &ItemHits,
    report: &mut JoinReport,
) -> Result<(), JoinError<S::Error>> {
    report.items_with_hits += 1;
    report.hits += hits.hits.len() as u64;
    report.more += hits.more;
    sink.item(hits).map_err(JoinError::Sink)
}

/// Whether measuring every pair of all hashes, equal ones too, takes less than keeping the pairs of distinct ones that are near.
fn is_crowded(leg: &Leg<'_>, left: &Distinct, hashes: usize, radius: u32) -> bool {
    let right = leg.distinct().hashes();
    let pairs = left.hashes().len() as f64 * right.len() as f64;
    let measured = hashes as f64 * leg.right().len() as f64;
    // Where most hashes are equal it could not pay if all were near, and no sample is taken.
    pairs > CROWD_PAIRS
        && pairs > CROWD_DENSITY * measured
        && density(left.hashes(), right, radius) * pairs > CROWD_DENSITY * measured
}

/// Every pair of a hash of `queries` and one of `haystack` within `radius` (inclusive), sorted by (query, haystack), on the threads of
/// the current rayon pool.
///
/// # Panics
/// More than 2³² − 1 hashes on a side.
#[must_use]
pub fn range_search(haystack: &[PdqHash], queries: &[PdqHash], radius: u32) -> Vec<Pair> {
    all_pairs(&Join::new(queries, haystack, JoinSettings { radius, ..JoinSettings::default() }))
}

/// Every two hashes of a list within `radius` of each other, once, the one with the smaller number as the query, sorted, on the
/// threads of the current rayon pool.
///
/// # Panics
/// More than 2³² − 1 hashes.
#[must_use]
pub fn self_join(hashes: &[PdqHash], radius: u32) -> Vec<Pair> {
    all_pairs(&Join::with_itself(hashes, JoinSettings { radius, ..JoinSettings::default() }))
}

fn all_pairs(join: &Join<'_>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let sink = |item: &ItemHits| {
        let pair = |hit: &Hit| Pair { query: item.left, haystack: hit.right, distance: hit.distance };
        pairs.extend(item.hits.iter().map(pair));
        Ok::<(), Infallible>(())
    };
    match join.run(&JoinControl::default(), sink) {
        Ok(_) | Err(JoinError::Cancelled) => pairs,
        Err(JoinError::Sink(never)) => match never {},
    }
}
