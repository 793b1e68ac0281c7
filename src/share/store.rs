//! The folder of a user's keys: `private.age` (the own key, encrypted with the passphrase), `public.json` (its public
//! half, to be sent), and `trusted/FINGERPRINT.json`, the public keys of partners.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use zeroize::Zeroizing;

use super::ShareError;
use super::keys::{PrivateKey, PublicKey};
use crate::source::name::escape_path;

/// The own key, encrypted.
pub const PRIVATE: &str = "private.age";
/// Its public half.
const PUBLIC: &str = "public.json";
/// The folder of partners' keys.
const TRUSTED: &str = "trusted";
/// A key file has about 500 bytes.
const LARGEST_KEY: u64 = 64 << 10;
/// scrypt's work factor, as a power of two: 256 MiB and about a second for one guess at the passphrase.
const WORK_FACTOR: u8 = 18;
/// The most that a key file may ask for.
const MOST_WORK: u8 = 20;

/// A folder of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStore {
    folder: PathBuf,
}

impl KeyStore {
    /// The keys of a folder, which need not exist yet.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// `TAMIS_KEYS_DIR`, else where this system keeps a user's settings; `None` where it says of no place.
    #[must_use]
    pub fn default_folder() -> Option<PathBuf> {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let keys = |folder: PathBuf| folder.join("tamis").join("keys");
        folder("TAMIS_KEYS_DIR").or_else(|| {
            if cfg!(windows) {
                folder("APPDATA").map(keys)
            } else if cfg!(target_os = "macos") {
                folder("HOME").map(|home| keys(home.join("Library/Application Support")))
            } else {
                folder("XDG_CONFIG_HOME")
                    .or_else(|| folder("HOME").map(|home| home.join(".config")))
                    .map(keys)
            }
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that is sent to partners.
    #[must_use]
    pub fn public_file(&self) -> PathBuf {
        self.folder.join(PUBLIC)
    }

    /// The public half of the own key; `None` where there is none yet.
    ///
    /// # Errors
    /// A file that is damaged or cannot be read, or only one half is there.
    pub fn own(&self) -> Result<Option<PublicKey>, ShareError> {
        let is_missing = |path: &Path| path.try_exists().is_ok_and(|exists| !exists);
        let (private, public) = (self.folder.join(PRIVATE), self.public_file());
        let half = |missing: &Path, there: &Path| {
            ShareError::Refused(format!(
                "half of your key is missing: there is {}, but no {}. Restore it from your backup; without one move the other half away, and \
                 `tamis key new` makes a new key",
                escape_path(there),
                escape_path(missing)
            ))
        };
        match (is_missing(&private), is_missing(&public)) {
            (true, true) => Ok(None),
            (false, true) => Err(half(&public, &private)),
            (true, false) => Err(half(&private, &public)),
            (false, false) => read_public(&public).map(Some),
        }
    }

    /// Refuses to make a key where there is one: what was signed with it, and what is encrypted to it, needs it.
    ///
    /// # Errors
    /// There is one, and the way out.
    pub fn refuse_existing(&self) -> Result<(), ShareError> {
        if self.own()?.is_some() {
            return Err(ShareError::Refused(format!(
                "there is a key in {} already, which is never replaced: use it, or name another folder with --keys",
                escape_path(&self.folder)
            )));
        }
        Ok(())
    }

    /// Keeps a new key, encrypted with a passphrase.
    ///
    /// # Errors
    /// There is a key already, or the system says no.
    pub fn keep(&self, key: &PrivateKey, passphrase: &SecretString) -> Result<(), ShareError> {
        self.refuse_existing()?;
        make_private_folder(&self.folder)?;
        let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
        recipient.set_work_factor(WORK_FACTOR);
        let path = self.folder.join(PRIVATE);
        let refused = |error: age::EncryptError| ShareError::Refused(error.to_string());
        let encryptor = age::Encryptor::with_recipients(iter::once(&recipient as _)).map_err(refused)?;
        let mut encrypted = Vec::new();
        let encrypt = || {
            let mut writer = encryptor.wrap_output(&mut encrypted)?;
            writer.write_all(&key.to_stored().map_err(io::Error::other)?)?;
            writer.finish().map(drop)
        };
        encrypt().map_err(|error| ShareError::io("cannot encrypt", &path, error))?;
        let public = key.public().to_json()?;
        write_new(&path, &encrypted, true)?;
        let written = write_new(&self.public_file(), public.as_bytes(), false);
        if written.is_err() {
            // Half a key is none. The first error is the one to report.
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// The own key.
    ///
    /// # Errors
    /// There is none, the passphrase is wrong, the file is damaged, or the public half beside it is not its own.
    pub fn unlock(&self, passphrase: &SecretString) -> Result<PrivateKey, ShareError> {
        let path = self.folder.join(PRIVATE);
        let refused =
            |reason: &str| ShareError::Refused(format!("the private key {}: {reason}", escape_path(&path)));
        let encrypted = read_small(&path, true)?;
        let damaged = |_| refused("it is damaged, or no private key of Tamis: restore it from your backup");
        let decryptor = age::Decryptor::new_buffered(&encrypted[..]).map_err(damaged)?;
        if !decryptor.is_scrypt() {
            return Err(refused("it is not encrypted with a passphrase"));
        }
        let mut identity = age::scrypt::Identity::new(passphrase.clone());
        identity.set_max_work_factor(MOST_WORK);
        let mut stored = Zeroizing::new(Vec::new());
        let mut reader =
            decryptor.decrypt(iter::once(&identity as &dyn age::Identity)).map_err(|error| match error {
                age::DecryptError::DecryptionFailed | age::DecryptError::NoMatchingKeys => {
                    refused("the passphrase is wrong")
                }
                _ => refused(
                    "it is damaged, or asks for more work than Tamis writes: restore it from your backup",
                ),
            })?;
        // All at once, so that growing leaves no copies behind.
        stored.reserve(encrypted.len());
        reader.read_to_end(&mut stored).map_err(|_| refused("it is damaged: restore it from your backup"))?;
        let key = PrivateKey::from_stored(&stored).map_err(|reason| refused(&reason))?;
        match self.own()? {
            Some(public) if public != *key.public() => Err(ShareError::Refused(format!(
                "{} is not the public half of your private key, but the key {} of {}: it was replaced. Restore it from your backup, and check \
                 whom you sent it to",
                escape_path(&self.public_file()),
                public.fingerprint,
                public.owner()
            ))),
            _ => Ok(key),
        }
    }

    /// The keys of partners, by fingerprint.
    ///
    /// # Errors
    /// A file that is damaged or cannot be read.
    pub fn trusted(&self) -> Result<Vec<PublicKey>, ShareError> {
        let folder = self.folder.join(TRUSTED);
        let failed = |error| ShareError::io("cannot list the trusted keys in", &folder, error);
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut keys = Vec::new();
        for entry in listing {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                keys.push(read_public(&path)?);
            }
        }
        keys.sort_by(|a: &PublicKey, b| a.fingerprint.cmp(&b.fingerprint));
        keys.dedup();
        Ok(keys)
    }

    /// Trusts a key from now on. Returns whether it was not trusted before.
    ///
    /// # Errors
    /// The system says no.
    pub fn trust(&self, key: &PublicKey) -> Result<bool, ShareError> {
        if self.trusted()?.contains(key) {
            return Ok(false);
        }
        let folder = self.folder.join(TRUSTED);
        make_private_folder(&self.folder)?;
        make_private_folder(&folder)?;
        write_new(&folder.join(format!("{}.json", key.fingerprint)), key.to_json()?.as_bytes(), false)?;
        Ok(true)
    }

    /// Whether a key is the user's own or a trusted one.
    ///
    /// # Errors
    /// A key file that is damaged or cannot be read.
    pub fn is_trusted(&self, key: &PublicKey) -> Result<bool, ShareError> {
        Ok(self.own()?.as_ref() == Some(key) || self.trusted()?.contains(key))
    }

    /// The key that a text means: a fingerprint, or the whole name or agency of one key only, the user's own or a trusted one.
    ///
    /// # Errors
    /// None or several are meant.
    pub fn find(&self, text: &str) -> Result<PublicKey, ShareError> {
        let keys: Vec<PublicKey> = self.trusted()?.into_iter().chain(self.own()?).collect();
        let is_meant = |key: &&PublicKey| key.has_fingerprint(text) || key.name == text || key.agency == text;
        let mut meant: Vec<&PublicKey> = keys.iter().filter(is_meant).collect();
        meant.dedup();
        let shown = crate::source::name::escape(text.as_bytes());
        match &meant[..] {
            [key] => Ok((*key).clone()),
            [] => Err(ShareError::Refused(format!(
                "no key in {} has the fingerprint, name or agency `{shown}`: `tamis key show` lists them, `tamis key trust` adds one",
                escape_path(&self.folder)
            ))),
            several => {
                let fingerprints: Vec<&str> = several.iter().map(|key| &*key.fingerprint).collect();
                Err(ShareError::Refused(format!(
                    "`{shown}` means several keys: give one of their fingerprints, {}",
                    fingerprints.join(", ")
                )))
            }
        }
    }
}

/// Reads a public key file.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_public(path: &Path) -> Result<PublicKey, ShareError> {
    PublicKey::parse(&read_small(path, false)?)
        .map_err(|reason| ShareError::Refused(format!("key file {}: {reason}", escape_path(path))))
}

/// Says what is wrong with a file that holds a secret and that others may read or change; `None` where only its owner may, where the
/// system has no permissions of that kind, and of what is no regular file, such as a pipe from a program that keeps passphrases.
///
/// # Errors
/// The system's.
pub fn open_to_others(file: &File, path: &Path) -> io::Result<Option<String>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = file.metadata()?;
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_file() && mode & 0o077 != 0 {
            return Ok(Some(format!(
                "{}: other users have access to it (mode {mode:04o}); make it yours alone with `chmod 600`, and consider whether \
                 somebody has read it",
                escape_path(path)
            )));
        }
    }
    #[cfg(not(unix))]
    let _ = (file, path);
    Ok(None)
}

/// Reads a file of a key's size. A `private` one is refused where others have access to it.
fn read_small(path: &Path, private: bool) -> Result<Vec<u8>, ShareError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            ShareError::Refused(format!("there is no key {}: `tamis key new` makes one", escape_path(path)))
        }
        _ => ShareError::io("cannot read", path, error),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    if private && let Some(reason) = open_to_others(&file, path).map_err(failed)? {
        return Err(ShareError::Refused(reason));
    }
    file.take(LARGEST_KEY + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST_KEY {
        return Err(ShareError::Refused(format!("{} is too large for a key", escape_path(path))));
    }
    Ok(bytes)
}

/// Makes a folder that only the user can look into, if it is not there.
pub(super) fn make_private_folder(folder: &Path) -> Result<(), ShareError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| ShareError::io("cannot make the folder", folder, error))
}

/// Writes a file that must be new; of what fails nothing is left. `private`: only the user may read it, where the system
/// knows permissions of that kind; elsewhere it has those of the user's own folder.
fn write_new(path: &Path, bytes: &[u8], private: bool) -> Result<(), ShareError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = private;
    let failed = |error| ShareError::io("cannot write", path, error);
    let mut file = options.open(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(path);
    }
    written.map_err(failed)
}
