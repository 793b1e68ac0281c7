//! `tamis report` as typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::decode::ThumbnailStyle;
use crate::report::page::language::Language;

/// `tamis report`.
#[derive(Debug, Args)]
#[command(
    after_help = "The page is one file that opens in a browser from disk and asks no network. It is described in docs/report.md. \
Without --thumbnails it shows no picture and no source is opened. The same case gives the same bytes."
)]
pub struct Report {
    /// The case, as `tamis scan` or `tamis triage` made it
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// File for the page, `-` for standard output; it appears only when it is whole [default: report.html in the case,
    /// report-fr.html and so on for other languages than English, report-with-pictures.html with --thumbnails]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Language of the page
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    pub lang: LanguageName,
    /// Rows of a table at most; the page says where there are more, and how to export all
    #[arg(long, value_name = "N", default_value_t = 250_000, value_parser = clap::value_parser!(u64).range(1..=500_000))]
    pub max_rows: u64,
    /// Show small pictures of hits and of medoids, made from the sources: blurred beyond recognition, or grey and not
    /// blurred. A page with pictures is to be treated as evidence [without a value: blurred]
    #[arg(long, value_name = "STYLE", num_args = 0..=1, default_missing_value = "blurred")]
    pub thumbnails: Option<ThumbnailName>,
    /// Pictures at most; the page says where there are more
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
    /// Blurred in the pixels, which cannot be undone
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
