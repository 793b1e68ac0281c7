//! The structure of a JPEG file: its frame header, and whether it has an end.
//!
//! The pixel decoder fills what is missing of a truncated file with grey and says nothing. A code of
//! that would be a code of something else, so a file without its end-of-image marker is `corrupt`, as it
//! is an error for the reference's decoder. What follows the end is not looked at.

/// The first frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Frame {
    /// Its marker, 0xC0…0xCF: baseline, progressive, …
    pub marker: u8,
    pub precision: u8,
    pub height: u16,
    pub width: u16,
    pub components: u8,
}

/// What a walk over the markers found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::decode) struct Structure {
    pub frame: Option<Frame>,
    /// There is a scan, and an end-of-image marker behind it.
    pub complete: bool,
}

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Walks the markers of a file that begins with a start-of-image marker.
pub(in crate::decode) fn structure(bytes: &[u8]) -> Structure {
    let mut found = Structure::default();
    let mut scanned = false;
    let mut position = 2;
    while let Some((marker, segment)) = next_marker(bytes, position) {
        match marker {
            END_OF_IMAGE => {
                found.complete = scanned;
                return found;
            }
            // Markers without a segment: restarts, and TEM.
            0xd0..=START_OF_IMAGE | 0x01 => {
                position = segment;
                continue;
            }
            _ => {}
        }
        let Some(length) =
            bytes.get(segment..segment + 2).map(|pair| usize::from(pair[0]) << 8 | usize::from(pair[1]))
        else {
            return found;
        };
        let content = bytes.get(segment + 2..segment + length).unwrap_or_default();
        // 0xC4, 0xC8 and 0xCC are tables and a reserved value among the frame headers.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) && found.frame.is_none() {
            found.frame = frame(marker, content);
        }
        scanned |= marker == START_OF_SCAN;
        position = segment + length.max(2);
    }
    found
}

/// The next marker at or behind `position`, and the offset behind it. In entropy-coded data 0xFF is
/// followed by 0; markers may be preceded by any number of 0xFF.
fn next_marker(bytes: &[u8], mut position: usize) -> Option<(u8, usize)> {
    loop {
        position += memchr::memchr(0xff, bytes.get(position..)?)? + 1;
        match *bytes.get(position)? {
            0x00 => position += 1,
            0xff => {}
            marker => return Some((marker, position + 1)),
        }
    }
}

fn frame(marker: u8, content: &[u8]) -> Option<Frame> {
    let [precision, height_high, height_low, width_high, width_low, components, ..] = *content else {
        return None;
    };
    Some(Frame {
        marker,
        precision,
        height: u16::from(height_high) << 8 | u16::from(height_low),
        width: u16::from(width_high) << 8 | u16::from(width_low),
        components,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;

    fn picture() -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels = image::RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([(x * 6) as u8, (y * 8) as u8, (x ^ y) as u8])
        });
        JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&pixels).unwrap();
        bytes
    }

    #[test]
    fn a_whole_file_is_complete_whatever_follows() {
        let mut bytes = picture();
        let found = structure(&bytes);
        assert!(found.complete);
        let frame = found.frame.unwrap();
        assert_eq!((frame.width, frame.height, frame.components, frame.precision), (40, 30, 3, 8));
        bytes.extend(b"trailing garbage \xff\xd8 and more");
        assert_eq!(structure(&bytes), found);
    }

    #[test]
    fn no_truncation_is_complete() {
        let bytes = picture();
        for length in 2..bytes.len() {
            assert!(!structure(&bytes[..length]).complete, "{length}");
        }
    }

    #[test]
    fn any_bytes_end() {
        let mut bytes = picture();
        for index in 2..bytes.len() {
            bytes[index] = bytes[index].wrapping_mul(31).wrapping_add(index as u8);
            structure(&bytes);
        }
        structure(&[0xff; 1000]);
        structure(b"\xff\xd8\xff\xe0\xff\xff");
        structure(b"\xff\xd8\xff\xe0\0\0\xff\xe0\0\0");
    }
}
