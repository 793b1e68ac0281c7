//! What agencies tell each other of their cases: signed packages of hashes without pictures, and what several
//! cases and packages have in common.
//!
//! * [`keys`] and [`store`]: who signs, who is trusted, who can open what is encrypted; [`received`]: what came already.
//! * [`package`] is the format, [`container`] the archive it comes in; [`mod@write`] makes packages and [`read`] verifies
//!   them while it reads. `docs/share-package.md` describes both for somebody without this program.
//! * [`known_list`] makes a list for `--known` of a package; [`link`] compares cases and packages ([`holder`]). What hash sets
//!   say of a content is summed up in [`said`].

pub mod container;
pub mod holder;
pub mod keys;
pub mod known_list;
pub mod link;
pub mod package;
pub mod read;
pub mod received;
pub mod set_facts;
pub mod store;
pub mod write;

mod place;

use std::fmt;
use std::io;
use std::path::Path;

use crate::case::CaseError;
use crate::source::name::escape_path;

/// Why a package is refused, in one word or two that stay the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// Something else.
    NotAPackage,
    /// A package of a later program.
    UnknownVersion,
    /// It ends before its end.
    Truncated,
    /// Some bytes are not those that were signed.
    Altered,
    /// Nobody said that its signer is to be trusted.
    UntrustedSigner,
    /// It is encrypted, and this key does not open it.
    NotForThisKey,
    /// What was signed breaks the format.
    Malformed,
    /// What was signed contradicts itself.
    Contradicting,
    /// Its hashes are of another version of Tamis's, which those of this program are not compared with.
    OtherHashes,
    /// What its hits say of one content does not fit into a line of a list.
    TooLongForAList,
}

impl FaultKind {
    /// The words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAPackage => "not a package",
            Self::UnknownVersion => "of an unknown version",
            Self::Truncated => "truncated",
            Self::Altered => "altered",
            Self::UntrustedSigner => "of a signer who is not trusted",
            Self::NotForThisKey => "not encrypted to this key",
            Self::Malformed => "malformed",
            Self::Contradicting => "contradicting itself",
            Self::OtherHashes => "of other hashes",
            Self::TooLongForAList => "too long for a list",
        }
    }

    /// What is to be done.
    const fn way_out(self) -> &'static str {
        match self {
            Self::NotAPackage => "`tamis share export` makes packages",
            Self::UnknownVersion => "use the tamis that it names, or a newer one",
            Self::Truncated | Self::Altered => "have it sent again, and ask its sender for its SHA-256",
            Self::UntrustedSigner => {
                "have the signer's key file sent, compare its fingerprint by telephone, and `tamis key trust` it; or \
                 take it as it is with --allow-untrusted"
            }
            Self::NotForThisKey => {
                "send your key file (`tamis key show`) to its sender and have it encrypted to that; or name another key with --keys"
            }
            Self::Malformed | Self::Contradicting => "its signer's program is at fault: tell its sender",
            Self::OtherHashes => {
                "use the tamis whose hashes have that version, or have the sources scanned again by one like yours"
            }
            Self::TooLongForAList => "compare it as it is: `tamis link CASE --package FILE`",
        }
    }
}

/// What is wrong with a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The package's path, escaped; empty where it comes from no file.
    pub package: String,
    /// In a word.
    pub kind: FaultKind,
    /// The member of the archive.
    pub member: Option<&'static str>,
    /// The member's line, from 1.
    pub line: Option<u64>,
    /// In words.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "package {} is {}", self.package, self.kind.name())?;
        if let Some(member) = self.member {
            write!(out, ": {member}")?;
        }
        if let Some(line) = self.line {
            write!(out, ", line {line}")?;
        }
        write!(out, ": {}. Way out: {}", self.reason, self.kind.way_out())
    }
}

/// What went wrong with keys, packages and links.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The package is refused.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// What was asked for cannot be done; the text says why and the way out.
    #[error("{0}")]
    Refused(String),
    /// A case could not be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The sink failed.
    #[error("{0}")]
    Sink(io::Error),
    /// The system said no.
    #[error("{what}: {error}")]
    Io {
        /// What was tried, with the escaped path.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// It was interrupted.
    #[error("interrupted")]
    Cancelled,
}

impl ShareError {
    /// The fault, where a package is refused for one.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    fn io(what: &str, path: &Path, error: io::Error) -> Self {
        Self::Io { what: format!("{what} {}", escape_path(path)), error }
    }
}

/// What a parser says of a stranger's text, which it may repeat.
fn escaped(error: &impl fmt::Display) -> String {
    crate::source::name::escape(error.to_string().as_bytes())
}

/// Whether a text shows all that it holds: nothing in it would be escaped but backslashes, which escapes are
/// written with. Texts from others are refused where they are not.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    let plain = text.replace('\\', "");
    crate::source::name::escape(plain.as_bytes()) == plain
}
