//! Scans of sequential JPEGs: only the length of most symbols is read.
//!
//! A round takes a [stretch](super::stretch) of the data, walks it with several [strands](super::strands),
//! and [gathers](super::gather) the kept coefficients of the blocks that they found.

use std::cell::Cell;
use std::ops::Range;

use super::channel::Channel;
use super::dispatch;
use super::gather::Gather;
use super::rows::{Block, Rows, plan};
use super::scan::{DAMAGED, Grid, Scan};
use super::spots::Spots;
use super::step_tables::StepTables;
use super::steps::{self, Cursor, LEFT_BITS, NUMBERS, Numbers, Step, WRONG};
use super::strands::{
    DATA, Data, ENDS, Ends, FoundBlocks, LANES, PIECE_SPARE, PIECES_ENDS, Piece, Unit, Walk,
};
use super::stretch::{Segment, Stretch};
use super::tables::Tables;
use super::zigzag::{BLOCK, Kept};
use crate::decode::PixelsWanted;

/// Maximum blocks of a piece when only lengths are walked, and when coefficients are stored, which have to
/// stay in the second-level cache.
const PIECE_BLOCKS: usize = 2048;
const VALUE_PIECE_BLOCKS: usize = 512;
/// Minimum blocks of a piece: some tens are lost until a guess has synchronised.
const MIN_PIECE_BLOCKS: usize = 128;
/// Blocks that a strand continues beyond its piece at first: most have met the next strand by then.
const BEYOND_BLOCKS: f64 = 24.0;
/// Bounds of a piece in bytes. All strands together have more bytes than any unit can take: ten blocks of 1,665 bits.
const PIECE_BYTES: [usize; 2] = [1 << 10, 64 << 10];

thread_local! {
    static WORKSPACE: Cell<Option<Box<Workspace>>> = const { Cell::new(None) };
}

/// What a thread keeps for the next scan. Unused memory is never touched.
struct Workspace {
    data: Box<Data>,
    ends: Box<Ends>,
    /// All zero between rounds, except where there are no blocks.
    numbers: Box<Numbers>,
    found: FoundBlocks,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            data: bytemuck::allocation::zeroed_box::<[u8; DATA]>(),
            ends: bytemuck::allocation::zeroed_box::<[u32; ENDS]>(),
            numbers: bytemuck::allocation::zeroed_box::<[i16; NUMBERS]>(),
            found: FoundBlocks::default(),
        }
    }
}

/// Reads a scan from the beginning of `data` and folds its kept components; returns the bytes consumed.
///
/// # Errors
/// If anything is not as the standard requires: the pixel decoder decides what to do with such a file.
pub(super) fn read(
    data: &[u8],
    scan: &Scan,
    grid: &Grid,
    tables: &Tables,
    kept: Kept,
    channels: &mut [Channel],
    spots: &mut Spots,
) -> Result<usize, PixelsWanted> {
    let (blocks, rows) = plan(scan, grid, tables, kept, channels).ok_or("a scan without its tables")?;
    let units = grid.units_across * grid.units_down;
    let reader = Reader {
        stretch: Stretch::new(data, units, tables.restart_interval),
        grid,
        blocks: &blocks,
        rows,
        kept,
        predictors: [0; 4],
        spots,
        units: 0,
        block_bytes: data.len() as f64 / (units * blocks.len()).max(1) as f64,
    };
    // A panic would leave it inconsistent, so it is only put back at the end.
    let mut workspace = WORKSPACE.take().unwrap_or_default();
    let taken = match (tables.window(), kept == Kept::ALL) {
        (10, false) => reader.read_lengths::<1024>(&mut workspace, channels),
        (11, false) => reader.read_lengths::<2048>(&mut workspace, channels),
        (_, false) => reader.read_lengths::<4096>(&mut workspace, channels),
        (10, true) => reader.read_values::<1024>(&mut workspace, channels),
        (11, true) => reader.read_values::<2048>(&mut workspace, channels),
        (_, true) => reader.read_values::<4096>(&mut workspace, channels),
    };
    WORKSPACE.set(Some(workspace));
    taken.ok_or(DAMAGED.into())
}

/// A scan that is being read.
struct Reader<'r, 'a, 't> {
    stretch: Stretch<'a>,
    grid: &'r Grid,
    blocks: &'r [Block<'t>],
    rows: Vec<Rows>,
    kept: Kept,
    /// The running DC value of each component.
    predictors: [i32; 4],
    spots: &'r mut Spots,
    /// Units read so far.
    units: usize,
    /// Bytes of a block, roughly: the average at first, then that of the last round.
    block_bytes: f64,
}

impl Reader<'_, '_, '_> {
    fn read_lengths<const SIZE: usize>(
        self,
        workspace: &mut Workspace,
        channels: &mut [Channel],
    ) -> Option<usize> {
        let tables: Vec<_> = self.blocks.iter().map(|block| steps::lengths(block.dc, block.ac)).collect();
        let unit = unit::<u16, SIZE>(self.blocks, &tables)?;
        self.read(&unit, PIECE_BLOCKS, workspace, channels)
    }

    fn read_values<const SIZE: usize>(
        self,
        workspace: &mut Workspace,
        channels: &mut [Channel],
    ) -> Option<usize> {
        let tables = |block: &Block<'_>| match block.place {
            Some(_) => steps::values(block.dc, block.ac),
            None => steps::passed(block.dc, block.ac),
        };
        let tables: Vec<_> = self.blocks.iter().map(tables).collect();
        let unit = unit::<u64, SIZE>(self.blocks, &tables)?;
        self.read(&unit, VALUE_PIECE_BLOCKS, workspace, channels)
    }

    /// Reads everything; returns the bytes consumed.
    fn read<S: Step, const SIZE: usize>(
        mut self,
        unit: &Unit<'_, S, SIZE>,
        max_blocks: usize,
        workspace: &mut Workspace,
        channels: &mut [Channel],
    ) -> Option<usize> {
        let all = self.grid.units_across * self.grid.units_down * self.blocks.len();
        let piece_blocks = (all / LANES).clamp(MIN_PIECE_BLOCKS, max_blocks);
        while !self.stretch.is_read() {
            let piece_bytes =
                ((piece_blocks as f64 * self.block_bytes) as usize).clamp(PIECE_BYTES[0], PIECE_BYTES[1]);
            self.stretch.fill(&mut workspace.data, LANES * piece_bytes);
            let (mut pieces, segments) = self.pieces(piece_bytes);
            let Workspace { data, ends, numbers, .. } = workspace;
            dispatch::with_bits(Walk { unit, data, pieces: &mut pieces, ends, numbers });
            let read = self.read_segments(unit, &pieces, &segments, workspace, channels);
            for piece in &pieces {
                self.clear(workspace, piece.first, piece.found);
            }
            read?;
        }
        Some(self.stretch.offset())
    }

    /// Pieces of the segments in memory, as far as there is room for their results, and the range of pieces
    /// of each segment.
    fn pieces(&self, piece_bytes: usize) -> (Vec<Piece>, Vec<Range<usize>>) {
        let (mut pieces, mut segments) = (Vec::new(), Vec::new());
        let beyond = 8 * ((BEYOND_BLOCKS * self.block_bytes) as usize).min(piece_bytes) as u32;
        let mut first = 0;
        for segment in &self.stretch.segments {
            let bytes = segment.end - (segment.start >> 3) as usize;
            let count = if segment.units == 0 { 0 } else { (bytes / piece_bytes).clamp(1, LANES) };
            let blocks = segment.units * self.blocks.len();
            let room = blocks.saturating_add(PIECE_SPARE).min(PIECES_ENDS / LANES);
            if first + count * room > PIECES_ENDS {
                break;
            }
            let at = |number: usize| segment.start + 8 * (bytes * number / count.max(1)) as u32;
            let begun = pieces.len();
            for number in 0..count {
                // A guess, except for the first: anything may begin there.
                let start = at(number);
                let end = if number + 1 == count { 8 * segment.end as u32 } else { at(number + 1) + beyond };
                pieces.push(Piece { start, end, first, room, found: 0 });
                first += room;
            }
            segments.push(begun..pieces.len());
        }
        (pieces, segments)
    }

    /// Takes what was found in segments, as far as it is valid.
    fn read_segments<S: Step, const SIZE: usize>(
        &mut self,
        unit: &Unit<'_, S, SIZE>,
        pieces: &[Piece],
        segments: &[Range<usize>],
        workspace: &mut Workspace,
        channels: &mut [Channel],
    ) -> Option<()> {
        for (number, range) in segments.iter().enumerate() {
            let pieces = &pieces[range.clone()];
            let segment = self.stretch.segments.front()?.clone();
            if segment.is_new {
                self.predictors = [0; 4];
                self.spots.restart();
            }
            let (units, bit) = if segment.units > 0 {
                let Workspace { data, ends, numbers, found } = &mut *workspace;
                let alone = unit.join(data, pieces, ends, numbers, found);
                let read = self.read_found(&segment, workspace, channels);
                self.clear(workspace, PIECES_ENDS, alone);
                read?
            } else {
                (0, segment.start)
            };
            if units < segment.units || !segment.is_whole {
                // There is or should be more of it; the next round continues in any case.
                self.stretch.forward(&mut workspace.data, bit, units);
                return (units > 0 || number > 0).then_some(());
            }
            // Anything left over beyond the padding of a byte means that something was misread.
            if (8 * segment.end).checked_sub(bit as usize)? >= 8 {
                return None;
            }
            self.stretch.finish();
        }
        let next = self.stretch.segments.front().map(|segment| segment.start);
        if let Some(start) = next {
            self.stretch.forward(&mut workspace.data, start, 0);
        }
        (!segments.is_empty()).then_some(())
    }

    /// Takes the complete units that were found in a segment; returns their number, and the bit after them.
    fn read_found(
        &mut self,
        segment: &Segment,
        workspace: &Workspace,
        channels: &mut [Channel],
    ) -> Option<(usize, u32)> {
        let Workspace { data, numbers, found, .. } = workspace;
        // Results after the segment's end are invalid.
        let is_true = |cursor: &Cursor| (cursor >> LEFT_BITS) as usize <= 8 * segment.end;
        let blocks = found.cursors.partition_point(is_true).checked_sub(1)?;
        let units = (blocks / self.blocks.len()).min(segment.units);
        let cursors = &found.cursors[..=units * self.blocks.len()];
        if cursors.iter().fold(0, |any, cursor| any | cursor) & WRONG != 0 {
            return None;
        }
        let across = self.grid.units_across;
        let mut done = 0;
        while done < units {
            let x = self.units % across;
            let run = (across - x).min(units - done);
            let found = found.run(done, run, self.blocks.len(), x);
            let (blocks, rows, predictors) = (self.blocks, &mut self.rows, &mut self.predictors);
            let kept = self.kept;
            dispatch::with_bits(Gather { run: found, data, numbers, blocks, rows, predictors, kept })?;
            self.spots.look(found, data, blocks, rows, self.units / across)?;
            done += run;
            self.units += run;
            if x + run == across {
                for rows in &self.rows {
                    rows.fold(self.units / across - 1, channels);
                }
            }
        }
        let bit = cursors.last()? >> LEFT_BITS;
        if units > 0 {
            // The next round's pieces have the intended number of blocks, regardless of the bytes after the
            // scan.
            self.block_bytes = f64::from(bit - segment.start) / 8.0 / (units * self.blocks.len()) as f64;
        }
        Some((units, bit))
    }

    /// Clears the coefficients of `found` blocks from number `first` on, and those after them.
    fn clear(&self, workspace: &mut Workspace, first: usize, found: usize) {
        if self.kept == Kept::ALL {
            workspace.numbers[first * BLOCK..(first + found + 2) * BLOCK].fill(0);
        }
    }
}

/// The tables for walking a unit.
fn unit<'t, S: Step, const SIZE: usize>(
    blocks: &'t [Block<'_>],
    tables: &'t [StepTables<S>],
) -> Option<Unit<'t, S, SIZE>> {
    let codes = blocks.iter().map(|block| (&**block.dc, &**block.ac)).collect();
    let sized = |tables: &'t StepTables<S>| {
        Some((tables.first[..].try_into().ok()?, tables.rest[..].try_into().ok()?))
    };
    let tables: Option<Vec<_>> = tables.iter().map(sized).collect();
    Some(Unit::new(codes, &tables?))
}
