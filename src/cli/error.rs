//! How a command ends.

use std::fmt::Display;

/// A command that ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Everything was done, whatever was found or unreadable.
    Done,
    /// Ctrl-C: what was in flight is stored, and the same command goes on where this one stopped.
    Interrupted,
}

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was asked for cannot be meant: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// A sink or the machine failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Whoever read the result has enough of it, as `head` has: the command stops, quietly, with exit code 0.
    #[error("nobody reads the result any more")]
    ClosedPipe,
}

impl CliError {
    /// Exit code 2, with the error's own text.
    pub fn usage(error: impl Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// Exit code 1, with the error's own text.
    pub fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }
}
