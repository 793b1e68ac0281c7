//! Hashes pictures: `cargo run --release --example hash_picture -- a.jpg b.png`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use tamis::pdq::Orientation;

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args_os().skip(1) {
        let shown = path.display();
        match tamis::hash(&std::fs::read(&path)?) {
            Ok(picture) => {
                println!("{shown}: quality {}", picture.quality);
                for (orientation, hash) in Orientation::ALL.iter().zip(picture.hashes) {
                    println!("  {hash} {}", orientation.name());
                }
            }
            Err(reason) => println!("{shown}: {reason}"),
        }
    }
    Ok(())
}
