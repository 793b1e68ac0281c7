//! `tamis share`: packages for other agencies, and from them.

use std::io::Write;
use std::path::Path;

use crate::case::CaseReader;
use crate::cli::args::{Common, KeyOptions, ShareExport, ShareImport, ShareShow, TrustOptions};
use crate::cli::console::Console;
use crate::cli::count_progress::CountProgress;
use crate::cli::error::{CliError, Finished};
use crate::cli::interrupt::cancel_on_interrupt;
use crate::cli::output::with_output;
use crate::cli::passphrase::passphrase;
use crate::cli::protect::Protected;
use crate::share::FaultKind;
use crate::share::keys::PrivateKey;
use crate::share::known_list::write_known_list;
use crate::share::package::{Counts, Manifest, SharedCase};
use crate::share::read::{PackageReader, is_encrypted};
use crate::share::received::{Received, Recency};
use crate::share::store::KeyStore;
use crate::share::write::{PackageOptions, Watch, Written, write_package};
use crate::source::name::escape_path;

use super::key::key_store;

/// `tamis share export`.
///
/// # Errors
/// If the folder is not a case, there is no key, a recipient is not known, or the sink fails.
pub fn export(command: &ShareExport, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let mut case = CaseReader::open(&command.case).map_err(CliError::failed)?;
    let store = key_store(command.keys.keys.as_ref())?;
    Protected::default()
        .and_case(&command.case)
        .and_keys(store.folder(), command.keys.passphrase_file.as_deref())
        .refuse_output(Some(&command.output))?;
    let to = recipients(&command.to, &store)?;
    if store.own().map_err(CliError::failed)?.is_none() {
        return Err(CliError::Failed(format!(
            "{}: you have no key here, and packages must be signed (`tamis key new` creates one)",
            escape_path(store.folder())
        )));
    }
    let key = unlock(&store, &command.keys)?;
    let cancel = cancel_on_interrupt()?;
    let watch = Watch::new(cancel.clone());
    let options = PackageOptions {
        purpose: command.purpose.clone(),
        names: command.with_names,
        columns: command.with_columns,
    };
    // Only contents are counted beforehand; each is generated twice.
    let rows = 2 * case.content_count().map_err(CliError::failed)?;
    let heard = cancel.clone();
    case.hear(move || heard.is_cancelled()).map_err(CliError::failed)?;
    let progress = CountProgress::rows(&watch, rows, "written");
    let mut made = None;
    let written = with_output(Some(&command.output), |out| {
        let write = || write_package(&case, &options, &key, &to, &watch, out);
        made = Some(progress.show(common.progress, console, write).map_err(CliError::failed)?);
        Ok(())
    });
    if cancel.is_cancelled() && written.is_err() {
        console.note("interrupted: no package was written");
        return Ok(Finished::Interrupted);
    }
    written?;
    if let Some(made) = made {
        report_export(command, &made, to.len(), console);
    }
    Ok(Finished::Done)
}

/// Reports what a package holds, on standard error.
fn report_export(command: &ShareExport, made: &Written, recipients: usize, console: &Console) {
    let Written { manifest, bytes, sha256 } = made;
    console.note(format!("{} ({bytes} bytes): {}", escape_path(&command.output), in_words(&manifest.counts)));
    console.note(format!("signed by {}, {}", manifest.signer.owner(), manifest.signer.fingerprint));
    console.note(match recipients {
        0 => "NOT encrypted: anyone who has the file can read it (--to encrypts)".to_string(),
        1 => "encrypted to 1 key".to_string(),
        several => format!("encrypted to {several} keys"),
    });
    if manifest.names_included {
        console.note("it includes file names");
    }
    console.note(format!("SHA-256 {sha256}"));
}

/// `tamis share import`.
///
/// # Errors
/// If the package is refused, or the sink fails.
pub fn import(command: &ShareImport, common: &Common, console: &Console) -> Result<Finished, CliError> {
    let packages = [command.package.clone()];
    let store = key_store(command.keys.keys.as_ref())?;
    Protected::new(&[], &packages)
        .and_keys(store.folder(), command.keys.passphrase_file.as_deref())
        .refuse_output(Some(&command.output))?;
    let key = key_for([&*command.package], &store, &command.keys)?;
    let cancel = cancel_on_interrupt()?;
    let open = || PackageReader::open(&command.package, key.as_ref()).map_err(CliError::failed);
    // To its end first, so that nothing of a refused package is written, wherever the output goes.
    let reader = open()?;
    require_trust(&reader, &store, command.trust, console)?;
    reader.refuse_other_hashes().map_err(CliError::failed)?;
    let manifest = reader.finish().map_err(CliError::failed)?;
    let standing = store.recency(&manifest).map_err(CliError::failed)?;
    if let Some(text) = standing_in_words(&standing, &manifest) {
        console.warning(text);
    }
    let watch = Watch::new(cancel.clone());
    let progress = CountProgress::rows(&watch, manifest.counts.contents, "imported");
    let (items, hits) = (open()?, open()?);
    if *items.manifest() != manifest {
        return Err(CliError::failed(items.fault(FaultKind::Altered, "it was replaced while it was read")));
    }
    let mut records = 0;
    let written = with_output(Some(&command.output), |out| {
        let write = || write_known_list(items, hits, &watch, out);
        records = progress.show(common.progress, console, write).map_err(CliError::failed)?;
        Ok(())
    });
    if cancel.is_cancelled() && written.is_err() {
        console.note("interrupted: no list was written");
        return Ok(Finished::Interrupted);
    }
    written?;
    store.record_received(&manifest, &command.package).map_err(|error| {
        CliError::Failed(format!(
            "{}: written, but the import could not be recorded, so the package would not be recognised if it came again: {error}",
            escape_path(&command.output)
        ))
    })?;
    let title = manifest.title();
    console.note(format!(
        "{}: {records} records from {title}: {}",
        escape_path(&command.output),
        in_words(&manifest.counts)
    ));
    if records < manifest.counts.contents {
        console.note("left out: the digests of the empty file, which every empty file has");
    }
    if manifest.counts.from_coefficients > 0 {
        console.note(format!(
            "{} of its hashes are from JPEG coefficients, so distances to them may be some bits off (column derived_from)",
            manifest.counts.from_coefficients
        ));
    }
    console.note(format!("Match it:  tamis match --case CASE --known {}", escape_path(&command.output)));
    Ok(Finished::Done)
}

/// A warning for a package that is not new; `None` for one that is.
fn standing_in_words(standing: &Recency, manifest: &Manifest) -> Option<String> {
    match standing {
        Recency::New => None,
        Recency::SeenBefore(Received { when, file, .. }) => {
            Some(format!("seen before: this package was imported at {when} as {file}"))
        }
        Recency::OlderThan(Received { when, file, case, .. }) => {
            let as_of = |case: &SharedCase| case.as_of.clone().unwrap_or_else(|| "an unknown time".into());
            Some(format!(
                "older than one seen before: this package is as of {}; one of the same case and signer as of {} was imported at {when} as {file}",
                as_of(&manifest.case),
                as_of(case)
            ))
        }
    }
}

/// `tamis share show`.
///
/// # Errors
/// If the package is refused.
pub fn show(command: &ShareShow) -> Result<Finished, CliError> {
    let store = key_store(command.keys.keys.as_ref())?;
    let key = key_for([&*command.package], &store, &command.keys)?;
    let reader = PackageReader::open(&command.package, key.as_ref()).map_err(CliError::failed)?;
    let encrypted = reader.was_encrypted();
    let manifest = reader.finish().map_err(CliError::failed)?;
    let own = store.own().map_err(CliError::failed)?.as_ref() == Some(&manifest.signer);
    let trust = match (own, store.is_trusted(&manifest.signer).map_err(CliError::failed)?) {
        (true, _) => "you",
        (false, true) => "trusted",
        (false, false) => {
            "NOT TRUSTED: only the package itself names the signer; compare the fingerprint with the owner"
        }
    };
    with_output(None, |out| {
        write_manifest(&command.package, &manifest, encrypted, trust, out).map_err(CliError::failed)
    })?;
    Ok(Finished::Done)
}

/// The manifest and the result of the verification, for a person.
fn write_manifest(
    path: &Path,
    manifest: &Manifest,
    encrypted: bool,
    trust: &str,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    writeln!(out, "{}: complete and unaltered", escape_path(path))?;
    let case = &manifest.case;
    let spec = &manifest.hash_spec;
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_string();
    let lines = [
        ("signer", Some(trust.to_string())),
        ("owner", Some(manifest.signer.owner())),
        ("fingerprint", Some(manifest.signer.fingerprint.clone())),
        ("case", case.number.clone()),
        ("exhibit", case.exhibit.clone()),
        ("as of", case.as_of.clone()),
        ("purpose", manifest.purpose.clone()),
        ("holds", Some(in_words(&manifest.counts))),
        ("hashes", Some(format!("{} {}, geometry {}", spec.algorithm, spec.version, spec.geometry.name()))),
        ("file names", Some(yes(manifest.names_included))),
        ("columns", Some(yes(manifest.columns_included))),
        ("encrypted", Some(yes(encrypted))),
        ("program", Some(manifest.program.clone())),
    ];
    for (what, text) in lines {
        if let Some(text) = text {
            writeln!(out, "  {what:<12} {text}")?;
        }
    }
    Ok(())
}

fn in_words(counts: &Counts) -> String {
    let Counts { contents, pictures, from_coefficients, files, hits } = counts;
    format!(
        "{contents} contents of {files} files, {pictures} pictures with hashes ({from_coefficients} from JPEG coefficients), {hits} hits in hash sets"
    )
}

/// The user's key, if one of the packages is encrypted.
pub(super) fn key_for<'a>(
    packages: impl IntoIterator<Item = &'a Path>,
    store: &KeyStore,
    options: &KeyOptions,
) -> Result<Option<PrivateKey>, CliError> {
    for path in packages {
        if is_encrypted(path).map_err(CliError::failed)? {
            return unlock(store, options).map(Some);
        }
    }
    Ok(None)
}

fn unlock(store: &KeyStore, options: &KeyOptions) -> Result<PrivateKey, CliError> {
    // Before asking for the passphrase: without a key there is none.
    if store.own().map_err(CliError::failed)?.is_none() {
        return Err(CliError::Failed(format!(
            "{}: there is no key here (`tamis key new` creates one)",
            escape_path(store.folder())
        )));
    }
    let passphrase = passphrase(options.passphrase_file.as_deref())?;
    store.unlock(&passphrase).map_err(CliError::failed)
}

/// Refuses a package of a signer whom the user does not trust, or reports that it is accepted all the same.
pub(super) fn require_trust(
    reader: &PackageReader,
    store: &KeyStore,
    options: TrustOptions,
    console: &Console,
) -> Result<(), CliError> {
    let signer = &reader.manifest().signer;
    if store.is_trusted(signer).map_err(CliError::failed)? {
        return Ok(());
    }
    let who = format!("{} claims to belong to {}", signer.fingerprint, signer.owner());
    let fault = reader.fault(FaultKind::UntrustedSigner, format!("the key {who}"));
    if !options.allow_untrusted {
        return Err(CliError::failed(fault));
    }
    console.warning(format!("UNTRUSTED, accepted because of --allow-untrusted: the key {who}"));
    Ok(())
}

/// The recipients that were named.
fn recipients(names: &[String], store: &KeyStore) -> Result<Vec<age::x25519::Recipient>, CliError> {
    let recipient = |name: &String| {
        if name.starts_with("age1") {
            let refused = |error| CliError::Usage(format!("--to: not an age recipient: {error}"));
            return name.parse().map_err(refused);
        }
        let key = store.find(name).map_err(CliError::failed)?;
        key.age_recipient().map_err(CliError::failed)
    };
    names.iter().map(recipient).collect()
}
