//! A user's key: one part for signing, one for decrypting what is encrypted to the user, and the user's
//! identity.
//!
//! The public half is a small JSON file that is sent to partners. Its fingerprint covers all of it, so two people who read it
//! to each other know that neither keys nor names were changed in transit.

use std::fmt::Write;
use std::io;

use age::secrecy::ExposeSecret;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyError, ShareError, TextFault, escaped, is_printable};
use crate::source::digest::{hex, sha256_of};

/// The format name of a public key file.
const PUBLIC_FORMAT: &str = "tamis-public-key";
/// The format name of a decrypted private key.
const PRIVATE_FORMAT: &str = "tamis-private-key";
/// The version of both.
const VERSION: u32 = 1;
/// Maximum characters of a name, an agency or a contact.
const LONGEST_TEXT: usize = 200;
/// Maximum bytes of a private key's JSON; with the longest texts it has about 2,500.
const LARGEST_STORED: usize = 16 << 10;
/// Bytes of a fingerprint: 128 bits, for which finding a second key is infeasible.
const FINGERPRINT_BYTES: usize = 16;

/// The public half of a key. Keys, texts and fingerprint are checked when one is read or created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    format: String,
    version: u32,
    /// The owner.
    pub name: String,
    /// The agency.
    pub agency: String,
    /// How the owner is reached.
    pub contact: String,
    /// What verifies signatures: an Ed25519 key, 64 hex digits.
    pub signing_key: String,
    /// What packages are encrypted to: an age recipient, `age1…`.
    pub recipient: String,
    /// Eight groups of four hex digits over all of the above.
    pub fingerprint: String,
}

/// A user's own key. Wiped from memory when it is dropped.
pub struct PrivateKey {
    public: PublicKey,
    signing: SigningKey,
    identity: age::x25519::Identity,
}

/// What the private key file holds, encrypted with the passphrase.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    signing_seed: Zeroizing<String>,
    identity: Zeroizing<String>,
    public: PublicKey,
}

impl PublicKey {
    /// Reads a public key file.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let key: Self = serde_json::from_slice(text)
            .map_err(|error| KeyError::NotAPublicKey { reason: escaped(&error) })?;
        key.check()?;
        Ok(key)
    }

    /// Checks a key that came with something else.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn check(&self) -> Result<(), KeyError> {
        if self.format != PUBLIC_FORMAT || self.version != VERSION {
            return Err(KeyError::OtherVersion { format: PUBLIC_FORMAT, version: VERSION });
        }
        for (field, text) in self.texts() {
            check_text(text).map_err(|fault| KeyError::Text { field, fault })?;
        }
        self.verifying_key()?;
        let recipient = self.age_recipient()?;
        if recipient.to_string() != self.recipient {
            return Err(KeyError::RecipientSpelling);
        }
        if self.fingerprint != self.own_fingerprint() {
            return Err(KeyError::Fingerprint);
        }
        Ok(())
    }

    /// The file that is sent to partners.
    ///
    /// # Errors
    /// No failure is known.
    pub fn to_json(&self) -> Result<String, ShareError> {
        let text = serde_json::to_string_pretty(self).map_err(ShareError::encoding)?;
        Ok(text + "\n")
    }

    /// The owner and agency, as text.
    #[must_use]
    pub fn owner(&self) -> String {
        format!("{}, {} ({})", self.name, self.agency, self.contact)
    }

    /// Whether a text is this key's fingerprint, with any grouping.
    #[must_use]
    pub fn has_fingerprint(&self, text: &str) -> bool {
        digits(text) == digits(&self.fingerprint)
    }

    /// Whether a signature of a message is this key's. Only the strict form is accepted.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.verifying_key().is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// What packages are encrypted to.
    ///
    /// # Errors
    /// If it is not an age recipient.
    pub fn age_recipient(&self) -> Result<age::x25519::Recipient, KeyError> {
        self.recipient.parse().map_err(|error| KeyError::Recipient { reason: escaped(&error) })
    }

    fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        let bytes = parse_hex::<32>(&self.signing_key)
            .ok_or(KeyError::SigningKey { expected: "64 lower-case hex digits" })?;
        let key = VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak());
        key.ok_or(KeyError::SigningKey { expected: "an Ed25519 key" })
    }

    fn texts(&self) -> [(&'static str, &str); 3] {
        [("name", &self.name), ("agency", &self.agency), ("contact", &self.contact)]
    }

    fn own_fingerprint(&self) -> String {
        let Self { name, agency, contact, signing_key, recipient, .. } = self;
        let covered = format!("tamis-key-1\n{signing_key}\n{recipient}\n{name}\n{agency}\n{contact}\n");
        let digits = hex(&sha256_of(covered.as_bytes())[..FINGERPRINT_BYTES]);
        let groups: Vec<&str> = (0..digits.len()).step_by(4).map(|start| &digits[start..start + 4]).collect();
        groups.join("-")
    }
}

impl PrivateKey {
    /// A new key, from the system's randomness.
    ///
    /// # Errors
    /// If a text cannot be shown, or the system provides no randomness.
    pub fn new(name: &str, agency: &str, contact: &str) -> Result<Self, ShareError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)
            .map_err(|error| ShareError::NoRandomness(io::Error::other(error.to_string())))?;
        Self::of(&seed, age::x25519::Identity::generate(), name, agency, contact)
            .map_err(ShareError::InvalidOwner)
    }

    /// The key of a seed and identity.
    ///
    /// # Errors
    /// If a text cannot be shown; the error names it.
    pub fn of(
        seed: &[u8; 32],
        identity: age::x25519::Identity,
        name: &str,
        agency: &str,
        contact: &str,
    ) -> Result<Self, KeyError> {
        let signing = SigningKey::from_bytes(seed);
        let mut public = PublicKey {
            format: PUBLIC_FORMAT.into(),
            version: VERSION,
            name: name.trim().into(),
            agency: agency.trim().into(),
            contact: contact.trim().into(),
            signing_key: hex(signing.verifying_key().as_bytes()),
            recipient: identity.to_public().to_string(),
            fingerprint: String::new(),
        };
        public.fingerprint = public.own_fingerprint();
        public.check()?;
        Ok(Self { public, signing, identity })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message; the same message has the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The identity that decrypts packages encrypted to this key.
    #[must_use]
    pub const fn identity(&self) -> &age::x25519::Identity {
        &self.identity
    }

    /// The stored form, before encryption.
    pub(super) fn to_stored(&self) -> Result<Zeroizing<Vec<u8>>, ShareError> {
        let seed = Zeroizing::new(self.signing.to_bytes());
        // Here and below the full capacity at once: a growing buffer would leave copies behind.
        let mut signing_seed = Zeroizing::new(String::with_capacity(2 * seed.len()));
        for byte in &*seed {
            write!(signing_seed, "{byte:02x}").map_err(ShareError::encoding)?;
        }
        let stored = Stored {
            format: PRIVATE_FORMAT.into(),
            version: VERSION,
            signing_seed,
            identity: Zeroizing::new(self.identity.to_string().expose_secret().to_string()),
            public: self.public.clone(),
        };
        let mut text = Zeroizing::new(vec![0; LARGEST_STORED]);
        let mut rest = &mut text[..];
        serde_json::to_writer(&mut rest, &stored).map_err(ShareError::encoding)?;
        let left = rest.len();
        text.truncate(LARGEST_STORED - left);
        Ok(text)
    }

    /// Reads the stored form, after decryption.
    pub(super) fn from_stored(text: &[u8]) -> Result<Self, KeyError> {
        // The parser's error may quote a secret.
        let stored: Stored = serde_json::from_slice(text).map_err(|_| KeyError::NotAPrivateKey)?;
        if stored.format != PRIVATE_FORMAT || stored.version != VERSION {
            return Err(KeyError::OtherVersion { format: PRIVATE_FORMAT, version: VERSION });
        }
        let seed = parse_hex::<32>(&stored.signing_seed).map(Zeroizing::new);
        let seed = seed.ok_or(KeyError::SigningSeed)?;
        let identity = stored.identity.parse();
        let identity = identity.map_err(|_| KeyError::Identity)?;
        let PublicKey { name, agency, contact, .. } = &stored.public;
        let key = Self::of(&seed, identity, name, agency, contact)?;
        if key.public == stored.public { Ok(key) } else { Err(KeyError::Halves) }
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "PrivateKey({})", self.public.fingerprint)
    }
}

/// The bytes of `2 N` lower-case hex digits, which is the only accepted form.
pub(super) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Checks a text that is shown to people.
fn check_text(text: &str) -> Result<(), TextFault> {
    if text.is_empty() || text.trim() != text {
        return Err(TextFault::Blank);
    }
    if text.chars().count() > LONGEST_TEXT {
        return Err(TextFault::TooLong { limit: LONGEST_TEXT });
    }
    if !is_printable(text) {
        return Err(TextFault::Invisible);
    }
    Ok(())
}

/// The hex digits of a fingerprint, lower case, without separators.
fn digits(text: &str) -> String {
    text.chars()
        .filter(|character| !matches!(character, '-' | ' ' | ':'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKey {
        PrivateKey::of(&[7; 32], age::x25519::Identity::generate(), "Jo", "Lab", "jo@lab.example").unwrap()
    }

    #[test]
    fn every_change_of_a_public_key_shows() {
        let public = key().public().clone();
        let text = public.to_json().unwrap();
        assert_eq!(PublicKey::parse(text.as_bytes()), Ok(public.clone()));
        for (from, to) in [
            ("Jo", "Joe"),
            ("\"Lab\"", "\"Labs\""),
            ("jo@lab", "jo@1ab"),
            ("\"version\": 1", "\"version\": 2"),
            ("tamis-public-key", "tamis-private-key"),
            (&public.signing_key, &hex(SigningKey::from_bytes(&[8; 32]).verifying_key().as_bytes())),
            (&public.recipient, &age::x25519::Identity::generate().to_public().to_string()),
            (&public.signing_key, &public.signing_key.to_uppercase()),
            (&public.signing_key, &"0".repeat(64)),
            ("\"version\": 1", "\"version\": 1, \"more\": 2"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(PublicKey::parse(changed.as_bytes()).is_err(), "{from} became {to}");
        }
        assert!(public.has_fingerprint(&public.fingerprint.to_uppercase().replace('-', " ")));
        assert!(!public.has_fingerprint(&public.fingerprint[..35]));
    }

    #[test]
    fn what_is_wrong_with_a_key_is_a_kind() {
        let public = key().public().clone();
        let text = public.to_json().unwrap();
        let wrong =
            |from: &str, to: &str| PublicKey::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(matches!(wrong("\"Lab\"", "3"), KeyError::NotAPublicKey { .. }));
        let expected = KeyError::OtherVersion { format: PUBLIC_FORMAT, version: VERSION };
        assert_eq!(wrong("\"version\": 1", "\"version\": 2"), expected);
        assert_eq!(wrong("\"Lab\"", "\"\""), KeyError::Text { field: "agency", fault: TextFault::Blank });
        assert!(matches!(wrong(&public.signing_key, "0"), KeyError::SigningKey { .. }));
        assert!(matches!(wrong(&public.recipient, "age1"), KeyError::Recipient { .. }));
        assert_eq!(wrong(&public.recipient, &public.recipient.to_uppercase()), KeyError::RecipientSpelling);
        assert_eq!(wrong("Jo", "Joe"), KeyError::Fingerprint);
    }

    #[test]
    fn a_signature_is_of_its_message_and_key() {
        let key = key();
        let mut signature = key.sign(b"message");
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"massage", &signature));
        let other = PrivateKey::new("Jo", "Lab", "jo@lab.example").unwrap();
        assert!(!other.public().verifies(b"message", &signature));
        assert_eq!(signature, key.sign(b"message"));
        for bit in 0..512 {
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().verifies(b"message", &signature), "{bit}");
            signature[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn texts_must_show() {
        for wrong in ["", "a\nb", "a\u{202e}b", &"x".repeat(201)] {
            let identity = age::x25519::Identity::generate();
            assert!(PrivateKey::of(&[1; 32], identity, wrong, "Lab", "x").is_err(), "{wrong:?}");
        }
        let stored = key().to_stored().unwrap();
        let again = PrivateKey::from_stored(&stored).unwrap();
        assert_eq!(again.sign(b"x"), key().sign(b"x"));
        assert!(!format!("{again:?}").contains("AGE-SECRET"));
        // The longest: the buffer, which is wiped, never grew.
        let longest = ["\"", "\\", "\u{1f600}"].map(|text| text.repeat(LONGEST_TEXT));
        let identity = age::x25519::Identity::generate();
        let key = PrivateKey::of(&[1; 32], identity, &longest[0], &longest[1], &longest[2]).unwrap();
        let stored = key.to_stored().unwrap();
        assert_eq!(stored.capacity(), LARGEST_STORED);
        assert_eq!(PrivateKey::from_stored(&stored).unwrap().public(), key.public());
    }
}
