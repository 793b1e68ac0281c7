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
    /// Make your key: it signs packages, and opens those that are encrypted to you
    New(KeyNew),
    /// Show your key and those you trust, or a key file that you were sent
    Show(KeyShow),
    /// Trust the key of a partner, after you compared its fingerprint with its owner
    Trust(KeyTrust),
}

/// Where keys are, and the passphrase.
#[derive(Debug, Args)]
#[command(next_help_heading = "Key options")]
pub struct KeyOptions {
    /// Folder of your keys [default: TAMIS_KEYS_DIR, or tamis/keys where your system keeps settings]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// File whose first line is the passphrase of your key, for scripts [default: TAMIS_PASSPHRASE, or you are asked]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// `tamis key new`.
#[derive(Debug, Args)]
#[command(
    after_help = "The private half is encrypted with a passphrase. Without it, or without the file, the key is lost: keep a copy of the folder. \
The public half is a small text file, which you send to partners; the names in it are covered by its fingerprint and cannot be changed later."
)]
pub struct KeyNew {
    /// Your name, or that of your unit
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// Your agency
    #[arg(long, value_name = "TEXT")]
    pub agency: String,
    /// How you are reached: an address, a telephone number
    #[arg(long, value_name = "TEXT")]
    pub contact: String,
    /// Where keys are, and the passphrase.
    #[command(flatten)]
    pub keys: KeyOptions,
}

/// `tamis key show`.
#[derive(Debug, Args)]
pub struct KeyShow {
    /// A key file [default: your key, and those you trust]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Folder of your keys [default: TAMIS_KEYS_DIR, or tamis/keys where your system keeps settings]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

/// `tamis key trust`.
#[derive(Debug, Args)]
#[command(
    after_help = "Have the owner read the fingerprint to you by telephone (`tamis key show` tells it there), or take it from a letter: what came with the file \
proves nothing. To trust a key no longer, delete its file from the folder `trusted` beside your key."
)]
pub struct KeyTrust {
    /// The key file that you were sent
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The fingerprint as its owner told it: 32 digits, with or without what groups them
    #[arg(long, value_name = "DIGITS")]
    pub fingerprint: String,
    /// Folder of your keys [default: TAMIS_KEYS_DIR, or tamis/keys where your system keeps settings]
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
    /// Make a list for --known of a package, if it is whole, unaltered, and of a signer whom you trust
    Import(ShareImport),
    /// Verify a package and show what it says of itself
    Show(ShareShow),
}

/// `tamis share export`.
#[derive(Debug, Args)]
pub struct ShareExport {
    /// The case
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// The package; it appears only when it is whole
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Encrypt it to this key, and to others by giving --to again: the fingerprint, name or agency of a key that you trust, or an age recipient (age1...).
    /// Nobody else can open it, nor can you unless you name yourself [default: not encrypted]
    #[arg(long, value_name = "KEY")]
    pub to: Vec<String>,
    /// What it is for, as the receiver is told
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Put in what files are called: their paths below the sources
    #[arg(long)]
    pub with_names: bool,
    /// Put in the known records' own columns with the hits
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
    /// The list, for --known of triage and match; it appears only when the package was verified to its end
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Whose packages are taken.
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

/// Whose packages are taken.
#[derive(Clone, Copy, Debug, Args)]
pub struct TrustOptions {
    /// Take a package whose signer is not among the keys that you trust; that is said, and the list or the rows are worth no more than the package
    #[arg(long)]
    pub allow_untrusted: bool,
}

/// `tamis link`.
#[derive(Debug, Args)]
#[command(
    after_help = "Rows: each content of one holder beside each of another that has the same bytes (`same`) or a hash within --distance in any orientation (`near`). \
Hashes from JPEG coefficients may be some bits off, and link reads no file again: such rows have the confirmation `unconfirmed`. Cases are opened for reading only."
)]
pub struct Link {
    /// Cases
    #[arg(value_name = "CASE")]
    pub cases: Vec<PathBuf>,
    /// A package of another agency; give --package again for more
    #[arg(long, value_name = "FILE")]
    pub package: Vec<PathBuf>,
    /// Differing bits of 256 up to which two pictures are near
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// Pictures of a lower quality (0...100) are compared by their bytes alone
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// Form of the rows
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: RowFormat,
    /// File for the rows; the summary goes to standard output then, else to standard error
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Whose packages are taken.
    #[command(flatten)]
    pub trust: TrustOptions,
    /// Where keys are, and the passphrase.
    #[command(flatten)]
    pub keys: KeyOptions,
}
