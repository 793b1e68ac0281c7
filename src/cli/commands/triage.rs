//! `tamis triage`: scan and match in one pass. `tamis scan` is the same without hash sets.

use std::path::PathBuf;
use std::time::Instant;

use crate::case::CaseStore;
use crate::case::rules::Rules;
use crate::cli::args::{CaseOptions, Common, ProfileOptions, ReadingOptions, SummaryOptions, Triage};
use crate::cli::config::{self, Matching, RecordedSettings, Resources};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::protect::Protected;
use crate::cli::run_progress::ProgressDisplay;
use crate::engine::{IngestSettings, Progress, RunSettings, ingest};
use crate::known::HashSet;
use crate::source::name::escape_path;
use crate::source::size::Bytes;
use crate::source::{Excludes, check_there};

use super::priorities::{read_rules, set_priorities};
use super::run::{Telling, begin, finish, hash_count, read_hash_sets, write_summary};

/// Runs the command.
///
/// # Errors
/// If the usage is wrong, a hash set or case is refused, or the sink fails.
pub fn run(command: &Triage, common: &Common, console: &Console) -> Result<Finished, CliError> {
    if command.sources.is_empty() {
        return Err(no_source(&command.matching.known));
    }
    let job = IngestJob {
        name: "triage",
        started: Instant::now(),
        sources: &command.sources,
        case: &command.case,
        known: &command.matching.read_files(),
        matching: Some(Matching::from(&command.matching)),
        reading: command.reading,
        summary: &command.summary,
        profile: command.profile,
    };
    job.check_paths()?;
    let rules = read_rules(&command.matching)?;
    let known = read_hash_sets(&command.matching, console)?;
    job.run(&known, rules, common, console)
}

/// What `triage` and `scan` share.
pub(super) struct IngestJob<'a> {
    pub name: &'static str,
    pub sources: &'a [PathBuf],
    pub case: &'a CaseOptions,
    pub started: Instant,
    /// Files that are read besides the sources.
    pub known: &'a [PathBuf],
    pub matching: Option<Matching>,
    pub reading: ReadingOptions,
    pub summary: &'a SummaryOptions,
    pub profile: ProfileOptions,
}

impl IngestJob<'_> {
    /// Refuses wrong usage before anything is read: sources that are not there, and outputs that lie in
    /// evidence.
    pub fn check_paths(&self) -> Result<(), CliError> {
        check_sources(self.sources)?;
        let protected = Protected::new(self.sources, self.known).and_case(&self.case.case);
        protected.refuse_evidence("the case", &self.case.case)?;
        protected.refuse_output(self.summary.output.as_deref())
    }

    /// Ingests the sources, matches with `known`, and writes the summary.
    pub fn run(
        &self,
        known: &[HashSet],
        rules: Option<Rules>,
        common: &Common,
        console: &Console,
    ) -> Result<Finished, CliError> {
        let cancel = cancel_on_interrupt()?;
        let resources = Resources::resolve(common, self.sources);
        // A case that exists keeps its own settings; if others are requested, it refuses them.
        let own = CaseStore::spec_of(&self.case.case).map_err(CliError::failed)?;
        let (geometry, decode) = (self.case.geometry.map(Into::into), self.case.decode.map(Into::into));
        let spec = config::hash_spec(geometry, decode, own.as_ref());
        let (geometry, decode) = (spec.geometry, spec.decode);
        let identity = config::identity(self.case);
        let mut store =
            CaseStore::open_or_create(&self.case.case, &identity, &spec).map_err(CliError::failed)?;
        let backend = resources.start_backend(hash_count(known), console)?;
        console.detail(format!(
            "{} threads, {} of them reading, {} for files and pictures in flight",
            resources.jobs + resources.io_jobs,
            resources.io_jobs,
            Bytes(resources.max_memory)
        ));
        let settings = RecordedSettings {
            program: env!("CARGO_PKG_VERSION"),
            sources: config::shown(self.sources),
            resources: &resources,
            backend: backend.description(),
            geometry,
            decode,
            matching: self.matching.clone(),
            exclude: self.case.exclude.iter().map(ToString::to_string).collect(),
            read_holes: self.reading.read_holes,
        };
        let progress = Progress::default();
        let run = begin(&mut store, &self.case.case, self.name, &settings, &progress, console)?;
        let run_settings = RunSettings {
            geometry,
            decode,
            exclude: Excludes::new(&self.case.exclude),
            ..RunSettings::new(resources.jobs, resources.io_jobs, resources.max_memory)
        };
        let mut ingest_settings = IngestSettings {
            run: run_settings,
            read_holes: self.reading.read_holes,
            ..IngestSettings::new(resources.jobs, resources.io_jobs, resources.max_memory)
        };
        if let Some(Matching { distance, min_quality, verify, max_hits_per_item: max_hits, .. }) =
            self.matching
        {
            ingest_settings = IngestSettings { distance, min_quality, verify, max_hits, ..ingest_settings };
        }
        let result = ProgressDisplay::new(common.progress, console).show(&progress, &backend, || {
            ingest(&mut store, self.sources, known, &backend, &ingest_settings, &progress, &cancel)
        });
        if let Ok(report) = &result {
            console.detail(format!(
                "{} files were already in the case; peak memory in flight {} of {}",
                report.skipped,
                Bytes(report.peak_memory),
                Bytes(resources.max_memory)
            ));
        }
        let (mut finished, mut recorded) = finish(&mut store, run, result, &progress, &backend, console)?;
        if finished == Finished::Done && self.matching.is_some() {
            finished = set_priorities(
                &mut store,
                &mut recorded,
                rules,
                &resources,
                &backend,
                &cancel,
                common,
                console,
            )?;
        }
        drop(store);
        let telling = Telling { summary: self.summary, profile: self.profile, progress: common.progress };
        write_summary(&self.case.case, telling, self.started, &progress, recorded.notices, console)?;
        Ok(finished)
    }
}

/// `--known set.csv SEIZURE` takes both as hash sets.
fn no_source(known: &[PathBuf]) -> CliError {
    let taken = match known.iter().find(|path| path.is_dir()).or(known.last().filter(|_| known.len() > 1)) {
        Some(path) => format!(" {} was taken as a hash set:", escape_path(path)),
        None => String::new(),
    };
    CliError::Usage(format!(
        "no SOURCE was given:{taken} --known takes every argument after it (give the sources first: tamis triage SOURCE... \
         --known FILE... --case DIR)"
    ))
}

/// Refuses a source that is not there.
fn check_sources(sources: &[PathBuf]) -> Result<(), CliError> {
    for source in sources {
        if let Err(error) = check_there(source) {
            return Err(CliError::Usage(format!(
                "{}: cannot read this source: {error}",
                escape_path(source)
            )));
        }
    }
    Ok(())
}
