//! A stretch of a scan's entropy-coded data in memory, unstuffed, to be walked in any order.
//!
//! In a JPEG every 0xFF of the data is followed by a stuffed 0, and 0xFF followed by anything else is a marker.
//! Restart markers cut the data into segments, which are decoded independently.

use std::collections::VecDeque;

use super::bits::{free, pass_restart};
use super::strands::{DATA, Data};

/// Zeros after each segment, so that walks need not check for its end.
const GAP: usize = 64;

/// The segments that are in memory.
#[derive(Debug)]
pub(super) struct Stretch<'a> {
    /// From the scan's first byte on.
    data: &'a [u8],
    /// The first byte not unstuffed; in the end that of the marker after the scan.
    next: usize,
    /// Bytes in memory, gaps included.
    bytes: usize,
    pub segments: VecDeque<Segment>,
    /// Units up to a restart; 0 for none.
    interval: usize,
    /// Units of the remaining segments, and the number of the restart before the first of them.
    ahead: usize,
    restart: usize,
}

/// Data between restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The first bit of it that was not read yet, and the byte behind its last one in memory.
    pub start: u32,
    pub end: usize,
    /// Whether its end was seen.
    pub is_whole: bool,
    /// Whether nothing of it was read yet.
    pub is_new: bool,
    /// Units of it that were not read yet.
    pub units: usize,
}

impl<'a> Stretch<'a> {
    /// A scan of `units` with a restart after every `interval` of them, 0 for none; nothing of it is in memory yet.
    pub const fn new(data: &'a [u8], units: usize, interval: usize) -> Self {
        Self { data, next: 0, bytes: 0, segments: VecDeque::new(), interval, ahead: units, restart: 0 }
    }

    /// The first byte not unstuffed: once all was read, that of the marker after the scan.
    pub const fn offset(&self) -> usize {
        self.next
    }

    /// Whether there is nothing more to read.
    pub fn is_read(&self) -> bool {
        self.segments.is_empty() && self.ahead == 0
    }

    /// Drops the first segment, which was read.
    pub fn finish(&mut self) {
        self.segments.pop_front();
    }

    /// Continues at bit `start` of the first segment, of which `units` more were read; drops everything
    /// before.
    pub fn forward(&mut self, memory: &mut Data, start: u32, units: usize) {
        let read = (start >> 3) as usize;
        memory.copy_within(read..self.bytes, 0);
        self.bytes -= read;
        memory[self.bytes..self.bytes + GAP].fill(0);
        for segment in &mut self.segments {
            segment.start = segment.start.saturating_sub(8 * read as u32);
            segment.end -= read;
        }
        if let Some(first) = self.segments.front_mut() {
            first.start = start & 7;
            first.units -= units;
            first.is_new &= units == 0;
        }
    }

    /// Unstuffs data until there are about `limit` bytes in memory, or the scan ends.
    pub fn fill(&mut self, memory: &mut Data, limit: usize) {
        let limit = limit.min(DATA - 2 * GAP);
        while self.bytes < limit && (self.segments.back().is_some_and(|last| !last.is_whole) || self.begin())
        {
            let Some(last) = self.segments.back_mut() else { return };
            (last.end, last.is_whole) = free(self.data, &mut self.next, &mut memory[..limit], last.end);
            memory[last.end..last.end + GAP].fill(0);
            self.bytes = last.end;
        }
    }

    /// Begins the next segment; whether there is one.
    fn begin(&mut self) -> bool {
        if self.ahead == 0 {
            return false;
        }
        if self.restart > 0 && !pass_restart(self.data, &mut self.next, self.restart - 1) {
            return false;
        }
        self.restart += 1;
        let units = if self.interval == 0 { self.ahead } else { self.interval.min(self.ahead) };
        self.ahead -= units;
        let end = if self.segments.is_empty() { 0 } else { self.bytes + GAP };
        self.bytes = end;
        self.segments.push_back(Segment { start: 8 * end as u32, end, is_whole: false, is_new: true, units });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Box<Data> {
        bytemuck::allocation::zeroed_box()
    }

    fn bytes<'m>(stretch: &Stretch<'_>, memory: &'m Data, number: usize) -> &'m [u8] {
        let segment = &stretch.segments[number];
        &memory[(segment.start >> 3) as usize..segment.end]
    }

    #[test]
    fn stuffed_zeros_do_not_count_and_a_marker_ends() {
        let mut memory = memory();
        let mut stretch = Stretch::new(&[0xab, 0xff, 0x00, 0xcd, 0xff, 0xd9], 1, 0);
        stretch.fill(&mut memory, 100);
        assert_eq!(bytes(&stretch, &memory, 0), [0xab, 0xff, 0xcd]);
        assert!(stretch.segments[0].is_whole);
        assert_eq!((stretch.offset(), memory[3..3 + GAP].iter().max()), (4, Some(&0)));
        stretch.finish();
        assert!(stretch.is_read());
    }

    /// Every second byte is stuffed, and what is in memory at a time ends anywhere.
    #[test]
    fn what_is_in_memory_at_a_time_does_not_show() {
        let byte = |index: usize| if index.is_multiple_of(2) { 0xff } else { index as u8 };
        let stuffed = |index| if byte(index) == 0xff { vec![0xff, 0] } else { vec![byte(index)] };
        let data: Vec<u8> = (0..5000).flat_map(stuffed).collect();
        for limit in [50, 63, 64, 1001] {
            let mut memory = memory();
            memory.fill(0xaa);
            let mut stretch = Stretch::new(&data, 5000, 0);
            let mut read = 0;
            while read < 5000 {
                stretch.fill(&mut memory, limit);
                let segment = stretch.segments[0].clone();
                let count = segment.end - (segment.start >> 3) as usize;
                for (index, &at) in bytes(&stretch, &memory, 0).iter().enumerate() {
                    assert_eq!(at, byte(read + index));
                }
                assert!(memory[segment.end..segment.end + GAP].iter().all(|&zero| zero == 0));
                // All but a little is read; the last bits of a byte are kept.
                let on = if segment.is_whole { count } else { count - 3 };
                assert!(on > 0);
                stretch.forward(&mut memory, segment.start + 8 * on as u32, on);
                read += on;
            }
            assert_eq!((read, stretch.segments[0].units), (5000, 0));
        }
    }

    #[test]
    fn restarts_are_found_by_their_numbers() {
        let data = [0x12, 0xff, 0xff, 0xd0, 0x34, 0x56, 0xff, 0xd1, 0x78, 0xff, 0xd9];
        let mut memory = memory();
        let mut stretch = Stretch::new(&data, 5, 2);
        stretch.fill(&mut memory, 1000);
        let units: Vec<usize> = stretch.segments.iter().map(|segment| segment.units).collect();
        assert_eq!(units, [2, 2, 1]);
        assert_eq!(bytes(&stretch, &memory, 0), [0x12]);
        assert_eq!(bytes(&stretch, &memory, 1), [0x34, 0x56]);
        assert_eq!(bytes(&stretch, &memory, 2), [0x78]);
        assert_eq!(stretch.offset(), 9);
        stretch.finish();
        let start = stretch.segments[0].start;
        stretch.forward(&mut memory, start + 3, 1);
        assert_eq!(bytes(&stretch, &memory, 0), [0x34, 0x56]);
        assert_eq!(bytes(&stretch, &memory, 1), [0x78]);
        assert_eq!(
            (stretch.segments[0].start, stretch.segments[0].units, stretch.segments[0].is_new),
            (3, 1, false)
        );
        assert!(stretch.segments[1].is_new);
        // A marker of another number does not count.
        let mut stretch = Stretch::new(&[0x12, 0xff, 0xd1, 0x34], 2, 1);
        stretch.fill(&mut memory, 1000);
        assert_eq!((stretch.segments.len(), stretch.offset()), (1, 1));
        stretch.finish();
        stretch.fill(&mut memory, 1000);
        assert!(stretch.segments.is_empty() && !stretch.is_read());
    }
}
