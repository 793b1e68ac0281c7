//! What is known about a name in a folder.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::source::stamp::FileStamp;

/// The number of a file's entry on the disk (inode).
#[cfg(unix)]
pub(in crate::source) type Place = u64;
/// The directory entry, which includes the metadata.
#[cfg(not(unix))]
pub(in crate::source) type Place = std::fs::DirEntry;

/// One name listed in a folder.
#[derive(Debug)]
pub(in crate::source) struct ListedName {
    pub name: OsString,
    /// Whether it is a folder according to the listing. A link to a folder is not one.
    pub is_folder: bool,
    /// Further data from the system's listing.
    pub place: Place,
}

/// What a name refers to: the name itself, never the target of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Kind {
    Folder,
    File,
    /// A symbolic link or junction, with its target if reading it does not change the time of last access.
    Link(Option<PathBuf>),
    /// A pipe, socket or device.
    Special(&'static str),
}

/// Type, size and times of a name.
#[derive(Clone, Debug)]
pub(in crate::source) struct NameStatus {
    pub kind: Kind,
    pub stamp: FileStamp,
}

impl NameStatus {
    pub fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}
