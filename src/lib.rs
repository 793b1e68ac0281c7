//! Tamis sifts seizures: it hashes every picture once, matches the hashes exactly against known
//! sets of millions, and shows no picture unless a report is asked for them.
//!
//! # A tour along the data flow
//!
//! ```text
//! source → decode → pdq → [gpu | cpu] → matching → case, known → pipeline → report, share → cli
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
//! * [`pipeline`] runs the stages with bounded queues and a byte budget; [`report`] writes exports and pages;
//!   [`share`] makes and verifies signed packages for other agencies, and links cases; [`cli`] is the command line.
//!
//! A module sees only modules before it in that line (`ARCHITECTURE.md`; a test holds it). Arithmetic that decides evidence is in
//! integers, so every backend, thread count and machine gives the same bits.

pub mod case;
pub mod cli;
pub mod decode;
pub mod gpu;
pub mod known;
pub mod matching;
pub mod outcome;
mod partial;
pub mod pdq;
pub mod pipeline;
#[cfg(test)]
mod plans;
pub mod report;
pub mod share;
pub mod source;

#[cfg(test)]
#[path = "../tests/support/skip.rs"]
mod skip;
