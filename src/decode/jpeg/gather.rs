//! Gathers the kept coefficients of the found blocks into their rows.
//!
//! Large pictures keep few coefficients a block. The starts of the blocks are known, so each is read independently,
//! without waiting for the previous one. Small pictures keep all, and the walk has stored them.

use super::dispatch::Task;
use super::huffman::{AcSymbol, AcTable};
use super::projection::COEFFICIENT_LIMIT;
use super::rows::{Block, Place, Rows};
use super::steps::{Cursor, LEFT_BITS, Numbers};
use super::strands::{Data, FoundBlocks, bits_at};
use super::zigzag::{BLOCK, Kept, REACH, TRANSFORMED_REACH};

/// Blocks of whole units that were found.
#[derive(Clone, Copy)]
pub(super) struct Run<'f> {
    /// Where each block begins.
    pub cursors: &'f [Cursor],
    /// Where the walk stored its coefficients, if it did, in blocks.
    pub places: &'f [u32],
    /// The first unit's index in its row.
    pub across: usize,
}

impl FoundBlocks {
    /// `units` units of `blocks` blocks from number `first` on, of which the first is number `across` in its row.
    pub fn run(&self, first: usize, units: usize, blocks: usize, across: usize) -> Run<'_> {
        let range = first * blocks..(first + units) * blocks;
        Run { cursors: &self.cursors[range.clone()], places: &self.places[range], across }
    }
}

/// Reads the first `kept` coefficients of each block, or takes all stored ones.
pub(super) struct Gather<'g, 't> {
    pub run: Run<'g>,
    pub data: &'g Data,
    pub numbers: &'g Numbers,
    pub blocks: &'g [Block<'t>],
    pub rows: &'g mut [Rows],
    pub predictors: &'g mut [i32; 4],
    pub kept: Kept,
}

impl Task for Gather<'_, '_> {
    /// `None` if the bits are invalid, or coefficients are out of range.
    type Output = Option<()>;

    #[inline(always)]
    fn execute(self) -> Option<()> {
        let Self { run, data, numbers: coefficients, blocks, rows, predictors, kept } = self;
        let mut first = 0;
        // Blocks of a component are adjacent.
        for blocks in blocks.chunk_by(|one, other| one.slot == other.slot) {
            let component = Component { run, first, blocks, unit_blocks: self.blocks.len() };
            first += blocks.len();
            let Block { slot, place: Some(place), .. } = blocks[0] else { continue };
            let numbers = &mut rows[place.row].numbers;
            let predictor = &mut predictors[slot];
            match kept.count() {
                1 => component.read::<1>(data, numbers, predictor),
                3 => component.read::<3>(data, numbers, predictor),
                6 => component.read::<6>(data, numbers, predictor),
                15 => component.read::<15>(data, numbers, predictor),
                28 => component.read::<28>(data, numbers, predictor),
                _ => component.take(coefficients, numbers, predictor),
            }?;
        }
        Some(())
    }
}

/// Reads the means of the blocks that are not kept, by component and unit.
pub(super) struct PassedMeans<'g, 't> {
    pub run: Run<'g>,
    pub data: &'g Data,
    pub blocks: &'g [Block<'t>],
    pub predictors: &'g mut [i32; 4],
    /// Where they go.
    pub means: &'g mut Vec<i16>,
}

impl Task for PassedMeans<'_, '_> {
    /// `None` if the bits are invalid, or a mean is out of range.
    type Output = Option<()>;

    #[inline(always)]
    fn execute(self) -> Option<()> {
        let Self { run, data, blocks, predictors, means } = self;
        let units = run.cursors.chunks_exact(blocks.len());
        let passed = blocks.iter().filter(|block| block.place.is_none()).count();
        means.resize(units.len() * passed, 0);
        let (mut first, mut rest) = (0, &mut means[..]);
        for component in blocks.chunk_by(|one, other| one.slot == other.slot) {
            let own = first..first + component.len();
            first = own.end;
            let Block { dc, slot, place: None, .. } = component[0] else { continue };
            let means = rest.split_off_mut(..units.len() * own.len())?;
            let mut mean = predictors[slot];
            for (cursors, means) in units.clone().zip(means.chunks_exact_mut(own.len())) {
                for (cursor, out) in cursors[own.clone()].iter().zip(means) {
                    let (_, difference) = dc.difference_at(bits_at(data, cursor >> LEFT_BITS))?;
                    mean = next_mean(mean, difference)?;
                    *out = mean as i16;
                }
            }
            predictors[slot] = mean;
        }
        Some(())
    }
}

/// The blocks of one component in units.
struct Component<'r, 't> {
    run: Run<'r>,
    /// The number of the first in a unit, and all of them.
    first: usize,
    blocks: &'r [Block<'t>],
    /// Blocks of a unit.
    unit_blocks: usize,
}

impl Component<'_, '_> {
    /// Reads the first `KEPT` coefficients.
    #[inline(always)]
    fn read<const KEPT: usize>(&self, data: &Data, rows: &mut [i16], predictor: &mut i32) -> Option<()> {
        let (dc, ac) = (self.blocks[0].dc, self.blocks[0].ac);
        let values = if KEPT > 1 { ac.values() } else { &[] };
        let mut mean = *predictor;
        for (unit, cursors) in (self.run.across..).zip(self.run.cursors.chunks_exact(self.unit_blocks)) {
            for (cursor, block) in cursors[self.first..].iter().zip(self.blocks) {
                let taken = cursor >> LEFT_BITS;
                let (used, difference) = dc.difference_at(bits_at(data, taken))?;
                mean = next_mean(mean, difference)?;
                let start = start(block.place?, unit);
                if KEPT == 1 {
                    *rows.get_mut(start)? = mean as i16;
                    continue;
                }
                let numbers = rows.get_mut(start..)?.first_chunk_mut::<REACH>()?;
                numbers.as_chunks_mut::<8>().0[..KEPT.div_ceil(8)].fill([0; 8]);
                numbers[0] = mean as i16;
                read_others::<KEPT>(data, taken + used, ac, values, numbers, |position| position)?;
            }
        }
        *predictor = mean;
        Some(())
    }

    /// Takes all stored coefficients.
    #[inline(always)]
    fn take(&self, coefficients: &Numbers, rows: &mut [i16], predictor: &mut i32) -> Option<()> {
        let mut mean = *predictor;
        for (unit, places) in (self.run.across..).zip(self.run.places.chunks_exact(self.unit_blocks)) {
            for (&at, block) in places[self.first..].iter().zip(self.blocks) {
                let block_values = coefficients.as_chunks::<BLOCK>().0.get(at as usize)?;
                mean = next_mean(mean, block_values[0].into())?;
                let numbers = rows.get_mut(start(block.place?, unit)..)?.first_chunk_mut::<BLOCK>()?;
                *numbers = *block_values;
                numbers[0] = mean as i16;
            }
        }
        *predictor = mean;
        Some(())
    }
}

/// Reads all coefficients of a block.
pub(super) struct WholeBlock<'g, 't> {
    pub data: &'g Data,
    /// The bit that it begins at.
    pub taken: u32,
    pub mean: i16,
    pub block: &'g Block<'t>,
}

impl Task for WholeBlock<'_, '_> {
    /// Each at its [place](super::zigzag::place); `None` if the bits are invalid.
    type Output = Option<[i16; BLOCK]>;

    #[inline(always)]
    fn execute(self) -> Self::Output {
        let Self { data, taken, mean, block } = self;
        let mut numbers = [0; REACH];
        let (used, _) = block.dc.difference_at(bits_at(data, taken))?;
        let place = |position: usize| usize::from(TRANSFORMED_REACH[position % REACH]);
        read_others::<BLOCK>(data, taken + used, block.ac, block.ac.values(), &mut numbers, place)?;
        numbers[0] = mean;
        numbers.first_chunk().copied()
    }
}

/// The first number of a unit's block.
#[inline(always)]
pub(super) const fn start(place: Place, unit: usize) -> usize {
    place.first + unit * place.step
}

/// The mean after a difference; `None` for an impossible one.
#[inline(always)]
pub(super) const fn next_mean(mean: i32, difference: i32) -> Option<i32> {
    let mean = mean + difference;
    if mean.abs() < COEFFICIENT_LIMIT { Some(mean) } else { None }
}

/// Reads coefficients from the second on until the first `KEPT` are read or the block has ended. Coefficients beyond them go to places
/// after them; `place` gives the place of each.
#[inline(always)]
fn read_others<const KEPT: usize>(
    data: &Data,
    mut taken: u32,
    table: &AcTable,
    values: &[u64],
    numbers: &mut [i16; REACH],
    place: impl Fn(usize) -> usize,
) -> Option<()> {
    let mut position = 1;
    while position < KEPT {
        let bits = bits_at(data, taken);
        let entry = values[(bits >> (64 - table.window)) as usize];
        let used = entry as u32 & 15;
        let ends = entry & 16 != 0;
        let next = position + (entry >> 5 & 127) as usize;
        if used != 0 && (next < BLOCK || (next == BLOCK && !ends)) {
            for shift in [16, 32, 48] {
                // The third is at least the fourth coefficient.
                if KEPT > 3 || shift < 48 {
                    let slot = entry >> shift;
                    numbers[place(position + (slot & 63) as usize) % REACH] = slot as i16 >> 6;
                }
            }
            taken += used;
            if ends {
                return Some(());
            }
            position = next;
        } else {
            let (used, symbol) = table.symbol(bits)?;
            taken += used;
            match symbol {
                AcSymbol::Coefficient { run, value } if position + (run as usize) < BLOCK => {
                    position += run as usize;
                    numbers[place(position) % REACH] = value as i16;
                    position += 1;
                }
                AcSymbol::Zeros => position += 16,
                AcSymbol::End { more: 0 } => return Some(()),
                _ => return None,
            }
        }
    }
    Some(())
}
