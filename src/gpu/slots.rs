//! Buffers that transfer bytes to the GPU and back, created once and mapped again for every use.

use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use wgpu::{Buffer, BufferDescriptor, BufferUsages, CommandEncoder, MapMode, SubmissionIndex};

use super::context::{GpuContext, GpuError};

/// From the end of a submission to the call of its callbacks.
const CALLBACK_PATIENCE: Duration = Duration::from_secs(10);

/// A buffer that only the GPU accesses.
pub(super) fn device_buffer(context: &GpuContext, label: &str, size: u64, usage: BufferUsages) -> Buffer {
    let usage = usage | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    context.device.create_buffer(&BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation: false,
    })
}

/// Transfers bytes to the GPU.
#[derive(Debug)]
pub(super) struct Upload {
    buffer: Buffer,
}

impl Upload {
    pub fn new(context: &GpuContext, size: u64) -> Self {
        let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
        let descriptor = BufferDescriptor { label: Some("upload"), size, usage, mapped_at_creation: false };
        Self { buffer: context.device.create_buffer(&descriptor) }
    }

    /// Fills the first bytes from `pieces`, one after the other. The work that used the buffer before must be
    /// done, or this waits for it.
    pub fn fill<'a>(
        &self,
        context: &GpuContext,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), GpuError> {
        map(context, &self.buffer, MapMode::Write, 0..self.buffer.size(), None)?;
        {
            let mut view =
                self.buffer.get_mapped_range_mut(..).map_err(|error| GpuError::Lost(error.to_string()))?;
            let mut at = 0;
            for piece in pieces {
                view.slice(at..at + piece.len()).copy_from_slice(piece);
                at += piece.len();
            }
        }
        self.buffer.unmap();
        context.check()
    }

    /// Records a copy of bytes of this buffer to `target`.
    pub fn copy_to(&self, encoder: &mut CommandEncoder, bytes: Range<u64>, target: &Buffer, offset: u64) {
        encoder.copy_buffer_to_buffer(&self.buffer, bytes.start, target, offset, bytes.end - bytes.start);
    }
}

/// Transfers bytes back.
#[derive(Debug)]
pub(super) struct Readback {
    buffer: Buffer,
}

impl Readback {
    pub fn new(context: &GpuContext, size: u64) -> Self {
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let descriptor = BufferDescriptor { label: Some("readback"), size, usage, mapped_at_creation: false };
        Self { buffer: context.device.create_buffer(&descriptor) }
    }

    /// Records a copy of bytes of `source` to the beginning of this buffer.
    pub fn copy_from(&self, encoder: &mut CommandEncoder, source: &Buffer, bytes: Range<u64>) {
        encoder.copy_buffer_to_buffer(source, bytes.start, &self.buffer, 0, bytes.end - bytes.start);
    }

    /// Waits for `submission` and passes the first `size` bytes to `see`.
    pub fn read<T>(
        &self,
        context: &GpuContext,
        size: u64,
        submission: SubmissionIndex,
        see: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, GpuError> {
        map(context, &self.buffer, MapMode::Read, 0..size, Some(submission))?;
        let seen = {
            let view =
                self.buffer.get_mapped_range(..size).map_err(|error| GpuError::Lost(error.to_string()))?;
            see(&view)
        };
        self.buffer.unmap();
        Ok(seen)
    }
}

/// Maps and waits until it is mapped.
fn map(
    context: &GpuContext,
    buffer: &Buffer,
    mode: MapMode,
    bytes: Range<u64>,
    submission: Option<SubmissionIndex>,
) -> Result<(), GpuError> {
    context.check()?;
    let (done, result) = sync_channel(1);
    buffer.map_async(mode, bytes, move |mapped| {
        // The receiver is gone only when the wait below failed.
        let _ = done.send(mapped);
    });
    // An unused buffer is mapped at once; other work continues meanwhile.
    let mut mapped = None;
    if submission.is_none() {
        context.poll()?;
        mapped = result.try_recv().ok();
    }
    if mapped.is_none() {
        context.wait(submission)?;
        // Another thread's wait may have taken the callback without having called it yet.
        mapped = result.recv_timeout(CALLBACK_PATIENCE).ok();
    }
    match mapped {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(GpuError::Lost(error.to_string())),
        None => Err(GpuError::Lost("a buffer was not mapped in time".into())),
    }
}
