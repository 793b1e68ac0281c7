//! The command line as typed. What it resolves to is in [`super::config`].

pub mod known;
mod report;
pub mod rules;

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::decode::DecodeMode;
use crate::known::ListKind;
use crate::matching::{
    BackendRequest, DEFAULT_DISTANCE, DEFAULT_MAX_HITS, JoinMethod, LARGEST_MAX_HITS, MAX_DISTANCE,
    VerifyMode,
};
use crate::pdq::{Geometry, MIN_QUALITY};
use crate::source::Glob;
use crate::source::name::for_system;

use super::memory_size::MemorySize;

pub use report::{LanguageName, Report, ThumbnailName};
mod share;

pub use share::{
    Key, KeyCommand, KeyNew, KeyOptions, KeyShow, KeyTrust, Link, Share, ShareCommand, ShareExport,
    ShareImport, ShareShow, TrustOptions,
};

/// Sifts seizures: hashes every picture once, matches the hashes exactly against hash sets, and
/// shows no picture unless you request a report with pictures.
#[derive(Debug, Parser)]
#[command(name = "tamis", version, after_help = EXIT_CODES, after_long_help = LONG_EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

impl Arguments {
    /// Parses a command line. Paths are converted to the form that the system needs ([`for_system`]), except those of
    /// `tamis hash`, which shows them as typed.
    ///
    /// # Errors
    /// If the usage is wrong, or help was requested.
    pub fn of(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = with_paths(Self::command()).try_get_matches_from(words)?;
        Self::from_arg_matches(&matches)
    }
}

fn with_paths(command: clap::Command) -> clap::Command {
    let shown = command.get_name() == "hash";
    let command = command.mut_args(|arg| {
        let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        if !is_path || shown && arg.is_positional() {
            return arg;
        }
        // `-` is not a path.
        let as_meant = |path: PathBuf| if path.as_os_str() == "-" { path } else { for_system(&path) };
        arg.value_parser(PathBufValueParser::new().map(as_meant))
    });
    command.mut_subcommands(with_paths)
}

const EXIT_CODES: &str = "Exit codes: 0 done (whatever was found or unreadable), 1 failed, 2 wrong usage, \
130 interrupted and resumable.";

const LONG_EXIT_CODES: &str = "\
Start with:
  tamis triage SEIZURE --known SET.csv --case CASE    scan, match and summarise in one pass
  tamis export --case CASE hits                       one row per hit, as CSV
  tamis report --case CASE                            the case as one HTML page

Tamis opens sources for reading only, needs no network and no GPU, and gives the same
hashes, hits and exports on every machine. File names are escaped the same way in all output.

Exit codes: 0 done (whatever was found or unreadable), 1 failed, 2 wrong usage,
130 interrupted and resumable: the same command resumes where it stopped.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Scan a seizure and match it against hash sets in one pass, then print a summary
    Triage(Triage),
    /// Read, digest and hash every file of a seizure, and store the results in a case
    Scan(Scan),
    /// Match a scanned case against hash sets
    Match(Match),
    /// Group a case's pictures into stacks of near-duplicates
    Stack(Stack),
    /// Print the priority rules, or check a rules file
    Rules(rules::RulesCommand),
    /// Write a case's items, hits, errors, priorities or stacks as CSV, JSON Lines or Parquet; or its VICS,
    /// PDQ or CASE/UCO form
    Export(Export),
    /// Write a case as one HTML page in English, French, Spanish or Arabic, without pictures unless asked
    Report(Report),
    /// Print the hashes of pictures, without a case
    Hash(Hash),
    /// Show what cases and other agencies' packages have in common: who holds what, what is solved, what only
    /// one has
    Link(Link),
    /// Export, import and show packages of hashes for other agencies: signed, without pictures, optionally
    /// encrypted
    Share(Share),
    /// Manage your key for packages, and the keys of partners that you trust
    Key(Key),
    /// Find every pair of hashes within a distance, between two lists or within one; without a case
    Join(Join),
    /// Import published hash sets into set files; show, verify and compare set files
    Known(known::Known),
    /// Write a new case with all that a case of an older Tamis holds; the old one is only read
    Upgrade(Upgrade),
    /// Show this machine's GPU adapters and which backend `auto` chooses, with the measurement
    Devices(Devices),
    /// Measure how fast this machine processes files
    Bench(Bench),
}

/// Options that mean the same for every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Where hashes are computed and searched: auto, cpu, gpu, or gpu:NAME (part of an adapter's name). The
    /// results are the same on all; `auto` chooses what measures faster
    #[arg(long, global = true, value_name = "BACKEND", default_value_t)]
    pub backend: BackendRequest,
    /// Number of threads that digest and decode, and of threads that search [default: all processors]
    #[arg(long, short = 'j', global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Number of threads that read files ahead of the decoders, and of threads that list folders. A spinning
    /// disk is fastest with 1; flash storage and network shares need several requests at once [default: 1 if
    /// a source lies on a spinning disk, otherwise as many as --jobs, from 4 to 16]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub io_jobs: Option<u16>,
    /// Memory for files and pictures in flight, for example 512MiB or 8G. A picture that needs more is
    /// counted as `over_limit`. Sorting large hash sets for the search may take as much again; a join keeps
    /// its pairs within this size [default: a quarter of the machine's memory]
    #[arg(long, global = true, value_name = "SIZE")]
    pub max_memory: Option<MemorySize>,
    /// How to show progress on standard error: auto (a bar on a terminal, otherwise lines), lines (one every
    /// 10 seconds), json (JSON Lines) or none
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    pub progress: ProgressStyle,
    /// Print only errors and the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Print more: the backend and why, the settings, what was skipped
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How progress is shown on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressStyle {
    /// A bar on a terminal, otherwise a line every 10 seconds.
    Auto,
    /// A line every 10 seconds.
    Lines,
    /// One JSON object per line, every second.
    Json,
    /// Nothing.
    None,
}

/// The geometry of hashes, and how it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GeometryName {
    /// Every pixel counts, as in pdqhash, HMA and most hash sets
    Full,
    /// Pictures over 512 px are first shrunk to 512×512, as by the reference's command-line tool
    Te512,
}

impl From<GeometryName> for Geometry {
    fn from(name: GeometryName) -> Self {
        match name {
            GeometryName::Full => Self::Full,
            GeometryName::Te512 => Self::Te512,
        }
    }
}

/// How pictures become hashes, and how it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecodeName {
    /// JPEGs from their coefficients where that is exact enough, everything else from pixels
    Auto,
    /// Everything from pixels, as the reference does: several times slower
    Pixels,
}

impl From<DecodeName> for DecodeMode {
    fn from(name: DecodeName) -> Self {
        match name {
            DecodeName::Auto => Self::Auto,
            DecodeName::Pixels => Self::Pixels,
        }
    }
}

/// The case that is created or resumed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Case options")]
pub struct CaseOptions {
    /// Leave out files whose path below their source matches GLOB, written as in exports. `?` and `*` match
    /// one and any number of characters except `/`; `**` matches any; `[a-z]` and `[!a-z]` match one
    /// character of a class or outside it. A GLOB without `/` matches names in any folder; `FOLDER/**`
    /// matches a whole folder. May be repeated. The number of files left out is reported and recorded
    #[arg(long, value_name = "GLOB", help_heading = "Source options")]
    pub exclude: Vec<Glob>,
    /// The case folder: Tamis creates it, or resumes the case in it
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// Case number, stored in the case
    #[arg(long, value_name = "TEXT")]
    pub case_number: Option<String>,
    /// Exhibit, stored in the case
    #[arg(long, value_name = "TEXT")]
    pub exhibit: Option<String>,
    /// Name of the examiner, stored in the case
    #[arg(long, value_name = "TEXT")]
    pub examiner: Option<String>,
    /// How pictures are reduced before hashing [default: the case's own, `full` for a new case]
    #[arg(long, value_name = "GEOMETRY")]
    pub geometry: Option<GeometryName>,
    /// How pictures are decoded [default: the case's own, `auto` for a new case]
    #[arg(long, value_name = "HOW")]
    pub decode: Option<DecodeName>,
}

/// Which candidates are decoded for a confirmation, and how it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyName {
    /// All except pictures that a hash set identifies by digest
    Auto,
    /// All
    All,
    /// None: hits by hashes from coefficients are marked `unconfirmed`
    Off,
}

impl From<VerifyName> for VerifyMode {
    fn from(name: VerifyName) -> Self {
        match name {
            VerifyName::Auto => Self::Auto,
            VerifyName::All => Self::All,
            VerifyName::Off => Self::Off,
        }
    }
}

/// What a list of hex digits and nothing else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListName {
    /// MD5 digests
    Md5,
    /// SHA-1 digests
    Sha1,
    /// SHA-256 digests
    Sha256,
    /// PDQ hashes
    Pdq,
}

impl From<ListName> for ListKind {
    fn from(name: ListName) -> Self {
        match name {
            ListName::Md5 => Self::Md5,
            ListName::Sha1 => Self::Sha1,
            ListName::Sha256 => Self::Sha256,
            ListName::Pdq => Self::Pdq,
        }
    }
}

/// Hash sets and how they are matched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Matching options")]
pub struct MatchOptions {
    /// Hash sets: set files written by `tamis known import`; lists of PDQ hashes (`hex,quality,name`) or
    /// digests; CSV with a header naming pdq, md5, sha1 or sha256; md5sum, sha1sum or sha256sum lists. See
    /// docs/known-sets.md
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub known: Vec<PathBuf>,
    /// Maximum distance of a hit by hash: differing bits out of 256
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// Minimum PDQ quality (0 to 100): hashes below it are not matched, on either side
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// Which candidates, found by hashes from coefficients, are decoded to pixels before they count as hits:
    /// all except those that a digest identifies; all; or none, for speed
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub verify: VerifyName,
    /// Maximum number of hits by hash for one content and one set: the nearest are listed, the rest are
    /// counted and reported
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_HITS, value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST_MAX_HITS)))]
    pub max_hits_per_item: u32,
    /// Geometry of the hash sets' hashes, if the files do not state it [default: full]
    #[arg(long, value_name = "GEOMETRY")]
    pub known_geometry: Option<GeometryName>,
    /// What the lines of a plain list are, if they are hex digits and nothing else. 32 digits are MD5 and 40 are
    /// SHA-1; 64 digits may be SHA-256 digests or PDQ hashes
    #[arg(long, value_name = "KIND")]
    pub list: Option<ListName>,
    /// Count malformed lines of hash sets instead of refusing the set
    #[arg(long)]
    pub skip_bad_lines: bool,
    /// Priority rules, as `tamis rules` prints them [default: those of the case's last run, otherwise the
    /// built-in rules]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

impl MatchOptions {
    /// Files that are read: hash sets and rules.
    #[must_use]
    pub fn read_files(&self) -> Vec<PathBuf> {
        self.known.iter().chain(&self.rules).cloned().collect()
    }
}

/// How files are read.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Reading options")]
pub struct ReadingOptions {
    /// Read large sparse files to their end: those with over 1 GiB of holes (never written, read as zeros)
    /// that make up over nine tenths of the file. Without this option such a file is counted as `over_limit`
    /// and not digested
    #[arg(long)]
    pub read_holes: bool,
}

/// `tamis triage`.
#[derive(Debug, Args)]
#[command(override_usage = "tamis triage [OPTIONS] <SOURCE>... --known <FILE>... --case <DIR>")]
pub struct Triage {
    /// Folders and files of the seizure, opened for reading only. Give them before --known, which takes every
    /// argument after it
    // Required all the same: the command reports the mistake if --known took them.
    #[arg(value_name = "SOURCE", required_unless_present = "known")]
    pub sources: Vec<PathBuf>,
    /// The case.
    #[command(flatten)]
    pub case: CaseOptions,
    /// Hash sets.
    #[command(flatten)]
    pub matching: MatchOptions,
    /// How files are read.
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// The summary's format and destination.
    #[command(flatten)]
    pub summary: SummaryOptions,
    /// Where the time went.
    #[command(flatten)]
    pub profile: ProfileOptions,
}

/// `tamis scan`.
#[derive(Debug, Args)]
pub struct Scan {
    /// Folders and files of the seizure, opened for reading only
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,
    /// The case.
    #[command(flatten)]
    pub case: CaseOptions,
    /// How files are read.
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// The summary's format and destination.
    #[command(flatten)]
    pub summary: SummaryOptions,
    /// Where the time went.
    #[command(flatten)]
    pub profile: ProfileOptions,
}

/// `tamis match`.
#[derive(Debug, Args)]
pub struct Match {
    /// The case folder written by `tamis scan` or `tamis triage`
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// How the case's pictures are decoded: a value other than the case's own is refused
    #[arg(long, value_name = "HOW", help_heading = "Case options")]
    pub decode: Option<DecodeName>,
    /// Hash sets.
    #[command(flatten)]
    pub matching: MatchOptions,
    /// The summary's format and destination.
    #[command(flatten)]
    pub summary: SummaryOptions,
    /// Where the time went.
    #[command(flatten)]
    pub profile: ProfileOptions,
}

/// Where a run's time went.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output options")]
pub struct ProfileOptions {
    /// At the end, report on standard error how busy each stage was, how full the queues between them were,
    /// and which stage limited the run. A JSON summary holds the same as `run.profile`
    #[arg(long)]
    pub profile_stages: bool,
}

/// Format and destination of a summary.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub struct SummaryOptions {
    /// Format of the summary
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TextOrJson,
    /// File for the result, instead of standard output; it appears only when it is complete
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Text for people or JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// Text for people
    Text,
    /// JSON for programs
    Json,
}

/// `tamis export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exporting only reads the case: --backend, --jobs, --max-memory and --progress are accepted, as by \
every command, and have no effect."
)]
pub struct Export {
    /// What to export
    pub what: ExportWhat,
    /// The case folder
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// Format of the rows
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: RowFormat,
    /// File for the result, instead of standard output; it appears only when it is complete
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportWhat {
    /// One row per item: path, outcome, digests, hash, quality, metadata
    Items,
    /// One row per hit: path, hash set, the known record's columns, kind, distance, orientation
    Hits,
    /// One row per item that failed, copies included, with stage and reason
    Errors,
    /// One row per item, in the order to look at them, with the rule that decided
    Priorities,
    /// One row per item in a stack: stack, size, diameter, distance from the medoid
    Stacks,
    /// The case's media as JSON of the VICS data model 2.0, without file names; see docs/vics.md
    Vics,
    /// The case as JSON of the VICS data model 2.0, with the files of each medium
    VicsCase,
    /// The hashes of the case's pictures, one per line: `<64 hex>,<quality>,<SHA-256>`
    Pdq,
    /// The whole case as a CASE/UCO graph, always JSON-LD; see docs/case-uco.md
    CaseUco,
}

/// Formats of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Comma-separated, with a header
    Csv,
    /// JSON Lines
    Jsonl,
    /// One Parquet file with the columns of csv and their types; to a file or a pipe
    Parquet,
}

impl From<RowFormat> for crate::report::rows::RowFormat {
    fn from(format: RowFormat) -> Self {
        match format {
            RowFormat::Csv => Self::Csv,
            RowFormat::Jsonl => Self::Jsonl,
            RowFormat::Parquet => Self::Parquet,
        }
    }
}

/// `tamis hash`.
#[derive(Debug, Args)]
pub struct Hash {
    /// Pictures, or folders of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Leave out files whose path below their source matches GLOB, written as in exports. `?` and `*` match
    /// one and any number of characters except `/`; `**` matches any; `[a-z]` and `[!a-z]` match one
    /// character of a class or outside it. A GLOB without `/` matches names in any folder; `FOLDER/**`
    /// matches a whole folder. May be repeated. The number of files left out is reported
    #[arg(long, value_name = "GLOB", help_heading = "Source options")]
    pub exclude: Vec<Glob>,
    /// How pictures are reduced before hashing
    #[arg(long, value_name = "GEOMETRY", default_value = "full")]
    pub geometry: GeometryName,
    /// How pictures are decoded. With `auto`, hashes of JPEGs may be a few bits away from the reference's
    /// (the column `derived_from` of csv and jsonl shows which); `pixels` gives the reference's hashes
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub decode: DecodeName,
    /// Print the hashes of all eight orientations: in csv and jsonl as fields named after them; in text as
    /// eight lines per picture, `<64 hex>,<quality>,<orientation>,<path>`
    #[arg(long)]
    pub orientations: bool,
    /// Format of the result: `text` is `<64 hex>,<quality>,<path>`, one line per picture; csv and jsonl have
    /// named fields and a row for every file
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: HashFormat,
    /// File for the result, instead of standard output; it appears only when it is complete
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Formats of `tamis hash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HashFormat {
    /// `<64 hex>,<quality>,<path>`
    Text,
    /// Comma-separated, with a header
    Csv,
    /// JSON Lines
    Jsonl,
}

/// `tamis stack`.
#[derive(Debug, Args)]
#[command(
    after_help = "A stack is a medoid (the picture with the most others within the distance) and those others. Pictures that are linked \
only by a chain of similar pictures are not in one stack. Turned and mirrored copies are not stacked. The case keeps the stacks, which \
replace earlier ones; to list them: tamis export --case DIR stacks."
)]
pub struct Stack {
    /// The case folder written by `tamis scan` or `tamis triage`
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// Maximum distance of a picture from the medoid of its stack: differing bits out of 256
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// Minimum PDQ quality (0 to 100): pictures below it are left out
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// The summary's format and destination.
    #[command(flatten)]
    pub summary: SummaryOptions,
}

/// `tamis join`.
#[derive(Debug, Args)]
#[command(
    override_usage = "tamis join [OPTIONS] <LEFT> <RIGHT>\n       tamis join [OPTIONS] --self <LIST>",
    after_help = "A list is what `tamis hash` writes: 64 hex digits per line, optionally followed by a quality and a name, separated by \
commas. Hashes are numbered 0, 1, 2... by line, not counting empty lines and comments (#). Rows are sorted by left, then right. If a run \
into a csv or jsonl file was interrupted, the same command resumes it. With --max-hits-per-item, jsonl reports in rows of their own how \
many further hits an item has; with csv and parquet they are only counted, on standard error."
)]
pub struct Join {
    /// Two lists of hashes, or one with --self
    #[arg(value_name = "LIST", required = true, num_args = 1..=2)]
    pub lists: Vec<PathBuf>,
    /// Join the list with itself: each pair once, the smaller number on the left
    #[arg(long = "self")]
    pub with_itself: bool,
    /// Maximum distance of a pair: differing bits out of 256
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// The left list has eight hashes per picture, as `tamis hash --orientations` writes them: one row per
    /// pair of pictures, with the minimum distance. Numbers are then those of pictures; of a right list of
    /// that form, only the pictures as they are take part
    #[arg(long)]
    pub orientations: bool,
    /// Also find the negatives of the left list's pictures (their hashes are the complements); rows get a
    /// column `negative`
    #[arg(long)]
    pub negatives: bool,
    /// Minimum PDQ quality (0 to 100): hashes below it are set aside, if the list gives a quality
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// How to search: flat compares every hash with every other, banded only those that are near in a band of
    /// bits, auto chooses what costs less. The rows are the same
    #[arg(long, value_name = "HOW", default_value_t)]
    pub join: JoinMethod,
    /// Maximum number of rows per left item, nearest first; the rest are counted and reported
    #[arg(long, value_name = "N")]
    pub max_hits_per_item: Option<usize>,
    /// Format of the rows
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: RowFormat,
    /// File for the result, instead of standard output; it appears only when it is complete
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `tamis upgrade`.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is decoded or matched again: items, hashes, hits, stacks, priorities and the record of runs are carried over. \
Keep the old case until you have compared the exports of both."
)]
pub struct Upgrade {
    /// The folder of the old case
    #[arg(value_name = "CASE")]
    pub case: PathBuf,
    /// The folder of the new case, which must not exist yet or be empty
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
}

/// `tamis devices`.
#[derive(Debug, Args)]
pub struct Devices {
    /// Measure again instead of showing the stored measurement
    #[arg(long)]
    pub measure: bool,
    /// The result's format and destination.
    #[command(flatten)]
    pub summary: SummaryOptions,
}

/// `tamis bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub what: BenchCommand,
}

/// What `tamis bench` measures.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure storage, digests, decoding and hashing on a sample of your files, and predict the hours per
    /// terabyte
    Ingest(BenchIngest),
}

/// `tamis bench ingest`.
#[derive(Debug, Args)]
#[command(after_long_help = BENCH_ARITHMETIC)]
pub struct BenchIngest {
    /// A folder of files like those of your seizures, or one file; opened for reading only. Without it, Tamis
    /// measures pictures that it generates in memory, and no storage
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Approximate duration of the measurement, in seconds
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// The result's format and destination.
    #[command(flatten)]
    pub summary: SummaryOptions,
}

const BENCH_ARITHMETIC: &str = "\
How it is measured:
  Tamis lists the folder for a tenth of the time, and draws runs of 16 neighbouring files at random from the listing.
  It reads them for up to three tenths of the time (at most 2 GiB, and 64 MiB of one file), then once more. The first
  reading is the figure for storage, if it came from storage: files in the system's cache are read faster than any
  disk delivers them, and the result states which it probably was. For a true figure, choose files that have not been
  read since the machine was started. Digests, decoders and backends are measured separately, with all --jobs threads
  doing the same work at once, so that a thread's figure is what it achieves in a run.

How hours per terabyte follow (1 TB = 10^12 bytes; kinds of files by their shares of the sample's bytes):
  storage               10^12 / bytes per second of all readers
  opening and copying   10^12 / bytes per second and thread of the second reading / threads
  digesting             10^12 / bytes per second and thread of all three digests / threads
  decoding              seconds per byte of each kind x its bytes in a terabyte, added / threads
  hashing               pictures in a terabyte / pictures per second
  Stages on threads share them, so their hours add up; storage works in parallel with them. The longer of the two is
  the prediction, and its largest stage is the limit. Not included: the case's database, hash sets, and verifications
  from pixels; see docs/benchmarks/ingest.md.";
