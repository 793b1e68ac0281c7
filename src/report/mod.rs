//! What a case says: rows for programs ([`export`]) and a summary for people ([`summary`], [`text`]).

pub mod export;
pub mod summary;
pub mod text;
