//! Flat range search on CPU vectors. The CPU twin of `shaders/flat.wgsl`.

use super::Pair;
use crate::pdq::Code;

/// Codes in planes (structure of arrays), ready to be searched.
#[derive(Debug, Clone)]
pub struct FlatIndex {}

impl FlatIndex {
    /// Lays out `codes`; the position in the slice is the index in pairs.
    #[must_use]
    pub fn new(codes: &[Code]) -> Self {
        let _ = codes;
        unimplemented!()
    }

    /// Every pair within `radius` (inclusive), sorted by (needle, haystack), on the threads of the
    /// current rayon pool.
    #[must_use]
    pub fn search(&self, needles: &[Code], radius: u32) -> Vec<Pair> {
        let _ = (needles, radius);
        unimplemented!()
    }
}
