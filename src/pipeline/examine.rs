//! What a worker does with one file's bytes: digest them, look at the header, decode, reduce.

use super::budget::ByteBudget;
use super::buffer::Buffer;
use super::in_hand::{Held, InHand, Named, Work};
use super::profile::{self, Profile};
use super::reader::Head;
use crate::decode::{self, DecodeMode, Facts, Limits, Picture, Probe};
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::Geometry;
use crate::source::{Digester, Digests, Provenance, reopen};

/// Examines files within a budget of memory for decoders. Shared by the workers of a run.
#[derive(Debug)]
pub(super) struct Examiner<'a> {
    geometry: Geometry,
    mode: DecodeMode,
    limits: Limits,
    decode_bytes: ByteBudget,
    verification_bytes: ByteBudget,
    profile: &'a Profile,
    in_hand: &'a InHand,
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
    /// An examiner within its shares of a run's memory.
    pub const fn new(
        geometry: Geometry,
        mode: DecodeMode,
        max_side: u32,
        shares: Shares,
        profile: &'a Profile,
        in_hand: &'a InHand,
    ) -> Self {
        Self {
            geometry,
            mode,
            limits: Limits { max_side, max_decode_bytes: shares.decoding },
            decode_bytes: ByteBudget::new(shares.decoding),
            verification_bytes: ByteBudget::new(shares.verifications),
            profile,
            in_hand,
        }
    }

    /// The most memory that decoders and verifications took at once: an upper bound, since the two peaks may have come at
    /// different moments.
    pub fn peak(&self) -> u64 {
        self.decode_bytes.peak() + self.verification_bytes.peak()
    }

    /// Digests a file that is held whole.
    pub fn digest(&self, bytes: &[u8]) -> Digests {
        let watch = self.profile.start(profile::Stage::Digesting);
        let mut digester = Digester::default();
        digester.update(bytes);
        let digests = digester.finish();
        watch.stop(1, bytes.len() as u64);
        digests
    }

    /// Says what a whole file is, and reduces a picture to its tile. Whatever parses it has it in hand.
    pub fn picture(&self, bytes: &[u8], file: Named<'_>) -> (Facts, Result<Picture, Failure>) {
        let format = decode::Format::sniff(&bytes[..bytes.len().min(decode::SNIFF_BYTES)]);
        let held = match self.hold(format, file) {
            Ok(held) => held,
            Err(failure) => return (Facts { format, ..Facts::default() }, Err(failure)),
        };
        #[cfg(test)]
        super::tests::parse(bytes, Work::Decoding);
        let probe = decode::probe(bytes, self.geometry, &self.limits);
        if let Some(failure) = probe.failure {
            return (probe.facts, Err(failure));
        }
        let picture = self.decode(bytes, &probe, held.as_ref());
        (probe.facts, picture)
    }

    /// Takes a file in hand that a parser will see; `None` for one whose format none is for.
    ///
    /// # Errors
    /// It is left out.
    fn hold(&self, format: Option<decode::Format>, file: Named<'_>) -> Result<Option<Held<'_>>, Failure> {
        format.map(|_| self.in_hand.take(Work::Decoding, file)).transpose()
    }

    /// Says what a file is of which only the head is held.
    pub fn unheld(&self, head: Head, file: Named<'_>) -> (Facts, Failure) {
        let format = decode::Format::sniff(&head.bytes);
        if let Some(failure) = head.refused {
            return (Facts { format, ..Facts::default() }, failure);
        }
        match self.hold(format, file) {
            Err(failure) => (Facts { format, ..Facts::default() }, failure),
            Ok(_held) => {
                let probe = decode::probe(&head.bytes, self.geometry, &self.limits);
                (probe.facts, probe.failure.unwrap_or_else(no_candidate))
            }
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
    ) -> Option<Result<Picture, Failure>> {
        let opened = reopen(place, size)?;
        let Some(_permit) = self.verification_bytes.take(size) else {
            let reason = format!(
                "a file of {} MiB; {} MiB are allowed for verifications (raise --max-memory)",
                size.div_ceil(1 << 20),
                self.verification_bytes.total() >> 20
            );
            return Some(Err(Failure::new(Outcome::OverLimit, Stage::Limits, reason)));
        };
        let mut bytes = Buffer::new(opened.room()?);
        if !opened.read(bytes.room(), sha256) {
            return None;
        }
        bytes.put(size as usize);
        let path = &place.file()?;
        let held = match self.in_hand.take(Work::Verifying, Named { path, size, sha256: Some(sha256) }) {
            Ok(held) => held,
            Err(left_out) => return Some(Err(left_out)),
        };
        #[cfg(test)]
        super::tests::parse(&bytes, Work::Verifying);
        let probe = decode::probe(&bytes, self.geometry, &self.limits);
        let _permit = held.waiting(|| self.decode_bytes.take(probe.pixel_bytes));
        let watch = self.profile.start(profile::Stage::Verifying);
        let picture = decode::pixels(&bytes, &probe, self.geometry, &self.limits);
        watch.stop(1, size);
        Some(picture)
    }

    /// From coefficients where the run may and that is exact enough, else from pixels.
    fn decode(&self, bytes: &[u8], probe: &Probe, held: Option<&Held<'_>>) -> Result<Picture, Failure> {
        let permit = |needed| {
            let take = || self.decode_bytes.take(needed);
            held.map_or_else(take, |held| held.waiting(take))
        };
        let mut fallback_reason = None;
        if self.mode == DecodeMode::Auto
            && let Some(needed) = probe.coefficient_bytes
        {
            match permit(needed) {
                Some(_permit) => {
                    let watch = self.profile.start(profile::Stage::EntropyDecoding);
                    let result = decode::coefficients(bytes, probe);
                    watch.stop(1, bytes.len() as u64);
                    match result {
                        Ok(picture) => return Ok(picture),
                        Err(reason) => fallback_reason = Some(reason),
                    }
                }
                None => fallback_reason = Some("its coefficients need more memory than is allowed".into()),
            }
        }
        // What the budget could never give is refused by the decoder.
        let _permit = permit(probe.pixel_bytes);
        let watch = self.profile.start(profile::Stage::PixelDecoding);
        let picture = decode::pixels(bytes, probe, self.geometry, &self.limits);
        watch.stop(1, bytes.len() as u64);
        let mut picture = picture?;
        picture.derivation.fallback_reason = fallback_reason;
        Ok(picture)
    }
}

/// A head that [`decode::is_candidate`] passed over is never decoded; should it ever be, the item says so.
fn no_candidate() -> Failure {
    Failure::new(Outcome::OverLimit, Stage::Sniff, "only its beginning was read")
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
