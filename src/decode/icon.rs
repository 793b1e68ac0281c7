//! The picture of an icon that a viewer shows first: the deepest, then largest. Icons keep it as a bitmap
//! without its file header, which the `image` crate decodes, or as a whole PNG, of which that crate accepts
//! only those with alpha; PNGs are therefore found here and decoded as such.

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes of the header, and of an entry of the directory.
const HEADER: usize = 6;
const ENTRY: usize = 16;

/// The bytes of the icon's best picture, if that is a PNG.
pub(super) fn png(bytes: &[u8]) -> Option<&[u8]> {
    picture(bytes).filter(|picture| picture.starts_with(PNG))
}

/// The bytes of the icon's best picture, as far as the file has them.
pub(super) fn picture(bytes: &[u8]) -> Option<&[u8]> {
    let count = usize::from(u16::from_le_bytes(bytes.get(4..HEADER)?.try_into().ok()?));
    let side = |side: u8| if side == 0 { 256 } else { u32::from(side) };
    let score = |entry: &[u8]| {
        let depth = u16::from_le_bytes([entry[6], entry[7]]);
        (depth, side(entry[0]) * side(entry[1]))
    };
    // Among equals the very last one, else the first, as in the `image` crate: that crate must never open a
    // PNG that was not found here, because it would do so without limits.
    let mut entries = bytes.get(HEADER..)?.chunks_exact(ENTRY).take(count);
    let last = entries.next_back()?;
    let best = entries.fold(last, |best, entry| if score(entry) > score(best) { entry } else { best });
    let number =
        |at: usize| u32::from_le_bytes([best[at], best[at + 1], best[at + 2], best[at + 3]]) as usize;
    let (size, offset) = (number(8), number(12));
    let picture = bytes.get(offset..)?;
    // A PNG that is cut off within its signature is still opened as one.
    let size = if picture.starts_with(PNG) { size.max(PNG.len()) } else { size };
    Some(&picture[..size.min(picture.len())])
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
        // Among equals the first, if the very last is not one of them.
        assert_eq!(
            png(&icon(&[(48, 32, &large), (48, 32, &small), (16, 32, b"a bitmap")])),
            Some(&large[..])
        );
        assert_eq!(png(&icon(&[(48, 32, b"a bitmap"), (48, 32, &small)])), Some(&small[..]));
    }

    #[test]
    fn a_picture_that_is_cut_off_is_still_a_png() {
        let whole = icon(&[(16, 32, &[PNG, b"more"].concat())]);
        for length in 0..whole.len() {
            let expected = length >= whole.len() - b"more".len();
            assert_eq!(png(&whole[..length]).is_some(), expected, "{length} of {}", whole.len());
        }
        let mut lying = whole.clone();
        lying[14..18].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(png(&lying), png(&whole));
    }
}
