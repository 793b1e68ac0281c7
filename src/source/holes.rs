//! Holes: parts of a file that were never written, take no space, and read as zeros. A file of 15 TB may hold one picture or nothing, and
//! hashing its zeros takes a day.

use std::fs::File;

/// Holes up to this size are read normally, in seconds.
const MANY: u64 = 1 << 30;

/// The bytes of a file in holes, if they are more than [`MANY`] and nine tenths of it. `None` for other files, and if the system
/// does not report holes. The file's position is at its beginning before and after.
pub(super) fn mostly_holes(file: &File, size: u64) -> Option<u64> {
    if size <= MANY { None } else { system::mostly_holes(file, size) }
}

#[cfg(target_os = "linux")]
fn is_mostly(holes: u64, size: u64) -> bool {
    holes > MANY && holes > size / 10 * 9
}

#[cfg(target_os = "linux")]
mod system {
    use super::{File, is_mostly};
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    use std::os::unix::fs::MetadataExt;

    pub(super) fn mostly_holes(file: &File, size: u64) -> Option<u64> {
        let allocated = file.metadata().ok()?.blocks().saturating_mul(512);
        if !is_mostly(size.saturating_sub(allocated), size) {
            return None;
        }
        // A compressing file system also allocates less: only what was never written counts.
        let holes = count(file, size, allocated);
        seek(file, SeekFrom::Start(0)).ok()?;
        holes
    }

    /// Maximum ranges that are checked one by one: beyond them the allocated size suffices, and checking
    /// would take as long as reading.
    const RANGES: usize = 100_000;

    fn count(file: &File, size: u64, allocated: u64) -> Option<u64> {
        let (mut at, mut data, mut ranges) = (0, 0, 0);
        while at < size {
            ranges += 1;
            if ranges > RANGES {
                return Some(size.saturating_sub(allocated));
            }
            let start = match seek(file, SeekFrom::Data(at)) {
                Err(Errno::NXIO) => break,
                start => start.ok()?,
            };
            let end = seek(file, SeekFrom::Hole(start)).ok()?.min(size);
            if end <= at {
                return None;
            }
            data += end.saturating_sub(start);
            if !is_mostly(size.saturating_sub(data), size) {
                return None;
            }
            at = end;
        }
        Some(size - data)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::File;

    pub(super) const fn mostly_holes(_file: &File, _size: u64) -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    #[test]
    fn holes_are_what_was_never_written() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(MANY).unwrap();
        assert_eq!(mostly_holes(&file, MANY), None, "few");
        let size = MANY + (1 << 20);
        file.set_len(size).unwrap();
        assert_eq!(mostly_holes(&file, size), Some(size));
        file.seek(SeekFrom::Start(MANY / 2)).unwrap();
        file.write_all(&[1; 1 << 16]).unwrap();
        assert_eq!(mostly_holes(&file, size), Some(size - (1 << 16)));
        assert_eq!(file.stream_position().unwrap(), 0);
        file.seek(SeekFrom::Start(MANY)).unwrap();
        file.write_all(&[1; 1 << 20]).unwrap();
        assert_eq!(mostly_holes(&file, size), None, "no more than MANY");
    }
}
