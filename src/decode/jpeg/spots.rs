//! Spot checks: a few samples of the tile as a pixel decoder would make them, to compare the others with.
//!
//! The tile is made of a few coefficients of luminance and knows nothing of the rest: of frequencies that were left out, of
//! samples that are cut off at black and white, and of red, green and blue that are cut off after chroma was added. In photographs
//! all of that is next to nothing. A file can be made in which it is everything: its pixels show one picture, its low
//! coefficients another. So of some samples of the tile, chosen by the file's own bytes, every pixel is made of all coefficients
//! of all components, and cut off as decoders do. How far the tile is from them says what it is worth.
//!
//! Blocks are read again where the walk found them, so that a check takes time for those alone. Of chroma every difference
//! of means is read: a mean is the sum of all before it.

use std::ops::Range;

use super::dispatch;
use super::gather::{self, Run};
use super::huffman::AcSymbol;
use super::progressive::Plane;
use super::projection::BLOCK_SIDE;
use super::rows::{Block, Rows};
use super::samples::{BlockSamples, Steps, Transformed, placed_steps};
use super::scan::{Grid, Scan};
use super::steps::LEFT_BITS;
use super::strands::{Data, bits_at};
use super::structure::Frame;
use super::tables::Tables;
use super::zigzag::{BLOCK, Kept};
use crate::pdq::weights::{Sample, samples};
use crate::pdq::{TILE_SIDE, Tile, to_fixed_point};

/// Samples that are checked: one for so many units, within these bounds.
const UNITS_A_SPOT: usize = 200;
const SPOTS: [usize; 2] = [8, 64];
/// Samples of a block's side, and of a unit's at most.
const SIDE: usize = BLOCK_SIDE;
pub(super) const UNIT_SIDE: usize = 4 * SIDE;
/// Blocks of a unit at most, by the standard.
const UNIT_BLOCKS: usize = 10;

/// What the components of a scan are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    LuminanceAndChroma,
    RedGreenBlue,
}

/// One sample of the tile that is made of pixels.
#[derive(Debug)]
struct Spot {
    row: Sample,
    column: Sample,
    /// Luminances times 1,000 and their weights, together.
    sum: u128,
}

/// The spots of a scan that has all components of a picture.
#[derive(Debug)]
pub(super) struct Spots {
    colours: Colours,
    /// From top to bottom.
    spots: Vec<Spot>,
    /// By a component's place in the scan: its steps, pixels of the picture to a sample of it, across and down, and where its blocks are.
    components: Vec<Component>,
    /// Pixels of a unit, across and down.
    unit: (usize, usize),
    /// Whether the rows of kept blocks have all coefficients.
    whole: bool,
    /// Whether a block was so far beyond black and white that decoders disagree.
    is_beyond: bool,
    /// The running mean of each component.
    means: [i32; 4],
    /// The means of blocks that are not kept, of the units that are looked at.
    passed: Vec<i16>,
}

#[derive(Debug)]
struct Component {
    steps: Box<Steps>,
    across: usize,
    down: usize,
    /// The number of its first block in a unit, and how many stand side by side.
    first: usize,
    blocks_across: usize,
}

impl Spots {
    /// None at all: where there is nothing to compare, or not all of a picture is in one scan.
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

    /// Spots of a scan with its data, which decides where they are; `None` where a table is missing. `red_green_blue` says what three
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
        // Samples of all coefficients are cut off as a decoder does.
        let exact = kept == Kept::ALL && colours != Colours::LuminanceAndChroma;
        if exact || scan.components.len() != frame.components.len() {
            return Some(Self::none());
        }
        let factors = |component: usize| {
            let component = frame.components[component];
            (usize::from(component.across), usize::from(component.down))
        };
        let most = frame.most_factors();
        let most = (usize::from(most.0), usize::from(most.1));
        let alone = scan.components.len() == 1;
        let (mut components, mut first) = (Vec::with_capacity(scan.components.len()), 0);
        for component in &scan.components {
            let steps = tables.quantisation(frame.components[component.index].quantisation)?;
            let (across, down) = if alone { (1, 1) } else { factors(component.index) };
            let most = if alone { (1, 1) } else { most };
            // Chroma whose samples do not cover whole pixels no decoder agrees on.
            if most.0 % across != 0 || most.1 % down != 0 {
                return None;
            }
            let steps = Box::new(placed_steps(steps));
            let (wide, high) = (most.0 / across, most.1 / down);
            components.push(Component { steps, across: wide, down: high, first, blocks_across: across });
            first += across * down;
        }
        let unit = if alone { (SIDE, SIDE) } else { (most.0 * SIDE, most.1 * SIDE) };
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

    /// Begins anew behind a restart.
    pub const fn restart(&mut self) {
        self.means = [0; 4];
    }

    /// Looks at a run of units in row `row` of units, whose kept coefficients are in `rows`. `None` where the bits are none.
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
        self.read_means(run, data, blocks)?;
        let in_row = run.across..run.across + run.stands.len() / blocks.len();
        for number in 0..self.spots.len() {
            let spot = &self.spots[number];
            if !spot.row.units(self.unit.1).contains(&row) {
                continue;
            }
            let across = spot.column.units(self.unit.0);
            for unit in across.start.max(in_row.start)..across.end.min(in_row.end) {
                let index = unit - run.across;
                let stands = run.stands.get(index * blocks.len()..)?;
                let samples_of = |spots: &Self, block| {
                    spots.read(block, index, stands.get(block)? >> LEFT_BITS, data, blocks, unit, rows)
                };
                self.add(number, (unit, row), samples_of)?;
            }
        }
        Some(())
    }

    /// Looks at a picture whose components are held whole. `None` where a block is missing.
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

    /// Reads the means of all blocks that are not kept.
    fn read_means(&mut self, run: Run<'_>, data: &Data, blocks: &[Block<'_>]) -> Option<()> {
        self.passed.clear();
        let is_passed = |block: &(usize, &Block<'_>)| block.1.place.is_none();
        let passed: Vec<_> = blocks.iter().enumerate().filter(is_passed).collect();
        if passed.is_empty() {
            return Some(());
        }
        for stands in run.stands.chunks_exact(blocks.len()) {
            for &(number, block) in &passed {
                let (_, difference) = block.dc.difference_at(bits_at(data, stands[number] >> LEFT_BITS))?;
                let mean = &mut self.means[block.slot];
                *mean = gather::next_mean(*mean, difference)?;
                self.passed.push(*mean as i16);
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
        // Pixels of the unit that the spot is made of.
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
        let weights = &column.weights[left + across.start - column.start..];
        let mut sum = 0;
        let (mut lines, mut luminances) = ([[0; UNIT_SIDE]; 3], [0; UNIT_SIDE]);
        for y in down {
            for (component, line) in self.components.iter().zip(&mut lines) {
                component.line(&samples, &across, y, line);
            }
            dispatch::luminances(self.colours, &lines, &mut luminances);
            let weighted = luminances[across.clone()].iter().zip(weights);
            let weighted: u64 = weighted.map(|(&one, &weight)| u64::from(one) * u64::from(weight)).sum();
            sum += u128::from(weighted) * u128::from(row.weights[top + y - row.start]);
        }
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
                let is_passed = |block: &&Block<'_>| block.place.is_none();
                let (before, all) =
                    (blocks[..number].iter().filter(is_passed), blocks.iter().filter(is_passed));
                *self.passed.get(index * all.count() + before.count())?
            }
        };
        Some(dispatch::block_samples(&read_block(data, taken, mean, block)?, steps))
    }

    /// Whether it saw a block that decoders cut off in different places.
    pub const fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// How far the tile is from what the pixels say: the root of the mean square, in the tile's own units.
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
    /// along an axis, each of them has a quarter of its neighbour, as decoders have it. Beyond a block's border its own sample
    /// stands for the neighbour.
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
            let blended: [u16; SIDE] = std::array::from_fn(|x| 3 * u16::from(own[x]) + u16::from(other[x]));
            for (x, pixels) in line.chunks_exact_mut(self.across).enumerate() {
                let blend = |neighbour: usize| ((3 * blended[x] + blended[neighbour] + 8) / 16) as u8;
                match pixels {
                    [left, right] => {
                        (*left, *right) = (blend(x.saturating_sub(1)), blend((x + 1).min(SIDE - 1)));
                    }
                    pixels => pixels.fill(blend(x)),
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

/// All coefficients of a block whose bits begin at `taken`; `None` where they are none.
fn read_block(data: &Data, mut taken: u32, mean: i16, block: &Block<'_>) -> Option<[i16; BLOCK]> {
    let mut numbers = [0; BLOCK];
    numbers[0] = mean;
    let (used, _) = block.dc.difference_at(bits_at(data, taken))?;
    taken += used;
    let mut position = 1;
    while position < BLOCK {
        let (used, symbol) = block.ac.symbol(bits_at(data, taken))?;
        taken += used;
        match symbol {
            AcSymbol::Coefficient { run, value } => {
                position += run as usize;
                numbers[usize::from(*Kept::ALL.order().get(position)?)] = value as i16;
                position += 1;
            }
            AcSymbol::Zeros => position += 16,
            AcSymbol::End { .. } => break,
        }
    }
    Some(numbers)
}

/// A line of a unit's pixels, by component.
pub(super) type Lines = [[u8; UNIT_SIDE]; 3];

impl Colours {
    /// A thousand times the luminance of each pixel of a line.
    #[inline(always)]
    pub(super) fn luminances(self, lines: &Lines, luminances: &mut [u32; UNIT_SIDE]) {
        let [first, second, third] = lines;
        let pixels = first.iter().zip(second).zip(third);
        let pixels = pixels.map(|((&first, &second), &third)| [first, second, third].map(i32::from));
        let out = luminances.iter_mut().zip(pixels);
        match self {
            Self::Grey => out.for_each(|(out, [grey, ..])| *out = 1000 * grey as u32),
            Self::RedGreenBlue => out.for_each(|(out, colours)| *out = luminance(colours)),
            Self::LuminanceAndChroma => out.for_each(|(out, [grey, blue, red])| {
                *out = luminance(red_green_blue(grey, blue, red));
            }),
        }
    }
}

/// As JFIF and every decoder has it, cut off.
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

/// What chroma adds to luminance for red, green and blue, in eighths of a level, from a block's means as the transform gives them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets([i32; 3]);

impl Offsets {
    const WHITE: i32 = 255 * 8;

    pub fn of(blue: i32, red: i32) -> Self {
        let (blue, red) = (blue.clamp(-1024, 1016), red.clamp(-1024, 1016));
        Self([(91_881 * red) >> 16, -((22_554 * blue + 46_802 * red) >> 16), (116_130 * blue) >> 16])
    }

    /// How far the luminance of red, green and blue that are cut off is from that of a block, in eighths of a level.
    #[inline(always)]
    pub fn error(self, luminance: i32) -> u32 {
        let luminance = (luminance + 128 * 8).clamp(0, Self::WHITE);
        let colours = self.0.map(|offset| luminance + offset);
        if colours.iter().all(|colour| (0..=Self::WHITE).contains(colour)) {
            return 0;
        }
        let [red, green, blue] = colours.map(|colour| colour.clamp(0, Self::WHITE));
        ((299 * red + 587 * green + 114 * blue) / 1000).abs_diff(luminance)
    }
}

/// A thousand times the luminance of red, green and blue.
#[inline(always)]
const fn luminance([red, green, blue]: [i32; 3]) -> u32 {
    (299 * red + 587 * green + 114 * blue) as u32
}

/// Numbers that a file's data decides (SplitMix64): the same for the same file, and not to be foreseen without making it.
struct Stream(u64);

impl Stream {
    /// Words of the data that are looked at.
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
