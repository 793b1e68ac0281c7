//! What a case says: rows for programs ([`export`]) and a summary for people ([`summary`]).

pub mod export;
pub mod summary;
