//! What a file says of itself besides its pixels.

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
    /// `DateTimeOriginal`, else `DateTime`, as `YYYY-MM-DDTHH:MM:SS` (with offset if the file has one).
    pub taken: Option<String>,
    /// `Make`.
    pub camera_make: Option<String>,
    /// `Model`.
    pub camera_model: Option<String>,
    /// `Orientation`, 1…8.
    pub orientation: Option<u8>,
}
