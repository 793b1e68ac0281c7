//! Priorities of a case: which rule decides each item, and the items in the order in which they are to be looked at.
//!
//! Stacks, contents and items are read once each, in the order of their rows, and the hits of each content by their key, so that
//! time grows with the case and not with its square. Items without a content (the system refused to read them) are decided by their
//! outcome alone. The test `priorities_are_those_of_the_rules_read_one_by_one` has each rule as one SQL statement, which
//! an examiner can follow with any SQLite tool.

use std::collections::HashMap;

use rusqlite::{Row, Statement, Transaction, params};
use serde::Serialize;

use super::hit_facts::{HIT_FACTS, HitFacts};
use super::info::{read_info, set_info};
use super::rules::{KnownCondition, Rule, Rules};
use super::schema::stack_members;
use super::stacks::with_items;
use super::{CaseError, CaseReader, CaseStore};

/// Where `case_info` keeps the text of the rules.
const RULES_KEY: &str = "priority_rules";
/// Items that are read before their changed ranks are written.
const ITEMS_AT_ONCE: i64 = 8192;

/// Items that a rule decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// 1 for the first rule.
    pub rank: i64,
    /// The rule's name.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Items.
    pub items: u64,
}

/// An item in its place: one row of the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriorityRow {
    /// 1 for the first rule; `None` if no rule fits, or none was applied since the item was added.
    pub rank: Option<i64>,
    /// The rule that fired.
    pub rule: Option<String>,
    /// The source's path, escaped.
    pub source: String,
    /// The item's path below it, escaped.
    pub path: String,
    /// The item's outcome.
    pub outcome: String,
    /// Digest of the content, where it could be read.
    pub sha256: Option<String>,
    /// The stack that it is in; one content alone is not a stack, even if its stack once had more.
    pub stack: Option<i64>,
    /// Distinct contents of that stack that items have.
    pub stack_contents: Option<i64>,
    /// Its hits.
    pub hits: i64,
    /// Whether one of them is by digest.
    pub by_digest: bool,
    /// The smallest distance of a hit; hits by digest alone have none.
    pub distance: Option<i64>,
    /// The classifications of its hits' categories, sorted.
    pub categories: Option<String>,
    /// Series that its hits belong to, sorted.
    pub series: Option<String>,
}

/// What rules find in the hits of a content.
#[derive(Debug)]
struct Findings {
    /// It has a hit.
    any: bool,
    /// For each rule: whether a hit meets its `known`.
    known: Vec<bool>,
    /// For each rule: whether a hit meets its `stacked_with`, which counts for the others of its stack.
    stacked_with: Vec<bool>,
}

/// The hits of one content after the other, as rules see them.
struct Hits<'a> {
    statement: Statement<'a>,
    rules: &'a [Rule],
    findings: Findings,
}

impl<'a> Hits<'a> {
    fn new(transaction: &'a Transaction<'_>, rules: &'a [Rule]) -> Result<Self, CaseError> {
        let findings =
            Findings { any: false, known: vec![false; rules.len()], stacked_with: vec![false; rules.len()] };
        Ok(Self { statement: transaction.prepare(HIT_FACTS)?, rules, findings })
    }

    fn of(&mut self, content: i64) -> Result<&Findings, CaseError> {
        let Findings { any, known, stacked_with } = &mut self.findings;
        *any = false;
        known.fill(false);
        stacked_with.fill(false);
        let mut rows = self.statement.query([content])?;
        while let Some(row) = rows.next()? {
            let facts = HitFacts::read(row)?;
            *any = true;
            let fits = |condition: &Option<KnownCondition>| {
                condition.as_ref().is_some_and(|condition| condition.fits(&facts))
            };
            for (index, rule) in self.rules.iter().enumerate() {
                known[index] = known[index] || fits(&rule.known);
                stacked_with[index] = stacked_with[index] || fits(&rule.stacked_with);
            }
        }
        Ok(&self.findings)
    }
}

/// What rules need to know of stacks, each read once.
#[derive(Debug, Default)]
struct Stacks {
    /// Contents of a stack.
    contents: HashMap<i64, u32>,
    /// Contents of a stack with a hit that meets the `stacked_with` of a rule: by stack and the rule's index.
    having: HashMap<(i64, usize), u32>,
}

impl Stacks {
    /// Reads the stacks' members; contents that no item has any more do not count. `None` if `keep_going` returned `false`.
    fn read(
        transaction: &Transaction<'_>,
        hits: &mut Hits<'_>,
        keep_going: &dyn Fn(u64) -> bool,
    ) -> Result<Option<Self>, CaseError> {
        let mut found = Self::default();
        let Some(with_items) = with_items(transaction, keep_going)? else { return Ok(None) };
        let mut members = transaction.prepare("SELECT content, stack FROM stack_member ORDER BY content")?;
        let mut rows = members.query([])?;
        while let Some(row) = rows.next()? {
            let (content, stack): (i64, i64) = (row.get(0)?, row.get(1)?);
            if !keep_going(1) {
                return Ok(None);
            }
            if with_items.binary_search(&content).is_err() {
                continue;
            }
            *found.contents.entry(stack).or_default() += 1;
            for (index, _) in hits.of(content)?.stacked_with.iter().enumerate().filter(|(_, fits)| **fits) {
                *found.having.entry((stack, index)).or_default() += 1;
            }
        }
        Ok(Some(found))
    }

    /// Whether `rule`, whose index is `index`, fits a content with these hits.
    fn fits(
        &self,
        (index, rule): (usize, &Rule),
        hits: &Findings,
        stack: Option<i64>,
        outcome: &str,
    ) -> bool {
        let another = |stack| self.having.get(&(stack, index)).copied().unwrap_or(0);
        let contents = stack.and_then(|stack| self.contents.get(&stack).copied()).unwrap_or(1);
        (rule.known.is_none() || hits.known[index])
            && !(rule.unknown && hits.any)
            && (rule.stacked_with.is_none()
                || stack.is_some_and(|stack| another(stack) > u32::from(hits.stacked_with[index])))
            && rule.stack.is_none_or(|minimum| contents >= minimum)
            && rule.has_outcome(outcome)
    }
}

/// Decides every content, in the temporary table `decided`. Returns `false` if `keep_going` did.
fn decide_contents(
    transaction: &Transaction<'_>,
    rules: &[Rule],
    keep_going: &dyn Fn(u64) -> bool,
) -> Result<bool, CaseError> {
    transaction.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS decided (content INTEGER PRIMARY KEY, rank INTEGER NOT NULL);
         DELETE FROM decided;",
    )?;
    let mut hits = Hits::new(transaction, rules)?;
    let Some(stacks) = Stacks::read(transaction, &mut hits, keep_going)? else { return Ok(false) };
    let mut contents = transaction.prepare(
        "SELECT content.id, content.outcome, stack_member.stack FROM content
         LEFT JOIN stack_member ON stack_member.content = content.id ORDER BY content.id",
    )?;
    let mut decided = transaction.prepare("INSERT INTO decided (content, rank) VALUES (?1, ?2)")?;
    let mut rows = contents.query([])?;
    while let Some(row) = rows.next()? {
        let content: i64 = row.get(0)?;
        let (outcome, stack) = (row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?, row.get(2)?);
        let findings = hits.of(content)?;
        let decides = |rule: &(usize, &Rule)| stacks.fits(*rule, findings, stack, outcome);
        if let Some((index, _)) = rules.iter().enumerate().find(decides) {
            decided.execute(params![content, rank(index)])?;
        }
        if !keep_going(1) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives every item its rank: that of its content, or that of its outcome if it could not be read. Writes the ranks that changed. Returns
/// `false` if `keep_going` did.
fn decide_items(
    transaction: &Transaction<'_>,
    rules: &[Rule],
    keep_going: &dyn Fn(u64) -> bool,
) -> Result<bool, CaseError> {
    let mut items = transaction.prepare(
        "SELECT item.id, CASE WHEN item.sha256 IS NULL THEN item.outcome END, decided.rank, priority.rank FROM item
         LEFT JOIN content ON content.sha256 = item.sha256
         LEFT JOIN decided ON decided.content = content.id
         LEFT JOIN priority ON priority.item = item.id
         WHERE item.id > ?1 ORDER BY item.id LIMIT ?2",
    )?;
    let mut set = transaction.prepare(
        "INSERT INTO priority (item, rank) VALUES (?1, ?2) ON CONFLICT (item) DO UPDATE SET rank = excluded.rank",
    )?;
    let mut unset = transaction.prepare("DELETE FROM priority WHERE item = ?1")?;
    let mut last = i64::MIN;
    loop {
        // A table is not written while it is read.
        let mut changed: Vec<(i64, Option<i64>)> = Vec::new();
        let mut count = 0;
        let mut rows = items.query([last, ITEMS_AT_ONCE])?;
        while let Some(row) = rows.next()? {
            let (unread, before): (Option<String>, Option<i64>) = (row.get(1)?, row.get(3)?);
            let now = match unread {
                Some(outcome) => rules.iter().position(|rule| rule.fits_unread(&outcome)).map(rank),
                None => row.get(2)?,
            };
            last = row.get(0)?;
            count += 1;
            if now != before {
                changed.push((last, now));
            }
        }
        drop(rows);
        for (item, now) in changed {
            match now {
                Some(now) => set.execute([item, now])?,
                None => unset.execute([item])?,
            };
        }
        if count == 0 {
            return Ok(true);
        }
        if !keep_going(count) {
            return Ok(false);
        }
    }
}

/// The rank of the rule with this index.
const fn rank(index: usize) -> i64 {
    index as i64 + 1
}

/// Keeps the rules; if they changed, nothing is decided any more.
fn keep_rules(transaction: &Transaction<'_>, rules: &Rules) -> Result<(), CaseError> {
    if read_info(transaction, RULES_KEY)?.as_ref() == Some(&rules.text) {
        return Ok(());
    }
    transaction.execute_batch("DELETE FROM priority; DELETE FROM priority_rule;")?;
    let mut insert =
        transaction.prepare("INSERT INTO priority_rule (rank, name, title) VALUES (?1, ?2, ?3)")?;
    for (index, rule) in rules.rules.iter().enumerate() {
        insert.execute(params![rank(index), rule.name, rule.title])?;
    }
    set_info(transaction, RULES_KEY, &rules.text)
}

impl CaseStore {
    /// Decides every item by `rules`, in one transaction, and writes the priorities that changed. An item that no rule fits has none.
    /// `keep_going` is called with how many more [steps](Self::priority_steps) are done; if it returns `false`, the case stays as it was and
    /// `false` is returned.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn prioritise(&mut self, rules: &Rules, keep_going: &dyn Fn(u64) -> bool) -> Result<bool, CaseError> {
        self.check_place()?;
        let transaction = self.connection.transaction()?;
        keep_rules(&transaction, rules)?;
        if !decide_contents(&transaction, &rules.rules, keep_going)?
            || !decide_items(&transaction, &rules.rules, keep_going)?
        {
            return Ok(false);
        }
        transaction.execute_batch("DROP TABLE decided")?;
        transaction.commit()?;
        Ok(true)
    }

    /// How many steps [`CaseStore::prioritise`] takes.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn priority_steps(&self) -> Result<u64, CaseError> {
        let steps = "SELECT (SELECT count(*) FROM stack_member) + (SELECT count(*) FROM content) + (SELECT count(*) FROM item)";
        Ok(self.connection.query_row(steps, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// The rules that decided the case's items last; `None` before they did.
    ///
    /// # Errors
    /// If the database cannot be read, or its rules are not rules.
    pub fn rules(&self) -> Result<Option<Rules>, CaseError> {
        let text = read_info(&self.connection, RULES_KEY)?;
        let damaged = |error| CaseError::damaged_by("its rules of priority", error);
        text.map(|text| Rules::parse(&text).map_err(damaged)).transpose()
    }
}

impl CaseReader {
    /// Items by the rule that decided them, in the rules' order; empty before any did.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn rule_counts(&self) -> Result<Vec<RuleCount>, CaseError> {
        if !self.has_priorities()? {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare(
            "SELECT rank, max(name), max(title), sum(items) FROM (
                 SELECT rank, name, title, 0 AS items FROM priority_rule
                 UNION ALL SELECT rank, NULL, NULL, count(*) FROM priority GROUP BY rank)
             GROUP BY rank ORDER BY rank",
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

    /// Items without a priority: no rule fits them, or they were added after the rules were applied last.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn without_priority(&self) -> Result<u64, CaseError> {
        if !self.has_priorities()? {
            return Ok(0);
        }
        let query = "SELECT count(*) FROM live_item AS item LEFT JOIN content ON content.sha256 = item.sha256
            WHERE (item.sha256 IS NULL OR content.id IS NOT NULL) AND item.id NOT IN (SELECT item FROM priority)";
        Ok(self.connection.query_row(query, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// Every item in its place: rules in their order, then larger stacks, then nearer hits (by digest first), then names; last
    /// those without a priority.
    ///
    /// # Errors
    /// If nothing was decided yet, the database cannot be read, or `visit` fails.
    pub fn for_each_priority<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(PriorityRow) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.has_priorities()? {
            return Err(CaseError::NoPriorities { folder: self.folder().to_path_buf() }.into());
        }
        self.for_each_row(
            concat!(
                "WITH ",
                stack_members!(),
                " SELECT priority.rank, priority_rule.name, place.source, place.path, coalesce(content.outcome, item.outcome),
                 lower(hex(item.sha256)), member.stack, member.contents, count(hit.content) AS hits,
                 coalesce(max(hit.md5 OR hit.sha1 OR hit.sha256), 0) AS by_digest, min(hit.distance) AS nearest,
                 (SELECT group_concat(category, '; ') FROM (SELECT DISTINCT category FROM hit_record AS hit JOIN set_record USING (hash_set, record)
                  WHERE hit.content = content.id AND category IS NOT NULL ORDER BY category)),
                 (SELECT group_concat(series, '; ') FROM (SELECT DISTINCT series FROM hit_record AS hit JOIN set_record USING (hash_set, record)
                  WHERE hit.content = content.id AND series IS NOT NULL ORDER BY series))
             FROM place JOIN item ON item.id = place.item
             LEFT JOIN priority ON priority.item = item.id
             LEFT JOIN priority_rule ON priority_rule.rank = priority.rank
             LEFT JOIN content ON content.sha256 = item.sha256
             LEFT JOIN member ON member.content = content.id AND member.contents > 1
             LEFT JOIN hit ON hit.content = content.id
             WHERE item.sha256 IS NULL OR content.id IS NOT NULL
             GROUP BY item.id
             ORDER BY priority.rank IS NULL, priority.rank, coalesce(member.contents, 1) DESC, coalesce(member.stack, 0),
                 by_digest DESC, coalesce(nearest, 257), place.source_sort, place.path_sort"
            ),
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
