//! Figures of the page: distances, qualities, outcomes, stacks, years; with their charts.

use super::Page;
use super::html::{Escaped, Ltr};
use super::language::{Headed, fill};
use super::plots::{Bar, Histogram};
use super::rows::outcome_word;
use super::sections::Written;
use crate::case::CaseReader;
use crate::outcome::Outcome;

/// Qualities under one bar.
const QUALITY_STEP: u32 = 5;

impl Page<'_> {
    /// The histogram of confirmed perceptual hits.
    pub(super) fn distances(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        self.open("distances", &words.distances)?;
        let set_distance = data.sets.iter().map(|set| set.distance).max().unwrap_or(0).min(256) as u32;
        let last = data.distances.iter().map(|(distance, _)| *distance).max().unwrap_or(0).max(set_distance);
        let bars: Vec<Bar> = (0..=last.min(256))
            .map(|distance| Bar {
                label: distance.to_string(),
                count: data
                    .distances
                    .iter()
                    .find(|(known, _)| *known == distance)
                    .map_or(0, |(_, hits)| *hits),
                hatched: false,
            })
            .collect();
        self.histogram("distances", words.distances.heading, words.distance_axes, &bars)?;
        let unconfirmed = data.hits_of("unconfirmed");
        if unconfirmed > 0 {
            writeln!(self.out, "<p>{}</p>", words.count(&words.distances_without, unconfirmed))?;
        }
        self.close()
    }

    /// The histogram of qualities.
    pub(super) fn qualities(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        self.open("qualities", &words.qualities)?;
        let min_quality = data.sets.iter().map(|set| set.min_quality).min();
        let bars: Vec<Bar> = (0..=100_u32)
            .step_by(QUALITY_STEP as usize)
            .map(|first| {
                let last = (first + QUALITY_STEP - 1).min(100);
                Bar {
                    label: if first == last { first.to_string() } else { format!("{first}–{last}") },
                    count: data
                        .qualities
                        .iter()
                        .filter(|(quality, _)| (first..=last).contains(quality))
                        .map(|(_, pictures)| pictures)
                        .sum(),
                    hatched: min_quality.is_some_and(|min_quality| u64::from(last) < min_quality),
                }
            })
            .collect();
        self.histogram("qualities", words.qualities.heading, words.quality_axes, &bars)?;
        if let Some(min_quality) = min_quality.filter(|min_quality| *min_quality > 0) {
            writeln!(
                self.out,
                "<p>{}</p>",
                fill(words.quality_hatched, &[("quality", &words.number(min_quality))])
            )?;
        }
        self.close()
    }

    /// Outcomes, and outcomes by format.
    pub(super) fn outcomes(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let labels = &words.labels;
        self.open("outcomes", &words.outcomes)?;
        self.head_of_table(&[labels.outcome, labels.files, labels.meaning], Some(1))?;
        for (outcome, (name, meaning)) in Outcome::ALL.into_iter().zip(words.names.outcomes) {
            let items =
                data.outcomes.iter().find(|(known, _)| *known == outcome).map_or(0, |(_, items)| *items);
            if items > 0 {
                writeln!(
                    self.out,
                    "<tr><th scope=\"row\">{name} <bdi dir=\"ltr\"><code>{}</code></bdi></th><td class=\"number\">{}</td><td>{meaning}</td></tr>",
                    outcome.name(),
                    words.number(items)
                )?;
            }
        }
        writeln!(
            self.out,
            "<tr class=\"sum\"><th scope=\"row\">{}</th><td class=\"number\">{}</td><td></td></tr>",
            labels.total,
            words.number(data.finished())
        )?;
        self.end_of_table()?;
        let Headed { heading, lead } = words.formats;
        writeln!(self.out, "<h3>{heading}</h3>\n<p class=\"lead\">{lead}</p>")?;
        self.head_of_table(&[labels.format, labels.outcome, labels.files], Some(2))?;
        for count in &data.formats {
            let format = count
                .format
                .as_deref()
                .map_or_else(|| labels.no_format.to_string(), |name| Ltr(name).to_string());
            writeln!(
                self.out,
                "<tr><th scope=\"row\">{format}</th><td>{}</td><td class=\"number\">{}</td></tr>",
                Escaped(&outcome_word(&count.outcome, words)),
                words.number(count.items)
            )?;
        }
        self.end_of_table()?;
        self.close()
    }

    /// The stacks, if they were computed.
    pub(super) fn stacks(&mut self, case: &CaseReader) -> Written {
        let (words, data) = (self.words, self.data);
        self.open("stacks", &words.stacks)?;
        if let Some(counts) = &data.stacks {
            let number = |number: u64| format!("<bdi dir=\"ltr\">{}</bdi>", words.number(number));
            let made = fill(
                words.stacks_made,
                &[
                    ("distance", &number(u64::from(counts.settings.distance))),
                    ("quality", &number(u64::from(counts.settings.min_quality))),
                    ("stacks", &number(counts.stacks)),
                    ("stacked", &number(counts.stacked)),
                ],
            );
            writeln!(self.out, "<p>{made}</p>")?;
            self.stack_rows(case, counts.stacks)?;
        } else {
            writeln!(self.out, "<p>{}</p>", words.no_stacks)?;
        }
        self.close()
    }

    /// Pictures by year; nothing where no picture has a date.
    pub(super) fn taken(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let (Some((first, _)), Some((last, _))) = (data.taken.first(), data.taken.last()) else {
            return Ok(());
        };
        self.open("taken", &words.taken)?;
        // A camera that was never set reports 1970 or 2000: empty years in between are shown only if they are
        // few.
        let every_year = last - first < 40;
        let years: Vec<u32> = if every_year {
            (*first..=*last).collect()
        } else {
            data.taken.iter().map(|(year, _)| *year).collect()
        };
        let bars: Vec<Bar> = years
            .into_iter()
            .map(|year| Bar {
                label: year.to_string(),
                count: data.taken.iter().find(|(known, _)| *known == year).map_or(0, |(_, files)| *files),
                hatched: false,
            })
            .collect();
        self.histogram("taken", words.taken.heading, words.taken_axes, &bars)?;
        self.close()
    }

    /// A chart and its figures.
    fn histogram(&mut self, id: &str, title: &str, axes: [&str; 2], bars: &[Bar]) -> Written {
        let words = self.words;
        let chart = Histogram { id, title, axes, bars }.svg(words);
        writeln!(self.out, "<figure>{chart}</figure>\n<details><summary>{}</summary>", words.figures)?;
        self.head_of_table(&[axes[1], axes[0]], Some(1))?;
        for bar in bars.iter().filter(|bar| bar.count > 0) {
            let count = words.number(bar.count);
            writeln!(
                self.out,
                "<tr><th scope=\"row\">{}</th><td class=\"number\">{count}</td></tr>",
                Ltr(&bar.label)
            )?;
        }
        self.end_of_table()?;
        Ok(writeln!(self.out, "</details>")?)
    }
}
