//! What a join finds.

use crate::pdq::Orientation;

/// A hit of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Number of the right side's item.
    pub right: u32,
    /// Differing bits; the minimum over orientations and negatives.
    pub distance: u32,
    /// Whether the left picture resembles the right one's negative; see
    /// [`Join::with_negatives`](super::Join::with_negatives).
    pub negative: bool,
    /// The transformation of the right picture that gives the left one.
    pub orientation: Orientation,
}

/// An item of the left side that has hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemHits {
    /// Its number.
    pub left: u32,
    /// By the right side's number, ascending.
    pub hits: Vec<Hit>,
    /// Hits beyond [`JoinSettings::max_hits`](super::JoinSettings::max_hits).
    pub more: u64,
}
