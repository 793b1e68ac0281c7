//! One row per (item, known code): the least distance over the eight orientations of the item.

use super::Pair;
use crate::pdq::Orientation;

/// One query item against one haystack code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrientedPair {
    /// Index of the item.
    pub item: u32,
    /// Index of the haystack code.
    pub haystack: u32,
    /// Least distance over the orientations.
    pub distance: u32,
    /// What was done to the known picture to get the item; of several with the least distance the
    /// first in [`Orientation::ALL`].
    pub orientation: Orientation,
}

/// Folds the pairs of needles that were laid out eight an item (needle `8 i + k` is item `i`'s code
/// of `Orientation::ALL[k]`, as in [`crate::pdq::TileHash::codes`]) into one row per (item, known
/// code), sorted.
#[must_use]
pub fn least_over_orientations(pairs: &[Pair]) -> Vec<OrientedPair> {
    let _ = pairs;
    unimplemented!()
}
