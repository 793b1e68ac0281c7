//! One record of a hash set, as every importer gives it and as a set file gives it back.

use std::borrow::Cow;

use super::profile::Classification;
use crate::pdq::PdqHash;
use crate::source::trivial::is_trivial_digest;

/// Bytes of a PhotoDNA value.
pub const PHOTODNA_BYTES: usize = 144;

/// How a PhotoDNA value was spelled in its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Base64, as VICS has it.
    Base64,
    /// Hex digits, as the exchange of NCMEC has it.
    Hex,
}

/// A PhotoDNA value as its source has it. It is kept and passed through, never computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoDna {
    /// Its 144 bytes.
    pub bytes: [u8; PHOTODNA_BYTES],
    /// How it was spelled.
    pub spelling: Spelling,
}

/// What is known about a record, apart from its digests and hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFacts<'a> {
    /// What its category stands for in the set's profile; `None` where the source gives no category.
    pub classification: Option<Classification>,
    /// The category as the source has it: a number or a text.
    pub category: Option<Cow<'a, str>>,
    /// A victim was identified.
    pub victim_identified: Option<bool>,
    /// An offender was identified.
    pub offender_identified: Option<bool>,
    /// It is known to have been distributed.
    pub distributed: Option<bool>,
    /// Its category came from another set before.
    pub precategorized: Option<bool>,
    /// The series that it belongs to.
    pub series: Option<Cow<'a, str>>,
    /// Its publisher withdrew it: it is kept, and never matched.
    pub withdrawn: bool,
}

impl RecordFacts<'_> {
    /// The same, with owned texts.
    #[must_use]
    pub fn into_owned(self) -> RecordFacts<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        RecordFacts {
            classification: self.classification,
            category: self.category.map(own),
            victim_identified: self.victim_identified,
            offender_identified: self.offender_identified,
            distributed: self.distributed,
            precategorized: self.precategorized,
            series: self.series.map(own),
            withdrawn: self.withdrawn,
        }
    }
}

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRecord<'a> {
    /// MD5 of the file.
    pub md5: Option<[u8; 16]>,
    /// SHA-1 of the file.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256 of the file.
    pub sha256: Option<[u8; 32]>,
    /// Its PDQ hash.
    pub hash: Option<PdqHash>,
    /// The hash's quality, 0…100, where the source gives one.
    pub quality: Option<u8>,
    /// Its PhotoDNA value.
    pub photodna: Option<PhotoDna>,
    /// Size of the file in bytes.
    pub media_size: Option<u64>,
    /// What is known about it.
    pub facts: RecordFacts<'a>,
    /// All of its fields, unknown ones too, as a JSON object in the source's order: the source's own bytes where that
    /// is JSON.
    pub fields: Cow<'a, str>,
}

/// The digests of a record that are matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct MatchedDigests {
    pub md5: Option<[u8; 16]>,
    pub sha1: Option<[u8; 20]>,
    pub sha256: Option<[u8; 32]>,
}

impl MatchedDigests {
    /// Takes out digests of trivial content, and returns whether there was one: every seizure has empty files, which
    /// are no evidence.
    pub fn set_trivial_aside(&mut self) -> bool {
        let before = *self;
        self.md5 = self.md5.filter(|digest| !is_trivial_digest(digest));
        self.sha1 = self.sha1.filter(|digest| !is_trivial_digest(digest));
        self.sha256 = self.sha256.filter(|digest| !is_trivial_digest(digest));
        before.md5 != self.md5 || before.sha1 != self.sha1 || before.sha256 != self.sha256
    }

    /// Whether there is one.
    pub const fn any(&self) -> bool {
        self.md5.is_some() || self.sha1.is_some() || self.sha256.is_some()
    }
}
