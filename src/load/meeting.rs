//! A barrier between tasks of any workers: nobody goes on before all have come.
//!
//! The main type is [`Meeting`]. It is for what happens once a step, not once a request: it takes a lock and wakes every task.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::reactor::Reactor;
use super::worker::Worker;

/// A barrier that its parties come to again and again, until they leave.
#[derive(Debug)]
pub struct Meeting {
    round: AtomicU64,
    parties: Mutex<Parties>,
}

#[derive(Debug)]
struct Parties {
    expected: u32,
    arrived: u32,
}

impl Meeting {
    /// Of so many parties.
    pub fn new(parties: u32) -> Self {
        Self { round: AtomicU64::new(0), parties: Mutex::new(Parties { expected: parties, arrived: 0 }) }
    }

    /// Waits until every party that has not left has come.
    pub async fn wait(&self, worker: &Worker) {
        self.wait_with(&worker.reactor, &worker.shared.wakers).await;
    }

    /// Tells that a party does not come any more; each does at its end, or the others wait for ever.
    pub fn leave(&self, worker: &Worker) {
        self.leave_with(&worker.shared.wakers);
    }

    async fn wait_with(&self, reactor: &Reactor, wakers: &[OwnedFd]) {
        let round = {
            let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
            parties.arrived += 1;
            let round = self.round.load(Ordering::Acquire);
            self.go_on(&mut parties, wakers);
            round
        };
        while self.round.load(Ordering::Acquire) == round {
            reactor.park().await;
        }
    }

    fn leave_with(&self, wakers: &[OwnedFd]) {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        parties.expected = parties.expected.saturating_sub(1);
        self.go_on(&mut parties, wakers);
    }

    /// Begins the next round if all have come.
    fn go_on(&self, parties: &mut Parties, wakers: &[OwnedFd]) {
        if parties.arrived == 0 || parties.arrived < parties.expected {
            return;
        }
        let is_alone = parties.arrived == 1 && parties.expected == 1;
        parties.arrived = 0;
        self.round.fetch_add(1, Ordering::AcqRel);
        if !is_alone {
            for waker in wakers {
                // It fails only where the counter is full, after 2^64 rounds.
                let _ = rustix::io::write(waker, &1u64.to_ne_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
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
                                meeting.wait_with(reactor, wakers).await;
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
}
