//! The first directory of a TIFF: distinguishes a camera's RAW file from a picture, and holds what its decoder uses and, since EXIF is a
//! TIFF, the camera's data.
//!
//! Everything is read in place. Nothing is copied, and no number in the file decides an allocation.

const NEW_SUBFILE_TYPE: u16 = 254;
const SUB_DIRECTORIES: u16 = 330;
const DNG_VERSION: u16 = 0xc612;
const REDUCED_RESOLUTION: u64 = 1;

/// Whether the first directory is that of a camera's RAW file: it has a DNG version, or is a reduced picture
/// next to sub-directories with the full one.
///
/// RAW files are TIFFs whose first directory often holds a thumbnail. Hashing that instead of the
/// picture would be a wrong hash, so such files are `unsupported` by name.
pub(super) fn is_camera_raw(head: &[u8]) -> bool {
    let Some(directory) = Directory::first(head).filter(|directory| !directory.big) else { return false };
    let reduced = || {
        let kind = directory.entry(NEW_SUBFILE_TYPE)?;
        directory.number(&kind, 0).filter(|kind| kind & REDUCED_RESOLUTION != 0)
    };
    directory.entry(DNG_VERSION).is_some()
        || (directory.entry(SUB_DIRECTORIES).is_some() && reduced().is_some())
}

/// A directory of a TIFF in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Whether offsets have 64 bits.
    big: bool,
    /// Where its entries begin, and their declared number.
    entries: usize,
    count: u64,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub tag: u16,
    pub kind: u16,
    /// How many values it has.
    pub count: u64,
    /// Where the value is, or its offset.
    at: usize,
}

/// Types of values.
pub(super) mod kind {
    pub const BYTE: u16 = 1;
    pub const ASCII: u16 = 2;
    pub const SHORT: u16 = 3;
    pub const LONG: u16 = 4;
    pub const UNDEFINED: u16 = 7;
    pub const DIRECTORY: u16 = 13;
    pub const LONG8: u16 = 16;
    pub const DIRECTORY8: u16 = 18;
}

/// Bytes of a value of a type; 0 for an unknown type.
const fn size(kind: u16) -> u64 {
    match kind {
        kind::BYTE | kind::ASCII | 6 | kind::UNDEFINED => 1,
        kind::SHORT | 8 => 2,
        kind::LONG | 9 | 11 | kind::DIRECTORY => 4,
        5 | 10 | 12 | kind::LONG8 | 17 | kind::DIRECTORY8 => 8,
        _ => 0,
    }
}

impl<'a> Directory<'a> {
    /// The first directory of a TIFF or BigTIFF.
    pub fn first(bytes: &'a [u8]) -> Option<Self> {
        let (little, big) = match bytes.get(..4)? {
            b"II*\0" => (true, false),
            b"MM\0*" => (false, false),
            b"II+\0" => (true, true),
            b"MM\0+" => (false, true),
            _ => return None,
        };
        let none = Self { bytes, little, big, entries: 0, count: 0 };
        let offset = if big { none.u64_at(8)? } else { u64::from(none.u32_at(4)?) };
        none.at(offset)
    }

    /// The directory at another offset of the same file.
    pub fn at(&self, offset: u64) -> Option<Self> {
        let start = usize::try_from(offset).ok()?;
        let count = if self.big { self.u64_at(start)? } else { u64::from(self.u16_at(start)?) };
        Some(Self { entries: start + if self.big { 8 } else { 2 }, count, ..*self })
    }

    /// Its entries, as far as the file has them.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let directory = *self;
        let mut at = self.entries;
        let mut left = self.count;
        std::iter::from_fn(move || {
            loop {
                left = left.checked_sub(1)?;
                let (tag, kind) = (directory.u16_at(at)?, directory.u16_at(at + 2)?);
                let (start, length) = (at, if directory.big { 20 } else { 12 });
                directory.bytes.get(start..start + length)?;
                // After an unknown type the decoder continues as if offsets had 32 bits.
                at += if size(kind) == 0 { 12 } else { length };
                if size(kind) == 0 {
                    continue;
                }
                let count = if directory.big {
                    directory.u64_at(start + 4)?
                } else {
                    u64::from(directory.u32_at(start + 4)?)
                };
                return Some(Entry { tag, kind, count, at: start + if directory.big { 12 } else { 8 } });
            }
        })
    }

    /// The entry of a tag; the last of several, as in decoders.
    pub fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries().filter(|entry| entry.tag == tag).last()
    }

    /// The bytes of an entry's values, if the file has them all.
    pub fn data(&self, entry: &Entry) -> Option<&'a [u8]> {
        let length = entry.count.checked_mul(size(entry.kind))?;
        let inline = if self.big { 8 } else { 4 };
        let offset = match length {
            _ if length <= inline => entry.at as u64,
            _ if self.big => self.u64_at(entry.at)?,
            _ => u64::from(self.u32_at(entry.at)?),
        };
        let start = usize::try_from(offset).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    }

    /// A value of an entry, if that holds whole numbers without a sign.
    pub fn number(&self, entry: &Entry, index: u64) -> Option<u64> {
        let data = self.data(entry)?;
        let size = size(entry.kind) as usize;
        let value = data.get(usize::try_from(index).ok()?.checked_mul(size)?..)?.get(..size)?;
        Some(match (entry.kind, value) {
            (kind::BYTE | kind::UNDEFINED, &[byte]) => u64::from(byte),
            (kind::SHORT, value) => u64::from(self.u16_of(*value.first_chunk()?)),
            (kind::LONG | kind::DIRECTORY, value) => u64::from(self.u32_of(*value.first_chunk()?)),
            (kind::LONG8 | kind::DIRECTORY8, value) => self.u64_of(*value.first_chunk()?),
            _ => return None,
        })
    }

    /// A range of the file, as far as it exists.
    pub fn cut(&self, offset: u64, length: u64) -> Option<&'a [u8]> {
        let rest = self.bytes.get(usize::try_from(offset).ok()?..)?;
        Some(&rest[..rest.len().min(usize::try_from(length).unwrap_or(usize::MAX))])
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        Some(self.u16_of(*self.bytes.get(at..)?.first_chunk()?))
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        Some(self.u32_of(*self.bytes.get(at..)?.first_chunk()?))
    }

    fn u64_at(&self, at: usize) -> Option<u64> {
        Some(self.u64_of(*self.bytes.get(at..)?.first_chunk()?))
    }

    const fn u16_of(&self, bytes: [u8; 2]) -> u16 {
        if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    const fn u32_of(&self, bytes: [u8; 4]) -> u32 {
        if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }

    const fn u64_of(&self, bytes: [u8; 8]) -> u64 {
        if self.little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(tags: &[(u16, u32)]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend((tags.len() as u16).to_le_bytes());
        for (tag, value) in tags {
            bytes.extend(tag.to_le_bytes());
            bytes.extend([4, 0, 1, 0, 0, 0]);
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_thumbnail_next_to_sub_directories_is_a_raw() {
        assert!(is_camera_raw(&directory(&[(NEW_SUBFILE_TYPE, 1), (SUB_DIRECTORIES, 4000)])));
        assert!(is_camera_raw(&directory(&[(256, 100), (DNG_VERSION, 1)])));
        assert!(!is_camera_raw(&directory(&[(NEW_SUBFILE_TYPE, 0), (256, 100)])));
        assert!(!is_camera_raw(&directory(&[(NEW_SUBFILE_TYPE, 0), (SUB_DIRECTORIES, 4000)])));
        assert!(!is_camera_raw(b"II*\0\xff\xff\xff\xff"));
        assert!(!is_camera_raw(b"II*\0"));
    }
}
