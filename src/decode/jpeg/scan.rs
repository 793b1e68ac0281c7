//! The header of a scan, and the position of its blocks in the picture.

use std::rc::Rc;

use super::huffman::{AcTable, DcTable};
use super::structure::Frame;
use super::tables::Tables;
use super::zigzag::BLOCK;

/// Why a scan with invalid bits is left to the pixel decoder.
pub(super) const DAMAGED: &str = "an invalid symbol, or data that ends early or late";

/// A scan's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub components: Vec<ScanComponent>,
    /// First and last coefficient, in the order of the file.
    pub first: usize,
    pub last: usize,
    /// Bits that earlier scans left out of the coefficients, and that this one still leaves out. Before the first scan
    /// of a coefficient all are left out, which is written as 0.
    pub left_before: u32,
    pub left: u32,
}

/// One component of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanComponent {
    /// Its index in the frame.
    pub index: usize,
    /// Numbers of its tables.
    dc: u8,
    ac: u8,
}

impl Scan {
    /// `None` if the header is malformed or contradicts the frame.
    pub fn parse(content: &[u8], frame: &Frame) -> Option<Self> {
        let (&count, rest) = content.split_first()?;
        let (selectors, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let [first, last, bits] = *<&[u8; 3]>::try_from(rest).ok()?;
        let components = selectors.as_chunks().0.iter().map(|&[id, tables]| {
            let index = frame.components.iter().position(|component| component.id == id)?;
            Some(ScanComponent { index, dc: tables >> 4, ac: tables & 15 })
        });
        let scan = Self {
            components: components.collect::<Option<_>>()?,
            first: usize::from(first),
            last: usize::from(last),
            left_before: u32::from(bits >> 4),
            left: u32::from(bits & 15),
        };
        // As the standard requires; decoders accept components in another order, which then decides what is
        // luminance.
        let in_order = scan.components.is_sorted_by(|one, other| one.index < other.index);
        let valid = (1..=4).contains(&scan.components.len())
            && in_order
            && scan.first <= scan.last
            && scan.last < BLOCK
            // Bits are refined one at a time.
            && scan.left <= 13
            && (scan.left_before == 0 || scan.left_before == scan.left + 1);
        valid.then_some(scan)
    }

    /// A hypothetical scan of all components of a frame, for the grid of its blocks.
    pub fn of_all(frame: &Frame) -> Self {
        let components = (0..frame.components.len()).map(|index| ScanComponent { index, dc: 0, ac: 0 });
        Self { components: components.collect(), first: 0, last: BLOCK - 1, left_before: 0, left: 0 }
    }

    /// Whether it has a component.
    pub fn has(&self, index: usize) -> bool {
        self.components.iter().any(|component| component.index == index)
    }

    /// Whether the tables for its data are defined.
    pub fn has_tables(&self, tables: &Tables, progressive: bool) -> bool {
        let (dc, ac) = (self.first == 0 && self.left_before == 0, self.last > 0 || !progressive);
        self.components.iter().all(|component| {
            (!dc || self.dc(component, tables).is_some()) && (!ac || self.ac(component, tables).is_some())
        })
    }

    /// The DC table of a component.
    pub fn dc<'t>(&self, component: &ScanComponent, tables: &'t Tables) -> Option<&'t Rc<DcTable>> {
        tables.dc(component.dc)
    }

    /// The AC table of a component.
    pub fn ac<'t>(&self, component: &ScanComponent, tables: &'t Tables) -> Option<&'t Rc<AcTable>> {
        tables.ac(component.ac)
    }
}

/// The positions of a scan's units (one block, or, interleaved, some of each component) in the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub units_across: usize,
    pub units_down: usize,
    /// The blocks of a unit, in the order of the file.
    pub blocks: Vec<UnitBlock>,
}

/// One block of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnitBlock {
    /// Its component's index in the scan.
    pub slot: usize,
    /// Its position in the unit, and the unit's width and height in blocks of its component.
    pub x: usize,
    pub y: usize,
    pub across: usize,
    pub down: usize,
}

impl Grid {
    /// The grid of a scan.
    pub fn new(scan: &Scan, frame: &Frame) -> Self {
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        let max_across =
            frame.components.iter().map(|component| component.across).max().map_or(1, usize::from);
        let max_down = frame.components.iter().map(|component| component.down).max().map_or(1, usize::from);
        if let [component] = scan.components[..] {
            let component = frame.components[component.index];
            let samples =
                |pixels: usize, factor: u8, max: usize| (pixels * usize::from(factor)).div_ceil(max);
            return Self {
                units_across: samples(width, component.across, max_across).div_ceil(8),
                units_down: samples(height, component.down, max_down).div_ceil(8),
                blocks: vec![UnitBlock { slot: 0, x: 0, y: 0, across: 1, down: 1 }],
            };
        }
        let mut blocks = Vec::new();
        for (slot, component) in scan.components.iter().enumerate() {
            let component = frame.components[component.index];
            let (across, down) = (usize::from(component.across), usize::from(component.down));
            for y in 0..down {
                blocks.extend((0..across).map(|x| UnitBlock { slot, x, y, across, down }));
            }
        }
        Self {
            units_across: width.div_ceil(8 * max_across),
            units_down: height.div_ceil(8 * max_down),
            blocks,
        }
    }
}

/// Counts units up to the next restart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restarts {
    interval: usize,
    left: usize,
    passed: usize,
}

impl Restarts {
    /// A restart every `interval` units; 0 for none.
    pub const fn every(interval: usize) -> Self {
        Self { interval, left: interval, passed: 0 }
    }

    /// To be called before each unit: the number of the restart before it, if any.
    #[inline(always)]
    pub const fn due(&mut self) -> Option<usize> {
        if self.interval == 0 {
            return None;
        }
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        self.left = self.interval - 1;
        self.passed += 1;
        Some(self.passed - 1)
    }

    /// Units up to the next restart, counted from the unit that [`Restarts::due`] was last called for.
    pub const fn ahead(&self) -> usize {
        if self.interval == 0 { usize::MAX } else { self.left }
    }

    /// Skips `units` without calls of [`Restarts::due`].
    pub const fn pass(&mut self, units: usize) {
        self.left = self.left.saturating_sub(units);
    }
}
