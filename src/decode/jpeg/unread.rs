//! Estimates what unread scans may hold.
//!
//! Only the first scans of large progressive files are read, and never those of chroma. The content of the others is not known
//! block by block, but its total energy is estimated from samples of their bits, so that a file whose picture is mostly in
//! them is not taken for what its first scans show. In the middle of a scan the start of a symbol is unknown: all possible
//! bits are tried, and Huffman codes synchronise by themselves, so these walks soon merge into one, which is the true one.

use super::bits::free;
use super::huffman::{AcSymbol, AcTable};
use super::scan::Scan;
use super::zigzag::BLOCK;
use crate::decode::PixelsWanted;

/// Samples of a scan, and bytes of each.
const SAMPLES: usize = 16;
const SAMPLE_BYTES: usize = 256;
/// Upper bound for the bits of a symbol with its coefficient.
const LONGEST: usize = 32;
/// The maximum average of a component in such scans, as the square of a sample's deviation, for luminance and chroma. Ordinary files
/// are estimated at up to 2,400 and 800, coarsely quantised ones at up to 4,400 and 1,300.
const MAX_UNREAD: [u64; 2] = [5000, 1500];

/// The energy of a component's unread scans: sums of squares of coefficients times their steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unread(u64);

impl Unread {
    /// Adds a scan of a band of coefficients of so many blocks with its data.
    ///
    /// # Errors
    /// If its symbols cannot be determined.
    pub fn add(
        &mut self,
        scan: &Scan,
        data: &[u8],
        table: &AcTable,
        steps: &[u16; BLOCK],
        blocks: usize,
    ) -> Result<(), PixelsWanted> {
        let steps = &steps[scan.first..=scan.last];
        let scale = |step: u16| u64::from(step) << scan.left;
        let largest = steps.iter().copied().map(scale).max().unwrap_or(0);
        let bits = 8 * data.len() as u64;
        let energy = if scan.left_before > 0 {
            refined(bits, blocks as u64, table, steps.iter().copied().map(scale))
        } else {
            let (energy, seen) = sampled(data, table, |position| match position {
                Some(position) => steps.get(position).copied().map_or(largest, scale),
                None => largest,
            })
            .ok_or("a scan whose symbols cannot be determined")?;
            (u128::from(energy) * u128::from(bits) / u128::from(seen.max(1))) as u64
        };
        self.0 = self.0.saturating_add(energy);
        Ok(())
    }

    /// Whether a component of that many blocks has more energy in them than pictures have.
    pub const fn is_too_much(self, blocks: usize, is_luminance: bool) -> bool {
        let limit = MAX_UNREAD[if is_luminance { 0 } else { 1 }];
        self.0 / (BLOCK * if blocks == 0 { 1 } else { blocks }) as u64 > limit
    }
}

/// The approximate maximum energy of a refinement of `bits`. A coefficient that begins there takes its code and a bit for its
/// sign, and a block has one of each frequency. If steps are more uneven than any encoder's, the largest count, otherwise their
/// mean square.
fn refined(bits: u64, blocks: u64, table: &AcTable, scales: impl Iterator<Item = u64>) -> u64 {
    const UNEVEN: u64 = 8;
    let of_a_coefficient = |symbol: &&u16| **symbol != 0 && **symbol & 15 == 1;
    let shortest = table.code.windows().iter().filter(of_a_coefficient).map(|symbol| symbol >> 8).min();
    let mut left = bits / u64::from(shortest.unwrap_or(table.window as u16) + 1);
    let mut squares: Vec<u64> = scales.map(|scale| scale * scale).collect();
    squares.sort_unstable_by(|one, other| other.cmp(one));
    let mean = squares.iter().sum::<u64>() / squares.len().max(1) as u64;
    if squares.first().is_some_and(|&largest| largest <= UNEVEN * mean) {
        squares.fill(mean);
    }
    squares.into_iter().fold(0, |sum: u64, square| {
        let count = left.min(blocks);
        left -= count;
        sum.saturating_add(square.saturating_mul(count))
    })
}

/// Energy of samples of a band's first scan, and the bits in which it was measured; `None` if the walks do not merge.
/// `scale` gives the factor of a coefficient, by its position in the band if known.
fn sampled(data: &[u8], table: &AcTable, scale: impl Fn(Option<usize>) -> u64) -> Option<(u64, u64)> {
    let mut memory = [0; SAMPLE_BYTES + 8];
    let (mut energy, mut seen, mut lost) = (0_u64, 0, 0);
    let whole = data.len() <= SAMPLES * SAMPLE_BYTES;
    let count = if whole { data.len().div_ceil(SAMPLE_BYTES).max(1) } else { SAMPLES };
    for number in 0..count {
        let mut next = data.len() * number / count;
        // The byte after 0xFF is stuffing.
        next += usize::from(next > 0 && data[next - 1] == 0xff);
        let (end, _) = free(data, &mut next, &mut memory[..SAMPLE_BYTES], 0);
        memory[end..].fill(0);
        let Some(mut at) = in_step(&memory, 8 * end, table, number == 0) else {
            // Also if a marker cut it short: in a file with restarts all may be.
            lost += 1;
            continue;
        };
        let mut begun = at;
        let mut here = 0_u64;
        let mut position = (number == 0).then_some(0);
        while at + LONGEST <= 8 * end {
            let (used, symbol) = table.symbol(bits_at(&memory, at))?;
            at += used as usize;
            position = match symbol {
                AcSymbol::Coefficient { run, value } => {
                    let place = position.map(|position: usize| position + run as usize);
                    let value = u64::from(value.unsigned_abs()).saturating_mul(scale(place));
                    here = here.saturating_add(value.saturating_mul(value));
                    place.map(|place| place + 1)
                }
                AcSymbol::Zeros => position.map(|position| position + 16),
                AcSymbol::End { .. } => {
                    if position.is_none() {
                        // The bits before it were overestimated.
                        (here, begun) = (0, at);
                    }
                    Some(0)
                }
            };
        }
        energy = energy.saturating_add(here);
        seen += (at - begun) as u64;
    }
    (2 * lost <= count).then_some((energy, seen))
}

/// The first bit at which all walks have merged; if `known`, the very first.
fn in_step(memory: &[u8; SAMPLE_BYTES + 8], bits: usize, table: &AcTable, known: bool) -> Option<usize> {
    if known {
        return Some(0);
    }
    let mut begins = [false; 8 * SAMPLE_BYTES + LONGEST];
    begins[..LONGEST].fill(true);
    let mut walks = LONGEST;
    for at in 0..bits.saturating_sub(LONGEST) {
        if !begins[at] {
            continue;
        }
        if walks == 1 && at >= LONGEST {
            return Some(at);
        }
        walks -= 1;
        if let Some((used, _)) = table.symbol(bits_at(memory, at)) {
            let next = &mut begins[at + used as usize];
            walks += usize::from(!*next);
            *next = true;
        }
    }
    None
}

/// Bits from bit `at` on, from the top.
fn bits_at(memory: &[u8; SAMPLE_BYTES + 8], at: usize) -> u64 {
    let bytes = memory[at / 8..at / 8 + 8].try_into().unwrap_or_default();
    u64::from_be_bytes(bytes) << (at % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbols of four bits each, so walks that begin at odd bits never merge with the others.
    fn table() -> AcTable {
        let mut counts = [0; 16];
        counts[3] = 15;
        let symbols: Vec<u8> = (0..15).map(|run| run << 4 | 2).collect();
        AcTable::new(&counts, &symbols, 10).unwrap()
    }

    #[test]
    fn samples_that_markers_cut_short_are_lost_as_others_are() {
        let whole: Vec<u8> = (0..40_000_u32).map(|byte| (byte * 37 % 200) as u8).collect();
        assert_eq!(sampled(&whole, &table(), |_| 1), None);
        let mut cut = whole.clone();
        cut.chunks_exact_mut(100).for_each(|chunk| chunk[98..].copy_from_slice(&[0xff, 0xd0]));
        assert_eq!(sampled(&cut, &table(), |_| 1), None);
        // A scan that is read from its beginning has no samples to lose.
        assert!(sampled(&[0; 200], &table(), |_| 1).is_some());
    }
}
