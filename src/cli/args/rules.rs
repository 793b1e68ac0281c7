//! `tamis rules` as typed.

use std::path::PathBuf;

use clap::Args;

/// `tamis rules`.
#[derive(Debug, Args)]
#[command(
    after_help = "Rules are tried in order; the first that fits an item decides its priority. To use your own, save the built-in \
rules to a file, edit it, and give it to `tamis triage --rules FILE` or `tamis match --rules FILE`."
)]
pub struct RulesCommand {
    /// Check this rules file instead, and list its rules in order
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}
