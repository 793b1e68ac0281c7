//! Stacks of a case: of all of its hashes, from what it has stacks of already.

use super::EngineError;
use crate::case::{CaseStore, StackSettings, Stackable, Stacked};
use crate::matching::stack::{StackError, stacks, stacks_with_more};
use crate::matching::{Backend, JoinControl, JoinSettings, Threads};
use crate::pdq::PdqHash;

/// What is to be stacked, before it is.
#[derive(Debug)]
pub struct Stacking {
    stackable: Stackable,
    hashes: Vec<PdqHash>,
    distance: u32,
}

impl Stacking {
    /// Reads the hashes of a case. `go_on` is called with how many contents more were read; `None` where it said no.
    ///
    /// # Errors
    /// The case store failed.
    pub fn of(
        store: &CaseStore,
        settings: StackSettings,
        go_on: &dyn Fn(u64) -> bool,
    ) -> Result<Option<Self>, EngineError> {
        let Some(stackable) = store.stackable(settings, go_on)? else { return Ok(None) };
        let hashes = stackable.contents.iter().map(|content| content.hash).collect();
        Ok(Some(Self { stackable, hashes, distance: settings.distance }))
    }

    /// Pictures that take part.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.hashes.len()
    }

    /// Pictures that the case's stacks do not know.
    #[must_use]
    pub fn new_pictures(&self) -> usize {
        match &self.stackable.known {
            Stacked::Nothing => self.hashes.len(),
            Stacked::AllBut(later) => later.len(),
        }
    }

    /// Makes the stacks on `backend` and the threads of `pool`, with `memory` bytes for pairs, and puts them in the place of those that the case
    /// had. Where only contents were added since those were made, only what is connected with them is stacked anew;
    /// where nothing was, nothing is.
    ///
    /// # Errors
    /// The case store failed; inside, that the stacks could not be made, and the case's are as they were.
    pub fn run(
        &self,
        store: &mut CaseStore,
        memory: u64,
        backend: &Backend,
        pool: &Threads,
        control: &JoinControl,
    ) -> Result<Result<(), StackError>, EngineError> {
        #[cfg(test)]
        super::tests::stack();
        let join = JoinSettings { radius: self.distance, memory, ..JoinSettings::default() };
        let made = match &self.stackable.known {
            Stacked::Nothing => pool.install(|| stacks(&self.hashes, join, backend, control)),
            Stacked::AllBut(later) if later.is_empty() => {
                store.keep_stacks(&self.stackable)?;
                return Ok(Ok(()));
            }
            Stacked::AllBut(later) => {
                let before = store.stacks(&self.stackable)?;
                pool.install(|| stacks_with_more(&self.hashes, later, before, join, backend, control))
            }
        };
        let stacks = match made {
            Ok(stacks) => stacks,
            Err(error) => return Ok(Err(error)),
        };
        store.check_place()?;
        let written = store.write_stacks(&self.stackable, &stacks, &|| !control.is_cancelled())?;
        Ok(if written { Ok(()) } else { Err(StackError::Cancelled) })
    }
}
