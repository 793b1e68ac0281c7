//! How fast digests are computed, per thread with all threads working.

use std::hint::black_box;
use std::time::Instant;

use md5::Md5;
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::sample::SplitMix;
use super::settings::{BenchSettings, part, rate};
use crate::engine::CancelToken;
use crate::source::Digester;

/// Bytes that are digested over and over: more than a core's own cache holds.
const BUFFER: usize = 8 << 20;

/// Bytes a second and thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DigestRates {
    /// MD5 alone.
    pub md5_bytes_per_second: f64,
    /// SHA-1 alone.
    pub sha1_bytes_per_second: f64,
    /// SHA-256 alone.
    pub sha256_bytes_per_second: f64,
    /// All three, as every file gets them.
    pub all_bytes_per_second: f64,
}

pub(super) fn measure(settings: &BenchSettings, cancel: &CancelToken) -> DigestRates {
    let mut random = SplitMix::default();
    let buffer: Vec<u8> = (0..BUFFER / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    let of = |digest: &(dyn Fn(&[u8]) + Sync)| measure_one(&buffer, settings, cancel, digest);
    DigestRates {
        md5_bytes_per_second: of(&|block| hide(Md5::digest(block))),
        sha1_bytes_per_second: of(&|block| hide(Sha1::digest(block))),
        sha256_bytes_per_second: of(&|block| hide(Sha256::digest(block))),
        all_bytes_per_second: of(&|block| {
            let mut digester = Digester::default();
            digester.update(block);
            hide(digester.finish());
        }),
    }
}

/// Keeps the compiler from removing a computation whose result is not used.
fn hide<T>(result: T) {
    let _ = black_box(result);
}

fn measure_one(
    buffer: &[u8],
    settings: &BenchSettings,
    cancel: &CancelToken,
    digest: &(dyn Fn(&[u8]) + Sync),
) -> f64 {
    let patience = settings.share(part::DIGESTS / 4.0);
    let threads: Vec<(f64, f64)> = std::thread::scope(|scope| {
        let thread = || {
            let started = Instant::now();
            let mut bytes = 0;
            // In blocks, as files are read.
            for block in buffer.chunks(1 << 20).cycle() {
                digest(block);
                bytes += block.len();
                if started.elapsed() >= patience || cancel.is_cancelled() {
                    break;
                }
            }
            (bytes as f64, started.elapsed().as_secs_f64())
        };
        let threads: Vec<_> = (0..settings.jobs).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let (bytes, seconds) =
        threads.into_iter().fold((0.0, 0.0), |(bytes, seconds), (more, time)| (bytes + more, seconds + time));
    rate(bytes, seconds)
}
