//! Our own reader of EXIF against kamadak-exif, which reads everything: on ordinary files, in every kind of file that holds EXIF, and on damaged
//! ones, where what can be read is kept.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Cursor;

use exif::{Exif, In, Tag, Value};
use rand::prelude::*;
use tamis::decode::{self, ExifFacts, Limits};
use tamis::pdq::Geometry;

/// The result of kamadak-exif.
fn oracle(bytes: &[u8]) -> ExifFacts {
    let mut reader = exif::Reader::new();
    reader.continue_on_error(true);
    match reader.read_from_container(&mut Cursor::new(bytes)) {
        Ok(exif) => facts(&exif),
        Err(exif::Error::PartialResult(partial)) => facts(&partial.into_inner().0),
        Err(_) => ExifFacts::default(),
    }
}

fn facts(exif: &Exif) -> ExifFacts {
    let text = |tag: Tag| {
        let Value::Ascii(lines) = &exif.get_field(tag, In::PRIMARY)?.value else { return None };
        let line = String::from_utf8_lossy(lines.first()?);
        let line = line.trim_matches(|character: char| character == '\0' || character.is_whitespace());
        (!line.is_empty()).then(|| line.chars().take(200).collect::<String>())
    };
    let taken = |time: Tag, offset: Tag| date_time(&text(time)?, text(offset).as_deref());
    let orientation = exif.get_field(Tag::Orientation, In::PRIMARY).and_then(|field| field.value.get_uint(0));
    ExifFacts {
        taken: taken(Tag::DateTimeOriginal, Tag::OffsetTimeOriginal)
            .or_else(|| taken(Tag::DateTime, Tag::OffsetTime)),
        camera_make: text(Tag::Make),
        camera_model: text(Tag::Model),
        orientation: orientation
            .and_then(|value| u8::try_from(value).ok())
            .filter(|value| (1..=8).contains(value)),
    }
}

fn date_time(text: &str, offset: Option<&str>) -> Option<String> {
    let mut time = exif::DateTime::from_ascii(text.as_bytes()).ok()?;
    let date = time.year > 0 && (1..=12).contains(&time.month) && (1..=31).contains(&time.day);
    if !date || time.hour >= 24 || time.minute >= 60 || time.second >= 61 {
        return None;
    }
    let _ = offset.map(|offset| time.parse_offset(offset.as_bytes()));
    let (date, clock) = ((time.year, time.month, time.day), (time.hour, time.minute, time.second));
    let mut iso =
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.0, date.1, date.2, clock.0, clock.1, clock.2);
    if let Some(minutes) = time.offset {
        let sign = if minutes < 0 { '-' } else { '+' };
        iso.push_str(&format!("{sign}{:02}:{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60));
    }
    Some(iso)
}

fn ours(bytes: &[u8]) -> ExifFacts {
    let limits = Limits { max_side: 65_535, max_decode_bytes: 1 << 28 };
    decode::probe(bytes, Geometry::Full, &limits).facts.exif
}

const TEXTS: [&str; 9] = [
    "Canon\0",
    "NIKON CORPORATION\0",
    "A\0B\0",
    "\0",
    "  padded  \0",
    "no end",
    "2021:07:04 09:05:03\0",
    "2021:13:04 09:05:03\0",
    "2021-07-04 09:05:03\0",
];
const OFFSETS: [&str; 6] = ["+02:00\0", "-05:30\0", "-00:00\0", "   :  \0", "nonsense\0", "+2\0"];

/// An entry: its tag, type, and bytes of its value.
type Made = (u16, u16, u32, Vec<u8>);

/// A directory with its values behind it, as it lies at `start`.
fn directory(entries: &[Made], start: usize, little: bool) -> Vec<u8> {
    let short = |number: u16| if little { number.to_le_bytes() } else { number.to_be_bytes() };
    let long = |number: u32| if little { number.to_le_bytes() } else { number.to_be_bytes() };
    let mut bytes = short(entries.len() as u16).to_vec();
    let mut values: Vec<u8> = Vec::new();
    let values_start = start + 2 + 12 * entries.len() + 4;
    for (tag, kind, count, value) in entries {
        bytes.extend(short(*tag));
        bytes.extend(short(*kind));
        bytes.extend(long(*count));
        if value.len() <= 4 {
            let mut value = value.clone();
            value.resize(4, 0);
            bytes.extend(value);
        } else {
            bytes.extend(long((values_start + values.len()) as u32));
            values.extend(value);
        }
    }
    bytes.extend(long(0));
    bytes.extend(values);
    bytes
}

/// A TIFF of EXIF as cameras write it, with the variations between them.
fn tiff(random: &mut StdRng) -> Vec<u8> {
    let little = random.random();
    let short = |number: u16| if little { number.to_le_bytes() } else { number.to_be_bytes() };
    let long = |number: u32| if little { number.to_le_bytes() } else { number.to_be_bytes() };
    let text = |tag: u16, of: &[&str], random: &mut StdRng| {
        let value = of.choose(random).unwrap().as_bytes().to_vec();
        (tag, 2, value.len() as u32, value)
    };
    let mut making: Vec<Made> = Vec::new();
    for tag in [0x9003, 0x9004] {
        if random.random_bool(0.8) {
            making.push(text(tag, &TEXTS, random));
        }
    }
    for tag in [0x9010, 0x9011] {
        if random.random_bool(0.5) {
            making.push(text(tag, &OFFSETS, random));
        }
    }
    making.push((0x829a, 5, 1, [long(1), long(60)].concat()));
    let mut picture: Vec<Made> = Vec::new();
    for tag in [0x010f, 0x0110, 0x0132] {
        if random.random_bool(0.8) {
            picture.push(text(tag, &TEXTS, random));
        }
    }
    let turn = random.random_range(0..10);
    picture.push(match random.random_range(0..3) {
        0 => (0x0112, 4, 1, long(u32::from(turn)).to_vec()),
        _ => (0x0112, 3, 1, short(turn).to_vec()),
    });
    picture.shuffle(random);
    // The pointer's value is known once the directory's length is: it takes four bytes either way.
    let pointer = |offset: u32| (0x8769, 4, 1, long(offset).to_vec());
    picture.push(pointer(0));
    let end = 8 + directory(&picture, 8, little).len();
    *picture.last_mut().unwrap() = pointer(end as u32);
    let mark: &[u8] = if little { b"II*\0\x08\0\0\0" } else { b"MM\0*\0\0\0\x08" };
    [mark, &directory(&picture, 8, little), &directory(&making, end, little)].concat()
}

/// The kinds of files that hold it.
fn containers(tiff: &[u8]) -> [Vec<u8>; 4] {
    let segment = [b"Exif\0\0".as_slice(), tiff].concat();
    let jpeg = [
        b"\xff\xd8\xff\xe0\0\x07JFIF\0\xff\xe1".as_slice(),
        &(segment.len() as u16 + 2).to_be_bytes(),
        &segment,
        b"\xff\xd9",
    ];
    let png = [
        b"\x89PNG\r\n\x1a\n\0\0\0\x02tEXtab1234".as_slice(),
        &(tiff.len() as u32).to_be_bytes(),
        b"eXIf",
        tiff,
        b"5678",
    ];
    let odd: &[u8] = if tiff.len().is_multiple_of(2) { &[] } else { &[0] };
    let size = 4 + 8 + 2 + 8 + tiff.len() + odd.len();
    let webp = [
        b"RIFF".as_slice(),
        &(size as u32).to_le_bytes(),
        b"WEBPodd \x01\0\0\0a\0EXIF",
        &(tiff.len() as u32).to_le_bytes(),
        tiff,
        odd,
    ];
    [jpeg.concat(), png.concat(), webp.concat(), tiff.to_vec()]
}

/// A HEIC whose EXIF item lies in its pieces, in the file or in the box for data.
fn heic(tiff: &[u8], random: &mut StdRng) -> Vec<u8> {
    fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
    }
    let item = [&[0, 0, 0, 0][..], tiff].concat();
    let inside = random.random_bool(0.5);
    let cut = if random.random() { item.len() } else { item.len() / 2 };
    let entry = boxed(b"infe", b"\x02\0\0\0\0\x07\0\0Exif\0");
    let iinf = boxed(b"iinf", &[b"\0\0\0\0\0\x01".as_slice(), &entry].concat());
    let idat = boxed(b"idat", if inside { &item } else { b"" });
    let places = |base: u32| {
        let mut iloc = b"\x01\0\0\0\x44\x40\0\x01\0\x07\0".to_vec();
        iloc.push(u8::from(inside));
        iloc.extend([0, 0]);
        iloc.extend(if inside { 0 } else { base }.to_be_bytes());
        let pieces: &[(usize, usize)] =
            if cut == item.len() { &[(0, cut)] } else { &[(0, cut), (cut, item.len() - cut)] };
        iloc.extend((pieces.len() as u16).to_be_bytes());
        for (start, length) in pieces {
            iloc.extend((*start as u32).to_be_bytes());
            iloc.extend((*length as u32).to_be_bytes());
        }
        boxed(b"iloc", &iloc)
    };
    let whole = |base: u32| {
        let meta = boxed(b"meta", &[&[0; 4][..], &iinf, &places(base), &idat].concat());
        [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), meta].concat()
    };
    let base = whole(0).len() as u32;
    [whole(base), if inside { Vec::new() } else { item }].concat()
}

#[test]
fn tags_are_as_another_reader_reads_them() {
    let mut random = StdRng::seed_from_u64(13);
    let (mut said, mut damaged) = (0, 0);
    for round in 0..1500 {
        let tiff = tiff(&mut random);
        let mut files = containers(&tiff).to_vec();
        files.push(heic(&tiff, &mut random));
        for (kind, file) in files.iter().enumerate() {
            let expected = oracle(file);
            assert_eq!(ours(file), expected, "round {round}, kind {kind}");
            said += u32::from(expected != ExifFacts::default());
            // Cut off anywhere.
            let cut = &file[..random.random_range(0..=file.len())];
            assert_eq!(ours(cut), oracle(cut), "round {round}, kind {kind}, cut to {}", cut.len());
            // A count, a type or an offset that is wrong.
            let mut wrong = file.clone();
            let at = random.random_range(0..wrong.len());
            wrong[at] = *[0, 1, 2, 0x7f, 0xff].choose(&mut random).unwrap();
            damaged += u32::from(ours(&wrong) == oracle(&wrong));
        }
    }
    assert!(said > 6000, "{said}");
    // Where two directories claim the same bytes they may differ.
    assert!(damaged > 7450, "{damaged} of 7,500");
}
