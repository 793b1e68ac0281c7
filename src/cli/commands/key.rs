//! `tamis key`: the user's key, and the keys that the user trusts.

use std::io::Write;
use std::path::PathBuf;

use crate::cli::args::{KeyNew, KeyShow, KeyTrust};
use crate::cli::console::Console;
use crate::cli::error::{CliError, Finished};
use crate::cli::output::with_output;
use crate::cli::passphrase::new_passphrase;
use crate::share::keys::{PrivateKey, PublicKey};
use crate::share::store::{KeyStore, read_public};
use crate::source::name::escape_path;

/// The named folder of keys, or the user's own.
///
/// # Errors
/// If the system has no place for it.
pub(super) fn key_store(folder: Option<&PathBuf>) -> Result<KeyStore, CliError> {
    folder.cloned().or_else(KeyStore::default_folder).map(KeyStore::new).ok_or_else(|| {
        CliError::Usage(
            "the system does not report where your settings are (name a folder for keys with --keys)".into(),
        )
    })
}

/// `tamis key new`.
///
/// # Errors
/// If there is a key already, a text cannot be shown, or the folder cannot be written.
pub fn new(command: &KeyNew, console: &Console) -> Result<Finished, CliError> {
    let store = key_store(command.keys.keys.as_ref())?;
    store.refuse_existing().map_err(CliError::failed)?;
    // Before asking for the passphrase: a name that cannot be shown is refused first.
    let key = PrivateKey::new(&command.name, &command.agency, &command.contact).map_err(CliError::usage)?;
    let passphrase = new_passphrase(command.keys.passphrase_file.as_deref())?;
    store.keep(&key, &passphrase).map_err(CliError::failed)?;
    with_output(None, |out| write_key(key.public(), out).map_err(CliError::failed))?;
    console.note(format!(
        "Send {} to your partners, and give them the fingerprint over another channel",
        escape_path(&store.public_file())
    ));
    console.note(format!(
        "Keep a copy of {}: without it, or its passphrase, the key is lost",
        escape_path(store.folder())
    ));
    Ok(Finished::Done)
}

/// `tamis key show`.
///
/// # Errors
/// If the key file is not valid, or cannot be read.
pub fn show(command: &KeyShow) -> Result<Finished, CliError> {
    let store = key_store(command.keys.as_ref())?;
    let trusted = store.trusted().map_err(CliError::failed)?;
    let own = store.own().map_err(CliError::failed)?;
    with_output(None, |out| {
        let mut write_keys = || {
            if let Some(path) = &command.file {
                let key = read_public(path).map_err(std::io::Error::other)?;
                write_key(&key, out)?;
                let trust = if own.as_ref() == Some(&key) {
                    "your own"
                } else if trusted.contains(&key) {
                    "trusted"
                } else {
                    "NOT TRUSTED: compare the fingerprint with its owner, then run `tamis key trust`"
                };
                return writeln!(out, "  trust        {trust}");
            }
            match &own {
                Some(key) => {
                    writeln!(out, "Your key, in {}", escape_path(&store.public_file()))?;
                    write_key(key, out)?;
                }
                None => writeln!(
                    out,
                    "You have no key in {}: `tamis key new` creates one",
                    escape_path(store.folder())
                )?,
            }
            writeln!(out, "\nTrusted keys: {}", trusted.len())?;
            trusted.iter().try_for_each(|key| write_key(key, out))
        };
        write_keys().map_err(CliError::failed)
    })?;
    Ok(Finished::Done)
}

/// `tamis key trust`.
///
/// # Errors
/// If the file is not a key, or not the one with this fingerprint.
pub fn trust(command: &KeyTrust, console: &Console) -> Result<Finished, CliError> {
    let store = key_store(command.keys.as_ref())?;
    let key = read_public(&command.file).map_err(CliError::failed)?;
    // Its fingerprint is not shown: it would be copied instead of being asked for.
    if !key.has_fingerprint(&command.fingerprint) {
        return Err(CliError::Failed(format!(
            "{}: not the key with that fingerprint, so it was not trusted (either digits were misheard, or this is not its owner's key)",
            escape_path(&command.file)
        )));
    }
    let new = store.trust(&key).map_err(CliError::failed)?;
    with_output(None, |out| write_key(&key, out).map_err(CliError::failed))?;
    console.note(if new { "trusted from now on" } else { "already trusted" });
    Ok(Finished::Done)
}

/// A key for a person.
pub(super) fn write_key(key: &PublicKey, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "  fingerprint  {}", key.fingerprint)?;
    writeln!(out, "  owner        {}", key.owner())?;
    writeln!(out, "  recipient    {}", key.recipient)
}
