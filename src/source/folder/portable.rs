//! The portable implementation: by paths, with the standard library.

use std::fs::{self, File, FileType, Metadata, OpenOptions, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use super::entry::{Kind, ListedName, NameStatus};
use crate::source::stamp::FileStamp;

/// An open folder.
#[derive(Debug)]
pub(in crate::source) struct Folder {
    path: PathBuf,
    listing: ReadDir,
}

impl Folder {
    /// Opens a folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_path_buf(), listing: fs::read_dir(path)? })
    }

    /// Opens a folder in this one.
    pub fn enter(&self, found: &ListedName) -> io::Result<Self> {
        Self::open(&self.path.join(&found.name))
    }

    /// The next name, in the system's order; `None` at the end.
    pub fn next(&mut self) -> Option<io::Result<ListedName>> {
        let entry = match self.listing.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        Some(Ok(ListedName { name: entry.file_name(), is_folder, place: entry }))
    }

    /// Reads the status of a name.
    pub fn look(&self, found: &ListedName) -> io::Result<NameStatus> {
        let metadata = found.place.metadata()?;
        Ok(seen(&self.path.join(&found.name), &metadata))
    }
}

/// Reads the status of a path.
pub(in crate::source) fn look(path: &Path) -> io::Result<NameStatus> {
    Ok(seen(path, &fs::symlink_metadata(path)?))
}

/// Opens what should be a file for reading. A link is not followed, unless it replaces the file in this
/// instant.
pub(in crate::source) fn open_file(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it became a link"));
    }
    OpenOptions::new().read(true).open(path)
}

fn seen(path: &Path, metadata: &Metadata) -> NameStatus {
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_file() => Kind::File,
        kind if FileType::is_symlink(&kind) => Kind::Link(fs::read_link(path).ok()),
        _ => Kind::Special("not a regular file"),
    };
    NameStatus { kind, stamp: FileStamp::from(metadata) }
}

/// It cannot be detected here whether this process has changed a time of last access.
pub(in crate::source) const fn times_changed() -> bool {
    false
}
