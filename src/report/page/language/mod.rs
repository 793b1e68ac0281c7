//! The words of the page. Every language is a constant of the same type, so a missing translation does not
//! compile.
//!
//! Texts are HTML without markup of their own (`&` is written `&amp;`); a name in braces stands for a value that
//! [`fill`] inserts, escaped by the caller.

mod arabic;
mod english;
mod french;
mod spanish;

/// A language that the page can be written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, left to right.
    #[default]
    English,
    /// French, left to right.
    French,
    /// Spanish, left to right.
    Spanish,
    /// Modern Standard Arabic, right to left.
    Arabic,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::English, Self::French, Self::Spanish, Self::Arabic];

    /// Its words.
    #[must_use]
    pub const fn words(self) -> &'static Words {
        match self {
            Self::English => &english::WORDS,
            Self::French => &french::WORDS,
            Self::Spanish => &spanish::WORDS,
            Self::Arabic => &arabic::WORDS,
        }
    }
}

/// The plural form of a word for a number, by the rules of Unicode's CLDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Only in Arabic: 0.
    Zero,
    /// 1; in French 0 as well.
    One,
    /// Only in Arabic: 2.
    Two,
    /// Only in Arabic: 3 to 10, 103 to 110…
    Few,
    /// Only in Arabic: 11 to 99, 111 to 199…
    Many,
    /// All others.
    Other,
}

/// A text in the forms that its language has.
#[derive(Clone, Copy, Debug)]
pub struct Plural {
    zero: &'static str,
    one: &'static str,
    two: &'static str,
    few: &'static str,
    many: &'static str,
    other: &'static str,
}

impl Plural {
    /// A text of a language with two forms.
    const fn of(one: &'static str, other: &'static str) -> Self {
        Self { zero: other, one, two: other, few: other, many: other, other }
    }

    /// A text of a language with six forms: for 0, 1, 2, few, many, others.
    const fn six(forms: [&'static str; 6]) -> Self {
        let [zero, one, two, few, many, other] = forms;
        Self { zero, one, two, few, many, other }
    }

    const fn form(&self, form: Form) -> &'static str {
        match form {
            Form::Zero => self.zero,
            Form::One => self.one,
            Form::Two => self.two,
            Form::Few => self.few,
            Form::Many => self.many,
            Form::Other => self.other,
        }
    }
}

/// How a language writes numbers and dates.
#[derive(Clone, Copy, Debug)]
pub struct Writing {
    /// The plural form for a whole number.
    pub form: fn(u64) -> Form,
    /// Between groups of three digits.
    pub group: &'static str,
    /// Digits from which a number is grouped at all.
    pub grouped_from: usize,
    /// Before the first decimal.
    pub decimal: &'static str,
    /// January to December.
    pub months: [&'static str; 12],
    /// A moment, of {day}, {month}, {year} and {time}.
    pub moment: &'static str,
    /// Units of 1 byte and of 1024, 1024², 1024³ and 1024⁴ bytes.
    pub bytes: [&'static str; 5],
}

impl Words {
    /// A whole number, its digits grouped.
    #[must_use]
    pub fn number(&self, number: u64) -> String {
        let digits = number.to_string();
        if digits.len() < self.writing.grouped_from {
            return digits;
        }
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push_str(self.writing.group);
            }
            text.push(digit);
        }
        text
    }

    /// Bytes with a unit, one decimal.
    #[must_use]
    pub fn size(&self, bytes: u64) -> String {
        for (power, shift) in [(4, 40), (3, 30), (2, 20), (1, 10)] {
            if bytes >= 1 << shift {
                let tenths = (u128::from(bytes) * 10) >> shift;
                let Writing { decimal, bytes: units, .. } = &self.writing;
                return format!("{}{decimal}{}\u{a0}{}", tenths / 10, tenths % 10, units[power]);
            }
        }
        format!("{bytes}\u{a0}{}", self.writing.bytes[0])
    }

    /// A moment as the case has it (ISO 8601, UTC, whole seconds); other texts stay as they are.
    #[must_use]
    pub fn moment(&self, iso: &str) -> String {
        let parts = || {
            let (date, time) = iso.strip_suffix('Z')?.split_once('T')?;
            let mut date = date.splitn(3, '-');
            let (year, month, day) = (date.next()?, date.next()?, date.next()?);
            let month: usize = month.parse().ok()?;
            let day: u32 = day.parse().ok()?;
            let month = *self.writing.months.get(month.checked_sub(1)?)?;
            Some(fill(
                self.writing.moment,
                &[("day", &day.to_string()), ("month", month), ("year", year), ("time", time)],
            ))
        };
        parts().unwrap_or_else(|| iso.to_string())
    }

    /// A text with its number inserted for {n}.
    #[must_use]
    pub fn count(&self, plural: &Plural, number: u64) -> String {
        fill(plural.form((self.writing.form)(number)), &[("n", &self.number(number))])
    }
}

/// Replaces names in braces by values.
#[must_use]
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            break;
        };
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            filled.push_str(value);
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// A heading and the text under it.
#[derive(Clone, Copy, Debug)]
pub struct Headed {
    /// The heading.
    pub heading: &'static str,
    /// What the section shows and how to read it.
    pub lead: &'static str,
}

/// Words for the short names in a case.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Of `Outcome::ALL`, in that order: a name and its meaning.
    pub outcomes: [(&'static str, &'static str); 13],
    /// "walk", "read", "sniff", "limits", "decode", "hash".
    pub stages: [&'static str; 6],
    /// "original", then the turns and mirror images in the order of `Orientation::ALL`.
    pub orientations: [&'static str; 8],
    /// "digest", "perceptual".
    pub kinds: [&'static str; 2],
    /// "digest", "pixels", "unconfirmed".
    pub verifications: [&'static str; 3],
    /// "source_gone", "over_limit", "decoder_failed", "digest_hit", "verify_off".
    pub unconfirmed: [&'static str; 5],
    /// "pixels", "coefficients".
    pub derived_froms: [&'static str; 2],
    /// "running", "done", "interrupted", "failed", "died".
    pub states: [&'static str; 5],
}

/// Labels of columns and facts.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each field is named after what it labels")]
pub struct Labels {
    pub algorithm: &'static str,
    pub malformed_lines: &'static str,
    pub case_number: &'static str,
    pub hashes: &'static str,
    pub hashes_without_quality: &'static str,
    pub command: &'static str,
    pub confirmed: &'static str,
    pub copy_of: &'static str,
    pub decode_mode: &'static str,
    pub derived_from: &'static str,
    pub diameter: &'static str,
    pub digest_hits: &'static str,
    pub digests: &'static str,
    pub distance: &'static str,
    pub distance_up_to: &'static str,
    pub ended: &'static str,
    pub examiner: &'static str,
    pub exhibit: &'static str,
    pub files: &'static str,
    pub files_with_hits: &'static str,
    pub format: &'static str,
    pub geometry: &'static str,
    pub hits: &'static str,
    pub item: &'static str,
    pub kind: &'static str,
    pub known_quality: &'static str,
    pub hash_set: &'static str,
    pub low_quality: &'static str,
    pub made: &'static str,
    pub meaning: &'static str,
    pub medoid: &'static str,
    pub members_with_hits: &'static str,
    pub min_quality: &'static str,
    pub modified: &'static str,
    pub no: &'static str,
    pub no_format: &'static str,
    pub notices: &'static str,
    pub orientation: &'static str,
    pub outcome: &'static str,
    pub perceptual_hits: &'static str,
    pub pictures: &'static str,
    pub program: &'static str,
    pub quality: &'static str,
    pub reason: &'static str,
    pub record: &'static str,
    pub records: &'static str,
    pub run: &'static str,
    pub setting: &'static str,
    pub size: &'static str,
    pub source: &'static str,
    pub sources: &'static str,
    pub stack: &'static str,
    pub stage: &'static str,
    pub started: &'static str,
    pub state: &'static str,
    pub total: &'static str,
    pub unconfirmed_reason: &'static str,
    pub unconfirmed_hits: &'static str,
    pub unmatched: &'static str,
    pub value: &'static str,
    pub confirmation: &'static str,
    pub verify: &'static str,
    pub year: &'static str,
    pub yes: &'static str,
    pub null_hashes: &'static str,
}

/// The summary at the head of the page.
#[derive(Clone, Copy, Debug)]
pub struct SummaryWords {
    /// Its heading and lead.
    pub headed: Headed,
    /// All items: heading of the figure, and what it means.
    pub found: (&'static str, &'static str),
    /// Items with a hit.
    pub known: (&'static str, &'static str),
    /// Pictures without a hit.
    pub new: (&'static str, &'static str),
    /// Other files without a hit.
    pub others: (&'static str, &'static str),
    /// Items that have no hash although they are or may be pictures.
    pub failed: (&'static str, &'static str),
    /// The outcomes add up: {sum}, {total}.
    pub balance: &'static str,
    /// The parts add up: {sum}, {total}.
    pub parts: &'static str,
    /// The counts do not add up: {sum}, {total}.
    pub imbalance: &'static str,
    /// The heading over what needs attention.
    pub attention: &'static str,
    /// Hits that are not confirmed.
    pub unconfirmed: Plural,
    /// Every perceptual hit is confirmed.
    pub all_confirmed: &'static str,
    /// Items that are not finished.
    pub unfinished: Plural,
    /// A source whose run was stopped: {source}.
    pub incomplete: &'static str,
    /// Contents that a set was not matched with yet; `[set]` stands for its name.
    pub unmatched: Plural,
    /// Files of no bytes, or of one repeated, whose digest a set has; `[set]` stands for its name.
    pub trivial: Plural,
    /// Files that are near to more hashes of a set than are listed; `[set]` stands for its name.
    pub saturated: Plural,
    /// No set was matched.
    pub no_sets: &'static str,
    /// A run still writes to the case.
    pub running: &'static str,
    /// Pictures newer than the stacks.
    pub newer: Plural,
    /// Files that could not be examined as pictures.
    pub failures: Plural,
}

/// Texts of tables that can be filtered and sorted.
#[derive(Clone, Copy, Debug)]
pub struct TableWords {
    /// Label of the field that filters by text.
    pub filter: &'static str,
    /// The choice that filters nothing.
    pub all: &'static str,
    /// Label of the maximum distance shown.
    pub at_most: &'static str,
    /// Rows that are shown, of all: {shown}, {total}.
    pub shown: &'static str,
    /// Label of the list of columns.
    pub columns: &'static str,
    /// Shown if no row is left.
    pub nothing: &'static str,
    /// Heading of one row's fields.
    pub details: &'static str,
    /// Closes them.
    pub close: &'static str,
    /// How to use the table, for those who do not see it.
    pub help: &'static str,
    /// Only the first rows are printed: {shown}, {total}.
    pub printed: &'static str,
    /// The page holds only the first rows: {shown}, {total}, {command}.
    pub cut: &'static str,
    /// Without scripts there are no rows: {command}.
    pub no_script: &'static str,
}

/// The pictures, if requested.
#[derive(Clone, Copy, Debug)]
pub struct PictureWords {
    /// Heading and lead.
    pub headed: Headed,
    /// The banner over a page with blurred pictures, and with grey ones.
    pub banners: [&'static str; 2],
    /// Instead of a picture: {number}. Of blurred and of grey ones.
    pub alternatives: [&'static str; 2],
    /// Only some of the pictures are shown: {shown}, {total}.
    pub cut: &'static str,
    /// No file has these bytes any more.
    pub gone: &'static str,
    /// The decoder gave nothing.
    pub failed: &'static str,
    /// Its pixels are over the limits.
    pub over_limit: &'static str,
    /// Under a picture: it has a hit.
    pub hit: &'static str,
    /// Under a picture: it is the medoid of stack {number}.
    pub medoid: &'static str,
    /// Pictures that could not be shown.
    pub absent: Plural,
}

/// All words of the page in one language.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// BCP 47.
    pub hash: &'static str,
    /// Whether lines run from right to left.
    pub right_to_left: bool,
    /// Numbers and dates.
    pub writing: Writing,
    /// What the page is.
    pub title: &'static str,
    /// Name of the list of sections.
    pub contents: &'static str,
    /// What a table next to a plot is called.
    pub figures: &'static str,
    /// The state of the case: {moment}.
    pub as_of: &'static str,
    /// The last line: {program} that wrote the page, {maker} of the case.
    pub footer: &'static str,
    /// There is nothing to show.
    pub nothing: &'static str,
    /// No picture is shown.
    pub no_pictures: &'static str,
    /// Labels.
    pub labels: Labels,
    /// Words for short names.
    pub names: Names,
    /// The summary.
    pub summary: SummaryWords,
    /// What to review first.
    pub priorities: Headed,
    /// Its columns: rank, rule, items, why.
    pub priority_columns: [&'static str; 4],
    /// What the program's own rules mean, by their names; where there is none, a rule's own title is used.
    pub priority_titles: &'static [(&'static str, &'static str)],
    /// The hits.
    pub hits: Headed,
    /// Their distances.
    pub distances: Headed,
    /// Heights of both histograms, and the line under that of distances.
    pub distance_axes: [&'static str; 2],
    /// Unconfirmed hits are left out of it.
    pub distances_without: Plural,
    /// The qualities.
    pub qualities: Headed,
    /// Its axes: heights, line.
    pub quality_axes: [&'static str; 2],
    /// What a hatched bar is: {quality}.
    pub quality_hatched: &'static str,
    /// The outcomes.
    pub outcomes: Headed,
    /// The table of formats under them.
    pub formats: Headed,
    /// The stacks.
    pub stacks: Headed,
    /// How they were computed: {distance}, {quality}.
    pub stacks_made: &'static str,
    /// None were computed.
    pub no_stacks: &'static str,
    /// The pictures.
    pub pictures: PictureWords,
    /// The runs.
    pub runs: Headed,
    /// The plot shows only the last runs: {shown}, {total}.
    pub runs_cut: &'static str,
    /// Pictures by the year they were taken in.
    pub taken: Headed,
    /// Axes of that plot.
    pub taken_axes: [&'static str; 2],
    /// The settings.
    pub settings: Headed,
    /// What determines a hash.
    pub specification: &'static str,
    /// The hash sets.
    pub sets: Headed,
    /// The errors.
    pub errors: Headed,
    /// What the results do and do not prove.
    pub limits: Headed,
    /// Its statements.
    pub statements: [&'static str; 9],
    /// Tables that filter and sort.
    pub table: TableWords,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sizes_and_moments_are_written_as_the_language_does() {
        let [english, french, spanish, arabic] = Language::ALL.map(Language::words);
        assert_eq!(english.number(1_234_567), "1,234,567");
        assert_eq!(french.number(1_234), "1\u{202f}234");
        assert_eq!((spanish.number(1_234), spanish.number(12_345)), ("1234".into(), "12\u{202f}345".into()));
        assert_eq!(arabic.number(12_345), "12,345");
        assert_eq!(english.size(3 << 19), "1.5\u{a0}MiB");
        assert_eq!(french.size(3 << 19), "1,5\u{a0}Mio");
        assert_eq!(english.moment("2026-02-03T04:05:06Z"), "3 February 2026, 04:05:06 UTC");
        assert_eq!(french.moment("2026-08-30T23:59:59Z"), "30 août 2026 à 23:59:59 UTC");
        for odd in ["", "2026", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "T", "é-é-éTZ"] {
            assert_eq!(english.moment(odd), odd);
        }
    }

    #[test]
    fn words_go_with_their_numbers() {
        let form = |language: Language, number| (language.words().writing.form)(number);
        assert_eq!(
            [0, 1, 2].map(|number| form(Language::English, number)),
            [Form::Other, Form::One, Form::Other]
        );
        assert_eq!(
            [0, 1, 2].map(|number| form(Language::French, number)),
            [Form::One, Form::One, Form::Other]
        );
        assert_eq!(
            [0, 1, 2].map(|number| form(Language::Spanish, number)),
            [Form::Other, Form::One, Form::Other]
        );
        // The samples of CLDR's plural rules.
        for (expected, samples) in [
            (Form::Zero, &[0][..]),
            (Form::One, &[1]),
            (Form::Two, &[2]),
            (Form::Few, &[3, 10, 103, 110, 1003]),
            (Form::Many, &[11, 26, 99, 111, 1011]),
            (Form::Other, &[100, 102, 200, 202, 300, 1000, 10_000, 1_000_000]),
        ] {
            for &sample in samples {
                assert_eq!(form(Language::Arabic, sample), expected, "{sample}");
            }
        }
    }

    #[test]
    fn values_take_the_place_of_their_names() {
        assert_eq!(fill("{n} of {total}{none}.", &[("n", "3"), ("total", "{n}")]), "3 of {n}.");
        assert_eq!(fill("no end {n", &[("n", "3")]), "no end {n");
    }

    #[test]
    fn every_built_in_rule_is_translated() {
        let rules = crate::case::rules::Rules::default().rules;
        for language in [Language::French, Language::Spanish, Language::Arabic] {
            let titles = language.words().priority_titles;
            let names: Vec<&str> = titles.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, rules.iter().map(|rule| &*rule.name).collect::<Vec<_>>());
        }
    }
}
