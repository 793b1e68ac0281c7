//! The hits of an item: the nearest ones, and how many there are.

use super::hits::{Hit, ItemHits};

/// The nearest of hits that come in the order of their numbers, and how many there were.
#[derive(Debug)]
pub(super) struct Nearest {
    hits: Vec<Hit>,
    total: u64,
    limit: usize,
    /// There are enough hits nearer than this, or equally near with lower numbers.
    enough: u32,
}

impl Nearest {
    /// Empty; `limit` hits are kept.
    pub const fn new(limit: usize) -> Self {
        Self { hits: Vec::new(), total: 0, limit, enough: u32::MAX }
    }

    /// Hits that are held at a time for a limit.
    pub const fn max_kept(limit: usize) -> usize {
        limit.saturating_add(limit / 2).saturating_add(8)
    }

    /// Counts hits, none of which is among the nearest.
    pub const fn count(&mut self, hits: u32) {
        self.total += hits as u64;
    }

    /// A hit belongs to the nearest so far if it is nearer than this.
    pub const fn enough(&self) -> u32 {
        self.enough
    }

    /// Takes a hit.
    pub fn push(&mut self, hit: Hit) {
        self.total += 1;
        if hit.distance >= self.enough {
            return;
        }
        self.hits.push(hit);
        if self.hits.len() >= Self::max_kept(self.limit) {
            keep_nearest(&mut self.hits, self.limit);
            self.enough = self.hits.iter().map(|hit| hit.distance).max().unwrap_or(0);
        }
    }

    /// The hits of `item`.
    pub fn finish(self, item: usize) -> Option<ItemHits> {
        finish(item, self.hits, self.total, self.limit)
    }
}

/// Keeps the nearest hits, and of equally near ones those with the lowest numbers.
fn keep_nearest(hits: &mut Vec<Hit>, limit: usize) {
    if hits.len() > limit {
        if limit > 0 {
            hits.select_nth_unstable_by_key(limit - 1, |hit| (hit.distance, hit.right));
        }
        hits.truncate(limit);
    }
}

/// The hits of an item up to the limit, of `total`.
pub(super) fn finish(item: usize, mut hits: Vec<Hit>, total: u64, limit: usize) -> Option<ItemHits> {
    if total == 0 {
        return None;
    }
    keep_nearest(&mut hits, limit);
    hits.sort_unstable();
    let more = total - hits.len() as u64;
    Some(ItemHits { left: item as u32, hits, more })
}
