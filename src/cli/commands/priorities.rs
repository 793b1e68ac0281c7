//! What `triage`, `match` and `stack` do at their end: set what to look at first.

use crate::case::rules::Rules;
use crate::case::{CaseStore, RunId, StackSettings};
use crate::cli::args::{Common, MatchOptions};
use crate::cli::config::Resources;
use crate::cli::console::Console;
use crate::cli::count_progress::{CountProgress, Steps};
use crate::cli::error::{CliError, Finished};
use crate::engine::{CancelToken, Stacking};
use crate::matching::stack::StackError;
use crate::matching::{Backend, DEFAULT_DISTANCE, JoinControl, Threads};
use crate::pdq::MIN_QUALITY;

/// The requested rules, read before anything else is done.
///
/// # Errors
/// If the file holds no valid rules.
pub(super) fn read_rules(options: &MatchOptions) -> Result<Option<Rules>, CliError> {
    options.rules.as_deref().map(Rules::read).transpose().map_err(CliError::failed)
}

/// The run that a command did before, and its notices.
#[derive(Debug)]
pub(super) struct Recorded {
    pub run: RunId,
    pub notices: Vec<String>,
}

impl Recorded {
    /// Adds notices from after the run's end to its record and to the summary.
    fn add(&mut self, store: &mut CaseStore, notices: Vec<String>) -> Result<(), CliError> {
        let fresh: Vec<String> =
            notices.into_iter().filter(|notice| !self.notices.contains(notice)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        self.notices.extend(fresh);
        store.note(self.run, &self.notices).map_err(CliError::failed)
    }
}

/// Stacks the case's pictures with the settings of before, or the defaults, and decides every item's priority by `rules`, otherwise
/// by those of its last run, otherwise by the built-in rules.
///
/// # Errors
/// If the case store fails.
#[expect(clippy::too_many_arguments, reason = "what the commands that call it have at hand")]
pub(super) fn set_priorities(
    store: &mut CaseStore,
    recorded: &mut Recorded,
    rules: Option<Rules>,
    resources: &Resources,
    backend: &Backend,
    cancel: &CancelToken,
    common: &Common,
    console: &Console,
) -> Result<Finished, CliError> {
    let default = StackSettings { distance: DEFAULT_DISTANCE, min_quality: MIN_QUALITY };
    let settings = store.stack_settings().map_err(CliError::failed)?.unwrap_or(default);
    let stacking = read_pictures(store, settings, cancel, common, console)?;
    let made = match &stacking {
        Some(stacking) => restack(store, stacking, resources, backend, cancel, common, console)?,
        None => Err(StackError::Cancelled),
    };
    // A GPU may have been lost on the way.
    recorded.add(store, backend.notices())?;
    match made {
        Ok(()) => {}
        Err(StackError::Cancelled) => {
            console.note(
                "interrupted: the case's stacks and priorities are unchanged; the same command updates them",
            );
            return Ok(Finished::Interrupted);
        }
        Err(error @ StackError::TooMany(_)) => {
            let notice = format!(
                "the pictures were not stacked again, and priorities use the earlier stacks: {error}"
            );
            console.warning(&notice);
            recorded.add(store, vec![notice])?;
        }
    }
    let rules = match rules {
        Some(rules) => rules,
        None => store.rules().map_err(CliError::failed)?.unwrap_or_default(),
    };
    prioritise(store, &rules, cancel, common, console)
}

/// Decides every item's priority by `rules`, and shows progress.
///
/// # Errors
/// If the case store fails.
pub(super) fn prioritise(
    store: &mut CaseStore,
    rules: &Rules,
    cancel: &CancelToken,
    common: &Common,
    console: &Console,
) -> Result<Finished, CliError> {
    let steps = store.priority_steps().map_err(CliError::failed)?;
    let done = Steps::new(cancel);
    let progress = CountProgress::phase("priorities", &done, steps);
    let work = || store.prioritise(rules, &|steps| done.count(steps));
    if progress.show(common.progress, console, work).map_err(CliError::failed)? {
        return Ok(Finished::Done);
    }
    console.note("interrupted: the case's priorities are unchanged; the same command updates them");
    Ok(Finished::Interrupted)
}

/// Reads what is to be stacked, and shows progress; `None` if it was interrupted.
///
/// # Errors
/// If the case store fails.
pub(super) fn read_pictures(
    store: &CaseStore,
    settings: StackSettings,
    cancel: &CancelToken,
    common: &Common,
    console: &Console,
) -> Result<Option<Stacking>, CliError> {
    let steps = store.content_count().map_err(CliError::failed)?;
    let done = Steps::new(cancel);
    let progress = CountProgress::phase("pictures to stack", &done, steps);
    let work = || Stacking::of(store, settings, &|steps| done.count(steps));
    progress.show(common.progress, console, work).map_err(CliError::failed)
}

/// Brings the stacks of a case up to date, and shows progress.
///
/// # Errors
/// If the case store fails; the inner result, if the stacks cannot be built.
pub(super) fn restack(
    store: &mut CaseStore,
    stacking: &Stacking,
    resources: &Resources,
    backend: &Backend,
    cancel: &CancelToken,
    common: &Common,
    console: &Console,
) -> Result<Result<(), StackError>, CliError> {
    let pool = Threads::new("stack", resources.jobs).map_err(CliError::failed)?;
    let control = JoinControl::new(cancel);
    let progress = CountProgress::join(&control, stacking.new_pictures() as u64);
    let work = || stacking.run(store, resources.max_memory, backend, &pool, &control);
    let made = progress.show(common.progress, console, work).map_err(CliError::failed);
    console.warnings(backend.take_notices());
    made
}
