//! What `image-webp` allocates for a lossless frame besides its pixels: the pictures of its transforms, and prefix codes.
//!
//! A picture of 16 × 16 pixels may ask for 65,536 groups of five codes, and a code of almost no bits for a table of 64 KiB. Their
//! number and size are in the bit stream after the transforms, whose pictures are coded as well. So they are read here like the
//! decoder reads them, without keeping a pixel, up to the end of the codes.

/// The tree of a code in a group of five, in a list that grows by doubling.
const TREE: u64 = 56 * 3;
/// A node of a code's tree, of which two are reserved for each symbol that is longer than a table's window.
const NODE: u64 = 16;
const WINDOW: usize = 10;
/// Three nodes and two entries of a table.
const TWO_SYMBOLS: u64 = 3 * NODE + 8;

const LENGTHS: usize = 19;
const LENGTH_ORDER: [usize; LENGTHS] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Green with lengths of copies, red, blue, alpha, and distances.
const ALPHABETS: [u16; 5] = [256 + 24, 256, 256, 256, 40];
const FIRST_LENGTH: u16 = 256;
const FIRST_CACHED: u16 = 256 + 24;
const LONGEST_CODE: usize = 15;

/// Pixels of a frame and the bytes of its tables, counted until they exceed `max_bytes`. A malformed frame counts as far as the decoder
/// follows it. Its size is in its header, except for an alpha channel.
pub(super) fn bytes_taken(content: &[u8], size: Option<(u32, u32)>, max_bytes: u64) -> (u64, u64) {
    let mut frame = Frame { bits: Bits { bytes: content, at: 0 }, taken: 0, max_bytes };
    let Some((width, height)) = size.or_else(|| frame.size()) else { return (0, 0) };
    // On `None` the decoder ends too.
    let _ = frame.read(width, height);
    (u64::from(width) * u64::from(height), frame.taken)
}

/// A bit stream, the first bit lowest.
#[derive(Clone, Copy, Debug)]
struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for place in 0..count {
            value |= self.bit()? << place;
        }
        Some(value)
    }
}

/// A prefix code.
#[derive(Clone, Debug)]
enum Code {
    /// The only symbol, which takes no bits.
    Single(u16),
    /// How many symbols have each length, and the symbols in the order of their codes.
    Many { counts: [u16; LONGEST_CODE + 1], symbols: Vec<u16> },
}

impl Code {
    /// A code from the lengths of its symbols; `None` if they are invalid.
    fn of(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; LONGEST_CODE + 1];
        lengths.iter().for_each(|&length| counts[usize::from(length)] += 1);
        counts[0] = 0;
        let used: u16 = counts.iter().sum();
        if used == 1 {
            return lengths.iter().position(|&length| length > 0).map(|symbol| Self::Single(symbol as u16));
        }
        let space: u32 =
            (1..=LONGEST_CODE).map(|length| u32::from(counts[length]) << (LONGEST_CODE - length)).sum();
        if space != 1 << LONGEST_CODE {
            return None;
        }
        let mut symbols: Vec<u16> =
            (0..lengths.len() as u16).filter(|&symbol| lengths[usize::from(symbol)] > 0).collect();
        symbols.sort_by_key(|&symbol| lengths[usize::from(symbol)]);
        Some(Self::Many { counts, symbols })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (counts, symbols) = match self {
            Self::Single(symbol) => return Some(*symbol),
            Self::Many { counts, symbols } => (counts, symbols),
        };
        let (mut code, mut first, mut index) = (0, 0, 0);
        for &count in &counts[1..] {
            code |= bits.bit()?;
            let count = u32::from(count);
            if code < first + count {
                return symbols.get((index + code - first) as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }

    /// Bytes that the decoder allocates for it.
    fn bytes(&self) -> u64 {
        let Self::Many { counts, symbols } = self else { return 0 };
        if let [_, 2, ..] = counts
            && symbols.len() == 2
        {
            return TWO_SYMBOLS;
        }
        let longest = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        let beyond: u64 = counts[WINDOW + 1..].iter().map(|&count| u64::from(count)).sum();
        (4 << longest.min(WINDOW)) + beyond * 2 * NODE
    }
}

/// A frame that is being read.
struct Frame<'a> {
    bits: Bits<'a>,
    taken: u64,
    max_bytes: u64,
}

impl Frame<'_> {
    fn size(&mut self) -> Option<(u32, u32)> {
        let signature = self.bits.take(8)?;
        let (width, height) = (self.bits.take(14)? + 1, self.bits.take(14)? + 1);
        let (_alpha, version) = (self.bits.bit()?, self.bits.take(3)?);
        (signature == 0x2f && version == 0).then_some((width, height))
    }

    /// Counts bytes; `None` once there are enough.
    fn count(&mut self, bytes: u64) -> Option<()> {
        self.taken = self.taken.saturating_add(bytes);
        (self.taken <= self.max_bytes).then_some(())
    }

    fn read(&mut self, mut width: u32, height: u32) -> Option<()> {
        let mut seen = [false; 4];
        while self.bits.bit()? == 1 {
            let transform = self.bits.take(2)? as usize;
            // Each is allowed once.
            if std::mem::replace(&mut seen[transform], true) {
                return None;
            }
            match transform {
                0 | 1 => {
                    let block = self.bits.take(3)? + 2;
                    let (across, down) = (blocks(width, block), blocks(height, block));
                    self.count(u64::from(across) * u64::from(down) * 4)?;
                    self.picture(across, down)?;
                }
                2 => {}
                _ => {
                    let colours = self.bits.take(8)? + 1;
                    self.count(u64::from(colours) * 4)?;
                    self.picture(colours, 1)?;
                    let shift = match colours {
                        0..=2 => 3,
                        3..=4 => 2,
                        5..=16 => 1,
                        _ => 0,
                    };
                    width = blocks(width, shift);
                }
            }
        }
        let cache = self.cache()?;
        let mut groups = 1;
        if self.bits.bit()? == 1 {
            let block = self.bits.take(3)? + 2;
            let (across, down) = (blocks(width, block), blocks(height, block));
            // Its pixels, and their raw numbers.
            self.count(u64::from(across) * u64::from(down) * 6)?;
            groups = 1 + self.picture(across, down)?;
        }
        for _ in 0..groups {
            self.codes(cache)?;
        }
        Some(())
    }

    /// Bits of the cache of colours, 0 for none.
    fn cache(&mut self) -> Option<u32> {
        if self.bits.bit()? == 0 {
            return Some(0);
        }
        let bits = self.bits.take(4)?;
        self.count(4 << bits)?;
        (1..=11).contains(&bits).then_some(bits)
    }

    /// One group of codes.
    fn codes(&mut self, cache: u32) -> Option<[Code; 5]> {
        let mut read = |alphabet: u16| {
            let code = self.code(alphabet)?;
            self.count(TREE + code.bytes())?;
            Some(code)
        };
        let cached = if cache > 0 { 1 << cache } else { 0 };
        let [green, red, blue, alpha, distance] = ALPHABETS;
        Some([read(green + cached)?, read(red)?, read(blue)?, read(alpha)?, read(distance)?])
    }

    fn code(&mut self, alphabet: u16) -> Option<Code> {
        if self.bits.bit()? == 1 {
            let two = self.bits.bit()? == 1;
            let wide = self.bits.bit()?;
            let first = self.bits.take(1 + 7 * wide)? as u16;
            let second = if two { Some(self.bits.take(8)? as u16) } else { None };
            if first >= alphabet || second.is_some_and(|second| second >= alphabet) {
                return None;
            }
            return Some(match second {
                None => Code::Single(first),
                Some(second) => {
                    let mut counts = [0; LONGEST_CODE + 1];
                    counts[1] = 2;
                    Code::Many { counts, symbols: vec![first, second] }
                }
            });
        }
        let mut lengths = [0; LENGTHS];
        for place in &LENGTH_ORDER[..4 + self.bits.take(4)? as usize] {
            lengths[*place] = self.bits.take(3)? as u8;
        }
        Code::of(&self.lengths(&Code::of(&lengths)?, alphabet)?)
    }

    /// The lengths of a code's symbols.
    fn lengths(&mut self, code: &Code, alphabet: u16) -> Option<Vec<u8>> {
        let mut left = u32::from(alphabet);
        if self.bits.bit()? == 1 {
            let bits = 2 + 2 * self.bits.take(3)?;
            left = 2 + self.bits.take(bits)?;
            if left > u32::from(alphabet) {
                return None;
            }
        }
        let alphabet = usize::from(alphabet);
        let mut lengths = Vec::with_capacity(alphabet);
        let mut last = 8;
        while lengths.len() < alphabet && left > 0 {
            left -= 1;
            let (length, times) = match code.symbol(&mut self.bits)? {
                length @ 0..16 => (length as u8, 1),
                16 => (last, 3 + self.bits.take(2)?),
                17 => (0, 3 + self.bits.take(3)?),
                _ => (0, 11 + self.bits.take(7)?),
            };
            if length > 0 {
                last = length;
            }
            lengths.resize(lengths.len() + times as usize, length);
        }
        if lengths.len() > alphabet {
            return None;
        }
        lengths.resize(alphabet, 0);
        Some(lengths)
    }

    /// Skips a picture of a transform; returns the largest number in its red and green. Copies and the cache only repeat earlier
    /// pixels, or 0.
    fn picture(&mut self, width: u32, height: u32) -> Option<u32> {
        let cache = self.cache()?;
        let [green, red, blue, alpha, distance] = self.codes(cache)?;
        let pixels = u64::from(width) * u64::from(height);
        let mut largest = 0;
        if let (Code::Single(value @ 0..FIRST_LENGTH), Code::Single(high), Code::Single(_), Code::Single(_)) =
            (&green, &red, &blue, &alpha)
        {
            return Some(u32::from(*high) << 8 | u32::from(*value));
        }
        let mut done = 0;
        while done < pixels {
            let symbol = green.symbol(&mut self.bits)?;
            match symbol {
                0..FIRST_LENGTH => {
                    let high = red.symbol(&mut self.bits)?;
                    blue.symbol(&mut self.bits)?;
                    alpha.symbol(&mut self.bits)?;
                    largest = largest.max(u32::from(high) << 8 | u32::from(symbol));
                    done += 1;
                }
                FIRST_LENGTH..FIRST_CACHED => {
                    let length = self.distance(symbol - FIRST_LENGTH)?;
                    let symbol = distance.symbol(&mut self.bits)?;
                    self.distance(symbol)?;
                    done += u64::from(length);
                    if done > pixels {
                        return None;
                    }
                }
                _ if cache > 0 => done += 1,
                _ => return None,
            }
        }
        Some(largest)
    }

    /// A length or distance by its prefix.
    fn distance(&mut self, prefix: u16) -> Option<u32> {
        let prefix = u32::from(prefix);
        if prefix < 4 {
            return Some(prefix + 1);
        }
        let bits = (prefix - 2) >> 1;
        Some(((2 + (prefix & 1)) << bits) + self.bits.take(bits)? + 1)
    }
}

/// Blocks of 2^`bits` pixels.
const fn blocks(side: u32, bits: u32) -> u32 {
    (side + (1 << bits) - 1) >> bits
}
