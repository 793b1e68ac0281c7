//! The command line: arguments as typed ([`args`]), resolved ([`config`]), and the commands.

pub mod args;
pub mod commands;
pub mod config;
pub mod console;
pub mod count_progress;
pub mod error;
pub mod interrupt;
mod memory_size;
pub mod output;
pub mod passphrase;
pub mod protect;
pub mod resumable;
pub mod run_progress;

mod process;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use args::{Arguments, BenchCommand, Command, KeyCommand, ShareCommand};
use console::Console;
use error::{CliError, Finished};
use interrupt::INTERRUPTED;

/// Runs one command and returns the program's exit code: 0 done, 1 failed, 2 wrong usage, 130
/// interrupted and resumable.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let console = Console::new(arguments.common.quiet, arguments.common.verbose);
    process::keep_no_core_dumps(matches!(arguments.command, Command::Bench(_)));
    crate::decode::silence_decoder_panics();
    // The report of a panic is on standard error already; what is left to report is that the command failed.
    let result = catch_unwind(AssertUnwindSafe(|| run_command(arguments, &console)))
        .unwrap_or_else(|_| Err(CliError::Failed("internal error: please report the message above".into())));
    match result {
        Ok(Finished::Done) => ExitCode::SUCCESS,
        Ok(Finished::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(CliError::ClosedPipe) => ExitCode::SUCCESS,
        Err(error) => {
            console.error(&error);
            ExitCode::from(if matches!(error, CliError::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn run_command(arguments: &Arguments, console: &Console) -> Result<Finished, CliError> {
    match &arguments.command {
        Command::Triage(command) => commands::triage::run(command, &arguments.common, console),
        Command::Scan(command) => commands::scan::run(command, &arguments.common, console),
        Command::Match(command) => commands::match_case::run(command, &arguments.common, console),
        Command::Stack(command) => commands::stack::run(command, &arguments.common, console),
        Command::Rules(command) => commands::rules::run(command),
        Command::Upgrade(command) => commands::upgrade::run(command, console),
        Command::Export(command) => commands::export::run(command, console),
        Command::Report(command) => commands::report::run(command, &arguments.common, console),
        Command::Hash(command) => commands::hash::run(command, &arguments.common, console),
        Command::Link(command) => commands::link::run(command, &arguments.common, console),
        Command::Share(command) => match &command.what {
            ShareCommand::Export(command) => commands::share::export(command, &arguments.common, console),
            ShareCommand::Import(command) => commands::share::import(command, &arguments.common, console),
            ShareCommand::Show(command) => commands::share::show(command),
        },
        Command::Key(command) => match &command.what {
            KeyCommand::New(command) => commands::key::new(command, console),
            KeyCommand::Show(command) => commands::key::show(command),
            KeyCommand::Trust(command) => commands::key::trust(command, console),
        },
        Command::Join(command) => commands::join::run(command, &arguments.common, console),
        Command::Known(command) => commands::known::run(command, &arguments.common, console),
        Command::Devices(command) => commands::devices::run(command, &arguments.common, console),
        Command::Bench(command) => match &command.what {
            BenchCommand::Ingest(command) => commands::bench::run(command, &arguments.common, console),
        },
    }
}
