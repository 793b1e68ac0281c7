//! Recognising files by their content, never by their extension.

/// A picture format, recognised by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG.
    Jpeg,
}

impl Format {
    /// The lower-case name in the database and in exports ("jpeg", "png", …).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
        }
    }
}
