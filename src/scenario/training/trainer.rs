//! The step loop of a training job: load a batch, compute (a sleep), wait for the other accelerators.
//!
//! The main type is [`Trainer`]. All tasks of an accelerator live on one thread: one that computes and has no connection, and its workers,
//! each with a connection of its own. What it measures is written down at the end of a task, never per request.

use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::data::Sampler;
use super::feed::{Batch, Chunk, Feed, Share};
use crate::config::{Access, Dataloader, Operation};
use crate::load::{Lane, Meeting, Program, Request, Task, Worker};
use crate::model::ai::{Block, StepTimes, epoch_order};

/// What is trained.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The data set and the loop.
    pub spec: Dataloader,
    /// How files are read.
    pub access: Access,
    /// How many accelerators train together.
    pub accelerators: u32,
    /// Epochs at most.
    pub epochs: u32,
    /// Every key starts with this.
    pub prefix: String,
    /// The seed of the files' sizes.
    pub sizes: u64,
    /// The seed of the order and of what is compared.
    pub seed: u64,
}

/// What one accelerator did.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    /// Which, from 0.
    pub rank: u32,
    /// A block for each epoch that was begun.
    pub blocks: Vec<Block>,
    /// Steps whose batch lacked a sample because a read had failed: they count as waiting, since there was nothing to compute with.
    pub spoiled: u64,
    /// When its last step ended, from the start of the load.
    pub end: Duration,
}

/// The program of a training job.
#[derive(Debug)]
pub(super) struct Trainer {
    plan: Plan,
    meeting: Meeting,
    logs: Mutex<Vec<Log>>,
}

impl Trainer {
    /// A job that has not begun.
    pub fn new(plan: Plan) -> Self {
        Self { meeting: Meeting::new(plan.accelerators), plan, logs: Mutex::default() }
    }
    /// What the accelerators did, in their order.
    pub fn logs(&self) -> Vec<Log> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        logs.sort_by_key(|log| log.rank);
        logs
    }

    fn share(&self, rank: u32, epoch: u32) -> Share {
        let Plan { spec, access, accelerators, seed, .. } = &self.plan;
        Share {
            order: epoch_order(spec.units(*access), (rank, *accelerators), spec.shuffle, *seed, epoch),
            samples_per_unit: spec.samples_per_unit(*access),
            batch: spec.batch,
            steps: spec.steps_per_epoch(*access, *accelerators),
            workers: spec.read_threads,
        }
    }

    async fn train(&self, rank: u32, feed: Rc<Feed>, worker: &Worker) {
        worker.start().await;
        let mut log = Log { rank, ..Log::default() };
        for epoch in 0..self.plan.epochs {
            self.meeting.wait(worker).await;
            if worker.is_over() {
                break;
            }
            let begun = Instant::now();
            let share = self.share(rank, epoch);
            let steps = share.steps;
            feed.begin(worker, epoch, share);
            let mut block = Block::default();
            for _ in 0..steps {
                let Some(step) = self.step(&feed, worker, &mut log).await else { break };
                block.steps.push(step);
            }
            block.elapsed = begun.elapsed();
            let is_cut = (block.steps.len() as u64) < steps;
            log.blocks.push(block);
            if is_cut {
                break;
            }
        }
        log.end = worker.elapsed();
        self.meeting.leave(worker);
        feed.end(worker);
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).push(log);
        worker.finish();
    }

    /// One step. `None` when the time is over before it begins, or nothing is read any more.
    async fn step(&self, feed: &Feed, worker: &Worker, log: &mut Log) -> Option<StepTimes> {
        if worker.is_over() {
            return None;
        }
        let begun = Instant::now();
        let batch = feed.take(worker).await?;
        let loaded = Instant::now();
        worker.reactor.sleep_until(loaded + self.plan.spec.compute_time.0).await;
        let computed = Instant::now();
        self.meeting.wait(worker).await;
        let barrier = computed.elapsed();
        let (load, compute) = (loaded - begun, computed - loaded);
        if batch.is_whole {
            return Some(StepTimes { load, compute, barrier });
        }
        log.spoiled += 1;
        Some(StepTimes { load: load + compute, compute: Duration::ZERO, barrier })
    }

    async fn load(&self, rank: u32, number: u32, feed: Rc<Feed>, worker: &Worker) {
        let sampler = Sampler::new(self.plan.seed, u64::from(rank) << 32 | u64::from(number));
        let mut reader = Reader { plan: &self.plan, number, feed, worker, lane: worker.lane(), request: Request::default(), sampler };
        worker.open(&mut reader.lane).await;
        worker.start().await;
        let mut next = 0;
        while let Some((epoch, share)) = reader.feed.epoch(worker, next).await {
            for chunk in share.chunks(number) {
                if reader.read(chunk, &share).await.is_none() {
                    break;
                }
            }
            next = epoch + 1;
        }
        reader.lane.settle(worker);
        worker.finish();
    }
}

impl Program for Trainer {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let mut tasks: Vec<Task<'w>> = Vec::new();
        for rank in (worker.index..self.plan.accelerators).step_by(worker.of() as usize) {
            let feed = Rc::new(Feed::new(self.plan.spec.read_threads, self.plan.spec.prefetch));
            tasks.push(Box::pin(self.train(rank, Rc::clone(&feed), worker)));
            for number in 0..self.plan.spec.read_threads {
                tasks.push(Box::pin(self.load(rank, number, Rc::clone(&feed), worker)));
            }
        }
        tasks
    }
}

/// One worker of an accelerator.
struct Reader<'w> {
    plan: &'w Plan,
    number: u32,
    feed: Rc<Feed>,
    worker: &'w Worker,
    lane: Lane,
    request: Request,
    sampler: Sampler,
}

/// The batches of a chunk while it is read.
struct Filling {
    /// For each, whether every read of it succeeded so far.
    whole: Vec<bool>,
    /// How many were put into the queue.
    put: usize,
    batch: u64,
}

impl Filling {
    /// The samples `from..to` are missing.
    fn spoil(&mut self, from: u64, to: u64) {
        let (first, last) = ((from / self.batch) as usize, (to.max(from + 1) - 1) / self.batch);
        self.whole.iter_mut().take(last as usize + 1).skip(first).for_each(|whole| *whole = false);
    }
    /// The batches that are there when so many samples are.
    fn ready(&mut self, samples: u64) -> impl Iterator<Item = Batch> + '_ {
        let to = ((samples / self.batch) as usize).min(self.whole.len()).max(self.put);
        let from = std::mem::replace(&mut self.put, to);
        self.whole[from..to].iter().map(|is_whole| Batch { is_whole: *is_whole })
    }
    fn is_done(&self) -> bool {
        self.put == self.whole.len()
    }
}

impl Reader<'_> {
    /// Reads a chunk to the end of its last batch. `None` when nothing is read any more.
    async fn read(&mut self, chunk: Chunk<'_>, share: &Share) -> Option<()> {
        let mut filling = Filling { whole: vec![true; chunk.batches as usize], put: 0, batch: share.batch };
        let held = share.samples_per_unit;
        let streams = matches!(self.plan.access, Access::ShardStream { .. });
        for (unit, before) in chunk.units.iter().zip((0u64..).map(|index| index * held)) {
            let reads = self.plan.spec.reads(self.plan.access, self.plan.sizes, *unit);
            let bytes: u64 = reads.iter().map(|read| read.range.len).sum();
            let mut got = 0;
            for (index, read) in reads.iter().enumerate() {
                if filling.is_done() {
                    return Some(());
                }
                if !self.feed.room(self.worker, self.number).await {
                    return None;
                }
                let is_ok = self.fetch(*unit, read.object.as_str(), (read.range.start, read.range.len)).await?;
                let sample = |at: u64| before + if streams { held * at / bytes } else { 0 };
                got += read.range.len;
                let is_last = index + 1 == reads.len();
                if !is_ok {
                    let to = if streams { (before * bytes + held * got).div_ceil(bytes.max(1)) } else { before + held };
                    filling.spoil(sample(got - read.range.len), to);
                }
                let there = if is_last { before + held } else { sample(got) };
                for batch in filling.ready(there) {
                    self.feed.put(self.worker, self.number, batch);
                }
            }
        }
        Some(())
    }

    /// Whether a read succeeded. `None` when the budget is used up.
    async fn fetch(&mut self, unit: u64, name: &str, (start, len): (u64, u64)) -> Option<bool> {
        let spec = &self.plan.spec;
        let file = unit / (spec.samples_per_file / spec.samples_per_unit(self.plan.access));
        let size = spec.dataset().file_bytes(self.plan.sizes, file);
        self.request.reset(Operation::GetObject, file, size);
        self.request.key.push_str(&self.plan.prefix);
        self.request.key.push_str(name);
        self.request.range = (len < size).then(|| (start, start + len - 1));
        self.request.verify = self.sampler.is_verified();
        match self.worker.perform(&mut self.lane, &self.request, None).await {
            Some(answer) => Some(answer.is_ok()),
            None => {
                self.feed.end(self.worker);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(filling: &mut Filling, samples: u64) -> Vec<bool> {
        filling.ready(samples).map(|batch| batch.is_whole).collect()
    }

    #[test]
    fn batches_are_there_when_their_last_sample_is_and_each_once() {
        let mut filling = Filling { whole: vec![true; 3], put: 0, batch: 32 };
        assert!(ready(&mut filling, 31).is_empty());
        assert_eq!(ready(&mut filling, 64), [true, true]);
        assert!(ready(&mut filling, 64).is_empty());
        assert!(!filling.is_done());
        assert_eq!(ready(&mut filling, 128), [true]);
        assert!(filling.is_done());
    }

    #[test]
    fn a_failed_read_spoils_the_batches_that_it_brings_samples_of_and_no_other() {
        let mut filling = Filling { whole: vec![true; 4], put: 0, batch: 10 };
        filling.spoil(12, 20);
        filling.spoil(39, 41);
        assert_eq!(ready(&mut filling, 40), [true, false, true, false]);
    }
}
