//! The format of packages, version 2: a manifest, its signature, and rows in JSON Lines. `docs/share-package.md`
//! describes it for others; the two change together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::keys::{PublicKey, parse_hex};
use super::{escaped, is_printable};
use crate::case::{ContentHash, ContentHitRow, ContentRow, HashSpec, KnownFacts};
use crate::decode::{DecodeMode, DerivedFrom};
use crate::outcome::Outcome;
use crate::pdq::{DihedralHashes, Geometry, Orientation, PdqHash};
use crate::source::Digests;
use crate::source::digest::hex;

/// The format name in a manifest.
pub const FORMAT: &str = "tamis-share-package";
/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 2;
/// Prefix of the signed manifest, so that the signature cannot be used for anything else.
pub const DOMAIN: &[u8] = b"tamis-share-package-1\n";
/// The manifest's name in the archive.
pub const MANIFEST: &str = "manifest.json";
/// The signature's name in the archive: 64 bytes, Ed25519.
pub const SIGNATURE: &str = "signature";
/// Maximum bytes of a manifest.
pub const LARGEST_MANIFEST: u64 = 64 << 10;
/// Maximum bytes of a row with its line end.
pub const LARGEST_ROW: u64 = 1 << 20;

/// A part of a package: rows of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// One row per content.
    Items,
    /// One row per content against a known record.
    Hits,
    /// One row per file: the names of contents.
    Names,
}

impl Part {
    /// The parts of a package in their order.
    #[must_use]
    pub const fn all(names: bool) -> &'static [Self] {
        if names { &[Self::Items, Self::Hits, Self::Names] } else { &[Self::Items, Self::Hits] }
    }

    /// Its name in the archive.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Items => "items.jsonl",
            Self::Hits => "hits.jsonl",
            Self::Names => "names.jsonl",
        }
    }
}

/// The manifest of a package. Here and below a field that may be null may not be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The program that wrote it.
    pub program: String,
    /// The case it is of.
    pub case: SharedCase,
    /// Its purpose, in the sender's words.
    #[serde(deserialize_with = "Option::deserialize")]
    pub purpose: Option<String>,
    /// Who signed it.
    pub signer: PublicKey,
    /// How its hashes were computed.
    #[serde(with = "StrictSpec")]
    pub hash_spec: HashSpec,
    /// Whether it holds file names.
    pub names_included: bool,
    /// Whether hits have the known records' own columns.
    pub columns_included: bool,
    /// What is in it.
    pub counts: Counts,
    /// Its parts, in the order of the archive.
    pub parts: Vec<PartEntry>,
}

/// A [`HashSpec`] as packages have it: without further fields.
#[derive(Serialize, Deserialize)]
#[serde(remote = "HashSpec", deny_unknown_fields)]
struct StrictSpec {
    algorithm: String,
    version: u32,
    geometry: Geometry,
    decode: DecodeMode,
}

/// The case that a package is of. Texts are escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedCase {
    /// Its number.
    #[serde(deserialize_with = "Option::deserialize")]
    pub number: Option<String>,
    /// The exhibit.
    #[serde(deserialize_with = "Option::deserialize")]
    pub exhibit: Option<String>,
    /// When its last finished run ended, ISO 8601, UTC.
    #[serde(deserialize_with = "Option::deserialize")]
    pub as_of: Option<String>,
}

/// The counts of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Distinct contents: rows of [`Part::Items`].
    pub contents: u64,
    /// Pictures among them with hashes.
    pub pictures: u64,
    /// Pictures among them whose hash is from JPEG coefficients and may be a few bits off PDQ's own.
    pub from_coefficients: u64,
    /// Files of the case that have these contents.
    pub files: u64,
    /// Contents against known records: rows of [`Part::Hits`].
    pub hits: u64,
}

/// A part, bound to the signature by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartEntry {
    /// [`Part::member`].
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Lines.
    pub rows: u64,
    /// Hex.
    pub sha256: String,
}

impl Manifest {
    /// The agency and case, as text.
    #[must_use]
    pub fn title(&self) -> String {
        let case = self.case.number.as_ref().map_or_else(String::new, |number| format!(" case {number}"));
        format!("{}{case}", self.signer.agency)
    }

    /// Checks a signed manifest.
    ///
    /// # Errors
    /// If it is malformed; the text gives the reason.
    pub fn check(&self) -> Result<(), String> {
        self.signer.check().map_err(|fault| format!("its signer: {fault}"))?;
        let SharedCase { number, exhibit, as_of } = &self.case;
        let optional =
            [number, exhibit, as_of, &self.purpose].map(|text| text.as_deref().unwrap_or_default());
        let spec = &self.hash_spec;
        if !optional.into_iter().chain([&*self.program, &*spec.algorithm]).all(is_printable) {
            return Err("one of its texts holds invisible characters".into());
        }
        if spec.algorithm != "pdq" {
            return Err(format!("its hashes are `{}`; this program reads only pdq", spec.algorithm));
        }
        let expected = Part::all(self.names_included);
        let names = self.parts.iter().map(|part| &*part.name);
        if !names.eq(expected.iter().map(|part| part.member())) {
            let expected: Vec<&str> = expected.iter().map(|part| part.member()).collect();
            return Err(format!("its parts are not {}", expected.join(", ")));
        }
        if self.parts.iter().any(|part| parse_hex::<32>(&part.sha256).is_none()) {
            return Err("the SHA-256 of a part is not 64 lower-case hex digits".into());
        }
        Ok(())
    }

    /// The bytes that are signed, from the manifest's bytes.
    #[must_use]
    pub fn signed(manifest: &[u8]) -> Vec<u8> {
        [DOMAIN, manifest].concat()
    }
}

/// A row of [`Part::Items`], as it is written. Rows are sorted by `sha256`, which no two share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemLine {
    /// Hex.
    pub sha256: String,
    /// Hex.
    pub sha1: String,
    /// Hex.
    pub md5: String,
    /// Bytes.
    pub size: u64,
    /// Its outcome in the case.
    pub outcome: Outcome,
    /// The format by content.
    #[serde(deserialize_with = "Option::deserialize")]
    pub format: Option<String>,
    /// Pixels, as stored.
    #[serde(deserialize_with = "Option::deserialize")]
    pub width: Option<u32>,
    /// Pixels, as stored.
    #[serde(deserialize_with = "Option::deserialize")]
    pub height: Option<u32>,
    /// Its hash, 64 hex digits.
    #[serde(deserialize_with = "Option::deserialize")]
    pub pdq: Option<Hash64>,
    /// Its quality.
    #[serde(deserialize_with = "Option::deserialize")]
    pub quality: Option<u8>,
    /// What the hash was computed from.
    #[serde(deserialize_with = "Option::deserialize")]
    pub derived_from: Option<DerivedFrom>,
    /// How many bits of the hash are unstable.
    #[serde(deserialize_with = "Option::deserialize")]
    pub unstable_bits: Option<u16>,
    /// Hashes of the picture turned and mirrored, in the order of [`Orientation::ALL`] after the original.
    #[serde(deserialize_with = "Option::deserialize")]
    pub turned: Option<[Hash64; 7]>,
    /// Files of the case with these bytes: rows of [`Part::Names`], where they are included.
    pub files: u64,
    /// Rows of [`Part::Hits`].
    pub hits: u64,
}

/// A row of [`Part::Hits`], as it is written. Rows are sorted by `sha256`, `hash_set_sha256` and `record`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HitLine {
    /// The content, hex.
    pub sha256: String,
    /// The hash set's name.
    pub hash_set: String,
    /// SHA-256 of its file, hex.
    pub hash_set_sha256: String,
    /// The record's number in it, from 1.
    pub record: u64,
    /// Which digests are equal, separated by blanks.
    pub digests: String,
    /// Its confirmation.
    pub confirmation: Confirmation,
    /// Why it is not confirmed from pixels.
    #[serde(deserialize_with = "Option::deserialize")]
    pub unconfirmed_reason: Option<String>,
    /// Differing bits of 256, where the hashes are near.
    #[serde(deserialize_with = "Option::deserialize")]
    pub distance: Option<u32>,
    /// The orientation of the known picture, where the hashes are near.
    #[serde(deserialize_with = "Option::deserialize")]
    pub orientation: Option<String>,
    /// Whether the known record's victim is identified, in the set's words.
    #[serde(deserialize_with = "Option::deserialize")]
    pub victim_identified: Option<String>,
    /// Whether the known record's offender is identified, in the set's words.
    #[serde(deserialize_with = "Option::deserialize")]
    pub offender_identified: Option<String>,
    /// Whether the known record is distributed, in the set's words.
    #[serde(deserialize_with = "Option::deserialize")]
    pub distributed: Option<String>,
    /// The known record's own columns; only in packages that include them.
    #[serde(deserialize_with = "Option::deserialize")]
    pub columns: Option<BTreeMap<String, String>>,
}

/// The sort key of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HitPlace {
    /// The content.
    pub sha256: [u8; 32],
    /// The hash set.
    pub hash_set_sha256: [u8; 32],
    /// The record.
    pub record: u64,
}

/// The confirmation of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// An equal digest.
    Digest,
    /// A hash from pixels.
    Pixels,
    /// Only a hash from JPEG coefficients: it may not be a hit.
    Unconfirmed,
}

/// A row of [`Part::Names`]. Rows are sorted by `sha256`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameLine {
    /// The content, hex.
    pub sha256: String,
    /// The path below its source, escaped.
    pub path: String,
}

/// A hash as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash64(pub PdqHash);

impl Serialize for Hash64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hash64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = parse_hex::<32>(&text)
            .ok_or_else(|| serde::de::Error::custom("a PDQ hash has 64 lower-case hex digits"))?;
        Ok(Self(PdqHash::from_bytes(bytes)))
    }
}

impl ItemLine {
    /// Creates the row of a content.
    #[must_use]
    pub fn of(content: &ContentRow) -> Self {
        let hash = content.hash.as_ref();
        Self {
            sha256: hex(&content.digests.sha256),
            sha1: hex(&content.digests.sha1),
            md5: hex(&content.digests.md5),
            size: content.size,
            outcome: content.outcome,
            format: content.format.clone(),
            width: content.width,
            height: content.height,
            pdq: hash.map(|hash| Hash64(hash.hash.hashes[0])),
            quality: hash.map(|hash| hash.hash.quality),
            derived_from: hash.map(|hash| hash.derived_from),
            unstable_bits: hash.map(|hash| hash.unstable_bits),
            turned: hash.map(|hash| std::array::from_fn(|index| Hash64(hash.hash.hashes[index + 1]))),
            files: content.files,
            hits: content.hits,
        }
    }

    /// Checks a row and returns its content.
    ///
    /// # Errors
    /// If a value is impossible for a content; the text gives the reason.
    pub fn content(self) -> Result<ContentRow, String> {
        let digests = Digests {
            sha256: digest(&self.sha256, "sha256")?,
            sha1: digest(&self.sha1, "sha1")?,
            md5: digest(&self.md5, "md5")?,
        };
        let hash = match (self.pdq, self.quality, self.derived_from, self.unstable_bits, self.turned) {
            (Some(pdq), Some(quality), Some(derived_from), Some(unstable_bits), Some(turned)) => {
                if quality > 100 || unstable_bits > 256 {
                    return Err("a quality over 100, or more unstable bits than a hash has".into());
                }
                let hashes = std::array::from_fn(|index| match index {
                    0 => pdq.0,
                    turn => turned[turn - 1].0,
                });
                Some(ContentHash { hash: DihedralHashes { hashes, quality }, derived_from, unstable_bits })
            }
            (None, None, None, None, None) => None,
            _ => {
                return Err(
                    "some of pdq, quality, derived_from, unstable_bits and turned without the others".into(),
                );
            }
        };
        let is_contents = !matches!(
            self.outcome,
            Outcome::Duplicate
                | Outcome::Unreadable
                | Outcome::Vanished
                | Outcome::NotFollowed
                | Outcome::NotAFile
        );
        if !is_contents || (self.outcome == Outcome::Hashed) != hash.is_some() {
            return Err(format!("the outcome {} does not fit the rest of the row", self.outcome.name()));
        }
        if !self.format.as_deref().is_none_or(is_printable) {
            return Err("its format holds invisible characters".into());
        }
        if self.files == 0 {
            return Err("no file has these bytes".into());
        }
        let Self { size, outcome, format, width, height, files, hits, .. } = self;
        Ok(ContentRow { digests, size, outcome, format, width, height, hash, files, hits })
    }
}

impl HitLine {
    /// Creates the row of a hit; with the known record's own columns where they are `wanted`.
    ///
    /// # Errors
    /// If a value cannot have been written by any program; the text gives the reason.
    pub fn of(hit: &ContentHitRow, wanted: bool) -> Result<Self, String> {
        let confirmation = match &*hit.confirmation {
            "digest" => Confirmation::Digest,
            "pixels" => Confirmation::Pixels,
            "unconfirmed" => Confirmation::Unconfirmed,
            other => return Err(format!("a hit has the confirmation `{}`", escaped(&other))),
        };
        let KnownFacts { victim_identified, offender_identified, distributed } = hit.facts.clone();
        Ok(Self {
            sha256: hex(&hit.sha256),
            hash_set: hit.hash_set.clone(),
            hash_set_sha256: hex(&hit.hash_set_sha256),
            record: hit.record,
            digests: hit.digests.clone(),
            confirmation,
            unconfirmed_reason: hit.unconfirmed_reason.clone(),
            distance: hit.distance,
            orientation: hit.orientation.clone(),
            victim_identified,
            offender_identified,
            distributed,
            columns: wanted.then(|| hit.columns.clone()),
        })
    }

    /// Checks a row that was read, and returns its sort key.
    ///
    /// # Errors
    /// If a value is impossible for a hit; the text gives the reason.
    pub fn check(&self, columns: bool) -> Result<HitPlace, String> {
        let hash_set_sha256 = digest(&self.hash_set_sha256, "hash_set_sha256")?;
        let facts =
            [&self.victim_identified, &self.offender_identified, &self.distributed, &self.unconfirmed_reason];
        let texts = facts.into_iter().flatten().chain([&self.hash_set, &self.digests]);
        let free = self.columns.iter().flatten().flat_map(|(name, value)| [name, value]);
        if !texts.chain(free).all(|text| is_printable(text)) {
            return Err("one of its texts holds invisible characters".into());
        }
        let digests = self.digests.split(' ').filter(|name| !name.is_empty());
        if !digests.clone().all(|name| ["md5", "sha1", "sha256"].contains(&name)) {
            return Err(format!("`{}` are not digests", self.digests));
        }
        let by_digest = digests.count() > 0;
        let unconfirmed = self.confirmation == Confirmation::Unconfirmed;
        if self.record == 0
            || by_digest != (self.confirmation == Confirmation::Digest)
            || unconfirmed != self.unconfirmed_reason.is_some()
            || self.distance.is_some() != self.orientation.is_some()
            || self.distance.is_none() && !by_digest
            || self.distance.is_some_and(|distance| distance > 256)
            || self.orientation.as_deref().is_some_and(|name| Orientation::from_name(name).is_none())
            || self.columns.is_some() != columns
        {
            return Err(
                "its record, digests, confirmation, distance, orientation and columns do not fit each other"
                    .into(),
            );
        }
        Ok(HitPlace { sha256: digest(&self.sha256, "sha256")?, hash_set_sha256, record: self.record })
    }

    /// What the known record states about the investigation of its picture.
    #[must_use]
    pub fn facts(&self) -> KnownFacts {
        KnownFacts {
            victim_identified: self.victim_identified.clone(),
            offender_identified: self.offender_identified.clone(),
            distributed: self.distributed.clone(),
        }
    }
}

/// A digest of a row.
pub(super) fn digest<const N: usize>(text: &str, what: &str) -> Result<[u8; N], String> {
    parse_hex(text).ok_or_else(|| format!("`{what}` has not {} lower-case hex digits", 2 * N))
}
