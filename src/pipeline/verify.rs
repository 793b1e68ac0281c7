//! Verifications from pixels: the rule by which a content becomes a hit of a hash set.
//!
//! A hash from pixels is PDQ's own, and what lies within the radius of it is a hit. A hash from a JPEG's
//! coefficients is a few bits away from it, so nothing is decided by it. It only finds candidates:
//!
//! 1. Records are sought within the radius plus [`DELTA`], down to the least quality minus [`QUALITY_DELTA`].
//! 2. A content with a candidate is read again, its SHA-256 compared, and its pixels are decoded.
//! 3. The hash from pixels replaces the other in the case, and hits are what lies within the radius of it,
//!    whatever the other hash had found.
//!
//! A content that cannot be settled so keeps its candidates, all of them, as `unconfirmed` hits with the reason: no file
//! with these bytes is there any more, its pixels do not fit the memory of the run, or the decoder fails on them. Later
//! runs with the set try again.
//!
//! [`VerifyMode::Auto`] leaves out contents that any set of the run knows by digest: what they are is known, and
//! seizures are full of them. Records that lie within the radius of such a content's coefficient hash are `unconfirmed` hits
//! (`digest_hit`), and the hit by digest has no distance. [`VerifyMode::Off`] leaves out all: hits are what lies within the
//! radius of the coefficient hash, `unconfirmed` (`verify_off`).
//!
//! What can be lost, against decoding everything: a content all of whose records within the radius are more than
//! [`DELTA`] bits farther from its coefficient hash than from the one from pixels. How often hashes are that far off is
//! measured in `docs/accuracy.md`.
//!
//! A replaced hash leaves the content's hits in sets outside the run as they are. Unconfirmed ones among them are
//! settled by it when their set takes part in a run again.

use std::path::PathBuf;

use rayon::prelude::*;

use super::CancelToken;
use super::examine::Examiner;
use super::resident::{NearHashes, ResidentSet, ResidentSets, Room};
use super::verification_counts::VerificationCounts;
use crate::case::{ContentHits, DigestHit, HashMatch, Unconfirmed};
use crate::decode::{DerivedFrom, PictureHash};
use crate::matching::{DELTA, QUALITY_DELTA, VerifyMode};
use crate::outcome::Outcome;
use crate::pdq::DihedralHashes;
use crate::source::Digests;

/// What is matched of a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub digests: Digests,
    pub size: u64,
    pub hash: Option<(DihedralHashes, DerivedFrom)>,
    /// Whether its bytes are none, or one repeated: its digests say nothing.
    pub trivial: bool,
}

/// What a content's hash is good for.
#[derive(Clone, Copy, Debug)]
enum Basis {
    /// There is none.
    NoHash,
    /// It is from pixels: what is near is a hit.
    Exact(DihedralHashes),
    /// It is from coefficients and stays so: what is near is an unconfirmed hit.
    Kept(DihedralHashes, Unconfirmed),
    /// It is from coefficients: what is near, or nearly so, is a candidate.
    Doubtful(DihedralHashes),
    /// It was a candidate and could not be settled: its candidates are unconfirmed hits.
    Unverified(Unconfirmed),
}

/// What became of a candidate: its hash from pixels, or why there is none; `None` where the run was cancelled first.
pub(super) type Decoded = Option<Result<PictureHash, Unconfirmed>>;

/// Contents on their way to a confirmation: their candidates are found, and not yet decoded.
pub(super) struct Trial<'a> {
    sets: &'a ResidentSets<'a>,
    /// The sets that hits are wanted of; `sets` are all of the run.
    among: Vec<&'a ResidentSet<'a>>,
    subjects: &'a [Subject],
    bases: Vec<Basis>,
    /// Of each set of `among`: what is near to subjects' coefficient hashes.
    candidates: Vec<NearHashes>,
    /// What the hits may take.
    room: Room,
    /// Subjects with a candidate, in order.
    wanted: Vec<usize>,
}

/// What became of the contents.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub hits: Vec<ContentHits>,
    /// Hashes from pixels, with the number of their subject.
    pub exact: Vec<(usize, PictureHash)>,
    /// None where the contents are to be settled again.
    pub counts: VerificationCounts,
    /// Whether every candidate was looked at; `hits` is empty where not.
    pub complete: bool,
    /// Whether there are more hits than there is room for; `hits` is empty then.
    pub too_many: bool,
}

/// How candidates are decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verifier<'a> {
    pub examiner: &'a Examiner<'a>,
    /// Where given, candidates are left alone once the run is cancelled.
    pub cancel: Option<&'a CancelToken>,
}

impl<'a> Trial<'a> {
    /// Finds candidates, on the threads of the current pool; `None` where there is not the room for them.
    pub fn new(
        sets: &'a ResidentSets<'a>,
        among: Vec<&'a ResidentSet<'a>>,
        subjects: &'a [Subject],
        room: Room,
    ) -> Option<Self> {
        let bases: Vec<Basis> = subjects.iter().map(|subject| basis(sets, subject)).collect();
        let least = sets.min_quality.saturating_sub(QUALITY_DELTA);
        let doubtful = meaningful(&bases, least, |basis| match basis {
            Basis::Doubtful(hash) => Some(*hash),
            _ => None,
        });
        let candidates: Vec<NearHashes> = among
            .iter()
            .map(|set| set.near(&doubtful, sets.distance + DELTA, room))
            .collect::<Option<_>>()?;
        let mut wanted: Vec<usize> = candidates.iter().flat_map(NearHashes::subjects).collect();
        wanted.sort_unstable();
        wanted.dedup();
        Some(Self { sets, among, subjects, bases, candidates, room, wanted })
    }

    /// The subjects that are to be decoded, in order.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// Decodes the candidates, on the threads of the current pool. `paths` are places where the files of
    /// [`Trial::wanted`] may be, in its order.
    pub fn decode(&self, paths: &[Vec<PathBuf>], verifier: &Verifier<'_>) -> Vec<Decoded> {
        // One at a time, since they differ in size. The permits that a thread holds meanwhile are safe, because nothing
        // of a decode waits for another task of the pool.
        self.wanted
            .par_iter()
            .zip(paths)
            .with_max_len(1)
            .map(|(&subject, paths)| verifier.pixels(&self.subjects[subject], paths))
            .collect()
    }

    /// Matchers all subjects, on the threads of the current pool, by what became of their candidates.
    pub fn settle(mut self, decoded: Vec<Decoded>) -> Settled {
        let mut settled = Settled { complete: decoded.iter().all(Option::is_some), ..Settled::default() };
        for (&subject, decoded) in self.wanted.iter().zip(decoded) {
            match decoded {
                Some(Ok(picture)) => {
                    self.bases[subject] = Basis::Exact(picture.hash);
                    settled.exact.push((subject, picture));
                }
                Some(Err(reason)) => {
                    self.bases[subject] = Basis::Unverified(reason);
                    settled.counts.unverified += 1;
                }
                None => {}
            }
        }
        if settled.complete {
            match self.hits() {
                Some(hits) => settled.hits = hits,
                None => settled.too_many = true,
            }
        }
        if settled.complete && !settled.too_many {
            let decoded = settled.exact.iter().map(|&(subject, _)| self.subjects[subject].digests.sha256);
            settled.counts.add(&settled.hits, decoded);
        } else {
            // Of a batch that is cut for memory they are counted when its contents are settled again.
            settled.counts = VerificationCounts::default();
        }
        settled
    }

    /// Hits of all subjects, by set; `None` where there is not the room for them.
    fn hits(&self) -> Option<Vec<ContentHits>> {
        let settled = meaningful(&self.bases, self.sets.min_quality, |basis| match basis {
            Basis::Exact(hash) | Basis::Kept(hash, _) => Some(*hash),
            _ => None,
        });
        let mut all = Vec::new();
        for (set, candidates) in self.among.iter().zip(&self.candidates) {
            let mut hits: Vec<ContentHits> =
                self.subjects.iter().map(|subject| hits_by_digest(set, subject)).collect();
            let near = set.near(&settled, self.sets.distance, self.room)?;
            // Candidates that were decoded count no more: what their code from pixels is near to does.
            let unverified = |subject: usize| matches!(self.bases[subject], Basis::Unverified(_));
            let found =
                near.hashes.iter().chain(candidates.hashes.iter().filter(|near| unverified(near.subject())));
            for near in found {
                let subject = near.subject();
                let unconfirmed = match self.bases[subject] {
                    Basis::Kept(_, reason) | Basis::Unverified(reason) => Some(reason),
                    Basis::Exact(_) | Basis::NoHash | Basis::Doubtful(_) => None,
                };
                add_hash(&mut hits[subject], set.hash_match(near, unconfirmed));
            }
            let more = near.more.iter().chain(candidates.more.iter().filter(|more| unverified(more.0)));
            for &(subject, more) in more {
                hits[subject].more = more;
            }
            all.extend(hits.into_iter().filter(|hits| !hits.is_empty()));
        }
        Some(all)
    }
}

/// What a set says of a content by its digests. Of trivial content it says nothing, and is counted.
fn hits_by_digest(set: &ResidentSet<'_>, subject: &Subject) -> ContentHits {
    let found = set.find_digests(&subject.digests);
    let (by_digest, set_aside) =
        if subject.trivial { (None, found.len() as u64) } else { (DigestHit::of(&found), 0) };
    ContentHits {
        set: set.id,
        sha256: subject.digests.sha256,
        by_digest,
        by_hash: Vec::new(),
        more: 0,
        set_aside,
    }
}

/// Adds a hash that is near. Of its records those that are hit by digest are certain: a confirmed distance is told of the hit by
/// digest, an unconfirmed one adds nothing to it, and the others are a hit of their own.
fn add_hash(hits: &mut ContentHits, mut found: HashMatch) {
    if let Some(digest) = &mut hits.by_digest {
        let certain = digest.list.records();
        let records = found.list.as_ref().map_or(std::slice::from_ref(&found.record), |list| list.records());
        // The shorter list is looked for in the longer one.
        let shared =
            |one: &[u32], other: &[u32]| one.iter().any(|record| other.binary_search(record).is_ok());
        let any =
            if certain.len() < records.len() { shared(certain, records) } else { shared(records, certain) };
        let rest = records.iter().copied().find(|record| certain.binary_search(record).is_err());
        if any && found.unconfirmed.is_none() {
            digest.near = Some(digest.near.map_or(found.near, |near| near.min(found.near)));
        }
        let Some(rest) = rest else { return };
        found.record = rest;
    }
    hits.by_hash.push(found);
}

fn basis(sets: &ResidentSets<'_>, subject: &Subject) -> Basis {
    match subject.hash {
        None => Basis::NoHash,
        Some((hash, DerivedFrom::Pixels)) => Basis::Exact(hash),
        Some((hash, DerivedFrom::Coefficients)) => match sets.verify {
            VerifyMode::Off => Basis::Kept(hash, Unconfirmed::VerifyOff),
            VerifyMode::Auto if !subject.trivial && sets.know(&subject.digests) => {
                Basis::Kept(hash, Unconfirmed::DigestHit)
            }
            VerifyMode::Auto | VerifyMode::All => Basis::Doubtful(hash),
        },
    }
}

/// The hashes that `chosen` takes and that mean something, with the number of their subject.
fn meaningful(
    bases: &[Basis],
    least_quality: u8,
    chosen: impl Fn(&Basis) -> Option<DihedralHashes>,
) -> Vec<(usize, DihedralHashes)> {
    let hashes = bases.iter().enumerate().filter_map(|(subject, basis)| Some((subject, chosen(basis)?)));
    hashes.filter(|(_, hash)| hash.quality >= least_quality && !hash.hashes[0].is_zero()).collect()
}

impl Verifier<'_> {
    /// The hash from the pixels of the first of `paths` that still holds the subject's bytes; `None` where the run is
    /// cancelled.
    fn pixels(&self, subject: &Subject, paths: &[PathBuf]) -> Decoded {
        for path in paths {
            if self.cancel.is_some_and(CancelToken::is_cancelled) {
                return None;
            }
            let Some(picture) = self.examiner.confirmation(path, subject.size, &subject.digests.sha256)
            else {
                continue;
            };
            let picture = picture.map_err(|failure| match failure.outcome {
                Outcome::OverLimit => Unconfirmed::OverLimit,
                _ => Unconfirmed::DecoderFailed,
            });
            return Some(picture.map(|mut picture| {
                picture.derivation.fallback_reason = Some("verified".into());
                PictureHash { hash: picture.hash, derivation: picture.derivation }
            }));
        }
        Some(Err(Unconfirmed::SourceGone))
    }
}
