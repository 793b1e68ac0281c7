//! Oracles in Python, in a child process.

use std::process::{ChildStdin, Command, Stdio};

/// Whether python3 has these modules. If not, reports that the test is skipped, unless
/// `TAMIS_ORACLE_TESTS=require`.
pub fn has(modules: &str) -> bool {
    let import = format!("import {modules}");
    let there = Command::new("python3").args(["-c", &import]).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(!super::oracles_required(), "TAMIS_ORACLE_TESTS=require: no python3 with {modules}");
    super::skip(&format!("no python3 with {modules}"));
    false
}

/// What a script prints for the input that `feed` writes to it.
pub fn ask(script: &str, arguments: &[String], feed: impl FnOnce(ChildStdin) + Send) -> String {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || feed(input));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
