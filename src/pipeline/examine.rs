//! What a worker does with one file's bytes: digest them, look at the header, decode, reduce.

use super::budget::ByteBudget;
use super::profile::{self, Profile};
use super::reader::Head;
use crate::decode::{self, DecodeMode, Facts, Limits, Picture, Probe};
use crate::outcome::Failure;
use crate::pdq::Geometry;
use crate::source::{Digester, Digests};

/// Examines files within a budget of memory for decoders. Shared by the workers of a run.
#[derive(Debug)]
pub(super) struct Examiner<'a> {
    geometry: Geometry,
    mode: DecodeMode,
    limits: Limits,
    decode_bytes: ByteBudget,
    profile: &'a Profile,
}

impl<'a> Examiner<'a> {
    /// `memory` is for decoders alone.
    pub const fn new(
        geometry: Geometry,
        mode: DecodeMode,
        max_side: u32,
        memory: u64,
        profile: &'a Profile,
    ) -> Self {
        Self {
            geometry,
            mode,
            limits: Limits { max_side, max_decode_bytes: memory },
            decode_bytes: ByteBudget::new(memory),
            profile,
        }
    }

    /// The most memory that decoders took at once.
    pub fn peak(&self) -> u64 {
        self.decode_bytes.peak()
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

    /// Says what a whole file is, and reduces a picture to its tile.
    pub fn picture(&self, bytes: &[u8]) -> (Facts, Result<Picture, Failure>) {
        let probe = decode::probe(bytes, self.geometry, &self.limits);
        if let Some(failure) = probe.failure {
            return (probe.facts, Err(failure));
        }
        let picture = self.decode(bytes, &probe);
        (probe.facts, picture)
    }

    /// Says what a file is of which only the head is held.
    pub fn unheld(&self, head: Head) -> (Facts, Failure) {
        match head.refused {
            Some(failure) => {
                let format = decode::Format::sniff(&head.bytes);
                (Facts { format, ..Facts::default() }, failure)
            }
            None => {
                let probe = decode::probe(&head.bytes, self.geometry, &self.limits);
                (probe.facts, probe.failure.unwrap_or_else(no_candidate))
            }
        }
    }

    /// From coefficients where the run may and that is exact enough, else from pixels.
    fn decode(&self, bytes: &[u8], probe: &Probe) -> Result<Picture, Failure> {
        let mut pixels_because = None;
        if self.mode == DecodeMode::Auto
            && let Some(needed) = probe.coefficient_bytes
        {
            match self.decode_bytes.take(needed) {
                Some(_permit) => {
                    let watch = self.profile.start(profile::Stage::EntropyDecoding);
                    let result = decode::coefficients(bytes, probe, self.geometry);
                    watch.stop(1, bytes.len() as u64);
                    match result {
                        Ok(picture) => return Ok(picture),
                        Err(reason) => pixels_because = Some(reason),
                    }
                }
                None => pixels_because = Some("its coefficients need more memory than is allowed".into()),
            }
        }
        // What the budget could never give is refused by the decoder.
        let _permit = self.decode_bytes.take(probe.pixel_bytes);
        let watch = self.profile.start(profile::Stage::PixelDecoding);
        let picture = decode::pixels(bytes, probe, self.geometry, &self.limits);
        watch.stop(1, bytes.len() as u64);
        let mut picture = picture?;
        picture.derivation.pixels_because = pixels_because;
        Ok(picture)
    }
}

/// A head that [`decode::is_candidate`] passed over is never decoded; should it ever be, the item says so.
fn no_candidate() -> Failure {
    use crate::outcome::{Outcome, Stage};
    Failure::new(Outcome::OverLimit, Stage::Sniff, "only its beginning was read")
}
