//! What lies between the workers that read batches and the accelerator that takes them: a bounded queue for each worker.
//!
//! The main type is [`Feed`]. It works as PyTorch's `DataLoader` does under DLIO: worker `w` of `t` reads the batches `w`, `w + t`, ...; at
//! most `ceil(prefetch / t)` of them are begun and not yet taken; they are taken in their order. Where a batch does not consist of whole
//! units (files or row groups), a worker takes the fewest units that hold whole batches, so that no unit is read twice.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::load::{Bell, Worker};

/// The batches of one epoch of one accelerator, by worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Units in the order in which they are read.
    pub order: Vec<u64>,
    /// Samples of a unit.
    pub samples_per_unit: u64,
    /// Samples of a batch.
    pub batch: u64,
    /// Batches in all.
    pub steps: u64,
    /// Workers.
    pub workers: u32,
}

/// What a worker reads without a pause in between: whole units and whole batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    /// Units in their order.
    pub units: &'a [u64],
    /// How many batches are taken of them: what is left over is not read.
    pub batches: u64,
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

impl Share {
    /// The chunks of a worker, in their order.
    pub fn chunks(&self, worker: u32) -> impl Iterator<Item = Chunk<'_>> {
        let units = (self.batch / greatest_common_divisor(self.batch, self.samples_per_unit)) as usize;
        let each = units as u64 * self.samples_per_unit / self.batch;
        let chunks = self.order.chunks(units).zip(0..).map(move |(units, index)| {
            let held = units.len() as u64 * self.samples_per_unit / self.batch;
            Chunk { units, batches: held.min(self.steps.saturating_sub(index * each)) }
        });
        chunks.skip(worker as usize).step_by(self.workers as usize).filter(|chunk| chunk.batches > 0)
    }
    /// How many batches a worker reads.
    fn batches(&self, worker: u32) -> u64 {
        self.chunks(worker).map(|chunk| chunk.batches).sum()
    }
}

/// A batch that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    /// Whether every read of it succeeded.
    pub is_whole: bool,
}

/// The queues between one accelerator and its workers. All of them live on one thread.
#[derive(Debug)]
pub(super) struct Feed {
    bell: Bell,
    /// Batches of each worker that are begun and not taken, at most.
    ahead: usize,
    epoch: RefCell<Option<(u32, Rc<Share>)>>,
    queues: RefCell<Vec<Queue>>,
    turn: Cell<usize>,
    is_over: Cell<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Batch>,
    /// Batches of the epoch that are not taken yet.
    left: u64,
}

impl Feed {
    /// Of so many workers that load `prefetch` batches ahead together.
    pub fn new(workers: u32, prefetch: u32) -> Self {
        Self {
            bell: Bell::default(),
            ahead: prefetch.div_ceil(workers) as usize,
            epoch: RefCell::new(None),
            queues: RefCell::new((0..workers).map(|_| Queue::default()).collect()),
            turn: Cell::new(0),
            is_over: Cell::new(false),
        }
    }

    /// Begins an epoch: the workers start to read.
    pub fn begin(&self, worker: &Worker, epoch: u32, share: Share) {
        for (number, queue) in (0..).zip(self.queues.borrow_mut().iter_mut()) {
            *queue = Queue { ready: VecDeque::new(), left: share.batches(number) };
        }
        self.turn.set(0);
        *self.epoch.borrow_mut() = Some((epoch, Rc::new(share)));
        self.bell.ring(&worker.reactor);
    }

    /// Ends it all: nothing is read any more.
    pub fn end(&self, worker: &Worker) {
        self.is_over.set(true);
        self.bell.ring(&worker.reactor);
    }

    /// Waits for this epoch or a later one. `None` when there is none any more.
    pub async fn epoch(&self, worker: &Worker, least: u32) -> Option<(u32, Rc<Share>)> {
        let found = || {
            if self.is_over.get() {
                return Some(None);
            }
            let current = self.epoch.borrow();
            current.as_ref().filter(|(begun, _)| *begun >= least).map(|begun| Some(begun.clone()))
        };
        self.bell.wait(&worker.reactor, found).await
    }

    /// Waits until a worker may read on. False when nothing is read any more.
    pub async fn room(&self, worker: &Worker, number: u32) -> bool {
        let found = || {
            let has_room = self.queues.borrow()[number as usize].ready.len() < self.ahead;
            (self.is_over.get() || has_room).then(|| !self.is_over.get())
        };
        self.bell.wait(&worker.reactor, found).await
    }

    /// A worker has read a batch.
    pub fn put(&self, worker: &Worker, number: u32, batch: Batch) {
        self.queues.borrow_mut()[number as usize].ready.push_back(batch);
        self.bell.ring(&worker.reactor);
    }

    /// Waits for the next batch in order. `None` when none comes any more.
    pub async fn take(&self, worker: &Worker) -> Option<Batch> {
        let batch = self.bell.wait(&worker.reactor, || if self.is_over.get() { Some(None) } else { self.next() }).await;
        self.bell.ring(&worker.reactor);
        batch
    }

    fn next(&self) -> Option<Option<Batch>> {
        let mut queues = self.queues.borrow_mut();
        let count = queues.len();
        let Some(turn) = (0..count).map(|step| (self.turn.get() + step) % count).find(|turn| queues[*turn].left > 0) else { return Some(None) };
        let batch = queues[turn].ready.pop_front()?;
        queues[turn].left -= 1;
        self.turn.set((turn + 1) % count);
        Some(Some(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(units: u64, samples_per_unit: u64, batch: u64, steps: u64) -> Share {
        Share { order: (0..units).collect(), samples_per_unit, batch, steps, workers: 4 }
    }

    fn all(share: &Share) -> (Vec<u64>, u64) {
        let mut units: Vec<u64> = (0..4).flat_map(|worker| share.chunks(worker).flat_map(|chunk| chunk.units.to_vec()).collect::<Vec<_>>()).collect();
        units.sort_unstable();
        (units, (0..4).map(|worker| share.batches(worker)).sum())
    }

    #[test]
    fn every_unit_has_one_worker_and_no_batch_is_lost() {
        // A batch of seven files; a file of four batches; three batches in eight row groups.
        for (units, held, batch, steps) in [(70, 1, 7, 10), (12, 128, 32, 48), (16, 6144, 16_384, 6)] {
            let share = share(units, held, batch, steps);
            assert_eq!(all(&share), ((0..units).collect(), steps), "{held} {batch}");
        }
    }

    #[test]
    fn what_makes_no_batch_or_lies_beyond_the_steps_is_not_read() {
        assert_eq!(all(&share(75, 1, 7, 10)), ((0..70).collect(), 10), "five files are left over");
        assert_eq!(all(&share(70, 1, 7, 4)), ((0..28).collect(), 4));
        assert_eq!(all(&share(9, 6144, 16_384, 3)), ((0..8).collect(), 3), "one row group makes no batch");
    }

    #[test]
    fn workers_take_batches_in_turn() {
        let share = share(42, 1, 7, 6);
        let first: Vec<u64> = (0..4).map(|worker| share.chunks(worker).next().unwrap().units[0]).collect();
        assert_eq!(first, [0, 7, 14, 21]);
        assert_eq!(share.batches(0), 2);
        assert_eq!(share.batches(3), 1);
    }
}
