//! Sources: hides where bytes come from, so that archives and disk images can be added later.
//!
//! Nothing here ever opens anything for writing, follows a link, or opens a pipe or device.

#[cfg(any(feature = "case", feature = "import"))]
pub(crate) mod database;
pub mod digest;
mod exclude;
mod folder;
mod holes;
pub mod identity;
pub mod medium;
pub mod name;
mod open;
pub mod provenance;
pub mod read;
pub mod reopen;
pub mod repetition;
pub mod size;
pub mod stamp;
pub mod storage;
pub mod tree;
pub mod trivial;
#[cfg_attr(not(windows), allow(dead_code, reason = "used on Windows, tested everywhere"))]
mod verbatim;
pub mod walk;

pub use digest::{Digester, Digests, sha256_of};
pub use exclude::{Excludes, Glob, GlobError};
pub use medium::Medium;
pub use open::{access_times_notice, check_there};
pub use provenance::{Extent, ParseStepError, Provenance, Step};
pub use read::SourceFile;
pub use reopen::{Reopened, reopen};
pub use stamp::FileStamp;
pub use tree::Tree;
pub use walk::{Entry, EntryKind, walk};
