//! The sections of the page that are text: its title and contents, the summary, priorities, limits, and the end.

use super::Page;
use super::html::{Escaped, Ltr};
use super::language::{Words, fill};
use crate::report::export::ExportError;

/// The result of writing a section.
pub(super) type Written = Result<(), ExportError>;

impl Page<'_> {
    /// The page's title and the case's identity.
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

    /// What is known, new or failed, and the check that the counts add up.
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
            // The number is inserted already; the set's name replaces the other placeholder.
            notes.push(words.count(&summary.unmatched, set.unmatched).replace("[set]", &name));
        }
        for set in &data.sets {
            let name = Ltr(&data.set_name(&set.name, &set.file_sha256)).to_string();
            for (note, items) in
                [(&summary.trivial, set.trivial_items), (&summary.saturated, set.saturated_items)]
            {
                if items > 0 {
                    notes.push(words.count(note, items).replace("[set]", &name));
                }
            }
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
            write!(
                self.out,
                "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td>",
                words.number(priority.rank),
                Ltr(&priority.rule),
                words.number(priority.items)
            )?;
            let titles = words.priority_titles.iter().filter(|_| priority.own);
            match titles.clone().find(|(name, _)| *name == priority.rule) {
                Some((_, title)) => write!(self.out, "{title}")?,
                None => write!(self.out, "{}", Ltr(&priority.why))?,
            }
            writeln!(self.out, "</td></tr>")?;
        }
        self.end_of_table()?;
        self.close()
    }

    /// What the results do and do not prove.
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

    /// The head of a table; `number` is the column whose cells are numbers.
    pub(super) fn head_of_table(&mut self, labels: &[&str], number: Option<usize>) -> Written {
        write!(self.out, "<div class=\"scroll\"><table>\n<thead><tr>")?;
        for (column, label) in labels.iter().enumerate() {
            let class = if number == Some(column) { " class=\"number\"" } else { "" };
            write!(self.out, "<th scope=\"col\"{class}>{label}</th>")?;
        }
        Ok(writeln!(self.out, "</tr></thead>\n<tbody>")?)
    }

    /// The end of a table.
    pub(super) fn end_of_table(&mut self) -> Written {
        Ok(writeln!(self.out, "</tbody></table></div>")?)
    }
}

/// The texts of the script, as JSON.
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
    use crate::outcome::Outcome;
    use crate::pdq::Geometry;

    /// An empty case.
    fn nothing() -> Data {
        Data {
            identity: CaseIdentity::default(),
            origin: CaseOrigin::default(),
            spec: HashSpec {
                algorithm: "pdq".into(),
                version: 1,
                geometry: Geometry::Full,
                decode: DecodeMode::Auto,
            },
            sources: Vec::new(),
            incomplete_sources: Vec::new(),
            counts: ItemCounts { items: 0, bytes: 0, unfinished: 0 },
            outcomes: Vec::new(),
            sets: Vec::new(),
            known: 0,
            new: 0,
            verifications: Vec::new(),
            distances: Vec::new(),
            qualities: Vec::new(),
            formats: Vec::new(),
            derived_froms: Vec::new(),
            taken: Vec::new(),
            stacks: None,
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
        assert_eq!(written(&data, |page| page.priorities()), "");
        assert!(!written(&data, |page| page.contents(false)).contains("#priorities"));
        data.priorities = vec![Priority {
            rank: 1,
            rule: "<new>".into(),
            items: 12,
            why: "no victim identified".into(),
            own: false,
        }];
        let text = written(&data, |page| page.priorities());
        assert!(text.contains("&lt;new&gt;") && text.contains("no victim identified"), "{text}");
        assert!(written(&data, |page| page.contents(false)).contains("#priorities"));
    }

    #[test]
    fn counts_that_do_not_add_up_are_reported() {
        let mut data = nothing();
        data.counts.items = 3;
        data.outcomes = vec![(Outcome::Hashed, 2), (Outcome::Empty, 1)];
        data.new = 2;
        let imbalance = "THE COUNTS DO NOT ADD UP";
        assert!(!written(&data, |page| page.summary()).contains(imbalance));
        data.counts.items = 4;
        assert!(written(&data, |page| page.summary()).contains(imbalance));
        data.counts.items = 3;
        data.known = 2;
        assert!(written(&data, |page| page.summary()).contains(imbalance), "known and new overlap");
    }
}
