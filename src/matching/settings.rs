//! Settings of a join.

use super::DEFAULT_DISTANCE;
use super::planner::JoinMethod;
use super::popcount::InstructionSet;

/// How hashes are joined.
#[derive(Clone, Copy, Debug)]
pub struct JoinSettings {
    /// Largest distance of a pair, 0…256.
    pub radius: u32,
    /// Flat, banded, or the cheaper one.
    pub method: JoinMethod,
    /// Maximum hits of an item: the nearest, of equally near ones those with the lowest number. The others
    /// are counted.
    pub max_hits: Option<usize>,
    /// Bytes for the pairs of a chunk.
    pub memory: u64,
    /// The instruction set of the CPU's loops; the best one except in tests.
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
