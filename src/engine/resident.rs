//! The hash sets of a run, ready to be searched.

use std::collections::HashMap;
use std::sync::Arc;

use super::examine::Shares;
use super::settings::IngestSettings;
use super::{CancelToken, EngineError};
use crate::case::{
    CaseError, CaseStore, HashMatch, HitSettings, NearHash, RecordList, RecordSource, SetId, Unconfirmed,
};
use crate::decode::View;
use crate::known::{DigestMatch, HashSet, RecordDetails, SetFault};
use crate::matching::{Backend, DELTA, ItemHits, JoinSettings, ResidentHashes, VerifyMode};
use crate::pdq::{DihedralHashes, Orientation, PdqHash};
use crate::source::Digests;

/// The hash sets of a run, resident in memory (and on the GPU), with the settings of their matching.
#[derive(Debug)]
pub(super) struct ResidentSets<'a> {
    pub sets: Vec<ResidentSet<'a>>,
    pub distance: u32,
    pub min_quality: u8,
    pub verify: VerifyMode,
    /// Bytes for the pairs of a search.
    pub pair_memory: u64,
}

#[derive(Debug)]
pub(super) struct ResidentSet<'a> {
    pub id: SetId,
    set: &'a HashSet,
    hashes: ResidentHashes,
    /// The records of hashes that several have.
    lists: HashMap<u32, Arc<RecordList>>,
    pub max_hits: usize,
}

/// What a search may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes for pairs.
    pub pairs: u64,
    /// Hits that are listed of a batch, in one set.
    pub hits: usize,
}

/// Hashes of a set that are near to those of a batch.
#[derive(Debug, Default)]
pub(super) struct NearHashes {
    /// The nearest of each look.
    pub hashes: Vec<Near>,
    /// Looks that are near to more, and to how many more.
    pub more: Vec<(usize, u64)>,
}

/// A distinct hash of a set that is near to a look's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    look: u32,
    /// Its number among the set's distinct hashes.
    hash: u32,
    distance: u16,
    orientation: Orientation,
}

impl Near {
    /// The number that the look's hash was given with.
    pub const fn look(&self) -> usize {
        self.look as usize
    }

    /// The number of the set's hash.
    pub const fn number(&self) -> u32 {
        self.hash
    }

    /// What the nearest are by: distance, then the set's order.
    pub const fn order(&self) -> (u16, u32) {
        (self.distance, self.hash)
    }
}

impl NearHashes {
    /// Looks that are near to any.
    pub fn looks(&self) -> impl Iterator<Item = usize> {
        self.hashes.iter().map(Near::look)
    }
}

impl ResidentSet<'_> {
    /// Records with one of these digests.
    pub fn find_digests(&self, digests: &Digests) -> Vec<DigestMatch> {
        self.set.find_digests(digests)
    }

    /// Every distinct hash within `radius` of a hash in any of its eight orientations, once, at its least distance: the
    /// nearest of each subject that are listed, and how many more. `None` where there is not the room for those.
    pub fn near(&self, hashes: &[(usize, DihedralHashes)], radius: u32, room: Room) -> Option<NearHashes> {
        let mut found = NearHashes::default();
        if hashes.is_empty() {
            return Some(found);
        }
        let items: Vec<[PdqHash; 8]> = hashes.iter().map(|(_, hash)| hash.hashes).collect();
        let settings = JoinSettings {
            radius,
            max_hits: Some(self.max_hits),
            memory: room.pairs,
            ..JoinSettings::default()
        };
        let sink = |item: &ItemHits| {
            let (look, _) = hashes[item.left as usize];
            found.hashes.extend(item.hits.iter().map(|hit| Near {
                look: look as u32,
                hash: hit.right,
                distance: hit.distance as u16,
                orientation: hit.orientation,
            }));
            if item.more > 0 {
                found.more.push((look, item.more));
            }
            if found.hashes.len() > room.hits { Err(()) } else { Ok(()) }
        };
        self.hashes.join(&items, settings, sink).ok()?;
        Some(found)
    }

    /// A hash that is near as a hit.
    pub fn hash_match(&self, near: &Near, view: View, unconfirmed: Option<Unconfirmed>) -> HashMatch {
        let known = self.set.hashes()[self.hashes.places(near.hash)[0] as usize];
        HashMatch {
            record: known.record,
            list: self.lists.get(&near.hash).cloned(),
            near: NearHash {
                distance: near.distance,
                orientation: near.orientation,
                known_quality: known.quality,
                view,
            },
            unconfirmed,
        }
    }
}

impl<'a> ResidentSets<'a> {
    /// Registers the sets with the case and makes their hashes resident.
    ///
    /// # Errors
    /// The case refuses a set.
    pub fn load(
        store: &mut CaseStore,
        known: &'a [HashSet],
        backend: &Backend,
        settings: &IngestSettings,
    ) -> Result<(Self, Vec<String>), EngineError> {
        let hits = settings.hits();
        // All of them first: the hits of one whose settings changed are forgotten when it is registered.
        known.iter().try_for_each(|set| store.check_set(set))?;
        let mut sets = Vec::with_capacity(known.len());
        let mut notices = Vec::new();
        // Bands are kept in as much memory as files and pictures have, beside it.
        let mut memory = settings.run.max_memory;
        for set in known {
            let (id, forgotten) = store.hash_set(set, hits)?;
            if forgotten {
                notices.push(format!(
                    "hash set {}: the settings of its matching changed, so its hits are found anew",
                    set.name()
                ));
            }
            let hashes: Vec<PdqHash> = set.hashes().iter().map(|known| known.hash).collect();
            let hashes = ResidentHashes::new(backend, &hashes, hits.distance + DELTA, memory);
            memory -= hashes.banded_bytes();
            let records = |places: &[u32]| -> Vec<u32> {
                places.iter().map(|&place| set.hashes()[place as usize].record).collect()
            };
            let lists = hashes
                .repeated()
                .filter_map(|(hash, places)| Some((hash, Arc::new(RecordList::new(records(places))?))))
                .collect();
            sets.push(ResidentSet { id, set, hashes, lists, max_hits: hits.max_hits as usize });
        }
        let pair_memory = Shares::of(settings.run.max_memory).searching;
        let HitSettings { distance, min_quality, verify, .. } = hits;
        Ok((Self { sets, distance, min_quality, verify, pair_memory }, notices))
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

    /// Refuses to go on with a set whose file was written to since it was opened. To be asked before hits are stored and
    /// before anything is recorded as matched. Returns `false` where the run was cancelled before that was known: then nothing may be.
    ///
    /// # Errors
    /// There is such a set.
    pub fn check(&self, cancel: &CancelToken) -> Result<bool, EngineError> {
        for resident in &self.sets {
            match resident.set.check(&|| cancel.is_cancelled()) {
                Ok(()) => {}
                Err(SetFault::Unchecked) => return Ok(false),
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(true)
    }
}

impl RecordSource for ResidentSets<'_> {
    fn details(&self, set: SetId, record: u32) -> Result<RecordDetails, CaseError> {
        match self.sets.iter().find(|resident| resident.id == set) {
            Some(resident) => resident.set.details(record).map_err(CaseError::HashSet),
            None => Ok(RecordDetails::default()),
        }
    }
}
