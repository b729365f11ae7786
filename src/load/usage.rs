//! Counting what a worker sends, to tell the run's meter many requests at once.

use std::collections::BTreeMap;

use crate::config::Operation;
use crate::model::Usage;
use crate::wire::Meter;

/// What a worker has sent since it last told the meter.
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests: Vec<(Operation, u16, u64)>,
    upload: u64,
    download: u64,
    stored: i64,
}

impl Counts {
    /// Counts a request with its body bytes each way, and by how much the stored bytes grew.
    pub fn count(&mut self, operation: Operation, status: u16, (upload, download): (u64, u64), stored: i64) {
        match self.requests.iter_mut().find(|(known, answered, _)| (*known, *answered) == (operation, status)) {
            Some((_, _, count)) => *count += 1,
            None => self.requests.push((operation, status, 1)),
        }
        self.upload += upload;
        self.download += download;
        self.stored += stored;
    }
    /// Tells the meter.
    pub fn flush(&mut self, meter: &Meter) {
        if self.requests.iter().all(|(_, _, count)| *count == 0) {
            return;
        }
        let mut usage = Usage { upload_bytes: self.upload, download_bytes: self.download, ..Usage::default() };
        for (operation, status, count) in self.requests.iter_mut().filter(|(_, _, count)| *count > 0) {
            let statuses: &mut BTreeMap<u16, u64> = usage.requests.entry(operation.camel().to_owned()).or_default();
            *statuses.entry(*status).or_default() += std::mem::take(count);
        }
        meter.count_many(&usage, self.stored);
        (self.upload, self.download, self.stored) = (0, 0, 0);
    }
}
