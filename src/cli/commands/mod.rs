//! One file per command.

pub mod bench;
#[cfg_attr(not(feature = "gpu"), path = "devices_absent.rs")]
pub mod devices;
pub mod export;
pub mod hash;
pub mod join;
pub mod key;
pub mod known;
pub mod link;
pub mod match_case;
pub mod report;
pub mod rules;
pub mod scan;
pub mod share;
pub mod stack;
pub mod triage;
pub mod upgrade;

mod known_match;
mod priorities;
mod run;
