//! The hits of a case, which is only read: `cargo run --release --example case_hits -- CASE`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use tamis::Case;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: case_hits CASE")?;
    let case = Case::open(folder)?;
    for hit in case.hits() {
        let hit = hit?;
        // Texts of a case are escaped already.
        println!("{}/{}: {} of {}, by {}", hit.source, hit.path, hit.record, hit.hash_set, hit.confirmation);
    }
    Ok(())
}
