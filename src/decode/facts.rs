//! What a file says of itself besides its pixels.

use std::io::Cursor;

use exif::{Exif, In, Tag, Value};

use super::Format;

/// Facts about a picture file.
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
/// The reader copies a TIFF to find its tags; beyond this size a TIFF's tags are left unread.
const MAX_TIFF: usize = 64 << 20;

impl ExifFacts {
    /// The metadata of a file. Malformed metadata is no error: what can be read is kept.
    pub(super) fn read(bytes: &[u8], format: Format) -> Self {
        let contained =
            matches!(format, Format::Jpeg | Format::Png | Format::Webp | Format::Heic | Format::Avif);
        if !contained && (format != Format::Tiff || bytes.len() > MAX_TIFF) {
            return Self::default();
        }
        let mut reader = exif::Reader::new();
        reader.continue_on_error(true);
        match reader.read_from_container(&mut Cursor::new(bytes)) {
            Ok(exif) => Self::from(&exif),
            Err(exif::Error::PartialResult(partial)) => Self::from(&partial.into_inner().0),
            Err(_) => Self::default(),
        }
    }
}

impl From<&Exif> for ExifFacts {
    fn from(exif: &Exif) -> Self {
        let text = |tag: Tag| {
            let Value::Ascii(lines) = &exif.get_field(tag, In::PRIMARY)?.value else { return None };
            let line = String::from_utf8_lossy(lines.first()?);
            let line = line.trim_matches(|character: char| character == '\0' || character.is_whitespace());
            (!line.is_empty()).then(|| line.chars().take(MAX_TEXT).collect::<String>())
        };
        let taken = |time: Tag, offset: Tag| date_time(&text(time)?, text(offset).as_deref());
        let orientation =
            exif.get_field(Tag::Orientation, In::PRIMARY).and_then(|field| field.value.get_uint(0));
        Self {
            taken: taken(Tag::DateTimeOriginal, Tag::OffsetTimeOriginal)
                .or_else(|| taken(Tag::DateTime, Tag::OffsetTime)),
            camera_make: text(Tag::Make),
            camera_model: text(Tag::Model),
            orientation: orientation
                .and_then(|value| u8::try_from(value).ok())
                .filter(|value| (1..=8).contains(value)),
        }
    }
}

/// `YYYY:MM:DD HH:MM:SS`, as EXIF writes it, in ISO 8601; `None` for the blanks and zeros of cameras
/// whose clock was never set, and for anything else that is no time.
fn date_time(text: &str, offset: Option<&str>) -> Option<String> {
    let mut time = exif::DateTime::from_ascii(text.as_bytes()).ok()?;
    let valid = time.year > 0
        && (1..=12).contains(&time.month)
        && (1..=31).contains(&time.day)
        && time.hour < 24
        && time.minute < 60
        && time.second < 61;
    if !valid {
        return None;
    }
    // An offset that cannot be read is left out.
    let _ = offset.map(|offset| time.parse_offset(offset.as_bytes()));
    let mut iso = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        time.year, time.month, time.day, time.hour, time.minute, time.second
    );
    if let Some(minutes) = time.offset {
        let sign = if minutes < 0 { '-' } else { '+' };
        iso.push_str(&format!("{sign}{:02}:{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60));
    }
    Some(iso)
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
