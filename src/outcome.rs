//! What became of one item. An outcome is data: one bad file never ends a run, and the outcomes of
//! a case always add up to the items that were discovered.

use serde::{Deserialize, Serialize};

/// The fate of one item, as stored and exported (in `snake_case`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A picture with a hash.
    Hashed,
    /// The same bytes (by SHA-256) as another item of the case, which carries the result: a picture with a hash,
    /// or no picture. Copies of what failed show the failure.
    Duplicate,
    /// A picture with a side under 5 pixels: PDQ is not defined for it.
    TooSmall,
    /// Not a picture by its content: matched by digest only.
    Other,
    /// A picture format that is recognised by name and has no decoder here: matched by digest only.
    Unsupported,
    /// A picture whose bytes no decoder accepts: truncated or damaged.
    Corrupt,
    /// A file of no bytes.
    Empty,
    /// Dimensions or memory beyond the limits of this run.
    OverLimit,
    /// The decoder panicked on it; the run went on.
    Crashed,
    /// The system would not let us read it.
    Unreadable,
    /// It was listed, and gone when it was to be read.
    Vanished,
    /// A symbolic link or junction: never followed.
    NotFollowed,
    /// A pipe, socket or device: never opened.
    NotAFile,
}

impl Outcome {
    /// Every outcome, in the order of summaries.
    pub const ALL: [Self; 13] = [
        Self::Hashed,
        Self::Duplicate,
        Self::TooSmall,
        Self::Other,
        Self::Unsupported,
        Self::Corrupt,
        Self::Empty,
        Self::OverLimit,
        Self::Crashed,
        Self::Unreadable,
        Self::Vanished,
        Self::NotFollowed,
        Self::NotAFile,
    ];

    /// The name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hashed => "hashed",
            Self::Duplicate => "duplicate",
            Self::TooSmall => "too_small",
            Self::Other => "other",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Empty => "empty",
            Self::OverLimit => "over_limit",
            Self::Crashed => "crashed",
            Self::Unreadable => "unreadable",
            Self::Vanished => "vanished",
            Self::NotFollowed => "not_followed",
            Self::NotAFile => "not_a_file",
        }
    }

    /// The outcome of a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// Where in the flow an item failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Listing folders.
    Walk,
    /// Opening and reading bytes.
    Read,
    /// Recognising the format.
    Sniff,
    /// Checking dimensions and memory.
    Limits,
    /// Decoding pixels.
    Decode,
    /// Reducing to a tile and hashing.
    Hash,
}

impl Stage {
    /// The name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Walk => "walk",
            Self::Read => "read",
            Self::Sniff => "sniff",
            Self::Limits => "limits",
            Self::Decode => "decode",
            Self::Hash => "hash",
        }
    }
}

/// Why an item has no hash: the outcome, the stage that decided it, and the reason in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The outcome; never [`Outcome::Hashed`].
    pub outcome: Outcome,
    /// The stage that decided.
    pub stage: Stage,
    /// What was wrong, for an examiner; may contain bytes of the file's text and is escaped on output.
    pub reason: String,
}

impl Failure {
    /// A failure of `outcome` at `stage` because of `reason`.
    pub fn new(outcome: Outcome, stage: Stage, reason: impl Into<String>) -> Self {
        Self { outcome, stage, reason: reason.into() }
    }
}
