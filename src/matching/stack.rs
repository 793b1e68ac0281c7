//! Stacks: groups of codes around a medoid, so that one picture stands for many that look nearly the same.
//!
//! Joining all pairs within the radius into groups would fuse unrelated pictures: a chain of look-alikes, each near to the next, leads anywhere. So
//! every stack has a *medoid*, and all of its members are within the radius of that; no two of them differ in more than twice the radius. Medoids are taken
//! in turn: the code with the most others within the radius that are in no stack yet, of several the one with the
//! least sum of distances to them, then the lowest number. It takes all of those. What is near to nothing that is left is in no stack.
//!
//! Time: a self-join ([`super::join`]), then E log E for E pairs of distinct codes; and k² for the diameter of a stack of k
//! distinct codes, at some 10⁹ distances a second. Memory: 24 bytes a pair.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::backend::Backend;
use super::control::JoinControl;
use super::distinct::Distinct;
use super::join::{Join, JoinError, JoinSettings};
use crate::pdq::Code;

/// Bytes that a pair takes while stacks are made.
const PAIR_BYTES: u64 = 24;

/// A group of near codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Number of the code that stands for the others.
    pub medoid: u32,
    /// Numbers of all codes of the stack and their distances from the medoid, which is one of them; by distance, then number.
    pub members: Vec<(u32, u32)>,
    /// The largest distance of any two members.
    pub diameter: u32,
}

/// Why there are no stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// The join was cancelled.
    #[error("interrupted")]
    Cancelled,
    /// Nearly everything is near to nearly everything else.
    #[error(
        "more than {0} pairs are within the distance: too many for the memory. Take a smaller --distance or a larger --max-memory"
    )]
    TooMany(u64),
}

/// The stacks of a list of codes: the largest first, of equally large ones that with the lower medoid. The self-join runs on the GPU of
/// `backend`, where it has one; the stacks are the same.
///
/// # Errors
/// Too many pairs for [`JoinSettings::memory`], and being cancelled.
pub fn stacks(
    codes: &[Code],
    settings: JoinSettings,
    backend: &Backend,
    control: &JoinControl,
) -> Result<Vec<Stack>, StackError> {
    let distinct = Distinct::new(codes);
    let neighbours = Neighbours::find(&distinct, settings, backend, control)?;
    let mut stacks: Vec<Stack> =
        neighbours.groups(&distinct).into_iter().map(|group| stack(&distinct, &group, settings)).collect();
    stacks.sort_unstable_by_key(|stack| (Reverse(stack.members.len()), stack.medoid));
    Ok(stacks)
}

/// The distinct codes within the radius of each, both ways.
struct Neighbours {
    starts: Vec<usize>,
    /// (distinct code, distance)
    near: Vec<(u32, u32)>,
}

/// Members of a stack as distinct codes with their distances, the medoid first.
type Group = Vec<(u32, u32)>;

/// How good a medoid a code is, the best greatest: codes that it would stand for, sum of distances, lowest number, distinct code.
type Candidate = (u64, Reverse<u64>, Reverse<u32>, u32);

impl Neighbours {
    fn find(
        distinct: &Distinct,
        settings: JoinSettings,
        backend: &Backend,
        control: &JoinControl,
    ) -> Result<Self, StackError> {
        let most = settings.memory / PAIR_BYTES;
        let mut pairs: Vec<(u32, u32, u32)> = Vec::new();
        let settings = JoinSettings { most_hits: None, ..settings };
        let join = Join::with_itself(distinct.codes(), settings).with_backend(backend);
        let joined = join.run(control, |item| {
            for hit in &item.hits {
                pairs.push((item.left, hit.right, hit.distance));
                pairs.push((hit.right, item.left, hit.distance));
            }
            if pairs.len() as u64 > most { Err(StackError::TooMany(most / 2)) } else { Ok(()) }
        });
        joined.map_err(|error| match error {
            JoinError::Cancelled => StackError::Cancelled,
            JoinError::Sink(error) => error,
        })?;
        pairs.sort_unstable();
        let count = distinct.codes().len();
        let starts = (0..=count).map(|code| pairs.partition_point(|pair| (pair.0 as usize) < code)).collect();
        Ok(Self { starts, near: pairs.into_iter().map(|(_, other, distance)| (other, distance)).collect() })
    }

    fn of(&self, code: u32) -> &[(u32, u32)] {
        &self.near[self.starts[code as usize]..self.starts[code as usize + 1]]
    }

    /// Takes medoids in turn. What a code would stand for only ever becomes less, so that a candidate that has become worse
    /// since it was queued is queued again as what it is now.
    fn groups(&self, distinct: &Distinct) -> Vec<Group> {
        let count = distinct.codes().len() as u32;
        let weight = |code: u32| distinct.members(code).len() as u64;
        let mut size: Vec<u64> = Vec::with_capacity(count as usize);
        let mut sum: Vec<u64> = Vec::with_capacity(count as usize);
        for code in 0..count {
            let near = self.of(code);
            size.push(weight(code) + near.iter().map(|&(other, _)| weight(other)).sum::<u64>());
            sum.push(near.iter().map(|&(other, distance)| u64::from(distance) * weight(other)).sum());
        }
        let candidate = |code: u32, size: &[u64], sum: &[u64]| -> Candidate {
            (size[code as usize], Reverse(sum[code as usize]), Reverse(distinct.members(code)[0]), code)
        };
        let mut queue: BinaryHeap<Candidate> = (0..count).map(|code| candidate(code, &size, &sum)).collect();
        let mut placed = vec![false; count as usize];
        let mut groups = Vec::new();
        while let Some(best) = queue.pop() {
            let medoid = best.3;
            let now = candidate(medoid, &size, &sum);
            if placed[medoid as usize] {
                continue;
            }
            if now != best {
                queue.push(now);
                continue;
            }
            if best.0 < 2 {
                break;
            }
            let free = self.of(medoid).iter().filter(|(other, _)| !placed[*other as usize]);
            let group: Group = [(medoid, 0)].into_iter().chain(free.copied()).collect();
            for &(member, _) in &group {
                placed[member as usize] = true;
                for &(other, distance) in self.of(member) {
                    size[other as usize] -= weight(member);
                    sum[other as usize] -= u64::from(distance) * weight(member);
                }
            }
            groups.push(group);
        }
        groups
    }
}

fn stack(distinct: &Distinct, group: &[(u32, u32)], settings: JoinSettings) -> Stack {
    let mut members: Vec<(u32, u32)> = group
        .iter()
        .flat_map(|&(code, distance)| distinct.members(code).iter().map(move |&member| (member, distance)))
        .collect();
    members.sort_unstable_by_key(|&(member, distance)| (distance, member));
    let codes: Vec<Code> = group.iter().map(|&(code, _)| distinct.codes()[code as usize]).collect();
    let mut distances = Vec::new();
    let mut diameter = 0;
    for (index, code) in codes.iter().enumerate() {
        settings.instructions.distances(*code, &codes[index + 1..], &mut distances);
        diameter = diameter.max(distances.iter().copied().max().unwrap_or(0));
    }
    Stack { medoid: members.first().map_or(0, |member| member.0), members, diameter: u32::from(diameter) }
}

/// [`stacks`] of a small list, without limits.
#[must_use]
pub fn stacks_within(codes: &[Code], radius: u32) -> Vec<Stack> {
    let settings = JoinSettings { radius, memory: u64::MAX / 2, ..JoinSettings::default() };
    // Nobody cancels it, and there is memory.
    stacks(codes, settings, &Backend::cpu("asked for"), &JoinControl::default()).unwrap_or_default()
}
