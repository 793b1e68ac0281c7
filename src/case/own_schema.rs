//! The schema of a case compared with the program's own, before anything is queried: a trigger could delete hits as
//! they are stored, a view could never end, a column could compute what is not stored.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::schema::{PRIORITIES, SCHEMA, STACK_INDEXES, STACKS};
use super::{CaseError, SchemaFault};
use crate::source::name::escape;

/// Kind, table and text of everything in a schema, by name.
type Schema = BTreeMap<String, [String; 3]>;

/// Creates the tables and views of a case.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    [SCHEMA, STACKS, STACK_INDEXES, PRIORITIES]
        .into_iter()
        .try_for_each(|part| connection.execute_batch(part))
}

/// Returns what is wrong with a database's schema; `None` if it equals the program's own to the letter.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn foreign(connection: &Connection) -> Result<Option<SchemaFault>, CaseError> {
    let own = Connection::open_in_memory()?;
    create(&own)?;
    let (own, found) = (read(&own)?, read(connection)?);
    for (name, found) in &found {
        let (kind, name) = (found[0].clone(), name.clone());
        match own.get(&name) {
            Some(own) if own == found => {}
            Some(_) => return Ok(Some(SchemaFault::Differs { kind, name })),
            None => return Ok(Some(SchemaFault::Unknown { kind, name })),
        }
    }
    let missing = own.into_iter().find(|(name, _)| !found.contains_key(name));
    Ok(missing.map(|(name, [kind, ..])| SchemaFault::Missing { kind, name }))
}

fn read(connection: &Connection) -> Result<Schema, CaseError> {
    let mut statement = connection.prepare("SELECT name, type, tbl_name, sql FROM sqlite_schema")?;
    let mut rows = statement.query([])?;
    let mut schema = Schema::new();
    while let Some(row) = rows.next()? {
        // These need not be texts.
        let text = |column| {
            Ok::<_, rusqlite::Error>(match row.get_ref(column)? {
                ValueRef::Text(text) | ValueRef::Blob(text) => escape(text),
                ValueRef::Null => String::new(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
            })
        };
        let (name, object) = (text(0)?, [text(1)?, text(2)?, text(3)?]);
        if schema.insert(name.clone(), object).is_some() {
            return Err(CaseError::damaged(format!("its schema has {name} twice")));
        }
    }
    Ok(schema)
}
