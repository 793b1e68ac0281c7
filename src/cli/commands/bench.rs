//! `tamis bench ingest`: what this machine would do with files like the user's.

use std::fmt::Write;
use std::path::PathBuf;

use crate::cli::args::{BenchIngest, Common, TextOrJson};
use crate::cli::config::{MAX_SIDE, Resources};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::with_output;
use crate::cli::protect::Protected;
use crate::engine::bench::{
    BenchSettings, HashOn, IngestBench, Origin, StorageRates, TERABYTE, bench_ingest,
};
#[cfg(feature = "gpu")]
use crate::gpu::{AdapterSelector, GpuContext, GpuError};
use crate::matching::{Backend, BackendRequest};
use crate::source::check_there;
use crate::source::name::escape_path;
use crate::source::size::Bytes;

/// Runs the command.
///
/// # Errors
/// If the folder or GPU is not there, or the sink fails. Files that cannot be read or decoded are counted.
pub fn run(command: &BenchIngest, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let folders: Vec<PathBuf> = command.folder.iter().cloned().collect();
    for folder in &folders {
        if let Err(error) = check_there(folder) {
            return Err(CliError::Usage(format!("{}: {error}", escape_path(folder))));
        }
    }
    Protected::new(&folders, &[]).refuse_output(command.summary.output.as_deref())?;
    let cancel = cancel_on_interrupt()?;
    let resources = Resources::resolve(common, &folders);
    let backends = backends(&common.backend, console)?;
    let settings = BenchSettings {
        jobs: resources.jobs,
        readers: resources.io_jobs,
        max_memory: resources.max_memory,
        max_side: MAX_SIDE,
        seconds: command.seconds,
    };
    console.note(format!("measuring for about {} seconds…", command.seconds));
    let measured = bench_ingest(command.folder.as_deref(), &backends, &settings, &cancel);
    let Some(measured) = measured.map_err(CliError::failed)? else { return Ok(Finished::Interrupted) };
    with_output(command.summary.output.as_deref(), |out| match command.summary.format {
        TextOrJson::Text => out.write_all(render(&measured).as_bytes()).map_err(CliError::failed),
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut *out, &measured).map_err(CliError::failed)?;
            out.write_all(b"\n").map_err(CliError::failed)
        }
    })?;
    Ok(Finished::Done)
}

/// The backends to hash on: always the CPU, and a GPU if there is one and `--backend` is not `cpu`. What a scan would
/// use comes first: the CPU, unless a GPU was requested.
#[cfg(feature = "gpu")]
fn backends(request: &BackendRequest, console: &Console) -> Result<Vec<HashOn>, CliError> {
    let cpu = HashOn { backend: Backend::cpu("always there"), on_threads: true };
    let (selector, asked_for) = match request {
        BackendRequest::Cpu => return Ok(vec![cpu]),
        BackendRequest::Auto => (AdapterSelector::Hardware, false),
        BackendRequest::Gpu(None) => (AdapterSelector::Any, true),
        BackendRequest::Gpu(Some(name)) => (AdapterSelector::Named(name.clone()), true),
    };
    let reason = if asked_for { "asked for" } else { "hardware" };
    match GpuContext::open(&selector).and_then(|context| Backend::gpu(context, reason)) {
        Ok(backend) => {
            console.warnings(backend.take_notices());
            let gpu = HashOn { backend, on_threads: false };
            Ok(if asked_for { vec![gpu, cpu] } else { vec![cpu, gpu] })
        }
        Err(error) if asked_for => Err(CliError::failed(error)),
        Err(error) => {
            match error {
                GpuError::NoAdapter(_) => {
                    console.detail("no hardware GPU: hashing is measured on the CPU only");
                }
                other => console.warning(other),
            }
            Ok(vec![cpu])
        }
    }
}

/// The backend to hash on: the CPU.
#[cfg(not(feature = "gpu"))]
fn backends(request: &BackendRequest, _: &Console) -> Result<Vec<HashOn>, CliError> {
    let backend = Backend::choose(request, 0).map_err(CliError::failed)?;
    Ok(vec![HashOn { backend, on_threads: true }])
}

fn render(measured: &IngestBench) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut text, measured);
    text
}

fn write_report(text: &mut String, measured: &IngestBench) -> std::fmt::Result {
    write_sample(text, measured)?;
    if let Some(storage) = &measured.storage {
        write_storage(text, storage)?;
    }
    let threads = match measured.threads {
        1 => "1 thread".to_string(),
        threads => format!("each of {threads} threads, all at work"),
    };
    let digests = &measured.digests;
    writeln!(text, "\nDigests, MB/s: {threads}")?;
    for (name, rate) in [
        ("MD5", digests.md5_bytes_per_second),
        ("SHA-1", digests.sha1_bytes_per_second),
        ("SHA-256", digests.sha256_bytes_per_second),
        ("all three", digests.all_bytes_per_second),
    ] {
        writeln!(text, "  {name:<36}  {:>9.0}", rate / 1e6)?;
    }

    writeln!(text, "\nDecoding: {threads}")?;
    writeln!(text, "  {:<36}  {:>9}  {:>9}  {:>9}  {:>9}", "", "decodings", "MP/s", "files/s", "MB/s")?;
    for rate in &measured.decoding {
        writeln!(
            text,
            "  {:<36}  {:>9}  {:>9.1}  {:>9.1}  {:>9.1}",
            rate.kind.title(),
            rate.decodings,
            rate.megapixels_per_second,
            rate.files_per_second,
            rate.bytes_per_second / 1e6
        )?;
    }
    if measured.decoding.is_empty() {
        writeln!(text, "  no picture could be decoded")?;
    }

    writeln!(text, "\nHashing, pictures/s: the whole backend")?;
    for rate in &measured.hashing {
        match &rate.failed {
            None => writeln!(text, "  {:<36}  {:>9.0}", rate.backend, rate.pictures_per_second)?,
            Some(reason) => writeln!(text, "  {}: {reason}", rate.backend)?,
        }
    }
    write_prediction(text, measured)?;
    if !measured.notes.is_empty() {
        writeln!(text)?;
    }
    measured.notes.iter().try_for_each(|note| writeln!(text, "Note: {note}"))
}

fn write_sample(text: &mut String, measured: &IngestBench) -> std::fmt::Result {
    match &measured.listing {
        None => writeln!(text, "Sample: pictures generated by the program, in memory")?,
        Some(listing) => {
            let whole = if listing.complete { "" } else { ", not all of the folder" };
            writeln!(
                text,
                "Listed: {} files ({}) of {} in {:.2} s{whole}",
                listing.files,
                Bytes(listing.bytes),
                listing.folder,
                listing.seconds
            )?;
            writeln!(text, "Sample: {} files, {} read", listing.sample_files, Bytes(listing.sample_bytes))?;
        }
    }
    let total: f64 = measured.contents.iter().map(|contents| contents.bytes).sum();
    for contents in &measured.contents {
        writeln!(
            text,
            "  {:<36}  {:>9.0} files  {:>5.1} % of the bytes",
            contents.kind.title(),
            contents.files,
            100.0 * contents.bytes / total.max(1.0)
        )?;
    }
    if !measured.failed.is_empty() {
        let failed: Vec<String> =
            measured.failed.iter().map(|failed| format!("{} {}", failed.files, failed.outcome)).collect();
        writeln!(text, "  without a result: {}", failed.join(", "))?;
    }
    Ok(())
}

fn write_storage(text: &mut String, storage: &StorageRates) -> std::fmt::Result {
    let from = match storage.first_from {
        Origin::Storage => "probably from storage",
        Origin::Mixed => {
            "partly from the system's cache, which is faster than storage: no figure for storage"
        }
        Origin::Cache => {
            "probably from the system's cache, which is faster than storage: no figure for storage"
        }
    };
    let counted = storage
        .storage_share
        .map(|share| format!(" (the system counted {:.0} % as read from storage)", 100.0 * share))
        .unwrap_or_default();
    writeln!(text, "\nReading, MB/s: {} at once", count(storage.readers, "reader"))?;
    writeln!(
        text,
        "  {:<36}  {:>9.0}  {:.0} files/s; {from}{counted}",
        "first time",
        storage.first_bytes_per_second / 1e6,
        storage.first_files_per_second
    )?;
    writeln!(text, "  {:<36}  {:>9.0}", "again, from memory", storage.second_bytes_per_second / 1e6)
}

fn write_prediction(text: &mut String, measured: &IngestBench) -> std::fmt::Result {
    let Some(prediction) = &measured.prediction else { return Ok(()) };
    writeln!(text, "\nOne terabyte of such files, with {}: hours", count(measured.threads, "thread"))?;
    for stage in &prediction.stages {
        let beside = if stage.on_threads { "" } else { "  in parallel with the others" };
        writeln!(text, "  {:<36}  {:>9.2}{beside}", stage.stage, stage.hours)?;
    }
    writeln!(
        text,
        "  {:<36}  {:>9.2}  limited by {}",
        "all", prediction.hours_per_terabyte, prediction.limited_by
    )?;
    if let Some(hours) = prediction.hours_per_terabyte_from_pixels {
        writeln!(text, "  {:<36}  {hours:>9.2}", "all, with --decode pixels")?;
    }
    writeln!(
        text,
        "  {:.2e} files and {:.2e} pictures in 10^12 bytes ({:.1} kB per file)",
        prediction.files_per_terabyte,
        prediction.pictures_per_terabyte,
        TERABYTE / prediction.files_per_terabyte / 1e3
    )?;
    writeln!(
        text,
        "  storage that delivers less than {:.0} MB/s would be the limit",
        prediction.storage_limits_below_bytes_per_second / 1e6
    )
}

/// "1 thread", "2 threads".
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
