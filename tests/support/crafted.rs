//! Small files that make their decoder take far more than their size warrants. Each is named by what it does.

/// A TIFF of one directory, little-endian: tags with their type and values, with offsets into `data` marked
/// by [`IN_DATA`].
pub fn tiff(tags: &[(u16, u16, Vec<u32>)], data: &[u8]) -> Vec<u8> {
    let size = |kind: u16| match kind {
        1 | 2 | 7 => 1,
        3 => 2,
        _ => 4,
    };
    let data_start = 8 + 2 + 12 * tags.len() + 4;
    let lists_start = data_start + data.len();
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    let mut lists = Vec::new();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, kind, values) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend((values.len() as u32).to_le_bytes());
        let mut value = Vec::new();
        for number in values {
            let number = if number & IN_DATA == 0 { *number } else { number - IN_DATA + data_start as u32 };
            value.extend(&number.to_le_bytes()[..size(*kind)]);
        }
        if value.len() <= 4 {
            value.resize(4, 0);
            bytes.extend(value);
        } else {
            bytes.extend(((lists_start + lists.len()) as u32).to_le_bytes());
            lists.extend(value);
        }
    }
    bytes.extend([0; 4]);
    bytes.extend_from_slice(data);
    bytes.extend(lists);
    bytes
}

/// Added to an offset that counts from the beginning of the data.
pub const IN_DATA: u32 = 1 << 30;

/// Tags of a TIFF of these sides in strips or tiles of one kind.
#[derive(Clone)]
pub struct Plan {
    pub width: u32,
    pub height: u32,
    pub samples: u32,
    pub bits: u32,
    pub compression: u32,
    /// Width, 0 for strips; and height.
    pub chunk: (u32, u32),
    /// Offset and length of each.
    pub chunks: Vec<(u32, u32)>,
}

impl Plan {
    pub fn tiff(&self, data: &[u8]) -> Vec<u8> {
        let (tile, rows) = self.chunk;
        let offsets = self.chunks.iter().map(|(offset, _)| offset + IN_DATA).collect();
        let lengths = self.chunks.iter().map(|(_, length)| *length).collect();
        let mut tags = vec![
            (256, 4, vec![self.width]),
            (257, 4, vec![self.height]),
            (258, 3, vec![self.bits; self.samples as usize]),
            (259, 3, vec![self.compression]),
            (262, 3, vec![if self.samples == 1 { 1 } else { 2 }]),
            (277, 3, vec![self.samples]),
        ];
        if self.samples > 3 {
            tags.push((338, 3, vec![0; self.samples as usize - 3]));
        }
        if tile == 0 {
            tags.extend([(273, 4, offsets), (278, 4, vec![rows]), (279, 4, lengths)]);
        } else {
            tags.extend([(322, 4, vec![tile]), (323, 4, vec![rows]), (324, 4, offsets), (325, 4, lengths)]);
        }
        tags.sort_by_key(|(tag, ..)| *tag);
        tiff(&tags, data)
    }
}

/// A bit stream, the first bit lowest.
#[derive(Default)]
pub struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    pub fn put(&mut self, value: u32, count: usize) {
        for place in 0..count {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> place & 1) as u8;
            *self.bytes.last_mut().unwrap() |= bit << (self.count % 8);
            self.count += 1;
        }
    }
}

/// A RIFF file of WebP chunks.
pub fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend_from_slice(*name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend_from_slice(content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF".as_slice(), &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// A lossless frame of 16 × 16 pixels whose picture of groups refers to the last of `groups`, each with a code that takes a few bytes of the
/// file and 68 KiB of tables: 2,048 symbols of eleven bits, whose lengths are read by a code that takes none.
pub fn many_groups(groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(15, 14);
    bits.put(15, 14);
    bits.put(0, 4);
    // No transform; a cache of colours of eleven bits, which makes the first alphabet long; groups, in blocks of four pixels.
    bits.put(0, 1);
    bits.put(1, 1);
    bits.put(11, 4);
    bits.put(1, 1);
    bits.put(0, 3);
    // Their picture: no cache, and single symbols.
    bits.put(0, 1);
    let single = |bits: &mut Bits, symbol: u32| {
        bits.put(0b101, 3);
        bits.put(symbol, 8);
    };
    let last = groups - 1;
    [last & 255, last >> 8, 0, 0, 0].into_iter().for_each(|symbol| single(&mut bits, symbol));
    for _ in 0..groups {
        // A code by lengths: of the lengths' own code only 11 has a length; it is the fifteenth.
        bits.put(0, 1);
        bits.put(15 - 4, 4);
        for place in 0..15 {
            bits.put(u32::from(place == 14), 3);
        }
        // Of 2,048 symbols.
        bits.put(1, 1);
        bits.put(5, 3);
        bits.put(2048 - 2, 12);
        (0..4).for_each(|_| single(&mut bits, 0));
    }
    bits.put(0, 32);
    webp(&[(b"VP8L", bits.bytes)])
}

/// A JPEG of one component whose scans have no data: `header` is its frame's marker, and `scan` the last bytes of each scan's header.
pub fn empty_scans(
    header: u8,
    width: u16,
    height: u16,
    scan: impl Fn(usize) -> [u8; 3],
    scans: usize,
) -> Vec<u8> {
    let mut bytes = b"\xff\xd8".to_vec();
    let mut segment = |marker: u8, content: &[u8]| {
        bytes.extend([0xff, marker]);
        bytes.extend((content.len() as u16 + 2).to_be_bytes());
        bytes.extend_from_slice(content);
    };
    segment(0xdb, &[&[0][..], &[1; 64]].concat());
    let [high, low] = height.to_be_bytes();
    let [left, right] = width.to_be_bytes();
    segment(header, &[8, high, low, left, right, 1, 1, 0x11, 0]);
    let table = |class: u8| [&[class, 1][..], &[0; 15], &[0]].concat();
    segment(0xc4, &table(0x00));
    segment(0xc4, &table(0x10));
    for number in 0..scans {
        segment(0xda, &[&[1, 1, 0][..], &scan(number)].concat());
    }
    bytes.extend(b"\xff\xd9");
    bytes
}

/// A GIF whose first frame is larger than its screen.
pub fn gif_frame(screen: u16, frame: u16) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(screen.to_le_bytes());
    bytes.extend(screen.to_le_bytes());
    bytes.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    bytes.push(0x2c);
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(frame.to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend([0, 2, 2, 0x4c, 0x01, 0, 0x3b]);
    bytes
}

/// A canvas of 10 × 10 pixels with a lossy frame that declares `side` × `side`.
pub fn webp_frame(side: u16) -> Vec<u8> {
    let mut frame = vec![0x10, 2, 0, 0x9d, 0x01, 0x2a];
    frame.extend(side.to_le_bytes());
    frame.extend(side.to_le_bytes());
    frame.resize(200, 0);
    webp(&[(b"VP8X", vec![0, 0, 0, 0, 9, 0, 0, 9, 0, 0]), (b"VP8 ", frame)])
}

/// A zlib stream that takes `blocks` empty blocks before its 64 bytes.
pub fn empty_blocks(blocks: usize) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    (0..blocks).for_each(|_| stream.extend([0, 0, 0, 0xff, 0xff]));
    stream.extend([1, 64, 0, !64, 0xff]);
    stream.extend([0; 64]);
    // The checksum of 64 zeros.
    stream.extend([0, 64, 0, 1]);
    stream
}

/// A fax of two lines; the first changes its colour `changes` times at its beginning.
pub fn fax(changes: usize) -> Vec<u8> {
    let horizontal_of_nothing = "001".to_owned() + "00110101" + "0000110111";
    let whole_line = "001".to_owned() + "11011" + "00110101" + "0000110111";
    let text = horizontal_of_nothing.repeat(changes / 2) + &whole_line + "1";
    let bits: Vec<u8> = text.bytes().map(|bit| bit - b'0').collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |sum, (place, bit)| sum | bit << (7 - place)))
        .collect()
}

/// EXIF whose first directory has pointers alone, to directories that overlap.
pub fn overlapping_exif() -> Vec<u8> {
    let pointers = 5000_u16;
    let mut exif = b"MM\0*\0\0\0\x08".to_vec();
    exif.extend(pointers.to_be_bytes());
    for number in 0..u32::from(pointers) {
        exif.extend([0x87, 0x69, 0, 4, 0, 0, 0, 1]);
        exif.extend((8 + 12 * (number % 400)).to_be_bytes());
    }
    exif.extend([0; 4]);
    exif
}
