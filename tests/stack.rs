//! Stacks against a slow definition, and as the command makes them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use rand::prelude::*;
use tamis::matching::stack::{Stack, StackError, stacks, stacks_within};
use tamis::matching::{JoinControl, JoinSettings};
use tamis::pdq::Code;

/// The definition, word by word, over all codes and all pairs.
fn definition(codes: &[Code], radius: u32) -> Vec<Stack> {
    let mut free: Vec<usize> = (0..codes.len()).collect();
    let mut found = Vec::new();
    loop {
        let near = |code: usize| -> Vec<(u32, u32)> {
            let pairs = free.iter().map(|&other| (other as u32, codes[code].distance(codes[other])));
            pairs.filter(|(_, distance)| *distance <= radius).collect()
        };
        let quality = |code: usize| {
            let near = near(code);
            let sum: u32 = near.iter().map(|(_, distance)| distance).sum();
            (near.len(), std::cmp::Reverse(sum), std::cmp::Reverse(code))
        };
        let Some(medoid) = free.iter().copied().max_by_key(|&code| quality(code)) else { break };
        let mut members = near(medoid);
        if members.len() < 2 {
            break;
        }
        members.sort_unstable_by_key(|&(member, distance)| (distance, member));
        let codes_of = |members: &[(u32, u32)]| {
            members.iter().map(|&(member, _)| codes[member as usize]).collect::<Vec<_>>()
        };
        let all = codes_of(&members);
        let diameter = all.iter().flat_map(|one| all.iter().map(|other| one.distance(*other))).max().unwrap();
        free.retain(|&code| !members.iter().any(|&(member, _)| member as usize == code));
        found.push(Stack { medoid: medoid as u32, members, diameter });
    }
    found.sort_by_key(|stack| (std::cmp::Reverse(stack.members.len()), stack.medoid));
    found
}

#[test]
fn stacks_are_those_of_the_definition() {
    for (seed, count) in [(1, 0), (2, 1), (3, 2), (4, 150), (5, 400)] {
        let mut codes = support::clustered_codes(seed, count);
        codes.extend_from_within(..count / 4);
        for radius in [0, 10, 31, 50] {
            let expected = definition(&codes, radius);
            assert_eq!(stacks_within(&codes, radius), expected, "{seed} {radius}");
            if count >= 150 && radius >= 31 {
                assert!(expected.len() > 5 && expected[0].members.len() > 3);
                // The twin that must fail.
                assert_ne!(stacks_within(&codes, radius - 6), expected);
            }
        }
    }
}

/// Each is near to the next, and the ends are far from each other: they are not one stack.
#[test]
fn a_chain_is_not_one_stack() {
    let link = |number: u32| {
        let mut code = Code([5, 6, 7, 8]);
        (0..number * 25).for_each(|bit| code.0[(bit / 64) as usize] ^= 1 << (bit % 64));
        code
    };
    let chain: Vec<Code> = (0..9).map(link).collect();
    let found = stacks_within(&chain, 31);
    assert!(found.iter().all(|stack| stack.diameter <= 62 && stack.members.len() <= 3), "{found:?}");
    assert_eq!(found.iter().map(|stack| stack.members.len()).sum::<usize>(), 9);
    assert_eq!(found, definition(&chain, 31));
}

/// 10⁵ equal codes are one stack at once; 5·10⁹ pairs would not be.
#[test]
fn equal_codes_are_one_stack() {
    let mut codes = vec![Code([1, 2, 3, 4]); 100_000];
    codes.push(Code([1, 2, 3, 5]));
    let found = stacks_within(&codes, 31);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].medoid, found[0].members.len(), found[0].diameter), (0, 100_001, 1));
    assert_eq!(found[0].members[100_000], (100_000, 1));
}

#[test]
fn crowds_are_refused_and_a_cancelled_run_has_none() {
    let mut random = StdRng::seed_from_u64(1);
    let codes: Vec<Code> = (0..3000)
        .map(|_| Code([1 << random.random_range(0..64), random.random::<u64>() & 7, 0, 0]))
        .collect();
    let settings = JoinSettings { memory: 1 << 16, ..JoinSettings::default() };
    let refused = stacks(&codes, settings, &JoinControl::default());
    assert!(matches!(refused, Err(StackError::TooMany(_))), "{refused:?}");
    let control = JoinControl::default();
    control.cancel();
    assert_eq!(stacks(&codes, JoinSettings::default(), &control), Err(StackError::Cancelled));
}
