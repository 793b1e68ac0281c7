//! Cases created without a scan: contents with hashes of the test's choice.

use std::fs;
use std::path::Path;

use rand::prelude::*;
use tamis::case::{
    Batch, CaseError, CaseIdentity, CaseStore, ContentHits, ContentRecord, DigestHit, Fingerprint, HashSpec,
    HitSettings, ItemRecord, PlaceState, RecordSource, SetId, Within,
};
use tamis::decode::{DecodeMode, Derivation, DerivedFrom, Facts, PictureHash, View};
use tamis::known::{HashSet, ReadOptions, RecordDetails};
use tamis::matching::{DEFAULT_MAX_HITS, VerifyMode};
use tamis::outcome::{Failure, Outcome, Stage};
use tamis::pdq::{DihedralHashes, Geometry, PdqHash};
use tamis::source::{Digests, FileStamp, Step};

/// A content of such a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub digests: Digests,
    pub size: u64,
    /// Hashes, quality, and whether they are from coefficients.
    pub hash: Option<(DihedralHashes, bool)>,
    /// Paths below the source.
    pub paths: Vec<String>,
    /// The columns and values of the known record with its SHA-256, which makes it a hit.
    pub known: Option<Vec<(String, String)>>,
}

/// Digests of the content with this number.
pub fn digests(number: u64) -> Digests {
    let mut random = StdRng::seed_from_u64(number ^ 0x7461_6d69);
    Digests { md5: random.random(), sha1: random.random(), sha256: random.random() }
}

/// A picture with these eight hashes.
pub fn picture(number: u64, hashes: [PdqHash; 8], quality: u8) -> Made {
    Made {
        digests: digests(number),
        size: 1000 + number,
        hash: Some((DihedralHashes { hashes, quality }, false)),
        paths: vec![format!("folder/{number}.jpg")],
        known: None,
    }
}

/// Eight hashes, the first as given, the others not near each other.
pub fn turned(hash: PdqHash, random: &mut StdRng) -> [PdqHash; 8] {
    std::array::from_fn(|index| if index == 0 { hash } else { PdqHash(random.random()) })
}

struct Columns<'a>(&'a HashSet);

impl RecordSource for Columns<'_> {
    fn details(&self, _: SetId, record: u32) -> Result<RecordDetails, CaseError> {
        Ok(self.0.details(record).unwrap())
    }
}

/// Creates a case of these contents in a new folder, with one source, and one hash set where contents have a record.
pub fn make_case(folder: &Path, number: &str, contents: &[Made]) {
    let spec = HashSpec {
        algorithm: "pdq".into(),
        version: HashSpec::VERSION,
        geometry: Geometry::Full,
        decode: DecodeMode::Auto,
    };
    let identity = CaseIdentity { case_number: Some(number.into()), ..CaseIdentity::default() };
    let mut store = CaseStore::open_or_create(folder, &identity, &spec).unwrap();
    let run = store.begin_run("scan", "{}").unwrap();
    let source = store.sources(&[std::env::temp_dir().join("made-seizure")]).unwrap()[0];
    let mut batch = Batch::default();
    for made in contents {
        let hash = match &made.hash {
            Some((hash, coefficients)) => Ok(PictureHash {
                hash: *hash,
                derivation: Derivation {
                    path: if *coefficients { DerivedFrom::Coefficients } else { DerivedFrom::Pixels },
                    fallback_reason: None,
                    unstable_bits: 3,
                },
            }),
            None if made.size == 0 => Err(Failure::new(Outcome::Empty, Stage::Read, "no bytes")),
            None => Err(Failure::new(Outcome::Other, Stage::Sniff, "not a picture")),
        };
        let (fingerprints, failure) = match hash {
            Ok(picture) => (vec![Fingerprint { view: View::Picture, picture }], None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        batch.contents.push(ContentRecord {
            digests: made.digests,
            size: made.size,
            facts: Facts::default(),
            fingerprints,
            failure,
            partial: None,
            children: 0,
            refused: 0,
            trivial: false,
        });
        batch.items.extend(made.paths.iter().map(|path| ItemRecord {
            within: Within::Source(source),
            step: Step::name(path.as_bytes()).to_bytes(),
            state: PlaceState::Live,
            stamp: FileStamp { size: Some(made.size), ..FileStamp::default() },
            result: Ok(made.digests),
        }));
    }
    let known: Vec<&Made> = contents.iter().filter(|made| made.known.is_some()).collect();
    let list = folder.with_extension("known.csv");
    let mut set = None;
    if !known.is_empty() {
        let names: std::collections::BTreeSet<&str> =
            known.iter().flat_map(|made| made.known.iter().flatten()).map(|(name, _)| &**name).collect();
        let mut rows = csv::Writer::from_path(&list).unwrap();
        rows.write_record(["sha256"].into_iter().chain(names.iter().copied())).unwrap();
        for made in &known {
            let value = |name: &str| {
                let found = made.known.iter().flatten().find(|(own, _)| own == name);
                found.map_or_else(String::new, |(_, value)| value.clone())
            };
            let sha256 = tamis::source::digest::hex(&made.digests.sha256);
            rows.write_record([sha256].into_iter().chain(names.iter().map(|name| value(name)))).unwrap();
        }
        rows.flush().unwrap();
        let read = HashSet::read(&list, &ReadOptions::default()).unwrap();
        let hits = HitSettings {
            distance: 31,
            min_quality: 50,
            verify: VerifyMode::Auto,
            max_hits: DEFAULT_MAX_HITS,
        };
        let (id, _) = store.hash_set(&read, hits).unwrap();
        batch.hits = known
            .iter()
            .map(|made| ContentHits {
                set: id,
                sha256: made.digests.sha256,
                by_digest: DigestHit::of(&read.find_digests(&made.digests)),
                by_hash: Vec::new(),
                more: 0,
                set_aside: 0,
            })
            .collect();
        set = Some(read);
    }
    match &set {
        Some(set) => store.write(&batch, &Columns(set), 0).unwrap(),
        None => store.write(&batch, &NoColumns, 0).unwrap(),
    }
    store.end_run(run, "done", &[]).unwrap();
    let _ = fs::remove_file(list);
}

struct NoColumns;

impl RecordSource for NoColumns {
    fn details(&self, _: SetId, _: u32) -> Result<RecordDetails, CaseError> {
        Ok(RecordDetails::default())
    }
}
