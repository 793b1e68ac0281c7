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
const MAX_WORK: u8 = 20;

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
    /// A file that is damaged or cannot be read, only one half is there, or others can change what is in the folder.
    pub fn own(&self) -> Result<Option<PublicKey>, ShareError> {
        refuse_changed_by_others(&self.folder)?;
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
            (false, false) => read_kept(&public).map(Some),
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
    /// There is a key already, others can change what is in the folder, or the system says no.
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
    /// There is none, the passphrase is wrong, the file is damaged, the public half beside it is not its own, or others can read or
    /// change what is in the folder.
    pub fn unlock(&self, passphrase: &SecretString) -> Result<PrivateKey, ShareError> {
        refuse_changed_by_others(&self.folder)?;
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
        identity.set_max_work_factor(MAX_WORK);
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
    /// A file that is damaged or cannot be read, or that others can change.
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

/// Reads a public key of the folder, which is what others may not change.
fn read_kept(path: &Path) -> Result<PublicKey, ShareError> {
    refuse_changed_by_others(path)?;
    read_public(path)
}

/// Says what is wrong with a file that holds a secret and that others may read or change; `None` where only this user may, where the
/// system has no permissions of that kind, and of what is no regular file, such as a pipe from a program that keeps passphrases.
///
/// # Errors
/// The system's.
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

/// Refuses a folder of keys, or a public key in it, that others can change: they could put a key of theirs in a partner's place. What is
/// not there is left to who looks for it.
fn refuse_changed_by_others(path: &Path) -> Result<(), ShareError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ShareError::io("cannot look at", path, error)),
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
    Err(ShareError::Refused(format!(
        "{}: {reason}, and so put keys of their own in the place of others; {way_out}, and compare the fingerprints of the keys there \
         with their owners",
        escape_path(path)
    )))
}

/// Who else has access to a file or folder, where the system says it by owners and modes.
mod access {
    use std::fs::Metadata;

    /// Why it is not this user's alone.
    #[cfg_attr(not(unix), expect(dead_code, reason = "of systems with owners and modes"))]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Others {
        /// Another user owns it, whatever the mode says; and who this one is.
        Owner(u32, u32),
        /// The mode gives others more than they may have.
        Mode(u32),
    }

    #[cfg(unix)]
    pub(super) fn of_others(metadata: &Metadata, refused: u32) -> Option<Others> {
        use std::os::unix::fs::MetadataExt;
        let user = rustix::process::geteuid().as_raw();
        // Only who is root already can make it say what is not so.
        let sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
        settle((metadata.uid(), metadata.mode() & 0o777), (user, sudo), refused)
    }

    #[cfg(not(unix))]
    pub(super) fn of_others(_metadata: &Metadata, _refused: u32) -> Option<Others> {
        None
    }

    /// Root can read and change everything, so that what is root's is nobody else's; and who called `sudo` is who root is.
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
            // Root reads everybody's files, which does not make them its own.
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
