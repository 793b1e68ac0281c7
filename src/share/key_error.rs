//! What can be wrong with a key, by kind.

/// What is wrong with a public or a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is something else than a public key.
    #[error("this is not a Tamis public key: {reason}")]
    NotAPublicKey {
        /// What its JSON lacks or has too much, escaped.
        reason: String,
    },
    /// It is of another format or version.
    #[error("it is not a `{format}` of version {version}")]
    OtherVersion {
        /// The format that was expected.
        format: &'static str,
        /// The version that was expected.
        version: u32,
    },
    /// A text about its owner cannot be shown.
    #[error("the {field} {fault}")]
    Text {
        /// Which: name, agency or contact.
        field: &'static str,
        /// Why.
        fault: TextFault,
    },
    /// What verifies signatures is not an Ed25519 key.
    #[error("its signing key is not {expected}")]
    SigningKey {
        /// What was expected of it.
        expected: &'static str,
    },
    /// What packages are encrypted to is not an age recipient.
    #[error("its recipient is not an age recipient: {reason}")]
    Recipient {
        /// Why, escaped.
        reason: String,
    },
    /// What packages are encrypted to is an age recipient, written in another way.
    #[error("its recipient is not written as age writes it")]
    RecipientSpelling,
    /// The fingerprint is that of other contents.
    #[error("its fingerprint does not fit its contents: it was altered or mistyped")]
    Fingerprint,
    /// It is something else than a private key.
    #[error("it does not hold a Tamis private key")]
    NotAPrivateKey,
    /// What a private key signs with is malformed.
    #[error("its signing seed is not a seed")]
    SigningSeed,
    /// What a private key decrypts with is not an age identity.
    #[error("its identity is not an age identity")]
    Identity,
    /// A private key holds another public half than its own.
    #[error("its halves do not belong together")]
    Halves,
    /// A private key is not encrypted, or not with a passphrase.
    #[error("it is not encrypted with a passphrase")]
    NotEncrypted,
    /// The file of a private key cannot be decrypted, whatever the passphrase.
    #[error("{reason} (restore it from your backup)")]
    Damaged {
        /// What may be wrong with it.
        reason: &'static str,
    },
}

/// Why a text about a key's owner cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextFault {
    /// It is empty, or has blanks around it.
    #[error("is empty, or begins or ends with a blank")]
    Blank,
    /// It is too long.
    #[error("is longer than {limit} characters")]
    TooLong {
        /// Maximum characters.
        limit: usize,
    },
    /// Not all of it is visible.
    #[error("holds invisible characters, such as a line end")]
    Invisible,
}
