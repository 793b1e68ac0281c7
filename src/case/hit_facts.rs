//! What rules of priority ask of a hit: the one place that knows where a case keeps it.

use rusqlite::Row;

use super::rules::{HitKind, KnownCondition, NO_CATEGORY, Said};

/// A row of [`HitFacts`] for each hit of content ?1.
pub(super) const HIT_FACTS: &str = "SELECT hit.md5 OR hit.sha1 OR hit.sha256, set_record.category,
        set_record.victim_identified, set_record.offender_identified, set_record.distributed,
        set_record.series IS NOT NULL, hash_set.name
    FROM hit_record AS hit JOIN hash_set ON hash_set.id = hit.hash_set
    LEFT JOIN set_record ON set_record.hash_set = hit.hash_set AND set_record.record = hit.record
    WHERE hit.content = ?1";

/// What is so of a hit and its known record.
#[derive(Clone, Copy, Debug)]
pub(super) struct HitFacts<'a> {
    kind: HitKind,
    category: &'a str,
    victim_identified: Said,
    offender_identified: Said,
    distributed: Said,
    series: bool,
    set: &'a str,
}

impl<'a> HitFacts<'a> {
    /// Reads a row of [`HIT_FACTS`].
    pub fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let by_digest: bool = row.get(0)?;
        let said = |column| -> rusqlite::Result<Said> {
            Ok(match row.get::<_, Option<i64>>(column)? {
                Some(1) => Said::Yes,
                Some(0) => Said::No,
                _ => Said::Unknown,
            })
        };
        Ok(Self {
            kind: if by_digest { HitKind::Digest } else { HitKind::Perceptual },
            category: row.get_ref(1)?.as_str_or_null()?.unwrap_or(NO_CATEGORY),
            victim_identified: said(2)?,
            offender_identified: said(3)?,
            distributed: said(4)?,
            series: row.get(5)?,
            set: row.get_ref(6)?.as_str()?,
        })
    }
}

impl KnownCondition {
    /// Whether all that it says is so of a hit.
    pub(super) fn fits(&self, hit: &HitFacts<'_>) -> bool {
        let named = |wanted: &Option<Vec<String>>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|wanted| wanted == name))
        };
        let said = |wanted: &Option<Vec<Said>>, said: Said| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&said))
        };
        self.by.is_none_or(|kind| kind == hit.kind)
            && named(&self.category, hit.category)
            && said(&self.victim_identified, hit.victim_identified)
            && said(&self.offender_identified, hit.offender_identified)
            && said(&self.distributed, hit.distributed)
            && self.series.is_none_or(|series| series == hit.series)
            && named(&self.set, hit.set)
    }
}
