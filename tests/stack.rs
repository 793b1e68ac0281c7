//! Stacks against a slow definition, and as computed by the command.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use rand::prelude::*;
use tamis::matching::stack::{Stack, StackError, stacks, stacks_with_more, stacks_within};
use tamis::matching::{Backend, JoinControl, JoinMethod, JoinSettings};
use tamis::pdq::PdqHash;

/// The definition, word by word, over all hashes and all pairs.
fn definition(hashes: &[PdqHash], radius: u32) -> Vec<Stack> {
    let mut free: Vec<usize> = (0..hashes.len()).collect();
    let mut found = Vec::new();
    loop {
        let near = |hash: usize| -> Vec<(u32, u32)> {
            let pairs = free.iter().map(|&other| (other as u32, hashes[hash].distance(hashes[other])));
            pairs.filter(|(_, distance)| *distance <= radius).collect()
        };
        let quality = |hash: usize| {
            let near = near(hash);
            let sum: u32 = near.iter().map(|(_, distance)| distance).sum();
            (near.len(), std::cmp::Reverse(sum), std::cmp::Reverse(hash))
        };
        let Some(medoid) = free.iter().copied().max_by_key(|&hash| quality(hash)) else { break };
        let mut members = near(medoid);
        if members.len() < 2 {
            break;
        }
        members.sort_unstable_by_key(|&(member, distance)| (distance, member));
        let hashes_of = |members: &[(u32, u32)]| {
            members.iter().map(|&(member, _)| hashes[member as usize]).collect::<Vec<_>>()
        };
        let all = hashes_of(&members);
        let diameter = all.iter().flat_map(|one| all.iter().map(|other| one.distance(*other))).max().unwrap();
        free.retain(|&hash| !members.iter().any(|&(member, _)| member as usize == hash));
        found.push(Stack { medoid: medoid as u32, members, diameter });
    }
    found.sort_by_key(|stack| (std::cmp::Reverse(stack.members.len()), stack.medoid));
    found
}

#[test]
fn stacks_are_those_of_the_definition() {
    for (seed, count) in [(1, 0), (2, 1), (3, 2), (4, 150), (5, 400)] {
        let mut hashes = support::clustered_hashes(seed, count);
        hashes.extend_from_within(..count / 4);
        for radius in [0, 10, 31, 50] {
            let expected = definition(&hashes, radius);
            assert_eq!(stacks_within(&hashes, radius), expected, "{seed} {radius}");
            if count >= 150 && radius >= 31 {
                assert!(expected.len() > 5 && expected[0].members.len() > 3);
                // The twin that must fail.
                assert_ne!(stacks_within(&hashes, radius - 6), expected);
            }
        }
    }
}

/// Each is near to the next, and the ends are far from each other: they are not one stack.
#[test]
fn a_chain_is_not_one_stack() {
    let link = |number: u32| {
        let mut hash = PdqHash([5, 6, 7, 8]);
        (0..number * 25).for_each(|bit| hash.0[(bit / 64) as usize] ^= 1 << (bit % 64));
        hash
    };
    let chain: Vec<PdqHash> = (0..9).map(link).collect();
    let found = stacks_within(&chain, 31);
    assert!(found.iter().all(|stack| stack.diameter <= 62 && stack.members.len() <= 3), "{found:?}");
    assert_eq!(found.iter().map(|stack| stack.members.len()).sum::<usize>(), 9);
    assert_eq!(found, definition(&chain, 31));
}

/// 10⁵ equal hashes are one stack at once; 5·10⁹ pairs would not be.
#[test]
fn equal_hashes_are_one_stack() {
    let mut hashes = vec![PdqHash([1, 2, 3, 4]); 100_000];
    hashes.push(PdqHash([1, 2, 3, 5]));
    let found = stacks_within(&hashes, 31);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].medoid, found[0].members.len(), found[0].diameter), (0, 100_001, 1));
    assert_eq!(found[0].members[100_000], (100_000, 1));
}

#[test]
fn saturated_pairs_are_refused_and_a_cancelled_run_has_no_stacks() {
    let mut random = StdRng::seed_from_u64(1);
    let hashes: Vec<PdqHash> = (0..3000)
        .map(|_| PdqHash([1 << random.random_range(0..64), random.random::<u64>() & 7, 0, 0]))
        .collect();
    let cpu = Backend::cpu("a test");
    let settings = JoinSettings { memory: 1 << 16, ..JoinSettings::default() };
    let refused = stacks(&hashes, settings, &cpu, &JoinControl::default());
    assert!(matches!(refused, Err(StackError::TooMany(_))), "{refused:?}");
    let control = JoinControl::default();
    control.cancel();
    assert_eq!(stacks(&hashes, JoinSettings::default(), &cpu, &control), Err(StackError::Cancelled));
}

#[test]
fn stacks_on_a_gpu_are_the_same() {
    let Some(backend) = support::gpu_backend() else { return };
    let hashes = support::clustered_hashes(7, 2000);
    for method in [JoinMethod::Flat, JoinMethod::Banded] {
        let settings = JoinSettings { method, ..JoinSettings::default() };
        let on_gpu = stacks(&hashes, settings, &backend, &JoinControl::default()).unwrap();
        assert!(on_gpu.len() > 5, "{} stacks", on_gpu.len());
        assert_eq!(on_gpu, stacks_within(&hashes, settings.radius), "{method}");
    }
    // The twin that must fail: another distance.
    let settings = JoinSettings { radius: 3, ..JoinSettings::default() };
    let nearer = stacks(&hashes, settings, &backend, &JoinControl::default()).unwrap();
    assert_ne!(nearer, stacks_within(&hashes, JoinSettings::default().radius));
}

/// Adding hashes to existing stacks gives the same stacks as stacking all at once.
#[test]
fn stacks_with_more_are_those_of_all() {
    let cpu = Backend::cpu("a test");
    let control = JoinControl::default();
    let mut kept = 0;
    for (seed, count, share) in
        [(1, 200, 0.5), (2, 400, 0.05), (3, 400, 0.005), (4, 600, 0.02), (5, 300, 0.0), (6, 0, 1.0)]
    {
        let mut random = StdRng::seed_from_u64(seed);
        let mut hashes = support::clustered_hashes(seed, count);
        hashes.extend_from_within(..count / 4);
        // Most are near no other, as in a case.
        hashes.extend((0..2 * count).map(|_| PdqHash(random.random())));
        hashes.shuffle(&mut random);
        let settings = JoinSettings::default();
        let more: Vec<u32> = (0..hashes.len() as u32).filter(|_| random.random_bool(share)).collect();
        // The others, by their numbers in all.
        let others: Vec<u32> = (0..hashes.len() as u32).filter(|number| !more.contains(number)).collect();
        let of_others: Vec<PdqHash> = others.iter().map(|&number| hashes[number as usize]).collect();
        let mut before = stacks(&of_others, settings, &cpu, &control).unwrap();
        for stack in &mut before {
            stack.medoid = others[stack.medoid as usize];
            stack.members.iter_mut().for_each(|(member, _)| *member = others[*member as usize]);
        }
        let expected = stacks(&hashes, settings, &cpu, &control).unwrap();
        let found = stacks_with_more(&hashes, &more, before.clone(), settings, &cpu, &control).unwrap();
        assert_eq!(found, expected, "{seed}");
        kept += before.iter().filter(|stack| expected.contains(stack)).count();
        if share >= 0.05 && count > 0 {
            // The twin that must fail: nothing is stacked anew.
            assert_ne!(
                stacks_with_more(&hashes, &[], before.clone(), settings, &cpu, &control).unwrap(),
                expected
            );
        }
    }
    assert!(kept > 20, "{kept}");
    let cancelled = JoinControl::default();
    cancelled.cancel();
    let hashes = support::clustered_hashes(1, 500);
    let found = stacks_with_more(&hashes, &[3], Vec::new(), JoinSettings::default(), &cpu, &cancelled);
    assert_eq!(found, Err(StackError::Cancelled));
}

mod command {
    use super::*;
    use std::collections::BTreeMap;

    use serde_json::Value;
    use support::cli::{Cases, SEIZURE, errors, expect, export, run, tamis};

    fn text<'a>(row: &'a Value, field: &str) -> &'a str {
        row[field].as_str().unwrap()
    }

    /// Members (SHA-256, distance), medoid, diameter.
    type Stacked = (Vec<(String, u32)>, String, u32);

    /// The stacks of a case from its items, by the definition; contents by SHA-256.
    fn expected(cases: &Cases, case: &str, distance: u32) -> Vec<Stacked> {
        let items = cases.rows(case, "items");
        let hashed = items.iter().filter(|row| row["quality"].as_u64().is_some_and(|quality| quality >= 50));
        let contents: BTreeMap<&str, PdqHash> =
            hashed.map(|row| (text(row, "sha256"), text(row, "pdq").parse().unwrap())).collect();
        let (names, hashes): (Vec<&str>, Vec<PdqHash>) = contents.into_iter().unzip();
        let name = |member: u32| names[member as usize].to_string();
        definition(&hashes, distance)
            .into_iter()
            .map(|stack| {
                let mut members: Vec<(String, u32)> =
                    stack.members.iter().map(|&(member, distance)| (name(member), distance)).collect();
                members.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
                (members, name(stack.medoid), stack.diameter)
            })
            .collect()
    }

    /// The same from the export.
    fn exported(cases: &Cases, case: &str) -> Vec<Stacked> {
        let mut stacks: Vec<Stacked> = Vec::new();
        for row in cases.rows(case, "stacks") {
            let number = row["stack"].as_u64().unwrap() as usize;
            assert!(number == stacks.len() || number == stacks.len() + 1);
            stacks.resize(number, Default::default());
            let stack = stacks.last_mut().unwrap();
            let member = (text(&row, "sha256").to_string(), row["distance"].as_u64().unwrap() as u32);
            if row["medoid"] == true {
                stack.1 = member.0.clone();
            }
            stack.2 = row["diameter"].as_u64().unwrap() as u32;
            if stack.0.last() != Some(&member) {
                stack.0.push(member);
            }
        }
        stacks
    }

    /// Scenes in several sizes and cuts, each a few bits from the others of its scene, and a copy of one file.
    fn near_duplicates(cases: &Cases) -> String {
        let folder = cases.path("seized");
        std::fs::create_dir(&folder).unwrap();
        for scene in 0..7 {
            let picture = image::DynamicImage::from(support::scene::render(scene, 400, 300));
            for (number, cut) in [0, 4, 8, 16, 24].into_iter().enumerate() {
                let part = picture.crop_imm(cut, cut / 2, 400 - cut, 300 - cut);
                let size = 300 - 30 * number as u32;
                let part = part.resize_exact(size, size - 50, image::imageops::FilterType::Triangle);
                part.save(folder.join(format!("{scene}-{number}.png"))).unwrap();
            }
        }
        std::fs::copy(folder.join("3-0.png"), folder.join("3-0 again.png")).unwrap();
        folder.to_str().unwrap().to_string()
    }

    #[test]
    fn a_case_is_stacked_by_the_definition() {
        let cases = Cases::new();
        let seized = near_duplicates(&cases);
        cases.summary("CASE", &["scan", &seized, "--quiet"]);
        let case = cases.path("CASE");
        let case_text = case.to_str().unwrap();
        assert!(errors(1, &run(["export", "stacks", "--case", case_text])).contains("has no stacks yet"));
        for distance in [31, 63, 0] {
            let distance_text = distance.to_string();
            let summary = cases.summary("CASE", &["stack", "--distance", &distance_text, "--quiet"]);
            let expected = expected(&cases, "CASE", distance);
            assert_eq!(exported(&cases, "CASE"), expected, "{distance}");
            assert_eq!(summary["stacks"], expected.len());
            assert_eq!(summary["stacked"], expected.iter().map(|stack| stack.0.len()).sum::<usize>());
            assert_eq!((&summary["newer"], &summary["distance"]), (&Value::from(0), &Value::from(distance)));
            if distance > 0 {
                assert!(!expected.is_empty());
            }
        }
        // The twin that must fail: the stacks of another distance.
        cases.summary("CASE", &["stack", "--quiet"]);
        assert_ne!(exported(&cases, "CASE"), expected(&cases, "CASE", 63));
        // Every file of a content is in the rows; two runs give the same bytes.
        let rows = export(&case, "stacks", "csv");
        assert!(rows.starts_with(
            "stack,stack_contents,diameter,distance,medoid,source,path,sha256,pdq,quality,derived_from\n"
        ));
        assert!(rows.contains("3-0 again.png") && rows.contains("3-0.png"));
        cases.summary("CASE", &["stack", "--quiet", "-j", "1"]);
        assert_eq!(export(&case, "stacks", "csv"), rows);
    }

    #[test]
    fn outdated_stacks_are_reported() {
        let cases = Cases::new();
        cases.summary("CASE", &["scan", &format!("{SEIZURE}/phone"), "--quiet"]);
        let text = expect(0, &tamis().args(["stack", "--case"]).arg(cases.path("CASE")).output().unwrap());
        assert!(text.starts_with("Stacks of distinct pictures within 31 bits of a medoid\n"), "{text}");
        cases.summary("CASE", &["scan", &format!("{SEIZURE}/laptop"), "--quiet"]);
        let newer = tamis::case::CaseReader::open(&cases.path("CASE"))
            .unwrap()
            .stack_counts()
            .unwrap()
            .unwrap()
            .newer;
        assert!(newer > 0);
        let arguments = ["export", "stacks", "--case"];
        let told = errors(0, &tamis().args(arguments).arg(cases.path("CASE")).output().unwrap());
        assert!(told.contains(&format!("{newer} pictures were added after stacking")), "{told}");
    }

    /// Pictures that came later are stacked as if they had been there from the beginning; if none came, nothing is
    /// written.
    #[test]
    fn a_case_is_stacked_as_it_grows() {
        let cases = Cases::new();
        let seized = near_duplicates(&cases);
        let [first, later] = ["first", "later"].map(|name| cases.path(name));
        std::fs::create_dir_all(&first).unwrap();
        std::fs::create_dir_all(&later).unwrap();
        // Enough pictures that are near no other; of scene 6 all come later, of the other scenes some.
        for number in 0..60 {
            support::scene::render(100 + number, 64, 48)
                .save(first.join(format!("single-{number}.png")))
                .unwrap();
        }
        for scene in 0..7 {
            for number in 0..5 {
                let name = format!("{scene}-{number}.png");
                let place = if scene == 6 || (scene == 0 && number > 2) { &later } else { &first };
                std::fs::copy(std::path::Path::new(&seized).join(&name), place.join(&name)).unwrap();
            }
        }
        let [first, later] = [first.to_str().unwrap(), later.to_str().unwrap()];
        cases.summary("GROWN", &["scan", first, "--quiet"]);
        cases.summary("GROWN", &["stack", "--quiet"]);
        let before = exported(&cases, "GROWN");
        cases.summary("GROWN", &["scan", later, "--quiet"]);
        let told = cases.summary("GROWN", &["stack", "--quiet"]);
        assert_eq!(told["newer"], 0);
        cases.summary("WHOLE", &["scan", first, later, "--quiet"]);
        cases.summary("WHOLE", &["stack", "--quiet"]);
        let rows = |case: &str| export(&cases.path(case), "stacks", "csv");
        assert_eq!(rows("GROWN"), rows("WHOLE"));
        assert_ne!(before, exported(&cases, "GROWN"));
        // What is the same is not written again.
        let database = rusqlite::Connection::open(cases.path("GROWN").join("case.sqlite")).unwrap();
        let mark = "UPDATE stack SET diameter = diameter + 100";
        database.execute(mark, []).unwrap();
        cases.summary("GROWN", &["stack", "--quiet"]);
        let marked = "SELECT min(diameter) >= 100 FROM stack";
        assert!(database.query_row(marked, [], |row| row.get::<_, bool>(0)).unwrap(), "nothing is new");
        cases.summary("GROWN", &["stack", "--distance", "30", "--quiet"]);
        assert!(!database.query_row(marked, [], |row| row.get::<_, bool>(0)).unwrap(), "another distance is");
    }

    #[test]
    fn a_case_without_stacks_is_reported() {
        let cases = Cases::new();
        cases.summary("CASE", &["scan", SEIZURE, "--quiet"]);
        let case = cases.path("CASE");
        assert!(
            errors(1, &run(["export", "stacks", "--case", case.to_str().unwrap()]))
                .contains("has no stacks yet")
        );
        cases.summary("CASE", &["stack", "--quiet"]);
        assert!(!exported(&cases, "CASE").is_empty());
    }

    #[test]
    fn what_cannot_be_stacked_is_refused() {
        let cases = Cases::new();
        let nowhere = cases.path("NOWHERE");
        assert!(errors(1, &run(["stack", "--case", nowhere.to_str().unwrap()])).contains("there is no case"));
        cases.summary("CASE", &["scan", SEIZURE, "--quiet"]);
        let case = cases.path("CASE");
        let inside = case.join("case.sqlite");
        let arguments = ["stack", "--case", case.to_str().unwrap(), "--output", inside.to_str().unwrap()];
        assert!(!errors(2, &run(arguments)).is_empty());
    }
}
