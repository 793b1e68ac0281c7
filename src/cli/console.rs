//! What a person sees on standard error. Results go to standard output or a file, never here.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::MultiProgress;

/// Standard error, shared with the progress bar so that lines do not tear it.
#[derive(Debug)]
pub struct Console {
    quiet: bool,
    verbosity: u8,
    bars: OnceLock<MultiProgress>,
}

impl Console {
    /// `quiet` suppresses everything but errors; `verbosity` counts `-v`.
    #[must_use]
    pub const fn new(quiet: bool, verbosity: u8) -> Self {
        Self { quiet, verbosity, bars: OnceLock::new() }
    }

    /// Whether only errors are wanted.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether standard error is a terminal that a bar can be drawn on.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// The bars that lines are printed above.
    pub fn bars(&self) -> &MultiProgress {
        self.bars.get_or_init(MultiProgress::new)
    }

    /// One line, whatever the flags.
    fn line(&self, text: &str) {
        // Standard error may be closed; then there is nobody left to report to.
        let write = || {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        };
        match self.bars.get() {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Something a person should know.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.line(&text.to_string());
        }
    }

    /// Something that is shown with `-v`.
    pub fn detail(&self, text: impl Display) {
        if self.verbosity > 0 && !self.quiet {
            self.line(&text.to_string());
        }
    }

    /// [`Console::warning`] of each.
    pub fn warnings(&self, texts: impl IntoIterator<Item = String>) {
        texts.into_iter().for_each(|text| self.warning(text));
    }

    /// Something that needs attention.
    pub fn warning(&self, text: impl Display) {
        if !self.quiet {
            self.line(&format!("warning: {text}"));
        }
    }

    /// A line for a program, which `--quiet` does not suppress.
    pub fn machine_line(&self, text: &str) {
        self.line(text);
    }

    /// Why the command failed.
    pub fn error(&self, text: impl Display) {
        self.line(&format!("tamis: {text}"));
    }
}
