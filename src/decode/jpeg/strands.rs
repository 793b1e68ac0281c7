//! Finds where the blocks of entropy-coded data begin, by several concurrent walks.
//!
//! A symbol's start is only known once the previous one was looked up: a walk through the bits is a chain of dependent
//! look-ups, during which the processor is mostly idle. So data is cut into pieces, and several pieces are walked in turns,
//! look-up by look-up, by as many *strands*. All but the first begin with a guess: that a unit of blocks begins at the first
//! bit of their piece. Huffman codes synchronise by themselves, so after some tens of blocks nearly every guess is correct. A
//! strand continues beyond its piece until it reaches a position of the next strand with the same block of a unit; from there
//! on the two walks are identical, and the next strand's earlier results are discarded. So the blocks are exactly those of a
//! single walk: guesses only affect the time.
//!
//! A step has no unpredictable branch: at a block's end the next block's table is selected, not jumped to.

use std::hint::select_unpredictable;

use super::dispatch::Task;
use super::huffman::{AcTable, DcTable};
use super::steps::{Cursor, LEFT, LEFT_BITS, Numbers, Step, WRONG, single, wrong};
use super::zigzag::BLOCK;

/// Concurrent strands. Four keep the processor busy (measured: `docs/decisions/jpeg-coefficients.md`).
pub(super) const LANES: usize = 4;
/// Look-ups of each strand between two checks for its end.
const BURST: usize = 8;
/// Spare ends of a piece: a burst may find as many blocks, and the last one's coefficients may go after it.
pub(super) const PIECE_SPARE: usize = BURST + 3;
/// Maximum blocks of a unit, as a power of two. The standard allows ten.
const MAX_BLOCKS: usize = 16;

/// Buffer for data: as many bytes as a cursor can count bits of, so that cursors need no bounds check.
pub(super) type Data = [u8; DATA];
pub(super) const DATA: usize = (1 << (Cursor::BITS - LEFT_BITS - 3)) + 8;
/// Buffer for the ends of blocks; a power of two.
pub(super) type Ends = [Cursor; ENDS];
pub(super) const ENDS: usize = super::steps::NUMBERS / BLOCK;
/// Ends reserved for walks that continue alone, and for strands without a piece.
const ALONE: usize = 1024;
const IDLE: usize = 64;
/// Ends for all pieces together.
pub(super) const PIECES_ENDS: usize = ENDS - ALONE - IDLE;

/// Cursors of a walk that begins within half a megabyte never wrap: a block takes less than 2,048 bits.
const _: () = assert!(8 * (1 << 19) + (PIECES_ENDS / LANES + ALONE) * 2048 < 1 << (Cursor::BITS - LEFT_BITS));

/// A piece of the data.
#[derive(Debug)]
pub(super) struct Piece {
    /// The bit at which its strand begins, and the one after which it is done.
    pub start: u32,
    pub end: u32,
    /// The index of its first end, and the number of its ends, of which the last [`PIECE_SPARE`] are not
    /// used.
    pub first: usize,
    pub room: usize,
    /// Blocks found.
    pub found: usize,
}

/// The tables for walking the blocks of a unit.
pub(super) struct Unit<'t, S, const SIZE: usize> {
    /// Blocks of a unit.
    blocks: usize,
    /// For each block its tables.
    codes: Vec<(&'t DcTable, &'t AcTable)>,
    /// By state: twice the block's number, one more where it has ended. The table of the next look-up…
    tables: [&'t [S; SIZE]; 2 * MAX_BLOCKS],
    /// …and twice the number of the block that it is in.
    blocks_after: [usize; 2 * MAX_BLOCKS],
}

/// Where blocks begin.
#[derive(Debug, Default)]
pub(super) struct FoundBlocks {
    /// Where each block begins, followed by the end of the last.
    pub cursors: Vec<Cursor>,
    /// For each block, the index of its end: the position of its coefficients in [`Numbers`].
    pub places: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Strand<'t, S, const SIZE: usize> {
    cursor: Cursor,
    table: &'t [S; SIZE],
    /// Twice the number of the block.
    block: usize,
    /// The number of the block's end.
    end: usize,
}

impl<'t, S: Step, const SIZE: usize> Unit<'t, S, SIZE> {
    const WINDOW: u32 = SIZE.trailing_zeros();

    /// A unit of blocks with these codes and tables: for the first look-up, and for the others.
    pub fn new(codes: Vec<(&'t DcTable, &'t AcTable)>, tables: &[(&'t [S; SIZE], &'t [S; SIZE])]) -> Self {
        let blocks = tables.len();
        let after = |state: usize| (state / 2 + state % 2) % blocks;
        Self {
            blocks,
            codes,
            tables: std::array::from_fn(|state| {
                let (first, rest) = tables[after(state)];
                if state % 2 == 0 { rest } else { first }
            }),
            blocks_after: std::array::from_fn(|state| 2 * after(state)),
        }
    }

    /// A strand at the beginning of a block.
    fn strand(&self, start: u32, block: usize, end: usize) -> Strand<'t, S, SIZE> {
        // The state of the previous block after its end.
        let before = 2 * ((block + self.blocks - 1) % self.blocks) + 1;
        Strand { cursor: start << LEFT_BITS, table: self.tables[before], block: 2 * block, end }
    }

    /// One look-up.
    #[inline(always)]
    fn step(
        &self,
        data: &Data,
        ends: &mut Ends,
        numbers: &mut Numbers,
        strand: Strand<'t, S, SIZE>,
    ) -> Strand<'t, S, SIZE> {
        let place = (strand.cursor >> (LEFT_BITS + 3)) as usize;
        let bytes = data[place..place + 4].try_into().unwrap_or_default();
        let shift = strand.cursor >> LEFT_BITS & 7;
        let window = u32::from_be_bytes(bytes) << shift >> (u32::BITS - Self::WINDOW);
        let mut step = strand.table[window as usize];
        let mut cursor = strand.cursor.wrapping_add(step.increment());
        if cursor & WRONG != 0 {
            step = self.single(data, strand.cursor, strand.block / 2);
            cursor = strand.cursor.wrapping_add(step.increment());
        }
        step.store(strand.cursor, numbers, strand.end * BLOCK);
        ends[strand.end % ENDS] = cursor;
        let ended = cursor as i8 <= 0;
        let state = (strand.block + usize::from(ended)) % (2 * MAX_BLOCKS);
        Strand {
            cursor: select_unpredictable(ended, cursor & !LEFT, cursor),
            table: self.tables[state],
            block: self.blocks_after[state],
            end: strand.end + usize::from(ended),
        }
    }

    /// The next symbol alone: it exceeds the window, or a block ends within the look-up.
    #[cold]
    #[inline(never)]
    fn single(&self, data: &Data, cursor: Cursor, block: usize) -> S {
        let left = cursor & LEFT;
        let codes = self.codes.get(block);
        codes
            .and_then(|(dc, ac)| single(dc, ac, bits_at(data, cursor >> LEFT_BITS), left))
            .unwrap_or_else(|| wrong(left))
    }

    /// Walks all pieces.
    #[inline(always)]
    pub fn walk(&self, data: &Data, pieces: &mut [Piece], ends: &mut Ends, numbers: &mut Numbers) {
        let mut idle = Piece { start: 0, end: u32::MAX, first: ENDS - IDLE, room: IDLE, found: 0 };
        let mut walked: [usize; LANES] = std::array::from_fn(|lane| lane);
        let begin = |piece: &Piece| self.strand(piece.start, 0, piece.first);
        let mut strands = walked.map(|piece| begin(pieces.get(piece).unwrap_or(&idle)));
        let mut next = LANES;
        let mut busy = LANES.min(pieces.len());
        while busy > 0 {
            for _ in 0..BURST {
                for strand in &mut strands {
                    *strand = self.step(data, ends, numbers, *strand);
                }
            }
            for (strand, walked) in strands.iter_mut().zip(&mut walked) {
                let piece = pieces.get_mut(*walked).unwrap_or(&mut idle);
                let found = strand.end - piece.first;
                if strand.cursor >> LEFT_BITS < piece.end && found + PIECE_SPARE <= piece.room {
                    continue;
                }
                piece.found = found;
                if *walked < pieces.len() {
                    *walked = next;
                    next += 1;
                    busy -= usize::from(*walked >= pieces.len());
                }
                *strand = begin(pieces.get(*walked).unwrap_or(&idle));
            }
        }
    }

    /// Joins the walks of pieces to the one that begins where the first piece does; returns how many ends from
    /// [`PIECES_ENDS`] on it used for that.
    pub fn join(
        &self,
        data: &Data,
        pieces: &[Piece],
        ends: &mut Ends,
        numbers: &mut Numbers,
        found: &mut FoundBlocks,
    ) -> usize {
        found.cursors.clear();
        found.places.clear();
        let Some((first, others)) = pieces.split_first() else { return 0 };
        found.cursors.push(first.start << LEFT_BITS);
        found.extend(ends, first.first, first.first + first.found);
        let mut alone = PIECES_ENDS;
        for piece in others {
            let from = found.cursors.partition_point(|cursor| cursor >> LEFT_BITS < piece.start);
            let mut met = self.meet(&found.cursors, from, piece, ends);
            let begun = alone;
            while met.is_none() && found.bit() < piece.end && alone + 2 * BURST < ENDS - IDLE {
                // The walks have not met yet.
                let from = found.cursors.len();
                let mut strand = self.strand(found.bit(), (from - 1) % self.blocks, alone);
                while strand.end == alone {
                    for _ in 0..BURST {
                        strand = self.step(data, ends, numbers, strand);
                    }
                }
                found.extend(ends, alone, strand.end);
                alone = strand.end;
                met = self.meet(&found.cursors, from, piece, ends);
            }
            // The block after the last end must not be stored again.
            alone += usize::from(alone > begun);
            let Some((ours, theirs)) = met else { continue };
            found.cursors.truncate(ours + 1);
            found.places.truncate(ours);
            found.extend(ends, piece.first + theirs + 1, piece.first + piece.found);
        }
        alone - PIECES_ENDS
    }

    /// The first of `ours` from number `from` on that is the same bit, with the same block of a unit, as an end of `piece`, and that end's
    /// number in the piece.
    fn meet(&self, ours: &[Cursor], from: usize, piece: &Piece, ends: &Ends) -> Option<(usize, usize)> {
        let theirs = &ends[piece.first..piece.first + piece.found];
        let first = ours.get(from)? >> LEFT_BITS;
        let mut their = theirs.partition_point(|cursor| cursor >> LEFT_BITS < first);
        for (number, cursor) in ours.iter().enumerate().skip(from) {
            let bit = cursor >> LEFT_BITS;
            their += theirs[their..].iter().take_while(|cursor| *cursor >> LEFT_BITS < bit).count();
            let end = theirs.get(their)? >> LEFT_BITS;
            // Their second block begins at the first of their ends.
            if end == bit && number % self.blocks == (their + 1) % self.blocks {
                return Some((number, their));
            }
        }
        None
    }
}

impl FoundBlocks {
    /// The bit reached.
    fn bit(&self) -> u32 {
        self.cursors.last().map_or(0, |cursor| cursor >> LEFT_BITS)
    }

    /// Adds blocks by the indices of their ends.
    fn extend(&mut self, ends: &Ends, from: usize, to: usize) {
        self.cursors.extend_from_slice(&ends[from..to]);
        self.places.extend((from..to).map(|number| number as u32));
    }
}

/// [`Unit::walk`].
pub(super) struct Walk<'w, 't, S, const SIZE: usize> {
    pub unit: &'w Unit<'t, S, SIZE>,
    pub data: &'w Data,
    pub pieces: &'w mut [Piece],
    pub ends: &'w mut Ends,
    pub numbers: &'w mut Numbers,
}

impl<S: Step, const SIZE: usize> Task for Walk<'_, '_, S, SIZE> {
    type Output = ();

    #[inline(always)]
    fn execute(self) {
        self.unit.walk(self.data, self.pieces, self.ends, self.numbers);
    }
}

/// 57 bits of `data` from bit `taken` on, from the top.
#[inline(always)]
pub(super) fn bits_at(data: &Data, taken: u32) -> u64 {
    let place = (taken >> 3) as usize % (DATA - 8);
    u64::from_be_bytes(data[place..place + 8].try_into().unwrap_or_default()) << (taken & 7)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    use super::super::step_tables::StepTables;
    use super::super::steps;
    use super::*;

    const SIZE: usize = 1 << 10;

    /// Tables like those of ITU-T T.81, K.3, of fewer symbols and with some long codes.
    fn codes() -> [(Rc<DcTable>, Rc<AcTable>); 2] {
        let table = |counts: [u8; 16], values: &[u8]| Rc::new(AcTable::new(&counts, values, 10).unwrap());
        let luminance = table(
            [0, 2, 1, 3, 3, 2, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0],
            &[1, 2, 3, 0, 4, 0x11, 5, 0x12, 0x21, 0x31, 0x41, 0x22, 0xf0, 0x91, 0xa],
        );
        let chroma = table(
            [0, 2, 1, 2, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 1, 2, 3, 0x11, 4, 5, 0x21, 0x31, 6, 0x12, 0x41, 0x51],
        );
        let dc = |counts: [u8; 16], values: &[u8]| Rc::new(DcTable::new(&counts, values, 10).unwrap());
        [
            (
                dc([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
                luminance,
            ),
            (
                dc([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
                chroma,
            ),
        ]
    }

    /// The kinds of a unit's blocks.
    const UNITS: [&[usize]; 3] = [&[0], &[0, 1, 1], &[0, 0, 0, 0, 1, 1]];

    /// Where blocks end, symbol by symbol from the first bit on, and what their coefficients are.
    fn alone(codes: &[(&DcTable, &AcTable)], data: &Data, end: u32) -> Vec<(Cursor, Vec<i16>)> {
        let mut numbers = bytemuck::allocation::zeroed_box::<Numbers>();
        let (mut blocks, mut cursor) = (Vec::new(), 0);
        while cursor >> LEFT_BITS < end {
            let (dc, ac) = codes[blocks.len() % codes.len()];
            let left = cursor & LEFT;
            let step: u64 =
                single(dc, ac, bits_at(data, cursor >> LEFT_BITS), left).unwrap_or_else(|| wrong(left));
            step.store(cursor, &mut numbers, 0);
            cursor += step.increment();
            if cursor as i8 <= 0 {
                blocks.push((cursor, numbers[..BLOCK].to_vec()));
                numbers[..2 * BLOCK].fill(0);
                cursor &= !LEFT;
            }
        }
        blocks
    }

    struct Room {
        data: Box<Data>,
        ends: Box<Ends>,
        numbers: Box<Numbers>,
    }

    fn room(bytes: &[u8]) -> Room {
        let mut data = bytemuck::allocation::zeroed_box::<Data>();
        data[..bytes.len()].copy_from_slice(bytes);
        Room { data, ends: bytemuck::allocation::zeroed_box(), numbers: bytemuck::allocation::zeroed_box() }
    }

    /// Walks by pieces and compares as far as all was found; returns how many blocks that were.
    fn check<S: Step>(
        kinds: &[usize],
        bytes: &[u8],
        pieces: usize,
        room_each: usize,
        tables: impl Fn(&Rc<DcTable>, &AcTable) -> StepTables<S>,
        tells: bool,
    ) -> usize {
        let codes = codes();
        let tables: Vec<StepTables<S>> =
            kinds.iter().map(|&kind| tables(&codes[kind].0, &codes[kind].1)).collect();
        let sized: Vec<(&[S; SIZE], &[S; SIZE])> = tables
            .iter()
            .map(|tables| (tables.first.first_chunk().unwrap(), tables.rest.first_chunk().unwrap()))
            .collect();
        let of_blocks: Vec<(&DcTable, &AcTable)> =
            kinds.iter().map(|&kind| (&*codes[kind].0, &*codes[kind].1)).collect();
        let unit = Unit::new(of_blocks.clone(), &sized);
        let Room { data, mut ends, mut numbers } = room(bytes);
        let bits = 8 * bytes.len() as u32;
        let at = |number: usize| bits / pieces as u32 * number as u32;
        let mut pieces: Vec<Piece> = (0..pieces)
            .map(|number| {
                let end = if number + 1 == pieces { bits } else { at(number + 1) + 100 };
                Piece { start: at(number), end, first: number * room_each, room: room_each, found: 0 }
            })
            .collect();
        unit.walk(&data, &mut pieces, &mut ends, &mut numbers);
        let mut found = FoundBlocks::default();
        unit.join(&data, &pieces, &mut ends, &mut numbers, &mut found);
        let expected = alone(&of_blocks, &data, bits);
        assert_eq!((found.cursors[0], found.cursors.len()), (0, found.places.len() + 1));
        // The last block may reach beyond the end.
        let whole = expected.iter().take_while(|(end, _)| end >> LEFT_BITS <= bits).count();
        let compared = whole.min(found.places.len());
        for (number, (end, told)) in expected[..compared].iter().enumerate() {
            assert_eq!(
                found.cursors[number + 1],
                *end,
                "block {number} of {kinds:?}, {} pieces",
                pieces.len()
            );
            let place = found.places[number] as usize * BLOCK;
            if tells && *end & WRONG == 0 {
                assert_eq!(numbers[place..place + BLOCK], told[..], "block {number} of {kinds:?}");
            }
        }
        compared
    }

    /// For any bits, several strands find what a single walk finds, symbol by symbol.
    #[test]
    fn strands_find_what_a_single_walk_finds() {
        let mut random = StdRng::seed_from_u64(1);
        for kinds in UNITS {
            for _ in 0..20 {
                let mut bytes = vec![0; random.random_range(20..3000)];
                random.fill_bytes(&mut bytes);
                for pieces in [1, 2, 3, 4, 5, 9] {
                    let room = PIECES_ENDS / 9;
                    let all = check(kinds, &bytes, 1, PIECES_ENDS, steps::lengths, false);
                    assert_eq!(check(kinds, &bytes, pieces, room, steps::lengths, false), all);
                    assert_eq!(check(kinds, &bytes, pieces, room, steps::values, true), all);
                }
            }
        }
    }

    /// 800 blocks of six bits each: no difference (00), and an end (1010 in luminance).
    fn flat() -> Vec<u8> {
        let bits = "001010".repeat(800);
        let byte = |bits: &[u8]| bits.iter().fold(0, |value, bit| value << 1 | (bit - b'0'));
        bits.as_bytes().chunks(8).map(byte).collect()
    }

    /// If a strand has no room, later blocks are not found, but nothing is wrong.
    #[test]
    fn too_little_room_ends_early() {
        for room in [20, 50, 100, 199] {
            let some = check(&[0], &flat(), 4, room, steps::lengths, false);
            assert!(some >= room - PIECE_SPARE && some < 800, "{some}");
        }
    }

    /// Data that never synchronises, because all blocks are the same and a guess in the middle of one stays
    /// there.
    #[test]
    fn walks_that_never_meet_continue_alone() {
        let bytes = flat();
        let all = check(&[0], &bytes, 1, PIECES_ENDS, steps::lengths, false);
        assert_eq!(all, 800);
        for pieces in [2, 3, 4, 7] {
            assert_eq!(check(&[0], &bytes, pieces, PIECES_ENDS / 7, steps::lengths, false), all);
        }
    }
}
