//! The case store: one folder, one SQLite database, one writer.
//!
//! [`CaseStore`] writes, [`ProgressReader`] reports to the walking thread what is done already, and
//! [`CaseReader`] reads for reports. [`CaseError`] is what can go wrong. The schema is described in `docs/case-schema.md`.

mod containers;
mod contents;
mod database_error;
mod error;
mod figures;
mod folder;
mod hit_facts;
mod info;
mod lock;
#[cfg(test)]
pub(crate) mod made;
mod media;
mod open;
mod own_schema;
mod place;
mod priorities;
mod progress;
mod reader;
mod rows;
pub mod rules;
mod schema;
mod sets;
mod sources;
mod spec;
mod stacks;
mod store;
#[cfg(test)]
mod traced;
mod upgrade;
mod write;
mod write_hits;

use std::sync::Arc;

use crate::decode::{DecodeMode, DerivedFrom, Facts, PictureHash, View};
use crate::known::DigestMatch;
use crate::matching::VerifyMode;
use crate::outcome::Failure;
use crate::pdq::{DihedralHashes, Geometry, Orientation, PdqHash};
use crate::source::{Digests, FileStamp, sha256_of};

pub use contents::{ContentHash, ContentHitRow, ContentRow, KnownFacts};
pub use database_error::DatabaseError;
pub use error::{CaseError, NotACase, Overlap, SchemaFault};
pub use figures::{CaseOrigin, FormatCount, PicturedContent, RunRow, SetRecordRow, Snapshot, StackHead};
pub use media::{MediaFile, MediaRow, NearRecord};
pub use priorities::{PriorityRow, RuleCount};
pub use progress::{ItemState, ProgressReader};
pub use reader::{CaseReader, HitCounts, ItemCounts, OutcomeCounts, SetCounts};
pub use rows::{HitRow, ItemRow};
pub use stacks::{StackContent, StackCounts, StackRow, StackSettings, Stackable, Stacked};
pub use store::CaseStore;
#[cfg(test)]
pub(crate) use traced::statements;
pub use upgrade::{Upgraded, upgrade};
pub use write_hits::RecordSource;

/// What decides which hits a hash set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitSettings {
    /// Differing bits up to which a hash is a hit.
    pub distance: u32,
    /// Hashes of a lower quality are not matched.
    pub min_quality: u8,
    /// Which candidates are decoded for a confirmation.
    pub verify: VerifyMode,
    /// Hashes of a set that are listed as near to a content: the nearest, and the others are counted.
    pub max_hits: u32,
}

/// Everything that decides a hash. Hashes of different specs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HashSpec {
    /// "pdq".
    pub algorithm: String,
    /// Version of our implementation's bits: [`HashSpec::VERSION`] of the program that created the case.
    pub version: u32,
    /// Which reduction.
    pub geometry: Geometry,
    /// How a picture may be decoded to a tile. The case records how each one was.
    pub decode: DecodeMode,
}

impl HashSpec {
    /// Its name among the fingerprints of a content, which may be of several kinds.
    pub const NAME: &str = "pdq";
    /// Changes if a hash could change. Version 2 computes samples of small JPEGs, and of those that overshoot white; version 3 of JPEGs
    /// up to 900 pixels, and compares the others with pixels.
    pub const VERSION: u32 = 3;
}

/// The identity of a case. Values given later fill in missing ones and must not contradict the others. Texts are kept
/// as given, and escaped on output.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CaseIdentity {
    /// `--case-number`.
    pub case_number: Option<String>,
    /// `--exhibit`.
    pub exhibit: Option<String>,
    /// `--examiner`.
    pub examiner: Option<String>,
}

/// Row id of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(pub i64);

/// Row id of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId(pub i64);

/// Row id of a hash set of the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetId(pub i64);

/// Row id of a content: one per distinct SHA-256, ascending, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub i64);

/// What an item lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Within {
    /// A source.
    Source(SourceId),
    /// A container: the SHA-256 of its content. If that occurs several times, each child is still one item.
    Container([u8; 32]),
}

/// One place where bytes were found, for the writer.
#[derive(Clone, Debug)]
pub struct ItemRecord {
    /// What it lies in.
    pub within: Within,
    /// The step from there, as [`Step::to_bytes`](crate::source::Step::to_bytes) writes it; empty where the source is one file.
    pub step: Vec<u8>,
    /// What kind of place it is.
    pub state: PlaceState,
    /// Size and times.
    pub stamp: FileStamp,
    /// The digests of its bytes, or why there are none.
    pub result: Result<Digests, Failure>,
}

/// What kind of place an item was found in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlaceState {
    /// A file, or a member of a container, as its user would find it.
    #[default]
    Live,
    /// A deleted file whose name is still known.
    Deleted,
    /// A deleted file whose folder is no longer known.
    Orphan,
    /// Bytes carved by their beginning and end, without a file system.
    Carved,
    /// A complete file inside another file's bytes.
    Embedded,
}

impl PlaceState {
    /// The name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Deleted => "deleted",
            Self::Orphan => "orphan",
            Self::Carved => "carved",
            Self::Embedded => "embedded",
        }
    }
}

/// What the bytes of one or more items are, for the writer. One per distinct SHA-256.
#[derive(Clone, Debug)]
pub struct ContentRecord {
    /// Digests of the bytes.
    pub digests: Digests,
    /// Bytes.
    pub size: u64,
    /// What the file states about itself.
    pub facts: Facts,
    /// What it looks like: one for each view that was hashed.
    pub fingerprints: Vec<Fingerprint>,
    /// Why no view was hashed; `None` where one was.
    pub failure: Option<Failure>,
    /// Of a damaged picture that was hashed: the share that was decoded, from 0 to 1.
    pub partial: Option<f32>,
    /// Items inside it.
    pub children: u64,
    /// Entries of it that are not items, each for a reason that the run records.
    pub refused: u64,
    /// Whether they are zero bytes, or one repeated (`source::trivial`).
    pub trivial: bool,
}

/// The hits of one content in a hash set, for the writer.
#[derive(Clone, Debug)]
pub struct ContentHits {
    /// The set.
    pub set: SetId,
    /// By SHA-256, because the content may be new in the same batch.
    pub sha256: [u8; 32],
    /// Its hit by digest.
    pub by_digest: Option<DigestHit>,
    /// Its hits by hash, one per distinct hash of the set.
    pub by_hash: Vec<HashMatch>,
    /// Distinct hashes of the set that it is near to and that are not in `by_hash`: the nearest are.
    pub more: u64,
    /// Records that have its digest and were not matched, because the content is trivial.
    pub set_aside: u64,
}

impl ContentHits {
    /// Hits of the content, one per row of the table `hit`.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::from(self.by_digest.is_some()) + self.by_hash.len() as u64
    }

    /// Whether there is nothing to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && self.more == 0 && self.set_aside == 0
    }
}

/// The records of a set that have a digest of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestHit {
    /// The records.
    pub list: RecordList,
    /// Which digests are equal, of any of them.
    pub md5: bool,
    /// The SHA-1s are equal.
    pub sha1: bool,
    /// The SHA-256s are equal.
    pub sha256: bool,
    /// The nearest hash of its records, where the content's hash is from pixels and near.
    pub near: Option<NearHash>,
}

impl DigestHit {
    /// The hit of records, in record order; `None` where there are none.
    #[must_use]
    pub fn of(found: &[DigestMatch]) -> Option<Self> {
        let records: Vec<u32> = found.iter().map(|found| found.record).collect();
        Some(Self {
            list: RecordList::new(records)?,
            md5: found.iter().any(|found| found.md5),
            sha1: found.iter().any(|found| found.sha1),
            sha256: found.iter().any(|found| found.sha256),
            near: None,
        })
    }
}

/// How near a hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NearHash {
    /// Differing bits of 256.
    pub distance: u16,
    /// What was done to the known picture.
    pub orientation: Orientation,
    /// The known hash's quality, where the set gives one.
    pub known_quality: Option<u8>,
    /// The view that it is near by.
    pub view: View,
}

/// Records of a set that are hit together: one or more, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordList {
    records: Arc<[u32]>,
    id: [u8; 16],
}

impl RecordList {
    /// A list of records in ascending order; `None` where there are none.
    #[must_use]
    pub fn new(records: impl Into<Arc<[u32]>>) -> Option<Self> {
        let records = records.into();
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.to_le_bytes()).collect();
        let mut id = [0; 16];
        id.copy_from_slice(&sha256_of(&bytes)[..16]);
        (!records.is_empty()).then_some(Self { records, id })
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> &[u32] {
        &self.records
    }

    /// What names the list in the case: the first half of the SHA-256 of its records, four bytes each, the lowest first.
    #[must_use]
    pub const fn id(&self) -> &[u8; 16] {
        &self.id
    }
}

/// A distinct hash of a set that a content's hash is near to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashMatch {
    /// The lowest of its records that does not have the content's digest.
    pub record: u32,
    /// All records that have this hash; `None` where that is the only one.
    pub list: Option<Arc<RecordList>>,
    /// How near it is; the quality is that of the lowest of its records.
    pub near: NearHash,
    /// Why this is not confirmed; `None` if distance and orientation are those of the hash from pixels.
    pub unconfirmed: Option<Unconfirmed>,
}

/// Why a hit by hash is not confirmed from pixels: its distance is that of a hash from coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unconfirmed {
    /// The content is a hit by digest already, and was not decoded again.
    DigestHit,
    /// The run had the option not to decode candidates.
    VerifyOff,
    /// No file with these bytes is where one was found.
    SourceGone,
    /// Its pixels need more memory than the run may take.
    OverLimit,
    /// The pixel decoder returned none.
    DecoderFailed,
}

impl Unconfirmed {
    /// The name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DigestHit => "digest_hit",
            Self::VerifyOff => "verify_off",
            Self::SourceGone => "source_gone",
            Self::OverLimit => "over_limit",
            Self::DecoderFailed => "decoder_failed",
        }
    }
}

/// The hashes of one view of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// What was hashed of the content.
    pub view: View,
    /// Its hashes, and how they came about.
    pub picture: PictureHash,
}

/// The hash from pixels of a content that had one from coefficients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactHash {
    /// The content.
    pub sha256: [u8; 32],
    /// The view.
    pub view: View,
    /// Its new hash.
    pub picture: PictureHash,
}

/// A batch for the writer: one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// New contents, and ones that were over the limit of an earlier run and that this run examined again.
    pub contents: Vec<ContentRecord>,
    /// Hashes from pixels, for contents of earlier batches.
    pub exact: Vec<ExactHash>,
    /// Contents of earlier batches whose hits in a set are deleted before those of this batch are added.
    pub forget: Vec<(SetId, [u8; 32])>,
    /// Items; each one's content is in this batch or was in an earlier one, or comes later (the
    /// item counts as not done until then).
    pub items: Vec<ItemRecord>,
    /// Hits of contents of this or earlier batches.
    pub hits: Vec<ContentHits>,
    /// The sets that the contents of this batch were matched against.
    pub sets: Vec<SetId>,
    /// Contents of earlier batches that were matched against `sets` now.
    pub matched: Vec<ContentId>,
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
            && self.exact.is_empty()
            && self.forget.is_empty()
            && self.items.is_empty()
            && self.hits.is_empty()
            && self.matched.is_empty()
    }
}

/// A content that is to be matched, as read back from the case.
#[derive(Clone, Debug)]
pub struct StoredContent {
    /// Its row.
    pub id: ContentId,
    /// Its digests.
    pub digests: Digests,
    /// Bytes.
    pub size: u64,
    /// What it looks like, view by view.
    pub views: Vec<StoredView>,
    /// Whether it is zero bytes, or one repeated.
    pub trivial: bool,
}

/// A fingerprint as read back from the case.
#[derive(Clone, Copy, Debug)]
pub struct StoredView {
    /// What was hashed.
    pub view: View,
    /// Its hashes and quality.
    pub hash: DihedralHashes,
    /// What they were derived from.
    pub derived_from: DerivedFrom,
}

/// Hashes of their bytes in the database; `None` where there are not eight.
fn hashes_from_bytes(bytes: &[u8]) -> Option<[PdqHash; 8]> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let hashes: &[[u8; 32]; 8] = hashes.try_into().ok()?;
    rest.is_empty().then(|| hashes.map(PdqHash::from_bytes))
}

/// Bytes of hashes in the database: eight hashes in the order of `Orientation::ALL`, each in the order of
/// its text.
fn hashes_to_bytes(hash: &DihedralHashes) -> Vec<u8> {
    hash.hashes.iter().flat_map(|hash| hash.to_bytes()).collect()
}
