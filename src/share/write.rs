//! Writes a package of a case.
//!
//! The manifest comes first and binds what follows, so the rows are generated twice: once to be counted and
//! digested, once to be written. Nothing is spilled to disk, and both passes must give the same rows.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::ShareError;
use super::container::{END, header, padding};
use super::keys::PrivateKey;
use super::package::{
    Counts, FORMAT, HitLine, ItemLine, LARGEST_MANIFEST, LARGEST_ROW, MANIFEST, Manifest, NameLine, Part,
    PartEntry, SIGNATURE, SharedCase, VERSION,
};
use crate::case::{CaseError, CaseReader};
use crate::decode::DerivedFrom;
use crate::engine::CancelToken;
use crate::source::digest::hex;
use crate::source::name::escape;

/// What a package holds in addition to hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageOptions {
    /// The purpose.
    pub purpose: Option<String>,
    /// File names.
    pub names: bool,
    /// The known records' own columns.
    pub columns: bool,
}

/// Progress, for another thread, and cancellation.
#[derive(Debug, Default)]
pub struct Watch {
    rows: AtomicU64,
    cancel: CancelToken,
}

impl Watch {
    /// Ends the work once the token is cancelled.
    #[must_use]
    pub fn new(cancel: CancelToken) -> Self {
        Self { rows: AtomicU64::new(0), cancel }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Counts a row.
    ///
    /// # Errors
    /// If the work is to end.
    pub fn row(&self) -> Result<(), ShareError> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        if self.cancel.is_cancelled() { Err(ShareError::Cancelled) } else { Ok(()) }
    }
}

/// A package that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its bytes, as they were written.
    pub bytes: u64,
    /// SHA-256 of all of them, hex.
    pub sha256: String,
}

/// Writes a package of a case, signed, and encrypted where there are recipients. The same case, options and key
/// give the same unencrypted bytes.
///
/// # Errors
/// If the case cannot be read, the sink fails, or the export is interrupted.
pub fn write_package(
    case: &CaseReader,
    options: &PackageOptions,
    key: &PrivateKey,
    recipients: &[age::x25519::Recipient],
    watch: &Watch,
    out: &mut dyn Write,
) -> Result<Written, ShareError> {
    let _snapshot = case.snapshot()?;
    let manifest = measure(case, options, key, watch)?;
    let mut out = Measured::new(out);
    if recipients.is_empty() {
        write_members(case, options, &manifest, key, watch, &mut out)?;
    } else {
        let all = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(all).map_err(ShareError::encryption)?;
        let mut encrypted = encryptor.wrap_output(&mut out).map_err(ShareError::Sink)?;
        write_members(case, options, &manifest, key, watch, &mut encrypted)?;
        encrypted.finish().map_err(ShareError::Sink)?;
    }
    let Measured { bytes, digest, .. } = out;
    Ok(Written { manifest, bytes, sha256: hex(&digest.finalize()) })
}

/// The manifest of a case.
fn measure(
    case: &CaseReader,
    options: &PackageOptions,
    key: &PrivateKey,
    watch: &Watch,
) -> Result<Manifest, ShareError> {
    let mut counts = Counts::default();
    let mut parts = Vec::new();
    for &part in Part::all(options.names) {
        parts.push(entry(case, options, part, &mut counts, watch)?);
    }
    let identity = case.identity()?;
    let escaped = |text: Option<String>| text.map(|text| escape(text.as_bytes()));
    Ok(Manifest {
        format: FORMAT.into(),
        version: VERSION,
        program: concat!("tamis ", env!("CARGO_PKG_VERSION")).into(),
        case: SharedCase {
            number: escaped(identity.case_number),
            exhibit: escaped(identity.exhibit),
            as_of: case.as_of()?,
        },
        purpose: escaped(options.purpose.clone()),
        signer: key.public().clone(),
        hash_spec: case.spec()?,
        names_included: options.names,
        columns_included: options.columns,
        counts,
        parts,
    })
}

/// The length, rows and digest of a part; adds what is in it to `counts`.
fn entry(
    case: &CaseReader,
    options: &PackageOptions,
    part: Part,
    counts: &mut Counts,
    watch: &Watch,
) -> Result<PartEntry, ShareError> {
    let mut sink = Measured::new(io::sink());
    let mut rows = 0;
    write_rows(case, options, part, counts, &mut |line| {
        rows += 1;
        watch.row()?;
        sink.write_all(line).map_err(ShareError::Sink)
    })?;
    let Measured { bytes, digest, .. } = sink;
    Ok(PartEntry { name: part.member().into(), bytes, rows, sha256: hex(&digest.finalize()) })
}

fn write_members(
    case: &CaseReader,
    options: &PackageOptions,
    manifest: &Manifest,
    key: &PrivateKey,
    watch: &Watch,
    out: &mut dyn Write,
) -> Result<(), ShareError> {
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| ShareError::Sink(error.into()))?;
    text.push(b'\n');
    if text.len() as u64 > LARGEST_MANIFEST {
        return Err(ShareError::ManifestTooLong);
    }
    write_small(MANIFEST, &text, out).map_err(ShareError::Sink)?;
    write_small(SIGNATURE, &key.sign(&Manifest::signed(&text)), out).map_err(ShareError::Sink)?;
    for (&part, entry) in Part::all(options.names).iter().zip(&manifest.parts) {
        out.write_all(&header(part.member(), entry.bytes)).map_err(ShareError::Sink)?;
        let mut sink = Measured::new(&mut *out);
        write_rows(case, options, part, &mut Counts::default(), &mut |line| {
            watch.row()?;
            sink.write_all(line).map_err(ShareError::Sink)
        })?;
        let Measured { bytes, digest, .. } = sink;
        if bytes != entry.bytes || hex(&digest.finalize()) != entry.sha256 {
            // The case is locked against changes, so the database gave different rows in two reads.
            return Err(ShareError::Unstable { member: part.member() });
        }
        out.write_all(&END[..padding(bytes)]).map_err(ShareError::Sink)?;
    }
    out.write_all(&END).map_err(ShareError::Sink)
}

/// A member that is in memory.
fn write_small(name: &str, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let length = bytes.len() as u64;
    out.write_all(&header(name, length))?;
    out.write_all(bytes)?;
    out.write_all(&END[..padding(length)])
}

/// Hands out every line of a part, in order, and counts what is in them.
fn write_rows(
    case: &CaseReader,
    options: &PackageOptions,
    part: Part,
    counts: &mut Counts,
    write: &mut dyn FnMut(&[u8]) -> Result<(), ShareError>,
) -> Result<(), ShareError> {
    let mut line = Vec::new();
    let mut write_line = |row: &dyn erased::Row| {
        line.clear();
        row.write(&mut line).map_err(|error| ShareError::Sink(error.into()))?;
        line.push(b'\n');
        if line.len() as u64 > LARGEST_ROW {
            return Err(ShareError::RowTooLong { member: part.member(), limit: LARGEST_ROW });
        }
        write(&line)
    };
    match part {
        Part::Items => case.for_each_content(|content| {
            counts.contents += 1;
            counts.files += content.files;
            if let Some(hash) = &content.hash {
                counts.pictures += 1;
                counts.from_coefficients += u64::from(hash.derived_from == DerivedFrom::Coefficients);
            }
            write_line(&ItemLine::of(&content))
        }),
        Part::Hits => case.for_each_content_hit(|hit| {
            counts.hits += 1;
            write_line(&HitLine::of(&hit, options.columns).map_err(CaseError::damaged)?)
        }),
        Part::Names => {
            case.for_each_content_name(|(sha256, path)| write_line(&NameLine { sha256: hex(&sha256), path }))
        }
    }
}

/// Rows of different kinds behind one closure.
mod erased {
    /// A row that is one line of JSON.
    pub trait Row {
        /// Writes it without a line end.
        fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()>;
    }

    impl<T: serde::Serialize> Row for T {
        fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
            serde_json::to_writer(out, self)
        }
    }
}

/// A sink that counts and digests what is written to it.
struct Measured<W> {
    inner: W,
    bytes: u64,
    digest: Sha256,
}

impl<W: Write> Measured<W> {
    fn new(inner: W) -> Self {
        Self { inner, bytes: 0, digest: Sha256::new() }
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
