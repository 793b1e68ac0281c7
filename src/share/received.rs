//! The record of imported packages. A package that arrives a second time, or an older one of the same case, is reported, because somebody may
//! have substituted it for the expected one.
//!
//! `received.jsonl` in the folder of the user's keys has a line for each import, which is append-only. A package is identified by its
//! manifest, which its signature covers and which holds the digests of everything else: it is recognised under any file name and with any
//! encryption.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ShareError;
use super::package::{Manifest, SharedCase};
use super::store::{KeyStore, make_private_folder};
use crate::source::digest::hex;
use crate::source::name::escape_path;
use crate::source::sha256_of;

const RECEIVED: &str = "received.jsonl";

/// One import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Time of the import, ISO 8601, UTC.
    pub when: String,
    /// The package's file, escaped.
    pub file: String,
    /// SHA-256 of the manifest, in hex.
    pub manifest: String,
    /// Fingerprint of the signer.
    pub signer: String,
    /// The case that it is of.
    pub case: SharedCase,
}

/// How a package relates to those imported before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recency {
    /// No package of this case was imported, or only older ones.
    New,
    /// The same package was imported; the last time is given.
    SeenBefore(Received),
    /// A later package of the same signer and case was imported.
    OlderThan(Received),
}

impl KeyStore {
    /// How a package relates to those imported before.
    ///
    /// # Errors
    /// If the record cannot be read, or is damaged.
    pub fn recency(&self, manifest: &Manifest) -> Result<Recency, ShareError> {
        let digest = digest(manifest)?;
        let received = self.received()?;
        if let Some(same) = received.iter().rfind(|received| received.manifest == digest) {
            return Ok(Recency::SeenBefore(same.clone()));
        }
        let SharedCase { number, exhibit, as_of } = &manifest.case;
        let is_later = |received: &&Received| {
            let of_same = received.signer == manifest.signer.fingerprint
                && (&received.case.number, &received.case.exhibit) == (number, exhibit);
            // Both have the format of packages, which sorts chronologically.
            of_same && received.case.as_of > *as_of
        };
        Ok(received.iter().rfind(is_later).map_or(Recency::New, |later| Recency::OlderThan(later.clone())))
    }

    /// Records that a package was imported.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn record_received(&self, manifest: &Manifest, file: &Path) -> Result<(), ShareError> {
        let received = Received {
            when: now()?,
            file: escape_path(&std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf())),
            manifest: digest(manifest)?,
            signer: manifest.signer.fingerprint.clone(),
            case: manifest.case.clone(),
        };
        let path = self.received_file();
        let failed = |error| ShareError::io("cannot write", &path, error);
        let mut line = serde_json::to_vec(&received).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        // A line cut off by a full disk stays separate, and this record stays whole.
        if fs::read(&path).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n')) {
            line.insert(0, b'\n');
        }
        make_private_folder(self.folder())?;
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // All at once, so that two imports do not write into each other's lines.
        let mut file = options.open(&path).map_err(failed)?;
        file.write_all(&line).and_then(|()| file.sync_all()).map_err(failed)
    }

    fn received(&self) -> Result<Vec<Received>, ShareError> {
        let path = self.received_file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ShareError::io("cannot read", &path, error)),
        };
        let mut received = Vec::new();
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let invalid = |_| ShareError::InvalidRecord { path: path.clone(), line: number + 1 };
            received.push(serde_json::from_slice(line).map_err(invalid)?);
        }
        Ok(received)
    }

    fn received_file(&self) -> PathBuf {
        self.folder().join(RECEIVED)
    }
}

fn digest(manifest: &Manifest) -> Result<String, ShareError> {
    let text = serde_json::to_vec(manifest).map_err(ShareError::encoding)?;
    Ok(hex(&sha256_of(&text)))
}

/// The time, as cases have it too.
fn now() -> Result<String, ShareError> {
    let asked = rusqlite::Connection::open_in_memory().and_then(|clock| {
        clock.query_row("SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')", [], |row| row.get(0))
    });
    asked.map_err(|error| ShareError::NoTime(Box::new(error)))
}
