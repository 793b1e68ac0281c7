//! What benchmarks share: a peer in a child process that is timed turn by turn with us, so that both see the same machine.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A Python program that answers each line with the seconds that one piece of work took.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `program` with `data` as the beginning of its input; `None` where Python or a module is missing.
    pub fn start(program: &str, arguments: &[String], data: &[u8]) -> Option<Self> {
        let mut child = Command::new("python3")
            .args(["-c", program])
            .args(arguments)
            // One thread, whatever the library would like.
            .envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut input = child.stdin.take()?;
        let output = BufReader::new(child.stdout.take()?);
        input.write_all(data).ok()?;
        let mut peer = Self { child, input, output };
        // The first answer says that it is ready.
        peer.seconds().map(|_| peer)
    }

    /// One piece of work.
    pub fn seconds(&mut self) -> Option<f64> {
        self.input.write_all(b"\n").and_then(|()| self.input.flush()).ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        line.trim().parse().ok()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of one call.
pub fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    std::hint::black_box(work());
    started.elapsed().as_secs_f64()
}

/// Least, median and largest.
pub fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len() - 1;
    (values[0], values[last / 2], values[last])
}
