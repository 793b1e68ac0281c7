//! Dispatches `shaders/sort.wgsl`, `shaders/reach.wgsl` and `shaders/banded_join.wgsl`: the banded join. CPU twin: `crate::matching::banded_join`.
//!
//! Hashes are copied to the GPU once and sorted there for each band. The CPU only sums up how many hashes each value has, reads back how many all
//! its neighbours have (`shaders/reach.wgsl`), and builds from that a list of items of about equal size: some hashes of a bucket of the left side
//! against a run of the hashes of all neighbouring buckets.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use wgpu::{Buffer, BufferUsages, ComputePipeline};

use super::bound::BoundPipelines;
use super::context::{GpuContext, GpuError};
use super::flat::words;
use super::hit_buffer::{HitBuffer, SearchEnd};
use super::layout::{BandItem, BandParameters, FlatHit, MAX_BANDS, ReachParameters, SortParameters};
use super::pipeline::{Shader, bind, compute_pipeline, dispatch};
use super::slots::{Readback, Upload, device_buffer};
use crate::pdq::PdqHash;

/// Invocations of a sorting workgroup, a hash each, and of one that sums up what values reach, a value each.
const SORT_WORKGROUP: u32 = 256;
/// Invocations of a matching workgroup, which takes four times as many neighbours at a time. Of 32, 64 and 128 the fastest on an H100
/// for large sides, by a small margin.
const JOIN_WORKGROUP: u32 = 128;
/// Left hashes of an item.
const LEFT: u32 = 32;
/// Right hashes of an item: work for some microseconds.
const RIGHT: u32 = 1 << 14;
/// Items of one dispatch.
const ITEMS: usize = 1 << 16;
/// Workgroups in a row of a dispatch; the limit is 65,535.
const GRID_WIDTH: u32 = 1 << 15;
/// Pairs of one dispatch: under a second on the slowest cards, where drivers give up after two.
const DISPATCH_PAIRS: u64 = 1 << 33;
/// Hashes of a side at a time: 1.1 GiB with their order.
const CHUNK_HASHES: usize = 1 << 24;
/// Hits that a dispatch stores; with more, it is split and repeated.
const CAPACITY: usize = 1 << 19;
/// Bytes transferred to or from the GPU at a time.
const TRANSFER_BYTES: u64 = 16 << 20;
const HASH_BYTES: u64 = 32;
/// The widest band whose values the GPU counts.
pub const WIDEST_BAND: u32 = 22;

/// A band of a join, with the differences between a value and its neighbours.
#[derive(Clone, Debug)]
pub struct BandPass {
    /// The lowest bit.
    pub start: u32,
    /// Number of bits, at most [`WIDEST_BAND`].
    pub width: u32,
    /// Differing bits up to which two values are neighbours.
    pub threshold: u32,
    /// All numbers of the band's width with at most that many bits.
    pub differences: Vec<u32>,
}

/// The permutation of bits before hashes are cut into bands.
pub type Arrange<'a> = &'a (dyn Fn(PdqHash) -> PdqHash + Sync);

/// Batch sizes; tests use small ones to reach every path.
#[derive(Clone, Copy, Debug)]
pub struct JoinLimits {
    /// Hashes of a side.
    pub chunk_hashes: usize,
    /// Hits that one dispatch stores.
    pub capacity: usize,
    /// Right hashes of an item.
    pub item_hashes: u32,
    /// Items of a dispatch.
    pub items: usize,
}

impl Default for JoinLimits {
    fn default() -> Self {
        Self { chunk_hashes: CHUNK_HASHES, capacity: CAPACITY, item_hashes: RIGHT, items: ITEMS }
    }
}

/// Joins on a GPU.
#[derive(Debug)]
pub struct GpuJoiner {
    context: Arc<GpuContext>,
    count: ComputePipeline,
    place: ComputePipeline,
    reach: ComputePipeline,
    pairs: BoundPipelines,
    limits: JoinLimits,
    shared: Mutex<Shared>,
}

/// Buffers that every step uses.
#[derive(Debug)]
struct Shared {
    /// Two in turn: one is filled while the other is copied.
    uploads: [Upload; 2],
    uploaded: AtomicUsize,
    readback: Readback,
    sort_parameters: Buffer,
    reach_parameters: Buffer,
    band_parameters: Buffer,
    items: Buffer,
    hit_buffer: HitBuffer,
}

impl Shared {
    fn next_upload(&self) -> &Upload {
        &self.uploads[self.uploaded.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl GpuJoiner {
    /// Compiles the shaders and creates the buffers that do not depend on the sides.
    ///
    /// # Errors
    /// If the device was lost or is out of memory.
    pub fn new(context: &Arc<GpuContext>) -> Result<Self, GpuError> {
        Self::with(context, false, JoinLimits::default())
    }

    /// As [`GpuJoiner::new`], with the kernel's `carry_save` (see [`FlatKernel`](super::FlatKernel)) and other limits.
    ///
    /// # Errors
    /// If the device was lost or is out of memory.
    pub fn with(
        context: &Arc<GpuContext>,
        carry_save: bool,
        mut limits: JoinLimits,
    ) -> Result<Self, GpuError> {
        let small = |entry, source| {
            let overrides = [("WORKGROUP", f64::from(SORT_WORKGROUP))];
            compute_pipeline(context, &Shader { label: entry, source, entry }, &overrides)
        };
        let sort = include_str!("../../shaders/sort.wgsl");
        let (count, place) = (small("count", sort), small("place", sort));
        let reach = small("reach", include_str!("../../shaders/reach.wgsl"));
        let source =
            concat!(include_str!("../../shaders/pairs.wgsl"), include_str!("../../shaders/banded_join.wgsl"));
        let shader = Shader { label: "bands", source, entry: "match_neighbours" };
        let overrides = [("WORKGROUP", f64::from(JOIN_WORKGROUP)), ("LEFT", f64::from(LEFT))];
        let pairs = BoundPipelines::new(shader, &overrides, carry_save);
        let bytes = (context.max_storage_bytes() / HASH_BYTES) as usize;
        limits.chunk_hashes = limits.chunk_hashes.min(bytes).max(1);
        // An item of one right hash must fit: it is not split further.
        limits.capacity = limits.capacity.max(LEFT as usize);
        limits.items = limits.items.clamp(1, ITEMS);
        let parameters = |label, bytes| device_buffer(context, label, bytes, BufferUsages::UNIFORM);
        let item_bytes = (limits.items * size_of::<BandItem>()) as u64;
        let shared = Shared {
            uploads: [Upload::new(context, TRANSFER_BYTES), Upload::new(context, TRANSFER_BYTES)],
            uploaded: AtomicUsize::new(0),
            readback: Readback::new(context, TRANSFER_BYTES),
            sort_parameters: parameters("sort parameters", size_of::<SortParameters>() as u64),
            reach_parameters: parameters("reach parameters", size_of::<ReachParameters>() as u64),
            band_parameters: parameters("band parameters", size_of::<BandParameters>() as u64),
            items: device_buffer(context, "items", item_bytes, BufferUsages::STORAGE),
            hit_buffer: HitBuffer::new(context, limits.capacity),
        };
        context.wait(None)?;
        let (context, shared) = (Arc::clone(context), Mutex::new(shared));
        Ok(Self { context, count, place, reach, pairs, limits, shared })
    }

    /// Every pair of a hash of `left` and one of `right` within `radius` (inclusive), once, in no particular order. Without `right`
    /// every two hashes of `left` once, the smaller number as the query. The `passes` must cover every such pair once hashes are
    /// permuted by `arrange`, which must not change distances. `watch` receives the number of new pairs and the completed share of the
    /// work.
    ///
    /// # Errors
    /// If the device was lost, or `watch` returns an error.
    ///
    /// # Panics
    /// If there are more than [`MAX_BANDS`] passes, or a band is wider than [`WIDEST_BAND`].
    pub fn join<E>(
        &self,
        left: &[PdqHash],
        right: Option<&[PdqHash]>,
        arrange: Arrange<'_>,
        passes: &[BandPass],
        radius: u32,
        watch: &mut dyn FnMut(usize, f64) -> Result<(), E>,
    ) -> Result<Vec<FlatHit>, SearchEnd<E>> {
        assert!(passes.len() <= MAX_BANDS && passes.iter().all(|pass| pass.width <= WIDEST_BAND));
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hits = Vec::new();
        let step = self.limits.chunk_hashes;
        let right_chunks = || right.unwrap_or(left).chunks(step).enumerate();
        let work = left.chunks(step).len() * right_chunks().len() * passes.len();
        let widest = passes.iter().map(|pass| pass.width).max().unwrap_or(0);
        let mut done = 0;
        for (right_index, right_hashes) in right_chunks() {
            let right_side = Side::new(self, &shared, right_hashes, arrange, widest)?;
            for (left_index, left_hashes) in left.chunks(step).enumerate() {
                let itself = right.is_none() && left_index == right_index;
                if right.is_none() && left_index > right_index {
                    // Already compared the other way round.
                    done += passes.len();
                    continue;
                }
                let other =
                    if itself { None } else { Some(Side::new(self, &shared, left_hashes, arrange, widest)?) };
                let join = ChunkJoin {
                    joiner: self,
                    shared: &shared,
                    left: other.as_ref().unwrap_or(&right_side),
                    right: &right_side,
                    starts: ((left_index * step) as u32, (right_index * step) as u32),
                    itself,
                    ordered: right.is_none(),
                    passes,
                    radius,
                };
                for index in 0..passes.len() {
                    join.run(index, &mut hits, &mut |pairs, share| {
                        watch(pairs, (done as f64 + share) / work as f64)
                    })?;
                    done += 1;
                }
            }
        }
        Ok(hits)
    }

    /// Reads back the first `bytes` of a buffer, in pieces.
    fn bring(&self, shared: &Shared, source: &Buffer, bytes: u64) -> Result<Vec<u32>, GpuError> {
        let mut numbers = Vec::with_capacity((bytes / 4) as usize);
        for start in (0..bytes).step_by(TRANSFER_BYTES as usize) {
            let range = start..bytes.min(start + TRANSFER_BYTES);
            let length = range.end - range.start;
            let mut encoder = self.context.encoder();
            shared.readback.copy_from(&mut encoder, source, range);
            let submission = self.context.queue.submit([encoder.finish()]);
            shared.readback.read(&self.context, length, submission, |bytes| {
                numbers.extend(bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>));
            })?;
        }
        Ok(numbers)
    }

    /// Copies bytes to an offset of a buffer, in pieces.
    fn carry(&self, shared: &Shared, bytes: &[u8], target: &Buffer, mut at: u64) -> Result<(), GpuError> {
        for piece in bytes.chunks(TRANSFER_BYTES as usize) {
            let upload = shared.next_upload();
            upload.fill(&self.context, [piece])?;
            let mut encoder = self.context.encoder();
            upload.copy_to(&mut encoder, 0..piece.len() as u64, target, at);
            self.context.queue.submit([encoder.finish()]);
            at += piece.len() as u64;
        }
        Ok(())
    }
}

/// Hashes of one side on the GPU.
struct Side {
    count: u32,
    hashes: Buffer,
    /// Sorted by a band, with their numbers.
    placed: Buffer,
    numbers: Buffer,
    /// Where each value begins.
    values: Buffer,
    /// The number of neighbouring hashes of each value on this side.
    reaches: Buffer,
}

impl Side {
    /// Hashes for bands of at most `widest` bits.
    fn new(
        joiner: &GpuJoiner,
        shared: &Shared,
        hashes: &[PdqHash],
        arrange: Arrange<'_>,
        widest: u32,
    ) -> Result<Self, GpuError> {
        let count = hashes.len() as u64;
        let buffer = |label, bytes| device_buffer(&joiner.context, label, bytes, BufferUsages::STORAGE);
        let side = Self {
            count: count as u32,
            hashes: buffer("hashes", HASH_BYTES * count),
            placed: buffer("placed hashes", HASH_BYTES * count),
            numbers: buffer("numbers", 4 * count),
            values: buffer("values", 4 * ((1 << widest) + 1)),
            reaches: buffer("reaches", 4 << widest),
        };
        let piece = (TRANSFER_BYTES / HASH_BYTES) as usize;
        let mut arranged = Vec::with_capacity(piece.min(hashes.len()));
        for (index, hashes) in hashes.chunks(piece).enumerate() {
            hashes.par_iter().map(|&hash| words(arrange(hash))).collect_into_vec(&mut arranged);
            joiner.carry(
                shared,
                bytemuck::cast_slice(&arranged),
                &side.hashes,
                index as u64 * TRANSFER_BYTES,
            )?;
        }
        Ok(side)
    }

    /// Sorts the hashes by a band; returns where each value begins, followed by the end of the last.
    fn sort(&self, joiner: &GpuJoiner, shared: &Shared, pass: &BandPass) -> Result<Vec<u32>, GpuError> {
        let context = &joiner.context;
        let workgroups = self.count.div_ceil(SORT_WORKGROUP);
        let parameters = SortParameters {
            hash_count: self.count,
            grid_width: GRID_WIDTH.min(workgroups),
            start: pass.start,
            width: pass.width,
            words: word_order(pass),
        };
        joiner.carry(shared, bytemuck::bytes_of(&parameters), &shared.sort_parameters, 0)?;
        let bytes = 4 * ((1_u64 << pass.width) + 1);
        let run = |pipeline: &ComputePipeline, buffers: &[&Buffer], clear: bool| {
            let bindings = bind(context, pipeline, buffers);
            let mut encoder = context.encoder();
            if clear {
                encoder.clear_buffer(&self.values, 0, Some(bytes));
            }
            let grid_width = parameters.grid_width;
            dispatch(&mut encoder, pipeline, &bindings, grid_width, workgroups.div_ceil(grid_width));
            context.queue.submit([encoder.finish()]);
        };
        run(&joiner.count, &[&shared.sort_parameters, &self.hashes, &self.values], true);
        let mut offsets = joiner.bring(shared, &self.values, bytes)?;
        // Each value's count becomes its start; `place` advances it to its end.
        let mut sum = 0;
        for offset in &mut offsets[1..] {
            sum += std::mem::replace(offset, sum);
        }
        joiner.carry(shared, bytemuck::cast_slice(&offsets), &self.values, 0)?;
        let target = [&shared.sort_parameters, &self.hashes, &self.values, &self.placed, &self.numbers];
        run(&joiner.place, &target, false);
        offsets.remove(0);
        offsets.push(sum);
        Ok(offsets)
    }
}

/// The join of two chunks, or of one with itself.
struct ChunkJoin<'a> {
    joiner: &'a GpuJoiner,
    shared: &'a Shared,
    left: &'a Side,
    right: &'a Side,
    /// The numbers of their first hashes.
    starts: (u32, u32),
    itself: bool,
    /// Whether the smaller number of a pair is its query.
    ordered: bool,
    passes: &'a [BandPass],
    radius: u32,
}

impl ChunkJoin<'_> {
    /// The pairs of one band. `watch` receives the number of new pairs and the completed share of the band's
    /// items.
    fn run<E>(
        &self,
        index: usize,
        hits: &mut Vec<FlatHit>,
        watch: &mut dyn FnMut(usize, f64) -> Result<(), E>,
    ) -> Result<(), SearchEnd<E>> {
        let Self { joiner, shared, .. } = self;
        let context = &joiner.context;
        let pass = &self.passes[index];
        let right_offsets = self.right.sort(joiner, shared, pass)?;
        let left_offsets = if self.itself { None } else { Some(self.left.sort(joiner, shared, pass)?) };
        let bytes = 4 * pass.differences.len() as u64;
        let differences = device_buffer(context, "differences", bytes, BufferUsages::STORAGE);
        joiner.carry(shared, bytemuck::cast_slice(&pass.differences), &differences, 0)?;
        let reaches = self.reaches(pass, &differences)?;
        let items = self.items(left_offsets.as_ref().unwrap_or(&right_offsets), &reaches);
        let pipeline = joiner.pairs.for_radius(context, self.radius);
        let bindings = bind(
            context,
            pipeline,
            &[
                &shared.band_parameters,
                &self.left.placed,
                &self.right.placed,
                &self.left.numbers,
                &self.right.numbers,
                &self.right.values,
                &differences,
                &shared.items,
                &shared.hit_buffer.buffer,
            ],
        );
        // A stack of runs of items: the next one is on top.
        let (mut done, all) = (0, items.len());
        let mut runs: Vec<Vec<BandItem>> = self.runs(items);
        while let Some(run) = runs.pop() {
            let before = hits.len();
            if self.dispatch(index, &run, pipeline, &bindings, hits)? {
                done += run.len();
                let share = (done as f64 / all as f64).min(1.0);
                watch(hits.len() - before, share).map_err(SearchEnd::Stopped)?;
            } else {
                runs.extend(halves(run));
            }
        }
        watch(0, 1.0).map_err(SearchEnd::Stopped)
    }

    /// The number of right hashes in all neighbours of each value of the left side.
    fn reaches(&self, pass: &BandPass, differences: &Buffer) -> Result<Vec<u32>, GpuError> {
        let Self { joiner, shared, left, right, .. } = self;
        let context = &joiner.context;
        let values = 1_u32 << pass.width;
        let workgroups = values.div_ceil(SORT_WORKGROUP);
        let parameters = ReachParameters {
            value_count: values,
            grid_width: GRID_WIDTH.min(workgroups),
            neighbour_count: pass.differences.len() as u32,
            itself: self.itself.into(),
        };
        joiner.carry(shared, bytemuck::bytes_of(&parameters), &shared.reach_parameters, 0)?;
        let buffers = [&shared.reach_parameters, &left.values, &right.values, differences, &right.reaches];
        let bindings = bind(context, &joiner.reach, &buffers);
        let mut encoder = context.encoder();
        let across = parameters.grid_width;
        dispatch(&mut encoder, &joiner.reach, &bindings, across, workgroups.div_ceil(across));
        context.queue.submit([encoder.finish()]);
        joiner.bring(shared, &right.reaches, 4 * u64::from(values))
    }

    /// Every hash of the left side and the hashes of all its neighbours, cut into items.
    fn items(&self, left: &[u32], reaches: &[u32]) -> Vec<BandItem> {
        let step = self.joiner.limits.item_hashes.max(1);
        let of_value = |(value, &reach): (usize, &u32)| {
            let (start, end) = (left[value], left[value + 1]);
            (start..end).step_by(LEFT as usize).flat_map(move |left_start| {
                (0..reach).step_by(step as usize).map(move |right_start| BandItem {
                    value: value as u32,
                    left_start,
                    left_count: LEFT.min(end - left_start),
                    right_start,
                    right_end: reach.min(right_start.saturating_add(step)),
                })
            })
        };
        reaches.par_iter().enumerate().with_min_len(4096).flat_map_iter(of_value).collect()
    }

    /// Items for one dispatch each, the last run first.
    fn runs(&self, items: Vec<BandItem>) -> Vec<Vec<BandItem>> {
        let mut runs = Vec::new();
        let (mut run, mut pairs) = (Vec::new(), 0);
        for item in items {
            let more = u64::from(item.left_count) * u64::from(item.right_end - item.right_start);
            if run.len() == self.joiner.limits.items || pairs + more > DISPATCH_PAIRS {
                runs.push(std::mem::take(&mut run));
                pairs = 0;
            }
            pairs += more;
            run.push(item);
        }
        if !run.is_empty() {
            runs.push(run);
        }
        runs.reverse();
        runs
    }

    /// The pairs of a run of items. `false` if there were more than fit; then none was taken.
    fn dispatch(
        &self,
        index: usize,
        run: &[BandItem],
        pipeline: &ComputePipeline,
        bindings: &wgpu::BindGroup,
        hits: &mut Vec<FlatHit>,
    ) -> Result<bool, GpuError> {
        let Self { joiner, shared, .. } = self;
        let context = &joiner.context;
        let pass = &self.passes[index];
        let grid_width = GRID_WIDTH.min(run.len() as u32);
        let mut bands = [[0; 4]; MAX_BANDS];
        for (band, pass) in bands.iter_mut().zip(self.passes) {
            *band = [pass.start, pass.width, pass.threshold, 0];
        }
        let parameters = BandParameters {
            left_count: self.left.count,
            right_count: self.right.count,
            item_count: run.len() as u32,
            grid_width,
            neighbour_count: pass.differences.len() as u32,
            radius: self.radius,
            capacity: shared.hit_buffer.capacity as u32,
            band: index as u32,
            itself: self.itself.into(),
            padding: [0; 3],
            places: places(word_order(pass)),
            bands,
        };
        let (parameter_bytes, item_bytes) = (size_of_val(&parameters) as u64, size_of_val(run) as u64);
        let pieces: [&[u8]; 3] = [
            bytemuck::bytes_of(&parameters),
            &[0; HitBuffer::COUNT_BYTES as usize],
            bytemuck::cast_slice(run),
        ];
        let upload = shared.next_upload();
        upload.fill(context, pieces)?;
        let first_item = parameter_bytes + HitBuffer::COUNT_BYTES;
        let mut encoder = context.encoder();
        upload.copy_to(&mut encoder, 0..parameter_bytes, &shared.band_parameters, 0);
        shared.hit_buffer.reset(&mut encoder, upload, parameter_bytes);
        upload.copy_to(&mut encoder, first_item..first_item + item_bytes, &shared.items, 0);
        dispatch(&mut encoder, pipeline, bindings, grid_width, (run.len() as u32).div_ceil(grid_width));
        shared.hit_buffer.bring(&mut encoder);
        let submission = context.queue.submit([encoder.finish()]);
        shared.hit_buffer.take(context, submission, |hit| {
            let (mut query, mut haystack) = (hit.query + self.starts.0, hit.haystack + self.starts.1);
            if self.ordered && query > haystack {
                (query, haystack) = (haystack, query);
            }
            hits.push(FlatHit { query, haystack, ..*hit });
        })
    }
}

/// Two runs with half the items each; of one item with half its right hashes.
fn halves(mut run: Vec<BandItem>) -> [Vec<BandItem>; 2] {
    if let [item] = run[..] {
        let middle = item.right_start + (item.right_end - item.right_start) / 2;
        let half = |range: Range<u32>| BandItem { right_start: range.start, right_end: range.end, ..item };
        return [vec![half(middle..item.right_end)], vec![half(item.right_start..middle)]];
    }
    let second = run.split_off(run.len() / 2);
    [second, run]
}

/// The words of a hash, those that the band does not touch first: in the band's own bits neighbours hardly differ, and a bound that
/// counts them rejects less.
fn word_order(pass: &BandPass) -> [u32; 8] {
    let touched = pass.start / 32..=(pass.start + pass.width - 1) / 32;
    let mut order: [u32; 8] = std::array::from_fn(|word| word as u32);
    order.sort_by_key(|word| touched.contains(word));
    order
}

/// Inverts the word order: the place of each word.
fn places(words: [u32; 8]) -> [u32; 8] {
    let mut places = [0; 8];
    for (place, word) in (0..).zip(words) {
        places[word as usize] = place;
    }
    places
}
