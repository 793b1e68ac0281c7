//! `tamis known`: imports published lists into set files, shows, verifies and compares them (`known_match`).

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::value::RawValue;

use super::run::{ODD_FIELDS, TRIVIAL, add_counts};
use crate::cli::args::Common;
use crate::cli::args::known::{Known, KnownCommand, KnownImport, KnownShow, KnownVerify};
use crate::cli::console::Console;
use crate::cli::count_progress::CountProgress;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::protect::Protected;
use crate::known::profile::Profile;
use crate::known::{
    ColumnMap, ImportControl, ImportError, ImportFormat, ImportOptions, Imported, SetCounts, SetError,
    SetFile, StoredRecord, import,
};
use crate::source::digest::hex;
use crate::source::name::{escape, escape_path};
use crate::source::size::Bytes;

/// Runs the command.
///
/// # Errors
/// If the usage is wrong, a source or set is refused, or the sink fails.
pub fn run(command: &Known, common: &Common, console: &Console) -> Result<Finished, CliError> {
    match &command.what {
        KnownCommand::Import(command) => run_import(command, common, console),
        KnownCommand::Show(command) => show(command),
        KnownCommand::Verify(command) => verify(command, common, console),
        KnownCommand::Match(command) => super::known_match::run(command, common, console),
    }
}

fn run_import(command: &KnownImport, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let options = options(command)?;
    check_output(command)?;
    let cancel = cancel_on_interrupt()?;
    let control = ImportControl::new(&cancel);
    let bytes = command.files.iter().filter_map(|path| path.metadata().ok()).map(|data| data.len()).sum();
    let started = Instant::now();
    let progress = CountProgress::import(&control, bytes);
    let imported = progress
        .show(common.progress, console, || import(&command.files, &command.output, &options, &control));
    match imported {
        Ok(imported) => {
            report_import(&imported, command, bytes, started, console);
            Ok(Finished::Done)
        }
        Err(ImportError::Set(SetError::Cancelled)) => {
            console.note("interrupted: no part of the import was kept; the same command starts again");
            Ok(Finished::Interrupted)
        }
        Err(error) => Err(CliError::failed(error)),
    }
}

/// The options as resolved.
fn options(command: &KnownImport) -> Result<ImportOptions, CliError> {
    let profile = match (&*command.profile, &command.profile_file) {
        ("custom", Some(path)) => Profile::read(path),
        ("custom", None) => {
            return Err(CliError::Usage("--profile custom needs --profile-file FILE".into()));
        }
        (_, Some(_)) => {
            return Err(CliError::Usage("--profile-file needs --profile custom".into()));
        }
        (name, None) => Profile::built_in(name),
    };
    let format = command.format.as_deref().map(|name| {
        ImportFormat::from_name(name).ok_or_else(|| {
            let names: Vec<&str> = ImportFormat::ALL.iter().map(|format| format.name()).collect();
            let name = escape(name.as_bytes());
            CliError::Usage(format!("`{name}` is not a format (choose {})", names.join(", ")))
        })
    });
    Ok(ImportOptions {
        profile: profile.map_err(CliError::usage)?,
        name: command.name.clone(),
        version: command.set_version.clone(),
        format: format.transpose()?,
        columns: command.columns.as_deref().map(ColumnMap::parse).transpose().map_err(CliError::Usage)?,
        list: command.list.map(Into::into),
        skip_bad_records: command.skip_bad_records,
        geometry: command.geometry.into(),
    })
}

/// Refuses an output that would replace a source, or that is not a file.
fn check_output(command: &KnownImport) -> Result<(), CliError> {
    Protected::new(&[], &command.files).refuse_output(Some(&command.output))?;
    let there = command.output.metadata();
    if command.output.file_name().is_none() || there.is_ok_and(|data| !data.is_file()) {
        return Err(CliError::Usage(format!(
            "{}: the output is not a file (choose another name)",
            escape_path(&command.output)
        )));
    }
    Ok(())
}

/// What was imported, on standard error.
fn report_import(
    imported: &Imported,
    command: &KnownImport,
    bytes: u64,
    started: Instant,
    console: &Console,
) {
    let Imported { manifest, identity, first_malformed } = imported;
    let seconds = started.elapsed().as_secs_f64();
    let rate = bytes as f64 / 1e6 / seconds.max(1e-3);
    console.note(format!(
        "{}: {}, in {seconds:.1} s ({rate:.0} MB/s)",
        escape(manifest.name.as_bytes()),
        counted(&manifest.counts)
    ));
    if let Some(first) = first_malformed {
        console.warning(format!(
            "{} malformed records were left out; the first: {first}",
            manifest.counts.malformed_records
        ));
    }
    console.note(format!("written to {}, SHA-256 {}", escape_path(&command.output), hex(identity)));
}

/// What a set holds, in words.
fn counted(counts: &SetCounts) -> String {
    let mut text = format!(
        "{} records, {} with digests, {} PDQ hashes",
        counts.records, counts.with_digests, counts.hashes
    );
    let more = [
        (counts.photodna, "PhotoDNA values (kept, not matched with pictures)"),
        (counts.photodna_unread, "PhotoDNA fields that are not a value of 144 bytes"),
        (counts.nothing_to_match, "records with nothing to match"),
        (counts.trivial, TRIVIAL),
        (counts.withdrawn, "withdrawn records (kept, never matched)"),
        (counts.malformed_records, "malformed records left out"),
        (counts.odd_fields, ODD_FIELDS),
    ];
    add_counts(&mut text, &more);
    text
}

fn verify(command: &KnownVerify, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let cancel = cancel_on_interrupt()?;
    let set = SetFile::open(&command.set).map_err(CliError::failed)?;
    let control = ImportControl::new(&cancel);
    let progress = CountProgress::import(&control, set.size());
    match progress.show(common.progress, console, || set.verify(&control)) {
        Ok(()) => {
            let text = format!(
                "{}: {} bytes and {} records are intact; SHA-256 {}",
                escape_path(&command.set),
                set.size(),
                set.records(),
                hex(&set.identity())
            );
            print(|out| writeln!(out, "{text}"))?;
            Ok(Finished::Done)
        }
        Err(SetError::Cancelled) => {
            console.note("interrupted: the set was not verified completely");
            Ok(Finished::Interrupted)
        }
        Err(error) => Err(CliError::failed(error)),
    }
}

fn show(command: &KnownShow) -> Result<Finished, CliError> {
    let set = SetFile::open(&command.set).map_err(CliError::failed)?;
    let records = match (&command.digest, command.record) {
        (Some(digest), _) => find(&set, digest)?,
        (None, Some(number)) => vec![number - 1],
        (None, None) => {
            print(|out| show_manifest(&set, command.json, out))?;
            return Ok(Finished::Done);
        }
    };
    if records.is_empty() {
        return Err(CliError::Failed(format!("{}: no record has this digest", escape_path(set.path()))));
    }
    for number in records {
        let record = set.record(number).map_err(CliError::failed)?;
        print(|out| show_record(&set, number, &record, command.json, out))?;
    }
    Ok(Finished::Done)
}

/// Records with a digest, whose length determines its kind.
fn find(set: &SetFile, digest: &str) -> Result<Vec<u32>, CliError> {
    let bytes: Option<Vec<u8>> = digest
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let bytes = bytes.unwrap_or_default();
    let found = match bytes.len() {
        16 if digest.len() == 32 => bytes.first_chunk().map(|digest| set.find_md5(digest)),
        20 if digest.len() == 40 => bytes.first_chunk().map(|digest| set.find_sha1(digest)),
        32 if digest.len() == 64 => bytes.first_chunk().map(|digest| set.find_sha256(digest)),
        _ => None,
    };
    found
        .ok_or_else(|| {
            CliError::Usage("a digest has 32 (MD5), 40 (SHA-1) or 64 (SHA-256) hex digits".into())
        })?
        .map_err(CliError::failed)
}

fn show_manifest(set: &SetFile, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let manifest = set.manifest();
    if json {
        #[derive(Serialize)]
        struct Shown<'a> {
            sha256: String,
            size: u64,
            #[serde(flatten)]
            manifest: &'a crate::known::Manifest,
        }
        let shown = Shown { sha256: hex(&set.identity()), size: set.size(), manifest };
        serde_json::to_writer_pretty(&mut *out, &shown)?;
        return writeln!(out);
    }
    let shown = |text: &str| escape(text.as_bytes());
    let version = if manifest.version.is_empty() { "not stated".into() } else { shown(&manifest.version) };
    writeln!(out, "set       {}", shown(&manifest.name))?;
    writeln!(out, "version   {version}")?;
    writeln!(out, "sha256    {}", hex(&set.identity()))?;
    writeln!(out, "size      {}", Bytes(set.size()))?;
    writeln!(out, "imported  by {}", shown(&manifest.program))?;
    writeln!(out, "profile   {}", shown(&manifest.profile.name))?;
    writeln!(out, "geometry  {}", manifest.geometry.name())?;
    writeln!(out, "holds     {}", counted(&manifest.counts))?;
    for source in &manifest.sources {
        writeln!(out, "source    {}, {}, {} bytes", shown(&source.name), shown(&source.format), source.size)?;
        writeln!(out, "          sha256 {}", shown(&source.sha256))?;
        writeln!(out, "          {} records, {} left out", source.records, source.malformed_records)?;
    }
    Ok(())
}

fn show_record(
    set: &SetFile,
    number: u32,
    record: &StoredRecord,
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let facts = &record.facts;
    let profile = &set.manifest().profile;
    let label = profile.category(facts.category.as_deref()).ok().flatten().map(|category| &*category.label);
    if json {
        #[derive(Serialize)]
        struct Shown<'a> {
            record: u64,
            meaning: Option<&'a str>,
            label: Option<&'a str>,
            category: Option<&'a str>,
            victim_identified: Option<bool>,
            offender_identified: Option<bool>,
            distributed: Option<bool>,
            precategorized: Option<bool>,
            series: Option<&'a str>,
            media_size: Option<u64>,
            withdrawn: bool,
            fields: &'a RawValue,
        }
        let shown = Shown {
            record: u64::from(number) + 1,
            meaning: facts.classification.map(crate::known::profile::Classification::name),
            label,
            category: facts.category.as_deref(),
            victim_identified: facts.victim_identified,
            offender_identified: facts.offender_identified,
            distributed: facts.distributed,
            precategorized: facts.precategorized,
            series: facts.series.as_deref(),
            media_size: record.media_size,
            withdrawn: facts.withdrawn,
            fields: serde_json::from_str(&record.fields)?,
        };
        serde_json::to_writer(&mut *out, &shown)?;
        return writeln!(out);
    }
    let shown = |text: &str| escape(text.as_bytes());
    let stated = |value: Option<bool>| match value {
        None => "not stated",
        Some(true) => "yes",
        Some(false) => "no",
    };
    writeln!(out, "record               {}", u64::from(number) + 1)?;
    writeln!(
        out,
        "category             {} ({})",
        facts.category.as_deref().map_or("none".into(), shown),
        label.map_or("none".into(), shown)
    )?;
    writeln!(out, "victim identified    {}", stated(facts.victim_identified))?;
    writeln!(out, "offender identified  {}", stated(facts.offender_identified))?;
    writeln!(out, "distributed          {}", stated(facts.distributed))?;
    writeln!(out, "precategorized       {}", stated(facts.precategorized))?;
    writeln!(
        out,
        "size                 {}",
        record.media_size.map_or("not stated".into(), |size| format!("{size} bytes"))
    )?;
    writeln!(out, "series               {}", facts.series.as_deref().map_or("none".into(), shown))?;
    if facts.withdrawn {
        writeln!(out, "withdrawn            yes: it is never matched")?;
    }
    writeln!(out, "fields               {}", shown(&record.fields))
}

/// Writes to standard output.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CliError> {
    crate::cli::output::with_output(None::<&Path>, |out| write(out).map_err(CliError::failed))
}
