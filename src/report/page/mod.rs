//! A case as one HTML page that needs only a browser and no network: `docs/report.md` describes it for
//! readers.
//!
//! [`write()`] streams it: `data` reads the case, `sections`, `figures` and `provenance` write it as HTML, `rows` writes the long
//! tables, `plots` the charts, and [`language`] holds the words. Evidence text is escaped in one place (`html`), and a content security
//! policy in the page's head keeps the browser from running or fetching anything but the page's own style and script, identified by
//! their digests.
//!
//! The page does not hold the time of its creation: the same case gives the same bytes.

mod data;
mod figures;
mod html;
pub mod language;
mod pictures;
mod plots;
mod provenance;
mod rows;
mod sections;

use std::borrow::Cow;
use std::io::Write;

use crate::case::CaseReader;
use crate::decode::Limits;
use crate::source::sha256_of;

use super::export::ExportError;
use data::Data;
pub(super) use data::settings as flat_settings;
use html::{Escaped, base64};
use language::{Headed, Language, Words};

pub use pictures::PictureStyle;

/// The complete style of the page.
const STYLE: &str = include_str!("style.css");
/// The script that shows, filters and sorts the tables.
const SCRIPT: &str = include_str!("table.js");

/// Why a hit is not confirmed, as named in the case.
const UNCONFIRMED: [&str; 5] = ["source_gone", "over_limit", "decoder_failed", "digest_hit", "verify_off"];
/// What a hash is from, as named in the case.
const DERIVED_FROM: [&str; 2] = ["pixels", "coefficients"];
/// Stages, as named in the case.
const STAGES: [&str; 6] = ["walk", "read", "sniff", "limits", "decode", "hash"];
/// States of a run, as named in the case.
const STATES: [&str; 5] = ["running", "done", "interrupted", "failed", "died"];
/// Commands that write to a case.
const COMMANDS: [&str; 4] = ["triage", "scan", "match", "stack"];

/// Options of the page.
#[derive(Clone, Copy, Debug)]
pub struct PageOptions {
    /// Its language.
    pub language: Language,
    /// Maximum rows of a table; the page states where there are more.
    pub max_rows: u64,
    /// The pictures, if requested.
    pub pictures: Option<PictureOptions>,
}

/// How pictures are shown.
#[derive(Clone, Copy, Debug)]
pub struct PictureOptions {
    /// Blurred or grey.
    pub style: PictureStyle,
    /// Maximum number of pictures; the page states where there are more.
    pub most: u64,
    /// Bounds of decoding.
    pub limits: Limits,
}

/// What a page holds, for the command's report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// Hits of the case.
    pub hits: u64,
    /// Errors of the case.
    pub errors: u64,
    /// Pictures that are shown.
    pub pictures: u64,
    /// Pictures that were to be shown and could not be.
    pub absent: u64,
}

/// A page that is being written.
struct Page<'a> {
    out: &'a mut dyn Write,
    words: &'static Words,
    data: &'a Data,
    max_rows: u64,
}

/// Writes the page. `shown` is called with the number of each picture and their total.
///
/// # Errors
/// If the case cannot be read, or the sink fails.
pub fn write(
    case: &CaseReader,
    options: &PageOptions,
    shown: &mut dyn FnMut(u64, u64),
    out: &mut dyn Write,
) -> Result<PageCounts, ExportError> {
    let _snapshot = case.snapshot()?;
    let data = Data::read(case)?;
    let words = options.language.words();
    let mut page = Page { out, words, data: &data, max_rows: options.max_rows };
    let mut counts = PageCounts::default();
    page.head(options.pictures.map(|pictures| pictures.style))?;
    page.summary()?;
    page.priorities()?;
    page.open("hits", &words.hits)?;
    counts.hits = page.hit_rows(case)?;
    page.close()?;
    page.distances()?;
    page.qualities()?;
    page.outcomes()?;
    page.stacks(case)?;
    if let Some(pictures) = &options.pictures {
        (counts.pictures, counts.absent) = page.pictures(case, pictures, shown)?;
    }
    page.runs()?;
    page.taken()?;
    page.settings()?;
    page.hash_sets()?;
    page.open("errors", &words.errors)?;
    counts.errors = page.error_rows(case)?;
    page.close()?;
    page.limits()?;
    page.foot()?;
    Ok(counts)
}

impl Page<'_> {
    /// Everything before the first section.
    fn head(&mut self, pictures: Option<PictureStyle>) -> Result<(), ExportError> {
        let (words, data) = (self.words, self.data);
        let direction = if words.right_to_left { "rtl" } else { "ltr" };
        let [style, script] = [STYLE, SCRIPT].map(|text| base64(&sha256_of(text.as_bytes())));
        let named = [&data.identity.case_number, &data.identity.exhibit].into_iter().flatten();
        let title: Vec<&str> = named.map(String::as_str).chain([words.title]).collect();
        write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"{}\" dir=\"{direction}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; \
             script-src 'sha256-{script}'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
            words.hash,
            Escaped(&title.join(" · "))
        )?;
        match pictures {
            Some(style) => {
                let banner = words.pictures.banners[style as usize];
                writeln!(self.out, "<p class=\"banner\" role=\"alert\">{banner}</p>")?;
            }
            None => writeln!(self.out, "<p class=\"no-pictures\">{}</p>", words.no_pictures)?,
        }
        self.title()?;
        self.contents(pictures.is_some())?;
        Ok(writeln!(self.out, "<main>")?)
    }

    /// The sections of the page, by element identifier.
    fn listed(&self, pictures: bool) -> Vec<(&'static str, &'static Headed)> {
        let (words, data) = (self.words, self.data);
        [
            ("summary", &words.summary.headed, true),
            ("priorities", &words.priorities, !data.priorities.is_empty()),
            ("hits", &words.hits, true),
            ("distances", &words.distances, true),
            ("qualities", &words.qualities, true),
            ("outcomes", &words.outcomes, true),
            ("stacks", &words.stacks, true),
            ("pictures", &words.pictures.headed, pictures),
            ("runs", &words.runs, true),
            ("taken", &words.taken, !data.taken.is_empty()),
            ("settings", &words.settings, true),
            ("known-sets", &words.sets, true),
            ("errors", &words.errors, true),
            ("limits", &words.limits, true),
        ]
        .into_iter()
        .filter(|(_, _, there)| *there)
        .map(|(id, headed, _)| (id, headed))
        .collect()
    }

    /// Begins a section.
    fn open(&mut self, id: &str, headed: &Headed) -> Result<(), ExportError> {
        let Headed { heading, lead } = headed;
        Ok(writeln!(
            self.out,
            "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{heading}</h2>\n<p class=\"lead\">{lead}</p>"
        )?)
    }

    /// Ends a section.
    fn close(&mut self) -> Result<(), ExportError> {
        Ok(writeln!(self.out, "</section>")?)
    }
}

/// The word of a language for a name used in the case; a name of another program stays as it is.
fn known_word<'a, const N: usize>(name: &'a str, names: [&str; N], words: [&'static str; N]) -> Cow<'a, str> {
    names
        .iter()
        .position(|known| *known == name)
        .map_or(Cow::Borrowed(name), |index| Cow::Borrowed(words[index]))
}
