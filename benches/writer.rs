//! The writer alone: batches as an ingest of small pictures makes them, into a real case on this machine's disk, with
//! the durability that cases have.
//!
//! `cargo bench --bench writer` prints files a second, for a case that is new and for one that grew to a million files;
//! to be compared with the `files/s` of `tamis scan` on small files.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark, not the product")]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tamis::case::{
    Batch, CaseError, CaseIdentity, CaseStore, ContentRecord, Fingerprint, HashSpec, ItemRecord, PlaceState,
    RecordSource, SetId, SourceId, Within,
};
use tamis::decode::{Derivation, DerivedFrom, ExifFacts, Facts, Format, PictureHash, View};
use tamis::known::RecordDetails;
use tamis::pdq::{DihedralHashes, Geometry, PdqHash};
use tamis::source::{Digests, FileStamp};

/// Files of one batch: what an ingest gathers on a CPU.
const BATCH: usize = 64;
/// Batches that are timed together.
const BATCHES: u64 = 64;
/// Batches in one transaction: few where the writer waits for work, as many as wait for it where it does not.
const AT_ONCE: [u64; 2] = [1, 32];

struct NoColumns;

impl RecordSource for NoColumns {
    fn details(&self, _set: SetId, _record: u32) -> Result<RecordDetails, CaseError> {
        Ok(RecordDetails::default())
    }
}

/// Files that no case has yet.
struct Maker {
    source: SourceId,
    random: StdRng,
    number: u64,
}

impl Maker {
    fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..BATCH {
            let digests = Digests {
                md5: self.random.random(),
                sha1: self.random.random(),
                sha256: self.random.random(),
            };
            let size = self.random.random_range(10_000..40_000);
            let number = self.number;
            self.number += 1;
            let modified = Some(1_700_000_000_000_000_000 + number.cast_signed() * 1_000_000_007);
            batch.items.push(ItemRecord {
                within: Within::Source(self.source),
                step: format!("Users/someone/Pictures/{:04}/IMG_{number:07}.jpg", number / 500).into_bytes(),
                state: PlaceState::Live,
                stamp: FileStamp { size: Some(size), modified, accessed: modified, created: modified },
                result: Ok(digests),
            });
            let exif = ExifFacts {
                taken: Some("2023-06-01T12:34:56".into()),
                camera_make: Some("Maker".into()),
                camera_model: Some("Model 12".into()),
                orientation: Some(1),
            };
            let facts = Facts { format: Some(Format::Jpeg), width: Some(640), height: Some(480), exif };
            let hashes = std::array::from_fn(|_| PdqHash::from_bytes(self.random.random()));
            let derivation =
                Derivation { path: DerivedFrom::Pixels, fallback_reason: None, unstable_bits: 3 };
            let hash = PictureHash { hash: DihedralHashes { hashes, quality: 100 }, derivation };
            batch.contents.push(ContentRecord {
                digests,
                size,
                facts,
                fingerprints: vec![Fingerprint { view: View::Picture, picture: hash }],
                failure: None,
                partial: None,
                children: 0,
                refused: 0,
                trivial: false,
            });
        }
        batch
    }
}

fn writer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("files into a case, content and item each");
    group.throughput(Throughput::Elements(BATCHES * BATCH as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for files in [0_u64, 1_000_000] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let spec = HashSpec {
            algorithm: "pdq".into(),
            version: 1,
            geometry: Geometry::Full,
            decode: tamis::decode::DecodeMode::Pixels,
        };
        let mut store =
            CaseStore::open_or_create(&folder.path().join("CASE"), &CaseIdentity::default(), &spec).unwrap();
        let source = store.sources(&[folder.path().join("source")]).unwrap()[0];
        let mut maker = Maker { source, random: StdRng::seed_from_u64(1), number: 0 };
        while maker.number < files {
            store.write(&maker.batch(), &NoColumns, u64::MAX).unwrap();
        }
        for at_once in AT_ONCE {
            let name = format!("{files} in it, {at_once} batches a transaction");
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|rounds| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds * BATCHES / at_once {
                        let batches: Vec<Batch> = (0..at_once).map(|_| maker.batch()).collect();
                        let started = Instant::now();
                        store.write_all(&batches, &NoColumns, u64::MAX).unwrap();
                        spent += started.elapsed();
                    }
                    spent
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, writer);
criterion_main!(benches);
