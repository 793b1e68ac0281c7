//! Contents of a case as they are shared and linked: what the bytes are, what hash sets record of them, and their
//! names. All in the order of their SHA-256, which reveals no path.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Type;

use super::schema::{has_item, picture};
use super::{CaseError, CaseReader, hashes_from_bytes};
use crate::decode::DerivedFrom;
use crate::outcome::Outcome;
use crate::pdq::DihedralHashes;
use crate::source::Digests;

/// Distinct bytes that one or more items of the case have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRow {
    /// Their digests.
    pub digests: Digests,
    /// Bytes.
    pub size: u64,
    /// Their outcome; never [`Outcome::Duplicate`], which only an item has.
    pub outcome: Outcome,
    /// The format by content.
    pub format: Option<String>,
    /// Pixels, as stored.
    pub width: Option<u32>,
    /// Pixels, as stored.
    pub height: Option<u32>,
    /// The picture's hashes, where it has any.
    pub hash: Option<ContentHash>,
    /// Items with these bytes, 1 or more.
    pub files: u64,
    /// What [`CaseReader::for_each_content_hit`] visits of these bytes.
    pub hits: u64,
}

/// Hashes of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash {
    /// Hashes in all orientations, and the quality.
    pub hash: DihedralHashes,
    /// What they were derived from.
    pub derived_from: DerivedFrom,
    /// How many bits are unstable.
    pub unstable_bits: u16,
}

/// A content against a known record. Of records that are hit together the case keeps the first, and each that differs
/// from those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHitRow {
    /// The content.
    pub sha256: [u8; 32],
    /// The hash set's name, escaped.
    pub hash_set: String,
    /// SHA-256 of its file.
    pub hash_set_sha256: [u8; 32],
    /// The record's number in it, from 1.
    pub record: u64,
    /// Which digests are equal: "md5", "sha1", "sha256", separated by blanks.
    pub digests: String,
    /// "digest", "pixels" or "unconfirmed", as in `docs/case-schema.md`.
    pub confirmation: String,
    /// Why it is not confirmed from pixels.
    pub unconfirmed_reason: Option<String>,
    /// Differing bits of 256, where the hashes are near.
    pub distance: Option<u32>,
    /// What was done to the known picture, where the hashes are near.
    pub orientation: Option<String>,
    /// The known record's own columns, escaped.
    pub columns: BTreeMap<String, String>,
    /// What the known record states about the investigation of its picture.
    pub facts: KnownFacts,
}

/// What a known record states about the investigation of its picture, in the set's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFacts {
    /// Whether the victim is identified.
    pub victim_identified: Option<String>,
    /// Whether the offender is identified.
    pub offender_identified: Option<String>,
    /// Whether it is distributed.
    pub distributed: Option<String>,
}

impl KnownFacts {
    /// The facts of a record by its free columns. The one place that knows their names. What the case keeps in columns
    /// of its own takes precedence over these.
    #[must_use]
    pub fn of_columns(columns: &BTreeMap<String, String>) -> Self {
        let mut facts = Self::default();
        for (name, value) in columns {
            let letters = name.chars().filter(|character| character.is_alphanumeric());
            let fact = match letters.flat_map(char::to_lowercase).collect::<String>().as_str() {
                "victimidentified" | "isvictimidentified" => &mut facts.victim_identified,
                "offenderidentified" | "isoffenderidentified" => &mut facts.offender_identified,
                "distributed" | "isdistributed" => &mut facts.distributed,
                _ => continue,
            };
            if !value.trim().is_empty() {
                *fact = Some(value.trim().to_string());
            }
        }
        facts
    }

    /// Whether a value of a fact means yes, or one of several that semicolons separate, as a list of a package has them. What is
    /// neither a yes nor a no is shown, and counts as no.
    #[must_use]
    pub fn is_yes(value: &str) -> bool {
        let is_yes =
            |value: &str| ["yes", "y", "true", "t", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
        value.split(';').any(|value| is_yes(value.trim()))
    }
}

impl CaseReader {
    /// From here on, until the reader is dropped, the case is read as it is now, whatever a concurrent run writes to it.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn hold_still(&self) -> Result<(), CaseError> {
        self.connection.execute_batch("BEGIN")?;
        // The transaction begins with the first reading.
        Ok(self.connection.query_row("SELECT count(*) FROM case_info", [], |_| Ok(()))?)
    }

    /// When the last finished run ended, ISO 8601, UTC; the state that is read is of this time or later.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn as_of(&self) -> Result<Option<String>, CaseError> {
        Ok(self.connection.query_row("SELECT max(ended) FROM run", [], |row| row.get(0))?)
    }

    /// How many contents [`Self::for_each_content`] visits.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn content_count(&self) -> Result<u64, CaseError> {
        let count: i64 = self.connection.query_row(
            concat!("SELECT count(*) FROM content WHERE ", has_item!()),
            [],
            |row| row.get(0),
        )?;
        Ok(count.cast_unsigned())
    }

    /// Every content that an item has, by its SHA-256.
    ///
    /// # Errors
    /// If the database cannot be read, the case is damaged, or `visit` fails.
    pub fn for_each_content<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(ContentRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_row(
            concat!(
                "SELECT content.sha256, sha1, md5, size, outcome, format, width, height, picture.hashes, picture.quality,
                 picture.derived_from, picture.unstable_bits,
                 (SELECT count(*) FROM live_item WHERE live_item.sha256 = content.sha256) AS files,
                 (SELECT count(*) FROM hit_record WHERE hit_record.content = content.id)
             FROM content LEFT JOIN ",
                picture!(),
                " WHERE files > 0 ORDER BY content.sha256"
            ),
            content_row,
            &mut visit,
        )
    }

    /// Every hit of a content that an item has, by SHA-256 of the content, SHA-256 of the hash set, and record.
    ///
    /// # Errors
    /// If the database cannot be read, the case is damaged, or `visit` fails.
    pub fn for_each_content_hit<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(ContentHitRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_row(
            concat!(
                "SELECT content.sha256, hash_set.name, hash_set.file_sha256, hit.record + 1,
                 ltrim(CASE WHEN hit.md5 THEN ' md5' ELSE '' END || CASE WHEN hit.sha1 THEN ' sha1' ELSE '' END
                     || CASE WHEN hit.sha256 THEN ' sha256' ELSE '' END),
                 hit.confirmation, hit.unconfirmed_reason, hit.distance, hit.orientation, set_record.columns,
                 set_record.victim_identified, set_record.offender_identified, set_record.distributed
             FROM content
             JOIN hit_record AS hit ON hit.content = content.id
             JOIN hash_set ON hash_set.id = hit.hash_set
             LEFT JOIN set_record ON set_record.hash_set = hit.hash_set AND set_record.record = hit.record
             WHERE ",
                has_item!(),
                " ORDER BY content.sha256, hash_set.file_sha256, hit.record"
            ),
            hit_row,
            &mut visit,
        )
    }

    /// The name of every item whose content is there, by SHA-256 of the content, then by the bytes of its source's path and its own:
    /// its path below its source, or the source's own file name where that is one file. Escaped.
    ///
    /// # Errors
    /// If the database cannot be read, or `visit` fails.
    pub fn for_each_content_name<E: From<CaseError>>(
        &self,
        mut visit: impl FnMut(([u8; 32], String)) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_row(
            "SELECT place.sha256, place.path, place.source FROM place
             JOIN content ON content.sha256 = place.sha256
             ORDER BY place.sha256, place.source_sort, place.path_sort",
            |row| {
                let (path, source): (String, String) = (row.get(1)?, row.get(2)?);
                let separator = |character| character == '/' || cfg!(windows) && character == '\\';
                let name =
                    if path.is_empty() { source.rsplit(separator).next().unwrap_or(&source) } else { &path };
                Ok((blob(row, 0)?, name.to_string()))
            },
            &mut visit,
        )
    }

    /// The whole path, escaped, of the first item with these bytes; `None` where no item has them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn first_path(&self, sha256: &[u8; 32]) -> Result<Option<String>, CaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT whole_path FROM place WHERE sha256 = ?1 ORDER BY source_sort, path_sort LIMIT 1",
        )?;
        let mut rows = statement.query([sha256])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }
}

/// A blob of a fixed length.
fn blob<const N: usize>(row: &Row<'_>, column: usize) -> Result<[u8; N], CaseError> {
    Ok(row.get(column)?)
}

/// A number that may be missing, and must fit its type.
fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> Result<Option<T>, CaseError> {
    let number: Option<i64> = row.get(column)?;
    let convert = |number| T::try_from(number).map_err(|_| damaged("a number that is out of its range"));
    number.map(convert).transpose()
}

fn damaged(what: &str) -> CaseError {
    CaseError::damaged(format!("a content has {what}"))
}

fn content_row(row: &Row<'_>) -> Result<ContentRow, CaseError> {
    let outcome: String = row.get(4)?;
    let count = |column| Ok::<u64, CaseError>(number(row, column)?.unwrap_or(0));
    Ok(ContentRow {
        digests: Digests { sha256: blob(row, 0)?, sha1: blob(row, 1)?, md5: blob(row, 2)? },
        size: count(3)?,
        outcome: Outcome::from_name(&outcome).ok_or_else(|| damaged("an unknown outcome"))?,
        format: row.get(5)?,
        width: number(row, 6)?,
        height: number(row, 7)?,
        hash: content_hash(row)?,
        files: count(12)?,
        hits: count(13)?,
    })
}

fn content_hash(row: &Row<'_>) -> Result<Option<ContentHash>, CaseError> {
    if row.get_ref(8)?.data_type() == Type::Null {
        return Ok(None);
    }
    let bytes: Vec<u8> = row.get(8)?;
    let hashes =
        hashes_from_bytes(&bytes).ok_or_else(|| damaged("a fingerprint without its eight hashes"))?;
    let path: String = row.get(10)?;
    Ok(Some(ContentHash {
        hash: DihedralHashes { hashes, quality: row.get(9)? },
        derived_from: DerivedFrom::from_name(&path)
            .ok_or_else(|| damaged("a hash derived from nothing known"))?,
        unstable_bits: number(row, 11)?.unwrap_or(0),
    }))
}

fn hit_row(row: &Row<'_>) -> Result<ContentHitRow, CaseError> {
    let columns: Option<String> = row.get(9)?;
    let columns = serde_json::from_str(columns.as_deref().unwrap_or("{}"))
        .map_err(|error| CaseError::damaged_by("columns of a known record", error))?;
    let mut facts = KnownFacts::of_columns(&columns);
    let typed = [&mut facts.victim_identified, &mut facts.offender_identified, &mut facts.distributed];
    for (index, fact) in typed.into_iter().enumerate() {
        if let Some(yes) = row.get::<_, Option<bool>>(10 + index)? {
            *fact = Some(if yes { "yes" } else { "no" }.into());
        }
    }
    Ok(ContentHitRow {
        sha256: blob(row, 0)?,
        hash_set: row.get(1)?,
        hash_set_sha256: blob(row, 2)?,
        record: number(row, 3)?.unwrap_or(0),
        digests: row.get(4)?,
        confirmation: row.get(5)?,
        unconfirmed_reason: row.get(6)?,
        distance: number(row, 7)?,
        orientation: row.get(8)?,
        columns,
        facts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_the_letters_of_their_columns() {
        let columns = [
            ("Victim Identified", "Yes"),
            ("offender_identified", " no "),
            ("IsDistributed", "1"),
            ("name", "yes"),
        ];
        let columns = columns.map(|(name, value)| (name.to_string(), value.to_string())).into();
        let facts = KnownFacts::of_columns(&columns);
        assert_eq!(facts.victim_identified.as_deref(), Some("Yes"));
        assert_eq!(facts.offender_identified.as_deref(), Some("no"));
        assert_eq!(facts.distributed.as_deref(), Some("1"));
        assert!(KnownFacts::is_yes("no; true") && !KnownFacts::is_yes("no; not true"));
        assert!(KnownFacts::is_yes("TRUE ") && !KnownFacts::is_yes("no") && !KnownFacts::is_yes("perhaps"));
        let empty = [("victim identified".to_string(), " ".to_string())].into();
        assert_eq!(KnownFacts::of_columns(&empty), KnownFacts::default());
    }
}
