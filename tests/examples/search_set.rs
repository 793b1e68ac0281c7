//! Finds pictures in a hash set, in any orientation: `cargo run --release --example search_set -- known.csv a.jpg b.png`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;
use std::path::Path;

use tamis::HashSet;
use tamis::known::ReadOptions;
use tamis::matching::DEFAULT_DISTANCE;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let list = arguments.next().ok_or("usage: search_set SET PICTURE...")?;
    let set = HashSet::read(Path::new(&list), &ReadOptions::default())?;
    let (mut names, mut pictures) = (Vec::new(), Vec::new());
    for path in arguments {
        match tamis::hash(&std::fs::read(&path)?) {
            Ok(picture) => {
                names.push(path);
                pictures.push(picture);
            }
            Err(reason) => println!("{}: {reason}", path.display()),
        }
    }
    for found in tamis::join(&pictures, &set.pdq_hashes(), DEFAULT_DISTANCE)? {
        let name = names[found.left as usize].display();
        for hit in found.hits {
            // Records are numbered from 0 here, and from 1 for people.
            let record = set.hashes()[hit.right as usize].record + 1;
            println!(
                "{name}: record {record} of {}, {} bits, {}",
                set.name(),
                hit.distance,
                hit.orientation.name()
            );
        }
    }
    Ok(())
}
