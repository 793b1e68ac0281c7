//! Running the real program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A seizure of all kinds of files, and a list that knows some of them.
pub const SEIZURE: &str = "tests/data/seizure";
pub const KNOWN: &str = "tests/data/known.csv";

/// The program, with caches of its own.
pub fn tamis() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamis"));
    command.env("TAMIS_CACHE_DIR", std::env::temp_dir().join("tamis-test-cache"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs the program with `arguments`.
pub fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    tamis().args(arguments).output().unwrap()
}

/// Standard output of a run that must end with `code`.
pub fn expect(code: i32, output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error of a run that must end with `code`.
pub fn errors(code: i32, output: &Output) -> String {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    errors
}

/// A folder for cases, removed at the end.
pub struct Cases(pub TempDir);

impl Cases {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `triage` or `scan` or `match` and returns the summary.
    pub fn summary(&self, case: &str, arguments: &[&str]) -> Value {
        let case = self.path(case);
        let arguments =
            arguments.iter().map(OsStr::new).chain(["--format", "json", "--case"].map(OsStr::new));
        let output = run(arguments.chain([case.as_os_str()]));
        serde_json::from_str(&expect(0, &output)).unwrap()
    }

    /// All exports of a case, in both forms.
    pub fn exports(&self, case: &str) -> Vec<String> {
        let mut exports = Vec::new();
        for what in ["items", "hits", "errors"] {
            for format in ["csv", "jsonl"] {
                exports.push(export(&self.path(case), what, format));
            }
        }
        exports
    }

    /// The rows of an export.
    pub fn rows(&self, case: &str, what: &str) -> Vec<Value> {
        let text = export(&self.path(case), what, "jsonl");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub fn export(case: &Path, what: &str, format: &str) -> String {
    let output = tamis().args(["export", what, "--format", format, "--case"]).arg(case).output().unwrap();
    expect(0, &output)
}

/// Items by outcome, from a summary.
pub fn outcomes(summary: &Value) -> Vec<(String, u64)> {
    let counts = summary["outcomes"].as_array().unwrap();
    counts
        .iter()
        .map(|count| (count["outcome"].as_str().unwrap().to_string(), count["items"].as_u64().unwrap()))
        .collect()
}

/// The text of a field of a row; empty for null.
pub fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}
