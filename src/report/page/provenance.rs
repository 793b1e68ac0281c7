//! The origin of the results: runs, settings, hash sets.

use super::data::Run;
use super::html::{Escaped, Ltr};
use super::language::{Words, fill};
use super::plots::{Span, seconds, timeline};
use super::sections::Written;
use super::{COMMANDS, DERIVED_FROM, Page, STATES, known_word};

/// Maximum number of runs in the chart.
const CHARTED_RUNS: usize = 30;

impl Page<'_> {
    /// The runs: a chart and everything recorded about them except their settings.
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

    /// What determines a hash, and every option of every run.
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
            (labels.decode_mode.to_string(), data.spec.decode.name().to_string()),
        ];
        for (name, pictures) in &data.derived_froms {
            let from = known_word(name, DERIVED_FROM, words.names.derived_froms);
            facts.push((format!("{}: {from}", labels.derived_from), words.number(*pictures)));
        }
        let made = data.origin.created.as_deref().map(|created| words.moment(created));
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
    pub(super) fn hash_sets(&mut self) -> Written {
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
                (labels.hashes, set.hashes),
                (labels.hashes_without_quality, set.hashes_without_quality),
                (labels.low_quality, set.low_quality),
                (labels.null_hashes, set.null_hashes),
                (labels.malformed_lines, set.malformed_lines),
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

/// The command as typed.
fn command(run: &Run) -> String {
    if COMMANDS.contains(&run.command.as_str()) {
        format!("tamis {}", run.command)
    } else {
        run.command.clone()
    }
}
