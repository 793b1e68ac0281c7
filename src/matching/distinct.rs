//! Equal codes collapsed to one with a multiplicity: what is joined are distinct codes, and what is reported are all.

use std::ops::Range;

use rayon::prelude::*;

use crate::pdq::Code;

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
        let mut distinct =
            Self { codes: Vec::new(), starts: Vec::new(), members: Vec::with_capacity(order.len()) };
        for (place, &(_, number)) in order.iter().enumerate() {
            let code = codes[number as usize];
            if distinct.codes.last() != Some(&code) {
                distinct.codes.push(code);
                distinct.starts.push(place as u32);
            }
            distinct.members.push(number);
        }
        distinct.starts.push(order.len() as u32);
        distinct
    }

    /// The distinct codes, ascending by their first word.
    pub fn codes(&self) -> &[Code] {
        &self.codes
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
        for count in [0, 1, 2, 29, 30, 1000] {
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
