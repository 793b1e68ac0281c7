//! `tamis match`: a stored case against hash sets. Of the sources, only candidates are read again, to verify them.

use std::time::Instant;

use crate::case::CaseStore;
use crate::cli::args::{Common, Match};
use crate::cli::config::{Matching, RecordedSettings, Resources, hash_spec};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::protect::Protected;
use crate::cli::run_progress::ProgressDisplay;
use crate::engine::{IngestSettings, Progress, RunSettings, match_stored};

use super::priorities::{read_rules, set_priorities};
use super::run::{Telling, begin, finish, hash_count, read_hash_sets, write_summary};

/// Runs the command.
///
/// # Errors
/// If a hash set or case is refused, or the sink fails.
pub fn run(command: &Match, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let started = Instant::now();
    let mut store = CaseStore::open(&command.case).map_err(CliError::failed)?;
    let asked = hash_spec(None, command.decode.map(Into::into), Some(store.spec()));
    store.spec().refuse_other(&command.case, &asked).map_err(CliError::failed)?;
    Protected::new(&[], &command.matching.read_files())
        .and_case(&command.case)
        .refuse_output(command.summary.output.as_deref())?;
    let rules = read_rules(&command.matching)?;
    let known = read_hash_sets(&command.matching, console)?;
    let cancel = cancel_on_interrupt()?;
    let resources = Resources::resolve(common, &[]);
    let backend = resources.start_backend(hash_count(&known), console)?;
    let (geometry, decode) = (store.spec().geometry, store.spec().decode);
    let matching = Matching::from(&command.matching);
    let settings = RecordedSettings {
        program: env!("CARGO_PKG_VERSION"),
        sources: Vec::new(),
        resources: &resources,
        backend: backend.description(),
        geometry,
        decode,
        matching: Some(matching.clone()),
        exclude: Vec::new(),
        read_holes: false,
    };
    let progress = Progress::default();
    let run = begin(&mut store, &command.case, "match", &settings, &progress, console)?;
    let Matching { distance, min_quality, verify, max_hits_per_item: max_hits, .. } = matching;
    let run_settings = RunSettings {
        geometry,
        decode,
        ..RunSettings::new(resources.jobs, resources.io_jobs, resources.max_memory)
    };
    let match_settings =
        IngestSettings { run: run_settings, distance, min_quality, verify, max_hits, read_holes: false };
    let result = ProgressDisplay::new(common.progress, console).show(&progress, &backend, || {
        match_stored(&mut store, &known, &backend, &match_settings, &progress, &cancel)
    });
    progress.profile.end();
    let (mut finished, mut recorded) = finish(&mut store, run, result, &progress, &backend, console)?;
    if finished == Finished::Done {
        finished =
            set_priorities(&mut store, &mut recorded, rules, &resources, &backend, &cancel, common, console)?;
    }
    drop(store);
    let telling = Telling { summary: &command.summary, profile: command.profile, progress: common.progress };
    write_summary(&command.case, telling, started, &progress, recorded.notices, console)?;
    Ok(finished)
}
