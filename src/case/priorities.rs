//! Priorities of a case: which rule decides each item, and the items in the order in which they are to be looked at.
//!
//! A rule becomes one statement over the contents that no earlier rule decided, so that an examiner can follow it with any SQLite
//! tool. Items without a content (the system refused to read them) are decided by their outcome alone.

use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params, params_from_iter};
use serde::Serialize;

use super::rules::{HitKind, KnownCondition, Rule, Rules, Said};
use super::{CaseError, CaseReader, CaseStore};

/// Items that a rule decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// 1 for the first rule.
    pub rank: i64,
    /// The rule's name.
    pub rule: String,
    /// What it means.
    pub title: String,
    /// Items.
    pub items: u64,
}

/// An item in its place: one row of the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriorityRow {
    /// 1 for the first rule; `None` where no rule fits, or none was tried since the item came.
    pub rank: Option<i64>,
    /// The rule that fired.
    pub rule: Option<String>,
    /// The source's path, escaped.
    pub source: String,
    /// The item's path below it, escaped.
    pub path: String,
    /// What became of the item.
    pub outcome: String,
    /// Digest of the content, where it could be read.
    pub sha256: Option<String>,
    /// The stack that it is in.
    pub stack: Option<i64>,
    /// Distinct contents of that stack.
    pub stack_contents: Option<i64>,
    /// Its hits.
    pub hits: i64,
    /// Whether one of them is by digest.
    pub by_digest: bool,
    /// The least distance of a hit; what is hit by digest alone has none.
    pub distance: Option<i64>,
    /// What its hits' categories mean, sorted.
    pub categories: Option<String>,
    /// Series that its hits belong to, sorted.
    pub series: Option<String>,
}

/// A condition of a statement, and what is bound to its question marks.
#[derive(Default)]
struct Condition {
    text: Vec<String>,
    values: Vec<Value>,
}

impl Condition {
    fn and(&mut self, text: impl Into<String>) {
        self.text.push(text.into());
    }

    /// One of several texts.
    fn one_of(&mut self, expression: &str, texts: impl IntoIterator<Item = impl Into<String>>) {
        let before = self.values.len();
        self.values.extend(texts.into_iter().map(|text| Value::Text(text.into())));
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.text.push(format!("{expression} IN ({marks})"));
    }

    fn sql(&self) -> String {
        if self.text.is_empty() { "1".into() } else { self.text.join(" AND ") }
    }

    /// What is so of a hit and its record.
    fn of_hit(&mut self, known: &KnownCondition) {
        let said = |column: &str| {
            format!("CASE known_record.{column} WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE 'unknown' END")
        };
        match known.by {
            Some(HitKind::Digest) => self.and("(hit.md5 OR hit.sha1 OR hit.sha256)"),
            Some(HitKind::Perceptual) => self.and("NOT (hit.md5 OR hit.sha1 OR hit.sha256)"),
            None => {}
        }
        if let Some(categories) = &known.category {
            self.one_of("coalesce(known_record.category, 'none')", categories);
        }
        for (column, wanted) in [
            ("victim_identified", &known.victim_identified),
            ("offender_identified", &known.offender_identified),
            ("distributed", &known.distributed),
        ] {
            if let Some(wanted) = wanted {
                self.one_of(&said(column), wanted.iter().map(|&said: &Said| said.name()));
            }
        }
        match known.series {
            Some(true) => self.and("known_record.series IS NOT NULL"),
            Some(false) => self.and("known_record.series IS NULL"),
            None => {}
        }
        if let Some(sets) = &known.set {
            self.one_of("known_set.name", sets);
        }
    }
}

/// Hits with all that rules ask of them.
const HITS: &str = "hit JOIN known_set ON known_set.id = hit.known_set
    LEFT JOIN known_record ON known_record.known_set = hit.known_set AND known_record.record = hit.record";

/// What a rule asks of a content.
fn of_content(rule: &Rule) -> Condition {
    let mut all = Condition::default();
    let mut exists = |from: &str, known: &KnownCondition| {
        let mut condition = Condition::default();
        condition.of_hit(known);
        all.text.push(format!("EXISTS (SELECT 1 FROM {from} AND {})", condition.sql()));
        all.values.append(&mut condition.values);
    };
    if let Some(known) = &rule.known {
        exists(&format!("{HITS} WHERE hit.content = content.id"), known);
    }
    if let Some(known) = &rule.stacked_with {
        let from = format!(
            "stack_member AS other JOIN {HITS} WHERE hit.content = other.content AND other.stack = stack_member.stack
                AND other.content <> content.id"
        );
        exists(&from, known);
    }
    if rule.unknown {
        all.and("NOT EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id)");
    }
    if let Some(least) = rule.stack {
        all.and(format!("coalesce(stack.contents, 1) >= {least}"));
    }
    if let Some(outcomes) = &rule.outcome {
        all.one_of("content.outcome", outcomes);
    }
    all
}

/// What a rule asks of an item that could not be read; `None` where it fits none.
fn of_unread(rule: &Rule) -> Option<Condition> {
    if rule.known.is_some() || rule.stacked_with.is_some() || rule.stack.is_some_and(|least| least > 1) {
        return None;
    }
    let mut all = Condition::default();
    if let Some(outcomes) = &rule.outcome {
        all.one_of("item.outcome", outcomes);
    }
    Some(all)
}

impl CaseStore {
    /// Decides every item anew by `rules`, in one transaction. An item that no rule fits has no priority.
    ///
    /// # Errors
    /// The database said no.
    pub fn prioritise(&mut self, rules: &Rules) -> Result<(), CaseError> {
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(
            "DELETE FROM priority; DELETE FROM priority_rule;
             CREATE TEMP TABLE decided (content INTEGER PRIMARY KEY, rank INTEGER NOT NULL);",
        )?;
        for (rank, rule) in (1_i64..).zip(&rules.rules) {
            transaction.execute(
                "INSERT INTO priority_rule (rank, name, title) VALUES (?1, ?2, ?3)",
                params![rank, rule.name, rule.title],
            )?;
            decide(&transaction, rank, rule)?;
        }
        transaction.execute(
            "INSERT INTO priority (item, rank) SELECT item.id, decided.rank FROM decided
             JOIN content ON content.id = decided.content JOIN item ON item.sha256 = content.sha256",
            [],
        )?;
        transaction.execute_batch("DROP TABLE decided")?;
        transaction.execute(
            "INSERT INTO case_info (key, value) VALUES ('priority_rules', ?1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [&rules.text],
        )?;
        Ok(transaction.commit()?)
    }

    /// The rules that the case's items were decided by last; `None` where they were not yet.
    ///
    /// # Errors
    /// The database said no, or the case holds rules that are none.
    pub fn rules(&self) -> Result<Option<Rules>, CaseError> {
        let text = super::store::read_info(&self.connection, "priority_rules")?;
        let damaged =
            |error| CaseError::Refused(format!("the case is damaged: its rules of priority: {error}"));
        text.map(|text| Rules::parse(&text).map_err(damaged)).transpose()
    }
}

/// Gives `rank` to all that a rule fits and no earlier one did.
fn decide(transaction: &Transaction<'_>, rank: i64, rule: &Rule) -> Result<(), CaseError> {
    let condition = of_content(rule);
    transaction.execute(
        &format!(
            "INSERT INTO decided (content, rank) SELECT content.id, {rank} FROM content
             LEFT JOIN stack_member ON stack_member.content = content.id
             LEFT JOIN stack ON stack.number = stack_member.stack
             WHERE content.id NOT IN (SELECT content FROM decided) AND {}",
            condition.sql()
        ),
        params_from_iter(&condition.values),
    )?;
    if let Some(condition) = of_unread(rule) {
        transaction.execute(
            &format!(
                "INSERT OR IGNORE INTO priority (item, rank) SELECT item.id, {rank} FROM item
                 WHERE item.sha256 IS NULL AND {}",
                condition.sql()
            ),
            params_from_iter(&condition.values),
        )?;
    }
    Ok(())
}

impl CaseReader {
    /// Items by the rule that decided them, in the rules' order; none where nothing was decided yet.
    ///
    /// # Errors
    /// The database said no.
    pub fn rule_counts(&self) -> Result<Vec<RuleCount>, CaseError> {
        if !self.has_priorities()? {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare(
            "SELECT priority_rule.rank, name, title, count(priority.item) FROM priority_rule
             LEFT JOIN priority ON priority.rank = priority_rule.rank GROUP BY priority_rule.rank ORDER BY priority_rule.rank",
        )?;
        let counts = statement.query_map([], |row| {
            Ok(RuleCount {
                rank: row.get(0)?,
                rule: row.get(1)?,
                title: row.get(2)?,
                items: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    fn has_priorities(&self) -> Result<bool, CaseError> {
        let query = "SELECT EXISTS (SELECT 1 FROM priority_rule)";
        Ok(self.connection.query_row(query, [], |row| row.get(0))?)
    }

    /// Items without a priority: no rule fits them, or they came after the rules were tried last.
    ///
    /// # Errors
    /// The database said no.
    pub fn without_priority(&self) -> Result<u64, CaseError> {
        if !self.has_priorities()? {
            return Ok(0);
        }
        let query = "SELECT count(*) FROM item LEFT JOIN content ON content.sha256 = item.sha256
            WHERE (item.sha256 IS NULL OR content.id IS NOT NULL) AND item.id NOT IN (SELECT item FROM priority)";
        Ok(self.connection.query_row(query, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// Every item in its place: rules in their order, then larger stacks, then nearer hits (by digest first), then names; last
    /// those without a priority.
    ///
    /// # Errors
    /// Nothing was decided yet, the database said no, or `visit` did.
    pub fn for_each_priority<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(PriorityRow) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.has_priorities()? {
            return Err(CaseError::Refused(
                "the case has no priorities yet: `tamis triage` and `tamis match` set them".into(),
            )
            .into());
        }
        self.for_each_row(
            "WITH told AS (
                 SELECT hit.content AS content, count(*) AS hits, max(hit.md5 OR hit.sha1 OR hit.sha256) AS by_digest,
                     min(hit.distance) AS distance
                 FROM hit GROUP BY hit.content)
             SELECT priority.rank, priority_rule.name, source.path, item.path, coalesce(content.outcome, item.outcome),
                 lower(hex(item.sha256)), stack.number, stack.contents, coalesce(told.hits, 0),
                 coalesce(told.by_digest, 0), told.distance,
                 (SELECT group_concat(category, '; ') FROM (SELECT DISTINCT category FROM hit JOIN known_record USING (known_set, record)
                  WHERE hit.content = content.id AND category IS NOT NULL ORDER BY category)),
                 (SELECT group_concat(series, '; ') FROM (SELECT DISTINCT series FROM hit JOIN known_record USING (known_set, record)
                  WHERE hit.content = content.id AND series IS NOT NULL ORDER BY series))
             FROM item
             LEFT JOIN priority ON priority.item = item.id
             LEFT JOIN priority_rule ON priority_rule.rank = priority.rank
             JOIN source ON source.id = item.source
             LEFT JOIN content ON content.sha256 = item.sha256
             LEFT JOIN stack_member ON stack_member.content = content.id
             LEFT JOIN stack ON stack.number = stack_member.stack
             LEFT JOIN told ON told.content = content.id
             WHERE item.sha256 IS NULL OR content.id IS NOT NULL
             ORDER BY priority.rank IS NULL, priority.rank, coalesce(stack.contents, 1) DESC, coalesce(stack.number, 0),
                 coalesce(told.by_digest, 0) DESC, coalesce(told.distance, 257), source.path_raw, item.path_raw",
            |row| Ok(priority_row(row)?),
            &mut visit,
        )
    }
}

fn priority_row(row: &Row<'_>) -> rusqlite::Result<PriorityRow> {
    Ok(PriorityRow {
        rank: row.get(0)?,
        rule: row.get(1)?,
        source: row.get(2)?,
        path: row.get(3)?,
        outcome: row.get(4)?,
        sha256: row.get::<_, Option<String>>(5)?.filter(|digest| !digest.is_empty()),
        stack: row.get(6)?,
        stack_contents: row.get(7)?,
        hits: row.get(8)?,
        by_digest: row.get(9)?,
        distance: row.get(10)?,
        categories: row.get(11)?,
        series: row.get(12)?,
    })
}
