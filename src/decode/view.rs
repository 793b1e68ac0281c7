//! Views: what is seen of a content. A photograph has one, its picture; a document has one a page, a video one a frame.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is seen of a content. Numbers count from 0. Written as text, the form in which cases and exports keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum View {
    /// The whole picture.
    #[default]
    Picture,
    /// A thumbnail that the file carries, such as that of its EXIF metadata.
    Thumbnail(u32),
    /// One of several pictures of a container of pictures, such as HEIC, by its identifier there.
    Item(u32),
    /// A page.
    Page(u32),
    /// A frame of an animation or a video.
    Frame(u64),
    /// A picture that exists only as decoded samples inside a document.
    Raster(u32),
    /// A transparent picture on white.
    OnWhite,
    /// A transparent picture on black.
    OnBlack,
}

/// A text that names no view.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a view: expected picture, thumbnail:N, item:N, page:N, frame:N, raster:N, on_white or on_black"
)]
pub struct ParseViewError(pub String);

impl fmt::Display for View {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Picture => out.pad("picture"),
            Self::Thumbnail(number) => write!(out, "thumbnail:{number}"),
            Self::Item(number) => write!(out, "item:{number}"),
            Self::Page(number) => write!(out, "page:{number}"),
            Self::Frame(number) => write!(out, "frame:{number}"),
            Self::Raster(number) => write!(out, "raster:{number}"),
            Self::OnWhite => out.pad("on_white"),
            Self::OnBlack => out.pad("on_black"),
        }
    }
}

impl From<View> for String {
    fn from(view: View) -> Self {
        view.to_string()
    }
}

impl TryFrom<String> for View {
    type Error = ParseViewError;

    fn try_from(text: String) -> Result<Self, ParseViewError> {
        text.parse()
    }
}

impl FromStr for View {
    type Err = ParseViewError;

    fn from_str(text: &str) -> Result<Self, ParseViewError> {
        let wrong = || ParseViewError(text.to_string());
        let Some((kind, number)) = text.split_once(':') else {
            return match text {
                "picture" => Ok(Self::Picture),
                "on_white" => Ok(Self::OnWhite),
                "on_black" => Ok(Self::OnBlack),
                _ => Err(wrong()),
            };
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let small = u32::try_from(number).map_err(|_| wrong());
        let view = match kind {
            "thumbnail" => Self::Thumbnail(small?),
            "item" => Self::Item(small?),
            "page" => Self::Page(small?),
            "frame" => Self::Frame(number),
            "raster" => Self::Raster(small?),
            _ => return Err(wrong()),
        };
        // `page:07` or `page:+7` would be a second spelling of one view.
        if view.to_string() == text { Ok(view) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_come_back_from_their_text() {
        let views = [
            View::Picture,
            View::Thumbnail(0),
            View::Item(u32::MAX),
            View::Page(7),
            View::Frame(u64::MAX),
            View::Raster(3),
            View::OnWhite,
            View::OnBlack,
        ];
        for view in views {
            assert_eq!(view.to_string().parse(), Ok(view));
        }
        assert_eq!(View::default().to_string(), "picture");
    }

    #[test]
    fn what_names_no_view_is_refused() {
        for text in [
            "",
            "Picture",
            "picture:0",
            "page",
            "page:",
            "page:-1",
            "page:07",
            "page:+7",
            "page:4294967296",
            "on_white:1",
        ] {
            assert_eq!(text.parse::<View>(), Err(ParseViewError(text.into())), "{text}");
        }
    }
}
