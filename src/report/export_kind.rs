//! What can be exported.

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// One row an item.
    Items,
    /// One row a hit: an item against the known records with its digest, or against a known hash that is near.
    Hits,
    /// One row an item that is or may be a picture and has no hash, with stage and reason.
    Errors,
    /// One row an item in review order.
    Priorities,
    /// One row an item in a stack.
    Stacks,
}
