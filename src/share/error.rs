//! What can go wrong with keys, packages and links, by kind.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::{Fault, KeyError};
use crate::case::CaseError;
use crate::source::name::{escape, escape_path};

/// A cause whose type is private.
type Cause = Box<dyn Error + Send + Sync>;

/// What went wrong with keys, packages and links.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The package is refused.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// A case could not be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The sink failed.
    #[error("{0}")]
    Sink(#[source] io::Error),
    /// The system refused.
    #[error("{what}: {error}")]
    Io {
        /// What failed, with the escaped path.
        what: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// It was interrupted.
    #[error("interrupted")]
    Cancelled,
    /// There is no key.
    #[error("{}: no key here (`tamis key new` creates one)", escape_path(path))]
    NoKey {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file does not hold a usable public key.
    #[error("{}: key file: {fault}", escape_path(path))]
    InvalidKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: KeyError,
    },
    /// The user's file does not hold a usable private key.
    #[error("{}: private key: {fault}", escape_path(path))]
    InvalidPrivateKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: KeyError,
    },
    /// A file is larger than any key.
    #[error("{}: too large for a key", escape_path(path))]
    KeyTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The owner of a new key cannot be written to it: what is wrong with a name, an agency or a contact.
    #[error("{0}")]
    InvalidOwner(#[source] KeyError),
    /// A private key cannot be decrypted with this passphrase.
    #[error("{}: private key: the passphrase is wrong", escape_path(path))]
    WrongPassphrase {
        /// The private key.
        path: PathBuf,
    },
    /// One half of the user's key is missing.
    #[error(
        "half of your key is missing: there is {}, but no {} (restore it from your backup; without a backup, move the other half away and \
         create a new key with `tamis key new`)",
        escape_path(present),
        escape_path(missing)
    )]
    HalfMissing {
        /// The half that is missing.
        missing: PathBuf,
        /// The other half.
        present: PathBuf,
    },
    /// A new key was to be created where there is one.
    #[error(
        "{}: there is already a key here, and keys are never replaced (use it, or name another folder with --keys)",
        escape_path(folder)
    )]
    KeyExists {
        /// The folder of keys.
        folder: PathBuf,
    },
    /// The public half of the user's key was replaced.
    #[error(
        "{}: not the public half of your private key, but the key {fingerprint} of {owner}: it was replaced (restore it from your backup, \
         and check whom you sent it to)",
        escape_path(path)
    )]
    KeyReplaced {
        /// The public half.
        path: PathBuf,
        /// The fingerprint of the key that is there.
        fingerprint: String,
        /// Its owner.
        owner: String,
    },
    /// Other users have access to a secret.
    #[error("{reason}")]
    OpenToOthers {
        /// The file, who has access to it, and the way out.
        reason: String,
    },
    /// Other users can change a key.
    #[error(
        "{}: {reason}, and so replace keys with their own; {way_out}, and compare the fingerprints of the keys there with their owners",
        escape_path(path)
    )]
    ChangeableByOthers {
        /// The folder or file.
        path: PathBuf,
        /// Who can change it.
        reason: String,
        /// What to do.
        way_out: &'static str,
    },
    /// No key has this fingerprint, name or agency.
    #[error(
        "{}: no key here has the fingerprint, name or agency `{}` (`tamis key show` lists keys, `tamis key trust` adds one)",
        escape_path(folder),
        escape(wanted.as_bytes())
    )]
    NoSuchKey {
        /// The folder of keys.
        folder: PathBuf,
        /// What was requested.
        wanted: String,
    },
    /// Several keys have this fingerprint, name or agency.
    #[error(
        "`{}` matches several keys (give one of their fingerprints: {})",
        escape(wanted.as_bytes()),
        fingerprints.join(", ")
    )]
    SeveralKeys {
        /// What was requested.
        wanted: String,
        /// The fingerprints of the keys.
        fingerprints: Vec<String>,
    },
    /// The list of received packages holds something else.
    #[error(
        "{}:{line}: not a record of an import, so a repeated package would not be recognised (restore the file, or remove that line)",
        escape_path(path)
    )]
    InvalidRecord {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A case or package has more contents than can be numbered.
    #[error("{label}: more than 2³² contents")]
    TooManyContents {
        /// Its name, escaped.
        label: String,
    },
    /// The hashes of two cases or packages cannot be compared.
    #[error(
        "the hashes of {left} and of {right} were computed with different settings and cannot be compared (scan the sources of one \
         again with the other's --geometry)"
    )]
    Incomparable {
        /// One, with its settings.
        left: String,
        /// The other, with its settings.
        right: String,
    },
    /// The manifest is longer than readers accept.
    #[error("the manifest is too long (give a shorter --purpose)")]
    ManifestTooLong,
    /// A row is longer than readers accept.
    #[error("a row of {member} is longer than {limit} bytes (leave --with-columns out)")]
    RowTooLong {
        /// The member of the package.
        member: &'static str,
        /// Maximum bytes of a row.
        limit: u64,
    },
    /// A case, locked against changes, gave different rows in two readings.
    #[error("{member} differed when it was written: is the case's disk failing?")]
    Unstable {
        /// The member of the package.
        member: &'static str,
    },
    /// Encryption failed.
    #[error("cannot encrypt: {0}")]
    Encryption(#[source] Cause),
    /// A value cannot be written as JSON: a fault of this program.
    #[error("cannot write as JSON: {0}")]
    Encoding(#[source] Cause),
    /// The system provides no randomness.
    #[error("the system provides no randomness: {0}")]
    NoRandomness(#[source] io::Error),
    /// The time cannot be read.
    #[error("cannot get the time: {0}")]
    NoTime(#[source] Cause),
}

impl ShareError {
    /// The fault, if a package is refused for one.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    pub(super) fn io(what: &str, path: &Path, error: io::Error) -> Self {
        Self::Io { what: format!("{what} {}", escape_path(path)), error }
    }

    pub(super) fn encryption(error: impl Into<Cause>) -> Self {
        Self::Encryption(error.into())
    }

    pub(super) fn encoding(error: impl Into<Cause>) -> Self {
        Self::Encoding(error.into())
    }
}
