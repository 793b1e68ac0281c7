//! How candidates fared.

use std::collections::HashSet;

use crate::case::ContentHits;

/// How candidates fared, in contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct VerdictCounts {
    /// Decoded, and a hit by the code from pixels.
    pub confirmed: u64,
    /// Decoded, and none.
    pub refuted: u64,
    /// Not to be decoded.
    pub unjudged: u64,
}

impl VerdictCounts {
    /// Counts contents that were decoded, by whether these hits have them.
    pub fn add(&mut self, hits: &[ContentHits], decoded: impl Iterator<Item = [u8; 32]>) {
        let by_code: HashSet<[u8; 32]> =
            hits.iter().filter(|hits| has_code_hit(hits)).map(|hits| hits.sha256).collect();
        for sha256 in decoded {
            *(if by_code.contains(&sha256) { &mut self.confirmed } else { &mut self.refuted }) += 1;
        }
    }
}

/// Whether the content's code is near to one of the set.
fn has_code_hit(hits: &ContentHits) -> bool {
    !hits.by_code.is_empty() || hits.by_digest.as_ref().is_some_and(|digest| digest.near.is_some())
}
