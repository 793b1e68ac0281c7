//! Opens a hash set: recognises its format, and reads it in one pass with its SHA-256.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::builder::Builder;
use super::digest_index::DigestIndex;
use super::error::{KnownError, SourceFault};
use super::lines::LineFormat;
use super::list_kind::ListKind;
use super::malformed::{KnownFault, Malformed, for_each_line, one_line};
use super::set_file::SetFile;
use super::table::{fault_of_header, is_header, read_table};
use super::{HashSet, KnownCounts, KnownHash, ListRecords, ReadOptions, Records};
use crate::decode::Format;
use crate::pdq::Geometry;
use crate::source::name::escape;

/// Bytes read at a time; the first block also decides the format.
pub(super) const BLOCK: usize = 1 << 20;
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a set.
pub(super) fn read(path: &Path, options: &ReadOptions) -> Result<HashSet, KnownError> {
    let unusable = |fault| KnownError::Unusable { path: path.to_path_buf(), fault };
    let system = |source: io::Error| KnownError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(system)?;
    if !file.metadata().map_err(system)?.is_file() {
        return Err(unusable(SourceFault::NotAFile { way_out: "give the lists themselves" }));
    }
    let mut source = BufReader::with_capacity(BLOCK, Digesting { file, sha256: Sha256::new() });
    let head = source.fill_buf().map_err(system)?;
    if SetFile::is_one(head) {
        return read_set_file(path, options);
    }
    let opening = Opening::of(head, options.list).map_err(unusable)?;
    let geometry = match (opening.geometry, options.geometry) {
        (Some(stated), Some(given)) if stated != given => {
            let path = path.to_path_buf();
            return Err(KnownError::OtherGeometry { path, stated, given, is_set_file: false });
        }
        (stated, given) => stated.or(given).unwrap_or_default(),
    };
    if opening.byte_order_mark {
        source.consume(BYTE_ORDER_MARK.len());
    }

    let mut builder = Builder::new(options.min_quality);
    let mut malformed = Malformed { skip: options.skip_bad_lines, first: None };
    let result = match opening.format {
        None => read_table(&mut source, &mut builder, &mut malformed),
        Some(format) => read_lines(&mut source, format, &mut builder, &mut malformed),
    };
    result.map_err(|fault| match fault {
        KnownFault::Io(source) => system(source),
        KnownFault::Line(line, reason) => KnownError::Line { path: path.to_path_buf(), line, reason },
    })?;
    if builder.counts.records == 0 {
        return Err(unusable(match malformed.first {
            Some((line, first)) => SourceFault::AllMalformed { line: Some(line), first },
            None => SourceFault::NoRecords,
        }));
    }
    let name = escape(path.file_stem().unwrap_or_default().as_encoded_bytes());
    let file_sha256 = source.into_inner().sha256.finalize().into();
    Ok(HashSet::of_list(path.to_path_buf(), name, file_sha256, geometry, builder))
}

impl HashSet {
    /// The set of the records that were collected from a list.
    pub(super) fn of_list(
        path: PathBuf,
        name: String,
        file_sha256: [u8; 32],
        geometry: Geometry,
        builder: Builder,
    ) -> Self {
        Self {
            path,
            name,
            file_sha256,
            geometry,
            counts: builder.counts,
            hashes: builder.hashes,
            fault: OnceLock::new(),
            records: Records::List(Box::new(ListRecords {
                md5: DigestIndex::new(builder.md5),
                sha1: DigestIndex::new(builder.sha1),
                sha256: DigestIndex::new(builder.sha256),
                columns: builder.columns,
            })),
        }
    }
}

/// Opens a set file, checks what matching reads of it, and takes its hashes into memory.
fn read_set_file(path: &Path, options: &ReadOptions) -> Result<HashSet, KnownError> {
    let file = SetFile::open(path)?;
    // Nothing has begun that Ctrl-C could not end at once.
    file.verify_tables(&|| false)?;
    let manifest = file.manifest();
    let geometry = manifest.geometry;
    if let Some(given) = options.geometry
        && given != geometry
        && manifest.counts.hashes > 0
    {
        let path = path.to_path_buf();
        return Err(KnownError::OtherGeometry { path, stated: geometry, given, is_set_file: true });
    }
    let mut counts = KnownCounts {
        records: file.records(),
        with_digests: manifest.counts.with_digests,
        malformed_lines: manifest.counts.malformed_records,
        odd_fields: manifest.counts.odd_fields,
        trivial: manifest.counts.trivial,
        ..KnownCounts::default()
    };
    let mut hashes = file.hashes()?;
    hashes.retain(|hash| counts.takes(hash, options.min_quality));
    let name = escape(manifest.name.as_bytes());
    Ok(HashSet {
        path: path.to_path_buf(),
        name,
        file_sha256: file.identity(),
        geometry,
        counts,
        hashes,
        fault: OnceLock::new(),
        records: Records::File(Box::new(file)),
    })
}

impl KnownCounts {
    /// Counts a hash, and returns whether it is matched.
    pub(super) fn takes(&mut self, hash: &KnownHash, min_quality: u8) -> bool {
        if hash.hash.is_zero() {
            self.null_hashes += 1;
        } else if hash.quality.is_some_and(|quality| quality < min_quality) {
            self.low_quality += 1;
        } else {
            self.hashes += 1;
            self.hashes_without_quality += u64::from(hash.quality.is_none());
            return true;
        }
        false
    }
}

/// A file whose bytes are digested as they are read.
struct Digesting {
    file: File,
    sha256: Sha256,
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        Ok(count)
    }
}

/// What the beginning of a file declares.
pub(super) struct Opening {
    pub byte_order_mark: bool,
    /// From a leading comment `# geometry: te512`.
    pub geometry: Option<Geometry>,
    /// `None` for a table.
    pub format: Option<LineFormat>,
}

impl Opening {
    /// Recognises what a file is. `list` is what the user states about a list of bare digits.
    ///
    /// # Errors
    /// If it is not a list, or does not state what its digits are.
    pub fn of(head: &[u8], list: Option<ListKind>) -> Result<Self, SourceFault> {
        Self::read(head, list, false)
    }

    /// Recognises what a file is, where bare digits are PDQ hashes.
    ///
    /// # Errors
    /// If it is not a list.
    pub fn of_hashes(head: &[u8]) -> Result<Self, SourceFault> {
        Self::read(head, None, true)
    }

    fn read(head: &[u8], list: Option<ListKind>, hashes: bool) -> Result<Self, SourceFault> {
        if head.is_empty() {
            return Err(SourceFault::Empty);
        }
        if SetFile::is_one(head) {
            return Err(SourceFault::SetFile {
                way_out: "of `tamis known import`; a list of hashes is expected",
            });
        }
        if let Some(format) = Format::sniff(head) {
            return Err(SourceFault::Picture { format });
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return Err(SourceFault::Utf16 { way_out: "save it as UTF-8 (in a spreadsheet: CSV UTF-8)" });
        }
        if head.contains(&0) {
            return Err(SourceFault::NotText);
        }
        // Their records would be one long line.
        if head[..head.len() - 1].contains(&b'\r') && !head.contains(&b'\n') {
            return Err(SourceFault::LineEnds);
        }
        let byte_order_mark = head.starts_with(BYTE_ORDER_MARK);
        let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
        let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let is_record = |line: &&[u8]| !line.is_empty() && !line.starts_with(b"#");
        let mut geometry = None;
        for comment in lines.clone().take_while(|line| !is_record(line)) {
            if let Some(comment) = comment.strip_prefix(b"#") {
                geometry = geometry.or(stated_geometry(comment)?);
            }
        }
        let records = lines.filter(is_record);
        let first = records.clone().next().ok_or(SourceFault::NoRecords)?;
        // Only PDQ hashes have a geometry.
        let hashes = hashes || geometry.is_some();
        let format = if is_header(first) { None } else { Some(LineFormat::of(records, list, hashes)?) };
        Ok(Self { byte_order_mark, geometry, format })
    }
}

/// The geometry of a comment `geometry: NAME`.
fn stated_geometry(comment: &[u8]) -> Result<Option<Geometry>, SourceFault> {
    let Some(name) = comment.trim_ascii().strip_prefix(b"geometry:") else { return Ok(None) };
    match name.trim_ascii() {
        b"full" => Ok(Some(Geometry::Full)),
        b"te512" => Ok(Some(Geometry::Te512)),
        other => Err(SourceFault::UnknownGeometry { stated: escape(other) }),
    }
}

fn read_lines(
    source: &mut impl BufRead,
    format: LineFormat,
    builder: &mut Builder,
    malformed: &mut Malformed,
) -> Result<(), KnownFault> {
    builder.name_columns([b"name".as_slice()]);
    let mut first = true;
    for_each_line(source, |number, line| {
        let result = one_line(line).and_then(|line| format.read_line(line, builder));
        let fault_of_header = if std::mem::take(&mut first) { fault_of_header(line) } else { None };
        match result {
            Ok(()) => Ok(()),
            Err(reason) => malformed.record(builder, number, fault_of_header.unwrap_or(reason)),
        }
    })
}
