//! One file a command.

pub mod bench;
pub mod devices;
pub mod export;
pub mod hash;
pub mod join;
pub mod match_case;
pub mod report;
pub mod scan;
pub mod stack;
pub mod triage;

mod run;
