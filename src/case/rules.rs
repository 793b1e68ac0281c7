//! Rules of priority: which items an investigator looks at first. `default_rules.toml` is the description for users.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;

use crate::known::profile::Classification;
use crate::outcome::Outcome;
use crate::source::name::{escape, escape_path};

/// The rules of the program, as `tamis rules` prints them.
pub const DEFAULT_RULES: &str = include_str!("default_rules.toml");
/// The category of a record whose set says nothing of it.
pub(super) const NO_CATEGORY: &str = "none";
/// No file of rules is larger.
const MOST_BYTES: u64 = 1 << 20;

/// Rules of priority, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The text that they were read from.
    pub text: String,
}

/// One rule: it fits an item where all that it says is so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, told of every item that it decides.
    pub name: String,
    /// What it means, for a person.
    pub title: String,
    /// The item has such a hit.
    pub known: Option<KnownCondition>,
    /// The item has no hit at all.
    #[serde(default)]
    pub unknown: bool,
    /// Another content of its stack has such a hit.
    pub stacked_with: Option<KnownCondition>,
    /// Its stack has at least so many contents.
    pub stack: Option<u32>,
    /// What became of the item: names of [`Outcome`].
    pub outcome: Option<Vec<String>>,
}

/// What must be so of a hit's known record; what is not given may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCondition {
    /// What the hit is by.
    pub by: Option<HitKind>,
    /// Names of [`Classification`], or "none".
    pub category: Option<Vec<String>>,
    /// Whether a victim was identified.
    pub victim_identified: Option<Vec<Said>>,
    /// Whether an offender was identified.
    pub offender_identified: Option<Vec<Said>>,
    /// Whether it is known to have been distributed.
    pub distributed: Option<Vec<Said>>,
    /// Whether it belongs to a series.
    pub series: Option<bool>,
    /// Names of hash sets.
    pub set: Option<Vec<String>>,
}

/// What a hit is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// The bytes are the record's.
    Digest,
    /// The picture is near to the record's.
    Perceptual,
}

/// What a known record says of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nothing.
    Unknown,
}

impl Said {
    /// Its name in rules.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Why rules were refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RulesError(String);

impl Default for Rules {
    fn default() -> Self {
        // That they are rules is tested.
        Self::parse(DEFAULT_RULES).unwrap_or(Self { rules: Vec::new(), text: String::new() })
    }
}

impl Rules {
    /// Reads a file of rules.
    ///
    /// # Errors
    /// The file's name, and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, RulesError> {
        let refused = |reason: String| RulesError(format!("rules {}: {reason}", escape_path(path)));
        let read = || -> io::Result<String> {
            if fs::metadata(path)?.len() > MOST_BYTES {
                return Err(io::Error::other("larger than any rules"));
            }
            fs::read_to_string(path)
        };
        let text = read().map_err(|error| refused(error.to_string()))?;
        Self::parse(&text).map_err(|RulesError(reason)| refused(reason))
    }

    /// Reads rules from their text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            rule: Vec<Rule>,
        }
        let File { rule: rules } =
            toml::from_str(text).map_err(|error| RulesError(escaped_lines(&error.to_string())))?;
        if rules.is_empty() {
            return Err(RulesError("no [[rule]] in it".into()));
        }
        let mut names = BTreeSet::new();
        for rule in &rules {
            let refused =
                |reason: &str| RulesError(format!("rule `{}`: {reason}", escape(rule.name.as_bytes())));
            if rule.name.trim().is_empty() || !names.insert(&rule.name) {
                return Err(refused("every rule needs a name of its own"));
            }
            rule.check().map_err(|reason| refused(&reason))?;
        }
        Ok(Self { rules, text: text.into() })
    }
}

/// What is said of a text with pieces of the text in it, line by line as it can be shown.
fn escaped_lines(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| escape(line.as_bytes())).collect();
    lines.join("\n")
}

impl Rule {
    /// Whether what became of an item is as the rule asks.
    pub(super) fn has_outcome(&self, outcome: &str) -> bool {
        self.outcome.as_ref().is_none_or(|outcomes| outcomes.iter().any(|name| name == outcome))
    }

    /// Whether it fits an item that could not be read: one without hits, in no stack.
    pub(super) fn fits_unread(&self, outcome: &str) -> bool {
        self.known.is_none()
            && self.stacked_with.is_none()
            && self.stack.is_none_or(|least| least <= 1)
            && self.has_outcome(outcome)
    }

    fn check(&self) -> Result<(), String> {
        if self.unknown && self.known.is_some() {
            return Err("no item is both known and unknown".into());
        }
        for condition in self.known.iter().chain(&self.stacked_with) {
            let one_of = |name: &String| {
                name == NO_CATEGORY || Classification::ALL.iter().any(|meaning| meaning.name() == name)
            };
            if let Some(name) = condition.category.iter().flatten().find(|name| !one_of(name)) {
                let all: Vec<&str> = Classification::ALL.iter().map(|meaning| meaning.name()).collect();
                let name = escape(name.as_bytes());
                return Err(format!("there is no category `{name}`: {}, {NO_CATEGORY}", all.join(", ")));
            }
        }
        let outcome = self.outcome.iter().flatten().find(|name| Outcome::from_name(name).is_none());
        if let Some(name) = outcome {
            let all: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
            return Err(format!("there is no outcome `{}`: {}", escape(name.as_bytes()), all.join(", ")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_rules_are_rules_and_leave_nothing_out() {
        let rules = Rules::parse(DEFAULT_RULES).unwrap().rules;
        assert_eq!(rules.len(), 14);
        let Rule { name, title, .. } = rules.last().unwrap().clone();
        assert_eq!(
            *rules.last().unwrap(),
            Rule { name, title, ..Rule::default() },
            "the last fits everything"
        );
    }

    #[test]
    fn what_is_wrong_with_rules_is_said() {
        for (text, reason) in [
            ("", "no [[rule]]"),
            ("[[rule]]\nname = \"a\"\ntitle = \"\"\nknwon = {}", "unknown field `knwon`"),
            ("[[rule]]\nname = \"a\"", "missing field `title`"),
            (
                "[[rule]]\nname = \"a\"\ntitle = \"\"\n[[rule]]\nname = \"a\"\ntitle = \"\"",
                "a name of its own",
            ),
            ("[[rule]]\nname = \"a\"\ntitle = \"\"\nunknown = true\nknown = {}", "both known and unknown"),
            (
                "[[rule]]\nname = \"a\"\ntitle = \"\"\nknown = { category = [\"1\"] }",
                "no category `1`: child_abuse",
            ),
            ("[[rule]]\nname = \"a\"\ntitle = \"\"\nknown = { by = \"md5\" }", "unknown variant `md5`"),
            ("[[rule]]\nname = \"a\"\ntitle = \"\"\noutcome = [\"bad\"]", "no outcome `bad`: hashed"),
            ("[[rule]\n", "line 1"),
        ] {
            let refused = Rules::parse(text).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
