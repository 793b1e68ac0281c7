//! The `tamis` program: parse, run, exit code.

use clap::Parser;

fn main() -> std::process::ExitCode {
    tamis::cli::run(&tamis::cli::args::Arguments::parse())
}
