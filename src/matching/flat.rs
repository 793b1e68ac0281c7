//! Flat range search on CPU vectors: every needle against every code. The CPU twin of
//! `shaders/flat.wgsl`.
//!
//! The haystack is cut into blocks that stay in the second-level cache while the needles pass over
//! them ([`super::popcount`] does that), and both sides are cut into jobs for the threads. Hits are
//! collected per job and sorted at the end, so neither the cuts nor the threads show in the result.

use rayon::prelude::*;

use super::Pair;
use super::allowance::{Allowance, Stop};
use super::popcount::{InstructionSet, Planes, STRIPE, Scan};
use crate::pdq::Code;

/// Stripes of one block: 4,096 codes, of which the first test reads 64 KiB.
const BLOCK_STRIPES: usize = 64;
/// Needles of one job at most: 128 KiB of codes, which leave the cache to the block.
const JOB_NEEDLES: usize = 4096;
/// Pairs of one job at most: some 0.1 s, so that the threads finish together.
const JOB_PAIRS: usize = 1 << 29;
/// Jobs wanted per thread where the search is big enough.
const JOBS_PER_THREAD: usize = 4;

/// Codes in planes (structure of arrays), ready to be searched. Takes 32 bytes a code.
#[derive(Debug, Clone)]
pub struct FlatIndex {
    planes: Planes,
}

/// A part of a search for one thread.
#[derive(Clone, Copy, Debug)]
struct Job {
    first_needle: usize,
    needles: usize,
    first_stripe: usize,
    stripes: usize,
}

impl FlatIndex {
    /// Lays out `codes`; the position in the slice is the index in pairs.
    ///
    /// # Panics
    /// More than 2³² − 1 codes (128 GiB), which the indices of a [`Pair`] cannot name.
    #[must_use]
    pub fn new(codes: &[Code]) -> Self {
        assert!(u32::try_from(codes.len()).is_ok(), "a haystack holds fewer than 2^32 codes");
        Self { planes: Planes::new(codes) }
    }

    /// Number of codes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.planes.len()
    }

    /// Whether there are no codes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The codes, in order.
    pub(super) fn codes(&self) -> Vec<Code> {
        (0..self.len()).map(|index| self.planes.code(index)).collect()
    }

    /// Every pair within `radius` (inclusive, 0…256), sorted by (needle, haystack), on the threads
    /// of the current rayon pool. Takes 12 bytes a hit, twice that while they are put together.
    ///
    /// # Panics
    /// More than 2³² − 1 needles.
    #[must_use]
    pub fn search(&self, needles: &[Code], radius: u32) -> Vec<Pair> {
        self.search_with(InstructionSet::best(), needles, radius)
    }

    /// [`FlatIndex::search`] on given instructions; [`InstructionSet::Portable`] where this machine
    /// lacks them.
    ///
    /// # Panics
    /// More than 2³² − 1 needles.
    #[must_use]
    pub fn search_with(&self, instructions: InstructionSet, needles: &[Code], radius: u32) -> Vec<Pair> {
        let everything = Allowance::everything();
        // Nothing ends it early.
        let mut hits = self.search_within(instructions, needles, radius, &everything).unwrap_or_default();
        hits.par_sort_unstable();
        hits
    }

    /// [`FlatIndex::search_with`] as far as `allowance` goes, in no particular order.
    pub(super) fn search_within(
        &self,
        instructions: InstructionSet,
        needles: &[Code],
        radius: u32,
        allowance: &Allowance,
    ) -> Result<Vec<Pair>, Stop> {
        assert!(u32::try_from(needles.len()).is_ok(), "a search has fewer than 2^32 needles");
        let jobs = cut(needles.len(), self.planes.stripes(), rayon::current_num_threads());
        let found: Vec<Vec<Pair>> = jobs
            .into_par_iter()
            .map(|job| {
                let hits = self.run(instructions, needles, radius, job, allowance);
                allowance.did(job.needles as f64 * job.stripes as f64 / self.planes.stripes() as f64);
                hits
            })
            .collect::<Result<_, Stop>>()?;
        let mut hits = Vec::with_capacity(found.iter().map(Vec::len).sum());
        for part in found {
            hits.extend_from_slice(&part);
        }
        Ok(hits)
    }

    fn run(
        &self,
        instructions: InstructionSet,
        needles: &[Code],
        radius: u32,
        job: Job,
        allowance: &Allowance,
    ) -> Result<Vec<Pair>, Stop> {
        let mut hits = Vec::new();
        let end = job.first_stripe + job.stripes;
        for start in (job.first_stripe..end).step_by(BLOCK_STRIPES) {
            let scan = Scan {
                planes: &self.planes,
                stripes: start..end.min(start + BLOCK_STRIPES),
                needles: &needles[job.first_needle..job.first_needle + job.needles],
                first_needle: job.first_needle as u32,
                radius,
            };
            let before = hits.len();
            instructions.scan(&scan, &mut hits);
            allowance.count(hits.len() - before)?;
        }
        Ok(hits)
    }
}

/// Cuts a search into jobs: needles first, since a job that keeps the whole haystack reads it once
/// per [`JOB_NEEDLES`]; the haystack where there are too few needles to occupy the threads, or where
/// a job would take too long.
fn cut(needles: usize, stripes: usize, threads: usize) -> Vec<Job> {
    if needles == 0 || stripes == 0 {
        return Vec::new();
    }
    let needle_cuts = needles.div_ceil(JOB_NEEDLES);
    let job_needles = needles.div_ceil(needle_cuts);
    let wanted = (threads * JOBS_PER_THREAD).div_ceil(needle_cuts);
    let longest = (JOB_PAIRS / (job_needles * STRIPE)).max(BLOCK_STRIPES);
    // Never less than a block, under which starting a job would cost more than it does.
    let job_stripes = stripes.div_ceil(wanted).next_multiple_of(BLOCK_STRIPES).min(longest);
    (0..needles)
        .step_by(job_needles)
        .flat_map(|first_needle| {
            (0..stripes).step_by(job_stripes).map(move |first_stripe| Job {
                first_needle,
                needles: job_needles.min(needles - first_needle),
                first_stripe,
                stripes: job_stripes.min(stripes - first_stripe),
            })
        })
        .collect()
}
