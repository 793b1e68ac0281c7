//! Dispatches `shaders/flat.wgsl`: flat range search. CPU twin: [`crate::matching::flat`].

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use wgpu::{Buffer, BufferUsages, ComputePipeline};

use super::bound::BoundPipelines;
use super::context::{GpuContext, GpuError};
use super::found::{Found, SearchEnd};
use super::layout::{FlatHit, FlatParameters};
use super::pipeline::{Shader, bind, dispatch};
use super::slots::{Upload, device_buffer};
use crate::pdq::Code;

/// Needles of one dispatch.
const NEEDLES: usize = 8192;
/// Pairs of one dispatch: under a second on the slowest cards, where drivers give up after two.
const DISPATCH_PAIRS: u64 = 1 << 33;
/// Bytes of a haystack buffer at most, so that one allocation is never most of a card.
const CHUNK_BYTES: u64 = 1 << 30;
/// Workgroups across of a dispatch at most.
const MOST_WORKGROUPS: u32 = 65_535;
/// Hits that a dispatch stores; where there are more it is split and done again.
const CAPACITY: usize = 1 << 19;
const CODE_BYTES: u64 = 32;
const PARAMETER_BYTES: u64 = size_of::<FlatParameters>() as u64;
const COUNT_BYTES: u64 = Found::COUNT_BYTES;

/// What the shader is made of; what is fastest depends on the adapter, what it finds does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlatKernel {
    /// Invocations of a workgroup: 64, 128 or 256.
    pub workgroup: u32,
    /// Needles in workgroup memory, 32 bytes each: 256 at most.
    pub needle_group: u32,
    /// Fours of codes of an invocation: 1 or 2.
    pub fours: u32,
    /// Whether logical operations stand in for population counts; see `shaders/pairs.wgsl`.
    pub carry_save: bool,
}

impl Default for FlatKernel {
    fn default() -> Self {
        Self { workgroup: 256, needle_group: 128, fours: 1, carry_save: false }
    }
}

impl FlatKernel {
    /// Whether the shader can be made of it; a file may say anything.
    #[must_use]
    pub fn is_possible(self) -> bool {
        Self::RESPECTS.iter().all(|respect| respect(self).contains(&self))
    }

    /// Kernels like one, in each respect in which they can differ, those that matter more first.
    pub const RESPECTS: [fn(Self) -> Vec<Self>; 4] = [
        |kernel| [1, 2].map(|fours| Self { fours, ..kernel }).into(),
        |kernel| [64, 128, 256].map(|workgroup| Self { workgroup, ..kernel }).into(),
        |kernel| [64, 128, 256].map(|needle_group| Self { needle_group, ..kernel }).into(),
        |kernel| [false, true].map(|carry_save| Self { carry_save, ..kernel }).into(),
    ];
}

/// Codes on the GPU.
#[derive(Debug)]
pub struct GpuHaystack {
    chunks: Vec<Chunk>,
}

/// A run of codes in one buffer.
#[derive(Debug)]
struct Chunk {
    /// Index of its first code.
    first: u32,
    /// Codes in it.
    count: u32,
    planes: Buffer,
}

/// Searches on a GPU.
#[derive(Debug)]
pub struct GpuSearcher {
    context: Arc<GpuContext>,
    kernel: FlatKernel,
    pipelines: BoundPipelines,
    /// Most codes of a haystack buffer.
    chunk_codes: usize,
    buffers: Mutex<Buffers>,
}

/// What one dispatch uses.
#[derive(Debug)]
struct Buffers {
    upload: Upload,
    parameters: Buffer,
    needles: Buffer,
    found: Found,
}

/// What one dispatch searches.
#[derive(Clone, Debug)]
struct Part {
    needles: Range<usize>,
    /// Fours of codes of the chunk.
    fours: Range<u32>,
}

/// How much is done at once; tests use small numbers to reach every path.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimits {
    /// Codes of a haystack buffer.
    pub chunk_codes: usize,
    /// Hits that one dispatch stores.
    pub capacity: usize,
}

impl Default for SearchLimits {
    fn default() -> Self {
        Self { chunk_codes: usize::MAX, capacity: CAPACITY }
    }
}

impl GpuSearcher {
    /// Compiles the shader and makes the buffers.
    ///
    /// # Errors
    /// The device was lost or is out of memory.
    pub fn new(context: &Arc<GpuContext>) -> Result<Self, GpuError> {
        Self::with(context, FlatKernel::default(), SearchLimits::default())
    }

    /// As [`GpuSearcher::new`], with another kernel and other limits.
    ///
    /// # Errors
    /// The device was lost or is out of memory.
    pub fn with(
        context: &Arc<GpuContext>,
        kernel: FlatKernel,
        limits: SearchLimits,
    ) -> Result<Self, GpuError> {
        let source =
            concat!(include_str!("../../shaders/pairs.wgsl"), include_str!("../../shaders/flat.wgsl"));
        let overrides = [
            ("WORKGROUP", f64::from(kernel.workgroup)),
            ("NEEDLE_GROUP", f64::from(kernel.needle_group)),
            ("FOURS", f64::from(kernel.fours)),
        ];
        let shader = Shader { label: "flat", source, entry: "search" };
        let pipelines = BoundPipelines::new(shader, &overrides, kernel.carry_save);
        // One needle and one four of codes must fit: a part is not split further.
        let capacity = limits.capacity.max(4);
        let buffers = Buffers {
            upload: Upload::new(context, PARAMETER_BYTES + CODE_BYTES * NEEDLES as u64 + COUNT_BYTES),
            parameters: device_buffer(context, "flat parameters", PARAMETER_BYTES, BufferUsages::UNIFORM),
            needles: device_buffer(context, "needles", CODE_BYTES * NEEDLES as u64, BufferUsages::STORAGE),
            found: Found::new(context, capacity),
        };
        context.wait(None)?;
        let bytes = context.max_storage_bytes().min(CHUNK_BYTES);
        let codes =
            (bytes / CODE_BYTES).min(u64::from(MOST_WORKGROUPS * kernel.workgroup * kernel.fours * 4));
        let chunk_codes = limits.chunk_codes.min(codes as usize / 4 * 4).max(4);
        let (context, buffers) = (Arc::clone(context), Mutex::new(buffers));
        Ok(Self { context, kernel, pipelines, chunk_codes, buffers })
    }

    /// Makes codes resident, in as many buffers as the limits ask for.
    ///
    /// # Errors
    /// The device was lost, or has not enough memory.
    pub fn haystack(&self, codes: &[Code]) -> Result<GpuHaystack, GpuError> {
        let mut chunks = Vec::new();
        let mut first = 0;
        for part in codes.chunks(self.chunk_codes) {
            chunks.push(Chunk { first, count: part.len() as u32, planes: self.upload_planes(part)? });
            first += part.len() as u32;
        }
        Ok(GpuHaystack { chunks })
    }

    /// Lays codes out in planes of fours and copies them to the GPU, plane by plane.
    fn upload_planes(&self, codes: &[Code]) -> Result<Buffer, GpuError> {
        let plane_bytes = (codes.len().div_ceil(4) * 16) as u64;
        let planes = device_buffer(&self.context, "haystack", plane_bytes * 8, BufferUsages::STORAGE);
        let upload = Upload::new(&self.context, plane_bytes);
        let mut plane = vec![0_u32; codes.len().div_ceil(4) * 4];
        for word in 0..8 {
            for (slot, code) in plane.iter_mut().zip(codes) {
                *slot = (code.0[word / 2] >> (word % 2 * 32)) as u32;
            }
            upload.fill(&self.context, [bytemuck::cast_slice::<u32, u8>(&plane)])?;
            let mut encoder = self.context.encoder();
            upload.copy_to(&mut encoder, 0..plane_bytes, &planes, plane_bytes * word as u64);
            let submission = self.context.queue.submit([encoder.finish()]);
            self.context.wait(Some(submission))?;
        }
        Ok(planes)
    }

    /// Every pair within `radius` (inclusive), in no particular order.
    ///
    /// # Errors
    /// The device was lost.
    pub fn search(
        &self,
        haystack: &GpuHaystack,
        needles: &[Code],
        radius: u32,
    ) -> Result<Vec<FlatHit>, GpuError> {
        match self.search_watched(haystack, needles, radius, &mut |_, _| Ok::<(), Infallible>(())) {
            Ok(hits) => Ok(hits),
            Err(SearchEnd::Gpu(error)) => Err(error),
            Err(SearchEnd::Watcher(never)) => match never {},
        }
    }

    /// [`GpuSearcher::search`], of which `watch` is told after each dispatch: how many hits came since, and the share of the work that is done.
    ///
    /// # Errors
    /// The device was lost, or `watch` wants an end.
    pub fn search_watched<E>(
        &self,
        haystack: &GpuHaystack,
        needles: &[Code],
        radius: u32,
        watch: &mut dyn FnMut(usize, f64) -> Result<(), E>,
    ) -> Result<Vec<FlatHit>, SearchEnd<E>> {
        let buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let pipeline = self.pipelines.for_radius(&self.context, radius);
        let group = self.kernel.needle_group as usize;
        let mut hits = Vec::new();
        let pairs = |part: &Part| part.needles.len() as f64 * f64::from(part.fours.end - part.fours.start);
        let fours: u32 = haystack.chunks.iter().map(|chunk| chunk.count.div_ceil(4)).sum();
        let (mut done, all) = (0.0, (needles.len() as f64 * f64::from(fours)).max(1.0));
        for chunk in &haystack.chunks {
            let bindings = [&buffers.parameters, &chunk.planes, &buffers.needles, &buffers.found.buffer];
            let bindings = bind(&self.context, pipeline, &bindings);
            let codes = u64::from(chunk.count);
            let most = ((DISPATCH_PAIRS / codes.max(1)) as usize).next_multiple_of(group).min(NEEDLES);
            let fours = 0..chunk.count.div_ceil(4);
            let mut parts: Vec<Part> = (0..needles.len())
                .step_by(most)
                .map(|start| Part { needles: start..needles.len().min(start + most), fours: fours.clone() })
                .collect();
            while let Some(part) = parts.pop() {
                let dispatch =
                    Dispatch { searcher: self, buffers: &buffers, pipeline, bindings: &bindings, chunk };
                let before = hits.len();
                if dispatch.run(needles, &part, radius, &mut hits)? {
                    done += pairs(&part);
                    watch(hits.len() - before, done / all).map_err(SearchEnd::Watcher)?;
                } else {
                    parts.extend(part.halves());
                }
            }
        }
        Ok(hits)
    }
}

impl Part {
    /// Two parts with half the pairs each: by needles, or by codes where there is one needle.
    fn halves(&self) -> [Self; 2] {
        let Self { needles, fours } = self;
        if needles.len() > 1 {
            let middle = needles.start + needles.len() / 2;
            let half = |needles| Self { needles, fours: fours.clone() };
            return [half(needles.start..middle), half(middle..needles.end)];
        }
        let middle = fours.start + (fours.end - fours.start) / 2;
        let half = |fours| Self { needles: needles.clone(), fours };
        [half(fours.start..middle), half(middle..fours.end)]
    }
}

/// One dispatch and all it needs.
struct Dispatch<'a> {
    searcher: &'a GpuSearcher,
    buffers: &'a Buffers,
    pipeline: &'a ComputePipeline,
    bindings: &'a wgpu::BindGroup,
    chunk: &'a Chunk,
}

impl Dispatch<'_> {
    /// Searches a part. `false` where it had more hits than fit: nothing was taken then.
    fn run(
        &self,
        needles: &[Code],
        part: &Part,
        radius: u32,
        hits: &mut Vec<FlatHit>,
    ) -> Result<bool, GpuError> {
        let context = &self.searcher.context;
        let wanted = &needles[part.needles.clone()];
        let parameters = FlatParameters {
            needle_count: wanted.len() as u32,
            first_four: part.fours.start,
            end_four: part.fours.end,
            code_end: self.chunk.count,
            plane_stride: self.chunk.count.div_ceil(4),
            radius,
            capacity: self.buffers.found.capacity as u32,
            code_offset: self.chunk.first,
        };
        let words: Vec<[u32; 8]> = wanted.iter().map(|code| words(*code)).collect();
        let needle_bytes = CODE_BYTES * wanted.len() as u64;
        let pieces: [&[u8]; 3] =
            [bytemuck::bytes_of(&parameters), &[0; COUNT_BYTES as usize], bytemuck::cast_slice(&words)];
        self.buffers.upload.fill(context, pieces)?;
        let count_end = PARAMETER_BYTES + COUNT_BYTES;
        let mut encoder = context.encoder();
        let upload = &self.buffers.upload;
        upload.copy_to(&mut encoder, 0..PARAMETER_BYTES, &self.buffers.parameters, 0);
        self.buffers.found.reset(&mut encoder, upload, PARAMETER_BYTES);
        upload.copy_to(&mut encoder, count_end..count_end + needle_bytes, &self.buffers.needles, 0);
        let kernel = &self.searcher.kernel;
        let blocks = (part.fours.end - part.fours.start).div_ceil(kernel.workgroup * kernel.fours);
        let groups = (wanted.len() as u32).div_ceil(kernel.needle_group);
        dispatch(&mut encoder, self.pipeline, self.bindings, blocks, groups);
        self.buffers.found.bring(&mut encoder);
        let submission = context.queue.submit([encoder.finish()]);
        let first_needle = part.needles.start as u32;
        self.buffers.found.take(context, submission, |hit| {
            hits.push(FlatHit { needle: hit.needle + first_needle, ..*hit });
        })
    }
}

/// A code as the shaders have it.
pub(super) fn words(code: Code) -> [u32; 8] {
    std::array::from_fn(|word| (code.0[word / 2] >> (word % 2 * 32)) as u32)
}
