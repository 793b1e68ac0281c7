//! The `tamis` program: parse, run, exit code.

fn main() -> std::process::ExitCode {
    let arguments = tamis::cli::args::Arguments::of(std::env::args_os());
    tamis::cli::run(&arguments.unwrap_or_else(|error| error.exit()))
}
