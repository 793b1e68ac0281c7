//! How a command ends.

use std::fmt::Display;

/// A command that ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Everything was done, whatever was found or unreadable.
    Done,
    /// Ctrl-C: work in flight is stored, and the same command resumes where this one stopped.
    Interrupted,
}

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Wrong usage: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// A sink or the machine failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// The reader of the result closed it, as `head` does: the command stops, quietly, with exit code 0.
    #[error("the reader of the result closed it")]
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
