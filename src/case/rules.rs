//! Rules of priority: which items an investigator looks at first. `default_rules.toml` is the description for users.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use crate::known::profile::Classification;
use crate::outcome::Outcome;
use crate::source::name::{escape, escape_path};

/// The rules of the program, as `tamis rules` prints them.
pub const DEFAULT_RULES: &str = include_str!("default_rules.toml");
/// The category of a record whose set has none.
pub(super) const NO_CATEGORY: &str = "none";
/// Maximum bytes of a file of rules.
const MAX_BYTES: u64 = 1 << 20;

/// Rules of priority, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The text that they were read from.
    pub text: String,
}

/// One rule: it fits an item that meets all of its conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, shown for every item that it decides.
    pub name: String,
    /// Its title, for a person.
    pub title: String,
    /// The item has such a hit.
    pub known: Option<KnownCondition>,
    /// The item has no hits.
    #[serde(default)]
    pub unknown: bool,
    /// Another content of its stack has such a hit.
    pub stacked_with: Option<KnownCondition>,
    /// Its stack has this many contents or more.
    pub stack: Option<u32>,
    /// The item's outcome: names of [`Outcome`].
    pub outcome: Option<Vec<String>>,
}

/// Conditions on a hit and its known record; a field that is not given accepts anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCondition {
    /// How the hit was found.
    pub by: Option<HitKind>,
    /// Names of [`Classification`], or "none".
    pub category: Option<Vec<String>>,
    /// Whether a victim was identified.
    pub victim_identified: Option<Vec<Answer>>,
    /// Whether an offender was identified.
    pub offender_identified: Option<Vec<Answer>>,
    /// Whether it is known to have been distributed.
    pub distributed: Option<Vec<Answer>>,
    /// Whether it belongs to a series.
    pub series: Option<bool>,
    /// Names of hash sets.
    pub set: Option<Vec<String>>,
}

/// How a hit was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// The bytes are the record's.
    Digest,
    /// The picture is near to the record's.
    Perceptual,
}

/// What a known record states about a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// It does not state it.
    Unknown,
}

impl Answer {
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

/// Why a file of rules was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It cannot be read.
    #[error("{}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is larger than rules may be.
    #[error("{}: larger than {MAX_BYTES} bytes, which no file of rules is", escape_path(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It does not hold rules.
    #[error("{}: {source}", escape_path(path))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RulesFault,
    },
}

/// What is wrong with the text of rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesFault {
    /// It is not TOML, or does not have the fields of rules.
    #[error("{}", escaped_lines(&.0.to_string()))]
    Syntax(#[source] Box<dyn Error + Send + Sync>),
    /// It is empty.
    #[error("no [[rule]] in it")]
    NoRules,
    /// A rule has no name, or that of another.
    #[error("rule `{}`: every rule needs a name of its own", escape(rule.as_bytes()))]
    Name {
        /// The rule's name.
        rule: String,
    },
    /// A rule fits no item.
    #[error("rule `{}`: no item is both known and unknown", escape(rule.as_bytes()))]
    KnownAndUnknown {
        /// The rule's name.
        rule: String,
    },
    /// A rule names a category that does not exist.
    #[error(
        "rule `{}`: there is no category `{}`: {}, {NO_CATEGORY}",
        escape(rule.as_bytes()),
        escape(category.as_bytes()),
        names(Classification::ALL.iter().map(|category| category.name()))
    )]
    Category {
        /// The rule's name.
        rule: String,
        /// The category.
        category: String,
    },
    /// A rule names an outcome that does not exist.
    #[error(
        "rule `{}`: there is no outcome `{}`: {}",
        escape(rule.as_bytes()),
        escape(outcome.as_bytes()),
        names(Outcome::ALL.iter().map(|outcome| outcome.name()))
    )]
    Outcome {
        /// The rule's name.
        rule: String,
        /// The outcome.
        outcome: String,
    },
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

impl Default for Rules {
    fn default() -> Self {
        // A test reads them.
        Self::parse(DEFAULT_RULES).unwrap_or(Self { rules: Vec::new(), text: String::new() })
    }
}

impl Rules {
    /// Reads a file of rules.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold rules.
    pub fn read(path: &Path) -> Result<Self, RulesError> {
        let failed = |source| RulesError::Read { path: path.to_path_buf(), source };
        if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
            return Err(RulesError::TooLarge { path: path.to_path_buf() });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(|source| RulesError::Invalid { path: path.to_path_buf(), source })
    }

    /// Reads rules from their text.
    ///
    /// # Errors
    /// If the text does not hold rules; the error returns where.
    pub fn parse(text: &str) -> Result<Self, RulesFault> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            rule: Vec<Rule>,
        }
        let File { rule: rules } =
            toml::from_str(text).map_err(|error| RulesFault::Syntax(Box::new(error)))?;
        if rules.is_empty() {
            return Err(RulesFault::NoRules);
        }
        let mut names = BTreeSet::new();
        for rule in &rules {
            if rule.name.trim().is_empty() || !names.insert(&rule.name) {
                return Err(RulesFault::Name { rule: rule.name.clone() });
            }
            rule.check()?;
        }
        Ok(Self { rules, text: text.into() })
    }
}

/// An error about a text, which quotes the text, line by line as it can be shown.
fn escaped_lines(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| escape(line.as_bytes())).collect();
    lines.join("\n")
}

impl Rule {
    /// Whether the rule accepts an item's outcome.
    pub(super) fn has_outcome(&self, outcome: &str) -> bool {
        self.outcome.as_ref().is_none_or(|outcomes| outcomes.iter().any(|name| name == outcome))
    }

    /// Whether it fits an item that could not be read: one without hits and outside stacks.
    pub(super) fn fits_unread(&self, outcome: &str) -> bool {
        self.known.is_none()
            && self.stacked_with.is_none()
            && self.stack.is_none_or(|minimum| minimum <= 1)
            && self.has_outcome(outcome)
    }

    fn check(&self) -> Result<(), RulesFault> {
        let rule = self.name.clone();
        if self.unknown && self.known.is_some() {
            return Err(RulesFault::KnownAndUnknown { rule });
        }
        for condition in self.known.iter().chain(&self.stacked_with) {
            let one_of = |name: &String| {
                name == NO_CATEGORY || Classification::ALL.iter().any(|meaning| meaning.name() == name)
            };
            if let Some(name) = condition.category.iter().flatten().find(|name| !one_of(name)) {
                return Err(RulesFault::Category { rule, category: name.clone() });
            }
        }
        let outcome = self.outcome.iter().flatten().find(|name| Outcome::from_name(name).is_none());
        if let Some(name) = outcome {
            return Err(RulesFault::Outcome { rule, outcome: name.clone() });
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
    fn what_is_wrong_with_rules_is_reported() {
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
