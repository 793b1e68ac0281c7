//! Decoders of the `image` crate: opening one, and what its errors mean.

use std::io::{BufRead, Cursor, Seek};

use image::error::{ImageError, LimitErrorKind};
use image::{ImageDecoder, ImageFormat, ImageReader};

use crate::outcome::{Failure, Outcome, Stage};

/// Opens a decoder to read the header, for formats whose decoders allocate little for that.
pub(super) fn open(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder, Failure> {
    open_limited(Cursor::new(bytes), format, image::Limits::default())
}

/// Opens a decoder with `limits` from the start: some allocate while they are opened.
pub(super) fn open_limited<'a>(
    reader: impl BufRead + Seek + 'a,
    format: ImageFormat,
    limits: image::Limits,
) -> Result<Box<dyn ImageDecoder + 'a>, Failure> {
    let mut reader = ImageReader::with_format(reader, format);
    reader.limits(limits);
    Ok(Box::new(reader.into_decoder().map_err(|error| failure(&error))?))
}

/// The outcome of a decoder's error.
pub(super) fn failure(error: &ImageError) -> Failure {
    let outcome = match error {
        ImageError::Unsupported(_) => Outcome::Unsupported,
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::InsufficientMemory => Outcome::OverLimit,
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => Outcome::OverLimit,
        _ => Outcome::Corrupt,
    };
    Failure::new(outcome, Stage::Decode, error.to_string())
}
