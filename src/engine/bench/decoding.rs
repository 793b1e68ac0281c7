//! How fast pictures become tiles, by kind, per thread with all threads working.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failures::Failures;
use super::sample::{ContentKind, Loaded};
use super::settings::{BenchSettings, part, rate};
use crate::decode::{DecodeMode, DerivedFrom, Limits};
use crate::engine::CancelToken;
use crate::engine::budget::{ByteBudget, Permit};
use crate::examine::{Examination, Job, Look, Memory, Wanted, examine};
use crate::outcome::Outcome;
use crate::pdq::{Geometry, Tile};

/// Tiles that are kept of each kind, to be hashed.
const TILES: usize = 64;

/// What was decoded, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeKind {
    /// Sequential JPEG from its coefficients.
    JpegSequentialCoefficients,
    /// Progressive JPEG from its coefficients.
    JpegProgressiveCoefficients,
    /// JPEG of any kind from its pixels: for confirmations, and for what cannot be hashed from coefficients.
    JpegPixels,
    /// PNG.
    Png,
    /// Pictures of other formats.
    OtherPictures,
}

impl DecodeKind {
    /// Its name in reports.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::JpegSequentialCoefficients => "JPEG sequential, from coefficients",
            Self::JpegProgressiveCoefficients => "JPEG progressive, from coefficients",
            Self::JpegPixels => "JPEG, from pixels",
            Self::Png => "PNG",
            Self::OtherPictures => "other formats",
        }
    }
}

/// How fast one kind is decoded. A file may have been decoded more than once.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DecodeRate {
    /// What, and how.
    pub kind: DecodeKind,
    /// Decodings behind these rates.
    pub decodings: u64,
    /// Millions of pixels a second and thread.
    pub megapixels_per_second: f64,
    /// Files a second and thread.
    pub files_per_second: f64,
    /// Bytes of files a second and thread.
    pub bytes_per_second: f64,
}

/// What was done, and how long threads were busy with it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub files: u64,
    pub pixels: u64,
    pub bytes: u64,
    pub seconds: f64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.pixels += other.pixels;
        self.bytes += other.bytes;
        self.seconds += other.seconds;
    }
}

/// One kind of files, decoded as a run does it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsInARun {
    /// From coefficients.
    pub coefficients: Tally,
    /// From pixels; for a JPEG this includes the attempt at its coefficients.
    pub pixels: Tally,
    /// What had no tile.
    pub failed: Tally,
}

impl AsInARun {
    pub fn all(&self) -> Tally {
        let mut all = self.coefficients;
        all.add(&self.pixels);
        all.add(&self.failed);
        all
    }

    /// Pictures that got a tile.
    pub const fn pictures(&self) -> u64 {
        self.coefficients.files + self.pixels.files
    }
}

/// Everything that was decoded.
#[derive(Debug, Default)]
pub(super) struct Decoding {
    /// By kind of file.
    pub kinds: Vec<(ContentKind, AsInARun)>,
    /// JPEGs by kind, all from pixels.
    pub jpeg_pixels: Vec<(ContentKind, AsInARun)>,
    pub tiles: Vec<Box<Tile>>,
}

impl Decoding {
    pub fn of(&self, kind: ContentKind) -> Option<&AsInARun> {
        self.kinds.iter().find(|(of, _)| *of == kind).map(|(_, done)| done)
    }

    /// The same with everything from pixels.
    pub fn by_pixels_of(&self, kind: ContentKind) -> Option<&AsInARun> {
        let jpeg = self.jpeg_pixels.iter().find(|(of, _)| *of == kind).map(|(_, done)| done);
        jpeg.or_else(|| self.of(kind))
    }

    pub fn rates(&self) -> Vec<DecodeRate> {
        let of = |kind: ContentKind| self.of(kind).copied().unwrap_or_default();
        let mut jpeg_pixels = Tally::default();
        self.jpeg_pixels.iter().for_each(|(_, done)| jpeg_pixels.add(&done.pixels));
        let tallies = [
            (DecodeKind::JpegSequentialCoefficients, of(ContentKind::JpegSequential).coefficients),
            (DecodeKind::JpegProgressiveCoefficients, of(ContentKind::JpegProgressive).coefficients),
            (DecodeKind::JpegPixels, jpeg_pixels),
            (DecodeKind::Png, of(ContentKind::Png).pixels),
            (DecodeKind::OtherPictures, of(ContentKind::OtherPictures).pixels),
        ];
        tallies
            .into_iter()
            .filter(|(_, tally)| tally.files > 0)
            .map(|(kind, tally)| DecodeRate {
                kind,
                decodings: tally.files,
                megapixels_per_second: rate(tally.pixels as f64 / 1e6, tally.seconds),
                files_per_second: rate(tally.files as f64, tally.seconds),
                bytes_per_second: rate(tally.bytes as f64, tally.seconds),
            })
            .collect()
    }
}

pub(super) fn measure(
    loaded: &[Loaded],
    settings: &BenchSettings,
    cancel: &CancelToken,
    failures: &mut Failures,
) -> Decoding {
    let of = |kind: ContentKind| -> Vec<&[u8]> {
        loaded.iter().filter(|file| file.kind == kind).map(|file| file.bytes.as_slice()).collect()
    };
    let mut jobs: Vec<(ContentKind, Way, Vec<&[u8]>)> = Vec::new();
    for kind in ContentKind::PICTURES {
        let files = of(kind);
        if files.is_empty() {
            continue;
        }
        if matches!(kind, ContentKind::JpegSequential | ContentKind::JpegProgressive) {
            jobs.push((kind, Way::Pixels, files.clone()));
        }
        jobs.push((kind, Way::AsInARun, files));
    }
    let patience = settings.share(part::DECODING).div_f64(jobs.len().max(1) as f64);
    let bench =
        Bench { limits: settings.limits(), budget: ByteBudget::new(settings.limits().max_decode_bytes) };
    let mut decoding = Decoding::default();
    for (kind, way, files) in jobs {
        let done = bench.decode_all(&files, way, patience, settings.jobs, cancel);
        match way {
            Way::AsInARun => {
                done.failures.into_iter().for_each(|outcome| failures.add(outcome));
                decoding.tiles.extend(done.tiles.into_iter().take(TILES));
                decoding.kinds.push((kind, done.tallies));
            }
            Way::Pixels => decoding.jpeg_pixels.push((kind, done.tallies)),
        }
    }
    decoding
}

/// How pictures are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    AsInARun,
    Pixels,
}

/// What threads did.
#[derive(Default)]
struct Done {
    tallies: AsInARun,
    tiles: Vec<Box<Tile>>,
    failures: Vec<Outcome>,
}

struct Bench {
    limits: Limits,
    budget: ByteBudget,
}

impl Bench {
    /// Decodes files over and over, on all threads at once, until the time is up; each thread decodes one or more.
    fn decode_all(
        &self,
        files: &[&[u8]],
        way: Way,
        patience: Duration,
        threads: usize,
        cancel: &CancelToken,
    ) -> Done {
        let next = AtomicUsize::new(0);
        let started = Instant::now();
        let thread = || {
            let mut done = Done::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let file = files[number % files.len()];
                self.decode_one(file, way, number < files.len(), &mut done);
                if started.elapsed() >= patience || cancel.is_cancelled() {
                    return done;
                }
            }
        };
        let results: Vec<Done> = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        results.into_iter().fold(Done::default(), |mut all, done| {
            all.tallies.coefficients.add(&done.tallies.coefficients);
            all.tallies.pixels.add(&done.tallies.pixels);
            all.tallies.failed.add(&done.tallies.failed);
            all.tiles.extend(done.tiles);
            all.failures.extend(done.failures);
            all
        })
    }

    fn decode_one(&self, bytes: &[u8], way: Way, first: bool, done: &mut Done) {
        let mode = match way {
            Way::AsInARun => DecodeMode::Auto,
            Way::Pixels => DecodeMode::Pixels,
        };
        let job = Job { geometry: Geometry::Full, mode, limits: self.limits, wanted: Wanted::Tiles };
        let memory = BenchMemory { budget: &self.budget, waited: Cell::default() };
        let started = Instant::now();
        let Examination { facts, views, failure, .. } = examine(bytes, &job, &memory);
        let seconds = started.elapsed().saturating_sub(memory.waited.get()).as_secs_f64();
        let pixels = u64::from(facts.width.unwrap_or(0)) * u64::from(facts.height.unwrap_or(0));
        let tally = Tally { files: 1, pixels, bytes: bytes.len() as u64, seconds };
        match (views.first(), failure) {
            (Some(view), _) => match view.derivation.path {
                DerivedFrom::Coefficients => done.tallies.coefficients.add(&tally),
                DerivedFrom::Pixels => done.tallies.pixels.add(&tally),
            },
            (None, failure) => {
                done.tallies.failed.add(&tally);
                done.failures.extend(failure.filter(|_| first).map(|failure| failure.outcome));
            }
        }
        let tiles = views.into_iter().filter_map(|view| match view.look {
            Look::Tile(tile) => Some(tile),
            Look::Hashes(_) => None,
        });
        let room = TILES.saturating_sub(done.tiles.len());
        done.tiles.extend(tiles.take(room));
    }
}

/// Memory for decoders. Waiting for it is not decoding.
struct BenchMemory<'a> {
    budget: &'a ByteBudget,
    waited: Cell<Duration>,
}

impl Memory for BenchMemory<'_> {
    type Permit<'p>
        = Permit<'p>
    where
        Self: 'p;

    fn take(&self, bytes: u64) -> Option<Permit<'_>> {
        let since = Instant::now();
        let permit = self.budget.take(bytes);
        self.waited.set(self.waited.get() + since.elapsed());
        permit
    }
}
