//! What was seized: hides where bytes come from, so that archives and disk images can join later.
//! Nothing here ever opens anything for writing, follows a link, or opens a pipe or device.

pub mod digest;
pub mod name;

pub use digest::Digests;
