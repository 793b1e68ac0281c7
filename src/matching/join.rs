//! Joins of lists of hashes: every pair within the radius, each once, in order, in bounded memory.
//!
//! * [`range_search`] and [`self_join`] return all pairs at once.
//! * [`Join`] streams: items of the left side in ascending order, each with its hits in ascending order. It takes lists of any size,
//!   with one hash per item or the hashes of all eight orientations, and lists in which nearly all hashes are near each other.
//!
//! The search covers the *distinct* hashes of both sides; equal ones are added at the end. The left side is processed in chunks. A chunk with
//! more pairs than the memory allows is halved and started again. A small chunk, and a *saturated* one in which a sample finds more than one
//! pair in 64 near, is measured item by item, some items at a time with all their distances. So nothing overflows, and the result does not
//! depend on any of this.
//!
//! Time: flat, |left| · |right| pairs, some 10¹⁰ a second and core with AVX-512; by bands, a few sorts of both sides and a small part of the pairs (1 in 241 at
//! radius 31 with 16 bands). The cheaper one by estimate is chosen. Memory: 40 bytes per hash of the right side and of a chunk of the left one (2²⁴ hashes; of two
//! chunks with a GPU), 32 more in a flat search, 52 to 68 by bands, and what [`JoinSettings::memory`] allows for pairs.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use rayon::prelude::*;

use super::Pair;
use super::allowance::{Allowance, Stop};
use super::backend::Backend;
use super::control::JoinControl;
use super::direction::{Direction, Engine, RightSide};
use super::distinct::Distinct;
use super::hits::{Hit, ItemHits};
use super::nearest::{Nearest, finish};
use super::planner::{Costs, JoinPlan, density};
use super::saturated::SaturatedItems;
use super::settings::JoinSettings;
use super::threads::Threads;
use crate::pdq::PdqHash;

/// Maximum hashes of a chunk of the left side.
const CHUNK_HASHES: usize = 1 << 24;
/// Maximum estimated seconds of a chunk on all threads, so that an interrupted join loses little work.
const CHUNK_SECONDS: f64 = 600.0;
/// The same for a self-join: as a whole it needs each pair once, in chunks twice.
const WHOLE_SECONDS: f64 = 3600.0;
/// Minimum hashes of a chunk that is cut because of its time.
const MIN_HASHES: usize = 1 << 16;
/// Memory of a pair until it is handed out: in a thread's list, in the whole list and in the sorted one.
const PAIR_BYTES: u64 = 48;
/// Keeping and sorting a pair takes as long as measuring about 64: where more than one pair in 64 is near,
/// all are measured.
const SATURATED_DENSITY: f64 = 1.0 / 64.0;
/// With fewer pairs it does not matter.
const SATURATED_MIN_PAIRS: f64 = 4e6;
/// A chunk of at most this many items is measured item by item instead of being cut again.
const FEW_ITEMS: usize = 64;
/// Checkpoints while a saturated chunk is measured.
const SATURATED_CHECKPOINTS: usize = 64;
/// Items that a thread measures together, so that each fetched hash of the right side is used for all of
/// them.
const TOGETHER: usize = 32;

/// The counts of a join.
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
    /// How the first chunk was joined, and why.
    pub plan: String,
}

/// Receives the hits of a join.
pub trait JoinSink {
    /// Why it failed.
    type Error;

    /// Takes an item that has hits; items come in order.
    ///
    /// # Errors
    /// If the sink fails, which ends the join.
    fn item(&mut self, hits: &ItemHits) -> Result<(), Self::Error>;

    /// Checkpoint: all hits of the items before `next` were handed out; `report` counts them. An interrupted join can resume
    /// there, with [`Join::run_from`].
    ///
    /// # Errors
    /// If the sink fails, which ends the join.
    fn reached(&mut self, next: usize, report: &JoinReport) -> Result<(), Self::Error>;
}

/// A sink without checkpoints.
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
#[non_exhaustive]
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
struct ChunkPairs {
    /// The hashes of the chunk that have pairs, by their position in it, ascending.
    hashes: Vec<LeftHash>,
    /// Distance and distinct hash of the right side, nearest first.
    pairs: Vec<(u32, u32)>,
}

/// A hash that has pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LeftHash {
    /// Its position in the chunk.
    place: u32,
    /// Where its pairs begin and end.
    start: usize,
    end: usize,
}

/// Distinct hashes of a chunk, for each direction with an own left side.
type Prepared = Vec<Option<Distinct>>;

/// A join of a list of items with another or with itself. Items have one hash, or the eight of
/// [`Orientation::ALL`](crate::pdq::Orientation::ALL) one after the other, as [`crate::pdq::DihedralHashes::hashes`] has them.
#[derive(Debug)]
pub struct Join<'a> {
    directions: Vec<Direction<'a>>,
    items: usize,
    with_itself: bool,
    settings: JoinSettings,
    pool: Option<&'a Threads>,
    backend: Option<&'a Backend>,
}

impl<'a> Join<'a> {
    fn of(directions: Vec<Direction<'a>>, items: usize, with_itself: bool, settings: JoinSettings) -> Self {
        Self { directions, items, with_itself, settings, pool: None, backend: None }
    }

    /// Each hash of `left` with each of `right`.
    #[must_use]
    pub fn new(left: &'a [PdqHash], right: &'a [PdqHash], settings: JoinSettings) -> Self {
        let directions = vec![Direction::new(left, 1, right, 1)];
        Self::of(directions, left.len(), false, settings)
    }

    /// Each item of `left`, in all orientations, with each hash of `right`: one hit a pair of items, with the minimum
    /// distance, then the first orientation.
    #[must_use]
    pub fn with_orientations(left: &'a [[PdqHash; 8]], right: &'a [PdqHash], settings: JoinSettings) -> Self {
        let directions = vec![Direction::new(left.as_flattened(), 8, right, 1)];
        Self::of(directions, left.len(), false, settings)
    }

    /// Each item of `left`, in all orientations, with resident hashes.
    pub(super) fn with_resident(
        left: &'a [[PdqHash; 8]],
        right: &'a RightSide<'static>,
        settings: JoinSettings,
    ) -> Self {
        Self::of(vec![Direction::resident(left.as_flattened(), 8, right)], left.len(), false, settings)
    }

    /// Each two hashes of a list, once: a hit's item has the smaller number.
    #[must_use]
    pub fn with_itself(hashes: &'a [PdqHash], settings: JoinSettings) -> Self {
        let directions = vec![Direction::new(hashes, 1, hashes, 1)];
        Self::of(directions, hashes.len(), true, settings)
    }

    /// Each two items of a list, once, in all orientations. `originals` are the first hashes of `items`. Either may be turned: the hash of a
    /// turned picture is not quite the turned hash, so the distance is the minimum of both directions.
    #[must_use]
    pub fn with_itself_oriented(
        items: &'a [[PdqHash; 8]],
        originals: &'a [PdqHash],
        settings: JoinSettings,
    ) -> Self {
        let turned = items.as_flattened();
        let directions =
            vec![Direction::new(turned, 8, originals, 1), Direction::new(originals, 1, turned, 8)];
        Self::of(directions, items.len(), true, settings)
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
        let directions = vec![
            Direction::new(left.as_flattened(), 8, right_originals, 1),
            Direction::new(left_originals, 1, right.as_flattened(), 8),
        ];
        Self::of(directions, left.len(), false, settings)
    }

    /// Also searches for the negatives of the left pictures, whose hashes are the complements. One hit a pair of items, with the
    /// minimum distance, then the picture itself.
    #[must_use]
    pub fn with_negatives(self) -> Self {
        Self { directions: self.directions.into_iter().map(Direction::with_negatives).collect(), ..self }
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

    /// The only direction, where each pair of its hashes is a pair of items.
    fn plain(&self) -> Option<&Direction<'a>> {
        match &self.directions[..] {
            [direction] if direction.is_plain() => Some(direction),
            _ => None,
        }
    }

    /// Maximum hits of an item.
    fn right_items(&self) -> usize {
        self.directions
            .iter()
            .map(|direction| direction.right().len() / direction.right_per_item())
            .max()
            .unwrap_or(0)
    }

    /// The backend, if it has a GPU.
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
    /// If the sink fails, which ends the join, or the join is cancelled.
    ///
    /// # Panics
    /// If a side has more than 2³² − 1 hashes: the indices of a hit have 32 bits.
    pub fn run<E>(
        &self,
        control: &JoinControl,
        sink: impl FnMut(&ItemHits) -> Result<(), E>,
    ) -> Result<JoinReport, JoinError<E>> {
        self.run_from(0, JoinReport::default(), control, &mut Each(sink))
    }

    /// Hands every item from `first` on that has hits to `sink`, in order, and reports checkpoints to it. `before` counts what
    /// an earlier run handed out.
    ///
    /// # Errors
    /// If the sink fails, which ends the join, or the join is cancelled.
    ///
    /// # Panics
    /// If a side has more than 2³² − 1 hashes: the indices of a hit have 32 bits.
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
        // A stack of chunks: the next one is on top.
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
            // While the GPU searches, the CPU prepares the next chunk.
            let next = chunks.last().filter(|_| self.gpu().is_some());
            let (found, prepared) = self.installed(|| {
                rayon::join(
                    || self.search_directions(&chunk, &prepared, control, &mut report),
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
                Err(Stop::TooMany | Stop::Saturated) => {
                    self.one_by_one(&chunk, control, sink, &mut report)?;
                }
            }
            sink.reached(chunk.end, &report).map_err(JoinError::Sink)?;
        }
        Ok(report)
    }

    /// Maximum items of a chunk: what [`CHUNK_HASHES`] and [`CHUNK_SECONDS`] allow.
    fn chunk_items(&self) -> usize {
        let per_item = self.directions.iter().map(Direction::left_per_item).max().unwrap_or(1);
        let limit = (CHUNK_HASHES / per_item).min(self.items.max(1));
        let costs = if self.gpu().is_some() { Costs::GPU } else { Costs::CPU };
        let seconds: f64 = self
            .directions
            .iter()
            .map(|direction| {
                let (left, right) =
                    (direction.hashes(&(0..limit.min(self.items))), direction.distinct().hashes());
                JoinPlan::new(self.settings.method, costs, left, right, self.settings.radius).seconds()
            })
            .sum();
        let seconds =
            if self.gpu().is_some() { seconds } else { seconds / rayon::current_num_threads() as f64 };
        let whole = self.is_symmetric(&(0..limit));
        if seconds <= if whole { WHOLE_SECONDS } else { CHUNK_SECONDS } {
            return limit;
        }
        let items = (limit as f64 * CHUNK_SECONDS / seconds) as usize;
        items.max(MIN_HASHES / per_item).min(limit)
    }

    /// A self-join of a whole list needs each pair once.
    fn is_symmetric(&self, chunk: &Range<usize>) -> bool {
        self.with_itself && self.plain().is_some() && chunk.len() == self.items
    }

    fn prepare(&self, chunk: &Range<usize>) -> Prepared {
        let distinct = |direction: &Direction<'_>| {
            (!self.is_symmetric(chunk)).then(|| Distinct::new(direction.hashes(chunk)))
        };
        self.directions.iter().map(distinct).collect()
    }

    /// The pairs of distinct hashes of every direction of a chunk.
    fn search_directions(
        &self,
        chunk: &Range<usize>,
        prepared: &Prepared,
        control: &JoinControl,
        report: &mut JoinReport,
    ) -> Result<Vec<ChunkPairs>, Stop> {
        let directions = self.directions.iter().zip(prepared);
        directions
            .map(|(direction, own)| self.search(direction, own.as_ref(), chunk, control, report))
            .collect()
    }

    /// The pairs of distinct hashes of one direction of a chunk, whose left side is the right one if it has
    /// none of its own.
    fn search(
        &self,
        direction: &Direction<'_>,
        own: Option<&Distinct>,
        chunk: &Range<usize>,
        control: &JoinControl,
        report: &mut JoinReport,
    ) -> Result<ChunkPairs, Stop> {
        control.check()?;
        let left = own.unwrap_or(direction.distinct());
        let JoinSettings { radius, method, instructions, .. } = self.settings;
        if is_saturated(direction, left, direction.hashes(chunk).len(), radius) {
            if report.plan.is_empty() {
                report.plan =
                    "by measuring every pair: saturated, a sample of the hashes has too many near pairs"
                        .to_string();
            }
            return Err(Stop::Saturated);
        }
        let engine = Engine { radius, instructions, gpu: self.gpu() };
        let costs = if engine.gpu.is_some() { Costs::GPU } else { Costs::CPU };
        let plan = JoinPlan::new(method, costs, left.hashes(), direction.distinct().hashes(), radius);
        if report.plan.is_empty() {
            report.plan = plan.to_string();
        }
        control.begin(chunk.len(), left.hashes().len() as u64 * plan.passes());
        let allowance = Allowance {
            pairs: Some(self.settings.memory / PAIR_BYTES),
            cancel: Some(&control.cancel),
            done: Some(&control.done),
            found: AtomicU64::new(0),
        };
        let pairs = match &plan.bands {
            None => direction.flat_pairs(engine, left, &allowance)?,
            Some(bands) => direction.banded_pairs(engine, own, bands, &allowance)?,
        };
        let halves = own.is_none() && plan.bands.is_some();
        Ok(ChunkPairs::new(left, pairs, halves))
    }

    /// The items of a chunk that have pairs, by their position in it, ascending: usually a few per cent.
    fn items_with_pairs(&self, found: &[ChunkPairs]) -> Vec<usize> {
        let of_direction = |(direction, found): (&Direction<'_>, &ChunkPairs)| -> Vec<usize> {
            let mut items: Vec<usize> =
                found.hashes.iter().map(|hash| hash.place as usize / direction.left_per_item()).collect();
            items.dedup();
            items
        };
        let mut items: Vec<usize> = self.directions.iter().zip(found).flat_map(of_direction).collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    /// The hits of the item at a position of the chunk that begins with item `first_item`, from the pairs of
    /// its distinct hashes.
    fn collect(&self, first_item: usize, at: usize, found: &[ChunkPairs]) -> Option<ItemHits> {
        let item = first_item + at;
        let first = if self.with_itself { item as u32 + 1 } else { 0 };
        let limit = self.settings.max_hits.unwrap_or(usize::MAX);
        let mut hits = Vec::new();
        let mut total = 0;
        for (direction, found) in self.directions.iter().zip(found) {
            for hash in found.of_places(at * direction.left_per_item()..(at + 1) * direction.left_per_item())
            {
                let mut last = 0;
                for &(distance, right) in &found.pairs[hash.start..hash.end] {
                    let members = direction.distinct().members(right);
                    let members = &members[members
                        .partition_point(|&member| member / (direction.right_per_item() as u32) < first)..];
                    total += members.len() as u64;
                    // Without orientations every member is a separate hit, and those beyond the limit only have to be
                    // counted.
                    let counts = direction.is_plain();
                    if counts && hits.len() >= limit && distance > last {
                        continue;
                    }
                    last = distance;
                    let wanted = if counts { members.len().min(limit) } else { members.len() };
                    hits.extend(members[..wanted].iter().map(|&member| {
                        let (right, negative, orientation) = direction.resolve(hash.place as usize, member);
                        Hit { right, distance, negative, orientation }
                    }));
                }
            }
        }
        if self.plain().is_none() {
            // The minimum distance of each item, then the first orientation.
            hits.sort_unstable();
            hits.dedup_by_key(|hit| hit.right);
            total = hits.len() as u64;
        }
        finish(item, hits, total, limit)
    }

    /// The hits of the items of a saturated chunk, from all distances of each.
    fn one_by_one<S: JoinSink>(
        &self,
        chunk: &Range<usize>,
        control: &JoinControl,
        sink: &mut S,
        report: &mut JoinReport,
    ) -> Result<(), JoinError<S::Error>> {
        let saturated = SaturatedItems {
            directions: &self.directions,
            with_itself: self.with_itself,
            settings: self.settings,
        };
        // As many at a time as keep all threads busy despite ordered output, and as fit into memory with
        // their hits.
        let threads = self.installed(rayon::current_num_threads);
        let hits = self.settings.max_hits.map_or(self.right_items(), Nearest::max_kept);
        // A growing list allocates up to twice its content.
        let room = self.settings.memory / hits.saturating_mul(2 * size_of::<Hit>()).max(1) as u64;
        let at_a_time = room.clamp(1, (4 * TOGETHER * threads) as u64) as usize;
        let mut checkpoint = chunk.start;
        for some in chunk.clone().step_by(at_a_time) {
            let items = some..chunk.end.min(some + at_a_time);
            control.check().map_err(|_| JoinError::Cancelled)?;
            control.begin(items.len(), 1);
            let together = items.len().div_ceil(threads).min(TOGETHER);
            let runs: Vec<Range<usize>> =
                items.clone().step_by(together).map(|first| first..items.end.min(first + together)).collect();
            let hits: Vec<Vec<Option<ItemHits>>> = self.installed(|| {
                runs.into_par_iter().with_max_len(1).map(|run| saturated.measure(&run)).collect()
            });
            for hits in hits.iter().flatten().flatten() {
                hand_out(sink, hits, report)?;
            }
            control.end(items.len());
            // A saturated chunk may take hours: an interrupted join resumes within it.
            if items.end < chunk.end && items.end - checkpoint >= chunk.len() / SATURATED_CHECKPOINTS {
                sink.reached(items.end, report).map_err(JoinError::Sink)?;
                checkpoint = items.end;
            }
        }
        Ok(())
    }
}

impl ChunkPairs {
    /// Sorts pairs of distinct hashes. With `halves` each pair also stands for its mirror image, and each hash for its own
    /// copies at distance 0.
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
            hashes.extend(members.map(|&place| LeftHash { place, start, end }));
        }
        hashes.par_sort_unstable();
        Self { hashes, pairs: pairs.iter().map(|pair| (pair.distance, pair.haystack)).collect() }
    }

    /// The hashes with pairs at a range of positions.
    fn of_places(&self, places: Range<usize>) -> &[LeftHash] {
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

/// Whether measuring every pair of all hashes, including equal ones, takes less time than keeping the near
/// pairs of distinct ones.
fn is_saturated(direction: &Direction<'_>, left: &Distinct, hashes: usize, radius: u32) -> bool {
    let right = direction.distinct().hashes();
    let pairs = left.hashes().len() as f64 * right.len() as f64;
    let measured = hashes as f64 * direction.right().len() as f64;
    // Where most hashes are equal it could not pay off even if all were near, and no sample is taken.
    pairs > SATURATED_MIN_PAIRS
        && pairs > SATURATED_DENSITY * measured
        && density(left.hashes(), right, radius) * pairs > SATURATED_DENSITY * measured
}

/// Every pair of a hash of `queries` and one of `haystack` within `radius` (inclusive), sorted by (query, haystack), on the threads of
/// the current rayon pool.
///
/// # Panics
/// If a side has more than 2³² − 1 hashes.
#[must_use]
pub fn range_search(haystack: &[PdqHash], queries: &[PdqHash], radius: u32) -> Vec<Pair> {
    all_pairs(&Join::new(queries, haystack, JoinSettings { radius, ..JoinSettings::default() }))
}

/// Every two hashes of a list within `radius` of each other, once, the one with the smaller number as the query, sorted, on the
/// threads of the current rayon pool.
///
/// # Panics
/// If there are more than 2³² − 1 hashes.
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
