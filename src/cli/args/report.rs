//! `tamis report` as typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::decode::ThumbnailStyle;
use crate::report::page::language::Language;

/// `tamis report`.
#[derive(Debug, Args)]
#[command(
    after_help = "The page is one file that opens in a browser from disk and needs no network; docs/report.md describes it. \
Without --thumbnails it shows no picture and no source is opened. The same case gives the same bytes."
)]
pub struct Report {
    /// The case folder written by `tamis scan` or `tamis triage`
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// File for the page, `-` for standard output; it appears only when it is complete [default: report.html in the case
    /// folder, report-fr.html and so on for languages other than English, report-with-pictures.html with --thumbnails]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Language of the page
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    pub lang: LanguageName,
    /// Maximum number of rows per table; if there are more, the page states so, and how to export all
    #[arg(long, value_name = "N", default_value_t = 250_000, value_parser = clap::value_parser!(u64).range(1..=500_000))]
    pub max_rows: u64,
    /// Show small pictures of hits and of medoids, created from the sources: blurred beyond recognition, or grey and not
    /// blurred. Treat a page with pictures as evidence [without a value: blurred]
    #[arg(long, value_name = "STYLE", num_args = 0..=1, default_missing_value = "blurred")]
    pub thumbnails: Option<ThumbnailName>,
    /// Maximum number of pictures; if there are more, the page states so
    #[arg(long, value_name = "N", default_value_t = 500, requires = "thumbnails", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub max_thumbnails: u64,
}

/// The page's language, and how it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LanguageName {
    /// English
    En,
    /// French
    Fr,
    /// Spanish
    Es,
    /// Arabic
    Ar,
}

impl From<LanguageName> for Language {
    fn from(name: LanguageName) -> Self {
        match name {
            LanguageName::En => Self::English,
            LanguageName::Fr => Self::French,
            LanguageName::Es => Self::Spanish,
            LanguageName::Ar => Self::Arabic,
        }
    }
}

/// How much a small picture shows, and how it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ThumbnailName {
    /// Blurred in the pixels; this cannot be undone
    Blurred,
    /// Small and grey, not blurred
    Grey,
}

impl From<ThumbnailName> for ThumbnailStyle {
    fn from(name: ThumbnailName) -> Self {
        match name {
            ThumbnailName::Blurred => Self::Blurred,
            ThumbnailName::Grey => Self::Grey,
        }
    }
}
