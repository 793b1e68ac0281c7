//! What the commands that work on a case share: hash sets, the record of the run, the summary.

use std::path::Path;
use std::time::Instant;

use crate::case::{CaseReader, CaseStore, RunId};
use crate::cli::args::{MatchOptions, ProfileOptions, ProgressStyle, SummaryOptions, TextOrJson};
use crate::cli::config::{Matching, RecordedSettings};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::run_begins;
use crate::cli::output::with_output;
use crate::engine::{EngineError, IngestReport, Progress};
use crate::known::{HashSet, ReadOptions};
use crate::matching::Backend;
use crate::report::summary::{RunFigures, summary};
use crate::report::text::{render, render_profile};
use crate::source::access_times_notice;
use crate::source::name::escape_path;

use super::priorities::Recorded;

/// Reads the hash sets, and reports what was read and what was set aside.
///
/// # Errors
/// If a set cannot be read, with file, line and reason.
pub fn read_hash_sets(options: &MatchOptions, console: &Console) -> Result<Vec<HashSet>, CliError> {
    let matching = Matching::from(options);
    let read_options = ReadOptions {
        geometry: matching.known_geometry,
        skip_bad_lines: matching.skip_bad_lines,
        min_quality: matching.min_quality,
        list: options.list.map(Into::into),
    };
    let mut sets: Vec<HashSet> = Vec::new();
    for path in &options.known {
        let set = HashSet::read(path, &read_options).map_err(CliError::failed)?;
        if let Some(same) = sets.iter().find(|other| other.file_sha256() == set.file_sha256()) {
            console.note(format!(
                "{}: the same file as {}, read only once",
                escape_path(path),
                escape_path(same.path())
            ));
            continue;
        }
        console.note(format!("hash set {}: {}", escape_path(path), counted(&set)));
        sets.push(set);
    }
    Ok(sets)
}

/// What a set holds, in words.
fn counted(set: &HashSet) -> String {
    let counts = set.counts();
    let mut text = format!(
        "{} records, {} hashes to match, {} with digests",
        counts.records, counts.hashes, counts.with_digests
    );
    let aside = [
        (counts.hashes_without_quality, "hashes without a quality (matched, and marked so)"),
        (counts.low_quality, "hashes of low quality set aside"),
        (counts.null_hashes, "null hashes set aside"),
        (counts.trivial, TRIVIAL),
        (counts.malformed_lines, "malformed lines skipped"),
        (counts.odd_fields, ODD_FIELDS),
    ];
    add_counts(&mut text, &aside);
    text
}

/// Adds the counts that are not zero.
pub(super) fn add_counts(text: &mut String, counts: &[(u64, &str)]) {
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("; {count} {what}"));
    }
}

/// Name of the count of digests that would match every empty file.
pub(super) const TRIVIAL: &str =
    "records with the digest of trivial content (no bytes, or one byte repeated), set aside";

/// Name of the count of malformed fields that matching does not use.
pub(super) const ODD_FIELDS: &str = "malformed fields that matching does not use (kept as far as possible)";

/// Number of hashes of all sets, for the choice of a backend.
#[must_use]
pub fn hash_count(sets: &[HashSet]) -> u64 {
    sets.iter().map(|set| set.counts().hashes).sum()
}

/// Begins a run: what earlier runs died with is reported and recorded first, and Ctrl-C learns which run it interrupts.
///
/// # Errors
/// If the case cannot be written.
pub fn begin(
    store: &mut CaseStore,
    case: &Path,
    command: &str,
    settings: &RecordedSettings<'_>,
    progress: &Progress,
    console: &Console,
) -> Result<RunId, CliError> {
    let run = store.begin_run(command, &settings.to_json()?).map_err(CliError::failed)?;
    if let Err(error) = progress.take_up(case) {
        // The first error is the one to report.
        let _ = store.end_run(run, "failed", &[]);
        return Err(CliError::failed(error));
    }
    console.warnings(progress.take_notices());
    store.note(run, &progress.all_notices()).map_err(CliError::failed)?;
    run_begins(case, run, progress);
    Ok(run)
}

/// Reports and records the notices of a run and how it ended, and turns its result into the command's,
/// with what was recorded.
///
/// # Errors
/// If the run failed, or the database fails.
pub fn finish(
    store: &mut CaseStore,
    run: RunId,
    result: Result<IngestReport, EngineError>,
    progress: &Progress,
    backend: &Backend,
    console: &Console,
) -> Result<(Finished, Recorded), CliError> {
    let (state, mut notices) = match &result {
        Ok(report) if report.interrupted => ("interrupted", report.notices.clone()),
        Ok(report) => ("done", report.notices.clone()),
        Err(_) => ("failed", Vec::new()),
    };
    notices.extend(access_times_notice());
    for notice in &notices {
        console.note(notice);
    }
    console.warnings(progress.take_notices());
    console.warnings(backend.take_notices());
    // Including those that were shown while it ran, or before.
    notices.extend(progress.all_notices());
    notices.extend(backend.notices());
    let recorded = store.end_run(run, state, &notices).and_then(|()| store.check_place());
    // The first error is the one that matters; a database that failed the run fails this too.
    let interrupted = result.map_err(CliError::failed)?.interrupted;
    recorded.map_err(CliError::failed)?;
    if interrupted {
        console.note("interrupted: work in flight is stored; the same command resumes from here");
        return Ok((Finished::Interrupted, Recorded { run, notices }));
    }
    Ok((Finished::Done, Recorded { run, notices }))
}

/// How a run's end is reported.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// Form and place of the summary.
    pub summary: &'a SummaryOptions,
    /// Whether the stages are reported one by one.
    pub profile: ProfileOptions,
    /// As JSON if progress is in JSON, otherwise as a table.
    pub progress: ProgressStyle,
}

/// Writes the summary of the case, and where the time of the run went.
///
/// # Errors
/// If the case cannot be read, or the sink fails.
pub fn write_summary(
    case: &Path,
    telling: Telling<'_>,
    started: Instant,
    progress: &Progress,
    notices: Vec<String>,
    console: &Console,
) -> Result<(), CliError> {
    let options = telling.summary;
    let done = progress.snapshot();
    let profile = progress.profile.report();
    let profile_stages = telling.profile.profile_stages;
    if profile_stages && telling.progress == ProgressStyle::Json {
        let line = serde_json::json!({ "profile": &profile });
        console.machine_line(&line.to_string());
    } else if profile_stages {
        // Requested by name, so `--quiet` does not suppress it.
        console.machine_line(&render_profile(&profile));
    }
    let figures = RunFigures {
        took: started.elapsed(),
        files: done.files_done,
        bytes: done.bytes_done,
        pictures: done.pictures,
        matched: done.matched,
        confirmed: done.confirmed,
        refuted: done.refuted,
        unverified: done.unverified,
        profile,
        profile_stages,
        notices,
    };
    let reader = CaseReader::open(case).map_err(CliError::failed)?;
    let summary = summary(&reader, figures).map_err(CliError::failed)?;
    let written = with_output(options.output.as_deref(), |out| match options.format {
        TextOrJson::Text => out.write_all(render(&summary).as_bytes()).map_err(CliError::failed),
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut *out, &summary).map_err(CliError::failed)?;
            out.write_all(b"\n").map_err(CliError::failed)
        }
    });
    match written {
        // The summary is the smallest part of the run: the exit code reports how the run ended.
        Err(CliError::ClosedPipe) => Ok(()),
        written => written,
    }
}
