//! From bytes to a tile and facts: a pure function without access to store or GPU, so that it could run in a
//! worker process.

mod bounds;
mod decoder;
mod derivation;
mod exif;
pub mod facts;
pub mod format;
mod icon;
mod jpeg;
mod panic_guard;
mod pixels;
mod png_parts;
mod stated;
mod thumbnail;
mod tiff_tags;
mod view;

pub use derivation::{DecodeMode, Derivation, DerivedFrom, Picture, PictureHash, PixelsWanted};
pub use facts::{ExifFacts, Facts};
pub use format::Format;
pub use jpeg::Reading;
pub use panic_guard::silence_decoder_panics;
pub use thumbnail::{THUMBNAIL_SIDE, Thumbnail, ThumbnailStyle, thumbnail};
pub use view::{ParseViewError, View};

use image::ImageFormat;

use jpeg::structure::Frame;
use panic_guard::Place;

use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::{DihedralHashes, Geometry, MIN_SIDE, Reducer, Stability, Tile, hash_and_stability};

/// Pixels on a side that every decoder supports.
const LARGEST_SIDE: u32 = 65_535;

/// Limits checked from the header, before anything is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Maximum pixels on a side.
    pub max_side: u32,
    /// Maximum bytes that a decoder may allocate for one picture, in all its buffers.
    pub max_decode_bytes: u64,
}

/// What the header declares, before decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Format, size and metadata.
    pub facts: Facts,
    /// Bytes that decoding pixels needs in addition to the file: an upper bound for the byte budget. 0 if
    /// there is a failure already.
    pub pixel_bytes: u64,
    /// The same for reading coefficients; `None` if the format or geometry has none.
    pub coefficient_bytes: Option<u64>,
    /// A failure that the header alone decides; `None` if decoding can be tried.
    pub failure: Option<Failure>,
    /// The frame header of a JPEG.
    frame: Option<Frame>,
}

impl Probe {
    /// The memory limit of its decoder.
    fn grant(&self) -> pixels::Grant<'_> {
        pixels::Grant {
            width: self.facts.width.unwrap_or(0),
            height: self.facts.height.unwrap_or(0),
            bytes: self.pixel_bytes,
            frame: self.frame.as_ref(),
        }
    }

    /// Whether it is a JPEG whose coefficients come in several scans of growing precision.
    #[must_use]
    pub fn is_progressive_jpeg(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| frame.marker == jpeg::structure::marker::PROGRESSIVE)
    }
}

/// How many leading bytes [`is_candidate`] needs.
pub const SNIFF_BYTES: usize = 4096;

/// Whether a file that begins with `head` (at least [`SNIFF_BYTES`], or the whole file) may be a picture that
/// [`probe`] needs completely. Other files need not be kept in memory once they are digested: [`probe`]
/// identifies them from `head` alone.
#[must_use]
pub fn is_candidate(head: &[u8]) -> bool {
    // HEIC and AVIF have no decoder here and are read for their EXIF.
    let wanted = |format: Format| format.decoder().is_some() || matches!(format, Format::Heic | Format::Avif);
    // A file whose recognition panics gets its outcome from `probe`.
    panic_guard::caught(|| Ok(Format::recognise(head).is_some_and(wanted))).unwrap_or(true)
}

/// Identifies a file (or its head, if [`is_candidate`] returned false) and the cost of decoding it. Panics
/// are caught.
#[must_use]
pub fn probe(bytes: &[u8], geometry: Geometry, limits: &Limits) -> Probe {
    let mut probe = Probe {
        facts: Facts::default(),
        pixel_bytes: 0,
        coefficient_bytes: None,
        failure: None,
        frame: None,
    };
    if let Err(failure) = panic_guard::caught(|| look(bytes, geometry, limits, &mut probe)) {
        probe.failure = Some(failure);
    }
    probe
}

/// Fills in the facts as far as it gets.
fn look(bytes: &[u8], geometry: Geometry, limits: &Limits, probe: &mut Probe) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Err(Failure::new(Outcome::Empty, Stage::Sniff, "no bytes"));
    }
    let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
    let Some(format) = Format::recognise(head) else {
        return Err(Failure::new(Outcome::Other, Stage::Sniff, "not a picture by its content"));
    };
    probe.facts.format = Some(format);
    panic_guard::passing(Place::Exif);
    probe.facts.exif = ExifFacts::read(bytes, format);
    let Some(decoder) = format.decoder() else {
        let reason = format!("{} is recognised but has no decoder here", format.name());
        return Err(Failure::new(Outcome::Unsupported, Stage::Sniff, reason));
    };
    let (bytes, decoder) = picture_of(bytes, decoder);
    panic_guard::passing(Place::Header);
    let header = bounds::read_header(bytes, format, decoder, limits.max_decode_bytes)?;
    let (width, height) = (header.width, header.height);
    probe.facts.width = Some(width);
    probe.facts.height = Some(height);
    let side = limits.max_side.min(Reducer::MAX_SIDE).min(LARGEST_SIDE);
    if width.max(height) > side || u64::from(width) * u64::from(height) > Reducer::MAX_PIXELS {
        let reason = format!("{width}×{height} pixels; the limit is {side} on a side and 2³² in all");
        return Err(Failure::new(Outcome::OverLimit, Stage::Limits, reason));
    }
    if !Reducer::is_defined(width, height, geometry) {
        let reason = format!("{width}×{height} pixels; a hash needs {MIN_SIDE} on each side");
        return Err(Failure::new(Outcome::TooSmall, Stage::Limits, reason));
    }
    if let Some(refusal) = header.refusal {
        return Err(refusal);
    }
    probe.pixel_bytes = header.pixel_bytes;
    // Shrinking by nearest neighbour needs single pixels.
    let full = !Reducer::shrinks(width, height, geometry);
    probe.coefficient_bytes = header.frame.as_ref().filter(|_| full).and_then(jpeg::memory);
    probe.frame = header.frame;
    Ok(())
}

/// The bytes to decode and their format: for an icon, the PNG in it.
fn picture_of(bytes: &[u8], decoder: ImageFormat) -> (&[u8], ImageFormat) {
    panic_guard::passing(Place::Icon);
    let png = (decoder == ImageFormat::Ico).then(|| icon::png(bytes)).flatten();
    png.map_or((bytes, decoder), |png| (png, ImageFormat::Png))
}

/// Reduces a JPEG that [`probe`] accepted to its tile without decoding pixels. A panic of this reader is not held against the file:
/// another decoder is tried, and the reason is recorded with the picture.
///
/// # Errors
/// If it must be decoded to pixels instead; the error gives the reason, which is no fault of the file.
pub fn coefficients(bytes: &[u8], probe: &Probe) -> Result<Picture, PixelsWanted> {
    let offered = probe.frame.as_ref().filter(|_| probe.coefficient_bytes.is_some());
    let frame = offered.ok_or("a format, size or geometry not read from coefficients")?;
    if frame.is_apart() {
        // Chroma could not be checked together with luminance.
        return Err("components in separate scans".into());
    }
    let reading = Reading::usual(frame).ok_or("too small for coefficients")?;
    let whole = Reading::whole(frame);
    let is_unstable = |stable: Stability| stable.unstable_bits >= jpeg::MAX_UNSTABLE_BITS;
    let is_parted = |stable: Stability| stable.bits_at_risk >= jpeg::MAX_UNSTABLE_BITS;
    read_coefficients(|| {
        let mut read = jpeg::read(bytes, frame, reading)?;
        let (mut hash, mut stable) = hash_and_stability(&read.tile, read.error);
        // Read completely it is closer to its pixels.
        let is_far = is_parted(stable) && !is_unstable(stable) && Some(reading) != whole;
        if read.overshoots() || is_far {
            read = jpeg::read(bytes, frame, whole.ok_or("pixels that may be clipped at black or white")?)?;
            (hash, stable) = hash_and_stability(&read.tile, read.error);
        }
        if let Some(reason) = read.distrust {
            return Err(reason.into());
        }
        if is_unstable(stable) {
            return Err("many bits depend on rounding".into());
        }
        if is_parted(stable) {
            return Err("pixels clipped at black or white".into());
        }
        Ok(Picture::hashed(read.tile, hash, DerivedFrom::Coefficients, stable))
    })
}

/// [`coefficients`] by a given reading, for any size and without checks, for measurements.
///
/// # Errors
/// If the file cannot be read this way.
pub fn coefficients_with(bytes: &[u8], probe: &Probe, reading: Reading) -> Result<Picture, PixelsWanted> {
    let frame = probe.frame.as_ref().ok_or("not a JPEG")?;
    let read = || jpeg::read(bytes, frame, reading);
    read_coefficients(|| Ok(Picture::new(read()?.tile, DerivedFrom::Coefficients)))
}

/// Runs the reader of coefficients; its panic is a reason to decode pixels.
fn read_coefficients(read: impl FnOnce() -> Result<Picture, PixelsWanted>) -> Result<Picture, PixelsWanted> {
    let result = panic_guard::caught(|| {
        panic_guard::passing(Place::Coefficients);
        Ok(read())
    });
    result.unwrap_or_else(|failure| Err(PixelsWanted(failure.reason.into())))
}

impl Picture {
    /// Hashes a tile with the transform that also measures the stability of its bits.
    fn new(tile: Box<Tile>, path: DerivedFrom) -> Self {
        let (hash, stable) = hash_and_stability(&tile, 0);
        Self::hashed(tile, hash, path, stable)
    }

    const fn hashed(tile: Box<Tile>, hash: DihedralHashes, path: DerivedFrom, stable: Stability) -> Self {
        let unstable_bits = stable.unstable_bits;
        Self { tile, hash, derivation: Derivation { path, fallback_reason: None, unstable_bits } }
    }
}

/// Decodes the pixels of a picture that [`probe`] accepted and reduces them to its tile, within `probe.pixel_bytes`, which the caller takes
/// from its budget. A decoder's panic is caught and becomes the outcome `crashed`.
///
/// # Errors
/// If decoding fails: the outcome with its stage and reason, `over_limit` where the pixels need more than
/// `limits.max_decode_bytes`.
pub fn pixels(bytes: &[u8], probe: &Probe, geometry: Geometry, limits: &Limits) -> Result<Picture, Failure> {
    if let Some(failure) = &probe.failure {
        return Err(failure.clone());
    }
    if probe.pixel_bytes > limits.max_decode_bytes {
        let reason = format!(
            "{}×{} pixels need {} MiB to decode; {} MiB are allowed (raise --max-memory)",
            probe.facts.width.unwrap_or(0),
            probe.facts.height.unwrap_or(0),
            probe.pixel_bytes.div_ceil(1 << 20),
            limits.max_decode_bytes >> 20
        );
        return Err(Failure::new(Outcome::OverLimit, Stage::Limits, reason));
    }
    let decoder = probe
        .facts
        .format
        .and_then(Format::decoder)
        .ok_or_else(|| Failure::new(Outcome::Unsupported, Stage::Decode, "no decoder for this format"))?;
    panic_guard::caught(|| {
        panic_guard::passing(Place::Pixels);
        let (bytes, decoder) = picture_of(bytes, decoder);
        let tile = pixels::decode(bytes, decoder, geometry, &probe.grant())?;
        Ok(Picture::new(tile, DerivedFrom::Pixels))
    })
}
