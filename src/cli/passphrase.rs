//! The passphrase of a key: from a file, the environment, or the terminal without echo. Never from the command line,
//! which every user of the machine can read.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use age::secrecy::SecretString;
use zeroize::Zeroizing;

use super::error::CliError;
use crate::share::store::open_to_others;
use crate::source::name::escape_path;

/// The environment variable.
const VARIABLE: &str = "TAMIS_PASSPHRASE";
/// Maximum length of a passphrase in bytes.
const LONGEST: u64 = 4096;

/// The passphrase of an existing key.
///
/// # Errors
/// If there is no terminal to ask on, or it is empty.
pub fn passphrase(file: Option<&Path>) -> Result<SecretString, CliError> {
    ask(file, false)
}

/// The passphrase of a new key; at the terminal it is typed twice.
///
/// # Errors
/// If there is no terminal to ask on, it is empty, or the two inputs differ.
pub fn new_passphrase(file: Option<&Path>) -> Result<SecretString, CliError> {
    ask(file, true)
}

fn ask(file: Option<&Path>, twice: bool) -> Result<SecretString, CliError> {
    let passphrase = if let Some(path) = file {
        first_line(path)?
    } else if let Some(value) = env::var_os(VARIABLE) {
        let value = value.into_string();
        Zeroizing::new(value.map_err(|_| CliError::Usage(format!("{VARIABLE}: not UTF-8 text")))?)
    } else if io::stdin().is_terminal() {
        typed(twice)?
    } else {
        return Err(CliError::Usage(format!(
            "your key's passphrase is needed, and there is no terminal to ask on (give --passphrase-file FILE, or set {VARIABLE})"
        )));
    };
    if passphrase.is_empty() {
        return Err(CliError::Usage("the passphrase is empty: a key is never stored without one".into()));
    }
    // A copy of exactly its length; making a string smaller could leave the larger one behind.
    Ok(SecretString::from(passphrase.as_str()))
}

fn typed(twice: bool) -> Result<Zeroizing<String>, CliError> {
    let failed = |error: io::Error| CliError::Failed(format!("cannot read the passphrase: {error}"));
    let prompt = if twice { "Passphrase for your new key: " } else { "Passphrase of your key: " };
    let first = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(failed)?;
    if twice && !first.is_empty() {
        let second =
            rpassword::prompt_password("Repeat the passphrase: ").map(Zeroizing::new).map_err(failed)?;
        if *first != *second {
            return Err(CliError::Usage("the two passphrases differ: no key was created".into()));
        }
    }
    Ok(first)
}

/// The first line of a file, without its end.
fn first_line(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let failed = |reason: &str| {
        CliError::Usage(format!("{}: cannot use this passphrase file: {reason}", escape_path(path)))
    };
    let file = File::open(path).map_err(|error| failed(&error.to_string()))?;
    if let Some(reason) = open_to_others(&file, path).map_err(|error| failed(&error.to_string()))? {
        return Err(CliError::Usage(reason));
    }
    // All its room at once, so that growing leaves no copies behind, and no buffer in between that would keep one.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 64));
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(|error| failed(&error.to_string()))?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.len() as u64 > LONGEST {
        return Err(failed("its first line is too long for a passphrase"));
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = std::str::from_utf8(line).map_err(|_| failed("its first line is not UTF-8 text"))?;
    Ok(Zeroizing::new(line.to_string()))
}
