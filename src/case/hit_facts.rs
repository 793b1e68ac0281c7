//! What rules of priority look at in a hit: the one place that knows where a case keeps it.

use rusqlite::Row;

use super::rules::{Answer, HitKind, KnownCondition, NO_CATEGORY};

/// A row of [`HitFacts`] for each hit of content ?1.
pub(super) const HIT_FACTS: &str = "SELECT hit.md5 OR hit.sha1 OR hit.sha256, set_record.category,
        set_record.victim_identified, set_record.offender_identified, set_record.distributed,
        set_record.series IS NOT NULL, hash_set.name
    FROM hit_record AS hit JOIN hash_set ON hash_set.id = hit.hash_set
    LEFT JOIN set_record ON set_record.hash_set = hit.hash_set AND set_record.record = hit.record
    WHERE hit.content = ?1";

/// Facts of a hit and its known record.
#[derive(Clone, Copy, Debug)]
pub(super) struct HitFacts<'a> {
    kind: HitKind,
    category: &'a str,
    victim_identified: Answer,
    offender_identified: Answer,
    distributed: Answer,
    series: bool,
    set: &'a str,
}

impl<'a> HitFacts<'a> {
    /// Reads a row of [`HIT_FACTS`].
    pub fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let by_digest: bool = row.get(0)?;
        let answer = |column| -> rusqlite::Result<Answer> {
            Ok(match row.get::<_, Option<i64>>(column)? {
                Some(1) => Answer::Yes,
                Some(0) => Answer::No,
                _ => Answer::Unknown,
            })
        };
        Ok(Self {
            kind: if by_digest { HitKind::Digest } else { HitKind::Perceptual },
            category: row.get_ref(1)?.as_str_or_null()?.unwrap_or(NO_CATEGORY),
            victim_identified: answer(2)?,
            offender_identified: answer(3)?,
            distributed: answer(4)?,
            series: row.get(5)?,
            set: row.get_ref(6)?.as_str()?,
        })
    }
}

impl KnownCondition {
    /// Whether a hit meets all conditions.
    pub(super) fn fits(&self, hit: &HitFacts<'_>) -> bool {
        let named = |wanted: &Option<Vec<String>>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|wanted| wanted == name))
        };
        let answered = |wanted: &Option<Vec<Answer>>, answer: Answer| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&answer))
        };
        self.by.is_none_or(|kind| kind == hit.kind)
            && named(&self.category, hit.category)
            && answered(&self.victim_identified, hit.victim_identified)
            && answered(&self.offender_identified, hit.offender_identified)
            && answered(&self.distributed, hit.distributed)
            && self.series.is_none_or(|series| series == hit.series)
            && named(&self.set, hit.set)
    }
}
