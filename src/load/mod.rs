//! The load engine: many small requests or large bodies, measured without measuring the client.
//!
//! The seam is [`run`]: a [`LoadSpec`] goes in, a [`LoadResult`] comes out. Workers are current-thread runtimes on their own OS
//! threads; each drives its share of the connections with a lean HTTP/1.1 path of its own over the wire's dialer and signatures.
//! Invariants: nothing retries; every request is admitted by and counted in the link's meter; percentiles are taken from merged
//! histograms; no fault point is in here.

mod client;
mod connection;
mod content;
mod draw;
mod engine;
mod latency;
mod ledger;
pub mod prefix;
pub mod schedule;
mod sign;
mod steady;
mod timer;
mod worker;
pub mod zipf;

pub use client::cores;
pub use content::Bodies;
pub use engine::run;
pub use latency::Latencies;
pub use ledger::{Ledger, Sample, Tally};
pub use steady::{Steady, mser5};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{LoopKind, MixEntry, PayloadMode};
use crate::model::ClientLoad;

/// What to send.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    /// The bucket.
    pub bucket: String,
    /// Every key starts with this; plain ASCII without characters that a URL encodes.
    pub prefix: String,
    /// What is done with the objects.
    pub work: Work,
    /// The objects' bodies.
    pub bodies: Arc<Bodies>,
    /// How many objects are read, and how many each load keeps written at most.
    pub objects: u64,
    /// Numbers of the objects of the set `write` that exist already.
    pub existing: Arc<BTreeSet<u64>>,
    /// Requests in flight at most.
    pub concurrency: u32,
    /// Closed or open loop.
    pub load_loop: LoopKind,
    /// What PUT sends.
    pub payload: PayloadMode,
    /// Share of the reads that are compared byte for byte, 0 to 1; the first read of each connection always is.
    pub verify_share: f64,
    /// Time before the measurement.
    pub warm_up: Duration,
    /// Measured time.
    pub duration: Duration,
    /// What is drawn depends on this alone.
    pub seed: u64,
}

impl LoadSpec {
    /// Key of an object: `set` is `read`, `delete` or `write`.
    pub fn key(&self, set: &str, number: u64) -> String {
        format!("{}{set}/{number:08}", self.prefix)
    }
}

/// What is done with the objects.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Write each of these objects of a set once, then end.
    Fill {
        /// `read` or `delete`.
        set: &'static str,
        /// Which.
        numbers: Vec<u64>,
    },
    /// Draw operations by their shares until the time is over.
    Mix {
        /// The operations.
        mix: Vec<MixEntry>,
        /// Deletions take the objects of the set `delete` and end the load when these are used up.
        doomed: bool,
    },
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
    /// Why and when it ended early.
    pub stopped: Option<(Stop, Duration)>,
}

/// A load that could not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A worker could not be started.
    #[error("cannot start a load worker: {0}")]
    Worker(std::io::Error),
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
        _ => 1000,
    })
}

/// Width of a point of the recorded series.
pub fn series_width(duration: Duration) -> Duration {
    Duration::from_millis(if duration < Duration::from_secs(5) { 100 } else { 1000 })
}
