//! `zune-jpeg` 0.5.15 for most JPEGs and those in TIFFs, `jpeg-decoder` 0.3.2 for those with components in
//! separate scans.
//!
//! Both loop over all blocks of a scan whether there is data for them or not, so a scan of ten bytes costs as much as
//! the picture. The number of visits is bounded here.

use super::header::{Header, TABLES, corrupt};
use crate::decode::jpeg::structure::{Frame, marker, structure};
use crate::outcome::{Failure, Outcome, Stage};

/// Free visits of blocks: 16 for each block of the picture. Encoders write ten scans, which visit each block six times; a
/// run of blocks without coefficients takes almost no bytes in any of them.
const FREE_VISITS: u64 = 16;
/// Further visits for each byte of the file. A byte of coefficients holds at most eight blocks; runs of empty
/// blocks need more.
const VISITS_PER_BYTE: u64 = 256;
/// Scans of a progressive file: the decoder itself takes no more.
const MAX_SCANS: usize = 100;

/// Checks what a JPEG's structure alone decides.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Failure> {
    let structure = structure(bytes);
    let frame = structure.frame.ok_or_else(|| corrupt("no frame header: truncated or damaged"))?;
    let unsupported = |reason: &str| Failure::new(Outcome::Unsupported, Stage::Decode, reason);
    match frame.marker {
        marker::BASELINE..=marker::PROGRESSIVE => {}
        0xc9 | 0xca | 0xcd..=0xcf => return Err(unsupported("arithmetic-coded JPEG")),
        0xc3 | 0xc7 | 0xcb => return Err(unsupported("lossless JPEG")),
        _ => return Err(unsupported("hierarchical JPEG")),
    }
    if frame.precision != 8 {
        return Err(unsupported("JPEG with more than 8 bits per sample"));
    }
    if !structure.complete {
        return Err(corrupt("no end-of-image marker: the file is truncated"));
    }
    if frame.width == 0 || frame.height == 0 {
        return Err(corrupt("a picture without width or height"));
    }
    let file = bytes.len() as u64;
    // The decoder keeps a copy of the file.
    let pixel_bytes = file + if frame.is_apart() { apart_bytes(&frame) } else { decoder_bytes(&frame) };
    let mut header = Header::sized(u32::from(frame.width), u32::from(frame.height), pixel_bytes);
    if let Some(reason) = too_much_work(&frame, file) {
        header = header.refused(reason);
    }
    header.frame = Some(frame);
    Ok(header)
}

/// Why the scans of a file are too many for its bytes and blocks.
fn too_much_work(frame: &Frame, file: u64) -> Option<String> {
    let (scans, components) = (frame.scans, frame.components.len());
    if frame.marker != marker::PROGRESSIVE {
        // Each component has one scan.
        return (scans > components)
            .then(|| format!("{scans} scans of {components} components; each may have one"));
    }
    let allowed = FREE_VISITS * frame.blocks() + VISITS_PER_BYTE * file;
    if scans > MAX_SCANS {
        Some(format!("{scans} scans; {MAX_SCANS} are allowed"))
    } else if frame.visits > allowed {
        Some(format!("{scans} scans visit {} blocks; {allowed} are allowed for {file} bytes", frame.visits))
    } else {
        None
    }
}

/// The memory of `zune-jpeg` with its output: rows of samples, and all coefficients of a progressive file.
pub(super) fn decoder_bytes(frame: &Frame) -> u64 {
    let pixels = u64::from(frame.width) * u64::from(frame.height);
    let (max_across, max_down) = frame.max_factors();
    let mut bytes = pixels * if frame.components.len() == 1 { 1 } else { 3 } + TABLES;
    for component in &frame.components {
        let (across, down) = (u64::from(component.across.max(1)), u64::from(component.down.max(1)));
        // Samples that one sample of the component expands to.
        let ratio = (u64::from(max_across) / across).max(1) * (u64::from(max_down) / down).max(1);
        let (stride, rows) = frame.padded(component);
        // Eight rows per block, the rows above and below, the upsampled rows and one line; two bytes per sample.
        bytes += 2 * stride * (10 * down + down * ratio + 16 * ratio + 8);
        if frame.marker == marker::PROGRESSIVE {
            bytes += 2 * stride * rows;
        }
    }
    bytes
}

/// The memory of `jpeg-decoder` with its output: a plane of each component, and the coefficients that its other thread has not
/// transformed yet, which may be all.
fn apart_bytes(frame: &Frame) -> u64 {
    let pixels = u64::from(frame.width) * u64::from(frame.height);
    let samples = |component| {
        let (stride, rows) = frame.padded(component);
        stride * rows
    };
    let planes: u64 = frame.components.iter().map(samples).sum();
    pixels * frame.components.len() as u64 + planes * 3 + u64::from(frame.width) * 64 + TABLES
}

/// The frame of a JPEG that is a strip or a tile of a TIFF, read as strictly as its standard writes it: tables, one frame and one
/// scan of all components, each segment directly after the other. `None` for any other JPEG.
pub(super) fn strip(bytes: &[u8]) -> Option<Frame> {
    let mut frame: Option<Frame> = None;
    for (marker, content) in (Strict { bytes, at: 2 }) {
        match marker {
            marker::BASELINE | marker::EXTENDED if frame.is_none() => frame = Frame::parse(marker, content),
            marker::START_OF_SCAN => {
                let whole = |frame: &Frame| content.first() == Some(&(frame.components.len() as u8));
                return frame
                    .filter(whole)
                    .filter(|frame| frame.precision == 8 && frame.components.len() <= 4);
            }
            _ if is_table(marker) => {}
            _ => return None,
        }
    }
    None
}

/// Whether these are the tables that strips of a TIFF share, and nothing else. The decoder leaves out the last two bytes.
pub(super) fn are_tables(bytes: &[u8]) -> bool {
    let Some(inner) = bytes.len().checked_sub(2).map(|end| &bytes[..end]) else { return false };
    let mut segments = Strict { bytes: inner, at: 2 };
    inner.starts_with(b"\xff\xd8")
        && segments.by_ref().all(|(marker, _)| is_table(marker))
        && segments.at == inner.len()
}

/// Tables, a restart interval, and descriptive segments.
const fn is_table(marker: u8) -> bool {
    matches!(
        marker,
        marker::HUFFMAN_TABLES
            | marker::QUANTISATION_TABLES
            | marker::RESTART_INTERVAL
            | marker::APPLICATION_0..=0xef | 0xfe
    )
}

/// Segments that follow each other without a gap.
struct Strict<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Strict<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [0xff, marker, high, low] = *self.bytes.get(self.at..)?.first_chunk()? else { return None };
        let end = self.at + 2 + usize::from(u16::from_be_bytes([high, low]));
        let content = self.bytes.get(self.at + 4..end)?;
        self.at = end;
        Some((marker, content))
    }
}
