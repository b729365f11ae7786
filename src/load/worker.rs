//! A worker: one OS thread with its own event loop, its share of the connections, its own ledger.
//!
//! The main type is [`Worker`]: what a program's tasks send through. Nothing in it is shared with another thread while a load runs, but
//! the flag that ends it.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::bucket_width;
use super::client::{process_cpu, thread_cpu};
use super::engine::Shared;
use super::hashes::Sum;
use super::ledger::{Ledger, Sample};
use super::reactor::{Bell, Reactor};
use super::request::{Answer, Request};
use super::s3::{S3Lane, scratch};
use super::sign::Signer;
use super::usage::Counts;
use super::{Program, Stop};

/// Wait after a failed connection, so that a server that is down is not flooded.
const AFTER_FAILURE: Duration = Duration::from_millis(10);
/// How often the workers look whether all of them are ready.
const READY: Duration = Duration::from_micros(500);
/// How often a worker looks at its own lateness.
const LOOK: Duration = Duration::from_millis(5);

/// One thread of a load.
#[derive(Debug)]
pub struct Worker {
    /// What all workers share.
    pub(super) shared: Arc<Shared>,
    /// Which of the workers it is, from 0.
    pub index: u32,
    /// Its event loop.
    pub reactor: Reactor,
    pub(super) scratch: RefCell<Vec<u8>>,
    pub(super) signer: RefCell<Signer>,
    pub(super) ledger: RefCell<Ledger>,
    counts: RefCell<Counts>,
    epoch: Cell<Option<Instant>>,
    arrived: Cell<usize>,
    running: Cell<usize>,
    tasks: Cell<usize>,
    stopped: Cell<bool>,
    keys: Cell<u64>,
    readings: Cell<(Option<Reading>, Option<Reading>)>,
    started: Bell,
}

/// What one worker brings back. The CPU times are those of the measured time.
#[derive(Debug)]
pub(super) struct Report {
    pub ledger: Ledger,
    pub wall: Duration,
    pub process_cpu: Duration,
    pub thread_cpu: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    at: Duration,
    process: Duration,
    thread: Duration,
}

/// Runs worker `index` to the end of the load.
pub(super) fn run(shared: &Arc<Shared>, index: u32, program: &dyn Program) -> io::Result<Report> {
    let (generation, credentials) = shared.keys();
    let worker = Worker {
        shared: Arc::clone(shared),
        index,
        reactor: Reactor::new()?,
        scratch: scratch(),
        signer: RefCell::new(Signer::new(credentials, &shared.link.access.region)),
        ledger: RefCell::new(Ledger::new(bucket_width(shared.spec.span()))),
        counts: RefCell::default(),
        epoch: Cell::new(None),
        arrived: Cell::new(0),
        running: Cell::new(0),
        tasks: Cell::new(0),
        stopped: Cell::new(false),
        keys: Cell::new(generation),
        readings: Cell::default(),
        started: Bell::default(),
    };
    worker.reactor.watch_for_all(&shared.wakers[index as usize])?;
    let mut tasks = program.tasks(&worker);
    worker.tasks.set(tasks.len());
    worker.running.set(tasks.len());
    if tasks.is_empty() {
        shared.ready.fetch_add(1, Ordering::AcqRel);
    }
    tasks.push(Box::pin(worker.watch_over()));
    worker.reactor.run(tasks, |_| worker.tick())?;
    worker.tick();
    let readings = worker.readings.get();
    let (begin, end) = (readings.0.unwrap_or_default(), readings.1.unwrap_or_else(|| worker.reading()));
    Ok(Report {
        ledger: worker.ledger.take(),
        wall: end.at.saturating_sub(begin.at),
        process_cpu: end.process.saturating_sub(begin.process),
        thread_cpu: end.thread.saturating_sub(begin.thread),
    })
}

impl Worker {
    /// How many workers the load has.
    pub fn of(&self) -> u32 {
        self.shared.workers
    }
    /// A connection, not open yet.
    pub fn lane(&self) -> Lane {
        Lane { kind: Kind::S3(Box::new(S3Lane::new(self))), text: Vec::new() }
    }
    /// The connections of one slot of `concurrency`: together, all slots cover every address of the vendor.
    pub fn lanes(&self, concurrency: u32) -> Vec<Lane> {
        let count = self.shared.addresses.div_ceil(concurrency.max(1) as usize).max(1);
        (0..count).map(|_| self.lane()).collect()
    }
    /// Opens a connection; one that cannot be opened is tried again by its first request, and counted there.
    pub async fn open(&self, lane: &mut Lane) {
        match &mut lane.kind {
            Kind::S3(lane) => drop(lane.open(self).await),
        }
    }
    /// Waits until every task of every worker has called this: then the clock starts. Each task calls it once.
    pub async fn start(&self) {
        self.arrived.set(self.arrived.get() + 1);
        if self.arrived.get() == self.tasks.get() {
            self.shared.ready.fetch_add(1, Ordering::AcqRel);
            while self.shared.ready.load(Ordering::Acquire) < self.of() && !self.shared.is_stopped() {
                self.reactor.sleep_until(Instant::now() + READY).await;
            }
            self.epoch.set(Some(self.shared.start_clock()));
            self.started.ring(&self.reactor);
        }
        self.started.wait(&self.reactor, || self.epoch.get()).await;
    }
    /// Tells that a task is over; each calls it once, at its end.
    pub fn finish(&self) {
        self.running.set(self.running.get() - 1);
    }
    /// Time since the start of the load.
    pub fn elapsed(&self) -> Duration {
        self.epoch.get().map_or(Duration::ZERO, |epoch| epoch.elapsed())
    }
    /// A moment as time since the start of the load.
    pub fn since_start(&self, at: Instant) -> Duration {
        self.epoch.get().map_or(Duration::ZERO, |epoch| at.saturating_duration_since(epoch))
    }
    /// Waits until so long after the start of the load.
    pub async fn sleep_until(&self, due: Duration) {
        if let Some(epoch) = self.epoch.get() {
            self.reactor.sleep_until(epoch + due).await;
        }
    }
    /// When the load ends; never where its program ends by itself.
    pub fn end(&self) -> Duration {
        self.shared.spec.end().unwrap_or(Duration::MAX)
    }
    /// Time before the measurement.
    pub fn warm_up(&self) -> Duration {
        self.shared.spec.warm_up
    }
    /// Whether no further request may be started: the load was stopped, or its time is over.
    pub fn is_over(&self) -> bool {
        self.stopped.get() || self.shared.spec.end().is_some_and(|end| self.elapsed() >= end)
    }
    /// Whether the load was stopped before its time.
    pub fn is_stopped(&self) -> bool {
        self.stopped.get()
    }
    /// Ends the load early; the first reason stands.
    pub fn stop_early(&self, why: Stop) {
        self.stopped.set(true);
        self.shared.stop_early(why);
    }
    /// What the load's ledger is told beside samples.
    pub fn note(&self, note: impl FnOnce(&mut Ledger)) {
        note(&mut self.ledger.borrow_mut());
    }

    /// Sends one request, counts and records it; `due` is when it should have been sent. `None` when the budget is used up: the load stops.
    pub async fn perform(&self, lane: &mut Lane, request: &Request, due: Option<Duration>) -> Option<Answer> {
        let meter = &self.shared.link.meter;
        let (operation, upload) = (request.operation, request.upload());
        if self.shared.is_limited {
            match meter.enter_now(operation.camel(), upload) {
                Ok(wait) if wait.is_zero() => {}
                Ok(wait) => self.reactor.sleep_until(Instant::now() + wait).await,
                Err(exceeded) => {
                    self.stop_early(Stop::Budget(exceeded.to_string()));
                    return None;
                }
            }
        }
        let answer = match &mut lane.kind {
            Kind::S3(own) => own.exchange(self, request, &mut lane.text).await,
        };
        if answer.was_sent {
            let frees = if answer.is_ok() { request.frees } else { 0 };
            let is_stored = operation.writes_content() && (200..300).contains(&answer.status);
            if self.shared.is_limited {
                meter.count(operation.camel(), answer.status, upload, answer.download);
                if frees > 0 {
                    meter.released(frees);
                }
            } else {
                let stored = if is_stored { upload as i64 } else { 0 } - frees as i64;
                self.counts.borrow_mut().count(operation, answer.status, (upload, answer.download), stored);
            }
        }
        self.record(request, due, &answer);
        if !answer.was_sent {
            self.reactor.sleep_until(Instant::now() + AFTER_FAILURE).await;
        }
        Some(answer)
    }

    fn record(&self, request: &Request, due: Option<Duration>, answer: &Answer) {
        let start = self.since_start(answer.started);
        let mut ledger = self.ledger.borrow_mut();
        ledger.verified += u64::from(request.verify && answer.is_ok());
        ledger.record(&Sample {
            operation: request.operation,
            due: due.unwrap_or(start),
            start,
            first_byte: answer.first_byte.map(|at| self.since_start(at)),
            end: self.since_start(answer.ended),
            payload_bytes: answer.payload_bytes,
            failure: answer.failure,
        });
    }

    /// What signs and checks the body of a write.
    pub(super) fn sum(&self, request: &Request) -> Option<Sum> {
        let spec = &self.shared.spec;
        request.operation.writes_content().then(|| spec.hashes.sum(&spec.content, request.extent())).flatten()
    }

    /// Looks at what the rest of the process wants, and tells it what was sent.
    fn tick(&self) {
        let link = &self.shared.link;
        self.counts.borrow_mut().flush(&link.meter);
        if link.meter.is_closed() {
            self.shared.stop_early(Stop::Budget("the run was stopped".to_owned()));
        }
        self.stopped.set(self.shared.is_stopped());
        if self.shared.generation() != self.keys.get() {
            let (generation, credentials) = self.shared.keys();
            self.keys.set(generation);
            self.signer.borrow_mut().renew(credentials);
        }
        self.shared.show(self.index, &self.ledger.borrow());
    }

    fn reading(&self) -> Reading {
        Reading { at: self.elapsed(), process: process_cpu(), thread: thread_cpu() }
    }

    /// Reads the clocks at both ends of the measured time and records how late this worker's loop wakes up in between.
    async fn watch_over(&self) {
        self.started.wait(&self.reactor, || self.epoch.get().map(drop).or_else(|| (self.running.get() == 0).then_some(()))).await;
        self.sleep_until(self.shared.spec.warm_up).await;
        let begin = self.reading();
        self.readings.set((Some(begin), None));
        while self.running.get() > 0 && !self.is_over() {
            let due = self.elapsed() + LOOK;
            self.sleep_until(due).await;
            self.ledger.borrow_mut().loop_lag.record(self.elapsed().saturating_sub(due));
        }
        self.readings.set((Some(begin), Some(self.reading())));
    }
}

/// One connection that a task sends through.
#[derive(Debug)]
pub struct Lane {
    kind: Kind,
    text: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    S3(Box<S3Lane>),
}

impl Lane {
    /// What the last answer carried as text: a listing, an XML answer or an error.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
    /// The last answer's ETag, quotes included.
    pub fn etag(&self) -> &str {
        match &self.kind {
            Kind::S3(lane) => lane.etag(),
        }
    }
    /// Tells what went over it to the book of addresses; call it when it is not used any more.
    pub fn settle(&mut self, worker: &Worker) {
        match &mut self.kind {
            Kind::S3(lane) => lane.settle(worker),
        }
    }
}
