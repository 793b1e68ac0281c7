//! Any bytes: the JPEG reader ends with a tile or a reason, whatever it is asked to keep, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tamis::decode::{self, Limits, Reading};
use tamis::pdq::Geometry;

const LIMITS: Limits = Limits { max_side: 65_535, max_decode_bytes: 64 << 20 };

fuzz_target!(|bytes: &[u8]| {
    let probe = decode::probe(bytes, Geometry::Full, &LIMITS);
    // As a scan does it: what would not fit its memory is not read.
    if probe.coefficient_bytes.is_none_or(|needed| needed > LIMITS.max_decode_bytes) {
        return;
    }
    let _ = decode::coefficients(bytes, &probe);
    for (coefficients, refined) in [(1, false), (6, true), (64, true)] {
        if let Some(reading) = Reading::of(coefficients, refined) {
            let _ = decode::coefficients_with(bytes, &probe, reading);
        }
    }
});
