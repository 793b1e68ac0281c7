//! One going through the sources of a run, and what its threads share.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::examine::Examiner;
use super::progress::Progress;
use super::resident::ResidentSets;
use super::settings::IngestSettings;
use super::{CancelToken, EngineError};
use crate::matching::Backend;
use crate::source::Entry;
use crate::source::name::escape_path;

pub(super) fn source_error(source: &Path, error: io::Error) -> EngineError {
    EngineError::Io { what: format!("source {}", escape_path(source)), error }
}

/// What the threads of a run share.
pub(super) struct Run<'a> {
    pub backend: &'a Backend,
    pub settings: &'a IngestSettings,
    pub progress: &'a Progress,
    pub cancel: &'a CancelToken,
    pub sets: &'a ResidentSets<'a>,
    pub examiner: &'a Examiner<'a>,
}

/// What of the sources a pass is about.
pub(super) enum Pass<'a> {
    /// Files that an earlier run died with, each with the place of its source. They come before all others.
    Suspects(&'a [(usize, Entry)]),
    /// Everything, of which these were tried by the pass before: the place of their source, and their raw bytes below it.
    All { tried: HashSet<(usize, &'a [u8])> },
}
