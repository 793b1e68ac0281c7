//! Dispatches `shaders/flat.wgsl`: flat range search. CPU twin: [`crate::matching::flat`].

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use wgpu::{Buffer, BufferUsages, ComputePipeline};

use super::bound::BoundPipelines;
use super::context::{GpuContext, GpuError};
use super::hit_buffer::{HitBuffer, SearchEnd};
use super::layout::{FlatHit, FlatParameters};
use super::pipeline::{Shader, bind, dispatch};
use super::slots::{Upload, device_buffer};
use crate::pdq::PdqHash;

/// Queries of one dispatch.
const QUERIES: usize = 8192;
/// Pairs of one dispatch: under a second on the slowest cards, where drivers give up after two.
const DISPATCH_PAIRS: u64 = 1 << 33;
/// Maximum bytes of a haystack buffer, so that no allocation takes most of a card.
const CHUNK_BYTES: u64 = 1 << 30;
/// Maximum workgroups across of a dispatch.
const MAX_WORKGROUPS: u32 = 65_535;
/// Hits that a dispatch stores; with more, it is split and repeated.
const CAPACITY: usize = 1 << 19;
const HASH_BYTES: u64 = 32;
const PARAMETER_BYTES: u64 = size_of::<FlatParameters>() as u64;
const COUNT_BYTES: u64 = HitBuffer::COUNT_BYTES;

/// Parameters of the shader. The fastest ones depend on the adapter; the result does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlatKernel {
    /// Invocations of a workgroup: 64, 128 or 256.
    pub workgroup: u32,
    /// Queries in workgroup memory, 32 bytes each: at most 256.
    pub query_group: u32,
    /// Fours of hashes of an invocation: 1 or 2.
    pub fours: u32,
    /// Whether logical operations replace population counts; see `shaders/pairs.wgsl`.
    pub carry_save: bool,
}

impl Default for FlatKernel {
    fn default() -> Self {
        Self { workgroup: 256, query_group: 128, fours: 1, carry_save: false }
    }
}

impl FlatKernel {
    /// Whether the shader supports it; a cache file may hold anything.
    #[must_use]
    pub fn is_possible(self) -> bool {
        Self::RESPECTS.iter().all(|respect| respect(self).contains(&self))
    }

    /// The variants of a kernel in each parameter, the more important ones first.
    pub const RESPECTS: [fn(Self) -> Vec<Self>; 4] = [
        |kernel| [1, 2].map(|fours| Self { fours, ..kernel }).into(),
        |kernel| [64, 128, 256].map(|workgroup| Self { workgroup, ..kernel }).into(),
        |kernel| [64, 128, 256].map(|query_group| Self { query_group, ..kernel }).into(),
        |kernel| [false, true].map(|carry_save| Self { carry_save, ..kernel }).into(),
    ];
}

/// Hashes on the GPU.
#[derive(Debug)]
pub struct GpuHaystack {
    chunks: Vec<Chunk>,
}

/// A run of hashes in one buffer.
#[derive(Debug)]
struct Chunk {
    /// Index of its first hash.
    first: u32,
    /// Hashes in it.
    count: u32,
    planes: Buffer,
}

/// Searches on a GPU.
#[derive(Debug)]
pub struct GpuSearcher {
    context: Arc<GpuContext>,
    kernel: FlatKernel,
    pipelines: BoundPipelines,
    /// Maximum hashes of a haystack buffer.
    chunk_hashes: usize,
    buffers: Mutex<Buffers>,
}

/// What one dispatch uses.
#[derive(Debug)]
struct Buffers {
    upload: Upload,
    parameters: Buffer,
    queries: Buffer,
    hit_buffer: HitBuffer,
}

/// What one dispatch searches.
#[derive(Clone, Debug)]
struct Part {
    queries: Range<usize>,
    /// Fours of hashes of the chunk.
    fours: Range<u32>,
}

/// Batch sizes; tests use small ones to reach every path.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimits {
    /// Hashes of a haystack buffer.
    pub chunk_hashes: usize,
    /// Hits that one dispatch stores.
    pub capacity: usize,
}

impl Default for SearchLimits {
    fn default() -> Self {
        Self { chunk_hashes: usize::MAX, capacity: CAPACITY }
    }
}

impl GpuSearcher {
    /// Compiles the shader and creates the buffers.
    ///
    /// # Errors
    /// If the device was lost or is out of memory.
    pub fn new(context: &Arc<GpuContext>) -> Result<Self, GpuError> {
        Self::with(context, FlatKernel::default(), SearchLimits::default())
    }

    /// As [`GpuSearcher::new`], with another kernel and other limits.
    ///
    /// # Errors
    /// If the device was lost or is out of memory.
    pub fn with(
        context: &Arc<GpuContext>,
        kernel: FlatKernel,
        limits: SearchLimits,
    ) -> Result<Self, GpuError> {
        let source =
            concat!(include_str!("../../shaders/pairs.wgsl"), include_str!("../../shaders/flat.wgsl"));
        let overrides = [
            ("WORKGROUP", f64::from(kernel.workgroup)),
            ("QUERY_GROUP", f64::from(kernel.query_group)),
            ("FOURS", f64::from(kernel.fours)),
        ];
        let shader = Shader { label: "flat", source, entry: "search" };
        let pipelines = BoundPipelines::new(shader, &overrides, kernel.carry_save);
        // One query and one four of hashes must fit: a part is not split further.
        let capacity = limits.capacity.max(4);
        let buffers = Buffers {
            upload: Upload::new(context, PARAMETER_BYTES + HASH_BYTES * QUERIES as u64 + COUNT_BYTES),
            parameters: device_buffer(context, "flat parameters", PARAMETER_BYTES, BufferUsages::UNIFORM),
            queries: device_buffer(context, "queries", HASH_BYTES * QUERIES as u64, BufferUsages::STORAGE),
            hit_buffer: HitBuffer::new(context, capacity),
        };
        context.wait(None)?;
        let bytes = context.max_storage_bytes().min(CHUNK_BYTES);
        let hashes =
            (bytes / HASH_BYTES).min(u64::from(MAX_WORKGROUPS * kernel.workgroup * kernel.fours * 4));
        let chunk_hashes = limits.chunk_hashes.min(hashes as usize / 4 * 4).max(4);
        let (context, buffers) = (Arc::clone(context), Mutex::new(buffers));
        Ok(Self { context, kernel, pipelines, chunk_hashes, buffers })
    }

    /// Makes hashes resident, in as many buffers as the limits require.
    ///
    /// # Errors
    /// If the device was lost or is out of memory.
    pub fn haystack(&self, hashes: &[PdqHash]) -> Result<GpuHaystack, GpuError> {
        let mut chunks = Vec::new();
        let mut first = 0;
        for part in hashes.chunks(self.chunk_hashes) {
            chunks.push(Chunk { first, count: part.len() as u32, planes: self.upload_planes(part)? });
            first += part.len() as u32;
        }
        Ok(GpuHaystack { chunks })
    }

    /// Lays hashes out in planes of fours and copies them to the GPU, plane by plane.
    fn upload_planes(&self, hashes: &[PdqHash]) -> Result<Buffer, GpuError> {
        let plane_bytes = (hashes.len().div_ceil(4) * 16) as u64;
        let planes = device_buffer(&self.context, "haystack", plane_bytes * 8, BufferUsages::STORAGE);
        let upload = Upload::new(&self.context, plane_bytes);
        let mut plane = vec![0_u32; hashes.len().div_ceil(4) * 4];
        for word in 0..8 {
            for (slot, hash) in plane.iter_mut().zip(hashes) {
                *slot = (hash.0[word / 2] >> (word % 2 * 32)) as u32;
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
    /// If the device was lost.
    pub fn search(
        &self,
        haystack: &GpuHaystack,
        queries: &[PdqHash],
        radius: u32,
    ) -> Result<Vec<FlatHit>, GpuError> {
        match self.search_watched(haystack, queries, radius, &mut |_, _| Ok::<(), Infallible>(())) {
            Ok(hits) => Ok(hits),
            Err(SearchEnd::Gpu(error)) => Err(error),
            Err(SearchEnd::Stopped(never)) => match never {},
        }
    }

    /// [`GpuSearcher::search`] with a callback: after each dispatch `watch` receives the number of new hits
    /// and the completed share of the work.
    ///
    /// # Errors
    /// If the device was lost, or `watch` returns an error.
    pub fn search_watched<E>(
        &self,
        haystack: &GpuHaystack,
        queries: &[PdqHash],
        radius: u32,
        watch: &mut dyn FnMut(usize, f64) -> Result<(), E>,
    ) -> Result<Vec<FlatHit>, SearchEnd<E>> {
        let buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let pipeline = self.pipelines.for_radius(&self.context, radius);
        let group = self.kernel.query_group as usize;
        let mut hits = Vec::new();
        let pairs = |part: &Part| part.queries.len() as f64 * f64::from(part.fours.end - part.fours.start);
        let fours: u32 = haystack.chunks.iter().map(|chunk| chunk.count.div_ceil(4)).sum();
        let (mut done, all) = (0.0, (queries.len() as f64 * f64::from(fours)).max(1.0));
        for chunk in &haystack.chunks {
            let bindings = [&buffers.parameters, &chunk.planes, &buffers.queries, &buffers.hit_buffer.buffer];
            let bindings = bind(&self.context, pipeline, &bindings);
            let hashes = u64::from(chunk.count);
            let step = ((DISPATCH_PAIRS / hashes.max(1)) as usize).next_multiple_of(group).min(QUERIES);
            let fours = 0..chunk.count.div_ceil(4);
            let mut parts: Vec<Part> = (0..queries.len())
                .step_by(step)
                .map(|start| Part { queries: start..queries.len().min(start + step), fours: fours.clone() })
                .collect();
            while let Some(part) = parts.pop() {
                let dispatch =
                    Dispatch { searcher: self, buffers: &buffers, pipeline, bindings: &bindings, chunk };
                let before = hits.len();
                if dispatch.run(queries, &part, radius, &mut hits)? {
                    done += pairs(&part);
                    watch(hits.len() - before, done / all).map_err(SearchEnd::Stopped)?;
                } else {
                    parts.extend(part.halves());
                }
            }
        }
        Ok(hits)
    }
}

impl Part {
    /// Two parts with half the pairs each: by queries, or by hashes where there is one query.
    fn halves(&self) -> [Self; 2] {
        let Self { queries, fours } = self;
        if queries.len() > 1 {
            let middle = queries.start + queries.len() / 2;
            let half = |queries| Self { queries, fours: fours.clone() };
            return [half(queries.start..middle), half(middle..queries.end)];
        }
        let middle = fours.start + (fours.end - fours.start) / 2;
        let half = |fours| Self { queries: queries.clone(), fours };
        [half(fours.start..middle), half(middle..fours.end)]
    }
}

/// One dispatch and what it needs.
struct Dispatch<'a> {
    searcher: &'a GpuSearcher,
    buffers: &'a Buffers,
    pipeline: &'a ComputePipeline,
    bindings: &'a wgpu::BindGroup,
    chunk: &'a Chunk,
}

impl Dispatch<'_> {
    /// Searches a part. `false` if it had more hits than fit; then nothing was taken.
    fn run(
        &self,
        queries: &[PdqHash],
        part: &Part,
        radius: u32,
        hits: &mut Vec<FlatHit>,
    ) -> Result<bool, GpuError> {
        let context = &self.searcher.context;
        let wanted = &queries[part.queries.clone()];
        let parameters = FlatParameters {
            query_count: wanted.len() as u32,
            first_four: part.fours.start,
            end_four: part.fours.end,
            hash_end: self.chunk.count,
            plane_stride: self.chunk.count.div_ceil(4),
            radius,
            capacity: self.buffers.hit_buffer.capacity as u32,
            hash_offset: self.chunk.first,
        };
        let words: Vec<[u32; 8]> = wanted.iter().map(|hash| words(*hash)).collect();
        let query_bytes = HASH_BYTES * wanted.len() as u64;
        let pieces: [&[u8]; 3] =
            [bytemuck::bytes_of(&parameters), &[0; COUNT_BYTES as usize], bytemuck::cast_slice(&words)];
        self.buffers.upload.fill(context, pieces)?;
        let count_end = PARAMETER_BYTES + COUNT_BYTES;
        let mut encoder = context.encoder();
        let upload = &self.buffers.upload;
        upload.copy_to(&mut encoder, 0..PARAMETER_BYTES, &self.buffers.parameters, 0);
        self.buffers.hit_buffer.reset(&mut encoder, upload, PARAMETER_BYTES);
        upload.copy_to(&mut encoder, count_end..count_end + query_bytes, &self.buffers.queries, 0);
        let kernel = &self.searcher.kernel;
        let blocks = (part.fours.end - part.fours.start).div_ceil(kernel.workgroup * kernel.fours);
        let groups = (wanted.len() as u32).div_ceil(kernel.query_group);
        dispatch(&mut encoder, self.pipeline, self.bindings, blocks, groups);
        self.buffers.hit_buffer.bring(&mut encoder);
        let submission = context.queue.submit([encoder.finish()]);
        let first_query = part.queries.start as u32;
        self.buffers.hit_buffer.take(context, submission, |hit| {
            hits.push(FlatHit { query: hit.query + first_query, ..*hit });
        })
    }
}

/// A hash as the shaders have it.
pub(super) fn words(hash: PdqHash) -> [u32; 8] {
    std::array::from_fn(|word| (hash.0[word / 2] >> (word % 2 * 32)) as u32)
}
