//! Compares two set files: finds the pairs of records of the same or nearly the same material.
//!
//! Pairs come in the order of the left record, then of the right one. The left side is processed in ranges, at first all records at
//! once. A range with more pairs than the memory allows is halved and started again, so nothing overflows and the result does not
//! depend on it.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::photodna_search::{PhotoDnaSearch, SearchStop, SearchWatch};
use super::set_file::DigestTable;
use super::{KnownCounts, PhotoDna, SetError, SetFile};
use crate::cancel::CancelToken;
use crate::matching::{Backend, ItemHits, Join, JoinControl, JoinError, JoinSettings, Threads};
use crate::pdq::{Geometry, PdqHash};
use crate::source::name::escape_path;

/// Memory of a found pair until it is handed out: once in a partial list, and up to twice in the growing list
/// of all.
const FOUND_BYTES: u64 = 48;
/// Digests between two checks for cancellation.
const LOOK: usize = 1 << 16;

/// What makes two records a pair, strongest first. Equal digests are the same bytes. PhotoDNA comes before PDQ because
/// publishers themselves compare by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchMethod {
    /// Equal digests.
    Digest,
    /// PhotoDNA values within the threshold.
    PhotoDna,
    /// PDQ hashes within the distance.
    Pdq,
}

impl MatchMethod {
    /// All methods, strongest first.
    pub const ALL: [Self; 3] = [Self::Digest, Self::PhotoDna, Self::Pdq];

    /// Its name in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::PhotoDna => "photodna",
            Self::Pdq => "pdq",
        }
    }
}

/// Two records that match by at least one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordPair {
    /// Record of the left set, from 0.
    pub left: u32,
    /// Record of the right set, from 0.
    pub right: u32,
    /// Whether the SHA-256s, the SHA-1s, the MD5s are equal.
    pub equal: [bool; 3],
    /// A weaker digest is equal, but a stronger one that both records have differs: the digests do not make
    /// them a pair.
    pub conflict: bool,
    /// The square of the distance of their PhotoDNA values, where that is within the threshold.
    pub photodna: Option<u32>,
    /// The distance of their hashes, if that is within the requested distance.
    pub pdq: Option<u32>,
}

/// Names of [`RecordPair::equal`], in its order.
pub const DIGESTS: [&str; 3] = ["sha256", "sha1", "md5"];

impl RecordPair {
    /// The strongest method, with its distance; `None` where digests are all there is, and they contradict each other.
    #[must_use]
    pub fn strongest(&self) -> Option<(MatchMethod, u32)> {
        let digest = (self.equal.contains(&true) && !self.conflict).then_some((MatchMethod::Digest, 0));
        digest
            .or(self.photodna.map(|distance| (MatchMethod::PhotoDna, distance)))
            .or(self.pdq.map(|distance| (MatchMethod::Pdq, distance)))
    }
}

/// How sets are compared.
#[derive(Clone, Copy, Debug)]
pub struct CompareSettings {
    /// The largest squared distance of two PhotoDNA values.
    pub photodna: u32,
    /// The largest distance of two hashes, and the memory for pairs.
    pub join: JoinSettings,
}

/// What the work is done with.
#[derive(Clone, Copy, Debug)]
pub struct CompareTools<'a> {
    /// Threads.
    pub pool: &'a Threads,
    /// Where pairs of hashes are sought.
    pub backend: &'a Backend,
    /// Progress and cancellation.
    pub control: &'a CompareControl,
}

/// Progress and cancellation of a comparison, shared with the thread that watches it.
#[derive(Debug, Default)]
pub struct CompareControl {
    join: JoinControl,
    photodna: AtomicU64,
}

impl CompareControl {
    /// A comparison that ends when `cancel` is cancelled.
    #[must_use]
    pub fn new(cancel: &CancelToken) -> Self {
        Self { join: JoinControl::new(cancel), photodna: AtomicU64::new(0) }
    }

    /// Cancels the comparison, which then ends with [`CompareError::Cancelled`].
    pub fn cancel(&self) {
        self.join.cancel();
    }

    /// PhotoDNA values and hashes of the left side that are done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.photodna.load(Relaxed) + self.join.items() as u64
    }
}

/// Why a comparison failed or stopped early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError<E> {
    /// A set is damaged, or cannot be read.
    #[error(transparent)]
    Set(#[from] SetError),
    /// Their hashes cannot be compared.
    #[error(
        "the hashes of {} have geometry {}, those of {} have {}, and the two cannot be compared (import one of the sets again, from hashes \
         of the other geometry or from a source without any)",
        escape_path(left),
        geometries[0].name(),
        escape_path(right),
        geometries[1].name()
    )]
    Geometries {
        /// The left set's file.
        left: PathBuf,
        /// The right set's file.
        right: PathBuf,
        /// The geometries of their hashes.
        geometries: [Geometry; 2],
    },
    /// [`CompareControl::cancel`] was called.
    #[error("interrupted: the result is incomplete")]
    Cancelled,
    /// The sink failed.
    #[error("{0}")]
    Sink(E),
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompareCounts {
    /// Pairs by their strongest method, in the order of [`MatchMethod::ALL`].
    pub by_method: [u64; 3],
    /// Records of the left set that have a pair.
    pub left_records: u64,
    /// Pairs of records whose weaker digests are equal while a stronger one differs.
    pub conflicts: u64,
    /// The first of those.
    pub first_conflict: Option<(u32, u32)>,
    last_left: Option<u32>,
}

impl CompareCounts {
    /// All pairs.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.by_method.iter().sum()
    }

    /// Pairs are ordered by left record, so a new record differs from the last one.
    fn count(&mut self, method: MatchMethod, left: u32) {
        self.by_method[method as usize] += 1;
        self.left_records += u64::from(self.last_left != Some(left));
        self.last_left = Some(left);
    }
}

/// The part of a set that is compared.
#[derive(Debug)]
pub struct ComparedSet<'a> {
    set: &'a SetFile,
    hashes: Vec<PdqHash>,
    /// The record of each hash.
    hash_records: Vec<u32>,
    values: Vec<PhotoDna>,
    /// The record of each value.
    value_records: Vec<u32>,
    /// Hashes that are compared, and hashes set aside.
    pub counts: KnownCounts,
    /// PhotoDNA values set aside because they are all zero, as of an empty picture.
    pub zero_values: u64,
    /// One bit per record: whether it has a SHA-256, a SHA-1.
    has: [Bits; 2],
}

impl<'a> ComparedSet<'a> {
    /// Checks the tables of a set, and takes its hashes and values into memory.
    ///
    /// # Errors
    /// If the set is damaged, or `is_cancelled` ended the reading.
    pub fn new(
        set: &'a SetFile,
        min_quality: u8,
        is_cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, SetError> {
        set.verify_tables(is_cancelled)?;
        let mut counts = KnownCounts::default();
        let hashes = set.hashes()?.into_iter().filter(|hash| counts.takes(hash, min_quality));
        let (hash_records, hashes) = hashes.map(|hash| (hash.record, hash.hash)).unzip();
        let all = set.photodna()?;
        let before = all.len();
        let values = all.into_iter().filter(|(_, value)| value.bytes.iter().any(|&byte| byte != 0));
        let (value_records, values): (Vec<u32>, Vec<PhotoDna>) = values.unzip();
        let zero_values = (before - values.len()) as u64;
        let has = [Bits::of(set, set.sha256_table()?)?, Bits::of(set, set.sha1_table()?)?];
        Ok(Self { set, hashes, hash_records, values, value_records, counts, zero_values, has })
    }

    /// How many of its hashes take part.
    #[must_use]
    pub const fn hashes(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// Values and hashes: the measure of the work for a left side.
    #[must_use]
    pub const fn work(&self) -> u64 {
        (self.hashes.len() + self.values.len()) as u64
    }
}

/// A bit for each record.
#[derive(Debug)]
struct Bits(Vec<u64>);

impl Bits {
    /// The records that a table has.
    fn of<const N: usize>(set: &SetFile, mut table: DigestTable<'_, N>) -> Result<Self, SetError> {
        let mut bits = vec![0; (set.records() as usize).div_ceil(64)];
        while let Some((_, record)) = table.entry()? {
            if let Some(word) = bits.get_mut(record as usize / 64) {
                *word |= 1 << (record % 64);
            }
        }
        Ok(Self(bits))
    }

    fn has(&self, record: u32) -> bool {
        self.0.get(record as usize / 64).is_some_and(|word| word >> (record % 64) & 1 == 1)
    }
}

/// One match of two records: `what` is an index into [`DIGESTS`], or one of the constants after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FoundPair {
    left: u32,
    right: u32,
    what: u8,
    distance: u32,
}

/// [`FoundPair::what`] beyond the digests.
const PHOTODNA: u8 = DIGESTS.len() as u8;
const PDQ: u8 = PHOTODNA + 1;

/// Hands every pair to `sink`, in order, and counts.
///
/// # Errors
/// If the sink fails, the hashes of the sets cannot be compared, a set is damaged, or the comparison is
/// cancelled.
pub fn compare<E>(
    left: &ComparedSet<'_>,
    right: &ComparedSet<'_>,
    settings: CompareSettings,
    tools: CompareTools<'_>,
    sink: &mut dyn FnMut(&RecordPair) -> Result<(), E>,
) -> Result<CompareCounts, CompareError<E>> {
    let geometries = [left, right].map(|side| side.set.manifest().geometry);
    if geometries[0] != geometries[1] && !left.hashes.is_empty() && !right.hashes.is_empty() {
        let [left, right] = [left, right].map(|side| side.set.path().to_path_buf());
        return Err(CompareError::Geometries { left, right, geometries });
    }
    // Half of the memory is for pairs of hashes within the join, half for all pairs found.
    let memory = settings.join.memory / 2;
    let settings = CompareSettings { join: JoinSettings { memory, ..settings.join }, ..settings };
    let search = tools.pool.install(|| PhotoDnaSearch::new(&right.values));
    let comparison = Comparison { left, right, settings, tools, search };
    let limit = usize::try_from(memory / FOUND_BYTES).unwrap_or(usize::MAX);
    let mut counts = CompareCounts::default();
    // A stack: the next range is on top.
    let all = 0..left.set.records();
    let mut ranges = vec![all];
    while let Some(range) = ranges.pop() {
        // One record has at most one pair for each record of the right side.
        let single = range.end - range.start <= 1;
        match comparison.find(&range, if single { usize::MAX } else { limit }) {
            Ok(mut found) => {
                tools.pool.install(|| found.par_sort_unstable());
                for of_two in found.chunk_by(|a, b| (a.left, a.right) == (b.left, b.right)) {
                    comparison.hand_out(of_two, &mut counts, sink)?;
                }
            }
            Err(Stop::TooMany) => {
                let middle = u64::midpoint(range.start, range.end);
                ranges.extend([middle..range.end, range.start..middle]);
            }
            Err(Stop::Cancelled) => return Err(CompareError::Cancelled),
            Err(Stop::Set(error)) => return Err(error.into()),
        }
    }
    Ok(counts)
}

/// Why a range was not searched to its end.
enum Stop {
    TooMany,
    Cancelled,
    Set(SetError),
}

impl From<SearchStop> for Stop {
    fn from(stop: SearchStop) -> Self {
        match stop {
            SearchStop::TooMany => Self::TooMany,
            SearchStop::Cancelled => Self::Cancelled,
        }
    }
}

impl From<SetError> for Stop {
    fn from(error: SetError) -> Self {
        Self::Set(error)
    }
}

/// What a search needs.
struct Comparison<'a> {
    left: &'a ComparedSet<'a>,
    right: &'a ComparedSet<'a>,
    settings: CompareSettings,
    tools: CompareTools<'a>,
    search: PhotoDnaSearch<'a>,
}

/// The pairs found in a range, and how many are allowed.
struct Finds {
    found: Vec<FoundPair>,
    limit: usize,
}

impl Finds {
    fn push(&mut self, found: FoundPair) -> Result<(), Stop> {
        if self.found.len() >= self.limit {
            return Err(Stop::TooMany);
        }
        self.found.push(found);
        Ok(())
    }
}

impl Comparison<'_> {
    /// All matches of a range of left records with the right set, in no particular order.
    fn find(&self, range: &Range<u64>, limit: usize) -> Result<Vec<FoundPair>, Stop> {
        let (left, right) = (self.left.set, self.right.set);
        let mut finds = Finds { found: Vec::new(), limit };
        self.equal((left.sha256_table()?, right.sha256_table()?), 0, range, &mut finds)?;
        self.equal((left.sha1_table()?, right.sha1_table()?), 1, range, &mut finds)?;
        self.equal((left.md5_table()?, right.md5_table()?), 2, range, &mut finds)?;
        self.near_values(range, &mut finds)?;
        self.near_hashes(range, &mut finds)?;
        Ok(finds.found)
    }

    /// Equal digests: both tables are sorted, so they are walked in parallel.
    fn equal<const N: usize>(
        &self,
        (mut left, mut right): (DigestTable<'_, N>, DigestTable<'_, N>),
        what: u8,
        range: &Range<u64>,
        finds: &mut Finds,
    ) -> Result<(), Stop> {
        let (mut one, mut other) = (left.same()?, right.same()?);
        let mut steps = 0_usize;
        while let (Some(ours), Some(theirs)) = (&one, &other) {
            steps += 1;
            if steps.is_multiple_of(LOOK) && self.tools.control.join.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            match ours.digest.cmp(&theirs.digest) {
                Ordering::Less => one = left.same()?,
                Ordering::Greater => other = right.same()?,
                Ordering::Equal => {
                    let records = ours.records.iter().filter(|&&record| range.contains(&u64::from(record)));
                    for &record in records {
                        for &right in &theirs.records {
                            finds.push(FoundPair { left: record, right, what, distance: 0 })?;
                        }
                    }
                    (one, other) = (left.same()?, right.same()?);
                }
            }
        }
        Ok(())
    }

    /// PhotoDNA values within the threshold.
    fn near_values(&self, range: &Range<u64>, finds: &mut Finds) -> Result<(), Stop> {
        let places = places(&self.left.value_records, range);
        let values = &self.left.values[places.clone()];
        let CompareTools { pool, control, .. } = self.tools;
        let watch = SearchWatch {
            cancel: control.join.cancel_token(),
            done: &control.photodna,
            limit: finds.limit - finds.found.len(),
        };
        let pairs = pool.install(|| self.search.within(values, self.settings.photodna, &watch))?;
        finds.found.extend(pairs.iter().map(|pair| FoundPair {
            left: self.left.value_records[places.start + pair.left as usize],
            right: self.right.value_records[pair.right as usize],
            what: PHOTODNA,
            distance: pair.squared_distance,
        }));
        Ok(())
    }

    /// Hashes within the distance.
    fn near_hashes(&self, range: &Range<u64>, finds: &mut Finds) -> Result<(), Stop> {
        let places = places(&self.left.hash_records, range);
        let hashes = &self.left.hashes[places.clone()];
        if hashes.is_empty() || self.right.hashes.is_empty() {
            return Ok(());
        }
        let CompareTools { pool, backend, control } = self.tools;
        let join = pool.install(|| Join::new(hashes, &self.right.hashes, self.settings.join));
        let sink = |item: &ItemHits| {
            let left = self.left.hash_records[places.start + item.left as usize];
            item.hits.iter().try_for_each(|hit| {
                let right = self.right.hash_records[hit.right as usize];
                finds.push(FoundPair { left, right, what: PDQ, distance: hit.distance })
            })
        };
        match join.on(pool).with_backend(backend).run(&control.join, sink) {
            Ok(_) => Ok(()),
            Err(JoinError::Cancelled) => Err(Stop::Cancelled),
            Err(JoinError::Sink(stop)) => Err(stop),
        }
    }

    /// Merges the matches of two records into one pair and hands it out.
    fn hand_out<E>(
        &self,
        found: &[FoundPair],
        counts: &mut CompareCounts,
        sink: &mut dyn FnMut(&RecordPair) -> Result<(), E>,
    ) -> Result<(), CompareError<E>> {
        if self.tools.control.join.is_cancelled() {
            return Err(CompareError::Cancelled);
        }
        let mut pair = RecordPair::default();
        for &FoundPair { left, right, what, distance } in found {
            (pair.left, pair.right) = (left, right);
            match what {
                // The lowest `what` comes first.
                PHOTODNA => _ = pair.photodna.get_or_insert(distance),
                PDQ => _ = pair.pdq.get_or_insert(distance),
                digest => pair.equal[usize::from(digest)] = true,
            }
        }
        // Whether both records have a stronger digest than the strongest equal one.
        let strongest = pair.equal.iter().position(|&equal| equal).unwrap_or(0);
        let both = |kind: usize| self.left.has[kind].has(pair.left) && self.right.has[kind].has(pair.right);
        pair.conflict = (0..strongest).any(both);
        if pair.conflict {
            counts.conflicts += 1;
            counts.first_conflict.get_or_insert((pair.left, pair.right));
        }
        let Some((method, _)) = pair.strongest() else { return Ok(()) };
        counts.count(method, pair.left);
        sink(&pair).map_err(CompareError::Sink)
    }
}

/// The positions that a range of records has in a sorted list of record numbers.
fn places(records: &[u32], range: &Range<u64>) -> Range<usize> {
    let before = |end: u64| records.partition_point(|&record| u64::from(record) < end);
    before(range.start)..before(range.end)
}
