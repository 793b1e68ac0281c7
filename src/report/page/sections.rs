//! The sections of the page, in its order, but for the tables of many rows and the pictures.

use super::data::Run;
use super::html::{Escaped, Ltr};
use super::language::{Headed, Words, fill};
use super::plots::{Bar, Histogram, Span, seconds, timeline};
use super::rows::outcome_word;
use super::{COMMANDS, DECODE_PATHS, Page, STATES, known_word};
use crate::outcome::Outcome;
use crate::report::export::ExportError;

/// Runs in the chart at most.
const CHARTED_RUNS: usize = 30;
/// Qualities under one bar.
const QUALITY_STEP: u32 = 5;

type Written = Result<(), ExportError>;

impl Page<'_> {
    /// The page's title and whose case it is.
    pub(super) fn title(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let labels = &words.labels;
        writeln!(self.out, "<header>\n<h1>{}</h1>\n<dl class=\"facts\">", words.title)?;
        for (label, value) in [
            (labels.case_number, &data.identity.case_number),
            (labels.exhibit, &data.identity.exhibit),
            (labels.examiner, &data.identity.examiner),
        ] {
            if let Some(value) = value {
                writeln!(self.out, "<div><dt>{label}</dt><dd><bdi>{}</bdi></dd></div>", Escaped(value))?;
            }
        }
        write!(self.out, "<div><dt>{}</dt><dd>", labels.sources)?;
        for (index, source) in data.sources.iter().enumerate() {
            write!(self.out, "{}{}", if index > 0 { "<br>" } else { "" }, Ltr(source))?;
        }
        writeln!(self.out, "</dd></div>\n</dl>")?;
        if let Some(moment) = data.moment() {
            let moment =
                format!("<time datetime=\"{}\">{}</time>", Escaped(moment), Escaped(&words.moment(moment)));
            writeln!(self.out, "<p class=\"as-of\">{}</p>", fill(words.as_of, &[("moment", &moment)]))?;
        }
        Ok(writeln!(self.out, "</header>")?)
    }

    /// The list of sections.
    pub(super) fn contents(&mut self, pictures: bool) -> Written {
        writeln!(self.out, "<nav aria-label=\"{}\"><ul>", self.words.contents)?;
        for (id, headed) in self.listed(pictures) {
            writeln!(self.out, "<li><a href=\"#{id}\">{}</a></li>", headed.heading)?;
        }
        Ok(writeln!(self.out, "</ul></nav>")?)
    }

    /// What is known, what is new, what failed, and that it adds up.
    pub(super) fn summary(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let summary = &words.summary;
        self.open("summary", &summary.headed)?;
        writeln!(self.out, "<dl class=\"cards\">")?;
        for (class, (label, meaning), count) in [
            ("found", summary.found, data.counts.items),
            ("known", summary.known, data.known),
            ("new", summary.new, data.new),
            ("others", summary.others, data.others().unwrap_or(0)),
            ("failed", summary.failed, data.failed()),
        ] {
            let more = if class == "found" {
                format!(" <bdi class=\"more\" dir=\"ltr\">{}</bdi>", words.size(data.counts.bytes))
            } else {
                String::new()
            };
            writeln!(
                self.out,
                "<div class=\"card {class}\"><dt>{label}</dt><dd><strong><bdi dir=\"ltr\">{}</bdi></strong>{more}<span>{meaning}</span></dd></div>",
                words.number(count)
            )?;
        }
        writeln!(self.out, "</dl>")?;
        self.balance()?;
        self.attention()?;
        self.close()
    }

    /// The sums, with every number in them.
    fn balance(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let (items, unfinished) = (data.counts.items, data.counts.unfinished);
        let sum = |numbers: &[u64]| {
            let numbers: Vec<String> = numbers.iter().map(|number| words.number(*number)).collect();
            format!("<bdi dir=\"ltr\">{}</bdi>", numbers.join(" + "))
        };
        let mut outcomes: Vec<u64> = data.outcomes.iter().map(|(_, items)| *items).collect();
        if unfinished > 0 {
            outcomes.push(unfinished);
        }
        let total = format!("<bdi dir=\"ltr\">{}</bdi>", words.number(items));
        let others = data.others();
        let parts = [data.known, data.new, others.unwrap_or(0), unfinished];
        let balanced =
            outcomes.iter().sum::<u64>() == items && others.is_some() && parts.iter().sum::<u64>() == items;
        for (text, numbers) in [(words.summary.balance, &outcomes[..]), (words.summary.parts, &parts)] {
            let (class, text) =
                if balanced { ("balance", text) } else { ("attention", words.summary.imbalance) };
            writeln!(
                self.out,
                "<p class=\"{class}\">{}</p>",
                fill(text, &[("sum", &sum(numbers)), ("total", &total)])
            )?;
        }
        Ok(())
    }

    /// What a reader must know before relying on the figures.
    fn attention(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let summary = &words.summary;
        let mut notes = Vec::new();
        if data.runs.iter().any(|run| run.state == "running") {
            notes.push(summary.running.to_string());
        }
        if data.counts.unfinished > 0 {
            notes.push(words.count(&summary.unfinished, data.counts.unfinished));
        }
        for source in &data.incomplete_sources {
            notes.push(fill(summary.incomplete, &[("source", &Ltr(source).to_string())]));
        }
        if data.sets.is_empty() {
            notes.push(summary.no_sets.to_string());
        }
        for set in data.sets.iter().filter(|set| set.unmatched > 0) {
            let name = Ltr(&data.set_name(&set.name, &set.file_sha256)).to_string();
            // The plural's own number is in it already; the set's name takes the other place.
            notes.push(words.count(&summary.unmatched, set.unmatched).replace("[set]", &name));
        }
        match data.hits_of("unconfirmed") {
            0 => {}
            unconfirmed => notes.push(words.count(&summary.unconfirmed, unconfirmed)),
        }
        match data.failed() {
            0 => {}
            failed => notes.push(words.count(&summary.failures, failed)),
        }
        if let Some(newer) = data.stacks.as_ref().map(|stacks| stacks.newer).filter(|newer| *newer > 0) {
            notes.push(words.count(&summary.newer, newer));
        }
        if data.perceptual_hits() > 0 && data.hits_of("unconfirmed") == 0 {
            writeln!(self.out, "<p>{}</p>", summary.all_confirmed)?;
        }
        if notes.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "<div class=\"attention\"><h3>{}</h3><ul>", summary.attention)?;
        for note in notes {
            writeln!(self.out, "<li>{note}</li>")?;
        }
        Ok(writeln!(self.out, "</ul></div>")?)
    }

    /// What the rules of the case put first; nothing where it has none.
    pub(super) fn priorities(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        if data.priorities.is_empty() {
            return Ok(());
        }
        self.open("priorities", &words.priorities)?;
        self.head_of_table(&words.priority_columns, Some(2))?;
        for priority in &data.priorities {
            writeln!(
                self.out,
                "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
                words.number(priority.rank),
                Ltr(&priority.rule),
                words.number(priority.items),
                Ltr(&priority.why)
            )?;
        }
        self.end_of_table()?;
        self.close()
    }

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
        let least = data.sets.iter().map(|set| set.min_quality).min();
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
                    hatched: least.is_some_and(|least| u64::from(last) < least),
                }
            })
            .collect();
        self.histogram("qualities", words.qualities.heading, words.quality_axes, &bars)?;
        if let Some(least) = least.filter(|least| *least > 0) {
            writeln!(
                self.out,
                "<p>{}</p>",
                fill(words.quality_hatched, &[("quality", &words.number(least))])
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

    /// The stacks, where they were made.
    pub(super) fn stacks(&mut self) -> Written {
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
            self.stack_rows()?;
        } else {
            writeln!(self.out, "<p>{}</p>", words.no_stacks)?;
        }
        self.close()
    }

    /// The runs: a chart and all that is recorded of them but their settings.
    pub(super) fn runs(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let labels = &words.labels;
        self.open("runs", &words.runs)?;
        let late = data.runs.len().saturating_sub(CHARTED_RUNS);
        let spans: Vec<Span> = data.runs[late..].iter().filter_map(|run| span(run, words)).collect();
        let edge = |moment: Option<&str>| moment.map(|moment| words.moment(moment)).unwrap_or_default();
        let from = edge(data.runs[late..].iter().map(|run| run.started.as_str()).min());
        let to = edge(data.runs[late..].iter().map(|run| run.ended.as_deref().unwrap_or(&run.started)).max());
        let chart = timeline("runs", &words.runs, [&from, &to], &spans, words.right_to_left);
        writeln!(self.out, "<figure>{chart}</figure>")?;
        if late > 0 {
            let shown = words.number(CHARTED_RUNS as u64);
            let total = words.number(data.runs.len() as u64);
            writeln!(self.out, "<p>{}</p>", fill(words.runs_cut, &[("shown", &shown), ("total", &total)]))?;
        }
        self.head_of_table(
            &[labels.run, labels.command, labels.started, labels.ended, labels.state, labels.notices],
            Some(0),
        )?;
        for run in &data.runs {
            let ended = run.ended.as_deref().map_or_else(|| "–".into(), |ended| words.moment(ended));
            write!(
                self.out,
                "<tr><td class=\"number\">{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>",
                run.number,
                Ltr(&command(run)),
                Escaped(&words.moment(&run.started)),
                Escaped(&ended),
                Escaped(&known_word(&run.state, STATES, words.names.states))
            )?;
            for notice in &run.notices {
                write!(self.out, "<p>{}</p>", Ltr(notice))?;
            }
            writeln!(self.out, "</td></tr>")?;
        }
        self.end_of_table()?;
        self.close()
    }

    /// Pictures by year; nothing where none says when it was taken.
    pub(super) fn taken(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let (Some((first, _)), Some((last, _))) = (data.taken.first(), data.taken.last()) else {
            return Ok(());
        };
        self.open("taken", &words.taken)?;
        // A camera that was never set says 1970 or 2000: years without pictures between are shown while they are few.
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

    /// What decides a code, and every option of every run.
    pub(super) fn settings(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let labels = &words.labels;
        self.open("settings", &words.settings)?;
        writeln!(self.out, "<h3>{}</h3>", words.specification)?;
        self.head_of_table(&[labels.setting, labels.value], None)?;
        let version = format!("{} {}", data.spec.algorithm, data.spec.version);
        let mut facts = vec![
            (labels.algorithm.to_string(), version),
            (labels.geometry.to_string(), data.spec.geometry.name().to_string()),
            (labels.decode_mode.to_string(), data.spec.decode_path.name().to_string()),
        ];
        for (name, pictures) in &data.decode_paths {
            let from = known_word(name, DECODE_PATHS, words.names.decode_paths);
            facts.push((format!("{}: {from}", labels.decode_path), words.number(*pictures)));
        }
        let made = data.origin.made.as_deref().map(|made| words.moment(made));
        for (name, value) in [(labels.program, data.origin.program.clone()), (labels.made, made)] {
            facts.push((name.to_string(), value.unwrap_or_else(|| "–".into())));
        }
        for (name, value) in facts {
            writeln!(
                self.out,
                "<tr><th scope=\"row\">{}</th><td><bdi>{}</bdi></td></tr>",
                Escaped(&name),
                Escaped(&value)
            )?;
        }
        self.end_of_table()?;
        for run in &data.runs {
            writeln!(
                self.out,
                "<details><summary>{} {}: {}, {}</summary>",
                labels.run,
                run.number,
                Ltr(&command(run)),
                Escaped(&words.moment(&run.started))
            )?;
            self.head_of_table(&[labels.setting, labels.value], None)?;
            for (name, value) in &run.settings {
                writeln!(self.out, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", Ltr(name), Ltr(value))?;
            }
            self.end_of_table()?;
            writeln!(self.out, "</details>")?;
        }
        self.close()
    }

    /// The sets, with what was read and what was set aside.
    pub(super) fn known_sets(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let labels = &words.labels;
        self.open("known-sets", &words.sets)?;
        if data.sets.is_empty() {
            writeln!(self.out, "<p>{}</p>", words.nothing)?;
        }
        for set in &data.sets {
            writeln!(
                self.out,
                "<h3>{}</h3>\n<dl class=\"facts\">\n<div><dt>SHA-256</dt><dd class=\"code\">{}</dd></div>\n<div><dt>{}</dt><dd>{}</dd></div>",
                Ltr(&data.set_name(&set.name, &set.file_sha256)),
                Ltr(&set.file_sha256),
                labels.source,
                Ltr(&set.path)
            )?;
            for (label, count) in [
                (labels.records, set.records),
                (labels.codes, set.codes),
                (labels.codes_without_quality, set.codes_without_quality),
                (labels.low_quality, set.low_quality),
                (labels.zero_codes, set.zero_codes),
                (labels.bad_lines, set.bad_lines),
                (labels.distance_up_to, set.distance),
                (labels.min_quality, set.min_quality),
                (labels.digest_hits, set.digest_hits),
                (labels.perceptual_hits, set.perceptual_hits),
                (labels.unconfirmed_hits, set.unconfirmed_hits),
                (labels.files_with_hits, set.items),
                (labels.unmatched, set.unmatched),
            ] {
                let count = words.number(count);
                writeln!(self.out, "<div><dt>{label}</dt><dd><bdi dir=\"ltr\">{count}</bdi></dd></div>")?;
            }
            writeln!(self.out, "<div><dt>{}</dt><dd>{}</dd></div>\n</dl>", labels.verify, Ltr(&set.verify))?;
        }
        self.close()
    }

    /// What the results prove and what they do not.
    pub(super) fn limits(&mut self) -> Written {
        let words = self.words;
        self.open("limits", &words.limits)?;
        writeln!(self.out, "<ul class=\"statements\">")?;
        for statement in words.statements {
            writeln!(self.out, "<li>{statement}</li>")?;
        }
        writeln!(self.out, "</ul>")?;
        self.close()
    }

    /// The end of the page, with its script.
    pub(super) fn foot(&mut self) -> Written {
        let (words, data) = (self.words, self.data);
        let program = Ltr(concat!("tamis ", env!("CARGO_PKG_VERSION"))).to_string();
        let maker = data.origin.program.as_deref().map_or_else(|| "–".into(), |maker| Ltr(maker).to_string());
        let footer = fill(words.footer, &[("program", &program), ("maker", &maker)]);
        write!(
            self.out,
            "</main>\n<footer><p>{footer}</p></footer>\n<script type=\"application/json\" id=\"words\">{}</script>\n",
            script_words(words).replace('<', "\\u003c")
        )?;
        Ok(write!(self.out, "<script>{}</script>\n</body>\n</html>\n", super::SCRIPT)?)
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

    /// The head of a table; `number` is the column whose cells are numbers.
    fn head_of_table(&mut self, labels: &[&str], number: Option<usize>) -> Written {
        write!(self.out, "<div class=\"scroll\"><table>\n<thead><tr>")?;
        for (column, label) in labels.iter().enumerate() {
            let class = if number == Some(column) { " class=\"number\"" } else { "" };
            write!(self.out, "<th scope=\"col\"{class}>{label}</th>")?;
        }
        Ok(writeln!(self.out, "</tr></thead>\n<tbody>")?)
    }

    fn end_of_table(&mut self) -> Written {
        Ok(writeln!(self.out, "</tbody></table></div>")?)
    }
}

/// A run in the chart.
fn span(run: &Run, words: &Words) -> Option<Span> {
    let state = known_word(&run.state, STATES, words.names.states);
    let done = run.state == "done";
    Some(Span {
        start: seconds(&run.started)?,
        end: run.ended.as_deref().and_then(seconds),
        label: if done {
            format!("{} {}", run.number, run.command)
        } else {
            format!("{} {}: {state}", run.number, run.command)
        },
        hatched: !done,
    })
}

/// The command as it was typed.
fn command(run: &Run) -> String {
    if COMMANDS.contains(&run.command.as_str()) {
        format!("tamis {}", run.command)
    } else {
        run.command.clone()
    }
}

/// What the script says, as JSON.
fn script_words(words: &Words) -> String {
    let table = &words.table;
    serde_json::json!({
        "group": words.writing.group,
        "groupedFrom": words.writing.grouped_from,
        "filter": table.filter,
        "all": table.all,
        "atMost": table.at_most,
        "shown": table.shown,
        "columns": table.columns,
        "nothing": table.nothing,
        "details": table.details,
        "close": table.close,
        "help": table.help,
        "printed": table.printed,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::super::data::{Data, Priority};
    use super::super::language::Language;
    use super::*;
    use crate::case::{CaseIdentity, CaseOrigin, HashSpec, ItemCounts};
    use crate::decode::DecodeMode;
    use crate::pdq::Geometry;

    /// A case of nothing.
    fn nothing() -> Data {
        Data {
            identity: CaseIdentity::default(),
            origin: CaseOrigin::default(),
            spec: HashSpec {
                algorithm: "pdq".into(),
                version: 1,
                geometry: Geometry::Full,
                decode_path: DecodeMode::Auto,
            },
            sources: Vec::new(),
            incomplete_sources: Vec::new(),
            counts: ItemCounts { items: 0, bytes: 0, unfinished: 0 },
            outcomes: Vec::new(),
            sets: Vec::new(),
            known: 0,
            new: 0,
            verdicts: Vec::new(),
            distances: Vec::new(),
            qualities: Vec::new(),
            formats: Vec::new(),
            decode_paths: Vec::new(),
            taken: Vec::new(),
            stacks: None,
            stack_heads: Vec::new(),
            runs: Vec::new(),
            priorities: Vec::new(),
        }
    }

    fn written(data: &Data, write: impl Fn(&mut Page<'_>) -> Written) -> String {
        let mut out = Vec::new();
        let words = Language::English.words();
        write(&mut Page { out: &mut out, words, data, max_rows: 10 }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn priorities_are_shown_where_a_case_has_them() {
        let mut data = nothing();
        assert_eq!(written(&data, Page::priorities), "");
        assert!(!written(&data, |page| page.contents(false)).contains("#priorities"));
        data.priorities =
            vec![Priority { rank: 1, rule: "<new>".into(), items: 12, why: "no victim identified".into() }];
        let text = written(&data, Page::priorities);
        assert!(text.contains("&lt;new&gt;") && text.contains("no victim identified"), "{text}");
        assert!(written(&data, |page| page.contents(false)).contains("#priorities"));
    }

    #[test]
    fn counts_that_do_not_add_up_are_said() {
        let mut data = nothing();
        data.counts.items = 3;
        data.outcomes = vec![(Outcome::Hashed, 2), (Outcome::Empty, 1)];
        data.new = 2;
        let imbalance = "THE COUNTS DO NOT ADD UP";
        assert!(!written(&data, Page::summary).contains(imbalance));
        data.counts.items = 4;
        assert!(written(&data, Page::summary).contains(imbalance));
        data.counts.items = 3;
        data.known = 2;
        assert!(written(&data, Page::summary).contains(imbalance), "known and new overlap");
    }
}
