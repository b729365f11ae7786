//! What was measured: per operation and bucket of time, merged over the workers at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::latency::Latencies;
use super::request::Failure;
use crate::config::Operation;

/// One request as the client saw it. Times count from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The operation.
    pub operation: Operation,
    /// When it was due: in a closed loop, when it was started.
    pub due: Duration,
    /// When it was started.
    pub start: Duration,
    /// When the head of the answer was there.
    pub first_byte: Option<Duration>,
    /// When the answer was complete, or the failure known.
    pub end: Duration,
    /// Object bytes moved.
    pub payload_bytes: u64,
    /// How it failed.
    pub failure: Option<Failure>,
}

/// Counts and latencies of an operation in a span of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Requests that succeeded.
    pub ok: u64,
    /// Failed requests by class.
    pub errors: BTreeMap<Failure, u64>,
    /// Object bytes moved by requests that succeeded, each spread evenly over its duration.
    pub payload_bytes: f64,
    /// Start to end of all requests together, failed ones included.
    pub busy_s: f64,
    /// Start to end, of requests that succeeded.
    pub service: Latencies,
    /// Due to end, of requests that succeeded.
    pub response: Latencies,
    /// Start to the head of the answer, of requests that succeeded.
    pub first_byte: Latencies,
}

impl Tally {
    /// Adds another tally.
    pub fn merge(&mut self, other: &Tally) {
        self.ok += other.ok;
        for (class, count) in &other.errors {
            *self.errors.entry(*class).or_default() += count;
        }
        self.payload_bytes += other.payload_bytes;
        self.busy_s += other.busy_s;
        self.service.merge(&other.service);
        self.response.merge(&other.response);
        self.first_byte.merge(&other.first_byte);
    }
    /// Failed requests of all classes.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Everything that one worker recorded, or all of them together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    bucket: Duration,
    sums: (u64, u64, u64),
    operations: BTreeMap<Operation, Vec<Tally>>,
    /// Requests of an open loop that were due while all connections were busy and started more than 1 ms late.
    pub late: u64,
    /// Requests of an open loop that were due but never started before the load ended.
    pub dropped: u64,
    /// Reads that were compared byte for byte.
    pub verified: u64,
    /// How late idle workers started requests of an open loop: the client's own fault.
    pub schedule_lag: Latencies,
    /// How late the workers' event loops woke up.
    pub loop_lag: Latencies,
    /// Numbers of objects that a fill could not write.
    pub unwritten: Vec<u64>,
    /// Numbers of the objects of the set `write` that exist at the end.
    pub left: BTreeSet<u64>,
}

impl Ledger {
    /// An empty ledger with buckets of this width.
    pub fn new(bucket: Duration) -> Self {
        Self { bucket, ..Self::default() }
    }
    /// Width of a bucket.
    pub fn bucket(&self) -> Duration {
        self.bucket
    }
    fn index(&self, at: Duration) -> usize {
        usize::try_from(at.as_nanos() / self.bucket.as_nanos()).unwrap_or(usize::MAX)
    }
    fn tally(&mut self, operation: Operation, index: usize) -> &mut Tally {
        let tallies = self.operations.entry(operation).or_default();
        if tallies.len() <= index {
            tallies.resize_with(index + 1, Tally::default);
        }
        &mut tallies[index]
    }
    /// Records a request in the bucket in which it was due, and its bytes in all buckets that it lasted through.
    pub fn record(&mut self, sample: &Sample) {
        let index = self.index(sample.due);
        let tally = self.tally(sample.operation, index);
        tally.busy_s += sample.end.saturating_sub(sample.start).as_secs_f64();
        if let Some(class) = sample.failure {
            *tally.errors.entry(class).or_default() += 1;
            self.sums.1 += 1;
            return;
        }
        tally.ok += 1;
        tally.service.record(sample.end.saturating_sub(sample.start));
        tally.response.record(sample.end.saturating_sub(sample.due));
        if let Some(first_byte) = sample.first_byte {
            tally.first_byte.record(first_byte.saturating_sub(sample.start));
        }
        self.sums.0 += 1;
        self.sums.2 += sample.payload_bytes;
        self.spread(sample);
    }
    fn spread(&mut self, sample: &Sample) {
        if sample.payload_bytes == 0 {
            return;
        }
        let (start, end) = (sample.start.as_secs_f64(), sample.end.as_secs_f64().max(sample.start.as_secs_f64() + 1e-9));
        let (first, last) = (self.index(sample.start), self.index(sample.end));
        let width = self.bucket.as_secs_f64();
        for index in first..=last {
            let overlap = end.min((index + 1) as f64 * width) - start.max(index as f64 * width);
            self.tally(sample.operation, index).payload_bytes += sample.payload_bytes as f64 * (overlap / (end - start)).clamp(0.0, 1.0);
        }
    }
    /// Adds another worker's ledger, which has the same bucket width.
    pub fn merge(&mut self, other: &Ledger) {
        for (operation, tallies) in &other.operations {
            for (index, tally) in tallies.iter().enumerate() {
                self.tally(*operation, index).merge(tally);
            }
        }
        self.sums = (self.sums.0 + other.sums.0, self.sums.1 + other.sums.1, self.sums.2 + other.sums.2);
        self.late += other.late;
        self.dropped += other.dropped;
        self.verified += other.verified;
        self.schedule_lag.merge(&other.schedule_lag);
        self.loop_lag.merge(&other.loop_lag);
        self.unwritten.extend(&other.unwritten);
        self.left.extend(&other.left);
    }
    /// Requests that succeeded, requests that failed, and object bytes moved so far.
    pub fn sums(&self) -> (u64, u64, u64) {
        (self.sums.0, self.sums.1, self.sums.2)
    }
    /// The operations that were sent.
    pub fn operations(&self) -> impl Iterator<Item = Operation> + '_ {
        self.operations.keys().copied()
    }
    /// One operation's tally of the buckets that begin in `from..to`.
    pub fn window(&self, operation: Operation, from: Duration, to: Duration) -> Tally {
        let mut sum = Tally::default();
        let (first, last) = (from.as_nanos().div_ceil(self.bucket.as_nanos()) as usize, self.index(to));
        for tally in self.operations.get(&operation).into_iter().flatten().take(last).skip(first) {
            sum.merge(tally);
        }
        sum
    }
    /// The tally of all operations.
    pub fn window_of_all(&self, from: Duration, to: Duration) -> Tally {
        let mut sum = Tally::default();
        self.operations.keys().for_each(|operation| sum.merge(&self.window(*operation, from, to)));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn get(due: u64, start: u64, end: u64, payload_bytes: u64) -> Sample {
        let (due, start, end) = (MS(due), MS(start), MS(end));
        Sample { operation: Operation::GetObject, due, start, first_byte: Some(start), end, payload_bytes, failure: None }
    }

    #[test]
    fn a_request_counts_where_it_was_due_and_its_bytes_where_they_moved() {
        let mut ledger = Ledger::new(MS(100));
        ledger.record(&get(50, 50, 250, 2000));
        let bytes: Vec<f64> = (0..3).map(|i| ledger.window(Operation::GetObject, MS(i * 100), MS(i * 100 + 100)).payload_bytes.round()).collect();
        assert_eq!(bytes, [500.0, 1000.0, 500.0]);
        assert_eq!(ledger.window(Operation::GetObject, MS(0), MS(100)).ok, 1);
        assert_eq!(ledger.window(Operation::GetObject, MS(100), MS(300)).ok, 0);
    }

    #[test]
    fn response_time_counts_from_the_due_time_and_service_time_from_the_start() {
        let mut ledger = Ledger::new(MS(100));
        ledger.record(&get(10, 210, 220, 0));
        let tally = ledger.window_of_all(MS(0), MS(300));
        assert!((tally.response.max_ms().unwrap() - 210.0).abs() < 0.5);
        assert!((tally.service.max_ms().unwrap() - 10.0).abs() < 0.05);
    }

    #[test]
    fn a_failed_request_has_a_class_but_no_latency_and_no_bytes() {
        let mut ledger = Ledger::new(MS(100));
        ledger.record(&Sample { failure: Some(Failure::Status(503)), ..get(0, 0, 5, 1000) });
        let mut merged = Ledger::new(MS(100));
        merged.merge(&ledger);
        merged.merge(&ledger);
        let tally = merged.window_of_all(MS(0), MS(100));
        assert_eq!((tally.ok, tally.failed(), tally.errors[&Failure::Status(503)], tally.service.count()), (0, 2, 2, 0));
        assert_eq!(tally.payload_bytes, 0.0);
    }
}
