//! `tamis report`: a case as one HTML page.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::case::CaseReader;
use crate::cli::args::{Common, LanguageName, ProgressStyle, Report};
use crate::cli::config::{MAX_SIDE, Resources};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::was_interrupted;
use crate::cli::output::{Cancellable, with_output};
use crate::cli::protect::Protected;
use crate::decode::Limits;
use crate::report::page::{PageCounts, PageOptions, PictureOptions, write};
use crate::source::access_times_notice;
use crate::source::name::escape_path;

/// Between two lines of progress.
const PAUSE: Duration = Duration::from_secs(10);

/// Runs the command.
///
/// # Errors
/// If the folder is not a case, or the sink fails.
pub fn run(command: &Report, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let reader = CaseReader::open(&command.case).map_err(CliError::failed)?;
    let output = output(command);
    Protected::default().and_case(&command.case).refuse_output(output.as_deref())?;
    let options = PageOptions {
        language: command.lang.into(),
        max_rows: command.max_rows,
        pictures: command.thumbnails.map(|style| PictureOptions {
            style: style.into(),
            most: command.max_thumbnails,
            limits: Limits {
                max_side: MAX_SIDE,
                max_decode_bytes: Resources::resolve(common, &[]).max_memory,
            },
        }),
    };
    let mut shown_at = Instant::now();
    let mut shown = |done: u64, all: u64| {
        if common.progress != ProgressStyle::None && shown_at.elapsed() >= PAUSE {
            shown_at = Instant::now();
            console.note(format!("{done} of {all} pictures"));
        }
    };
    let mut counts = PageCounts::default();
    let cancel = cancel_on_interrupt()?;
    let written = with_output(output.as_deref(), |out| {
        let out = &mut Cancellable::new(out, &cancel);
        counts = write(&reader, &options, &mut shown, out).map_err(CliError::failed)?;
        Ok(())
    });
    if was_interrupted(&written, &cancel, console) {
        return Ok(Finished::Interrupted);
    }
    written?;
    if counts.hits.max(counts.errors) > command.max_rows {
        console.warning(format!(
            "the page holds only the first {} rows of a table: `tamis export` writes all of them",
            command.max_rows
        ));
    }
    if counts.absent > 0 {
        console.warning(format!("{} pictures could not be shown: the page gives the reasons", counts.absent));
    }
    if let Some(notice) = access_times_notice() {
        console.note(notice);
    }
    if let Some(path) = &output {
        console.note(format!("report written to {}", escape_path(path)));
    }
    Ok(Finished::Done)
}

/// Where the page goes; `None` for standard output.
fn output(command: &Report) -> Option<PathBuf> {
    match &command.output {
        Some(path) if path == Path::new("-") => None,
        Some(path) => Some(path.clone()),
        None => {
            // A page with pictures never takes the place of one without.
            let pictures = if command.thumbnails.is_some() { "-with-pictures" } else { "" };
            let language = match command.lang {
                LanguageName::En => "",
                LanguageName::Fr => "-fr",
                LanguageName::Es => "-es",
                LanguageName::Ar => "-ar",
            };
            Some(command.case.join(format!("report{pictures}{language}.html")))
        }
    }
}
