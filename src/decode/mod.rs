//! From bytes to a tile and facts: a pure function that sees neither store nor GPU, so that it can
//! move into a worker process whole.

pub mod facts;
pub mod format;
pub mod pixels;

pub use facts::{ExifFacts, Facts};
pub use format::Format;

use crate::outcome::Failure;
use crate::pdq::{Geometry, Tile};

/// Bounds that are checked from the header, before anything is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels on a side, at most.
    pub max_side: u32,
    /// Bytes a decoder may allocate for one picture, all its buffers together.
    pub max_decode_bytes: u64,
}

/// What the header says, before decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Format, size and metadata.
    pub facts: Facts,
    /// Bytes that decoding will need beside the file itself: an upper estimate for the byte budget.
    /// 0 where `verdict` is already a failure.
    pub decode_bytes: u64,
    /// A failure that the header alone decides (not a picture, unsupported, too small, over limit,
    /// a header that is damaged); `None` if decoding can be tried.
    pub failure: Option<Failure>,
}

/// How many leading bytes [`is_candidate`] wants to see.
pub const SNIFF_BYTES: usize = 4096;

/// Whether a file that begins with `head` may be a picture that [`probe`] wants to see whole. Other
/// files need not be kept in memory after they were digested. `probe(head, …)` says what they are.
#[must_use]
pub fn is_candidate(head: &[u8]) -> bool {
    let _ = head;
    unimplemented!()
}

/// Looks at a whole file (or, where [`is_candidate`] said no, its head) and says what it is and what
/// decoding it takes. Never panics on input, allocates little.
#[must_use]
pub fn probe(bytes: &[u8], geometry: Geometry, limits: &Limits) -> Probe {
    let _ = (bytes, geometry, limits);
    unimplemented!()
}

/// Decodes the picture that [`probe`] accepted and reduces it to its tile. A decoder's panic is
/// caught and becomes the outcome `crashed_decoder`.
///
/// # Errors
/// The named outcome, its stage and its reason.
pub fn decode(
    bytes: &[u8],
    probe: &Probe,
    geometry: Geometry,
    limits: &Limits,
) -> Result<Box<Tile>, Failure> {
    let _ = (bytes, probe, geometry, limits);
    unimplemented!()
}
