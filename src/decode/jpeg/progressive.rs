//! Scans of progressive JPEGs: only those needed for the kept coefficients are read.
//!
//! Early scans hold the mean and the lowest frequencies of every block, to less than full precision; later ones the rest, and
//! one more bit of everything. The kept coefficients of the whole picture are held until the relevant scans were read.

use super::bits::{BitReader, Source};
use super::channel::Channel;
use super::dispatch::{self, Task};
use super::huffman::{AcSymbol, AcTable, DcTable};
use super::plan::Wanted;
use super::projection::COEFFICIENT_LIMIT;
use super::scan::{DAMAGED, Grid, Restarts, Scan, UnitBlock};
use super::steps::{self, Cursor, LEFT, LEFT_BITS, WRONG};
use super::structure::Frame;
use super::tables::Tables;
use super::zigzag::{BLOCK, Kept};
use crate::decode::PixelsWanted;

/// Bits left out of a coefficient before its first scan.
pub(super) const ALL_BITS: u8 = u8::MAX;

/// The kept coefficients of one component, as read so far.
#[derive(Debug)]
pub(super) struct Plane {
    /// Its index in the frame.
    component: usize,
    wanted: Wanted,
    /// Blocks of a row, those of incomplete units included.
    across: usize,
    /// [`Kept::stride`] numbers a block.
    numbers: Vec<i16>,
    /// For each block a bit for each coefficient that is not zero; empty where no refinement is read.
    nonzero: Vec<u64>,
    /// For each coefficient of the block, the bits that are still left out.
    left: [u8; BLOCK],
}

/// Bytes of a plane of that many blocks.
pub(super) const fn plane_bytes(blocks: u64, wanted: Wanted) -> u64 {
    blocks * (2 * wanted.kept.stride() as u64 + if wanted.refined { 8 } else { 0 })
}

impl Plane {
    /// An empty plane of a component whose units are as many as the frame's.
    pub fn new(component: usize, frame: &Frame, wanted: Wanted) -> Self {
        let unit = frame.components[component];
        let blocks = |pixels: u16, factor: u8| {
            usize::from(pixels).div_ceil(8 * usize::from(factor)) * usize::from(factor)
        };
        let (across, down) = (blocks(frame.width, unit.across), blocks(frame.height, unit.down));
        Self {
            component,
            wanted,
            across,
            numbers: vec![0; across * down * wanted.kept.stride()],
            nonzero: if wanted.refined { vec![0; across * down] } else { Vec::new() },
            left: [ALL_BITS; BLOCK],
        }
    }

    /// Its index in the frame.
    pub const fn component(&self) -> usize {
        self.component
    }

    /// Whether no further scan is needed.
    pub fn is_complete(&self) -> bool {
        let wanted = self.wanted;
        let enough = |&left: &u8| if wanted.refined { left == 0 } else { left != ALL_BITS };
        self.left[0] == 0 && self.left[1..wanted.kept.count()].iter().all(enough)
    }

    /// Whether a scan must be read.
    pub fn wants(&self, scan: &Scan) -> bool {
        let wanted = self.wanted;
        match (scan.first, scan.left_before) {
            (0, _) => true,
            // A refinement depends on the coefficients of its whole band, so all of them are read.
            (first, 0) => first < wanted.kept.count() || wanted.refined,
            (_, _) => wanted.refined,
        }
    }

    /// Folds all blocks. The bits left out of a coefficient are taken as half of their range.
    ///
    /// # Errors
    /// If a block has not even a mean.
    pub fn fold(&self, channel: &mut Channel) -> Result<(), PixelsWanted> {
        let kept = self.wanted.kept;
        if self.left[0] == ALL_BITS {
            return Err("no scan of the means".into());
        }
        let stride = kept.stride();
        let rounding = |left: u8| if left == ALL_BITS { 0 } else { 1_i16 << left >> 1 };
        let rounding: Vec<i16> = self.left[..kept.count()].iter().map(|&left| rounding(left)).collect();
        let order = &kept.order()[..kept.count()];
        let mut ordered = vec![0; self.across * stride];
        let rows = self.numbers.chunks_exact(self.across * stride).take(channel.block_rows);
        for (row, numbers) in rows.enumerate() {
            for (from, to) in numbers.chunks_exact(stride).zip(ordered.chunks_exact_mut(stride)) {
                for (((&number, &rounding), &place), index) in from.iter().zip(&rounding).zip(order).zip(0..)
                {
                    // The mean is truncated downwards, the others towards zero.
                    let sign = if index == 0 { 1 } else { number.signum() };
                    to[usize::from(place)] = number + rounding * sign;
                }
            }
            channel.fold(row, &ordered);
        }
        Ok(())
    }
}

/// Reads a scan from the beginning of `data` into the planes of its components; returns the bytes consumed.
///
/// # Errors
/// If anything is not as the standard requires: the pixel decoder decides what to do with such a file.
pub(super) fn read(
    data: &[u8],
    scan: &Scan,
    frame: &Frame,
    tables: &Tables,
    planes: &mut [Plane],
) -> Result<usize, PixelsWanted> {
    for plane in planes.iter_mut().filter(|plane| scan.has(plane.component)) {
        note(scan, &mut plane.left)?;
    }
    let mut source = Source::new(data);
    let grid = &Grid::new(scan, frame);
    dispatch::with_bits(WholeScan { source: &mut source, scan, grid, tables, planes })?.ok_or(DAMAGED)?;
    Ok(source.offset())
}

/// Reads a scan into the planes of its components.
struct WholeScan<'s, 'd> {
    source: &'s mut Source<'d>,
    scan: &'s Scan,
    grid: &'s Grid,
    tables: &'s Tables,
    planes: &'s mut [Plane],
}

impl Task for WholeScan<'_, '_> {
    /// The inner `None` if its bits are invalid; an error if a table is missing.
    type Output = Result<Option<()>, PixelsWanted>;

    #[inline(always)]
    fn execute(self) -> Self::Output {
        let Self { source, scan, grid, tables, planes } = self;
        let reader = BitReader::new(source);
        let restarts = Restarts::every(tables.restart_interval);
        if scan.first == 0 {
            return Ok(read_means(reader, restarts, scan, grid, tables, planes));
        }
        let component = scan.components[0];
        let plane = planes.iter_mut().find(|plane| plane.component == component.index);
        let table = scan.ac(&component, tables).ok_or("a scan without its tables")?;
        let Some(plane) = plane else { return Ok(Some(())) };
        let band = Band { scan, grid, table, kept: plane.wanted.kept };
        Ok(if scan.left_before == 0 {
            band.read_first(reader, restarts, plane)
        } else {
            band.refine(reader, restarts, plane)
        })
    }
}

impl Plane {
    /// The means of row `y` of its blocks, times eight; none beyond the plane.
    pub fn means(&self, y: usize, step: u16) -> impl Iterator<Item = i32> {
        let stride = self.wanted.kept.stride();
        let row = self.numbers.chunks_exact(self.across * stride).nth(y).unwrap_or_default();
        // Bits that no scan had yet are taken as half of their range.
        let left = if self.left[0] == ALL_BITS { 0 } else { self.left[0] };
        row.chunks_exact(stride).map(move |block| (i32::from(block[0]) + (1 << left >> 1)) * i32::from(step))
    }

    /// A block of which all coefficients were read to the last bit, each at its [place](super::zigzag::place); `None` beyond the plane.
    pub fn block(&self, x: usize, y: usize) -> Option<[i16; BLOCK]> {
        let stride = self.wanted.kept.stride();
        let numbers = self.numbers.get((y * self.across + x) * stride..)?.first_chunk::<BLOCK>()?;
        let mut block = [0; BLOCK];
        for (&number, &place) in numbers.iter().zip(Kept::ALL.order()) {
            block[usize::from(place)] = number;
        }
        Some(block)
    }

    /// Blocks of it.
    pub const fn blocks(&self) -> usize {
        self.numbers.len() / self.wanted.kept.stride()
    }
}

/// Records which bits of a component's coefficients a scan has.
pub(super) fn note(scan: &Scan, left: &mut [u8; BLOCK]) -> Result<(), PixelsWanted> {
    let before = if scan.left_before == 0 { ALL_BITS } else { scan.left_before as u8 };
    for left in &mut left[scan.first..=scan.last] {
        if *left != before {
            return Err("scans out of order".into());
        }
        *left = scan.left as u8;
    }
    Ok(())
}

/// A scan of means: of all its components, in units.
#[inline(always)]
fn read_means<'s, 'a>(
    mut reader: BitReader<'s, 'a>,
    mut restarts: Restarts,
    scan: &Scan,
    grid: &Grid,
    tables: &Tables,
    planes: &mut [Plane],
) -> Option<()> {
    let refines = scan.left_before != 0;
    let mut blocks = Vec::with_capacity(grid.blocks.len());
    for block in &grid.blocks {
        blocks.push(MeanBlock::new(block, scan, tables, planes, refines)?);
    }
    // The numbers of each component of the scan.
    let mut numbers: [&mut [i16]; 4] = Default::default();
    for plane in planes {
        let slot = scan.components.iter().position(|component| component.index == plane.component);
        if let Some(slot) = slot {
            numbers[slot] = &mut plane.numbers;
        }
    }
    let mut predictors = [0_i32; 4];
    for unit_y in 0..grid.units_down {
        for block in &mut blocks {
            block.next = block.first + unit_y * block.down;
        }
        for _ in 0..grid.units_across {
            if let Some(number) = restarts.due() {
                reader = reader.restart(number)?;
                predictors = [0; 4];
            }
            for block in &mut blocks {
                let number = numbers[block.slot].get_mut(block.next)?;
                block.next += block.across;
                reader.refill();
                if let Some(table) = block.table {
                    let predictor = &mut predictors[block.slot];
                    *predictor += table.difference(&mut reader)?;
                    *number = scaled(*predictor, scan.left)?;
                } else {
                    *number |= i16::from(reader.bit()) << scan.left;
                }
            }
        }
        if reader.is_overrun() {
            return None;
        }
    }
    reader.is_spent().then_some(())
}

/// A block of a unit whose mean is read.
struct MeanBlock<'t> {
    /// Its component's index in the scan, below 4.
    slot: usize,
    /// `None` where only bits are read.
    table: Option<&'t DcTable>,
    /// Indices of its mean: of the first unit, of the next one to be read, and the distance between units.
    first: usize,
    next: usize,
    across: usize,
    down: usize,
}

impl<'t> MeanBlock<'t> {
    /// `None` if a table or its component's plane is missing.
    fn new(
        block: &UnitBlock,
        scan: &Scan,
        tables: &'t Tables,
        planes: &[Plane],
        refines: bool,
    ) -> Option<Self> {
        let component = scan.components.get(block.slot)?;
        let table = if refines { None } else { Some(&**scan.dc(component, tables)?) };
        let plane = planes.iter().find(|plane| plane.component == component.index)?;
        let stride = plane.wanted.kept.stride();
        let row = plane.across * stride;
        let first = block.y * row + block.x * stride;
        let (across, down) = (block.across * stride, block.down * row);
        Some(Self { slot: block.slot, table, first, next: first, across, down })
    }
}

/// Shifts a coefficient without its last bits into place; `None` if it would be out of range.
fn scaled(value: i32, left: u32) -> Option<i16> {
    let value = value.checked_mul(1 << left)?;
    (value.abs() < COEFFICIENT_LIMIT).then_some(value as i16)
}

/// A scan of a band of one component, in blocks.
struct Band<'t> {
    scan: &'t Scan,
    grid: &'t Grid,
    table: &'t AcTable,
    kept: Kept,
}

impl Band<'_> {
    /// The first scan of a band.
    #[inline(always)]
    fn read_first(
        &self,
        mut reader: BitReader<'_, '_>,
        mut restarts: Restarts,
        plane: &mut Plane,
    ) -> Option<()> {
        let width = self.grid.units_across;
        let total = width * self.grid.units_down;
        let mut index = 0;
        let (mut x, mut y) = (0, 0);
        while index < total {
            if let Some(number) = restarts.due() {
                reader = reader.restart(number)?;
            }
            let place = y * plane.across + x;
            let start = place * self.kept.stride();
            let numbers = plane.numbers.get_mut(start..start + self.kept.stride())?;
            let more = if let Some(nonzero) = plane.nonzero.get_mut(place) {
                self.read_tracked(&mut reader, numbers, nonzero)?
            } else {
                let position = self.keep(&mut reader, numbers)?;
                match position {
                    Reached::Position(position) => self.pass(&mut reader, position)?,
                    Reached::End(more) => more,
                }
            };
            if more > restarts.ahead() || more >= total - index {
                return None;
            }
            restarts.pass(more);
            index += 1 + more;
            x += 1 + more;
            if x >= width {
                y += x / width;
                x %= width;
                if reader.is_overrun() {
                    return None;
                }
            }
        }
        reader.is_spent().then_some(())
    }

    /// Reads as long as kept coefficients may follow.
    #[inline(always)]
    fn keep(&self, reader: &mut BitReader<'_, '_>, numbers: &mut [i16]) -> Option<Reached> {
        let (end, count) = (self.scan.last + 1, self.kept.count());
        let entries = self.table.values();
        let mut position = self.scan.first;
        while position < count.min(end) {
            reader.refill();
            let entry = entries[(reader.peek() >> (64 - self.table.window)) as usize];
            let used = entry as u32 & 15;
            let ends = entry >> 4 & 1 == 1;
            let next = position + (entry >> 5 & 127) as usize;
            if used != 0 && (next < end || (next == end && !ends)) {
                for slot in [entry >> 16, entry >> 32, entry >> 48] {
                    let at = position + (slot & 63) as usize;
                    if at < count {
                        numbers[at] = scaled(i32::from(slot as i16 >> 6), self.scan.left)?;
                    }
                }
                reader.skip(used);
                if ends {
                    return Some(Reached::End(0));
                }
                position = next;
                continue;
            }
            match self.symbol(reader, position)? {
                Alone::Coefficient { at, value } => {
                    if at < count {
                        numbers[at] = scaled(value, self.scan.left)?;
                    }
                    position = at + 1;
                }
                Alone::Zeros => position += 16,
                Alone::End(more) => return Some(Reached::End(more)),
            }
        }
        Some(if position == end { Reached::End(0) } else { Reached::Position(position) })
    }

    /// Walks to the band's end; returns how many blocks after this one have nothing in it.
    #[inline(always)]
    fn pass(&self, reader: &mut BitReader<'_, '_>, mut position: usize) -> Option<usize> {
        let end = self.scan.last + 1;
        let steps = steps::rest_lengths(self.table);
        while position < end {
            reader.refill();
            let left = (end - position) as Cursor;
            let after = left + Cursor::from(steps[(reader.peek() >> (64 - self.table.window)) as usize]);
            if after & WRONG == 0 {
                reader.skip(after >> LEFT_BITS);
                if after as i8 <= 0 {
                    return Some(0);
                }
                position = end - (after & LEFT) as usize;
            } else {
                match self.symbol(reader, position)? {
                    Alone::Coefficient { at, .. } => position = at + 1,
                    Alone::Zeros => position += 16,
                    Alone::End(more) => return Some(more),
                }
            }
        }
        Some(0)
    }

    /// Reads the whole band and records which coefficients are not zero; returns how many blocks after this
    /// one have nothing in it.
    #[inline(always)]
    fn read_tracked(
        &self,
        reader: &mut BitReader<'_, '_>,
        numbers: &mut [i16],
        nonzero: &mut u64,
    ) -> Option<usize> {
        let mut position = self.scan.first;
        while position <= self.scan.last {
            reader.refill();
            match self.symbol(reader, position)? {
                Alone::Coefficient { at, value } => {
                    *nonzero |= 1 << at;
                    if at < self.kept.count() {
                        numbers[at] = scaled(value, self.scan.left)?;
                    }
                    position = at + 1;
                }
                Alone::Zeros => position += 16,
                Alone::End(more) => return Some(more),
            }
        }
        Some(0)
    }

    /// One symbol at `position`; `None` if it would exceed the band.
    #[inline(always)]
    fn symbol(&self, reader: &mut BitReader<'_, '_>, position: usize) -> Option<Alone> {
        let (used, symbol) = self.table.symbol(reader.peek())?;
        reader.skip(used);
        Some(match symbol {
            AcSymbol::Coefficient { run, value } => {
                let at = position + run as usize;
                if at > self.scan.last {
                    return None;
                }
                Alone::Coefficient { at, value }
            }
            AcSymbol::Zeros if position + 16 <= self.scan.last => Alone::Zeros,
            AcSymbol::Zeros => return None,
            AcSymbol::End { more } => Alone::End(more as usize),
        })
    }

    /// One more bit of the coefficients of a band: of those that are not zero in the order of the block, between symbols for those
    /// that become nonzero.
    #[inline(always)]
    fn refine(&self, mut reader: BitReader<'_, '_>, mut restarts: Restarts, plane: &mut Plane) -> Option<()> {
        let mut empty = 0;
        for y in 0..self.grid.units_down {
            for x in 0..self.grid.units_across {
                if let Some(number) = restarts.due() {
                    if empty > 0 {
                        return None;
                    }
                    reader = reader.restart(number)?;
                }
                let place = y * plane.across + x;
                let start = place * self.kept.stride();
                let numbers = plane.numbers.get_mut(start..start + self.kept.stride())?;
                let nonzero = plane.nonzero.get_mut(place)?;
                if empty > 0 {
                    empty -= 1;
                    self.correct(&mut reader, numbers, *nonzero, self.scan.first, BLOCK);
                    continue;
                }
                if let Some(more) = self.refine_block(&mut reader, numbers, nonzero)? {
                    empty = more;
                }
            }
            if reader.is_overrun() {
                return None;
            }
        }
        (empty == 0 && reader.is_spent()).then_some(())
    }

    /// Refines one block; returns the blocks after it that only have corrections, if a symbol states that.
    #[inline(always)]
    fn refine_block(
        &self,
        reader: &mut BitReader<'_, '_>,
        numbers: &mut [i16],
        nonzero: &mut u64,
    ) -> Option<Option<usize>> {
        let mut position = self.scan.first;
        while position <= self.scan.last {
            reader.refill();
            let (used, symbol) = self.table.symbol(reader.peek())?;
            reader.skip(used);
            let (zeros, value) = match symbol {
                AcSymbol::End { more } => {
                    self.correct(reader, numbers, *nonzero, position, BLOCK);
                    return Some(Some(more as usize));
                }
                AcSymbol::Zeros => (15, None),
                AcSymbol::Coefficient { run, value: value @ (1 | -1) } => (run as usize, Some(value)),
                AcSymbol::Coefficient { .. } => return None,
            };
            position = self.correct(reader, numbers, *nonzero, position, zeros);
            if position > self.scan.last {
                return if value.is_some() { None } else { Some(None) };
            }
            if let Some(value) = value {
                *nonzero |= 1 << position;
                if position < self.kept.count() {
                    numbers[position] = scaled(value, self.scan.left)?;
                }
            }
            position += 1;
        }
        Some(None)
    }

    /// Reads a bit for each coefficient from `position` on that is not zero, up to the zero after `zeros` more; returns its
    /// position, or the one after the band.
    #[inline(always)]
    fn correct(
        &self,
        reader: &mut BitReader<'_, '_>,
        numbers: &mut [i16],
        nonzero: u64,
        mut position: usize,
        mut zeros: usize,
    ) -> usize {
        while position <= self.scan.last {
            if nonzero >> position & 1 == 1 {
                reader.refill();
                if reader.bit() && position < self.kept.count() {
                    let number = &mut numbers[position];
                    // Their sum stays below twice the limit, which is within 16 bits.
                    *number += number.signum() << self.scan.left;
                }
            } else if zeros == 0 {
                return position;
            } else {
                zeros -= 1;
            }
            position += 1;
        }
        position
    }
}

/// Where reading kept coefficients ended.
enum Reached {
    /// At a position of the block.
    Position(usize),
    /// At the band's end, with so many blocks after it that have nothing in the band.
    End(usize),
}

/// One symbol, shifted into place.
enum Alone {
    Coefficient { at: usize, value: i32 },
    Zeros,
    End(usize),
}
