//! What can be exported.

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// One row per item.
    Items,
    /// One row per hit: an item against the known records with its digest, or against a known hash that is near.
    Hits,
    /// One row per item that is or may be a picture and has no hash, with stage and reason.
    Errors,
    /// One row per item, in review order.
    Priorities,
    /// One row per item in a stack.
    Stacks,
}
