//! The structure of a JPEG file: its segments, its frame header, and whether it has an end.
//!
//! The pixel decoder fills the missing part of a truncated file with grey without an error. A hash of that
//! would be a hash of something else, so a file without its end-of-image marker is `corrupt`, as it is an
//! error for the reference's decoder. Bytes after the end are ignored.

/// The relevant markers, by their second byte.
pub(in crate::decode) mod marker {
    pub const BASELINE: u8 = 0xc0;
    pub const EXTENDED: u8 = 0xc1;
    pub const PROGRESSIVE: u8 = 0xc2;
    pub const HUFFMAN_TABLES: u8 = 0xc4;
    pub const FIRST_RESTART: u8 = 0xd0;
    pub const START_OF_IMAGE: u8 = 0xd8;
    pub const END_OF_IMAGE: u8 = 0xd9;
    pub const START_OF_SCAN: u8 = 0xda;
    pub const QUANTISATION_TABLES: u8 = 0xdb;
    pub const NUMBER_OF_LINES: u8 = 0xdc;
    pub const RESTART_INTERVAL: u8 = 0xdd;
    pub const APPLICATION_0: u8 = 0xe0;
    pub const APPLICATION_1: u8 = 0xe1;
    pub const APPLICATION_14: u8 = 0xee;
}

/// A marker with its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Segment<'a> {
    /// Its marker's second byte.
    pub marker: u8,
    /// What follows the length; empty where the file ends before.
    pub content: &'a [u8],
    /// The offset of its marker.
    pub start: usize,
    /// The offset behind it: of a scan's header, its entropy-coded data.
    pub end: usize,
}

/// The segments of a file that begins with a start-of-image marker, up to its end or the end of the image. Entropy-coded data
/// is skipped.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Segments<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Segments<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 2 }
    }

    /// Continues at `offset`, after a scan was read.
    pub const fn seek(&mut self, offset: usize) {
        self.position = offset;
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            let (marker, start) = next_marker(self.bytes, self.position)?;
            // Markers without a segment: the end, and, skipped, restarts, a second start, and TEM.
            match marker {
                marker::END_OF_IMAGE => {
                    self.position = self.bytes.len();
                    return Some(Segment { marker, content: &[], start: start - 2, end: start });
                }
                marker::FIRST_RESTART..=marker::START_OF_IMAGE | 0x01 => {
                    self.position = start;
                    continue;
                }
                _ => {}
            }
            let length = usize::from(u16::from_be_bytes(*self.bytes.get(start..)?.first_chunk()?));
            // The length counts its own two bytes.
            let content = self.bytes.get(start + 2..).filter(|_| length >= 2)?;
            let content = content.get(..length - 2).unwrap_or_default();
            self.position = start + length;
            return Some(Segment { marker, content, start: start - 2, end: self.position });
        }
    }
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

/// Whether a marker is that of a frame header.
pub(super) const fn is_frame(marker: u8) -> bool {
    // 0xC4, 0xC8 and 0xCC are tables and a reserved value among them.
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Where entropy-coded data ends: at the marker behind it, restarts not counted.
pub(super) fn data_end(data: &[u8]) -> usize {
    let mut position = 0;
    while let Some((marker, end)) = next_marker(data, position) {
        if !matches!(marker, marker::FIRST_RESTART..=0xd7) {
            return end - 2;
        }
        position = end;
    }
    data.len()
}

/// The first frame header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Frame {
    /// Its marker, 0xC0…0xCF: baseline, progressive, …
    pub marker: u8,
    pub precision: u8,
    /// From the frame header, or, if that leaves it open, from the number of lines after the first scan.
    pub height: u16,
    pub width: u16,
    pub components: Vec<Component>,
    /// Scans that the file has.
    pub scans: usize,
    /// Blocks that they visit in total.
    pub visits: u64,
    /// Where the segment behind its first scan begins.
    pub first_scan_end: usize,
    /// The offset of the frame header's marker, if it leaves the height open, which then follows the first
    /// scan.
    pub open_at: Option<usize>,
}

impl Frame {
    /// Whether it is a sequential file with components in separate scans.
    pub fn is_apart(&self) -> bool {
        self.marker != marker::PROGRESSIVE && self.scans > 1
    }

    /// The largest factors of its components, at least one.
    pub fn max_factors(&self) -> (u8, u8) {
        let wider =
            |max: (u8, u8), component: &Component| (max.0.max(component.across), max.1.max(component.down));
        self.components.iter().fold((1, 1), wider)
    }

    /// Samples across and down of a component with those of incomplete units.
    pub fn padded(&self, component: &Component) -> (u64, u64) {
        let (max_across, max_down) = self.max_factors();
        let samples = |pixels: u16, factor: u8, max: u8| {
            u64::from(pixels).div_ceil(8 * u64::from(max)) * 8 * u64::from(factor.max(1))
        };
        (samples(self.width, component.across, max_across), samples(self.height, component.down, max_down))
    }

    /// Blocks of a component with those of incomplete units.
    fn blocks_of(&self, component: &Component) -> u64 {
        let (across, down) = self.padded(component);
        across / 8 * (down / 8)
    }

    /// Blocks of all components.
    pub fn blocks(&self) -> u64 {
        self.components.iter().map(|component| self.blocks_of(component)).sum()
    }

    /// Counts a scan with this header. The height may follow the first one, so its blocks are counted at the end.
    fn count_scan(&mut self, content: &[u8], scanned: &mut [u64]) {
        self.scans += 1;
        let Some((&count, selectors)) = content.split_first() else { return };
        for &[id, _] in selectors.as_chunks().0.iter().take(usize::from(count)) {
            let place = self.components.iter().position(|component| component.id == id);
            if let Some(scans) = place.and_then(|place| scanned.get_mut(place)) {
                *scans += 1;
            }
        }
    }

    /// The frame header with this content; `None` where it is malformed.
    pub fn parse(marker: u8, content: &[u8]) -> Option<Self> {
        let [precision, height_high, height_low, width_high, width_low, count, components @ ..] = content
        else {
            return None;
        };
        let (components, _) = components.as_chunks::<3>();
        let component = |&[id, sampling, quantisation]: &[u8; 3]| Component {
            id,
            across: sampling >> 4,
            down: sampling & 15,
            quantisation,
        };
        Some(Self {
            marker,
            precision: *precision,
            height: u16::from_be_bytes([*height_high, *height_low]),
            width: u16::from_be_bytes([*width_high, *width_low]),
            components: components.get(..usize::from(*count))?.iter().map(component).collect(),
            scans: 0,
            visits: 0,
            first_scan_end: 0,
            open_at: None,
        })
    }
}

/// One plane of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Component {
    pub id: u8,
    /// Blocks across and down in a unit of an interleaved scan.
    pub across: u8,
    pub down: u8,
    pub quantisation: u8,
}

/// The result of walking over the markers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decode) struct Structure {
    pub frame: Option<Frame>,
    /// There is a scan, and an end-of-image marker behind it.
    pub complete: bool,
}

/// Walks the markers of a file that begins with a start-of-image marker.
pub(in crate::decode) fn structure(bytes: &[u8]) -> Structure {
    let mut found = Structure::default();
    let mut scanned = false;
    let mut frame_at = None;
    // Of each component, how many scans have it.
    let mut components_scanned = Vec::new();
    for Segment { marker, content, start, .. } in Segments::new(bytes) {
        if let Some(frame) =
            found.frame.as_mut().filter(|frame| frame.scans == 1 && frame.first_scan_end == 0)
        {
            frame.first_scan_end = start;
        }
        match marker {
            marker::END_OF_IMAGE => found.complete = scanned,
            marker::START_OF_SCAN => {
                scanned = true;
                if let Some(frame) = &mut found.frame {
                    frame.count_scan(content, &mut components_scanned);
                }
            }
            marker::NUMBER_OF_LINES => {
                if let (Some(frame), Some(&lines)) = (&mut found.frame, content.first_chunk())
                    && (frame.height, frame.scans) == (0, 1)
                {
                    frame.height = u16::from_be_bytes(lines);
                    frame.open_at = frame_at;
                }
            }
            marker if is_frame(marker) && found.frame.is_none() => {
                found.frame = Frame::parse(marker, content);
                frame_at = Some(start);
                let components = found.frame.as_ref().map_or(0, |frame| frame.components.len());
                components_scanned = vec![0; components];
            }
            _ => {}
        }
    }
    if let Some(frame) = &mut found.frame {
        let visits = frame.components.iter().zip(components_scanned);
        frame.visits = visits.map(|(component, scans)| frame.blocks_of(component) * scans).sum();
    }
    found
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
        let frame = found.frame.clone().unwrap();
        assert_eq!((frame.width, frame.height, frame.components.len(), frame.precision), (40, 30, 3, 8));
        bytes.extend(b"trailing garbage \xff\xd8 and more");
        assert_eq!(structure(&bytes), found);
    }

    #[test]
    fn the_number_of_lines_may_follow_the_first_scan() {
        let mut bytes = picture();
        let frame_at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[frame_at + 5..frame_at + 7].fill(0);
        let end = bytes.len() - 2;
        bytes.splice(end..end, [0xff, 0xdc, 0, 4, 0, 30]);
        let found = structure(&bytes);
        let frame = found.frame.unwrap();
        assert_eq!((found.complete, frame.height), (true, 30));
        assert_eq!(frame.open_at, Some(frame_at));
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
