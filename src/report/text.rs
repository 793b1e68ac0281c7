//! The summary as text, for a terminal.

use std::fmt::Write;

use super::summary::{DistanceCount, Summary, UnconfirmedCount};
use crate::case::{RuleCount, SetCounts};
use crate::engine::profile::{Limit, ProfileReport};
use crate::outcome::Outcome;
use crate::source::name::escape;
use crate::source::size::Bytes;

/// The meaning of an outcome, in the summary's words.
const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hashed => "pictures with a hash",
        Outcome::Duplicate => "same bytes as another item of the case, which carries the result",
        Outcome::TooSmall => "pictures with a side under 5 px: digest only",
        Outcome::Other => "other files: digest only",
        Outcome::Unsupported => "picture formats without a decoder here: digest only",
        Outcome::Corrupt => "damaged or truncated pictures: digest only",
        Outcome::Empty => "files without bytes",
        Outcome::OverLimit => "over the limits of the run: digest only",
        Outcome::Crashed => "crashed their decoder: digest only",
        Outcome::Unreadable => "the system refused to read them",
        Outcome::Vanished => "gone before they could be read",
        Outcome::NotFollowed => "links, not followed",
        Outcome::NotAFile => "pipes, sockets, devices: not opened",
    }
}

/// The summary as text.
#[must_use]
pub fn render(summary: &Summary) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = render_items(&mut text, summary);
    let _ = render_hits(&mut text, summary);
    let _ = render_priorities(&mut text, summary);
    let _ = render_run(&mut text, summary);
    text
}

fn render_items(text: &mut String, summary: &Summary) -> std::fmt::Result {
    let identity = &summary.identity;
    let owner: Vec<String> =
        [("case", &identity.case_number), ("exhibit", &identity.exhibit), ("examiner", &identity.examiner)]
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")))
            .collect();
    if !owner.is_empty() {
        writeln!(text, "{}", owner.join(", "))?;
    }
    let width = digits(summary.discovered).max(3);
    writeln!(text, "\nItems")?;
    for count in &summary.outcomes {
        let (name, items) = (count.outcome.name(), grouped(count.items));
        writeln!(text, "  {items:>width$}  {name:<15}  {}", meaning(count.outcome))?;
    }
    if summary.unfinished > 0 {
        let items = grouped(summary.unfinished);
        writeln!(
            text,
            "  {items:>width$}  {:<15}  run the same command again to finish them",
            "not finished"
        )?;
    }
    writeln!(text, "  {:>width$}  discovered       {}", grouped(summary.discovered), Bytes(summary.bytes))?;
    for source in &summary.incomplete_sources {
        writeln!(text, "  INCOMPLETE: {source}: a run was stopped; run the same command again to resume")?;
    }
    Ok(())
}

fn render_hits(text: &mut String, summary: &Summary) -> std::fmt::Result {
    if summary.hash_sets.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nHits")?;
    let highest =
        summary.hash_sets.iter().map(|set| set.digest_hits.max(set.perceptual_hits).max(set.items)).max();
    let width = digits(highest.unwrap_or(0)).max(6);
    writeln!(text, "  {:>width$}  {:>10}  {:>width$}  hash set", "digest", "perceptual", "items")?;
    for set in &summary.hash_sets {
        writeln!(
            text,
            "  {:>width$}  {:>10}  {:>width$}  {} ({} records, distance up to {})",
            grouped(set.digest_hits),
            grouped(set.perceptual_hits),
            grouped(set.items),
            shown_name(set, &summary.hash_sets),
            grouped(set.records),
            set.distance
        )?;
        let aside: Vec<String> = [
            (set.low_quality, "hashes of low quality set aside"),
            (set.null_hashes, "null hashes set aside"),
            (set.malformed_lines, "malformed lines skipped"),
            (set.hashes_without_quality, "hashes without a quality (matched)"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(count)))
        .collect();
        if !aside.is_empty() {
            writeln!(text, "  {:>1$}  of it: {2}", "", 2 * width + 14, aside.join("; "))?;
        }
        let name = shown_name(set, &summary.hash_sets);
        if set.trivial_items > 0 {
            let items = grouped(set.trivial_items);
            writeln!(
                text,
                "  {items} items hold no bytes, or one byte repeated, and their digest is in {name}: not matched"
            )?;
        }
        if set.saturated_items > 0 {
            let (items, more) = (grouped(set.saturated_items), grouped(set.unlisted_hits));
            writeln!(
                text,
                "  {items} items are near to more hashes of {name} than are listed: in addition to the nearest, {more} hits are counted"
            )?;
        }
        if set.unmatched > 0 {
            writeln!(
                text,
                "  {} files, copies left out, were not matched against {} yet: run tamis match",
                grouped(set.unmatched),
                shown_name(set, &summary.hash_sets)
            )?;
        }
    }
    writeln!(
        text,
        "  {} of {} items have a hit; {} hashed pictures, copies included, have none",
        grouped(summary.items_with_hits),
        grouped(summary.discovered),
        grouped(summary.pictures_without_hits)
    )?;
    render_confirmations(text, summary)?;
    if !summary.distances.is_empty() {
        writeln!(text, "\nPerceptual hits by distance, from pixels")?;
        render_histogram(text, &summary.distances)?;
    }
    Ok(())
}

/// What to review first: rules that apply to items.
fn render_priorities(text: &mut String, summary: &Summary) -> std::fmt::Result {
    let some = || summary.priorities.iter().filter(|count| count.items > 0);
    let Some(highest) = some().map(|count| count.items).max() else { return Ok(()) };
    writeln!(text, "\nReview first")?;
    let width = digits(highest).max(3);
    for RuleCount { rank, rule, title, items } in some() {
        let [rule, title] = [rule, title].map(|text| escape(text.as_bytes()));
        writeln!(text, "  {rank:>2}  {:>width$}  {rule:<23}  {title}", grouped(*items))?;
    }
    Ok(())
}

/// How the perceptual hits were confirmed.
fn render_confirmations(text: &mut String, summary: &Summary) -> std::fmt::Result {
    let run = &summary.run;
    let checked = run.confirmed + run.refuted;
    if checked > 0 {
        writeln!(
            text,
            "  {} candidates by JPEG coefficients were checked from pixels: {} are hits, {} are not",
            grouped(checked),
            grouped(run.confirmed),
            grouped(run.refuted)
        )?;
    }
    let perceptual: u64 = summary.hash_sets.iter().map(|set| set.perceptual_hits).sum();
    let unconfirmed: u64 = summary.unconfirmed.iter().map(|count| count.hits).sum();
    if perceptual > 0 && unconfirmed == 0 {
        writeln!(text, "  every perceptual hit and its distance is from pixels")?;
    }
    if unconfirmed > 0 {
        writeln!(
            text,
            "  UNCONFIRMED: {} of {} perceptual hits are by JPEG coefficients, not from pixels:",
            grouped(unconfirmed),
            grouped(perceptual)
        )?;
        let width = digits(unconfirmed);
        for UnconfirmedCount { because, hits } in &summary.unconfirmed {
            writeln!(text, "    {:>width$}  {because:<14}  {}", grouped(*hits), why_unconfirmed(because))?;
        }
    }
    Ok(())
}

/// The meaning of a reason, and the way out.
fn why_unconfirmed(because: &str) -> &'static str {
    match because {
        "digest_hit" => "the same file is a hit by digest; --verify all checks it too",
        "verify_off" => "--verify off; tamis match without it checks them",
        "source_gone" => "the file is gone or changed; put it back and run tamis match",
        "over_limit" => "its pixels need more memory; tamis match with a larger --max-memory",
        "decoder_failed" => "the pixel decoder fails on it",
        _ => "",
    }
}

/// A set's name; where others have the same, with its path; where an edited file has the same path, with the
/// beginning of its digest.
fn shown_name(set: &SetCounts, all: &[SetCounts]) -> String {
    let shared =
        |same: fn(&SetCounts, &SetCounts) -> bool| all.iter().filter(|other| same(set, other)).count() > 1;
    if shared(|a, b| a.name == b.name && a.path == b.path) {
        format!("{} [{}, {}…]", set.name, set.path, set.file_sha256.get(..8).unwrap_or_default())
    } else if shared(|a, b| a.name == b.name) {
        format!("{} [{}]", set.name, set.path)
    } else {
        set.name.clone()
    }
}

/// Eight bars of four (or, over radius 31, eight) distances each.
fn render_histogram(text: &mut String, distances: &[DistanceCount]) -> std::fmt::Result {
    const BAR: u64 = 40;
    let largest = distances.last().map_or(0, |count| count.distance);
    let width = if largest < 32 { 4 } else { 8 };
    let mut bins = [0; 8];
    for count in distances {
        bins[(count.distance / width).min(7) as usize] += count.hits;
    }
    let highest = bins.into_iter().max().unwrap_or(1).max(1);
    let digits = digits(highest);
    for (first, hits) in (0..).step_by(width as usize).zip(bins) {
        // The bar of at least one hit is never empty.
        let bar = "#".repeat((hits * BAR).div_ceil(highest) as usize);
        let line = format!("  {first:>2}–{:<2}  {:>digits$}  {bar}", first + width - 1, grouped(hits));
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}

fn render_run(text: &mut String, summary: &Summary) -> std::fmt::Result {
    let run = &summary.run;
    let seconds = run.seconds.max(1e-3);
    let decimals = if seconds < 10.0 { 2 } else { 1 };
    let done = match (run.files, run.matched) {
        (0, 0) => format!("nothing new, {seconds:.decimals$} s"),
        (0, matched) => format!("{} stored files matched in {seconds:.decimals$} s", grouped(matched)),
        _ => format!(
            "{} files ({}) and {} pictures in {seconds:.decimals$} s: {:.0} pictures/s, {}/s",
            grouped(run.files),
            Bytes(run.bytes),
            grouped(run.pictures),
            run.pictures as f64 / seconds,
            Bytes((run.bytes as f64 / seconds) as u64)
        ),
    };
    writeln!(text, "\nThis run: {done}")?;
    if let Some(limit) = &run.limited_by {
        writeln!(text, "{}", limited_by(limit))?;
    }
    for notice in &run.notices {
        writeln!(text, "  NOTE: {notice}")?;
    }
    let case = &summary.case;
    writeln!(text, "Everything is in {case}/case.sqlite")?;
    writeln!(text, "Rows:  tamis export --case {} hits|items|errors|priorities", shell_word(case))
}

/// The bottleneck in one line.
fn limited_by(limit: &Limit) -> String {
    let threads = if limit.threads == 1 { "thread" } else { "threads" };
    format!("limited by: {}, {} of {} {threads} busy", limit.stage, limit.busy_threads, limit.threads)
}

/// Where a run's time went, as a table.
#[must_use]
pub fn render_profile(profile: &ProfileReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = render_stages(&mut text, profile);
    text.truncate(text.trim_end().len());
    text
}

fn render_stages(text: &mut String, profile: &ProfileReport) -> std::fmt::Result {
    writeln!(
        text,
        "{:<20} {:>7} {:>9} {:>13} {:>12} {:>10}",
        "stage", "threads", "busy s", "busy threads", "items", "bytes"
    )?;
    for stage in &profile.stages {
        let bytes = if stage.bytes == 0 { String::new() } else { Bytes(stage.bytes).to_string() };
        let row = format!(
            "{:<20} {:>7} {:>9.2} {:>13.2} {:>12} {bytes:>10}",
            stage.stage,
            stage.threads,
            stage.busy_seconds,
            stage.busy_threads,
            grouped(stage.items)
        );
        writeln!(text, "{}", row.trim_end())?;
    }
    writeln!(text, "{:<20} {:>7} {:>9} {:>13}", "queue", "mean", "maximum", "capacity")?;
    for queue in &profile.queues {
        writeln!(
            text,
            "{:<20} {:>7.1} {:>9} {:>13}",
            queue.queue, queue.mean, queue.maximum, queue.capacity
        )?;
    }
    match &profile.limited_by {
        Some(limit) => writeln!(text, "{} in {:.2} s", limited_by(limit), profile.seconds),
        None => writeln!(text, "nothing was done in {:.2} s", profile.seconds),
    }
}

/// Quotes a text as one shell word.
fn shell_word(text: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "/._-+:,@%".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Characters of [`grouped`].
fn digits(number: u64) -> usize {
    grouped(number).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::profile::{QueueReport, StageReport};

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(shell_word("CASE"), "CASE");
        assert_eq!(shell_word("my case's"), r"'my case'\''s'");
    }

    #[test]
    fn a_profile_is_a_table_that_ends_with_the_bottleneck() {
        let stage = StageReport {
            stage: "entropy decoding",
            threads: 16,
            busy_seconds: 143.251,
            busy_threads: 14.33,
            items: 12_000,
            bytes: 3 << 30,
        };
        let hashing = StageReport { stage: "hashing", bytes: 0, ..stage };
        let queue = QueueReport { queue: "reading to decoding", mean: 30.52, maximum: 32, capacity: 32 };
        let limit = Limit { stage: "entropy decoding", busy_threads: 14, threads: 16 };
        let profile = ProfileReport {
            seconds: 10.0,
            limited_by: Some(limit),
            stages: vec![stage, hashing],
            queues: vec![queue],
        };
        let expected = "\
stage                threads    busy s  busy threads        items      bytes
entropy decoding          16    143.25         14.33       12,000    3.0 GiB
hashing                   16    143.25         14.33       12,000
queue                   mean   maximum      capacity
reading to decoding     30.5        32            32
limited by: entropy decoding, 14 of 16 threads busy in 10.00 s";
        assert_eq!(render_profile(&profile), expected);
        let writer = Limit { stage: "writing", busy_threads: 1, threads: 1 };
        assert_eq!(limited_by(&writer), "limited by: writing, 1 of 1 thread busy");
    }

    #[test]
    fn every_hit_has_a_bar() {
        let mut text = String::new();
        let counts = [(0, 4000), (3, 1), (31, 1)].map(|(distance, hits)| DistanceCount { distance, hits });
        render_histogram(&mut text, &counts).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], format!("   0–3   4,001  {}", "#".repeat(40)));
        assert_eq!(lines[1], "   4–7       0");
        assert_eq!(lines[7], "  28–31      1  #");
    }
}
