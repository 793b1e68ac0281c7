//! The essential bytes of a JPEG for its pixel decoder: the segments that determine its pixels, as parsed
//! here.
//!
//! Decoders disagree about where segments begin in a damaged header, and a decoder that saw another frame than the one whose
//! memory was granted could allocate without limit. So it gets the segments found here, one directly after the other.
//! Descriptive segments are left out: extended XMP costs `zune-jpeg` quadratic time. Bytes after the end of the image are left
//! out too, and a height after the first scan is moved into the frame header.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::structure::{Frame, Segment, Segments, data_end, marker};

/// Reads a JPEG's essential bytes.
#[derive(Debug)]
pub(in crate::decode) struct Essential<'a> {
    bytes: &'a [u8],
    frame: &'a Frame,
    segments: Segments<'a>,
    /// The segment that is read after the current piece.
    next: Option<Segment<'a>>,
    /// The current piece, and how much of it was read.
    piece: Cow<'a, [u8]>,
    read: usize,
}

impl<'a> Essential<'a> {
    /// A reader for a file with this frame.
    pub fn of(bytes: &'a [u8], frame: &'a Frame) -> Self {
        let mut segments = Segments::new(bytes);
        let next = segments.next();
        let start = &bytes[..bytes.len().min(2)];
        Self { bytes, frame, segments, next, piece: Cow::Borrowed(start), read: 0 }
    }

    /// The next segment that counts, a scan with its data; `None` at the end.
    fn next_piece(&mut self) -> Option<Cow<'a, [u8]>> {
        loop {
            let segment = self.next.take()?;
            let Segment { marker, start, end, .. } = segment;
            self.next = self.segments.next();
            let whole = self.bytes.get(start..end);
            match marker {
                marker::START_OF_SCAN => {
                    if !self.frame.is_apart() && self.frame.marker != marker::PROGRESSIVE {
                        // A decoder that finds another marker than the end while it reads ahead loses the
                        // last blocks.
                        let is_end = |next: &Segment<'_>| next.marker == marker::END_OF_IMAGE;
                        self.next = self.next.filter(is_end).or_else(|| self.segments.find(is_end));
                    }
                    let data = self.bytes.get(end..).unwrap_or_default();
                    return self.bytes.get(start..end + data_end(data)).map(Cow::Borrowed);
                }
                0xc0..=0xcf if self.frame.open_at == Some(start) => {
                    let mut header = whole?.to_vec();
                    // Marker, length and precision come before it.
                    header.get_mut(5..7)?.copy_from_slice(&self.frame.height.to_be_bytes());
                    return Some(Cow::Owned(header));
                }
                0xc0..=0xcf
                | marker::QUANTISATION_TABLES
                | marker::RESTART_INTERVAL
                | marker::END_OF_IMAGE
                | marker::APPLICATION_0
                | marker::APPLICATION_14 => {
                    // A truncated one counts as far as it goes.
                    return whole.or(self.bytes.get(start..)).map(Cow::Borrowed);
                }
                _ => {}
            }
        }
    }
}

impl Read for Essential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }

    /// In one call, so that the buffer need not grow beyond the file.
    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        buffer.try_reserve_exact(self.bytes.len())?;
        let before = buffer.len();
        loop {
            let piece = self.fill_buf()?;
            if piece.is_empty() {
                return Ok(buffer.len() - before);
            }
            buffer.extend_from_slice(piece);
            let count = piece.len();
            self.consume(count);
        }
    }
}

impl BufRead for Essential<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.read == self.piece.len() {
            match self.next_piece() {
                Some(piece) => (self.piece, self.read) = (piece, 0),
                None => return Ok(&[]),
            }
        }
        Ok(&self.piece[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
    }
}

/// Decoders ask for it and do not use it.
impl Seek for Essential<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
