//! Every pair of near hashes of two lists: `cargo run --release --example near_pairs -- left.txt right.txt 31`.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;
use std::path::Path;

use tamis::PdqHash;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [left, right, radius] = &arguments[..] else {
        return Err("usage: near_pairs LEFT RIGHT RADIUS".into());
    };
    let radius = radius.to_str().ok_or("the radius is not a number")?.parse()?;
    let (left, right) = (read(left.as_ref())?, read(right.as_ref())?);
    for pair in tamis::range_search(&right, &left, radius) {
        println!("{} {} {}", left[pair.query as usize], right[pair.haystack as usize], pair.distance);
    }
    Ok(())
}

/// One hash a line.
fn read(path: &Path) -> Result<Vec<PdqHash>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().map(str::parse).collect::<Result<_, _>>()?)
}
