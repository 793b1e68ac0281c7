//! Where the children of containers are listed.
//!
//! Children belong to their container's content, so a container that occurs twice has each of them once. They are listed under the first
//! of its items, in the order of places, whichever was opened. The table `container` records which that is: while a run writes, the first that
//! it knows of; from its end on, the first of all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rusqlite::{Connection, params};

use super::{CaseError, CaseStore};

/// What separates a container's path from a child's.
const JOINT: &str = "//";
/// The same in the order of places: a child comes right after its container, before whatever begins with the container's name.
const SORT_JOINT: u8 = 0;

/// Where a container is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The bytes of its source's path.
    source_sort: Vec<u8>,
    sort: Vec<u8>,
    path: String,
    source: i64,
}

/// Records the place of a container that has its first child, unless a place is recorded.
pub(super) fn note(connection: &Connection, sha256: &[u8; 32]) -> Result<(), CaseError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO container (sha256, source, path, sort)
             SELECT sha256, source_id, path || '//', CAST(path_sort || x'00' AS BLOB) FROM place
             WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM container AS noted WHERE noted.sha256 = ?1)
             ORDER BY source_sort, path_sort LIMIT 1",
        )?
        .execute([sha256])?;
    Ok(())
}

impl CaseStore {
    /// Lists the children of every container under the first of its items. Children of a container that no item has any more are no longer
    /// items of the case.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn place_containers(&mut self) -> Result<(), CaseError> {
        let transaction = self.connection.transaction()?;
        place_all(&transaction)?;
        Ok(transaction.commit()?)
    }
}

fn place_all(connection: &Connection) -> Result<(), CaseError> {
    let parents = parents(connection)?;
    let before = placed(connection)?;
    if parents.is_empty() && before.is_empty() {
        return Ok(());
    }
    let now = first_places(connection, &parents)?;
    for (sha256, place) in &now {
        if before.get(sha256) != Some(place) {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO container (sha256, source, path, sort) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![sha256, place.source, place.path, place.sort])?;
        }
    }
    for gone in before.keys().filter(|sha256| !now.contains_key(*sha256)) {
        connection.prepare_cached("DELETE FROM container WHERE sha256 = ?1")?.execute([gone])?;
    }
    Ok(())
}

/// Contents that have children, each once, without reading every child.
fn parents(connection: &Connection) -> Result<Vec<Vec<u8>>, CaseError> {
    let mut statement = connection.prepare(
        "WITH RECURSIVE found(parent) AS (
             SELECT min(parent) FROM item WHERE parent IS NOT NULL
             UNION ALL
             SELECT (SELECT min(item.parent) FROM item WHERE item.parent > found.parent) FROM found WHERE found.parent IS NOT NULL)
         SELECT parent FROM found WHERE parent IS NOT NULL",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn placed(connection: &Connection) -> Result<BTreeMap<Vec<u8>, Place>, CaseError> {
    let mut statement = connection.prepare(
        "SELECT container.sha256, source.path_raw, sort, container.path, source FROM container
         JOIN source ON source.id = container.source",
    )?;
    let rows = statement.query_map([], |row| {
        let place =
            Place { source_sort: row.get(1)?, sort: row.get(2)?, path: row.get(3)?, source: row.get(4)? };
        Ok((row.get(0)?, place))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first place of every container that can be reached from a source. A child comes after its container, so they are
/// settled in the order of their places, each once: even a container that contains itself has a first place.
fn first_places(connection: &Connection, parents: &[Vec<u8>]) -> Result<BTreeMap<Vec<u8>, Place>, CaseError> {
    let mut in_sources = connection.prepare(
        "SELECT source.path_raw, item.step, item.name, source.id FROM item JOIN source ON source.id = item.source
         WHERE item.sha256 = ?1 AND item.parent IS NULL",
    )?;
    let mut in_containers =
        connection.prepare("SELECT parent, name FROM item WHERE sha256 = ?1 AND parent IS NOT NULL")?;
    let mut waiting: BinaryHeap<Reverse<(Place, &[u8])>> = BinaryHeap::new();
    // By container: the containers inside it, with the name of each.
    let mut inside: BTreeMap<Vec<u8>, Vec<(&[u8], String)>> = BTreeMap::new();
    for container in parents {
        let mut rows = in_sources.query([container])?;
        while let Some(row) = rows.next()? {
            let (step, name): (Vec<u8>, String) = (row.get(1)?, row.get(2)?);
            let place = Place {
                source_sort: row.get(0)?,
                sort: joint(step),
                path: name + JOINT,
                source: row.get(3)?,
            };
            waiting.push(Reverse((place, container)));
        }
        let mut rows = in_containers.query([container])?;
        while let Some(row) = rows.next()? {
            inside.entry(row.get(0)?).or_default().push((container, row.get(1)?));
        }
    }
    let mut found: BTreeMap<Vec<u8>, Place> = BTreeMap::new();
    while let Some(Reverse((place, container))) = waiting.pop() {
        if found.contains_key(container) {
            continue;
        }
        for (child, name) in inside.get(container).into_iter().flatten() {
            let place = Place {
                source_sort: place.source_sort.clone(),
                sort: joint([&place.sort[..], name.as_bytes()].concat()),
                path: format!("{}{name}{JOINT}", place.path),
                source: place.source,
            };
            waiting.push(Reverse((place, child)));
        }
        found.insert(container.to_vec(), place);
    }
    Ok(found)
}

fn joint(mut sort: Vec<u8>) -> Vec<u8> {
    sort.push(SORT_JOINT);
    sort
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::made::{NoRecords, spec};
    use crate::case::{
        Batch, CaseIdentity, CaseReader, ContentRecord, ItemRecord, PlaceState, SourceId, Within,
    };
    use crate::decode::Facts;
    use crate::outcome::{Failure, Outcome, Stage};
    use crate::source::{Digests, FileStamp, Provenance, Step};

    const fn digests(number: u8) -> Digests {
        Digests { md5: [number; 16], sha1: [number; 20], sha256: [number; 32] }
    }

    fn content(number: u8) -> ContentRecord {
        ContentRecord {
            digests: digests(number),
            size: 1,
            facts: Facts::default(),
            fingerprints: Vec::new(),
            failure: Some(Failure::new(Outcome::Other, Stage::Sniff, "not a picture")),
            partial: None,
            children: 0,
            refused: 0,
            trivial: false,
        }
    }

    fn item(within: Within, step: &Step, content: u8) -> ItemRecord {
        let stamp = FileStamp { size: Some(1), ..FileStamp::default() };
        ItemRecord {
            within,
            step: step.to_bytes(),
            state: PlaceState::Live,
            stamp,
            result: Ok(digests(content)),
        }
    }

    /// An empty case and its one source.
    fn case(folder: &std::path::Path) -> (CaseStore, SourceId) {
        case_of(folder, "/seizure")
    }

    /// An empty case of one source at a path.
    fn case_of(folder: &std::path::Path, source: &str) -> (CaseStore, SourceId) {
        let mut store =
            CaseStore::open_or_create(&folder.join("case"), &CaseIdentity::default(), &spec()).unwrap();
        let source = store.sources(&[source.into()]).unwrap()[0];
        (store, source)
    }

    fn write(store: &mut CaseStore, contents: &[u8], items: Vec<ItemRecord>) {
        let contents = contents.iter().map(|&number| content(number)).collect();
        store.write(&Batch { contents, items, ..Batch::default() }, &NoRecords, 0).unwrap();
    }

    /// Paths with their outcomes, in the order of exports.
    fn paths(folder: &std::path::Path) -> Vec<String> {
        let mut paths = Vec::new();
        let reader = CaseReader::open(&folder.join("case")).unwrap();
        reader
            .for_each_item(|item| {
                paths.push(format!("{} {}", item.path, item.duplicate_of.unwrap_or(item.outcome)));
                Ok::<_, CaseError>(())
            })
            .unwrap();
        let counted: u64 = reader.outcome_counts().unwrap().by_outcome.iter().map(|(_, count)| count).sum();
        assert_eq!((counted, reader.item_counts().unwrap().items), (paths.len() as u64, paths.len() as u64));
        paths
    }

    #[test]
    fn children_are_listed_once_under_the_first_of_their_containers_items() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, source) = case(folder.path());
        let (in_source, in_outer, in_inner) =
            (Within::Source(source), Within::Container([1; 32]), Within::Container([2; 32]));
        let name = |name: &str| Step::name(name);
        // The container was opened at the place that was read first, which is not its first place.
        write(&mut store, &[1], vec![item(in_source, &name("z.zip"), 1)]);
        let second = Step::Name { name: b"a.txt".to_vec(), index: Some(3) };
        let items = vec![
            item(in_outer, &name("a.txt"), 3),
            item(in_outer, &second, 4),
            item(in_outer, &name("inner.zip"), 2),
            item(in_inner, &Step::Volume { number: 1, file_system: "fat".into() }, 5),
        ];
        write(&mut store, &[2, 3, 4, 5], items);
        let items = vec![item(in_source, &name("b.zip"), 1), item(in_source, &name("b.zip.txt"), 3)];
        write(&mut store, &[], items);
        store.place_containers().unwrap();
        let listed = [
            "b.zip other",
            "b.zip//a.txt other",
            "b.zip//a.txt#3 other",
            "b.zip//inner.zip other",
            "b.zip//inner.zip//p1:fat other",
            "b.zip.txt /seizure/b.zip//a.txt",
            "z.zip /seizure/b.zip",
        ];
        assert_eq!(paths(folder.path()), listed);
        let place = &store.provenances(&[5; 32]).unwrap()[0];
        assert_eq!(place.to_string(), "/seizure/b.zip//inner.zip//p1:fat");
        assert_eq!(place.steps().len(), 3);

        // The first of them changes, and then the other does too: nothing holds the children any more.
        write(&mut store, &[6], vec![item(in_source, &name("b.zip"), 6)]);
        store.place_containers().unwrap();
        assert_eq!(paths(folder.path())[2..4], ["z.zip other", "z.zip//a.txt /seizure/b.zip.txt"]);
        write(&mut store, &[], vec![item(in_source, &name("z.zip"), 6)]);
        store.place_containers().unwrap();
        assert_eq!(paths(folder.path()), ["b.zip other", "b.zip.txt other", "z.zip /seizure/b.zip"]);
        // And it comes back.
        write(&mut store, &[], vec![item(in_source, &name("y.zip"), 1)]);
        store.place_containers().unwrap();
        assert_eq!(paths(folder.path()).len(), 8);
    }

    /// An archive may hold its own bytes.
    #[test]
    fn what_lies_in_itself_has_a_place_as_long_as_it_lies_elsewhere_too() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, source) = case(folder.path());
        let (in_source, in_itself) = (Within::Source(source), Within::Container([1; 32]));
        let items = vec![item(in_source, &Step::name("r.zip"), 1), item(in_itself, &Step::name("r.zip"), 1)];
        write(&mut store, &[1], items);
        store.place_containers().unwrap();
        assert_eq!(paths(folder.path()), ["r.zip other", "r.zip//r.zip /seizure/r.zip"]);
        write(&mut store, &[2], vec![item(in_source, &Step::name("r.zip"), 2)]);
        store.place_containers().unwrap();
        assert_eq!(paths(folder.path()), ["r.zip other"]);
    }

    /// The root of a file system brings its own slash.
    #[test]
    fn a_source_may_be_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, source) = case_of(folder.path(), "/");
        let items = vec![
            item(Within::Source(source), &Step::name("r.zip"), 1),
            item(Within::Container([1; 32]), &Step::name("1.jpg"), 2),
        ];
        write(&mut store, &[1, 2], items);
        store.place_containers().unwrap();
        let reader = CaseReader::open(&folder.path().join("case")).unwrap();
        for (number, path) in [(1, "/r.zip"), (2, "/r.zip//1.jpg")] {
            assert_eq!(store.provenances(&[number; 32]).unwrap()[0].to_string(), path);
            assert_eq!(reader.first_path(&[number; 32]).unwrap().as_deref(), Some(path));
        }
    }

    /// A source that is one file, and a container itself.
    #[test]
    fn a_source_may_be_the_container() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, source) = case(folder.path());
        let items = vec![
            item(Within::Source(source), &Step::name(""), 1),
            item(Within::Container([1; 32]), &Step::name("files/1.jpg"), 2),
        ];
        write(&mut store, &[1, 2], items);
        assert_eq!(paths(folder.path()), [" other", "//files/1.jpg other"]);
        let place = &store.provenances(&[2; 32]).unwrap()[0];
        assert_eq!(place.to_string(), "/seizure//files/1.jpg");
        assert_eq!(
            *place,
            Provenance::new(place.source().into(), vec![Step::name(""), Step::name("files/1.jpg")])
        );
        let reader = CaseReader::open(&folder.path().join("case")).unwrap();
        assert_eq!(reader.first_path(&[2; 32]).unwrap().as_deref(), Some("/seizure//files/1.jpg"));
    }
}
