//! Trivial content: no bytes at all, or one byte repeated. Its digests are no evidence: every seizure has empty and zeroed
//! files. A digest of such content in a hash set is set aside, not matched.
//!
//! For content that is read, [`Repetition`] detects it for any length. For a digest alone, [`is_trivial_digest`] recognises the
//! lengths that occur: none; one byte of any value; and 0x00 or 0xFF for every length up to [`EVERY_LENGTH`] bytes and for the powers
//! of two up to [`LONGEST`], which are sectors, clusters and blocks.

use std::sync::LazyLock;

use super::digest::{Digester, Digests};
use super::repetition::Repetition;

/// Runs of 0x00 and 0xFF of every length up to this are recognised by digest.
pub const EVERY_LENGTH: usize = 1024;
/// Runs of 0x00 and 0xFF whose length is a power of two are recognised by digest up to this.
pub const LONGEST: usize = 64 << 10;

/// Whether there are no bytes, or one repeated.
#[must_use]
pub fn is_trivial(bytes: &[u8]) -> bool {
    let mut repetition = Repetition::default();
    repetition.update(bytes);
    repetition.is_trivial()
}

/// Whether an MD5, SHA-1 or SHA-256, distinguished by length, is recognised as that of trivial content.
#[must_use]
pub fn is_trivial_digest(digest: &[u8]) -> bool {
    let Recognised { md5, sha1, sha256 } = &*RECOGNISED;
    match digest.len() {
        16 => md5.binary_search_by(|known| known[..].cmp(digest)).is_ok(),
        20 => sha1.binary_search_by(|known| known[..].cmp(digest)).is_ok(),
        32 => sha256.binary_search_by(|known| known[..].cmp(digest)).is_ok(),
        _ => false,
    }
}

/// Digests of trivial content, sorted.
struct Recognised {
    md5: Vec<[u8; 16]>,
    sha1: Vec<[u8; 20]>,
    sha256: Vec<[u8; 32]>,
}

/// Computed on first use, which takes some milliseconds.
static RECOGNISED: LazyLock<Recognised> = LazyLock::new(|| {
    let mut all: Vec<Digests> = vec![Digester::default().finish()];
    for value in 0..=u8::MAX {
        let mut digester = Digester::default();
        digester.update(&[value]);
        all.push(digester.clone().finish());
        if value != 0x00 && value != 0xFF {
            continue;
        }
        for _ in 1..EVERY_LENGTH {
            digester.update(&[value]);
            all.push(digester.clone().finish());
        }
        let mut length = EVERY_LENGTH;
        while length < LONGEST {
            digester.update(&vec![value; length]);
            length *= 2;
            all.push(digester.clone().finish());
        }
    }
    let mut recognised = Recognised {
        md5: all.iter().map(|digests| digests.md5).collect(),
        sha1: all.iter().map(|digests| digests.sha1).collect(),
        sha256: all.iter().map(|digests| digests.sha256).collect(),
    };
    recognised.md5.sort_unstable();
    recognised.sha1.sort_unstable();
    recognised.sha256.sort_unstable();
    recognised
});

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(bytes: &[u8]) -> [Vec<u8>; 3] {
        let mut digester = Digester::default();
        digester.update(bytes);
        let Digests { md5, sha1, sha256 } = digester.finish();
        [md5.to_vec(), sha1.to_vec(), sha256.to_vec()]
    }

    #[test]
    fn one_byte_repeated_is_trivial_however_it_comes() {
        for (bytes, trivial) in [
            (vec![], true),
            (vec![7], true),
            (vec![0; 100_000], true),
            ([vec![0; 100_000], vec![1]].concat(), false),
            (vec![0, 255], false),
        ] {
            assert_eq!(is_trivial(&bytes), trivial, "{} bytes", bytes.len());
            for block in [1, 2, 64, 4096] {
                let mut repetition = Repetition::default();
                repetition.update(&[]);
                bytes.chunks(block).for_each(|block| repetition.update(block));
                assert_eq!(repetition.is_trivial(), trivial, "{} bytes by {block}", bytes.len());
            }
        }
    }

    #[test]
    fn digests_of_short_repetitions_are_recognised_and_no_others() {
        // RFC 1321, RFC 3174 and FIPS 180-4 have those of no bytes.
        for (digest, bytes) in
            ["d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"]
                .into_iter()
                .zip(digests(&[]))
        {
            assert_eq!(crate::source::digest::hex(&bytes), digest);
        }
        let runs =
            [(0, 0), (0, 1), (0, 512), (0, EVERY_LENGTH), (255, 777), (0, 4096), (255, LONGEST), (65, 1)];
        for (value, length) in runs {
            assert!(digests(&vec![value; length]).iter().all(|digest| is_trivial_digest(digest)), "{length}");
        }
        for bytes in [&b"ab"[..], &[65, 65], &[0; LONGEST + 1], &[0; EVERY_LENGTH + 1]] {
            assert!(!digests(bytes).iter().any(|digest| is_trivial_digest(digest)));
        }
        assert!(!is_trivial_digest(&[]) && !is_trivial_digest(&[0; 64]));
    }
}
