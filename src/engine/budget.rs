//! Backpressure in bytes: how much memory the pictures in flight may take together.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A number of bytes that threads take from and give back. Requests are served in the order they come,
/// so that a large one is never starved by small ones.
#[derive(Debug)]
pub struct ByteBudget {
    total: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    available: u64,
    /// The ticket of the next request.
    next: u64,
    /// The ticket that is served now.
    serving: u64,
    /// The most that was taken at once.
    peak: u64,
}

/// Bytes that were taken; given back when dropped.
#[derive(Debug)]
pub struct Permit<'a> {
    budget: &'a ByteBudget,
    bytes: u64,
}

impl ByteBudget {
    /// A budget of `total` bytes.
    #[must_use]
    pub const fn new(total: u64) -> Self {
        let state = State { available: total, next: 0, serving: 0, peak: 0 };
        Self { total, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// All bytes, taken or not.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The most bytes that were taken at once.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.lock().peak
    }

    /// Waits until `bytes` are there and takes them; `None` where the budget could never give so many.
    #[must_use]
    pub fn take(&self, bytes: u64) -> Option<Permit<'_>> {
        if bytes > self.total {
            return None;
        }
        let mut state = self.lock();
        let ticket = state.next;
        state.next += 1;
        while state.serving != ticket || state.available < bytes {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.serving += 1;
        state.available -= bytes;
        state.peak = state.peak.max(self.total - state.available);
        drop(state);
        // The next in line may fit too.
        self.changed.notify_all();
        Some(Permit { budget: self, bytes })
    }

    /// A thread that panicked while holding the lock left whole numbers behind all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.budget.lock().available += self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    #[test]
    fn more_than_the_total_is_never_given() {
        let budget = ByteBudget::new(100);
        assert!(budget.take(101).is_none());
        let all = budget.take(100).unwrap();
        drop(all);
        assert_eq!(budget.peak(), 100);
    }

    #[test]
    fn what_is_taken_at_once_stays_within_the_total() {
        let budget = ByteBudget::new(1000);
        let taken = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (budget, taken) = (&budget, &taken);
                scope.spawn(move || {
                    for round in 0..500 {
                        let bytes = (thread * 131 + round * 17) % 1001;
                        let permit = budget.take(bytes).unwrap();
                        assert!(taken.fetch_add(bytes, Ordering::SeqCst) + bytes <= 1000);
                        taken.fetch_sub(bytes, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert!(budget.peak() <= 1000);
        assert_eq!(budget.lock().available, 1000);
    }
}
