//! A component of luminance, and the folding of its blocks.

use super::plan::COARSE_COUNT;
use super::projection::{Axis, Projection};
use super::samples::Samples;
use super::structure::Frame;
use super::zigzag::{BLOCK, Kept};
use crate::decode::PixelsWanted;
use crate::pdq::Tile;
use std::rc::Rc;

/// A kept component, and the tile that it is folded into.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its index in the frame.
    pub component: usize,
    /// Its share of luminance, in thousandths.
    thousandths: u32,
    /// Quantisation steps of its first coefficients, together.
    steps: u16,
    /// Rows of blocks that the picture has.
    pub block_rows: usize,
    folding: Folding,
}

/// How blocks are folded into a tile.
#[derive(Debug)]
enum Folding {
    /// Their coefficients are projected.
    Projected(Box<Projection>),
    /// Their samples are computed, if all are kept.
    Sampled(Box<Samples>),
}

impl Channel {
    /// A channel of a frame whose first `kept` coefficients are quantised by `steps` (in the order of the file). `axis` gives
    /// the weights of a length.
    ///
    /// # Errors
    /// If PDQ is not defined for this size.
    pub fn new(
        component: usize,
        thousandths: u32,
        frame: &Frame,
        kept: Kept,
        steps: &[u16; BLOCK],
        axis: fn(usize) -> Rc<Axis>,
    ) -> Result<Self, PixelsWanted> {
        let folding = if kept == Kept::ALL {
            let samples = Samples::new(frame.width, frame.height, steps);
            Folding::Sampled(Box::new(samples.ok_or("a size without a hash")?))
        } else {
            let (columns, rows) = (axis(usize::from(frame.width)), axis(usize::from(frame.height)));
            Folding::Projected(Box::new(Projection::new(&columns, &rows, kept, steps)))
        };
        Ok(Self {
            component,
            thousandths,
            steps: steps[..COARSE_COUNT].iter().fold(0, |sum, &step| sum.saturating_add(step)),
            block_rows: usize::from(frame.height).div_ceil(8),
            folding,
        })
    }

    /// Folds row `number` of blocks, the rows in their order: for each block [`Kept::stride`] numbers, in [`Kept::order`].
    pub fn fold(&mut self, number: usize, blocks: &[i16]) {
        match &mut self.folding {
            Folding::Projected(projection) => projection.fold(number, blocks),
            Folding::Sampled(samples) => samples.fold(blocks),
        }
    }

    /// Quantisation steps of its first coefficients, together, where it matters that coefficients are not clipped at black
    /// and white.
    pub const fn uncut_steps(&self) -> u16 {
        match self.folding {
            Folding::Projected(_) => self.steps,
            Folding::Sampled(_) => 0,
        }
    }

    /// Whether it has samples that decoders clip differently.
    pub fn is_beyond(&self) -> bool {
        matches!(&self.folding, Folding::Sampled(samples) if samples.is_beyond())
    }

    /// The tile of several channels, once all rows were folded.
    ///
    /// # Errors
    /// If rows are missing.
    pub fn tile(channels: Vec<Self>) -> Result<Box<Tile>, PixelsWanted> {
        let mut parts = Vec::with_capacity(channels.len());
        for channel in channels {
            let tile = match channel.folding {
                Folding::Projected(projection) => projection.finish(),
                Folding::Sampled(samples) => samples.finish().ok_or("rows are missing")?,
            };
            parts.push((tile, channel.thousandths));
        }
        let (mut tile, first) = parts.pop().ok_or("no luminance component")?;
        if first == 1000 {
            return Ok(tile);
        }
        for (index, value) in tile.0.iter_mut().enumerate() {
            let weighted = |value: u32, thousandths: u32| u64::from(value) * u64::from(thousandths);
            let others: u64 =
                parts.iter().map(|(part, thousandths)| weighted(part.0[index], *thousandths)).sum();
            *value = ((weighted(*value, first) + others) / 1000) as u32;
        }
        Ok(tile)
    }
}
