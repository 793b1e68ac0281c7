//! The essential parts of a PNG for its decoder: the chunks that determine its pixels, without descriptive
//! ones.
//!
//! The `image` crate inflates a colour profile as soon as it opens a file, up to its current limit: a few
//! kilobytes can become gigabytes of zeros. Profiles and texts do not affect pixels here, so they are removed
//! before the decoder runs.

use std::borrow::Cow;
use std::ops::Range;

const SIGNATURE: usize = 8;
/// Bytes of a chunk in addition to its data: length, name, checksum.
const AROUND: usize = 12;
/// Longest chunk kept before the pixels: a palette has 768 bytes, transparency 256.
const LONGEST: usize = 1024;

/// The parts of a PNG.
struct Parts {
    /// Chunks before the pixels that affect them, including their framing.
    kept: Vec<Range<usize>>,
    /// Where the pixels begin, or the last readable position if they are missing.
    pixels: usize,
    /// Whether anything was left out.
    shortened: bool,
}

/// The beginning of a PNG up to where its pixels begin: enough for a decoder to determine its size and
/// colours. At most a few kilobytes for any file.
pub(super) fn head(png: &[u8]) -> Vec<u8> {
    let Parts { kept, pixels, .. } = Parts::of(png);
    let mut head = png[..SIGNATURE.min(png.len())].to_vec();
    kept.into_iter().for_each(|chunk| head.extend_from_slice(&png[chunk]));
    // The length and name of the first chunk of pixels.
    head.extend_from_slice(&png[pixels..png.len().min(pixels + 8)]);
    head
}

/// The PNG without descriptive chunks before the pixels; borrowed if there are none.
pub(super) fn without_descriptions(png: &[u8]) -> Cow<'_, [u8]> {
    let Parts { kept, pixels, shortened } = Parts::of(png);
    if !shortened {
        return Cow::Borrowed(png);
    }
    let mut shorter = Vec::with_capacity(png.len());
    shorter.extend_from_slice(&png[..SIGNATURE]);
    kept.into_iter().for_each(|chunk| shorter.extend_from_slice(&png[chunk]));
    shorter.extend_from_slice(&png[pixels..]);
    Cow::Owned(shorter)
}

impl Parts {
    fn of(png: &[u8]) -> Self {
        let mut parts = Self { kept: Vec::new(), pixels: SIGNATURE.min(png.len()), shortened: false };
        while let Some((name, length)) = chunk(&png[parts.pixels..]) {
            let end = parts.pixels.saturating_add(length).saturating_add(AROUND);
            let decisive = matches!(name, b"IHDR" | b"PLTE" | b"tRNS");
            // An upper-case first letter marks a critical chunk. The decoder gets it and reports its faults.
            let critical = name[0].is_ascii_uppercase();
            if end > png.len() || (critical && !decisive) || (decisive && length > LONGEST) {
                break;
            }
            if decisive {
                parts.kept.push(parts.pixels..end);
            } else {
                parts.shortened = true;
            }
            // Each takes effect once; a file that repeats them endlessly is not followed.
            if parts.kept.len() > 8 {
                break;
            }
            parts.pixels = end;
        }
        parts
    }
}

/// Name and data length of the chunk that begins here.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let name = rest.first_chunk::<4>()?;
    Some((name, u32::from_be_bytes(*length) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk; its checksum is not checked here.
    fn made(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes()[..], name, data, &[0; 4]].concat()
    }

    #[test]
    fn what_only_describes_is_left_out() {
        let signature = b"\x89PNG\r\n\x1a\n".to_vec();
        let (header, palette) = (made(b"IHDR", &[1; 13]), made(b"PLTE", &[2; 768]));
        let (profile, text) = (made(b"iCCP", &[3; 5000]), made(b"tEXt", &[4; 90]));
        let (pixels, end) = (made(b"IDAT", &[5; 300]), made(b"IEND", b""));
        let plain = [&signature[..], &header, &palette, &pixels, &text, &end].concat();
        let full = [&signature[..], &header, &profile, &palette, &text, &pixels, &text, &end].concat();
        assert!(matches!(without_descriptions(&plain), Cow::Borrowed(same) if same == plain));
        assert_eq!(without_descriptions(&full), plain);
        assert_eq!(head(&full), head(&plain));
        assert_eq!(head(&plain), plain[..signature.len() + header.len() + palette.len() + 8]);
        // Cut anywhere, nothing is invented: the rest is a part of the plain file.
        for length in 0..full.len() {
            assert!(head(&full[..length]).len() <= plain.len());
            let _ = without_descriptions(&full[..length]);
        }
    }

    #[test]
    fn the_head_is_short_whatever_the_file_holds() {
        let signature = b"\x89PNG\r\n\x1a\n".to_vec();
        for chunk in [made(b"PLTE", &[0; 100_000]), made(b"XXXX", &[0; 100_000]), made(b"tRNS", &[0; 100])] {
            let mut file = signature.clone();
            (0..50).for_each(|_| file.extend_from_slice(&chunk));
            assert!(head(&file).len() < 20 * LONGEST);
        }
    }
}
