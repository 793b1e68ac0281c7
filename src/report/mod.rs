//! What a case says: rows for programs ([`export`]) and a summary for people ([`summary`], [`text`], [`stacks`]).

pub mod export;
pub mod stacks;
pub mod summary;
pub mod text;
