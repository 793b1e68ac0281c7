//! Media of a case for exchange with other tools: distinct contents with their digests, the fields of known records with the same
//! bytes, what they are near to, and where they were found.

use rusqlite::{Row, params};

use super::schema::{has_item, iso, picture};
use super::{CaseError, CaseReader};
use crate::pdq::MIN_QUALITY;

/// A content that is media, or that a hash set knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRow {
    /// MD5, in hex.
    pub md5: String,
    /// SHA-1, in hex.
    pub sha1: String,
    /// SHA-256, in hex.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// The picture's hash, in hex, where it is evidence of anything: not all zero, and of a quality from [`MIN_QUALITY`] on.
    pub pdq: Option<String>,
    /// Whether the hash is from pixels, and PDQ's own to the bit.
    pub from_pixels: bool,
    /// All fields of the known records with the same bytes that the case keeps, as JSON objects: by the set's name and the record's
    /// number.
    pub records: Vec<String>,
    /// Known records that the picture is near to without having their bytes.
    pub near: Vec<NearRecord>,
    /// How many more hashes of sets it is near to: the nearest are listed.
    pub more_near: i64,
    /// Where it was found, by name.
    pub files: Vec<MediaFile>,
}

/// A known record that a picture is near to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearRecord {
    /// The set's name, escaped.
    pub hash_set: String,
    /// The record's number in it, from 1: the lowest that has its hash.
    pub record: i64,
    /// Records with the same hash.
    pub records: i64,
    /// Differing bits of 256.
    pub distance: i64,
    /// What was done to the known picture.
    pub orientation: String,
    /// "pixels", or "unconfirmed".
    pub confirmation: String,
}

/// One of the files that have a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFile {
    /// The source's path, escaped.
    pub source: String,
    /// The item's path below it, escaped.
    pub path: String,
    /// When it was created, ISO 8601, UTC.
    pub created: Option<String>,
    /// When it was written to last.
    pub modified: Option<String>,
    /// When it was read last, before it was seized.
    pub accessed: Option<String>,
}

impl CaseReader {
    /// Every content that is a picture, whether or not it could be decoded, or that has a hit: in the order of their SHA-256.
    ///
    /// # Errors
    /// If the database cannot be read, or `visit` fails.
    pub fn for_each_media<E: From<CaseError>>(
        &self,
        visit: impl FnMut(MediaRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit_media(true, visit)
    }

    /// [`MediaRow::records`] of every [medium](Self::for_each_media), in the same order, and nothing else of it.
    ///
    /// # Errors
    /// If the database cannot be read, or `visit` fails.
    pub fn for_each_media_records<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(&[String]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit_media(false, |media| visit(&media.records))
    }

    /// Visits media; reads what they are near to and where they were found only if `whole`.
    fn visit_media<E: From<CaseError>>(
        &self,
        whole: bool,
        mut visit: impl FnMut(MediaRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let prepare = |query: &str| self.connection.prepare(query).map_err(CaseError::from);
        let mut contents = prepare(concat!(
            "SELECT id, lower(hex(md5)), lower(hex(sha1)), lower(hex(sha256)), size,
                 CASE WHEN picture.quality >= ?1 AND substr(picture.hashes, 1, 32) <> zeroblob(32)
                     THEN lower(hex(substr(picture.hashes, 1, 32))) END,
                 sha256, coalesce(picture.derived_from = 'pixels', 0)
             FROM content LEFT JOIN ",
            picture!(),
            " WHERE (outcome NOT IN ('other', 'empty') OR EXISTS (SELECT 1 FROM hit WHERE hit.content = content.id)) AND ",
            has_item!(),
            " ORDER BY content.sha256"
        ))?;
        let mut records = prepare(
            "SELECT set_record.fields FROM hit_record AS hit JOIN hash_set ON hash_set.id = hit.hash_set
             JOIN set_record ON set_record.hash_set = hit.hash_set AND set_record.record = hit.record
             WHERE hit.content = ?1 AND hit.confirmation = 'digest' AND set_record.fields IS NOT NULL
             ORDER BY hash_set.name, hash_set.file_sha256, hit.record",
        )?;
        let mut near = prepare(
            "SELECT hash_set.name, hit.record + 1, hit.records, hit.distance, hit.orientation, hit.confirmation
             FROM hit JOIN hash_set ON hash_set.id = hit.hash_set
             WHERE hit.content = ?1 AND hit.confirmation <> 'digest'
             ORDER BY hit.distance, hash_set.name, hash_set.file_sha256, hit.record",
        )?;
        let mut unlisted = prepare("SELECT coalesce(sum(more), 0) FROM saturated WHERE content = ?1")?;
        let mut files = prepare(concat!(
            "SELECT place.source, place.path, ",
            iso!("item.created"),
            ", ",
            iso!("item.modified"),
            ", ",
            iso!("item.accessed"),
            " FROM place JOIN item ON item.id = place.item WHERE place.sha256 = ?1 ORDER BY place.source_sort, place.path_sort"
        ))?;
        let mut rows = contents.query([MIN_QUALITY]).map_err(CaseError::from)?;
        while let Some(row) = rows.next().map_err(CaseError::from)? {
            let mut media = content(row).map_err(CaseError::from)?;
            let id: i64 = row.get(0).map_err(CaseError::from)?;
            let sha256: Vec<u8> = row.get(6).map_err(CaseError::from)?;
            media.records = collect(&mut records, params![id], |row| row.get(0))?;
            if whole {
                media.near = collect(&mut near, params![id], near_record)?;
                media.more_near = unlisted.query_row([id], |row| row.get(0)).map_err(CaseError::from)?;
                media.files = collect(&mut files, params![sha256], media_file)?;
            }
            visit(media)?;
        }
        Ok(())
    }
}

fn collect<T>(
    statement: &mut rusqlite::Statement<'_>,
    parameters: &[&dyn rusqlite::ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, CaseError> {
    Ok(statement.query_map(parameters, read)?.collect::<Result<_, _>>()?)
}

fn content(row: &Row<'_>) -> rusqlite::Result<MediaRow> {
    Ok(MediaRow {
        md5: row.get(1)?,
        sha1: row.get(2)?,
        sha256: row.get(3)?,
        size: row.get(4)?,
        pdq: row.get(5)?,
        from_pixels: row.get(7)?,
        records: Vec::new(),
        near: Vec::new(),
        more_near: 0,
        files: Vec::new(),
    })
}

fn near_record(row: &Row<'_>) -> rusqlite::Result<NearRecord> {
    Ok(NearRecord {
        hash_set: row.get(0)?,
        record: row.get(1)?,
        records: row.get(2)?,
        distance: row.get(3)?,
        orientation: row.get(4)?,
        confirmation: row.get(5)?,
    })
}

fn media_file(row: &Row<'_>) -> rusqlite::Result<MediaFile> {
    Ok(MediaFile {
        source: row.get(0)?,
        path: row.get(1)?,
        created: row.get(2)?,
        modified: row.get(3)?,
        accessed: row.get(4)?,
    })
}
