//! Examining files within the memory of a run, with what is in hand written down.

use super::budget::{ByteBudget, Permit};
use super::buffer::Buffer;
use super::in_hand::{Held, InHand, Named, Work};
use super::profile::{Profile, Stage};
use super::progress::Progress;
use super::reader::Head;
use super::settings::{IngestSettings, RunSettings};
use crate::case::Fingerprint;
use crate::decode::{DecodeMode, Format, Limits, PictureHash, SNIFF_BYTES};
use crate::examine::{Examination, Job, Look, Memory, SeenView, Spent, Wanted, examine, examine_head};
use crate::matching::Backend;
use crate::outcome::{self, Failure, Outcome};
use crate::source::{Digester, Digests, Provenance, reopen};

/// Examines files within a budget of memory for decoders. Shared by the workers of a run.
#[derive(Debug)]
pub(super) struct Examiner<'a> {
    job: Job,
    decode_bytes: ByteBudget,
    verification_bytes: ByteBudget,
    profile: &'a Profile,
    in_hand: &'a InHand,
}

/// Memory for the decoders of one file. Who waits for it is not late.
struct DecoderMemory<'a> {
    budget: &'a ByteBudget,
    held: Option<&'a Held<'a>>,
}

impl Memory for DecoderMemory<'_> {
    type Permit<'p>
        = Permit<'p>
    where
        Self: 'p;

    fn take(&self, bytes: u64) -> Option<Permit<'_>> {
        let take = || self.budget.take(bytes);
        self.held.map_or_else(take, |held| held.waiting(take))
    }
}

/// How a run's memory is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// For files that are read ahead: pictures are compressed.
    pub reading: u64,
    /// For files that are read again for a confirmation.
    pub verifications: u64,
    /// For decoders.
    pub decoding: u64,
    /// For the pairs of a search, and for the hits that come of a batch of stored contents.
    pub searching: u64,
}

impl Shares {
    /// What is kept back at most for the program itself and its database's cache.
    const KEPT_BACK: u64 = 64 << 20;

    /// The shares of `memory` bytes.
    pub const fn of(memory: u64) -> Self {
        let eighth = memory / 8;
        let shared = memory - if eighth < Self::KEPT_BACK { eighth } else { Self::KEPT_BACK };
        let eighth = shared / 8;
        let searching = eighth / 4;
        Self { reading: eighth, verifications: eighth, decoding: shared - 2 * eighth - searching, searching }
    }

    /// The same for a run without verifications: a picture that one decodes the other does too.
    pub const fn without_verification(memory: u64) -> Self {
        let Self { reading, verifications, decoding, searching } = Self::of(memory);
        Self { reading: reading + verifications + searching, verifications: 0, decoding, searching: 0 }
    }
}

impl<'a> Examiner<'a> {
    /// An examiner within its shares of a run's memory. Views come in the form that `wanted` says.
    pub const fn new(
        settings: &RunSettings,
        shares: Shares,
        wanted: Wanted,
        profile: &'a Profile,
        in_hand: &'a InHand,
    ) -> Self {
        let limits = Limits { max_side: settings.max_side, max_decode_bytes: shares.decoding };
        Self {
            job: Job { geometry: settings.geometry, mode: settings.decode, limits, wanted },
            decode_bytes: ByteBudget::new(shares.decoding),
            verification_bytes: ByteBudget::new(shares.verifications),
            profile,
            in_hand,
        }
    }

    /// What examines the files of an ingest.
    pub fn of_ingest(settings: &IngestSettings, backend: &Backend, progress: &'a Progress) -> Self {
        let shares = Shares::of(settings.run.max_memory);
        let wanted = RunSettings::wanted(backend);
        Self::new(&settings.run, shares, wanted, &progress.profile, &progress.in_hand)
    }

    /// The most memory that decoders and verifications took at once: an upper bound, since the two peaks may have come at
    /// different moments.
    pub fn peak(&self) -> u64 {
        self.decode_bytes.peak() + self.verification_bytes.peak()
    }

    /// Digests a file that is held whole.
    pub fn digest(&self, bytes: &[u8]) -> Digests {
        let watch = self.profile.start(Stage::Digesting);
        let mut digester = Digester::default();
        digester.update(bytes);
        let digests = digester.finish();
        watch.stop(1, bytes.len() as u64);
        digests
    }

    /// Examines a whole file. Whatever parses it has it in hand.
    pub fn examine(&self, bytes: &[u8], file: Named<'_>) -> Examination {
        let held = match self.hold(&bytes[..bytes.len().min(SNIFF_BYTES)], file) {
            Ok(held) => held,
            Err(failure) => return Examination::refused(bytes, failure),
        };
        #[cfg(test)]
        super::tests::parse(bytes, Work::Decoding);
        let memory = DecoderMemory { budget: &self.decode_bytes, held: held.as_ref() };
        let examination = examine(bytes, &self.job, &memory);
        let Spent { coefficients, pixels } = examination.spent;
        for (stage, took) in [(Stage::EntropyDecoding, coefficients), (Stage::PixelDecoding, pixels)] {
            if let Some(took) = took {
                self.profile.add(stage, 1, bytes.len() as u64, took);
            }
        }
        examination
    }

    /// Takes a file in hand that a parser will see; `None` for one whose format none is for.
    ///
    /// # Errors
    /// If it is left out.
    fn hold(&self, head: &[u8], file: Named<'_>) -> Result<Option<Held<'_>>, Failure> {
        Format::sniff(head).map(|_| self.in_hand.take(Work::Decoding, file)).transpose()
    }

    /// Examines a file of which only the head is held.
    pub fn examine_head(&self, head: Head, file: Named<'_>) -> Examination {
        if let Some(failure) = head.refused {
            return Examination::refused(&head.bytes, failure);
        }
        match self.hold(&head.bytes, file) {
            Err(failure) => Examination::refused(&head.bytes, failure),
            Ok(_held) => examine_head(&head.bytes, &self.job),
        }
    }

    /// Decodes the pixels of what is at a place whatever the run's mode, to verify a candidate; `None` where bytes of this size and SHA-256 are
    /// not there any more.
    ///
    /// Its bytes are taken from a budget of their own, and then memory for the decoder, whose holders wait for nothing. The
    /// readers' budget is left alone: what it would give could be held by files that wait for this confirmation.
    pub fn verify(
        &self,
        place: &Provenance,
        size: u64,
        sha256: &[u8; 32],
    ) -> Option<Result<Vec<Fingerprint>, Failure>> {
        let opened = reopen(place, size)?;
        let Some(_permit) = self.verification_bytes.take(size) else {
            let reason = format!(
                "a file of {} MiB; {} MiB are allowed for verifications (raise --max-memory)",
                size.div_ceil(1 << 20),
                self.verification_bytes.total() >> 20
            );
            return Some(Err(Failure::new(Outcome::OverLimit, outcome::Stage::Limits, reason)));
        };
        let mut bytes = Buffer::new(opened.room()?);
        if !opened.read(bytes.room(), sha256) {
            return None;
        }
        bytes.put(size as usize);
        let held = match self.in_hand.take(Work::Verifying, Named { place, size, sha256: Some(sha256) }) {
            Ok(held) => held,
            Err(left_out) => return Some(Err(left_out)),
        };
        #[cfg(test)]
        super::tests::parse(&bytes, Work::Verifying);
        let memory = DecoderMemory { budget: &self.decode_bytes, held: Some(&held) };
        let job = Job { mode: DecodeMode::Pixels, wanted: Wanted::Hashes, ..self.job };
        let Examination { views, failure, spent, .. } = examine(&bytes, &job, &memory);
        self.profile.add(Stage::Verifying, 1, size, spent.pixels.unwrap_or_default());
        if let Some(failure) = failure {
            return Some(Err(failure));
        }
        Some(Ok(views.into_iter().filter_map(verified).collect()))
    }
}

/// The fingerprint of a view that was decoded to verify a candidate.
fn verified(seen: SeenView) -> Option<Fingerprint> {
    let SeenView { view, look: Look::Hashes(hash), mut derivation } = seen else { return None };
    derivation.fallback_reason = Some("verified".into());
    Some(Fingerprint { view, picture: PictureHash { hash: *hash, derivation } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_leave_room_for_the_program_and_never_add_up_to_more_than_there_is() {
        for memory in [64 << 20, 256 << 20, (1 << 30) + 7, 64 << 30] {
            let (with, without) = (Shares::of(memory), Shares::without_verification(memory));
            for Shares { reading, verifications, decoding, searching } in [with, without] {
                let kept_back = memory - (reading + verifications + decoding + searching);
                assert!(kept_back >= memory / 8 || kept_back >= Shares::KEPT_BACK, "{memory}: {kept_back}");
            }
            assert_eq!(with.decoding, without.decoding);
        }
    }
}
