//! Scans of sequential JPEGs: every symbol is walked once, and of most only the length is looked at.

use super::bits::{BitReader, Source};
use super::huffman::{AcSymbol, AcTable, DcTable, SKIP_ENDS, SKIP_USED_BITS};
use super::projection::{COEFFICIENT_LIMIT, Projection};
use super::scan::{Grid, Restarts, Scan};
use super::tables::Tables;
use super::zigzag::{BLOCK, Kept};
use crate::decode::PixelsWanted;

/// A component that is kept, and the tile that it is folded into.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its index in the frame.
    pub component: usize,
    /// Thousandths of luminance that it is.
    pub thousandths: i64,
    pub projection: Projection,
    /// Rows of blocks that the picture has.
    pub block_rows: usize,
}

/// What a block of a unit is read with.
struct Block<'t> {
    dc: &'t DcTable,
    ac: &'t AcTable,
    /// Its component's place in the scan, for the running DC value.
    slot: usize,
    /// Where it is kept, if it is.
    place: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    /// Index into the scan's rows.
    row: usize,
    /// The first number of the first unit's block, and the numbers from a unit to the next.
    first: usize,
    step: usize,
}

/// The rows of blocks of one channel that a row of units fills.
struct Rows {
    /// Index into the channels.
    channel: usize,
    /// Rows of blocks in a row of units.
    down: usize,
    /// Numbers of one row of blocks.
    length: usize,
    numbers: Vec<i16>,
}

pub(super) const DAMAGED: &str = "a symbol that its table does not have, or data that ends early";

/// Reads a scan from the beginning of `data` and folds its kept components; returns the bytes that it took.
///
/// # Errors
/// Anything that is not as it should be: what to make of it is left to the pixel decoder.
pub(super) fn read(
    data: &[u8],
    scan: &Scan,
    grid: &Grid,
    tables: &Tables,
    kept: Kept,
    channels: &mut [Channel],
) -> Result<usize, PixelsWanted> {
    let mut rows = Vec::new();
    let blocks = plan(scan, grid, tables, kept, channels, &mut rows).ok_or("a scan without its tables")?;
    let mut source = Source::new(data);
    let mut reader = BitReader::new(&mut source);
    let mut restarts = Restarts::every(tables.restart_interval);
    let mut predictors = [0; 4];
    for unit_row in 0..grid.units_down {
        for rows in &mut rows {
            rows.numbers.fill(0);
        }
        let read =
            read_row(reader, grid.units_across, &blocks, &mut rows, &mut restarts, &mut predictors, kept);
        reader = read.filter(|reader| !reader.is_overrun()).ok_or(DAMAGED)?;
        for rows in &rows {
            let channel = &mut channels[rows.channel];
            let numbers = rows.numbers.chunks_exact(rows.length);
            for (row, numbers) in (unit_row * rows.down..channel.block_rows).zip(numbers) {
                channel.projection.fold(row, numbers);
            }
        }
    }
    Ok(source.offset())
}

/// What each block of a unit is read with; makes the rows that are kept. `None` where a table is missing.
fn plan<'t>(
    scan: &Scan,
    grid: &Grid,
    tables: &'t Tables,
    kept: Kept,
    channels: &[Channel],
    rows: &mut Vec<Rows>,
) -> Option<Vec<Block<'t>>> {
    let mut blocks = Vec::with_capacity(grid.blocks.len());
    for block in &grid.blocks {
        let component = &scan.components[block.slot];
        let channel = channels.iter().position(|channel| channel.component == component.index);
        let place = channel.map(|channel| {
            let length = grid.units_across * block.across * kept.stride();
            let row = rows.iter().position(|rows| rows.channel == channel).unwrap_or_else(|| {
                rows.push(Rows { channel, down: block.down, length, numbers: vec![0; length * block.down] });
                rows.len() - 1
            });
            let first = block.y * length + block.x * kept.stride();
            Place { row, first, step: block.across * kept.stride() }
        });
        let (dc, ac) = (scan.dc(component, tables)?, scan.ac(component, tables)?);
        blocks.push(Block { dc, ac, slot: block.slot, place });
    }
    Some(blocks)
}

/// Reads a row of units. The reader comes and goes by value, so that the loops hold it in registers.
fn read_row<'s, 'a>(
    mut reader: BitReader<'s, 'a>,
    units: usize,
    blocks: &[Block<'_>],
    rows: &mut [Rows],
    restarts: &mut Restarts,
    predictors: &mut [i32; 4],
    kept: Kept,
) -> Option<BitReader<'s, 'a>> {
    for unit in 0..units {
        if let Some(number) = restarts.due() {
            reader = reader.restart(number)?;
            *predictors = [0; 4];
        }
        for block in blocks {
            reader.refill();
            let difference = block.dc.difference(&mut reader)?;
            let mut position = 1;
            if let Some(place) = block.place {
                let predictor = &mut predictors[block.slot];
                *predictor += difference;
                if predictor.abs() >= COEFFICIENT_LIMIT {
                    return None;
                }
                let start = place.first + unit * place.step;
                let numbers = rows[place.row].numbers.get_mut(start..start + kept.stride())?;
                numbers[0] = *predictor as i16;
                position = keep(&mut reader, block.ac, kept, numbers)?;
            }
            if position < BLOCK {
                pass(&mut reader, block.ac, position)?;
            }
        }
    }
    Some(reader)
}

/// Reads coefficients from the second on until the kept ones are read; returns the position of the next, [`BLOCK`] where the
/// block has ended.
#[inline(always)]
fn keep(reader: &mut BitReader<'_, '_>, table: &AcTable, kept: Kept, numbers: &mut [i16]) -> Option<usize> {
    let entries = table.values();
    let dump = numbers.len() - 1;
    let mut position = 1;
    while position < kept.count() {
        reader.refill();
        let entry = entries[(reader.peek() >> (64 - table.window)) as usize];
        let used = entry as u32 & 15;
        let ends = entry >> 4 & 1 == 1;
        let next = position + (entry >> 5 & 127) as usize;
        if used != 0 && (next < BLOCK || (next == BLOCK && !ends)) {
            // What is told beyond the kept ones, or not at all, goes where nothing is looked at.
            for slot in [entry >> 16, entry >> 32, entry >> 48] {
                numbers[(position + (slot & 63) as usize).min(dump)] = slot as i16 >> 6;
            }
            reader.skip(used);
            if ends {
                return Some(BLOCK);
            }
            position = next;
            continue;
        }
        let (used, symbol) = table.symbol(reader.peek())?;
        reader.skip(used);
        position = match symbol {
            AcSymbol::Coefficient { run, value } => {
                let at = position + run as usize;
                if at >= BLOCK {
                    return None;
                }
                numbers[at.min(dump)] = value as i16;
                at + 1
            }
            AcSymbol::Zeros if position + 16 < BLOCK => position + 16,
            AcSymbol::End { more: 0 } => BLOCK,
            AcSymbol::Zeros | AcSymbol::End { .. } => return None,
        };
    }
    Some(position)
}

/// Walks to the block's end.
#[inline(always)]
fn pass(reader: &mut BitReader<'_, '_>, table: &AcTable, mut position: usize) -> Option<()> {
    loop {
        reader.refill();
        let entry = u32::from(table.skip[(reader.peek() >> (64 - table.window)) as usize]);
        let next = position + (entry >> SKIP_USED_BITS) as usize;
        let used = entry & ((1 << SKIP_USED_BITS) - 1);
        if next < BLOCK {
            reader.skip(used);
            position = next;
        } else if next == BLOCK || (SKIP_ENDS as usize..SKIP_ENDS as usize + BLOCK).contains(&next) {
            reader.skip(used);
            return Some(());
        } else {
            let (used, symbol) = table.symbol(reader.peek())?;
            reader.skip(used);
            position = match symbol {
                AcSymbol::Coefficient { run, .. } if position + (run as usize) < BLOCK => {
                    position + run as usize + 1
                }
                AcSymbol::Zeros if position + 16 < BLOCK => position + 16,
                AcSymbol::End { more: 0 } => BLOCK,
                _ => return None,
            };
            if position == BLOCK {
                return Some(());
            }
        }
    }
}
