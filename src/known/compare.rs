//! Two set files side by side: the pairs of records that stand for the same material, or for nearly the same.
//!
//! Pairs come in the order of the left record, then of the right one. Records of the left side are taken in ranges, at first all of
//! them at once: a range that has more pairs than the memory allows is cut in two and begun again, so that nothing overflows,
//! and nothing of this shows in the result.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use super::photodna_search::{PhotoDnaSearch, SearchStop, SearchWatch};
use super::set_file::DigestTable;
use super::{KnownCounts, PhotoDna, SetError, SetFile};
use crate::matching::{Backend, ItemHits, Join, JoinControl, JoinError, JoinSettings, Threads};
use crate::pdq::PdqHash;
use crate::source::name::escape_path;

/// Memory that something found takes until it is handed out: itself, in a part and in the whole that grows.
const FOUND_BYTES: u64 = 48;
/// Digests between two looks at whether the work is to end.
const LOOK: usize = 1 << 16;

/// What two records are a pair by, the strongest first. Equal digests are the same bytes. PhotoDNA comes before PDQ because
/// its values are the publishers' own yardstick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Equal digests.
    Digest,
    /// PhotoDNA values within the threshold.
    PhotoDna,
    /// PDQ hashes within the distance.
    Pdq,
}

impl Way {
    /// All of them, the strongest first.
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

/// Two records that are a pair, by one way at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordPair {
    /// Record of the left set, from 0.
    pub left: u32,
    /// Record of the right set, from 0.
    pub right: u32,
    /// Whether the SHA-256s, the SHA-1s, the MD5s are equal.
    pub equal: [bool; 3],
    /// A weaker digest is equal, and a stronger one that both have is not: the records are no pair by their digests.
    pub conflict: bool,
    /// The square of the distance of their PhotoDNA values, where that is within the threshold.
    pub photodna: Option<u32>,
    /// The distance of their hashes, where that is within the distance asked for.
    pub pdq: Option<u32>,
}

/// Names of [`RecordPair::equal`], in its order.
pub const DIGESTS: [&str; 3] = ["sha256", "sha1", "md5"];

impl RecordPair {
    /// The strongest way, with its distance; `None` where digests are all there is, and they contradict each other.
    #[must_use]
    pub fn strongest(&self) -> Option<(Way, u32)> {
        let digest = (self.equal.contains(&true) && !self.conflict).then_some((Way::Digest, 0));
        digest
            .or(self.photodna.map(|distance| (Way::PhotoDna, distance)))
            .or(self.pdq.map(|distance| (Way::Pdq, distance)))
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
    /// How far it is, and whether it is to end.
    pub control: &'a CompareControl,
}

/// How far a comparison is, and whether it is to end early; shared with who watches it.
#[derive(Debug, Default)]
pub struct CompareControl {
    cancelled: AtomicBool,
    join: JoinControl,
    photodna: AtomicU64,
}

impl CompareControl {
    /// Ends the comparison soon, with [`CompareError::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
        self.join.cancel();
    }

    /// PhotoDNA values and hashes of the left side that are done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.photodna.load(Relaxed) + self.join.items() as u64
    }
}

/// Why sets were not compared, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum CompareError<E> {
    /// A set is damaged, or cannot be read.
    #[error(transparent)]
    Set(#[from] SetError),
    /// Their hashes cannot be compared.
    #[error("{0}")]
    Refused(String),
    /// [`CompareControl::cancel`] was called.
    #[error("interrupted: there is no whole result")]
    Cancelled,
    /// The sink failed.
    #[error("{0}")]
    Sink(E),
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompareCounts {
    /// Pairs by their strongest way, in the order of [`Way::ALL`].
    pub by_way: [u64; 3],
    /// Records of the left set that have a pair.
    pub left_records: u64,
    /// Two records whose weaker digests are equal and whose stronger ones are not.
    pub conflicts: u64,
    /// The first of those.
    pub first_conflict: Option<(u32, u32)>,
    last_left: Option<u32>,
}

impl CompareCounts {
    /// All pairs.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.by_way.iter().sum()
    }

    /// Pairs come by their left record, so a new one is another than the last.
    fn count(&mut self, way: Way, left: u32) {
        self.by_way[way as usize] += 1;
        self.left_records += u64::from(self.last_left != Some(left));
        self.last_left = Some(left);
    }
}

/// What of a set takes part.
#[derive(Debug)]
pub struct ComparedSet<'a> {
    set: &'a SetFile,
    hashes: Vec<PdqHash>,
    /// The record of each hash.
    hash_records: Vec<u32>,
    values: Vec<PhotoDna>,
    /// The record of each value.
    value_records: Vec<u32>,
    /// Hashes that take part and those set aside.
    pub counts: KnownCounts,
    /// PhotoDNA values set aside because they are all zero, which a picture without anything in it has.
    pub zero_values: u64,
    /// A bit a record: it has a SHA-256, a SHA-1.
    has: [Bits; 2],
}

impl<'a> ComparedSet<'a> {
    /// Checks the tables of a set, and takes its hashes and values into memory.
    ///
    /// # Errors
    /// The set is damaged, or `is_cancelled` ended the reading.
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

/// What was found of two records: places in [`DIGESTS`], or the ways after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    left: u32,
    right: u32,
    what: u8,
    distance: u32,
}

/// [`Found::what`] beyond the digests.
const PHOTODNA: u8 = DIGESTS.len() as u8;
const PDQ: u8 = PHOTODNA + 1;

/// Hands every pair to `sink`, in order, and counts.
///
/// # Errors
/// The sink's, sets whose hashes cannot be compared, a damaged set, or being cancelled.
pub fn compare<E>(
    left: &ComparedSet<'_>,
    right: &ComparedSet<'_>,
    settings: CompareSettings,
    tools: CompareTools<'_>,
    sink: &mut dyn FnMut(&RecordPair) -> Result<(), E>,
) -> Result<CompareCounts, CompareError<E>> {
    let geometries = [left, right].map(|side| side.set.manifest().geometry);
    if geometries[0] != geometries[1] && !left.hashes.is_empty() && !right.hashes.is_empty() {
        return Err(CompareError::Refused(format!(
            "the hashes of {} have the geometry {}, those of {} have {}: they cannot be compared. Import one of them again, from hashes of \
             the other geometry or from a source without any",
            escape_path(left.set.path()),
            geometries[0].name(),
            escape_path(right.set.path()),
            geometries[1].name()
        )));
    }
    // Half of the memory for the pairs of hashes within the join, and half for all that was found.
    let memory = settings.join.memory / 2;
    let settings = CompareSettings { join: JoinSettings { memory, ..settings.join }, ..settings };
    let search = tools.pool.install(|| PhotoDnaSearch::new(&right.values));
    let comparison = Comparison { left, right, settings, tools, search };
    let most = usize::try_from(memory / FOUND_BYTES).unwrap_or(usize::MAX);
    let mut counts = CompareCounts::default();
    // The next on top.
    let all = 0..left.set.records();
    let mut ranges = vec![all];
    while let Some(range) = ranges.pop() {
        // The pairs of one record are never more than the right side's.
        let single = range.end - range.start <= 1;
        match comparison.find(&range, if single { usize::MAX } else { most }) {
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

/// All that finding takes.
struct Comparison<'a> {
    left: &'a ComparedSet<'a>,
    right: &'a ComparedSet<'a>,
    settings: CompareSettings,
    tools: CompareTools<'a>,
    search: PhotoDnaSearch<'a>,
}

/// What was found in a range, and how much may be.
struct Finds {
    found: Vec<Found>,
    most: usize,
}

impl Finds {
    fn push(&mut self, found: Found) -> Result<(), Stop> {
        if self.found.len() >= self.most {
            return Err(Stop::TooMany);
        }
        self.found.push(found);
        Ok(())
    }
}

impl Comparison<'_> {
    /// All that some records of the left set have in common with those of the right one, in no particular order.
    fn find(&self, range: &Range<u64>, most: usize) -> Result<Vec<Found>, Stop> {
        let (left, right) = (self.left.set, self.right.set);
        let mut finds = Finds { found: Vec::new(), most };
        self.equal((left.sha256_table()?, right.sha256_table()?), 0, range, &mut finds)?;
        self.equal((left.sha1_table()?, right.sha1_table()?), 1, range, &mut finds)?;
        self.equal((left.md5_table()?, right.md5_table()?), 2, range, &mut finds)?;
        self.near_values(range, &mut finds)?;
        self.near_hashes(range, &mut finds)?;
        Ok(finds.found)
    }

    /// Equal digests: both tables are sorted, so they are walked side by side.
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
            if steps.is_multiple_of(LOOK) && self.tools.control.cancelled.load(Relaxed) {
                return Err(Stop::Cancelled);
            }
            match ours.digest.cmp(&theirs.digest) {
                Ordering::Less => one = left.same()?,
                Ordering::Greater => other = right.same()?,
                Ordering::Equal => {
                    let records = ours.records.iter().filter(|&&record| range.contains(&u64::from(record)));
                    for &record in records {
                        for &right in &theirs.records {
                            finds.push(Found { left: record, right, what, distance: 0 })?;
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
            cancelled: &control.cancelled,
            done: &control.photodna,
            most: finds.most - finds.found.len(),
        };
        let pairs = pool.install(|| self.search.within(values, self.settings.photodna, &watch))?;
        finds.found.extend(pairs.iter().map(|pair| Found {
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
                finds.push(Found { left, right, what: PDQ, distance: hit.distance })
            })
        };
        match join.on(pool).with_backend(backend).run(&control.join, sink) {
            Ok(_) => Ok(()),
            Err(JoinError::Cancelled) => Err(Stop::Cancelled),
            Err(JoinError::Sink(stop)) => Err(stop),
        }
    }

    /// Makes a pair of what was found of two records, and hands it out.
    fn hand_out<E>(
        &self,
        found: &[Found],
        counts: &mut CompareCounts,
        sink: &mut dyn FnMut(&RecordPair) -> Result<(), E>,
    ) -> Result<(), CompareError<E>> {
        if self.tools.control.cancelled.load(Relaxed) {
            return Err(CompareError::Cancelled);
        }
        let mut pair = RecordPair::default();
        for &Found { left, right, what, distance } in found {
            (pair.left, pair.right) = (left, right);
            match what {
                // They come with the least first.
                PHOTODNA => _ = pair.photodna.get_or_insert(distance),
                PDQ => _ = pair.pdq.get_or_insert(distance),
                digest => pair.equal[usize::from(digest)] = true,
            }
        }
        // Stronger ones than the strongest that are equal, which both have: of the MD5 the two others.
        let strongest = pair.equal.iter().position(|&equal| equal).unwrap_or(0);
        let both = |kind: usize| self.left.has[kind].has(pair.left) && self.right.has[kind].has(pair.right);
        pair.conflict = (0..strongest).any(both);
        if pair.conflict {
            counts.conflicts += 1;
            counts.first_conflict.get_or_insert((pair.left, pair.right));
        }
        let Some((way, _)) = pair.strongest() else { return Ok(()) };
        counts.count(way, pair.left);
        sink(&pair).map_err(CompareError::Sink)
    }
}

/// The places of a range of records among those that have something.
fn places(records: &[u32], range: &Range<u64>) -> Range<usize> {
    let before = |end: u64| records.partition_point(|&record| u64::from(record) < end);
    before(range.start)..before(range.end)
}
