//! The archive format of a package: an uncompressed tar (POSIX ustar) whose every byte is determined by its
//! members.
//!
//! A header holds a member's name and length and nothing else: no time, no owner, no permissions. So the same members give the
//! same bytes, and a reader compares whole headers. Any other header is refused: no links, no folders, no long names, no
//! sparse files, no paths.

/// Bytes of a block: a header is one block, and members are padded to whole blocks.
pub const BLOCK: usize = 512;
/// Two empty blocks end the archive, and nothing follows them.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The largest length that a header has digits for: 8 GiB − 1.
const MAX_OCTAL: u64 = 0o777_7777_7777;
/// Where a header holds the length and the checksum.
const LENGTH: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;

/// The header of a member. Its name has at most 100 bytes.
#[must_use]
pub fn header(name: &str, length: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if length <= MAX_OCTAL {
        put(LENGTH.start, format!("{length:011o}\0").as_bytes());
    } else {
        // As GNU tar writes longer numbers: a set bit, and the number itself, most significant byte first.
        put(LENGTH.start, &[0x80, 0, 0, 0]);
        put(LENGTH.start + 4, &length.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(SUM.start, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The name and length in a header block; `None` if it is not a tar header.
#[must_use]
pub fn stated(block: &[u8; BLOCK]) -> Option<(Vec<u8>, u64)> {
    if !block[257..].starts_with(b"ustar") {
        return None;
    }
    let name = block[..100].split(|byte| *byte == 0).next().unwrap_or_default();
    let length = &block[LENGTH];
    let number = if length[0] == 0x80 {
        length[4..].iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
    } else {
        u64::from_str_radix(std::str::from_utf8(length.strip_suffix(b"\0")?).ok()?, 8).ok()?
    };
    Some((name.to_vec(), number))
}

/// Padding after a member of this length.
#[must_use]
pub fn padding(length: u64) -> usize {
    (length.wrapping_neg() % BLOCK as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_their_member() {
        for length in [0, 1, 511, 512, 513, MAX_OCTAL, MAX_OCTAL + 1, 1 << 40] {
            let block = header("items.jsonl", length);
            assert_eq!(stated(&block), Some((b"items.jsonl".to_vec(), length)));
            assert_eq!((length + padding(length) as u64) % 512, 0);
            assert!(padding(length) < 512);
        }
        assert_eq!(stated(&[0; BLOCK]), None);
    }

    /// Python's tarfile is the oracle.
    #[test]
    fn headers_are_those_of_another_program() {
        let script = "import sys, tarfile\n\
            info = tarfile.TarInfo.frombuf(sys.stdin.buffer.read(), 'utf-8', 'strict')\n\
            print(info.name, info.size, info.mtime, oct(info.mode), info.isreg(), info.uid, info.gid, repr(info.uname))";
        for length in [0, 77, MAX_OCTAL, MAX_OCTAL + 1, 1 << 40] {
            use std::io::Write;
            let mut command = std::process::Command::new("python3");
            let child = command
                .args(["-c", script])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped());
            let Ok(mut child) = child.spawn() else {
                crate::skip::skip("no python3");
                return;
            };
            child.stdin.take().unwrap().write_all(&header("hits.jsonl", length)).unwrap();
            let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            assert_eq!(said, format!("hits.jsonl {length} 0 0o644 True 0 0 ''\n"));
        }
    }
}
