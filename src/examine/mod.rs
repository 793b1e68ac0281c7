//! The one boundary behind which bytes are parsed: from the bytes of a content and a job to what it is and what it looks like.
//!
//! [`examine`] is a pure function. It sees no database, no GPU and no network, and writes nothing; what goes in and what comes out is plain
//! data that can be sent to another process. It asks its caller for the memory that decoders take.

mod wire;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::decode::{self, DecodeMode, Derivation, Facts, Format, Limits, Picture, Probe, SNIFF_BYTES, View};
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::{DihedralHashes, Geometry, Tile};

/// What to examine, and within which limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// How pictures are reduced.
    pub geometry: Geometry,
    /// How a picture may be decoded to a tile; [`DecodeMode::Pixels`] to verify a candidate.
    pub mode: DecodeMode,
    /// Bounds of what is decoded.
    pub limits: Limits,
    /// The requested form of views.
    pub wanted: Wanted,
}

/// The form of a view. Both lead to the same hashes, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// Its hashes.
    Hashes,
    /// Its reduced tile, for a GPU to hash.
    Tiles,
}

/// The result of an examination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Examination {
    /// What the bytes state about themselves.
    pub facts: Facts,
    /// The views that were decoded.
    pub views: Vec<SeenView>,
    /// Why there is no view; `None` where there is one.
    pub failure: Option<Failure>,
    /// How long its parts took.
    pub spent: Spent,
}

/// A view that was decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenView {
    /// Which one.
    pub view: View,
    /// What it looks like.
    pub look: Look,
    /// How it came about.
    pub derivation: Derivation,
}

/// What a view looks like, in the requested form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// Its hashes and quality.
    Hashes(#[serde(with = "wire::hashes")] Box<DihedralHashes>),
    /// Its reduced tile.
    Tile(#[serde(with = "wire::tile")] Box<Tile>),
}

/// Time that parts of an examination took; `None` of what was not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Reading a JPEG's coefficients.
    pub coefficients: Option<Duration>,
    /// Decoding pixels.
    pub pixels: Option<Duration>,
}

/// Memory for decoders.
pub trait Memory {
    /// Memory that was taken; given back when dropped.
    type Permit<'a>
    where
        Self: 'a;

    /// Waits until this many bytes are free, and takes them; `None` if there can never be that many.
    fn take(&self, bytes: u64) -> Option<Self::Permit<'_>>;
}

impl Examination {
    /// For bytes without a view.
    #[must_use]
    pub fn failed(facts: Facts, failure: Failure) -> Self {
        Self { facts, views: Vec::new(), failure: Some(failure), spent: Spent::default() }
    }

    /// For bytes of which only the beginning is known.
    #[must_use]
    pub fn refused(head: &[u8], failure: Failure) -> Self {
        let format = Format::sniff(&head[..head.len().min(SNIFF_BYTES)]);
        Self::failed(Facts { format, ..Facts::default() }, failure)
    }
}

/// Examines the whole bytes of a content.
#[must_use]
pub fn examine(bytes: &[u8], job: &Job, memory: &impl Memory) -> Examination {
    let probe = decode::probe(bytes, job.geometry, &job.limits);
    if let Some(failure) = probe.failure {
        return Examination::failed(probe.facts, failure);
    }
    let mut spent = Spent::default();
    match picture(bytes, &probe, job, memory, &mut spent) {
        Ok(Picture { tile, hash, derivation }) => {
            let look = match job.wanted {
                Wanted::Hashes => Look::Hashes(Box::new(hash)),
                Wanted::Tiles => Look::Tile(tile),
            };
            let views = vec![SeenView { view: View::Picture, look, derivation }];
            Examination { facts: probe.facts, views, failure: None, spent }
        }
        Err(failure) => Examination { spent, ..Examination::failed(probe.facts, failure) },
    }
}

/// Examines bytes of which only the beginning was read, because [`decode::is_candidate`] returned `false`.
#[must_use]
pub fn examine_head(head: &[u8], job: &Job) -> Examination {
    let probe = decode::probe(head, job.geometry, &job.limits);
    // Skipped bytes are never needed for decoding; if they ever were, the item's reason would state it.
    let unread = || Failure::new(Outcome::OverLimit, Stage::Sniff, "only its beginning was read");
    Examination::failed(probe.facts, probe.failure.unwrap_or_else(unread))
}

/// From coefficients if the job allows it and they are exact enough, otherwise from pixels.
fn picture(
    bytes: &[u8],
    probe: &Probe,
    job: &Job,
    memory: &impl Memory,
    spent: &mut Spent,
) -> Result<Picture, Failure> {
    let mut fallback_reason = None;
    if job.mode == DecodeMode::Auto
        && let Some(needed) = probe.coefficient_bytes
    {
        match memory.take(needed) {
            Some(_permit) => {
                let begun = Instant::now();
                let result = decode::coefficients(bytes, probe);
                spent.coefficients = Some(begun.elapsed());
                match result {
                    Ok(picture) => return Ok(picture),
                    Err(reason) => fallback_reason = Some(reason),
                }
            }
            None => fallback_reason = Some("its coefficients need more memory than is allowed".into()),
        }
    }
    // If there can never be enough memory, the decoder refuses the picture.
    let _permit = memory.take(probe.pixel_bytes);
    let begun = Instant::now();
    let picture = decode::pixels(bytes, probe, job.geometry, &job.limits);
    spent.pixels = Some(begun.elapsed());
    let mut picture = picture?;
    picture.derivation.fallback_reason = fallback_reason;
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, RgbImage};
    use std::io::Cursor;

    struct Plenty;

    impl Memory for Plenty {
        type Permit<'a> = ();

        fn take(&self, _bytes: u64) -> Option<()> {
            Some(())
        }
    }

    fn job(mode: DecodeMode, wanted: Wanted) -> Job {
        let limits = Limits { max_side: 1 << 16, max_decode_bytes: 1 << 30 };
        Job { geometry: Geometry::Full, mode, limits, wanted }
    }

    fn jpeg() -> Vec<u8> {
        let picture =
            RgbImage::from_fn(320, 240, |x, y| image::Rgb([(x * y) as u8, (x + y) as u8, (x ^ y) as u8]));
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
        bytes
    }

    /// What goes in and comes out can be sent to another process and comes back whole.
    #[test]
    fn jobs_and_examinations_are_plain_data() {
        let bytes = jpeg();
        for wanted in [Wanted::Hashes, Wanted::Tiles] {
            for (mode, bytes) in [
                (DecodeMode::Auto, &bytes[..]),
                (DecodeMode::Pixels, &bytes),
                (DecodeMode::Auto, b"no picture"),
            ] {
                let job = job(mode, wanted);
                let sent: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
                assert_eq!(sent, job);
                let examination = examine(bytes, &job, &Plenty);
                let sent: Examination =
                    serde_json::from_str(&serde_json::to_string(&examination).unwrap()).unwrap();
                assert_eq!(sent, examination);
                assert_eq!(examination.views.is_empty(), examination.failure.is_some());
            }
        }
        let cut = r#"{"Tile":[1,2,3]}"#;
        assert!(serde_json::from_str::<Look>(cut).is_err(), "a tile has as many samples as a tile has");
    }

    #[test]
    fn a_tile_has_the_hashes_that_are_given_without_it() {
        let bytes = jpeg();
        let look = |wanted| examine(&bytes, &job(DecodeMode::Pixels, wanted), &Plenty).views.remove(0).look;
        let (Look::Hashes(hashes), Look::Tile(tile)) = (look(Wanted::Hashes), look(Wanted::Tiles)) else {
            panic!("each in the form that was wanted");
        };
        assert_eq!(crate::pdq::hash_tile(&tile), *hashes);
    }

    /// Without memory for coefficients, pixels are decoded, and the reason is kept.
    #[test]
    fn a_lack_of_memory_is_a_reason() {
        struct Little;
        impl Memory for Little {
            type Permit<'a> = ();

            fn take(&self, _bytes: u64) -> Option<()> {
                None
            }
        }
        let examination = examine(&jpeg(), &job(DecodeMode::Auto, Wanted::Hashes), &Little);
        let derivation = &examination.views[0].derivation;
        assert!(derivation.fallback_reason.as_ref().unwrap().to_string().contains("more memory"));
        assert!(examination.spent.coefficients.is_none() && examination.spent.pixels.is_some());
    }
}
