//! Charts as plain SVG: no library, no script, and no information by colour alone. Each has a title and a description for
//! screen readers, and a table of its figures next to it.

use std::fmt::Write;

use super::html::Escaped;
use super::language::{Headed, Words};

/// Width of every chart, in its own units.
const WIDTH: u64 = 760;
/// Left edge of the plotted area: room for the numbers of the vertical axis.
const LEFT: u64 = 64;
/// Right edge of the plotted area.
const RIGHT: u64 = WIDTH - 16;
/// Upper and lower edge of the plotted area of a histogram.
const TOP: u64 = 24;
const BOTTOM: u64 = 216;

/// One bar of a histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// The label under it; evidence text is escaped already.
    pub label: String,
    /// Its height.
    pub count: u64,
    /// Hatched; the text next to the chart explains why.
    pub hatched: bool,
}

/// A histogram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Histogram<'a> {
    /// Prefix of its element's identifiers, unique on the page.
    pub id: &'a str,
    pub title: &'a str,
    /// What heights are, and the axis under the bars.
    pub axes: [&'a str; 2],
    pub bars: &'a [Bar],
}

impl Histogram<'_> {
    /// The chart as an SVG element.
    pub fn svg(&self, words: &Words) -> String {
        let Self { id, title, axes: [heights, line], bars } = *self;
        let highest = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
        let step = round_step(highest);
        let top = highest.div_ceil(step).saturating_mul(step);
        let mut svg = open(id, title, &format!("{heights}; {line}"), 256);
        let height = |count: u64| (u128::from(BOTTOM - TOP) * u128::from(count) / u128::from(top)) as u64;
        for level in (0..=4).map(|line| step.saturating_mul(line)).take_while(|level| *level <= top) {
            let y = BOTTOM - height(level);
            put(
                &mut svg,
                format_args!(
                    "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{RIGHT}\" y2=\"{y}\"/>\
                     <text class=\"number\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                    LEFT - 8,
                    y + 4,
                    words.number(level)
                ),
            );
        }
        let slots = (bars.len() as u64).max(1);
        // Labels get about 34 units each; of more labels only every nth is shown.
        let every = (slots * 34).div_ceil(RIGHT - LEFT).max(1);
        for (index, bar) in (0..).zip(bars) {
            let (left, right) =
                (LEFT + (RIGHT - LEFT) * index / slots, LEFT + (RIGHT - LEFT) * (index + 1) / slots);
            let gap = if right - left > 6 { 2 } else { 0 };
            // Even the lowest bar is visible.
            let tall = height(bar.count).max(u64::from(bar.count > 0) * 2);
            let class = if bar.hatched { "bar hatched" } else { "bar" };
            let fill = if bar.hatched { format!(" fill=\"url(#{id}-hatch)\"") } else { String::new() };
            put(
                &mut svg,
                format_args!(
                    "<rect class=\"{class}\"{fill} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{tall}\"><title>{}: {}</title></rect>",
                    left + gap / 2,
                    BOTTOM - tall,
                    (right - left - gap).max(1),
                    Escaped(&bar.label),
                    words.number(bar.count)
                ),
            );
            let middle = (left + right) / 2;
            if bar.count > 0 && slots <= 24 {
                put(
                    &mut svg,
                    format_args!(
                        "<text class=\"number\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                        BOTTOM - tall - 4,
                        words.number(bar.count)
                    ),
                );
            }
            if index % every == 0 {
                put(
                    &mut svg,
                    format_args!(
                        "<text class=\"number\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                        BOTTOM + 16,
                        Escaped(&bar.label)
                    ),
                );
            }
        }
        put(
            &mut svg,
            format_args!(
                "<text class=\"axis\" x=\"{LEFT}\" y=\"12\" text-anchor=\"start\">{heights}</text>\
                 <text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{line}</text></svg>",
                (LEFT + RIGHT) / 2,
                BOTTOM + 36
            ),
        );
        svg
    }
}

/// One line of a timeline: from start to end in seconds, with its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Seconds since 1970, UTC.
    pub start: i64,
    /// Seconds since 1970, UTC; `None` where no end is known.
    pub end: Option<i64>,
    pub label: String,
    /// Hatched: it did not finish.
    pub hatched: bool,
}

/// Spans below each other on one time axis; empty if there are none.
pub(super) fn timeline(
    id: &str,
    headed: &Headed,
    edges: [&str; 2],
    spans: &[Span],
    right_to_left: bool,
) -> String {
    const ROW: u64 = 22;
    // Room for the names of the commands.
    const BEGIN: u64 = 150;
    let Some(first) = spans.iter().map(|span| span.start).min() else { return String::new() };
    let last = spans.iter().map(|span| span.end.unwrap_or(span.start)).max().unwrap_or(first);
    let whole = last.saturating_sub(first).max(1).unsigned_abs();
    let bottom = 8 + ROW * spans.len() as u64;
    let mut svg = open(id, headed.heading, headed.lead, bottom + 30);
    let at = |moment: i64| {
        BEGIN
            + (u128::from(RIGHT - BEGIN) * u128::from(moment.saturating_sub(first).unsigned_abs())
                / u128::from(whole)) as u64
    };
    put(
        &mut svg,
        format_args!("<line class=\"grid\" x1=\"{BEGIN}\" y1=\"{bottom}\" x2=\"{RIGHT}\" y2=\"{bottom}\"/>"),
    );
    for (row, span) in (0..).zip(spans) {
        let y = 8 + ROW * row;
        let left = at(span.start).min(RIGHT - 3);
        let width = at(span.end.unwrap_or(span.start).max(span.start)).saturating_sub(left).max(3);
        let fill = if span.hatched { format!(" fill=\"url(#{id}-hatch)\"") } else { String::new() };
        let class = if span.hatched { "bar hatched" } else { "bar" };
        put(
            &mut svg,
            format_args!(
                "<text class=\"number\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>\
                 <line class=\"grid\" x1=\"{BEGIN}\" y1=\"{middle}\" x2=\"{left}\" y2=\"{middle}\"/>\
                 <rect class=\"{class}\"{fill} x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{}\"><title>{label}</title></rect>",
                BEGIN - 8,
                y + 12,
                ROW - 8,
                label = Escaped(&span.label),
                middle = y + (ROW - 8) / 2,
            ),
        );
    }
    let [from, to] = edges.map(|edge| Escaped(edge).to_string());
    // A date in words has the direction of its language, where the start may be the right end.
    let (direction, [start, end]) =
        if right_to_left { ("rtl", ["end", "start"]) } else { ("ltr", ["start", "end"]) };
    put(
        &mut svg,
        format_args!(
            "<g direction=\"{direction}\"><text class=\"number\" x=\"{BEGIN}\" y=\"{y}\" text-anchor=\"{start}\">{from}</text>\
             <text class=\"number\" x=\"{RIGHT}\" y=\"{y}\" text-anchor=\"{end}\">{to}</text></g></svg>",
            y = bottom + 18
        ),
    );
    svg
}

/// The element with its title, description and hatching. Anchors and numbers go from left to right in every language.
fn open(id: &str, title: &str, description: &str, height: u64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" direction=\"ltr\" aria-labelledby=\"{id}-title {id}-description\">\
         <title id=\"{id}-title\">{title}</title><desc id=\"{id}-description\">{description}</desc>\
         <defs><pattern id=\"{id}-hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect class=\"hatch-ground\" width=\"6\" height=\"6\"/><line class=\"hatch-line\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern></defs>"
    )
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = svg.write_fmt(text);
}

/// 1, 2 or 5 times a power of ten: about four steps up to `highest`.
fn round_step(highest: u64) -> u64 {
    let mut step = 1;
    loop {
        for factor in [1, 2, 5] {
            if highest.div_ceil(step * factor) <= 4 {
                return step * factor;
            }
        }
        step *= 10;
    }
}

/// Seconds since 1970 of a moment as the case has it; `None` for another form.
pub(super) fn seconds(iso: &str) -> Option<i64> {
    let (date, time) = iso.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator: char| -> Option<[i64; 3]> {
        let mut parts =
            text.splitn(3, separator).map(|part| part.parse::<i64>().ok().filter(|n| (0..=9999).contains(n)));
        Some([parts.next()??, parts.next()??, parts.next()??])
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(time, ':')?);
    if !(1..=12).contains(&month) {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, years beginning in March.
    let year = if month < 3 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let (of_era, shifted) = (year - era * 400, (month + 9) % 12);
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * shifted + 2) / 5 + day
        - 1
        - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::super::language::Language;
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!([1, 4, 5, 8, 9, 20, 21, 4321].map(round_step), [1, 1, 2, 2, 5, 5, 10, 2000]);
        assert_eq!(round_step(u64::MAX), 5_000_000_000_000_000_000);
    }

    #[test]
    fn every_bar_is_seen_and_none_is_too_tall() {
        let bars: Vec<Bar> = [100_000, 1, 0, 250]
            .into_iter()
            .map(|count| Bar { label: count.to_string(), count, hatched: count == 250 })
            .collect();
        let axes = ["hits", "bits"];
        let svg = Histogram { id: "d", title: "T", axes, bars: &bars }.svg(Language::English.words());
        let heights: Vec<u64> = svg
            .split("<rect class=\"bar")
            .skip(1)
            .map(|bar| bar.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(heights, [192, 2, 0, 2]);
        assert_eq!(svg.matches("url(#d-hatch)").count(), 1);
        let empty = Histogram { id: "d", title: "T", axes, bars: &[] }.svg(Language::English.words());
        assert!(empty.ends_with("</svg>"));
    }

    /// `date -u -d MOMENT +%s`.
    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:00Z"), Some(951_825_600));
        assert_eq!(seconds("2026-11-26T20:36:40Z"), Some(1_795_725_400));
        for odd in ["", "2026-13-01T00:00:00Z", "2026-01-01", "x-y-zT0:0:0Z", "99999999999-01-01T00:00:00Z"] {
            assert_eq!(seconds(odd), None);
        }
    }

    const HEADED: Headed = Headed { heading: "T", lead: "D" };

    #[test]
    fn a_timeline_takes_any_moments() {
        assert_eq!(timeline("t", &HEADED, ["a", "b"], &[], false), "");
        let span = |start, end| Span { start, end, label: "<scan>".into(), hatched: end.is_none() };
        let svg = timeline(
            "t",
            &HEADED,
            ["a", "b"],
            &[span(5, Some(5)), span(9, Some(3)), span(i64::MAX, None)],
            true,
        );
        assert_eq!(svg.matches("<rect class=\"bar").count(), 3);
        assert!(!svg.contains("<scan>"));
    }
}
