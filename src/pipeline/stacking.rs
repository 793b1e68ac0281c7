//! Stacks of a case, made anew from the codes that it has now.

use super::PipelineError;
use crate::case::{CaseStore, StackSettings};
use crate::matching::stack::{StackError, stacks};
use crate::matching::{Backend, JoinControl, JoinSettings};
use crate::pdq::Code;

/// What is to be stacked, before it is.
#[derive(Debug)]
pub struct Stacking {
    stackable: crate::case::Stackable,
    codes: Vec<Code>,
    settings: StackSettings,
}

impl Stacking {
    /// Reads the codes of a case.
    ///
    /// # Errors
    /// The case store failed.
    pub fn of(store: &CaseStore, settings: StackSettings) -> Result<Self, PipelineError> {
        let stackable = store.stackable(settings.min_quality)?;
        let codes = stackable.contents.iter().map(|content| content.code).collect();
        Ok(Self { stackable, codes, settings })
    }

    /// Pictures that take part.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.codes.len()
    }

    /// Makes the stacks on `backend` and the threads of `pool`, with `memory` bytes for pairs, and puts them in the place of those that the case had.
    ///
    /// # Errors
    /// The case store failed; inside, that the stacks could not be made, and the case's are as they were.
    pub fn run(
        &self,
        store: &mut CaseStore,
        memory: u64,
        backend: &Backend,
        pool: &rayon::ThreadPool,
        control: &JoinControl,
    ) -> Result<Result<(), StackError>, PipelineError> {
        let join = JoinSettings { radius: self.settings.distance, memory, ..JoinSettings::default() };
        match pool.install(|| stacks(&self.codes, join, backend, control)) {
            Ok(stacks) => {
                store.check_place()?;
                store.write_stacks(&self.stackable, &self.settings, &stacks)?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}
