//! The order of a block's coefficients, and how many of them are kept.

/// Coefficients of a block.
pub(super) const BLOCK: usize = 64;

/// (vertical, horizontal) frequency of each coefficient in the order of the file.
pub(super) const FREQUENCIES: [(u8, u8); BLOCK] = {
    let mut order = [(0, 0); BLOCK];
    let (mut vertical, mut horizontal) = (0_i8, 0_i8);
    let mut index = 0;
    while index < BLOCK {
        order[index] = (vertical as u8, horizontal as u8);
        // Odd diagonals run down, even ones up; at the borders the path follows them.
        let up = (vertical + horizontal) % 2 == 0;
        let (at_end, at_start) =
            if up { (horizontal == 7, vertical == 0) } else { (vertical == 7, horizontal == 0) };
        match (up, at_end, at_start) {
            (true, true, _) => vertical += 1,
            (true, false, true) => horizontal += 1,
            (true, false, false) => (vertical, horizontal) = (vertical - 1, horizontal + 1),
            (false, true, _) => horizontal += 1,
            (false, false, true) => vertical += 1,
            (false, false, false) => (vertical, horizontal) = (vertical + 1, horizontal - 1),
        }
        index += 1;
    }
    order
};

/// How many numbers reading a block may write to, from its first on. Coefficients that are not kept go where the next
/// block of the row will be, which is cleared when it is read; so positions need no check.
pub(super) const REACH: usize = 2 * BLOCK;

/// Places in the order of the file.
const AS_IN_THE_FILE: [u8; BLOCK] = {
    let mut order = [0; BLOCK];
    let mut index = 0;
    while index < BLOCK {
        order[index] = index as u8;
        index += 1;
    }
    order
};

/// The place of a coefficient if all are kept, as the transform to samples expects: vertical frequencies in pairs, (0, 2), (4,
/// 6), (1, 3) and (5, 7); of each pair, for the horizontal frequencies 0, 2, 4, 6, 1, 3, 5 and 7, both numbers.
pub(super) const fn place(vertical: usize, horizontal: usize) -> usize {
    let (vertical, horizontal) = (even_first(vertical), even_first(horizontal));
    vertical / 2 * 16 + horizontal * 2 + vertical % 2
}

/// The place of a frequency among the even ones, followed by the odd ones.
const fn even_first(frequency: usize) -> usize {
    frequency / 2 + frequency % 2 * 4
}

/// [`place`] by the order of the file.
const AS_TRANSFORMED: [u8; BLOCK] = {
    let mut order = [0; BLOCK];
    let mut index = 0;
    while index < BLOCK {
        order[index] = place(FREQUENCIES[index].0 as usize, FREQUENCIES[index].1 as usize) as u8;
        index += 1;
    }
    order
};

/// [`Kept::ALL`]'s order for readers that may write [beyond a block](REACH).
pub(super) const TRANSFORMED_REACH: [u8; REACH] = {
    let mut order = [0; REACH];
    let mut index = 0;
    while index < REACH {
        order[index] = if index < BLOCK { AS_TRANSFORMED[index] } else { index as u8 };
        index += 1;
    }
    order
};

/// The first coefficients of each block, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept(u8);

impl Kept {
    /// The mean alone.
    pub const ONE: Self = Self(1);
    /// The mean and the slopes.
    pub const THREE: Self = Self(3);
    /// Three diagonals.
    pub const SIX: Self = Self(6);
    /// Five diagonals.
    pub const FIFTEEN: Self = Self(15);
    /// Seven diagonals.
    pub const TWENTY_EIGHT: Self = Self(28);
    /// All of them.
    pub const ALL: Self = Self(64);

    /// How many.
    pub const fn count(self) -> usize {
        self.0 as usize
    }

    /// Numbers that a block takes in memory: one, or vectors of eight.
    pub const fn stride(self) -> usize {
        if self.count() == 1 { 1 } else { self.count().next_multiple_of(8) }
    }

    /// Where readers put each coefficient of a block: in the order of the file, and to its [`place`] where all are kept.
    pub const fn order(self) -> &'static [u8; BLOCK] {
        if self.count() == BLOCK { &AS_TRANSFORMED } else { &AS_IN_THE_FILE }
    }

    /// Vertical frequencies that occur.
    pub const fn frequencies(self) -> usize {
        let mut highest = 0;
        let mut index = 0;
        while index < self.count() {
            if FREQUENCIES[index].0 > highest {
                highest = FREQUENCIES[index].0;
            }
            index += 1;
        }
        highest as usize + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_standards() {
        // Figure A.6 of ITU-T T.81, row by row: the place of each coefficient in the zigzag.
        let figure = [
            [0, 1, 5, 6, 14, 15, 27, 28],
            [2, 4, 7, 13, 16, 26, 29, 42],
            [3, 8, 12, 17, 25, 30, 41, 43],
            [9, 11, 18, 24, 31, 40, 44, 53],
            [10, 19, 23, 32, 39, 45, 52, 54],
            [20, 22, 33, 38, 46, 51, 55, 60],
            [21, 34, 37, 47, 50, 56, 59, 61],
            [35, 36, 48, 49, 57, 58, 62, 63],
        ];
        for (index, &(vertical, horizontal)) in FREQUENCIES.iter().enumerate() {
            assert_eq!(figure[usize::from(vertical)][usize::from(horizontal)], index);
        }
        assert_eq!(Kept::SIX.frequencies(), 3);
        assert_eq!((Kept::SIX.stride(), Kept::FIFTEEN.stride(), Kept::ALL.stride()), (8, 16, 64));
    }
}
