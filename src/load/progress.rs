//! How a load goes while it runs, for a live display.
//!
//! The main type is [`Progress`]: the workers show their counts about fifty times a second, a reader looks when it likes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::ledger::Ledger;

/// What a load has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Glance {
    /// Time since its start.
    pub elapsed: Duration,
    /// Requests that succeeded.
    pub ok: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Object bytes moved.
    pub payload_bytes: u64,
}

/// What the workers of a load have done so far.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Vec<Glance>>);

impl Progress {
    /// Shows what one worker has done.
    pub(super) fn show(&self, worker: usize, elapsed: Duration, ledger: &Ledger) {
        let mut glances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if glances.len() <= worker {
            glances.resize(worker + 1, Glance::default());
        }
        let sum = ledger.sums();
        glances[worker] = Glance { elapsed, ok: sum.0, failed: sum.1, payload_bytes: sum.2 };
    }
    /// Forgets an earlier load.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    /// All workers together.
    pub fn glance(&self) -> Glance {
        let glances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        glances.iter().fold(Glance::default(), |sum, one| Glance {
            elapsed: sum.elapsed.max(one.elapsed),
            ok: sum.ok + one.ok,
            failed: sum.failed + one.failed,
            payload_bytes: sum.payload_bytes + one.payload_bytes,
        })
    }
}
