//! `tamis rules` as typed.

use std::path::PathBuf;

use clap::Args;

/// `tamis rules`.
#[derive(Debug, Args)]
#[command(
    after_help = "Rules are tried in order; the first that fits an item decides its priority. Save the program's own rules \
to a file, change them, and give them to `tamis triage --rules FILE` or `tamis match --rules FILE`."
)]
pub struct RulesCommand {
    /// Check this file instead, and list its rules in their order
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}
