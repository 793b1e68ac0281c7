//! The system's identity of a file or folder, regardless of its name: two spellings of one name, two mounts of one folder, two
//! hard links of one file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::name::for_system;
use super::open::check_there;

/// The identity of a file or folder.
#[derive(Clone, Copy, Debug)]
pub struct FileId {
    volume: u64,
    file: u64,
    names: u64,
    is_folder: bool,
}

impl FileId {
    /// The identity of a path's target, following links; `None` if there is nothing, or the system does not
    /// report it.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        system::of(path)
    }

    /// The identity of an open file.
    #[must_use]
    pub fn of_file(file: &File) -> Option<Self> {
        system::of_file(file)
    }

    /// Whether this is the same file, by the same or another name.
    #[must_use]
    pub const fn is_same_file(&self, other: &Self) -> bool {
        self.volume == other.volume && self.file == other.file
    }

    /// Whether this is the same file by the same name, regardless of spelling and path. Two hard links are
    /// two names.
    #[must_use]
    pub const fn is_same_place(&self, other: &Self) -> bool {
        self.is_same_file(other) && (self.is_folder || self.names == 1)
    }
}

/// The canonical path of a source, regardless of how it was typed: absolute, with links resolved, and on Windows in the spelling of
/// the file system.
///
/// # Errors
/// If there is nothing at this path, or its metadata cannot be read.
pub fn real_path(source: &Path) -> io::Result<PathBuf> {
    let source = for_system(source);
    match source.canonicalize() {
        // Drivers of mounted images may not report the path of an open file.
        Err(error) if cfg!(windows) && error.kind() != io::ErrorKind::NotFound && source.exists() => {
            Ok(source)
        }
        // For a path that is too long for the system only its beginning: links after it are not followed.
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename && source.is_absolute() => {
            check_there(&source)?;
            let beginning = source.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
            let (above, real) = beginning.ok_or(error)?;
            Ok(source.strip_prefix(above).map_or(real.clone(), |rest| real.join(rest)))
        }
        real => real,
    }
}

#[cfg(unix)]
mod system {
    use super::{File, FileId, Path};
    use std::fs::{self, Metadata};
    use std::os::unix::fs::MetadataExt;

    pub(super) fn of(path: &Path) -> Option<FileId> {
        fs::metadata(path).ok().as_ref().map(id)
    }

    pub(super) fn of_file(file: &File) -> Option<FileId> {
        file.metadata().ok().as_ref().map(id)
    }

    fn id(metadata: &Metadata) -> FileId {
        let is_folder = metadata.is_dir();
        FileId { volume: metadata.dev(), file: metadata.ino(), names: metadata.nlink(), is_folder }
    }
}

#[cfg(windows)]
mod system {
    use super::{File, FileId, Path};
    use std::io;
    use winapi_util::file::{Information, information};
    use winapi_util::{Handle, HandleRef};

    pub(super) fn of(path: &Path) -> Option<FileId> {
        id(information(Handle::from_path_any(path).ok()?))
    }

    pub(super) fn of_file(file: &File) -> Option<FileId> {
        id(information(HandleRef::from_file(file)))
    }

    fn id(information: io::Result<Information>) -> Option<FileId> {
        const FILE_ATTRIBUTE_DIRECTORY: u64 = 0x10;
        let information = information.ok()?;
        Some(FileId {
            volume: information.volume_serial_number(),
            file: information.file_index(),
            names: information.number_of_links(),
            is_folder: information.file_attributes() & FILE_ATTRIBUTE_DIRECTORY != 0,
        })
    }
}

#[cfg(not(any(unix, windows)))]
mod system {
    use super::{File, FileId, Path};

    pub(super) const fn of(_path: &Path) -> Option<FileId> {
        None
    }

    pub(super) const fn of_file(_file: &File) -> Option<FileId> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_of_one_file_are_one_file_and_two_places() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
        fs::write(&a, "x").unwrap();
        fs::write(&b, "x").unwrap();
        let id = |path: &Path| FileId::of(path).unwrap();
        assert!(id(&a).is_same_place(&id(&folder.path().join("./a"))));
        assert!(!id(&a).is_same_file(&id(&b)));
        assert!(FileId::of(&c).is_none());
        fs::hard_link(&a, &c).unwrap();
        assert!(id(&a).is_same_file(&id(&c)));
        assert!(!id(&a).is_same_place(&id(&c)));
        assert!(id(folder.path()).is_same_place(&id(&folder.path().join("."))));
        assert!(!id(folder.path()).is_same_place(&id(&b)));
    }
}
