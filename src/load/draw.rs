//! Which request comes next: drawn from the mix, by seed and slot.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::mix::{MixSpec, Work};
use super::request::Request;
use crate::config::{ListOptions, Operation};

/// Draws the requests of one slot. Slots share nothing: slot `s` of `n` writes and deletes the numbers that leave `s` when divided by `n`.
#[derive(Debug)]
pub struct Draw {
    spec: Arc<MixSpec>,
    slot: u64,
    random: ChaCha8Rng,
    shares: u32,
    /// Own objects that exist, oldest first.
    live: VecDeque<u64>,
    /// Own objects that do not exist.
    free: VecDeque<u64>,
    written: u64,
    first_read: bool,
    /// Number of the object that the request under way writes or deletes: its content may have another one.
    number: u64,
}

impl Draw {
    /// The requests of slot `slot` of `spec.concurrency`.
    pub fn new(spec: Arc<MixSpec>, slot: u64) -> Self {
        let slots = u64::from(spec.concurrency);
        let is_own = |number: &u64| number % slots == slot;
        // With fewer objects than connections, each connection still has one.
        let own = (0..spec.objects.max(slots)).filter(is_own);
        let (live, free, shares) = match &spec.work {
            Work::Fill { numbers, .. } => (VecDeque::new(), numbers.iter().copied().filter(is_own).collect(), 0),
            Work::Mix { mix, doomed } => {
                let exists = |number: &u64| if *doomed { *number < spec.objects } else { spec.existing.contains(number) };
                let (live, free): (Vec<u64>, Vec<u64>) = own.partition(exists);
                (live.into(), free.into(), mix.iter().map(|entry| entry.share).sum())
            }
        };
        let random = ChaCha8Rng::seed_from_u64(spec.seed ^ slot.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { slot, random, shares, live, free, written: 0, first_read: true, number: 0, spec }
    }

    /// Makes `request` the next one; false when everything that was to be written or deleted is.
    pub fn next(&mut self, request: &mut Request) -> bool {
        let spec = Arc::clone(&self.spec);
        let (mix, doomed) = match &spec.work {
            Work::Fill { set, .. } => {
                let Some(number) = self.free.pop_front() else { return false };
                self.about(request, Operation::PutObject, set, number);
                return true;
            }
            Work::Mix { mix, doomed } => (mix, *doomed),
        };
        let mut left = self.random.random_range(0..self.shares);
        let entry = mix.iter().find(|entry| {
            let hit = left < entry.share;
            left = left.saturating_sub(entry.share);
            hit
        });
        let Some(entry) = entry else { return false };
        match entry.operation {
            Operation::PutObject => self.put(request),
            Operation::DeleteObject => match self.live.pop_front() {
                Some(number) => self.about(request, Operation::DeleteObject, if doomed { "delete" } else { "write" }, number),
                None if doomed => return false,
                // Nothing of its own is left to delete: it writes instead, so that the mix goes on.
                None => self.put(request),
            },
            Operation::ListObjectsV2 => self.list(request, entry.list),
            operation => {
                let number = spec.keys.draw(&mut self.random);
                self.about(request, operation, "read", number);
                if let (Operation::GetObject, Some(range)) = (operation, entry.range) {
                    let start = self.random.random_range(0..spec.size / range.0) * range.0;
                    request.range = Some((start, start + range.0 - 1));
                }
                request.verify = operation == Operation::GetObject && self.is_verified();
            }
        }
        true
    }

    /// Tells how it ended: what was written may be overwritten or deleted from now on, what was deleted may be written again.
    pub fn done(&mut self, request: &Request, ok: bool) {
        if !matches!(self.spec.work, Work::Mix { doomed: false, .. }) {
            return;
        }
        match (request.operation, ok) {
            (Operation::PutObject, true) | (Operation::DeleteObject, false) => self.live.push_back(self.number),
            (Operation::PutObject, false) | (Operation::DeleteObject, true) => self.free.push_back(self.number),
            _ => {}
        }
    }

    /// Numbers of the own objects that exist.
    pub fn left(&self) -> impl Iterator<Item = u64> + '_ {
        self.live.iter().copied()
    }

    fn about(&mut self, request: &mut Request, operation: Operation, set: &str, number: u64) {
        request.reset(operation, number, self.spec.size);
        self.spec.write_key(&mut request.key, set, number);
        request.frees = if operation == Operation::DeleteObject { self.spec.size } else { 0 };
        self.number = number;
    }

    /// A page of one of the folders, of all folders, or of the keys after a random one. Parameters in the order of their names: that is also
    /// their canonical order.
    fn list(&mut self, request: &mut Request, options: ListOptions) {
        let number = self.random.random_range(0..self.spec.objects);
        request.reset(Operation::ListObjectsV2, number, 0);
        let mut below = String::new();
        let folder = number.checked_rem(self.spec.prefixes).filter(|_| options.in_prefix);
        self.spec.write_folder(&mut below, "read", folder);
        let delimiter = if options.delimiter { "delimiter=%2F&" } else { "" };
        request.query = format!("{delimiter}list-type=2&max-keys={}&prefix={}", options.max_keys, below.replace('/', "%2F"));
        if !options.in_prefix && !options.delimiter {
            let mut after = String::new();
            self.spec.write_key(&mut after, "read", number);
            request.query.push_str("&start-after=");
            request.query.push_str(&after.replace('/', "%2F"));
        }
    }

    /// The first read of each slot and a seeded share of the others.
    fn is_verified(&mut self) -> bool {
        let drawn = self.random.random::<f64>() < self.spec.verify_share;
        (std::mem::take(&mut self.first_read) && self.spec.verify_share > 0.0) || drawn
    }

    /// An own object that does not exist, or the oldest one again.
    fn put(&mut self, request: &mut Request) {
        let is_new = !self.free.is_empty();
        let number = self.free.pop_front().or_else(|| self.live.pop_front()).unwrap_or(self.slot);
        self.about(request, Operation::PutObject, "write", number);
        request.frees = if is_new { 0 } else { self.spec.size };
        request.number = match self.spec.cached {
            Some(cached) => self.written % cached,
            None => self.written * u64::from(self.spec.concurrency) + self.slot,
        };
        self.written += 1;
    }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
