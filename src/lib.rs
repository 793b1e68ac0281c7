//! Tamis sifts seizures: it hashes every picture once, matches the hashes exactly against hash sets
//! of millions, and shows no picture unless you request a report with pictures.
//!
//! # The front door
//!
//! * [`hash`]: the bytes of a picture to its PDQ hashes in eight orientations, and its quality.
//! * [`HashSet`]: a hash set, from a file or from hashes.
//! * [`join`] and [`range_search`]: every pair of hashes within a radius.
//! * [`Case`]: the hits and items of a case, which is only read.
//!
//! Each comes with a feature of its own; `docs/library.md` lists them. Without any feature there is [`pdq`] alone.
//!
//! # A tour along the data flow
//!
//! ```text
//! source → decode → pdq → [gpu | cpu] → matching → case, known → engine → report, share → cli
//! ```
//!
//! * [`source`] walks what was seized and hides where bytes come from. Files are only ever opened
//!   for reading.
//! * [`decode`] is a pure function from bytes to a 64×64 luminance [`pdq::Tile`] and facts about
//!   the picture.
//! * [`pdq`] turns a tile into 256-bit hashes for all eight orientations, and a quality.
//! * [`gpu`] does the same for thousands of tiles at a time, and range search, in compute shaders.
//! * [`matching`] finds all pairs of hashes within a radius, on CPU vectors or on the GPU; [`matching::Join`] and
//!   [`matching::range_search`] need no case.
//! * [`known`] reads hash sets; [`case`] keeps what was found in a SQLite database.
//! * [`engine`] runs the stages with bounded queues and a byte budget; [`report`] writes exports and pages;
//!   [`share`] makes and verifies signed packages for other agencies, and links cases; [`cli`] is the command line.
//!
//! A module sees only modules before it in that line (`ARCHITECTURE.md`; a test holds it). Arithmetic that decides evidence is in
//! integers, so every backend, thread count and machine gives the same bits.

#[cfg(feature = "matching")]
pub mod cancel;
#[cfg(feature = "case")]
pub mod case;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "decode")]
pub mod decode;
#[cfg(feature = "case")]
pub mod engine;
#[cfg(feature = "decode")]
pub mod examine;
mod front_door;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(feature = "known")]
pub mod known;
#[cfg(feature = "matching")]
pub mod matching;
#[cfg(feature = "decode")]
pub mod outcome;
#[cfg(any(feature = "gpu", feature = "import"))]
mod partial;
pub mod pdq;
#[cfg(feature = "cli")]
#[cfg(test)]
mod plans;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "share")]
pub mod share;
#[cfg(feature = "decode")]
pub mod source;

#[cfg(feature = "case")]
pub use front_door::{Case, CaseRows};
#[cfg(feature = "decode")]
pub use front_door::{HashError, hash};
#[cfg(feature = "matching")]
pub use front_door::{JoinInputError, join};
#[cfg(feature = "known")]
pub use known::HashSet;
#[cfg(feature = "matching")]
pub use matching::range_search;
pub use pdq::{DihedralHashes, PdqHash};

/// The examples of `docs/library.md`, which are run as tests.
#[cfg(all(doctest, feature = "known"))]
#[doc = include_str!("../docs/library.md")]
struct Library;

#[cfg(test)]
#[path = "../tests/support/skip.rs"]
mod skip;
