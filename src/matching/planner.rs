//! Plans a join: flat or banded, and the number of bands, by estimated cost.
//!
//! The costs are counted, not timed, so that the same lists are joined in the same way in every run: pairs to measure, tiles to
//! visit and hashes to sort, each times its cost. How many pairs the bands keep depends on the hashes, whose bits are not
//! independent, so it is counted on a sample of pairs; the estimate for independent bits applies where it is higher.
//!
//! The choice decides how long a join takes, never what it finds.

use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;

use super::bands::Bands;
use crate::pdq::PdqHash;

/// Hashes of each side in the sample: 65,536 pairs.
const SAMPLE: usize = 256;
/// A join of fewer nanoseconds is not worth planning, which takes some 60 ms of one core.
const SMALL: f64 = 200e6;
/// Maximum number of bands: with more, a band is too narrow to exclude anything.
const MAX_BANDS: u32 = 32;
/// Maximum neighbours of a bucket; more would be a list longer than most sides.
const MAX_NEIGHBOURS: f64 = 20_000.0;

/// The costs of a join's steps, in nanoseconds. Only their ratios matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// The device.
    on: &'static str,
    /// A pair of the flat search.
    flat_pair: f64,
    /// Hashes of the right side against one of the left one in a tile: 8.
    tile_vector: f64,
    /// Looking up a neighbour of a bucket, and fetching its first hashes if it is not empty.
    tile_visit: f64,
    /// Sorting a hash into a band's order.
    sort: f64,
    /// A bucket of a band: counting, summing and reading its offset.
    bucket: f64,
    /// A band: starting and awaiting its passes.
    band: f64,
}

impl Costs {
    /// One core of an AMD EPYC (Zen 4) with AVX-512, from `benches/join_peers.py`.
    pub const CPU: Self = Self {
        on: "one core",
        flat_pair: 0.09,
        tile_vector: 1.6,
        tile_visit: 14.0,
        sort: 14.0,
        bucket: 2.0,
        band: 0.0,
    };
    /// An NVIDIA H100, from `benches/gpu.rs` (docs/benchmarks/gpu.md). A smaller card has higher costs in about these ratios. A bucket
    /// is expensive: the CPU creates an item for it, and a workgroup starts for it.
    pub const GPU: Self = Self {
        on: "a GPU",
        flat_pair: 0.000_54,
        tile_vector: 0.008,
        tile_visit: 0.05,
        sort: 0.35,
        bucket: 28.0,
        band: 1e6,
    };
}

/// The requested `--join`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinMethod {
    /// The cheaper one.
    #[default]
    Auto,
    /// Every hash against every other.
    Flat,
    /// By bands, in the cheapest number.
    Banded,
}

impl FromStr for JoinMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "flat" => Ok(Self::Flat),
            "banded" => Ok(Self::Banded),
            _ => Err("a join is auto, flat or banded".into()),
        }
    }
}

impl fmt::Display for JoinMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Flat => "flat",
            Self::Banded => "banded",
        })
    }
}

/// How a join is done.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinPlan {
    /// `None` for flat.
    pub(super) bands: Option<Bands>,
    /// The device.
    on: &'static str,
    /// The estimates, in seconds: of the flat join, and of the best banded one if there is one.
    flat: f64,
    banded: Option<f64>,
}

impl JoinPlan {
    /// Plans a join of distinct hashes.
    pub(super) fn new(
        method: JoinMethod,
        costs: Costs,
        left: &[PdqHash],
        right: &[PdqHash],
        radius: u32,
    ) -> Self {
        let flat = left.len() as f64 * right.len() as f64 * costs.flat_pair;
        if method == JoinMethod::Flat || (method == JoinMethod::Auto && flat < SMALL) {
            return Self { bands: None, on: costs.on, flat: flat * 1e-9, banded: None };
        }
        // A small join that must be banded is planned as if bits were independent.
        let samples = if flat < SMALL { Default::default() } else { (sample(left), sample(right)) };
        let best = cheapest(radius, |bands| costs.of(bands, left.len() as f64, right.len() as f64, &samples));
        let (banded, bands) = best.map_or((f64::INFINITY, None), |(cost, bands)| (cost, Some(bands)));
        let bands = match method {
            JoinMethod::Auto | JoinMethod::Flat => bands.filter(|_| banded < flat),
            JoinMethod::Banded => bands.or_else(|| Some(Bands::new(radius, radius + 1))),
        };
        Self { bands, on: costs.on, flat: flat * 1e-9, banded: Some(banded * 1e-9) }
    }

    /// The bands for resident hashes that are searched with batches of `queries` hashes, if that costs less than
    /// a flat search.
    pub(super) fn resident(hashes: &[PdqHash], queries: usize, radius: u32) -> Option<Bands> {
        // Batches resemble the resident hashes; their extra cost is sorting them.
        let sample = sample(hashes);
        let samples = (sample.clone(), sample);
        let (queries, count) = (queries as f64, hashes.len() as f64);
        let costs = Costs::CPU;
        let sorting = |bands: &Bands| bands.0.len() as f64 * count * costs.sort;
        let best = cheapest(radius, |bands| costs.of(bands, queries, count, &samples) - sorting(bands));
        best.filter(|(cost, _)| *cost < queries * count * costs.flat_pair).map(|(_, bands)| bands)
    }

    /// The estimated seconds, on one thread or a GPU.
    pub(super) fn seconds(&self) -> f64 {
        match (&self.bands, self.banded) {
            (Some(_), Some(banded)) => banded,
            _ => self.flat,
        }
    }

    /// Passes over the left side.
    pub(super) fn passes(&self) -> u64 {
        self.bands.as_ref().map_or(1, |bands| bands.0.len() as u64)
    }
}

/// The choice and the reason, in one line.
impl fmt::Display for JoinPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bands, on, flat, banded } = self;
        match bands {
            None => write!(formatter, "flat")?,
            Some(Bands(bands)) => write!(formatter, "banded, {} bands", bands.len())?,
        }
        write!(formatter, " (estimated on {on}: flat {flat:.3} s")?;
        banded.map_or(Ok(()), |banded| write!(formatter, ", banded {banded:.3} s"))?;
        formatter.write_str(")")
    }
}

/// The cheapest bands for a radius and their cost; `None` if all have too many neighbours.
fn cheapest(radius: u32, cost: impl Fn(&Bands) -> f64 + Sync) -> Option<(f64, Bands)> {
    let all: Vec<(f64, Bands)> = (1..=MAX_BANDS.min(radius + 1))
        .into_par_iter()
        .map(|count| Bands::new(radius, count))
        .filter(|bands| bands.0.iter().all(|band| band.neighbours() <= MAX_NEIGHBOURS))
        .map(|bands| (cost(&bands), bands))
        .collect();
    all.into_iter().min_by(|one, other| one.0.total_cmp(&other.0))
}

/// The share of pairs within the radius, by a sample of them; hashes that are equal do not count.
pub(super) fn density(left: &[PdqHash], right: &[PdqHash], radius: u32) -> f64 {
    let (left, right) = (sample(left), sample(right));
    let pairs = left.iter().flat_map(|one| right.iter().map(move |other| (one, other)));
    let near = pairs.filter(|(one, other)| one != other && one.distance(**other) <= radius).count();
    near as f64 / (left.len() * right.len()).max(1) as f64
}

/// Evenly spaced hashes, permuted for the bands.
fn sample(hashes: &[PdqHash]) -> Vec<PdqHash> {
    let count = hashes.len().min(SAMPLE);
    (0..count).map(|index| super::bands::diagonals(hashes[index * hashes.len() / count])).collect()
}

impl Costs {
    /// The cost of a banded join, in nanoseconds.
    fn of(&self, bands: &Bands, left: f64, right: f64, samples: &(Vec<PdqHash>, Vec<PdqHash>)) -> f64 {
        let mut cost = 0.0;
        for band in &bands.0 {
            let (buckets, neighbours) = (band.buckets() as f64, band.neighbours());
            let pairs = samples.0.iter().flat_map(|one| samples.1.iter().map(move |other| (one, other)));
            let near = pairs.filter(|(one, other)| *one != *other && band.holds(one, other)).count() as f64;
            let sampled = near / (samples.0.len() * samples.1.len()).max(1) as f64;
            let kept = (neighbours / buckets).max(sampled);
            // Buckets of the left side that are not empty, and the share of the right side's.
            let full = |hashes: f64| buckets * -f64::exp_m1(-hashes / buckets);
            let visits = full(left) * neighbours;
            let tiles = visits * (full(right) / buckets);
            // A run of n hashes takes n / 8 vectors, and most of another one.
            let vectors = left * right * kept / 8.0 + tiles * (left / full(left).max(1.0)) * 0.6;
            cost += vectors * self.tile_vector
                + visits * self.tile_visit
                + (left + right) * self.sort
                + buckets * self.bucket
                + self.band;
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::prelude::*;

    fn random(count: usize) -> Vec<PdqHash> {
        let mut random = StdRng::seed_from_u64(3);
        (0..count).map(|_| PdqHash(random.random())).collect()
    }

    #[test]
    fn large_sides_are_banded_and_small_or_saturated_ones_are_not() {
        let (few, many) = (random(100), random(200_000));
        let plan = |left: &[PdqHash], right: &[PdqHash], radius| {
            JoinPlan::new(JoinMethod::Auto, Costs::CPU, left, right, radius)
        };
        assert!(plan(&many, &many, 31).bands.is_some());
        assert!(plan(&few, &few, 31).bands.is_none());
        assert!(plan(&many, &many, 128).bands.is_none(), "bands exclude almost nothing");
        // All within a few bits: every band keeps every pair.
        let equal_start: Vec<PdqHash> = (0..200_000).map(|number| PdqHash([number, 0, 0, 0])).collect();
        assert!(plan(&equal_start, &equal_start, 31).bands.is_none());
        assert!(JoinPlan::new(JoinMethod::Banded, Costs::CPU, &few, &few, 31).bands.is_some());
        assert!(JoinPlan::new(JoinMethod::Flat, Costs::CPU, &many, &many, 31).bands.is_none());
        for radius in 0..=256 {
            assert!(
                JoinPlan::new(JoinMethod::Banded, Costs::CPU, &few, &[], radius).bands.is_some(),
                "{radius}"
            );
        }
    }
}
