//! The load engine: many small requests or large bodies, measured without measuring the client.
//!
//! The seam is [`run`]: a [`LoadSpec`] and a [`Program`] go in, a [`LoadResult`] comes out. Each worker is an OS thread with an event loop of
//! its own; its tasks send through connections that stay with it. Invariants: nothing retries; every request is admitted by and counted in
//! the link's meter; no lock, atomic or allocation belongs to a request; percentiles are taken from merged histograms; no fault point is in
//! here.

mod client;
mod content;
mod draw;
mod engine;
mod hashes;
mod host;
mod http;
pub mod knee;
mod ladder;
mod latency;
mod ledger;
mod meeting;
mod mix;
pub mod multipart;
mod null;
pub mod prefix;
mod progress;
mod reactor;
mod request;
mod s3;
pub mod schedule;
mod sign;
mod socket;
mod steady;
mod streaming;
mod usage;
mod worker;
pub mod zipf;

pub use client::{admit_descriptors, cores, memory_bytes};
pub use content::{Content, Extent, Stamping};
pub use engine::run;
pub use hashes::Hashes;
pub use host::HostUse;
pub use ladder::{Climb, Rung, RungKind, climb, fill};
pub use latency::Latencies;
pub use ledger::{Ledger, Sample, Tally};
pub use meeting::Meeting;
pub use mix::{Mix, MixSpec, Work};
pub use null::{NULL_SEED, NullServer};
pub use progress::{Glance, Progress};
pub use reactor::{Bell, Reactor, Task};
pub use request::{Answer, Failure, Request};
pub use steady::{Steady, mser5};
pub use worker::{Lane, Worker};

use std::sync::Arc;
use std::time::Duration;

use crate::model::ClientLoad;

/// What holds for a whole load, whatever its program sends.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    /// The bucket.
    pub bucket: String,
    /// What the objects hold.
    pub content: Arc<Content>,
    /// What signs and checks the bodies of writes.
    pub hashes: Arc<Hashes>,
    /// How the bodies of writes are signed.
    pub payload: crate::config::PayloadMode,
    /// What is done with bodies that are read and not compared.
    pub receive: Receive,
    /// Whether a connection carries more than one request.
    pub keep_alive: bool,
    /// Whether requests are signed. False is for a server that does not ask: a rung of the calibration.
    pub is_signed: bool,
    /// Connections in all.
    pub concurrency: u32,
    /// Time before the measurement.
    pub warm_up: Duration,
    /// Measured time; absent where the program ends by itself.
    pub duration: Option<Duration>,
}

impl LoadSpec {
    /// When the load ends, from its start.
    pub fn end(&self) -> Option<Duration> {
        self.duration.map(|duration| self.warm_up + duration)
    }
    /// The measured time that its records are laid out for.
    pub fn span(&self) -> Duration {
        self.duration.unwrap_or(Duration::from_secs(40))
    }
}

/// What is done with the bytes of a body that is read and not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Receive {
    /// They are copied into the client's memory, as every application does.
    #[default]
    Copy,
    /// The kernel throws them away uncopied where the connection is plain: the least that a client can do.
    Discard,
}

/// What the connections of a load do.
pub trait Program: Send + Sync {
    /// The tasks of one worker. Each opens its connections, calls [`Worker::start`] once, sends until it has nothing left or
    /// [`Worker::is_over`], and calls [`Worker::finish`] at its end.
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>>;
}

/// Why a load ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The run's budget does not allow more.
    Budget(String),
    /// Everything that was to be deleted is.
    UsedUp,
    /// Too much of a fill failed: it is not worth going on.
    Failing,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct LoadResult {
    /// Every request, merged over the workers.
    pub ledger: Ledger,
    /// Start of the measured time: the warm-up and what MSER-5 cut lie before it.
    pub from: Duration,
    /// End of the measured time.
    pub to: Duration,
    /// What MSER-5 found in the series after the fixed warm-up.
    pub steady: Steady,
    /// The client's own load.
    pub client_load: ClientLoad,
    /// CPU time of this process over `cpu_wall`.
    pub cpu: Duration,
    /// From the end of the warm-up to the end of the load.
    pub cpu_wall: Duration,
    /// What the client's machine went through, the warm-up included.
    pub host: HostUse,
    /// Why and when it ended early.
    pub stopped: Option<(Stop, Duration)>,
}

/// A load that could not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A worker could not be started.
    #[error("cannot start a load worker: {0}")]
    Worker(std::io::Error),
    /// More connections than the process may have file descriptors.
    #[error(
        "{wanted} connections need more file descriptors than this process may have ({allowed}): lower the concurrency or raise the limit (ulimit -n)"
    )]
    Descriptors {
        /// Connections, and what else is open.
        wanted: u64,
        /// The process's hard limit.
        allowed: u64,
    },
    /// The refresh command of the credentials failed.
    #[error("cannot get credentials: {0}")]
    Credentials(String),
}

/// Width of the buckets that latencies are kept in: a divisor of [`series_width`], so that about 40 buckets cover a cell.
pub fn bucket_width(duration: Duration) -> Duration {
    Duration::from_millis(match duration.as_millis() {
        0..2_000 => 25,
        2_000..5_000 => 50,
        5_000..40_000 => 200,
        // About as many again for each longer load: memory does not grow with its time.
        millis => (millis / 40).next_multiple_of(1000) as u64,
    })
}

/// Width of a point of the recorded series.
pub fn series_width(duration: Duration) -> Duration {
    if duration < Duration::from_secs(5) { Duration::from_millis(100) } else { bucket_width(duration).max(Duration::from_secs(1)) }
}

/// A seed of its own for each cell and repeat: FNV-1a over its name, mixed with the run's seed.
pub fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
