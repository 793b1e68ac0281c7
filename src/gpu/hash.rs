//! Dispatches `shaders/hash.wgsl`: tiles to hashes of all orientations and quality. CPU twin:
//! [`crate::pdq::hash`].

use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{BindGroup, Buffer, BufferUsages, ComputePipeline, SubmissionIndex};

use super::context::{GpuContext, GpuError};
use super::layout::{GpuDihedralHashes, HashParameters};
use super::pipeline::{Shader, bind, compute_pipeline, dispatch};
use super::slots::{Readback, Upload, device_buffer};
use crate::pdq::dct::{PASS_SHIFT, cosine_table};
use crate::pdq::{DihedralHashes, PdqHash, TILE_FRACTION_BITS, Tile};

/// Tiles of one dispatch: 16 MiB.
pub const TILE_BATCH: usize = 1024;
/// Workgroups in a row of a dispatch.
const GRID_WIDTH: u32 = 256;
const TILE_BYTES: u64 = size_of::<Tile>() as u64;
const HASH_BYTES: u64 = size_of::<GpuDihedralHashes>() as u64;
const PARAMETER_BYTES: u64 = size_of::<HashParameters>() as u64;

/// Hashes tiles on a GPU.
#[derive(Debug)]
pub struct GpuHasher {
    context: Arc<GpuContext>,
    pipeline: ComputePipeline,
    /// Two, so that one batch is filled while the other is computed.
    slots: Mutex<[Slot; 2]>,
}

/// The buffers of one batch.
#[derive(Debug)]
struct Slot {
    upload: Upload,
    parameters: Buffer,
    tiles: Buffer,
    hashes: Buffer,
    readback: Readback,
    bindings: BindGroup,
}

impl GpuHasher {
    /// Compiles the shader and creates the buffers.
    ///
    /// # Errors
    /// If the device was lost or is out of memory.
    pub fn new(context: &Arc<GpuContext>) -> Result<Self, GpuError> {
        let shader =
            Shader { label: "hash", source: include_str!("../../shaders/hash.wgsl"), entry: "hash_tiles" };
        let overrides =
            [("PASS_SHIFT", f64::from(PASS_SHIFT)), ("FULL_SCALE", f64::from(255_u32 << TILE_FRACTION_BITS))];
        let pipeline = compute_pipeline(context, &shader, &overrides);
        let cosines = cosines(context)?;
        let slots =
            Mutex::new([Slot::new(context, &pipeline, &cosines), Slot::new(context, &pipeline, &cosines)]);
        context.wait(None)?;
        Ok(Self { context: Arc::clone(context), pipeline, slots })
    }

    /// Hashes of all orientations and quality of each tile, in order.
    ///
    /// # Errors
    /// If the device was lost.
    pub fn hash(&self, tiles: &[Box<Tile>]) -> Result<Vec<DihedralHashes>, GpuError> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hashes = Vec::with_capacity(tiles.len());
        let mut before: Option<(&Slot, usize, SubmissionIndex)> = None;
        for (batch, slot) in tiles.chunks(TILE_BATCH).zip(slots.iter().cycle()) {
            let submission = self.submit(slot, batch)?;
            if let Some((slot, count, submission)) = before.replace((slot, batch.len(), submission)) {
                hashes.extend(slot.read(&self.context, count, submission)?);
            }
        }
        if let Some((slot, count, submission)) = before {
            hashes.extend(slot.read(&self.context, count, submission)?);
        }
        Ok(hashes)
    }

    fn submit(&self, slot: &Slot, tiles: &[Box<Tile>]) -> Result<SubmissionIndex, GpuError> {
        let count = tiles.len() as u32;
        let parameters = HashParameters { tile_count: count, grid_width: GRID_WIDTH };
        let pieces = tiles.iter().map(|tile| bytemuck::bytes_of(&**tile));
        slot.upload.fill(&self.context, std::iter::once(bytemuck::bytes_of(&parameters)).chain(pieces))?;
        let tile_bytes = PARAMETER_BYTES..PARAMETER_BYTES + TILE_BYTES * u64::from(count);
        let mut encoder = self.context.encoder();
        slot.upload.copy_to(&mut encoder, 0..PARAMETER_BYTES, &slot.parameters, 0);
        slot.upload.copy_to(&mut encoder, tile_bytes, &slot.tiles, 0);
        dispatch(
            &mut encoder,
            &self.pipeline,
            &slot.bindings,
            GRID_WIDTH.min(count),
            count.div_ceil(GRID_WIDTH),
        );
        slot.readback.copy_from(&mut encoder, &slot.hashes, 0..HASH_BYTES * u64::from(count));
        Ok(self.context.queue.submit([encoder.finish()]))
    }
}

impl Slot {
    fn new(context: &GpuContext, pipeline: &ComputePipeline, cosines: &Buffer) -> Self {
        let tile_bytes = TILE_BYTES * TILE_BATCH as u64;
        let hash_bytes = HASH_BYTES * TILE_BATCH as u64;
        let parameters = device_buffer(context, "hash parameters", PARAMETER_BYTES, BufferUsages::UNIFORM);
        let tiles = device_buffer(context, "tiles", tile_bytes, BufferUsages::STORAGE);
        let hashes = device_buffer(context, "hashes", hash_bytes, BufferUsages::STORAGE);
        let bindings = bind(context, pipeline, &[&parameters, cosines, &tiles, &hashes]);
        Self {
            upload: Upload::new(context, PARAMETER_BYTES + tile_bytes),
            readback: Readback::new(context, hash_bytes),
            parameters,
            tiles,
            hashes,
            bindings,
        }
    }

    fn read(
        &self,
        context: &GpuContext,
        count: usize,
        submission: SubmissionIndex,
    ) -> Result<Vec<DihedralHashes>, GpuError> {
        self.readback.read(context, HASH_BYTES * count as u64, submission, |bytes| {
            bytemuck::cast_slice::<u8, GpuDihedralHashes>(bytes).iter().map(DihedralHashes::from).collect()
        })
    }
}

impl From<&GpuDihedralHashes> for DihedralHashes {
    fn from(hash: &GpuDihedralHashes) -> Self {
        let word = |orientation: usize, word: usize| {
            let at = orientation * 8 + word * 2;
            u64::from(hash.hashes[at]) | u64::from(hash.hashes[at + 1]) << 32
        };
        let hashes =
            std::array::from_fn(|orientation| PdqHash(std::array::from_fn(|index| word(orientation, index))));
        Self { hashes, quality: hash.quality as u8 }
    }
}

/// The cosines on the GPU.
fn cosines(context: &GpuContext) -> Result<Buffer, GpuError> {
    let bytes: &[u8] = bytemuck::cast_slice(cosine_table());
    let size = bytes.len() as u64;
    let buffer = device_buffer(context, "cosines", size, BufferUsages::STORAGE);
    let upload = Upload::new(context, size);
    upload.fill(context, [bytes])?;
    let mut encoder = context.encoder();
    upload.copy_to(&mut encoder, 0..size, &buffer, 0);
    let submission = context.queue.submit([encoder.finish()]);
    context.wait(Some(submission))?;
    Ok(buffer)
}
