//! Huffman tables that take several symbols a look-up.
//!
//! An AC symbol is a run of zeros, then the bits of a coefficient. Where only the length of symbols matters, a window of
//! bits tells how many bits the whole symbols in it take and how far in the block they lead ([`AcTable::skip`]).
//! Where the coefficients are wanted, it also tells up to three of them ([`AcTable::values`]). Both are built from the
//! same table of shorter windows, one step an entry.

use std::cell::OnceCell;

use super::bits::BitReader;

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
    /// `counts[n]` codes of n + 1 bits. `None` for a code that cannot be: with more codes of a length than there is room.
    fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut limits = [0; 17];
        let mut offsets = [0; 17];
        let (mut code, mut index) = (0_u32, 0);
        for length in 1..=16 {
            let count = u32::from(counts[length - 1]);
            offsets[length] = index - code as i32;
            code += count;
            index += count as i32;
            if code > 1 << length {
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
        let code = Code::new(counts, values)?;
        let entry = |index: u64| {
            let bits = index << (64 - window);
            let (length, size) = code.symbol(bits)?;
            let (size, used) = (u32::from(size), length + u32::from(size));
            let fits = used <= window && size <= MAX_DC_SIZE;
            fits.then(|| (extend(field(bits, length, size), size) as u32) << 8 | used)
        };
        let entries = (0..1_u64 << window).map(|index| entry(index).unwrap_or(0)).collect();
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

/// What whole symbols in a window of bits do.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Bits that they take; 0 where not even one fits.
    used: u32,
    /// Positions in the block that they lead on.
    advance: u32,
    /// Whether the last of them ends the block.
    ends: bool,
    /// The first coefficients among them: how far on, and their values.
    values: [(u32, i32); SLOTS],
    /// How many of them are told.
    told: usize,
}

/// Coefficients that one look-up tells.
const SLOTS: usize = 3;
/// A slot that tells nothing leads beyond any block.
const NOWHERE: u32 = 63;

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
    /// For each window: bits used, and above [`SKIP_USED_BITS`] the positions to go on, [`SKIP_ENDS`] more at a block's end.
    pub skip: Box<[u16]>,
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
        let skip = steps(&code, window, Wanted::Lengths).into_iter().map(skip_entry).collect();
        Some(Self { code, window, skip, values: OnceCell::new() })
    }

    /// For each window: four bits used, an end bit, seven bits of positions to go on, and from bit 16 on three
    /// coefficients of six bits position and ten bits value. No bits used: no symbol fits.
    pub fn values(&self) -> &[u64] {
        self.values.get_or_init(|| {
            steps(&self.code, self.window, Wanted::Values).into_iter().map(value_entry).collect()
        })
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

/// What steps are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Only to go on: the last symbol's coefficient may lie beyond the window.
    Lengths,
    /// The coefficients too.
    Values,
}

/// The steps of all windows of `window` bits. A window's step is its first symbol and then the step of the
/// shorter window behind it, so all shorter windows are stepped through first.
fn steps(code: &Code, window: u32, wanted: Wanted) -> Vec<Step> {
    let symbols = code.windows(window);
    // Those of n bits begin at 2ⁿ.
    let mut steps = vec![Step::default(); 2 << window];
    for bits in 1..=window {
        for index in 0..1_usize << bits {
            let symbol = symbols[index << (window - bits)];
            if (1..=bits).contains(&u32::from(symbol >> 8)) {
                steps[(1 << bits) + index] = step(symbol, bits, index, wanted, &steps);
            }
        }
    }
    steps.split_off(1 << window)
}

fn step(symbol: u16, bits: u32, index: usize, wanted: Wanted, shorter: &[Step]) -> Step {
    let (length, symbol) = (u32::from(symbol >> 8), symbol as u8);
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    let used = length + size;
    if size > MAX_AC_SIZE || (used > bits && wanted == Wanted::Values) {
        return Step::default();
    }
    let mut first = Step { used, values: [(NOWHERE, 0); SLOTS], ..Step::default() };
    match (run, size) {
        (15, 0) => first.advance = 16,
        (0, 0) => return Step { ends: true, ..first },
        // A run of ends, in progressive files, is read alone.
        (_, 0) => return Step::default(),
        _ => {
            first.advance = run + 1;
            if wanted == Wanted::Values {
                let value = index >> (bits - used) & ((1 << size) - 1);
                first.values[0] = (run, extend(value as u32, size));
                first.told = 1;
            }
        }
    }
    if used > bits {
        return first;
    }
    let rest = shorter[(1 << (bits - used)) + (index & ((1 << (bits - used)) - 1))];
    let told = first.told + rest.told;
    if rest.used == 0 || first.advance + rest.advance > 63 || told > SLOTS {
        return first;
    }
    for (slot, (position, value)) in first.values[first.told..].iter_mut().zip(rest.values) {
        *slot = (if position == NOWHERE { NOWHERE } else { first.advance + position }, value);
    }
    Step { used: used + rest.used, advance: first.advance + rest.advance, ends: rest.ends, told, ..first }
}

fn skip_entry(step: Step) -> u16 {
    if step.used == 0 {
        return SKIP_NOTHING;
    }
    let advance = step.advance + if step.ends { SKIP_ENDS } else { 0 };
    (advance << SKIP_USED_BITS | step.used) as u16
}

fn value_entry(step: Step) -> u64 {
    let slots = step.values.iter().enumerate().fold(0, |slots, (slot, &(position, value))| {
        let packed = (value as u64 & 0x3ff) << 6 | u64::from(position);
        slots | packed << (16 + 16 * slot)
    });
    slots | u64::from(step.advance) << 5 | u64::from(step.ends) << 4 | u64::from(step.used)
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
        assert!(Code::new(&counts, &[1, 2]).is_some());
        assert!(Code::new(&counts, &[1]).is_none(), "fewer values than codes");
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
                    .filter(|(position, _)| *position != u64::from(NOWHERE))
                    .collect();
                assert_eq!(slots, told);
                // Lengths alone come at least as far.
                assert!(u64::from(table.skip[index]) & 31 >= used);
            }
        }
    }

    #[test]
    fn lengths_alone_need_not_see_the_last_coefficient() {
        // 00 is an end; 010 and its two bits; 010 whose bits lie beyond the window.
        let table = table(8);
        let entry = |index: usize| (table.skip[index] & 31, table.skip[index] >> 5);
        assert_eq!(entry(0b0000_0000), (2, 128));
        assert_eq!(entry(0b0101_1010), (10, 4));
        assert_eq!(entry(0b0101_1000), (7, 130));
        assert_eq!(entry(0b0110_1011), (8, 18), "sixteen zeros and a coefficient");
        assert_eq!(table.skip[0b1000_0000], SKIP_NOTHING, "a code longer than the window");
    }
}
