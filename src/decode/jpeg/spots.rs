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

use super::dispatch;
use super::gather::{self, Run};
use super::huffman::{AcSymbol, AcTable, DcTable};
use super::rows::{Block, Rows};
use super::samples::{BlockSamples, Steps, placed_steps};
use super::scan::{Grid, Scan};
use super::steps::LEFT_BITS;
use super::strands::{Data, bits_at};
use super::structure::Frame;
use super::tables::Tables;
use super::zigzag::{BLOCK, Kept};
use crate::pdq::weights::{Sample, samples};
use crate::pdq::{TILE_SIDE, Tile, to_fixed_point};

/// Samples that are checked: one for so many units, within these bounds.
const UNITS_A_SPOT: usize = 400;
const SPOTS: [usize; 2] = [8, 64];
/// Samples of a block's side, and of a unit's at most.
const SIDE: usize = 8;
const UNIT_SIDE: usize = 4 * SIDE;

/// What the components of a scan are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
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
    sum: u64,
}

/// The spots of a scan that has all components of a picture.
#[derive(Debug)]
pub(super) struct Spots {
    colours: Colours,
    /// From top to bottom.
    spots: Vec<Spot>,
    /// By a component's place in the scan: its steps, and pixels of the picture to a sample of it, across and down.
    components: Vec<Plane>,
    /// Pixels of a unit, across and down.
    unit: (usize, usize),
    /// The running mean of each component.
    means: [i32; 4],
    /// The means of blocks that are not kept, of the units that are looked at.
    passed: Vec<i16>,
}

#[derive(Debug)]
struct Plane {
    steps: Box<Steps>,
    across: usize,
    down: usize,
}

impl Spots {
    /// None at all: where there is nothing to compare, or not all of a picture is in one scan.
    pub const fn none() -> Self {
        Self {
            colours: Colours::Grey,
            spots: Vec::new(),
            components: Vec::new(),
            unit: (1, 1),
            means: [0; 4],
            passed: Vec::new(),
        }
    }

    /// Spots of a scan; `None` where a table is missing. `red_green_blue` says what three components are.
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
        let most = (0..frame.components.len())
            .map(factors)
            .fold((1, 1), |most, (across, down)| (most.0.max(across), most.1.max(down)));
        let (alone, mut components) = (scan.components.len() == 1, Vec::new());
        for component in &scan.components {
            let steps = tables.quantisation(frame.components[component.index].quantisation)?;
            let (across, down) = if alone { (1, 1) } else { factors(component.index) };
            let most = if alone { (1, 1) } else { most };
            // Chroma whose samples do not cover whole pixels no decoder agrees on.
            if most.0 % across != 0 || most.1 % down != 0 {
                return None;
            }
            let steps = Box::new(placed_steps(steps));
            components.push(Plane { steps, across: most.0 / across, down: most.1 / down });
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
        Some(Self { colours, spots, components, unit, means: [0; 4], passed: Vec::new() })
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
        let (top, bottom) = (row * self.unit.1, (row + 1) * self.unit.1);
        let units = run.stands.len() / blocks.len();
        for number in 0..self.spots.len() {
            let Sample { start, ref weights, .. } = self.spots[number].row;
            if start >= bottom || start + weights.len() <= top {
                continue;
            }
            let Sample { start, ref weights, .. } = self.spots[number].column;
            let first = (start / self.unit.0).max(run.across);
            let last = ((start + weights.len() - 1) / self.unit.0 + 1).min(run.across + units);
            for unit in first..last {
                self.add(number, run, unit, top, data, blocks, rows)?;
            }
        }
        Some(())
    }

    /// Reads the means of all blocks that are not kept.
    fn read_means(&mut self, run: Run<'_>, data: &Data, blocks: &[Block<'_>]) -> Option<()> {
        self.passed.clear();
        if blocks.iter().all(|block| block.place.is_some()) {
            return Some(());
        }
        for stands in run.stands.chunks_exact(blocks.len()) {
            for (stand, block) in stands.iter().zip(blocks).filter(|(_, block)| block.place.is_none()) {
                let (_, difference) = block.dc.difference_at(bits_at(data, stand >> LEFT_BITS))?;
                let mean = &mut self.means[block.slot];
                *mean = gather::next_mean(*mean, difference)?;
                self.passed.push(*mean as i16);
            }
        }
        Some(())
    }

    /// Adds the pixels of one unit to a spot.
    #[allow(clippy::too_many_arguments, reason = "what a unit is read with")]
    fn add(
        &mut self,
        number: usize,
        run: Run<'_>,
        unit: usize,
        top: usize,
        data: &Data,
        blocks: &[Block<'_>],
        rows: &[Rows],
    ) -> Option<()> {
        let index = unit - run.across;
        let stands = run.stands.get(index * blocks.len()..)?.get(..blocks.len())?;
        let passed = blocks.iter().filter(|block| block.place.is_none()).count();
        let mut passed = self.passed.get(index * passed..).unwrap_or_default().iter();
        let mut planes = [[[0_u8; UNIT_SIDE]; UNIT_SIDE]; 3];
        let mut places = [(0, 0); 4];
        for (stand, block) in stands.iter().zip(blocks) {
            let mean = match block.place {
                Some(place) => *rows.get(place.row)?.numbers.get(gather::start(place, unit))?,
                None => *passed.next()?,
            };
            let component = self.components.get(block.slot)?;
            let samples =
                block_samples(data, stand >> LEFT_BITS, mean, block.dc, block.ac, &component.steps)?;
            // Blocks of a component come row by row.
            let (x, y) = places[block.slot];
            let across = self.unit.0 / component.across / SIDE;
            places[block.slot] = if x + 1 == across { (0, y + 1) } else { (x + 1, y) };
            spread(&samples, &mut planes[block.slot], (x * SIDE, y * SIDE), component);
        }
        let left = unit * self.unit.0;
        let spot = &mut self.spots[number];
        let within = |sample: &Sample, from: usize, length: usize| {
            sample.start.max(from)..(sample.start + sample.weights.len()).min(from + length)
        };
        for y in within(&spot.row, top, self.unit.1) {
            let mut sum = 0;
            for x in within(&spot.column, left, self.unit.0) {
                let [first, second, third] = planes.each_ref().map(|plane| plane[y - top][x - left].into());
                let luminance = match self.colours {
                    Colours::Grey => 1000 * first as u32,
                    Colours::RedGreenBlue => luminance([first, second, third]),
                    Colours::LuminanceAndChroma => luminance(red_green_blue(first, second, third)),
                };
                sum += u64::from(luminance) * u64::from(spot.column.weights[x - spot.column.start]);
            }
            spot.sum += sum * u64::from(spot.row.weights[y - spot.row.start]);
        }
        Some(())
    }

    /// How far the tile is from what the pixels say: the root of the mean square, in the tile's own units.
    pub fn error(&self, tile: &Tile) -> u32 {
        let square = |spot: &Spot| {
            let exact = to_fixed_point(spot.sum, spot.row.denominator * spot.column.denominator);
            let ours = tile.0[spot.row.cells.start * TILE_SIDE + spot.column.cells.start];
            u64::from(exact.abs_diff(ours)).pow(2)
        };
        let sum: u64 = self.spots.iter().map(square).sum();
        (sum / self.spots.len().max(1) as u64).isqrt() as u32
    }
}

/// Puts the samples of a block where their pixels are in the unit.
fn spread(
    samples: &BlockSamples,
    plane: &mut [[u8; UNIT_SIDE]; UNIT_SIDE],
    place: (usize, usize),
    component: &Plane,
) {
    for (y, samples) in samples.iter().enumerate() {
        let first = (place.1 + y) * component.down;
        for row in plane.iter_mut().skip(first).take(component.down) {
            for (x, &sample) in samples.iter().enumerate() {
                let first = (place.0 + x) * component.across;
                row.iter_mut().skip(first).take(component.across).for_each(|pixel| *pixel = sample);
            }
        }
    }
}

/// The samples of a block whose bits begin at `taken`; `None` where they are none.
fn block_samples(
    data: &Data,
    taken: u32,
    mean: i16,
    dc: &DcTable,
    ac: &AcTable,
    steps: &Steps,
) -> Option<BlockSamples> {
    let (used, _) = dc.difference_at(bits_at(data, taken))?;
    let (mut taken, mut position) = (taken + used, 1);
    let mut block = [0; BLOCK];
    block[0] = mean;
    while position < BLOCK {
        let (used, symbol) = ac.symbol(bits_at(data, taken))?;
        taken += used;
        match symbol {
            AcSymbol::Coefficient { run, value } => {
                position += run as usize;
                let place = Kept::ALL.order().get(position)?;
                block[usize::from(*place)] = value as i16;
                position += 1;
            }
            AcSymbol::Zeros => position += 16,
            AcSymbol::End { .. } => break,
        }
    }
    Some(dispatch::block_samples(&block, steps).0)
}

/// As JFIF and every decoder has it, cut off.
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

/// How far the luminance of red, green and blue that are cut off is from that of a block: all in eighths of a level, its means as the
/// transform gives them.
pub(super) fn gamut_error(luminance: i32, blue: i32, red: i32) -> u32 {
    const WHITE: i32 = 255 * 8;
    let luminance = (luminance + 128 * 8).clamp(0, WHITE);
    let (blue, red) = (blue.clamp(-1024, 1016), red.clamp(-1024, 1016));
    let colours = [
        luminance + ((91_881 * red) >> 16),
        luminance - ((22_554 * blue + 46_802 * red) >> 16),
        luminance + ((116_130 * blue) >> 16),
    ];
    if colours.iter().all(|colour| (0..=WHITE).contains(colour)) {
        return 0;
    }
    let [red, green, blue] = colours.map(|colour| colour.clamp(0, WHITE));
    ((299 * red + 587 * green + 114 * blue) / 1000).abs_diff(luminance)
}

/// A thousand times the luminance of red, green and blue.
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
