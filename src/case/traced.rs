//! The statements that run on cases, for the test that reads their plans (`src/plans.rs`).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Records every statement that runs on a connection from here on.
pub(super) fn trace(connection: &mut Connection) -> rusqlite::Result<()> {
    let keep = |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(statement.sql().to_string());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(keep))
}

/// The statements that were seen, sorted.
pub(crate) fn statements() -> BTreeSet<String> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
