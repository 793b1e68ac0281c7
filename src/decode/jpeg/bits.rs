//! Bits of entropy-coded data, most significant first, read sequentially in progressive files. Sequential ones are read in
//! [stretches](super::stretch).
//!
//! In a JPEG every 0xFF of the data is followed by a stuffed 0, and 0xFF followed by anything else is a marker.
//! Stuffing is removed in chunks that stay in the first-level cache, so reading bits is a load, a shift and an or
//! for any file size.

/// Bytes unstuffed at a time.
const CHUNK: usize = 8192;

/// The data of a scan, unstuffed chunk by chunk up to the next marker. Zeros follow, so the inner loops need not check for the
/// end.
#[derive(Debug)]
pub(super) struct Source<'a> {
    data: &'a [u8],
    /// The first byte of `data` not yet in `chunk`.
    next: usize,
    chunk: Box<[u8; CHUNK]>,
    /// Bytes in `chunk`.
    end: usize,
    /// Bytes that have left the chunk, including zeros after the end.
    before: usize,
    /// Bytes of the segment unstuffed so far.
    freed: usize,
}

impl<'a> Source<'a> {
    /// The entropy-coded data at the beginning of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, next: 0, chunk: Box::new([0; CHUNK]), end: 0, before: 0, freed: 0 }
    }

    /// The first byte not unstuffed: the marker, once a segment was read to its end.
    pub const fn offset(&self) -> usize {
        self.next
    }

    /// Moves the bytes from `position` on to the front and unstuffs more bytes after them.
    #[cold]
    #[inline(never)]
    fn more(&mut self, position: usize) {
        self.chunk.copy_within(position..self.end, 0);
        self.end -= position;
        self.before += position;
        let kept = self.end;
        (self.end, _) = free(self.data, &mut self.next, &mut self.chunk[..], kept);
        self.freed += self.end - kept;
        if self.end < 8 {
            self.chunk[self.end..8].fill(0);
            self.end = 8;
        }
    }
}

/// Unstuffs `data` from byte `next` on into `memory` from byte `end` on, until that is full or a marker is reached. Returns the new end in
/// memory, and whether a marker or the end of the data was reached.
pub(super) fn free(data: &[u8], next: &mut usize, memory: &mut [u8], mut end: usize) -> (usize, bool) {
    while end < memory.len() {
        let rest = data.get(*next..).unwrap_or_default();
        let window = &rest[..rest.len().min(memory.len() - end)];
        let plain = memchr::memchr(0xff, window).unwrap_or(window.len());
        memory[end..end + plain].copy_from_slice(&window[..plain]);
        end += plain;
        *next += plain;
        if plain == window.len() {
            if window.len() == rest.len() {
                return (end, true);
            }
        } else if rest.get(plain + 1) == Some(&0) {
            memory[end] = 0xff;
            end += 1;
            *next += 2;
        } else {
            return (end, true);
        }
    }
    (end, false)
}

/// Skips the marker of restart `number` (modulo 8) at byte `next`; returns whether it is there. Any number of 0xFF may precede a marker;
/// they are always skipped, so that they are read only once.
pub(super) fn pass_restart(data: &[u8], next: &mut usize, number: usize) -> bool {
    let rest = data.get(*next..).unwrap_or_default();
    *next += rest.windows(2).take_while(|pair| *pair == [0xff, 0xff]).count();
    let found = data.get(*next..).is_some_and(|rest| rest.starts_with(&[0xff, 0xd0 + (number % 8) as u8]));
    *next += if found { 2 } else { 0 };
    found
}

/// Reads the bits of one segment.
///
/// It has no references to its own fields, so a loop around it can keep them in registers.
#[derive(Debug)]
pub(super) struct BitReader<'s, 'a> {
    source: &'s mut Source<'a>,
    /// The first byte of the chunk not yet in `bits`.
    position: usize,
    /// The next bits, from the top.
    bits: u64,
    /// The number of valid bits.
    count: u32,
}

impl<'s, 'a> BitReader<'s, 'a> {
    /// A reader of the segment that begins where `source` is.
    pub const fn new(source: &'s mut Source<'a>) -> Self {
        source.end = 0;
        source.before = 0;
        source.freed = 0;
        Self { source, position: 0, bits: 0, count: 0 }
    }

    /// The next bits, from the top; at least 56 of them count after a refill.
    #[inline(always)]
    pub const fn peek(&self) -> u64 {
        self.bits
    }

    /// Makes sure that there are 56 bits. Checking whether any are needed would cost more than loading, as the branch is
    /// unpredictable.
    #[inline(always)]
    pub fn refill(&mut self) {
        if self.position + 8 > self.source.end {
            self.source.more(self.position);
            self.position = 0;
        }
        if let Some(bytes) = self.source.chunk.get(self.position..).and_then(|rest| rest.first_chunk()) {
            self.bits |= u64::from_be_bytes(*bytes) >> self.count;
            // Whole bytes that fitted; the rest is loaded again next time.
            self.position += (63 - self.count as usize) / 8;
            self.count |= 56;
        }
    }

    /// Takes `count` bits, at most those available.
    #[inline(always)]
    pub const fn skip(&mut self, count: u32) {
        debug_assert!(count <= self.count, "more bits than were refilled");
        self.bits <<= count;
        self.count = self.count.wrapping_sub(count);
    }

    /// Takes one bit.
    #[inline(always)]
    pub const fn bit(&mut self) -> bool {
        let bit = self.bits >> 63 == 1;
        self.skip(1);
        bit
    }

    /// Bits that were taken.
    const fn taken(&self) -> usize {
        (self.source.before + self.position) * 8 - self.count as usize
    }

    /// Whether more bits were taken than there are in the segment.
    #[inline(always)]
    pub const fn is_overrun(&self) -> bool {
        self.taken() > self.source.freed * 8
    }

    /// Whether all bits of the segment but the padding of its last byte were taken, and no more.
    pub fn is_spent(&mut self) -> bool {
        if self.source.freed * 8 < self.taken() + 8 {
            self.source.more(self.position);
            self.position = 0;
        }
        let (all, taken) = (self.source.freed * 8, self.taken());
        taken <= all && all - taken < 8
    }

    /// Continues after the marker of restart `number` (modulo 8); `None` if this segment was not read to its end or
    /// something else ends it.
    #[cold]
    #[inline(never)]
    pub fn restart(mut self, number: usize) -> Option<Self> {
        if !self.is_spent() {
            return None;
        }
        pass_restart(self.source.data, &mut self.source.next, number).then(|| BitReader::new(self.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(reader: &mut BitReader<'_, '_>, count: u32) -> u64 {
        reader.refill();
        let value = reader.peek() >> (64 - count);
        reader.skip(count);
        value
    }

    #[test]
    fn stuffed_zeros_do_not_count_and_a_marker_ends() {
        let mut source = Source::new(&[0xab, 0xff, 0x00, 0xcd, 0xff, 0xd9]);
        let mut reader = BitReader::new(&mut source);
        assert_eq!(take(&mut reader, 8), 0xab);
        assert_eq!(take(&mut reader, 16), 0xffcd);
        assert!(reader.is_spent() && !reader.is_overrun());
        assert_eq!(take(&mut reader, 3), 0, "zeros follow");
        assert!(reader.is_overrun() && !reader.is_spent());
        for _ in 0..100 {
            assert_eq!(take(&mut reader, 31), 0);
        }
        assert!(reader.is_overrun());
        assert_eq!(source.offset(), 4);
    }

    #[test]
    fn chunks_do_not_show() {
        // Every second byte is stuffed: chunks end inside of pairs too.
        let byte = |index: usize| if index.is_multiple_of(2) { 0xff } else { index as u8 };
        let stuffed = |index| if byte(index) == 0xff { vec![0xff, 0] } else { vec![byte(index)] };
        let data: Vec<u8> = (0..3 * CHUNK).flat_map(stuffed).collect();
        for step in [1, 7, 8, 13, 31] {
            let mut source = Source::new(&data);
            let mut reader = BitReader::new(&mut source);
            let mut taken = 0;
            while taken + step <= 3 * CHUNK * 8 {
                let expected = (taken..taken + step)
                    .fold(0, |value, bit| value << 1 | u64::from(byte(bit / 8) >> (7 - bit % 8) & 1));
                assert_eq!(take(&mut reader, step as u32), expected, "{taken}");
                taken += step;
            }
            assert!(!reader.is_overrun());
            assert_eq!(reader.is_spent(), 3 * CHUNK * 8 - taken < 8);
        }
    }

    #[test]
    fn restarts_are_found_by_their_number() {
        let data = [0x12, 0xff, 0xff, 0xd3, 0x34, 0xff, 0xd9];
        let mut source = Source::new(&data);
        assert!(BitReader::new(&mut source).restart(3).is_none(), "the segment is not at its end");
        for (number, found) in [(2, false), (11, true)] {
            let mut source = Source::new(&data);
            let mut reader = BitReader::new(&mut source);
            assert_eq!(take(&mut reader, 8), 0x12);
            assert_eq!(reader.restart(number).is_some(), found);
        }
        let mut source = Source::new(&data);
        let mut reader = BitReader::new(&mut source);
        take(&mut reader, 8);
        let mut reader = reader.restart(3).unwrap();
        assert_eq!(take(&mut reader, 8), 0x34);
        assert!(reader.is_spent());
        assert_eq!(source.offset(), 5);
    }
}
