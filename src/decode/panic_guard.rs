//! A decoder's panic becomes an item's outcome and does not end the run.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::outcome::{Failure, Outcome, Stage};

thread_local! {
    static IN_DECODER: Cell<bool> = const { Cell::new(false) };
}

/// Suppresses the default report of a panic (message and place, on standard error) if it comes from a
/// decoder: the item's outcome has the reason. Other panics are reported as usual. Programs call it once;
/// further calls do nothing.
pub fn silence_decoder_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            if !IN_DECODER.get() {
                report(information);
            }
        }));
    });
}

/// Runs a parser; its panic becomes `crashed` with the panic's message. Every public function of `decode` that parses a
/// file's bytes uses it, which a test checks.
pub(super) fn caught<T>(decoder: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let outside = IN_DECODER.replace(true);
    // The decoder's state is dropped with the panic and never used again.
    let result = panic::catch_unwind(AssertUnwindSafe(decoder));
    IN_DECODER.set(outside);
    result.unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_string());
        Err(Failure::new(Outcome::Crashed, Stage::Decode, format!("the decoder panicked: {message}")))
    })
}

/// Where parsing begins; a test makes each panic in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Sniff,
    Exif,
    Icon,
    Header,
    Coefficients,
    Pixels,
    Thumbnail,
}

/// Panics at a place chosen by a test.
#[inline(always)]
pub(super) fn passing(place: Place) {
    #[cfg(test)]
    if tests::PANICS_AT.get() == Some(place) {
        panic!("a test's panic in {place:?}");
    }
    let _ = place;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{self, Format, Limits, ThumbnailStyle};
    use crate::pdq::Geometry;

    thread_local! {
        pub(super) static PANICS_AT: Cell<Option<Place>> = const { Cell::new(None) };
    }

    /// A JPEG whose coefficients are read.
    fn picture() -> Vec<u8> {
        let small = image::RgbImage::from_fn(16, 12, |x, y| {
            let value = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 25;
            image::Rgb([60 + value as u8; 3])
        });
        let pixels = image::imageops::resize(&small, 320, 240, image::imageops::FilterType::CatmullRom);
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&pixels).unwrap();
        bytes
    }

    #[test]
    fn whatever_parses_is_inside() {
        silence_decoder_panics();
        let limits = Limits { max_side: 65_535, max_decode_bytes: 1 << 28 };
        let bytes = picture();
        let probe = decode::probe(&bytes, Geometry::Full, &limits);
        assert_eq!(probe.failure, None);
        let crashed = |failure: Option<&Failure>, place: Place| {
            let failure = failure.unwrap_or_else(|| panic!("{place:?} did not fail"));
            assert_eq!(failure.outcome, Outcome::Crashed, "{place:?}");
            assert!(failure.reason.ends_with(&format!("{place:?}")), "{}", failure.reason);
        };
        for place in [Place::Sniff, Place::Exif, Place::Icon, Place::Header] {
            PANICS_AT.set(Some(place));
            crashed(decode::probe(&bytes, Geometry::Full, &limits).failure.as_ref(), place);
        }
        PANICS_AT.set(Some(Place::Sniff));
        assert_eq!(Format::sniff(&bytes), None);
        // It is parsed again with all of its bytes, which gives its outcome.
        assert!(decode::is_candidate(&bytes));
        PANICS_AT.set(Some(Place::Coefficients));
        let reason = decode::coefficients(&bytes, &probe).unwrap_err().to_string();
        assert!(reason.contains("a test's panic in Coefficients"), "{reason}");
        for place in [Place::Icon, Place::Pixels] {
            PANICS_AT.set(Some(place));
            crashed(decode::pixels(&bytes, &probe, Geometry::Full, &limits).as_ref().err(), place);
        }
        for place in [Place::Icon, Place::Thumbnail] {
            PANICS_AT.set(Some(place));
            let thumbnail = decode::thumbnail(&bytes, &probe, &limits, ThumbnailStyle::Grey);
            crashed(thumbnail.as_ref().err(), place);
        }
        // The twin that must not fail.
        PANICS_AT.set(None);
        assert!(decode::coefficients(&bytes, &probe).is_ok());
        assert!(decode::pixels(&bytes, &probe, Geometry::Full, &limits).is_ok());
        assert!(!IN_DECODER.get());
    }

    #[test]
    fn a_panic_is_an_outcome() {
        silence_decoder_panics();
        let failure = caught::<()>(|| panic!("index {} out of range", 7)).unwrap_err();
        assert_eq!(failure.outcome, Outcome::Crashed);
        assert_eq!(failure.reason, "the decoder panicked: index 7 out of range");
        assert_eq!(caught(|| Ok(5)), Ok(5));
    }
}
