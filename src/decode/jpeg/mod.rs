//! JPEG files: their structure, and their tile without their pixels.
//!
//! PDQ reduces a picture by a filter to 64×64 samples, so of each block of 8×8 pixels only the lowest frequencies matter. The
//! file already holds these: [`projection`] applies the filter to the coefficients themselves, and no pixel is ever computed.
//! What remains is to walk the entropy-coded bits ([`baseline`]), in several places at a time ([`strands`]), or, in a
//! progressive file, the scans with low frequencies ([`progressive`]), with [`huffman`] tables that decode several symbols a
//! look-up. Chroma is only skipped. Small pictures need all coefficients, and computing [`samples`] of them is as fast.
//!
//! The reader handles complete, ordinary files. It leaves everything unusual or damaged to the pixel decoder, with a
//! reason, and never guesses.

mod baseline;
mod bits;
mod channel;
mod cosines;
mod dispatch;
pub(super) mod essential;
mod gamut;
mod gather;
mod huffman;
mod plan;
mod progressive;
mod projection;
mod rows;
mod samples;
mod scan;
mod spots;
mod step_tables;
mod steps;
mod strands;
mod stretch;
pub(super) mod structure;
mod tables;
mod transform;
#[cfg(target_arch = "x86_64")]
mod transform_avx2;
mod unread;
mod zigzag;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

pub(super) use plan::MAX_UNSTABLE_BITS;
pub use plan::Reading;

use super::PixelsWanted;
use crate::pdq::Tile;
use channel::Channel;
use plan::Wanted;
use progressive::Plane;
use projection::Axis;
use scan::{Grid, Scan};
use spots::Spots;
use structure::{Component, Frame, Segment, Segments, marker};
use tables::Tables;
use unread::Unread;
use zigzag::{BLOCK, Kept};

/// Maximum bits that encoders leave to later scans. A fault in an unread scan goes unnoticed, although a decoder stops at it and the
/// missing bits stay missing.
const MAX_LEFT: u32 = 3;
/// Axes that a thread caches: the pictures of a camera have two lengths.
const CACHED_AXES: usize = 16;

thread_local! {
    static AXES: RefCell<Vec<Rc<Axis>>> = const { RefCell::new(Vec::new()) };
}

/// The weights of a length from this thread's cache, computed if necessary.
fn axis(length: usize) -> Rc<Axis> {
    AXES.with_borrow_mut(|axes| {
        // Most recently used first.
        match axes.iter().position(|axis| axis.length() == length) {
            Some(index) => axes[..=index].rotate_right(1),
            None => {
                axes.truncate(CACHED_AXES - 1);
                axes.insert(0, Rc::new(Axis::new(length)));
            }
        }
        Rc::clone(&axes[0])
    })
}

/// The share of luminance, in thousandths, of each component of a frame that the reader supports.
fn luminance(frame: &Frame, colours: &Colours) -> Result<&'static [u32], PixelsWanted> {
    let unit_of = |index: usize| (frame.components[index].across, frame.components[index].down);
    let within = |factor: u8| (1..=4).contains(&factor);
    let possible = |component: &Component| {
        within(component.across) && within(component.down) && component.quantisation < 4
    };
    if !frame.components.iter().all(possible) {
        return Err("invalid components".into());
    }
    let weights: &[u32] = match frame.components.len() {
        1 => &[1000],
        3 if colours.is_rgb(frame)? => &[299, 587, 114],
        3 => &[1000],
        4 => return Err("four colour components".into()),
        _ => return Err("an unusual number of colour components".into()),
    };
    let factors = frame
        .components
        .iter()
        .fold((1, 1), |factors, component| (factors.0.max(component.across), factors.1.max(component.down)));
    if (0..weights.len()).any(|index| unit_of(index) != factors) {
        return Err("luminance below the picture's resolution".into());
    }
    let blocks: u32 = frame
        .components
        .iter()
        .map(|component| u32::from(component.across) * u32::from(component.down))
        .sum();
    // The standard's own bound for interleaved scans.
    if frame.components.len() > 1 && blocks > 10 {
        Err("more than ten blocks per unit".into())
    } else {
        Ok(weights)
    }
}

/// The colour information in application segments.
#[derive(Clone, Copy, Debug, Default)]
struct Colours {
    jfif: bool,
    adobe_transform: Option<u8>,
}

impl Colours {
    fn note(&mut self, Segment { marker, content, .. }: Segment<'_>) {
        match marker {
            marker::APPLICATION_0 if content.starts_with(b"JFIF\0") => self.jfif = true,
            marker::APPLICATION_14 if content.starts_with(b"Adobe") => {
                self.adobe_transform = content.get(11).copied().or(self.adobe_transform);
            }
            _ => {}
        }
    }

    /// Whether three components are red, green and blue instead of luminance and chroma.
    fn is_rgb(self, frame: &Frame) -> Result<bool, PixelsWanted> {
        let named = frame.components.iter().map(|component| component.id).eq(*b"RGB");
        match (self.jfif, self.adobe_transform, named) {
            (_, None | Some(1), false) => Ok(false),
            (false, None | Some(0), true) | (false, Some(0), false) => Ok(true),
            // Decoders disagree.
            _ => Err("contradicting colour information".into()),
        }
    }
}

/// Bytes needed to read a file in addition to the file itself: a few rows of blocks, and of a progressive file the kept
/// coefficients. `None` if it is not read.
pub(super) fn memory(frame: &Frame) -> Option<u64> {
    let reading = Reading::usual(frame)?;
    let blocks = u64::from(frame.width).div_ceil(32) * 4 * (u64::from(frame.height).div_ceil(32) * 4);
    // Tables, weights, a stretch of data with its blocks' coefficients, and four rows of blocks of three
    // components, generously.
    let rows = u64::from(frame.width) * 3 * 16 * 4 + (8 << 20);
    let planes = if frame.marker == marker::PROGRESSIVE {
        frame.components.len() as u64 * progressive::plane_bytes(blocks, reading.wanted()) + blocks * 4
    } else {
        0
    };
    Some(rows + planes)
}

/// The result of reading a file.
#[derive(Debug)]
pub(super) struct Read {
    pub tile: Box<Tile>,
    /// The root mean square difference between the tile and its pixels, in the tile's own units, if it was
    /// checked.
    pub error: u32,
    /// Why its tile must not be trusted.
    pub distrust: Option<&'static str>,
    /// The quantisation steps of its luminance's first coefficients, together, where samples beyond black and white were not
    /// clipped.
    uncut_steps: u16,
}

impl Read {
    /// Whether it overshoots white so much that it should be read [whole](Reading::whole).
    pub fn overshoots(&self) -> bool {
        plan::overshoots(&self.tile, self.uncut_steps)
    }
}

/// Reads a whole file with the given frame into a tile. All segments are checked, so that a file whose later scans lack tables
/// does not pass as complete; the data of unneeded scans is not.
///
/// # Errors
/// If it must be decoded to pixels instead; the error gives the reason.
pub(super) fn read(bytes: &[u8], frame: &Frame, reading: Reading) -> Result<Read, PixelsWanted> {
    if !matches!(frame.marker, marker::BASELINE | marker::EXTENDED | marker::PROGRESSIVE)
        || frame.precision != 8
    {
        return Err("a kind of JPEG that is not read from coefficients".into());
    }
    let mut file = File::new(bytes, frame, reading);
    let mut segments = Segments::new(bytes);
    let mut colours = Colours::default();
    let mut frames = 0;
    while let Some(segment) = segments.next() {
        match segment.marker {
            // Decoders disagree about when these take effect.
            marker::QUANTISATION_TABLES | marker::APPLICATION_0 | marker::APPLICATION_14 if file.began => {
                return Err("tables or colour information between scans".into());
            }
            marker::QUANTISATION_TABLES => {
                file.tables.define_quantisation(segment.content).ok_or("malformed quantisation tables")?;
            }
            marker::HUFFMAN_TABLES => {
                file.tables.define_huffman(segment.content).ok_or("malformed Huffman tables")?;
            }
            marker::RESTART_INTERVAL => {
                let interval = segment.content.first_chunk().ok_or("a malformed restart interval")?;
                file.tables.restart_interval = usize::from(u16::from_be_bytes(*interval));
            }
            marker::START_OF_SCAN if frames == 0 => return Err("a scan before the frame header".into()),
            marker::START_OF_SCAN => {
                if !file.began {
                    file.begin(luminance(frame, &colours)?)?;
                }
                let taken = file.scan(segment)?;
                segments.seek(segment.end + taken);
            }
            marker::END_OF_IMAGE => break,
            marker if structure::is_frame(marker) => {
                frames += 1;
                if frames > 1 {
                    return Err("more than one frame header".into());
                }
            }
            _ => colours.note(segment),
        }
    }
    file.finish()
}

/// A file that is being read.
struct File<'a> {
    bytes: &'a [u8],
    frame: &'a Frame,
    tables: Tables,
    wanted: Wanted,
    /// Whether a scan was seen.
    began: bool,
    /// Components of luminance; for a sequential file, the number of those read.
    channels: Vec<Channel>,
    finished: Vec<usize>,
    /// Components that had a scan.
    scanned: Vec<bool>,
    /// Their coefficients, of a progressive file.
    planes: Vec<Plane>,
    /// The components of luminance with their thousandths.
    luminance: &'static [u32],
    /// The spots compared with pixels.
    spots: Spots,
    /// In a progressive file, from the data of the first scan to that of the last scan read.
    scans: Range<usize>,
    /// For each component and coefficient of a progressive file, the bits left out so far.
    left: [[u8; BLOCK]; 4],
    /// The energy in unread scans of a progressive file, by component.
    unread: [Unread; 4],
}

impl<'a> File<'a> {
    fn new(bytes: &'a [u8], frame: &'a Frame, reading: Reading) -> Self {
        Self {
            bytes,
            frame,
            tables: Tables::new(bytes.len()),
            wanted: reading.wanted(),
            began: false,
            channels: Vec::new(),
            finished: Vec::new(),
            scanned: vec![false; frame.components.len()],
            planes: Vec::new(),
            luminance: &[],
            spots: Spots::none(),
            scans: 0..0,
            left: [[progressive::ALL_BITS; BLOCK]; 4],
            unread: [Unread::default(); 4],
        }
    }

    fn is_progressive(&self) -> bool {
        self.frame.marker == marker::PROGRESSIVE
    }

    /// Allocates memory, once it is known which components are luminance.
    fn begin(&mut self, luminance: &'static [u32]) -> Result<(), PixelsWanted> {
        let blocks = usize::from(self.frame.width).div_ceil(8) * usize::from(self.frame.height).div_ceil(8);
        // A block takes at least one bit: a small file that declares a huge picture gets no memory.
        if blocks > self.bytes.len() * 8 {
            return Err("less data than blocks".into());
        }
        self.began = true;
        self.luminance = luminance;
        if self.is_progressive() {
            // Only the means of large pictures' chroma are read.
            let means = Wanted { kept: Kept::ONE, refined: false };
            let wanted = |component| {
                let is_whole = component < luminance.len() || self.wanted.kept == Kept::ALL;
                if is_whole { self.wanted } else { means }
            };
            let planes = (0..self.frame.components.len())
                .map(|component| Plane::new(component, self.frame, wanted(component)));
            self.planes = planes.collect();
        }
        Ok(())
    }

    /// The channel of a component, with the quantisation defined at this point.
    fn channel(&self, component: usize) -> Result<Channel, PixelsWanted> {
        let number = self.frame.components[component].quantisation;
        let steps = self.tables.quantisation(number).ok_or("a missing quantisation table")?;
        Channel::new(component, self.luminance[component], self.frame, self.wanted.kept, steps, axis)
    }

    /// Reads or skips a scan; returns the bytes of its data that were read.
    fn scan(&mut self, segment: Segment<'_>) -> Result<usize, PixelsWanted> {
        let scan = Scan::parse(segment.content, self.frame).ok_or("a malformed scan header")?;
        let data = self.bytes.get(segment.end..).unwrap_or_default();
        for component in &scan.components {
            self.scanned[component.index] = true;
            let number = self.frame.components[component.index].quantisation;
            self.tables.quantisation(number).ok_or("a missing quantisation table")?;
        }
        if !scan.has_tables(&self.tables, self.is_progressive()) {
            return Err("a scan without its tables".into());
        }
        // A component's first scan fixes its quantisation table.
        let first = self.channels.len();
        for component in 0..self.luminance.len() {
            let known = self.channels.iter().any(|channel| channel.component == component);
            if scan.has(component) && !known {
                let channel = self.channel(component)?;
                self.channels.push(channel);
            }
        }
        if self.is_progressive() {
            let fits = if scan.first == 0 { scan.last == 0 } else { scan.components.len() == 1 };
            if !fits {
                return Err("a scan that is invalid in a progressive file".into());
            }
            let taken = self.progressive_scan(&scan, data)?;
            let begun = if self.scans.is_empty() { segment.end } else { self.scans.start };
            self.scans = begun..segment.end + taken;
            return Ok(taken);
        }
        if (scan.first, scan.last, scan.left_before, scan.left) != (0, 63, 0, 0) {
            return Err("a scan that is invalid in a sequential file".into());
        }
        if (0..self.luminance.len())
            .any(|component| scan.has(component) && self.finished.contains(&component))
        {
            return Err("a component with two scans".into());
        }
        if first == self.channels.len() {
            return Ok(0);
        }
        let grid = Grid::new(&scan, self.frame);
        let rgb = self.luminance.len() > 1;
        let seed = self.bytes.get(segment.end..self.frame.first_scan_end).ok_or("not the first scan")?;
        let spots = Spots::new(seed, &scan, &grid, self.frame, &self.tables, self.wanted.kept, rgb);
        self.spots = spots.ok_or("a sampling that decoders disagree on")?;
        let channels = &mut self.channels[first..];
        self.finished.extend(channels.iter().map(|channel| channel.component));
        baseline::read(data, &scan, &grid, &self.tables, self.wanted.kept, channels, &mut self.spots)
    }

    /// Reads a scan of a progressive file, or estimates what it may hold; returns the bytes consumed. Bytes after a stray marker
    /// are not part of its data: the pixel decoder does not see them, and they must not dilute the estimate.
    fn progressive_scan(&mut self, scan: &Scan, data: &[u8]) -> Result<usize, PixelsWanted> {
        for component in &scan.components {
            progressive::note(scan, &mut self.left[component.index])?;
        }
        let component = scan.components[0];
        let mut taken = 0;
        let is_passed = self.wanted.kept != Kept::ALL;
        if is_passed && scan.left_before == 0 && scan.left > MAX_LEFT {
            return Err("a progressive file that leaves more bits to later scans than encoders do".into());
        }
        if is_passed && scan.first > 0 {
            let number = self.frame.components[component.index].quantisation;
            let steps = self.tables.quantisation(number).ok_or("a missing quantisation table")?;
            let table = scan.ac(&component, &self.tables).ok_or("a scan without its tables")?;
            taken = structure::data_end(data);
            let blocks = self.planes.iter().find(|plane| plane.component() == component.index);
            let blocks = blocks.map_or(0, Plane::blocks);
            self.unread[component.index].add(scan, &data[..taken], table, steps, blocks)?;
        }
        let wanted = |plane: &Plane| scan.has(plane.component()) && plane.wants(scan) && !plane.is_complete();
        if self.planes.iter().any(wanted) {
            taken = progressive::read(data, scan, self.frame, &self.tables, &mut self.planes)?;
        }
        Ok(taken)
    }

    fn finish(mut self) -> Result<Read, PixelsWanted> {
        if !self.began || self.scanned.contains(&false) {
            return Err("a component without a scan".into());
        }
        if self.is_progressive()
            && self.left[..self.frame.components.len()].iter().flatten().any(|&left| left != 0)
        {
            // A decoder treats missing bits as zeros; this reader expects them.
            return Err("an incomplete progressive file".into());
        }
        let mut distrust = None;
        let luminance = self.luminance.len();
        for plane in &self.planes {
            let is_luminance = plane.component() < luminance;
            if self.unread[plane.component()].is_too_much(plane.blocks(), is_luminance) {
                distrust = Some("more in unread scans than pictures have");
            }
            if !is_luminance {
                continue;
            }
            let channel = self.channels.iter_mut().find(|channel| channel.component == plane.component());
            let channel = channel.ok_or("a component without a scan")?;
            plane.fold(channel)?;
        }
        let mut error = 0;
        if self.is_progressive() && self.wanted.kept == Kept::ALL {
            self.look_at_planes()?;
        } else if self.is_progressive() {
            error = self.gamut_error()?;
        }
        let uncut_steps = self.channels.iter().map(Channel::uncut_steps).max().unwrap_or(0);
        if self.channels.iter().any(Channel::is_beyond) || self.spots.is_beyond() {
            distrust = Some("samples that decoders clip differently");
        }
        let tile = Channel::tile(self.channels)?;
        Ok(Read { error: error.max(self.spots.error(&tile)), tile, distrust, uncut_steps })
    }

    /// Compares spots of a completely read progressive file.
    ///
    /// # Errors
    /// If what is to be compared is missing.
    fn look_at_planes(&mut self) -> Result<(), PixelsWanted> {
        let scan = Scan::of_all(self.frame);
        let grid = Grid::new(&scan, self.frame);
        let seed = self.bytes.get(self.scans.clone()).ok_or("a scan without data")?;
        let rgb = self.luminance.len() > 1;
        let spots = Spots::new(seed, &scan, &grid, self.frame, &self.tables, Kept::ALL, rgb);
        self.spots = spots.ok_or("a sampling that decoders disagree on")?;
        self.spots.look_at(&grid, &self.planes).ok_or("an incomplete component")?;
        Ok(())
    }

    /// The difference between luminance and that of clipped red, green and blue, in the tile's own units.
    ///
    /// # Errors
    /// If a quantisation table is missing.
    fn gamut_error(&self) -> Result<u32, PixelsWanted> {
        let Ok(planes) = <&[Plane; 3]>::try_from(&self.planes[..]) else { return Ok(0) };
        if self.luminance.len() > 1 {
            return Ok(0);
        }
        let mut steps = [0; 3];
        for (step, component) in steps.iter_mut().zip(&self.frame.components) {
            let table = self.tables.quantisation(component.quantisation);
            *step = table.ok_or("a missing quantisation table")?[0];
        }
        Ok(gamut::error(self.frame, planes, steps))
    }
}
