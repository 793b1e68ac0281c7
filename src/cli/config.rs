//! Options as resolved: what a run really does, saved with the run.

use std::path::PathBuf;
use std::thread;

use serde::Serialize;

use crate::case::{CaseIdentity, HashSpec};
use crate::decode::DecodeMode;
pub use crate::engine::MAX_SIDE;
use crate::known::ListKind;
use crate::matching::{Backend, BackendRequest, VerifyMode};
use crate::pdq::Geometry;
use crate::source::name::escape_path;
use crate::source::storage::is_rotational;

use super::args::{CaseOptions, Common, MatchOptions};
use super::console::Console;
use super::error::CliError;
use super::memory_size::MIN_MEMORY;

/// What a run may use of the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Resources {
    /// `--backend` as requested; what it became is recorded with the run.
    pub backend: String,
    /// Threads that digest and decode, and as many that search.
    pub jobs: usize,
    /// Threads that read files, and as many that list folders.
    pub io_jobs: usize,
    /// Bytes for files and pictures in flight.
    pub max_memory: u64,
    #[serde(skip)]
    request: BackendRequest,
}

impl Resources {
    /// Resolves the common options on this machine, for reading these sources.
    #[must_use]
    pub fn resolve(common: &Common, sources: &[PathBuf]) -> Self {
        let jobs =
            common.jobs.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from);
        let max_memory =
            common.max_memory.map_or_else(|| (total_memory() / 4).max(MIN_MEMORY), |size| size.0);
        let spinning = sources.iter().any(|source| is_rotational(source) == Some(true));
        let io_jobs = common.io_jobs.map_or_else(|| default_io_jobs(jobs, spinning), usize::from);
        Self {
            backend: common.backend.to_string(),
            jobs,
            io_jobs,
            max_memory,
            request: common.backend.clone(),
        }
    }

    /// Starts the backend for a run that searches among so many hashes, and reports which it is and why.
    ///
    /// # Errors
    /// If the requested GPU is not there.
    pub fn start_backend(&self, hashes: u64, console: &Console) -> Result<Backend, CliError> {
        let backend = Backend::choose(&self.request, hashes).map_err(CliError::failed)?;
        console.warnings(backend.take_notices());
        console.detail(format!("backend: {}", backend.description()));
        Ok(backend)
    }
}

/// See `docs/decisions/reader-threads.md`.
fn default_io_jobs(jobs: usize, spinning: bool) -> usize {
    if spinning { 1 } else { jobs.clamp(4, 16) }
}

/// Bytes of memory that this machine has; 4 GiB if the system does not report it.
fn total_memory() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return 4 << 30 };
    system.refresh_memory();
    // A container's limit, where there is one, is what counts.
    let total = system.total_memory();
    system.cgroup_limits().map_or(total, |limits| limits.total_memory.min(total))
}

/// How hashes are matched, as resolved.
#[derive(Clone, Debug, Serialize)]
pub struct Matching {
    /// Hash sets as typed, escaped.
    pub known: Vec<String>,
    /// Differing bits up to which a hash is a hit.
    pub distance: u32,
    /// Hashes of a lower quality are not matched.
    pub min_quality: u8,
    /// Which candidates are decoded for a confirmation.
    pub verify: VerifyMode,
    /// Maximum number of hashes of a set that are listed as hits of a content.
    pub max_hits_per_item: u32,
    /// Geometry of sets that do not state it, as given; `full` otherwise.
    pub known_geometry: Option<Geometry>,
    /// What lists of hex digits and nothing else hold, as given.
    pub list: Option<&'static str>,
    /// Malformed lines are counted, not refused.
    pub skip_bad_lines: bool,
    /// Priority rules file as typed, escaped.
    pub rules: Option<String>,
}

impl From<&MatchOptions> for Matching {
    fn from(options: &MatchOptions) -> Self {
        Self {
            known: options.known.iter().map(|path| escape_path(path)).collect(),
            distance: options.distance,
            min_quality: options.min_quality,
            verify: options.verify.into(),
            max_hits_per_item: options.max_hits_per_item,
            known_geometry: options.known_geometry.map(Geometry::from),
            list: options.list.map(|list| ListKind::from(list).name()),
            skip_bad_lines: options.skip_bad_lines,
            rules: options.rules.as_deref().map(escape_path),
        }
    }
}

/// A run's settings as they are saved with it.
#[derive(Debug, Serialize)]
pub struct RecordedSettings<'a> {
    /// Version of this program.
    pub program: &'static str,
    /// The sources as typed, escaped.
    pub sources: Vec<String>,
    /// What the run may use of the machine.
    pub resources: &'a Resources,
    /// Which backend it became, and why.
    pub backend: String,
    /// How pictures are reduced.
    pub geometry: Geometry,
    /// How pictures may be decoded to a tile.
    pub decode: DecodeMode,
    /// How hashes are matched; absent for a scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
    /// Patterns of `--exclude`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Files that are mostly holes are read to their end; absent if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_holes: bool,
}

impl RecordedSettings<'_> {
    /// The JSON that is kept in the case.
    ///
    /// # Errors
    /// Never in practice: the structure always serialises.
    pub fn to_json(&self) -> Result<String, CliError> {
        serde_json::to_string(self).map_err(CliError::failed)
    }
}

/// Paths as shown and saved.
#[must_use]
pub fn shown(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| escape_path(path)).collect()
}

/// The identity of a case, from the options.
#[must_use]
pub fn identity(options: &CaseOptions) -> CaseIdentity {
    CaseIdentity {
        case_number: options.case_number.clone(),
        exhibit: options.exhibit.clone(),
        examiner: options.examiner.clone(),
    }
}

/// Everything that decides a hash of this program: as requested, otherwise the case's own, otherwise the defaults.
#[must_use]
pub fn hash_spec(
    geometry: Option<Geometry>,
    decode: Option<DecodeMode>,
    case: Option<&HashSpec>,
) -> HashSpec {
    HashSpec {
        algorithm: "pdq".into(),
        version: HashSpec::VERSION,
        geometry: geometry.or(case.map(|spec| spec.geometry)).unwrap_or_default(),
        decode: decode.or(case.map(|spec| spec.decode)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spinning_disk_is_read_by_one_thread() {
        assert_eq!([2, 8, 64].map(|jobs| default_io_jobs(jobs, true)), [1, 1, 1]);
        assert_eq!([2, 8, 64].map(|jobs| default_io_jobs(jobs, false)), [4, 8, 16]);
    }
}
