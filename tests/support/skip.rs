//! Reports that a test is skipped, in one form. The library's own tests include this file.

use std::fs::OpenOptions;
use std::io::Write;

/// Reports that the current test, or a part of it, is skipped: on standard error itself, which the test runner shows
/// even if the test passes, unlike what is printed, and in the file that `TAMIS_SKIP_LOG` names, which `.ci/run`
/// counts.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Whole lines, so that those of several tests are not mixed. A closed terminal is not a failure of the
    // test.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(log) = std::env::var_os("TAMIS_SKIP_LOG") {
        let log = OpenOptions::new().create(true).append(true).open(log);
        let written = log.and_then(|mut log| log.write_all(line.as_bytes()));
        assert!(written.is_ok(), "TAMIS_SKIP_LOG: {written:?}");
    }
}
