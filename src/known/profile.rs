//! Category profiles: what a set's category numbers stand for.
//!
//! The same number stands for different things in different regions: 0 and 5 are swapped between two schemes of Project
//! VIC alone. So a set cannot be read without a profile, and nothing is ever left out because of a number.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs};

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::source::name::{escape, escape_path};

/// What a category number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// Child abuse material.
    ChildAbuse,
    /// Exploitive of a child without being child abuse material by the publisher's law, or of uncertain age.
    ChildExploitation,
    /// Computer-generated or drawn.
    Animated,
    /// For comparison: of interest to an investigation, not illegal itself.
    Comparison,
    /// Of no interest to such an investigation.
    NonPertinent,
    /// Not categorised yet.
    Uncategorised,
    /// Known, and nothing more: neither good nor bad.
    Known,
    /// Something else that the profile's label names.
    Other,
}

impl Classification {
    /// All, in the order of their numbers in set files. A classification keeps its number.
    pub const ALL: [Self; 8] = [
        Self::ChildAbuse,
        Self::ChildExploitation,
        Self::Animated,
        Self::Comparison,
        Self::NonPertinent,
        Self::Uncategorised,
        Self::Known,
        Self::Other,
    ];

    /// Its name in cases, exports and custom profiles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChildAbuse => "child_abuse",
            Self::ChildExploitation => "child_exploitation",
            Self::Animated => "animated",
            Self::Comparison => "comparison",
            Self::NonPertinent => "non_pertinent",
            Self::Uncategorised => "uncategorised",
            Self::Known => "known",
            Self::Other => "other",
        }
    }

    /// Its number in set files, from 1.
    #[must_use]
    pub fn number(self) -> u8 {
        Self::ALL.iter().position(|classification| *classification == self).map_or(0, |index| index as u8 + 1)
    }

    /// The classification of a number in a set file.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// One category of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// What it stands for.
    #[serde(rename = "meaning")]
    pub classification: Classification,
    /// What the profile's publisher calls it.
    pub label: String,
}

/// What a set's categories stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Categories by their number or text, in lower case; sources may write them in any.
    #[serde(deserialize_with = "distinct")]
    pub categories: BTreeMap<String, Category>,
    /// What a record without a category is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<Category>,
    /// What a category outside the list is. Without it, such a record stops the import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Category>,
}

/// Categories in lower case, each once.
fn distinct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Category>, D::Error> {
    struct Distinct;
    impl<'de> Visitor<'de> for Distinct {
        type Value = BTreeMap<String, Category>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("categories by their number")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut categories = BTreeMap::new();
            while let Some((number, category)) = members.next_entry::<String, Category>()? {
                if categories.insert(number.to_ascii_lowercase(), category).is_some() {
                    let number = escape(number.as_bytes());
                    return Err(de::Error::custom(format!(
                        "the category `{number}` is given twice (case is ignored)"
                    )));
                }
            }
            Ok(categories)
        }
    }
    deserializer.deserialize_map(Distinct)
}

/// (number, classification, label) rows of a built-in profile.
type Rows = &'static [(&'static str, Classification, &'static str)];

/// The newer scheme of Project VIC in the United States. Its labels are those of Autopsy's tag set "Project VIC"
/// (4.13 and later); that 0 is non-pertinent, and not uncategorised as in the older scheme, is how IPED's
/// `HashDBTool` reads Project VIC's own releases (0 "known", 1 and 2 "pedo"). The data model itself is given to law
/// enforcement and vendors only.
const VIC_US: Rows = &[
    ("0", Classification::NonPertinent, "Non-Pertinent"),
    ("1", Classification::ChildAbuse, "Child Abuse Material (CAM)"),
    ("2", Classification::ChildExploitation, "Child Exploitive (Non-CAM) Age Difficult"),
    ("3", Classification::Animated, "CGI/Animation - Child Exploitive"),
    ("4", Classification::Comparison, "Comparison Images"),
    ("5", Classification::Uncategorised, "Uncategorized"),
];

/// The older scheme of Project VIC and the DHS, as Autopsy had it until 4.12 (`DhsImageCategory`).
const VIC_LEGACY: Rows = &[
    ("0", Classification::Uncategorised, "Uncategorized"),
    ("1", Classification::ChildAbuse, "Child Exploitation (Illegal)"),
    ("2", Classification::ChildExploitation, "Child Exploitation (Non-Illegal/Age Difficult)"),
    ("3", Classification::Animated, "CGI/Animation (Child Exploitive)"),
    ("4", Classification::Comparison, "Exemplar/Comparison (Internal Use Only)"),
    ("5", Classification::NonPertinent, "Non-pertinent"),
];

/// The United Kingdom's CAID. Categories A, B and C are those of the Sentencing Council's definitive guideline of 2014
/// (as in the glossary of HMICFRS). No public source of further numbers was found, so a set with others needs a custom
/// profile.
const CAID: Rows = &[
    ("1", Classification::ChildAbuse, "Category A"),
    ("2", Classification::ChildAbuse, "Category B"),
    ("3", Classification::ChildAbuse, "Category C"),
    ("A", Classification::ChildAbuse, "Category A"),
    ("B", Classification::ChildAbuse, "Category B"),
    ("C", Classification::ChildAbuse, "Category C"),
];

/// INTERPOL's ICSE: the column `Baseline` states whether a file meets the criteria of the Baseline list, which hold
/// in every country (INTERPOL, "Blocking and categorizing content"). Files that do not are in the database too.
const INTERPOL_BASELINE: Rows = &[
    ("true", Classification::ChildAbuse, "INTERPOL Baseline"),
    ("yes", Classification::ChildAbuse, "INTERPOL Baseline"),
    ("1", Classification::ChildAbuse, "INTERPOL Baseline"),
    ("baseline", Classification::ChildAbuse, "INTERPOL Baseline"),
    ("false", Classification::ChildExploitation, "ICSE, not Baseline"),
    ("no", Classification::ChildExploitation, "ICSE, not Baseline"),
    ("0", Classification::ChildExploitation, "ICSE, not Baseline"),
    ("non-baseline", Classification::ChildExploitation, "ICSE, not Baseline"),
];

/// NCMEC's exchange of hashes: A and B are the age of the child, 1 and 2 the act; all four are child abuse material
/// (the classifications of its Industry Classification System).
const NCMEC: Rows = &[
    ("A1", Classification::ChildAbuse, "A1: prepubescent minor, sex act"),
    ("A2", Classification::ChildAbuse, "A2: prepubescent minor, lascivious exhibition"),
    ("B1", Classification::ChildAbuse, "B1: pubescent minor, sex act"),
    ("B2", Classification::ChildAbuse, "B2: pubescent minor, lascivious exhibition"),
];

/// A built-in profile: its name, its categories, and the category of records without one.
type BuiltIn = (&'static str, Rows, Option<(Classification, &'static str)>);

/// The built-in profiles.
const BUILT_IN: [BuiltIn; 6] = [
    ("vic-us", VIC_US, None),
    ("vic-legacy", VIC_LEGACY, None),
    ("caid", CAID, None),
    ("interpol-baseline", INTERPOL_BASELINE, None),
    ("ncmec", NCMEC, None),
    // For lists without categories, such as the NSRL's: known is not good.
    ("known", &[], Some((Classification::Known, "Known"))),
];

/// Why there is no such profile.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProfileError(String);

impl Profile {
    /// A built-in profile.
    ///
    /// # Errors
    /// If there is no profile of this name; the text lists the profiles.
    pub fn built_in(name: &str) -> Result<Self, ProfileError> {
        let found = BUILT_IN.iter().find(|(known, ..)| *known == name);
        let Some((name, rows, without)) = found else {
            return Err(ProfileError(format!(
                "there is no category profile `{}`: {}; or `custom` with --profile-file FILE for your own. The same number \
                 means different things in different regions, so ask the set's publisher which it is",
                escape(name.as_bytes()),
                Self::built_in_names()
            )));
        };
        let category = |(classification, label): (Classification, &str)| Category {
            classification,
            label: label.to_string(),
        };
        Ok(Self {
            name: (*name).to_string(),
            categories: rows
                .iter()
                .map(|(number, classification, label)| {
                    (number.to_ascii_lowercase(), category((*classification, label)))
                })
                .collect(),
            without: without.map(category),
            others: None,
        })
    }

    /// The names of the built-in profiles, as text.
    #[must_use]
    pub fn built_in_names() -> String {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, ..)| *name).collect();
        format!("choose {}", names.join(", "))
    }

    /// A custom profile: JSON of the form `{"name": …, "categories": {"1": {"meaning": …, "label": …}, …}}`,
    /// perhaps with `without` and `others`.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a profile.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let failed = |reason: &dyn fmt::Display| ProfileError(format!("{}: {reason}", escape_path(path)));
        let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
        let profile: Self = serde_json::from_str(&text).map_err(|error| {
            let names: Vec<&str> =
                Classification::ALL.iter().map(|classification| classification.name()).collect();
            failed(&format!("{} (meanings: {})", escape(error.to_string().as_bytes()), names.join(", ")))
        })?;
        if profile.name.is_empty() || BUILT_IN.iter().any(|(name, ..)| *name == profile.name) {
            return Err(failed(&"it needs a name of its own in the field `name`"));
        }
        Ok(profile)
    }

    /// The category of a record as its source writes it.
    ///
    /// # Errors
    /// If the profile does not have it; the text lists its categories.
    pub fn category(&self, raw: Option<&str>) -> Result<Option<&Category>, String> {
        let Some(raw) = raw else { return Ok(self.without.as_ref()) };
        let found = match self.categories.get(raw) {
            Some(found) => Some(found),
            None => self.categories.get(&raw.to_ascii_lowercase()).or(self.others.as_ref()),
        };
        match found {
            Some(found) => Ok(Some(found)),
            // A list without categories cannot have a wrong one.
            None if self.categories.is_empty() && self.without.is_some() => Ok(self.without.as_ref()),
            None => {
                let shown = |text: &str| escape(text.as_bytes());
                let one = |(number, found): (&String, &Category)| {
                    format!("{} {}", shown(number), shown(&found.label))
                };
                let all: Vec<String> = self.categories.iter().map(one).collect();
                Err(format!(
                    "the profile {} has no category `{}` (it has {}): is it the right profile?",
                    shown(&self.name),
                    shown(raw),
                    all.join("; ")
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_five_change_places() {
        let classification = |profile: &str, raw| {
            let profile = Profile::built_in(profile).unwrap();
            profile.category(Some(raw)).unwrap().map(|category| category.classification)
        };
        assert_eq!(classification("vic-us", "0"), Some(Classification::NonPertinent));
        assert_eq!(classification("vic-us", "5"), Some(Classification::Uncategorised));
        assert_eq!(classification("vic-legacy", "0"), Some(Classification::Uncategorised));
        assert_eq!(classification("vic-legacy", "5"), Some(Classification::NonPertinent));
        assert_eq!(classification("caid", "a"), Some(Classification::ChildAbuse));
        assert_eq!(classification("interpol-baseline", "True"), Some(Classification::ChildAbuse));
        assert_eq!(classification("known", "7"), Some(Classification::Known));
    }

    #[test]
    fn an_unknown_profile_or_category_is_refused_with_the_list() {
        let error = Profile::built_in("vic").unwrap_err().to_string();
        for name in ["vic-us", "vic-legacy", "caid", "interpol-baseline", "ncmec", "known", "custom"] {
            assert!(error.contains(name), "{error}");
        }
        let error = Profile::built_in("vic-us").unwrap().category(Some("6")).unwrap_err();
        assert!(error.contains("no category `6`") && error.contains("4 Comparison Images"), "{error}");
    }

    #[test]
    fn meanings_keep_their_numbers() {
        for (index, classification) in Classification::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(classification.number()), index + 1);
            assert_eq!(Classification::from_number(classification.number()), Some(classification));
        }
        assert_eq!(Classification::from_number(0), None);
        assert_eq!(Classification::from_number(9), None);
    }
}
