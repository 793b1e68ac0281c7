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
/// shows no picture unless a report is asked for them.
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
    /// The arguments of a command line. Its paths become what the system is to be given ([`for_system`]), but for those of `tamis hash`,
    /// which it shows as they were typed.
    ///
    /// # Errors
    /// Wrong usage, or help was asked for.
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
        // `-` is no path.
        let as_meant = |path: PathBuf| if path.as_os_str() == "-" { path } else { for_system(&path) };
        arg.value_parser(PathBufValueParser::new().map(as_meant))
    });
    command.mut_subcommands(with_paths)
}

const EXIT_CODES: &str = "Exit codes: 0 done (whatever was found or unreadable), 1 failed, 2 wrong usage, \
130 interrupted and resumable.";

const LONG_EXIT_CODES: &str = "\
Begin with:
  tamis triage SEIZURE --known SET.csv --case CASE    scan, match and summarise in one pass
  tamis export --case CASE hits                       one row a hit, as CSV
  tamis report --case CASE                            the case as one page for people

Tamis opens sources for reading only, needs no network and no GPU, and gives the same
hashes, hits and exports on every machine. Names are escaped on output the same way everywhere.

Exit codes: 0 done (whatever was found or unreadable), 1 failed, 2 wrong usage,
130 interrupted and resumable: the same command goes on where it stopped.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job: scan a seizure and match it against hash sets in one pass, then summarise
    Triage(Triage),
    /// Walk, read, digest, decode and hash; store in a case
    Scan(Scan),
    /// Match a scanned case against hash sets
    Match(Match),
    /// Group a case's pictures into stacks of near-duplicates, each around one that stands for it
    Stack(Stack),
    /// Print the rules of priority, or check a file of rules
    Rules(rules::RulesCommand),
    /// Write a case's items, hits, errors or stacks, sorted, as CSV, JSON Lines or Parquet
    Export(Export),
    /// Write a case as one page for people, in English, French, Spanish or Arabic, without pictures
    Report(Report),
    /// Print the hashes of pictures, without a case
    Hash(Hash),
    /// What cases and packages of other agencies have in common: who holds what, what is solved, what is only in one
    Link(Link),
    /// Packages of hashes for other agencies: signed, without pictures, encrypted if you like
    Share(Share),
    /// Your key for packages, and the keys of partners that you trust
    Key(Key),
    /// Every pair of hashes of two lists, or of one with itself, within a distance; without a case
    Join(Join),
    /// Import published hash sets into set files, and show and verify these
    Known(known::Known),
    /// Show the adapters of this machine and which backend `auto` takes, with the measurement
    Devices(Devices),
    /// Measure how fast this machine would work
    Bench(Bench),
}

/// Options that mean the same thing on every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Where hashes are computed and searched: auto, cpu, gpu, or gpu:NAME (part of an adapter's
    /// name). The answers are the same on all; `auto` takes what measures faster
    #[arg(long, global = true, value_name = "BACKEND", default_value_t)]
    pub backend: BackendRequest,
    /// Threads that digest and decode, and as many that search [default: all processors]
    #[arg(long, short = 'j', global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Threads that read files ahead of the decoders, and as many that list folders. A spinning disk is
    /// fastest with 1; flash and network shares want several requests at once [default: 1 where a source
    /// lies on a spinning disk, else as many as --jobs, from 4 to 16]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub io_jobs: Option<u16>,
    /// Memory for files and pictures in flight, such as 512MiB or 8G; a picture that needs more is
    /// counted as `over_limit`. Large hash sets are sorted for the search in as much again at most, and a join
    /// holds its pairs in it [default: a quarter of the machine's]
    #[arg(long, global = true, value_name = "SIZE")]
    pub max_memory: Option<MemorySize>,
    /// How progress is shown, on standard error: a bar on a terminal else a line every 10 seconds; lines; JSON Lines; none
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    pub progress: ProgressStyle,
    /// Say nothing but errors and the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more: the backend and why, settings, what was skipped
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressStyle {
    /// A bar on a terminal, else a line every 10 seconds.
    Auto,
    /// A line every 10 seconds.
    Lines,
    /// A JSON object a line, every second.
    Json,
    /// Nothing.
    None,
}

/// The geometry of hashes, and how it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GeometryName {
    /// Every pixel counts, as pdqhash, HMA and most sets do it
    Full,
    /// Over 512 px shrunk to 512×512 first, as the reference's command-line tool does
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
    /// JPEG from its coefficients where that is exact enough, all else from pixels
    Auto,
    /// Everything from pixels, as the reference does it: several times slower
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

/// The case that is made or gone on with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Case options")]
pub struct CaseOptions {
    /// Leave out files whose path, as exports write it, below its source, fits GLOB: `?` and `*` stand for one and
    /// any characters but `/`, `**` for any, `[a-z]` and `[!a-z]` for one of a class. A GLOB without `/` is of names
    /// in any folder; `FOLDER/**` is all of a folder. May be given again. How many were left out is said and recorded
    #[arg(long, value_name = "GLOB", help_heading = "Source options")]
    pub exclude: Vec<Glob>,
    /// The case: a folder that Tamis makes, or goes on with
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// Number of the case, kept with it
    #[arg(long, value_name = "TEXT")]
    pub case_number: Option<String>,
    /// Name of the exhibit, kept with the case
    #[arg(long, value_name = "TEXT")]
    pub exhibit: Option<String>,
    /// Who examines it, kept with the case
    #[arg(long, value_name = "TEXT")]
    pub examiner: Option<String>,
    /// How pictures are reduced [default: the case's own, `full` for a new one]
    #[arg(long, value_name = "GEOMETRY")]
    pub geometry: Option<GeometryName>,
    /// How pictures are decoded [default: the case's own, `auto` for a new one]
    #[arg(long, value_name = "HOW")]
    pub decode: Option<DecodeName>,
}

/// Which candidates are decoded for a confirmation, and how it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyName {
    /// All but pictures that a hash set has by digest
    Auto,
    /// All
    All,
    /// None: hits by such hashes are marked `unconfirmed`
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

/// What a list of digits and nothing else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListName {
    /// MD5s
    Md5,
    /// SHA-1s
    Sha1,
    /// SHA-256s
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
    /// Hash sets: set files of `tamis known import`; lists of PDQ hashes (`hex,quality,name`) or digests, CSV
    /// with a header naming pdq, md5, sha1 or sha256, and md5sum or sha256sum lists; see docs/known-sets.md
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub known: Vec<PathBuf>,
    /// Differing bits of 256 up to which a hash is a hit
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// Hashes of a lower quality (0…100) are not matched, on either side
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// Which pictures that seem to be hits by a hash from coefficients are decoded to pixels before they count as hits:
    /// all but those that a digest identifies; all; or none, for speed alone
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub verify: VerifyName,
    /// Hashes of one set that are hits of a content at most, the nearest; how many more there are is counted and reported
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_HITS, value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST_MAX_HITS)))]
    pub max_hits_per_item: u32,
    /// The geometry of the hash sets' hashes, where the files do not say it [default: full]
    #[arg(long, value_name = "GEOMETRY")]
    pub known_geometry: Option<GeometryName>,
    /// What the lines of a plain list are that has hex digits and nothing else. 32 and 40 digits say it themselves, 64 may be
    /// SHA-256s or PDQ hashes
    #[arg(long, value_name = "KIND")]
    pub list: Option<ListName>,
    /// Count malformed lines of hash sets instead of refusing the set
    #[arg(long)]
    pub skip_bad_lines: bool,
    /// Rules of priority, as `tamis rules` prints them [default: those of the case's last run, else the program's own]
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
    /// Read large files to their end that are mostly holes (parts that were never written, and read as zeros): over 1 GiB of holes, and
    /// nine tenths of the file. Without it such a file is counted as `over_limit`, and is not digested
    #[arg(long)]
    pub read_holes: bool,
}

/// `tamis triage`.
#[derive(Debug, Args)]
#[command(override_usage = "tamis triage [OPTIONS] <SOURCE>... --known <FILE>... --case <DIR>")]
pub struct Triage {
    /// Folders and files that were seized; opened for reading only. They come before --known, which takes every
    /// word behind it
    // Required all the same: the command says what is wrong where --known took them.
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
    /// The summary's form and place.
    #[command(flatten)]
    pub summary: SummaryOptions,
    /// Where the time went.
    #[command(flatten)]
    pub profile: ProfileOptions,
}

/// `tamis scan`.
#[derive(Debug, Args)]
pub struct Scan {
    /// Folders and files that were seized; opened for reading only
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,
    /// The case.
    #[command(flatten)]
    pub case: CaseOptions,
    /// How files are read.
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// The summary's form and place.
    #[command(flatten)]
    pub summary: SummaryOptions,
    /// Where the time went.
    #[command(flatten)]
    pub profile: ProfileOptions,
}

/// `tamis match`.
#[derive(Debug, Args)]
pub struct Match {
    /// The case, as `tamis scan` or `tamis triage` made it
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// How the case's pictures are decoded: another way than the case's own is refused
    #[arg(long, value_name = "HOW", help_heading = "Case options")]
    pub decode: Option<DecodeName>,
    /// Hash sets.
    #[command(flatten)]
    pub matching: MatchOptions,
    /// The summary's form and place.
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
    /// At the end, show on standard error what each stage was busy with, how full the queues between them
    /// were, and which stage the others waited for; a JSON summary holds the same as `run.profile`
    #[arg(long)]
    pub profile_stages: bool,
}

/// Form and place of a summary.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub struct SummaryOptions {
    /// Form of the summary
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TextOrJson,
    /// File for the result, instead of standard output; it appears only when it is whole
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Text for people or JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `tamis export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exporting only reads the case: --backend, --jobs, --max-memory and --progress are taken, as by \
every command, and change nothing here."
)]
pub struct Export {
    /// Which rows
    pub what: ExportWhat,
    /// The case
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// Form of the rows
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: RowFormat,
    /// File for the result, instead of standard output; it appears only when it is whole
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Which rows to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportWhat {
    /// One row an item: path, outcome, digests, hash, quality, metadata
    Items,
    /// One row a hit: path, hash set, the known record's columns, kind, distance, orientation
    Hits,
    /// One row an item that failed, copies included, with stage and reason
    Errors,
    /// One row an item, in the order in which items are to be looked at, with the rule that decided
    Priorities,
    /// One row an item in a stack, as `tamis stack` made them: stack, size, diameter, distance from the medoid
    Stacks,
    /// The case's media as JSON of the VICS data model 2.0, without names of files; see docs/vics.md
    Vics,
    /// The case as JSON of the VICS data model 2.0, with the files of each of its media
    VicsCase,
    /// The hashes of the case's pictures, one a line: `<64 hex>,<quality>,<SHA-256>`
    Pdq,
    /// The whole case as a CASE/UCO graph, JSON-LD whatever --format says; see docs/case-uco.md
    CaseUco,
}

/// Forms of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Comma-separated, with a header
    Csv,
    /// JSON Lines
    Jsonl,
    /// One Parquet file, with the columns of csv and their types: to a file or a pipe
    Parquet,
}

/// `tamis hash`.
#[derive(Debug, Args)]
pub struct Hash {
    /// Pictures, and folders of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Leave out files whose path, as exports write it, below its source, fits GLOB: `?` and `*` stand for one and
    /// any characters but `/`, `**` for any, `[a-z]` and `[!a-z]` for one of a class. A GLOB without `/` is of names
    /// in any folder; `FOLDER/**` is all of a folder. May be given again. How many were left out is said and recorded
    #[arg(long, value_name = "GLOB", help_heading = "Source options")]
    pub exclude: Vec<Glob>,
    /// How pictures are reduced
    #[arg(long, value_name = "GEOMETRY", default_value = "full")]
    pub geometry: GeometryName,
    /// How pictures are decoded. With `auto` hashes of JPEGs may be a few bits away from the reference's (the
    /// column `derived_from` of csv and jsonl says which); `pixels` gives the reference's hashes
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub decode: DecodeName,
    /// Give the hashes of all eight orientations: in csv and jsonl as fields of their names; in text as eight
    /// lines a picture, `<64 hex>,<quality>,<orientation>,<path>`
    #[arg(long)]
    pub orientations: bool,
    /// Form of the result: `text` is `<64 hex>,<quality>,<path>`, one line a picture; csv and jsonl
    /// have named fields and a row for every file
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: HashFormat,
    /// File for the result, instead of standard output; it appears only when it is whole
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Forms of `tamis hash`.
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
    after_help = "A stack has a medoid, the picture with the most others within the distance, and these. What looks alike only by a chain of \
look-alikes is not in one stack. Turned and mirrored copies are not stacked. It runs on the CPU. Stacks are kept in the case, in the place of earlier ones; rows: tamis export --case DIR stacks."
)]
pub struct Stack {
    /// The case, as `tamis scan` or `tamis triage` made it
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// Differing bits of 256 up to which a picture belongs to a medoid
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// Pictures of a lower quality (0...100) are left out
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// The summary's form and place.
    #[command(flatten)]
    pub summary: SummaryOptions,
}

/// `tamis join`.
#[derive(Debug, Args)]
#[command(
    override_usage = "tamis join [OPTIONS] <LEFT> <RIGHT>\n       tamis join [OPTIONS] --self <LIST>",
    after_help = "A list is what `tamis hash` writes: 64 hex digits a line, with a quality and a name behind commas if it likes. \
Hashes have the numbers 0, 1, 2... of their lines, without empty ones and comments (#). Rows are sorted by left, then right. \
A result in a csv or jsonl file whose run was ended is gone on with by the same command. \
Of hits beyond --max-hits-per-item jsonl tells in rows of their own how many an item has; with csv and parquet they are only counted, on standard error."
)]
pub struct Join {
    /// Two lists of hashes; with --self one
    #[arg(value_name = "LIST", required = true, num_args = 1..=2)]
    pub lists: Vec<PathBuf>,
    /// Join the list with itself: each pair once, the smaller number left
    #[arg(long = "self")]
    pub with_itself: bool,
    /// Differing bits of 256 up to which two hashes are a pair
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_DISTANCE, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_DISTANCE)))]
    pub distance: u32,
    /// The left list has eight hashes a picture, as `tamis hash --orientations` writes them: one row a pair of
    /// pictures, of the least distance. Numbers are then those of pictures; a right list of that form is taken by
    /// its pictures as they are
    #[arg(long)]
    pub orientations: bool,
    /// Seek the negatives of the left list's pictures too (their hashes are the complements); rows have a column
    /// more, `negative`
    #[arg(long)]
    pub negatives: bool,
    /// Hashes of a lower quality (0...100) are set aside, where the list gives one
    #[arg(long, value_name = "QUALITY", default_value_t = MIN_QUALITY, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_quality: u8,
    /// Every hash against every other (flat), by bands that most pairs never meet in (banded), or what
    /// costs less (auto). The rows are the same
    #[arg(long, value_name = "HOW", default_value_t)]
    pub join: JoinMethod,
    /// Rows of a left item at most, the nearest; how many more there are is counted and told
    #[arg(long, value_name = "N")]
    pub max_hits_per_item: Option<usize>,
    /// Form of the rows
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: RowFormat,
    /// File for the result, instead of standard output; it appears only when it is whole
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `tamis devices`.
#[derive(Debug, Args)]
pub struct Devices {
    /// Measure again instead of showing what was measured before
    #[arg(long)]
    pub measure: bool,
    /// Form and place of the result.
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
    /// Storage, digests, decoding and hashing on files of yours, and the hours that a terabyte of such files would take
    Ingest(BenchIngest),
}

/// `tamis bench ingest`.
#[derive(Debug, Args)]
#[command(after_long_help = BENCH_ARITHMETIC)]
pub struct BenchIngest {
    /// A folder of files like those of your seizures, or one file; opened for reading only. Without it pictures
    /// that the program makes in memory are measured, and no storage
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// About how long to measure
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Form and place of the result.
    #[command(flatten)]
    pub summary: SummaryOptions,
}

const BENCH_ARITHMETIC: &str = "\
How it is measured:
  The folder is listed for a tenth of the time, and runs of 16 neighbouring files are drawn at random from what was
  listed. They are read as long as three tenths of the time last (2 GiB at most, 64 MiB of one file), then once more.
  The first reading is the figure for storage, if it came from storage: files that are in the system's cache are
  read faster than any disk gives them, and the result says which it probably was. For a true figure take files that
  were not read since the machine was started. Digests, decoders and backends are measured apart, with all --jobs
  threads at the same work at once, so that a thread's figure is what it does in a run.

How hours per terabyte follow (1 TB = 10^12 bytes, the sample's kinds of files in their shares of its bytes):
  storage               10^12 / bytes a second of all readers
  opening and copying   10^12 / bytes a second and thread of the second reading / threads
  digesting             10^12 / bytes a second and thread of all three digests / threads
  decoding              seconds a byte of each kind x its bytes in a terabyte, added / threads
  hashing               pictures in a terabyte / pictures a second
  Stages on threads share them, so their hours add up; storage works beside them. The longer of the two is the
  prediction, and the largest stage of it is what limits. The case's database, hash sets and verifications from
  pixels are not in it: see docs/benchmarks/ingest.md.";
