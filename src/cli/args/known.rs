//! `tamis known`: importing, showing, verifying and comparing set files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{GeometryName, ListName, RowFormat};
use crate::known::photodna::{DEFAULT_SQUARED_DISTANCE, MAX_SQUARED_DISTANCE};
use crate::matching::{DEFAULT_DISTANCE, JoinMethod, MAX_DISTANCE};
use crate::pdq::MIN_QUALITY;

/// `tamis known`.
#[derive(Debug, Args)]
pub struct Known {
    /// What to do.
    #[command(subcommand)]
    pub what: KnownCommand,
}

/// What `tamis known` does.
#[derive(Debug, Subcommand)]
pub enum KnownCommand {
    /// Import published lists into a set file, which `--known` opens at once
    Import(KnownImport),
    /// Show what a set file holds, or one of its records
    Show(KnownShow),
    /// Check every byte and every record of a set file
    Verify(KnownVerify),
    /// Compare two set files: list the pairs of records of the same or nearly the same material
    Match(KnownMatch),
}

/// `tamis known import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Formats: vics (JSON of Project VIC and CAID), icse, ncmec, nsrl, hashdeep, csv, list. The format is recognised from the content. See docs/known-sets.md."
)]
pub struct KnownImport {
    /// The published files; give all parts of one set together
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What the categories stand for: vic-us, vic-legacy, caid, interpol-baseline, ncmec, known (for lists without
    /// categories), or custom with --profile-file. The same number stands for different things in different regions
    #[arg(long, value_name = "PROFILE")]
    pub profile: String,
    /// Your own category profile, as JSON; with --profile custom
    #[arg(long, value_name = "FILE")]
    pub profile_file: Option<PathBuf>,
    /// The set file to write; it appears only when it is complete
    #[arg(long, short, value_name = "SET")]
    pub output: PathBuf,
    /// Name of the set [default: the first file's, without its extension]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Version of the set, as its publisher states it
    #[arg(long, value_name = "VERSION")]
    pub set_version: Option<String>,
    /// Format of the files, if their content does not show it
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// What the columns of a table hold, for example md5=HASH,category=Cat
    #[arg(long, value_name = "FIELD=COLUMN,...")]
    pub columns: Option<String>,
    /// What the lines of a plain list are, if they are hex digits and nothing else. 32 digits are MD5 and 40 are
    /// SHA-1; 64 digits may be SHA-256 digests or PDQ hashes
    #[arg(long, value_name = "KIND")]
    pub list: Option<ListName>,
    /// Geometry of the set's PDQ hashes
    #[arg(long, value_name = "GEOMETRY", default_value = "full")]
    pub geometry: GeometryName,
    /// Count malformed records instead of refusing the import
    #[arg(long)]
    pub skip_bad_records: bool,
}

/// `tamis known show`.
#[derive(Debug, Args)]
pub struct KnownShow {
    /// The set file
    #[arg(value_name = "SET")]
    pub set: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show the records with this MD5, SHA-1 or SHA-256 digest
    #[arg(long, value_name = "HEX", conflicts_with = "record")]
    pub digest: Option<String>,
    /// Show the record with this number; the first is 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub record: Option<u32>,
}

/// `tamis known verify`.
#[derive(Debug, Args)]
pub struct KnownVerify {
    /// The set file
    #[arg(value_name = "SET")]
    pub set: PathBuf,
}

/// `tamis known match`.
#[derive(Debug, Args)]
#[command(
    after_help = "One row per pair of records, with the strongest method by which they match: digest, then photodna, then pdq. \
`left` and `right` are record numbers, as for `tamis known show SET --record N`. See docs/known-sets.md."
)]
pub struct KnownMatch {
    /// A set file, such as another agency's
    #[arg(value_name = "LEFT")]
    pub left: PathBuf,
    /// The set file to compare it with
    #[arg(value_name = "RIGHT")]
    pub right: PathBuf,
    /// Maximum distance of two PDQ hashes of a pair: differing bits out of 256
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// Maximum squared Euclidean distance of two PhotoDNA values of a pair: the sum of the squared differences of their
    /// 144 numbers
    #[arg(long, value_name = "SQUARED", default_value_t = DEFAULT_SQUARED_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_SQUARED_DISTANCE)))]
    pub photodna_distance: u32,
    /// Minimum PDQ quality (0 to 100): hashes below it are set aside, if the set gives a quality
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// How PDQ hashes are joined, as in `tamis join`. The rows are the same
    #[arg(long, value_name = "HOW", default_value_t)]
    pub join: JoinMethod,
    /// Format of the rows
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: RowFormat,
    /// File for the result, instead of standard output; it appears only when it is complete
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
