//! The front door of the library: it returns what the modules behind it return.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use support::made_case::{Made, make_case, picture};
use tamis::case::{CaseError, CaseReader, HitRow, ItemRow};
use tamis::pdq::{Orientation, PdqHash};
use tamis::{Case, HashError, HashSet, JoinInputError};
use tempfile::TempDir;

/// More rows than are read ahead.
const CONTENTS: u64 = 1500;

/// A case in which every content has a hit.
fn case() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case");
    let known = |number: u64| Some(vec![("name".to_string(), number.to_string())]);
    let contents: Vec<Made> = (0..CONTENTS)
        .map(|number| Made { known: known(number), ..picture(number, [PdqHash([number; 4]); 8], 100) })
        .collect();
    make_case(&path, "1", &contents);
    (folder, path)
}

fn rows_of_reader(case: &Path) -> (Vec<HitRow>, Vec<ItemRow>) {
    let reader = CaseReader::open(case).unwrap();
    let (mut hits, mut items) = (Vec::new(), Vec::new());
    let hit = |row| {
        hits.push(row);
        Ok::<(), CaseError>(())
    };
    reader.for_each_hit(hit).unwrap();
    let item = |row| {
        items.push(row);
        Ok::<(), CaseError>(())
    };
    reader.for_each_item(item).unwrap();
    (hits, items)
}

#[test]
fn rows_of_a_case_are_those_of_its_reader() {
    let (_folder, path) = case();
    let (hits, items) = rows_of_reader(&path);
    assert_eq!((hits.len(), items.len()), (CONTENTS as usize, CONTENTS as usize));
    let case = Case::open(&path).unwrap();
    assert_eq!(case.hits().collect::<Result<Vec<_>, _>>().unwrap(), hits);
    assert_eq!(case.items().collect::<Result<Vec<_>, _>>().unwrap(), items);
    // Two iterators at once, one of which is dropped in the middle.
    let mut left = case.hits();
    assert_eq!(left.next().unwrap().unwrap(), hits[0]);
    for (item, row) in case.items().zip(&items) {
        assert_eq!(&item.unwrap(), row);
    }
    drop(left);
    assert_eq!(case.reader().item_counts().unwrap().items, CONTENTS);
}

#[test]
fn rows_that_cannot_be_read_are_an_error_and_not_an_end() {
    let (_folder, path) = case();
    let case = Case::open(&path).unwrap();
    let database = path.join("case.sqlite");
    let mut bytes = fs::read(&database).unwrap();
    // Every page but those of the schema.
    let kept = 64 << 10;
    bytes[kept..].fill(0x5a);
    fs::write(&database, bytes).unwrap();
    let mut rows = case.items();
    let first = rows.find(Result::is_err);
    assert!(first.is_some(), "damage must not look like a case with fewer items");
    assert!(rows.next().is_none(), "nothing comes after an error");
}

#[test]
fn a_case_that_is_gone_is_an_error_once() {
    let (_folder, path) = case();
    let case = Case::open(&path).unwrap();
    fs::rename(&path, path.with_extension("elsewhere")).unwrap();
    let mut rows = case.hits();
    let error = rows.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("case"), "{error}");
    assert!(rows.next().is_none() && rows.next().is_none());
    assert!(Case::open(&path).is_err());
}

#[test]
fn a_turned_picture_is_found_in_a_set() {
    let folder = Path::new("tests/data/seizure/laptop/Pictures");
    let hash = |name: &str| tamis::hash(&fs::read(folder.join(name)).unwrap()).unwrap();
    let (picture, turned) = (hash("brighter.png"), hash("turned.jpg"));
    let set = HashSet::from_hashes("mine", [PdqHash([7; 4]), picture.hashes[0], turned.hashes[3]]).unwrap();
    let right = set.pdq_hashes();
    let found = tamis::join(&[turned, picture], &right, 40).unwrap();
    // The definition, pair by pair.
    let mut expected = Vec::new();
    for (left, item) in [turned, picture].iter().enumerate() {
        for (number, hash) in right.iter().enumerate() {
            let distances =
                item.hashes.iter().zip(Orientation::ALL).map(|(own, at)| (own.distance(*hash), at));
            let (distance, orientation) = distances.min_by_key(|(distance, _)| *distance).unwrap();
            if distance <= 40 {
                // A hit records what was done to the known picture.
                expected.push((left as u32, number as u32, distance, orientation.inverse()));
            }
        }
    }
    let listed: Vec<_> = found
        .iter()
        .flat_map(|item| item.hits.iter().map(|hit| (item.left, hit.right, hit.distance, hit.orientation)))
        .collect();
    assert_eq!(listed, expected);
    assert!(listed.contains(&(0, 2, 0, Orientation::ALL[3].inverse())), "{listed:?}");
    // The twin that must find nothing.
    assert!(tamis::join(&[turned], &right[..1], 40).unwrap().is_empty());
}

#[test]
fn pictures_of_the_seizure_are_hashed_or_refused_by_kind() {
    let of = |path: &str| tamis::hash(&fs::read(Path::new("tests/data/seizure/laptop").join(path)).unwrap());
    assert!(of("Pictures/screenshot.png").is_ok());
    assert!(matches!(of("notes.txt"), Err(HashError::NotAPicture(_))));
    assert!(matches!(of("Downloads/empty.jpg"), Err(HashError::NotAPicture(_))));
    assert!(matches!(of("Downloads/broken.jpg"), Err(HashError::Corrupt(_))));
    // The way out is named.
    let text = JoinInputError::Right(1 << 33).to_string();
    assert!(text.contains("join parts of the list") && text.contains("4294967295"), "{text}");
}
