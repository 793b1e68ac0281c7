//! Folders that are open: their names, and what lies in them.
//!
//! On Unix no path is too long, and a link that takes the place of a folder is followed nowhere on the way: everything below an open
//! folder is reached by its handle, and what is opened by its path, by a call that follows no link (`openat2`) or name by name. So what is
//! opened by its path has a path without links (`super::identity::real_path`). Elsewhere paths are used as they are; on Windows they have
//! no limit either (`super::verbatim`).

use std::ffi::OsString;
use std::path::PathBuf;

use super::stamp::FileStamp;

#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
use portable as system;
#[cfg(unix)]
use unix as system;

#[cfg(all(test, unix))]
pub(super) use system::dig;
pub(super) use system::{Folder, Place, look, open_file, times_changed};

/// One name of a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub name: OsString,
    /// Whether it is a folder, where the listing says so. A link to one is none.
    pub is_folder: bool,
    /// What the system's listing gives beside.
    pub place: Place,
}

/// What a name stands for: the name itself, never what a link points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    /// A symbolic link or junction, with its target where reading it leaves the time of last access as it is.
    Link(Option<PathBuf>),
    /// A pipe, socket or device.
    Special(&'static str),
}

/// A look at a name.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub kind: Kind,
    pub stamp: FileStamp,
}

impl Look {
    pub fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}
