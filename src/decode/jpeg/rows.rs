//! Rows of kept blocks, filled as they are read and folded when they are full.

use std::rc::Rc;

use super::channel::Channel;
use super::huffman::{AcTable, DcTable};
use super::scan::{Grid, Scan};
use super::tables::Tables;
use super::zigzag::{Kept, REACH};

/// How a block of a unit is read.
pub(super) struct Block<'t> {
    pub dc: &'t Rc<DcTable>,
    pub ac: &'t Rc<AcTable>,
    /// Its component's index in the scan, for the running DC value.
    pub slot: usize,
    /// Where its coefficients go, if they are kept.
    pub place: Option<Place>,
}

/// Where the kept coefficients of a block go.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Index into the scan's rows.
    pub row: usize,
    /// The first number of the first unit's block, and the numbers from a unit to the next.
    pub first: usize,
    pub step: usize,
}

/// The rows of blocks of one channel that a row of units fills.
pub(super) struct Rows {
    /// Index into the channels.
    channel: usize,
    /// Rows of blocks in a row of units.
    down: usize,
    /// Numbers of one row of blocks, with padding for what the last block writes beyond itself.
    length: usize,
    pub numbers: Vec<i16>,
}

/// How each block of a unit is read, and the rows that are kept. `None` if a table is missing.
pub(super) fn plan<'t>(
    scan: &Scan,
    grid: &Grid,
    tables: &'t Tables,
    kept: Kept,
    channels: &[Channel],
) -> Option<(Vec<Block<'t>>, Vec<Rows>)> {
    let mut rows: Vec<Rows> = Vec::new();
    let mut blocks = Vec::with_capacity(grid.blocks.len());
    for block in &grid.blocks {
        let component = &scan.components[block.slot];
        let (dc, ac) = (scan.dc(component, tables)?, scan.ac(component, tables)?);
        let channel = channels.iter().position(|channel| channel.component == component.index);
        let place = channel.map(|channel| {
            let length = grid.units_across * block.across * kept.stride() + REACH;
            let row = rows.iter().position(|rows| rows.channel == channel).unwrap_or_else(|| {
                let numbers = vec![0; length * block.down];
                rows.push(Rows { channel, down: block.down, length, numbers });
                rows.len() - 1
            });
            let first = block.y * length + block.x * kept.stride();
            Place { row, first, step: block.across * kept.stride() }
        });
        blocks.push(Block { dc, ac, slot: block.slot, place });
    }
    Some((blocks, rows))
}

impl Rows {
    /// Folds the rows that row `number` of units has filled.
    pub fn fold(&self, number: usize, channels: &mut [Channel]) {
        let channel = &mut channels[self.channel];
        let rows = self.numbers.chunks_exact(self.length);
        for (row, numbers) in (number * self.down..channel.block_rows).zip(rows) {
            channel.fold(row, numbers);
        }
    }
}
