//! The page's data from the case, all from one snapshot.

use serde_json::Value;

use super::html::shown;
use crate::case::rules::Rules;
use crate::case::{
    CaseError, CaseIdentity, CaseOrigin, CaseReader, FormatCount, HashSpec, ItemCounts, RuleCount, SetCounts,
    StackCounts,
};
use crate::outcome::Outcome;
use crate::report::summary::escaped;
use crate::source::name::escape;

/// Something that a rule of the case puts first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Priority {
    /// 1 for the first.
    pub rank: u64,
    /// The rule's name, escaped.
    pub rule: String,
    /// Items that it covers.
    pub items: u64,
    /// The reason, as text, escaped.
    pub why: String,
    /// Whether it is a built-in rule, which has translations.
    pub own: bool,
}

/// A run with its JSON parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub number: i64,
    pub command: String,
    pub started: String,
    pub ended: Option<String>,
    pub state: String,
    pub notices: Vec<String>,
    /// Every resolved option: its name with dots between the levels, and its value.
    pub settings: Vec<(String, String)>,
}

/// The case in figures; everything except the rows of its tables.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub identity: CaseIdentity,
    pub origin: CaseOrigin,
    pub spec: HashSpec,
    pub sources: Vec<String>,
    pub incomplete_sources: Vec<String>,
    pub counts: ItemCounts,
    pub outcomes: Vec<(Outcome, u64)>,
    pub sets: Vec<SetCounts>,
    /// Items with a hit.
    pub known: u64,
    /// Items that are pictures with a hash and have no hit.
    pub new: u64,
    pub verifications: Vec<(String, u64)>,
    pub distances: Vec<(u32, u64)>,
    pub qualities: Vec<(u32, u64)>,
    pub formats: Vec<FormatCount>,
    pub derived_froms: Vec<(String, u64)>,
    pub taken: Vec<(u32, u64)>,
    pub stacks: Option<StackCounts>,
    pub runs: Vec<Run>,
    pub priorities: Vec<Priority>,
}

impl Data {
    /// Reads it.
    pub fn read(case: &CaseReader) -> Result<Self, CaseError> {
        let runs = case.runs()?.into_iter().map(|run| {
            Ok(Run {
                number: run.number,
                notices: notices(&run.notices)?,
                settings: settings(&run.settings)?,
                command: run.command,
                started: run.started,
                ended: run.ended,
                state: run.state,
            })
        });
        let (outcomes, hits) = (case.outcome_counts()?, case.hit_counts()?);
        Ok(Self {
            identity: escaped(case.identity()?),
            origin: case.origin()?,
            spec: case.spec()?,
            sources: case.sources()?,
            incomplete_sources: case.incomplete_sources()?,
            counts: case.item_counts()?,
            sets: case.set_counts()?,
            known: hits.items,
            new: outcomes.pictures_without_hits(&hits)?,
            outcomes: outcomes.by_outcome,
            verifications: case.verification_counts()?,
            distances: case.distance_counts()?,
            qualities: case.quality_counts()?,
            formats: case.format_counts()?,
            derived_froms: case.derived_from_counts()?,
            taken: case.taken_counts()?,
            stacks: case.stack_counts()?,
            runs: runs.collect::<Result<_, CaseError>>()?,
            priorities: priorities(case)?,
        })
    }

    /// Hits of all verifications.
    pub fn hits(&self) -> u64 {
        self.verifications.iter().map(|(_, hits)| hits).sum()
    }

    /// Hits of one confirmation.
    pub fn hits_of(&self, confirmation: &str) -> u64 {
        self.verifications.iter().filter(|(name, _)| name == confirmation).map(|(_, hits)| hits).sum()
    }

    /// Hits by hash alone.
    pub fn perceptual_hits(&self) -> u64 {
        self.sets.iter().map(|set| set.perceptual_hits).sum()
    }

    /// Items of all outcomes.
    pub fn finished(&self) -> u64 {
        self.outcomes.iter().map(|(_, items)| items).sum()
    }

    /// Items that have no hash although they are or may be pictures: the rows of errors.
    pub fn failed(&self) -> u64 {
        let fine = [Outcome::Hashed, Outcome::Duplicate, Outcome::Other];
        self.outcomes.iter().filter(|(outcome, _)| !fine.contains(outcome)).map(|(_, items)| items).sum()
    }

    /// Finished items that are neither known nor new pictures; `None` where the counts contradict each other.
    pub fn others(&self) -> Option<u64> {
        self.finished().checked_sub(self.known)?.checked_sub(self.new)
    }

    /// The time of the page's state: the last record of a run, else the creation of the case.
    pub fn moment(&self) -> Option<&str> {
        let ends = self.runs.iter().map(|run| run.ended.as_deref().unwrap_or(&run.started));
        ends.max().or(self.origin.created.as_deref())
    }

    /// A set's name, with the beginning of its SHA-256 where two sets share the name.
    pub fn set_name(&self, name: &str, file_sha256: &str) -> String {
        let alike = self.sets.iter().filter(|set| set.name == name).count();
        match file_sha256.get(..8) {
            Some(beginning) if alike > 1 => format!("{name} [{beginning}]"),
            _ => name.to_string(),
        }
    }
}

/// What the rules of the case put first; rules that decided nothing are left out.
fn priorities(case: &CaseReader) -> Result<Vec<Priority>, CaseError> {
    let counts = case.rule_counts()?.into_iter().filter(|count| count.items > 0);
    let own = Rules::default();
    let is_own =
        |count: &RuleCount| own.rules.iter().any(|rule| rule.name == count.rule && rule.title == count.title);
    let priority = |count: RuleCount| Priority {
        own: is_own(&count),
        rank: count.rank.max(0).cast_unsigned(),
        rule: escape(count.rule.as_bytes()),
        items: count.items,
        why: escape(count.title.as_bytes()),
    };
    Ok(counts.map(priority).collect())
}

fn notices(json: &str) -> Result<Vec<String>, CaseError> {
    let value: Value = serde_json::from_str(json).map_err(|error| damaged("notices", error))?;
    Ok(match value {
        Value::Array(notices) => notices.iter().map(text_of).collect(),
        other => vec![text_of(&other)],
    })
}

/// The options of a run, their names with dots between the levels.
pub(in crate::report) fn settings(json: &str) -> Result<Vec<(String, String)>, CaseError> {
    let value: Value = serde_json::from_str(json).map_err(|error| damaged("settings", error))?;
    let mut settings = Vec::new();
    flatten("", &value, &mut settings);
    Ok(settings)
}

fn flatten(name: &str, value: &Value, settings: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, settings);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for (index, value) in values.iter().enumerate() {
                flatten(&format!("{name}[{index}]"), value, settings);
            }
        }
        _ => settings.push((shown(name).into_owned(), text_of(value))),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => shown(text).into_owned(),
        Value::Array(_) | Value::Object(_) => "–".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn damaged(what: &str, error: serde_json::Error) -> CaseError {
    CaseError::damaged_by(format!("{what} of a run"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_flat_and_visible() {
        let flat = settings(r#"{"a":{"b":1,"c":[true,"x\u202e"]},"d":null,"e":[],"f":{}}"#).unwrap();
        let flat: Vec<(&str, &str)> =
            flat.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            flat,
            [("a.b", "1"), ("a.c[0]", "true"), ("a.c[1]", "x\\u{202e}"), ("d", "–"), ("e", "–"), ("f", "–")]
        );
        assert!(settings("{").is_err());
        assert_eq!(notices(r#"["lost"]"#).unwrap(), ["lost"]);
    }
}
