//! The buffer for the hits of a search on the GPU: a count, then as many hits as fit. Further hits are counted, so that the
//! search can be repeated in parts; nothing is ever dropped.

use wgpu::{Buffer, BufferUsages, CommandEncoder, SubmissionIndex};

use super::context::{GpuContext, GpuError};
use super::layout::FlatHit;
use super::slots::{Readback, Upload, device_buffer};

/// Why a search with a callback ended early.
#[derive(Debug, PartialEq, Eq)]
pub enum SearchEnd<E> {
    /// The GPU failed.
    Gpu(GpuError),
    /// The callback returned an error.
    Stopped(E),
}

impl<E> From<GpuError> for SearchEnd<E> {
    fn from(error: GpuError) -> Self {
        Self::Gpu(error)
    }
}

/// Hits read back with the count: nearly always enough.
const FIRST_HITS: usize = 4096;
const HIT_BYTES: u64 = size_of::<FlatHit>() as u64;

/// The hits of one dispatch.
#[derive(Debug)]
pub(super) struct HitBuffer {
    /// `HitBuffer` of the shaders.
    pub buffer: Buffer,
    pub capacity: usize,
    readback: Readback,
}

impl HitBuffer {
    /// Bytes of the count before the hits.
    pub const COUNT_BYTES: u64 = 4;

    pub fn new(context: &GpuContext, capacity: usize) -> Self {
        let bytes = Self::COUNT_BYTES + HIT_BYTES * capacity as u64;
        let buffer = device_buffer(context, "hits", bytes, BufferUsages::STORAGE);
        Self { buffer, capacity, readback: Readback::new(context, bytes) }
    }

    /// Records that the count is set to the zero at `offset` of `upload`.
    pub fn reset(&self, encoder: &mut CommandEncoder, upload: &Upload, offset: u64) {
        upload.copy_to(encoder, offset..offset + Self::COUNT_BYTES, &self.buffer, 0);
    }

    /// Records that the count and the first hits come back.
    pub fn bring(&self, encoder: &mut CommandEncoder) {
        self.readback.copy_from(encoder, &self.buffer, 0..self.first_bytes());
    }

    fn first_bytes(&self) -> u64 {
        Self::COUNT_BYTES + HIT_BYTES * FIRST_HITS.min(self.capacity) as u64
    }

    /// Waits for `submission`, which reads back the first hits, and takes all hits. `false` where there were more than fit:
    /// none is taken then.
    pub fn take(
        &self,
        context: &GpuContext,
        submission: SubmissionIndex,
        mut take: impl FnMut(&FlatHit),
    ) -> Result<bool, GpuError> {
        let count = self.readback.read(context, self.first_bytes(), submission, |bytes| {
            let (count, stored) = bytes.split_at(Self::COUNT_BYTES as usize);
            let count = bytemuck::pod_read_unaligned::<u32>(count) as usize;
            if count <= FIRST_HITS && count <= self.capacity {
                bytemuck::cast_slice::<u8, FlatHit>(stored)[..count].iter().for_each(&mut take);
            }
            count
        })?;
        if count > self.capacity {
            return Ok(false);
        }
        if count > FIRST_HITS {
            let bytes = Self::COUNT_BYTES..Self::COUNT_BYTES + HIT_BYTES * count as u64;
            let mut encoder = context.encoder();
            self.readback.copy_from(&mut encoder, &self.buffer, bytes.clone());
            let submission = context.queue.submit([encoder.finish()]);
            self.readback.read(context, bytes.end - bytes.start, submission, |bytes| {
                bytemuck::cast_slice::<u8, FlatHit>(bytes).iter().for_each(&mut take);
            })?;
        }
        Ok(true)
    }
}
