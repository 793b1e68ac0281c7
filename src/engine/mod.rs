//! The stages of a run, joined by bounded channels:
//!
//! ```text
//! listers ─→ readers: each file ─→ workers: digest, drop    ─→ hash tiles ─→ the run's sink. That of an ingest:
//!            once, ahead of need   duplicates, examine         in batches    matchers: match, decode ─→ writer
//!                                                                            candidates to verify      (the caller's thread)
//! ```
//!
//! `runner` has the stages before the sink, for `hash`, `scan` and `triage`; `match` begins at the matchers, with what the case holds.
//! Backpressure is in bytes: file bytes and decoders' buffers are taken from [`budget::ByteBudget`]s, in the order
//! that `reader` describes. [`profile`] reports which stage the others wait for.
//! A stage that ends, for whatever reason, closes its channels, and its neighbours end with it; a fault of one stops
//! the others too (`stages`).

pub mod bench;
pub mod budget;
mod buffer;
mod examine;
mod finish;
mod hash;
mod in_hand;
mod ingest;
mod known;
mod pass;
pub mod profile;
mod progress;
mod reader;
mod resident;
mod runner;
mod settings;
mod stacking;
mod stages;
#[cfg(test)]
mod tests;
mod verification_counts;
mod verify;
mod walkers;

pub use crate::cancel::CancelToken;
pub use hash::{HashedFile, hash_files};
pub use in_hand::InHand;
pub use ingest::ingest;
pub use known::match_stored;
pub use profile::ProfileReport;
pub use progress::{Progress, ProgressSnapshot};
pub use settings::{IngestReport, IngestSettings, MAX_SIDE, RunSettings};
pub use stacking::Stacking;

use std::io;

use crate::case::CaseError;
use crate::known::SetFault;
use crate::matching::{Threads, ThreadsError};

/// What ends a run. A file never does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The case store failed.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The sink of results failed.
    #[error("{0}")]
    Sink(#[source] io::Error),
    /// A source itself cannot be looked at.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// A hash set changed while it was matched.
    #[error(transparent)]
    HashSet(#[from] SetFault),
    /// A stage panicked: a fault of this program.
    #[error(
        "{stage}: internal error: {message} (what was stored stays; please report this, and run the same command again to \
         resume)"
    )]
    Panicked {
        /// The stage.
        stage: &'static str,
        /// What the panic said.
        message: String,
    },
    /// Threads cannot be started.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}

/// A pool of `threads` threads named after their work.
fn pool(name: &'static str, threads: usize) -> Result<Threads, EngineError> {
    Ok(Threads::new(name, threads)?)
}
