//! Saturated items: so many pairs are near that measuring all of them is faster than searching for the near
//! ones.
//!
//! Some items are measured together, block by block of the right side, so that fetched data is used for all
//! of them.

use std::ops::Range;

use super::direction::Direction;
use super::hits::{Hit, ItemHits};
use super::nearest::Nearest;
use super::settings::JoinSettings;
use crate::pdq::Orientation;

/// Hashes of the right side at a time: 128 KiB, which fit a core's own cache.
const BLOCK: usize = 4096;

/// A join whose items are measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct SaturatedItems<'a> {
    pub directions: &'a [Direction<'a>],
    pub with_itself: bool,
    pub settings: JoinSettings,
}

impl SaturatedItems<'_> {
    /// The hits of a run of items, in their order.
    pub fn measure(&self, items: &Range<usize>) -> Vec<Option<ItemHits>> {
        match self.directions {
            [direction] if direction.is_plain() => self.measure_plain(direction, items),
            _ => items.clone().map(|item| self.measure_turned(item)).collect(),
        }
    }

    /// The first item that `item` is to be compared with.
    const fn first(&self, item: usize) -> usize {
        if self.with_itself { item + 1 } else { 0 }
    }

    /// Items of one hash, each against all hashes.
    fn measure_plain(&self, direction: &Direction<'_>, items: &Range<usize>) -> Vec<Option<ItemHits>> {
        let limit = self.settings.max_hits.unwrap_or(usize::MAX);
        let mut nearest: Vec<Nearest> = items.clone().map(|_| Nearest::new(limit)).collect();
        let JoinSettings { instructions, radius, .. } = self.settings;
        let mut distances = Vec::new();
        for (index, block) in direction.right().chunks(BLOCK).enumerate() {
            let start = index * BLOCK;
            for (item, nearest) in items.clone().zip(&mut nearest) {
                let skipped = self.first(item).saturating_sub(start).min(block.len());
                let (query, hashes) = (direction.hashes(&(item..item + 1))[0], &block[skipped..]);
                // Of saturated items most hashes are hits, and few of them are among the nearest.
                let survey = instructions.survey(query, hashes, radius, nearest.enough());
                if survey.within == 0 || !survey.any_nearer {
                    nearest.count(survey.within);
                    continue;
                }
                instructions.distances(query, hashes, &mut distances);
                for (right, &distance) in ((start + skipped) as u32..).zip(&distances) {
                    let distance = u32::from(distance);
                    if distance <= radius {
                        nearest.push(Hit {
                            right,
                            distance,
                            negative: false,
                            orientation: Orientation::Original,
                        });
                    }
                }
            }
        }
        items.clone().zip(nearest).map(|(item, nearest)| nearest.finish(item)).collect()
    }

    /// An item of several hashes, or against such items: the minimum distance of each right item counts. Also block by block, so that memory
    /// does not grow with the right side.
    fn measure_turned(&self, item: usize) -> Option<ItemHits> {
        let JoinSettings { instructions, radius, max_hits, .. } = self.settings;
        let per_item = self.directions.iter().map(Direction::right_per_item).max().unwrap_or(1);
        let right_items = self
            .directions
            .iter()
            .map(|direction| direction.right().len() / direction.right_per_item())
            .max();
        let mut nearest = Nearest::new(max_hits.unwrap_or(usize::MAX));
        let mut distances = Vec::new();
        let mut best: Vec<Option<(u16, bool, Orientation)>> = Vec::new();
        let (first, end) = (self.first(item), right_items.unwrap_or(0));
        for start in (first..end).step_by(BLOCK / per_item) {
            let block = start..end.min(start + BLOCK / per_item);
            best.clear();
            best.resize(block.len(), None);
            for direction in self.directions {
                let per_item = direction.right_per_item();
                let hashes = &direction.right()[block.start * per_item..block.end * per_item];
                for (hash, &query) in direction.hashes(&(item..item + 1)).iter().enumerate() {
                    instructions.distances(query, hashes, &mut distances);
                    for (right, &distance) in distances.iter().enumerate() {
                        if u32::from(distance) <= radius {
                            let (_, negative, orientation) = direction.resolve(hash, right as u32);
                            let hit = Some((distance, negative, orientation));
                            let best = &mut best[right / per_item];
                            *best = if best.is_none() { hit } else { hit.min(*best) };
                        }
                    }
                }
            }
            for (right, best) in block.zip(&best) {
                if let Some((distance, negative, orientation)) = *best {
                    let (right, distance) = (right as u32, distance.into());
                    nearest.push(Hit { right, distance, negative, orientation });
                }
            }
        }
        nearest.finish(item)
    }
}
