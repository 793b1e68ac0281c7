//! The settings of a measurement, and how its time is shared.

use std::time::Duration;

use crate::decode::Limits;

/// The settings of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct BenchSettings {
    /// Threads that digest, decode and hash.
    pub jobs: usize,
    /// Threads that read.
    pub readers: usize,
    /// Bytes for the sample and for decoders.
    pub max_memory: u64,
    /// Maximum pixels on a side.
    pub max_side: u32,
    /// About how long all of it may take.
    pub seconds: u32,
}

impl BenchSettings {
    /// A part of the time.
    pub(super) fn share(&self, part: f64) -> Duration {
        Duration::from_secs_f64(f64::from(self.seconds) * part)
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { max_side: self.max_side, max_decode_bytes: self.max_memory / 4 * 3 }
    }
}

/// Shares of the time for each thing that is measured. The rest is for everything else.
pub(super) mod part {
    pub const LISTING: f64 = 0.1;
    pub const READING: f64 = 0.3;
    pub const DIGESTS: f64 = 0.1;
    pub const DECODING: f64 = 0.35;
    pub const HASHING: f64 = 0.05;
}

/// An amount over a time that may be nearly zero; 0 if nothing was done.
pub(super) fn rate(amount: f64, seconds: f64) -> f64 {
    if amount > 0.0 { amount / seconds.max(1e-9) } else { 0.0 }
}
