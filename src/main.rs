//! The `tamis` program: parse, run, exit code.

fn main() {}
