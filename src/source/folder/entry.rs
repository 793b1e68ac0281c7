//! What is known of a name in a folder.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::source::stamp::FileStamp;

/// The number of a file's entry on the disk.
#[cfg(unix)]
pub(in crate::source) type Place = u64;
/// The entry of the listing, which has the look with it.
#[cfg(not(unix))]
pub(in crate::source) type Place = std::fs::DirEntry;

/// One name of a folder.
#[derive(Debug)]
pub(in crate::source) struct ListedName {
    pub name: OsString,
    /// Whether it is a folder, where the listing says so. A link to one is none.
    pub is_folder: bool,
    /// What the system's listing gives beside.
    pub place: Place,
}

/// What a name stands for: the name itself, never what a link points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Kind {
    Folder,
    File,
    /// A symbolic link or junction, with its target where reading it leaves the time of last access as it is.
    Link(Option<PathBuf>),
    /// A pipe, socket or device.
    Special(&'static str),
}

/// A look at a name.
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
