//! Huffman tables in the form of increments, so that a step of a walk is one addition.
//!
//! A walk's [`Cursor`] is one number: the bits taken, and the coefficients left in the block. A look-up may take several
//! symbols, whose increments simply add up.

use std::rc::Rc;

use super::huffman::{AcCode, AcSymbol, AcTable, DcTable, extend, fill, rest_of};
use super::step_tables::StepTables;
use super::zigzag::{BLOCK, Kept};

/// The position of a walk: the bits taken, above [`LEFT_BITS`] bits for what is left of the block.
///
/// These are 0 at a block's beginning, and after its first coefficient they count down from 63. An end of block adds [`END`]. So a block has ended
/// where they are 0 or their highest bit is set, and their second highest bit is only set in invalid states: by positions beyond the block's end
/// with or without an end, an end where the block has ended already, or [`NOTHING`].
pub(super) type Cursor = u32;
/// Bits of a cursor for what is left of the block.
pub(super) const LEFT_BITS: u32 = 8;
/// Their mask.
pub(super) const LEFT: Cursor = (1 << LEFT_BITS) - 1;
/// The bit that marks an invalid state.
pub(super) const WRONG: Cursor = 64;
/// What an end of block adds.
const END: u32 = 127;
/// Coefficients behind a block's first.
const OTHERS: u32 = BLOCK as u32 - 1;
/// The increment where no symbol fits a look-up, in a block and at its beginning.
const NOTHING: u16 = 0_u16.wrapping_sub(WRONG as u16);
const NOTHING_FIRST: u16 = WRONG as u16;

/// A step of a walk.
pub(super) trait Step: Copy {
    /// A step that adds `increment` to the cursor and gives at most one coefficient.
    fn alone(increment: u16, coefficient: Option<Coefficient>) -> Self;

    /// The increment of the cursor.
    fn increment(self) -> u32;

    /// Stores its coefficients at their places after `start`; `cursor` is the walk's position before the
    /// step.
    fn store(self, cursor: Cursor, numbers: &mut Numbers, start: usize);
}

/// A coefficient of a step: the coefficients skipped before it in this step, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coefficient {
    pub before: u8,
    pub value: i16,
}

/// Buffer for coefficients, 64 a block.
pub(super) type Numbers = [i16; NUMBERS];
/// A power of two, so that indices need no bounds check.
pub(super) const NUMBERS: usize = BLOCK << 14;

/// Lengths alone. The last symbol's coefficient may lie beyond the window.
impl Step for u16 {
    #[inline(always)]
    fn alone(increment: u16, _coefficient: Option<Coefficient>) -> Self {
        increment
    }

    #[inline(always)]
    fn increment(self) -> u32 {
        self.into()
    }

    #[inline(always)]
    fn store(self, _cursor: Cursor, _numbers: &mut Numbers, _start: usize) {}
}

/// Lengths, and from bit 16 on two coefficients of eight and sixteen bits, [`Coefficient::before`] and the value.
impl Step for u64 {
    #[inline(always)]
    fn alone(increment: u16, coefficient: Option<Coefficient>) -> Self {
        with(Self::from(increment) | NO_COEFFICIENTS, 0, coefficient)
    }

    #[inline(always)]
    fn increment(self) -> u32 {
        u32::from(self as u16)
    }

    #[inline(always)]
    fn store(self, cursor: Cursor, numbers: &mut Numbers, start: usize) {
        for (before, value) in
            [((self >> 16) as u8, (self >> 24) as i16), ((self >> 40) as u8, (self >> 48) as i16)]
        {
            let place = PLACES[usize::from((cursor as u8).wrapping_sub(before))];
            numbers[(start + usize::from(place)) % NUMBERS] = value;
        }
    }
}

/// [`Coefficient::before`] of an absent coefficient: it leads to no place of the block.
const NOWHERE: u8 = BLOCK as u8;
/// Two absent coefficients.
const NO_COEFFICIENTS: u64 = (NOWHERE as u64) << 16 | (NOWHERE as u64) << 40;

/// `step` with coefficient `number` of two, if present.
const fn with(step: u64, number: u32, coefficient: Option<Coefficient>) -> u64 {
    let Some(coefficient) = coefficient else { return step };
    let shift = 16 + 24 * number;
    step & !(0xff_ffff << shift)
        | ((coefficient.value as u16 as u64) << 8 | coefficient.before as u64) << shift
}

/// Coefficient `number` of two of a step, if present; the second is only present with the first.
const fn coefficient_of(step: u64, number: u32) -> Option<Coefficient> {
    let coefficient = step >> (16 + 24 * number);
    if coefficient as u8 == NOWHERE {
        None
    } else {
        Some(Coefficient { before: coefficient as u8, value: (coefficient >> 8) as i16 })
    }
}

/// Where a coefficient goes, by what is left of the block before it: to its [`super::zigzag::place`]. An absent one goes after
/// the block, to the first place of the next one, which is stored later.
const PLACES: [u8; 256] = {
    let mut places = [BLOCK as u8; 256];
    places[0] = 0;
    let mut left = 1;
    while left < BLOCK {
        places[left] = Kept::ALL.order()[BLOCK - left];
        left += 1;
    }
    places
};

/// Tables for lengths alone.
pub(super) fn lengths(dc: &Rc<DcTable>, ac: &AcTable) -> StepTables<u16> {
    ac.lengths.get(dc, || {
        let all = lengths_of_all_windows(ac);
        let first = first_steps(dc, ac.window, NOTHING_FIRST, |used, _, index| {
            let own = beginning(used);
            let rest = ac.window.checked_sub(used).map_or(NOTHING, |left| rest_of(all, left, index));
            if rest == NOTHING { own } else { own.wrapping_add(rest) }
        });
        StepTables { first, rest: rest_lengths(ac).into() }
    })
}

/// Increments of the look-ups after a block's first, for lengths alone.
#[inline(always)]
pub(super) fn rest_lengths(ac: &AcTable) -> &[u16] {
    &lengths_of_all_windows(ac)[1 << ac.window..]
}

/// [`rest_lengths`] of all windows up to that of the table, those of n bits from number 2ⁿ on.
#[inline(always)]
fn lengths_of_all_windows(ac: &AcTable) -> &[u16] {
    ac.steps.get_or_init(|| fill(&ac.code, ac.window, NOTHING, length_step))
}

/// Tables for all coefficients.
pub(super) fn values(dc: &Rc<DcTable>, ac: &AcTable) -> StepTables<u64> {
    ac.step_values.get(dc, || {
        let nothing = u64::alone(NOTHING, None);
        let all = fill(&ac.code, ac.window, nothing, value_step);
        let first = first_steps(dc, ac.window, u64::alone(NOTHING_FIRST, None), |used, difference, index| {
            let Some(left) = ac.window.checked_sub(used) else { return u64::alone(NOTHING_FIRST, None) };
            let own = beginning(used);
            let alone = u64::alone(own, Some(Coefficient { before: 0, value: difference as i16 }));
            let rest = rest_of(&all, left, index);
            if rest == nothing || coefficient_of(rest, 1).is_some() {
                return alone;
            }
            // After the first coefficient 63 are left, but the cursor before it has 0.
            let after = |coefficient: Coefficient| Coefficient {
                before: coefficient.before.wrapping_sub(OTHERS as u8),
                ..coefficient
            };
            let both = alone & !0xffff | u64::from(own.wrapping_add(rest as u16));
            with(both, 1, coefficient_of(rest, 0).map(after))
        });
        StepTables { first, rest: all[1 << ac.window..].into() }
    })
}

/// Tables for blocks that are skipped while those of others are stored.
pub(super) fn passed(dc: &Rc<DcTable>, ac: &AcTable) -> StepTables<u64> {
    ac.passed.get(dc, || {
        let StepTables { first, rest } = lengths(dc, ac);
        let widened = |steps: &[u16]| steps.iter().map(|&step| u64::alone(step, None)).collect();
        StepTables { first: widened(&first), rest: widened(&rest) }
    })
}

/// For each window of `window` bits the result of `step(bits used, difference, window)` for the difference at its top, or `nothing` if
/// its code does not fit. A difference whose bits extend beyond the window is computed as if zeros followed.
fn first_steps<S: Copy>(
    dc: &DcTable,
    window: u32,
    nothing: S,
    step: impl Fn(u32, i32, usize) -> S,
) -> Rc<[S]> {
    let step = |(index, &symbol): (usize, &u16)| {
        let fits = (symbol != 0).then_some((index as u64) << (64 - window));
        let read = fits.and_then(|bits| dc.long_difference(bits));
        read.map_or(nothing, |(used, difference)| step(used, difference, index))
    };
    dc.code.windows().iter().enumerate().map(step).collect()
}

/// The increment of symbols that take `used` bits and advance by `advance` coefficients.
const fn increment(used: u32, advance: u32, ends: bool) -> u16 {
    ((used << LEFT_BITS) + if ends { END } else { 0 }).wrapping_sub(advance) as u16
}

/// The increment of a difference of `used` bits at a block's beginning, where the cursor has 0 left.
const fn beginning(used: u32) -> u16 {
    (used << LEFT_BITS | OTHERS) as u16
}

/// The coefficients that an increment advances by.
const fn advance(increment: u16) -> u32 {
    let left = increment as u8 as u32;
    // With an end it is 127 less them, else 256 less them.
    if left >= WRONG && left <= END { END - left } else { left.wrapping_neg() & LEFT }
}

/// An entry of a table for lengths.
fn length_step(first: AcCode, _bits: u32, _index: usize, rest: u16) -> u16 {
    let own = increment(first.used, first.advance(), first.ends());
    if first.ends() || rest == NOTHING || first.advance() + advance(rest) > OTHERS {
        own
    } else {
        own.wrapping_add(rest)
    }
}

/// An entry of a table for all coefficients.
fn value_step(first: AcCode, bits: u32, index: usize, rest: u64) -> u64 {
    let nothing = u64::alone(NOTHING, None);
    if first.used > bits {
        return nothing;
    }
    let own = increment(first.used, first.advance(), first.ends());
    let coefficient = (first.size > 0).then(|| {
        let field = index >> (bits - first.used) & ((1 << first.size) - 1);
        Coefficient { before: first.run as u8, value: extend(field as u32, first.size) as i16 }
    });
    let alone = u64::alone(own, coefficient);
    if first.ends() || rest == nothing || first.advance() + advance(rest as u16) > OTHERS {
        return alone;
    }
    let steps = u64::from(own.wrapping_add(rest as u16));
    let after = |coefficient: Coefficient| Coefficient {
        before: coefficient.before + first.advance() as u8,
        ..coefficient
    };
    match (coefficient, coefficient_of(rest, 0).map(after), coefficient_of(rest, 1).map(after)) {
        (None, first, second) => with(with(steps | NO_COEFFICIENTS, 0, first), 1, second),
        (Some(_), first, None) => with(alone & !0xffff | steps, 1, first),
        (Some(_), _, Some(_)) => alone,
    }
}

/// The step of the single symbol at the top of `bits` in a block with `left` coefficients left; `None` for an
/// invalid one.
pub(super) fn single<S: Step>(dc: &DcTable, ac: &AcTable, bits: u64, left: Cursor) -> Option<S> {
    if left == 0 {
        let (used, difference) = dc.long_difference(bits)?;
        let coefficient = Coefficient { before: 0, value: difference as i16 };
        return Some(S::alone(beginning(used), Some(coefficient)));
    }
    let (used, symbol) = ac.symbol(bits)?;
    match symbol {
        AcSymbol::Coefficient { run, value } if run < left => {
            let coefficient = Coefficient { before: run as u8, value: value as i16 };
            Some(S::alone(increment(used, run + 1, false), Some(coefficient)))
        }
        AcSymbol::Zeros if left >= 16 => Some(S::alone(increment(used, 16, false), None)),
        AcSymbol::End { more: 0 } => Some(S::alone(increment(used, 0, true), None)),
        _ => None,
    }
}

/// The step for invalid data: a bit is taken, and a block ends as [`WRONG`].
pub(super) fn wrong<S: Step>(left: Cursor) -> S {
    S::alone((1 << LEFT_BITS) + (LEFT - left) as u16, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of 2, 3, 3 and 16 bits: end of block, a run of 1 with 2 bits, 16 zeros, and a run of 0 with 10 bits.
    fn ac(window: u32) -> AcTable {
        let mut counts = [0; 16];
        (counts[1], counts[2], counts[15]) = (1, 2, 1);
        AcTable::new(&counts, &[0x00, 0x12, 0xf0, 0x0a], window).unwrap()
    }

    /// Codes of 1, 2, 10 and 10 bits for differences of 0, 3, 5 and 11 bits.
    fn dc(window: u32) -> Rc<DcTable> {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[9]) = (1, 1, 2);
        Rc::new(DcTable::new(&counts, &[0, 3, 5, 11], window).unwrap())
    }

    /// The result of walking symbol by symbol.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Walked {
        cursor: Cursor,
        /// Coefficients by their place in the order of the file.
        coefficients: Vec<(usize, i32)>,
    }

    /// Walks from `left` on while fewer than `used` bits were taken; `None` for invalid data, or if a block
    /// ends before.
    fn walk(dc: &DcTable, ac: &AcTable, bits: u64, left: Cursor, used: u32) -> Option<Walked> {
        let mut walked = Walked { cursor: left, coefficients: Vec::new() };
        while walked.cursor >> LEFT_BITS < used {
            let (taken, left) = (walked.cursor >> LEFT_BITS, walked.cursor & LEFT);
            if taken > 0 && (left == 0 || left > OTHERS) {
                return None;
            }
            let (length, left) = if left == 0 {
                let (length, difference) = dc.long_difference(bits)?;
                walked.coefficients.push((0, difference));
                (length, OTHERS)
            } else {
                let (length, symbol) = ac.symbol(bits << taken)?;
                let left = match symbol {
                    AcSymbol::Coefficient { run, value } => {
                        walked.coefficients.push(((BLOCK as u32 + run).checked_sub(left)? as usize, value));
                        left.checked_sub(run + 1)?
                    }
                    AcSymbol::Zeros => left.checked_sub(16)?,
                    AcSymbol::End { .. } => left + END,
                };
                (length, left)
            };
            walked.cursor = (taken + length) << LEFT_BITS | left;
        }
        (walked.cursor >> LEFT_BITS == used).then_some(walked)
    }

    /// Every look-up from every position of a block agrees with its symbols one by one, or is marked as
    /// undecided.
    fn check<S: Step>(
        tables: &StepTables<S>,
        dc: &DcTable,
        ac: &AcTable,
        coefficient: impl Fn(&mut Numbers, S, Cursor) -> Option<Vec<(usize, i32)>>,
    ) {
        let window = ac.window;
        let mut numbers = bytemuck::allocation::zeroed_box::<Numbers>();
        let (mut known, mut unknown) = (0, 0);
        for index in 0..1_usize << window {
            let bits = (index as u64) << (64 - window);
            for left in 0..=OTHERS {
                let step = if left == 0 { tables.first[index] } else { tables.rest[index] };
                let cursor = left + step.increment();
                if cursor & WRONG != 0 {
                    // At a block's beginning its first symbol does not fit, or is invalid.
                    let first = single::<S>(dc, ac, bits, left);
                    let fits = first.is_some_and(|step| (left + step.increment()) >> LEFT_BITS <= window);
                    assert!(!fits || (1..OTHERS).contains(&left), "{index:b} {left}");
                    unknown += 1;
                    continue;
                }
                let walked = walk(dc, ac, bits, left, cursor >> LEFT_BITS).unwrap();
                assert_eq!(cursor, walked.cursor, "{index:b} {left}");
                if let Some(coefficient) = coefficient(&mut numbers, step, left) {
                    let expected: Vec<_> =
                        walked.coefficients.into_iter().filter(|(_, value)| *value != 0).collect();
                    assert_eq!(coefficient, expected, "{index:b} {left}");
                }
                known += 1;
            }
        }
        assert!(known > 1000 && unknown > 100, "{known} {unknown}");
    }

    /// The coefficients of a step, in the order of the file.
    fn coefficients(numbers: &mut Numbers, step: u64, left: Cursor) -> Option<Vec<(usize, i32)>> {
        numbers[..3 * BLOCK].fill(0);
        step.store(left, numbers, BLOCK);
        let beside = numbers[..BLOCK].iter().chain(&numbers[2 * BLOCK..3 * BLOCK]);
        assert!(beside.into_iter().all(|&number| number == 0));
        let place = |index: usize| usize::from(Kept::ALL.order()[index]);
        let number = |index: usize| (index, i32::from(numbers[BLOCK + place(index)]));
        Some((0..BLOCK).map(number).filter(|(_, value)| *value != 0).collect())
    }

    #[test]
    fn look_ups_do_what_their_symbols_do() {
        for window in [8, 9, 12] {
            let (dc, ac) = (dc(window), ac(window));
            check(&lengths(&dc, &ac), &dc, &ac, |_, _, _| None);
            check(&values(&dc, &ac), &dc, &ac, coefficients);
            check(&passed(&dc, &ac), &dc, &ac, |numbers, step, left| {
                assert_eq!(coefficients(numbers, step, left), Some(Vec::new()));
                None
            });
        }
    }

    #[test]
    fn several_symbols_are_taken_at_once() {
        let ac = ac(12);
        // Two runs of one with their bits, and an end: 010 11 | 010 10 | 00.
        let index = 0b0101_1010_1000;
        assert_eq!(rest_lengths(&ac)[index], increment(12, 4, true));
        let step = values(&dc(12), &ac).rest[index];
        assert_eq!(
            (step as u16, coefficient_of(step, 0), coefficient_of(step, 1)),
            (
                increment(12, 4, true),
                Some(Coefficient { before: 1, value: 3 }),
                Some(Coefficient { before: 3, value: 2 }),
            )
        );
    }

    #[test]
    fn lengths_alone_need_not_see_the_last_coefficient() {
        // 00 is an end; 010 and its two bits; 010 whose bits lie beyond the window; a code longer than the window.
        let ac = ac(8);
        let steps = rest_lengths(&ac);
        assert_eq!(steps[0b0000_0000], increment(2, 0, true));
        assert_eq!(steps[0b0101_1010], increment(10, 4, false));
        assert_eq!(steps[0b0101_1000], increment(7, 2, true));
        assert_eq!(steps[0b0110_1011], increment(8, 18, false), "sixteen zeros and a coefficient");
        assert_eq!(steps[0b1000_0000], NOTHING);
    }

    #[test]
    fn what_is_left_says_what_cannot_be() {
        for left in 1..=OTHERS {
            for on in 0..=OTHERS {
                let after = left + u32::from(increment(5, on, false)) - (5 << LEFT_BITS);
                assert_eq!(after & WRONG != 0, on > left, "{left} {on}");
                let end = left + u32::from(increment(5, on, true)) - (5 << LEFT_BITS);
                assert_eq!(end & WRONG != 0, on >= left, "{left} {on}");
                assert_eq!(end as i8 <= 0, on < left || on > left && end & LEFT > 127, "{left} {on}");
                assert_eq!(advance(increment(5, on, false)), on);
                assert_eq!(advance(increment(5, on, true)), on);
            }
            assert_ne!((left + u32::from(NOTHING)) & WRONG, 0);
            let wrong: u16 = wrong(left);
            assert_eq!(left + u32::from(wrong), 1 << LEFT_BITS | LEFT);
        }
    }
}
