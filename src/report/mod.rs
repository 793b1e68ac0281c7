//! What a case says: rows for programs ([`export`]) and a summary for people ([`summary`], [`text`], [`stacks`]).
//! [`parquet`] writes rows of any kind, a join's as well.

pub mod columns;
pub mod export;
#[cfg(feature = "parquet")]
pub mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "parquet_absent.rs"]
pub mod parquet;
pub mod stacks;
pub mod summary;
pub mod text;
