//! An open GPU with all its shaders.

use std::sync::{Arc, OnceLock};

use crate::gpu::banded_join::JoinLimits;
use crate::gpu::flat::SearchLimits;
use crate::gpu::{FlatKernel, GpuContext, GpuError, GpuHasher, GpuJoiner, GpuSearcher};

/// An open GPU with its shaders.
#[derive(Debug)]
pub(super) struct Gpu {
    pub context: Arc<GpuContext>,
    pub hasher: GpuHasher,
    pub searcher: GpuSearcher,
    kernel: FlatKernel,
    /// Created for the first join.
    joiner: OnceLock<Result<GpuJoiner, GpuError>>,
}

impl Gpu {
    pub fn new(context: GpuContext, kernel: FlatKernel) -> Result<Self, GpuError> {
        Self::on(Arc::new(context), kernel)
    }

    pub fn on(context: Arc<GpuContext>, kernel: FlatKernel) -> Result<Self, GpuError> {
        let hasher = GpuHasher::new(&context)?;
        let searcher = GpuSearcher::with(&context, kernel, SearchLimits::default())?;
        Ok(Self { context, hasher, searcher, kernel, joiner: OnceLock::new() })
    }

    pub fn joiner(&self) -> Result<&GpuJoiner, GpuError> {
        let joiner = || GpuJoiner::with(&self.context, self.kernel.carry_save, JoinLimits::default());
        self.joiner.get_or_init(joiner).as_ref().map_err(Clone::clone)
    }
}
