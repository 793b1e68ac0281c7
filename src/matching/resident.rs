//! Resident hashes of a hash set: batch after batch of pictures is joined with them.
//!
//! As in every join, equal hashes are one, so hits refer to distinct hashes. These are numbered by first occurrence, so that of equally near
//! ones the first are kept.

use std::collections::HashMap;

use super::backend::Backend;
use super::control::JoinControl;
use super::direction::RightSide;
use super::distinct::Distinct;
use super::hits::ItemHits;
use super::join::{Join, JoinError, JoinReport};
use super::planner::JoinMethod;
use super::settings::JoinSettings;
use crate::pdq::PdqHash;

/// Distinct hashes of a list, resident in memory and on the GPU where there is one.
#[derive(Debug)]
pub struct ResidentHashes {
    side: RightSide<'static>,
    /// The first position of each hash in the list.
    firsts: Vec<u32>,
    /// All positions of the hashes that occur more than once.
    repeated: HashMap<u32, Box<[u32]>>,
}

impl ResidentHashes {
    /// Makes hashes resident, for joins within at most `radius`; on the CPU large lists also in bands, if these take no more
    /// than `memory` bytes.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 hashes.
    #[must_use]
    pub fn new(backend: &Backend, hashes: &[PdqHash], radius: u32, memory: u64) -> Self {
        let distinct = Distinct::new(hashes);
        let count = distinct.hashes().len() as u32;
        // The distinct hash whose first occurrence is at each position.
        let mut first_at = vec![None; hashes.len()];
        for hash in 0..count {
            first_at[distinct.members(hash)[0] as usize] = Some(hash);
        }
        let order: Vec<u32> = first_at.into_iter().flatten().collect();
        let firsts = order.iter().map(|&hash| distinct.members(hash)[0]).collect();
        let repeated = (0..)
            .zip(order.iter().map(|&hash| distinct.members(hash)))
            .filter(|(_, places)| places.len() > 1)
            .map(|(number, places)| (number, places.into()))
            .collect();
        let hashes: Vec<PdqHash> = order.iter().map(|&hash| distinct.hashes()[hash as usize]).collect();
        drop(distinct);
        let haystack = backend.banded_haystack(&hashes, radius, memory);
        Self { side: RightSide::resident(hashes, haystack), firsts, repeated }
    }

    /// The positions of distinct hash `number` in the list, ascending.
    ///
    /// # Panics
    /// If there is no hash with this number.
    #[must_use]
    pub fn places(&self, number: u32) -> &[u32] {
        match self.repeated.get(&number) {
            Some(places) => places,
            None => std::slice::from_ref(&self.firsts[number as usize]),
        }
    }

    /// The numbers of hashes that occur more than once, and their positions in the list.
    pub fn repeated(&self) -> impl Iterator<Item = (u32, &[u32])> {
        self.repeated.iter().map(|(&number, places)| (number, &**places))
    }

    /// Bytes of its bands once they exist; 0 if it never has any.
    #[must_use]
    pub fn banded_bytes(&self) -> u64 {
        self.side.banded_bytes()
    }

    /// Hands every item that is near to a hash in any orientation to `sink`, in order; its hits name distinct hashes by number. It runs on
    /// the threads of the current rayon pool, and pairs use as much memory as `settings` allows.
    ///
    /// # Errors
    /// If the sink fails, which ends the join.
    pub fn join<E>(
        &self,
        items: &[[PdqHash; 8]],
        settings: JoinSettings,
        sink: impl FnMut(&ItemHits) -> Result<(), E>,
    ) -> Result<JoinReport, JoinError<E>> {
        if self.firsts.is_empty() {
            return Ok(JoinReport { items: items.len() as u64, ..JoinReport::default() });
        }
        // Whether bands are worth it was decided when the hashes became resident.
        let settings = JoinSettings { method: JoinMethod::Flat, ..settings };
        Join::with_resident(items, &self.side, settings).run(&JoinControl::default(), sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::flat::FlatIndex;
    use crate::matching::minimum_over_orientations;
    use rand::prelude::*;
    use std::convert::Infallible;

    /// Hashes in `clusters` of near ones, some of them equal.
    fn hashes(seed: u64, count: usize, clusters: usize) -> Vec<PdqHash> {
        let mut random = StdRng::seed_from_u64(seed);
        let centres: Vec<[u64; 4]> = (0..clusters).map(|_| random.random()).collect();
        (0..count)
            .map(|_| {
                let mut hash = centres[random.random_range(0..clusters)];
                for _ in 0..random.random_range(0..12) {
                    hash[random.random_range(0..4)] ^= 1 << random.random_range(0..64);
                }
                PdqHash(hash)
            })
            .collect()
    }

    fn joined(resident: &ResidentHashes, items: &[[PdqHash; 8]], settings: JoinSettings) -> Vec<ItemHits> {
        let mut all = Vec::new();
        let sink = |hits: &ItemHits| {
            all.push(hits.clone());
            Ok::<(), Infallible>(())
        };
        resident.join(items, settings, sink).unwrap();
        all
    }

    #[test]
    fn hits_are_those_of_the_flat_search_whatever_the_memory() {
        let backend = Backend::cpu("test");
        let known = hashes(1, 3000, 40);
        let items: Vec<[PdqHash; 8]> =
            hashes(1, 320, 40).chunks(8).map(|hashes| hashes.try_into().unwrap()).collect();
        let queries: Vec<PdqHash> = items.as_flattened().to_vec();
        let mut expected: Vec<(u32, u32, u32)> =
            minimum_over_orientations(&FlatIndex::new(&known).search(&queries, 20))
                .into_iter()
                .map(|pair| (pair.item, pair.haystack, pair.distance))
                .collect();
        expected.sort_unstable();
        assert!(expected.len() > 3000);
        let resident = ResidentHashes::new(&backend, &known, 20, 0);
        assert!(resident.repeated().count() > 10);
        for memory in [1 << 30, 10_000, 0] {
            let settings = JoinSettings { radius: 20, memory, ..JoinSettings::default() };
            let mut found: Vec<(u32, u32, u32)> = joined(&resident, &items, settings)
                .iter()
                .flat_map(|item| item.hits.iter().map(move |hit| (item.left, hit)))
                .flat_map(|(item, hit)| {
                    resident.places(hit.right).iter().map(move |&at| (item, at, hit.distance))
                })
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{memory} bytes");
        }
    }

    #[test]
    fn of_too_many_hits_the_nearest_are_listed_and_the_others_counted() {
        let backend = Backend::cpu("test");
        let known = hashes(2, 2000, 1);
        let items: Vec<[PdqHash; 8]> =
            hashes(2, 80, 1).chunks(8).map(|hashes| hashes.try_into().unwrap()).collect();
        let resident = ResidentHashes::new(&backend, &known, 31, 0);
        let all = joined(&resident, &items, JoinSettings::default());
        for memory in [1 << 30, 0] {
            let settings = JoinSettings { max_hits: Some(7), memory, ..JoinSettings::default() };
            let few = joined(&resident, &items, settings);
            assert_eq!(few.len(), all.len());
            for (few, all) in few.iter().zip(&all) {
                let mut nearest = all.hits.clone();
                nearest.sort_unstable_by_key(|hit| (hit.distance, resident.places(hit.right)[0]));
                nearest.truncate(7);
                nearest.sort_unstable();
                assert_eq!((&few.hits, few.more), (&nearest, all.hits.len() as u64 - 7));
            }
        }
    }
}
