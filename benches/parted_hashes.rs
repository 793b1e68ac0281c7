//! How far a JPEG's hash from coefficients is from its hash from pixels: reads paths, one a line, and answers each with
//! `distance,pixels hash,quality,coefficients hash,reason`; without coefficients there is no distance but the reason.
//! `cargo run --release --example parted_hashes`; `benches/evasion.py search` asks it.

use std::error::Error;
use std::io::{BufRead, Write};
use std::{fs, io};

use tamis::decode::{self, Limits};
use tamis::pdq::{Geometry, hash_tile};

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 1 << 30 };

fn main() -> Result<(), Box<dyn Error>> {
    decode::silence_decoder_panics();
    let mut out = io::stdout().lock();
    for path in io::stdin().lock().lines() {
        let bytes = fs::read(path?)?;
        let probe = decode::probe(&bytes, Geometry::Full, &LIMITS);
        let pixels = match decode::pixels(&bytes, &probe, Geometry::Full, &LIMITS) {
            Ok(picture) => hash_tile(&picture.tile),
            Err(failure) => {
                writeln!(out, ",,,,no pixels: {}", failure.reason.replace([',', '\n'], ";"))?;
                continue;
            }
        };
        let (exact, quality) = (pixels.hashes[0], pixels.quality);
        match decode::coefficients(&bytes, &probe) {
            Ok(picture) => {
                let ours = hash_tile(&picture.tile).hashes[0];
                writeln!(out, "{},{exact},{quality},{ours},", ours.distance(exact))?;
            }
            Err(wanted) => writeln!(out, ",{exact},{quality},,{}", wanted.to_string().replace(',', ";"))?,
        }
        out.flush()?;
    }
    Ok(())
}
