//! What hash sets record about a content, summed up over its hits.

use std::collections::BTreeSet;

use crate::case::KnownFacts;

/// The facts of a content's hits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetFacts {
    sets: BTreeSet<String>,
    victim_identified: BTreeSet<String>,
    offender_identified: BTreeSet<String>,
    distributed: BTreeSet<String>,
    length: usize,
}

/// The columns that [`SetFacts::cells`] fills, in that order.
pub const SET_FACT_COLUMNS: [&str; 4] =
    ["hash_sets", "victim_identified", "offender_identified", "distributed"];

impl SetFacts {
    /// Adds a hit. An unconfirmed one may not be a hit: its set is listed and marked, and its facts are left
    /// out.
    pub fn add(&mut self, hash_set: &str, unconfirmed: bool, facts: &KnownFacts) {
        if unconfirmed {
            insert(&mut self.sets, &mut self.length, &format!("{hash_set} (unconfirmed)"));
            return;
        }
        insert(&mut self.sets, &mut self.length, hash_set);
        let KnownFacts { victim_identified, offender_identified, distributed } = facts;
        for (values, value) in [
            (&mut self.victim_identified, victim_identified),
            (&mut self.offender_identified, offender_identified),
            (&mut self.distributed, distributed),
        ] {
            if let Some(value) = value {
                insert(values, &mut self.length, value);
            }
        }
    }

    /// Bytes of all cells together, or a few more.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Whether a known record states that the victim is identified.
    #[must_use]
    pub fn is_solved(&self) -> bool {
        self.victim_identified.iter().any(|value| KnownFacts::is_yes(value))
    }

    /// The hash sets and the facts of their records, each sorted and separated by semicolons; empty where
    /// there are none.
    #[must_use]
    pub fn cells(&self) -> [String; 4] {
        let Self { sets, victim_identified, offender_identified, distributed, .. } = self;
        [sets, victim_identified, offender_identified, distributed]
            .map(|values| values.iter().map(String::as_str).collect::<Vec<_>>().join("; "))
    }
}

/// Adds a text to a cell, and its size to the length.
fn insert(values: &mut BTreeSet<String>, length: &mut usize, text: &str) {
    if !values.contains(text) {
        values.insert(text.to_string());
        *length += text.len() + "; ".len();
    }
}
