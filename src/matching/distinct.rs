//! Equal hashes collapsed to one with their positions: distinct hashes are joined, all hashes are reported.

use std::ops::Range;

use rayon::prelude::*;

use crate::pdq::PdqHash;

/// Positions of the sorted order that a thread processes at a time.
const PIECE: usize = 1 << 14;

/// The distinct hashes of a list, and where in it they are. Takes 40 bytes per hash.
#[derive(Clone, Debug)]
pub(super) struct Distinct {
    hashes: Vec<PdqHash>,
    /// Where the members of each distinct hash begin, followed by the end of the last.
    starts: Vec<u32>,
    /// Numbers in the list, ascending for each hash.
    members: Vec<u32>,
}

impl Distinct {
    /// # Panics
    /// If there are more than 2³² − 1 hashes.
    pub fn new(hashes: &[PdqHash]) -> Self {
        assert!(u32::try_from(hashes.len()).is_ok(), "a list has fewer than 2^32 hashes");
        // The number breaks ties, so that the order is unique.
        let mut order: Vec<(u64, u32)> =
            hashes.par_iter().enumerate().map(|(number, hash)| (hash.0[0], number as u32)).collect();
        order.par_sort_unstable_by(|one, other| {
            let rest = |entry: &(u64, u32)| (hashes[entry.1 as usize], entry.1);
            one.0.cmp(&other.0).then_with(|| rest(one).cmp(&rest(other)))
        });
        let first_of_its_kind = |place: usize| {
            let Some(before) = place.checked_sub(1) else { return true };
            let ((one, number), (other, last)) = (order[place], order[before]);
            one != other || hashes[number as usize] != hashes[last as usize]
        };
        // Piece by piece: how many distinct hashes each has, then where they go.
        let pieces: Vec<Range<usize>> =
            (0..order.len()).step_by(PIECE).map(|start| start..order.len().min(start + PIECE)).collect();
        let counts: Vec<usize> = pieces
            .par_iter()
            .map(|piece| piece.clone().filter(|&place| first_of_its_kind(place)).count())
            .collect();
        let total = counts.iter().sum();
        let (mut distinct, mut starts) = (vec![PdqHash([0; 4]); total], vec![0; total + 1]);
        starts[total] = order.len() as u32;
        let (mut distinct_left, mut starts_left) = (&mut distinct[..], &mut starts[..total]);
        let targets: Vec<_> = pieces
            .into_iter()
            .zip(counts)
            .map(|(piece, count)| {
                let hashes = distinct_left.split_off_mut(..count).unwrap_or_default();
                let starts = starts_left.split_off_mut(..count).unwrap_or_default();
                (piece, hashes.iter_mut().zip(starts))
            })
            .collect();
        targets.into_par_iter().for_each(|(piece, mut targets)| {
            for place in piece.filter(|&place| first_of_its_kind(place)) {
                if let Some((hash, start)) = targets.next() {
                    (*hash, *start) = (hashes[order[place].1 as usize], place as u32);
                }
            }
        });
        let members = order.par_iter().map(|&(_, number)| number).collect();
        Self { hashes: distinct, starts, members }
    }

    /// Distinct hashes, in their order.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 hashes.
    pub fn of_distinct(hashes: Vec<PdqHash>) -> Self {
        assert!(u32::try_from(hashes.len()).is_ok(), "a list has fewer than 2^32 hashes");
        let count = hashes.len() as u32;
        Self { hashes, starts: (0..=count).collect(), members: (0..count).collect() }
    }

    /// The distinct hashes, ascending by their first word unless they were given as distinct.
    pub fn hashes(&self) -> &[PdqHash] {
        &self.hashes
    }

    /// Hashes of the list.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// Numbers in the list of distinct hash `index`, ascending.
    pub fn members(&self, index: u32) -> &[u32] {
        &self.members[self.range(index)]
    }

    fn range(&self, index: u32) -> Range<usize> {
        self.starts[index as usize] as usize..self.starts[index as usize + 1] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_member_of_its_hash() {
        let hash = |number: u64| PdqHash([number % 3, number % 2, 7, number % 5]);
        for count in [0, 1, 2, 29, 30, 1000, 3 * PIECE as u64 + 1] {
            let hashes: Vec<PdqHash> = (0..count).map(hash).collect();
            let distinct = Distinct::new(&hashes);
            assert_eq!(distinct.hashes().len(), count.min(30) as usize);
            let mut seen = vec![false; hashes.len()];
            for index in 0..distinct.hashes().len() as u32 {
                let members = distinct.members(index);
                assert!(members.is_sorted());
                for &member in members {
                    assert_eq!(hashes[member as usize], distinct.hashes()[index as usize]);
                    assert!(!std::mem::replace(&mut seen[member as usize], true));
                }
            }
            assert!(seen.into_iter().all(|seen| seen));
        }
    }
}
