//! Hash sets: lists of digests and hashes, with what is known about each. `docs/known-sets.md` is the
//! description for users.

#![cfg_attr(not(feature = "import"), allow(dead_code, reason = "importers write what is only read here"))]

mod builder;
pub mod compare;
mod control;
mod digest_index;
mod error;
mod from_hashes;
mod hash_list;
mod hashes;
#[cfg(feature = "import")]
mod import;
mod lines;
mod list_kind;
mod malformed;
pub mod members;
pub mod photodna;
pub mod photodna_search;
pub mod profile;
mod read;
mod record;
mod set_file;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::pdq::Geometry;
use crate::source::Digests;
use crate::source::name::escape;
use crate::source::trivial::is_trivial_digest;

pub use control::ImportControl;
pub use error::{KnownError, ListError, SetFault, SourceFault};
pub use hash_list::{HashList, names_orientations};
#[cfg(feature = "import")]
pub use import::{ColumnMap, HeaderFault, ImportError, ImportFormat, ImportOptions, Imported, import};
pub use list_kind::ListKind;
pub use record::{KnownRecord, PhotoDna, RecordFacts, Spelling};
pub use set_file::{ImportedFile, Manifest, SetCounts, SetError, SetFile, StoredRecord};

use builder::Columns;
use digest_index::DigestIndex;
pub use hashes::{KnownCounts, KnownHash};
use members::Members;

/// How a hash set is to be read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The geometry of its hashes, if the file does not state it, `full` by default. A file that states
    /// another one is refused.
    pub geometry: Option<Geometry>,
    /// Count malformed lines instead of refusing the set.
    pub skip_bad_lines: bool,
    /// Hashes of a quality below this are set aside.
    pub min_quality: u8,
    /// What the lines of a list of bare hex digits are; 64 digits are ambiguous.
    pub list: Option<ListKind>,
}

/// A hash set that is matched: a plain list, read into memory, or a set file. Records are numbered from 0 in file order.
#[derive(Debug)]
pub struct HashSet {
    path: PathBuf,
    name: String,
    file_sha256: [u8; 32],
    geometry: Geometry,
    counts: KnownCounts,
    hashes: Vec<KnownHash>,
    records: Records,
    /// The fault of a look-up in a set file that changed after it was opened.
    fault: OnceLock<Arc<SetError>>,
}

/// Where a set's digests and records are.
#[derive(Debug)]
enum Records {
    List(Box<ListRecords>),
    File(Box<SetFile>),
}

/// Digests and columns of a plain list.
#[derive(Debug)]
struct ListRecords {
    md5: DigestIndex<16>,
    sha1: DigestIndex<20>,
    sha256: DigestIndex<32>,
    columns: Columns,
}

/// What a set has about one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordDetails {
    /// Its own columns or fields that are not empty: (name, value), both escaped (`source::name`). Of a set file they are
    /// the members of its JSON object, values other than texts as JSON.
    pub columns: Vec<(String, String)>,
    /// What is known about it; `None` in a plain list.
    pub facts: Option<RecordFacts<'static>>,
    /// What the set's profile calls its category.
    pub category_label: Option<String>,
    /// All of its fields as a JSON object, as they came; `None` in a plain list.
    pub fields: Option<String>,
}

/// Which digests of a record are equal to those of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestMatch {
    /// The record.
    pub record: u32,
    /// The MD5s are equal.
    pub md5: bool,
    /// The SHA-1s are equal.
    pub sha1: bool,
    /// The SHA-256s are equal.
    pub sha256: bool,
}

impl HashSet {
    /// Reads a set in one pass.
    ///
    /// # Errors
    /// If a line is malformed (with file, line and reason of the first one), the file is not a list, or it
    /// cannot be read.
    pub fn read(path: &Path, options: &ReadOptions) -> Result<Self, KnownError> {
        read::read(path, options)
    }

    /// The name of the set, escaped: that of a set file, or a list's file name without the extension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What identifies the set: SHA-256 of a list's file, [`SetFile::identity`] of a set file.
    #[must_use]
    pub const fn file_sha256(&self) -> [u8; 32] {
        self.file_sha256
    }

    /// The geometry of its hashes.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// What was read and set aside.
    #[must_use]
    pub const fn counts(&self) -> KnownCounts {
        self.counts
    }

    /// The hashes that take part in matching, in record order.
    #[must_use]
    pub fn hashes(&self) -> &[KnownHash] {
        &self.hashes
    }

    /// The manifest of a set file; `None` for a plain list.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.records {
            Records::List(_) => None,
            Records::File(file) => Some(file.manifest()),
        }
    }

    /// Records with one of these digests, in record order. If the set file has been damaged meanwhile there are none,
    /// and [`HashSet::check`] reports it: call that before using the answer. Trivial content has no records.
    #[must_use]
    pub fn find_digests(&self, digests: &Digests) -> Vec<DigestMatch> {
        // Set files of older versions have such digests in their tables.
        if is_trivial_digest(&digests.sha256) {
            return Vec::new();
        }
        let found = match &self.records {
            Records::List(list) => Ok([
                list.md5.find(&digests.md5).collect(),
                list.sha1.find(&digests.sha1).collect(),
                list.sha256.find(&digests.sha256).collect(),
            ]),
            Records::File(file) => find_in_file(file, digests),
        };
        let [md5, sha1, sha256] = found.unwrap_or_else(|error: SetError| {
            self.fault.get_or_init(|| Arc::new(error));
            Default::default()
        });
        let found = |record| DigestMatch { record, ..DigestMatch::default() };
        let mut matches: Vec<DigestMatch> = Vec::new();
        matches.extend(md5.into_iter().map(|record| DigestMatch { md5: true, ..found(record) }));
        matches.extend(sha1.into_iter().map(|record| DigestMatch { sha1: true, ..found(record) }));
        matches.extend(sha256.into_iter().map(|record| DigestMatch { sha256: true, ..found(record) }));
        matches.sort_by_key(|found| found.record);
        matches.dedup_by(|next, first| {
            let same = next.record == first.record;
            if same {
                first.md5 |= next.md5;
                first.sha1 |= next.sha1;
                first.sha256 |= next.sha256;
            }
            same
        });
        matches
    }

    /// Refuses a set whose answers by [`HashSet::find_digests`] cannot be relied on, and with which nothing may be recorded as matched:
    /// its set file was written to since it was opened. A plain list is in memory and cannot have this fault.
    ///
    /// # Errors
    /// If the file was changed or can no longer be read, or `is_cancelled` ended the reading that would have
    /// detected it.
    pub fn check(&self, is_cancelled: &dyn Fn() -> bool) -> Result<(), SetFault> {
        if let Some(fault) = self.fault.get() {
            return Err(SetFault::Changed(Arc::clone(fault)));
        }
        match &self.records {
            Records::List(_) => Ok(()),
            Records::File(file) => file.check_unchanged(is_cancelled).map_err(|error| match error {
                SetError::Cancelled => SetFault::Unchecked,
                error => SetFault::Changed(Arc::new(error)),
            }),
        }
    }

    /// What the set has about a record.
    ///
    /// # Errors
    /// If the set file is damaged there.
    pub fn details(&self, record: u32) -> Result<RecordDetails, SetError> {
        let file = match &self.records {
            Records::List(list) => {
                let columns = list.columns.of(record).into_iter();
                let columns = columns.map(|(name, value)| (name.to_string(), value.to_string())).collect();
                return Ok(RecordDetails { columns, ..RecordDetails::default() });
            }
            Records::File(file) => file,
        };
        let stored = file.record(record)?;
        let raw = stored.facts.category.as_deref();
        let label =
            file.manifest().profile.category(raw).ok().flatten().map(|category| category.label.clone());
        Ok(RecordDetails {
            columns: columns_of(&stored.fields),
            category_label: label,
            facts: Some(stored.facts),
            fields: Some(stored.fields),
        })
    }
}

/// Records by MD5, SHA-1 and SHA-256.
fn find_in_file(file: &SetFile, digests: &Digests) -> Result<[Vec<u32>; 3], SetError> {
    Ok([file.find_md5(&digests.md5)?, file.find_sha1(&digests.sha1)?, file.find_sha256(&digests.sha256)?])
}

/// The identifier that a publisher gives a record, escaped: VICS has it as `MediaID`, NCMEC as `id`, ICSE as `Image ID`.
#[must_use]
pub fn publisher_id(fields: &str) -> Option<String> {
    let columns = columns_of(fields);
    let named =
        |wanted: &str| columns.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    ["MediaID", "id", "Image ID"].into_iter().find_map(named)
}

/// The members of an object that are not empty, as columns.
fn columns_of(fields: &str) -> Vec<(String, String)> {
    // Every importer gives an object; anything else has no columns, and its text is kept separately.
    let members = Members::of(fields).unwrap_or_default().0;
    let members: BTreeMap<_, _> = members.iter().map(|member| (member.name(), member.value)).collect();
    let shown = |raw: &str| match serde_json::from_str::<Option<String>>(raw) {
        Ok(text) => text.unwrap_or_default(),
        Err(_) => raw.to_string(),
    };
    let columns =
        members.iter().map(|(name, value)| (escape(name.as_bytes()), escape(shown(value.get()).as_bytes())));
    columns.filter(|(_, value)| !value.is_empty()).collect()
}
