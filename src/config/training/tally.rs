//! Adding up what a program sends, for its estimate.
//!
//! The main type is [`Tally`].

use super::super::throughput::{CellTimes, FASTEST_BYTES_PER_S, FASTEST_REQUEST};
use crate::model::Estimate;

/// Requests and bytes so far.
#[derive(Debug, Default)]
pub(super) struct Tally(Estimate);

impl Tally {
    /// Counts requests that move no object.
    pub(super) fn count(&mut self, operation: &str, requests: u64) {
        if requests > 0 {
            *self.0.requests.entry(operation.to_owned()).or_default() += requests;
        }
    }
    /// Counts reads of so many bytes together.
    pub(super) fn get(&mut self, requests: u64, bytes: u64) {
        self.count("GetObject", requests);
        self.0.download_bytes += bytes;
    }
    /// Counts whole objects of so many bytes together, each in one request.
    pub(super) fn put(&mut self, objects: u64, bytes: u64) {
        self.count("PutObject", objects);
        self.0.upload_bytes += bytes;
    }
    /// Counts objects of one size, in parts where it is larger than a part.
    pub(super) fn upload(&mut self, objects: u64, bytes: u64, part: u64) {
        if bytes <= part {
            return self.put(objects, objects * bytes);
        }
        self.count("CreateMultipartUpload", objects);
        self.count("UploadPart", objects * bytes.div_ceil(part));
        self.count("CompleteMultipartUpload", objects);
        self.0.upload_bytes += objects * bytes;
    }
    /// Counts bytes that are sent in requests which are counted elsewhere.
    pub(super) fn bytes(&mut self, uploaded: u64) {
        self.0.upload_bytes += uploaded;
    }
    /// Adds what was estimated elsewhere.
    pub(super) fn also(&mut self, other: &Estimate) {
        self.0.then(other);
    }
    /// Adds the time in which data is prepared, as the throughput scenarios assume it.
    pub(super) fn prepared(&mut self, objects: u64, bytes: u64) {
        self.0.duration_s += bytes as f64 / FASTEST_BYTES_PER_S * 4.0 + objects as f64 * 0.001;
    }
    /// Counts what lies there at once beside everything that was said before.
    pub(super) fn stored(&mut self, bytes: u64) {
        self.0.stored_bytes += bytes;
    }
    /// Adds the time of a cell.
    pub(super) fn lasts(&mut self, times: CellTimes) {
        self.0.duration_s += (times.duration + times.warm_up).as_secs_f64() + 0.2;
    }
    /// What it all adds up to.
    pub(super) fn done(self) -> Estimate {
        self.0
    }
}

/// Most requests of a mean size that a closed loop of so many workers sends in the time.
pub(super) fn closed_loop(workers: u32, mean_bytes: f64, times: CellTimes) -> u64 {
    let by_time = f64::from(workers) / FASTEST_REQUEST.as_secs_f64();
    let rate = if mean_bytes > 0.0 { by_time.min(FASTEST_BYTES_PER_S / mean_bytes) } else { by_time };
    (rate * (times.duration + times.warm_up).as_secs_f64()).ceil() as u64 + u64::from(workers)
}

/// Most rounds of so many bytes and so many requests one after the other that fit into the time, at least one.
pub(super) fn rounds(bytes: u64, requests_in_turn: u64, pause_s: f64, times: CellTimes) -> u64 {
    let fastest = (bytes as f64 / FASTEST_BYTES_PER_S).max(requests_in_turn as f64 * FASTEST_REQUEST.as_secs_f64());
    (times.duration.as_secs_f64() / (fastest + pause_s)) as u64 + 1
}
