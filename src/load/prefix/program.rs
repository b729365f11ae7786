//! The program that writes objects to many prefixes and adapts to what each of them takes, or does not.
//!
//! The main type is [`PrefixLoad`]. Each prefix belongs to one worker, and a client's keys are its own: no two limiters probe the same limit,
//! so that no leases are needed within a client.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pool::{Job, Pool, Take};
use super::{Answer, PrefixCount};
use crate::config::{Operation, PrefixScaleSpec, Retrying};
use crate::load::reactor::Task;
use crate::load::request::{Failure, Request};
use crate::load::worker::{Lane, Worker};
use crate::load::{self, Program};

/// How long a connection without work waits before it looks again: less than the limiters let a late request catch up.
const LOOK: Duration = Duration::from_millis(5);

/// What the load is about.
#[derive(Debug, Clone)]
pub struct PrefixPlan {
    /// The table of the scenario.
    pub spec: PrefixScaleSpec,
    /// How many prefixes.
    pub prefixes: u32,
    /// What is done with a 503.
    pub client: Retrying,
    /// Every key starts with this; it ends in `/`.
    pub base: String,
    /// Names of sub-prefixes depend on it.
    pub seed: u64,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrefixOutcome {
    /// For each prefix.
    pub counts: Vec<PrefixCount>,
    /// Objects that were given up, or not begun in time.
    pub unwritten: u64,
    /// Splits of prefixes.
    pub splits: u64,
    /// When the last object was written or given up.
    pub ended: Duration,
}

/// The program.
#[derive(Debug)]
pub struct PrefixLoad {
    plan: Arc<PrefixPlan>,
    outcome: Mutex<PrefixOutcome>,
}

impl PrefixLoad {
    /// A load that has written nothing.
    pub fn new(plan: PrefixPlan) -> Self {
        let counts = vec![PrefixCount::default(); plan.prefixes as usize];
        Self { plan: Arc::new(plan), outcome: Mutex::new(PrefixOutcome { counts, ..PrefixOutcome::default() }) }
    }
    /// What became of it, once it is over.
    pub fn outcome(&self) -> PrefixOutcome {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// What it was to do.
    pub fn plan(&self) -> &PrefixPlan {
        &self.plan
    }
}

impl Program for PrefixLoad {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let pool = Rc::new(RefCell::new(Pool::new(Arc::clone(&self.plan), worker.index, worker.of())));
        let own = (worker.index..self.plan.spec.concurrency).step_by(worker.of() as usize);
        let of = |_| {
            let writer = Writer { worker, plan: &self.plan, pool: Rc::clone(&pool), lane: worker.lane(), request: Request::default() };
            Box::pin(writer.run(&self.outcome)) as Task<'w>
        };
        own.map(of).collect()
    }
}

/// One connection.
struct Writer<'w> {
    worker: &'w Worker,
    plan: &'w PrefixPlan,
    pool: Rc<RefCell<Pool>>,
    lane: Lane,
    request: Request,
}

impl Writer<'_> {
    async fn run(mut self, outcome: &Mutex<PrefixOutcome>) {
        self.worker.open(&mut self.lane).await;
        self.worker.start().await;
        self.drive().await;
        self.lane.settle(self.worker);
        // The worker's last connection tells what all of them did.
        if Rc::strong_count(&self.pool) == 1 {
            self.pool.borrow().add_to(&mut outcome.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.worker.finish();
    }

    async fn drive(&mut self) {
        let limit = self.plan.spec.limit.0;
        while !self.worker.is_over() && self.worker.elapsed() < limit {
            let now = self.worker.elapsed();
            let taken = self.pool.borrow_mut().take(now);
            match taken {
                Take::Send(job) => {
                    if !self.write(job).await {
                        return;
                    }
                }
                Take::NotBefore(moment) => self.worker.sleep_until(moment.min(now + LOOK).min(limit)).await,
                Take::Over => return,
            }
        }
    }

    /// Sends a job until it is done, given up or to be paced again; false when the load is to end.
    async fn write(&mut self, mut job: Job) -> bool {
        loop {
            let sent_at = self.worker.elapsed();
            self.request.reset(Operation::PutObject, job.key, self.plan.spec.object_size.0);
            self.pool.borrow().write_key(&mut self.request.key, &job);
            let Some(answer) = self.worker.perform(&mut self.lane, &self.request, None).await else { return false };
            let (now, answer) = (self.worker.elapsed(), judged(&answer));
            match self.pool.borrow_mut().answered(job, sent_at, now, answer) {
                Some(again) => job = again,
                None => return true,
            }
            if self.worker.is_over() || now >= self.plan.spec.limit.0 {
                return true;
            }
        }
    }
}

/// What an answer tells about the rate.
fn judged(answer: &load::Answer) -> Answer {
    match answer.failure {
        None => Answer::Succeeded,
        Some(Failure::Status(503 | 429) | Failure::Timeout) => {
            Answer::Throttled { retry_after: answer.retry_after_s.map(|seconds| Duration::from_secs(u64::from(seconds))) }
        }
        Some(_) => Answer::Failed,
    }
}
