//! The front door of the library: short ways to what most users of it want, each from the modules below. The crate's root hands it on.

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
