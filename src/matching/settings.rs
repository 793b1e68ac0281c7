//! What a join is asked for.

use super::DEFAULT_DISTANCE;
use super::planner::JoinMethod;
use super::popcount::InstructionSet;

/// How hashes are joined.
#[derive(Clone, Copy, Debug)]
pub struct JoinSettings {
    /// Largest distance of a pair, 0…256.
    pub radius: u32,
    /// Flat, banded, or what costs less.
    pub method: JoinMethod,
    /// Hits of an item at most: the nearest, of equally near ones those with the lowest number. The others are counted.
    pub max_hits: Option<usize>,
    /// Bytes for the pairs of a chunk.
    pub memory: u64,
    /// What the CPU's loops are made of; the best there is unless a test wants another.
    pub instructions: InstructionSet,
}

impl Default for JoinSettings {
    fn default() -> Self {
        Self {
            radius: DEFAULT_DISTANCE,
            method: JoinMethod::Auto,
            max_hits: None,
            memory: 1 << 30,
            instructions: InstructionSet::best(),
        }
    }
}
