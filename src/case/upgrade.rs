//! Writes a new case with everything that a case with the previous schema holds.
//!
//! Never in place: the old case is only read. Its rows are copied table by table, and nothing is decoded or matched again.

use std::fs;
use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Statement, params_from_iter};

use super::folder::{Holding, io_error, look};
use super::info::{read_info, set_info};
use super::lock::lock;
use super::open::{connect_before, create};
use super::schema::{SCHEMA_VERSION, UPGRADED_VERSION};
use super::spec::read_spec_under;
use super::{CaseError, SchemaFault};
use crate::source::Step;
use crate::source::digest::{hex, sha256_of};

/// SHA-256 of the text of the schema that cases are upgraded from: see [`schema_digest`].
const UPGRADED_DIGEST: &str = "0bbd3136c32d3f771a0432be2cb13dc07e52b2819c361a94b9a05085cfb8f493";

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upgraded {
    /// Items.
    pub items: u64,
    /// Distinct contents.
    pub contents: u64,
    /// Hits.
    pub hits: u64,
}

/// Tables whose rows stay as they are, under another name or with other names of columns: what is read, and where it goes.
const TABLES: [(&str, &str); 13] = [
    (
        "SELECT id, command, settings, started, ended, state, notices FROM run",
        "INSERT INTO run (id, command, settings, started, ended, state, notices) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    ),
    (
        "SELECT id, path_raw, path, iif(EXISTS (SELECT 1 FROM item WHERE item.source = source.id AND item.path_raw = x''),
             'file', 'folder'), complete FROM source",
        "INSERT INTO source (id, path_raw, path, kind, complete) VALUES (?1, ?2, ?3, ?4, ?5)",
    ),
    (
        "SELECT id, sha256, sha1, md5, size, outcome, stage, reason, memory_limit, format, width, height, taken,
             camera_make, camera_model, exif_orientation, trivial FROM content",
        "INSERT INTO content (id, sha256, sha1, md5, size, outcome, stage, reason, memory_limit, format, width, height, taken,
             camera_make, camera_model, exif_orientation, trivial)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    ),
    (
        "SELECT id, codes, quality, decode_path, unstable_bits, pixels_because FROM content WHERE codes IS NOT NULL",
        "INSERT INTO fingerprint (content, spec, view, hashes, quality, derived_from, unstable_bits, fallback_reason)
         VALUES (?1, 'pdq', 'picture', ?2, ?3, ?4, ?5, ?6)",
    ),
    (
        "SELECT id, file_sha256, name, path, geometry, distance, min_quality, verify, max_hits, records, codes,
             codes_without_quality, with_digests, low_quality, zero_codes, bad_lines, version, profile FROM known_set",
        "INSERT INTO hash_set (id, file_sha256, name, path, geometry, distance, min_quality, verify, max_hits, records, hashes,
             hashes_without_quality, with_digests, low_quality, null_hashes, malformed_lines, version, profile)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    ),
    (
        "SELECT known_set, record, columns, category, category_label, category_raw, victim_identified, offender_identified,
             distributed, precategorized, series, fields FROM known_record",
        "INSERT INTO set_record (hash_set, record, columns, category, category_label, category_raw, victim_identified,
             offender_identified, distributed, precategorized, series, fields)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    ),
    (
        "SELECT content, known_set, record, records, list, md5, sha1, sha256, verdict, unconfirmed_because, distance,
             orientation, known_quality, iif(distance IS NULL, NULL, 'picture') FROM hit",
        "INSERT INTO hit (content, hash_set, record, records, list, md5, sha1, sha256, confirmation, unconfirmed_reason, distance,
             orientation, known_quality, view)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    ),
    (
        "SELECT known_set, list, record FROM listed_record",
        "INSERT INTO listed_record (hash_set, list, record) VALUES (?1, ?2, ?3)",
    ),
    (
        "SELECT content, known_set, more FROM saturated",
        "INSERT INTO saturated (content, hash_set, more) VALUES (?1, ?2, ?3)",
    ),
    (
        "SELECT content, known_set, records FROM set_aside",
        "INSERT INTO set_aside (content, hash_set, records) VALUES (?1, ?2, ?3)",
    ),
    (
        "SELECT id, distance, min_quality, contents, low_quality, zero_codes, last_content, made FROM stack_settings",
        "INSERT INTO stack_settings (id, distance, min_quality, contents, low_quality, null_hashes, last_content, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    ),
    (
        "SELECT number, medoid, contents, diameter FROM stack",
        "INSERT INTO stack (number, medoid, contents, diameter) VALUES (?1, ?2, ?3, ?4)",
    ),
    (
        "SELECT content, stack, distance FROM stack_member",
        "INSERT INTO stack_member (content, stack, distance) VALUES (?1, ?2, ?3)",
    ),
];

/// Rules and the items that they decided. They come after the items.
const PRIORITIES: [(&str, &str); 2] = [
    (
        "SELECT rank, name, title FROM priority_rule",
        "INSERT INTO priority_rule (rank, name, title) VALUES (?1, ?2, ?3)",
    ),
    ("SELECT item, rank FROM priority", "INSERT INTO priority (item, rank) VALUES (?1, ?2)"),
];

/// Outcomes that were renamed.
const RENAMED: [(&str, &str); 2] = [("not_a_picture", "other"), ("crashed_decoder", "crashed")];

/// Writes a new case in `new` with all that the case in `old` holds, which is only read. `cancelled` is called now and then; if it returns
/// `true`, there is no new case.
///
/// # Errors
/// If `old` is not a case with the previous schema, or was changed by another program; if `new` holds anything; if either cannot be read or written.
pub fn upgrade(old: &Path, new: &Path, cancelled: &dyn Fn() -> bool) -> Result<Upgraded, CaseError> {
    let before = connect_before(old)?;
    let version = before.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        UPGRADED_VERSION => {}
        SCHEMA_VERSION => return Err(CaseError::NothingToUpgrade { folder: old.to_path_buf() }),
        _ => return Err(CaseError::OtherVersion { folder: old.to_path_buf(), version }),
    }
    if schema_digest(&before)? != UPGRADED_DIGEST {
        return Err(CaseError::ForeignSchema { folder: old.to_path_buf(), fault: SchemaFault::NotOurs });
    }
    if look(new)? != Holding::Nothing {
        return Err(CaseError::AlreadyACase { folder: new.to_path_buf() });
    }
    fs::create_dir_all(new).map_err(|error| io_error("cannot create the case folder", new, error))?;
    let _lock = lock(new)?;
    let spec = read_spec_under(&before, "hash_decode_path")?;
    create(new, &spec, |transaction| Copy { before: &before, after: transaction, cancelled }.all())
}

/// SHA-256 of the text of a schema, in the order of names.
fn schema_digest(connection: &Connection) -> Result<String, CaseError> {
    let mut statement =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
    let texts = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(hex(&sha256_of(texts.join("\n").as_bytes())))
}

/// Executes a statement with these values.
fn execute<'v>(
    statement: &mut Statement<'_>,
    values: impl Iterator<Item = rusqlite::Result<ValueRef<'v>>>,
) -> Result<(), CaseError> {
    let values: Vec<ToSqlOutput<'v>> =
        values.map(|value| Ok(ToSqlOutput::Borrowed(value?))).collect::<rusqlite::Result<_>>()?;
    statement.execute(params_from_iter(values))?;
    Ok(())
}

/// Rows on their way from one case to the other.
struct Copy<'a> {
    before: &'a Connection,
    after: &'a Connection,
    cancelled: &'a dyn Fn() -> bool,
}

impl Copy<'_> {
    /// Everything.
    fn all(&self) -> Result<Upgraded, CaseError> {
        for (read, write) in TABLES {
            self.rows(read, write)?;
        }
        let items = self.items()?;
        for (read, write) in PRIORITIES {
            self.rows(read, write)?;
        }
        for (old, now) in RENAMED {
            for table in ["content", "item"] {
                let rename = format!("UPDATE {table} SET outcome = ?2 WHERE outcome = ?1");
                self.after.execute(&rename, [old, now])?;
            }
        }
        self.match_state()?;
        self.info()?;
        Ok(Upgraded { items, contents: self.count("content")?, hits: self.count("hit")? })
    }

    fn count(&self, table: &str) -> Result<u64, CaseError> {
        let count = format!("SELECT count(*) FROM {table}");
        Ok(self.after.query_row(&count, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// Rows as they are.
    fn rows(&self, read: &str, write: &str) -> Result<(), CaseError> {
        let mut insert = self.after.prepare(write)?;
        self.visit(read, |row| {
            let values = (0..row.as_ref().column_count()).map(|column| row.get_ref(column));
            execute(&mut insert, values)?;
            Ok(())
        })?;
        Ok(())
    }

    /// Items, whose names are printed so that none reads as another kind of step.
    fn items(&self) -> Result<u64, CaseError> {
        let mut insert = self.after.prepare(
            "INSERT INTO item (id, source, step, name, size, modified, accessed, created, sha256, outcome, stage, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        let read = "SELECT id, source, path_raw, NULL, size, modified, accessed, created, sha256, outcome, stage, reason FROM item";
        self.visit(read, |row| {
            let step = Step::name(row.get::<_, Vec<u8>>(2)?).to_bytes();
            let name = Step::shown(&step);
            let values = (0..12).map(|column| match column {
                2 => Ok(ValueRef::Blob(&step)),
                3 => Ok(ValueRef::Text(name.as_bytes())),
                _ => row.get_ref(column),
            });
            execute(&mut insert, values)?;
            Ok(())
        })
    }

    /// What was matched against what. A set was matched against all contents up to one, in the order of their rows.
    fn match_state(&self) -> Result<(), CaseError> {
        let mut statement =
            self.before.prepare("SELECT matched_through, id FROM known_set ORDER BY matched_through")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let marks: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
        let mut list = self.after.prepare("INSERT INTO match_list (id, hash_set) VALUES (?1, ?2)")?;
        let mut state = self.after.prepare(
            "INSERT INTO match_state (content, list) SELECT id, ?3 FROM content WHERE id > ?1 AND id <= ?2",
        )?;
        let mut last = 0;
        for (index, &(through, _)) in marks.iter().enumerate() {
            let number = index as i64 + 1;
            for (_, set) in &marks[index..] {
                list.execute([number, *set])?;
            }
            state.execute([last, through, number])?;
            last = through;
        }
        state.execute([last, i64::MAX, 0])?;
        Ok(())
    }

    /// Facts of the case. Rules of priority name outcomes.
    fn info(&self) -> Result<(), CaseError> {
        self.visit("SELECT key, value FROM case_info", |row| {
            let (key, mut value): (String, String) = (row.get(0)?, row.get(1)?);
            let key = match key.as_str() {
                "made" => "created",
                "hash_decode_path" => "hash_decode",
                other => other,
            };
            if key == "priority_rules" {
                for (old, now) in RENAMED {
                    value = value.replace(old, now);
                }
            }
            set_info(self.after, key, &value)
        })?;
        let by = read_info(self.before, "program")?.unwrap_or_else(|| "tamis".into());
        set_info(self.after, "upgraded_from", &format!("schema {UPGRADED_VERSION}, written by {by}"))
    }

    /// Visits every row of the old case; returns how many there are.
    fn visit(
        &self,
        read: &str,
        mut visit: impl FnMut(&Row<'_>) -> Result<(), CaseError>,
    ) -> Result<u64, CaseError> {
        let mut statement = self.before.prepare(read)?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            visit(row)?;
            count += 1;
            if count % 1024 == 0 && (self.cancelled)() {
                return Err(CaseError::Interrupted);
            }
        }
        Ok(count)
    }
}
