//! What decides the hashes of a case, as its database keeps it.

use std::path::Path;

use rusqlite::Connection;

use super::info::read_info;
use super::{CaseError, HashSpec};
use crate::decode::DecodeMode;
use crate::pdq::Geometry;

pub(super) fn read_spec(connection: &Connection) -> Result<HashSpec, CaseError> {
    read_spec_under(connection, "hash_decode")
}

/// [`read_spec`] of a case that keeps the decode mode under this key.
pub(super) fn read_spec_under(connection: &Connection, decode_key: &str) -> Result<HashSpec, CaseError> {
    let field = |key: &str| {
        read_info(connection, key)?.ok_or_else(|| CaseError::damaged(format!("case_info has no {key}")))
    };
    let geometry = field("hash_geometry")?;
    let decode = field(decode_key)?;
    let damaged = |key: &str| CaseError::damaged(format!("case_info has an invalid {key}"));
    Ok(HashSpec {
        algorithm: field("hash_algorithm")?,
        version: field("hash_version")?.parse().map_err(|_| damaged("hash_version"))?,
        geometry: Geometry::from_name(&geometry).ok_or_else(|| damaged("hash_geometry"))?,
        decode: DecodeMode::from_name(&decode).ok_or_else(|| damaged(decode_key))?,
    })
}

impl HashSpec {
    /// Refuses options that ask for other hashes than those of the case in `folder`.
    ///
    /// # Errors
    /// If they do.
    pub fn refuse_other(&self, folder: &Path, asked: &Self) -> Result<(), CaseError> {
        if self == asked {
            return Ok(());
        }
        Err(CaseError::SpecContradicted {
            folder: folder.to_path_buf(),
            stored: self.clone(),
            asked: asked.clone(),
        })
    }
}
