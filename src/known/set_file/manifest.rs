//! The manifest of a set file, as JSON: its sources, how they were read, and counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::known::profile::Profile;
use crate::pdq::Geometry;

/// One file that a set was imported from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFile {
    /// Its name without folders; escaped where it is not UTF-8.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// The format that it was read as.
    pub format: String,
    /// Records that came from it.
    pub records: u64,
    /// Records of it that were skipped.
    #[serde(rename = "bad_records")]
    pub malformed_records: u64,
    /// Its fields outside its records (data model, case, program), as in the file.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub about: serde_json::Map<String, serde_json::Value>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCounts {
    /// Records.
    pub records: u64,
    /// MD5s.
    pub md5: u64,
    /// SHA-1s.
    pub sha1: u64,
    /// SHA-256s.
    pub sha256: u64,
    /// Records with at least one digest that is matched.
    pub with_digests: u64,
    /// PDQ hashes.
    pub hashes: u64,
    /// PhotoDNA values.
    pub photodna: u64,
    /// PhotoDNA fields that are neither 144 bytes in base64 nor in hex: kept as they are in the record.
    pub photodna_unread: u64,
    /// Records without anything to match by.
    pub nothing_to_match: u64,
    /// Records with a digest of trivial content (no bytes, or one byte repeated), which is set aside and never matched.
    #[serde(default)]
    pub trivial: u64,
    /// Records that their publisher withdrew: kept, never matched.
    pub withdrawn: u64,
    /// Malformed records that were skipped.
    #[serde(rename = "bad_records")]
    pub malformed_records: u64,
    /// Other malformed fields that are not used for matching: kept as far as possible.
    #[serde(default)]
    pub odd_fields: u64,
}

/// The manifest of a set file. It holds no time and no path, so the same input and options give the same
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the set.
    pub name: String,
    /// Its version, as its publisher has it; empty if it was not given.
    pub version: String,
    /// The program that imported it.
    pub program: String,
    /// What its categories stand for.
    pub profile: Profile,
    /// The geometry of its hashes.
    pub geometry: Geometry,
    /// Malformed records were counted instead of refused.
    pub skip_bad_records: bool,
    /// The columns that were named, `field=column`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Its sources, in the order of reading.
    pub sources: Vec<ImportedFile>,
    /// What was read.
    pub counts: SetCounts,
}

impl Manifest {
    /// An empty manifest, until the file's own is read.
    pub(super) fn empty() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            program: String::new(),
            profile: Profile {
                name: String::new(),
                categories: BTreeMap::new(),
                without: None,
                others: None,
            },
            geometry: Geometry::Full,
            skip_bad_records: false,
            columns: Vec::new(),
            sources: Vec::new(),
            counts: SetCounts::default(),
        }
    }
}
