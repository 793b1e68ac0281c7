//! The folder of a user's keys: `private.age` (the own key, encrypted with the passphrase), `public.json` (its public
//! half, to be sent), and `trusted/FINGERPRINT.json`, the public keys of partners.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use zeroize::Zeroizing;

use super::keys::{PrivateKey, PublicKey};
use super::{KeyError, ShareError};
use crate::source::name::escape_path;

/// The user's key, encrypted.
pub const PRIVATE: &str = "private.age";
/// Its public half.
const PUBLIC: &str = "public.json";
/// The folder of partners' keys.
const TRUSTED: &str = "trusted";
/// A key file has about 500 bytes.
const LARGEST_KEY: u64 = 64 << 10;
/// scrypt's work factor, as a power of two: 256 MiB and about a second for one guess at the passphrase.
const WORK_FACTOR: u8 = 18;
/// The maximum that a key file may ask for.
const MAX_WORK: u8 = 20;

/// A folder of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStore {
    folder: PathBuf,
}

impl KeyStore {
    /// The key store in a folder, which need not exist yet.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// `TAMIS_KEYS_DIR`, else where this system keeps a user's settings; `None` if there is no such place.
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

    /// The public half of the user's key; `None` if there is none yet.
    ///
    /// # Errors
    /// If a file is damaged or cannot be read, only one half of the key exists, or others can change the
    /// folder.
    pub fn own(&self) -> Result<Option<PublicKey>, ShareError> {
        refuse_changed_by_others(&self.folder)?;
        let is_missing = |path: &Path| path.try_exists().is_ok_and(|exists| !exists);
        let (private, public) = (self.folder.join(PRIVATE), self.public_file());
        let half = |missing: &Path, present: &Path| ShareError::HalfMissing {
            missing: missing.to_path_buf(),
            present: present.to_path_buf(),
        };
        match (is_missing(&private), is_missing(&public)) {
            (true, true) => Ok(None),
            (false, true) => Err(half(&public, &private)),
            (true, false) => Err(half(&private, &public)),
            (false, false) => read_kept(&public).map(Some),
        }
    }

    /// Refuses to create a key where one exists: what was signed with it or encrypted to it needs it.
    ///
    /// # Errors
    /// If a key exists already; the error names the way out.
    pub fn refuse_existing(&self) -> Result<(), ShareError> {
        if self.own()?.is_some() {
            return Err(ShareError::KeyExists { folder: self.folder.clone() });
        }
        Ok(())
    }

    /// Stores a new key, encrypted with a passphrase.
    ///
    /// # Errors
    /// If a key exists already, others can change the folder, or the key cannot be written.
    pub fn keep(&self, key: &PrivateKey, passphrase: &SecretString) -> Result<(), ShareError> {
        self.refuse_existing()?;
        make_private_folder(&self.folder)?;
        let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
        recipient.set_work_factor(WORK_FACTOR);
        let path = self.folder.join(PRIVATE);
        let encryptor =
            age::Encryptor::with_recipients(iter::once(&recipient as _)).map_err(ShareError::encryption)?;
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
            // Half a key is useless. Report the first error.
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// The user's key.
    ///
    /// # Errors
    /// If there is no key, the passphrase is wrong, the file is damaged, the public half next to it belongs
    /// to another key, or others can read or change the folder.
    pub fn unlock(&self, passphrase: &SecretString) -> Result<PrivateKey, ShareError> {
        refuse_changed_by_others(&self.folder)?;
        let path = self.folder.join(PRIVATE);
        let invalid = |fault| ShareError::InvalidPrivateKey { path: path.clone(), fault };
        let damaged = |reason| invalid(KeyError::Damaged { reason });
        let encrypted = read_small(&path, true)?;
        let decryptor = age::Decryptor::new_buffered(&encrypted[..])
            .map_err(|_| damaged("damaged, or not a Tamis private key"))?;
        if !decryptor.is_scrypt() {
            return Err(invalid(KeyError::NotEncrypted));
        }
        let mut identity = age::scrypt::Identity::new(passphrase.clone());
        identity.set_max_work_factor(MAX_WORK);
        let mut stored = Zeroizing::new(Vec::new());
        let mut reader =
            decryptor.decrypt(iter::once(&identity as &dyn age::Identity)).map_err(|error| match error {
                age::DecryptError::DecryptionFailed | age::DecryptError::NoMatchingKeys => {
                    ShareError::WrongPassphrase { path: path.clone() }
                }
                _ => damaged("damaged, or has a higher work factor than Tamis writes"),
            })?;
        // The full capacity at once: growing would leave copies behind.
        stored.reserve(encrypted.len());
        reader.read_to_end(&mut stored).map_err(|_| damaged("damaged"))?;
        let key = PrivateKey::from_stored(&stored).map_err(invalid)?;
        match self.own()? {
            Some(public) if public != *key.public() => Err(ShareError::KeyReplaced {
                path: self.public_file(),
                owner: public.owner(),
                fingerprint: public.fingerprint,
            }),
            _ => Ok(key),
        }
    }

    /// The keys of partners, by fingerprint.
    ///
    /// # Errors
    /// If a file is damaged, cannot be read, or can be changed by others.
    pub fn trusted(&self) -> Result<Vec<PublicKey>, ShareError> {
        let folder = self.folder.join(TRUSTED);
        refuse_changed_by_others(&self.folder)?;
        refuse_changed_by_others(&folder)?;
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
                keys.push(read_kept(&path)?);
            }
        }
        keys.sort_by(|a: &PublicKey, b| a.fingerprint.cmp(&b.fingerprint));
        keys.dedup();
        Ok(keys)
    }

    /// Trusts a key from now on. Returns whether it was not trusted before.
    ///
    /// # Errors
    /// If the file cannot be written.
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
    /// If a key file is damaged or cannot be read.
    pub fn is_trusted(&self, key: &PublicKey) -> Result<bool, ShareError> {
        Ok(self.own()?.as_ref() == Some(key) || self.trusted()?.contains(key))
    }

    /// Finds a key, the user's own or a trusted one, by its fingerprint or by a whole name or agency that
    /// only one key has.
    ///
    /// # Errors
    /// If no key or several keys match.
    pub fn find(&self, text: &str) -> Result<PublicKey, ShareError> {
        let keys: Vec<PublicKey> = self.trusted()?.into_iter().chain(self.own()?).collect();
        let is_meant = |key: &&PublicKey| key.has_fingerprint(text) || key.name == text || key.agency == text;
        let mut meant: Vec<&PublicKey> = keys.iter().filter(is_meant).collect();
        meant.dedup();
        match &meant[..] {
            [key] => Ok((*key).clone()),
            [] => Err(ShareError::NoSuchKey { folder: self.folder.clone(), wanted: text.to_string() }),
            several => Err(ShareError::SeveralKeys {
                wanted: text.to_string(),
                fingerprints: several.iter().map(|key| key.fingerprint.clone()).collect(),
            }),
        }
    }
}

/// Reads a public key file.
///
/// # Errors
/// If it cannot be read, or is not a key.
pub fn read_public(path: &Path) -> Result<PublicKey, ShareError> {
    PublicKey::parse(&read_small(path, false)?)
        .map_err(|fault| ShareError::InvalidKey { path: path.to_path_buf(), fault })
}

/// Reads a public key of the folder, which others must not be able to change.
fn read_kept(path: &Path) -> Result<PublicKey, ShareError> {
    refuse_changed_by_others(path)?;
    read_public(path)
}

/// Describes the fault of a file with a secret that others may read or change; `None` if only this user may, if the system has no
/// such permissions, and for other than regular files, such as a pipe from a passphrase manager.
///
/// # Errors
/// If the file's metadata cannot be read.
pub fn open_to_others(file: &File, path: &Path) -> io::Result<Option<String>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let reason = match access::of_others(&metadata, 0o077) {
        None => return Ok(None),
        Some(access::Others::Owner(owner, user)) => format!(
            "it belongs to another user (uid {owner}), who can read it, and this program runs as uid {user}; run it as that user, or \
             make the file yours with `chown`, and consider whether somebody has read it"
        ),
        Some(access::Others::Mode(mode)) => format!(
            "other users have access to it (mode {mode:04o}); make it yours alone with `chmod 600`, and consider whether somebody has \
             read it"
        ),
    };
    Ok(Some(format!("{}: {reason}", escape_path(path))))
}

/// Refuses a folder of keys, or a public key in it, that others can change: they could replace a partner's key with their own. A missing
/// file is left to the caller.
fn refuse_changed_by_others(path: &Path) -> Result<(), ShareError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ShareError::io("cannot read the permissions of", path, error)),
    };
    let (reason, way_out) = match access::of_others(&metadata, 0o022) {
        None => return Ok(()),
        Some(access::Others::Owner(owner, user)) => (
            format!("it belongs to another user (uid {owner}), and this program runs as uid {user}"),
            "run it as that user, or make it yours with `chown`",
        ),
        Some(access::Others::Mode(mode)) => {
            (format!("other users can change it (mode {mode:04o})"), "make it yours alone with `chmod go-w`")
        }
    };
    Err(ShareError::ChangeableByOthers { path: path.to_path_buf(), reason, way_out })
}

/// Who else has access to a file or folder, on systems with owners and modes.
mod access {
    use std::fs::Metadata;

    /// Why others have access.
    #[cfg_attr(not(unix), expect(dead_code, reason = "of systems with owners and modes"))]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Others {
        /// Another user owns it, regardless of the mode; with this user's id.
        Owner(u32, u32),
        /// The mode grants others too much.
        Mode(u32),
    }

    #[cfg(unix)]
    pub(super) fn of_others(metadata: &Metadata, refused: u32) -> Option<Others> {
        use std::os::unix::fs::MetadataExt;
        let user = rustix::process::geteuid().as_raw();
        // Only root can forge it.
        let sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
        settle((metadata.uid(), metadata.mode() & 0o777), (user, sudo), refused)
    }

    #[cfg(not(unix))]
    pub(super) fn of_others(_metadata: &Metadata, _refused: u32) -> Option<Others> {
        None
    }

    /// Root can read and change everything, so a file of root counts as private; and under `sudo` the calling
    /// user counts as root.
    #[cfg(unix)]
    fn settle((owner, mode): (u32, u32), (user, sudo): (u32, Option<u32>), refused: u32) -> Option<Others> {
        let is_own = owner == user || owner == 0 || user == 0 && sudo == Some(owner);
        if !is_own {
            Some(Others::Owner(owner, user))
        } else if mode & refused != 0 {
            Some(Others::Mode(mode))
        } else {
            None
        }
    }

    #[cfg(all(test, unix))]
    mod tests {
        use super::*;

        #[test]
        fn what_another_user_owns_is_not_ones_own_whatever_its_mode() {
            let (jo, eve) = (1000, 1001);
            let secret = |owner, mode, user, sudo| settle((owner, mode), (user, sudo), 0o077);
            assert_eq!(secret(jo, 0o600, jo, None), None);
            assert_eq!(secret(jo, 0o640, jo, None), Some(Others::Mode(0o640)));
            assert_eq!(secret(eve, 0o600, jo, None), Some(Others::Owner(eve, jo)));
            // Root can read all files, but does not own them.
            assert_eq!(secret(jo, 0o600, 0, None), Some(Others::Owner(jo, 0)));
            assert_eq!(secret(jo, 0o600, 0, Some(jo)), None);
            assert_eq!(secret(eve, 0o600, 0, Some(jo)), Some(Others::Owner(eve, 0)));
            assert_eq!(secret(eve, 0o600, jo, Some(eve)), Some(Others::Owner(eve, jo)));
            assert_eq!(secret(0, 0o600, jo, None), None);
            assert_eq!(settle((jo, 0o755), (jo, None), 0o022), None);
            assert_eq!(settle((jo, 0o775), (jo, None), 0o022), Some(Others::Mode(0o775)));
        }
    }
}

/// Reads a key file. A `private` one is refused if others have access to it.
fn read_small(path: &Path, private: bool) -> Result<Vec<u8>, ShareError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ShareError::NoKey { path: path.to_path_buf() },
        _ => ShareError::io("cannot read", path, error),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    if private && let Some(reason) = open_to_others(&file, path).map_err(failed)? {
        return Err(ShareError::OpenToOthers { reason });
    }
    file.take(LARGEST_KEY + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST_KEY {
        return Err(ShareError::KeyTooLarge { path: path.to_path_buf() });
    }
    Ok(bytes)
}

/// Creates a folder that only the user can access, if it does not exist.
pub(super) fn make_private_folder(folder: &Path) -> Result<(), ShareError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| ShareError::io("cannot create the folder", folder, error))
}

/// Writes a file that must be new; nothing is left behind on failure. `private`: only the user may read it, where the
/// system has such permissions; elsewhere it has those of the user's own folder.
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
        // Report the first error.
        let _ = fs::remove_file(path);
    }
    written.map_err(failed)
}
