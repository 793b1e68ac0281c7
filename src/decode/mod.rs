//! From bytes to a tile and facts: a pure function that sees neither store nor GPU, so that it can
//! move into a worker process whole.

pub mod facts;
pub mod format;
mod icon;
mod jpeg;
mod panic_guard;
mod pixels;
mod tiff_tags;

pub use facts::{ExifFacts, Facts};
pub use format::Format;
pub use panic_guard::silence_decoder_panics;

use image::ImageFormat;

use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::{Geometry, MIN_SIDE, Reducer, Tile};

/// Bounds that are checked from the header, before anything is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels on a side, at most.
    pub max_side: u32,
    /// Bytes a decoder may allocate for one picture, all its buffers together.
    pub max_decode_bytes: u64,
}

/// What the header says, before decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Format, size and metadata.
    pub facts: Facts,
    /// Bytes that decoding will need beside the file itself: an upper estimate for the byte budget.
    /// 0 where there is a failure already.
    pub decode_bytes: u64,
    /// A failure that the header alone decides; `None` if decoding can be tried.
    pub failure: Option<Failure>,
}

/// How many leading bytes [`is_candidate`] wants to see.
pub const SNIFF_BYTES: usize = 4096;

/// Whether a file that begins with `head` (at least [`SNIFF_BYTES`], or the whole file) may be a picture
/// that [`probe`] wants to see whole. Other files need not be kept in memory once they are digested:
/// [`probe`] says what they are from `head` alone.
#[must_use]
pub fn is_candidate(head: &[u8]) -> bool {
    // HEIC and AVIF have no decoder here and are wanted for their EXIF.
    Format::sniff(head)
        .is_some_and(|format| format.decoder().is_some() || matches!(format, Format::Heic | Format::Avif))
}

/// Looks at a whole file (or, where [`is_candidate`] said no, its head) and says what it is and what
/// decoding it takes. Panics of a decoder's header reader are caught.
#[must_use]
pub fn probe(bytes: &[u8], geometry: Geometry, limits: &Limits) -> Probe {
    let mut facts = Facts::default();
    let looked_at = look(bytes, geometry, limits, &mut facts);
    let (decode_bytes, failure) = match looked_at {
        Ok(decode_bytes) => (decode_bytes, None),
        Err(failure) => (0, Some(failure)),
    };
    Probe { facts, decode_bytes, failure }
}

/// Fills in the facts as far as it comes; returns the bytes that decoding needs.
fn look(bytes: &[u8], geometry: Geometry, limits: &Limits, facts: &mut Facts) -> Result<u64, Failure> {
    if bytes.is_empty() {
        return Err(Failure::new(Outcome::Empty, Stage::Sniff, "no bytes"));
    }
    let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
    let Some(format) = Format::sniff(head) else {
        return Err(Failure::new(Outcome::NotAPicture, Stage::Sniff, "not a picture by its content"));
    };
    facts.format = Some(format);
    facts.exif = panic_guard::caught(|| Ok(ExifFacts::read(bytes, format))).unwrap_or_default();
    let Some(decoder) = format.decoder() else {
        let reason = format!("{} is recognised and has no decoder here", format.name());
        return Err(Failure::new(Outcome::Unsupported, Stage::Sniff, reason));
    };
    let (bytes, decoder) = picture_of(bytes, decoder);
    let header = panic_guard::caught(|| pixels::read_header(bytes, format, decoder))?;
    facts.width = Some(header.width);
    facts.height = Some(header.height);
    check(&header, geometry, limits)?;
    Ok(header.decode_bytes)
}

/// The bytes to decode, and as what: of an icon, the PNG in it.
fn picture_of(bytes: &[u8], decoder: ImageFormat) -> (&[u8], ImageFormat) {
    let png = (decoder == ImageFormat::Ico).then(|| icon::png(bytes)).flatten();
    png.map_or((bytes, decoder), |png| (png, ImageFormat::Png))
}

/// What the header's numbers decide.
fn check(header: &pixels::Header, geometry: Geometry, limits: &Limits) -> Result<(), Failure> {
    let (width, height) = (header.width, header.height);
    let over = |reason: String| Err(Failure::new(Outcome::OverLimit, Stage::Limits, reason));
    let side = limits.max_side.min(Reducer::MAX_SIDE);
    if width.max(height) > side || u64::from(width) * u64::from(height) > Reducer::MAX_PIXELS {
        return over(format!("{width}×{height} pixels; the limit is {side} on a side and 2³² in all"));
    }
    if header.decode_bytes > limits.max_decode_bytes {
        return over(format!(
            "{width}×{height} pixels need {} MiB to decode; {} MiB are allowed (raise --max-memory)",
            header.decode_bytes.div_ceil(1 << 20),
            limits.max_decode_bytes >> 20
        ));
    }
    if !Reducer::is_defined(width, height, geometry) {
        let reason = format!("{width}×{height} pixels; a code needs {MIN_SIDE} on each side");
        return Err(Failure::new(Outcome::TooSmall, Stage::Limits, reason));
    }
    Ok(())
}

/// Decodes the picture that [`probe`] accepted and reduces it to its tile. A decoder's panic is
/// caught and becomes the outcome `crashed_decoder`.
///
/// # Errors
/// The named outcome, its stage and its reason.
pub fn decode(
    bytes: &[u8],
    probe: &Probe,
    geometry: Geometry,
    limits: &Limits,
) -> Result<Box<Tile>, Failure> {
    if let Some(failure) = &probe.failure {
        return Err(failure.clone());
    }
    let decoder = probe
        .facts
        .format
        .and_then(Format::decoder)
        .ok_or_else(|| Failure::new(Outcome::Unsupported, Stage::Decode, "no decoder for this format"))?;
    let (bytes, decoder) = picture_of(bytes, decoder);
    panic_guard::caught(|| pixels::decode(bytes, decoder, geometry, limits))
}
