//! Opening a set file and looking up digests in it. `cargo bench --bench known_set -- SET`; benches/known_import.py
//! creates the set and calls this.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends by panicking")]

use std::path::PathBuf;
use std::time::Instant;

use rand::prelude::*;
use tamis::known::SetFile;

/// Look-ups of each kind.
const COUNT: usize = 200_000;

fn main() {
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).map(PathBuf::from)
    else {
        println!("give a set file: cargo bench --bench known_set -- SET");
        return;
    };
    let mut opened: Vec<f64> = (0..11)
        .map(|_| {
            let started = Instant::now();
            let set = SetFile::open(&path).unwrap();
            assert!(set.records() > 0);
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    opened.sort_by(f64::total_cmp);
    println!("open: median {:.2} ms, worst {:.2} ms of 11", opened[5], opened[10]);
    let set = SetFile::open(&path).unwrap();
    let mut random = StdRng::seed_from_u64(1);
    // Of records that are there, by their own fields.
    let present: Vec<[u8; 16]> = (0..COUNT)
        .map(|_| {
            let record = set.record(random.random_range(0..set.records()) as u32).unwrap();
            let fields: serde_json::Value = serde_json::from_str(&record.fields).unwrap();
            let digest = fields["MD5"].as_str().unwrap();
            u128::from_str_radix(digest, 16).unwrap().to_be_bytes()
        })
        .collect();
    let absent: Vec<[u8; 16]> = (0..COUNT).map(|_| random.random()).collect();
    drop(set);
    let set = SetFile::open(&path).unwrap();
    for (name, digests) in [
        ("present, as `known show` finds one", &present[..2000]),
        ("present, in a run", &present),
        ("absent, in a run", &absent),
    ] {
        if name == "present, in a run" {
            // What a run does before it begins.
            let started = Instant::now();
            set.verify_tables(&|| false).unwrap();
            println!("check of the tables: {:.2} s", started.elapsed().as_secs_f64());
        }
        let mut times: Vec<u64> = Vec::with_capacity(COUNT);
        let started = Instant::now();
        let mut found = 0;
        for digest in digests {
            let one = Instant::now();
            found += set.find_md5(digest).unwrap().len();
            times.push(one.elapsed().as_nanos() as u64);
        }
        let mean = started.elapsed().as_secs_f64() * 1e6 / digests.len() as f64;
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 1000] as f64 / 1e3;
        println!(
            "look-up, {name}: mean {mean:.2} us, median {:.2}, 99 % {:.2}, 99.9 % {:.2} us; {found} found of {}",
            at(500),
            at(990),
            at(999),
            digests.len()
        );
    }
}
