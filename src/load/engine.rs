//! Starting the workers together, stopping them together, merging what they bring back.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::client::{Observed, admit_descriptors, cores};
use super::host::{HostReading, HostUse};
use super::ledger::Ledger;
use super::steady::{Steady, mser5};
use super::worker::{self, Report};
use super::{LoadError, LoadResult, LoadSpec, Program, Progress, Stop, bucket_width};
use crate::wire::{Account, Credentials, Link};

/// How often names are resolved and keys asked for anew while a load runs.
const RENEW: Duration = Duration::from_secs(20);

/// What all workers of a load share.
#[derive(Debug)]
pub(super) struct Shared {
    pub link: Link,
    pub spec: LoadSpec,
    pub workers: u32,
    /// How many addresses the vendor has.
    pub addresses: usize,
    /// Whether each request has to be asked for.
    pub is_limited: bool,
    pub ready: AtomicU32,
    /// Wake the workers' tasks from other threads.
    pub wakers: Vec<OwnedFd>,
    credentials: Mutex<Credentials>,
    generation: AtomicU64,
    epoch: OnceLock<Instant>,
    stop: AtomicBool,
    stopped: Mutex<Option<(Stop, Duration)>>,
    progress: Option<Arc<Progress>>,
}

impl Shared {
    async fn new(link: &Link, spec: &LoadSpec, workers: u32, progress: Option<Arc<Progress>>) -> Result<Self, LoadError> {
        let credentials = link.access.current(Account::First).await.map_err(LoadError::Credentials)?;
        let wakers =
            (0..workers).map(|_| eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).map_err(|error| LoadError::Worker(error.into())));
        Ok(Self {
            link: link.clone(),
            spec: spec.clone(),
            workers,
            addresses: resolve(link).await,
            is_limited: !link.meter.is_unlimited(),
            ready: AtomicU32::new(0),
            wakers: wakers.collect::<Result<_, _>>()?,
            credentials: Mutex::new(credentials.unwrap_or_else(|| link.access.credentials.clone())),
            generation: AtomicU64::new(0),
            epoch: OnceLock::new(),
            stop: AtomicBool::new(false),
            stopped: Mutex::new(None),
            progress,
        })
    }
    /// Time since the start of the load.
    fn elapsed(&self) -> Duration {
        self.epoch.get().map_or(Duration::ZERO, Instant::elapsed)
    }
    /// The moment at which the load starts for all workers: the first caller's.
    pub fn start_clock(&self) -> Instant {
        *self.epoch.get_or_init(Instant::now)
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
    /// How often the keys have changed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
    /// The keys, and how often they have changed.
    pub fn keys(&self) -> (u64, Credentials) {
        let credentials = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        (self.generation(), credentials.clone())
    }
    fn renew(&self, fresh: Credentials) {
        let mut credentials = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        if *credentials != fresh {
            *credentials = fresh;
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// Shows a worker's ledger to who watches the load.
    pub fn show(&self, worker: u32, ledger: &Ledger) {
        if let Some(progress) = &self.progress {
            progress.show(worker as usize, self.elapsed(), ledger);
        }
    }
}

/// Ends the workers when the caller is gone.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Runs a program to its end and waits for every request in flight. `progress` is told how it goes.
///
/// # Errors
/// When it cannot start. A vendor that does not answer is no error here: the ledger holds its failures.
pub async fn run(link: &Link, spec: &LoadSpec, program: Arc<dyn Program>, progress: Option<Arc<Progress>>) -> Result<LoadResult, LoadError> {
    admit_descriptors(spec.concurrency)?;
    let workers = cores().min(spec.concurrency).max(1);
    let before = HostReading::now();
    let shared = Arc::new(Shared::new(link, spec, workers, progress).await?);
    let _guard = StopOnDrop(Arc::clone(&shared));
    let mut threads = Vec::new();
    for index in 0..workers {
        let (own, program) = (Arc::clone(&shared), Arc::clone(&program));
        let body = move || {
            let report = worker::run(&own, index, program.as_ref());
            if report.is_err() {
                // The others must not wait for it.
                own.stop.store(true, Ordering::Relaxed);
            }
            report
        };
        let thread = std::thread::Builder::new().name(format!("load-{index}")).spawn(body);
        threads.push(thread.map_err(LoadError::Worker)?);
    }
    let joining = tokio::task::spawn_blocking(move || threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>());
    let joined = tokio::select! {
        joined = joining => joined,
        never = renew(&shared) => match never {},
    };
    let mut reports = Vec::new();
    for joined in joined.map_err(|error| LoadError::Worker(std::io::Error::other(error)))? {
        let report = joined.map_err(|_| LoadError::Worker(std::io::Error::other("a load worker panicked")))?;
        reports.push(report.map_err(LoadError::Worker)?);
    }
    Ok(conclude(&shared, &reports, HostReading::now().since(&before)))
}

/// Resolves every endpoint; one that cannot be resolved counts as one address, which the requests to it will show.
async fn resolve(link: &Link) -> usize {
    let mut count = 0;
    for endpoint in 0..link.net.book.len() {
        count += link.net.book.addresses(endpoint).await.map_or(1, |addresses| addresses.len());
    }
    count
}

/// Keeps addresses and keys fresh for as long as the load runs.
async fn renew(shared: &Shared) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(RENEW).await;
        resolve(&shared.link).await;
        // Where the refresh command fails, the old keys are used on: the vendor's answers will show it.
        if let Ok(Some(fresh)) = shared.link.access.current(Account::First).await {
            shared.renew(fresh);
        }
    }
}

fn conclude(shared: &Shared, reports: &[Report], host: HostUse) -> LoadResult {
    let spec = &shared.spec;
    let mut ledger = Ledger::new(bucket_width(spec.span()));
    reports.iter().for_each(|report| ledger.merge(&report.ledger));
    let stopped = shared.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let planned_end = spec.end().unwrap_or_else(|| shared.elapsed());
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
        host: host.clone(),
    };
    let cpu = (observed.process, observed.wall);
    LoadResult { from, to, steady, client_load: observed.judge(), cpu: cpu.0, cpu_wall: cpu.1, host, stopped, ledger }
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
