//! Tasks of all workers that wait for each other: a step begins when the last of them has come.
//!
//! The main type is [`Meeting`]. It is for the steps of a program (a checkpoint, a pass), not for its requests: it takes a lock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::worker::Worker;

/// How often who waits looks whether the load was stopped.
const LOOK: Duration = Duration::from_millis(20);

/// A place where a fixed number of tasks meet again and again.
#[derive(Debug)]
pub struct Meeting {
    parties: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: u64,
    arrived: u32,
    vote: bool,
    verdict: bool,
}

impl Meeting {
    /// A meeting of so many tasks.
    pub fn new(parties: u32) -> Self {
        Self { parties, state: Mutex::default() }
    }
    /// Waits until all parties have come, then tells all of them whether any has voted to end. Where the load is stopped it waits for
    /// nobody and says so too: a worker that failed would never come.
    pub async fn join(&self, worker: &Worker, ends: bool) -> bool {
        let step = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.arrived += 1;
            state.vote |= ends;
            if state.arrived == self.parties {
                *state = State { steps: state.steps + 1, arrived: 0, vote: false, verdict: state.vote };
                worker.wake_all();
                return state.verdict;
            }
            state.steps
        };
        let verdict = loop {
            worker.reactor.limit(Some(Instant::now() + LOOK));
            worker.reactor.park().await;
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            // The next step cannot end before this task has come to it, so that the verdict is still this step's.
            if state.steps > step {
                break state.verdict;
            }
            if worker.is_stopped() {
                break true;
            }
        };
        worker.reactor.limit(None);
        verdict
    }
}
