//! Spot checks: a few samples of the tile are computed like a pixel decoder does, to check the others.
//!
//! The tile is computed from a few coefficients of luminance and ignores the rest: omitted frequencies, clipping of samples at
//! black and white, and clipping of red, green and blue after chroma is added. In photographs all of that is negligible. A crafted
//! file can make it decisive: its pixels show one picture, its low coefficients another. So for some samples of the tile, chosen
//! by the file's own bytes, every pixel is computed from all coefficients of all components and clipped like decoders do. The
//! difference shows whether the tile can be trusted.
//!
//! Blocks are read again where the walk found them, so a check only costs time for those. For chroma every difference of
//! means is read: a mean is the sum of all before it.

use std::ops::Range;

use super::cosines::BLOCK_SIDE;
use super::dispatch::{self, Task};
use super::gather::{self, PassedMeans, Run, WholeBlock};
use super::progressive::Plane;
use super::rows::{Block, Rows};
use super::scan::{Grid, Scan};
use super::steps::LEFT_BITS;
use super::strands::Data;
use super::structure::Frame;
use super::tables::Tables;
use super::transform::{BlockSamples, Steps, Transformed, placed_steps};
use super::zigzag::Kept;
use crate::pdq::weights::{Sample, samples};
use crate::pdq::{TILE_SIDE, Tile, to_fixed_point};

/// Samples that are checked: one for each this many units, within these bounds.
const UNITS_A_SPOT: usize = 200;
const SPOTS: [usize; 2] = [8, 64];
/// Samples of a block's side, and of a unit's at most.
const SIDE: usize = BLOCK_SIDE;
const UNIT_SIDE: usize = 4 * SIDE;
/// Blocks of a unit at most, by the standard.
const UNIT_BLOCKS: usize = 10;

/// The colour space of a scan's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    LuminanceAndChroma,
    RedGreenBlue,
}

/// One sample of the tile, computed from pixels.
#[derive(Debug)]
struct Spot {
    row: Sample,
    column: Sample,
    /// The sums of weighted luminances times 1,000, and of weights.
    sum: u128,
}

/// The spots of a scan that has all components of a picture.
#[derive(Debug)]
pub(super) struct Spots {
    colours: Colours,
    /// From top to bottom.
    spots: Vec<Spot>,
    /// By a component's index in the scan: its steps, pixels of the picture per sample, across and down, and
    /// the position of its blocks.
    components: Vec<Component>,
    /// Pixels of a unit, across and down.
    unit: (usize, usize),
    /// Whether the rows of kept blocks have all coefficients.
    whole: bool,
    /// Whether a block was so far beyond black and white that decoders clip it differently.
    is_beyond: bool,
    /// The running mean of each component.
    means: [i32; 4],
    /// The means of blocks that are not kept, in the checked units, by [`PassedMeans`].
    passed: Vec<i16>,
}

#[derive(Debug)]
struct Component {
    steps: Box<Steps>,
    across: usize,
    down: usize,
    /// The number of its first block in a unit, how many it has there, and how many of them are side by side.
    first: usize,
    blocks: usize,
    blocks_across: usize,
}

impl Spots {
    /// No spots: if there is nothing to compare, or the picture is not in one scan.
    pub const fn none() -> Self {
        Self {
            colours: Colours::Grey,
            spots: Vec::new(),
            components: Vec::new(),
            unit: (1, 1),
            whole: false,
            is_beyond: false,
            means: [0; 4],
            passed: Vec::new(),
        }
    }

    /// Spots of a scan with its data, which decides their positions; `None` if a table is missing. `red_green_blue` states what three
    /// components are.
    pub fn new(
        data: &[u8],
        scan: &Scan,
        grid: &Grid,
        frame: &Frame,
        tables: &Tables,
        kept: Kept,
        red_green_blue: bool,
    ) -> Option<Self> {
        let colours = match (frame.components.len(), red_green_blue) {
            (1, _) => Colours::Grey,
            (_, false) => Colours::LuminanceAndChroma,
            (_, true) => Colours::RedGreenBlue,
        };
        // Samples from all coefficients are clipped like a decoder's.
        let exact = kept == Kept::ALL && colours != Colours::LuminanceAndChroma;
        if exact || scan.components.len() != frame.components.len() {
            return Some(Self::none());
        }
        let factors = |component: usize| {
            let component = frame.components[component];
            (usize::from(component.across), usize::from(component.down))
        };
        let max = frame.max_factors();
        let max = (usize::from(max.0), usize::from(max.1));
        let alone = scan.components.len() == 1;
        let (mut components, mut first) = (Vec::with_capacity(scan.components.len()), 0);
        for component in &scan.components {
            let steps = tables.quantisation(frame.components[component.index].quantisation)?;
            let (across, down) = if alone { (1, 1) } else { factors(component.index) };
            let max = if alone { (1, 1) } else { max };
            // Decoders disagree on chroma whose samples do not cover whole pixels.
            if max.0 % across != 0 || max.1 % down != 0 {
                return None;
            }
            let steps = Box::new(placed_steps(steps));
            let (wide, high) = (max.0 / across, max.1 / down);
            let blocks = across * down;
            components.push(Component {
                steps,
                across: wide,
                down: high,
                first,
                blocks,
                blocks_across: across,
            });
            first += blocks;
        }
        let unit = if alone { (SIDE, SIDE) } else { (max.0 * SIDE, max.1 * SIDE) };
        let count = (grid.units_across * grid.units_down / UNITS_A_SPOT).clamp(SPOTS[0], SPOTS[1]);
        let (rows, columns) = (samples(frame.height.into()), samples(frame.width.into()));
        let mut random = Stream::of(data);
        let mut spot = |number: usize| {
            let row = (number * rows.len() + random.below(rows.len())) / count;
            Spot { row: rows[row].clone(), column: columns[random.below(columns.len())].clone(), sum: 0 }
        };
        let spots = (0..count).map(&mut spot).collect();
        let whole = kept == Kept::ALL;
        Some(Self { colours, spots, components, unit, whole, ..Self::none() })
    }

    /// Resets after a restart.
    pub const fn restart(&mut self) {
        self.means = [0; 4];
    }

    /// Looks at a run of units in row `row` of units, whose kept coefficients are in `rows`. `None` if the
    /// bits are invalid.
    pub fn look(
        &mut self,
        run: Run<'_>,
        data: &Data,
        blocks: &[Block<'_>],
        rows: &[Rows],
        row: usize,
    ) -> Option<()> {
        if self.spots.is_empty() {
            return Some(());
        }
        let means = PassedMeans { run, data, blocks, predictors: &mut self.means, means: &mut self.passed };
        dispatch::with_bits(means)?;
        let in_row = run.across..run.across + run.cursors.len() / blocks.len();
        for number in 0..self.spots.len() {
            let spot = &self.spots[number];
            if !spot.row.units(self.unit.1).contains(&row) {
                continue;
            }
            let across = spot.column.units(self.unit.0);
            for unit in across.start.max(in_row.start)..across.end.min(in_row.end) {
                let index = unit - run.across;
                let cursors = run.cursors.get(index * blocks.len()..)?;
                let samples_of = |spots: &Self, block| {
                    spots.read(block, index, cursors.get(block)? >> LEFT_BITS, data, blocks, unit, rows)
                };
                self.add(number, (unit, row), samples_of)?;
            }
        }
        Some(())
    }

    /// Checks a picture whose components are complete in memory. `None` if a block is missing.
    pub fn look_at(&mut self, grid: &Grid, planes: &[Plane]) -> Option<()> {
        for number in 0..self.spots.len() {
            let Spot { row, column, .. } = &self.spots[number];
            let (across, down) = (column.units(self.unit.0), row.units(self.unit.1));
            for (x, y) in down.flat_map(|y| across.clone().map(move |x| (x, y))) {
                let samples_of = |spots: &Self, block: usize| {
                    let block = grid.blocks.get(block)?;
                    let numbers = planes
                        .get(block.slot)?
                        .block(x * block.across + block.x, y * block.down + block.y)?;
                    Some(dispatch::block_samples(&numbers, &spots.components.get(block.slot)?.steps))
                };
                self.add(number, (x, y), samples_of)?;
            }
        }
        Some(())
    }

    /// Adds the pixels of the unit at `(x, y)` to a spot; `samples_of` gives those of a block by its number in the unit.
    fn add(
        &mut self,
        number: usize,
        (x, y): (usize, usize),
        samples_of: impl Fn(&Self, usize) -> Option<Transformed>,
    ) -> Option<()> {
        let (left, top) = (x * self.unit.0, y * self.unit.1);
        let Spot { row, column, .. } = &self.spots[number];
        // Pixels of the unit that belong to the spot.
        let (across, down) = (column.within(left, self.unit.0), row.within(top, self.unit.1));
        let mut samples = [[[0; SIDE]; SIDE]; UNIT_BLOCKS];
        let mut is_beyond = false;
        for component in &self.components {
            for y in component.blocks_down(&down) {
                for x in component.blocks_across(&across) {
                    let block = component.block(x, y);
                    let (block_samples, beyond) = samples_of(self, block)?;
                    *samples.get_mut(block)? = block_samples;
                    is_beyond |= beyond;
                }
            }
        }
        let pixels = Pixels {
            colours: self.colours,
            components: &self.components,
            samples: &samples,
            width: self.unit.0,
            column_weights: &column.weights[left + across.start - column.start..],
            row_weights: &row.weights[top + down.start - row.start..],
            across,
            down,
        };
        let sum = dispatch::with_vectors(pixels);
        self.spots[number].sum += sum;
        self.is_beyond |= is_beyond;
        Some(())
    }

    /// The samples of block `number` of a unit of a scan, which is `index` in its run and begins at bit `taken`.
    #[allow(clippy::too_many_arguments, reason = "what a block is read with")]
    fn read(
        &self,
        number: usize,
        index: usize,
        taken: u32,
        data: &Data,
        blocks: &[Block<'_>],
        unit: usize,
        rows: &[Rows],
    ) -> Option<Transformed> {
        let block = blocks.get(number)?;
        let steps = &self.components.get(block.slot)?.steps;
        let mean = match block.place {
            Some(place) => {
                let numbers = rows.get(place.row)?.numbers.get(gather::start(place, unit)..)?;
                if self.whole {
                    return Some(dispatch::block_samples(numbers.first_chunk()?, steps));
                }
                *numbers.first()?
            }
            None => {
                let passed =
                    |blocks: &[Block<'_>]| blocks.iter().filter(|block| block.place.is_none()).count();
                let units = self.passed.len() / passed(blocks);
                let Component { first, blocks: count, .. } = self.components.get(block.slot)?;
                *self.passed.get(passed(&blocks[..*first]) * units + index * count + number - first)?
            }
        };
        Some(dispatch::block_samples(&dispatch::with_bits(WholeBlock { data, taken, mean, block })?, steps))
    }

    /// Whether there was a block that decoders clip differently.
    pub const fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// The root mean square difference between the tile and the pixels, in the tile's own units.
    pub fn error(&self, tile: &Tile) -> u32 {
        let square = |spot: &Spot| {
            let ours = tile.0[spot.row.cells.start * TILE_SIDE + spot.column.cells.start];
            let exact = to_fixed_point(spot.sum, spot.row.denominator * spot.column.denominator);
            u64::from(exact.abs_diff(ours)).pow(2)
        };
        let sum: u64 = self.spots.iter().map(square).sum();
        (sum / self.spots.len().max(1) as u64).isqrt() as u32
    }
}

impl Component {
    /// The columns and rows of blocks of a unit that hold its pixels.
    const fn blocks_across(&self, pixels: &Range<usize>) -> Range<usize> {
        pixels.start / (self.across * SIDE)..pixels.end.div_ceil(self.across * SIDE)
    }

    const fn blocks_down(&self, pixels: &Range<usize>) -> Range<usize> {
        pixels.start / (self.down * SIDE)..pixels.end.div_ceil(self.down * SIDE)
    }

    /// The number of a block in a unit.
    const fn block(&self, x: usize, y: usize) -> usize {
        self.first + y * self.blocks_across + x
    }

    /// Writes the samples of row `y` of a unit to their places in `line`, at least those of pixels `across`. Where a sample is two pixels
    /// along an axis, each of them has a quarter of its neighbour, as in decoders. Beyond a block's border its own sample replaces the
    /// neighbour.
    #[inline(always)]
    fn line(
        &self,
        samples: &[BlockSamples; UNIT_BLOCKS],
        across: &Range<usize>,
        y: usize,
        line: &mut [u8; UNIT_SIDE],
    ) {
        let (own, other) = neighbours(y, self.down);
        let line = line.chunks_exact_mut(SIDE * self.across).enumerate();
        let columns = self.blocks_across(across);
        for (column, line) in line.take(columns.end).skip(columns.start) {
            let block = &samples[self.block(column, own / SIDE)];
            if (self.across, self.down) == (1, 1) {
                line.copy_from_slice(&block[own % SIDE]);
                continue;
            }
            let (own, other) = (&block[own % SIDE], &block[other % SIDE]);
            let mut blended = [0; SIDE];
            for x in 0..SIDE {
                blended[x] = 3 * u16::from(own[x]) + u16::from(other[x]);
            }
            let [first, .., last] = blended;
            let (mut before, mut after) = ([first; SIDE], [last; SIDE]);
            before[1..].copy_from_slice(&blended[..SIDE - 1]);
            after[..SIDE - 1].copy_from_slice(&blended[1..]);
            let blend = |x: usize, neighbour: u16| ((3 * blended[x] + neighbour + 8) / 16) as u8;
            if let Ok(pairs) = <&mut [[u8; 2]; SIDE]>::try_from(line.as_chunks_mut().0) {
                for x in 0..SIDE {
                    pairs[x] = [blend(x, before[x]), blend(x, after[x])];
                }
            } else {
                for (x, pixels) in line.chunks_exact_mut(self.across).enumerate() {
                    pixels.fill(blend(x, blended[x]));
                }
            }
        }
    }
}

/// The sample of a pixel, and the one in the same block that it is next to, where a sample is two pixels.
const fn neighbours(pixel: usize, scale: usize) -> (usize, usize) {
    let own = pixel / scale;
    let other = match (scale, pixel % 2) {
        (2, 0) => own.saturating_sub(1),
        (2, _) => own + 1,
        _ => own,
    };
    (own, if other / SIDE == own / SIDE { other } else { own })
}

/// Pixels of a unit that belong to a spot.
struct Pixels<'s> {
    colours: Colours,
    components: &'s [Component],
    /// By block.
    samples: &'s [BlockSamples; UNIT_BLOCKS],
    /// Of the unit, in pixels.
    width: usize,
    across: Range<usize>,
    down: Range<usize>,
    /// The weight of the first of them, and of the following ones.
    column_weights: &'s [u16],
    row_weights: &'s [u16],
}

impl Task for Pixels<'_> {
    /// The sums of their weighted luminances times 1,000, and of their weights.
    type Output = u128;

    #[inline(always)]
    fn execute(self) -> u128 {
        let mut sum = 0;
        let (mut lines, mut luminances) = ([[0; UNIT_SIDE]; 3], [0; UNIT_SIDE]);
        for (y, &row_weight) in self.down.clone().zip(self.row_weights) {
            for (component, line) in self.components.iter().zip(&mut lines) {
                component.line(self.samples, &self.across, y, line);
            }
            self.colours.luminances(&lines, &mut luminances[..self.width]);
            let mut weighted = 0;
            for (&one, &weight) in luminances[self.across.clone()].iter().zip(self.column_weights) {
                weighted += u64::from(one) * u64::from(weight);
            }
            sum += u128::from(weighted) * u128::from(row_weight);
        }
        sum
    }
}

/// A line of a unit's pixels, by component.
type Lines = [[u8; UNIT_SIDE]; 3];

impl Colours {
    /// A thousand times the luminance of each of the first pixels of a line, in eights.
    #[inline(always)]
    fn luminances(self, lines: &Lines, luminances: &mut [u32]) {
        let [first, second, third] = lines.each_ref().map(|line| line.as_chunks::<SIDE>().0);
        let eights = luminances.as_chunks_mut::<SIDE>().0.iter_mut().zip(first).zip(second).zip(third);
        for (((out, first), second), third) in eights {
            let of = |pixel: usize| [first[pixel], second[pixel], third[pixel]].map(i32::from);
            *out = match self {
                Self::Grey => first.map(|grey| 1000 * u32::from(grey)),
                Self::RedGreenBlue => std::array::from_fn(|pixel| luminance(of(pixel))),
                Self::LuminanceAndChroma => std::array::from_fn(|pixel| {
                    let [grey, blue, red] = of(pixel);
                    luminance(red_green_blue(grey, blue, red))
                }),
            };
        }
    }
}

/// As in JFIF and every decoder, clipped.
#[inline(always)]
fn red_green_blue(luminance: i32, blue: i32, red: i32) -> [i32; 3] {
    const HALF: i32 = 1 << 15;
    let (blue, red) = (blue - 128, red - 128);
    [
        luminance + ((91_881 * red + HALF) >> 16),
        luminance - ((22_554 * blue + 46_802 * red + HALF) >> 16),
        luminance + ((116_130 * blue + HALF) >> 16),
    ]
    .map(|colour| colour.clamp(0, 255))
}

/// A thousand times the luminance of red, green and blue.
#[inline(always)]
const fn luminance([red, green, blue]: [i32; 3]) -> u32 {
    (299 * red + 587 * green + 114 * blue) as u32
}

/// Pseudo-random numbers seeded by a file's data (SplitMix64): the same for the same file, and not
/// predictable without it.
struct Stream(u64);

impl Stream {
    /// Words of the data used as seed.
    const WORDS: usize = 256;

    fn of(data: &[u8]) -> Self {
        let step = (data.len() / Self::WORDS).max(8);
        let words = data.chunks(step).filter_map(|chunk| chunk.first_chunk());
        let mix = |key: u64, word: &[u8; 8]| Self(key ^ u64::from_le_bytes(*word)).next();
        Self(words.fold(data.len() as u64, mix))
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
