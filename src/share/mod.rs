//! Exchange between agencies: signed packages of hashes without pictures, and links between cases and
//! packages.
//!
//! * [`keys`] and [`store`]: who signs, who is trusted, who can open what is encrypted; [`received`]: what
//!   was imported before.
//! * [`package`] is the format, [`container`] the archive it comes in; [`mod@write`] writes packages and [`read`]
//!   verifies them while it reads. `docs/share-package.md` describes both for others.
//! * [`known_list`] writes a package as a list for `--known`; [`link`] compares cases and packages ([`holder`]). [`set_facts`]
//!   sums up what hash sets record about a content.

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

mod error;
mod key_error;
mod place;

use std::fmt;

pub use error::ShareError;
pub use key_error::{KeyError, TextFault};

/// Why a package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// It is something else.
    NotAPackage,
    /// It is a package of a later program.
    UnknownVersion,
    /// It is cut off.
    Truncated,
    /// Some bytes differ from those signed.
    Altered,
    /// Its signer is not trusted.
    UntrustedSigner,
    /// It is encrypted, and this key does not open it.
    NotForThisKey,
    /// What was signed violates the format.
    Malformed,
    /// What was signed contradicts itself.
    Contradicting,
    /// Its hashes are of another version, which this program cannot compare.
    OtherHashes,
    /// The facts of one content do not fit into a line of a list.
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

    /// The way out.
    const fn way_out(self) -> &'static str {
        match self {
            Self::NotAPackage => "`tamis share export` writes packages",
            Self::UnknownVersion => "use the tamis that it names, or a newer one",
            Self::Truncated | Self::Altered => "have it sent again, and ask its sender for its SHA-256",
            Self::UntrustedSigner => {
                "ask for the signer's key file, compare its fingerprint by telephone, and run `tamis key trust`; or \
                 accept the package with --allow-untrusted"
            }
            Self::NotForThisKey => {
                "send your key file (`tamis key show`) to its sender and have it encrypted to that; or name another key with --keys"
            }
            Self::Malformed | Self::Contradicting => "its signer's program is at fault: inform its sender",
            Self::OtherHashes => {
                "use the tamis whose hashes have that version, or have the sources scanned again by one like yours"
            }
            Self::TooLongForAList => "compare it as it is: `tamis link CASE --package FILE`",
        }
    }
}

/// A fault of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The package's path, escaped; empty where it comes from no file.
    pub package: String,
    /// Its kind.
    pub kind: FaultKind,
    /// The member of the archive.
    pub member: Option<&'static str>,
    /// The member's line, from 1.
    pub line: Option<u64>,
    /// The reason, as text.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.package.is_empty() {
            write!(out, "{}: ", self.package)?;
        }
        let noun = if self.kind == FaultKind::NotAPackage { "" } else { "package " };
        write!(out, "{noun}{}", self.kind.name())?;
        if let Some(member) = self.member {
            write!(out, ": {member}")?;
        }
        if let Some(line) = self.line {
            write!(out, ", line {line}")?;
        }
        write!(out, ": {} ({})", self.reason, self.kind.way_out())
    }
}

/// A parser's error, escaped: it may quote the foreign text.
fn escaped(error: &impl fmt::Display) -> String {
    crate::source::name::escape(error.to_string().as_bytes())
}

/// Whether everything in a text is visible: nothing but backslashes would be escaped. Texts from others must
/// be.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    let plain = text.replace('\\', "");
    crate::source::name::escape(plain.as_bytes()) == plain
}
