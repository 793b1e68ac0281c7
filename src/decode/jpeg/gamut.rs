//! How much luminance is lost where red, green and blue are clipped, estimated from the means of blocks
//! alone.
//!
//! For large progressive files no pixels are computed, and only the means of chroma are read. A file whose chroma drives colours out of
//! gamut does not look like its luminance; blocks of one colour show by how much.

use super::dispatch::{self, Task};
use super::progressive::Plane;
use super::structure::Frame;
use crate::pdq::TILE_FRACTION_BITS;

/// Luminance, in eighths of a level.
const WHITE: i32 = 255 * 8;
/// Blocks computed together, and the maximum whose squares are summed in 32 bits.
const LANES: usize = 8;
const BLOCKS: usize = 512;

/// Means of a row of blocks, times eight: luminance, blue and red.
type Means = [Vec<i32>; 3];

/// The root mean square difference between luminance and that of clipped red, green and blue, in the tile's own units, from the planes of
/// luminance and chroma and the quantisation steps of their means. Luminance has as many blocks as the picture.
pub(super) fn error(frame: &Frame, planes: &[Plane; 3], steps: [u16; 3]) -> u32 {
    let (across, down) = (usize::from(frame.width).div_ceil(8), usize::from(frame.height).div_ceil(8));
    let factors = |index: usize| {
        let component = frame.components[index];
        (usize::from(component.across), usize::from(component.down))
    };
    let max = factors(0);
    let mut means = Means::default();
    let mut sum = 0_u64;
    for y in 0..down {
        for (index, (plane, means)) in planes.iter().zip(&mut means).enumerate() {
            let (wide, high) = factors(index);
            let row = y * high / max.1;
            // A row of luminance usually has the same blocks of chroma as the previous row.
            if y == 0 || row != (y - 1) * high / max.1 {
                means.clear();
                means.extend(plane.means(row, steps[index]));
                spread(means, across, (wide, max.0));
            }
        }
        sum += dispatch::with_vectors(Squares(&means));
    }
    let eighths = (sum / (across * down).max(1) as u64 * (1 << 16)).isqrt();
    (eighths << (TILE_FRACTION_BITS - 3 - 8)) as u32
}

/// Gives each of `across` blocks of luminance its mean, where `wide` blocks of a component cover `max` of
/// luminance.
fn spread(means: &mut Vec<i32>, across: usize, (wide, max): (usize, usize)) {
    if 2 * wide == max {
        *means = means.iter().flat_map(|&mean| [mean; 2]).collect();
    } else if wide != max {
        *means = (0..across).map_while(|x| means.get(x * wide / max).copied()).collect();
    }
    means.truncate(across);
}

/// The squares of all errors of a row, together.
struct Squares<'m>(&'m Means);

impl Task for Squares<'_> {
    type Output = u64;

    #[inline(always)]
    fn execute(self) -> u64 {
        squares(self.0)
    }
}

#[inline(always)]
fn squares([luminance, blue, red]: &Means) -> u64 {
    let mut sum = 0;
    // Loops instead of iterator chains: code that is not inlined here is not compiled for these instructions.
    for ((luminance, blue), red) in luminance.chunks(BLOCKS).zip(blue.chunks(BLOCKS)).zip(red.chunks(BLOCKS))
    {
        let (luminances, last) = luminance.as_chunks::<LANES>();
        let (blues, last_blue) = blue.as_chunks::<LANES>();
        let (reds, last_red) = red.as_chunks::<LANES>();
        let mut sums = [0; LANES];
        for ((luminance, blue), red) in luminances.iter().zip(blues).zip(reds) {
            let mut beyond = 0;
            for lane in 0..LANES {
                for colour in colours(luminance[lane], blue[lane], red[lane]) {
                    beyond |= colour | (WHITE - colour);
                }
            }
            // Most blocks are entirely in gamut.
            if beyond >= 0 {
                continue;
            }
            for lane in 0..LANES {
                sums[lane] += block_error(luminance[lane], blue[lane], red[lane]).pow(2);
            }
        }
        for ((&luminance, &blue), &red) in last.iter().zip(last_blue).zip(last_red) {
            sums[0] += block_error(luminance, blue, red).pow(2);
        }
        for of_a_lane in sums {
            sum += u64::from(of_a_lane);
        }
    }
    sum
}

/// Red, green and blue of a block, in eighths of a level, as JFIF has it.
#[inline(always)]
fn colours(luminance: i32, blue: i32, red: i32) -> [i32; 3] {
    let luminance = shown(luminance);
    let (blue, red) = (blue.clamp(-1024, 1016), red.clamp(-1024, 1016));
    [
        luminance + ((91_881 * red) >> 16),
        luminance - ((22_554 * blue + 46_802 * red) >> 16),
        luminance + ((116_130 * blue) >> 16),
    ]
}

/// A mean of luminance as decoders clip it.
#[inline(always)]
fn shown(mean: i32) -> i32 {
    (mean + 128 * 8).clamp(0, WHITE)
}

/// The difference between the luminance of clipped red, green and blue and that of a block, in eighths of a
/// level.
#[inline(always)]
fn block_error(luminance: i32, blue: i32, red: i32) -> u32 {
    let colours = colours(luminance, blue, red);
    let cut = colours.map(|colour| colour.clamp(0, WHITE));
    let [red, green, blue] = cut;
    let error = ((299 * red + 587 * green + 114 * blue) as u32 / 1000).abs_diff(shown(luminance) as u32);
    if cut == colours { 0 } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_that_can_be_shown_have_no_error() {
        assert_eq!(block_error(0, 0, 0), 0);
        assert_eq!(block_error(-1024, 0, 0), 0);
        assert_eq!(block_error(100, -90, 200), 0);
    }

    /// Black with all of red: red is 1.402 times 127 levels, green and blue cannot be negative.
    #[test]
    fn chroma_on_black_lightens_it() {
        let red = (1016 * 91_881) >> 16;
        assert_eq!(block_error(-1024, 0, 1016), (299 * red / 1000) as u32);
    }

    #[test]
    fn a_row_is_the_sum_of_its_blocks_however_long() {
        let number = |x: usize, factor: usize| (x * factor % 4001) as i32 - 2000;
        let means: Means =
            [37, 101, 59].map(|factor| (0..3 * BLOCKS + 5).map(|x| number(x, factor)).collect());
        let [luminance, blue, red] = &means;
        let errors = (0..luminance.len()).map(|x| block_error(luminance[x], blue[x], red[x]));
        let sum: u64 = errors.map(|error| u64::from(error).pow(2)).sum();
        assert_eq!(squares(&means), sum);
        assert_eq!(dispatch::with_vectors(Squares(&means)), sum);
    }

    #[test]
    fn a_block_of_chroma_stands_for_those_of_luminance_that_it_covers() {
        let mut means = vec![1, 2, 3];
        spread(&mut means, 5, (1, 2));
        assert_eq!(means, [1, 1, 2, 2, 3]);
        spread(&mut means, 4, (2, 2));
        assert_eq!(means, [1, 1, 2, 2]);
    }
}
