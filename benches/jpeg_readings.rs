//! What each way of reading a JPEG gives: one CSV row for every file and reading.
//! `cargo run --release --example jpeg_readings -- FOLDER… > readings.csv`. The tables of `docs/accuracy.md` are made of it.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, io};

use rayon::prelude::*;
use tamis::decode::{self, Limits, Picture, Reading};
use tamis::pdq::{Geometry, hash_tile};
use tamis::source::walk;

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 4 << 30 };
const COEFFICIENTS: [usize; 6] = [1, 3, 6, 15, 28, 64];

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in env::args_os().skip(1) {
        let folder = Path::new(&folder);
        walk(folder, &mut |entry| {
            paths.push(entry.path(folder));
            true
        })?;
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    writeln!(out, "path,width,height,reading,pdq,quality,unstable_bits,seconds,problem")?;
    let rows: Vec<String> = paths.par_iter().map(rows).collect::<io::Result<_>>()?;
    rows.iter().try_for_each(|rows| out.write_all(rows.as_bytes()))?;
    Ok(out.flush()?)
}

fn rows(path: &PathBuf) -> io::Result<String> {
    let bytes = fs::read(path)?;
    let probe = decode::probe(&bytes, Geometry::Full, &LIMITS);
    if probe.facts.format != Some(decode::Format::Jpeg) {
        return Ok(String::new());
    }
    let mut rows = String::new();
    let mut row = |reading: &str, read: &dyn Fn() -> Result<Picture, String>| {
        let started = Instant::now();
        let result = read();
        let seconds = started.elapsed().as_secs_f64();
        let (width, height) = (probe.facts.width.unwrap_or(0), probe.facts.height.unwrap_or(0));
        let (hash, quality, unstable, problem) = match result {
            Ok(picture) => {
                let hash = hash_tile(&picture.tile);
                let unstable = picture.derivation.unstable_bits.to_string();
                (hash.hashes[0].to_string(), hash.quality.to_string(), unstable, String::new())
            }
            Err(problem) => (String::new(), String::new(), String::new(), problem.replace(',', ";")),
        };
        let path = path.display();
        rows.push_str(&format!(
            "{path},{width},{height},{reading},{hash},{quality},{unstable},{seconds:.6},{problem}\n"
        ));
    };
    row("pixels", &|| {
        decode::pixels(&bytes, &probe, Geometry::Full, &LIMITS).map_err(|failure| failure.reason)
    });
    for refined in [false, true] {
        for count in COEFFICIENTS {
            if let Some(reading) = Reading::of(count, refined) {
                let name = format!("{count}{}", if refined { "r" } else { "" });
                row(&name, &|| {
                    decode::coefficients_with(&bytes, &probe, reading).map_err(|wanted| wanted.to_string())
                });
            }
        }
    }
    Ok(rows)
}
