//! What several holders (cases and packages) have in common: every pair of contents of two holders with the same
//! bytes, or with near hashes.
//!
//! Rows are ordered by first holder, its content's SHA-256, second holder, same bytes before near hashes, and the second
//! content's SHA-256: the output is the same in every run.

use serde::Serialize;

use super::ShareError;
use super::holder::{Holder, Picture};
use crate::matching::{Backend, Hit, ItemHits, Join, JoinControl, JoinError, JoinSettings, Threads};
use crate::pdq::{Orientation, PdqHash};

/// A pair of contents of two holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow<'a> {
    /// The content of the holder given first.
    pub a: Side<'a>,
    /// The content of the other holder.
    pub b: Side<'a>,
    /// How near the pictures are; `None` where the bytes are the same.
    pub near: Option<Near>,
}

/// A content and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side<'a> {
    /// [`Holder::label`].
    pub holder: &'a str,
    /// The content.
    pub sha256: [u8; 32],
    /// Its first path, escaped, if known.
    pub path: Option<String>,
    /// What hash sets record about it: the cells of [`super::set_facts::SET_FACT_COLUMNS`].
    pub set_facts: [String; 4],
}

/// How near two pictures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// Differing bits of 256.
    pub distance: u32,
    /// The transformation of the second picture that gives the first.
    pub orientation: Orientation,
    /// Whether the first hash is from JPEG coefficients.
    pub a_from_coefficients: bool,
    /// Whether the second one is.
    pub b_from_coefficients: bool,
}

/// The counts of a holder. Contents are distinct bytes; empty files are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HolderCounts {
    /// [`Holder::label`].
    pub holder: String,
    /// [`Holder::title`].
    pub title: String,
    /// Its contents.
    pub contents: u64,
    /// Pictures among them whose hashes were compared.
    pub pictures: u64,
    /// Pictures compared by their bytes alone, because of their quality or a hash that is all zero.
    pub bytes_alone: u64,
    /// Contents that another holder has too.
    pub same: u64,
    /// Contents that no other holder has, but with a near content elsewhere.
    pub near_only: u64,
    /// Contents without a match at any other holder.
    pub only_here: u64,
    /// Contents whose victim is identified according to the holder's own hash sets.
    pub solved: u64,
    /// Others whose victim is identified according to another holder with the same bytes.
    pub solved_elsewhere: u64,
    /// Others with a near picture whose victim is identified.
    pub solved_near: u64,
}

/// The matches of a content.
const SAME: u8 = 1;
const NEAR: u8 = 2;
const SOLVED_SAME: u8 = 4;
const SOLVED_NEAR: u8 = 8;

/// What the comparison needs.
#[derive(Clone, Copy, Debug)]
pub struct LinkTools<'a> {
    /// The largest distance, and the memory for pairs.
    pub join: JoinSettings,
    /// Threads.
    pub pool: &'a Threads,
    /// Where pairs are sought.
    pub backend: &'a Backend,
    /// How far it is, and whether it is to end.
    pub control: &'a JoinControl,
}

/// Refuses holders whose hashes cannot be compared.
///
/// # Errors
/// If there are such holders; the error names them.
pub fn refuse_incomparable(holders: &[Holder]) -> Result<(), ShareError> {
    for pair in holders.windows(2) {
        let (one, other) = (&pair[0], &pair[1]);
        let decides = |holder: &Holder| {
            let spec = &holder.spec;
            (spec.algorithm.clone(), spec.version, spec.geometry)
        };
        let shown = |holder: &Holder| {
            let (algorithm, version, geometry) = decides(holder);
            format!("{} (as {algorithm} {version}, geometry {})", holder.label, geometry.name())
        };
        if decides(one) != decides(other) {
            return Err(ShareError::Incomparable { left: shown(one), right: shown(other) });
        }
    }
    Ok(())
}

/// Hands every row to `sink`, in order, and counts.
///
/// # Errors
/// If the sink fails, the case can no longer be read, or the comparison is cancelled.
pub fn link(
    holders: &mut [Holder],
    tools: LinkTools<'_>,
    sink: &mut dyn FnMut(&LinkRow<'_>) -> Result<(), ShareError>,
) -> Result<Vec<HolderCounts>, ShareError> {
    // All hashes in one list, so that the hashes of later holders are its tail.
    let mut hashes = Vec::with_capacity(holders.iter().map(|holder| holder.hashes.len()).sum());
    let mut starts = vec![0];
    for holder in holders.iter_mut() {
        hashes.append(&mut holder.hashes);
        holder.hashes = Vec::new();
        starts.push(hashes.len());
    }
    let originals: Vec<PdqHash> = hashes.iter().map(|hashes| hashes[0]).collect();
    let holders = &*holders;
    let mut linking = Linking {
        holders,
        seen: holders.iter().map(|holder| vec![0; holder.contents.len()]).collect(),
        sink,
    };
    for (first, holder) in holders.iter().enumerate().take(holders.len().saturating_sub(1)) {
        let (own, others) = (starts[first]..starts[first + 1], starts[first + 1]..hashes.len());
        let mut next = 0;
        if !own.is_empty() && !others.is_empty() {
            let left = (&hashes[own.clone()], &originals[own]);
            let right = (&hashes[others.clone()], &originals[others.clone()]);
            // Preparing the right side also runs on the pool's threads.
            let join = tools.pool.install(|| Join::between_oriented(left, right, tools.join));
            let joined =
                join.on(tools.pool).with_backend(tools.backend).run(tools.control, |item: &ItemHits| {
                    let picture = holder.pictures[item.left as usize];
                    for content in next..picture.content {
                        linking.content(first, content, None)?;
                    }
                    next = picture.content + 1;
                    linking.content(first, picture.content, Some((picture, item, others.start, &starts)))
                });
            joined.map_err(|error| match error {
                JoinError::Cancelled => ShareError::Cancelled,
                JoinError::Sink(error) => error,
            })?;
        }
        for content in next..holder.contents.len() as u32 {
            linking.content(first, content, None)?;
        }
    }
    let seen = linking.seen;
    Ok(holders.iter().zip(&seen).map(|(holder, seen)| counted(holder, seen)).collect())
}

/// Collects rows.
struct Linking<'a, 's> {
    holders: &'a [Holder],
    /// The matches of every holder's contents.
    seen: Vec<Vec<u8>>,
    sink: &'s mut dyn FnMut(&LinkRow<'_>) -> Result<(), ShareError>,
}

/// A picture, its hits, where the numbers of the right side begin among all pictures, and where each holder's do.
type Nears<'a> = (Picture, &'a ItemHits, usize, &'a [usize]);

impl Linking<'_, '_> {
    /// All rows of a content of holder `first`.
    fn content(&mut self, first: usize, content: u32, nears: Option<Nears<'_>>) -> Result<(), ShareError> {
        let sha256 = self.holders[first].contents[content as usize];
        let mut hits = nears.map_or(&[][..], |(_, item, ..)| &item.hits);
        for second in first + 1..self.holders.len() {
            let same = self.holders[second].find(&sha256);
            if let Some(other) = same {
                self.row((first, content), (second, other), None)?;
            }
            let Some((picture, _, start, starts)) = nears else { continue };
            let of_second = hits.partition_point(|hit| hit.right as usize + start < starts[second + 1]);
            let (own, rest) = hits.split_at(of_second);
            hits = rest;
            for hit in own {
                let other = self.holders[second].pictures[hit.right as usize + start - starts[second]];
                if Some(other.content) != same {
                    let near = near(hit, picture, other);
                    self.row((first, content), (second, other.content), Some(near))?;
                }
            }
        }
        Ok(())
    }

    fn row(&mut self, a: (usize, u32), b: (usize, u32), near: Option<Near>) -> Result<(), ShareError> {
        let (kind, solved_kind) = if near.is_none() { (SAME, SOLVED_SAME) } else { (NEAR, SOLVED_NEAR) };
        for ((holder, content), (other, others)) in [(a, b), (b, a)] {
            let solved = self.holders[other].is_solved(others);
            self.seen[holder][content as usize] |= kind | if solved { solved_kind } else { 0 };
        }
        let side = |(holder, content): (usize, u32)| {
            let holder = &self.holders[holder];
            Ok::<_, ShareError>(Side {
                holder: &holder.label,
                sha256: holder.contents[content as usize],
                path: holder.path(content)?,
                set_facts: holder.set_facts(content),
            })
        };
        (self.sink)(&LinkRow { a: side(a)?, b: side(b)?, near })
    }
}

fn near(hit: &Hit, a: Picture, b: Picture) -> Near {
    Near {
        distance: hit.distance,
        orientation: hit.orientation,
        a_from_coefficients: a.from_coefficients,
        b_from_coefficients: b.from_coefficients,
    }
}

/// Counts the matches of a holder's contents.
fn counted(holder: &Holder, seen: &[u8]) -> HolderCounts {
    let mut counts = HolderCounts {
        holder: holder.label.clone(),
        title: holder.title.clone(),
        contents: holder.contents.len() as u64,
        pictures: holder.pictures.len() as u64,
        bytes_alone: holder.aside.low_quality + holder.aside.null_hashes,
        ..HolderCounts::default()
    };
    for (content, &seen) in (0..).zip(seen) {
        *match seen & (SAME | NEAR) {
            0 => &mut counts.only_here,
            NEAR => &mut counts.near_only,
            _ => &mut counts.same,
        } += 1;
        if holder.is_solved(content) {
            counts.solved += 1;
        } else if seen & SOLVED_SAME != 0 {
            counts.solved_elsewhere += 1;
        } else if seen & SOLVED_NEAR != 0 {
            counts.solved_near += 1;
        }
    }
    counts
}
