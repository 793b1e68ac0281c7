//! Metadata of a picture file.

use serde::{Deserialize, Serialize};

use super::Format;
use super::exif::{self, Tags, tag};

/// Facts about a picture file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The format by content; `None` for a file that is not a picture.
    pub format: Option<Format>,
    /// Width in pixels, as stored (before any EXIF turn).
    pub width: Option<u32>,
    /// Height in pixels, as stored.
    pub height: Option<u32>,
    /// EXIF metadata, where present.
    pub exif: ExifFacts,
}

/// EXIF metadata that investigators ask for. Texts are as the file has them, unescaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExifFacts {
    /// `DateTimeOriginal`, else `DateTime`, as `YYYY-MM-DDTHH:MM:SS`, with the offset from UTC if the
    /// file has one.
    pub taken: Option<String>,
    /// `Make`.
    pub camera_make: Option<String>,
    /// `Model`.
    pub camera_model: Option<String>,
    /// `Orientation`, 1…8.
    pub orientation: Option<u8>,
}

/// Texts longer than this are cut: a camera's name is not a place to hide a megabyte in a report.
const MAX_TEXT: usize = 200;
impl ExifFacts {
    /// The metadata of a file. Malformed metadata is not an error: what can be read is kept.
    pub(super) fn read(bytes: &[u8], format: Format) -> Self {
        exif::tiff(bytes, format)
            .and_then(|tiff| Tags::of(&tiff).map(|tags| Self::from(&tags)))
            .unwrap_or_default()
    }
}

impl From<&Tags<'_>> for ExifFacts {
    fn from(tags: &Tags<'_>) -> Self {
        let text = |line: Option<&[u8]>| {
            let line = String::from_utf8_lossy(line?);
            let line = line.trim_matches(|character: char| character == '\0' || character.is_whitespace());
            (!line.is_empty()).then(|| line.chars().take(MAX_TEXT).collect::<String>())
        };
        let original = || {
            let time = text(tags.making_text(tag::DATE_TIME_ORIGINAL))?;
            date_time(&time, text(tags.making_text(tag::OFFSET_TIME_ORIGINAL)).as_deref())
        };
        let changed = || {
            let time = text(tags.text(tag::DATE_TIME))?;
            date_time(&time, text(tags.making_text(tag::OFFSET_TIME)).as_deref())
        };
        Self {
            taken: original().or_else(changed),
            camera_make: text(tags.text(tag::MAKE)),
            camera_model: text(tags.text(tag::MODEL)),
            orientation: tags
                .number(tag::ORIENTATION)
                .and_then(|value| u8::try_from(value).ok())
                .filter(|value| (1..=8).contains(value)),
        }
    }
}

/// `YYYY:MM:DD HH:MM:SS`, as EXIF writes it, in ISO 8601; `None` for the blanks and zeros of cameras whose
/// clock was never set, and for anything else that is not a time.
fn date_time(text: &str, offset: Option<&str>) -> Option<String> {
    let time = text.as_bytes().first_chunk::<19>()?;
    let separated = [(4, b':'), (7, b':'), (10, b' '), (13, b':'), (16, b':')];
    if !separated.iter().all(|&(at, separator)| time[at] == separator) {
        return None;
    }
    let number = |start: usize, end: usize| digits(&time[start..end]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let valid = year > 0
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !valid {
        return None;
    }
    let mut iso = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    // An offset that cannot be read is left out.
    if let Some((sign, minutes)) = offset.and_then(from_utc) {
        iso.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    Some(iso)
}

/// Sign and minutes of `±HH:MM`.
fn from_utc(text: &str) -> Option<(char, u16)> {
    let [sign, hours @ .., b':', tens, ones] = text.as_bytes().first_chunk::<6>()? else { return None };
    let minutes = digits(hours)? * 60 + digits(&[*tens, *ones])?;
    match sign {
        // No offset without a time.
        b'-' if minutes > 0 => Some(('-', minutes)),
        b'+' | b'-' => Some(('+', minutes)),
        _ => None,
    }
}

/// A whole number of up to four digits.
fn digits(text: &[u8]) -> Option<u16> {
    text.iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601() {
        assert_eq!(date_time("2021:07:04 09:05:03", None).as_deref(), Some("2021-07-04T09:05:03"));
        assert_eq!(
            date_time("2021:07:04 09:05:03", Some("-05:30")).as_deref(),
            Some("2021-07-04T09:05:03-05:30")
        );
        assert_eq!(
            date_time("2021:07:04 09:05:03", Some("nonsense")).as_deref(),
            Some("2021-07-04T09:05:03")
        );
        for no_time in ["0000:00:00 00:00:00", "    :  :     :  :  ", "2021:13:04 09:05:03", "yesterday", ""]
        {
            assert_eq!(date_time(no_time, None), None, "{no_time}");
        }
    }
}
