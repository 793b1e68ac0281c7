//! The position in a package that is read, and the reading of pieces of its archive, each checked against the package format.

use std::io::{self, BufRead, BufReader, Read};
use std::iter;

use super::container::{BLOCK, header, padding, stated};
use super::keys::PrivateKey;
use super::{Fault, FaultKind, ShareError};
use crate::source::name::escape;

/// The first bytes of a file encrypted by age.
pub(super) const AGE: &[u8] = b"age-encryption.org/";
/// The same with ASCII armor.
const AGE_ARMOR: &[u8] = b"-----BEGIN AGE";
/// Maximum bytes of age's own header: about 200 recipients.
const LARGEST_AGE_HEADER: u64 = 64 << 10;

/// The position, for faults.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub package: String,
    pub encrypted: bool,
    /// Bytes of the archive so far.
    pub bytes: u64,
    pub member: Option<&'static str>,
    pub line: Option<u64>,
}

impl Place {
    pub fn at(&mut self, member: Option<&'static str>) {
        self.member = member;
        self.line = None;
    }

    pub fn fault(&self, kind: FaultKind, reason: impl Into<String>) -> ShareError {
        ShareError::Fault(Box::new(Fault {
            package: self.package.clone(),
            kind,
            member: self.member,
            line: self.line,
            reason: reason.into(),
        }))
    }

    pub fn truncated(&self, what: &str) -> ShareError {
        self.fault(FaultKind::Truncated, format!("it ends after {} bytes, within {what}", self.bytes))
    }

    /// Interprets a read error. age's reader reports altered bytes by the error kind.
    pub fn failed(&self, error: io::Error) -> ShareError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated("what was encrypted"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
                if self.encrypted =>
            {
                self.fault(
                    FaultKind::Altered,
                    format!("after {} bytes it does not decrypt: altered or cut off", self.bytes),
                )
            }
            _ => ShareError::Io { what: format!("cannot read the package {}", self.package), error },
        }
    }

    /// Reads exactly these bytes.
    pub fn fill(&mut self, source: &mut dyn BufRead, bytes: &mut [u8], what: &str) -> Result<(), ShareError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match source.read(&mut bytes[filled..]) {
                Ok(0) => return Err(self.truncated(what)),
                Ok(read) => {
                    filled += read;
                    self.bytes += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    /// Whether there is another byte.
    pub fn more(&self, source: &mut dyn BufRead) -> Result<bool, ShareError> {
        loop {
            match source.fill_buf() {
                Ok(bytes) => return Ok(!bytes.is_empty()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }
}

/// The archive within what may be encrypted.
pub(super) fn decrypted(
    mut source: Box<dyn BufRead>,
    key: Option<&PrivateKey>,
    place: &mut Place,
) -> Result<Box<dyn BufRead>, ShareError> {
    let mut head = Vec::new();
    let read = (&mut *source).take(LARGEST_AGE_HEADER).read_to_end(&mut head);
    read.map_err(|error| place.failed(error))?;
    if head.starts_with(AGE_ARMOR) {
        return Err(place.fault(
            FaultKind::NotAPackage,
            "it is encrypted by age with --armor: `age -d` turns it into a package",
        ));
    }
    let encrypted = head.starts_with(AGE);
    // age's header has no bound of its own.
    let bounded = memchr::memmem::find(&head, b"\n--- ").is_some();
    let whole: Box<dyn BufRead> = Box::new(io::Cursor::new(head).chain(source));
    if !encrypted {
        return Ok(whole);
    }
    place.encrypted = true;
    let Some(key) = key else {
        return Err(place.fault(FaultKind::NotForThisKey, "it is encrypted, and no key was given"));
    };
    if !bounded {
        return Err(place.fault(
            FaultKind::Altered,
            format!("its age header does not end within {LARGEST_AGE_HEADER} bytes"),
        ));
    }
    let altered = |place: &Place| place.fault(FaultKind::Altered, "its age header was altered");
    let decryptor = age::Decryptor::new_buffered(whole).map_err(|_| altered(place))?;
    let identity = key.identity() as &dyn age::Identity;
    match decryptor.decrypt(iter::once(identity)) {
        Ok(reader) => Ok(Box::new(BufReader::with_capacity(1 << 16, reader))),
        Err(age::DecryptError::NoMatchingKeys) => Err(place.fault(
            FaultKind::NotForThisKey,
            format!("the key {} does not open it", key.public().fingerprint),
        )),
        Err(_) => Err(altered(place)),
    }
}

/// Reads the header of the expected member and returns the member's length.
pub(super) fn read_header(
    source: &mut dyn BufRead,
    name: &'static str,
    length: Option<u64>,
    place: &mut Place,
) -> Result<u64, ShareError> {
    let first = place.bytes == 0;
    let mut block = [0; BLOCK];
    let read = place.fill(source, &mut block, &format!("the header of {name}"));
    let is_begun = !first || block.starts_with(name.as_bytes());
    match read {
        Err(ShareError::Fault(fault)) if fault.kind == FaultKind::Truncated && !is_begun => {}
        other => other?,
    }
    let Some((found, stated)) = stated(&block).filter(|_| is_begun) else {
        if is_begun {
            return Err(place.fault(FaultKind::Altered, "something else is in the place of its header"));
        }
        place.at(None);
        let what = if place.bytes == 0 {
            "it has no bytes"
        } else {
            "it does not begin with manifest.json in a tar"
        };
        return Err(place.fault(FaultKind::NotAPackage, what));
    };
    if found != name.as_bytes() {
        return Err(place.fault(FaultKind::Altered, format!("in its place is a member `{}`", escape(&found))));
    }
    if length.is_some_and(|length| length != stated) {
        return Err(place.fault(
            FaultKind::Altered,
            format!("its header states {stated} bytes, which is not its length"),
        ));
    }
    if block != header(name, stated) {
        return Err(place.fault(FaultKind::Altered, "its header is not that of a package member"));
    }
    Ok(stated)
}

/// The member that a block is the header of, as text.
pub(super) fn member_in(block: Option<&[u8; BLOCK]>) -> String {
    match block.and_then(stated) {
        Some((name, _)) => format!(": a member `{}`", escape(&name)),
        None => String::new(),
    }
}

/// A member that is held in memory.
pub(super) fn small_member(
    source: &mut dyn BufRead,
    name: &'static str,
    length: Option<u64>,
    limit: u64,
    place: &mut Place,
) -> Result<Vec<u8>, ShareError> {
    place.at(Some(name));
    let length = read_header(source, name, length, place)?;
    if length > limit {
        return Err(
            place.fault(FaultKind::Altered, format!("it has {length} bytes, more than the {limit} allowed"))
        );
    }
    let mut bytes = vec![0; length as usize];
    place.fill(source, &mut bytes, name)?;
    read_padding(source, length, place)?;
    Ok(bytes)
}

pub(super) fn read_padding(
    source: &mut dyn BufRead,
    length: u64,
    place: &mut Place,
) -> Result<(), ShareError> {
    let mut filling = [0; BLOCK];
    let filling = &mut filling[..padding(length)];
    place.fill(source, filling, "the padding of its last block")?;
    if filling.iter().any(|byte| *byte != 0) {
        return Err(place.fault(FaultKind::Altered, "the padding of its last block is not zero"));
    }
    Ok(())
}
