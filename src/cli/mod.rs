//! The command line: arguments as typed, resolved, and the commands.
