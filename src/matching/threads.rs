//! A number of threads for searches and joins.

use std::error::Error;

/// Threads that searches and joins run on. Without them the work runs on as many threads as the machine has.
#[derive(Debug)]
pub struct Threads(rayon::ThreadPool);

/// Why threads cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// The system starts no more threads.
    #[error("cannot start {count} threads `{name}`: {error} (ask for fewer with --jobs)")]
    Start {
        /// What they are for.
        name: &'static str,
        /// How many were requested.
        count: usize,
        /// The system's error.
        error: Box<dyn Error + Send + Sync>,
    },
}

impl Threads {
    /// Starts `count` threads, at least one, named after their work.
    ///
    /// # Errors
    /// If the system starts no more threads.
    pub fn new(name: &'static str, count: usize) -> Result<Self, ThreadsError> {
        let named = move |index| format!("{name}-{index}");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count.max(1)).thread_name(named).build();
        pool.map(Self).map_err(|error| ThreadsError::Start { name, count, error: error.into() })
    }

    /// Does `work` on one of the threads; what it searches and joins inside runs on all of them.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.install(work)
    }

    /// Does `work` on every thread at once, each with its number, and waits for all.
    #[cfg(feature = "case")]
    pub(crate) fn broadcast(&self, work: impl Fn(usize) + Sync) {
        self.0.broadcast(|context| work(context.index()));
    }
}
