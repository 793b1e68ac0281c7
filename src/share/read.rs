//! Reading packages that others made: nothing is believed, and nothing is larger than it may be.
//!
//! The archive's headers, the filling and the end must be those that the writer makes, the manifest must have its
//! signer's signature, and the parts the digests that the manifest says. So a package whose reading comes to its end without
//! a fault is, byte for byte, what its signer signed; whether the signer is trusted is the caller's to ask.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::iter;
use std::path::Path;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::container::{BLOCK, END, header, padding, stated};
use super::keys::PrivateKey;
use super::package::{
    Counts, FORMAT, HitLine, HitPlace, ItemLine, LARGEST_MANIFEST, LARGEST_ROW, MANIFEST, Manifest, NameLine,
    Part, SIGNATURE, VERSION, digest,
};
use super::{Fault, FaultKind, ShareError, is_printable};
use crate::case::ContentRow;
use crate::decode::DecodePath;
use crate::source::digest::hex;
use crate::source::name::{escape, escape_path};

/// What a file that age encrypted begins with.
const AGE: &[u8] = b"age-encryption.org/";
/// The same, in letters.
const AGE_ARMOR: &[u8] = b"-----BEGIN AGE";
/// Bytes of age's own header at most: about 200 recipients.
const LARGEST_AGE_HEADER: u64 = 64 << 10;

/// An open package. [`Self::next_item`] until there is none, then [`Self::next_hit`], then [`Self::next_name`], then [`Self::finish`];
/// what is left out is read and verified all the same. Only after `finish` everything is verified.
pub struct PackageReader {
    source: Box<dyn BufRead>,
    place: Place,
    manifest: Manifest,
    /// The part that is read, by its number, and how far; `None` behind the last one.
    part: usize,
    state: PartState,
    counts: Counts,
    /// What items say of how many rows of the other parts they have, digested; and what those parts have.
    promised: [Tally; 2],
    found: [Tally; 2],
    line: Vec<u8>,
}

/// Where the reading is, for faults.
#[derive(Debug, Default)]
struct Place {
    package: String,
    encrypted: bool,
    /// Bytes of the archive so far.
    bytes: u64,
    member: Option<&'static str>,
    line: Option<u64>,
}

/// How far a part is.
#[derive(Debug, Default)]
struct PartState {
    begun: bool,
    left: u64,
    rows: u64,
    digest: Sha256,
    last: Option<([u8; 32], Vec<u8>)>,
}

/// A digest of how many rows each content has, in the contents' order.
#[derive(Debug, Default)]
struct Tally {
    digest: Sha256,
    open: Option<([u8; 32], u64)>,
}

impl Tally {
    fn add(&mut self, sha256: [u8; 32], rows: u64) {
        match &mut self.open {
            Some((last, count)) if *last == sha256 => *count = count.saturating_add(rows),
            _ => {
                self.close();
                self.open = Some((sha256, rows));
            }
        }
    }

    fn close(&mut self) {
        if let Some((sha256, count)) = self.open.take().filter(|(_, count)| *count > 0) {
            self.digest.update(sha256);
            self.digest.update(count.to_be_bytes());
        }
    }

    fn finish(&mut self) -> [u8; 32] {
        self.close();
        self.digest.finalize_reset().into()
    }
}

/// Whether a file is an encrypted package, so that a key is needed to open it.
///
/// # Errors
/// It cannot be read.
pub fn is_encrypted(path: &Path) -> Result<bool, ShareError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(|error| ShareError::io("cannot open the package", path, error))?;
    file.take(AGE.len() as u64)
        .read_to_end(&mut head)
        .map_err(|error| ShareError::io("cannot read", path, error))?;
    Ok(head == AGE)
}

impl PackageReader {
    /// Opens a package; an encrypted one with a key. Its manifest is verified then.
    ///
    /// # Errors
    /// The system's, and the first fault.
    pub fn open(path: &Path, key: Option<&PrivateKey>) -> Result<Self, ShareError> {
        let file =
            File::open(path).map_err(|error| ShareError::io("cannot open the package", path, error))?;
        Self::new(Box::new(BufReader::with_capacity(1 << 16, file)), &escape_path(path), key)
    }

    /// Opens a package from any source of bytes; `package` names it in faults.
    ///
    /// # Errors
    /// The source's, and the first fault.
    pub fn new(
        source: Box<dyn BufRead>,
        package: &str,
        key: Option<&PrivateKey>,
    ) -> Result<Self, ShareError> {
        let mut place = Place { package: package.into(), ..Place::default() };
        let mut source = decrypted(source, key, &mut place)?;
        let text = small_member(&mut *source, MANIFEST, None, LARGEST_MANIFEST, &mut place)?;
        let manifest = parse_manifest(&text).map_err(|(kind, reason)| place.fault(kind, reason))?;
        let signature = small_member(&mut *source, SIGNATURE, Some(64), 64, &mut place)?;
        let signature: [u8; 64] =
            signature.try_into().map_err(|_| place.fault(FaultKind::Altered, "it has not 64 bytes"))?;
        if !manifest.signer.verifies(&Manifest::signed(&text), &signature) {
            let signer = &manifest.signer.fingerprint;
            return Err(place.fault(
                FaultKind::Altered,
                format!("the manifest is not what the key {signer} signed, which it names as its signer"),
            ));
        }
        let (promised, found) = Default::default();
        let (state, counts, line) = Default::default();
        Ok(Self { source, place, manifest, part: 0, state, counts, promised, found, line })
    }

    /// What the package says of itself; signed by whom it says.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether it was encrypted.
    #[must_use]
    pub const fn was_encrypted(&self) -> bool {
        self.place.encrypted
    }

    /// A fault of the package as a whole.
    #[must_use]
    pub fn fault(&self, kind: FaultKind, reason: impl Into<String>) -> ShareError {
        Place { package: self.place.package.clone(), ..Place::default() }.fault(kind, reason)
    }

    /// The next content, by SHA-256.
    ///
    /// # Errors
    /// The source's, and the first fault.
    pub fn next_item(&mut self) -> Result<Option<ContentRow>, ShareError> {
        let Some(row) = self.next_row::<ItemLine>(Part::Items)? else { return Ok(None) };
        let malformed = |reason| self.place.fault(FaultKind::Malformed, reason);
        let content = row.content().map_err(malformed)?;
        let sha256 = content.digests.sha256;
        self.ascending(sha256, Vec::new(), true)?;
        self.counts.contents += 1;
        self.counts.files = self.counts.files.saturating_add(content.files);
        if let Some(hash) = &content.hash {
            self.counts.pictures += 1;
            self.counts.from_coefficients += u64::from(hash.decode_path == DecodePath::Coefficients);
        }
        self.promised[0].add(sha256, content.hits);
        self.promised[1].add(sha256, content.files);
        Ok(Some(content))
    }

    /// The next hit, by content, known set and record; items that were not asked for are passed over.
    ///
    /// # Errors
    /// The source's, and the first fault.
    pub fn next_hit(&mut self) -> Result<Option<([u8; 32], HitLine)>, ShareError> {
        self.pass_items()?;
        let Some(row) = self.next_row::<HitLine>(Part::Hits)? else { return Ok(None) };
        let malformed = |reason| self.place.fault(FaultKind::Malformed, reason);
        let HitPlace { sha256, known_set_sha256, record } =
            row.check(self.manifest.columns_included).map_err(malformed)?;
        let order = [&known_set_sha256[..], &record.to_be_bytes()].concat();
        self.ascending(sha256, order, true)?;
        self.counts.hits += 1;
        self.found[0].add(sha256, 1);
        Ok(Some((sha256, row)))
    }

    /// The next name of a file, by content; items and hits that were not asked for are passed over. There are none in
    /// packages without names.
    ///
    /// # Errors
    /// The source's, and the first fault.
    pub fn next_name(&mut self) -> Result<Option<([u8; 32], String)>, ShareError> {
        self.pass_hits()?;
        let Some(row) = self.next_row::<NameLine>(Part::Names)? else { return Ok(None) };
        let malformed = |reason: String| self.place.fault(FaultKind::Malformed, reason);
        let sha256 = digest(&row.sha256, "sha256").map_err(malformed)?;
        if !is_printable(&row.path) {
            return Err(self.place.fault(FaultKind::Malformed, "its path holds characters that do not show"));
        }
        self.ascending(sha256, Vec::new(), false)?;
        self.found[1].add(sha256, 1);
        Ok(Some((sha256, row.path)))
    }

    /// Reads what is left, and verifies the rest: the parts' digests, the end, and that the counts add up.
    ///
    /// # Errors
    /// The source's, and the first fault.
    pub fn finish(mut self) -> Result<Manifest, ShareError> {
        while self.next_name()?.is_some() {}
        self.place.at(None);
        let mut end = END;
        self.place.fill(&mut *self.source, &mut end, "its two empty blocks")?;
        if end != END {
            return Err(self.place.fault(
                FaultKind::Altered,
                format!("where it should end there is more{}", member_in(end.first_chunk())),
            ));
        }
        if self.place.more(&mut *self.source)? {
            return Err(self.place.fault(FaultKind::Altered, "bytes follow its end"));
        }
        if self.counts != self.manifest.counts {
            return Err(self.place.fault(
                FaultKind::Contradicting,
                format!("the manifest counts {:?}, its rows are {:?}", self.manifest.counts, self.counts),
            ));
        }
        let kinds = [("hits", true), ("files", self.manifest.names_included)];
        for (index, (what, there)) in kinds.into_iter().enumerate() {
            if there && self.promised[index].finish() != self.found[index].finish() {
                return Err(self.place.fault(
                    FaultKind::Contradicting,
                    format!("the {what} that items.jsonl says its contents have are not those that follow"),
                ));
            }
        }
        Ok(self.manifest)
    }

    fn pass_items(&mut self) -> Result<(), ShareError> {
        while self.part == 0 && self.next_item()?.is_some() {}
        Ok(())
    }

    fn pass_hits(&mut self) -> Result<(), ShareError> {
        self.pass_items()?;
        while self.part == 1 && self.next_hit()?.is_some() {}
        Ok(())
    }

    /// Refuses a row that is not behind the last one.
    fn ascending(&mut self, sha256: [u8; 32], rest: Vec<u8>, strictly: bool) -> Result<(), ShareError> {
        let order = (sha256, rest);
        let fits =
            self.state.last.as_ref().is_none_or(|last| if strictly { *last < order } else { *last <= order });
        if !fits {
            return Err(self
                .place
                .fault(FaultKind::Malformed, "it is not behind the row before it in their order"));
        }
        self.state.last = Some(order);
        Ok(())
    }

    /// The next row of a part, or `None` at its end, where the part is verified and the next one begins.
    fn next_row<T: DeserializeOwned>(&mut self, part: Part) -> Result<Option<T>, ShareError> {
        let parts = Part::all(self.manifest.names_included);
        if parts.get(self.part) != Some(&part) {
            return Ok(None);
        }
        let entry = &self.manifest.parts[self.part];
        if !self.state.begun {
            self.place.at(Some(part.member()));
            read_header(&mut *self.source, part.member(), Some(entry.bytes), &mut self.place)?;
            self.state = PartState { begun: true, left: entry.bytes, ..PartState::default() };
        }
        if self.state.left == 0 {
            self.end_part()?;
            return Ok(None);
        }
        self.state.rows += 1;
        self.place.line = Some(self.state.rows);
        let most = self.state.left.min(LARGEST_ROW);
        self.line.clear();
        let read = (&mut *self.source).take(most).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| self.place.failed(error))? as u64;
        self.place.bytes += read;
        self.state.left -= read;
        self.state.digest.update(&self.line);
        if self.line.last() != Some(&b'\n') {
            return Err(self.unended_row(read, most));
        }
        let row = serde_json::from_slice(&self.line);
        row.map(Some).map_err(|error| {
            // What was altered on the way and what its signer wrote look the same until the part's end.
            let altered = self.rest_is_altered();
            let kind = if altered { FaultKind::Altered } else { FaultKind::Malformed };
            self.place.fault(kind, format!("no row of {}: {error}", part.member()))
        })
    }

    /// What is wrong with a row that has no line end.
    fn unended_row(&self, read: u64, most: u64) -> ShareError {
        if read < most {
            self.place.truncated("a row")
        } else if self.state.left == 0 {
            self.place.fault(FaultKind::Malformed, "the last row has no line end")
        } else {
            self.place.fault(FaultKind::Malformed, format!("it is longer than {LARGEST_ROW} bytes"))
        }
    }

    /// Whether a part has another digest than the manifest says; reads it to its end, for the right word of a fault.
    fn rest_is_altered(&mut self) -> bool {
        let mut rest = (&mut *self.source).take(self.state.left);
        let mut block = [0; 1 << 12];
        loop {
            match rest.read(&mut block) {
                Ok(0) => break,
                Ok(read) => self.state.digest.update(&block[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
        hex(&self.state.digest.finalize_reset()) != self.manifest.parts[self.part].sha256
    }

    /// Verifies a part at its end.
    fn end_part(&mut self) -> Result<(), ShareError> {
        let entry = &self.manifest.parts[self.part];
        self.place.line = None;
        let digest = hex(&self.state.digest.finalize_reset());
        if digest != entry.sha256 {
            return Err(self.place.fault(
                FaultKind::Altered,
                format!("its SHA-256 is {digest}, the manifest says {}", entry.sha256),
            ));
        }
        if self.state.rows != entry.rows {
            return Err(self.place.fault(
                FaultKind::Contradicting,
                format!("it has {} rows, the manifest says {}", self.state.rows, entry.rows),
            ));
        }
        read_padding(&mut *self.source, entry.bytes, &mut self.place)?;
        self.part += 1;
        self.state = PartState::default();
        Ok(())
    }
}

impl Place {
    fn at(&mut self, member: Option<&'static str>) {
        self.member = member;
        self.line = None;
    }

    fn fault(&self, kind: FaultKind, reason: impl Into<String>) -> ShareError {
        ShareError::Fault(Box::new(Fault {
            package: self.package.clone(),
            kind,
            member: self.member,
            line: self.line,
            reason: reason.into(),
        }))
    }

    fn truncated(&self, what: &str) -> ShareError {
        self.fault(FaultKind::Truncated, format!("it ends after {} bytes, within {what}", self.bytes))
    }

    /// What a failed reading means. age's reader tells by its kinds that bytes are not those that were encrypted.
    fn failed(&self, error: io::Error) -> ShareError {
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
    fn fill(&mut self, source: &mut dyn BufRead, bytes: &mut [u8], what: &str) -> Result<(), ShareError> {
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
    fn more(&self, source: &mut dyn BufRead) -> Result<bool, ShareError> {
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
fn decrypted(
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
            "it is encrypted by age with --armor: `age -d` makes it a package",
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
    let altered = |place: &Place| place.fault(FaultKind::Altered, "its age header is not as it was written");
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

/// Reads the header of the member that is due, and nothing but that; returns its length.
fn read_header(
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
            return Err(place.fault(FaultKind::Altered, "where its header should be there is something else"));
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
        return Err(place
            .fault(FaultKind::Altered, format!("its header says {stated} bytes, which is not its length")));
    }
    if block != header(name, stated) {
        return Err(place.fault(FaultKind::Altered, "its header is not as packages have it"));
    }
    Ok(stated)
}

/// What a block is the header of, in words.
fn member_in(block: Option<&[u8; BLOCK]>) -> String {
    match block.and_then(stated) {
        Some((name, _)) => format!(": a member `{}`", escape(&name)),
        None => String::new(),
    }
}

/// A member that is held in memory.
fn small_member(
    source: &mut dyn BufRead,
    name: &'static str,
    length: Option<u64>,
    most: u64,
    place: &mut Place,
) -> Result<Vec<u8>, ShareError> {
    place.at(Some(name));
    let length = read_header(source, name, length, place)?;
    if length > most {
        return Err(place.fault(
            FaultKind::Altered,
            format!("it has {length} bytes, more than the {most} that it may have"),
        ));
    }
    let mut bytes = vec![0; length as usize];
    place.fill(source, &mut bytes, name)?;
    read_padding(source, length, place)?;
    Ok(bytes)
}

fn read_padding(source: &mut dyn BufRead, length: u64, place: &mut Place) -> Result<(), ShareError> {
    let mut filling = [0; BLOCK];
    let filling = &mut filling[..padding(length)];
    place.fill(source, filling, "what fills its last block")?;
    if filling.iter().any(|byte| *byte != 0) {
        return Err(place.fault(FaultKind::Altered, "what fills its last block is not zero"));
    }
    Ok(())
}

/// The manifest of its text.
fn parse_manifest(text: &[u8]) -> Result<Manifest, (FaultKind, String)> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: String,
        version: u64,
        program: Option<String>,
    }
    let malformed = |error: serde_json::Error| (FaultKind::Malformed, format!("no manifest: {error}"));
    let version: Version = serde_json::from_slice(text).map_err(malformed)?;
    if version.format != FORMAT {
        return Err((
            FaultKind::NotAPackage,
            format!("it is of the format `{}`", escape(version.format.as_bytes())),
        ));
    }
    if version.version != u64::from(VERSION) {
        let program =
            version.program.map_or_else(String::new, |name| format!(", made by {}", escape(name.as_bytes())));
        return Err((
            FaultKind::UnknownVersion,
            format!("it has version {}{program}; this program reads {VERSION}", version.version),
        ));
    }
    let manifest: Manifest = serde_json::from_slice(text).map_err(malformed)?;
    manifest.check().map_err(|reason| (FaultKind::Malformed, reason))?;
    Ok(manifest)
}
