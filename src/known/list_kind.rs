//! What the lines of a list of bare hex digits are.

/// What the lines of a list of bare hex digits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// MD5s.
    Md5,
    /// SHA-1s.
    Sha1,
    /// SHA-256s.
    Sha256,
    /// PDQ hashes.
    Pdq,
}

impl ListKind {
    /// Its name on the command line, and the first line by which a list declares what it is.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Pdq => "pdq",
        }
    }

    /// Hex digits of a line.
    pub(super) const fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 | Self::Pdq => 64,
        }
    }
}
