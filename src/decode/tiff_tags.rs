//! The first directory of a TIFF, as far as it tells a camera's RAW file from a picture.
//!
//! RAW files are TIFFs whose first directory often holds a thumbnail. Hashing that instead of the
//! picture would be a wrong code, so such files are `unsupported` by name.

const NEW_SUBFILE_TYPE: u16 = 254;
const SUB_DIRECTORIES: u16 = 330;
const DNG_VERSION: u16 = 0xc612;
const REDUCED_RESOLUTION: u32 = 1;

/// Whether the first directory says that the file is a camera's RAW: it has a DNG version, or it is a
/// reduced picture beside sub-directories with the full one.
pub(super) fn is_camera_raw(head: &[u8]) -> bool {
    let Some(tags) = first_directory(head) else { return false };
    let value = |wanted: u16| tags.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    value(DNG_VERSION).is_some()
        || (value(SUB_DIRECTORIES).is_some()
            && value(NEW_SUBFILE_TYPE).is_some_and(|kind| kind & REDUCED_RESOLUTION != 0))
}

/// (tag, its value as if it were one 32-bit number) of the first directory, as far as `head` holds it.
fn first_directory(head: &[u8]) -> Option<Vec<(u16, u32)>> {
    let little = head.starts_with(b"II*\0");
    if !little && !head.starts_with(b"MM\0*") {
        return None;
    }
    let u16_at = |offset: usize| {
        let bytes: [u8; 2] = head.get(offset..offset.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |offset: usize| {
        let bytes: [u8; 4] = head.get(offset..offset.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = u32_at(4)? as usize;
    let count = usize::from(u16_at(directory)?);
    let entries = (0..count).map_while(|index| {
        let entry = directory.checked_add(2 + 12 * index)?;
        Some((u16_at(entry)?, u32_at(entry + 8)?))
    });
    Some(entries.collect())
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
    fn a_thumbnail_beside_sub_directories_is_a_raw() {
        assert!(is_camera_raw(&directory(&[(NEW_SUBFILE_TYPE, 1), (SUB_DIRECTORIES, 4000)])));
        assert!(is_camera_raw(&directory(&[(256, 100), (DNG_VERSION, 1)])));
        assert!(!is_camera_raw(&directory(&[(NEW_SUBFILE_TYPE, 0), (256, 100)])));
        assert!(!is_camera_raw(&directory(&[(NEW_SUBFILE_TYPE, 0), (SUB_DIRECTORIES, 4000)])));
        assert!(!is_camera_raw(b"II*\0\xff\xff\xff\xff"));
        assert!(!is_camera_raw(b"II*\0"));
    }
}
