//! For benchmarks only: the peak rate of one operation on an adapter, to compare a shader with.

use std::sync::Arc;

use wgpu::{BindGroup, BufferUsages, ComputePipeline};

use super::context::{GpuContext, GpuError};
use super::pipeline::{Shader, bind, compute_pipeline, dispatch};
use super::slots::device_buffer;

/// Rounds of an invocation, of eight population counts each.
const ROUNDS: u64 = 4096;
const COUNTS_A_ROUND: u64 = 8;
const WORKGROUP: u64 = 256;
/// Maximum workgroups of a dispatch.
const MAX_WORKGROUPS: u64 = 65_535;

/// Counts bits in registers.
#[derive(Debug)]
pub struct PopcountPeak {
    context: Arc<GpuContext>,
    pipeline: ComputePipeline,
    bindings: BindGroup,
}

impl PopcountPeak {
    /// Compiles the shader of the benchmark.
    ///
    /// # Errors
    /// If the device was lost or does not accept the shader.
    pub fn new(context: &Arc<GpuContext>, source: &'static str) -> Result<Self, GpuError> {
        let shader = Shader { label: "popcount peak", source, entry: "peak" };
        let pipeline = compute_pipeline(context, &shader, &[("ROUNDS", ROUNDS as f64)]);
        let sums = device_buffer(context, "sums", MAX_WORKGROUPS * WORKGROUP * 4, BufferUsages::STORAGE);
        let bindings = bind(context, &pipeline, &[&sums]);
        context.wait(None)?;
        Ok(Self { context: Arc::clone(context), pipeline, bindings })
    }

    /// Runs about `counts` population counts of 32 bits, within the limit of one dispatch.
    ///
    /// # Errors
    /// If the device was lost.
    pub fn run(&self, counts: u64) -> Result<(), GpuError> {
        let workgroups = (counts / (ROUNDS * COUNTS_A_ROUND * WORKGROUP)).clamp(1, MAX_WORKGROUPS) as u32;
        let mut encoder = self.context.encoder();
        dispatch(&mut encoder, &self.pipeline, &self.bindings, workgroups, 1);
        let submission = self.context.queue.submit([encoder.finish()]);
        self.context.wait(Some(submission))
    }
}
