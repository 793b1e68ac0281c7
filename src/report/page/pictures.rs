//! The pictures of a page, which are only included on request.

use super::html::{Ltr, base64};
use super::language::fill;
use super::{Page, PictureOptions};
use crate::case::{CaseReader, PicturedContent};
use crate::decode::{self, Limits, Thumbnail, thumbnail};
use crate::outcome::Outcome;
use crate::pdq::Geometry;
use crate::report::export::ExportError;
use crate::source::digest::hex;
use crate::source::{Provenance, reopen};

pub use crate::decode::ThumbnailStyle as PictureStyle;

/// Why there is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    /// No file with these bytes is where it was.
    Gone,
    /// The decoder returned none.
    Failed,
    /// Its file or its pixels are over the limits.
    OverLimit,
}

impl Page<'_> {
    /// The pictures of hits and of medoids; returns how many are shown, and how many could not be.
    pub(super) fn pictures(
        &mut self,
        case: &CaseReader,
        options: &PictureOptions,
        shown: &mut dyn FnMut(u64, u64),
    ) -> Result<(u64, u64), ExportError> {
        let words = &self.words.pictures;
        let (contents, all) = case.pictured_contents(options.most)?;
        self.open("pictures", &words.headed)?;
        if contents.is_empty() {
            writeln!(self.out, "<p>{}</p>", self.words.nothing)?;
        }
        let here = contents.len() as u64;
        if here < all {
            let values = [("shown", &*self.words.number(here)), ("total", &self.words.number(all))];
            writeln!(self.out, "<p class=\"attention\">{}</p>", fill(words.cut, &values))?;
        }
        writeln!(self.out, "<ul class=\"pictures\">")?;
        let mut absent = 0;
        for (number, content) in (1..).zip(&contents) {
            let picture = small(content, options);
            absent += u64::from(picture.is_err());
            self.picture(number, content, &picture, options.style)?;
            shown(number, here);
        }
        writeln!(self.out, "</ul>")?;
        if absent > 0 {
            writeln!(self.out, "<p class=\"attention\">{}</p>", self.words.count(&words.absent, absent))?;
        }
        self.close()?;
        Ok((here - absent, absent))
    }

    fn picture(
        &mut self,
        number: u64,
        content: &PicturedContent,
        picture: &Result<Thumbnail, Absent>,
        style: PictureStyle,
    ) -> Result<(), ExportError> {
        let words = &self.words.pictures;
        let number = self.words.number(number);
        match picture {
            Ok(Thumbnail { media_type, bytes, width, height }) => write!(
                self.out,
                "<li><img alt=\"{}\" width=\"{width}\" height=\"{height}\" src=\"data:{media_type};base64,{}\">",
                fill(words.alternatives[style as usize], &[("number", &number)]),
                base64(bytes)
            )?,
            Err(absent) => write!(
                self.out,
                "<li class=\"absent\"><p>{}</p>",
                match absent {
                    Absent::Gone => words.gone,
                    Absent::Failed => words.failed,
                    Absent::OverLimit => words.over_limit,
                }
            )?,
        }
        let mut roles = Vec::new();
        if content.is_hit {
            roles.push(words.hit.to_string());
        }
        if let Some(stack) = content.medoid_of {
            roles.push(fill(words.medoid, &[("number", &self.words.number(stack.unsigned_abs()))]));
        }
        Ok(writeln!(
            self.out,
            "<div><bdi dir=\"ltr\">{number}</bdi>: {}</div><div class=\"code\">{}</div></li>",
            roles.join(", "),
            Ltr(&hex(&content.sha256))
        )?)
    }
}

/// Reads a file that still holds the content, and creates its thumbnail.
fn small(content: &PicturedContent, options: &PictureOptions) -> Result<Thumbnail, Absent> {
    if content.size > options.limits.max_decode_bytes {
        return Err(Absent::OverLimit);
    }
    let bytes = content.places.iter().find_map(|place| unchanged(place, content)).ok_or(Absent::Gone)?;
    let limits: &Limits = &options.limits;
    // Geometry only affects hashes; here it only decides which sizes are pictures.
    let probe = decode::probe(&bytes, Geometry::Full, limits);
    thumbnail(&bytes, &probe, limits, options.style).map_err(|failure| match failure.outcome {
        Outcome::OverLimit => Absent::OverLimit,
        _ => Absent::Failed,
    })
}

/// The bytes at a place, if they are those of the content.
fn unchanged(place: &Provenance, content: &PicturedContent) -> Option<Vec<u8>> {
    let opened = reopen(place, content.size)?;
    let mut bytes = vec![0; opened.room()?];
    let is_same = opened.read(&mut bytes, &content.sha256);
    bytes.pop();
    is_same.then_some(bytes)
}
