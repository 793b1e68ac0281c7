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

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::CancelToken;
use super::examine::Examiner;
use super::resident::{Near, NearHashes, ResidentSet, ResidentSets, Room};
use super::verification_counts::VerificationCounts;
use crate::case::{ContentHits, DigestHit, Fingerprint, HashMatch, StoredView, Unconfirmed};
use crate::decode::{DerivedFrom, View};
use crate::matching::{DELTA, QUALITY_DELTA, VerifyMode};
use crate::outcome::Outcome;
use crate::pdq::DihedralHashes;
use crate::source::{Digests, Provenance};

/// What is matched of a content.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub digests: Digests,
    pub size: u64,
    /// What it looks like, view by view.
    pub views: Vec<StoredView>,
    /// Whether its bytes are none, or one repeated: its digests say nothing.
    pub trivial: bool,
}

/// A view of a subject on its way to confirmation.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// The number of its subject.
    subject: usize,
    view: View,
    basis: Basis,
}

/// What the hashes of a view are good for.
#[derive(Clone, Copy, Debug)]
enum Basis {
    /// They are from pixels: what is near is a hit.
    Exact(DihedralHashes),
    /// They are from coefficients and stay so: what is near is an unconfirmed hit.
    Kept(DihedralHashes, Unconfirmed),
    /// They are from coefficients: what is near, or nearly so, is a candidate.
    Doubtful(DihedralHashes),
    /// It was a candidate and could not be verified: its candidates are unconfirmed hits.
    Unverified(Unconfirmed),
}

/// What became of a subject with candidates: the hashes of its views from pixels, or why there are none; `None` where the run was
/// cancelled first.
pub(super) type Decoded = Option<Result<Vec<Fingerprint>, Unconfirmed>>;

/// Contents on their way to confirmation: their candidates are found, and not yet decoded.
pub(super) struct Trial<'a> {
    sets: &'a ResidentSets<'a>,
    /// The sets that hits are wanted of; `sets` are all of the run.
    among: Vec<&'a ResidentSet<'a>>,
    subjects: &'a [Subject],
    /// The views of all subjects, in their order.
    looks: Vec<Look>,
    /// Of each set of `among`: what is near to looks' coefficient hashes.
    candidates: Vec<NearHashes>,
    /// What the hits may take.
    room: Room,
    /// Looks with a candidate, in order.
    doubtful: Vec<usize>,
    /// Subjects with one, in order.
    wanted: Vec<usize>,
}

/// What became of the contents.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub hits: Vec<ContentHits>,
    /// Fingerprints from pixels, with the number of their subject.
    pub exact: Vec<(usize, Fingerprint)>,
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
        let looks: Vec<Look> =
            subjects.iter().enumerate().flat_map(|(number, subject)| looks(sets, number, subject)).collect();
        let lowest = sets.min_quality.saturating_sub(QUALITY_DELTA);
        let sought = meaningful(&looks, lowest, |basis| match basis {
            Basis::Doubtful(hash) => Some(*hash),
            _ => None,
        });
        let candidates: Vec<NearHashes> =
            among.iter().map(|set| set.near(&sought, sets.distance + DELTA, room)).collect::<Option<_>>()?;
        let mut doubtful: Vec<usize> = candidates.iter().flat_map(NearHashes::looks).collect();
        doubtful.sort_unstable();
        doubtful.dedup();
        let mut wanted: Vec<usize> = doubtful.iter().map(|&look| looks[look].subject).collect();
        wanted.dedup();
        Some(Self { sets, among, subjects, looks, candidates, room, doubtful, wanted })
    }

    /// The subjects that are to be decoded, in order.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// Decodes the candidates, on the threads of the current pool. `places` are where the bytes of
    /// [`Trial::wanted`] may be, in its order.
    pub fn decode(&self, places: &[Vec<Provenance>], verifier: &Verifier<'_>) -> Vec<Decoded> {
        // One at a time, since they differ in size. The permits that a thread holds meanwhile are safe, because nothing
        // of a decode waits for another task of the pool.
        self.wanted
            .par_iter()
            .zip(places)
            .with_max_len(1)
            .map(|(&subject, places)| verifier.pixels(&self.subjects[subject], places))
            .collect()
    }

    /// Settles all subjects, on the threads of the current pool, by what became of their candidates.
    pub fn settle(mut self, decoded: Vec<Decoded>) -> Settled {
        let mut settled = Settled { complete: decoded.iter().all(Option::is_some), ..Settled::default() };
        let mut by_subject: HashMap<usize, Result<Vec<Fingerprint>, Unconfirmed>> = HashMap::new();
        for (&subject, decoded) in self.wanted.iter().zip(decoded) {
            let Some(decoded) = decoded else { continue };
            settled.counts.unverified += u64::from(decoded.is_err());
            by_subject.insert(subject, decoded);
        }
        for &number in &self.doubtful {
            let look = &mut self.looks[number];
            look.basis = match by_subject.get(&look.subject) {
                Some(Ok(seen)) => match seen.iter().find(|seen| seen.view == look.view) {
                    Some(seen) => {
                        settled.exact.push((look.subject, seen.clone()));
                        Basis::Exact(seen.picture.hash)
                    }
                    None => Basis::Unverified(Unconfirmed::DecoderFailed),
                },
                Some(Err(reason)) => Basis::Unverified(*reason),
                None => continue,
            };
        }
        if settled.complete {
            match self.hits() {
                Some(hits) => settled.hits = hits,
                None => settled.too_many = true,
            }
        }
        if settled.complete && !settled.too_many {
            let mut decoded: Vec<usize> = settled.exact.iter().map(|&(subject, _)| subject).collect();
            decoded.dedup();
            let decoded = decoded.into_iter().map(|subject| self.subjects[subject].digests.sha256);
            settled.counts.add(&settled.hits, decoded);
        } else {
            // Of a batch that is cut for memory they are counted when its contents are settled again.
            settled.counts = VerificationCounts::default();
        }
        settled
    }

    /// Hits of all subjects, by set; `None` where there is not the room for them.
    fn hits(&self) -> Option<Vec<ContentHits>> {
        let certain = meaningful(&self.looks, self.sets.min_quality, |basis| match basis {
            Basis::Exact(hash) | Basis::Kept(hash, _) => Some(*hash),
            _ => None,
        });
        let mut all = Vec::new();
        for (set, candidates) in self.among.iter().zip(&self.candidates) {
            let mut hits: Vec<ContentHits> =
                self.subjects.iter().map(|subject| hits_by_digest(set, subject)).collect();
            let near = set.near(&certain, self.sets.distance, self.room)?;
            // Candidates that were decoded count no more: what their hash from pixels is near to does.
            let unverified = |look: usize| matches!(self.looks[look].basis, Basis::Unverified(_));
            let found =
                near.hashes.iter().chain(candidates.hashes.iter().filter(|near| unverified(near.look())));
            for near in self.nearest_views(found, set) {
                let look = &self.looks[near.look()];
                let unconfirmed = match look.basis {
                    Basis::Kept(_, reason) | Basis::Unverified(reason) => Some(reason),
                    Basis::Exact(_) | Basis::Doubtful(_) => None,
                };
                add_hash(&mut hits[look.subject], set.hash_match(near, look.view, unconfirmed));
            }
            let more = near.more.iter().chain(candidates.more.iter().filter(|more| unverified(more.0)));
            for &(look, more) in more {
                // Views of one content may be near to the same hashes, so that the sum would count some twice.
                let hits = &mut hits[self.looks[look].subject];
                hits.more = hits.more.max(more);
            }
            all.extend(hits.into_iter().filter(|hits| !hits.is_empty()));
        }
        Some(all)
    }

    /// Of each content and hash of a set the nearest view, and of each content as many hashes as are listed: the nearest.
    fn nearest_views<'n>(
        &self,
        found: impl Iterator<Item = &'n Near>,
        set: &ResidentSet<'_>,
    ) -> Vec<&'n Near> {
        let mut found: Vec<&Near> = found.collect();
        let subject = |near: &Near| self.looks[near.look()].subject;
        let several = self.looks.windows(2).any(|pair| pair[0].subject == pair[1].subject);
        if several {
            found.sort_by_key(|near| (subject(near), near.order(), near.look()));
            let mut seen = HashSet::new();
            found.retain(|near| seen.insert((subject(near), near.number())));
            let mut listed: HashMap<usize, usize> = HashMap::new();
            found.retain(|near| {
                let count = listed.entry(subject(near)).or_default();
                *count += 1;
                *count <= set.max_hits
            });
        }
        found
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

fn looks(sets: &ResidentSets<'_>, number: usize, subject: &Subject) -> Vec<Look> {
    let known = sets.verify == VerifyMode::Auto
        && subject.views.iter().any(|view| view.derived_from == DerivedFrom::Coefficients)
        && !subject.trivial
        && sets.know(&subject.digests);
    let basis = |seen: &StoredView| match (seen.derived_from, sets.verify) {
        (DerivedFrom::Pixels, _) => Basis::Exact(seen.hash),
        (DerivedFrom::Coefficients, VerifyMode::Off) => Basis::Kept(seen.hash, Unconfirmed::VerifyOff),
        (DerivedFrom::Coefficients, _) if known => Basis::Kept(seen.hash, Unconfirmed::DigestHit),
        (DerivedFrom::Coefficients, _) => Basis::Doubtful(seen.hash),
    };
    subject.views.iter().map(|seen| Look { subject: number, view: seen.view, basis: basis(seen) }).collect()
}

/// The hashes that `chosen` takes and that mean something, with the number of their look.
fn meaningful(
    looks: &[Look],
    lowest_quality: u8,
    chosen: impl Fn(&Basis) -> Option<DihedralHashes>,
) -> Vec<(usize, DihedralHashes)> {
    let hashes = looks.iter().enumerate().filter_map(|(number, look)| Some((number, chosen(&look.basis)?)));
    hashes.filter(|(_, hash)| hash.quality >= lowest_quality && !hash.hashes[0].is_zero()).collect()
}

impl Verifier<'_> {
    /// The hashes from the pixels of the first of `places` that still holds the subject's bytes; `None` where the run is
    /// cancelled.
    fn pixels(&self, subject: &Subject, places: &[Provenance]) -> Decoded {
        for place in places {
            if self.cancel.is_some_and(CancelToken::is_cancelled) {
                return None;
            }
            let Some(seen) = self.examiner.verify(place, subject.size, &subject.digests.sha256) else {
                continue;
            };
            return Some(seen.map_err(|failure| match failure.outcome {
                Outcome::OverLimit => Unconfirmed::OverLimit,
                _ => Unconfirmed::DecoderFailed,
            }));
        }
        Some(Err(Unconfirmed::SourceGone))
    }
}
