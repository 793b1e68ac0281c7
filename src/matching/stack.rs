//! Stacks: groups of hashes around a medoid, so that one picture represents many that look nearly the same.
//!
//! Joining all pairs within the radius into groups would fuse unrelated pictures: a chain of look-alikes can lead anywhere. So every stack has a *medoid*,
//! and all of its members are within the radius of that; no two of them differ in more than twice the radius. Medoids are chosen in turn: the hash with the
//! highest number of unstacked hashes within the radius, of several the one with the lowest sum of distances to them, then the lowest number. Its stack
//! takes all of these. A hash without unstacked neighbours is in no stack.
//!
//! How a hash is stacked only depends on the hashes that it is connected with through pairs within the radius. So later hashes leave every stack
//! unchanged that they are not connected with ([`stacks_with_more`]).
//!
//! Time: a self-join ([`super::join`]), then E log E for E pairs of distinct hashes, and the stacks' diameters
//! (`diameter`). Memory: 24 bytes per pair.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::backend::Backend;
use super::control::JoinControl;
use super::diameter::diameter;
use super::distinct::Distinct;
use super::join::{Join, JoinError};
use super::settings::JoinSettings;
use crate::pdq::PdqHash;

/// Bytes of a pair while stacks are computed.
const PAIR_BYTES: u64 = 24;
/// If more than one hash in so many must be stacked again, all are: finding the connected ones takes several
/// joins.
const MAX_ANEW: usize = 4;

/// A group of near hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Number of the hash that represents the others.
    pub medoid: u32,
    /// Numbers of all hashes of the stack and their distances from the medoid, which is one of them; by distance, then number.
    pub members: Vec<(u32, u32)>,
    /// The largest distance of any two members.
    pub diameter: u32,
}

/// Why there are no stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The join was cancelled.
    #[error("interrupted")]
    Cancelled,
    /// Nearly all hashes are near each other.
    #[error(
        "more than {0} pairs are within the distance: too many for the memory. Use a smaller --distance or a larger --max-memory"
    )]
    TooMany(u64),
}

/// The stacks of a list of hashes: the largest first, of equally large ones that with the lower medoid. The self-join runs on the GPU of
/// `backend`, where it has one; the stacks are the same.
///
/// # Errors
/// If there are too many pairs for [`JoinSettings::memory`], or the work is cancelled.
pub fn stacks(
    hashes: &[PdqHash],
    settings: JoinSettings,
    backend: &Backend,
    control: &JoinControl,
) -> Result<Vec<Stack>, StackError> {
    let distinct = Distinct::new(hashes);
    let neighbours = Neighbours::find(&distinct, settings, backend, control)?;
    let all: Vec<u32> = (0..distinct.hashes().len() as u32).collect();
    let mut stacks = neighbours.stacks(&all, &distinct, settings, control)?;
    sort(&mut stacks);
    Ok(stacks)
}

/// The [`stacks`] of a list of which all but `more` (numbers in it) were stacked before, with the result `before`. Only hashes connected with
/// `more` are stacked again.
///
/// # Errors
/// As for [`stacks`]. The memory only covers pairs of what is stacked anew.
pub fn stacks_with_more(
    hashes: &[PdqHash],
    more: &[u32],
    before: Vec<Stack>,
    settings: JoinSettings,
    backend: &Backend,
    control: &JoinControl,
) -> Result<Vec<Stack>, StackError> {
    let distinct = Distinct::new(hashes);
    let Some((neighbours, connected)) =
        Neighbours::connected_with(more, &distinct, settings, backend, control)?
    else {
        return stacks(hashes, settings, backend, control);
    };
    let mut anew = vec![false; hashes.len()];
    for &member in connected.iter().flat_map(|&hash| distinct.members(hash)) {
        anew[member as usize] = true;
    }
    let mut stacks = neighbours.stacks(&connected, &distinct, settings, control)?;
    stacks.extend(before.into_iter().filter(|stack| !anew[stack.medoid as usize]));
    sort(&mut stacks);
    Ok(stacks)
}

/// The order of stacks.
fn sort(stacks: &mut [Stack]) {
    stacks.par_sort_unstable_by_key(|stack| (Reverse(stack.members.len()), stack.medoid));
}

/// The distinct hashes within the radius of each, both ways.
struct Neighbours {
    starts: Vec<usize>,
    /// (distinct hash, distance)
    near: Vec<(u32, u32)>,
}

/// Members of a stack as distinct hashes with their distances, the medoid first.
type Group = Vec<(u32, u32)>;

/// The rank of a hash as medoid, highest for the best: hashes that it would represent, sum of distances,
/// lowest number, distinct hash.
type Candidate = (u64, Reverse<u64>, Reverse<u32>, u32);

impl Neighbours {
    fn find(
        distinct: &Distinct,
        settings: JoinSettings,
        backend: &Backend,
        control: &JoinControl,
    ) -> Result<Self, StackError> {
        let mut pairs = Pairs::new(settings);
        let join = Join::with_itself(distinct.hashes(), pairs.settings).with_backend(backend);
        pairs.add(&join, control, |left, right| [Some((left, right)), Some((right, left))])?;
        Ok(Self::new(distinct, pairs.pairs))
    }

    /// The neighbours of all hashes that are connected with one of the numbers `more`, and these hashes, ascending. `None` if there are so many
    /// that stacking all is faster.
    fn connected_with(
        more: &[u32],
        distinct: &Distinct,
        settings: JoinSettings,
        backend: &Backend,
        control: &JoinControl,
    ) -> Result<Option<(Self, Vec<u32>)>, StackError> {
        let hashes = distinct.hashes();
        let mut is_new = vec![false; distinct.count()];
        more.iter().for_each(|&number| is_new[number as usize] = true);
        let has_new = |&hash: &u32| distinct.members(hash).iter().any(|&member| is_new[member as usize]);
        let mut pairs = Pairs::new(settings);
        let mut reached = vec![false; hashes.len()];
        let mut connected: Vec<u32> = Vec::new();
        let mut next: Vec<u32> = (0..hashes.len() as u32).filter(has_new).collect();
        while !next.is_empty() {
            next.iter().for_each(|&hash| reached[hash as usize] = true);
            connected.extend(&next);
            if connected.len() > hashes.len() / MAX_ANEW {
                return Ok(None);
            }
            let left: Vec<PdqHash> = next.iter().map(|&hash| hashes[hash as usize]).collect();
            let join = Join::new(&left, hashes, pairs.settings).with_backend(backend);
            let before = pairs.pairs.len();
            pairs.add(&join, control, |left, right| {
                let left = next[left as usize];
                [(left != right).then_some((left, right)), None]
            })?;
            let found = pairs.pairs[before..].iter().map(|&(_, right, _)| right);
            next = found.filter(|&right| !std::mem::replace(&mut reached[right as usize], true)).collect();
            next.sort_unstable();
        }
        connected.sort_unstable();
        Ok(Some((Self::new(distinct, pairs.pairs), connected)))
    }

    /// From unsorted pairs.
    fn new(distinct: &Distinct, mut pairs: Vec<(u32, u32, u32)>) -> Self {
        pairs.par_sort_unstable();
        let mut starts = vec![0; distinct.hashes().len() + 1];
        pairs.iter().for_each(|pair| starts[pair.0 as usize + 1] += 1);
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        Self { starts, near: pairs.into_par_iter().map(|(_, other, distance)| (other, distance)).collect() }
    }

    /// The stacks, in no order, of these hashes, which are ascending and near to no others.
    fn stacks(
        &self,
        hashes: &[u32],
        distinct: &Distinct,
        settings: JoinSettings,
        control: &JoinControl,
    ) -> Result<Vec<Stack>, StackError> {
        let groups = self.groups(hashes, distinct, control)?;
        let stack = |group: Group| stack(distinct, &group, settings, control);
        groups.into_par_iter().map(stack).collect()
    }

    fn of(&self, hash: u32) -> &[(u32, u32)] {
        &self.near[self.starts[hash as usize]..self.starts[hash as usize + 1]]
    }

    /// Chooses medoids in turn. The rank of a hash only ever falls, so a candidate whose rank has fallen since it was
    /// queued is queued again with its current rank. Most are in a stack before their turn and never are, so the first
    /// ranks are sorted, on all threads, and only those that fell are in a heap.
    fn groups(
        &self,
        hashes: &[u32],
        distinct: &Distinct,
        control: &JoinControl,
    ) -> Result<Vec<Group>, StackError> {
        let count = distinct.hashes().len() as u32;
        let weight = |hash: u32| distinct.members(hash).len() as u64;
        let (mut size, mut sum): (Vec<u64>, Vec<u64>) = (0..count)
            .into_par_iter()
            .map(|hash| {
                let near = self.of(hash).iter();
                near.fold((weight(hash), 0), |(size, sum), &(other, distance)| {
                    (size + weight(other), sum + u64::from(distance) * weight(other))
                })
            })
            .unzip();
        let candidate = |hash: u32, size: &[u64], sum: &[u64]| -> Candidate {
            (size[hash as usize], Reverse(sum[hash as usize]), Reverse(distinct.members(hash)[0]), hash)
        };
        let together = |best: &Candidate| best.0 >= 2;
        let mut first: Vec<Candidate> =
            hashes.par_iter().map(|&hash| candidate(hash, &size, &sum)).filter(together).collect();
        first.par_sort_unstable();
        let mut fallen: BinaryHeap<Candidate> = BinaryHeap::new();
        let mut placed = vec![false; count as usize];
        let mut groups = Vec::new();
        while let Some(best) = if fallen.peek() > first.last() { fallen.pop() } else { first.pop() } {
            if control.is_cancelled() {
                return Err(StackError::Cancelled);
            }
            let medoid = best.3;
            if placed[medoid as usize] {
                continue;
            }
            let now = candidate(medoid, &size, &sum);
            if now != best {
                fallen.extend(Some(now).filter(together));
                continue;
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
        Ok(groups)
    }
}

/// Collects the pairs of distinct hashes that joins find, as far as memory allows.
struct Pairs {
    settings: JoinSettings,
    /// (hash, other hash, distance), each pair in both directions once its other hash is searched as well.
    pairs: Vec<(u32, u32, u32)>,
}

impl Pairs {
    fn new(settings: JoinSettings) -> Self {
        Self { settings: JoinSettings { max_hits: None, ..settings }, pairs: Vec::new() }
    }

    /// Adds the pairs that `join` finds, in both directions with `both_ways`.
    fn add(
        &mut self,
        join: &Join<'_>,
        control: &JoinControl,
        both_ways: impl Fn(u32, u32) -> [Option<(u32, u32)>; 2],
    ) -> Result<(), StackError> {
        let limit = self.settings.memory / PAIR_BYTES;
        let pairs = &mut self.pairs;
        let joined = join.run(control, |item| {
            for hit in &item.hits {
                let found = both_ways(item.left, hit.right).into_iter().flatten();
                pairs.extend(found.map(|(left, right)| (left, right, hit.distance)));
            }
            if pairs.len() as u64 > limit { Err(StackError::TooMany(limit / 2)) } else { Ok(()) }
        });
        match joined {
            Ok(_) => Ok(()),
            Err(JoinError::Cancelled) => Err(StackError::Cancelled),
            Err(JoinError::Sink(error)) => Err(error),
        }
    }
}

fn stack(
    distinct: &Distinct,
    group: &[(u32, u32)],
    settings: JoinSettings,
    control: &JoinControl,
) -> Result<Stack, StackError> {
    let mut members: Vec<(u32, u32)> = group
        .iter()
        .flat_map(|&(hash, distance)| distinct.members(hash).iter().map(move |&member| (member, distance)))
        .collect();
    members.sort_unstable_by_key(|&(member, distance)| (distance, member));
    let hashes: Vec<PdqHash> = group.iter().map(|&(hash, _)| distinct.hashes()[hash as usize]).collect();
    let diameter = diameter(&hashes, settings.instructions, control).ok_or(StackError::Cancelled)?;
    Ok(Stack { medoid: members.first().map_or(0, |member| member.0), members, diameter })
}

/// [`stacks`] of a small list, without limits.
#[must_use]
pub fn stacks_within(hashes: &[PdqHash], radius: u32) -> Vec<Stack> {
    let settings = JoinSettings { radius, memory: u64::MAX / 2, ..JoinSettings::default() };
    // It is not cancelled, and there is enough memory.
    stacks(hashes, settings, &Backend::cpu("asked for"), &JoinControl::default()).unwrap_or_default()
}
