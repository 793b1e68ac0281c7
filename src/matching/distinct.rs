//! Equal codes collapsed to one with a multiplicity: what is joined are distinct codes, and what is reported are all.

use std::ops::Range;

use rayon::prelude::*;

use crate::pdq::Code;

/// Places of the sorted order that one thread looks through at a time.
const PIECE: usize = 1 << 14;

/// The distinct codes of a list, and where in it they are. Takes 40 bytes a code.
#[derive(Clone, Debug)]
pub(super) struct Distinct {
    codes: Vec<Code>,
    /// Where the members of each distinct code begin, and behind the last where they end.
    starts: Vec<u32>,
    /// Numbers in the list, ascending for each code.
    members: Vec<u32>,
}

impl Distinct {
    /// # Panics
    /// More than 2³² − 1 codes.
    pub fn new(codes: &[Code]) -> Self {
        assert!(u32::try_from(codes.len()).is_ok(), "a list has fewer than 2^32 codes");
        // The number breaks ties, so that the order is one only.
        let mut order: Vec<(u64, u32)> =
            codes.par_iter().enumerate().map(|(number, code)| (code.0[0], number as u32)).collect();
        order.par_sort_unstable_by(|one, other| {
            let rest = |entry: &(u64, u32)| (codes[entry.1 as usize], entry.1);
            one.0.cmp(&other.0).then_with(|| rest(one).cmp(&rest(other)))
        });
        let first_of_its_kind = |place: usize| {
            let Some(before) = place.checked_sub(1) else { return true };
            let ((one, number), (other, last)) = (order[place], order[before]);
            one != other || codes[number as usize] != codes[last as usize]
        };
        // Piece by piece: how many distinct codes each has, then where they go.
        let pieces: Vec<Range<usize>> =
            (0..order.len()).step_by(PIECE).map(|start| start..order.len().min(start + PIECE)).collect();
        let counts: Vec<usize> = pieces
            .par_iter()
            .map(|piece| piece.clone().filter(|&place| first_of_its_kind(place)).count())
            .collect();
        let total = counts.iter().sum();
        let (mut distinct, mut starts) = (vec![Code([0; 4]); total], vec![0; total + 1]);
        starts[total] = order.len() as u32;
        let (mut distinct_left, mut starts_left) = (&mut distinct[..], &mut starts[..total]);
        let targets: Vec<_> = pieces
            .into_iter()
            .zip(counts)
            .map(|(piece, count)| {
                let codes = distinct_left.split_off_mut(..count).unwrap_or_default();
                let starts = starts_left.split_off_mut(..count).unwrap_or_default();
                (piece, codes.iter_mut().zip(starts))
            })
            .collect();
        targets.into_par_iter().for_each(|(piece, mut targets)| {
            for place in piece.filter(|&place| first_of_its_kind(place)) {
                if let Some((code, start)) = targets.next() {
                    (*code, *start) = (codes[order[place].1 as usize], place as u32);
                }
            }
        });
        let members = order.par_iter().map(|&(_, number)| number).collect();
        Self { codes: distinct, starts, members }
    }

    /// Codes of which no two are equal, in their order.
    ///
    /// # Panics
    /// More than 2³² − 1 codes.
    pub fn of_distinct(codes: Vec<Code>) -> Self {
        assert!(u32::try_from(codes.len()).is_ok(), "a list has fewer than 2^32 codes");
        let count = codes.len() as u32;
        Self { codes, starts: (0..=count).collect(), members: (0..count).collect() }
    }

    /// The distinct codes, ascending by their first word unless they came as such.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// Codes of the list.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// Numbers in the list of distinct code `index`, ascending.
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
    fn every_number_is_a_member_of_its_code() {
        let code = |number: u64| Code([number % 3, number % 2, 7, number % 5]);
        for count in [0, 1, 2, 29, 30, 1000, 3 * PIECE as u64 + 1] {
            let codes: Vec<Code> = (0..count).map(code).collect();
            let distinct = Distinct::new(&codes);
            assert_eq!(distinct.codes().len(), count.min(30) as usize);
            let mut seen = vec![false; codes.len()];
            for index in 0..distinct.codes().len() as u32 {
                let members = distinct.members(index);
                assert!(members.is_sorted());
                for &member in members {
                    assert_eq!(codes[member as usize], distinct.codes()[index as usize]);
                    assert!(!std::mem::replace(&mut seen[member as usize], true));
                }
            }
            assert!(seen.into_iter().all(|seen| seen));
        }
    }
}
