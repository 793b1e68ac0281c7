//! One direction of a join: which hashes are compared, and which items and orientation a pair of hashes
//! stands for.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::Pair;
use super::allowance::{Allowance, Stop};
use super::backend::{Backend, Haystack};
use super::banded_join::{self, BandedJoin, Permuted};
use super::bands::Bands;
use super::distinct::Distinct;
use super::flat::FlatIndex;
use super::popcount::InstructionSet;
use crate::pdq::{Orientation, PdqHash};

/// Hashes of the left side, one or more an item, against hashes of the right one.
#[derive(Debug)]
pub(super) struct Direction<'a> {
    left: Cow<'a, [PdqHash]>,
    left_per_item: usize,
    /// Whether the second half of an item's hashes are those of its picture's negative.
    negatives: bool,
    right: Right<'a>,
    right_per_item: usize,
}

/// The right side: of one join, or resident for many.
#[derive(Debug)]
enum Right<'a> {
    Own(Box<RightSide<'a>>),
    Resident(&'a RightSide<'static>),
}

/// Hashes of a right side with their search structures.
#[derive(Debug)]
pub(super) struct RightSide<'a> {
    /// All hashes; `None` if they are distinct.
    hashes: Option<&'a [PdqHash]>,
    distinct: Distinct,
    // Created on first use; the last one only on the GPU, or for a resident side.
    flat: OnceLock<FlatIndex>,
    permuted: OnceLock<Permuted>,
    haystack: OnceLock<Haystack>,
}

impl<'a> RightSide<'a> {
    fn new(hashes: Option<&'a [PdqHash]>, distinct: Distinct) -> Self {
        let (flat, permuted, haystack) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { hashes, distinct, flat, permuted, haystack }
    }
}

impl RightSide<'static> {
    /// Distinct hashes, resident in `haystack` for many joins.
    pub fn resident(hashes: Vec<PdqHash>, haystack: Haystack) -> Self {
        let side = Self::new(None, Distinct::of_distinct(hashes));
        side.haystack.get_or_init(|| haystack);
        side
    }

    /// Bytes of its bands once they exist.
    pub fn banded_bytes(&self) -> u64 {
        self.haystack.get().map_or(0, Haystack::banded_bytes)
    }
}

/// How pairs of hashes are searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Engine<'a> {
    pub radius: u32,
    pub instructions: InstructionSet,
    /// A backend with a GPU.
    pub gpu: Option<&'a Backend>,
}

impl<'a> Direction<'a> {
    pub fn new(
        left: &'a [PdqHash],
        left_per_item: usize,
        right: &'a [PdqHash],
        right_per_item: usize,
    ) -> Self {
        let right = Right::Own(Box::new(RightSide::new(Some(right), Distinct::new(right))));
        Self { left: Cow::Borrowed(left), left_per_item, negatives: false, right, right_per_item }
    }

    /// Hashes against a resident side.
    pub const fn resident(left: &'a [PdqHash], left_per_item: usize, right: &'a RightSide<'static>) -> Self {
        let (left, right) = (Cow::Borrowed(left), Right::Resident(right));
        Self { left, left_per_item, negatives: false, right, right_per_item: 1 }
    }

    fn side(&self) -> &RightSide<'a> {
        match &self.right {
            Right::Own(side) => side,
            Right::Resident(side) => side,
        }
    }

    /// The same with the complement of each left hash after the item's hashes: the hash of the picture's negative, whose
    /// coefficients have opposite signs.
    pub fn with_negatives(self) -> Self {
        let complement = |hash: &PdqHash| PdqHash(hash.0.map(|word| !word));
        let mut left = Vec::with_capacity(2 * self.left.len());
        for hashes in self.left.chunks(self.left_per_item) {
            left.extend_from_slice(hashes);
            left.extend(hashes.iter().map(complement));
        }
        Self { left: Cow::Owned(left), left_per_item: 2 * self.left_per_item, negatives: true, ..self }
    }

    pub const fn left_per_item(&self) -> usize {
        self.left_per_item
    }

    pub const fn right_per_item(&self) -> usize {
        self.right_per_item
    }

    /// Whether each item has one hash on either side, so that each pair of hashes is a pair of items.
    pub const fn is_plain(&self) -> bool {
        self.left_per_item == 1 && self.right_per_item == 1
    }

    pub fn right(&self) -> &[PdqHash] {
        let side = self.side();
        side.hashes.unwrap_or_else(|| side.distinct.hashes())
    }

    /// The right side's distinct hashes.
    pub fn distinct(&self) -> &Distinct {
        &self.side().distinct
    }

    /// The left hashes of a run of items.
    pub fn hashes(&self, items: &Range<usize>) -> &[PdqHash] {
        &self.left[items.start * self.left_per_item..items.end * self.left_per_item]
    }

    /// What a pair of hashes stands for: the right item's number, whether one is the other's negative, and
    /// the orientation.
    pub fn resolve(&self, left: usize, right: u32) -> (u32, bool, Orientation) {
        let pictures = self.left_per_item >> u32::from(self.negatives);
        let of_item = left % self.left_per_item;
        let negative = of_item >= pictures;
        let item = right / self.right_per_item as u32;
        // If the left picture turned by k is the right one, the right one turned by the inverse of k is the
        // left one.
        let orientation = match (pictures, self.right_per_item) {
            (1, 1) => Orientation::Original,
            (_, 1) => Orientation::ALL[of_item % pictures].inverse(),
            _ => Orientation::ALL[right as usize % self.right_per_item],
        };
        (item, negative, orientation)
    }

    /// Every distinct hash of the left side against every distinct one of the right side, within the
    /// allowance.
    pub fn flat_pairs(
        &self,
        engine: Engine<'_>,
        left: &Distinct,
        allowance: &Allowance<'_>,
    ) -> Result<Vec<Pair>, Stop> {
        let (side, hashes) = (self.side(), self.distinct().hashes());
        let on_gpu = |backend: &Backend| side.haystack.get_or_init(|| backend.haystack(hashes));
        if let Some(haystack) = side.haystack.get().or_else(|| engine.gpu.map(on_gpu)) {
            return haystack.search_within(left.hashes(), engine.radius, allowance);
        }
        let flat = side.flat.get_or_init(|| FlatIndex::new(hashes));
        flat.search_within(engine.instructions, left.hashes(), engine.radius, allowance)
    }

    /// The same by bands; without an own left side, the right side with itself, each pair once.
    pub fn banded_pairs(
        &self,
        engine: Engine<'_>,
        own: Option<&Distinct>,
        bands: &Bands,
        allowance: &Allowance<'_>,
    ) -> Result<Vec<Pair>, Stop> {
        let Engine { radius, instructions, gpu } = engine;
        let hashes = self.distinct().hashes();
        let (left, right) = own.map_or((hashes, None), |own| (own.hashes(), Some(hashes)));
        let on_gpu = gpu.and_then(|backend| backend.banded_join(left, right, bands, radius, allowance));
        on_gpu.unwrap_or_else(|| {
            let own = own.map(|own| Permuted::new(own.hashes()));
            let permuted = self.side().permuted.get_or_init(|| Permuted::new(hashes));
            let (left, right) = match &own {
                Some(own) => (own, banded_join::Right::Hashes(permuted)),
                None => (permuted, banded_join::Right::Itself),
            };
            BandedJoin { left, right, bands, radius, instructions }.run(allowance)
        })
    }
}
