//! Where a run's time goes: how busy each stage was, how full the queues between them were, and which stage held up all the others.
//!
//! A thread starts a [`Stopwatch`] when it has something to do and stops it when it is done; waiting for another thread or for memory does
//! not count. Reading the clock twice a file takes some 50 ns, which is negligible.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A kind of work, under the name that reports show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Listing folders, and reading from the case what is done already.
    Walking,
    /// Opening and reading files.
    Reading,
    /// MD5, SHA-1 and SHA-256.
    Digesting,
    /// JPEG to coefficients to a tile.
    EntropyDecoding,
    /// Files to pixels to a tile.
    PixelDecoding,
    /// Tiles to hashes.
    Hashing,
    /// Hashes and digests against hash sets.
    Searching,
    /// Candidates decoded again, for the confirmation.
    Verifying,
    /// Rows into the case.
    Writing,
}

/// Threads that share their stages: while one of these stages has them, the others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// List folders.
    Walkers,
    /// Read files.
    Readers,
    /// Digest and decode.
    Workers,
    /// Hash, search and verify batches. One thread leads them and hands out its work.
    Finishers,
    /// The one writer.
    Writer,
}

/// The queue between two crews.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Groups of files, between the walkers and the readers.
    ToRead,
    /// Groups of files that are read, between the readers and the workers.
    ToDecode,
    /// Groups of findings, between the workers and the finisher.
    ToFinish,
    /// Batches, between the finisher and the writer.
    ToWrite,
}

impl Stage {
    const ALL: [Self; 9] = [
        Self::Walking,
        Self::Reading,
        Self::Digesting,
        Self::EntropyDecoding,
        Self::PixelDecoding,
        Self::Hashing,
        Self::Searching,
        Self::Verifying,
        Self::Writing,
    ];

    /// Its name in the table and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Walking => "walking",
            Self::Reading => "reading",
            Self::Digesting => "digesting",
            Self::EntropyDecoding => "entropy decoding",
            Self::PixelDecoding => "pixel decoding",
            Self::Hashing => "hashing",
            Self::Searching => "searching",
            Self::Verifying => "verifying",
            Self::Writing => "writing",
        }
    }

    const fn crew(self) -> Crew {
        match self {
            Self::Walking => Crew::Walkers,
            Self::Reading => Crew::Readers,
            Self::Digesting | Self::EntropyDecoding | Self::PixelDecoding => Crew::Workers,
            Self::Hashing | Self::Searching | Self::Verifying => Crew::Finishers,
            Self::Writing => Crew::Writer,
        }
    }
}

impl Crew {
    const ALL: [Self; 5] = [Self::Walkers, Self::Readers, Self::Workers, Self::Finishers, Self::Writer];
}

impl Queue {
    const ALL: [Self; 4] = [Self::ToRead, Self::ToDecode, Self::ToFinish, Self::ToWrite];

    const fn name(self) -> &'static str {
        match self {
            Self::ToRead => "walking to reading",
            Self::ToDecode => "reading to decoding",
            Self::ToFinish => "decoding to hashing",
            Self::ToWrite => "hashing to writing",
        }
    }
}

/// The counters of one run, shared by its threads.
#[derive(Debug)]
pub struct Profile {
    started: Instant,
    /// Nanoseconds after `started`; 0 while the run continues.
    ended: AtomicU64,
    stages: [StageCounters; Stage::ALL.len()],
    crews: [AtomicUsize; Crew::ALL.len()],
    queues: [QueueCounters; Queue::ALL.len()],
}

#[derive(Debug, Default)]
struct StageCounters {
    busy: AtomicU64,
    items: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueCounters {
    looks: AtomicU64,
    sum: AtomicU64,
    maximum: AtomicUsize,
    capacity: AtomicUsize,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            ended: AtomicU64::new(0),
            stages: Default::default(),
            // A crew whose threads were not counted has one.
            crews: [const { AtomicUsize::new(1) }; Crew::ALL.len()],
            queues: Default::default(),
        }
    }
}

/// Runs while one thread is busy with a stage.
#[derive(Debug)]
#[must_use = "what is not stopped is not counted"]
pub struct Stopwatch<'a> {
    counters: &'a StageCounters,
    since: Instant,
    threads: u64,
}

impl Stopwatch<'_> {
    /// To be called when the work is done, or the thread waits: `items` and `bytes` are what was done since the start.
    pub fn stop(self, items: u64, bytes: u64) {
        self.counters.busy.fetch_add(nanoseconds(self.since.elapsed()) * self.threads, Ordering::Relaxed);
        self.counters.items.fetch_add(items, Ordering::Relaxed);
        self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Profile {
    /// The calling thread is busy with `stage` from here.
    pub fn start(&self, stage: Stage) -> Stopwatch<'_> {
        self.start_on(stage, 1)
    }

    /// The calling thread and those it hands its work to, `threads` in all, are busy with `stage` from here.
    pub fn start_on(&self, stage: Stage, threads: usize) -> Stopwatch<'_> {
        Stopwatch { counters: &self.stages[stage as usize], since: Instant::now(), threads: threads as u64 }
    }

    /// Counts work that was done somewhere else: `items` and `bytes` in so much time of one thread.
    pub fn add(&self, stage: Stage, items: u64, bytes: u64, took: Duration) {
        let counters = &self.stages[stage as usize];
        counters.busy.fetch_add(nanoseconds(took), Ordering::Relaxed);
        counters.items.fetch_add(items, Ordering::Relaxed);
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many threads a crew has.
    pub fn crew(&self, crew: Crew, threads: usize) {
        self.crews[crew as usize].store(threads.max(1), Ordering::Relaxed);
    }

    /// Records how much is left in a queue after something was taken out of it.
    pub fn saw(&self, queue: Queue, waiting: usize, capacity: Option<usize>) {
        let counters = &self.queues[queue as usize];
        counters.looks.fetch_add(1, Ordering::Relaxed);
        counters.sum.fetch_add(waiting as u64, Ordering::Relaxed);
        counters.maximum.fetch_max(waiting, Ordering::Relaxed);
        counters.capacity.store(capacity.unwrap_or(0), Ordering::Relaxed);
    }

    /// The run has ended: what comes after it (the summary) is not counted.
    pub fn end(&self) {
        self.ended.store(nanoseconds(self.started.elapsed()).max(1), Ordering::Relaxed);
    }

    /// The figures, up to now or to the end of the run.
    #[must_use]
    pub fn report(&self) -> ProfileReport {
        let wall = match self.ended.load(Ordering::Relaxed) {
            0 => nanoseconds(self.started.elapsed()).max(1),
            ended => ended,
        };
        let stages: Vec<StageReport> =
            Stage::ALL.iter().map(|&stage| self.stage(stage, wall)).filter(|stage| stage.items > 0).collect();
        ProfileReport {
            seconds: wall as f64 / 1e9,
            limited_by: self.limit(wall),
            stages,
            queues: Queue::ALL.iter().filter_map(|&queue| self.queue(queue)).collect(),
        }
    }

    fn stage(&self, stage: Stage, wall: u64) -> StageReport {
        let counters = &self.stages[stage as usize];
        let busy = counters.busy.load(Ordering::Relaxed);
        StageReport {
            stage: stage.name(),
            threads: self.crews[stage.crew() as usize].load(Ordering::Relaxed),
            busy_seconds: busy as f64 / 1e9,
            busy_threads: busy as f64 / wall as f64,
            items: counters.items.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
        }
    }

    fn queue(&self, queue: Queue) -> Option<QueueReport> {
        let counters = &self.queues[queue as usize];
        let looks = counters.looks.load(Ordering::Relaxed);
        (looks > 0).then(|| QueueReport {
            queue: queue.name(),
            mean: counters.sum.load(Ordering::Relaxed) as f64 / looks as f64,
            maximum: counters.maximum.load(Ordering::Relaxed),
            capacity: counters.capacity.load(Ordering::Relaxed),
        })
    }

    /// The crew with the highest share of busy time, named by the stage that took most of it.
    fn limit(&self, wall: u64) -> Option<Limit> {
        let busy = |stage: Stage| self.stages[stage as usize].busy.load(Ordering::Relaxed);
        let crews = Crew::ALL.iter().map(|&crew| {
            let stages = || Stage::ALL.into_iter().filter(move |stage| stage.crew() == crew);
            let threads = self.crews[crew as usize].load(Ordering::Relaxed);
            (stages().map(busy).sum::<u64>(), threads, stages().max_by_key(|&stage| busy(stage)))
        });
        let share = |busy: u64, threads: usize| busy as f64 / threads as f64;
        let (all, threads, stage) =
            crews.filter(|&(all, ..)| all > 0).max_by(|a, b| share(a.0, a.1).total_cmp(&share(b.0, b.1)))?;
        let busy_threads = ((all as f64 / wall as f64).round() as usize).min(threads);
        Some(Limit { stage: stage?.name(), busy_threads, threads })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Figures of a run's time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileReport {
    /// From the start of the run to its end.
    pub seconds: f64,
    /// What held up everything else; `None` if nothing was done.
    pub limited_by: Option<Limit>,
    /// The stages that had something to do, in the order of the flow.
    pub stages: Vec<StageReport>,
    /// The queues between them.
    pub queues: Vec<QueueReport>,
}

/// The bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Its stage.
    pub stage: &'static str,
    /// How many of its threads were busy, on average over the run, with this stage or another of theirs.
    pub busy_threads: usize,
    /// How many threads it has.
    pub threads: usize,
}

/// Figures of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// Its name.
    pub stage: &'static str,
    /// Threads that do it; stages of the same threads share them.
    pub threads: usize,
    /// Time that they were busy with it, summed over the threads.
    pub busy_seconds: f64,
    /// How many of them were busy with it on average over the run.
    pub busy_threads: f64,
    /// Files, pictures or rows that went through.
    pub items: u64,
    /// Bytes that went through; 0 if bytes do not measure the work.
    pub bytes: u64,
}

/// Figures of one queue: full before the bottleneck, empty after it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct QueueReport {
    /// From which stage to which.
    pub queue: &'static str,
    /// What was left in it when something was taken out, on average.
    pub mean: f64,
    /// The maximum.
    pub maximum: usize,
    /// What it can hold.
    pub capacity: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A run of ten seconds in which stages were busy for this many seconds, all threads together.
    fn profile(busy: &[(Stage, u64)]) -> Profile {
        let profile = Profile::default();
        for (crew, threads) in
            [(Crew::Walkers, 4), (Crew::Readers, 4), (Crew::Workers, 16), (Crew::Finishers, 16)]
        {
            profile.crew(crew, threads);
        }
        for &(stage, seconds) in busy {
            let counters = &profile.stages[stage as usize];
            counters.busy.store(seconds * SECOND, Ordering::Relaxed);
            counters.items.store(1, Ordering::Relaxed);
        }
        profile.ended.store(10 * SECOND, Ordering::Relaxed);
        profile
    }

    #[test]
    fn the_bottleneck_is_the_crew_that_waited_least() {
        use Stage::{
            Digesting, EntropyDecoding, Hashing, PixelDecoding, Reading, Searching, Walking, Writing,
        };
        let limit = |busy: &[(Stage, u64)]| profile(busy).report().limited_by;
        // The workers are full, by three stages together; the largest of them gives its name.
        let decoding =
            [(Walking, 3), (Reading, 20), (Digesting, 30), (EntropyDecoding, 70), (PixelDecoding, 40)];
        assert_eq!(
            limit(&decoding),
            Some(Limit { stage: "entropy decoding", busy_threads: 14, threads: 16 })
        );
        // Fewer thread-seconds, and yet all that four threads have.
        assert_eq!(
            limit(&[(Reading, 39), (Digesting, 60), (EntropyDecoding, 50)]),
            Some(Limit { stage: "reading", busy_threads: 4, threads: 4 })
        );
        assert_eq!(
            limit(&[(Reading, 30), (Writing, 9), (Hashing, 20), (Searching, 30)]),
            Some(Limit { stage: "writing", busy_threads: 1, threads: 1 })
        );
        assert_eq!(limit(&[]), None);
    }

    #[test]
    fn what_was_timed_is_reported_and_what_was_not_is_left_out() {
        let profile = Profile::default();
        profile.crew(Crew::Finishers, 3);
        profile.start_on(Stage::Hashing, 3).stop(64, 0);
        profile.start(Stage::Reading).stop(2, 5000);
        profile.start(Stage::Reading).stop(1, 500);
        profile.saw(Queue::ToRead, 3, Some(8));
        profile.saw(Queue::ToRead, 0, Some(8));
        let report = profile.report();
        let stages: Vec<_> = report
            .stages
            .iter()
            .map(|stage| (stage.stage, stage.threads, stage.items, stage.bytes))
            .collect();
        assert_eq!(stages, [("reading", 1, 3, 5500), ("hashing", 3, 64, 0)]);
        let queue = QueueReport { queue: "walking to reading", mean: 1.5, maximum: 3, capacity: 8 };
        assert_eq!(report.queues, [queue]);
    }

    #[test]
    fn work_that_is_handed_out_counts_on_every_thread() {
        let profile = Profile::default();
        let watch = profile.start_on(Stage::Searching, 4);
        std::thread::sleep(Duration::from_millis(5));
        watch.stop(1, 0);
        assert!(profile.report().stages[0].busy_seconds >= 0.02);
    }
}
