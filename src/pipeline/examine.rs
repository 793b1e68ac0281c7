//! What one worker does with one file: read once, look at the header, decode, reduce.

use std::path::Path;

use super::budget::{ByteBudget, Permit};
use crate::decode::{self, DecodeMode, Facts, Limits, Picture, Probe, SNIFF_BYTES};
use crate::outcome::{Failure, Outcome, Stage};
use crate::pdq::Geometry;
use crate::source::{FileBytes, FileStamp, ReadBuffer, read_file};

/// Examines files within a budget of memory. Shared by the workers of a run.
///
/// Files and decoders' buffers have budgets of their own: a worker that holds a file's bytes waits only
/// for decoders that wait for nothing, so the workers cannot block each other.
#[derive(Debug)]
pub(super) struct Examiner {
    geometry: Geometry,
    mode: DecodeMode,
    limits: Limits,
    file_bytes: ByteBudget,
    decode_bytes: ByteBudget,
}

/// A file that was read, and what its bytes take from the budget.
#[derive(Debug)]
pub(super) struct ReadFile<'a> {
    pub file: FileBytes,
    /// Whether it begins like a picture, so that its bytes were to be kept.
    candidate: bool,
    _permit: Option<Permit<'a>>,
}

impl Examiner {
    /// A quarter of the memory is for files (pictures are compressed), the rest for decoding them.
    pub fn new(geometry: Geometry, mode: DecodeMode, max_side: u32, max_memory: u64) -> Self {
        let files = max_memory / 4;
        Self {
            geometry,
            mode,
            limits: Limits { max_side, max_decode_bytes: max_memory - files },
            file_bytes: ByteBudget::new(files),
            decode_bytes: ByteBudget::new(max_memory - files),
        }
    }

    /// The most memory that files and decoders took at once: an upper bound, since the two peaks may have
    /// come at different moments.
    pub fn peak(&self) -> u64 {
        self.file_bytes.peak() + self.decode_bytes.peak()
    }

    /// Reads a file to its end, with its digests.
    ///
    /// # Errors
    /// It cannot be read, or is not what was listed any more.
    pub fn read<'a>(
        &'a self,
        path: &Path,
        stamp: &FileStamp,
        buffer: &mut ReadBuffer,
    ) -> Result<ReadFile<'a>, Failure> {
        let listed = stamp.size.unwrap_or(0);
        let mut permit = None;
        let mut candidate = false;
        // A file over the whole budget is digested and not kept.
        let limit = if listed <= self.file_bytes.total() { listed } else { 0 };
        let file = read_file(path, buffer, SNIFF_BYTES, limit, |head| {
            candidate = decode::is_candidate(&head[..head.len().min(SNIFF_BYTES)]);
            if candidate {
                permit = self.file_bytes.take(limit);
            }
            candidate
        })?;
        if file.size != listed {
            let reason = format!("its size changed from {listed} to {} bytes while it was read", file.size);
            return Err(Failure::new(Outcome::Unreadable, Stage::Read, reason));
        }
        Ok(ReadFile { file, candidate, _permit: permit })
    }

    /// Says what the bytes are, and reduces a picture to its tile.
    pub fn picture(&self, read: &ReadFile<'_>) -> (Facts, Result<Picture, Failure>) {
        let file = &read.file;
        if let Err(failure) = self.whole(read) {
            let format = decode::Format::sniff(&file.bytes);
            return (Facts { format, ..Facts::default() }, Err(failure));
        }
        let probe = decode::probe(&file.bytes, self.geometry, &self.limits);
        if let Some(failure) = probe.failure {
            return (probe.facts, Err(failure));
        }
        let picture = self.decode(&file.bytes, &probe);
        (probe.facts, picture)
    }

    /// Decodes the pixels of a picture whatever the run's mode, for a verdict.
    ///
    /// # Errors
    /// It does not fit the memory, or the decoder fails.
    pub fn pixels(&self, read: &ReadFile<'_>) -> Result<Picture, Failure> {
        self.whole(read)?;
        let probe = decode::probe(&read.file.bytes, self.geometry, &self.limits);
        let _permit = self.decode_bytes.take(probe.pixel_bytes);
        decode::pixels(&read.file.bytes, &probe, self.geometry, &self.limits)
    }

    /// Refuses a picture whose file was too large to be kept.
    fn whole(&self, read: &ReadFile<'_>) -> Result<(), Failure> {
        if !read.candidate || read.file.whole {
            return Ok(());
        }
        let reason = format!(
            "a file of {} MiB; {} MiB are allowed (raise --max-memory)",
            read.file.size.div_ceil(1 << 20),
            self.file_bytes.total() >> 20
        );
        Err(Failure::new(Outcome::OverLimit, Stage::Limits, reason))
    }

    /// From coefficients where the run may and that is exact enough, else from pixels.
    fn decode(&self, bytes: &[u8], probe: &Probe) -> Result<Picture, Failure> {
        let mut pixels_because = None;
        if self.mode == DecodeMode::Auto
            && let Some(needed) = probe.coefficient_bytes
        {
            match self.decode_bytes.take(needed).map(|_permit| decode::coefficients(bytes, probe)) {
                Some(Ok(picture)) => return Ok(picture),
                Some(Err(reason)) => pixels_because = Some(reason),
                None => pixels_because = Some("its coefficients need more memory than is allowed".into()),
            }
        }
        // What the budget could never give is refused by the decoder.
        let _permit = self.decode_bytes.take(probe.pixel_bytes);
        let mut picture = decode::pixels(bytes, probe, self.geometry, &self.limits)?;
        picture.derivation.pixels_because = pixels_because;
        Ok(picture)
    }
}
