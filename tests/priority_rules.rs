//! Priorities of made-up cases against the rules read one by one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use rand::prelude::*;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use support::cli::Cases;
use support::made_case::{digests, make_case};
use tamis::case::CaseStore;
use tamis::case::rules::{Answer, HitKind, KnownCondition, Rule, Rules};

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

    fn one_of(&mut self, expression: &str, texts: impl IntoIterator<Item = impl Into<String>>) {
        let before = self.values.len();
        self.values.extend(texts.into_iter().map(|text| Value::Text(text.into())));
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.text.push(format!("{expression} IN ({marks})"));
    }

    fn sql(&self) -> String {
        if self.text.is_empty() { "1".into() } else { self.text.join(" AND ") }
    }

    fn of_hit(&mut self, known: &KnownCondition) {
        match known.by {
            Some(HitKind::Digest) => self.and("(hit.md5 OR hit.sha1 OR hit.sha256)"),
            Some(HitKind::Perceptual) => self.and("NOT (hit.md5 OR hit.sha1 OR hit.sha256)"),
            None => {}
        }
        if let Some(categories) = &known.category {
            self.one_of("coalesce(set_record.category, 'none')", categories);
        }
        for (column, wanted) in [
            ("victim_identified", &known.victim_identified),
            ("offender_identified", &known.offender_identified),
            ("distributed", &known.distributed),
        ] {
            let said =
                format!("CASE set_record.{column} WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE 'unknown' END");
            if let Some(wanted) = wanted {
                self.one_of(&said, wanted.iter().map(|&said: &Answer| said.name()));
            }
        }
        match known.series {
            Some(true) => self.and("set_record.series IS NOT NULL"),
            Some(false) => self.and("set_record.series IS NULL"),
            None => {}
        }
        if let Some(sets) = &known.set {
            self.one_of("hash_set.name", sets);
        }
    }
}

/// Hits with everything that rules check.
const HITS: &str = "hit_record AS hit JOIN hash_set ON hash_set.id = hit.hash_set
    LEFT JOIN set_record ON set_record.hash_set = hit.hash_set AND set_record.record = hit.record";

/// The stacks as they are without the contents that no item has.
const MEMBERS: &str = "(SELECT stack_member.stack AS stack, content.id AS content FROM stack_member
    JOIN content ON content.id = stack_member.content WHERE content.sha256 IN (SELECT sha256 FROM item))";

/// The conditions of a rule on a content, as one statement that checks all hits for each.
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
            "{MEMBERS} AS other JOIN {HITS} WHERE hit.content = other.content AND other.stack = member.stack
                AND other.content <> content.id"
        );
        exists(&from, known);
    }
    if rule.unknown {
        all.and("NOT EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id)");
    }
    if let Some(least) = rule.stack {
        all.and(format!(
            "max(1, (SELECT count(*) FROM {MEMBERS} AS same WHERE same.stack = member.stack)) >= {least}"
        ));
    }
    if let Some(outcomes) = &rule.outcome {
        all.one_of("content.outcome", outcomes);
    }
    all
}

/// The rank of every item that has one.
fn read_one_by_one(case: &Connection, rules: &[Rule]) -> BTreeMap<i64, i64> {
    let mut ranks = BTreeMap::new();
    let mut add = |query: &str, values: &[Value], rank: i64| {
        let mut statement = case.prepare(query).unwrap();
        let items = statement.query_map(params_from_iter(values), |row| row.get(0)).unwrap();
        for item in items {
            ranks.entry(item.unwrap()).or_insert(rank);
        }
    };
    for (rank, rule) in (1..).zip(rules) {
        let condition = of_content(rule);
        let query = format!(
            "SELECT item.id FROM item JOIN content ON content.sha256 = item.sha256
             LEFT JOIN {MEMBERS} AS member ON member.content = content.id WHERE {}",
            condition.sql()
        );
        add(&query, &condition.values, rank);
        if rule.known.is_none() && rule.stacked_with.is_none() && rule.stack.is_none_or(|least| least <= 1) {
            let mut condition = Condition::default();
            if let Some(outcomes) = &rule.outcome {
                condition.one_of("item.outcome", outcomes);
            }
            let query = format!("SELECT id FROM item WHERE sha256 IS NULL AND {}", condition.sql());
            add(&query, &condition.values, rank);
        }
    }
    ranks
}

fn stored(case: &Connection) -> BTreeMap<i64, i64> {
    let mut statement = case.prepare("SELECT item, rank FROM priority").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

const CATEGORIES: [&str; 4] = ["child_abuse", "child_exploitation", "known", "other"];
const OUTCOMES: [&str; 4] = ["hashed", "corrupt", "other", "unsupported"];
const UNREAD: [&str; 3] = ["unreadable", "vanished", "not_followed"];

/// A case in which anything may be next to anything: contents without items, items without contents, hits without records.
fn make_up(folder: &Path, random: &mut StdRng) -> Connection {
    make_case(folder, "1", &[]);
    let case = Connection::open(folder.join("case.sqlite")).unwrap();
    let contents: i64 = 40;
    let sha256 = |number: i64| digests(number.cast_unsigned()).sha256;
    for content in 1..=contents {
        case.execute(
            "INSERT INTO content (id, sha256, sha1, md5, size, outcome) VALUES (?1, ?2, x'00', x'00', 1, ?3)",
            params![content, sha256(content), OUTCOMES.choose(random)],
        )
        .unwrap();
        if random.random_bool(0.7) {
            let stack = random.random_range(1..9);
            case.execute("INSERT OR IGNORE INTO stack VALUES (?1, ?2, 0, 0)", [stack, content]).unwrap();
            case.execute("INSERT INTO stack_member VALUES (?1, ?2, 0)", [content, stack]).unwrap();
        }
    }
    for item in 1..=60 {
        // Beyond the contents: not finished.
        let content = random.random_range(1..contents + 3);
        let (digest, outcome) = match random.random_bool(0.85) {
            true => (Some(sha256(content)), None),
            false => (None, UNREAD.choose(random)),
        };
        case.execute(
            "INSERT INTO item (source, step, name, sha256, outcome) VALUES (1, CAST(?1 AS BLOB), ?1, ?2, ?3)",
            params![item.to_string(), digest, outcome],
        )
        .unwrap();
    }
    for set in 1..=2 {
        case.execute(
            "INSERT INTO hash_set VALUES (?1, ?2, ?2, '', 'full', 31, 50, 'auto', 1000, 0, 0, 0, 0, 0, 0, 0, NULL, NULL)",
            params![set, ["one", "two"][set as usize - 1]],
        )
        .unwrap();
        for record in 0..6 {
            if record == 0 {
                continue;
            }
            let fact = |random: &mut StdRng| *[None, Some(0), Some(1)].choose(random).unwrap();
            let category = CATEGORIES.choose(random).filter(|_| record > 1);
            let facts = [fact(random), fact(random), fact(random)];
            let series = random.random_bool(0.3).then_some("series");
            case.execute(
                "INSERT INTO set_record (hash_set, record, columns, category, victim_identified, offender_identified,
                     distributed, series) VALUES (?1, ?2, '{}', ?3, ?4, ?5, ?6, ?7)",
                params![set, record, category, facts[0], facts[1], facts[2], series],
            )
            .unwrap();
        }
        for _ in 0..12 {
            let digest = random.random_bool(0.5);
            let count = if random.random_bool(0.7) { 1 } else { 3 };
            let mut records = (0_u8..6).choose_multiple(random, count);
            records.sort_unstable();
            let mut list = [u8::MAX; 16];
            list[..records.len()].copy_from_slice(&records);
            for record in &records {
                case.execute(
                    "INSERT OR IGNORE INTO listed_record VALUES (?1, ?2, ?3)",
                    params![set, list, record],
                )
                .unwrap();
            }
            case.execute(
                "INSERT OR IGNORE INTO hit (content, hash_set, record, records, list, md5, sha1, sha256, confirmation)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, iif(?6, 'digest', 'pixels'))",
                params![
                    random.random_range(1..=contents),
                    set,
                    records[0],
                    records.len() as i64,
                    list,
                    digest
                ],
            )
            .unwrap();
        }
    }
    case
}

fn some<T: Clone>(all: &[T], random: &mut StdRng) -> Option<Vec<T>> {
    let count = random.random_range(0..all.len());
    random.random_bool(0.4).then(|| all.choose_multiple(random, count).cloned().collect())
}

fn names(all: &[&str], random: &mut StdRng) -> Option<Vec<String>> {
    let all: Vec<String> = all.iter().map(|name| (*name).to_string()).collect();
    some(&all, random)
}

fn condition(random: &mut StdRng) -> KnownCondition {
    let said = [Answer::Yes, Answer::No, Answer::Unknown];
    KnownCondition {
        by: *[None, Some(HitKind::Digest), Some(HitKind::Perceptual)].choose(random).unwrap(),
        category: names(&[&CATEGORIES[..], &["none"]].concat(), random),
        victim_identified: some(&said, random),
        offender_identified: some(&said, random),
        distributed: some(&said, random),
        series: *[None, None, Some(true), Some(false)].choose(random).unwrap(),
        set: names(&["one", "two", "three"], random),
    }
}

fn rules(random: &mut StdRng) -> Rules {
    let rule = |number: usize, random: &mut StdRng| {
        let unknown = random.random_bool(0.3);
        Rule {
            name: number.to_string(),
            title: String::new(),
            known: (!unknown && random.random_bool(0.6)).then(|| condition(random)),
            unknown,
            stacked_with: random.random_bool(0.3).then(|| condition(random)),
            stack: random.random_bool(0.3).then(|| random.random_range(0..6)),
            outcome: names(&[&OUTCOMES[..], &UNREAD[..]].concat(), random),
        }
    };
    let rules: Vec<Rule> = (0..random.random_range(1..12)).map(|number| rule(number, random)).collect();
    Rules { text: format!("{rules:?}"), rules }
}

#[test]
fn priorities_are_those_of_the_rules_read_one_by_one() {
    let cases = Cases::new();
    let mut ranks_seen = [0; 15];
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = cases.path(&seed.to_string());
        let case = make_up(&folder, &mut random);
        let mut store = CaseStore::open(&folder).unwrap();
        let own = rules(&mut random);
        for rules in
            [Rules::default(), rules(&mut random), rules(&mut random), own.clone(), own, Rules::default()]
        {
            assert!(store.prioritise(&rules, &|_| true).unwrap());
            let expected = read_one_by_one(&case, &rules.rules);
            assert_eq!(stored(&case), expected, "{seed}: {}", rules.text);
            expected
                .values()
                .filter(|_| rules == Rules::default())
                .for_each(|&rank| ranks_seen[rank as usize] += 1);
            // Hits and outcomes that came later; and what is gone.
            case.execute(
                "UPDATE hit SET md5 = NOT md5, confirmation = iif(md5, 'pixels', 'digest') WHERE record = 3",
                [],
            )
            .unwrap();
            let item: i64 = random.random_range(1..=60);
            case.execute(
                "UPDATE item SET sha256 = ?1 WHERE id = ?2 AND sha256 NOT NULL",
                params![digests(99).sha256, item],
            )
            .unwrap();
            case.execute("DELETE FROM hit WHERE content = ?1", [random.random_range(1..=40)]).unwrap();
        }
        assert!(store.prioritise(&Rules::default(), &|_| true).unwrap());
        let expected = read_one_by_one(&case, &Rules::default().rules);
        assert_eq!(stored(&case), expected);
        // The twin that must fail: one hit less.
        case.execute("DELETE FROM hit", []).unwrap();
        assert_ne!(read_one_by_one(&case, &Rules::default().rules), expected);
    }
    assert!(ranks_seen.iter().filter(|seen| **seen > 0).count() >= 12, "{ranks_seen:?}");
}

/// A run that is ended leaves everything as it was, and unchanged priorities are not written again.
#[test]
fn an_ended_one_leaves_priorities_as_they_were() {
    let cases = Cases::new();
    let mut random = StdRng::seed_from_u64(77);
    let folder = cases.path("CASE");
    let case = make_up(&folder, &mut random);
    let mut store = CaseStore::open(&folder).unwrap();
    assert!(store.prioritise(&Rules::default(), &|_| true).unwrap());
    let before = stored(&case);
    let all = std::cell::Cell::new(0);
    let count = |steps| {
        all.set(all.get() + steps);
        true
    };
    assert!(store.prioritise(&Rules::default(), &count).unwrap());
    assert_eq!(all.get(), store.priority_steps().unwrap());
    case.execute("DELETE FROM hit", []).unwrap();
    for end in 1..all.get() {
        let left = std::cell::Cell::new(end);
        let go_on = |steps: u64| {
            left.set(left.get().saturating_sub(steps));
            left.get() > 0
        };
        let other = Rules::parse("[[rule]]\nname = 'all'\ntitle = ''").unwrap();
        assert!(!store.prioritise(&other, &go_on).unwrap());
        assert_eq!(stored(&case), before);
        assert_eq!(store.rules().unwrap(), Some(Rules::default()));
    }
}
