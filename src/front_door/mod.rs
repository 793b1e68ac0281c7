//! The front door of the library: short entry points for what most users need, built on the modules below. The crate
//! root re-exports it.

#[cfg(feature = "case")]
mod case;
#[cfg(feature = "decode")]
mod hash;
#[cfg(feature = "matching")]
mod join;

#[cfg(feature = "case")]
pub use case::{Case, CaseRows};
#[cfg(feature = "decode")]
pub use hash::{HashError, hash};
#[cfg(feature = "matching")]
pub use join::{JoinInputError, join};
