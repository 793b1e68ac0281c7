//! Every pair of a picture and a hash within a radius.

use std::convert::Infallible;

use crate::matching::{ItemHits, Join, JoinControl, JoinError, JoinSettings};
use crate::pdq::{DihedralHashes, PdqHash};

/// Maximum hashes of a side: a hit numbers them with 32 bits.
const MAX_HASHES: usize = u32::MAX as usize;
/// A picture has eight.
const MAX_PICTURES: usize = MAX_HASHES / 8;

/// Why lists cannot be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinInputError {
    /// More pictures on the left than a join numbers.
    #[error("left side: {0} pictures are more than a join takes, {MAX_PICTURES} (join parts of the list)")]
    Left(usize),
    /// More hashes on the right than a join numbers.
    #[error("right side: {0} hashes are more than a join takes, {MAX_HASHES} (join parts of the list)")]
    Right(usize),
}

/// Joins pictures with hashes: each of `left`, in all eight orientations, with each of `right`, on all threads of the machine. Returns the pictures
/// that have hits in ascending order, each with all of its hits within `radius` (inclusive): one for each hash, of the lowest distance, then
/// of the first orientation. Nothing is dropped.
///
/// The field's radius is [`DEFAULT_DISTANCE`](crate::matching::DEFAULT_DISTANCE). For hashes without orientations there is
/// [`range_search`](crate::range_search); for joins that stream, are resumed, or run on a GPU, [`Join`].
///
/// ```
/// use tamis::{PdqHash, DihedralHashes};
///
/// let near = PdqHash([0x1, 2, 3, 4]);
/// let picture = DihedralHashes { hashes: [near; 8], quality: 100 };
/// let known = [PdqHash([!0, 2, 3, 4]), PdqHash([0x3, 2, 3, 4])];
/// let found = tamis::join(&[picture], &known, 31)?;
/// assert_eq!((found[0].left, found[0].hits[0].right, found[0].hits[0].distance), (0, 1, 1));
/// assert_eq!(found[0].hits.len(), 1);
/// # Ok::<(), tamis::JoinInputError>(())
/// ```
///
/// # Errors
/// If a side has more hashes than a hit can number, 2³² − 1: a picture has eight.
pub fn join(
    left: &[DihedralHashes],
    right: &[PdqHash],
    radius: u32,
) -> Result<Vec<ItemHits>, JoinInputError> {
    if left.len() > MAX_PICTURES {
        return Err(JoinInputError::Left(left.len()));
    }
    if right.len() > MAX_HASHES {
        return Err(JoinInputError::Right(right.len()));
    }
    let left: Vec<[PdqHash; 8]> = left.iter().map(|picture| picture.hashes).collect();
    let settings = JoinSettings { radius, ..JoinSettings::default() };
    let mut found = Vec::new();
    let sink = |hits: &ItemHits| {
        found.push(hits.clone());
        Ok::<(), Infallible>(())
    };
    match Join::with_orientations(&left, right, settings).run(&JoinControl::default(), sink) {
        // Nobody cancels it.
        Ok(_) | Err(JoinError::Cancelled) => Ok(found),
        Err(JoinError::Sink(never)) => match never {},
    }
}
