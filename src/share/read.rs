//! Reads packages from others: nothing is trusted, and every size is bounded.
//!
//! Headers, padding and end of the archive must be exactly as the writer writes them, the manifest must carry its signer's
//! signature, and the parts must have the digests of the manifest. So a package that is read to its end without a fault is,
//! byte for byte, what its signer signed; the caller checks whether the signer is trusted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::container::END;
use super::keys::PrivateKey;
use super::package::{
    Counts, FORMAT, HitLine, HitPlace, ItemLine, LARGEST_MANIFEST, LARGEST_ROW, MANIFEST, Manifest, NameLine,
    Part, SIGNATURE, VERSION, digest,
};
use super::place::{AGE, Place, decrypted, member_in, read_header, read_padding, small_member};
use super::{FaultKind, ShareError, escaped, is_printable};
use crate::case::{ContentRow, HashSpec};
use crate::decode::DerivedFrom;
use crate::source::digest::hex;
use crate::source::name::{escape, escape_path};

/// An open package. [`Self::next_item`] until there is none, then [`Self::next_hit`], then [`Self::next_name`], then [`Self::finish`];
/// what is skipped is still read and verified. Everything is verified only after `finish`.
pub struct PackageReader {
    source: Box<dyn BufRead>,
    place: Place,
    manifest: Manifest,
    /// The index of the current part and its state; `None` after the last part.
    part: usize,
    state: PartState,
    counts: Counts,
    /// Digests of the row counts that items state for the other parts, and of the counts that those parts
    /// have.
    promised: [Tally; 2],
    found: [Tally; 2],
    line: Vec<u8>,
}

/// The state of reading a part.
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
/// If it cannot be read.
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
    /// If the source cannot be read, or at the first fault.
    pub fn open(path: &Path, key: Option<&PrivateKey>) -> Result<Self, ShareError> {
        let file =
            File::open(path).map_err(|error| ShareError::io("cannot open the package", path, error))?;
        Self::new(Box::new(BufReader::with_capacity(1 << 16, file)), &escape_path(path), key)
    }

    /// Opens a package from any source of bytes; `package` names it in faults.
    ///
    /// # Errors
    /// If the source cannot be read, or at the first fault.
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
            signature.try_into().map_err(|_| place.fault(FaultKind::Altered, "it does not have 64 bytes"))?;
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

    /// The manifest, whose signature is verified.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether it was encrypted.
    #[must_use]
    pub const fn was_encrypted(&self) -> bool {
        self.place.encrypted
    }

    /// Refuses hashes of another version than this program's: distances to them would be meaningless.
    ///
    /// # Errors
    /// If its hashes are of another version.
    pub fn refuse_other_hashes(&self) -> Result<(), ShareError> {
        let version = self.manifest.hash_spec.version;
        if version == HashSpec::VERSION {
            return Ok(());
        }
        Err(self.fault(
            FaultKind::OtherHashes,
            format!("its hashes have version {version}, those of this program {}", HashSpec::VERSION),
        ))
    }

    /// A fault of the package as a whole.
    #[must_use]
    pub fn fault(&self, kind: FaultKind, reason: impl Into<String>) -> ShareError {
        Place { package: self.place.package.clone(), ..Place::default() }.fault(kind, reason)
    }

    /// The next content, by SHA-256.
    ///
    /// # Errors
    /// If the source cannot be read, or at the first fault.
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
            self.counts.from_coefficients += u64::from(hash.derived_from == DerivedFrom::Coefficients);
        }
        self.promised[0].add(sha256, content.hits);
        self.promised[1].add(sha256, content.files);
        Ok(Some(content))
    }

    /// The next hit, by content, hash set and record; remaining items are skipped.
    ///
    /// # Errors
    /// If the source cannot be read, or at the first fault.
    pub fn next_hit(&mut self) -> Result<Option<([u8; 32], HitLine)>, ShareError> {
        self.pass_items()?;
        let Some(row) = self.next_row::<HitLine>(Part::Hits)? else { return Ok(None) };
        let malformed = |reason| self.place.fault(FaultKind::Malformed, reason);
        let HitPlace { sha256, hash_set_sha256, record } =
            row.check(self.manifest.columns_included).map_err(malformed)?;
        let order = [&hash_set_sha256[..], &record.to_be_bytes()].concat();
        self.ascending(sha256, order, true)?;
        self.counts.hits += 1;
        self.found[0].add(sha256, 1);
        Ok(Some((sha256, row)))
    }

    /// The next name of a file, by content; remaining items and hits are skipped. There are none in packages without
    /// names.
    ///
    /// # Errors
    /// If the source cannot be read, or at the first fault.
    pub fn next_name(&mut self) -> Result<Option<([u8; 32], String)>, ShareError> {
        self.pass_hits()?;
        let Some(row) = self.next_row::<NameLine>(Part::Names)? else { return Ok(None) };
        let malformed = |reason: String| self.place.fault(FaultKind::Malformed, reason);
        let sha256 = digest(&row.sha256, "sha256").map_err(malformed)?;
        if !is_printable(&row.path) {
            return Err(self.place.fault(FaultKind::Malformed, "its path holds invisible characters"));
        }
        self.ascending(sha256, Vec::new(), false)?;
        self.found[1].add(sha256, 1);
        Ok(Some((sha256, row.path)))
    }

    /// Reads the rest and verifies everything left: the parts' digests, the end of the archive, and the
    /// counts.
    ///
    /// # Errors
    /// If the source cannot be read, or at the first fault.
    pub fn finish(mut self) -> Result<Manifest, ShareError> {
        while self.next_name()?.is_some() {}
        self.place.at(None);
        let mut end = END;
        self.place.fill(&mut *self.source, &mut end, "its two empty blocks")?;
        if end != END {
            return Err(self.place.fault(
                FaultKind::Altered,
                format!("there is more after its end{}", member_in(end.first_chunk())),
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
                    format!("the counts of {what} in items.jsonl do not fit the rows that follow"),
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

    /// Refuses a row that does not follow the last one in order.
    fn ascending(&mut self, sha256: [u8; 32], rest: Vec<u8>, strictly: bool) -> Result<(), ShareError> {
        let order = (sha256, rest);
        let fits =
            self.state.last.as_ref().is_none_or(|last| if strictly { *last < order } else { *last <= order });
        if !fits {
            return Err(self
                .place
                .fault(FaultKind::Malformed, "it does not follow the row before it in sort order"));
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
        let limit = self.state.left.min(LARGEST_ROW);
        self.line.clear();
        let read = (&mut *self.source).take(limit).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| self.place.failed(error))? as u64;
        self.place.bytes += read;
        self.state.left -= read;
        self.state.digest.update(&self.line);
        if self.line.last() != Some(&b'\n') {
            return Err(self.unended_row(read, limit));
        }
        let row = serde_json::from_slice(&self.line);
        row.map(Some).map_err(|error| {
            // Until the part's end, altered bytes and malformed rows cannot be distinguished.
            let altered = self.rest_is_altered();
            let kind = if altered { FaultKind::Altered } else { FaultKind::Malformed };
            self.place.fault(kind, format!("not a row of {}: {}", part.member(), escaped(&error)))
        })
    }

    /// The fault of a row without a line end.
    fn unended_row(&self, read: u64, limit: u64) -> ShareError {
        if read < limit {
            self.place.truncated("a row")
        } else if self.state.left == 0 {
            self.place.fault(FaultKind::Malformed, "the last row has no line end")
        } else {
            self.place.fault(FaultKind::Malformed, format!("it is longer than {LARGEST_ROW} bytes"))
        }
    }

    /// Whether a part's digest differs from the manifest's; reads it to its end, to name the fault correctly.
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
                format!("its SHA-256 is {digest}, the manifest states {}", entry.sha256),
            ));
        }
        if self.state.rows != entry.rows {
            return Err(self.place.fault(
                FaultKind::Contradicting,
                format!("it has {} rows, the manifest states {}", self.state.rows, entry.rows),
            ));
        }
        read_padding(&mut *self.source, entry.bytes, &mut self.place)?;
        self.part += 1;
        self.state = PartState::default();
        Ok(())
    }
}

/// Parses the manifest.
fn parse_manifest(text: &[u8]) -> Result<Manifest, (FaultKind, String)> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: String,
        version: u64,
        program: Option<String>,
    }
    let malformed =
        |error: serde_json::Error| (FaultKind::Malformed, format!("not a manifest: {}", escaped(&error)));
    let version: Version = serde_json::from_slice(text).map_err(malformed)?;
    if version.format != FORMAT {
        return Err((
            FaultKind::NotAPackage,
            format!("it is of the format `{}`", escape(version.format.as_bytes())),
        ));
    }
    if version.version != u64::from(VERSION) {
        let program = version
            .program
            .map_or_else(String::new, |name| format!(", written by {}", escape(name.as_bytes())));
        return Err((
            FaultKind::UnknownVersion,
            format!("it has version {}{program}; this program reads {VERSION}", version.version),
        ));
    }
    let manifest: Manifest = serde_json::from_slice(text).map_err(malformed)?;
    manifest.check().map_err(|reason| (FaultKind::Malformed, reason))?;
    Ok(manifest)
}
