//! Tasks of all workers that wait for each other: a step begins when the last of them has come.
//!
//! The main type is [`Meeting`]. It is for the steps of a program (a checkpoint, a pass), not for its requests: it takes a lock and wakes
//! every task.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::reactor::Reactor;
use super::worker::Worker;

/// How often who waits looks whether the load was stopped.
const LOOK: Duration = Duration::from_millis(20);

/// A place where tasks meet again and again, until they leave.
#[derive(Debug)]
pub struct Meeting(Mutex<State>);

#[derive(Debug)]
struct State {
    parties: u32,
    steps: u64,
    arrived: u32,
    vote: bool,
    verdict: bool,
}

impl Meeting {
    /// A meeting of so many tasks.
    pub fn new(parties: u32) -> Self {
        Self(Mutex::new(State { parties, steps: 0, arrived: 0, vote: false, verdict: false }))
    }

    /// Waits until all parties that have not left have come, then tells all of them whether any has voted to end. Where the load is stopped
    /// it waits for nobody and says so too: a worker that failed would never come.
    pub async fn join(&self, worker: &Worker, ends: bool) -> bool {
        self.join_with(&worker.reactor, &worker.shared.wakers, || worker.is_stopped(), ends).await
    }

    /// As [`Meeting::join`], without a vote.
    pub async fn wait(&self, worker: &Worker) {
        self.join(worker, false).await;
    }

    /// Tells that a party does not come any more; who ends before the others must, or they wait for ever.
    pub fn leave(&self, worker: &Worker) {
        self.leave_with(&worker.shared.wakers);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn join_with(&self, reactor: &Reactor, wakers: &[OwnedFd], is_stopped: impl Fn() -> bool, ends: bool) -> bool {
        let step = {
            let mut state = self.state();
            let step = state.steps;
            state.arrived += 1;
            state.vote |= ends;
            state.go_on(wakers);
            step
        };
        let verdict = loop {
            {
                let state = self.state();
                // The next step cannot end before this task has come to it, so that the verdict is still this step's.
                if state.steps > step {
                    break state.verdict;
                }
            }
            if is_stopped() {
                break true;
            }
            reactor.limit(Some(Instant::now() + LOOK));
            reactor.park().await;
        };
        reactor.limit(None);
        verdict
    }

    fn leave_with(&self, wakers: &[OwnedFd]) {
        let mut state = self.state();
        state.parties = state.parties.saturating_sub(1);
        state.go_on(wakers);
    }
}

impl State {
    /// Begins the next step if all have come.
    fn go_on(&mut self, wakers: &[OwnedFd]) {
        if self.arrived == 0 || self.arrived < self.parties {
            return;
        }
        let is_alone = self.arrived == 1 && self.parties <= 1;
        (self.steps, self.arrived, self.verdict, self.vote) = (self.steps + 1, 0, self.vote, false);
        if !is_alone {
            for waker in wakers {
                // It fails only where the counter is full, after 2^64 steps.
                let _ = rustix::io::write(waker, &1u64.to_ne_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use rustix::event::{EventfdFlags, eventfd};

    use super::super::reactor::Task;
    use super::*;

    /// Runs three parties on two threads: each comes `rounds` times after a pause of its own, then leaves. How far they were apart at most.
    fn largest_gap(rounds: [u32; 3], pauses_us: [u64; 3]) -> u32 {
        let wakers: Vec<OwnedFd> = (0..2).map(|_| eventfd(0, EventfdFlags::NONBLOCK).unwrap()).collect();
        let (meeting, gap) = (Meeting::new(3), AtomicU32::new(0));
        let counts: [AtomicU32; 3] = Default::default();
        std::thread::scope(|scope| {
            for (thread, parties) in [vec![0, 1], vec![2]].into_iter().enumerate() {
                let (wakers, meeting, counts, gap) = (&wakers, &meeting, &counts, &gap);
                scope.spawn(move || {
                    let reactor = Reactor::new().unwrap();
                    reactor.watch_for_all(&wakers[thread]).unwrap();
                    let party = |number: usize| {
                        let reactor = &reactor;
                        Box::pin(async move {
                            for _ in 0..rounds[number] {
                                reactor.sleep_until(Instant::now() + Duration::from_micros(pauses_us[number])).await;
                                let own = counts[number].fetch_add(1, Ordering::SeqCst) + 1;
                                meeting.join_with(reactor, wakers, || false, false).await;
                                let others = counts.iter().zip(rounds).filter(|(_, rounds)| *rounds >= own);
                                let least = others.map(|(count, _)| count.load(Ordering::SeqCst)).min().unwrap();
                                gap.fetch_max(own.saturating_sub(least), Ordering::SeqCst);
                            }
                            meeting.leave_with(wakers);
                        }) as Task<'_>
                    };
                    reactor.run(parties.into_iter().map(party).collect(), |_| {}).unwrap();
                });
            }
        });
        gap.into_inner()
    }

    #[test]
    fn nobody_goes_on_before_all_have_come_on_whatever_thread_they_are() {
        assert_eq!(largest_gap([50, 50, 50], [0, 300, 900]), 0);
    }

    #[test]
    fn who_has_left_is_not_waited_for() {
        let begun = Instant::now();
        assert_eq!(largest_gap([50, 3, 20], [100, 100, 100]), 0);
        assert!(begun.elapsed() < Duration::from_secs(2), "woken, and not by the tick: {:?}", begun.elapsed());
    }

    #[test]
    fn a_vote_to_end_reaches_everybody_at_the_step_that_it_was_cast_in() {
        let wakers = [eventfd(0, EventfdFlags::NONBLOCK).unwrap()];
        let reactor = Reactor::new().unwrap();
        reactor.watch_for_all(&wakers[0]).unwrap();
        let (meeting, heard) = (Meeting::new(2), std::cell::RefCell::new(Vec::new()));
        let party = |votes: [bool; 3]| {
            let (meeting, heard, reactor, wakers) = (&meeting, &heard, &reactor, &wakers);
            Box::pin(async move {
                for vote in votes {
                    let verdict = meeting.join_with(reactor, wakers, || false, vote).await;
                    heard.borrow_mut().push(verdict);
                }
            }) as Task<'_>
        };
        reactor.run(vec![party([false, true, false]), party([false, false, false])], |_| {}).unwrap();
        assert_eq!(heard.into_inner(), [false, false, true, true, false, false]);
    }
}
