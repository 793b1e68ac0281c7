//! Scans of sequential JPEGs: every symbol is walked once, and of most only the length is looked at.

use super::bits::{BitReader, Source};
use super::channel::Channel;
use super::dispatch;
use super::huffman::{AcSymbol, AcTable, DcTable, PassTable, SKIP_ENDS, SKIP_USED_BITS};
use super::projection::COEFFICIENT_LIMIT;
use super::scan::{Grid, Restarts, Scan};
use super::tables::Tables;
use super::zigzag::{BLOCK, Kept, REACH};
use crate::decode::PixelsWanted;

/// What a block of a unit is read with.
pub(super) struct Block<'t> {
    dc: &'t DcTable,
    ac: &'t AcTable,
    /// Its component's place in the scan, for the running DC value.
    slot: usize,
    /// What is done with it.
    fate: Fate,
}

enum Fate {
    Keep(Place),
    Pass(PassTable),
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
pub(super) struct Rows {
    /// Index into the channels.
    channel: usize,
    /// Rows of blocks in a row of units.
    down: usize,
    /// Numbers of one row of blocks, with room behind it for what the last block leaves beyond itself.
    length: usize,
    numbers: Vec<i16>,
}

pub(super) const DAMAGED: &str = "a symbol that its table does not have, or data that ends early or late";

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
        let read = dispatch::read_row(
            reader,
            grid.units_across,
            &blocks,
            &mut rows,
            &mut restarts,
            &mut predictors,
            kept,
        );
        reader = read.filter(|reader| !reader.is_overrun()).ok_or(DAMAGED)?;
        for rows in &rows {
            let channel = &mut channels[rows.channel];
            let numbers = rows.numbers.chunks_exact(rows.length);
            for (row, numbers) in (unit_row * rows.down..channel.block_rows).zip(numbers) {
                channel.fold(row, numbers);
            }
        }
    }
    // What is left over would mean that something was misread.
    if reader.is_spent() { Ok(source.offset()) } else { Err(DAMAGED.into()) }
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
        let (dc, ac) = (scan.dc(component, tables)?, scan.ac(component, tables)?);
        let fate = match channel {
            None => Fate::Pass(PassTable::new(dc, ac)),
            Some(channel) => {
                let length = grid.units_across * block.across * kept.stride() + REACH;
                let row = rows.iter().position(|rows| rows.channel == channel).unwrap_or_else(|| {
                    rows.push(Rows {
                        channel,
                        down: block.down,
                        length,
                        numbers: vec![0; length * block.down],
                    });
                    rows.len() - 1
                });
                let first = block.y * length + block.x * kept.stride();
                Fate::Keep(Place { row, first, step: block.across * kept.stride() })
            }
        };
        blocks.push(Block { dc, ac, slot: block.slot, fate });
    }
    Some(blocks)
}

/// Reads a row of units. The reader comes and goes by value, so that the loops hold it in registers.
#[inline(always)]
pub(super) fn read_row<'s, 'a>(
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
            let position = match &block.fate {
                Fate::Pass(table) => pass_first(&mut reader, block, table)?,
                Fate::Keep(place) => {
                    // A difference takes at most 27 bits, an AC symbol 26.
                    let predictor = &mut predictors[block.slot];
                    *predictor += block.dc.difference(&mut reader)?;
                    if predictor.abs() >= COEFFICIENT_LIMIT {
                        return None;
                    }
                    let start = place.first + unit * place.step;
                    let numbers = rows[place.row].numbers.get_mut(start..)?.first_chunk_mut::<REACH>()?;
                    numbers.as_chunks_mut::<8>().0[..kept.stride() / 8].fill([0; 8]);
                    numbers[0] = *predictor as i16;
                    keep(&mut reader, block.ac, kept, numbers)?
                }
            };
            if position < BLOCK {
                pass(&mut reader, block.ac, position)?;
            }
        }
    }
    Some(reader)
}

/// Reads coefficients from the second on until the kept ones are read; returns the position of the next, [`BLOCK`] where the
/// block has ended. There are bits for one symbol, and are again at the end.
#[inline(always)]
fn keep(
    reader: &mut BitReader<'_, '_>,
    table: &AcTable,
    kept: Kept,
    numbers: &mut [i16; REACH],
) -> Option<usize> {
    let entries = table.values();
    let order = kept.order();
    let mut position = 1;
    while position < kept.count() {
        let entry = entries[(reader.peek() >> (64 - table.window)) as usize];
        let used = entry as u32 & 15;
        let ends = entry & 16 != 0;
        let next = position + (entry >> 5 & 127) as usize;
        if used != 0 && (next < BLOCK || (next == BLOCK && !ends)) {
            for slot in [entry >> 16, entry >> 32, entry >> 48] {
                let place = order[(position + (slot & 63) as usize) % REACH];
                numbers[usize::from(place) % REACH] = slot as i16 >> 6;
            }
            reader.skip(used);
            if ends {
                return Some(BLOCK);
            }
            position = next;
        } else {
            let (used, symbol) = table.symbol(reader.peek())?;
            reader.skip(used);
            match symbol {
                AcSymbol::Coefficient { run, value } if position + (run as usize) < BLOCK => {
                    position += run as usize;
                    numbers[usize::from(order[position % REACH]) % REACH] = value as i16;
                    position += 1;
                }
                AcSymbol::Zeros if position + 16 < BLOCK => position += 16,
                AcSymbol::End { more: 0 } => return Some(BLOCK),
                _ => return None,
            }
        }
        reader.refill();
    }
    Some(position)
}

/// Passes over a block's difference and what fits into one look-up with it; returns the position of the next symbol, [`BLOCK`]
/// where the block has ended.
#[inline(always)]
fn pass_first(reader: &mut BitReader<'_, '_>, block: &Block<'_>, table: &PassTable) -> Option<usize> {
    let entry = u32::from(table.entries[(reader.peek() >> (64 - block.ac.window)) as usize]);
    let next = (entry >> SKIP_USED_BITS) as usize;
    if next < BLOCK {
        reader.skip(entry & ((1 << SKIP_USED_BITS) - 1));
        return Some(next);
    }
    if is_end(next) {
        reader.skip(entry & ((1 << SKIP_USED_BITS) - 1));
        return Some(BLOCK);
    }
    block.dc.difference(reader)?;
    Some(1)
}

/// Whether a position behind the symbols of a look-up is the block's end: the last position, or an end in time.
#[inline(always)]
const fn is_end(next: usize) -> bool {
    next == BLOCK || (next >= SKIP_ENDS as usize && next < SKIP_ENDS as usize + BLOCK)
}

/// Walks to the block's end. There are bits for one symbol.
#[inline(always)]
fn pass(reader: &mut BitReader<'_, '_>, table: &AcTable, mut position: usize) -> Option<()> {
    loop {
        // Two look-ups for one refill, in between: the second takes at most 26 of its 56 bits, which leaves as many as any symbol has.
        for refill in [true, false] {
            let entry = u32::from(table.skip()[(reader.peek() >> (64 - table.window)) as usize]);
            let next = position + (entry >> SKIP_USED_BITS) as usize;
            if next < BLOCK {
                reader.skip(entry & ((1 << SKIP_USED_BITS) - 1));
                position = next;
            } else if is_end(next) {
                reader.skip(entry & ((1 << SKIP_USED_BITS) - 1));
                return Some(());
            } else {
                position = pass_one(reader, table, position)?;
                if position >= BLOCK {
                    return Some(());
                }
            }
            if refill {
                reader.refill();
            }
        }
    }
}

/// Passes over one symbol that no window has whole; returns the position behind it.
#[inline(always)]
fn pass_one(reader: &mut BitReader<'_, '_>, table: &AcTable, position: usize) -> Option<usize> {
    let (used, symbol) = table.symbol(reader.peek())?;
    reader.skip(used);
    match symbol {
        AcSymbol::Coefficient { run, .. } if position + (run as usize) < BLOCK => {
            Some(position + run as usize + 1)
        }
        AcSymbol::Zeros if position + 16 < BLOCK => Some(position + 16),
        AcSymbol::End { more: 0 } => Some(BLOCK),
        _ => None,
    }
}
