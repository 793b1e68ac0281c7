//! Digests of whole files, computed while the file is read once.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::repetition::Repetition;

/// The digests of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Bytes that each digest takes in turn: one block of all three. Every step of MD5 depends on the previous one, so the processor works on the
/// others meanwhile, within its look-ahead.
const PIECE: usize = 64;

/// Digests a file block by block.
#[derive(Clone, Debug, Default)]
pub struct Digester {
    repetition: Repetition,
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
}

impl Digester {
    /// The next bytes of the file.
    pub fn update(&mut self, block: &[u8]) {
        self.repetition.update(block);
        for piece in block.chunks(PIECE) {
            self.md5.update(piece);
            self.sha1.update(piece);
            self.sha256.update(piece);
        }
    }

    /// Whether all bytes so far are equal, or there were none.
    #[must_use]
    pub const fn is_trivial(&self) -> bool {
        self.repetition.is_trivial()
    }

    /// The digests of all bytes so far.
    #[must_use]
    pub fn finish(self) -> Digests {
        Digests {
            md5: self.md5.finalize().into(),
            sha1: self.sha1.finalize().into(),
            sha256: self.sha256.finalize().into(),
        }
    }
}

/// The SHA-256 of bytes, without the other digests.
#[must_use]
pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hex, as digest tools print it.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published vectors of RFC 1321, RFC 3174 and FIPS 180-4 for "abc".
    #[test]
    fn published_vectors() {
        let mut digester = Digester::default();
        digester.update(b"a");
        digester.update(b"");
        digester.update(b"bc");
        let digests = digester.finish();
        assert_eq!(hex(&digests.md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex(&digests.sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&digests.sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    /// The digests of coreutils are the oracle.
    #[cfg(unix)]
    #[test]
    fn digests_are_those_of_the_system_tools() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 77, 82_001] {
            let content: Vec<u8> = (0..size).map(|index| (index * 7 + index / 251) as u8).collect();
            std::fs::write(&path, &content).unwrap();
            let mut digester = Digester::default();
            // Like a file: in blocks of any length.
            for block in content.chunks(10_007) {
                digester.update(block);
            }
            let digests = digester.finish();
            for (tool, ours) in [
                ("md5sum", hex(&digests.md5)),
                ("sha1sum", hex(&digests.sha1)),
                ("sha256sum", hex(&digests.sha256)),
            ] {
                let Ok(output) = std::process::Command::new(tool).arg(&path).output() else {
                    crate::skip::skip(&format!("no {tool}"));
                    continue;
                };
                assert!(String::from_utf8(output.stdout).unwrap().starts_with(&ours), "{tool}, {size} bytes");
            }
        }
    }
}
