//! One row per (item, known hash): the minimum distance over the eight orientations of the item.

use super::Pair;
use crate::pdq::Orientation;

/// One query item against one haystack hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrientedPair {
    /// Index of the item.
    pub item: u32,
    /// Index of the haystack hash.
    pub haystack: u32,
    /// Minimum distance over the orientations.
    pub distance: u32,
    /// The transformation of the known picture that gives the item; of several with the minimum distance the
    /// first in [`Orientation::ALL`].
    pub orientation: Orientation,
}

/// Folds the pairs of queries that were laid out eight per item (query `8 i + k` is item `i`'s hash
/// of `Orientation::ALL[k]`, as in [`crate::pdq::DihedralHashes::hashes`]) into one row per (item, known
/// hash), sorted.
///
/// If the item turned by `k` is the known picture, the known picture turned by the inverse of `k` is the
/// item.
#[must_use]
pub fn minimum_over_orientations(pairs: &[Pair]) -> Vec<OrientedPair> {
    let mut oriented: Vec<OrientedPair> = pairs
        .iter()
        .map(|pair| OrientedPair {
            item: pair.query / 8,
            haystack: pair.haystack,
            distance: pair.distance,
            orientation: Orientation::ALL[pair.query as usize % 8].inverse(),
        })
        .collect();
    // Minimum distance first, then the first orientation.
    oriented.sort_unstable();
    oriented.dedup_by_key(|pair| (pair.item, pair.haystack));
    oriented
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_distance_wins_then_the_first_orientation() {
        let pair = |query, haystack, distance| Pair { query, haystack, distance };
        let pairs = [
            pair(8 + 1, 5, 20),
            pair(8 + 4, 5, 12),
            pair(8 + 7, 5, 12),
            pair(8 + 3, 6, 4),
            pair(3, 5, 31),
            pair(1, 5, 31),
        ];
        let row =
            |item, haystack, distance, orientation| OrientedPair { item, haystack, distance, orientation };
        assert_eq!(
            minimum_over_orientations(&pairs),
            [
                // Queries 1 and 3 are the item turned by 90° and 270°: the known one turned by 270° and 90°.
                row(0, 5, 31, Orientation::Rotate90),
                row(1, 5, 12, Orientation::FlipX),
                row(1, 6, 4, Orientation::Rotate90),
            ]
        );
    }
}
