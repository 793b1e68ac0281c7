//! What known sets say of a content, summed up over its hits.

use std::collections::BTreeSet;

use crate::case::KnownFacts;

/// The sum of a content's hits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    sets: BTreeSet<String>,
    victim_identified: BTreeSet<String>,
    offender_identified: BTreeSet<String>,
    distributed: BTreeSet<String>,
}

/// The columns that [`Said::cells`] fills, in that order.
pub const SAID_COLUMNS: [&str; 4] = ["known_sets", "victim_identified", "offender_identified", "distributed"];

impl Said {
    /// Adds a hit. One that is not confirmed from pixels may be none: its set is named and marked, and its facts are left out.
    pub fn add(&mut self, known_set: &str, unconfirmed: bool, facts: &KnownFacts) {
        if unconfirmed {
            self.sets.insert(format!("{known_set} (unconfirmed)"));
            return;
        }
        self.sets.insert(known_set.to_string());
        let KnownFacts { victim_identified, offender_identified, distributed } = facts;
        self.victim_identified.extend(victim_identified.clone());
        self.offender_identified.extend(offender_identified.clone());
        self.distributed.extend(distributed.clone());
    }

    /// Whether a known record says that the victim is identified.
    #[must_use]
    pub fn is_solved(&self) -> bool {
        self.victim_identified.iter().any(|value| KnownFacts::is_yes(value))
    }

    /// The known sets and what their records say, each sorted and separated by semicolons; empty where nothing is said.
    #[must_use]
    pub fn cells(&self) -> [String; 4] {
        let Self { sets, victim_identified, offender_identified, distributed } = self;
        [sets, victim_identified, offender_identified, distributed]
            .map(|values| values.iter().map(String::as_str).collect::<Vec<_>>().join("; "))
    }
}
