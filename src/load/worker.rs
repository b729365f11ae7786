//! A worker: one OS thread with its own runtime, its share of the connections, its own ledger.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};

use super::bucket_width;
use super::client::{process_cpu, thread_cpu};
use super::connection::{Answer, Lane, Messenger};
use super::draw::{Draw, Planned};
use super::engine::Shared;
use super::ledger::{Ledger, Sample};
use super::schedule::{Arrivals, Schedule, Share};
use super::timer::Timer;
use super::{Stop, Work};
use crate::config::LoopKind;

/// A start that is later than this counts as late.
const LATE: Duration = Duration::from_millis(1);
/// How often a worker looks at its own lateness.
const LOOK: Duration = Duration::from_millis(5);
/// Wait after a failed connection, so that a server that is down is not flooded.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// A fill is given up when so many of its writes fail, and a quarter of the objects.
const FAILING: u64 = 8;

/// What one worker brings back. The CPU times are those of the measured time.
#[derive(Debug)]
pub(super) struct Report {
    pub ledger: Ledger,
    pub wall: Duration,
    pub process_cpu: Duration,
    pub thread_cpu: Duration,
}

/// What the connections of one worker share.
struct Desk {
    shared: Arc<Shared>,
    messenger: Messenger,
    ledger: RefCell<Ledger>,
    arrivals: Option<RefCell<Schedule>>,
}

/// Runs worker `index` to the end of the load.
pub(super) fn run(shared: &Arc<Shared>, index: u32) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work(shared, index))
}

async fn work(shared: &Arc<Shared>, index: u32) -> io::Result<Report> {
    let spec = &shared.spec;
    let arrivals = match spec.load_loop {
        LoopKind::Closed => None,
        LoopKind::Open { rate_per_s } => {
            let share = Share { worker: index, workers: shared.workers };
            Some(RefCell::new(Schedule::new(Arrivals::Poisson, rate_per_s, spec.seed, share)))
        }
    };
    let ledger = RefCell::new(Ledger::new(bucket_width(spec.duration)));
    let desk = Rc::new(Desk { messenger: Messenger::new(shared), ledger, arrivals, shared: Arc::clone(shared) });
    let mut opening = JoinSet::new();
    for number in (index..spec.concurrency).step_by(shared.workers as usize) {
        let slot = Slot::new(Rc::clone(&desk), number)?;
        opening.spawn_local(slot.open());
    }
    let slots = opening.join_all().await;
    shared.start_together().await;
    let mut running = JoinSet::new();
    slots.into_iter().for_each(|slot| drop(running.spawn_local(slot.run())));
    let watch = Rc::new(RefCell::new(Watch::default()));
    let watching = tokio::task::spawn_local(watch_over(Rc::clone(&desk), Timer::new()?, Rc::clone(&watch)));
    while let Some(done) = running.join_next().await {
        done.map_err(io::Error::other)?;
    }
    watching.abort();
    let watch = watch.borrow();
    let (begin, end) = (watch.begin.unwrap_or_default(), watch.end.unwrap_or_else(|| Reading::now(shared)));
    Ok(Report {
        ledger: desk.ledger.take(),
        wall: end.at.saturating_sub(begin.at),
        process_cpu: end.process.saturating_sub(begin.process),
        thread_cpu: end.thread.saturating_sub(begin.thread),
    })
}

#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    at: Duration,
    process: Duration,
    thread: Duration,
}

impl Reading {
    fn now(shared: &Shared) -> Self {
        Self { at: shared.elapsed(), process: process_cpu(), thread: thread_cpu() }
    }
}

#[derive(Debug, Default)]
struct Watch {
    begin: Option<Reading>,
    end: Option<Reading>,
}

/// Reads the clocks at both ends of the measured time and records how late this worker's loop wakes up in between.
async fn watch_over(desk: Rc<Desk>, timer: Timer, watch: Rc<RefCell<Watch>>) {
    let shared = &desk.shared;
    timer.sleep(shared.spec.warm_up.saturating_sub(shared.elapsed())).await;
    watch.borrow_mut().begin = Some(Reading::now(shared));
    while shared.end().is_none_or(|end| shared.elapsed() < end) && !shared.is_stopped() {
        let due = shared.elapsed() + LOOK;
        timer.sleep(LOOK).await;
        desk.ledger.borrow_mut().loop_lag.record(shared.elapsed().saturating_sub(due));
    }
    watch.borrow_mut().end = Some(Reading::now(shared));
}

/// One request in flight at a time, over its own connections.
struct Slot {
    desk: Rc<Desk>,
    draw: Draw,
    lanes: Vec<Lane>,
    turn: usize,
    timer: Timer,
}

impl Slot {
    fn new(desk: Rc<Desk>, number: u32) -> io::Result<Self> {
        let draw = Draw::new(Arc::clone(&desk.shared.spec), u64::from(number));
        let lanes = desk.messenger.lanes();
        Ok(Self { desk, draw, lanes, turn: 0, timer: Timer::new()? })
    }

    /// Opens the connections; one that cannot be opened is tried again by its first request, and counted there.
    async fn open(mut self) -> Self {
        for lane in &mut self.lanes {
            self.desk.messenger.open(lane).await;
        }
        self
    }

    async fn run(mut self) {
        self.drive().await;
        if matches!(self.desk.shared.spec.work, Work::Mix { doomed: false, .. }) {
            self.desk.ledger.borrow_mut().left.extend(self.draw.left());
        }
    }

    async fn drive(&mut self) {
        while let Some(due) = self.next_due().await {
            let Some(planned) = self.draw.next() else {
                // A fill is done when all its slots are; a mix that has nothing left ends for all, so that concurrency stays what it says.
                if matches!(self.desk.shared.spec.work, Work::Mix { .. }) {
                    self.desk.shared.stop_early(Stop::UsedUp);
                }
                return;
            };
            if !self.send(&planned, due).await {
                return;
            }
        }
    }

    /// Waits until the next request is due. `None` when the load is over.
    async fn next_due(&mut self) -> Option<Option<Duration>> {
        let desk = Rc::clone(&self.desk);
        let end = desk.shared.end().unwrap_or(Duration::MAX);
        let Some(arrivals) = &desk.arrivals else {
            return (!desk.shared.is_stopped() && desk.shared.elapsed() < end).then_some(None);
        };
        loop {
            let due = arrivals.borrow_mut().next().filter(|due| *due < end)?;
            let early = due.saturating_sub(desk.shared.elapsed());
            if !early.is_zero() {
                self.timer.sleep(early).await;
            }
            if desk.shared.is_stopped() {
                return None;
            }
            let now = desk.shared.elapsed();
            let mut ledger = desk.ledger.borrow_mut();
            if now >= end {
                ledger.dropped += 1;
                continue;
            }
            let lag = now.saturating_sub(due);
            if early.is_zero() {
                ledger.late += u64::from(lag > LATE);
            } else if due >= desk.shared.spec.warm_up {
                ledger.schedule_lag.record(lag);
            }
            return Some(Some(due));
        }
    }

    /// Sends one request and records it. False when the budget is used up.
    async fn send(&mut self, planned: &Planned, due: Option<Duration>) -> bool {
        let desk = Rc::clone(&self.desk);
        let (operation, upload) = (planned.operation.camel(), desk.messenger.upload(planned));
        if let Err(exceeded) = desk.shared.link.meter.admit(operation, upload).await {
            desk.shared.stop_early(Stop::Budget(exceeded.to_string()));
            return false;
        }
        self.turn = (self.turn + 1) % self.lanes.len();
        let answer = desk.messenger.exchange(&mut self.lanes[self.turn], planned).await;
        if answer.was_sent {
            desk.shared.link.meter.count(operation, answer.status, upload, answer.download);
        }
        if answer.failure.is_none() && planned.frees {
            desk.shared.link.meter.released(desk.shared.spec.bodies.size());
        }
        self.draw.done(planned, answer.failure.is_none());
        self.record(planned, due, &answer);
        if !answer.was_sent {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        true
    }

    fn record(&self, planned: &Planned, due: Option<Duration>, answer: &Answer) {
        let since = |at: std::time::Instant| self.desk.shared.elapsed().saturating_sub(at.elapsed());
        let start = since(answer.started);
        let mut ledger = self.desk.ledger.borrow_mut();
        ledger.verified += u64::from(planned.verify && answer.failure.is_none());
        if answer.failure.is_some() && matches!(self.desk.shared.spec.work, Work::Fill { .. }) {
            ledger.unwritten.push(planned.body);
            if ledger.unwritten.len() as u64 > FAILING + self.desk.shared.spec.objects / 4 {
                self.desk.shared.stop_early(Stop::Failing);
            }
        }
        ledger.record(&Sample {
            operation: planned.operation,
            due: due.unwrap_or(start),
            start,
            first_byte: answer.first_byte.map(since),
            end: since(answer.ended),
            payload_bytes: answer.payload_bytes,
            failure: answer.failure.clone(),
        });
    }
}
