//! Which lower bound of the distance the search shaders compute, by radius: `BOUND` of `shaders/pairs.wgsl`.

use std::sync::OnceLock;

use wgpu::ComputePipeline;

use super::context::GpuContext;
use super::pipeline::{Shader, compute_pipeline};

/// Lower bounds of a distance, by their number in the shader.
///
/// The share of pairs whose bound is within the radius, on unrelated hashes of real pictures (4·10⁶ random pairs of the design's
/// `real-codes.txt`, of which 2·10⁻⁵ are true hits at 31) and on random bits:
///
/// | bound | counts | r = 31 | 39 | 43 | 51 | 63 | 79 |
/// |---|---|---|---|---|---|---|---|
/// | two and two words | 2 | 2·10⁻⁴, 4·10⁻⁶ | 0.012, 0.009 | 0.1 | 0.8 | 1 | 1 |
/// | three and three | 2 | 6·10⁻⁵, 0 | 2·10⁻⁴, 0 | 7·10⁻⁴, 2·10⁻⁵ | 0.06 | 1 | 1 |
/// | four and four | 2 | 4·10⁻⁵, 0 | 9·10⁻⁵, 0 | 2·10⁻⁴, 0 | 0.002, 10⁻⁴ | 0.98 | 1 |
/// | three, three and two | 3 | 3·10⁻⁵, 0 | 5·10⁻⁵, 0 | 6·10⁻⁵, 0 | 10⁻⁴, 0 | 9·10⁻⁴, 10⁻⁵ | 0.4 |
/// | four times two | 4 | 3·10⁻⁵, 0 | 4·10⁻⁵, 0 | 5·10⁻⁵, 0 | 7·10⁻⁵, 0 | 2·10⁻⁴, 0 | 0.003, 6·10⁻⁴ |
/// | two of five, twice | 1 | 3·10⁻⁴, 10⁻⁵ | 0.006, 0.003 | 0.03 | 0.4 | 1 | 1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LowerBound {
    None,
    TwoTwo,
    ThreeThree,
    FourFour,
    ThreeThreeTwo,
    FourTwos,
    TwoOfFive,
}

impl LowerBound {
    pub const COUNT: usize = 7;

    /// The cheapest that still rejects nearly everything. `carry_save`: where a population count costs more than nine logical
    /// operations.
    pub const fn for_radius(radius: u32, carry_save: bool) -> Self {
        match radius {
            0..=33 if carry_save => Self::TwoOfFive,
            0..=33 => Self::TwoTwo,
            34..=43 => Self::ThreeThree,
            44..=51 => Self::FourFour,
            52..=66 => Self::ThreeThreeTwo,
            67..=80 => Self::FourTwos,
            _ => Self::None,
        }
    }

    /// Population counts of a pair.
    pub const fn population_counts(self) -> u32 {
        match self {
            Self::None => 8,
            Self::TwoTwo | Self::ThreeThree | Self::FourFour => 2,
            Self::ThreeThreeTwo => 3,
            Self::FourTwos => 4,
            Self::TwoOfFive => 1,
        }
    }
}

/// Population counts of a pair that a search on the GPU rejects at a radius, with or without carry-save. For benchmarks.
#[must_use]
pub const fn population_counts(radius: u32, carry_save: bool) -> u32 {
    LowerBound::for_radius(radius, carry_save).population_counts()
}

/// One shader with each bound, compiled on first use.
#[derive(Debug)]
pub(super) struct BoundPipelines {
    shader: Shader,
    overrides: Vec<(&'static str, f64)>,
    carry_save: bool,
    pipelines: [OnceLock<ComputePipeline>; LowerBound::COUNT],
}

impl BoundPipelines {
    pub fn new(shader: Shader, overrides: &[(&'static str, f64)], carry_save: bool) -> Self {
        let pipelines = [const { OnceLock::new() }; LowerBound::COUNT];
        Self { shader, overrides: overrides.to_vec(), carry_save, pipelines }
    }

    /// The context's next wait reports a compiler error.
    pub fn for_radius(&self, context: &GpuContext, radius: u32) -> &ComputePipeline {
        let bound = LowerBound::for_radius(radius, self.carry_save);
        self.pipelines[bound as usize].get_or_init(|| {
            let mut overrides = self.overrides.clone();
            overrides.push(("BOUND", f64::from(bound as u8)));
            compute_pipeline(context, &self.shader, &overrides)
        })
    }
}
