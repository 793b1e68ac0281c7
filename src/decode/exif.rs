//! EXIF: its TIFF in a JPEG, PNG, WebP, HEIC or AVIF, or the file itself, and the tags that are kept.
//!
//! A general EXIF reader parses every directory and value that any pointer leads to, so a JPEG of 68 KB took 330 MB, and a PNG of 822 KB
//! over 6 GB. This one reads two directories in place, and only allocates the texts that are kept.

use std::borrow::Cow;

use super::Format;
use super::jpeg::structure::{Segment, Segments, marker};
use super::tiff_tags::{Directory, Entry, kind};

/// Tags of the first directory.
pub(super) mod tag {
    pub const MAKE: u16 = 0x010f;
    pub const MODEL: u16 = 0x0110;
    pub const ORIENTATION: u16 = 0x0112;
    pub const DATE_TIME: u16 = 0x0132;
    /// The tag with the offset of the EXIF directory.
    const EXIF: u16 = 0x8769;
    /// Tags of that directory.
    pub const DATE_TIME_ORIGINAL: u16 = 0x9003;
    pub const OFFSET_TIME: u16 = 0x9010;
    pub const OFFSET_TIME_ORIGINAL: u16 = 0x9011;

    pub(super) const POINTER: u16 = EXIF;
}

/// Maximum bytes of EXIF in a HEIC or AVIF; in a JPEG a segment bounds it.
const MAX_ITEM: usize = 131_070;
/// Maximum pieces of such an item.
const MAX_EXTENTS: usize = 64;
/// Maximum bytes read of a text.
const MAX_TEXT: usize = 1024;

/// The tags of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags<'a> {
    /// The first directory and the EXIF directory.
    picture: Directory<'a>,
    making: Option<Directory<'a>>,
}

impl<'a> Tags<'a> {
    /// The tags of a TIFF; of several directories of EXIF the last.
    pub fn of(tiff: &'a [u8]) -> Option<Self> {
        if !tiff.starts_with(b"II*\0") && !tiff.starts_with(b"MM\0*") {
            return None;
        }
        let picture = Directory::first(tiff)?;
        let pointer = picture.entry(tag::POINTER);
        let making = pointer.and_then(|entry| picture.at(uint(&picture, &entry)?));
        Some(Self { picture, making })
    }

    /// A text of the first directory.
    pub fn text(&self, tag: u16) -> Option<&'a [u8]> {
        text(&self.picture, tag)
    }

    /// A text of EXIF's own directory.
    pub fn making_text(&self, tag: u16) -> Option<&'a [u8]> {
        text(self.making.as_ref()?, tag)
    }

    /// A number of the first directory.
    pub fn number(&self, tag: u16) -> Option<u64> {
        uint(&self.picture, &present(&self.picture, tag)?)
    }
}

/// The last entry of a tag whose value is in the file.
fn present(directory: &Directory<'_>, tag: u16) -> Option<Entry> {
    directory.entries().filter(|entry| entry.tag == tag && directory.data(entry).is_some()).last()
}

fn uint(directory: &Directory<'_>, entry: &Entry) -> Option<u64> {
    let whole = matches!(entry.kind, kind::BYTE | kind::SHORT | kind::LONG);
    whole.then(|| directory.number(entry, 0)).flatten()
}

/// The first line of a text, up to a zero.
fn text<'a>(directory: &Directory<'a>, tag: u16) -> Option<&'a [u8]> {
    let entry = present(directory, tag).filter(|entry| entry.kind == kind::ASCII)?;
    let data = directory.data(&entry)?;
    let data = &data[..data.len().min(MAX_TEXT)];
    Some(data.split(|&byte| byte == 0).next().unwrap_or(data))
}

/// The TIFF with a file's EXIF.
pub(super) fn tiff(bytes: &[u8], format: Format) -> Option<Cow<'_, [u8]>> {
    match format {
        Format::Tiff => Some(Cow::Borrowed(bytes)),
        Format::Jpeg => jpeg(bytes).map(Cow::Borrowed),
        Format::Png => png(bytes).map(Cow::Borrowed),
        Format::Webp => webp(bytes).map(Cow::Borrowed),
        Format::Heic | Format::Avif => media::exif(bytes),
        _ => None,
    }
}

fn jpeg(bytes: &[u8]) -> Option<&[u8]> {
    // EXIF is before the picture. Readers do not look for it after the first scan, and getting there means
    // reading all data.
    let mut header = Segments::new(bytes).take_while(|segment| segment.marker != marker::START_OF_SCAN);
    let is_exif = |segment: &Segment<'_>| segment.content.starts_with(b"Exif\0\0");
    let found = header.find(|segment| segment.marker == marker::APPLICATION_1 && is_exif(segment))?;
    found.content.get(6..)
}

fn png(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (length, named) = rest.split_first_chunk::<4>()?;
        let (name, data) = named.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        if name == b"eXIf" {
            return data.get(..length);
        }
        // A checksum follows.
        rest = data.get(length.checked_add(4)?..)?;
    }
}

fn webp(bytes: &[u8]) -> Option<&[u8]> {
    let mut left = (u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize).checked_sub(4)?;
    let mut rest = bytes.get(12..)?;
    while left > 0 {
        left = left.checked_sub(8)?;
        let (name, sized) = rest.split_first_chunk::<4>()?;
        let (length, data) = sized.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        left = left.checked_sub(length)?;
        if name == b"EXIF" {
            return data.get(..length);
        }
        let padding = usize::from(!length.is_multiple_of(2) && left > 0);
        left -= padding;
        rest = data.get(length.checked_add(padding)?..)?;
    }
    None
}

/// EXIF in the boxes of HEIC and AVIF.
mod media {
    use super::{Cow, MAX_EXTENTS, MAX_ITEM};

    /// A reader of boxes and of numbers in them.
    #[derive(Clone, Copy)]
    struct Boxes<'a>(&'a [u8]);

    impl<'a> Boxes<'a> {
        fn take(&mut self, count: usize) -> Option<&'a [u8]> {
            let (taken, rest) = self.0.split_at_checked(count)?;
            self.0 = rest;
            Some(taken)
        }

        /// A number of 0, 2, 4 or 8 bytes.
        fn number(&mut self, bytes: usize) -> Option<u64> {
            if !matches!(bytes, 0 | 2 | 4 | 8) {
                return None;
            }
            Some(self.take(bytes)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
        }

        /// Name and content of the next box.
        fn next_box(&mut self) -> Option<(&'a [u8], Boxes<'a>)> {
            let size = self.number(4)?;
            let name = self.take(4)?;
            let length = match size {
                0 => self.0.len() as u64,
                1 => self.number(8)?.checked_sub(16)?,
                _ => size.checked_sub(8)?,
            };
            Some((name, Boxes(self.take(usize::try_from(length).ok()?)?)))
        }

        /// Version of a box that has one.
        fn version(&mut self) -> Option<u8> {
            self.take(4).map(|head| head[0])
        }
    }

    /// The TIFF of a file's EXIF item.
    pub(super) fn exif(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
        let mut file = Boxes(bytes);
        let mut meta = loop {
            let (name, content) = file.next_box()?;
            if name == b"meta" {
                break content;
            }
        };
        if meta.version()? != 0 {
            return None;
        }
        let (mut data, mut places, mut item) = (None, None, None);
        while !meta.0.is_empty() {
            let (name, content) = meta.next_box()?;
            match name {
                b"idat" => data = Some(content.0),
                b"iloc" => places = Some(content),
                b"iinf" => item = exif_item(content)?.or(item),
                _ => {}
            }
        }
        let block = joined(bytes, data, places?, item?)?;
        // The offset of the TIFF comes first.
        let offset = u32::from_be_bytes(*block.first_chunk()?) as usize;
        Some(match block {
            Cow::Borrowed(block) => Cow::Borrowed(block.get(offset.checked_add(4)?..)?),
            Cow::Owned(mut block) => {
                let start = offset.checked_add(4).filter(|&start| start <= block.len())?;
                block.drain(..start);
                Cow::Owned(block)
            }
        })
    }

    /// The number of the last item of EXIF; the outer `None` where the list is malformed.
    fn exif_item(mut list: Boxes<'_>) -> Option<Option<u64>> {
        let count = match list.version()? {
            0 => list.number(2)?,
            _ => list.number(4)?,
        };
        let mut found = None;
        for _ in 0..count {
            let (name, mut entry) = list.next_box()?;
            if name != b"infe" {
                continue;
            }
            let item = match entry.version()? {
                2 => entry.number(2)?,
                3 => entry.number(4)?,
                _ => return None,
            };
            entry.take(2)?;
            if entry.take(4)? == b"Exif" {
                found = Some(item);
            }
        }
        Some(found)
    }

    /// An item's bytes: borrowed if they are in one piece, else joined.
    fn joined<'a>(
        file: &'a [u8],
        data: Option<&'a [u8]>,
        mut places: Boxes<'a>,
        item: u64,
    ) -> Option<Cow<'a, [u8]>> {
        let version = places.version()?;
        let sizes = places.number(2)? as usize;
        let (offset_size, length_size, base_size) = (sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15);
        let index_size = if version == 0 { 0 } else { sizes & 15 };
        let wide = match version {
            0 | 1 => 2,
            2 => 4,
            _ => return None,
        };
        let mut found = None;
        for _ in 0..places.number(wide)? {
            let number = places.number(wide)?;
            let method = if version == 0 { 0 } else { places.number(2)? & 15 };
            let elsewhere = places.number(2)? != 0;
            let base = places.number(base_size)?;
            let extents = places.number(2)? as usize;
            let listed = Boxes(places.take((index_size + offset_size + length_size) * extents)?);
            if number == item && !(method == 0 && elsewhere) {
                found = Some((method, base, extents, listed));
            }
        }
        let (method, base, extents, mut listed) = found?;
        let source = match method {
            0 => file,
            1 => data?,
            _ => return None,
        };
        let mut block: Cow<'a, [u8]> = Cow::Borrowed(&[]);
        for _ in 0..extents.min(MAX_EXTENTS) {
            listed.number(index_size)?;
            let start = usize::try_from(base.checked_add(listed.number(offset_size)?)?).ok()?;
            let length = usize::try_from(listed.number(length_size)?).ok()?;
            let rest = source.get(start..)?;
            let piece = if length == 0 { rest } else { rest.get(..length)? };
            if block.len() + piece.len() > MAX_ITEM {
                return None;
            }
            if block.is_empty() {
                block = Cow::Borrowed(piece);
            } else {
                block.to_mut().extend_from_slice(piece);
            }
        }
        Some(block)
    }
}
