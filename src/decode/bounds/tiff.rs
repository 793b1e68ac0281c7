//! `tiff` 0.11.3, with the decoders of strips and tiles.
//!
//! It allocates the lists of strips and tiles, a row of a tile regardless of the picture's width, and for a JPEG strip the size of
//! that JPEG. It reads each strip from its offset as far as its compression goes, and many strips may be at the same offset.

use std::convert::Infallible;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use fax::decoder::{DecodeStatus, Group4Decoder};

use super::header::{Header, TABLES, corrupt};
use super::jpeg::{are_tables, decoder_bytes, strip};
use crate::decode::tiff_tags::{Directory, Entry};
use crate::outcome::Failure;

mod tag {
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const SAMPLES_PER_PIXEL: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const CHROMA_SUBSAMPLING: u16 = 530;

    /// Tags with one number.
    pub const SINGLE: [u16; 10] = [
        WIDTH,
        HEIGHT,
        COMPRESSION,
        PHOTOMETRIC,
        SAMPLES_PER_PIXEL,
        ROWS_PER_STRIP,
        PLANAR,
        PREDICTOR,
        TILE_WIDTH,
        TILE_HEIGHT,
    ];
    /// Tags with one number a sample, or few.
    pub const FEW: [u16; 4] = [BITS_PER_SAMPLE, EXTRA_SAMPLES, SAMPLE_FORMAT, CHROMA_SUBSAMPLING];
}

const FAX4: u64 = 4;
const JPEG: u64 = 7;
const PLANES_APART: u64 = 2;

/// Maximum strips and tiles: a strip for each row of four planes, or tiles of 128 × 128 in the largest
/// picture.
const MAX_CHUNKS: u64 = 1 << 18;
/// Maximum bytes of strips and tiles for each byte of the picture, and free bytes: a tile may be far larger
/// than a small picture.
const MAX_PADDING: u64 = 16;
const FREE_PADDING: u64 = 64 << 20;
/// Bytes of the tables that JPEG strips share; usual ones have 574.
const LONGEST_TABLES: u64 = 64 << 10;
/// Bytes of a list's number while it is read: in the decoder's form, and as 64 bits.
const LISTED: u64 = 32 + 8;
/// Transitions of a line of a fax: two bytes each, at most one a bit, of the line and the one before, in buffers that grow by doubling.
const FAX_PER_BYTE: u64 = 8 * 2 * 2 * 3;
/// Bytes that a decompressor reads ahead of a strip's end.
const AHEAD: u64 = 64 << 10;

pub(super) fn header(bytes: &[u8]) -> Result<Header, Failure> {
    let directory = Directory::first(bytes).ok_or_else(|| corrupt("no directory: truncated or damaged"))?;
    check_counts(&directory)?;
    let missing = |what: &str| corrupt(format!("a TIFF without {what}"));
    let single = |number: u16| directory.entry(number).and_then(|entry| directory.number(&entry, 0));
    let width = single(tag::WIDTH).ok_or_else(|| missing("a width"))?;
    let height = single(tag::HEIGHT).ok_or_else(|| missing("a height"))?;
    let (Ok(wide), Ok(high)) = (u32::try_from(width), u32::try_from(height)) else {
        return Err(corrupt("sides of more than 32 bits"));
    };
    if wide == 0 || high == 0 {
        return Err(corrupt("a picture without width or height"));
    }
    let sized = Header::sized(wide, high, 0);
    if wide.max(high) > crate::decode::LARGEST_SIDE {
        return Ok(sized);
    }
    let samples = single(tag::SAMPLES_PER_PIXEL).unwrap_or(1);
    let bits = directory.entry(tag::BITS_PER_SAMPLE).and_then(|entry| directory.number(&entry, 0));
    let bits = bits.unwrap_or(1);
    if !(1..=64).contains(&bits) || !(1..=0xffff).contains(&samples) {
        return Err(corrupt(format!("{samples} samples of {bits} bits")));
    }
    let planar = single(tag::PLANAR) == Some(PLANES_APART);
    let chunks = Chunks::of(&directory, width, height, if planar { samples } else { 1 })?;
    if chunks.count > MAX_CHUNKS {
        return Ok(sized.refused(format!("{} strips or tiles; {MAX_CHUNKS} are allowed", chunks.count)));
    }
    let row = |width: u64, samples: u64| (width * bits).saturating_mul(samples).div_ceil(8);
    let chunk_row = row(chunks.width, if planar { 1 } else { samples });
    // At most four samples of colour and one of opacity are decoded; the output has four.
    let buffer = row(width, samples.min(5)) * height;
    let output = width * height * samples.min(4) * bits.div_ceil(8);
    let decoded = chunk_row.saturating_mul(chunks.height.min(height)).saturating_mul(chunks.count);
    let lists = chunks.count * 16 + longest_list(&directory) * LISTED;
    let mut bytes_taken = output + buffer + chunk_row.saturating_add(lists) + 2 * width + TABLES;
    let (sum, longest) = chunks.compressed(&directory, bytes.len() as u64);
    let file = bytes.len() as u64;
    if decoded > MAX_PADDING * buffer + FREE_PADDING {
        let reason = format!(
            "{} tiles of {}×{} in {width}×{height} pixels",
            chunks.count, chunks.width, chunks.height
        );
        return Ok(Header { pixel_bytes: bytes_taken, ..sized }.refused(reason));
    }
    if sum > file + 2 * decoded {
        let reason = format!("{} strips or tiles of {sum} bytes in a file of {file}", chunks.count);
        return Ok(Header { pixel_bytes: bytes_taken, ..sized }.refused(reason));
    }
    match single(tag::COMPRESSION) {
        Some(JPEG) => {
            let tables = directory.entry(tag::JPEG_TABLES);
            let tables_length = tables.map_or(0, |entry| entry.count);
            if tables_length > LONGEST_TABLES || tables_length * chunks.count > file + decoded {
                let reason =
                    format!("JPEG tables of {tables_length} bytes for {} strips or tiles", chunks.count);
                return Ok(sized.refused(reason));
            }
            if let Some(entry) = tables
                && !directory.data(&entry).is_some_and(are_tables)
            {
                return Err(corrupt("JPEG tables that hold more than tables"));
            }
            bytes_taken += chunks.jpeg_bytes(&directory, height)? + 3 * longest + tables_length * LISTED;
        }
        Some(FAX4) => bytes_taken += FAX_PER_BYTE * longest,
        _ => {}
    }
    Ok(Header { pixel_bytes: bytes_taken, ..sized })
}

/// Refuses lists for tags with one number, which the decoder only notices once they are in memory.
fn check_counts(directory: &Directory<'_>) -> Result<(), Failure> {
    let too_many = |tags: &[u16], max: u64| {
        tags.iter().find(|&&tag| directory.entry(tag).is_some_and(|entry| entry.count > max)).copied()
    };
    match too_many(&tag::SINGLE, 1).or(too_many(&tag::FEW, 0xffff)) {
        Some(tag) => Err(corrupt(format!("a list for tag {tag}"))),
        None => Ok(()),
    }
}

/// Length of the longest list that the decoder reads.
fn longest_list(directory: &Directory<'_>) -> u64 {
    let lists = [tag::STRIP_OFFSETS, tag::STRIP_BYTES, tag::TILE_OFFSETS, tag::TILE_BYTES];
    let count = |&tag| directory.entry(tag).map_or(0, |entry| entry.count);
    lists.iter().chain(&tag::FEW).map(count).max().unwrap_or(0)
}

/// The strips or tiles of a picture.
struct Chunks {
    offsets: Entry,
    bytes: Entry,
    count: u64,
    width: u64,
    height: u64,
    /// A tile is always complete; a strip ends with the picture.
    are_tiles: bool,
}

impl Chunks {
    /// As many as the picture's planes need, which the decoder requires too.
    fn of(directory: &Directory<'_>, width: u64, height: u64, planes: u64) -> Result<Self, Failure> {
        let entry = |tag| directory.entry(tag);
        let single = |tag| entry(tag).and_then(|entry| directory.number(&entry, 0));
        let strips = (entry(tag::STRIP_OFFSETS), entry(tag::STRIP_BYTES));
        let tiles = (entry(tag::TILE_OFFSETS), entry(tag::TILE_BYTES));
        let (offsets, bytes, across, down, are_tiles) = match (strips, tiles) {
            ((Some(offsets), Some(bytes)), (None, None)) => {
                (offsets, bytes, width, single(tag::ROWS_PER_STRIP).unwrap_or(height), false)
            }
            ((None, None), (Some(offsets), Some(bytes))) => {
                let sides = single(tag::TILE_WIDTH).zip(single(tag::TILE_HEIGHT));
                let (across, down) = sides.ok_or_else(|| corrupt("tiles without a size"))?;
                (offsets, bytes, across, down, true)
            }
            _ => return Err(corrupt("neither strips nor tiles, or both")),
        };
        if across == 0 || down == 0 || across.max(down) > u64::from(u32::MAX) {
            return Err(corrupt(format!("strips or tiles of {across}×{down}")));
        }
        let count = width.div_ceil(across) * height.div_ceil(down) * planes;
        if offsets.count != count || bytes.count != count {
            let reason = format!(
                "{} offsets and {} lengths of strips or tiles, expected {count} of each",
                offsets.count, bytes.count
            );
            return Err(corrupt(reason));
        }
        let whole = |entry| directory.data(entry).is_some() && directory.number(entry, 0).is_some();
        if !whole(&offsets) || !whole(&bytes) {
            return Err(corrupt("a list of strips or tiles that is cut off"));
        }
        Ok(Self { offsets, bytes, count, width: across, height: down, are_tiles })
    }

    /// Compressed bytes of all together and of the longest, each limited to the file's length.
    fn compressed(&self, directory: &Directory<'_>, file: u64) -> (u64, u64) {
        let lengths = (0..self.count).filter_map(|index| directory.number(&self.bytes, index));
        lengths
            .map(|length| length.min(file))
            .fold((0, 0), |(sum, max), length| (sum + length, max.max(length)))
    }

    /// The memory to decode the largest JPEG among them.
    fn jpeg_bytes(&self, directory: &Directory<'_>, height: u64) -> Result<u64, Failure> {
        let max_rows = if self.are_tiles { self.height } else { self.height.min(height) };
        let mut max = 0;
        for index in 0..self.count {
            let place = directory.number(&self.offsets, index).zip(directory.number(&self.bytes, index));
            let jpeg = place.and_then(|(offset, length)| directory.cut(offset, length));
            let frame =
                jpeg.and_then(strip).ok_or_else(|| corrupt("a strip or tile that is not a plain JPEG"))?;
            let (width, rows) = (u64::from(frame.width), u64::from(frame.height));
            let fits = |side: u64, place: u64| side <= place.next_multiple_of(16);
            if !fits(width, self.width) || !fits(rows, max_rows) {
                let reason =
                    format!("a JPEG of {width}×{rows} in a strip or tile of {}×{}", self.width, self.height);
                return Err(corrupt(reason));
            }
            // All of its components are in the output.
            max = max.max(decoder_bytes(&frame) + width * rows * 4);
        }
        Ok(max)
    }
}

/// Refuses faxes whose lines go back and forth. `fax` 0.2.7 searches the line above for the next change of colour from its last
/// position in both directions: in a line with thousands of changes at the same place each symbol costs thousands of steps.
pub(in crate::decode) fn check_fax(bytes: &[u8]) -> Result<(), Failure> {
    let Some(directory) = Directory::first(bytes) else { return Ok(()) };
    let single = |tag| directory.entry(tag).and_then(|entry| directory.number(&entry, 0));
    if single(tag::COMPRESSION) != Some(FAX4) {
        return Ok(());
    }
    let (width, height) = (single(tag::WIDTH).unwrap_or(0), single(tag::HEIGHT).unwrap_or(0));
    // The decoder takes one sample a pixel.
    let chunks = Chunks::of(&directory, width.max(1), height.max(1), 1)?;
    let Ok(width) = u16::try_from(chunks.width) else { return Ok(()) };
    for index in 0..chunks.count {
        let place = directory.number(&chunks.offsets, index).zip(directory.number(&chunks.bytes, index));
        let Some(strip) = place.and_then(|(offset, length)| directory.cut(offset, length)) else { continue };
        let Ok(mut decoder) = Group4Decoder::new(strip.iter().map(|&byte| Ok::<u8, Infallible>(byte)), width);
        for _ in 0..chunks.height.min(height) {
            // Faults in the data are left to the decoder.
            if !matches!(decoder.advance(), Ok(DecodeStatus::Incomplete)) {
                break;
            }
            let changes = decoder.transition();
            let ordered = changes.is_sorted() && changes.windows(4).all(|four| four[0] < four[3]);
            if !ordered {
                return Err(corrupt("a fax strip whose lines do not run left to right"));
            }
        }
    }
    Ok(())
}

/// The bytes of a TIFF for its decoder. Reading fails once it exceeds a multiple of the file's length: thousands of strips may begin
/// at the same offset and extend to the end of the file.
#[derive(Debug)]
pub(in crate::decode) struct Metered<'a> {
    bytes: Cursor<&'a [u8]>,
    left: u64,
}

impl<'a> Metered<'a> {
    /// Twice the file for lists and strips, plus the read-ahead of each strip.
    pub fn new(bytes: &'a [u8]) -> Self {
        let chunks = Directory::first(bytes).map_or(0, |directory| longest_list(&directory));
        let file = bytes.len() as u64;
        let left = 4 * file + chunks.min(MAX_CHUNKS) * AHEAD + strips_sum(bytes);
        Self { bytes: Cursor::new(bytes), left }
    }

    fn pay(&mut self, count: usize) -> io::Result<()> {
        let left = self.left.checked_sub(count as u64);
        self.left =
            left.ok_or_else(|| io::Error::other("its strips are read repeatedly, beyond their length"))?;
        Ok(())
    }
}

/// Compressed bytes of all strips or tiles.
fn strips_sum(bytes: &[u8]) -> u64 {
    let Some(directory) = Directory::first(bytes) else { return 0 };
    let lengths = directory.entry(tag::STRIP_BYTES).or(directory.entry(tag::TILE_BYTES));
    let Some(entry) = lengths.filter(|entry| entry.count <= MAX_CHUNKS) else { return 0 };
    let length = |index| directory.number(&entry, index).map_or(0, |length| length.min(bytes.len() as u64));
    (0..entry.count).map(length).sum()
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.pay(count)?;
        Ok(count)
    }
}

impl BufRead for Metered<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Peeking without consuming is free otherwise, so each peek costs a byte.
        self.pay(1)?;
        self.bytes.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
        self.left = self.left.saturating_sub(count as u64);
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}
