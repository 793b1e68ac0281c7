//! The picture of an icon that a viewer shows first: the deepest, then largest. Icons keep it as a bitmap
//! without its file header, which the `image` crate decodes, or as a whole PNG, of which that crate takes
//! only those with alpha; PNGs are therefore found here and decoded as such.

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes of the header, and of an entry of the directory.
const HEADER: usize = 6;
const ENTRY: usize = 16;

/// The bytes of the icon's best picture where that is a PNG.
pub(super) fn png(bytes: &[u8]) -> Option<&[u8]> {
    let count = usize::from(u16::from_le_bytes(bytes.get(4..HEADER)?.try_into().ok()?));
    let entries = bytes.get(HEADER..)?.chunks_exact(ENTRY).take(count);
    let side = |side: u8| if side == 0 { 256 } else { u32::from(side) };
    // Of equals the last, as in the `image` crate.
    let best = entries.max_by_key(|entry| {
        let depth = u16::from_le_bytes([entry[6], entry[7]]);
        (depth, side(entry[0]) * side(entry[1]))
    })?;
    let number =
        |at: usize| u32::from_le_bytes([best[at], best[at + 1], best[at + 2], best[at + 3]]) as usize;
    let (size, offset) = (number(8), number(12));
    let picture = bytes.get(offset..offset.checked_add(size)?)?;
    picture.starts_with(PNG).then_some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icon(pictures: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0, pictures.len() as u8, 0];
        let mut offset = HEADER + ENTRY * pictures.len();
        for (side, depth, picture) in pictures {
            bytes.extend([*side, *side, 0, 0, 1, 0, *depth, 0]);
            bytes.extend((picture.len() as u32).to_le_bytes());
            bytes.extend((offset as u32).to_le_bytes());
            offset += picture.len();
        }
        pictures.iter().for_each(|(.., picture)| bytes.extend_from_slice(picture));
        bytes
    }

    #[test]
    fn the_deepest_then_largest_picture_counts() {
        let (small, large) = ([PNG, b"small"].concat(), [PNG, b"large"].concat());
        assert_eq!(png(&icon(&[(16, 32, &small), (0, 32, &large)])), Some(&large[..]));
        assert_eq!(png(&icon(&[(16, 32, &small), (0, 8, &large)])), Some(&small[..]));
        assert_eq!(png(&icon(&[(16, 32, &small), (48, 32, b"a bitmap")])), None);
        assert_eq!(png(&icon(&[])), None);
    }

    #[test]
    fn an_entry_outside_the_file_is_no_picture() {
        let whole = icon(&[(16, 32, PNG)]);
        for length in 0..whole.len() {
            assert_eq!(png(&whole[..length]), None);
        }
    }
}
