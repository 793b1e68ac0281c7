//! Huffman tables that take several symbols a look-up.
//!
//! An AC symbol is a run of zeros, then the bits of a coefficient. Where only the length of symbols matters, a window of
//! bits tells how many bits the whole symbols in it take and how far in the block they lead ([`AcTable::skip`]).
//! Where the coefficients are wanted, it also tells up to three of them ([`AcTable::values`]). Both are built from the
//! same table of shorter windows, one step an entry.

use std::cell::OnceCell;

use super::bits::BitReader;
use super::zigzag::BLOCK;

/// A symbol's length in bits and its value.
type Symbol = (u32, u8);

/// The canonical code of a table, as the file defines it.
#[derive(Debug)]
struct Code {
    /// For each length, the first code that is longer than it, aligned to 16 bits.
    limits: [u32; 17],
    /// For each length, what to add to a code to get the index of its value.
    offsets: [i32; 17],
    values: Vec<u8>,
}

impl Code {
    /// `counts[n]` codes of n + 1 bits. `None` for a code that cannot be.
    fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut limits = [0; 17];
        let mut offsets = [0; 17];
        let (mut code, mut index) = (0_u32, 0);
        for length in 1..=16 {
            let count = u32::from(counts[length - 1]);
            offsets[length] = index - code as i32;
            code += count;
            index += count as i32;
            // The code of ones alone is reserved.
            if count > 0 && code >= 1 << length {
                return None;
            }
            limits[length] = code << (16 - length);
            code <<= 1;
        }
        (index as usize == values.len()).then(|| Self { limits, offsets, values: values.to_vec() })
    }

    /// For each window of `window` bits the symbol at its top, as its length above its value; 0 where none fits.
    fn windows(&self, window: u32) -> Vec<u16> {
        let mut windows = vec![0; 1 << window];
        let mut start = 0;
        for length in 1..=window {
            let end = self.limits[length as usize] >> (16 - window);
            for (index, entry) in windows[start as usize..end as usize].iter_mut().enumerate() {
                let code = (start + index as u32) >> (window - length);
                let value = self.values[(code as i32 + self.offsets[length as usize]) as usize];
                *entry = (length as u16) << 8 | u16::from(value);
            }
            start = end;
        }
        windows
    }

    /// The symbol at the top of `bits`; `None` where there is none.
    fn symbol(&self, bits: u64) -> Option<Symbol> {
        let top = (bits >> 48) as u32;
        let length = (1..=16).find(|&length| top < self.limits[length])?;
        let index = (top >> (16 - length)) as i32 + self.offsets[length];
        let value = self.values.get(usize::try_from(index).ok()?)?;
        Some((length as u32, *value))
    }
}

/// What a coefficient's `size` bits mean: the upper half are themselves, the lower half negative.
const fn extend(bits: u32, size: u32) -> i32 {
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
    code: Code,
    window: u32,
    /// For each window, the bits of the symbol with its difference, and the difference above 8 bits; 0 where it does not fit.
    entries: Box<[u32]>,
}

impl DcTable {
    /// Looks at `window` bits at a time.
    pub fn new(counts: &[u8; 16], values: &[u8], window: u32) -> Option<Self> {
        let code = Code::new(counts, values).filter(|_| values.iter().all(|&size| size < 16))?;
        let entry = |(index, symbol): (usize, &u16)| {
            let (length, size) = (u32::from(symbol >> 8), u32::from(symbol & 0xff));
            let (bits, used) = ((index as u64) << (64 - window), length + size);
            let fits = length > 0 && used <= window && size <= MAX_DC_SIZE;
            if fits { (extend(field(bits, length, size), size) as u32) << 8 | used } else { 0 }
        };
        let entries = code.windows(window).iter().enumerate().map(entry).collect();
        Some(Self { code, window, entries })
    }

    /// The next difference; `None` for bits that are none. The reader was refilled.
    #[inline(always)]
    pub fn difference(&self, reader: &mut BitReader<'_, '_>) -> Option<i32> {
        let entry = self.entries[(reader.peek() >> (64 - self.window)) as usize];
        if entry != 0 {
            reader.skip(entry & 0xff);
            return Some(entry as i32 >> 8);
        }
        let (used, difference) = self.long_difference(reader.peek())?;
        reader.skip(used);
        Some(difference)
    }

    /// The bits that the difference at the top of `bits` takes, and the difference.
    #[cold]
    #[inline(never)]
    fn long_difference(&self, bits: u64) -> Option<(u32, i32)> {
        let (length, size) = self.code.symbol(bits)?;
        let size = u32::from(size);
        (size <= MAX_DC_SIZE).then(|| (length + size, extend(field(bits, length, size), size)))
    }
}

/// Coefficients that one look-up tells.
const SLOTS: u32 = 3;
/// Where a slot leads that tells nothing: beyond any block.
const NOWHERE: u64 = 63;

/// For blocks of which nothing is kept: the windows of a DC difference and what AC symbols fit behind it, as in
/// [`AcTable::skip`]. Positions are those of the block.
#[derive(Debug)]
pub(super) struct PassTable {
    pub entries: Box<[u16]>,
}

impl PassTable {
    /// Joins two tables of the same window.
    pub fn new(dc: &DcTable, ac: &AcTable) -> Self {
        let (window, skips) = (ac.window, ac.all_skips());
        let entry = |(index, symbol): (usize, &u16)| {
            let (length, size) = (u32::from(symbol >> 8), u32::from(symbol & 0xff));
            let used = length + size;
            if length == 0 || size > MAX_DC_SIZE {
                return PASS_NOTHING;
            }
            let rest = match window.checked_sub(used) {
                Some(left) => skips[(1 << left) + (index & ((1 << left) - 1))],
                None => SKIP_NOTHING,
            };
            let rest = if rest == SKIP_NOTHING { 0 } else { rest };
            // Used bits and positions add up without touching each other.
            rest + (1 << SKIP_USED_BITS | used) as u16
        };
        Self { entries: dc.code.windows(window).iter().enumerate().map(entry).collect() }
    }
}

/// An entry of a [`PassTable`] for no symbol that fits. Positions begin at the block's own here, so that [`SKIP_NOTHING`] would
/// lead to the very end of a block.
const PASS_NOTHING: u16 = (BLOCK as u16 + 1) << SKIP_USED_BITS;

/// Bits of an entry of [`AcTable::skip`] that hold the bits used.
pub(super) const SKIP_USED_BITS: u32 = 5;
/// What an entry of [`AcTable::skip`] adds to the position when its last symbol ends the block.
pub(super) const SKIP_ENDS: u32 = 128;
/// An entry that leads from any position of a block to one that is neither in a block nor an end: no symbol fits.
const SKIP_NOTHING: u16 = 64 << SKIP_USED_BITS;

/// A table for AC symbols.
#[derive(Debug)]
pub(super) struct AcTable {
    code: Code,
    /// Bits that index [`AcTable::skip`] and [`AcTable::values`].
    pub window: u32,
    /// [`AcTable::skip`] of this window and of all shorter ones.
    skip: OnceCell<Box<[u16]>>,
    values: OnceCell<Box<[u64]>>,
}

/// One AC symbol that was read alone.
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
    /// The block's rest is zero, and of so many blocks after it the whole band (none in a baseline file).
    End {
        /// Blocks after this one.
        more: u32,
    },
}

impl AcTable {
    /// Looks at `window` bits at a time, at most 12.
    pub fn new(counts: &[u8; 16], values: &[u8], window: u32) -> Option<Self> {
        let code = Code::new(counts, values)?;
        // Of a progressive file many tables are never looked at.
        Some(Self { code, window, skip: OnceCell::new(), values: OnceCell::new() })
    }

    /// For each window: bits used, and above [`SKIP_USED_BITS`] the positions to go on, [`SKIP_ENDS`] more at a block's end.
    #[inline(always)]
    pub fn skip(&self) -> &[u16] {
        &self.all_skips()[1 << self.window..]
    }

    #[inline(always)]
    fn all_skips(&self) -> &[u16] {
        self.skip.get_or_init(|| fill(&self.code, self.window, SKIP_NOTHING, skip_entry))
    }

    /// For each window: four bits used, an end bit, seven bits of positions to go on, two bits how many coefficients are told,
    /// and from bit 16 on three of them, six bits position and ten bits value each. No bits used: no symbol fits.
    pub fn values(&self) -> &[u64] {
        &self.values.get_or_init(|| fill(&self.code, self.window, 0, value_entry))[1 << self.window..]
    }

    /// The bits that the symbol at the top of `bits` takes, at most 31, and the symbol; `None` for bits that are none.
    #[inline(never)]
    pub fn symbol(&self, bits: u64) -> Option<(u32, AcSymbol)> {
        let (length, symbol) = self.code.symbol(bits)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        Some(match (run, size) {
            (15, 0) => (length, AcSymbol::Zeros),
            // So many blocks as 2^run and the bits behind it say, this one among them.
            (_, 0) => (length + run, AcSymbol::End { more: (1 << run) - 1 + field(bits, length, run) }),
            (_, 1..=MAX_AC_SIZE) => {
                let value = extend(field(bits, length, size), size);
                (length + size, AcSymbol::Coefficient { run, value })
            }
            _ => return None,
        })
    }
}

/// Fills tables of windows of up to `window` bits, those of n bits from 2ⁿ on, with `entry(symbol, bits, index, rest)`. What a window does is what its first symbol
/// does and then what the shorter window behind it does, `rest`; so all shorter windows are filled first. Where no symbol fits,
/// and behind the window's end, there is `nothing`.
fn fill<E: Copy>(
    code: &Code,
    window: u32,
    nothing: E,
    entry: impl Fn(AcCode, u32, usize, E) -> E,
) -> Box<[E]> {
    let symbols = code.windows(window);
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
                let rest = if used <= bits {
                    entries[(1 << (bits - used)) + (index & ((1 << (bits - used)) - 1))]
                } else {
                    nothing
                };
                entries[(1 << bits) + index] = entry(AcCode { run, size, used }, bits, index, rest);
            }
        }
    }
    entries.into_boxed_slice()
}

/// An AC symbol in a window.
#[derive(Clone, Copy)]
struct AcCode {
    run: u32,
    size: u32,
    /// Bits with those of its coefficient.
    used: u32,
}

impl AcCode {
    const fn ends(self) -> bool {
        self.size == 0 && self.run == 0
    }

    /// Positions that it leads on.
    const fn advance(self) -> u32 {
        if self.ends() { 0 } else { self.run + 1 }
    }
}

/// An entry of [`AcTable::skip`]. The last symbol's coefficient may lie beyond the window.
fn skip_entry(first: AcCode, _bits: u32, _index: usize, rest: u16) -> u16 {
    let pack = |used: u32, advance: u32| (advance << SKIP_USED_BITS | used) as u16;
    if first.ends() {
        return pack(first.used, SKIP_ENDS);
    }
    let (used, advance) = (u32::from(rest) & ((1 << SKIP_USED_BITS) - 1), u32::from(rest) >> SKIP_USED_BITS);
    if rest == SKIP_NOTHING || first.advance() + advance % SKIP_ENDS > 63 {
        return pack(first.used, first.advance());
    }
    pack(first.used + used, first.advance() + advance)
}

/// Bits of an entry of [`AcTable::values`] that say how many coefficients it tells.
const TOLD_SHIFT: u32 = 12;

/// An entry of [`AcTable::values`].
fn value_entry(first: AcCode, bits: u32, index: usize, rest: u64) -> u64 {
    // A slot's ten bits with a sign hold nine bits of a coefficient.
    if first.used > bits || first.size > 9 {
        return 0;
    }
    if first.ends() {
        return EMPTY_SLOTS | 1 << 4 | u64::from(first.used);
    }
    let told = u64::from(first.size > 0);
    let mut slots = EMPTY_SLOTS;
    if first.size > 0 {
        let field = index >> (bits - first.used) & ((1 << first.size) - 1);
        slots = slot(slots, 0, u64::from(first.run), extend(field as u32, first.size));
    }
    let alone = slots | told << TOLD_SHIFT | u64::from(first.advance()) << 5 | u64::from(first.used);
    let (rest_used, rest_ends, rest_advance) = (rest & 15, rest & 16, rest >> 5 & 127);
    let rest_told = rest >> TOLD_SHIFT & 3;
    let advance = u64::from(first.advance()) + rest_advance;
    if rest_used == 0 || advance > 63 || told + rest_told > u64::from(SLOTS) {
        return alone;
    }
    for number in 0..rest_told {
        let told_there = rest >> (16 + 16 * number);
        let position = (told_there & 63) + u64::from(first.advance());
        slots = slot(slots, told + number, position, i32::from(told_there as i16 >> 6));
    }
    slots | (told + rest_told) << TOLD_SHIFT | advance << 5 | rest_ends | (u64::from(first.used) + rest_used)
}

/// Three slots that tell nothing.
const EMPTY_SLOTS: u64 = NOWHERE << 16 | NOWHERE << 32 | NOWHERE << 48;

/// `slots` with one of them told.
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
        assert!(Code::new(&counts, &[1, 2, 3]).is_none(), "three codes of one bit");
        counts[0] = 2;
        assert!(Code::new(&counts, &[1, 2]).is_none(), "a code of ones");
        counts[0] = 1;
        assert!(Code::new(&counts, &[1]).is_some());
        assert!(Code::new(&counts, &[]).is_none(), "fewer values than codes");
        assert!(Code::new(&[0; 16], &[]).is_some_and(|code| code.symbol(0).is_none()));
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

    /// Every entry says what reading its symbols one by one says.
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
                let (mut taken, mut position, mut ended, mut told) = (0, 0, false, Vec::new());
                while taken < used {
                    assert!(!ended);
                    let (length, symbol) = table.symbol(bits << taken).unwrap();
                    taken += u64::from(length);
                    match symbol {
                        AcSymbol::Coefficient { run, value } => {
                            told.push((position + u64::from(run), value));
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
                assert_eq!(slots, told);
                // Lengths alone come at least as far.
                assert!(u64::from(table.skip()[index]) & 31 >= used);
            }
        }
    }

    /// Blocks of which nothing is kept, by look-ups and by single symbols, also where a difference's code is longer than the window.
    #[test]
    fn differences_and_symbols_are_passed_together() {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[9]) = (1, 1, 2);
        let sizes = [0, 3, 5, 11];
        for window in [8, 9, 12] {
            let (dc, ac) = (DcTable::new(&counts, &sizes, window).unwrap(), table(window));
            let joined = PassTable::new(&dc, &ac);
            for index in 0..1_usize << window {
                let bits = (index as u64) << (64 - window);
                let entry = joined.entries[index];
                let (used, next) = (u32::from(entry) & 31, usize::from(entry >> SKIP_USED_BITS));
                let single = dc.code.symbol(bits).filter(|(length, _)| *length <= window);
                let Some((length, size)) = single else {
                    assert!(next != BLOCK && next < SKIP_ENDS as usize && next > BLOCK, "{next}");
                    continue;
                };
                let (mut taken, mut position) = (length + u32::from(size), 1);
                while taken < used {
                    let (length, symbol) = ac.symbol(bits << taken).unwrap();
                    taken += length;
                    position += match symbol {
                        AcSymbol::Coefficient { run, .. } => run as usize + 1,
                        AcSymbol::Zeros => 16,
                        AcSymbol::End { .. } => SKIP_ENDS as usize,
                    };
                }
                assert_eq!((taken, position), (used, next), "{index:012b}");
            }
        }
    }

    #[test]
    fn lengths_alone_need_not_see_the_last_coefficient() {
        // 00 is an end; 010 and its two bits; 010 whose bits lie beyond the window.
        let table = table(8);
        let entry = |index: usize| (table.skip()[index] & 31, table.skip()[index] >> 5);
        assert_eq!(entry(0b0000_0000), (2, 128));
        assert_eq!(entry(0b0101_1010), (10, 4));
        assert_eq!(entry(0b0101_1000), (7, 130));
        assert_eq!(entry(0b0110_1011), (8, 18), "sixteen zeros and a coefficient");
        assert_eq!(table.skip()[0b1000_0000], SKIP_NOTHING, "a code longer than the window");
    }
}
