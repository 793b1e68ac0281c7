//! What tests of cases need: a spec, and records that nobody asks for.

use super::{CaseError, HashSpec, RecordSource, SetId};
use crate::decode::DecodeMode;
use crate::known::RecordDetails;
use crate::pdq::Geometry;

/// The spec of a run without options.
pub fn spec() -> HashSpec {
    HashSpec {
        algorithm: HashSpec::NAME.into(),
        version: HashSpec::VERSION,
        geometry: Geometry::Full,
        decode: DecodeMode::Auto,
    }
}

/// Records without values.
pub struct NoRecords;

impl RecordSource for NoRecords {
    fn details(&self, _: SetId, _: u32) -> Result<RecordDetails, CaseError> {
        Ok(RecordDetails::default())
    }
}
