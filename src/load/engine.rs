//! Starts the workers, waits for them, and puts their ledgers together.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::client::{Observed, cores};
use super::worker::{self, Report};
use super::{Ledger, LoadError, LoadResult, LoadSpec, Steady, Stop, Work, bucket_width, mser5};
use crate::wire::{Account, Credentials, Link};

/// What all workers of a load share. Nothing in it is written to for each request.
#[derive(Debug)]
pub(super) struct Shared {
    pub link: Link,
    pub spec: Arc<LoadSpec>,
    pub credentials: Credentials,
    pub workers: u32,
    /// How many addresses the vendor has.
    pub addresses: usize,
    epoch: OnceLock<Instant>,
    ready: AtomicU32,
    stop: AtomicBool,
    stopped: Mutex<Option<(Stop, Duration)>>,
}

impl Shared {
    /// The end of a mix, from the start of the load; a fill has none.
    pub fn end(&self) -> Option<Duration> {
        matches!(self.spec.work, Work::Mix { .. }).then_some(self.spec.warm_up + self.spec.duration)
    }
    /// Time since the start of the load.
    pub fn elapsed(&self) -> Duration {
        self.epoch.get().map_or(Duration::ZERO, Instant::elapsed)
    }
    /// Waits until every worker has opened its connections: then the load starts for all of them.
    pub async fn start_together(&self) {
        self.ready.fetch_add(1, Ordering::AcqRel);
        while self.ready.load(Ordering::Acquire) < self.workers && !self.is_stopped() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.epoch.get_or_init(Instant::now);
    }
    /// Whether no further request may be started.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
    /// Ends the load early; the first reason stands.
    pub fn stop_early(&self, why: Stop) {
        let at = self.elapsed();
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((why, at));
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Ends the workers when the caller is gone.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Runs a load to its end and waits for every request in flight.
///
/// # Errors
/// When it cannot start. A vendor that does not answer is no error here: the ledger holds its failures.
pub async fn run(link: &Link, spec: &LoadSpec) -> Result<LoadResult, LoadError> {
    let credentials = link.access.current(Account::First).await.map_err(LoadError::Credentials)?;
    let credentials = credentials.unwrap_or_else(|| link.access.credentials.clone());
    let shared = Arc::new(Shared {
        link: link.clone(),
        spec: Arc::new(spec.clone()),
        credentials,
        workers: cores().min(spec.concurrency),
        addresses: addresses(link).await,
        epoch: OnceLock::new(),
        ready: AtomicU32::new(0),
        stop: AtomicBool::new(false),
        stopped: Mutex::new(None),
    });
    let _guard = StopOnDrop(Arc::clone(&shared));
    let mut threads = Vec::new();
    for index in 0..shared.workers {
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(format!("load-{index}")).spawn(move || worker::run(&own, index));
        threads.push(thread.map_err(LoadError::Worker)?);
    }
    let joined = tokio::task::spawn_blocking(move || threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()).await;
    let mut reports = Vec::new();
    for joined in joined.map_err(|error| LoadError::Worker(std::io::Error::other(error)))? {
        let report = joined.map_err(|_| LoadError::Worker(std::io::Error::other("a load worker panicked")))?;
        reports.push(report.map_err(LoadError::Worker)?);
    }
    Ok(conclude(&shared, &reports))
}

/// Resolves every endpoint; one that cannot be resolved counts as one address, which the requests to it will show.
async fn addresses(link: &Link) -> usize {
    let endpoints = if link.access.dial_to.is_some() { 1 } else { link.access.endpoints.len() };
    let mut count = 0;
    for endpoint in 0..endpoints {
        count += link.net.book.addresses(endpoint).await.map_or(1, |addresses| addresses.len());
    }
    count
}

fn conclude(shared: &Shared, reports: &[Report]) -> LoadResult {
    let spec = &shared.spec;
    let mut ledger = Ledger::new(bucket_width(spec.duration));
    reports.iter().for_each(|report| ledger.merge(&report.ledger));
    let stopped = shared.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let planned_end = shared.end().unwrap_or_else(|| shared.elapsed());
    let to = stopped.as_ref().map_or(planned_end, |(_, at)| planned_end.min(*at));
    let steady = mser5(&rates(&ledger, spec.warm_up, to));
    let cut = if let Steady::After(buckets) = steady { ledger.bucket() * buckets as u32 } else { Duration::ZERO };
    let from = (spec.warm_up + cut).min(to);
    let observed = Observed {
        wall: reports.iter().map(|report| report.wall).max().unwrap_or_default(),
        process: reports.iter().map(|report| report.process_cpu).max().unwrap_or_default(),
        busiest_thread: reports.iter().map(|report| report.thread_cpu).max().unwrap_or_default(),
        cores: cores(),
        loop_lag: ledger.loop_lag.clone(),
        schedule_lag: ledger.schedule_lag.clone(),
        latency_ms_p50: ledger.window_of_all(from, to).response.quantile_ms(0.5),
    };
    LoadResult { from, to, steady, client_load: observed.judge(), stopped, ledger }
}

/// What each bucket achieved: bytes where any moved, else requests.
fn rates(ledger: &Ledger, from: Duration, to: Duration) -> Vec<f64> {
    let moves_bytes = ledger.window_of_all(from, to).payload_bytes > 0.0;
    let width = ledger.bucket();
    let mut rates = Vec::new();
    let mut start = from;
    while start + width <= to {
        let tally = ledger.window_of_all(start, start + width);
        rates.push(if moves_bytes { tally.payload_bytes } else { tally.ok as f64 });
        start += width;
    }
    rates
}
