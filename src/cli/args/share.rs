//! Arguments of the commands for keys, packages and links.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RowFormat;
use crate::matching::{DEFAULT_DISTANCE, MAX_DISTANCE};
use crate::pdq::MIN_QUALITY;

/// `tamis key`.
#[derive(Debug, Args)]
pub struct Key {
    /// What to do.
    #[command(subcommand)]
    pub what: KeyCommand,
}

/// What `tamis key` does.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create your key: it signs packages, and opens those that are encrypted to you
    New(KeyNew),
    /// Show your key and the keys you trust, or a key file that you were sent
    Show(KeyShow),
    /// Trust a partner's key, after comparing its fingerprint with the owner
    Trust(KeyTrust),
}

/// Where keys are, and the passphrase.
#[derive(Debug, Args)]
#[command(next_help_heading = "Key options")]
pub struct KeyOptions {
    /// Folder of your keys [default: TAMIS_KEYS_DIR, otherwise tamis/keys where your system keeps settings]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// File whose first line is your key's passphrase, for scripts [default: TAMIS_PASSPHRASE, otherwise you are asked]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// `tamis key new`.
#[derive(Debug, Args)]
#[command(
    after_help = "The private key is encrypted with a passphrase. Without the passphrase, or without the file, the key is lost: keep a copy of the \
folder. The public key is a small text file that you send to partners. Its fingerprint covers the names in it, so they cannot be changed later."
)]
pub struct KeyNew {
    /// Your name, or your unit's
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// Your agency
    #[arg(long, value_name = "TEXT")]
    pub agency: String,
    /// How to reach you: an address, a telephone number
    #[arg(long, value_name = "TEXT")]
    pub contact: String,
    /// Where keys are, and the passphrase.
    #[command(flatten)]
    pub keys: KeyOptions,
}

/// `tamis key show`.
#[derive(Debug, Args)]
pub struct KeyShow {
    /// A key file [default: your key, and the keys you trust]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Folder of your keys [default: TAMIS_KEYS_DIR, otherwise tamis/keys where your system keeps settings]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

/// `tamis key trust`.
#[derive(Debug, Args)]
#[command(
    after_help = "Have the owner read the fingerprint to you by telephone (`tamis key show` prints it there), or take it from a letter: what came with the \
file proves nothing. To stop trusting a key, delete its file from the folder `trusted` next to your key."
)]
pub struct KeyTrust {
    /// The key file that you were sent
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The fingerprint as its owner read it to you: 32 digits, with or without separators
    #[arg(long, value_name = "DIGITS")]
    pub fingerprint: String,
    /// Folder of your keys [default: TAMIS_KEYS_DIR, otherwise tamis/keys where your system keeps settings]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

/// `tamis share`.
#[derive(Debug, Args)]
pub struct Share {
    /// What to do.
    #[command(subcommand)]
    pub what: ShareCommand,
}

/// What `tamis share` does.
#[derive(Debug, Subcommand)]
pub enum ShareCommand {
    /// Write a package of a case: hashes and your contact data, signed; no pictures, and no file names unless asked for
    Export(ShareExport),
    /// Write a list for --known from a package, if it is complete, unaltered, and signed with a key that you trust
    Import(ShareImport),
    /// Verify a package, and show what it holds and who signed it
    Show(ShareShow),
}

/// `tamis share export`.
#[derive(Debug, Args)]
pub struct ShareExport {
    /// The case folder
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// The package to write; it appears only when it is complete
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Encrypt the package to this key: the fingerprint, name or agency of a key that you trust, or an age recipient
    /// (age1...). Repeat --to for more keys. Nobody else can open it, nor can you unless you name yourself
    /// [default: not encrypted]
    #[arg(long, value_name = "KEY")]
    pub to: Vec<String>,
    /// Purpose of the package, shown to the recipient
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Include file names: their paths below the sources
    #[arg(long)]
    pub with_names: bool,
    /// Include the known records' own columns with the hits
    #[arg(long)]
    pub with_columns: bool,
    /// Where keys are, and the passphrase.
    #[command(flatten)]
    pub keys: KeyOptions,
}

/// `tamis share import`.
#[derive(Debug, Args)]
pub struct ShareImport {
    /// The package
    #[arg(value_name = "PACKAGE")]
    pub package: PathBuf,
    /// The list to write, for --known of triage and match; it appears only when the whole package has been verified
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Whose packages are accepted.
    #[command(flatten)]
    pub trust: TrustOptions,
    /// Where keys are, and the passphrase.
    #[command(flatten)]
    pub keys: KeyOptions,
}

/// `tamis share show`.
#[derive(Debug, Args)]
pub struct ShareShow {
    /// The package
    #[arg(value_name = "PACKAGE")]
    pub package: PathBuf,
    /// Where keys are, and the passphrase.
    #[command(flatten)]
    pub keys: KeyOptions,
}

/// Whose packages are accepted.
#[derive(Clone, Copy, Debug, Args)]
pub struct TrustOptions {
    /// Accept a package whose signer is not among the keys that you trust; this is reported, and the list or the rows are
    /// worth no more than the package
    #[arg(long)]
    pub allow_untrusted: bool,
}

/// `tamis link`.
#[derive(Debug, Args)]
#[command(
    after_help = "One row per content of one holder and content of another that has the same bytes (`same`), or a hash within --distance in any orientation \
(`near`). Hashes from JPEG coefficients may be some bits off, and link reads no file again: such rows have the confirmation `unconfirmed`. \
Cases are opened for reading only."
)]
pub struct Link {
    /// Case folders
    #[arg(value_name = "CASE")]
    pub cases: Vec<PathBuf>,
    /// A package from another agency; repeat --package for more
    #[arg(long, value_name = "FILE")]
    pub package: Vec<PathBuf>,
    /// Maximum distance of two near pictures: differing bits out of 256
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// Minimum PDQ quality (0 to 100): pictures below it are compared by their bytes alone
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// Format of the rows
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: RowFormat,
    /// File for the rows; the summary then goes to standard output instead of standard error
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Whose packages are accepted.
    #[command(flatten)]
    pub trust: TrustOptions,
    /// Where keys are, and the passphrase.
    #[command(flatten)]
    pub keys: KeyOptions,
}
