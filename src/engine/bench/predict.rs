//! From rates to hours a terabyte. `docs/benchmarks/ingest.md` explains the arithmetic to users.

use serde::Serialize;

use super::decoding::{AsInARun, Decoding};
use super::hashing::HashRate;
use super::sample::{ContentKind, Contents};

/// Bytes of a terabyte, as disks are sold.
pub const TERABYTE: f64 = 1e12;

/// What a terabyte of such files takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Hours a terabyte: the slowest of storage, threads and GPU, which work at the same time.
    pub hours_per_terabyte: f64,
    /// The stage that takes longest.
    pub limited_by: &'static str,
    /// Hours of each stage. Those on threads are divided by the number of threads, and add up.
    pub stages: Vec<StageHours>,
    /// Hours of all stages on threads together.
    pub threads_hours: f64,
    /// Storage slower than this many bytes a second would be the limit.
    pub storage_limits_below_bytes_per_second: f64,
    /// Hours a terabyte with `--decode pixels`, if all kinds could be measured.
    pub hours_per_terabyte_from_pixels: Option<f64>,
    /// Pictures in a terabyte.
    pub pictures_per_terabyte: f64,
    /// Files in a terabyte.
    pub files_per_terabyte: f64,
}

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageHours {
    /// Its name.
    pub stage: &'static str,
    /// Hours a terabyte.
    pub hours: f64,
    /// Whether it takes the time of the threads.
    pub on_threads: bool,
}

/// What the prediction is computed from.
pub(super) struct Measured<'a> {
    pub contents: &'a [Contents],
    /// Of all readers; `None` if the first reading was not from storage.
    pub storage_bytes_per_second: Option<f64>,
    /// Opening and copying what is in memory, per thread.
    pub copying_bytes_per_second: Option<f64>,
    /// All three digests, per thread.
    pub digest_bytes_per_second: f64,
    pub decoding: &'a Decoding,
    /// The backend that a run would take.
    pub hashing: Option<&'a HashRate>,
    pub threads: usize,
}

/// Seconds and pictures of a terabyte's decoding, on one thread.
#[derive(Clone, Copy, Default)]
struct Decoded {
    seconds: f64,
    pictures: f64,
}

/// The prediction; `None` if the sample has no bytes.
pub(super) fn predict(measured: &Measured<'_>, notes: &mut Vec<String>) -> Option<Prediction> {
    let total: f64 = measured.contents.iter().map(|contents| contents.bytes).sum();
    if total <= 0.0 {
        notes.push("no file could be read: nothing can be predicted".into());
        return None;
    }
    let (decoded, missing) = decoded(measured, total, |kind| measured.decoding.of(kind));
    for (kind, share) in missing {
        notes.push(format!(
            "{}: {:.0} % of the bytes, and none was decoded: the prediction leaves their decoding out",
            kind.title(),
            100.0 * share
        ));
    }
    if measured.storage_bytes_per_second.is_none() {
        notes.push("storage is not in the prediction: it was not measured".into());
    }
    let prediction = add_up(measured, total, decoded)?;
    let (from_pixels, missing) = self::decoded(measured, total, |kind| measured.decoding.by_pixels_of(kind));
    let from_pixels = if missing.is_empty() { add_up(measured, total, from_pixels) } else { None };
    Some(Prediction {
        hours_per_terabyte_from_pixels: from_pixels.map(|prediction| prediction.hours_per_terabyte),
        ..prediction
    })
}

/// Decoding of all kinds together, and the kinds of which none was decoded, with their share of the bytes.
fn decoded<'a>(
    measured: &Measured<'_>,
    total: f64,
    of: impl Fn(ContentKind) -> Option<&'a AsInARun>,
) -> (Decoded, Vec<(ContentKind, f64)>) {
    let mut sum = Decoded::default();
    let mut missing = Vec::new();
    for contents in measured.contents.iter().filter(|contents| contents.kind != ContentKind::DigestOnly) {
        let share = contents.bytes / total;
        match of(contents.kind) {
            Some(done) if done.all().bytes > 0 => {
                let all = done.all();
                sum.seconds += TERABYTE * share / all.bytes as f64 * all.seconds;
                let files = contents.files * TERABYTE / total;
                sum.pictures += files * done.pictures() as f64 / all.files as f64;
            }
            _ if contents.bytes > 0.0 => missing.push((contents.kind, share)),
            _ => {}
        }
    }
    (sum, missing)
}

fn add_up(measured: &Measured<'_>, total: f64, decoded: Decoded) -> Option<Prediction> {
    let hours = |seconds: f64| seconds / 3600.0;
    let threads = measured.threads as f64;
    let on_threads =
        |stage, seconds: f64| StageHours { stage, hours: hours(seconds / threads), on_threads: true };
    let mut stages = Vec::new();
    if let Some(rate) = measured.storage_bytes_per_second {
        stages.push(StageHours { stage: "storage", hours: hours(TERABYTE / rate), on_threads: false });
    }
    if let Some(rate) = measured.copying_bytes_per_second {
        stages.push(on_threads("opening and copying", TERABYTE / rate));
    }
    stages.push(on_threads("digesting", TERABYTE / measured.digest_bytes_per_second));
    stages.push(on_threads("decoding", decoded.seconds));
    // On the CPU it is done by the threads that decode, and included in that figure.
    let on_gpu = |hashing: &&HashRate| !hashing.on_threads && hashing.pictures_per_second > 0.0;
    if let Some(hashing) = measured.hashing.filter(on_gpu) {
        let hours = hours(decoded.pictures / hashing.pictures_per_second);
        stages.push(StageHours { stage: "hashing on the GPU", hours, on_threads: false });
    }
    let slowest = |on_threads: bool| {
        let stages = stages.iter().filter(move |stage| stage.on_threads == on_threads);
        stages.max_by(|a, b| a.hours.total_cmp(&b.hours))
    };
    let threads_hours = stages.iter().filter(|stage| stage.on_threads).map(|stage| stage.hours).sum::<f64>();
    let (limit, hours_per_terabyte) = match slowest(false) {
        Some(stage) if stage.hours > threads_hours => (stage, stage.hours),
        _ => (slowest(true)?, threads_hours),
    };
    let files: f64 = measured.contents.iter().map(|contents| contents.files).sum();
    Some(Prediction {
        hours_per_terabyte,
        limited_by: limit.stage,
        threads_hours,
        storage_limits_below_bytes_per_second: TERABYTE / (threads_hours * 3600.0).max(1e-9),
        hours_per_terabyte_from_pixels: None,
        pictures_per_terabyte: decoded.pictures,
        files_per_terabyte: files * TERABYTE / total,
        stages,
    })
}

#[cfg(test)]
mod tests {
    use super::super::decoding::Tally;
    use super::*;

    fn decoding(coefficients: f64, pixels: f64) -> Decoding {
        let tally = |seconds| Tally { files: 10, pixels: 0, bytes: 100_000_000, seconds };
        let kind = ContentKind::JpegSequential;
        Decoding {
            kinds: vec![(kind, AsInARun { coefficients: tally(coefficients), ..AsInARun::default() })],
            jpeg_pixels: vec![(kind, AsInARun { pixels: tally(pixels), ..AsInARun::default() })],
            tiles: Vec::new(),
        }
    }

    fn contents(kind: ContentKind, bytes: f64) -> Contents {
        Contents { kind, files: 10.0, bytes }
    }

    /// Half JPEG, half video; 100 MB/s of JPEG a thread and second, digests at 500 MB/s, 4 threads.
    #[test]
    fn hours_are_those_of_a_pocket_calculator() {
        let contents = [contents(ContentKind::JpegSequential, 1e9), contents(ContentKind::DigestOnly, 1e9)];
        let decoding = decoding(1.0, 10.0);
        let hashing =
            HashRate { backend: "cpu".into(), on_threads: true, pictures_per_second: 500.0, failed: None };
        let mut measured = Measured {
            contents: &contents,
            storage_bytes_per_second: Some(200e6),
            copying_bytes_per_second: None,
            digest_bytes_per_second: 500e6,
            decoding: &decoding,
            hashing: Some(&hashing),
            threads: 4,
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs(), "{a} {b}");
        let mut notes = Vec::new();
        let prediction = predict(&measured, &mut notes).unwrap();
        // Threads: digests 2000 s / 4, decoding 5000 s / 4, with which the CPU hashes.
        near(prediction.threads_hours, (500.0 + 1250.0) / 3600.0);
        near(prediction.hours_per_terabyte, 5000.0 / 3600.0);
        assert_eq!(prediction.limited_by, "storage");
        near(prediction.storage_limits_below_bytes_per_second, 1e12 / 1750.0);
        // From pixels: decoding 50,000 s / 4.
        near(prediction.hours_per_terabyte_from_pixels.unwrap(), (500.0 + 12_500.0) / 3600.0);
        near(prediction.files_per_terabyte, 20.0 * 500.0);
        near(prediction.pictures_per_terabyte, 5_000.0);
        assert!(notes.is_empty(), "{notes:?}");

        measured.storage_bytes_per_second = Some(2e9);
        let prediction = predict(&measured, &mut notes).unwrap();
        assert_eq!(prediction.limited_by, "decoding");
        near(prediction.hours_per_terabyte, 1750.0 / 3600.0);
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn what_was_not_measured_is_reported() {
        let contents = [contents(ContentKind::Png, 1e9), contents(ContentKind::DigestOnly, 3e9)];
        let decoding = Decoding::default();
        let measured = Measured {
            contents: &contents,
            storage_bytes_per_second: None,
            copying_bytes_per_second: None,
            digest_bytes_per_second: 1e9,
            decoding: &decoding,
            hashing: None,
            threads: 1,
        };
        let mut notes = Vec::new();
        let prediction = predict(&measured, &mut notes).unwrap();
        assert_eq!(prediction.limited_by, "digesting");
        assert_eq!(prediction.hours_per_terabyte_from_pixels, None);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].starts_with("PNG: 25 % of the bytes"), "{notes:?}");

        let nothing = Measured { contents: &[], ..measured };
        assert_eq!(predict(&nothing, &mut notes), None);
    }
}
