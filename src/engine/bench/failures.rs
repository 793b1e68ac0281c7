//! Which files of a sample fail.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::outcome::Outcome;

/// Files that could not be read or decoded, by outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FailedFiles {
    /// Why.
    pub outcome: &'static str,
    /// How many of the sample.
    pub files: u64,
}

/// Counts of what failed.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Outcome, u64>);

impl Failures {
    pub fn add(&mut self, outcome: Outcome) {
        *self.0.entry(outcome).or_default() += 1;
    }

    pub fn counts(&self) -> Vec<FailedFiles> {
        self.0.iter().map(|(outcome, &files)| FailedFiles { outcome: outcome.name(), files }).collect()
    }
}
