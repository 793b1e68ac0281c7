//! Running the real program under faults: input and output that fail, ends at any instant, and a limit of time for each.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The library of `failing_io.c`, compiled once; `None` if that is impossible, which is reported.
pub fn failing_io() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| {
            if !cfg!(target_os = "linux") {
                super::skip("I/O faults are simulated on Linux only");
                return None;
            }
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/failing_io.c");
            let name = format!("failing_io-{}.so", std::process::id());
            let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            let mut compiler = Command::new("cc");
            compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&library);
            match compiler.arg(&source).arg("-ldl").status() {
                Ok(status) => {
                    assert!(status.success(), "failing_io.c does not compile");
                    Some(library)
                }
                Err(error) => {
                    super::skip(&format!("no C compiler: {error}"));
                    None
                }
            }
        })
        .as_deref()
}

/// Lets calls of a command fail: `rules` as `failing_io.c` describes them.
pub fn fail<'a>(command: &'a mut Command, library: &Path, rules: &str) -> &'a mut Command {
    command.env("LD_PRELOAD", library).env("TAMIS_TEST_FAIL", rules)
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub took: Duration,
}

/// A command under way.
pub struct Running {
    child: Child,
    begun: Instant,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let begun = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, begun, stdout: drain(stdout), stderr: drain(stderr) }
    }

    /// Ends it at once, as a power cut would, and waits until it is gone.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.end(Duration::from_secs(60))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It takes longer than `limit`.
    pub fn end(mut self, limit: Duration) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.begun.elapsed() > limit {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                let stderr = self.stderr.join().unwrap();
                panic!("no end within {limit:?}: {}", String::from_utf8_lossy(&stderr));
            }
            thread::sleep(Duration::from_millis(2));
        };
        let took = self.begun.elapsed();
        let stderr = String::from_utf8_lossy(&self.stderr.join().unwrap()).into_owned();
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended { code: status.code(), stdout: self.stdout.join().unwrap(), stderr, took }
    }
}

/// Runs a command to its end, which must come within `limit`.
pub fn within(limit: Duration, command: &mut Command) -> Ended {
    Running::start(command).end(limit)
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}
