//! The bytes of a picture to its hash.

use crate::decode::{self, Limits};
use crate::outcome::{Failure, Outcome};
use crate::pdq::{DihedralHashes, Geometry, Reducer};

/// Bytes that decoding may take.
const MAX_DECODE_BYTES: u64 = 1 << 30;

/// Why bytes have no hash. Anything that a text quotes from the file is escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// There are no bytes, or their content is not a picture's.
    #[error("cannot hash: {0}")]
    NotAPicture(String),
    /// A picture format that is recognised and has no decoder.
    #[error("cannot hash: {0} (convert it to PNG first)")]
    Unsupported(String),
    /// A side under 5 pixels, for which PDQ is not defined.
    #[error("cannot hash: {0}")]
    TooSmall(String),
    /// More pixels than PDQ takes, or more memory than [`hash`] takes.
    #[error("cannot hash: {0} (`decode::pixels` takes limits of your own)")]
    OverLimit(String),
    /// Truncated or damaged: no decoder accepts it.
    #[error("cannot hash: {0}")]
    Corrupt(String),
    /// The decoder panicked, which was caught.
    #[error("cannot hash: {0} (a fault of the decoder: please report it with the file)")]
    Crashed(String),
}

impl From<Failure> for HashError {
    fn from(failure: Failure) -> Self {
        let reason = crate::source::name::escape(failure.reason.as_bytes());
        match failure.outcome {
            Outcome::Empty | Outcome::Other => Self::NotAPicture(reason),
            Outcome::Unsupported => Self::Unsupported(reason),
            Outcome::TooSmall => Self::TooSmall(reason),
            Outcome::OverLimit => Self::OverLimit(reason),
            Outcome::Crashed => Self::Crashed(reason),
            _ => Self::Corrupt(reason),
        }
    }
}

/// Hashes a picture: PDQ in all eight orientations, in the order of [`Orientation::ALL`](crate::pdq::Orientation::ALL), and the
/// quality. The format is recognised by content. It is hashed from its pixels, as the reference does it, on the caller's
/// thread and within 1 GiB of memory.
///
/// ```
/// // 8 × 8 pixels, grey, as a PGM.
/// let picture = [b"P5 8 8 255\n".as_slice(), &(0..64).map(|x| x * 4).collect::<Vec<u8>>()].concat();
/// let hash = tamis::hash(&picture)?;
/// assert_eq!(hash.hashes[0].to_string().len(), 64);
/// assert!(hash.quality <= 100);
///
/// assert!(matches!(tamis::hash(b"a letter"), Err(tamis::HashError::NotAPicture(_))));
/// # Ok::<(), tamis::HashError>(())
/// ```
///
/// A hash of a quality under [`MIN_QUALITY`](crate::pdq::MIN_QUALITY) is not evidence of anything: the picture has too little
/// texture. A decoder that panics is caught; [`silence_decoder_panics`](crate::decode::silence_decoder_panics) keeps the
/// panic's message off standard error.
///
/// # Errors
/// If it is not a picture, has no decoder, is too small or too large, or is damaged: [`HashError`] states which.
pub fn hash(bytes: &[u8]) -> Result<DihedralHashes, HashError> {
    let limits = Limits { max_side: Reducer::MAX_SIDE, max_decode_bytes: MAX_DECODE_BYTES };
    let probe = decode::probe(bytes, Geometry::Full, &limits);
    if probe.failure.is_none() && probe.pixel_bytes > MAX_DECODE_BYTES {
        let needed = probe.pixel_bytes.div_ceil(1 << 20);
        return Err(HashError::OverLimit(format!(
            "its pixels need {needed} MiB to decode; the limit is 1024 MiB"
        )));
    }
    Ok(decode::pixels(bytes, &probe, Geometry::Full, &limits)?.hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Stage;

    #[test]
    fn every_failure_has_its_kind() {
        let of = |bytes: &[u8]| hash(bytes).unwrap_err();
        assert!(matches!(of(b""), HashError::NotAPicture(_)));
        assert!(matches!(of(b"P5 4 4 255\n0123456789abcdef"), HashError::TooSmall(_)));
        assert!(matches!(of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), HashError::Unsupported(_)));
        assert!(matches!(of(b"P5 8 8 255\nshort"), HashError::Corrupt(_)));
        assert!(matches!(of(b"P6 40000 40000 255\nshort"), HashError::OverLimit(_)));
        let crashed = HashError::from(Failure::new(Outcome::Crashed, Stage::Decode, "a\u{1b}[31mred"));
        assert!(matches!(crashed, HashError::Crashed(_)));
        assert!(!crashed.to_string().contains('\u{1b}'), "{crashed}");
    }
}
