//! Which request comes next: drawn from the mix, by seed and slot.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{LoadSpec, Work};
use crate::config::{Operation, PayloadMode};

/// A request that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The operation.
    pub operation: Operation,
    /// The object's key; for a listing, the key after which it starts.
    pub key: String,
    /// Number of the body that the object holds or will hold.
    pub body: u64,
    /// First and last byte of a range.
    pub range: Option<(u64, u64)>,
    /// Whether the answer's body is compared byte for byte.
    pub verify: bool,
    /// Whether an object of the same size is gone when it succeeds: deleted or overwritten.
    pub frees: bool,
    number: u64,
}

/// Draws the requests of one slot. Slots share nothing: slot `s` of `n` writes and deletes the numbers that leave `s` when divided by `n`.
#[derive(Debug)]
pub struct Draw {
    spec: Arc<LoadSpec>,
    slot: u64,
    random: ChaCha8Rng,
    shares: u32,
    /// Own objects that exist, oldest first.
    live: VecDeque<u64>,
    /// Own objects that do not exist.
    free: VecDeque<u64>,
    written: u64,
    first_read: bool,
}

impl Draw {
    /// The requests of slot `slot` of `spec.concurrency`.
    pub fn new(spec: Arc<LoadSpec>, slot: u64) -> Self {
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
        Self { slot, random, shares, live, free, written: 0, first_read: true, spec }
    }

    /// The next request; `None` when everything that was to be written or deleted is.
    pub fn next(&mut self) -> Option<Planned> {
        let spec = Arc::clone(&self.spec);
        let (mix, doomed) = match &spec.work {
            Work::Fill { set, .. } => {
                let number = self.free.pop_front()?;
                return Some(self.planned(Operation::PutObject, spec.key(set, number), number));
            }
            Work::Mix { mix, doomed } => (mix, *doomed),
        };
        let mut left = self.random.random_range(0..self.shares);
        let entry = mix.iter().find(|entry| {
            let hit = left < entry.share;
            left = left.saturating_sub(entry.share);
            hit
        })?;
        match entry.operation {
            Operation::PutObject => Some(self.put()),
            Operation::DeleteObject if doomed => {
                let number = self.live.pop_front()?;
                Some(self.planned(Operation::DeleteObject, spec.key("delete", number), number))
            }
            // Nothing of its own is left to delete: it writes instead, so that the mix goes on.
            Operation::DeleteObject => match self.live.pop_front() {
                Some(number) => Some(self.planned(Operation::DeleteObject, spec.key("write", number), number)),
                None => Some(self.put()),
            },
            operation => {
                let number = self.random.random_range(0..spec.objects);
                let mut planned = self.planned(operation, spec.key("read", number), number);
                if let (Operation::GetObject, Some(range)) = (operation, entry.range) {
                    let start = self.random.random_range(0..spec.bodies.size() / range.0) * range.0;
                    planned.range = Some((start, start + range.0 - 1));
                }
                planned.verify = operation == Operation::GetObject && self.is_verified();
                Some(planned)
            }
        }
    }

    /// Tells how it ended: what was written may be overwritten or deleted from now on, what was deleted may be written again.
    pub fn done(&mut self, planned: &Planned, ok: bool) {
        if !matches!(self.spec.work, Work::Mix { doomed: false, .. }) {
            return;
        }
        match (planned.operation, ok) {
            (Operation::PutObject, true) | (Operation::DeleteObject, false) => self.live.push_back(planned.number),
            (Operation::PutObject, false) | (Operation::DeleteObject, true) => self.free.push_back(planned.number),
            _ => {}
        }
    }

    /// Numbers of the own objects that exist.
    pub fn left(&self) -> impl Iterator<Item = u64> + '_ {
        self.live.iter().copied()
    }

    fn planned(&self, operation: Operation, key: String, number: u64) -> Planned {
        Planned { operation, key, body: number, range: None, verify: false, frees: operation == Operation::DeleteObject, number }
    }

    /// The first read of each slot and a seeded share of the others.
    fn is_verified(&mut self) -> bool {
        let drawn = self.random.random::<f64>() < self.spec.verify_share;
        std::mem::take(&mut self.first_read) || drawn
    }

    /// An own object that does not exist, or the oldest one again.
    fn put(&mut self) -> Planned {
        let is_new = !self.free.is_empty();
        let number = self.free.pop_front().or_else(|| self.live.pop_front()).unwrap_or(self.slot);
        let mut planned = self.planned(Operation::PutObject, self.spec.key("write", number), number);
        planned.frees = !is_new;
        planned.body = match self.spec.payload {
            PayloadMode::CachedSigned => self.written % self.spec.bodies.cached(),
            PayloadMode::UniqueSigned | PayloadMode::Unsigned => self.written * u64::from(self.spec.concurrency) + self.slot,
        };
        self.written += 1;
        planned
    }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
