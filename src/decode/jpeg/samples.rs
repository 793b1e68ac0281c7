//! From coefficients to a tile through samples of luminance: for small pictures.
//!
//! Small pictures need all coefficients of a block, and computing samples is as fast as projecting. It is also closer to a
//! pixel decoder, which clips what overshoots black and white (significant at sharp edges) and rounds each sample to a whole
//! number. Only chroma is left out, which hardly affects luminance.

use super::cosines::BLOCK_SIDE;
use super::dispatch::{self, BlockTask};
use super::transform::{Steps, Transformed, placed_steps};
use super::zigzag::BLOCK;
use crate::pdq::{Geometry, PixelLayout, Reducer, Tile};

/// Computes rows of samples from rows of blocks, and folds them into a tile.
#[derive(Debug)]
pub(super) struct Samples {
    steps: Steps,
    reducer: Reducer,
    width: usize,
    /// The eight rows of samples of one row of blocks.
    rows: Vec<u8>,
    is_beyond: bool,
}

impl Samples {
    /// A tile of a picture of `width` by `height` samples whose coefficients are quantised by `steps` (in the order of the
    /// file). `None` if PDQ is not defined for this size.
    pub fn new(width: u16, height: u16, steps: &[u16; BLOCK]) -> Option<Self> {
        let width = usize::from(width);
        Some(Self {
            steps: placed_steps(steps),
            reducer: Reducer::new(width as u32, height.into(), PixelLayout::Luma, Geometry::Full)?,
            width,
            rows: vec![0; width * BLOCK_SIDE],
            is_beyond: false,
        })
    }

    /// Folds the next row of blocks: for each block its 64 coefficients, each at its [`place`].
    pub fn fold(&mut self, blocks: &[i16]) {
        let steps = self.steps;
        dispatch::with_samples(&steps, Fold { samples: self, blocks });
    }

    /// [`Samples::fold`] with a function that computes the samples of a block.
    #[inline(always)]
    fn fold_with(&mut self, blocks: &[i16], samples_of: impl Fn(&[i16; BLOCK], &Steps) -> Transformed) {
        let (blocks, _) = blocks.as_chunks::<BLOCK>();
        for (block, start) in blocks.iter().zip((0..self.width).step_by(BLOCK_SIDE)) {
            let (samples, is_beyond) = samples_of(block, &self.steps);
            self.is_beyond |= is_beyond;
            // The last block may reach beyond the picture.
            let across = BLOCK_SIDE.min(self.width - start);
            let mut place = start;
            for samples in samples {
                match self.rows.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
                    Some(place) if across == BLOCK_SIDE => *place = samples,
                    _ => self.rows[place..place + across].copy_from_slice(&samples[..across]),
                }
                place += self.width;
            }
        }
        // Rows beyond the picture's height are ignored.
        self.reducer.push_rows(&self.rows);
    }

    /// Whether there was a block so far beyond black and white that it overflows 16 bits. Decoders clip it differently.
    pub const fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// The tile, or `None` while rows are missing.
    pub fn finish(self) -> Option<Box<Tile>> {
        self.reducer.finish()
    }
}

/// [`Samples::fold`].
struct Fold<'s> {
    samples: &'s mut Samples,
    blocks: &'s [i16],
}

impl BlockTask for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn execute(self, samples_of: impl Fn(&[i16; BLOCK], &Steps) -> Transformed) {
        self.samples.fold_with(self.blocks, samples_of);
    }
}
