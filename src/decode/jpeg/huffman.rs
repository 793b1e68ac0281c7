//! Huffman tables that decode several symbols a look-up.
//!
//! An AC symbol is a run of zeros, then the bits of a coefficient. Where only the length of symbols matters, a window of
//! bits gives the bits of the complete symbols in it and the coefficients that they cover ([steps](super::steps)). Where
//! the coefficients are needed, it also gives up to three of them ([`AcTable::values`]). Both are built from the same
//! table of shorter windows, one step an entry.

use std::cell::OnceCell;

use super::bits::BitReader;
use super::step_tables::Cached;

/// A symbol's length in bits and its value.
type Symbol = (u32, u8);

/// The canonical code of a table, as the file defines it.
#[derive(Debug)]
pub(super) struct Code {
    /// For each length, the first code that is longer than it, aligned to 16 bits.
    limits: [u32; 17],
    /// For each length, what to add to a code to get the index of its value.
    offsets: [i32; 17],
    values: Vec<u8>,
    /// Bits of a window.
    window: u32,
    /// For each window the symbol at its top, as its length above its value; 0 where none fits.
    windows: Vec<u16>,
}

impl Code {
    /// `counts[n]` codes of n + 1 bits, looked up by `window` bits. `None` for an invalid code.
    fn new(counts: &[u8; 16], values: &[u8], window: u32) -> Option<Self> {
        let mut limits = [0; 17];
        let mut offsets = [0; 17];
        let (mut code, mut index) = (0_u32, 0);
        for length in 1..=16 {
            let count = u32::from(counts[length - 1]);
            offsets[length] = index - code as i32;
            code += count;
            index += count as i32;
            // The code of all ones is reserved.
            if count > 0 && code >= 1 << length {
                return None;
            }
            limits[length] = code << (16 - length);
            code <<= 1;
        }
        if index as usize != values.len() {
            return None;
        }
        let mut windows = vec![0; 1 << window];
        let mut start = 0;
        for length in 1..=window {
            let end = limits[length as usize] >> (16 - window);
            for (index, entry) in windows[start as usize..end as usize].iter_mut().enumerate() {
                let code = (start + index as u32) >> (window - length);
                let value = values[(code as i32 + offsets[length as usize]) as usize];
                *entry = (length as u16) << 8 | u16::from(value);
            }
            start = end;
        }
        Some(Self { limits, offsets, values: values.to_vec(), window, windows })
    }

    /// For each window the symbol at its top, as its length above its value; 0 where none fits.
    pub fn windows(&self) -> &[u16] {
        &self.windows
    }

    /// The symbol at the top of `bits`; `None` where there is none.
    fn symbol(&self, bits: u64) -> Option<Symbol> {
        let windowed = self.windows[(bits >> (64 - self.window)) as usize];
        if windowed != 0 {
            return Some((u32::from(windowed >> 8), windowed as u8));
        }
        let top = (bits >> 48) as u32;
        let length = (self.window as usize + 1..=16).find(|&length| top < self.limits[length])?;
        let index = (top >> (16 - length)) as i32 + self.offsets[length];
        let value = self.values.get(usize::try_from(index).ok()?)?;
        Some((length as u32, *value))
    }
}

/// The value of a coefficient's `size` bits: the upper half is positive, the lower half negative.
pub(super) const fn extend(bits: u32, size: u32) -> i32 {
    let value = bits as i32;
    if size > 0 && value < 1 << (size - 1) { value - (1 << size) + 1 } else { value }
}

/// `size` bits behind the first `length` of `bits`.
const fn field(bits: u64, length: u32, size: u32) -> u32 {
    if size == 0 { 0 } else { (bits << length >> (64 - size)) as u32 }
}

/// DC differences have at most this many bits in an 8-bit picture, AC coefficients one less.
const MAX_DC_SIZE: u32 = 11;
const MAX_AC_SIZE: u32 = 10;

/// A table for DC differences.
#[derive(Debug)]
pub(super) struct DcTable {
    pub code: Code,
    window: u32,
    /// For each window, the bits of the symbol with its difference, and the difference above 8 bits; 0 where it does not fit.
    entries: Box<[u32]>,
}

impl DcTable {
    /// A table with look-ups of `window` bits.
    pub fn new(counts: &[u8; 16], values: &[u8], window: u32) -> Option<Self> {
        let code = Code::new(counts, values, window).filter(|_| values.iter().all(|&size| size < 16))?;
        let entry = |(index, symbol): (usize, &u16)| {
            let (length, size) = (u32::from(symbol >> 8), u32::from(symbol & 0xff));
            let (bits, used) = ((index as u64) << (64 - window), length + size);
            let fits = length > 0 && used <= window && size <= MAX_DC_SIZE;
            if fits { (extend(field(bits, length, size), size) as u32) << 8 | used } else { 0 }
        };
        let entries = code.windows().iter().enumerate().map(entry).collect();
        Some(Self { code, window, entries })
    }

    /// The next difference; `None` for invalid bits. The reader must have been refilled.
    #[inline(always)]
    pub fn difference(&self, reader: &mut BitReader<'_, '_>) -> Option<i32> {
        let (used, difference) = self.difference_at(reader.peek())?;
        reader.skip(used);
        Some(difference)
    }

    /// The bits that the difference at the top of `bits` takes, and the difference.
    #[inline(always)]
    pub fn difference_at(&self, bits: u64) -> Option<(u32, i32)> {
        let entry = self.entries[(bits >> (64 - self.window)) as usize];
        if entry != 0 { Some((entry & 0xff, entry as i32 >> 8)) } else { self.long_difference(bits) }
    }

    /// [`DcTable::difference_at`] for any length.
    #[cold]
    #[inline(never)]
    pub fn long_difference(&self, bits: u64) -> Option<(u32, i32)> {
        let (length, size) = self.code.symbol(bits)?;
        let size = u32::from(size);
        (size <= MAX_DC_SIZE).then(|| (length + size, extend(field(bits, length, size), size)))
    }
}

/// Coefficients that one look-up gives.
const SLOTS: u32 = 3;
/// The position of an empty slot: beyond any block.
const NOWHERE: u64 = 63;

/// A table for AC symbols.
#[derive(Debug)]
pub(super) struct AcTable {
    pub code: Code,
    /// Bits that index [`AcTable::values`] and [steps](super::steps).
    pub window: u32,
    values: OnceCell<Box<[u64]>>,
    /// [`super::steps::rest_lengths`] of this window and of all shorter ones.
    pub steps: OnceCell<Box<[u16]>>,
    /// The tables of [strands](super::strands): [`super::steps::lengths`], [`super::steps::values`] and
    /// [`super::steps::passed`].
    pub lengths: Cached<DcTable, u16>,
    pub step_values: Cached<DcTable, u64>,
    pub passed: Cached<DcTable, u64>,
}

/// One AC symbol, read on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcSymbol {
    /// Zeros, then a coefficient.
    Coefficient {
        /// Zeros before it.
        run: u32,
        /// Never 0.
        value: i32,
    },
    /// Sixteen zeros.
    Zeros,
    /// The rest of the block is zero, and so is the whole band of `more` blocks after it (none in a baseline
    /// file).
    End {
        /// Blocks after this one.
        more: u32,
    },
}

impl AcTable {
    /// A table with look-ups of `window` bits, at most 12.
    pub fn new(counts: &[u8; 16], values: &[u8], window: u32) -> Option<Self> {
        let code = Code::new(counts, values, window)?;
        // Many tables of a progressive file are never used.
        Some(Self {
            code,
            window,
            values: OnceCell::new(),
            steps: OnceCell::new(),
            lengths: Cached::default(),
            step_values: Cached::default(),
            passed: Cached::default(),
        })
    }

    /// For each window: four bits used, an end bit, seven bits of positions to advance, two bits for the number of
    /// coefficients, and from bit 16 on three of them, six bits position and ten bits value each. No bits used: no symbol
    /// fits.
    pub fn values(&self) -> &[u64] {
        &self.values.get_or_init(|| fill(&self.code, self.window, 0, value_entry))[1 << self.window..]
    }

    /// The bits that the symbol at the top of `bits` takes, at most 31, and the symbol; `None` for invalid
    /// bits.
    #[inline(never)]
    pub fn symbol(&self, bits: u64) -> Option<(u32, AcSymbol)> {
        let (length, symbol) = self.code.symbol(bits)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        Some(match (run, size) {
            (15, 0) => (length, AcSymbol::Zeros),
            // 2^run plus the following bits is the number of blocks, including this one.
            (_, 0) => (length + run, AcSymbol::End { more: (1 << run) - 1 + field(bits, length, run) }),
            (_, 1..=MAX_AC_SIZE) => {
                let value = extend(field(bits, length, size), size);
                (length + size, AcSymbol::Coefficient { run, value })
            }
            _ => return None,
        })
    }
}

/// Fills tables of windows of up to `window` bits, those of n bits from 2ⁿ on, with `entry(symbol, bits, index, rest)`. The effect of a window is that of its first
/// symbol followed by that of the shorter window after it, `rest`; so all shorter windows are filled first. Where no symbol fits, and after the window's end, there
/// is `nothing`.
pub(super) fn fill<E: Copy>(
    code: &Code,
    window: u32,
    nothing: E,
    entry: impl Fn(AcCode, u32, usize, E) -> E,
) -> Box<[E]> {
    let symbols = code.windows();
    let mut entries = vec![nothing; 2 << window];
    for bits in 1..=window {
        for index in 0..1_usize << bits {
            let symbol = symbols[index << (window - bits)];
            let length = u32::from(symbol >> 8);
            let (run, size) = (u32::from(symbol >> 4) & 15, u32::from(symbol) & 15);
            // A run of ends, in progressive files, is read alone.
            let alone = size > MAX_AC_SIZE || (size == 0 && run != 0 && run != 15);
            if (1..=bits).contains(&length) && !alone {
                let used = length + size;
                let rest = bits.checked_sub(used).map_or(nothing, |left| rest_of(&entries, left, index));
                entries[(1 << bits) + index] = entry(AcCode { run, size, used }, bits, index, rest);
            }
        }
    }
    entries.into_boxed_slice()
}

/// In tables of all windows as built by [`fill`], the entry for the last `left` bits of `index`.
pub(super) fn rest_of<E: Copy>(entries: &[E], left: u32, index: usize) -> E {
    entries[(1 << left) + (index & ((1 << left) - 1))]
}

/// An AC symbol in a window.
#[derive(Clone, Copy)]
pub(super) struct AcCode {
    pub run: u32,
    pub size: u32,
    /// Its bits, including those of its coefficient.
    pub used: u32,
}

impl AcCode {
    pub const fn ends(self) -> bool {
        self.size == 0 && self.run == 0
    }

    /// Positions that it advances.
    pub const fn advance(self) -> u32 {
        if self.ends() { 0 } else { self.run + 1 }
    }
}

/// Shift of the bits of an entry of [`AcTable::values`] with its number of coefficients.
const COUNT_SHIFT: u32 = 12;

/// An entry of [`AcTable::values`].
fn value_entry(first: AcCode, bits: u32, index: usize, rest: u64) -> u64 {
    // A slot's ten bits with a sign hold nine bits of a coefficient.
    if first.used > bits || first.size > 9 {
        return 0;
    }
    if first.ends() {
        return EMPTY_SLOTS | 1 << 4 | u64::from(first.used);
    }
    let count = u64::from(first.size > 0);
    let mut slots = EMPTY_SLOTS;
    if first.size > 0 {
        let field = index >> (bits - first.used) & ((1 << first.size) - 1);
        slots = slot(slots, 0, u64::from(first.run), extend(field as u32, first.size));
    }
    let alone = slots | count << COUNT_SHIFT | u64::from(first.advance()) << 5 | u64::from(first.used);
    let (rest_used, rest_ends, rest_advance) = (rest & 15, rest & 16, rest >> 5 & 127);
    let rest_count = rest >> COUNT_SHIFT & 3;
    let advance = u64::from(first.advance()) + rest_advance;
    if rest_used == 0 || advance > 63 || count + rest_count > u64::from(SLOTS) {
        return alone;
    }
    for number in 0..rest_count {
        let entry = rest >> (16 + 16 * number);
        let position = (entry & 63) + u64::from(first.advance());
        slots = slot(slots, count + number, position, i32::from(entry as i16 >> 6));
    }
    slots
        | (count + rest_count) << COUNT_SHIFT
        | advance << 5
        | rest_ends
        | (u64::from(first.used) + rest_used)
}

/// Three empty slots.
const EMPTY_SLOTS: u64 = NOWHERE << 16 | NOWHERE << 32 | NOWHERE << 48;

/// `slots` with one of them filled.
const fn slot(slots: u64, number: u64, position: u64, value: i32) -> u64 {
    let shift = 16 + 16 * number;
    slots & !(0xffff << shift) | (((value as u64 & 0x3ff) << 6) | position) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of 2, 3, 3 and 16 bits: end of block, a run of 1 with 2 bits, 16 zeros, and a run of 0 with 10 bits.
    fn table(window: u32) -> AcTable {
        let mut counts = [0; 16];
        (counts[1], counts[2], counts[15]) = (1, 2, 1);
        AcTable::new(&counts, &[0x00, 0x12, 0xf0, 0x0a], window).unwrap()
    }

    #[test]
    fn codes_that_cannot_be_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Code::new(&counts, &[1, 2, 3], 8).is_none(), "three codes of one bit");
        counts[0] = 2;
        assert!(Code::new(&counts, &[1, 2], 8).is_none(), "a code of ones");
        counts[0] = 1;
        assert!(Code::new(&counts, &[1], 8).is_some());
        assert!(Code::new(&counts, &[], 8).is_none(), "fewer values than codes");
        assert!(Code::new(&[0; 16], &[], 8).is_some_and(|code| code.symbol(0).is_none()));
    }

    #[test]
    fn symbols_of_every_length_are_read() {
        // 00 | 010 11 | 011 | 1000000000000000 1111111111
        let bytes = [0b0001_0110, 0b1110_0000, 0, 0b0011_1111, 0b1111_0000, 0, 0, 0];
        let table = table(12);
        let mut bits = u64::from_be_bytes(bytes);
        for expected in [
            (2, AcSymbol::End { more: 0 }),
            (5, AcSymbol::Coefficient { run: 1, value: 3 }),
            (3, AcSymbol::Zeros),
            (26, AcSymbol::Coefficient { run: 0, value: 1023 }),
        ] {
            assert_eq!(table.symbol(bits), Some(expected));
            bits <<= expected.0;
        }
        assert_eq!(table.symbol(u64::MAX), None);
    }

    /// Every entry agrees with reading its symbols one by one.
    #[test]
    fn look_ups_agree_with_single_symbols() {
        for window in [8, 9, 12] {
            let table = table(window);
            for index in 0..1_usize << window {
                let bits = (index as u64) << (64 - window);
                let entry = table.values()[index];
                let (used, ends, advance) = (entry & 15, entry >> 4 & 1 == 1, entry >> 5 & 127);
                if used == 0 {
                    continue;
                }
                let (mut taken, mut position, mut ended, mut coefficients) = (0, 0, false, Vec::new());
                while taken < used {
                    assert!(!ended);
                    let (length, symbol) = table.symbol(bits << taken).unwrap();
                    taken += u64::from(length);
                    match symbol {
                        AcSymbol::Coefficient { run, value } => {
                            coefficients.push((position + u64::from(run), value));
                            position += u64::from(run) + 1;
                        }
                        AcSymbol::Zeros => position += 16,
                        AcSymbol::End { .. } => ended = true,
                    }
                }
                assert_eq!((taken, position, ended), (used, advance, ends));
                let slots: Vec<(u64, i32)> = (0..SLOTS)
                    .map(|slot| entry >> (16 + 16 * slot))
                    .map(|slot| (slot & 63, i32::from(slot as u16 as i16 >> 6)))
                    .filter(|(position, _)| *position != NOWHERE)
                    .collect();
                assert_eq!(slots, coefficients);
            }
        }
    }
}
