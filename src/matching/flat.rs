//! Flat range search on CPU vectors: every query against every hash. The CPU twin of
//! `shaders/flat.wgsl`.
//!
//! The haystack is cut into blocks that stay in the second-level cache while the queries pass over them
//! ([`super::popcount`] does that), and both sides are cut into jobs for the threads. Hits are collected per
//! job and sorted at the end, so the result depends on neither cuts nor threads.

use rayon::prelude::*;

use super::Pair;
use super::allowance::{Allowance, Stop};
use super::popcount::{InstructionSet, Planes, STRIPE, Scan};
use crate::pdq::PdqHash;

/// Stripes of one block: 4,096 hashes, of which the first test reads 64 KiB.
const BLOCK_STRIPES: usize = 64;
/// Maximum queries of one job: 128 KiB of hashes, which leaves the cache to the block.
const JOB_QUERIES: usize = 4096;
/// Maximum pairs of one job: some 0.1 s, so that the threads finish together.
const JOB_PAIRS: usize = 1 << 29;
/// Jobs wanted per thread where the search is big enough.
const JOBS_PER_THREAD: usize = 4;

/// Hashes in planes (structure of arrays), ready to be searched. Takes 32 bytes per hash.
#[derive(Debug, Clone)]
pub struct FlatIndex {
    planes: Planes,
}

/// A part of a search for one thread.
#[derive(Clone, Copy, Debug)]
struct Job {
    first_query: usize,
    queries: usize,
    first_stripe: usize,
    stripes: usize,
}

impl FlatIndex {
    /// Lays out `hashes`; the position in the slice is the index in pairs.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 hashes (128 GiB): the indices of a [`Pair`] have 32 bits.
    #[must_use]
    pub fn new(hashes: &[PdqHash]) -> Self {
        assert!(u32::try_from(hashes.len()).is_ok(), "a haystack holds fewer than 2^32 hashes");
        Self { planes: Planes::new(hashes) }
    }

    /// Number of hashes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.planes.len()
    }

    /// Whether there are no hashes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hashes, in order.
    pub(super) fn hashes(&self) -> Vec<PdqHash> {
        (0..self.len()).map(|index| self.planes.hash(index)).collect()
    }

    /// Every pair within `radius` (inclusive, 0…256), sorted by (query, haystack), on the threads
    /// of the current rayon pool. Takes 12 bytes per hit, twice that while they are put together.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 queries.
    #[must_use]
    pub fn search(&self, queries: &[PdqHash], radius: u32) -> Vec<Pair> {
        self.search_with(InstructionSet::best(), queries, radius)
    }

    /// [`FlatIndex::search`] on given instructions; [`InstructionSet::Portable`] where this machine
    /// lacks them.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 queries.
    #[must_use]
    pub fn search_with(&self, instructions: InstructionSet, queries: &[PdqHash], radius: u32) -> Vec<Pair> {
        let everything = Allowance::everything();
        // Nothing ends it early.
        let mut hits = self.search_within(instructions, queries, radius, &everything).unwrap_or_default();
        hits.par_sort_unstable();
        hits
    }

    /// [`FlatIndex::search_with`] within `allowance`, in no particular order.
    pub(super) fn search_within(
        &self,
        instructions: InstructionSet,
        queries: &[PdqHash],
        radius: u32,
        allowance: &Allowance,
    ) -> Result<Vec<Pair>, Stop> {
        assert!(u32::try_from(queries.len()).is_ok(), "a search has fewer than 2^32 queries");
        let jobs = cut(queries.len(), self.planes.stripes(), rayon::current_num_threads());
        let found: Vec<Vec<Pair>> = jobs
            .into_par_iter()
            .map(|job| {
                let hits = self.run(instructions, queries, radius, job, allowance);
                allowance.did(job.queries as f64 * job.stripes as f64 / self.planes.stripes() as f64);
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
        queries: &[PdqHash],
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
                queries: &queries[job.first_query..job.first_query + job.queries],
                first_query: job.first_query as u32,
                radius,
            };
            let before = hits.len();
            instructions.scan(&scan, &mut hits);
            allowance.count(hits.len() - before)?;
        }
        Ok(hits)
    }
}

/// Cuts a search into jobs: queries first, since a job that keeps the whole haystack reads it once
/// per [`JOB_QUERIES`]; the haystack where there are too few queries to occupy the threads, or where
/// a job would take too long.
fn cut(queries: usize, stripes: usize, threads: usize) -> Vec<Job> {
    if queries == 0 || stripes == 0 {
        return Vec::new();
    }
    let query_cuts = queries.div_ceil(JOB_QUERIES);
    let job_queries = queries.div_ceil(query_cuts);
    let wanted = (threads * JOBS_PER_THREAD).div_ceil(query_cuts);
    let longest = (JOB_PAIRS / (job_queries * STRIPE)).max(BLOCK_STRIPES);
    // At least a block: below that a job costs more to start than to run.
    let job_stripes = stripes.div_ceil(wanted).next_multiple_of(BLOCK_STRIPES).min(longest);
    (0..queries)
        .step_by(job_queries)
        .flat_map(|first_query| {
            (0..stripes).step_by(job_stripes).map(move |first_stripe| Job {
                first_query,
                queries: job_queries.min(queries - first_query),
                first_stripe,
                stripes: job_stripes.min(stripes - first_stripe),
            })
        })
        .collect()
}
