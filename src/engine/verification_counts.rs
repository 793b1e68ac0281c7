//! How candidates fared.

use std::collections::HashSet;

use crate::case::ContentHits;

/// How candidates fared, in contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct VerificationCounts {
    /// Decoded, and a hit by the hash from pixels.
    pub confirmed: u64,
    /// Decoded, and none.
    pub refuted: u64,
    /// Not to be decoded.
    pub unverified: u64,
}

impl VerificationCounts {
    /// Counts contents that were decoded, by whether these hits have them.
    pub fn add(&mut self, hits: &[ContentHits], decoded: impl Iterator<Item = [u8; 32]>) {
        let by_hash: HashSet<[u8; 32]> =
            hits.iter().filter(|hits| has_hash_hit(hits)).map(|hits| hits.sha256).collect();
        for sha256 in decoded {
            *(if by_hash.contains(&sha256) { &mut self.confirmed } else { &mut self.refuted }) += 1;
        }
    }
}

/// Whether the content's hash is near to one of the set.
fn has_hash_hit(hits: &ContentHits) -> bool {
    !hits.by_hash.is_empty() || hits.by_digest.as_ref().is_some_and(|digest| digest.near.is_some())
}
