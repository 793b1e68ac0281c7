//! Renders the sample seizure and the pictures behind its known set:
//! `cargo run --release --example render_seizure -- FOLDER`. Then `tests/data/make_known.py` computes
//! `known.csv` from the `known` pictures with the reference implementation.

#[path = "../support/scene.rs"]
mod scene;

use std::error::Error;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

type Outcome = Result<(), Box<dyn Error>>;

fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture)?;
    Ok(bytes)
}

fn encoded(picture: RgbImage, format: ImageFormat) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(picture).write_to(&mut bytes, format)?;
    Ok(bytes.into_inner())
}

fn brighter(picture: &RgbImage) -> RgbImage {
    let mut changed = picture.clone();
    for pixel in changed.pixels_mut() {
        *pixel = Rgb(pixel.0.map(|channel| (u32::from(channel) * 9 / 10 + 25).min(255) as u8));
    }
    changed
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Outcome {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)?;
    Ok(())
}

/// Pictures 1…6 are known; the seizure holds some of them changed, and scenes 11… that are new.
fn main() -> Outcome {
    let folder = std::env::args_os().nth(1).ok_or("usage: render_seizure FOLDER")?;
    let (known, seizure) = (Path::new(&folder).join("known"), Path::new(&folder).join("seizure"));
    let originals: Vec<RgbImage> = (1..=6).map(|seed| scene::render(seed, 1200, 900)).collect();
    for (index, picture) in originals.iter().enumerate() {
        write(&known, &format!("{}.jpg", index + 1), &jpeg(picture, 88)?)?;
    }

    // What is known, as it turns up: the same bytes, re-saved, small, brighter, mirrored, turned.
    let first = jpeg(&originals[0], 88)?;
    write(&seizure, "phone/DCIM/IMG_0001.jpg", &first)?;
    write(&seizure, "backup/IMG_0001 (copy).jpg", &first)?;
    write(&seizure, "phone/DCIM/IMG_0002.jpg", &jpeg(&originals[1], 25)?)?;
    let small = imageops::resize(&originals[2], 480, 360, FilterType::Triangle);
    write(&seizure, "phone/WhatsApp/IMG-20210704-WA0003.jpg", &jpeg(&small, 70)?)?;
    write(&seizure, "laptop/Pictures/brighter.png", &encoded(brighter(&small), ImageFormat::Png)?)?;
    let mirrored = imageops::flip_horizontal(&originals[3]);
    write(&seizure, "laptop/Pictures/mirrored.jpg", &jpeg(&mirrored, 80)?)?;
    let turned = imageops::rotate270(&originals[4]);
    write(&seizure, "laptop/Pictures/turned.jpg", &jpeg(&turned, 80)?)?;

    // What is new, in several formats.
    for seed in 11..=15 {
        let picture = scene::render(seed, 1200, 900);
        write(&seizure, &format!("phone/DCIM/IMG_00{seed}.jpg"), &jpeg(&picture, 82)?)?;
    }
    write(
        &seizure,
        "laptop/Pictures/screenshot.png",
        &encoded(scene::render(21, 400, 300), ImageFormat::Png)?,
    )?;
    write(&seizure, "laptop/Downloads/scan.webp", &encoded(scene::render(22, 320, 240), ImageFormat::WebP)?)?;
    write(&seizure, "laptop/Downloads/old.bmp", &encoded(scene::render(23, 160, 120), ImageFormat::Bmp)?)?;
    write(
        &seizure,
        "laptop/Downloads/animated.gif",
        &encoded(scene::render(24, 200, 150), ImageFormat::Gif)?,
    )?;

    // What has no code: every file still gets its outcome.
    write(&seizure, "laptop/Downloads/broken.jpg", &first[..first.len() / 3])?;
    write(&seizure, "laptop/Downloads/icon.png", &encoded(scene::render(25, 4, 4), ImageFormat::Png)?)?;
    write(&seizure, "laptop/Downloads/empty.jpg", b"")?;
    write(&seizure, "laptop/notes.txt", b"Not a picture. Its digests are kept and matched all the same.\n")?;
    let still = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08mdat";
    write(&seizure, "phone/DCIM/IMG_0040.HEIC", still)?;
    write(
        &seizure,
        "phone/DCIM/blank.png",
        &encoded(RgbImage::from_pixel(640, 480, Rgb([12, 12, 14])), ImageFormat::Png)?,
    )?;
    Ok(())
}
