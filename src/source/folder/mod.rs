//! Open folders: their names and entries.
//!
//! On Unix no path is too long, and a link that replaces a folder on the way is never followed: everything below an open folder is reached
//! by its handle, and paths are opened by a call that follows no link (`openat2`) or name by name. So such a path must be without links
//! (`super::identity::real_path`). Elsewhere paths are used as they are; on Windows they have no limit either (`super::verbatim`).

mod entry;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
use portable as system;
#[cfg(unix)]
use unix as system;

pub(super) use entry::{Kind, ListedName, NameStatus};
#[cfg(all(test, unix))]
pub(super) use system::dig;
pub(super) use system::{Folder, look, open_file, times_changed};
