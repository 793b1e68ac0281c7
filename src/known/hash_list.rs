//! Plain lists of hashes, as `tamis hash` writes them and `tamis join` reads them: hashes alone, by their number in the list.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::builder::{parse_hash, parse_quality};
use super::error::{ListError, SourceFault};
use super::lines::LineFormat;
use super::malformed::{KnownFault, for_each_line, one_line};
use super::read::{BLOCK, BYTE_ORDER_MARK, Opening};
use crate::pdq::{Geometry, Orientation, PdqHash};

/// Items of a list that take part in a join. An item is a hash, or a picture with the hashes of its eight orientations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashList<T> {
    /// The items, in the list's order, without those set aside.
    pub items: Vec<T>,
    /// Each item's number in the list, from 0; `None` where none was set aside.
    numbers: Option<Vec<u32>>,
    /// Items in the list.
    pub count: u64,
    /// Set aside because of their quality.
    pub low_quality: u64,
    /// Set aside because the hash is all zero.
    pub null_hashes: u64,
    /// What the hashes were computed with, where the list states it.
    pub geometry: Option<Geometry>,
}

impl<T> HashList<T> {
    /// The number in the list of an item.
    #[must_use]
    pub fn number(&self, item: u32) -> u32 {
        self.numbers.as_ref().map_or(item, |numbers| numbers[item as usize])
    }

    fn new(geometry: Option<Geometry>) -> Self {
        Self { items: Vec::new(), numbers: None, count: 0, low_quality: 0, null_hashes: 0, geometry }
    }

    /// Adds an item, or sets it aside.
    fn push(&mut self, item: T, hash: PdqHash, quality: Option<u8>, min_quality: u8) -> Result<(), String> {
        let number = u32::try_from(self.count)
            .ok()
            .filter(|&number| number < u32::MAX / 8)
            .ok_or("more items than a join can number")?;
        self.count += 1;
        let aside = if hash.is_zero() {
            Some(&mut self.null_hashes)
        } else {
            quality.is_some_and(|quality| quality < min_quality).then_some(&mut self.low_quality)
        };
        if let Some(aside) = aside {
            *aside += 1;
            self.numbers.get_or_insert_with(|| (0..number).collect());
            return Ok(());
        }
        self.items.push(item);
        if let Some(numbers) = &mut self.numbers {
            numbers.push(number);
        }
        Ok(())
    }
}

impl<T: bytemuck::NoUninit> HashList<T> {
    /// SHA-256 of the items that take part and their numbers: lists with the same have the same rows.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        let mut sha256 = Sha256::new();
        sha256.update((self.items.len() as u64).to_le_bytes());
        sha256.update(bytemuck::cast_slice(&self.items));
        sha256.update(bytemuck::cast_slice(self.numbers.as_deref().unwrap_or_default()));
        sha256.finalize().into()
    }
}

impl HashList<PdqHash> {
    /// Reads `<64 hex>[,<quality>[,<anything>]]` lines: each is an item.
    ///
    /// # Errors
    /// If the file is not a list of hashes, or a line is malformed: the first such line.
    pub fn read(path: &Path, min_quality: u8) -> Result<Self, ListError> {
        let (mut source, geometry) = open(path)?;
        let mut list = Self::new(geometry);
        lines(path, &mut source, |line| {
            let line = ListLine::parse(line)?;
            list.push(line.hash, line.hash, line.quality, min_quality)
        })?;
        Ok(list)
    }
}

impl HashList<[PdqHash; 8]> {
    /// Reads `<64 hex>,<quality>,<orientation>,<path>` lines, eight per picture, as `tamis hash --orientations` writes them.
    ///
    /// # Errors
    /// If the file is not such a list, or a line is malformed: the first such line.
    pub fn read(path: &Path, min_quality: u8) -> Result<Self, ListError> {
        let (mut source, geometry) = open(path)?;
        let mut list = Self::new(geometry);
        let mut picture = Vec::with_capacity(8);
        let mut quality = None;
        lines(path, &mut source, |line| {
            let line = ListLine::parse(line)?;
            let expected = Orientation::ALL[picture.len()];
            if line.orientation != Some(expected) {
                return Err(format!(
                    "expected the hash for `{}`: with --orientations a list has eight lines per picture, as \
                     `tamis hash --orientations` writes them",
                    expected.name()
                ));
            }
            if picture.is_empty() {
                quality = line.quality;
            }
            picture.push(line.hash);
            if let Ok(hashes) = <[PdqHash; 8]>::try_from(&picture[..]) {
                list.push(hashes, hashes[0], quality, min_quality)?;
                picture.clear();
            }
            Ok(())
        })?;
        if !picture.is_empty() {
            return Err(ListError::CutOff { path: path.to_path_buf(), hashes: picture.len() });
        }
        Ok(list)
    }

    /// The hashes of the pictures as they are.
    #[must_use]
    pub fn originals(&self) -> Vec<PdqHash> {
        self.items.iter().map(|hashes| hashes[0]).collect()
    }
}

/// Whether the first hash of a list is that of a named orientation.
///
/// # Errors
/// If the file is not a list of hashes.
pub fn names_orientations(path: &Path) -> Result<bool, ListError> {
    let (mut source, _) = open(path)?;
    let mut named = None;
    // The first line decides; reading to the end of the block costs nothing.
    let head =
        source.fill_buf().map_err(|source| ListError::Read { path: path.to_path_buf(), source })?.to_vec();
    lines(path, &mut &head[..], |line| {
        if named.is_none() {
            named = Some(ListLine::parse(line).is_ok_and(|line| line.orientation.is_some()));
        }
        Ok(())
    })?;
    Ok(named.unwrap_or(false))
}

/// A line of a list.
struct ListLine {
    hash: PdqHash,
    quality: Option<u8>,
    /// Where the third field is the name of one.
    orientation: Option<Orientation>,
}

impl ListLine {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let mut fields = one_line(line)?.splitn(4, |&byte| byte == b',').map(<[u8]>::trim_ascii);
        let hash = parse_hash(fields.next().unwrap_or_default())?;
        let quality = fields.next().map_or(Ok(None), parse_quality)?;
        let third = fields.next().unwrap_or_default();
        let orientation = Orientation::ALL.into_iter().find(|turn| turn.name().as_bytes() == third);
        Ok(Self { hash, quality, orientation })
    }
}

/// Opens a list for reading, behind its byte order mark, with the geometry that it declares.
fn open(path: &Path) -> Result<(BufReader<File>, Option<Geometry>), ListError> {
    let unusable = |fault| ListError::Unusable { path: path.to_path_buf(), fault };
    let system = |source: io::Error| ListError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(system)?;
    if !file.metadata().map_err(system)?.is_file() {
        return Err(unusable(SourceFault::NotAFile { way_out: "give the list itself" }));
    }
    let mut source = BufReader::with_capacity(BLOCK, file);
    let head = source.fill_buf().map_err(system)?;
    if head.is_empty() {
        return Ok((source, None));
    }
    let opening = Opening::of_hashes(head).map_err(unusable)?;
    if opening.format != Some(LineFormat::Hashes) {
        return Err(ListError::NotHashes { path: path.to_path_buf() });
    }
    if opening.byte_order_mark {
        source.consume(BYTE_ORDER_MARK.len());
    }
    Ok((source, opening.geometry))
}

fn lines(
    path: &Path,
    source: &mut impl BufRead,
    mut visit: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), ListError> {
    let visit = |number, line: &[u8]| visit(line).map_err(|reason| KnownFault::Line(number, reason));
    for_each_line(source, visit).map_err(|fault| match fault {
        KnownFault::Io(source) => ListError::Read { path: path.to_path_buf(), source },
        KnownFault::Line(line, reason) => ListError::Line { path: path.to_path_buf(), line, reason },
    })
}
