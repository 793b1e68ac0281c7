//! A bounded sample of a folder: runs of neighbouring files, drawn at random from everything that was listed.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failures::Failures;
use crate::decode::{self, Format, Limits, Probe};
use crate::engine::{CancelToken, EngineError};
use crate::outcome::Outcome;
use crate::pdq::Geometry;
use crate::source::identity::real_path;
use crate::source::name::escape_path;
use crate::source::{Entry, EntryKind, Provenance, SourceFile, walk};

/// Files that are drawn together: neighbours in a folder are neighbours on a disk, and a run reads them so.
const RUN: usize = 16;
/// Maximum runs that are drawn.
const RUNS: usize = 256;

/// What was listed of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// The folder, escaped.
    pub folder: String,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether that is everything; otherwise time was up.
    pub complete: bool,
    /// How long it took.
    pub seconds: f64,
    /// Files of the sample that were opened.
    pub sample_files: u64,
    /// Bytes of the sample that were read.
    pub sample_bytes: u64,
}

impl Listing {
    /// A notice about the sample.
    pub(super) fn notes(&self) -> Option<String> {
        (!self.complete).then(|| {
            "the folder was not listed to its end: the sample is of its beginning (raise --seconds)"
                .to_string()
        })
    }
}

/// A kind of files, by the work they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// Baseline and extended sequential JPEG.
    JpegSequential,
    /// Progressive JPEG.
    JpegProgressive,
    /// PNG.
    Png,
    /// Pictures of other formats that are decoded.
    OtherPictures,
    /// Files that are only read and digested.
    DigestOnly,
}

impl ContentKind {
    pub(super) const PICTURES: [Self; 4] =
        [Self::JpegSequential, Self::JpegProgressive, Self::Png, Self::OtherPictures];

    /// Its name in reports.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::JpegSequential => "JPEG, sequential",
            Self::JpegProgressive => "JPEG, progressive",
            Self::Png => "PNG",
            Self::OtherPictures => "other pictures",
            Self::DigestOnly => "digested only",
        }
    }
}

/// How much of a sample is of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contents {
    /// The kind.
    pub kind: ContentKind,
    /// Files; for JPEG, in the proportion of those that were examined.
    pub files: f64,
    /// Bytes, likewise.
    pub bytes: f64,
}

/// A file of the sample in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    pub kind: ContentKind,
    pub bytes: Vec<u8>,
}

/// What the first bytes of a file promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    Jpeg,
    Png,
    Other,
    Nothing,
}

impl Promise {
    pub fn of(head: &[u8]) -> Self {
        match Format::sniff(&head[..head.len().min(decode::SNIFF_BYTES)]) {
            Some(Format::Jpeg) => Self::Jpeg,
            Some(Format::Png) => Self::Png,
            Some(format) if format.decoder().is_some() => Self::Other,
            _ => Self::Nothing,
        }
    }
}

/// A file that was drawn.
#[derive(Debug)]
pub(super) struct Drawn {
    pub place: Provenance,
    pub size: u64,
    /// Bytes that were read of it, and what they promise; `None` until then.
    pub read: Option<(u64, Promise)>,
}

/// The files that were drawn, in the order of their reading.
#[derive(Debug)]
pub(super) struct Picked {
    pub listing: Listing,
    pub runs: Vec<Vec<Drawn>>,
}

impl Picked {
    /// Lists a folder (or a single file) for as long as `patience`, and draws.
    pub fn list(
        folder: &Path,
        patience: Duration,
        cancel: &CancelToken,
        failures: &mut Failures,
    ) -> Result<Self, EngineError> {
        let started = Instant::now();
        let mut draw = Draw::default();
        let (mut files, mut bytes, mut complete) = (0, 0, true);
        let failed = |error| EngineError::Io { what: escape_path(folder), error };
        let root: Arc<Path> = real_path(folder).map_err(failed)?.into();
        let mut visit = |Entry { relative, kind, stamp }: Entry| {
            match kind {
                EntryKind::File => {
                    let size = stamp.size.unwrap_or(0);
                    files += 1;
                    bytes += size;
                    let place = Provenance::of_file(Arc::clone(&root), relative);
                    draw.add(Drawn { place, size, read: None });
                }
                EntryKind::Failed(failure) => failures.add(failure.outcome),
            }
            complete = started.elapsed() < patience && !cancel.is_cancelled();
            complete
        };
        walk(&root, &mut visit).map_err(failed)?;
        let listing = Listing {
            folder: escape_path(folder),
            files,
            bytes,
            complete,
            seconds: started.elapsed().as_secs_f64(),
            sample_files: 0,
            sample_bytes: 0,
        };
        Ok(Self { listing, runs: draw.finish() })
    }

    /// Loads pictures that were read before, up to `memory` bytes of each kind alike.
    pub fn load(
        &self,
        memory: u64,
        threads: usize,
        cancel: &CancelToken,
        failures: &mut Failures,
    ) -> Vec<Loaded> {
        let wanted = |promise: Promise| {
            let room = AtomicU64::new(memory / 3);
            let files: Vec<&Drawn> = self
                .runs
                .iter()
                .flatten()
                .filter(|file| matches!(file.read, Some((_, of)) if of == promise))
                .collect();
            (room, files)
        };
        let results = Mutex::new((Vec::new(), Vec::new()));
        for (room, files) in [Promise::Jpeg, Promise::Png, Promise::Other].map(wanted) {
            let next = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..threads.min(files.len()) {
                    scope.spawn(|| {
                        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                            if cancel.is_cancelled() {
                                return;
                            }
                            let fits = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
                                room.checked_sub(file.size)
                            });
                            if fits.is_err() {
                                continue;
                            }
                            let loaded = load(file);
                            let mut results =
                                results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                            match loaded {
                                Ok(loaded) => results.0.push(loaded),
                                Err(outcome) => results.1.push(outcome),
                            }
                        }
                    });
                }
            });
        }
        let (loaded, failed) = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        failed.into_iter().for_each(|outcome| failures.add(outcome));
        loaded
    }

    /// The sample by kind. Of the JPEGs only those that were loaded are known to be progressive or not.
    pub fn contents(&self, loaded: &[Loaded]) -> Vec<Contents> {
        let of_kind = |kind: ContentKind| {
            let files = loaded.iter().filter(|file| file.kind == kind);
            files.fold((0.0, 0.0), |(files, bytes), file| (files + 1.0, bytes + file.bytes.len() as f64))
        };
        let promised = |promise: Promise| {
            let files =
                self.runs.iter().flatten().filter(|file| matches!(file.read, Some((_, of)) if of == promise));
            files.fold((0.0, 0.0), |(files, bytes), file| (files + 1.0, bytes + file.size as f64))
        };
        let jpeg = promised(Promise::Jpeg);
        let (sequential, progressive) =
            (of_kind(ContentKind::JpegSequential), of_kind(ContentKind::JpegProgressive));
        let part =
            |of: f64, other: f64, all: f64| if of + other > 0.0 { all * of / (of + other) } else { 0.0 };
        let progressive_part =
            (part(progressive.0, sequential.0, jpeg.0), part(progressive.1, sequential.1, jpeg.1));
        let kinds = [
            (ContentKind::JpegSequential, (jpeg.0 - progressive_part.0, jpeg.1 - progressive_part.1)),
            (ContentKind::JpegProgressive, progressive_part),
            (ContentKind::Png, promised(Promise::Png)),
            (ContentKind::OtherPictures, promised(Promise::Other)),
            (ContentKind::DigestOnly, promised(Promise::Nothing)),
        ];
        kinds
            .into_iter()
            .filter(|(_, (files, _))| *files > 0.0)
            .map(|(kind, (files, bytes))| Contents { kind, files, bytes })
            .collect()
    }
}

/// Reads a whole file into memory.
fn load(drawn: &Drawn) -> Result<Loaded, Outcome> {
    let failed = |failure: crate::outcome::Failure| failure.outcome;
    let mut file = SourceFile::at(&drawn.place).map_err(failed)?;
    let size = usize::try_from(drawn.size).map_err(|_| Outcome::OverLimit)?;
    let mut bytes = vec![0; size];
    let filled = file.fill(&mut bytes).map_err(failed)?;
    bytes.truncate(filled);
    let kind = match Promise::of(&bytes) {
        Promise::Jpeg if is_progressive(&bytes) => ContentKind::JpegProgressive,
        Promise::Jpeg => ContentKind::JpegSequential,
        Promise::Png => ContentKind::Png,
        Promise::Other => ContentKind::OtherPictures,
        // It changed since it was read.
        Promise::Nothing => return Err(Outcome::Unreadable),
    };
    Ok(Loaded { kind, bytes })
}

fn is_progressive(bytes: &[u8]) -> bool {
    let limits = Limits { max_side: u32::MAX, max_decode_bytes: u64::MAX };
    let probe: Probe = decode::probe(bytes, Geometry::Full, &limits);
    probe.is_progressive_jpeg()
}

/// Draws runs of neighbours, each as likely as any other (reservoir sampling, the same on every run).
#[derive(Default)]
struct Draw {
    current: Vec<Drawn>,
    runs: Vec<Vec<Drawn>>,
    seen: u64,
    random: SplitMix,
}

impl Draw {
    fn add(&mut self, file: Drawn) {
        self.current.push(file);
        if self.current.len() == RUN {
            self.end_run();
        }
    }

    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.current);
        self.seen += 1;
        if self.runs.len() < RUNS {
            self.runs.push(run);
        } else if let Some(place) = self.runs.get_mut(self.random.below(self.seen) as usize) {
            *place = run;
        }
    }

    /// In random order, so that running out of time does not always lose the end of the folder.
    fn finish(mut self) -> Vec<Vec<Drawn>> {
        if !self.current.is_empty() {
            self.end_run();
        }
        for place in (1..self.runs.len()).rev() {
            let other = self.random.below(place as u64 + 1) as usize;
            self.runs.swap(place, other);
        }
        self.runs
    }
}

/// A deterministic stream of numbers (SplitMix64).
#[derive(Default)]
pub(super) struct SplitMix(pub u64);

impl SplitMix {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number under `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Provenance {
        Provenance::of_file(Path::new("").into(), name)
    }

    fn drawn(count: usize) -> Vec<Vec<Drawn>> {
        let mut draw = Draw::default();
        for number in 0..count {
            draw.add(Drawn { place: place(&number.to_string()), size: number as u64, read: None });
        }
        draw.finish()
    }

    #[test]
    fn small_folders_are_drawn_whole_and_large_ones_evenly() {
        for count in [0, 1, RUN, RUN * RUNS] {
            let mut sizes: Vec<u64> = drawn(count).into_iter().flatten().map(|file| file.size).collect();
            sizes.sort_unstable();
            assert_eq!(sizes, (0..count as u64).collect::<Vec<_>>());
        }
        let count = 40 * RUN * RUNS;
        let runs = drawn(count);
        assert_eq!(runs.len(), RUNS);
        for run in &runs {
            assert!(run.windows(2).all(|pair| pair[1].size == pair[0].size + 1), "neighbours stay together");
        }
        let first_half = runs.iter().filter(|run| run[0].size < count as u64 / 2).count();
        assert!((RUNS / 3..RUNS * 2 / 3).contains(&first_half), "{first_half} of {RUNS}");
    }

    #[test]
    fn jpegs_are_split_as_those_that_were_loaded() {
        let file = |size, promise| Drawn { place: place(""), size, read: Some((size, promise)) };
        let listing = Listing {
            folder: String::new(),
            files: 0,
            bytes: 0,
            complete: true,
            seconds: 0.0,
            sample_files: 0,
            sample_bytes: 0,
        };
        let runs = vec![vec![file(100, Promise::Jpeg), file(300, Promise::Jpeg), file(50, Promise::Nothing)]];
        let picked = Picked { listing, runs };
        let loaded = |kind, size| Loaded { kind, bytes: vec![0; size] };
        let contents = picked
            .contents(&[loaded(ContentKind::JpegSequential, 30), loaded(ContentKind::JpegProgressive, 10)]);
        let expected = [
            (ContentKind::JpegSequential, 1.0, 300.0),
            (ContentKind::JpegProgressive, 1.0, 100.0),
            (ContentKind::DigestOnly, 1.0, 50.0),
        ]
        .map(|(kind, files, bytes)| Contents { kind, files, bytes });
        assert_eq!(contents, expected);
        // Nothing was loaded: they count as the usual kind.
        assert_eq!(picked.contents(&[])[0].bytes, 400.0);
    }
}
