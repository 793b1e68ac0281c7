//! Renders photographs for the triage benchmark:
//! `cargo run --release --example render_photos -- FOLDER COUNT`. Sizes go round 3, 5, 8 and 12
//! megapixels, JPEG quality round 75, 85 and 92; every tenth picture is a smaller re-save of the one
//! before it.

#[path = "../tests/support/scene.rs"]
mod scene;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

const SIZES: [(u32, u32); 4] = [(2048, 1536), (2592, 1944), (3264, 2448), (4000, 3000)];
const QUALITIES: [u8; 3] = [75, 85, 92];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let usage = "usage: render_photos FOLDER COUNT";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let count: u64 = arguments.next().and_then(|text| text.to_str()?.parse().ok()).ok_or(usage)?;
    (0..count).into_par_iter().try_for_each(|index| -> Result<(), String> {
        // A scene and its re-save share a seed.
        let (seed, size) =
            if index % 10 == 9 { (index - 1, 0) } else { (index, index as usize % SIZES.len()) };
        let (width, height) = SIZES[size];
        let picture = scene::render(1_000 + seed, width, height);
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, QUALITIES[index as usize % QUALITIES.len()])
            .encode_image(&picture)
            .map_err(|error| error.to_string())?;
        let folder = folder.join(format!("{:03}", index / 100));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        fs::write(folder.join(format!("IMG_{index:04}.jpg")), bytes).map_err(|error| error.to_string())
    })?;
    Ok(())
}
