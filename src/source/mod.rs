//! What was seized: hides where bytes come from, so that archives and disk images can join later.
//!
//! Nothing here ever opens anything for writing, follows a link, or opens a pipe or device.

#[cfg(any(feature = "case", feature = "import"))]
pub(crate) mod database;
pub mod digest;
mod exclude;
mod folder;
mod holes;
pub mod identity;
pub mod name;
mod open;
pub mod read;
pub mod repetition;
pub mod size;
pub mod stamp;
pub mod storage;
pub mod tree;
pub mod trivial;
#[cfg_attr(not(windows), allow(dead_code, reason = "of Windows, and tested everywhere"))]
mod verbatim;
pub mod walk;

pub use digest::{Digester, Digests, sha256_of};
pub use exclude::{Excludes, Glob, GlobError};
pub use open::{access_times_notice, check_there};
pub use read::SourceFile;
pub use stamp::FileStamp;
pub use tree::Tree;
pub use walk::{Entry, EntryKind, walk};
