//! Metered use of a vendor: what a price card turns into money.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Requests by S3 operation (`PutObject`) and HTTP status, bytes each way, and what was stored for how long.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Operation in the API's camel case -> status (0 = no answer) -> count.
    pub requests: BTreeMap<String, BTreeMap<u16, u64>>,
    /// Body bytes sent.
    pub upload_bytes: u64,
    /// Body bytes received.
    pub download_bytes: u64,
    /// Integral of stored bytes over time, in byte-hours.
    pub stored_byte_hours: f64,
    /// Most bytes stored at one moment.
    pub stored_bytes_peak: u64,
}

impl Usage {
    /// Counts one request.
    pub fn count(&mut self, operation: &str, status: u16, upload: u64, download: u64) {
        *self.requests.entry(operation.to_owned()).or_default().entry(status).or_default() += 1;
        self.upload_bytes += upload;
        self.download_bytes += download;
    }
    /// All requests.
    pub fn total(&self) -> u64 {
        self.requests.values().flat_map(|statuses| statuses.values()).sum()
    }
    /// Adds another client's or phase's use.
    pub fn add(&mut self, other: &Usage) {
        for (operation, statuses) in &other.requests {
            let own = self.requests.entry(operation.clone()).or_default();
            for (status, count) in statuses {
                *own.entry(*status).or_default() += count;
            }
        }
        self.upload_bytes += other.upload_bytes;
        self.download_bytes += other.download_bytes;
        self.stored_byte_hours += other.stored_byte_hours;
        self.stored_bytes_peak = self.stored_bytes_peak.max(other.stored_bytes_peak);
    }
}
