//! Reading a file once: its digests, and its bytes where they are wanted.

use std::io::{self, Read};
use std::path::Path;

use super::digest::{Digester, Digests};
use super::open::open_for_reading;
use crate::outcome::{Failure, Outcome, Stage};

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// A block that one thread reuses for file after file.
#[derive(Debug)]
pub struct ReadBuffer(Box<[u8]>);

impl Default for ReadBuffer {
    fn default() -> Self {
        Self(vec![0; BLOCK].into_boxed_slice())
    }
}

/// A file that was read to its end.
#[derive(Debug)]
pub struct FileBytes {
    /// Of all its bytes.
    pub digests: Digests,
    /// How many there were.
    pub size: u64,
    /// The whole file where it was wanted and within the limit; else its first bytes.
    pub bytes: Vec<u8>,
    /// Whether `bytes` is the whole file.
    pub whole: bool,
}

/// Reads a file to its end. `wanted` sees the first block (the whole file where it is shorter) and says
/// whether the bytes are to be kept; they are kept up to `limit`, and otherwise only the first `head`.
///
/// # Errors
/// `vanished` where the file is gone, `unreadable` for all else, with what the system said.
pub fn read_file(
    path: &Path,
    buffer: &mut ReadBuffer,
    head: usize,
    limit: u64,
    wanted: impl FnOnce(&[u8]) -> bool,
) -> Result<FileBytes, Failure> {
    let mut file = open_for_reading(path).map_err(|error| failure(&error))?;
    let expected = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    let mut digester = Digester::default();
    let mut bytes = Vec::new();
    let mut keep = false;
    let mut wanted = Some(wanted);
    let mut size = 0;
    loop {
        let filled = fill(&mut file, &mut buffer.0).map_err(|error| failure(&error))?;
        let block = &buffer.0[..filled];
        digester.update(block);
        size += filled as u64;
        if let Some(wanted) = wanted.take() {
            keep = wanted(block);
            if keep && expected <= limit {
                bytes.reserve_exact(expected as usize);
            }
        }
        if keep && size <= limit {
            bytes.extend_from_slice(block);
        } else {
            // Grown beyond what may be held, or never wanted.
            keep = false;
            if bytes.is_empty() {
                bytes.extend_from_slice(&block[..filled.min(head)]);
            }
            if bytes.len() > head {
                bytes.truncate(head);
                bytes.shrink_to_fit();
            }
        }
        if filled < BLOCK {
            break;
        }
    }
    let whole = size == bytes.len() as u64;
    Ok(FileBytes { digests: digester.finish(), size, bytes, whole })
}

/// Reads until the block is full or the file ends.
fn fill(file: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The outcome of a file that could not be opened or read.
pub(super) fn failure(error: &io::Error) -> Failure {
    let outcome = match error.kind() {
        io::ErrorKind::NotFound => Outcome::Vanished,
        _ => Outcome::Unreadable,
    };
    Failure::new(outcome, Stage::Read, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn patterned(size: usize) -> Vec<u8> {
        (0..size).map(|index| (index * 7 + index / 251) as u8).collect()
    }

    #[test]
    fn sizes_round_the_block_are_read_whole_and_digested() {
        let folder = tempfile::tempdir().unwrap();
        let mut buffer = ReadBuffer::default();
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 17] {
            let content = patterned(size);
            let path = folder.path().join(size.to_string());
            fs::write(&path, &content).unwrap();
            let mut digester = Digester::default();
            digester.update(&content);
            let expected = digester.finish();

            let kept = read_file(&path, &mut buffer, 16, u64::MAX, |_| true).unwrap();
            assert_eq!((kept.size, kept.whole, kept.digests), (size as u64, true, expected));
            assert_eq!(kept.bytes, content);

            let passed_over = read_file(&path, &mut buffer, 16, u64::MAX, |_| false).unwrap();
            assert_eq!(passed_over.digests, expected);
            assert_eq!(passed_over.bytes, content[..size.min(16)]);
            assert_eq!(passed_over.whole, size <= 16);

            let too_large =
                read_file(&path, &mut buffer, 16, size.saturating_sub(1) as u64, |_| true).unwrap();
            assert_eq!(too_large.digests, expected);
            assert_eq!(too_large.bytes, content[..size.min(16)]);
        }
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut buffer = ReadBuffer::default();
        let gone = read_file(&folder.path().join("gone"), &mut buffer, 16, 100, |_| true).unwrap_err();
        assert_eq!(gone.outcome, Outcome::Vanished);
        let directory = read_file(folder.path(), &mut buffer, 16, 100, |_| true).unwrap_err();
        assert_eq!(directory.outcome, Outcome::Unreadable);
    }

    /// The digests of coreutils are the oracle.
    #[cfg(unix)]
    #[test]
    fn digests_are_those_of_the_system_tools() {
        use crate::source::digest::hex;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, patterned(2 * BLOCK + 5)).unwrap();
        let digests = read_file(&path, &mut ReadBuffer::default(), 16, 100, |_| false).unwrap().digests;
        for (tool, ours) in [
            ("md5sum", hex(&digests.md5)),
            ("sha1sum", hex(&digests.sha1)),
            ("sha256sum", hex(&digests.sha256)),
        ] {
            let Ok(output) = std::process::Command::new(tool).arg(&path).output() else {
                println!("skipped: no {tool}");
                continue;
            };
            assert!(String::from_utf8(output.stdout).unwrap().starts_with(&ours), "{tool}");
        }
    }
}
